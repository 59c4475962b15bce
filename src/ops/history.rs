//! `squad history`: what changed, by whom, and how it ended, read from the audit log.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::audit::event::{Change, Event, ResultWord};
use crate::domain::name::ServiceName;

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
