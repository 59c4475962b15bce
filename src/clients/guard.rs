//! The guard: a small process that ends what a command started (a build, pip, git) when the command is gone without a word.
//!
//! A command that ends by itself, or by Ctrl-C, ends its children. SIGKILL gives it no time for that, and a build that nobody
//! waits for would go on, and meet the next one in the same directory. The guard's standard input is a pipe from the command;
//! the system closes it whatever happens, and the guard then kills what it still knows of: process groups, and processes that
//! stay in the command's own group (they may ask something on the terminal) with all that came from them.
//!
//! It must not end anything else: a child is forgotten as soon as it was waited for.
//!
//! ```text
//! group <process>     a child that leads a process group of its own
//! process <process>   a child that does not
//! ended <process>     it was waited for
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::process;
use crate::fs;

/// See the orders above.
const GROUP: &str = "group";
const PROCESS: &str = "process";
const ENDED: &str = "ended";

/// One guard for all children of a command, started with the first one. Cheap to clone; all clones share.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    executable: PathBuf,
    child: Mutex<Option<Child>>,
}

/// A child that the guard knows of, as long as this value lives.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Guard,
    child: Pid,
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

    /// Has a child ended with the command: one that leads a process group of its own with all of the group, another one with
    /// all that came from it.
    pub(crate) fn watch(&self, child: Pid, leads: bool) -> Guarded {
        self.tell(if leads { GROUP } else { PROCESS }, child);
        Guarded {
            guard: self.clone(),
            child,
        }
    }

    fn tell(&self, order: &str, child_id: Pid) {
        let mut child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = child.as_mut().and_then(|child| child.stdin.as_mut());
        if let Some(orders) = orders {
            // A guard that somebody killed guards nothing; the command goes on.
            drop(writeln!(orders, "{order} {}", child_id.as_raw_nonzero()));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.guard.tell(ENDED, self.child);
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
    let mut children = BTreeMap::new();
    for line in orders.lines().map_while(Result::ok) {
        let Some((order, child)) = line.split_once(' ') else {
            continue;
        };
        let Ok(child) = child.parse::<i32>() else {
            continue;
        };
        match order {
            GROUP => drop(children.insert(child, true)),
            PROCESS => drop(children.insert(child, false)),
            _ => drop(children.remove(&child)),
        }
    }
    for (child, leads) in children {
        let Some(child) = Pid::from_raw(child) else {
            continue;
        };
        // It may have ended just now.
        if leads {
            _ = kill_process_group(child, Signal::KILL);
        } else {
            end_with_descendants(child);
        }
    }
}

/// Kills a process and all that came from it. Each is halted before it is asked for its children, so that none escapes.
fn end_with_descendants(process: Pid) {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        _ = kill_process(process, Signal::STOP);
        found.extend(children_of(process));
        next += 1;
    }
    for process in found {
        _ = kill_process(process, Signal::KILL);
    }
}

/// The children of a process, as proc(5) lists them; none where there is no such list.
fn children_of(process: Pid) -> Vec<Pid> {
    let threads = format!("/proc/{}/task", process.as_raw_nonzero());
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(&thread.path().join("children")).ok())
        .flat_map(|text| {
            let words = text.split(' ').filter_map(|word| word.trim().parse().ok());
            words.filter_map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}
