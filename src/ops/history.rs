//! `squad history`: what changed, by whom, and how it ended, read from the audit log.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::audit::event::{Change, Event, ResultWord};
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::ops::audit::{Journal, Query};

/// How many of the newest records are looked at for what was live.
const RECENT: usize = 50;

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The operation (ULID).
    pub(crate) operation: String,
    /// When it began or, if the log does not hold that, ended.
    pub(crate) at: Timestamp,
    /// The noun: `deploy`, `rollback`.
    pub(crate) kind: String,
    /// What the newest of its events says.
    pub(crate) change: Change,
    /// How it ended; none while nothing of that is recorded.
    pub(crate) outcome: Option<ResultWord>,
    /// It has no outcome, and the process on this machine that began it is gone.
    pub(crate) is_abandoned: bool,
}

impl Entry {
    /// The revision before, when one served everything.
    pub(crate) fn before(&self) -> Option<&str> {
        revision(&self.change.before)
    }

    /// The revision that a deploy made or started and that did not get the traffic.
    pub(crate) fn attempted(&self) -> Option<&str> {
        self.change.after.get("attempted").and_then(Value::as_str)
    }

    /// What became of the port of this machine: the one before, if there was one, and the one after.
    pub(crate) fn port(&self) -> Option<(Option<u64>, u64)> {
        let port = |state: &Value| state.get("port").and_then(Value::as_u64);
        let (before, after) = (port(&self.change.before), port(&self.change.after)?);
        (before != Some(after)).then_some((before, after))
    }

    /// The operation of somebody else that did the very same meanwhile, so that this one changed nothing.
    pub(crate) fn done_by(&self) -> Option<&str> {
        self.change.after.get("done_by").and_then(Value::as_str)
    }

    /// Whether live state shows that it was applied, where nobody recorded its end.
    pub(crate) fn is_applied(&self) -> Option<bool> {
        self.change.after.get("applied").and_then(Value::as_bool)
    }

    /// The revision after: the one that was to be, or is, live.
    pub(crate) fn after(&self) -> Option<&str> {
        revision(&self.change.after).or_else(|| {
            self.change
                .after
                .pointer("/live/revision")
                .and_then(Value::as_str)
        })
    }
}

fn revision(value: &Value) -> Option<&str> {
    value.get("revision").and_then(Value::as_str)
}

/// A state of a service, when it was live.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LastLive {
    /// The revision that served everything.
    pub(crate) revision: String,
    /// The event that says so.
    pub(crate) event: Event,
    /// Who caused it.
    pub(crate) actor: String,
    /// When the platform's journal was set aside since, and by whom: then it knows nothing of what was there.
    pub(crate) forgotten: Option<(Timestamp, String)>,
}

/// The newest record of a service that has a revision which served everything; none where it was never live.
pub(crate) async fn last_live(
    journal: &Journal,
    service: &ServiceName,
) -> Result<Option<LastLive>> {
    let query = Query {
        service: Some(service.clone()),
        limit: Some(RECENT),
        ..Query::default()
    };
    let events = journal.events(&query).await?;
    let mut forgotten = None;
    Ok(events.into_iter().find_map(|recorded| {
        let change = recorded.event.change()?;
        let is_done = change.outcome == Some(ResultWord::Succeeded);
        if is_done && recorded.event.short_kind() == "reset.finished" {
            forgotten = Some((recorded.event.time, change.actor.name.clone()));
        }
        let after = revision(&change.after).filter(|_| is_done);
        Some(LastLive {
            revision: after.or_else(|| revision(&change.before))?.to_owned(),
            actor: change.actor.name.clone(),
            event: recorded.event,
            forgotten: forgotten.take(),
        })
    }))
}

/// Puts the events of each operation together; events come newest first, and so do the
/// entries: in the order of the log, which no clock can change.
/// `abandoned` are the operations of this machine whose process is gone.
pub(crate) fn entries(
    events: &[Event],
    only: Option<&[ServiceName]>,
    abandoned: &BTreeSet<String>,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = BTreeSet::new();
    for event in events {
        let (Some(operation), Some(change)) = (&event.operation, event.change()) else {
            continue;
        };
        if only.is_some_and(|only| !only.contains(&change.service)) {
            continue;
        }
        if seen.insert(operation.clone()) {
            entries.push(Entry {
                operation: operation.clone(),
                at: event.time,
                kind: event
                    .short_kind()
                    .split('.')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                is_abandoned: change.outcome.is_none() && abandoned.contains(operation),
                outcome: change.outcome,
                change,
            });
        } else if let Some(entry) = entries
            .iter_mut()
            .find(|entry| entry.operation == *operation)
            && event.is_planned()
        {
            entry.at = event.time;
        }
    }
    entries
}
