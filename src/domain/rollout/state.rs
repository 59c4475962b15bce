//! The state of a rollout, as it is stored beside the traffic: at most [`LONGEST`] bytes of ASCII (DESIGN §4).

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::domain::release::RevisionNumber;

/// Bytes that every platform has room for: a Lambda alias's description holds 256 characters, and 200 leave a margin.
pub(crate) const LONGEST: usize = 200;
/// How many units (routes and the rest) one rollout can hold, so that the state always fits.
pub(crate) const MOST_UNITS: usize = 64;
/// How many steps one unit can have: positions are one base-36 digit each.
pub(crate) const MOST_STEPS: usize = 35;

/// Where a rollout is; the words of JSON and of the stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Checked and recorded; the canary is not asked to be ready yet.
    Planned,
    /// The canary is being made ready; it has no traffic.
    Preparing,
    /// New weights are written; they are not verified yet.
    Shifting,
    /// The weights are in force, and the judge looks.
    Holding,
    /// Somebody has to decide: by hand, or because there was no verdict for too long.
    Paused,
    /// All traffic goes to the canary; it is not verified yet.
    Promoting,
    /// All traffic is on the canary, and the watch goes on.
    Finalising,
    /// All traffic goes to the safe side; it is not verified yet.
    Aborting,
    /// The traffic was changed by somebody else.
    Drifted,
    /// The canary serves everything, and the watch is over.
    Succeeded,
    /// The safe side serves everything.
    Aborted,
    /// Aborted because another rollout took its place.
    Superseded,
}

impl Phase {
    /// All phases.
    pub(crate) const ALL: [Self; 12] = [
        Self::Planned,
        Self::Preparing,
        Self::Shifting,
        Self::Holding,
        Self::Paused,
        Self::Promoting,
        Self::Finalising,
        Self::Aborting,
        Self::Drifted,
        Self::Succeeded,
        Self::Aborted,
        Self::Superseded,
    ];

    /// The word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Preparing => "preparing",
            Self::Shifting => "shifting",
            Self::Holding => "holding",
            Self::Paused => "paused",
            Self::Promoting => "promoting",
            Self::Finalising => "finalising",
            Self::Aborting => "aborting",
            Self::Drifted => "drifted",
            Self::Succeeded => "succeeded",
            Self::Aborted => "aborted",
            Self::Superseded => "superseded",
        }
    }

    /// The phase of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// Nothing changes any more.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Aborted | Self::Superseded)
    }
}

/// The state of one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The rollout (ULID).
    pub(crate) id: String,
    /// Goes up by one with each takeover and with an abort by hand; whoever holds a lower one writes nothing.
    pub(crate) generation: u32,
    /// Where it is.
    pub(crate) phase: Phase,
    /// For each unit of the plan, in its order: 0 = no traffic on the canary yet, n = the weight of its n-th step.
    pub(crate) positions: Vec<u8>,
    /// What served before: the baseline, and where an abort goes.
    pub(crate) stable: RevisionNumber,
    /// What is rolled out.
    pub(crate) canary: RevisionNumber,
    /// The first 8 hex digits of the plan's SHA-256.
    pub(crate) plan: String,
    /// An abort leaves all traffic on the canary: the promotion had begun, so that this is the safe side.
    pub(crate) stays: bool,
    /// The phase that it had before somebody else changed the traffic; none unless it is drifted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) drifted_from: Option<Phase>,
}

impl State {
    /// A rollout that has just been planned.
    pub(crate) fn planned(
        id: String,
        units: usize,
        stable: RevisionNumber,
        canary: RevisionNumber,
        plan: String,
    ) -> Self {
        Self {
            id,
            generation: 1,
            phase: Phase::Planned,
            positions: vec![0; units],
            stable,
            canary,
            plan,
            stays: false,
            drifted_from: None,
        }
    }

    /// Whether anything can still change.
    pub(crate) fn is_live(&self) -> bool {
        !self.phase.is_terminal()
    }

    /// The stored text.
    pub(crate) fn encode(&self) -> String {
        let mut text = format!(
            "squad/1 id={} g={} ph={} u=",
            self.id,
            self.generation,
            self.phase.as_str()
        );
        text.extend(
            self.positions
                .iter()
                .filter_map(|position| char::from_digit(u32::from(*position), 36)),
        );
        // Writing to a String cannot fail.
        _ = write!(text, " s={} c={} p={}", self.stable, self.canary, self.plan);
        if self.stays {
            text.push_str(" t=c");
        }
        if let Some(phase) = self.drifted_from {
            text.push_str(" d=");
            text.push_str(phase.as_str());
        }
        text
    }

    /// Reads a stored text. None when it is none of ours, or of a version that this one does not know: then nobody here
    /// may touch the traffic.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields = text.strip_prefix("squad/1 ")?;
        let get = |name: &str| field(fields, name);
        let positions = get("u")?
            .chars()
            .map(|c| c.to_digit(36).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            id: get("id")?.to_owned(),
            generation: get("g")?.parse().ok()?,
            phase: Phase::of(get("ph")?)?,
            positions,
            stable: revision(fields, "s")?,
            canary: revision(fields, "c")?,
            plan: get("p")?.to_owned(),
            stays: get("t") == Some("c"),
            drifted_from: get("d").and_then(Phase::of),
        })
    }

    /// The live rollout that a stored text tells of.
    pub(crate) fn live(text: &str) -> Option<Self> {
        Self::parse(text).filter(Self::is_live)
    }

    /// The id of the rollout that is live, and the revision that a request gets which names it in `x-squad-canary`.
    ///
    /// Read leniently, as [`Self::kept`]: also of a text that [`Self::parse`] does not take, because a newer squad wrote
    /// it or a part is missing. A platform that keeps more than it has to costs memory; one that keeps less, requests.
    pub(crate) fn forced(text: &str) -> Option<(String, RevisionNumber)> {
        if !may_be_live(text) {
            return None;
        }
        Some((field(text, "id")?.to_owned(), revision(text, "c")?))
    }

    /// The revisions that have to stay up whether they have traffic or not, so that going either way takes one write:
    /// stable and canary of a rollout that is live. Read leniently, as [`Self::forced`].
    pub(crate) fn kept(text: &str) -> Vec<RevisionNumber> {
        if !may_be_live(text) {
            return Vec::new();
        }
        let mut kept: Vec<_> = ["s", "c"]
            .iter()
            .filter_map(|name| revision(text, name))
            .collect();
        kept.sort_unstable();
        kept.dedup();
        kept
    }

    /// The id of the rollout that is live. Read leniently, as [`Self::forced`].
    pub(crate) fn live_id(text: &str) -> Option<&str> {
        field(text, "id").filter(|_| may_be_live(text))
    }

    /// The stable revision of the rollout that is live. Read leniently, as [`Self::forced`].
    pub(crate) fn live_stable(text: &str) -> Option<RevisionNumber> {
        revision(text, "s").filter(|_| may_be_live(text))
    }

    /// The revisions that a rollout names, live or over: stable, then canary. Read leniently, as [`Self::forced`].
    pub(crate) fn named(text: &str) -> Vec<RevisionNumber> {
        ["s", "c"]
            .iter()
            .filter_map(|name| revision(text, name))
            .collect()
    }

    /// The same with another phase. One that drifts keeps in mind where it was.
    pub(crate) fn to(&self, phase: Phase) -> Self {
        Self {
            phase,
            drifted_from: (phase == Phase::Drifted).then(|| self.meant()),
            ..self.clone()
        }
    }

    /// The phase whose traffic is wanted: the present one, or the one before somebody else changed the traffic. A drift
    /// that an older squad noted does not tell: it counts as one between two steps.
    pub(crate) fn meant(&self) -> Phase {
        self.drifted_from.unwrap_or(self.phase)
    }

    /// Whether an abort leaves all traffic on the canary. While the promotion is being written, stable may be on its way
    /// out: the safe side is then the canary, whatever somebody else has done to the traffic meanwhile. Once it stands,
    /// stable is kept whole until the watch ends, and is the safe side again.
    pub(crate) fn is_safe_on_canary(&self) -> bool {
        self.meant() == Phase::Promoting
    }
}

/// The value of a field of a stored text.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(' ')
        .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

fn revision(text: &str, name: &str) -> Option<RevisionNumber> {
    field(text, name)?.parse().ok().map(RevisionNumber)
}

/// Whether a stored text tells of a rollout that is not known to be over. A phase that is missing or unknown is none that
/// ends it.
fn may_be_live(text: &str) -> bool {
    let is_over = field(text, "ph")
        .and_then(Phase::of)
        .is_some_and(Phase::is_terminal);
    field(text, "id").is_some() && !is_over
}
