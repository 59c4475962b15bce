//! The loop: stop at every system call of one process, number those that change files, kill at one of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::syscalls::{self, Shape};

/// `op` of `PTRACE_GET_SYSCALL_INFO` at the entry of a call.
const ENTRY: u8 = libc::PTRACE_SYSCALL_INFO_ENTRY;

/// What to do.
#[derive(Debug, Default)]
pub(crate) struct Options {
    kill_at: Option<u64>,
    trace: Option<PathBuf>,
    count: bool,
    ignore_stdio: bool,
    program: Vec<OsString>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--kill-at") => {
                    let number = arguments
                        .next()
                        .and_then(|text| text.to_str()?.parse().ok());
                    options.kill_at = Some(number.ok_or("--kill-at needs a number")?);
                }
                Some("--trace") => {
                    options.trace = Some(arguments.next().ok_or("--trace needs a file")?.into());
                }
                Some("--count") => options.count = true,
                Some("--ignore-stdio") => options.ignore_stdio = true,
                Some("--") => {
                    options.program = arguments.collect();
                    break;
                }
                _ => return Err(format!("unknown argument {}", argument.display())),
            }
        }
        if options.program.is_empty() {
            return Err("usage: tracer [--kill-at <n>] [--trace <file>] [--count] [--ignore-stdio] -- <program> …".into());
        }
        Ok(options)
    }
}

/// One watched call.
#[derive(Debug, Clone)]
struct Event {
    /// Its number; none for what only acknowledges.
    number: Option<u64>,
    thread: i32,
    name: &'static str,
    /// The file that it concerns, or where it comes from.
    path: String,
    /// Where it goes.
    to: Option<String>,
}

struct Tracer<'a> {
    options: &'a Options,
    process: Pid,
    /// The program has replaced the shell that waited for us.
    running: bool,
    counted: u64,
    under_way: BTreeMap<i32, Event>,
    sink: Option<File>,
    killed: bool,
}

/// Runs the program to its end (or to the kill) and returns its exit code, 128 + signal.
pub(crate) fn run(options: &Options) -> Result<i32, String> {
    let sink = match &options.trace {
        Some(path) => {
            Some(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => None,
    };
    let child = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(&options.program)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start a shell: {error}"))?;
    let process = Pid::from_raw(child.id().cast_signed());
    let wrong = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    waitpid(process, Some(WaitPidFlag::WUNTRACED)).map_err(wrong("waiting for the shell"))?;
    ptrace::seize(
        process,
        ptrace::Options::PTRACE_O_TRACESYSGOOD
            | ptrace::Options::PTRACE_O_TRACECLONE
            | ptrace::Options::PTRACE_O_TRACEEXEC
            | ptrace::Options::PTRACE_O_EXITKILL,
    )
    .map_err(wrong("ptrace is not allowed here"))?;
    kill(process, Signal::SIGCONT).map_err(wrong("going on"))?;
    let mut tracer = Tracer {
        options,
        process,
        running: false,
        counted: 0,
        under_way: BTreeMap::new(),
        sink,
        killed: false,
    };
    let code = tracer.follow()?;
    if options.count {
        eprintln!("{} calls", tracer.counted);
    }
    let counted = tracer.counted;
    let killed = tracer.killed;
    tracer.record(&serde_json::json!({ "counted": counted, "killed": killed, "exit": code }));
    Ok(code)
}

impl Tracer<'_> {
    fn follow(&mut self) -> Result<i32, String> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(status) => status,
                Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(format!("waiting: {error}")),
            };
            match status {
                WaitStatus::Exited(thread, code) if thread == self.process => return Ok(code),
                WaitStatus::Signaled(thread, signal, _) if thread == self.process => {
                    return Ok(128 + signal as i32);
                }
                WaitStatus::PtraceSyscall(thread) => {
                    self.at_call(thread);
                    resume(thread, None);
                }
                WaitStatus::PtraceEvent(thread, _, event) => {
                    if event == libc::PTRACE_EVENT_EXEC {
                        self.running = true;
                    }
                    if self.is_ours(thread) {
                        resume(thread, None);
                    } else {
                        // A new process that `clone` made without SIGCHLD: let it go.
                        let _gone = ptrace::detach(thread, None);
                    }
                }
                WaitStatus::Stopped(thread, signal) => resume(thread, Some(signal)),
                _ => {}
            }
        }
    }

    /// Whether it is a thread of the one process.
    fn is_ours(&self, thread: Pid) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("Tgid:"))
            .is_none_or(|group| group.trim() == self.process.to_string())
    }

    fn at_call(&mut self, thread: Pid) {
        // A thread can be killed while it is stopped: then there is nothing to read any more.
        let (Ok(info), Ok(registers)) = (ptrace::syscall_info(thread), syscalls::registers(thread))
        else {
            return;
        };
        if !self.running {
            return;
        }
        if info.op != ENTRY {
            if let Some(event) = self.under_way.remove(&thread.as_raw()) {
                self.finish(&event, registers.result);
            }
            return;
        }
        let Some(event) = self.watch(thread, &registers) else {
            return;
        };
        if event.number.is_some() && event.number == self.options.kill_at {
            self.killed = true;
            self.describe(&event, None);
            let _gone = kill(self.process, Signal::SIGKILL);
            return;
        }
        self.under_way.insert(thread.as_raw(), event);
    }

    /// The event of a call that matters, numbered if it changes a file.
    fn watch(&mut self, thread: Pid, registers: &syscalls::Registers) -> Option<Event> {
        let call = syscalls::call(registers.number)?;
        let descriptor = syscalls::descriptor(registers.arguments[0]);
        let target = || syscalls::target(self.process, descriptor);
        let path = |index| {
            syscalls::path(
                self.process,
                registers,
                index,
                call.name.ends_with("at") || call.name.ends_with("at2"),
            )
        };
        let (path, to, counts) = match call.shape {
            Shape::Write => {
                let path = target();
                let ignored = self.options.ignore_stdio && descriptor <= 2;
                // Wake-ups of the event loop are no writes to anything.
                if path.starts_with("anon_inode:") {
                    return None;
                }
                // What goes to somebody else is an answer, however it is written.
                let answers = path.starts_with("socket:");
                (path, None, !ignored && !answers)
            }
            Shape::Descriptor => (target(), None, true),
            Shape::Path(index) => (path(index), None, true),
            Shape::TwoPaths(from, to) => (path(from), Some(path(to)), true),
            Shape::Open => {
                let flags = syscalls::descriptor(registers.arguments[2]);
                if flags & (libc::O_CREAT | libc::O_TRUNC) == 0 {
                    return None;
                }
                (path(1), None, false)
            }
            Shape::Send => (target(), None, false),
        };
        let number = counts.then(|| {
            self.counted += 1;
            self.counted
        });
        Some(Event {
            number,
            thread: thread.as_raw(),
            name: call.name,
            path,
            to,
        })
    }

    fn finish(&mut self, event: &Event, result: i64) {
        self.describe(event, Some(result));
    }

    fn describe(&mut self, event: &Event, result: Option<i64>) {
        if self.options.count && event.number.is_some() {
            eprintln!(
                "{:>5} {:<10} {}{} = {}",
                event.number.unwrap_or(0),
                event.name,
                event.path,
                event
                    .to
                    .as_ref()
                    .map(|to| format!(" -> {to}"))
                    .unwrap_or_default(),
                result.map_or("killed".to_owned(), |result| result.to_string()),
            );
        }
        self.record(&serde_json::json!({
            "number": event.number,
            "thread": event.thread,
            "call": event.name,
            "path": event.path,
            "to": event.to,
            "result": result,
        }));
    }

    fn record(&mut self, line: &serde_json::Value) {
        if let Some(sink) = &mut self.sink {
            // Written at once: what killed the tracer itself should not lose the trace.
            writeln!(sink, "{line}").expect("the trace can be written");
        }
    }
}

/// Goes on to the next stop; a thread that is gone meanwhile is reported by the next wait.
fn resume(thread: Pid, signal: Option<Signal>) {
    let _gone = ptrace::syscall(thread, signal);
}
