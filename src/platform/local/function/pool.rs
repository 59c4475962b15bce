//! The processes of one revision of a function, and the invocations that they share.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use super::runtime_api;
use super::shared::Shared;
use super::slot::{Pending, Phase, Readiness, SharedTail, Table, with_tail};
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
            readiness: watch::Sender::new(vec![None; count]),
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
    #[cfg(test)]
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

    /// Returns when the first process asks for an event, or with the reason when one cannot be initialised
    /// while no other can serve. After a failure it returns the same until [`Self::process_starting`] says that
    /// there is a new try.
    #[cfg(test)]
    pub(crate) async fn ready(&self) -> Result<(), InitFailure> {
        let known = |all: &[Readiness]| {
            let serves = all.iter().flatten().find(|one| one.is_ok());
            serves.or_else(|| all.iter().flatten().next()).cloned()
        };
        self.when_known(known).await
    }

    /// The same for the process of one slot alone.
    pub(crate) async fn slot_ready(&self, slot: usize) -> Result<(), InitFailure> {
        self.when_known(|all| all.get(slot).cloned().flatten())
            .await
    }

    async fn when_known(
        &self,
        known: impl Fn(&[Readiness]) -> Readiness,
    ) -> Result<(), InitFailure> {
        let mut readiness = self.shared.readiness.subscribe();
        let seen = readiness.wait_for(|all| known(all).is_some()).await;
        // The sender lives as long as `self`, so that waiting for it cannot fail.
        seen.ok().and_then(|all| known(&all)).unwrap_or(Ok(()))
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
