//! What was seen so far of the processes of a revision that are on their way up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::diagnosis::{self, Exit, Seen};
use super::ready::Answer;
use super::sockets;

/// So many ends are kept, the last ones.
const ENDS: usize = 3;

/// One for each process of a revision.
#[derive(Debug)]
pub(super) struct GoingUp(Vec<Mutex<Start>>);

/// The start of one process.
#[derive(Debug, Default)]
struct Start {
    /// How it ended since it was ready, or since ever.
    ends: Vec<Exit>,
    running: Option<Running>,
}

/// An attempt that runs and is not ready.
#[derive(Debug, Clone, Copy)]
struct Running {
    pid: u32,
    port: Option<u16>,
    since: Duration,
    last: Answer,
}

impl GoingUp {
    /// Of so many processes.
    pub(super) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Mutex::default()).collect())
    }

    fn start(&self, slot: usize) -> Option<MutexGuard<'_, Start>> {
        let start = self.0.get(slot)?;
        Some(start.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It was started, at this monotonic time.
    pub(super) fn begun(&self, slot: usize, pid: u32, port: Option<u16>, since: Duration) {
        if let Some(mut start) = self.start(slot) {
            start.running = Some(Running {
                pid,
                port,
                since,
                last: Answer::Closed,
            });
        }
    }

    /// What it said when it was asked last.
    pub(super) fn answered(&self, slot: usize, answer: Answer) {
        if let Some(mut start) = self.start(slot)
            && let Some(running) = &mut start.running
        {
            running.last = answer;
        }
    }

    /// It ended.
    pub(super) fn ended(&self, slot: usize, exit: Exit) {
        if let Some(mut start) = self.start(slot) {
            start.running = None;
            if start.ends.len() == ENDS {
                start.ends.remove(0);
            }
            start.ends.push(exit);
        }
    }

    /// It is up, or is not to be.
    pub(super) fn over(&self, slot: usize) {
        if let Some(mut start) = self.start(slot) {
            *start = Start::default();
        }
    }

    /// Why a process that runs is not ready after this time.
    pub(super) fn not_ready(&self, slot: usize, path: &str, after: Duration) -> Option<Seen> {
        let running = self.start(slot)?.running?;
        Some(running.not_ready(path, after))
    }

    /// Why it is not up, as far as can be told at this monotonic time.
    pub(super) fn so_far(&self, slot: usize, path: &str, now: Duration) -> Option<Seen> {
        let running = {
            let start = self.start(slot)?;
            if !start.ends.is_empty() {
                return Some(Seen::Exited(start.ends.clone()));
            }
            start.running?
        };
        Some(running.not_ready(path, now.saturating_sub(running.since)))
    }
}

impl Running {
    fn not_ready(self, path: &str, after: Duration) -> Seen {
        let Some(port) = self.port else {
            return Seen::Init(format!(
                "it does not ask for its first event within {}",
                diagnosis::seconds(after)
            ));
        };
        let path = path.to_owned();
        let ports = sockets::ports_of_group(self.pid);
        match self.last {
            Answer::Closed if !ports.contains(&port) => Seen::NoPort {
                port,
                others: ports,
                after,
            },
            // It listens since it was asked last.
            Answer::Closed | Answer::Silent => Seen::NotReady {
                path,
                status: None,
                after,
            },
            Answer::Status(status) => Seen::NotReady {
                path,
                status: Some(status),
                after,
            },
        }
    }
}
