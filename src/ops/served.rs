//! Who served before, read from the environment's record; the rule is [`crate::domain::plan::served`]'s.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::history::{self, Entry};
use crate::domain::audit::event::ResultWord;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::plan::served::{self, Before, Operation};
use crate::domain::release::RevisionNumber;
use crate::ops::audit::{Journal, Query};

/// How many of the newest events of a service are looked at.
const RECENT: usize = 200;
/// How long the record may take: a brake waits no longer for it.
const WITHIN: Duration = Duration::from_secs(10);

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// This one had all traffic before what serves now.
    Before(Before),
    /// It does not tell, and why.
    Nothing(String),
}

/// Reads it. What cannot be read tells nothing.
pub(crate) async fn before(journal: &Journal, service: &ServiceName, live: &Live) -> Told {
    let query = Query {
        service: Some(service.clone()),
        limit: Some(RECENT),
        ..Query::default()
    };
    let events = match tokio::time::timeout(WITHIN, journal.events(&query)).await {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => {
            return Told::Nothing(format!("the record cannot be read: {}", error.message));
        }
        Err(_) => {
            return Told::Nothing(format!(
                "the record did not answer within {} s",
                WITHIN.as_secs()
            ));
        }
    };
    let events: Vec<_> = events.into_iter().map(|one| one.event).collect();
    let entries = history::entries(&events, None, &BTreeSet::new());
    conclude(&entries, live)
}

fn conclude(entries: &[Entry], live: &Live) -> Told {
    let operations: Vec<_> = entries.iter().filter_map(operation).collect();
    match served::served_before(&operations, live) {
        Ok(before) => Told::Before(before),
        Err(untold) => Told::Nothing(untold.to_string()),
    }
}

/// What the rule has to know of an operation; none of one that changes nothing of who takes the traffic.
fn operation(entry: &Entry) -> Option<Operation> {
    let may_move = matches!(entry.kind.as_str(), "deploy" | "rollback" | "rollout");
    let is_refused = entry.outcome == Some(ResultWord::Refused);
    (may_move && !is_refused).then(|| Operation {
        id: entry.operation.clone(),
        at: entry.at,
        is_rollback: entry.kind == "rollback",
        outcome: entry.outcome,
        before: entry.before().and_then(number),
        after: had_all_after(entry),
    })
}

/// The revision that had all traffic when an operation was over; none where several shared it, or it is not known.
fn had_all_after(entry: &Entry) -> Option<RevisionNumber> {
    let phase = entry.change.after.get("phase").and_then(Value::as_str);
    let canary = || entry.change.after.get("canary").and_then(Value::as_str);
    match (entry.outcome, phase) {
        (Some(ResultWord::Succeeded), Some("promoting" | "finalising" | "succeeded")) => {
            canary().and_then(number)
        }
        _ => entry.after().and_then(number),
    }
}

fn number(text: &str) -> Option<RevisionNumber> {
    text.parse().ok().map(RevisionNumber)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::audit::event::Change;

    fn entry(kind: &str, before: Value, after: Value, outcome: Option<&str>) -> Entry {
        let change: Change = serde_json::from_value(json!({
            "actor": { "name": "ana", "host": "laptop" }, "environment": "prod", "service": "payments",
            "before": before, "after": after, "outcome": outcome,
        }))
        .unwrap();
        Entry {
            operation: "01K8".to_owned(),
            at: "2026-11-26T12:00:00Z".parse().unwrap(),
            kind: kind.to_owned(),
            outcome: change.outcome,
            change,
            is_abandoned: false,
        }
    }

    /// Who had all traffic before and after.
    fn moved(entry: &Entry) -> Option<(Option<u64>, Option<u64>)> {
        let number = |revision: Option<RevisionNumber>| revision.map(|revision| revision.0);
        operation(entry).map(|one| (number(one.before), number(one.after)))
    }

    #[test]
    fn an_operation_says_who_had_all_traffic_before_and_after() {
        let of = |number: &str| json!({ "revision": number });
        for (kind, after, outcome, expected) in [
            (
                "deploy",
                of("4"),
                Some("succeeded"),
                Some((Some(3), Some(4))),
            ),
            (
                "rollback",
                of("2"),
                Some("succeeded"),
                Some((Some(3), Some(2))),
            ),
            ("deploy", json!({}), Some("unknown"), Some((Some(3), None))),
            // Closed by somebody who saw what serves.
            (
                "deploy",
                json!({ "live": { "revision": "3" } }),
                Some("unknown"),
                Some((Some(3), Some(3))),
            ),
            // Refused before anything was done; nothing of the traffic.
            ("deploy", json!({}), Some("refused"), None),
            ("port", of("4"), Some("succeeded"), None),
        ] {
            let entry = entry(kind, of("3"), after, outcome);
            assert_eq!(moved(&entry), expected, "{entry:?}");
        }
        let open = entry("deploy", of("3"), of("4"), None);
        assert_eq!(operation(&open).unwrap().outcome, None);
    }

    #[test]
    fn a_rollout_counts_once_its_canary_had_all_traffic() {
        for (phase, expected) in [
            ("shifting", None),
            ("promoting", Some(3)),
            ("finalising", Some(3)),
            ("succeeded", Some(3)),
            ("aborted", None),
        ] {
            let state = json!({ "phase": phase, "stable": "2", "canary": "3" });
            let step = entry("rollout", state.clone(), state, Some("succeeded"));
            assert_eq!(moved(&step), Some((None, expected)), "{phase}");
        }
        let start = entry(
            "rollout",
            json!({ "revision": "2" }),
            json!({}),
            Some("succeeded"),
        );
        assert_eq!(moved(&start), Some((Some(2), None)));
    }
}
