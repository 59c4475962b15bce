//! What each process of a pool is doing, and the invocations that wait for one: a table of states that
//! [`super::pool`] keeps under one lock. Nothing here waits or talks to a socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::{Failure, InitFailure};

/// The most of a log that an answer carries: AWS Lambda API reference, Invoke, `X-Amz-Log-Result`: "The last
/// 4 KB of the execution log".
const TAIL_LIMIT: usize = 4 * 1024;

/// What the process wrote during one invocation.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    /// How many lines came in all: tells whether more are coming.
    pub(super) seen: u64,
}

impl Tail {
    fn push(&mut self, line: &str) {
        self.seen += 1;
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.bytes > TAIL_LIMIT && self.lines.len() > 1 {
            let gone = self.lines.pop_front().map_or(0, |line| line.len() + 1);
            self.bytes -= gone;
        }
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// A tail that the process's log and the caller share.
pub(super) type SharedTail = Arc<Mutex<Tail>>;

/// Adds a line; a panic elsewhere does not make the log unreadable.
pub(super) fn with_tail<T>(tail: &SharedTail, work: impl FnOnce(&mut Tail) -> T) -> T {
    work(&mut tail.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How an invocation ended.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) payload: Bytes,
    pub(super) failure: Option<Failure>,
    pub(super) duration: Duration,
}

/// An invocation that no process has taken yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) trace: String,
    pub(super) tail: SharedTail,
    /// Dropped when a process has taken it.
    pub(super) taken: oneshot::Sender<()>,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// The invocation that a process works on.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) request_id: String,
    /// Monotonic time of the pool's clock.
    pub(super) since: Duration,
    pub(super) reply: oneshot::Sender<Reply>,
    /// Ends the invocation when its time is over.
    pub(super) watchdog: AbortHandle,
}

impl Current {
    /// Answers the caller, who may have gone away.
    pub(super) fn answer(self, payload: Bytes, failure: Option<Failure>, now: Duration) {
        self.watchdog.abort();
        drop(self.reply.send(Reply {
            payload,
            failure,
            duration: now.saturating_sub(self.since),
        }));
    }
}

/// What a process is doing.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has not asked for an event yet.
    Starting,
    /// It could not be initialised.
    Failed(InitFailure),
    /// It waits for an event, or is about to ask for one.
    Waiting,
    /// It works on one.
    Busy(Current),
    /// It is being killed: nothing it says counts any more.
    Dying,
}

impl Phase {
    /// The name in messages to the runtime.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting => "Started",
            Self::Failed(_) => "InitError",
            Self::Waiting => "Ready",
            Self::Busy(_) => "Running",
            Self::Dying => "Terminated",
        }
    }
}

/// Whether a process can serve: yes, no with the reason, or none while that is open.
pub(super) type Readiness = Option<Result<(), InitFailure>>;

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) phase: Phase,
    /// Counts the processes that this slot had: a connection of an earlier one gets nothing.
    pub(super) epoch: u64,
    /// Where its log lines go: the present invocation, or the last one.
    pub(super) tail: Option<SharedTail>,
}

/// Everything under the pool's lock.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) processes: Vec<Process>,
    /// Oldest first.
    pub(super) queue: VecDeque<Pending>,
    pub(super) stopped: bool,
}

impl Table {
    /// A table of processes that have not been started yet.
    pub(super) fn new(slots: usize) -> Self {
        let process = || Process {
            phase: Phase::Starting,
            epoch: 0,
            tail: None,
        };
        Self {
            processes: std::iter::repeat_with(process).take(slots).collect(),
            queue: VecDeque::new(),
            stopped: false,
        }
    }

    /// The oldest invocation whose caller still waits.
    pub(super) fn take(&mut self) -> Option<Pending> {
        while let Some(pending) = self.queue.pop_front() {
            if !pending.reply.is_closed() {
                return Some(pending);
            }
        }
        None
    }

    /// Adds a line to the log of the invocation that it belongs to.
    pub(super) fn log_line(&self, slot: usize, line: &str) {
        if let Some(tail) = self
            .processes
            .get(slot)
            .and_then(|process| process.tail.as_ref())
        {
            with_tail(tail, |tail| tail.push(line));
        }
    }

    /// Whether each process can serve.
    pub(super) fn readiness(&self) -> Vec<Readiness> {
        let of = |process: &Process| match &process.phase {
            Phase::Starting => None,
            Phase::Failed(failure) => Some(Err(failure.clone())),
            Phase::Waiting | Phase::Busy(_) | Phase::Dying => Some(Ok(())),
        };
        self.processes.iter().map(of).collect()
    }

    /// The reason why no process will ever take an event as things stand: every one of them failed to start.
    pub(super) fn hopeless(&self) -> Option<InitFailure> {
        let mut first = None;
        for process in &self.processes {
            match &process.phase {
                Phase::Failed(failure) => first = first.or_else(|| Some(failure.clone())),
                _ => return None,
            }
        }
        first
    }

    /// How many invocations are under way.
    pub(super) fn busy(&self) -> usize {
        let busy = |process: &&Process| matches!(process.phase, Phase::Busy(_));
        self.processes.iter().filter(busy).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_four_kibibytes_in_whole_lines() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.push(&format!("line {number:04}"));
        }
        let lines = tail.lines();
        assert_eq!(lines.last().unwrap(), "line 0999");
        assert_eq!(lines.len(), TAIL_LIMIT / 10);
        let long = "x".repeat(2 * TAIL_LIMIT);
        tail.push(&long);
        assert_eq!(tail.lines(), [long]);
    }
}
