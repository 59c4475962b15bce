//! One event of the audit log: a `CloudEvents` 1.0 object whose `data` says who changed what.
//!
//! Events hold integers only, no secrets, and at most [`LARGEST`] bytes; making one cannot fail, so that no
//! brake is ever refused because of its record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{hex, json, sha256};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, Provenance};

/// Bytes that an event may have; C2SP tiles hold at most 65,535.
pub(crate) const LARGEST: usize = 32 * 1024;
/// Bytes of a text that a person or a program gave, before it is cut.
const LONGEST_TEXT: usize = 4 * 1024;
/// The type of the first event of each commit.
pub(crate) const COMMITTED: &str = "squad.log.committed.v1";

/// An event; the names of its members are those of `CloudEvents` 1.0, `operation` is an extension attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// `1.0`.
    pub(crate) specversion: String,
    /// A ULID; unique.
    pub(crate) id: String,
    /// `squad:<org>/<environment>`.
    pub(crate) source: String,
    /// `squad.<noun>.<past participle>.v1`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What it is about, such as `service/payments`.
    pub(crate) subject: String,
    /// When, as the machine's clock claims; the order is that of the log.
    pub(crate) time: Timestamp,
    /// `application/json`.
    pub(crate) datacontenttype: String,
    /// The ULID that the intent and the outcome of one operation share.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) operation: Option<String>,
    /// For changes a [`Change`], for the first event of a commit a [`Committed`]; later types have their own.
    pub(crate) data: Value,
}

/// What an intent or an outcome says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Who, on which machine, with which key.
    pub(crate) actor: Actor,
    /// The org; none for the built-in environment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) org: Option<String>,
    /// The environment's name.
    pub(crate) environment: String,
    /// The git commit of the org file that described the environment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) org_commit: Option<String>,
    /// The service.
    pub(crate) service: ServiceName,
    /// Why, in the person's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Value::is_null", default)]
    pub(crate) before: Value,
    /// What is to be there (intent), or what is there (outcome).
    #[serde(skip_serializing_if = "Value::is_null", default)]
    pub(crate) after: Value,
    /// The digest of what is deployed: `sha256:<hex>`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<String>,
    /// Where what is deployed comes from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) provenance: Option<Provenance>,
    /// The participle of the outcome's type, such as `shifted`; `finished` where it is absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) becomes: Option<String>,
    /// How it ended; only in outcomes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) outcome: Option<ResultWord>,
    /// More about how it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) message: Option<String>,
    /// The stable id of the error it ended with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error_id: Option<String>,
}

/// What the first event of a commit says; it puts authorship and order inside the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// The commit's number.
    pub(crate) n: u64,
    /// SHA-256 of the whole commit before it, hexadecimal; none in commit 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) prev: Option<String>,
    /// The id of the key that signs this commit.
    pub(crate) writer: String,
    /// That key, as a C2SP verifier key.
    pub(crate) key: String,
}

/// What kind of operation it is: the noun of its event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A release goes out.
    Deploy,
    /// An earlier revision serves again.
    Rollback,
    /// One step of a gradual rollout.
    Rollout(RolloutStep),
    /// A caller is moved to where squad moves the traffic, or back.
    Adoption,
    /// Revisions that nothing needs, and old log files, are removed.
    Prune,
    /// What the local platform remembers of a service is set aside.
    Reset,
}

/// What a step of a rollout does; the outcome's type is `squad.rollout.<participle>.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RolloutStep {
    /// It begins.
    Start,
    /// Weights change.
    Shift,
    /// It stays where it is until somebody decides.
    Pause,
    /// It goes on.
    Resume,
    /// All traffic goes to the canary.
    Promote,
    /// All traffic goes to the safe side.
    Abort,
    /// Another process drives.
    TakeOver,
    /// The wanted traffic is put back after somebody else changed it.
    Rebase,
    /// The watch is over.
    Finish,
}

impl RolloutStep {
    /// The participle.
    pub(crate) fn participle(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Shift => "shifted",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Promote => "promoted",
            Self::Abort => "aborted",
            Self::TakeOver => "taken_over",
            Self::Rebase => "rebased",
            Self::Finish => "finished",
        }
    }
}

/// The participles with which an operation ends.
const ENDS: [&str; 9] = [
    "finished",
    "started",
    "shifted",
    "paused",
    "resumed",
    "promoted",
    "aborted",
    "taken_over",
    "rebased",
];

impl Kind {
    /// The noun.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Rollout(_) => "rollout",
            Self::Adoption => "adoption",
            Self::Prune => "prune",
            Self::Reset => "reset",
        }
    }

    /// Every noun.
    pub(crate) const NOUNS: [&'static str; 6] = [
        "adoption", "deploy", "prune", "reset", "rollback", "rollout",
    ];

    /// The participle of the outcome's type, where it is not `finished`.
    fn becomes(self) -> Option<String> {
        match self {
            Self::Deploy | Self::Rollback | Self::Adoption | Self::Prune | Self::Reset => None,
            Self::Rollout(step) => Some(step.participle().to_owned()),
        }
    }
}

/// Every type that can be recorded, without `squad.` and its version, and the beginnings of them up to a dot.
pub(crate) fn known_types() -> Vec<String> {
    let mut types = vec!["log".to_owned(), "log.committed".to_owned()];
    for noun in Kind::NOUNS {
        let ends = if noun == "rollout" {
            &ENDS[..]
        } else {
            &["finished"][..]
        };
        types.extend([noun.to_owned(), format!("{noun}.planned")]);
        types.extend(ends.iter().map(|end| format!("{noun}.{end}")));
    }
    types.sort();
    types
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResultWord {
    /// It did what it was to do.
    Succeeded,
    /// It did not, and what served before still serves.
    Failed,
    /// It was not allowed, and nothing was done.
    Refused,
    /// Its process ended without saying.
    Unknown,
}

impl ResultWord {
    /// The word used in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What is about to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Intent {
    /// The kind of operation.
    pub(crate) kind: Kind,
    /// The service.
    pub(crate) service: ServiceName,
    /// Why, when it was said.
    pub(crate) reason: Option<String>,
    /// What is there.
    pub(crate) before: Value,
    /// What is to be there.
    pub(crate) after: Value,
    /// Where what is deployed comes from.
    pub(crate) provenance: Option<Provenance>,
    /// Its digest: `sha256:<hex>`.
    pub(crate) digest: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The word.
    pub(crate) result: ResultWord,
    /// What is there now.
    pub(crate) after: Value,
    /// More about it, in one line.
    pub(crate) message: Option<String>,
    /// The stable id of the error.
    pub(crate) error_id: Option<String>,
}

/// The identity of an event that is being made: ids and times come from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The event's id.
    pub(crate) id: ulid::Ulid,
    /// Now.
    pub(crate) time: Timestamp,
}

impl Event {
    /// The intent of an operation: `squad.<noun>.planned.v1`.
    pub(crate) fn planned(
        stamp: Stamp,
        operation: ulid::Ulid,
        environment: &Environment,
        actor: &Actor,
        intent: Intent,
    ) -> Self {
        let change = Change {
            actor: actor.clone(),
            org: environment.org.as_ref().map(ToString::to_string),
            environment: environment.name.to_string(),
            org_commit: environment.org_commit.clone(),
            service: intent.service,
            reason: intent.reason.map(|text| shorten(&text)),
            before: intent.before,
            after: intent.after,
            digest: intent.digest,
            provenance: intent.provenance.map(|provenance| Provenance {
                subject: provenance.subject.map(|text| shorten(&text)),
                ..provenance
            }),
            becomes: intent.kind.becomes(),
            outcome: None,
            message: None,
            error_id: None,
        };
        Self {
            kind: format!("squad.{}.planned.v1", intent.kind.as_str()),
            subject: format!("service/{}", change.service),
            operation: Some(operation.to_string()),
            ..Self::new(stamp, &environment.log_name(), &change)
        }
        .fitted()
    }

    /// The outcome of the operation that this intent began: `squad.<noun>.finished.v1`, or for a step of a rollout
    /// that step's own participle. Says again what the intent said, so that each of the two can be read alone.
    pub(crate) fn finished(&self, stamp: Stamp, actor: &Actor, outcome: Outcome) -> Self {
        let mut data = self.data.clone();
        let ending = data
            .get("becomes")
            .and_then(Value::as_str)
            .filter(|word| ENDS.contains(word))
            .unwrap_or("finished");
        let kind = self.kind.replace(".planned.", &format!(".{ending}."));
        if let Some(members) = data.as_object_mut() {
            let mut set = |name: &str, value: Value| {
                if value.is_null() {
                    members.remove(name);
                } else {
                    members.insert(name.to_owned(), json::plain(value));
                }
            };
            set("actor", serde_json::to_value(actor).unwrap_or(Value::Null));
            set("after", outcome.after);
            set("outcome", outcome.result.as_str().into());
            set("message", outcome.message.map(|text| shorten(&text)).into());
            set("error_id", outcome.error_id.into());
        }
        Self {
            id: stamp.id.to_string(),
            kind,
            time: rounded(stamp.time),
            data,
            ..self.clone()
        }
        .fitted()
    }

    /// The first event of a commit.
    pub(crate) fn committed(stamp: Stamp, log: &str, committed: &Committed) -> Self {
        Self {
            kind: COMMITTED.to_owned(),
            subject: format!("commit/{}", committed.n),
            ..Self::new(stamp, log, committed)
        }
    }

    fn new(stamp: Stamp, log: &str, data: &impl Serialize) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: stamp.id.to_string(),
            source: format!("squad:{log}"),
            kind: String::new(),
            subject: String::new(),
            time: rounded(stamp.time),
            datacontenttype: "application/json".to_owned(),
            operation: None,
            data: json::plain(serde_json::to_value(data).unwrap_or(Value::Null)),
        }
    }

    /// The bytes that are hashed and stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        json::canonical(&serde_json::to_value(self).unwrap_or(Value::Null))
    }

    /// Reads an event; strict about members that are there twice.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let value = json::parse(bytes).map_err(|error| error.to_string())?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// What it says about a change; none for other types.
    pub(crate) fn change(&self) -> Option<Change> {
        serde_json::from_value(self.data.clone()).ok()
    }

    /// Whether it is the intent of an operation.
    pub(crate) fn is_planned(&self) -> bool {
        self.kind.ends_with(".planned.v1")
    }

    /// Whether it is the outcome of an operation.
    pub(crate) fn is_finished(&self) -> bool {
        ends(self.kind.as_bytes(), b"")
    }

    /// The noun and the participle of its type, such as `deploy.planned`.
    pub(crate) fn short_kind(&self) -> &str {
        let kind = self.kind.strip_prefix("squad.").unwrap_or(&self.kind);
        kind.strip_suffix(".v1").unwrap_or(kind)
    }

    /// The same event with what makes it too large replaced by size and digest, the largest member first.
    fn fitted(mut self) -> Self {
        while self.to_bytes().len() > LARGEST {
            let Some(members) = self.data.as_object_mut() else {
                break;
            };
            let largest = members
                .iter_mut()
                .filter(|(name, _)| !matches!(name.as_str(), "actor" | "service" | "outcome"))
                .map(|(_, member)| (json::canonical(member), member))
                .max_by_key(|(bytes, _)| bytes.len());
            let Some((bytes, member)) = largest else {
                break;
            };
            *member =
                serde_json::json!({"left_out_bytes": bytes.len(), "sha256": hex(&sha256(&bytes))});
        }
        self
    }
}

/// Reads `operation` and whether it begins or ends there from an event's canonical bytes without parsing them:
/// the members of the outer object stand in the order data, datacontenttype, id, operation, source, …, type.
pub(crate) fn operation_of(bytes: &[u8]) -> Option<(bool, ulid::Ulid)> {
    let planned = bytes.ends_with(b".planned.v1\"}");
    if !planned && !ends(bytes, b"\"}") {
        return None;
    }
    // What follows the operation has no free text, so the last occurrence is the outer one.
    let name = b"\"operation\":\"";
    let at = bytes
        .windows(name.len())
        .rposition(|window| window == name)?;
    let id = bytes.get(at + name.len()..at + name.len() + ulid::ULID_LEN)?;
    let id = ulid::Ulid::from_string(std::str::from_utf8(id).ok()?).ok()?;
    Some((planned, id))
}

/// Whether a type, or the bytes of an event up to `tail`, ends with the participle of an outcome.
fn ends(bytes: &[u8], tail: &[u8]) -> bool {
    bytes
        .strip_suffix(tail)
        .and_then(|bytes| bytes.strip_suffix(b".v1"))
        .is_some_and(|kind| {
            ENDS.iter().any(|word| {
                kind.strip_suffix(word.as_bytes())
                    .is_some_and(|noun| noun.ends_with(b"."))
            })
        })
}

/// Whole milliseconds.
fn rounded(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// A text that is too long, cut, with its length and digest.
fn shorten(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_TEXT);
    format!(
        "{}… ({} bytes, sha256 {})",
        text.split_at(end).0,
        text.len(),
        hex(&sha256(text.as_bytes()))
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A stamp for tests.
    pub(crate) fn stamp(n: u64) -> Stamp {
        Stamp {
            id: ulid::Ulid::from_parts(1_789_000_000_000 + n, u128::from(n)),
            time: "2026-09-14T03:12:07.123456Z".parse().unwrap(),
        }
    }

    /// An actor for tests.
    pub(crate) fn actor() -> Actor {
        Actor {
            name: "ana@acme.example".into(),
            host: "laptop".into(),
            key: Some("9f3a12cd".into()),
        }
    }

    /// An intent for tests.
    pub(crate) fn intent() -> Intent {
        Intent {
            kind: Kind::Deploy,
            service: ServiceName::new("payments").unwrap(),
            reason: None,
            before: serde_json::json!({"revision": 41}),
            after: serde_json::json!({"revision": 42}),
            provenance: Some(Provenance {
                commit: Some("0123".into()),
                dirty: true,
                ..Provenance::default()
            }),
            digest: Some("sha256:00".into()),
        }
    }

    fn planned(intent: Intent) -> Event {
        let environment = Environment::builtin_local();
        Event::planned(stamp(2), stamp(1).id, &environment, &actor(), intent)
    }

    #[test]
    fn the_bytes_of_an_intent_and_its_outcome_are_these() {
        let event = planned(intent());
        let text = |event: &Event| String::from_utf8(event.to_bytes()).unwrap();
        assert_eq!(
            text(&event),
            r#"{"data":{"actor":{"host":"laptop","key":"9f3a12cd","name":"ana@acme.example"},"after":{"revision":42},"before":{"revision":41},"digest":"sha256:00","environment":"local","provenance":{"commit":"0123","dirty":true},"service":"payments"},"datacontenttype":"application/json","id":"01M24BB8G20000000000000002","operation":"01M24BB8G10000000000000001","source":"squad:local/local","specversion":"1.0","subject":"service/payments","time":"2026-09-14T03:12:07.123Z","type":"squad.deploy.planned.v1"}"#
        );
        let outcome = Outcome {
            result: ResultWord::Failed,
            after: serde_json::json!({"revision": 41}),
            message: Some("revision 42 does not start".into()),
            error_id: Some("revision-does-not-start".into()),
        };
        let finished = event.finished(stamp(3), &actor(), outcome);
        assert_eq!(
            text(&finished),
            r#"{"data":{"actor":{"host":"laptop","key":"9f3a12cd","name":"ana@acme.example"},"after":{"revision":41},"before":{"revision":41},"digest":"sha256:00","environment":"local","error_id":"revision-does-not-start","message":"revision 42 does not start","outcome":"failed","provenance":{"commit":"0123","dirty":true},"service":"payments"},"datacontenttype":"application/json","id":"01M24BB8G30000000000000003","operation":"01M24BB8G10000000000000001","source":"squad:local/local","specversion":"1.0","subject":"service/payments","time":"2026-09-14T03:12:07.123Z","type":"squad.deploy.finished.v1"}"#
        );
        assert_eq!(Event::from_bytes(&event.to_bytes()).unwrap(), event);
        assert_eq!(operation_of(&event.to_bytes()), Some((true, stamp(1).id)));
        assert_eq!(
            operation_of(&finished.to_bytes()),
            Some((false, stamp(1).id))
        );
        assert_eq!(operation_of(b"{\"type\":\"squad.log.committed.v1\"}"), None);
    }

    #[test]
    fn free_text_cannot_pose_as_the_operation() {
        let mut intent = intent();
        intent.reason = Some(r#""operation":"01K5000000000000000000000Z""#.into());
        let bytes = planned(intent).to_bytes();
        assert_eq!(operation_of(&bytes), Some((true, stamp(1).id)));
    }

    #[test]
    fn an_event_that_is_too_large_keeps_the_digests_of_what_was_left_out() {
        let mut intent = intent();
        intent.before = vec!["x".repeat(1000); 60].into();
        intent.reason = Some("y".repeat(10_000));
        let event = planned(intent);
        assert!(event.to_bytes().len() <= LARGEST);
        let change = event.change().unwrap();
        assert_eq!(change.before["left_out_bytes"], 60 * 1003 + 1);
        assert_eq!(change.after["revision"], 42);
        assert!(change.reason.unwrap().ends_with(&format!(
            "y… (10000 bytes, sha256 {})",
            hex(&sha256("y".repeat(10_000).as_bytes()))
        )));
    }
}
