//! The processes of one revision of a function, and the invocations that they share.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use super::runtime_api::{self, Event, Refusal};
use super::slot::{Current, Pending, Phase, SharedTail, Table, with_tail};
use super::{
    Answer, Failure, InitFailure, InvokeOptions, InvokeResult, PAYLOAD_LIMIT, ProcessControl,
    Refused, Settings, Slot, failure, identifier,
};
use crate::clock::{Clock, SystemClock};

/// How long the log may be silent after an answer before its tail counts as complete, and the longest wait.
const TAIL_SILENCE: Duration = Duration::from_millis(10);
const TAIL_WAIT: Duration = Duration::from_millis(100);

/// The processes of one revision of a function. Dropping it closes every Runtime API.
pub(crate) struct FunctionPool {
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    servers: Vec<AbortHandle>,
}

/// What the pool and its Runtime APIs share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    control: Arc<dyn ProcessControl>,
    clock: SystemClock,
    table: Mutex<Table>,
    /// An event waits, or a process changed: whoever waits for an event looks again.
    changed: Notify,
    /// An invocation ended.
    settled: Notify,
    readiness: watch::Sender<Option<Result<(), InitFailure>>>,
}

impl std::fmt::Debug for FunctionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionPool")
            .field("service", &self.shared.settings.service)
            .field("revision", &self.shared.settings.revision)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

impl FunctionPool {
    /// Opens the Runtime API of every slot, on a loopback port of its own. Starts no process.
    pub(crate) async fn bind(
        settings: Settings,
        control: Arc<dyn ProcessControl>,
    ) -> io::Result<Arc<Self>> {
        let count = settings.concurrency.max(1);
        let shared = Arc::new(Shared {
            settings,
            control,
            clock: SystemClock::new(),
            table: Mutex::new(Table::new(count)),
            changed: Notify::new(),
            settled: Notify::new(),
            readiness: watch::Sender::new(None),
        });
        let mut slots = Vec::with_capacity(count);
        let mut servers = Vec::with_capacity(count);
        for slot in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let runtime_api = listener.local_addr()?;
            slots.push(Slot { runtime_api });
            let serve = runtime_api::serve(listener, runtime_api, Arc::clone(&shared), slot);
            servers.push(tokio::spawn(serve).abort_handle());
        }
        Ok(Arc::new(Self {
            shared,
            slots,
            servers,
        }))
    }

    /// The slots; their place is their number.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The variables that a process of this slot needs, beside `LAMBDA_TASK_ROOT` and the service's own.
    ///
    /// Lambda Developer Guide, "Working with Lambda environment variables", "Defined runtime environment
    /// variables". The region is `local`, so that a client of AWS without other settings reaches no account.
    pub(crate) fn process_environment(&self, slot: usize) -> Vec<(String, String)> {
        let Some(address) = self.slots.get(slot) else {
            return Vec::new();
        };
        let settings = &self.shared.settings;
        let name = settings.function_name.as_str();
        [
            ("AWS_LAMBDA_RUNTIME_API", address.runtime_api.to_string()),
            ("_HANDLER", settings.handler.clone()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", settings.revision.to_string()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                settings.memory_mb.to_string(),
            ),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            (
                "AWS_LAMBDA_LOG_STREAM_NAME",
                format!("local/[{}]/{slot}", settings.revision),
            ),
            ("AWS_REGION", "local".to_owned()),
            ("AWS_DEFAULT_REGION", "local".to_owned()),
            ("TZ", ":UTC".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Returns when the first process asks for an event, or with the reason when one cannot be initialised.
    /// After a failure it returns the same until [`Self::process_starting`] says that there is a new try.
    pub(crate) async fn ready(&self) -> Result<(), InitFailure> {
        let mut readiness = self.shared.readiness.subscribe();
        let seen = readiness.wait_for(Option::is_some).await;
        // The sender lives as long as `self`, so that waiting for it cannot fail.
        seen.map_or(Ok(()), |seen| seen.clone().unwrap_or(Ok(())))
    }

    /// The supervisor is about to start a process in this slot; to be called before it runs.
    pub(crate) fn process_starting(&self, slot: usize) {
        self.shared.with(|table| {
            if let Some(process) = table.processes.get_mut(slot) {
                process.epoch += 1;
                if !matches!(process.phase, Phase::Busy(_)) {
                    process.phase = Phase::Starting;
                }
            }
        });
    }

    /// The process of this slot has ended, for whatever reason; to be called before a new one is started.
    /// `how` as AWS words it: `exit status 1`, `signal: killed`; empty for exit status 0.
    pub(crate) fn process_ended(&self, slot: usize, how: String) {
        let now = self.shared.clock.monotonic();
        let ended = self.shared.with(|table| {
            let process = table.processes.get_mut(slot)?;
            process.epoch += 1;
            match std::mem::replace(&mut process.phase, Phase::Starting) {
                Phase::Busy(current) => return Some(current),
                Phase::Starting => process.phase = Phase::Failed(InitFailure::ended(&how)),
                Phase::Failed(failure) => process.phase = Phase::Failed(failure),
                Phase::Waiting | Phase::Dying => {}
            }
            None
        });
        if let Some(current) = ended {
            let payload = failure::process_ended(&current.request_id, &how);
            current.answer(payload, Some(Failure::Function), now);
            self.shared.settled.notify_waiters();
        }
    }

    /// A line that the process of this slot wrote: it belongs to the invocation under way, or to the last one.
    pub(crate) fn log_line(&self, slot: usize, line: &str) {
        self.shared.lock().log_line(slot, line);
    }

    /// Hands an event to the next free process and returns its answer. Dropping the future withdraws an event
    /// that no process has taken; one that was taken runs on to its end or its time limit.
    pub(crate) async fn invoke(&self, payload: Bytes, options: InvokeOptions) -> InvokeResult {
        if payload.len() > PAYLOAD_LIMIT {
            return Err(Refused::TooLarge {
                size: payload.len(),
            });
        }
        let request_id = identifier::request_id();
        let tail = SharedTail::default();
        let (taken, when_taken) = oneshot::channel();
        let (reply, when_answered) = oneshot::channel();
        let trace = options
            .trace
            .unwrap_or_else(|| identifier::trace(self.shared.clock.now()));
        let stopped = {
            let mut table = self.shared.lock();
            table.queue.push_back(Pending {
                request_id: request_id.clone(),
                payload,
                trace,
                tail: Arc::clone(&tail),
                taken,
                reply,
            });
            if table.stopped {
                table.queue.pop_back();
            }
            table.stopped
        };
        if stopped {
            return Err(Refused::Stopped);
        }
        self.shared.changed.notify_one();
        self.shared.flush_hopeless();
        if tokio::time::timeout(options.wait, when_taken)
            .await
            .is_err()
            && self.shared.withdraw(&request_id)
        {
            return Err(Refused::Busy(options.wait));
        }
        // The sender is dropped without an answer only when the pool stops.
        let reply = when_answered.await.map_err(|_| Refused::Stopped)?;
        let log_tail = if options.log_tail {
            settle(&tail).await;
            with_tail(&tail, |tail| tail.lines())
        } else {
            Vec::new()
        };
        Ok(Answer {
            payload: reply.payload,
            failure: reply.failure,
            request_id,
            duration: reply.duration,
            log_tail,
        })
    }

    /// Takes no more events, lets those under way come to their end or their time limit, and closes every
    /// Runtime API. Ends no process.
    pub(crate) async fn stop(&self) {
        {
            let mut table = self.shared.lock();
            table.stopped = true;
            table.queue.clear();
        }
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            // Listen before looking, or the last answer could slip through in between.
            settled.as_mut().enable();
            if self.shared.lock().busy() == 0 {
                break;
            }
            settled.await;
        }
        for server in &self.servers {
            server.abort();
        }
    }
}

impl Drop for FunctionPool {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

/// Waits until the log has been silent for a moment: its lines come through a pipe, the answer through a
/// socket, and nothing orders the two.
async fn settle(tail: &SharedTail) {
    let quiet = async {
        let mut seen = None;
        loop {
            let now = with_tail(tail, |tail| tail.seen);
            if seen == Some(now) {
                return;
            }
            seen = Some(now);
            tokio::time::sleep(TAIL_SILENCE).await;
        }
    };
    drop(tokio::time::timeout(TAIL_WAIT, quiet).await);
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table and tells everybody who waits for a change.
    fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
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
    fn flush_hopeless(&self) {
        let (failure, waiting) = {
            let mut table = self.lock();
            let Some(failure) = table.hopeless() else {
                return;
            };
            (failure, std::mem::take(&mut table.queue))
        };
        for pending in waiting {
            drop(pending.reply.send(super::slot::Reply {
                payload: failure.payload(),
                failure: Some(Failure::Function),
                duration: Duration::ZERO,
            }));
        }
    }

    /// Takes an event back; false when a process has it already.
    fn withdraw(&self, request_id: &str) -> bool {
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
        let current = |process: &&mut super::slot::Process| {
            process.epoch == epoch && matches!(process.phase, Phase::Waiting)
        };
        if table.processes.get_mut(slot).filter(current).is_none() {
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
fn watch_over(
    shared: Arc<Shared>,
    slot: usize,
    request_id: String,
) -> impl Future<Output = ()> + Send + 'static {
    async move {
        tokio::time::sleep(shared.settings.timeout).await;
        shared.time_out(slot, &request_id);
    }
}
