//! The way of one invocation through the pool: taken by a process, answered, or ended when its time is over.
//!
//! Shared by [`super::pool`], where events come in, and [`super::runtime_api`], where processes ask for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::runtime_api::{Event, Refusal};
use super::slot::{Current, Phase, Process, Readiness, Reply, Table};
use super::{Failure, InitFailure, ProcessControl, Settings, failure};
use crate::clock::{Clock, SystemClock};

/// What the pool and its Runtime APIs share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) control: Arc<dyn ProcessControl>,
    pub(super) clock: SystemClock,
    pub(super) table: Mutex<Table>,
    /// An event waits, or a process changed: whoever waits for an event looks again.
    pub(super) changed: Notify,
    /// An invocation ended.
    pub(super) settled: Notify,
    pub(super) readiness: watch::Sender<Vec<Readiness>>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table and tells everybody who waits for a change.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let (result, readiness) = {
            let mut table = self.lock();
            let result = change(&mut table);
            (result, table.readiness())
        };
        self.readiness.send_if_modified(|known| {
            let changed = *known != readiness;
            *known = readiness;
            changed
        });
        self.changed.notify_waiters();
        self.flush_hopeless();
        result
    }

    /// Answers those who wait when no process can be started: on AWS too, an invocation of a function that
    /// cannot be initialised gets the initialisation error.
    pub(super) fn flush_hopeless(&self) {
        let (failure, waiting) = {
            let mut table = self.lock();
            let Some(failure) = table.hopeless() else {
                return;
            };
            (failure, std::mem::take(&mut table.queue))
        };
        for pending in waiting {
            drop(pending.reply.send(Reply {
                payload: failure.payload(),
                failure: Some(Failure::Function),
                duration: Duration::ZERO,
            }));
        }
    }

    /// Takes an event back; false when a process has it already.
    pub(super) fn withdraw(&self, request_id: &str) -> bool {
        let mut table = self.lock();
        let before = table.queue.len();
        table
            .queue
            .retain(|pending| pending.request_id != request_id);
        table.queue.len() < before
    }

    /// Which process a connection that is made now belongs to.
    pub(super) fn epoch(&self, slot: usize) -> u64 {
        self.lock()
            .processes
            .get(slot)
            .map_or(0, |process| process.epoch)
    }

    /// `GET /runtime/invocation/next`: waits for an event.
    pub(super) async fn next(self: &Arc<Self>, slot: usize, epoch: u64) -> Result<Event, Refusal> {
        let ready = self.with(|table| {
            let process = table
                .processes
                .get_mut(slot)
                .filter(|process| process.epoch == epoch);
            match process.map(|process| &mut process.phase) {
                Some(phase @ (Phase::Starting | Phase::Failed(_) | Phase::Waiting)) => {
                    *phase = Phase::Waiting;
                    Ok(())
                }
                Some(phase) => Err(Refusal::State(phase.name(), "Ready")),
                None => Err(Refusal::State("Terminated", "Ready")),
            }
        });
        ready?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(event) = self.take(slot, epoch)? {
                return Ok(event);
            }
            changed.await;
        }
    }

    /// Gives the process the oldest event, and starts its clock.
    fn take(self: &Arc<Self>, slot: usize, epoch: u64) -> Result<Option<Event>, Refusal> {
        let limit = self.settings.timeout;
        let mut table = self.lock();
        let current =
            |process: &Process| process.epoch == epoch && matches!(process.phase, Phase::Waiting);
        if !table.processes.get(slot).is_some_and(current) {
            drop(table);
            // This wake-up was meant for a process that lives.
            self.changed.notify_one();
            return Err(Refusal::State("Terminated", "Ready"));
        }
        let Some(pending) = table.take() else {
            return Ok(None);
        };
        let watchdog = tokio::spawn(watch_over(
            Arc::clone(self),
            slot,
            pending.request_id.clone(),
        ));
        let event = Event {
            // Runtime API, "Next invocation": "The date that the function times out in Unix time milliseconds".
            deadline_milliseconds: self
                .clock
                .now()
                .as_millisecond()
                .saturating_add(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)),
            request_id: pending.request_id.clone(),
            payload: pending.payload,
            trace: pending.trace,
        };
        if let Some(process) = table.processes.get_mut(slot) {
            process.tail = Some(pending.tail);
            process.phase = Phase::Busy(Current {
                request_id: pending.request_id,
                since: self.clock.monotonic(),
                reply: pending.reply,
                watchdog: watchdog.abort_handle(),
            });
        }
        drop(pending.taken);
        Ok(Some(event))
    }

    /// `POST /runtime/invocation/<id>/response` and `…/error`: the process has done its work.
    pub(super) fn answered(
        &self,
        slot: usize,
        epoch: u64,
        request_id: &str,
        payload: Bytes,
        failure: Option<Failure>,
    ) -> Result<(), Refusal> {
        let now = self.clock.monotonic();
        let current = {
            let mut table = self.lock();
            current_of(&mut table, slot, epoch, request_id, Phase::Waiting)?
        };
        current.answer(payload, failure, now);
        self.settled.notify_waiters();
        Ok(())
    }

    /// `POST /runtime/init/error`: allowed only before the first event is asked for.
    pub(super) fn init_failed(
        &self,
        slot: usize,
        epoch: u64,
        failure: InitFailure,
    ) -> Result<(), Refusal> {
        self.with(|table| {
            let process = table
                .processes
                .get_mut(slot)
                .filter(|process| process.epoch == epoch);
            match process.map(|process| &mut process.phase) {
                Some(phase @ (Phase::Starting | Phase::Failed(_))) => {
                    *phase = Phase::Failed(failure);
                    Ok(())
                }
                Some(phase) => Err(Refusal::State(phase.name(), "InitError")),
                None => Err(Refusal::State("Terminated", "InitError")),
            }
        })
    }

    /// Ends an invocation whose time is over: the caller gets AWS's words, the process is started again.
    fn time_out(&self, slot: usize, request_id: &str) {
        let now = self.clock.monotonic();
        let limit = self.settings.timeout;
        let current = {
            let mut table = self.lock();
            let epoch = table.processes.get(slot).map_or(0, |process| process.epoch);
            current_of(&mut table, slot, epoch, request_id, Phase::Dying)
        };
        if let Ok(current) = current {
            let payload = failure::timed_out(request_id, limit);
            current.answer(payload, Some(Failure::Timeout), now);
            self.settled.notify_waiters();
            self.control.restart(slot, &failure::timed_out_words(limit));
        }
    }
}

/// Takes the invocation of this id out of its process, which then is in phase `after`.
fn current_of(
    table: &mut Table,
    slot: usize,
    epoch: u64,
    request_id: &str,
    after: Phase,
) -> Result<Current, Refusal> {
    let process = table
        .processes
        .get_mut(slot)
        .filter(|process| process.epoch == epoch);
    let Some(process) = process else {
        return Err(Refusal::State("Terminated", "InvocationResponse"));
    };
    match std::mem::replace(&mut process.phase, after) {
        Phase::Busy(current) if current.request_id == request_id => Ok(current),
        other => {
            let refusal = match &other {
                Phase::Busy(_) => Refusal::RequestId,
                phase => Refusal::State(phase.name(), "InvocationResponse"),
            };
            process.phase = other;
            Err(refusal)
        }
    }
}

/// Waits for the time limit of one invocation. Holding the pool here is no cycle: the task ends with it.
async fn watch_over(shared: Arc<Shared>, slot: usize, request_id: String) {
    tokio::time::sleep(shared.settings.timeout).await;
    shared.time_out(slot, &request_id);
}
