//! An alias as it was read: where its traffic goes, and what its description tells.
//!
//! Pure: nothing here calls AWS.

use aws_sdk_lambda::operation::get_alias::GetAliasOutput;

use crate::domain::alias::{self, Description, Note, Traffic};
use crate::domain::live::Lag;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;

/// An alias, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alias {
    /// Names this very state.
    pub(super) revision_id: String,
    /// Its ARN.
    pub(super) arn: String,
    /// What it says about itself.
    pub(super) description: Description,
    /// Who takes what; none where it points at `$LATEST`, or says what cannot be.
    pub(super) traffic: Option<Traffic>,
    /// The version that it points at, whatever the weights say.
    pub(super) primary: Option<RevisionNumber>,
    /// It points at `$LATEST`: each change of the function is live at once.
    pub(super) is_on_latest: bool,
    /// Where AWS keeps the traffic until what is provisioned has moved, when that is not where it was written to.
    pub(super) lag: Option<Lag>,
    /// Versions that were left, by the environment's store, where the description is not squad's; none where nobody asked, or
    /// no answer came.
    pub(super) left: Option<Vec<RevisionNumber>>,
}

/// What an alias of others may point at (Lambda guide, "Lambda function aliases": a version, or the unpublished one).
pub(super) const LATEST: &str = "$LATEST";

impl Alias {
    /// Our note; where the description is none or somebody else's, only with what the store knows of it.
    pub(super) fn note(&self) -> Note {
        match &self.description {
            Description::Ours(note) => note.clone(),
            Description::Empty | Description::Foreign(_) => Note {
                left: self.left.clone().unwrap_or_default(),
                ..Note::default()
            },
        }
    }

    /// The note that the next commit goes on from: what serves now comes first of what served, also where others pointed the
    /// alias there, so that a rollback finds it. Of two that others made share the traffic, the heavier one comes first; the
    /// canary of a rollout of squad has not served before it has everything.
    pub(super) fn note_of_now(&self) -> Note {
        let mut note = self.note();
        let serving = match self.traffic {
            Some(Traffic::All(sole)) => vec![sole],
            Some(Traffic::Shared {
                primary,
                other,
                weight,
            }) if !self.is_as_noted() && State::live(&note.state).is_none() => {
                if weight > 50 {
                    vec![other, primary]
                } else {
                    vec![primary, other]
                }
            }
            Some(Traffic::Shared { .. }) | None => Vec::new(),
        };
        note.served.retain(|one| !serving.contains(one));
        note.served.splice(0..0, serving);
        note
    }

    /// Whether its description is squad's.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.description, Description::Ours(_))
    }

    /// Whether the traffic is what our note says was written with it.
    pub(super) fn is_as_noted(&self) -> bool {
        let noted = self.note().traffic();
        noted.is_some() && noted == self.traffic
    }

    /// Whether its weights may be AWS's: it points where we wrote, and they are other ones.
    pub(super) fn may_be_moving(&self) -> bool {
        match self.note().traffic() {
            Some(noted) => Some(noted) != self.traffic && self.primary == Some(noted.primary()),
            None => false,
        }
    }

    /// With the traffic that our note says, and where AWS keeps it meanwhile.
    pub(super) fn into_noted(self, failed: Option<String>) -> Self {
        match self.note().traffic() {
            Some(noted) => self.with_written(noted, failed),
            None => self,
        }
    }

    /// With the traffic that was written; what the weights say instead are AWS's own.
    pub(super) fn with_written(self, written: Traffic, failed: Option<String>) -> Self {
        let to = written.primary();
        let there = match self.traffic {
            Some(traffic) if traffic == written => None,
            Some(Traffic::All(sole)) => Some((sole, 100)),
            Some(Traffic::Shared { other, weight, .. }) => Some((other, weight)),
            None => None,
        };
        Self {
            traffic: Some(written),
            lag: there
                .filter(|(revision, _)| *revision != to)
                .map(|(revision, weight)| Lag {
                    revision,
                    weight,
                    to,
                    failed,
                }),
            ..self
        }
    }

    /// Whether AWS has given up moving what is provisioned, and keeps the traffic where it was.
    pub(super) fn is_stuck(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.failed.is_some())
    }

    /// Whether its weights send everything to a version that served before: those that AWS sets.
    pub(super) fn is_where_it_was(&self) -> bool {
        match self.traffic {
            Some(Traffic::All(sole)) => {
                let note = self.note();
                self.primary != Some(sole)
                    && (note.served.contains(&sole) || note.left.contains(&sole))
            }
            Some(Traffic::Shared { .. }) | None => false,
        }
    }

    /// From an answer of `GetAlias`.
    pub(super) fn of(found: &GetAliasOutput) -> Self {
        Self::made(
            found.alias_arn(),
            found.revision_id(),
            found.description(),
            found.function_version(),
            found
                .routing_config()
                .and_then(|routing| routing.additional_version_weights()),
        )
    }

    /// From the parts of any answer that holds an alias.
    pub(super) fn made(
        arn: Option<&str>,
        revision_id: Option<&str>,
        description: Option<&str>,
        version: Option<&str>,
        weights: Option<&std::collections::HashMap<String, f64>>,
    ) -> Self {
        let description = alias::parse(description.unwrap_or_default());
        let written = match &description {
            Description::Ours(note) => note.traffic(),
            Description::Empty | Description::Foreign(_) => None,
        };
        Self {
            revision_id: revision_id.unwrap_or_default().to_owned(),
            arn: arn.unwrap_or_default().to_owned(),
            description,
            traffic: traffic(version, weights, written),
            primary: version.and_then(number),
            is_on_latest: version == Some(LATEST),
            lag: None,
            left: None,
        }
    }

    /// Whether it says and does the same as another state of it. AWS gives an alias another `RevisionId` also when
    /// provisioned concurrency has moved, and with every permission on it: that is nobody's commit.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (
            &self.description,
            self.traffic,
            self.primary,
            self.is_on_latest,
        ) == (
            &other.description,
            other.traffic,
            other.primary,
            other.is_on_latest,
        )
    }
}

/// The traffic of an alias. Weights are fractions at AWS; whatever is not a whole percentage was not written by squad,
/// is never rounded to all or nothing, and never to the weight that was `written`.
fn traffic(
    version: Option<&str>,
    weights: Option<&std::collections::HashMap<String, f64>>,
    written: Option<Traffic>,
) -> Option<Traffic> {
    let primary = number(version?)?;
    let mut others = weights
        .into_iter()
        .flatten()
        .filter(|(_, weight)| **weight > 0.0);
    let Some((other, weight)) = others.next() else {
        return Some(Traffic::All(primary));
    };
    let other = number(other)?;
    if *weight >= 1.0 {
        return Some(Traffic::All(other));
    }
    let percent = weight * 100.0;
    let shared = |percent: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 99 by the clamp"
        )]
        let weight = percent.clamp(1.0, 99.0) as u8;
        Some(Traffic::Shared {
            primary,
            other,
            weight,
        })
    };
    let rounded = percent.round().clamp(1.0, 99.0);
    let nearest = shared(rounded);
    let is_whole = (percent - rounded).abs() < WHOLE;
    if is_whole || nearest != written {
        return nearest;
    }
    // The next one on the side where it lies; at the ends, the only other one.
    let beside = if percent > rounded { 1.0 } else { -1.0 };
    match shared(rounded + beside) {
        other if other != written => other,
        _ => shared(rounded - beside),
    }
}

/// What a fraction may be off from a whole percentage and be that one.
const WHOLE: f64 = 1e-6;

/// The number of a published version.
pub(super) fn number(version: &str) -> Option<RevisionNumber> {
    version.parse().ok().map(RevisionNumber)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn weights_are_never_rounded_to_all_or_nothing() {
        let all = |n| Some(Traffic::All(RevisionNumber(n)));
        let shared = |weight| {
            Some(Traffic::Shared {
                primary: RevisionNumber(41),
                other: RevisionNumber(42),
                weight,
            })
        };
        for (version, weights, wanted) in [
            ("41", None, all(41)),
            ("41", Some(0.05), shared(5)),
            ("41", Some(0.07), shared(7)),
            ("41", Some(0.29), shared(29)),
            ("41", Some(0.001), shared(1)),
            ("41", Some(0.999), shared(99)),
            ("41", Some(1.0), all(42)),
            ("41", Some(0.0), all(41)),
            ("$LATEST", None, None),
        ] {
            let weights = weights.map(|weight| HashMap::from([("42".to_owned(), weight)]));
            assert_eq!(traffic(Some(version), weights.as_ref(), None), wanted);
        }
        assert_eq!(traffic(Some("41"), Some(&HashMap::new()), None), all(41));
    }

    #[test]
    fn what_others_made_share_the_traffic_has_served() {
        let rollout = "squad/1 id=01K8 g=2 ph=holding u=1 s=3 c=4 p=ab12cd34 |o=01K h=3.2";
        for (description, weight, wanted) in [
            ("", 0.2, vec![3, 4]),
            ("canary by sam", 0.8, vec![4, 3]),
            ("|o=01K h=2.1 x=1", 0.2, vec![3, 4, 2, 1]),
            ("|o=01K h=4.3.2", 0.5, vec![3, 4, 2]),
            // What squad wrote itself, and what others changed of it while the rollout is live.
            ("|o=01K w=3.4.20 h=3.2", 0.2, vec![3, 2]),
            (rollout, 0.3, vec![3, 2]),
        ] {
            let weights = HashMap::from([("4".to_owned(), weight)]);
            let alias = Alias::made(None, None, Some(description), Some("3"), Some(&weights));
            let wanted: Vec<_> = wanted.into_iter().map(RevisionNumber).collect();
            assert_eq!(alias.note_of_now().served, wanted, "{description}");
        }
    }

    #[test]
    fn a_weight_of_others_is_never_taken_for_the_one_that_was_written() {
        let shared = |weight| {
            Some(Traffic::Shared {
                primary: RevisionNumber(41),
                other: RevisionNumber(42),
                weight,
            })
        };
        for (written, found, wanted) in [
            (5, 0.05, 5),
            (7, 0.07, 7),
            (29, 0.29, 29),
            (5, 0.0549, 6),
            (5, 0.0451, 4),
            (5, 0.0649, 6),
            (1, 0.006, 2),
            (1, 0.001, 2),
            (99, 0.999, 98),
            (99, 0.994, 98),
        ] {
            let weights = HashMap::from([("42".to_owned(), found)]);
            assert_eq!(
                traffic(Some("41"), Some(&weights), shared(written)),
                shared(wanted),
                "{found}"
            );
        }
    }
}
