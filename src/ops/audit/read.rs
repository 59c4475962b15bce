//! Reading events, newest first, stopping as early as possible. Checks no signature: that is what verifying is for.
//!
//! The order of the log is the truth, times are claims of the writers' clocks. So one commit that bears an older time ends
//! nothing: only [`LOOK_BEHIND`] of them in a row do. What stands in the log behind something newer is no older than that,
//! whatever its own clock said.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::Journal;
use crate::domain::audit::check::first_event;
use crate::domain::audit::event::{COMMITTED, Event};
use crate::domain::audit::frame;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};

/// How far the clocks of two machines may be apart without an event being missed by time.
const SKEW: SignedDuration = SignedDuration::from_mins(10);
/// Commits in a row that bear an older time than was asked for, before the log is taken to hold nothing newer: more than
/// a machine with a wrong clock writes in one go (a deploy is two, a rollout some dozens), and read in a moment.
const LOOK_BEHIND: usize = 128;
/// Commits that are fetched beside each other: a bucket answers each after some 20 ms.
const AT_ONCE: usize = 8;

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Not older than this.
    pub(crate) since: Option<Timestamp>,
    /// Only those about this service.
    pub(crate) service: Option<ServiceName>,
    /// Only types with one of these beginnings, such as `deploy` or `deploy.finished`; empty = all changes.
    pub(crate) types: Vec<String>,
    /// At most this many.
    pub(crate) limit: Option<usize>,
}

/// An event, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedEvent {
    /// The event.
    pub(crate) event: Event,
    /// Its place in the log; none while it is pending on this machine.
    pub(crate) place: Option<Place>,
}

/// Where an event is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its commit.
    pub(crate) commit: u64,
    /// Its index among all events.
    pub(crate) index: u64,
}

/// A commit that was read.
struct Commit {
    n: u64,
    /// When it was made, as its writer's clock said.
    time: Option<Timestamp>,
    bytes: Vec<u8>,
    frame: frame::Frame,
}

impl Query {
    /// Whether an event is wanted; `is_new`: it is not older than asked for, whatever its own time says.
    fn wants(&self, event: &Event, is_new: bool) -> bool {
        let kind = event.short_kind();
        let of_type = if self.types.is_empty() {
            event.kind != COMMITTED
        } else {
            self.types.iter().any(|wanted| {
                kind.strip_prefix(wanted.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let subject = self.service.as_ref().map(|name| format!("service/{name}"));
        of_type
            && (is_new || self.since.is_none_or(|since| event.time >= since))
            && subject.is_none_or(|subject| event.subject == subject)
    }
}

impl Journal {
    /// The events that were asked for, newest first; those that are pending on this machine come before the others.
    pub(crate) async fn events(&self, query: &Query) -> Result<Vec<RecordedEvent>> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let oldest = query.since.map(|since| since - SKEW);
        let mut found = Vec::new();
        self.backwards(oldest, |recorded, is_new| {
            if query.wants(&recorded.event, is_new) {
                found.push(recorded);
            }
            found.len() < limit
        })
        .await?;
        found.truncate(limit);
        Ok(found)
    }

    /// The events whose id or operation begins with `text`, oldest first. ULIDs begin with their time, so the log
    /// is read only as far back as that.
    pub(crate) async fn find(&self, text: &str) -> Result<Vec<RecordedEvent>> {
        let text = text.to_ascii_uppercase();
        let padded = format!("{text:0<26}");
        let time = ulid::Ulid::from_string(&padded)
            .ok()
            .and_then(|ulid| i64::try_from(ulid.timestamp_ms()).ok())
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
        let Some(time) = time else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        self.backwards(Some(time - SKEW), |recorded, _| {
            let operation = recorded.event.operation.as_deref().unwrap_or_default();
            if recorded.event.id.starts_with(&text) || operation.starts_with(&text) {
                found.push(recorded);
            }
            true
        })
        .await?;
        found.reverse();
        Ok(found)
    }

    /// Hands over events from the newest on, until `take` says that it is enough or [`LOOK_BEHIND`] commits in a row are
    /// older than `oldest`. With each event `take` hears whether its place in the log shows that it is not as old as its
    /// own time says.
    async fn backwards(
        &self,
        oldest: Option<Timestamp>,
        mut take: impl FnMut(RecordedEvent, bool) -> bool,
    ) -> Result<()> {
        let pending = self.outbox.contents()?.pending;
        let waiting: Vec<String> = pending.iter().map(|one| one.event.id.clone()).collect();
        for one in pending.into_iter().rev() {
            let recorded = RecordedEvent {
                event: one.event,
                place: None,
            };
            if !take(recorded, false) {
                return Ok(());
            }
        }
        let mut hand_over = |commit: &Commit, is_new: bool| -> Result<bool> {
            for recorded in self.events_of(commit)?.into_iter().rev() {
                if !waiting.contains(&recorded.event.id) && !take(recorded, is_new) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let numbers = stream::iter((0..self.head().await?).rev());
        let mut commits = numbers.map(|n| self.read_commit(n)).buffered(AT_ONCE);
        // Older than asked for, as they say themselves; newest first.
        let mut aside: Vec<Commit> = Vec::new();
        while let Some(commit) = commits.next().await {
            let commit = commit?;
            if oldest.is_some_and(|oldest| commit.time.is_some_and(|time| time < oldest)) {
                aside.push(commit);
                if aside.len() == LOOK_BEHIND {
                    return Ok(());
                }
                continue;
            }
            // They stand behind this one, which is new enough: so they are, too.
            for later in aside.drain(..) {
                if !hand_over(&later, true)? {
                    return Ok(());
                }
            }
            if !hand_over(&commit, false)? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn read_commit(&self, n: u64) -> Result<Commit> {
        let bytes = self
            .store
            .read(n)
            .await?
            .map_or_else(|| Err(self.gone(n)), Ok)?;
        let frame = frame::parse(&bytes).map_err(|error| self.unreadable(n, &error.to_string()))?;
        // Events are made before their commit: none of it is newer than this.
        let first = frame.events.first().cloned().unwrap_or_default();
        let time = first_event(bytes.get(first).unwrap_or_default());
        Ok(Commit {
            n,
            time: time.ok().map(|(_, time)| time),
            bytes,
            frame,
        })
    }

    /// The events of a commit, in their order.
    fn events_of(&self, commit: &Commit) -> Result<Vec<RecordedEvent>> {
        let places = (commit.frame.start..).zip(&commit.frame.events);
        places
            .map(|(index, at)| {
                let event = Event::from_bytes(commit.bytes.get(at.clone()).unwrap_or_default())
                    .map_err(|why| self.unreadable(commit.n, &format!("event {index}: {why}")))?;
                Ok(RecordedEvent {
                    event,
                    place: Some(Place {
                        commit: commit.n,
                        index,
                    }),
                })
            })
            .collect()
    }

    /// How many commits the log has.
    async fn head(&self) -> Result<u64> {
        let mut n = match self.memory.pin()? {
            Some(pin) => pin.position.commits,
            None => {
                let numbers = self.store.list().await?.numbers;
                numbers.last().map_or(0, |last| last + 1)
            }
        };
        while self.store.exists(n).await? {
            n += 1;
        }
        Ok(n)
    }

    /// Looks whether the newest commit can be read and is what this machine knows: the store may be gone, be another one, or
    /// end before what was written to it.
    pub(crate) async fn look(&self) -> Result<()> {
        let newest = match self.memory.pin()? {
            Some(pin) => pin.position.commits,
            None => 0,
        };
        match newest.checked_sub(1) {
            Some(n) => self.read_commit(n).await.map(drop),
            None => Ok(()),
        }
    }

    /// A commit that is not there although it was written.
    fn gone(&self, n: u64) -> Error {
        match self.store.absent() {
            Ok(Some(root)) => Error::from(crate::fs::at("read", &root)(
                rustix::io::Errno::NOENT.into(),
            ))
            .hint("the audit log is kept there: mount it again, or put it back from a backup"),
            Ok(None) => self.unreadable(n, "it is missing"),
            Err(error) => error.into(),
        }
    }

    fn unreadable(&self, n: u64, why: &str) -> Error {
        Error::new(
            Kind::Unhealthy,
            "audit-log-damaged",
            format!(
                "cannot read the audit log `{}`: commit {n}: {why}",
                self.log
            ),
        )
        .hint(format!(
            "see all of it with `squad audit verify --env {}`",
            self.environment.name
        ))
    }
}
