//! How `squad history` is shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::cli::time::relative;
use crate::domain::audit::event::{Change, ResultWord};
use crate::ops::history::Entry;
use crate::output::sanitize;
use crate::output::table::{Align, render};

/// `squad.history/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Wire {
    schema: &'static str,
    operations: Vec<WireEntry>,
}

#[derive(Debug, Serialize)]
struct WireEntry {
    operation: String,
    at: String,
    kind: String,
    service: String,
    env: String,
    by: String,
    /// `succeeded`, `failed`, `refused`, `unknown`, `going-on`, or `unfinished`: its process is gone, and nothing was
    /// recorded of the end.
    outcome: &'static str,
    /// The operation of somebody else that did the very same meanwhile: then this one changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_by: Option<String>,
    /// What a step of a rollout does, such as `shifted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// The revision that was live when it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The revision that a deploy which failed would have made live.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempted: Option<String>,
    /// The port of this machine, where it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<WirePort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The id of the error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The work tree had changes that are in no commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    dirty: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WirePort {
    /// Absent where the service had none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    after: u64,
}

impl Wire {
    /// For entries in their order.
    pub(crate) fn new(entries: &[Entry]) -> Self {
        Self {
            schema: "squad.history/v1",
            operations: entries.iter().map(wire).collect(),
        }
    }
}

fn wire(entry: &Entry) -> WireEntry {
    let provenance = entry.change.provenance.clone().unwrap_or_default();
    WireEntry {
        operation: entry.operation.clone(),
        at: entry.at.to_string(),
        kind: entry.kind.clone(),
        service: entry.change.service.to_string(),
        env: entry.change.environment.clone(),
        by: entry.change.actor.to_string(),
        outcome: match entry.outcome {
            Some(word) => word.as_str(),
            None if entry.is_abandoned => "unfinished",
            None => "going-on",
        },
        done_by: entry.done_by().map(str::to_owned),
        step: entry.change.becomes.clone(),
        before: entry.before().map(str::to_owned),
        after: entry.after().map(str::to_owned),
        attempted: entry.attempted().map(str::to_owned),
        port: entry
            .port()
            .map(|(before, after)| WirePort { before, after }),
        error: entry.change.error_id.clone(),
        dirty: provenance.dirty.then_some(true),
        commit: provenance.commit,
        subject: provenance.subject,
        pull_request: provenance.pull_request,
        reason: entry.change.reason.clone(),
        message: entry.change.message.clone(),
    }
}

/// The table for people.
pub(crate) fn table(entries: &[Entry], now: Timestamp, width: Option<usize>) -> String {
    let header = [
        ("WHEN", Align::Left),
        ("WHO", Align::Left),
        ("WHAT", Align::Left),
        ("RESULT", Align::Left),
    ];
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            vec![
                relative(entry.at, now),
                sanitize(&entry.change.actor.name),
                what(entry),
                result(entry),
            ]
        })
        .collect();
    render(&header, &rows, width)
}

/// What was done, and why where somebody said so: `rollback orders 88 → 87 in prod: refunds fail`.
fn what(entry: &Entry) -> String {
    let done = done(entry);
    match entry.change.reason.as_deref().map(str::trim) {
        Some(reason) if !reason.is_empty() => format!("{done}: {}", sanitize(reason)),
        _ => done,
    }
}

/// `deploy orders 87 → 88 in prod (#441 Retry the acquirer)`.
fn done(entry: &Entry) -> String {
    let mut text = format!("{} {}", entry.kind, entry.change.service);
    if let Some(step) = rollout_step(&entry.change) {
        return format!("{text} {step} in {}", entry.change.environment);
    }
    // What serves after a failure is somebody else's, and stands in the result.
    let aimed = match entry.outcome {
        Some(ResultWord::Succeeded) if entry.done_by().is_some() => None,
        None | Some(ResultWord::Succeeded) => entry.after(),
        Some(_) => entry.attempted(),
    };
    let published = entry.change.after.get("published").and_then(Value::as_str);
    match (entry.before(), aimed.filter(|_| published.is_none())) {
        (_, None) if published.is_some() => {
            text.push_str(&format!(": {} published", published.unwrap_or_default()));
        }
        (Some(before), Some(after)) if before != after => {
            text.push_str(&format!(" {before} → {after}"));
        }
        (None, Some(after)) => text.push_str(&format!(" → {after}")),
        _ => {}
    }
    // One that failed left the port as it was, or says in its message what it did.
    let is_done = matches!(entry.outcome, None | Some(ResultWord::Succeeded));
    if let Some((before, after)) = entry.port().filter(|_| is_done) {
        let before = before.map_or_else(String::new, |before| format!("{before} → "));
        text.push_str(&format!(", port {before}{after}"));
    }
    text.push_str(&format!(" in {}", entry.change.environment));
    if let Some(provenance) = &entry.change.provenance {
        let pull_request = provenance
            .pull_request
            .as_ref()
            .map(|number| format!("#{number}"));
        let subject = provenance.subject.as_ref().map(|subject| sanitize(subject));
        let notes: Vec<_> = pull_request.into_iter().chain(subject).collect();
        let dirty = if provenance.dirty {
            "with changes that are not committed"
        } else {
            ""
        };
        let notes = [notes.join(" ").as_str(), dirty].join(" ");
        if !notes.trim().is_empty() {
            text.push_str(&format!(" ({})", notes.trim()));
        }
    }
    text
}

/// `41 → 42: shifted, refund 25 %`; none for what is no step of a rollout.
fn rollout_step(change: &Change) -> Option<String> {
    let participle = change.becomes.as_deref()?;
    let state = if change.after.get("canary").is_some() {
        &change.after
    } else {
        &change.before
    };
    let word = |name: &str| state.get(name).and_then(Value::as_str);
    let mut text = format!(
        "{} → {}: {}",
        word("stable").unwrap_or("?"),
        word("canary").unwrap_or("?"),
        participle.replace('_', " ")
    );
    if participle == "shifted"
        && let Some(weights) = state.get("weights").and_then(Value::as_object)
    {
        for (unit, weight) in weights.iter().filter(|(_, weight)| **weight != 0) {
            text.push_str(&format!(", {unit} {weight} %"));
        }
    }
    Some(text)
}

fn result(entry: &Entry) -> String {
    match entry.outcome {
        None if entry.is_abandoned => "its process ended; `squad status` closes it".to_owned(),
        None => "going on".to_owned(),
        Some(ResultWord::Succeeded) => match entry.done_by() {
            Some(by) => format!(
                "nothing to do: operation {} had done the same",
                sanitize(by)
            ),
            None => "done".to_owned(),
        },
        Some(ResultWord::Unknown) => {
            let live = entry.after().map_or_else(String::new, |revision| {
                format!("; {revision} was live after")
            });
            match entry.is_applied() {
                Some(true) => format!("not known; live state shows that it was applied{live}"),
                Some(false) => format!("not known; live state does not show it{live}"),
                None => format!("not known{live}"),
            }
        }
        Some(word) => {
            let why = entry.change.error_id.as_deref();
            let why = why.map_or_else(String::new, |id| format!(" ({})", sanitize(id)));
            match entry.after() {
                Some(revision) => format!("{}{why}, {revision} serves", word.as_str()),
                None => format!("{}{why}", word.as_str()),
            }
        }
    }
}
