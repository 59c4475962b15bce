//! How fast this machine calls Lambda's control plane.
//!
//! AWS allows an account 100 `GetFunction` each second, 15 `GetPolicy`, and 15 of everything else together (AWS Lambda
//! Developer Guide, "Lambda quotas"); none can be raised. All processes of a machine share one file of the times of
//! their latest calls, and take less than all of it (80, 8 and 12), so that what jitters on its way does not add up to a
//! second with more than AWS allows. A deploy takes its turn ahead of time; looking at the fleet takes what is left, and
//! slows down as soon as AWS throttles, because other machines look too.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::clock::{Clock, SystemClock};
use crate::fs;

/// Which of AWS's quotas a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `GetFunction`.
    GetFunction,
    /// `GetPolicy`.
    GetPolicy,
    /// Every other call of the control plane.
    Control,
}

impl Lane {
    /// The lane of a request, by the paths of the Lambda API Reference; none for `Invoke`, which has no such quota.
    pub(super) fn of(method: &str, uri: &str) -> Option<Self> {
        let path = uri.split(['?', '#']).next().unwrap_or(uri);
        let path = path.split_once("://").map_or(path, |(_, rest)| {
            rest.split_once('/').map_or("", |(_, path)| path)
        });
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (method, parts.as_slice()) {
            ("GET", ["2015-03-31", "functions", _]) => Some(Self::GetFunction),
            ("GET", ["2015-03-31", "functions", _, "policy"]) => Some(Self::GetPolicy),
            (
                "POST",
                [
                    ..,
                    "functions",
                    _,
                    "invocations" | "invoke-async" | "response-streaming-invocations",
                ],
            ) => None,
            _ => Some(Self::Control),
        }
    }

    /// Calls in any one second: less than AWS allows, because this machine is not alone.
    fn limit(self) -> usize {
        match self {
            Self::GetFunction => 80,
            Self::GetPolicy => 8,
            Self::Control => 12,
        }
    }

    /// Where its times begin in the file, in words of 8 bytes.
    fn start(self) -> usize {
        match self {
            Self::GetFunction => HEAD,
            Self::GetPolicy => HEAD + 80,
            Self::Control => HEAD + 88,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::GetFunction => 0,
            Self::GetPolicy => 1,
            Self::Control => 2,
        }
    }
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// A change, or somebody waiting for the status of one service.
    Deploy,
    /// A look at many functions.
    Fleet {
        /// `GetFunction` each second, 1 to 80.
        rate: u32,
    },
}

/// Words before the lanes' times: format, time of the last deploy's call, share of the fleet, time of the last
/// throttle, and the next turn of the fleet in each lane.
const HEAD: usize = 8;
const FORMAT: usize = 0;
const DEPLOYED: usize = 1;
const SHARE: usize = 2;
const THROTTLED: usize = 3;
const NEXT: usize = 4;
/// All words.
const WORDS: usize = HEAD + 80 + 8 + 12;
/// The first word: changes with the meaning of the others.
const VERSION: u64 = 2;

/// One second, in microseconds.
const SECOND: u64 = 1_000_000;
/// So long after a deploy's call the fleet is looked at slowly.
const DEPLOY_LASTS: u64 = 2 * SECOND;
/// The full share of the fleet, in thousandths.
const FULL: u64 = 1000;
/// The smallest share of the fleet, in thousandths.
const LEAST: u64 = 60;
/// What the fleet's share grows by in each second without a throttle, in thousandths.
const RECOVERY: u64 = 100;
/// `GetFunction` each second for the fleet while a deploy is at work here.
const FLEET_BESIDE_DEPLOY: u64 = 10;
/// Calls of the small lanes each second for the fleet: without and with a deploy at work here.
const FLEET_SMALL: (u64, u64) = (6, 1);
/// How often the shared file is tried before a process goes by its own times alone.
const TRIES: u32 = 20;

/// The pace of one account and region on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Option<PathBuf>,
    own: Mutex<Times>,
    clock: SystemClock,
}

/// The times of the latest calls, in microseconds since 1970.
#[derive(Debug, Clone)]
struct Times([u64; WORDS]);

impl Default for Times {
    fn default() -> Self {
        let mut words = [0; WORDS];
        if let Some(word) = words.get_mut(FORMAT) {
            *word = VERSION;
        }
        if let Some(word) = words.get_mut(SHARE) {
            *word = FULL;
        }
        Self(words)
    }
}

impl Times {
    fn get(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, value: u64) {
        if let Some(word) = self.0.get_mut(at) {
            *word = value;
        }
    }

    fn decode(bytes: &[u8]) -> Self {
        let mut times = Self::default();
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != WORDS || !rest.is_empty() {
            return times;
        }
        for (word, bytes) in times.0.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        if times.get(FORMAT) == VERSION {
            times
        } else {
            Self::default()
        }
    }

    fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The share of the fleet at this moment, in thousandths.
    fn share(&self, now: u64) -> u64 {
        let seconds = now.saturating_sub(self.get(THROTTLED)) / SECOND;
        (self.get(SHARE) + seconds.saturating_mul(RECOVERY)).clamp(LEAST, FULL)
    }

    /// Takes a turn: the microseconds to wait until it is this caller's, or to wait before asking again.
    fn take(&mut self, lane: Lane, priority: Priority, now: u64) -> Turn {
        // The clock was set back: what lies far ahead means nothing.
        if self
            .0
            .iter()
            .skip(DEPLOYED)
            .any(|time| *time > now + 60 * SECOND)
        {
            *self = Self::default();
        }
        let range = lane.start()..lane.start() + lane.limit();
        let Some(oldest) = range.clone().min_by_key(|at| self.get(*at)) else {
            return Turn::Now;
        };
        let free = (self.get(oldest) + SECOND).max(now);
        match priority {
            Priority::Deploy => {
                self.set(DEPLOYED, now);
                self.set(oldest, free);
                match free - now {
                    0 => Turn::Now,
                    wait => Turn::At(wait),
                }
            }
            Priority::Fleet { rate } => {
                let beside = self.get(DEPLOYED) + DEPLOY_LASTS > now;
                let rate = u64::from(rate.clamp(1, 80));
                let rate = match (lane, beside) {
                    (Lane::GetFunction, false) => rate,
                    (Lane::GetFunction, true) => rate.min(FLEET_BESIDE_DEPLOY),
                    (_, false) => FLEET_SMALL.0,
                    (_, true) => FLEET_SMALL.1,
                };
                let gap = SECOND * FULL / (rate * self.share(now));
                let next = self.get(NEXT + lane.index());
                let at = free.max(next);
                if at > now {
                    return Turn::Ask(at - now);
                }
                self.set(oldest, now);
                // A turn that was asked for a little late does not cost the next one time.
                self.set(
                    NEXT + lane.index(),
                    (next + gap).max(now + gap / 2).min(now + gap),
                );
                Turn::Now
            }
        }
    }

    /// AWS throttles: the fleet takes half of what it took.
    fn throttled(&mut self, now: u64) {
        if now.saturating_sub(self.get(THROTTLED)) < SECOND / 4 {
            return;
        }
        let share = self.share(now);
        self.set(SHARE, (share / 2).max(LEAST));
        self.set(THROTTLED, now);
    }
}

/// What a caller is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Go.
    Now,
    /// Go after so many microseconds: the turn is taken.
    At(u64),
    /// Ask again after so many microseconds.
    Ask(u64),
}

impl Pace {
    /// That of an account and region (`name`), shared through a file in `directory`; without one it is that of this
    /// process alone.
    pub(crate) fn new(directory: Option<&Path>, name: &str) -> Self {
        Self(Arc::new(Shared {
            file: directory.map(|directory| directory.join(format!("pace-{name}"))),
            own: Mutex::new(Times::default()),
            clock: SystemClock::new(),
        }))
    }

    /// Waits until a call may go.
    pub(crate) async fn turn(&self, lane: Lane, priority: Priority) {
        loop {
            let turn = self
                .with(|times, now| times.take(lane, priority, now))
                .await;
            match turn {
                Turn::Now => return,
                Turn::At(wait) => return tokio::time::sleep(Duration::from_micros(wait)).await,
                Turn::Ask(wait) => {
                    let wait = Duration::from_micros(wait.clamp(500, SECOND / 4));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// AWS answered 429. A deploy's calls are tried again by the SDK; only the fleet slows down.
    pub(crate) fn throttled(&self, _priority: Priority) {
        let pace = self.clone();
        // Not waited for: the answer goes on its way meanwhile.
        drop(tokio::spawn(async move {
            pace.with(Times::throttled).await;
        }));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.clock.now().as_microsecond()).unwrap_or(0)
    }

    /// Looks at the times and changes them, alone among all processes, or among this one's tasks where the file cannot
    /// be had at once: a process that was stopped while it held the file must not stop the others.
    async fn with<T>(&self, change: impl Fn(&mut Times, u64) -> T) -> T {
        for _ in 0..TRIES {
            let Some(file) = self.0.file.as_deref() else {
                break;
            };
            match locked(file) {
                Ok(Some(file)) => {
                    let mut bytes = vec![0; WORDS * 8];
                    let length = file.read_at(&mut bytes, 0).unwrap_or(0);
                    bytes.truncate(length);
                    let mut times = Times::decode(&bytes);
                    let result = change(&mut times, self.now());
                    // What is not written lets the next caller go too early, and AWS says so.
                    drop(file.write_all_at(&times.encode(), 0));
                    return result;
                }
                Ok(None) => tokio::time::sleep(Duration::from_micros(500)).await,
                Err(_) => break,
            }
        }
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut own, self.now())
    }
}

/// The file, locked for as long as it is open; none when somebody else has it.
fn locked(path: &Path) -> std::io::Result<Option<File>> {
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
    };
    let file = match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                fs::create_private_dir(directory).map_err(|error| error.source)?;
            }
            open()?
        }
        opened => opened?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
