//! The audit log of one environment, opened for writing: intents before, outcomes after, and what can be read from it.
//!
//! An event is first in the local outbox, then in the log. What goes forward waits for the log; a brake
//! waits for the outbox alone. Nothing here decides what is recorded, and nothing here prints.

mod append;
mod read;
mod verify;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::clients::audit_store::AuditStore;
use crate::clients::aws::Session;
use crate::clients::device_key::DeviceKey;
use crate::clients::lock;
use crate::clients::outbox::Outbox;
use crate::clients::pin::Memory;
use crate::clients::reserve::Reserve;
use crate::clock::Clock;
use crate::domain::audit::event::{Event, Stamp};
use crate::domain::audit::note::VerifierKey;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::Actor;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::fs;

pub(crate) use crate::clients::store::Place as Store;
pub(crate) use crate::domain::audit::event::{Intent, Kind, Outcome, ResultWord};
pub(crate) use read::{Query, RecordedEvent};
pub(crate) use verify::{OpenSummary, Report, VerifyOptions};

/// How long what goes forward waits for the log.
const FORWARD_LIMIT: Duration = Duration::from_secs(30);
/// How long a brake tries the log before it goes on with the outbox alone.
const BRAKE_LIMIT: Duration = Duration::from_millis(150);

/// Whether this process has recorded an intent.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether this process has recorded an intent. Until then it has changed no environment, because nothing is done before.
pub(crate) fn has_begun() -> bool {
    BEGUN.load(Ordering::Acquire)
}

/// What it takes to open a log.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the commits lie.
    pub(crate) store: Store,
    /// The way to a bucket.
    pub(crate) session: Option<Session>,
    /// The log's name, such as `acme/prod`.
    pub(crate) log: String,
    /// squad's state directory: key, outbox, pins, open operations.
    pub(crate) state: PathBuf,
    /// Who writes; the key is filled in on opening.
    pub(crate) actor: Actor,
    /// The environment whose log it is.
    pub(crate) environment: Environment,
}

/// Whether anything about this environment may wait on this machine: one look at a file, without opening the log.
/// What cannot be looked at is an error: something may be in it.
pub(crate) fn may_wait(state: &Path, environment: &Environment) -> Result<bool> {
    let directory = state.join("audit").join(environment.log_name());
    Ok(Outbox::new(&directory).holds_something()?)
}

/// The public half of this machine's key, which is made where there is none.
pub(crate) fn device_key(state: &Path, actor: &Actor) -> Result<VerifierKey> {
    make_state(state)?;
    Ok(load_key(state, actor)?.public().clone())
}

/// squad's state directory, which is there after a loss of power, too.
fn make_state(state: &Path) -> std::result::Result<(), fs::Error> {
    fs::create_dir_durably(state, 0o700)
}

fn load_key(state: &Path, actor: &Actor) -> Result<DeviceKey> {
    Ok(DeviceKey::load_or_create(&key_path(state), &actor.host)?)
}

fn key_path(state: &Path) -> PathBuf {
    state.join("keys").join("device.ed25519")
}

/// One audit log.
///
/// It can be read, and brakes be recorded on this machine, without the device's key: what is signed is a commit, and a
/// commit is made when the events go into the log. What goes forward needs the key at once.
#[derive(Debug)]
pub(crate) struct Journal {
    log: String,
    environment: Environment,
    actor: Actor,
    /// squad's state directory.
    state: PathBuf,
    /// The machine's key; empty as long as it cannot be used.
    key: OnceLock<DeviceKey>,
    store: AuditStore,
    outbox: Outbox,
    memory: Memory,
    reserve: Reserve,
    directory: PathBuf,
    /// Why nothing can be recorded on this machine, where that is so.
    prepared: Result<()>,
    /// Why the newest attempt to append failed.
    late: Mutex<Option<Error>>,
    /// Where a brake put an outbox that could not be read.
    aside: OnceLock<PathBuf>,
}

/// An operation whose intent is recorded. Dropped without [`Journal::finish`], it is closed as `unknown` by a later
/// command.
#[derive(Debug)]
pub(crate) struct Operation {
    id: String,
    intent: Event,
    brake: bool,
    _lock: File,
}

impl Operation {
    /// The ULID that both of its events carry.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// An operation that was begun on this machine and whose process is gone; nobody else closes it meanwhile.
#[derive(Debug)]
pub(crate) struct OpenOperation {
    intent: Event,
    service: ServiceName,
    _lock: File,
}

impl OpenOperation {
    /// Its ULID.
    pub(crate) fn id(&self) -> &str {
        self.intent.operation.as_deref().unwrap_or_default()
    }

    /// What was to be done.
    pub(crate) fn intent(&self) -> &Event {
        &self.intent
    }

    /// The service it was about.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.service
    }
}

/// Where an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// In the log.
    Committed,
    /// On this machine; a later command brings it into the log.
    Pending {
        /// Events that wait on this machine, this one included.
        events: usize,
    },
}

impl Journal {
    /// Opens a log without looking at it: neither the store nor a network is touched. Neither a key that cannot be used
    /// nor a state directory that cannot be written is an error yet: see [`Self::can_go_forward`].
    pub(crate) fn open(settings: Settings) -> Result<Self> {
        let store = AuditStore::open(&settings.store, &settings.log, settings.session.as_ref())?;
        let directory = settings.state.join("audit").join(&settings.log);
        let outbox = Outbox::new(&directory);
        let prepared = make_state(&settings.state)
            .map_err(Error::from)
            .and_then(|()| Ok(outbox.prepare(&settings.state)?));
        let key = OnceLock::new();
        if let Ok(found) = load_key(&settings.state, &settings.actor) {
            drop(key.set(found));
        }
        Ok(Self {
            log: settings.log,
            environment: settings.environment,
            actor: Actor {
                key: key.get().map(|key| key.public().id()),
                ..settings.actor
            },
            reserve: Reserve::new(&settings.state),
            state: settings.state,
            key,
            store,
            outbox,
            memory: Memory::new(&directory),
            directory,
            prepared,
            late: Mutex::new(None),
            aside: OnceLock::new(),
        })
    }

    /// Whether this machine can record and sign: said before anything is begun that goes forward.
    pub(crate) fn can_go_forward(&self) -> Result<()> {
        self.prepared.clone()?;
        self.key().map(|_| ())
    }

    /// The key to sign with. It is looked for again where it could not be used: who drives a rollout for hours gets it
    /// back when a person has mended it.
    fn key(&self) -> Result<&DeviceKey> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = load_key(&self.state, &self.actor)?;
        Ok(self.key.get_or_init(|| key))
    }

    /// The public half of this machine's key, also of one that is not used because others can read it; none where
    /// there is none that can be read.
    fn own_key(&self) -> Option<VerifierKey> {
        match self.key.get() {
            Some(key) => Some(key.public().clone()),
            None => DeviceKey::public_of(&key_path(&self.state)),
        }
    }

    /// Who writes, with the id of this machine's key where it can be used.
    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The log's name.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Records the intent of something that goes forward. On return it is in the log; otherwise the error is
    /// `audit-not-writable` (or says what is wrong with the log), and nothing may be done.
    pub(crate) async fn begin(&self, clock: &dyn Clock, intent: Intent) -> Result<Operation> {
        let asked = format!("cannot record the intent in the audit log `{}`", self.log);
        self.can_go_forward()
            .map_err(|error| error.context(&asked))?;
        let operation = self
            .record(clock, intent, false)
            .map_err(|error| not_writable(&asked, error))?;
        let Err(error) = self
            .flush_within(clock, FORWARD_LIMIT, Some(&operation.intent.id))
            .await
        else {
            self.reserve.keep();
            return Ok(operation);
        };
        let refusal = not_writable(&asked, error);
        // What the caller is told, not the lower fact that it came from.
        let outcome = Outcome {
            result: ResultWord::Refused,
            after: Value::Null,
            message: Some(refusal.message.clone()),
            error_id: Some(refusal.id.to_owned()),
        };
        let outcome = operation
            .intent
            .finished(stamp(clock), &self.actor, outcome);
        // The refusal itself is what the caller hears of; that it cannot be noted adds nothing.
        drop(self.add(&outcome));
        self.forget(&operation.id);
        Err(refusal)
    }

    /// Records the intent of a brake: on return it is durable on this machine, and in the log if that was quick.
    /// An outbox that cannot be read keeps nobody from braking: it is put aside first, see [`Self::put_aside`].
    pub(crate) async fn begin_brake(&self, clock: &dyn Clock, intent: Intent) -> Result<Operation> {
        self.make_room();
        // Where it cannot be moved, the intent goes behind what cannot be read, and the next command says so.
        if let Ok(Some(aside)) = self.outbox.put_aside() {
            drop(self.aside.set(aside));
        }
        // What was not possible on a full disk, or with a directory in the place of the file, may be now.
        if self.prepared.is_err() {
            make_state(&self.state)?;
            self.outbox.prepare(&self.state)?;
        }
        let operation = self.record(clock, intent, true)?;
        // Whatever keeps the log from taking it must not keep anybody from braking.
        drop(
            self.flush_within(clock, BRAKE_LIMIT, Some(&operation.intent.id))
                .await,
        );
        Ok(operation)
    }

    /// Gives back the room that is kept for brakes, and for what makes room, where the disk of the state directory is full.
    /// Anything that goes forward is refused there, and keeps it again when there is room.
    pub(crate) fn make_room(&self) {
        self.reserve.release_where_full();
    }

    /// Where a brake put an outbox that it could not read; none where there was nothing wrong with it.
    pub(crate) fn put_aside(&self) -> Option<&Path> {
        self.aside.get().map(PathBuf::as_path)
    }

    fn record(&self, clock: &dyn Clock, intent: Intent, brake: bool) -> Result<Operation> {
        BEGUN.store(true, Ordering::Release);
        let id = stamp(clock).id;
        let path = self.lock_path(&id.to_string());
        let lock = lock::take(&path, &self.spare_lock())?
            .ok_or_else(|| Error::internal(format!("operation {id} exists already")))?;
        let event = Event::planned(stamp(clock), id, &self.environment, &self.actor, intent);
        if let Err(error) = self.add(&event) {
            self.forget(&id.to_string());
            return Err(error);
        }
        Ok(Operation {
            id: id.to_string(),
            intent: event,
            brake,
            _lock: lock,
        })
    }

    /// Records how it ended. What was done is done: a log that cannot be reached leaves the outcome pending.
    pub(crate) async fn finish(
        &self,
        clock: &dyn Clock,
        operation: Operation,
        outcome: Outcome,
    ) -> Result<Recorded> {
        let event = operation
            .intent
            .finished(stamp(clock), &self.actor, outcome);
        let lost = |error: Error| Error {
            message: format!(
                "cannot record the outcome on this machine: {}",
                error.message
            ),
            ..error
        };
        let limit = if operation.brake {
            self.add(&event).map_err(lost)?;
            BRAKE_LIMIT
        } else {
            // The log makes it durable in a moment. If power is lost before, the intent is found without an outcome.
            self.seen()
                .and_then(|seen| Ok(self.outbox.add_unsynced(&event, seen)?))
                .map_err(lost)?;
            FORWARD_LIMIT
        };
        let flushed = self.flush_within(clock, limit, Some(&event.id)).await;
        if flushed.is_err() {
            self.outbox.sync().map_err(Error::from).map_err(lost)?;
        }
        self.forget(&operation.id);
        Ok(match flushed {
            Ok(_) => Recorded::Committed,
            Err(_) => Recorded::Pending {
                events: self.pending().unwrap_or(1),
            },
        })
    }

    /// Records how it ended, as its result tells, and gives that result back. `after` is what is there now.
    pub(crate) async fn finish_with<T>(
        &self,
        clock: &dyn Clock,
        operation: Operation,
        after: Value,
        result: Result<T>,
    ) -> Result<T> {
        let (word, message, error_id) = match &result {
            Ok(_) => (ResultWord::Succeeded, None, None),
            Err(error) => (
                match error.kind {
                    ErrorKind::Refused => ResultWord::Refused,
                    _ => ResultWord::Failed,
                },
                Some(error.message.clone()),
                Some(error.id.to_owned()),
            ),
        };
        let outcome = Outcome {
            result: word,
            after,
            message,
            error_id,
        };
        let recorded = self.finish(clock, operation, outcome).await;
        // Why it failed says more than that this could not be noted.
        let value = result?;
        recorded?;
        Ok(value)
    }

    /// Brings what is pending on this machine into the log; returns how many events it appended.
    pub(crate) async fn flush(&self, clock: &dyn Clock) -> Result<usize> {
        self.flush_within(clock, FORWARD_LIMIT, None).await
    }

    /// Events that wait on this machine after a short try to append them, for whoever only looks.
    pub(crate) async fn still_pending(&self, clock: &dyn Clock) -> Result<usize> {
        if self.pending()? > 0 {
            drop(self.flush_within(clock, BRAKE_LIMIT, None).await);
        }
        self.pending()
    }

    /// Why events wait on this machine: the error of the newest attempt to append them; none where it succeeded, or was not
    /// made.
    pub(crate) fn why_pending(&self) -> Option<Error> {
        self.late().clone()
    }

    fn late(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events that wait on this machine.
    pub(crate) fn pending(&self) -> Result<usize> {
        Ok(self.outbox.contents()?.pending.len())
    }

    /// Operations begun on this machine whose process is gone, oldest first. Does not look into the log.
    #[expect(
        clippy::unused_async,
        reason = "callers may rely on its being asynchronous"
    )]
    pub(crate) async fn abandoned(&self) -> Result<Vec<OpenOperation>> {
        let mut found = Vec::new();
        for intent in self.outbox.contents()?.open {
            let (Some(id), Some(change)) = (&intent.operation, intent.change()) else {
                continue;
            };
            if let Some(lock) = lock::now_removable(&self.lock_path(id))? {
                found.push(OpenOperation {
                    intent,
                    service: change.service,
                    _lock: lock,
                });
            }
        }
        Ok(found)
    }

    /// The ids of the operations that were begun on this machine and whose process is gone, for whoever only looks:
    /// nothing is locked or written.
    pub(crate) fn left_open(&self) -> Result<BTreeSet<String>> {
        let open = self.outbox.contents()?.open;
        let ids = open.into_iter().filter_map(|intent| intent.operation);
        // Where it cannot be seen whether somebody holds it, it counts as going on.
        Ok(ids
            .filter(|id| matches!(lock::is_held(&self.lock_path(id)), Ok(false)))
            .collect())
    }

    /// Closes an abandoned operation as `unknown`, with what is there now and what that shows, in words. Nothing happens when another command
    /// closed it first.
    pub(crate) async fn close_unknown(
        &self,
        clock: &dyn Clock,
        operation: OpenOperation,
        observed: Value,
        shown: &str,
    ) -> Result<()> {
        let outcome = Outcome {
            result: ResultWord::Unknown,
            after: observed,
            message: Some(format!(
                "its process ended without recording an outcome{shown}"
            )),
            error_id: None,
        };
        let event = operation
            .intent
            .finished(stamp(clock), &self.actor, outcome);
        self.outbox.add_outcome(&event, self.seen()?)?;
        self.forget(operation.id());
        // It is durable on this machine; a log that cannot be reached gets it later.
        drop(self.flush_within(clock, BRAKE_LIMIT, Some(&event.id)).await);
        Ok(())
    }

    /// Whether the process that began the operation of this id on this machine is alive.
    fn is_under_way(&self, id: &str) -> bool {
        matches!(lock::is_held(&self.lock_path(id)), Ok(true))
    }

    fn add(&self, event: &Event) -> Result<()> {
        Ok(self.outbox.add(event, self.seen()?)?)
    }

    /// Commits that this machine has seen.
    fn seen(&self) -> Result<Option<u64>> {
        Ok(self.memory.pin()?.map(|pin| pin.position.commits))
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.directory.join("open").join(id)
    }

    /// The lock file of an operation that is over, for the next one.
    fn spare_lock(&self) -> PathBuf {
        self.directory.join("spare.lock")
    }

    /// Takes its name away from the lock of an operation that is recorded as finished, or that never began.
    fn forget(&self, id: &str) {
        lock::leave(&self.lock_path(id), &self.spare_lock());
    }
}

/// An id for an event that is made now. Its random part comes from a generator that the system seeds: AWS-LC gathers
/// entropy of its own first, which costs each process about 30 ms of processor time (measured in a `squad stop`).
fn stamp(clock: &dyn Clock) -> Stamp {
    let time = clock.now();
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
    Stamp {
        id: ulid::Ulid::from_parts(milliseconds, ulid::Ulid::generate().random()),
        time,
    }
}

/// The error of what goes forward when the log does not take its intent.
fn not_writable(asked: &str, error: Error) -> Error {
    if error.id.starts_with("audit-log-") {
        return error;
    }
    // Credentials and the account are not the log's matter, and each has an exit code of its own.
    if matches!(error.kind, ErrorKind::Credentials | ErrorKind::Refused) {
        return error.context(asked);
    }
    let mut wrapped = Error::new(
        ErrorKind::Failed,
        "audit-not-writable",
        format!("{asked}: {}", error.message),
    )
    .retryable();
    wrapped.causes = error.causes;
    wrapped.hints = error.hints;
    wrapped
}
