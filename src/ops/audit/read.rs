//! Reading events, newest first, stopping as early as possible. Checks no signature: that is what verifying is for.

use jiff::{SignedDuration, Timestamp};

use super::Journal;
use crate::domain::audit::check::first_event;
use crate::domain::audit::event::{COMMITTED, Event};
use crate::domain::audit::frame;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};

/// How far the clocks of two machines may be apart without an event being missed by time.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

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

impl Query {
    fn wants(&self, event: &Event) -> bool {
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
            && self.since.is_none_or(|since| event.time >= since)
            && subject.is_none_or(|subject| event.subject == subject)
    }
}

impl Journal {
    /// The events that were asked for, newest first; those that are pending on this machine come before the others.
    pub(crate) async fn events(&self, query: &Query) -> Result<Vec<RecordedEvent>> {
        let limit = query.limit.unwrap_or(usize::MAX);
        let oldest = query.since.map(|since| since - SKEW);
        let mut found = Vec::new();
        self.backwards(oldest, |recorded| {
            if query.wants(&recorded.event) {
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
        self.backwards(Some(time - SKEW), |recorded| {
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

    /// Hands over events from the newest on, until `take` says that it is enough or commits are older than `oldest`.
    async fn backwards(
        &self,
        oldest: Option<Timestamp>,
        mut take: impl FnMut(RecordedEvent) -> bool,
    ) -> Result<()> {
        let pending = self.outbox.contents()?.pending;
        let waiting: Vec<String> = pending.iter().map(|one| one.event.id.clone()).collect();
        for one in pending.into_iter().rev() {
            let recorded = RecordedEvent {
                event: one.event,
                place: None,
            };
            if !take(recorded) {
                return Ok(());
            }
        }
        for n in (0..self.head().await?).rev() {
            let bytes = self
                .store
                .read(n)
                .await?
                .ok_or_else(|| self.unreadable(n, "it is missing"))?;
            let frame =
                frame::parse(&bytes).map_err(|error| self.unreadable(n, &error.to_string()))?;
            let mut index = frame.start + frame.events.len() as u64;
            for at in frame.events.iter().rev() {
                index -= 1;
                let event = Event::from_bytes(bytes.get(at.clone()).unwrap_or_default())
                    .map_err(|why| self.unreadable(n, &format!("event {index}: {why}")))?;
                let recorded = RecordedEvent {
                    event,
                    place: Some(Place { commit: n, index }),
                };
                if !waiting.contains(&recorded.event.id) && !take(recorded) {
                    return Ok(());
                }
            }
            // Events are made before their commit: none of an earlier commit is newer than this.
            let first = frame.events.first().cloned().unwrap_or_default();
            let time = first_event(bytes.get(first).unwrap_or_default()).map(|(_, time)| time);
            if let (Some(oldest), Ok(time)) = (oldest, time)
                && time < oldest
            {
                return Ok(());
            }
        }
        Ok(())
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
