//! Starting other programs: argv only, never a shell, and an error that names the program.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::guard::{Guard, Guarded};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is not installed, or not on `PATH`.
    #[error("`{0}` is not installed")]
    NotFound(String),
    /// It could not be started or talked to.
    #[error("cannot run `{program}`: {source}")]
    Io {
        /// Its name.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{program}` failed with {status}: {stderr}")]
    Failed {
        /// Its name and first arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last, trimmed.
        stderr: String,
    },
}

/// A command that reads nothing from the terminal.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs"
)]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The same for the asynchronous runtime.
pub(crate) fn command_async(program: impl AsRef<OsStr>) -> tokio::process::Command {
    tokio::process::Command::from(command(program))
}

/// A child that leads a process group of its own, together with all that it started: they end with this value, unless
/// it is released.
#[derive(Debug)]
pub(crate) struct Group {
    id: Option<rustix::process::Pid>,
    guarded: Option<Guarded>,
}

impl Group {
    /// The group of a child that was started with `process_group(0)`, after the guard was. It ends also when this process is
    /// killed.
    pub(crate) fn of(child: &tokio::process::Child, guard: &Guard) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(rustix::process::Pid::from_raw);
        Self {
            id,
            guarded: id.map(|id| guard.watch(id, true)),
        }
    }

    /// The child ended by itself.
    pub(crate) fn release(&mut self) {
        self.id = None;
        self.guarded = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Nobody is left to be killed when this fails.
            _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// Children that a thread waits for, and that another one can end: those that run and those that come later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Children {
    running: Arc<Mutex<Running>>,
    guard: Option<Guard>,
}

#[derive(Debug, Default)]
struct Running {
    ended: bool,
    child: Option<rustix::process::Pid>,
    /// The child leads a process group of its own.
    leads: bool,
}

impl Running {
    fn end(&mut self) {
        self.ended = true;
        let Some(child) = self.child else { return };
        // It may have ended by itself.
        _ = if self.leads {
            rustix::process::kill_process_group(child, rustix::process::Signal::KILL)
        } else {
            rustix::process::kill_process(child, rustix::process::Signal::KILL)
        };
    }
}

impl Children {
    /// None yet; they end also when this process is killed.
    pub(crate) fn guarded(guard: &Guard) -> Self {
        Self {
            running: Arc::default(),
            guard: Some(guard.clone()),
        }
    }

    /// Ends them when the returned value is dropped.
    pub(crate) fn end_on_drop(&self) -> EndOnDrop {
        EndOnDrop(self.clone())
    }

    /// [`output`], in a process group of its own that can be ended.
    pub(crate) fn output(&self, command: &mut Command) -> Result<Vec<u8>, Error> {
        command.process_group(0);
        self.wait_for(command, true)
    }

    /// [`output`], in the process group of this process, so that it may ask something on the terminal (ssh: the passphrase of a
    /// key). It can be ended; what it started has to notice that by itself, unless the guard ends it.
    pub(crate) fn output_on_terminal(&self, command: &mut Command) -> Result<Vec<u8>, Error> {
        self.wait_for(command, false)
    }

    fn wait_for(&self, command: &mut Command, leads: bool) -> Result<Vec<u8>, Error> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(guard) = &self.guard {
            guard.begin();
        }
        let (child, guarded) = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.ended {
                return Err(failed_to_run(command, io::ErrorKind::Interrupted.into()));
            }
            let child = command
                .spawn()
                .map_err(|source| failed_to_run(command, source))?;
            running.leads = leads;
            running.child = i32::try_from(child.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            let guarded = self.guard.as_ref().zip(running.child);
            (child, guarded.map(|(guard, id)| guard.watch(id, leads)))
        };
        let output = child.wait_with_output();
        drop(guarded);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.child = None;
        drop(running);
        checked(
            command,
            output.map_err(|source| failed_to_run(command, source))?,
        )
    }
}

/// Ends [`Children`] when it is dropped.
#[derive(Debug)]
pub(crate) struct EndOnDrop(Children);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.end();
    }
}

/// Runs it to its end with this standard input, and returns what it wrote to standard output.
pub(crate) fn output_of_input(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Error> {
    let (reader, mut writer) = io::pipe().map_err(|source| Error::Io {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    command.stdin(reader);
    std::thread::scope(|scope| {
        // A program that ends before it has read everything says why itself.
        scope.spawn(move || io::Write::write_all(&mut writer, input).ok());
        let result = output(command);
        // The command holds the reading end: as long as it is open, the writer could wait for ever.
        command.stdin(Stdio::null());
        result
    })
}

/// Runs it to its end and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command
        .output()
        .map_err(|source| failed_to_run(command, source))?;
    checked(command, output)
}

fn failed_to_run(command: &Command, source: io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound(program),
        _ => Error::Io { program, source },
    }
}

/// What it wrote to standard output, when it ended well.
fn checked(command: &Command, output: std::process::Output) -> Result<Vec<u8>, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    if output.status.success() {
        return Ok(output.stdout);
    }
    // `git -C <directory> log` is `git log` for people.
    let mut arguments = command.get_args();
    let mut first = arguments.next();
    while first.is_some_and(|word| word == "-C" || word == "-c") {
        first = arguments.nth(1);
    }
    let first = first.map(OsStr::to_string_lossy).unwrap_or_default();
    Err(Error::Failed {
        program: format!("{program} {first}").trim_end().to_owned(),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
