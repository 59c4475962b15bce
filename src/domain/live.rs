//! What is live in an environment, as a platform observes it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::release::{Actor, Provenance, RevisionNumber};
use super::service::{Kind, Service};
use super::traffic::Split;

/// Names the state that an observation saw; a commit that names an older one is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(pub(crate) String);

/// How a revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// Its processes run and are ready.
    Ok,
    /// It is on its way up.
    Starting,
    /// It serves, but not as it should: a process restarts, or is not ready.
    Degraded,
    /// It cannot serve: it does not start, or it crashes again and again.
    Failed,
    /// Its processes are not running, and need not be: it takes no traffic.
    Stopped,
}

impl Health {
    /// The word used in JSON and tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// One revision, as the platform knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Revision {
    /// Its number.
    pub(crate) number: RevisionNumber,
    /// The digest it was published with (`sha256:<64 hex>`).
    pub(crate) digest: String,
    /// When it was published.
    pub(crate) published_at: Timestamp,
    /// Who published it.
    pub(crate) actor: Actor,
    /// Where it comes from.
    pub(crate) provenance: Provenance,
    /// The configuration it was published with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) service: Option<Box<Service>>,
    /// When a commit last gave it traffic; none if none ever did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_served_at: Option<Timestamp>,
    /// It was healthy for as long as it served (false only once it failed while it had traffic).
    pub(crate) served_healthily: bool,
    /// A rollback left it: no rollback chooses it again by itself, and no deploy without `--again`.
    pub(crate) left: bool,
    /// How it is now.
    pub(crate) health: Health,
    /// What is wrong, in a few words, when it is not `Ok` or `Stopped`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) problem: Option<String>,
}

/// The last commit: who set the present traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastCommit {
    /// Who.
    pub(crate) actor: Actor,
    /// When.
    pub(crate) at: Timestamp,
    /// The operation (ULID).
    pub(crate) operation: String,
}

/// A release that a rollback left, by what it is: it is known again when the same sources come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftRelease {
    /// Its digest.
    pub(crate) digest: String,
    /// The number that its revision had.
    pub(crate) revision: RevisionNumber,
}

/// What somebody else wrote where squad keeps what belongs to the traffic: who served before, what was left, a rollout's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Foreign {
    /// Their words; "" where they only took squad's away.
    pub(crate) text: String,
    /// squad had written there before.
    pub(crate) was_ours: bool,
}

impl Foreign {
    /// In one line.
    pub(crate) fn told(&self) -> String {
        let text: String = self
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match (self.was_ours, text.as_str()) {
            (true, "") => "somebody took away what squad had written in the alias".to_owned(),
            (true, text) => {
                format!("somebody replaced what squad had written in the alias: `{text}`")
            }
            (false, text) => format!(
                "the alias has a description of its own, which the next change replaces and keeps: `{text}`"
            ),
        }
    }
}

/// What others made, and what answers its callers although squad has given nothing traffic: `$LATEST` of a Lambda function
/// without the alias. Each change of it is live at once, and nothing keeps what it is now: so the next deploy keeps it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unkept {
    /// In the platform's words: `$LATEST`.
    pub(crate) what: String,
    /// The alias that is missing.
    pub(crate) alias: String,
    /// The revision that it is kept as, before anything of it is changed.
    pub(crate) kept_as: RevisionNumber,
}

/// Traffic that has not followed the last commit yet, because the platform keeps it where it was until the new place is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lag {
    /// Who still gets it.
    pub(crate) revision: RevisionNumber,
    /// Percent.
    pub(crate) weight: u8,
    /// Who is to get it.
    pub(crate) to: RevisionNumber,
    /// Why it does not get there by itself any more; none while it is on its way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) failed: Option<String>,
}

impl Lag {
    /// In one line.
    pub(crate) fn told(&self) -> String {
        let Self {
            revision,
            weight,
            to,
            failed,
        } = self;
        match failed {
            None => format!(
                "AWS still sends {weight} % to {revision} until what is provisioned on {to} is ready"
            ),
            Some(why) => format!(
                "AWS still sends {weight} % to {revision}, because provisioned concurrency could not be allocated on {to}: {why}"
            ),
        }
    }
}

/// All that a platform knows about one service in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    /// To be handed to the next commit.
    pub(crate) token: Token,
    /// What kind it is; none before the first publish.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) kind: Option<Kind>,
    /// Ascending.
    pub(crate) revisions: Vec<Revision>,
    /// Releases that a rollback left and whose revision is not there any more; where the platform remembers them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) left_releases: Vec<LeftRelease>,
    /// Who had all the traffic and was not left, newest first, where the platform remembers it; also what is not there any
    /// more.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) served: Vec<RevisionNumber>,
    /// None before the first commit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) split: Option<Split>,
    /// What takes the traffic where that is no revision, so that every change of the code is live at once: `$LATEST`, where
    /// others pointed a Lambda alias at it. There is no split then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) unpublished: Option<String>,
    /// What serves its callers while nothing has traffic here; see [`Unkept`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) unkept: Option<Unkept>,
    /// What somebody else wrote in the place of what is kept with the traffic; nothing of that is known then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) foreign: Option<Foreign>,
    /// Where the traffic still is, when that is not where the last commit sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) lag: Option<Lag>,
    /// The rollout's state as stored with the traffic: at most 200 bytes of ASCII, "" for none.
    pub(crate) state: String,
    /// Who set the present traffic.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) last_commit: Option<LastCommit>,
    /// Where requests go, such as `http://127.0.0.1:34011`; none for workers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) address: Option<String>,
}

impl Live {
    /// A service that was never published.
    pub(crate) fn nothing() -> Self {
        Self {
            token: Token(String::new()),
            kind: None,
            revisions: Vec::new(),
            left_releases: Vec::new(),
            served: Vec::new(),
            split: None,
            unpublished: None,
            unkept: None,
            foreign: None,
            lag: None,
            state: String::new(),
            last_commit: None,
            address: None,
        }
    }

    /// The revision that takes all traffic, if one does.
    pub(crate) fn sole(&self) -> Option<&Revision> {
        let number = self.split.as_ref()?.sole()?;
        self.revision(number)
    }

    /// Who takes the traffic of `service`, in a clause: the words of every message that says it.
    pub(crate) fn traffic_in_words(&self, service: &ServiceName) -> String {
        if let Some(lag) = &self.lag {
            return lag.told();
        }
        let takes =
            |(number, weight): (RevisionNumber, u8)| format!("revision {number} takes {weight} %");
        match (&self.split, &self.unpublished) {
            (Some(split), _) => match split.sole() {
                Some(sole) => match self.revision(sole).map(|revision| revision.health) {
                    Some(Health::Ok) => format!("revision {sole} serves all traffic"),
                    Some(health) => {
                        format!("revision {sole} has all traffic and is {}", health.as_str())
                    }
                    None => format!("revision {sole} has all traffic"),
                },
                None if split.routes.is_empty() => {
                    let rows: Vec<_> = split.rest.iter().map(takes).collect();
                    rows.join(" and ")
                }
                // Each route has weights of its own.
                None => {
                    let numbers: Vec<_> =
                        split.revisions().iter().map(ToString::to_string).collect();
                    format!("revisions {} share the traffic", numbers.join(" and "))
                }
            },
            (None, Some(unpublished)) => {
                format!("`{unpublished}` serves all traffic, and each upload is live at once")
            }
            (None, None) => format!("`{service}` is not live here, and takes no traffic"),
        }
    }

    /// One revision by its number.
    pub(crate) fn revision(&self, number: RevisionNumber) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|revision| revision.number == number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::domain::traffic::{RouteSplit, Weights};

    fn words(health: Health, split: Option<Split>, unpublished: Option<&str>) -> String {
        let revision = serde_json::from_value(json!({
            "number": 1, "digest": "sha256:00", "published_at": "2026-11-26T12:00:00Z",
            "actor": { "name": "ana", "host": "laptop" }, "provenance": {},
            "served_healthily": true, "left": false, "health": health,
        }));
        Live {
            revisions: vec![revision.unwrap()],
            split,
            unpublished: unpublished.map(str::to_owned),
            ..Live::nothing()
        }
        .traffic_in_words(&"payments".parse().unwrap())
    }

    #[test]
    fn who_takes_the_traffic_has_words_for_every_state() {
        let sole = |number| Some(Split::all(&[], RevisionNumber(number)));
        let shared = |route: bool| {
            let weights = BTreeMap::from([(RevisionNumber(1), 90), (RevisionNumber(2), 10)]);
            let rest = Weights::new(weights).unwrap();
            let row = RouteSplit {
                route: crate::domain::service::Route {
                    name: "get-item".parse().unwrap(),
                    method: "GET".into(),
                    path: crate::domain::route::PathTemplate("/items/{id}".into()),
                },
                weights: rest.clone(),
                gate: None,
            };
            let routes = if route { vec![row] } else { Vec::new() };
            Some(Split { routes, rest })
        };
        for (health, split, unpublished, expected) in [
            (Health::Ok, sole(1), None, "revision 1 serves all traffic"),
            (
                Health::Degraded,
                sole(1),
                None,
                "revision 1 has all traffic and is degraded",
            ),
            // Its revision is not there: nobody knows how it is.
            (Health::Ok, sole(9), None, "revision 9 has all traffic"),
            (
                Health::Ok,
                shared(false),
                None,
                "revision 1 takes 90 % and revision 2 takes 10 %",
            ),
            (
                Health::Ok,
                shared(true),
                None,
                "revisions 1 and 2 share the traffic",
            ),
            (
                Health::Ok,
                None,
                Some("$LATEST"),
                "`$LATEST` serves all traffic, and each upload is live at once",
            ),
            (
                Health::Ok,
                None,
                None,
                "`payments` is not live here, and takes no traffic",
            ),
        ] {
            assert_eq!(words(health, split, unpublished), expected);
        }
    }
}
