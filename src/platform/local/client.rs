//! The way to the supervisor: finds it, starts it where there is none, and has one of an older binary replaced.
//!
//! Every request can be sent again, so a supervisor that ends in the middle costs a new start and nothing else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::fs::{self, at};
use crate::platform::{Error, Progress, Result};

use super::Settings;
use super::journal::{self, Journal};
use super::ledger::{self, Ledger};
use super::places::{self, Listens, Place};
use super::protocol::{self, Build, Frame, Hello, PROTOCOL, Request, SupervisorStatus};
use super::spawn::spawn;
use super::store::Store;
use super::wire::Failure;

/// How often a request is sent when supervisors end in the middle of it.
const TRIES: u32 = 4;
/// How often it is looked whether a supervisor that was told to end has let go of its lock.
const LOCK_GLANCE: Duration = Duration::from_millis(5);
/// How long a command that needs a supervisor waits for the one that holds the lock: its requests have 20 s to end, its
/// processes their grace.
const PATIENCE: Duration = Duration::from_mins(2);
/// A supervisor whose socket was removed listens again within this time.
const LISTENS_AGAIN: Duration = Duration::from_secs(5);
/// A supervisor that is well answers a hello at once, also under load; one that does not answer so long is stopped, or stuck.
const GREETING_LIMIT: Duration = Duration::from_secs(15);

/// How many supervisors this process is starting, or waits for while they bring up their services.
static STARTING: AtomicUsize = AtomicUsize::new(0);

/// Whether this process waits for a supervisor to serve.
pub(crate) fn is_starting() -> bool {
    STARTING.load(Ordering::Relaxed) > 0
}

/// Counts as starting as long as it lives.
struct Starting(());

impl Starting {
    fn begin() -> Self {
        STARTING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        STARTING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The client of one environment.
#[derive(Debug)]
pub(super) struct Client {
    settings: Settings,
    place: Place,
}

/// A journal that was begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reset {
    /// Where the one before is now; none where it was gone.
    pub(crate) aside: Option<PathBuf>,
    /// The new one.
    pub(crate) journal: PathBuf,
}

/// A connection that has asked, and is being answered.
#[derive(Debug)]
pub(super) struct Answers {
    stream: UnixStream,
    /// Of a supervisor of an older binary.
    are_outdated: bool,
}

/// A supervisor that answered.
pub(super) struct Greeted {
    pub(super) stream: UnixStream,
    pub(super) hello: Hello,
    /// Whether it is of an older binary than this one.
    pub(super) is_outdated: bool,
}

/// What became of a supervisor that held the lock and did not listen.
enum Holder {
    /// It listens.
    Listens(Box<Greeted>),
    /// Nobody holds it any more.
    Gone,
    /// It holds it, and does not listen.
    Silent,
}

impl Holder {
    fn listens(self) -> Option<Greeted> {
        match self {
            Self::Listens(greeted) => Some(*greeted),
            Self::Gone | Self::Silent => None,
        }
    }
}

/// Why there is no answer.
enum Lost {
    /// The supervisor ended: the request can be sent to the next one.
    Ended,
    /// It is of an older binary, and answers what this one does not understand.
    Outdated,
    /// It answered that it cannot.
    Failed(Error),
}

impl Greeted {
    fn can_answer(&self, request: &Request) -> bool {
        !self.is_outdated || (self.hello.protocol == PROTOCOL && request.changes_nothing())
    }
}

impl Answers {
    /// The next frame; none when the supervisor has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>> {
        match protocol::receive(&mut self.stream).await {
            Ok(frame) => Ok(frame),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Error::Unreachable(error.to_string()))
            }
            Err(_) => Ok(None),
        }
    }
}

impl Client {
    /// Reaches nothing yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            place: Place::new(&settings.state, &settings.runtime),
            settings,
        }
    }

    /// Whether there never was a supervisor: no journal, and nobody who could be making one.
    /// A state directory that cannot be looked at is an error, as is a journal that is gone: services may be live in it.
    pub(super) fn is_untouched(&self) -> Result<bool> {
        if !self.is_bare()? {
            return Ok(false);
        }
        match ledger::check_never_was(&self.place.journal, &self.store()) {
            // Somebody made it, and a first revision, between the two looks.
            Err(Error::LostJournal { .. }) if !self.is_bare()? => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    /// Whether there is no journal, and nobody who could be making one: then no supervisor runs.
    fn is_bare(&self) -> Result<bool> {
        // One that runs may listen where another session looks; it has left a note then.
        Ok(!Journal::exists(&self.place.journal)?
            && !fs::is_there(&self.place.socket)?
            && Listens::read(&self.place.listens).is_none())
    }

    fn store(&self) -> Store {
        Store::new(&self.settings.state)
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<T> {
        for _ in 0..TRIES {
            match self.ask_once(&request, &mut progress).await {
                Ok(answer) => return Ok(answer),
                Err(Lost::Failed(error)) => return Err(error),
                Err(Lost::Ended) => {}
                Err(Lost::Outdated) => self.renew().await?,
            }
        }
        Err(Error::Unreachable(format!(
            "it ended {TRIES} times in the middle of the request; its log is `{}`",
            self.place.log.display()
        )))
    }

    async fn ask_once<T: DeserializeOwned>(
        &self,
        request: &Request,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<T, Lost> {
        let mut answers = self.open(request.clone()).await.map_err(Lost::Failed)?;
        let are_outdated = answers.are_outdated;
        let unreadable = |error| {
            if are_outdated {
                Lost::Outdated
            } else {
                Lost::Failed(error)
            }
        };
        while let Some(frame) = answers.next().await.map_err(unreadable)? {
            match frame {
                Frame::Progress(sign) => progress(sign),
                Frame::Done(value) => {
                    return serde_json::from_value(value).map_err(|error| {
                        unreadable(Error::Unreachable(format!(
                            "its answer cannot be read: {error}"
                        )))
                    });
                }
                Frame::Failed(Failure::Stopping) => return Err(Lost::Ended),
                Frame::Failed(failure) => return Err(Lost::Failed(failure.into())),
                Frame::Line(_) | Frame::Files(_) | Frame::Sockets(_) => {}
            }
        }
        Err(Lost::Ended)
    }

    /// Replaces a supervisor of an older binary, and starts one where there is none.
    pub(super) async fn renew(&self) -> Result<()> {
        let current = self.greet().await?.filter(|greeted| !greeted.is_outdated);
        match current {
            Some(_) => Ok(()),
            None => self.start().await.map(drop),
        }
    }

    /// Sends a request to the supervisor, which is started where there is none, and replaced where it is of an older binary
    /// and the request changes something.
    pub(super) async fn open(&self, request: Request) -> Result<Answers> {
        for _ in 0..TRIES {
            let answers = |greeted: &Greeted| greeted.can_answer(&request);
            let mut greeted = match self.greet().await?.filter(answers) {
                Some(greeted) => greeted,
                None => self.start().await?,
            };
            if protocol::send(&mut greeted.stream, &request).await.is_ok() {
                return Ok(Answers {
                    stream: greeted.stream,
                    are_outdated: greeted.is_outdated,
                });
            }
        }
        Err(Error::Unreachable("it closes every connection".to_owned()))
    }

    /// Whether the next supervisor will be able to go on with what is there. Starts none, changes nothing.
    pub(super) fn check(&self) -> Result<()> {
        places::check(&self.settings.state)?;
        Ledger::check(&self.place.journal)
    }

    /// How the supervisor is; none when none runs.
    pub(super) async fn status(&self) -> Result<Option<SupervisorStatus>> {
        if self.is_bare()? || self.found(LISTENS_AGAIN).await?.is_none() {
            return Ok(None);
        }
        self.ask(Request::Status, |_| {}).await.map(Some)
    }

    /// Ends the supervisor; false when none runs.
    pub(super) async fn stop(&self) -> Result<bool> {
        if self.is_bare()? {
            return Ok(false);
        }
        match self.found(PATIENCE).await? {
            Some(greeted) => self.end(greeted).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The supervisor that runs, also one that is about to listen again; none when none runs. One that holds the lock and
    /// cannot be reached is an error: it runs on, with all its services. One that ends has taken its note away.
    async fn found(&self, within: Duration) -> Result<Option<Greeted>> {
        if let Some(greeted) = self.connect().await? {
            return Ok(Some(greeted));
        }
        match self.holder(within).await? {
            Holder::Listens(greeted) => Ok(Some(*greeted)),
            Holder::Gone => Ok(None),
            Holder::Silent => {
                let Some(Listens { pid, .. }) = Listens::read(&self.place.listens) else {
                    return Ok(None);
                };
                Err(Error::Unreachable(format!(
                    "a supervisor, process {pid}, holds `{}` and does not listen; its log is `{}`",
                    self.place.lock.display(),
                    self.place.log.display()
                )))
            }
        }
    }

    /// Tells a supervisor to end and waits until it has: its lock is free then, or the next one has it already.
    async fn end(&self, mut greeted: Greeted) -> Result<()> {
        let ended = process_of(&greeted.stream);
        if protocol::send(&mut greeted.stream, &Request::Stop)
            .await
            .is_ok()
        {
            let mut answers = Answers {
                stream: greeted.stream,
                are_outdated: greeted.is_outdated,
            };
            while answers.next().await?.is_some() {}
        }
        let lock = places::open_lock(&self.place.lock)?;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(at("lock", &self.place.lock)(error.into()).into()),
            }
            // Another command may have started the next one in the meantime, which keeps the lock for as long as it
            // runs.
            if let Some(next) = self.connect().await?
                && process_of(&next.stream) != ended
            {
                return Ok(());
            }
            tokio::time::sleep(LOCK_GLANCE).await;
        }
    }

    /// Connects to a supervisor; one of a newer protocol is an error.
    async fn greet(&self) -> Result<Option<Greeted>> {
        let greeted = self.connect().await?;
        match &greeted {
            Some(Greeted { hello, .. }) if hello.protocol > PROTOCOL => {
                Err(Error::Unreachable(format!(
                    "squad {} runs it, which is newer than this squad {}",
                    hello.version,
                    env!("CARGO_PKG_VERSION")
                )))
            }
            _ => Ok(greeted),
        }
    }

    /// The way to whoever listens: in the runtime directory of this session, or where the supervisor says that it does.
    async fn reach(&self) -> Result<Option<UnixStream>> {
        if let Some(stream) = reach(&self.place.socket).await? {
            return Ok(Some(stream));
        }
        match Listens::read(&self.place.listens) {
            Some(elsewhere) if elsewhere.socket != self.place.socket => {
                reach(&elsewhere.socket).await
            }
            _ => Ok(None),
        }
    }

    /// Connects and exchanges hellos; none when nobody listens.
    pub(super) async fn connect(&self) -> Result<Option<Greeted>> {
        let Some(mut stream) = self.reach().await? else {
            return Ok(None);
        };
        places::check_peer(&stream)?;
        let own = Hello::of(Build::of(&self.settings.executable));
        let greeting = async {
            protocol::send(&mut stream, &own).await?;
            protocol::receive::<Hello>(&mut stream).await
        };
        let Ok(greeted) = tokio::time::timeout(GREETING_LIMIT, greeting).await else {
            let process = process_of(&stream).map_or_else(String::new, |id| format!(" {id}"));
            return Err(Error::Unreachable(format!(
                "its process{process} does not answer within {} s: it is stopped or stuck; its log is `{}`",
                GREETING_LIMIT.as_secs(),
                self.place.log.display()
            )));
        };
        match greeted {
            Ok(Some(hello)) => Ok(Some(Greeted {
                is_outdated: own.replaces(&hello),
                stream,
                hello,
            })),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Error::Unreachable(error.to_string()))
            }
            // It ended just now.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Starts a supervisor and waits until it serves. A state directory that cannot be used is named as what it is.
    async fn start(&self) -> Result<Greeted> {
        let _starting_it = Starting::begin();
        self.start_one().await.map_err(|error| match error {
            Error::File(source) => Error::NotStarted {
                state: self.settings.state.clone(),
                source,
            },
            error => error,
        })
    }

    /// Of many that do this at once, one starts it.
    ///
    /// One that drains, or brings up slow services, takes its time; and a second one could only wait for its lock.
    async fn start_one(&self) -> Result<Greeted> {
        places::make(&self.settings.state)?;
        places::make(&self.settings.runtime)?;
        let starting = places::open_lock(&self.place.starting)?;
        let path = self.place.starting.clone();
        let _starting = blocking(move || {
            rustix::fs::flock(&starting, FlockOperation::LockExclusive)
                .map_err(|error| Error::from(at("lock", &path)(error.into())))?;
            Ok(starting)
        })
        .await?;
        let there = match self.greet().await? {
            None => self.holder(PATIENCE).await?.listens(),
            there => there,
        };
        // One of an older binary is ended by the next one, once that has got what it listens on.
        if let Some(greeted) = there.filter(|greeted| !greeted.is_outdated) {
            return Ok(greeted);
        }
        let (settings, log) = (self.settings.clone(), self.place.log.clone());
        blocking(move || spawn(&settings, &log)).await?;
        self.greet().await?.ok_or_else(|| {
            Error::Unreachable(format!(
                "it ended right after its start; its log is `{}`",
                self.place.log.display()
            ))
        })
    }

    /// What becomes within a time of a supervisor that holds the lock and does not listen: it is about to end, brings up its
    /// services, or lost its socket and is about to listen again.
    async fn holder(&self, within: Duration) -> Result<Holder> {
        let until = tokio::time::Instant::now() + within;
        loop {
            let Some(lock) = places::open_lock_if_there(&self.place.lock)? else {
                return Ok(Holder::Gone);
            };
            if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(Holder::Gone);
            }
            drop(lock);
            if let Some(greeted) = self.greet().await? {
                return Ok(Holder::Listens(Box::new(greeted)));
            }
            if tokio::time::Instant::now() > until {
                return Ok(Holder::Silent);
            }
            tokio::time::sleep(LOCK_GLANCE).await;
        }
    }

    /// Whether there is or was a journal: good, damaged or gone.
    pub(super) fn had_journal(&self) -> Result<bool> {
        Ok(Journal::exists(&self.place.journal)? || !self.store().highest()?.is_empty())
    }

    /// Whether there is one that can be used.
    pub(super) fn has_good_journal(&self) -> Result<bool> {
        if !Journal::exists(&self.place.journal)? {
            return Ok(false);
        }
        match Ledger::check(&self.place.journal) {
            Ok(()) => Ok(true),
            Err(Error::CorruptJournal { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins a new journal, and moves the one that is there out of the way.
    pub(super) fn reset_journal(&self, now: jiff::Timestamp) -> Result<Reset> {
        let lock = places::open_lock(&self.place.lock)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Error::Invalid(
                "the supervisor runs, so its journal is in use and good; `squad local stop` ends it"
                    .to_owned(),
            )
        })?;
        let aside = journal::set_aside(&self.place.journal, now)?;
        // Killed before this, the journal is gone: the same command makes it then.
        ledger::begin_anew(&self.place.journal, &self.store())?;
        Ok(Reset {
            aside,
            journal: self.place.journal.clone(),
        })
    }
}

/// Connects to a socket; none when nobody listens there.
async fn reach(socket: &Path) -> Result<Option<UnixStream>> {
    match UnixStream::connect(socket).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // Nobody listens, or whoever did has ended before it took the connection.
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset => Ok(None),
            _ => Err(at("open", socket)(error).into()),
        },
    }
}

/// The process at the other end, where the system tells.
fn process_of(stream: &UnixStream) -> Option<i32> {
    stream.peer_cred().ok()?.pid()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Unreachable(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor that ends resets whoever waits in its listener's queue: the next one is started, nothing fails.
    #[tokio::test]
    async fn a_supervisor_that_ends_while_a_connection_is_made_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let client = Client::new(Settings {
            state: home.path().join("state"),
            runtime: home.path().to_owned(),
            executable: std::env::current_exe().unwrap(),
            name: "local".to_owned(),
        });
        let socket = client.place.socket.clone();
        let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
        let supervisors = std::thread::spawn(move || {
            let mut times = 0_u32;
            while end.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                drop(std::os::unix::net::UnixListener::bind(&socket));
                drop(std::fs::remove_file(&socket));
                times += 1;
            }
            times
        });
        for _ in 0..20_000 {
            let greeted = client.connect().await;
            assert!(matches!(greeted, Ok(None)), "{:?}", greeted.err());
        }
        drop(ended);
        assert!(supervisors.join().unwrap() > 0);
    }
}
