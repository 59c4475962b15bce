//! How the record is shown.

mod verify;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::cli::time::relative;
use crate::domain::audit::event::{Change, Event};
use crate::ops::audit::RecordedEvent;
use crate::output::sanitize;
use crate::output::table::{Align, render};

pub(crate) use verify::{Key, Verification, report, trusted_line};

/// Letters of an id that are shown where its row can be looked up: the time of a ULID.
const SHORT: usize = 10;
/// `squad.audit-events/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<'a> {
    schema: &'static str,
    log: &'a str,
    events: Vec<WireRecorded<'a>>,
}

#[derive(Debug, Serialize)]
struct WireRecorded<'a> {
    /// Number of the commit; absent while the event is pending on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<u64>,
    /// Index among all events of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    pending: bool,
    /// As it is in the log.
    event: &'a Event,
}

impl<'a> Listing<'a> {
    /// Events in their order.
    pub(crate) fn new(log: &'a str, events: &'a [RecordedEvent]) -> Self {
        Self {
            schema: "squad.audit-events/v1",
            log,
            events: events
                .iter()
                .map(|recorded| WireRecorded {
                    commit: recorded.place.map(|place| place.commit),
                    index: recorded.place.map(|place| place.index),
                    pending: recorded.place.is_none(),
                    event: &recorded.event,
                })
                .collect(),
        }
    }
}

fn noun(event: &Event) -> &str {
    event.short_kind().split('.').next().unwrap_or_default()
}

/// The first letters of an id.
fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// `squad audit list` for people.
pub(crate) fn table(events: &[RecordedEvent], now: Timestamp, width: Option<usize>) -> String {
    let header =
        ["WHEN", "WHO", "EVENT", "SERVICE", "RESULT", "OPERATION"].map(|name| (name, Align::Left));
    let rows: Vec<_> = events
        .iter()
        .map(|recorded| {
            let event = &recorded.event;
            let change = event.change();
            let change = change.as_ref();
            let dash = || "–".to_owned();
            let result = change
                .and_then(|change| change.outcome)
                .map_or_else(dash, |word| word.as_str().to_owned());
            let pending = if recorded.place.is_none() {
                ", pending on this machine"
            } else {
                ""
            };
            vec![
                relative(event.time, now),
                change.map_or_else(dash, |change| sanitize(&change.actor.name)),
                sanitize(event.short_kind()),
                change.map_or_else(dash, |change| change.service.to_string()),
                format!("{result}{pending}"),
                event
                    .operation
                    .as_deref()
                    .map_or_else(dash, |id| sanitize(short(id))),
            ]
        })
        .collect();
    render(&header, &rows, width)
}

/// `squad audit show` for people.
pub(crate) fn details(events: &[RecordedEvent]) -> String {
    let blocks: Vec<String> = events.iter().map(one_event).collect();
    blocks.join("\n\n")
}

fn one_event(recorded: &RecordedEvent) -> String {
    let event = &recorded.event;
    let mut lines = vec![sanitize(event.short_kind())];
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("  {name:<13} {}", sanitize(&value)));
        }
    };
    line("time", Some(event.time.to_string()));
    line(
        "place",
        Some(recorded.place.map_or_else(
            || "pending on this machine".to_owned(),
            |place| format!("event {} in commit {}", place.index, place.commit),
        )),
    );
    line("event", Some(event.id.clone()));
    line("operation", event.operation.clone());
    match event.change() {
        Some(change) => {
            for (name, value) in change_lines(&change) {
                line(name, value);
            }
        }
        None => line("data", Some(event.data.to_string())),
    }
    lines.join("\n")
}

fn change_lines(change: &Change) -> Vec<(&'static str, Option<String>)> {
    let json = |value: &Value| (!value.is_null()).then(|| value.to_string());
    let key = change.actor.key.as_deref().unwrap_or("none");
    let environment = match &change.org {
        Some(org) => format!("{org}/{}", change.environment),
        None => change.environment.clone(),
    };
    let from = change.provenance.clone().unwrap_or_default();
    vec![
        (
            "outcome",
            change.outcome.map(|word| word.as_str().to_owned()),
        ),
        ("message", change.message.clone()),
        ("error", change.error_id.clone()),
        ("who", Some(format!("{}, key {key}", change.actor))),
        ("service", Some(change.service.to_string())),
        ("environment", Some(environment)),
        ("org commit", change.org_commit.clone()),
        ("reason", change.reason.clone()),
        ("before", json(&change.before)),
        ("after", json(&change.after)),
        ("digest", change.digest.clone()),
        ("repository", from.repository),
        (
            "commit",
            from.commit.map(|commit| {
                let dirty = if from.dirty {
                    ", with local changes"
                } else {
                    ""
                };
                format!("{commit}{dirty}")
            }),
        ),
        ("branch", from.branch),
        ("subject", from.subject),
        ("pull request", from.pull_request),
        ("pipeline run", from.pipeline_run),
    ]
}
