//! The guard: a small process that ends what a command started (a build, pip) when the command is gone without a word.
//!
//! A command that ends by itself, or by Ctrl-C, ends its children. SIGKILL gives it no time for that, and a build that nobody
//! waits for would go on, and meet the next one in the same directory. The guard's standard input is a pipe from the command;
//! the system closes it whatever happens, and the guard then kills the process groups that it still knows of.
//!
//! It must not end anything else: a group is forgotten as soon as its leader was waited for.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use super::process;

/// One guard for all children of a command, started with the first one. Cheap to clone; all clones share.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    executable: PathBuf,
    child: Mutex<Option<Child>>,
}

/// A process group that the guard knows of, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Guard,
    group: Pid,
}

impl Guard {
    /// Nothing is started yet. `executable` is the binary whose `local guard` is the guard.
    pub(crate) fn new(executable: PathBuf) -> Self {
        Self(Arc::new(Shared {
            executable,
            child: Mutex::new(None),
        }))
    }

    /// Starts the guard if it does not run: before a child is started, so that there is no time without one.
    pub(crate) fn begin(&self) {
        let mut child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_none() {
            let mut command = process::command(&self.0.executable);
            command
                .arg0("squad")
                .args(["local", "guard"])
                .current_dir("/")
                .env_clear()
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0);
            // Where no process can be started, the child cannot either, and says so.
            *child = command.spawn().ok();
        }
    }

    /// Has a child that leads a process group ended with the command.
    pub(crate) fn watch(&self, group: Pid) -> Guarded {
        self.tell('+', group);
        Guarded {
            guard: self.clone(),
            group,
        }
    }

    fn tell(&self, order: char, group: Pid) {
        let mut child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = child.as_mut().and_then(|child| child.stdin.as_mut());
        if let Some(orders) = orders {
            // A guard that somebody killed guards nothing; the command goes on.
            drop(writeln!(orders, "{order}{}", group.as_raw_nonzero()));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.guard.tell('-', self.group);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

/// The `squad local guard` command: takes orders until the command is gone, and ends what is left then.
pub(crate) fn run(orders: impl BufRead) {
    let mut groups = BTreeSet::new();
    for line in orders.lines().map_while(Result::ok) {
        let Some((order, group)) = line.split_at_checked(1) else {
            continue;
        };
        let Ok(group) = group.parse::<i32>() else {
            continue;
        };
        _ = match order {
            "+" => groups.insert(group),
            _ => groups.remove(&group),
        };
    }
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        // It may have ended just now.
        _ = kill_process_group(group, Signal::KILL);
    }
}
