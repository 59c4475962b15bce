//! Gates in a plan: routes that only the canary has, and who is let through to them step by step.
//!
//! Nothing is compared there, for stable does not answer the route: the canary is held to the absolute bound, and a step
//! passes by evidence alone, like every other one.

use serde::{Deserialize, Serialize};

use super::mistake::Mistake;
use super::plan::{Given, Unit, Wish, check, has, with_holds};
use super::state::State;
use crate::domain::gate::{Admits, Gate};
use crate::domain::release::RevisionNumber;
use crate::domain::route::{self, PathTemplate};
use crate::domain::service::{RolloutStep, Route};

/// The gate of a unit, as the plan says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitGate {
    /// The request header that says who calls, in lower case.
    pub(crate) identity: String,
    /// By what they are admitted.
    pub(crate) by: By,
}

/// By what callers are admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// By their names; the one step is all of them, 100.
    Consumers(Vec<String>),
    /// By their buckets; a step's weight is how many of the hundred.
    Buckets,
}

/// A gate, as a person asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GateWish {
    /// The method, upper case.
    pub(crate) method: String,
    /// The path template.
    pub(crate) path: PathTemplate,
    /// Who is let through.
    pub(crate) who: Who,
}

/// Who is to be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Those of these names.
    Consumers(Vec<String>),
    /// So many of the hundred buckets, step by step.
    Buckets(Vec<i64>),
}

impl UnitGate {
    /// The gate at a weight; none while it is shut.
    pub(crate) fn at(&self, weight: u8, to: RevisionNumber, rollout: &str) -> Option<Gate> {
        (weight > 0).then(|| Gate {
            to,
            identity: self.identity.clone(),
            admits: match &self.by {
                By::Consumers(names) => Admits::Consumers(names.clone()),
                By::Buckets => Admits::Buckets {
                    below: weight,
                    salt: rollout.to_owned(),
                },
            },
        })
    }

    /// Who passes at a weight: `5 % of callers`, `consumers mobile, web`.
    pub(crate) fn spoken(&self, weight: u8) -> String {
        match (&self.by, weight) {
            (_, 0) => "nobody".to_owned(),
            (By::Consumers(names), _) if names.len() == 1 => {
                format!("consumer {}", names.join(", "))
            }
            (By::Consumers(names), _) => format!("consumers {}", names.join(", ")),
            (By::Buckets, 100) => "all callers".to_owned(),
            (By::Buckets, weight) => format!("{weight} % of callers"),
        }
    }
}

impl Unit {
    /// Its gate in a state whose positions decide; none for a unit that is split, and while it is shut.
    pub(crate) fn gate_at(&self, position: u8, state: &State) -> Option<Gate> {
        let gate = self.gate.as_ref()?;
        gate.at(self.weight(position), state.canary, &state.id)
    }
}

/// The units of all gates that are asked for.
pub(super) fn units(
    given: &Given<'_>,
    wish: &Wish,
    like: &[RolloutStep],
    mistakes: &mut Vec<Mistake>,
) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for wanted in &wish.gates {
        let spoken = format!("{} {}", wanted.method, wanted.path.0);
        let same = |one: &&Route| {
            one.method == wanted.method && route::same_paths(&one.path, &wanted.path)
        };
        let Some(route) = given.canary.1.routes.iter().find(same) else {
            mistakes.push(Mistake::NoSuchRoute {
                route: spoken,
                canary: given.canary.0,
            });
            continue;
        };
        if has(&given.stable.1.routes, route) {
            mistakes.push(Mistake::NotNew {
                route: spoken,
                stable: given.stable.0,
            });
            continue;
        }
        if units.iter().any(|unit| has(&unit.routes, route)) {
            mistakes.push(Mistake::TwoGates(spoken));
            continue;
        }
        let rollout = given.canary.1.rollout.as_ref();
        let Some(identity) = rollout.and_then(|rollout| rollout.identity.clone()) else {
            mistakes.push(Mistake::NoIdentity(spoken));
            continue;
        };
        let (by, weights) = match &wanted.who {
            Who::Consumers(names) => {
                if names.is_empty() {
                    mistakes.push(Mistake::NoConsumers(spoken));
                }
                (By::Consumers(names.clone()), vec![100])
            }
            Who::Buckets(weights) => {
                check(&spoken, weights, mistakes);
                (By::Buckets, weights.clone())
            }
        };
        units.push(Unit {
            name: route.name.to_string(),
            routes: vec![route.clone()],
            is_rest: false,
            steps: with_holds(&weights, like),
            design_effect: 1.0,
            requests_per_second: 0.0,
            bad_share: 0.0,
            gate: Some(UnitGate {
                identity: identity.to_ascii_lowercase(),
                by,
            }),
        });
    }
    units
}
