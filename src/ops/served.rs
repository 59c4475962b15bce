//! Who served before, by the environment's record: where somebody else took away what the platform keeps with the traffic.
//!
//! The record tells what squad did, and nothing of what others did. So it is believed only as far as it agrees with what is
//! there: its newest operation has to have an end, and that has to be what serves now.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::history::{self, Entry};
use crate::domain::audit::event::ResultWord;
use crate::domain::live::{Health, Live};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
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

/// Who served before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Before {
    /// Which one.
    pub(crate) revision: RevisionNumber,
    /// The operation that says so.
    pub(crate) operation: String,
    /// When that was.
    pub(crate) at: Timestamp,
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

/// What follows from the operations of a service, newest first.
fn conclude(entries: &[Entry], live: &Live) -> Told {
    let Some(serving) = live.split.as_ref().and_then(Split::sole) else {
        return Told::Nothing("several revisions share the traffic".to_owned());
    };
    let mut entries = entries.iter().filter(|one| is_of_traffic(one)).peekable();
    match entries.peek() {
        None => return Told::Nothing("the record knows of no change of the traffic".to_owned()),
        Some(newest) if newest.outcome.is_none() => {
            return Told::Nothing(format!(
                "the record does not say how operation {} ended",
                newest.operation
            ));
        }
        Some(newest) if had_all_after(newest) != Some(serving) => {
            return Told::Nothing(format!(
                "what serves is not what the record says, where operation {} is the last one",
                newest.operation
            ));
        }
        Some(_) => {}
    }
    let mut left = BTreeSet::new();
    let may_serve = |number: RevisionNumber, left: &BTreeSet<RevisionNumber>| {
        number != serving
            && !left.contains(&number)
            && live
                .revision(number)
                .is_some_and(|one| !one.left && one.health != Health::Failed)
    };
    for entry in entries {
        let is_done = entry.outcome == Some(ResultWord::Succeeded);
        let before = entry.before().and_then(number);
        if entry.kind == "rollback" && is_done {
            left.extend(before);
        }
        for revision in had_all_after(entry).into_iter().chain(before) {
            if may_serve(revision, &left) {
                return Told::Before(Before {
                    revision,
                    operation: entry.operation.clone(),
                    at: entry.at,
                });
            }
        }
    }
    Told::Nothing("the record knows of no other revision that served and was not left".to_owned())
}

/// Whether an operation is one that changes who takes the traffic.
fn is_of_traffic(entry: &Entry) -> bool {
    let has_ended_without = matches!(entry.outcome, Some(ResultWord::Refused));
    matches!(entry.kind.as_str(), "deploy" | "rollback" | "rollout") && !has_ended_without
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
    use crate::domain::live::Revision;
    use crate::domain::traffic::Split;

    /// A revision of which nothing is known but that it is there.
    fn revision(number: u64) -> Revision {
        serde_json::from_value(json!({
            "number": number, "digest": "sha256:00", "published_at": "2026-11-26T12:00:00Z",
            "actor": { "name": "ana", "host": "laptop" }, "provenance": {},
            "served_healthily": false, "left": false, "health": "ok",
        }))
        .unwrap()
    }

    fn live(serving: u64) -> Live {
        Live {
            revisions: (1..=4).map(revision).collect(),
            split: Some(Split::all(&[], RevisionNumber(serving))),
            ..Live::nothing()
        }
    }

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

    fn moved(kind: &str, from: u64, to: u64) -> Entry {
        let of = |number: u64| json!({ "revision": number.to_string() });
        entry(kind, of(from), of(to), Some("succeeded"))
    }

    fn told(entries: &[Entry], serving: u64) -> Option<u64> {
        match conclude(entries, &live(serving)) {
            Told::Before(before) => Some(before.revision.0),
            Told::Nothing(_) => None,
        }
    }

    #[test]
    fn what_had_all_traffic_before_is_found_unless_it_was_left() {
        let deploys = [moved("deploy", 2, 3), moved("deploy", 1, 2)];
        assert_eq!(told(&deploys, 3), Some(2));
        // 3 was left for 2: back to 1.
        let left = [&[moved("rollback", 3, 2)][..], &deploys].concat();
        assert_eq!(told(&left, 2), Some(1));
        // Left, and deployed again since.
        let again = [&[moved("deploy", 3, 4), moved("deploy", 2, 3)][..], &left].concat();
        assert_eq!(told(&again, 4), Some(3));
        // What is not there any more is passed over.
        let gone = [moved("deploy", 9, 3), moved("deploy", 2, 9)];
        assert_eq!(told(&gone, 3), Some(2));
        // What others had put there before the first deploy.
        assert_eq!(told(&[moved("deploy", 1, 3)], 3), Some(1));
    }

    #[test]
    fn a_record_that_does_not_agree_with_what_serves_tells_nothing() {
        let deploy = moved("deploy", 2, 3);
        assert_eq!(told(&[], 3), None);
        assert_eq!(told(std::slice::from_ref(&deploy), 2), None);
        let open = entry(
            "deploy",
            json!({ "revision": "3" }),
            json!({ "revision": "4" }),
            None,
        );
        assert_eq!(told(&[open, deploy.clone()], 3), None);
        let nothing = entry("deploy", json!({}), json!({}), Some("unknown"));
        assert_eq!(told(&[nothing, deploy.clone()], 3), None);
        // Closed by somebody who saw what serves; refused before anything was done.
        let seen = json!({ "live": { "revision": "3" } });
        let closed = entry("deploy", json!({ "revision": "3" }), seen, Some("unknown"));
        assert_eq!(told(&[closed, deploy.clone()], 3), Some(2));
        let refused = entry("deploy", json!({}), json!({}), Some("refused"));
        assert_eq!(told(&[refused, deploy], 3), Some(2));
    }

    #[test]
    fn a_rollout_counts_once_its_canary_had_all_traffic() {
        let step = |phase: &str| {
            let state = json!({ "phase": phase, "stable": "2", "canary": "3" });
            entry("rollout", state.clone(), state, Some("succeeded"))
        };
        let start = entry(
            "rollout",
            json!({ "revision": "2" }),
            json!({}),
            Some("succeeded"),
        );
        let rollout = [step("succeeded"), step("shifting"), start.clone()];
        assert_eq!(told(&rollout, 3), Some(2));
        assert_eq!(told(&rollout[1..], 3), None);
    }
}
