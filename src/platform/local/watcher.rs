//! The watcher: a small process between the supervisor and one process of a revision.
//!
//! Its standard input is a socket to the supervisor. It starts the command in a process group of its own,
//! reports how it ends, and ends the group when it is told to, or when the supervisor is gone: so nothing is
//! orphaned when the supervisor is killed. When the watcher itself is killed, the system kills the command
//! (`PR_SET_PDEATHSIG`, see [`run_command`]) and the supervisor the rest of the group.
//!
//! Blocking and without a runtime: there is one of it for each process, so it has to be small.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use crate::clients::process;

/// How long a process may take to end when there is no supervisor any more that could wait for it.
const GRACE_WITHOUT_SUPERVISOR: Duration = Duration::from_secs(5);

/// What one process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    /// argv, no shell.
    pub(super) command: Vec<String>,
    /// Where it runs.
    pub(super) directory: PathBuf,
    /// All of its environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub(super) grace_milliseconds: u64,
}

/// What the supervisor tells the watcher, one JSON document on each line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The first one.
    Run(Launch),
    /// SIGTERM now, SIGKILL after the grace.
    Stop,
}

/// What the watcher tells the supervisor, one JSON document on each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// It runs; the number is also that of its process group.
    Started(u32),
    /// The system would not start it.
    NotStarted(String),
    /// It has ended, and its whole group with it.
    Ended {
        /// Exit code.
        code: Option<i32>,
        /// The signal that killed it.
        signal: Option<i32>,
        /// The watcher had to kill it, because it did not end within its grace.
        forced: bool,
    },
}

/// The `squad local watch` command.
pub(crate) fn watch(executable: &Path) -> io::Result<()> {
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = BufReader::new(control.try_clone()?);
    let Some(Order::Run(launch)) = next_order(&mut orders)? else {
        return Ok(());
    };
    let grace = Duration::from_millis(launch.grace_milliseconds);
    let mut child = match start(executable, &launch) {
        Ok(child) => child,
        Err(error) => return report(&control, &Report::NotStarted(error.to_string())),
    };
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return Err(io::Error::other("the system gave no process id"));
    };
    // A supervisor that is gone already shows as the end of its orders.
    drop(report(&control, &Report::Started(child.id())));
    let forced = Arc::new(AtomicBool::new(false));
    let (alive, has_ended) = mpsc::channel::<()>();
    let ender = std::thread::spawn({
        let forced = Arc::clone(&forced);
        move || end_when_told(&mut orders, group, grace, &has_ended, &forced)
    });
    let status = wait_for_group(&mut child, group)?;
    drop(alive);
    drop(report(
        &control,
        &Report::Ended {
            code: status.code(),
            signal: status.signal(),
            forced: forced.load(Ordering::Acquire),
        },
    ));
    // The thread reads from a supervisor that may never say anything again: it ends with the process.
    drop(ender);
    Ok(())
}

/// The next order; none when the supervisor is gone.
fn next_order(orders: &mut impl BufRead) -> io::Result<Option<Order>> {
    let mut line = String::new();
    if orders.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

fn report(mut control: &UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}

/// Starts the command by way of [`run_command`]. It writes straight to the supervisor's pipes.
fn start(executable: &Path, launch: &Launch) -> io::Result<Child> {
    process::command(executable)
        .args(["local", "exec"])
        .arg(std::process::id().to_string())
        .arg("--")
        .args(&launch.command)
        .current_dir(&launch.directory)
        .env_clear()
        .envs(&launch.environment)
        .process_group(0)
        .spawn()
}

/// Waits for an order or the end of the orders, and then for the process to end, or makes it.
fn end_when_told(
    orders: &mut impl BufRead,
    group: Pid,
    grace: Duration,
    has_ended: &mpsc::Receiver<()>,
    forced: &AtomicBool,
) {
    let grace = match next_order(orders) {
        Ok(Some(_)) => grace,
        Ok(None) | Err(_) => grace.min(GRACE_WITHOUT_SUPERVISOR),
    };
    _ = rustix::process::kill_process_group(group, Signal::TERM);
    if has_ended.recv_timeout(grace) == Err(mpsc::RecvTimeoutError::Timeout) {
        forced.store(true, Ordering::Release);
        _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Waits for the process, then ends what it left behind in its group.
fn wait_for_group(child: &mut Child, group: Pid) -> io::Result<std::process::ExitStatus> {
    // The process stays a zombie while the group is killed, so that the number cannot be another group's.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = rustix::process::waitid(WaitId::Pid(group), options) {
        if error != rustix::io::Errno::INTR {
            break;
        }
    }
    _ = rustix::process::kill_process_group(group, Signal::KILL);
    child.wait()
}

/// The `squad local exec` command: becomes the command, which the system kills when `watcher` dies. The
/// request survives `execve` (prctl(2)), and there is no other way to make it without unsafe code.
pub(crate) fn run_command(watcher: u32, command: &[OsString]) -> io::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != i32::try_from(watcher).ok() {
        return io::Error::other("the watcher is gone");
    }
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::other("there is no command");
    };
    let mut command: Command = process::command(program);
    command.args(arguments).exec()
}
