//! The plan of a rollout: which routes move, in which steps, and what each state means for the traffic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gate::{self, GateWish, UnitGate};
use super::mistake::Mistake;
use super::state::{MOST_STEPS, MOST_UNITS, Phase, State};
use crate::domain::analysis;
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::route;
use crate::domain::service::{Analysis, RolloutStep, Route, Service};
use crate::domain::traffic::{RouteSplit, Split, Weights};

/// Steps of a service that says nothing: 5, 25, 50 %, five minutes each.
pub(crate) const DEFAULT_STEPS: [RolloutStep; 3] = [
    RolloutStep {
        weight: 5,
        hold_seconds: 300,
    },
    RolloutStep {
        weight: 25,
        hold_seconds: 300,
    },
    RolloutStep {
        weight: 50,
        hold_seconds: 300,
    },
];
/// Seconds of the watch after a promotion.
pub(crate) const DEFAULT_WATCH: u64 = 30 * 60;
/// Seconds without a verdict after which a step pauses, unless the hold itself is longer: a day, so that a service with
/// little traffic needs nobody.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number of seconds"
)]
pub(crate) const DEFAULT_MAX_HOLD: u64 = analysis::DEFAULT_MAX_HOLD_SECONDS as u64;
/// Seconds that the canary may take to become ready.
pub(crate) const PREPARE_SECONDS: u64 = 600;
/// The highest weight that nobody has to attend, in percent.
pub(crate) const MAX_UNATTENDED_WEIGHT: u8 = 10;
pub(crate) use crate::domain::counts::REST;

/// One thing with a weight and a verdict of its own: a route, or everything that is not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// The route's name, or `rest`.
    pub(crate) name: String,
    /// The rows of the traffic table that it moves. For the rest: the listed routes that have no unit of their own.
    pub(crate) routes: Vec<Route>,
    /// It moves what matches no row as well: true for the last unit alone.
    pub(crate) is_rest: bool,
    /// In order, weights rising. Empty: it had no traffic to be judged by, and moves with the promotion.
    pub(crate) steps: Vec<RolloutStep>,
    /// Variance of the bad events per minute over their mean, from stable's history; 1 where they come one by one.
    pub(crate) design_effect: f64,
    /// Requests per second of stable before the start.
    pub(crate) requests_per_second: f64,
    /// Share of bad requests of stable before the start, 0–1.
    pub(crate) bad_share: f64,
    /// Who is let through, where only the canary has the route: then its steps say how wide the gate is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) gate: Option<UnitGate>,
}

impl Unit {
    /// The canary's weight at a position, in percent.
    pub(crate) fn weight(&self, position: u8) -> u8 {
        usize::from(position)
            .checked_sub(1)
            .and_then(|index| self.steps.get(index))
            .map_or(0, |step| step.weight)
    }

    /// The canary's weight at a position in a phase ([`State::meant`]), in percent. `stays` is [`State::stays`]. While the
    /// traffic is another one than wanted, this is the wanted one.
    pub(crate) fn weight_in(&self, phase: Phase, position: u8, stays: bool) -> u8 {
        match phase {
            Phase::Planned | Phase::Preparing => 0,
            Phase::Shifting | Phase::Holding | Phase::Paused | Phase::Drifted => {
                self.weight(position)
            }
            Phase::Promoting | Phase::Finalising | Phase::Succeeded => 100,
            Phase::Aborting | Phase::Aborted | Phase::Superseded => {
                if stays {
                    100
                } else {
                    0
                }
            }
        }
    }

    /// The weight after a position: the next step's, or 100.
    pub(crate) fn next_weight(&self, position: u8) -> u8 {
        self.steps
            .get(usize::from(position))
            .map_or(100, |step| step.weight)
    }

    /// Seconds to stay at a position at least.
    pub(crate) fn hold(&self, position: u8) -> u64 {
        usize::from(position)
            .checked_sub(1)
            .and_then(|index| self.steps.get(index))
            .map_or(0, |step| step.hold_seconds)
    }

    /// Whether a position is that of its last step.
    pub(crate) fn is_last(&self, position: u8) -> bool {
        usize::from(position) >= self.steps.len()
    }

    /// `POST /charges/{id}/refund`, or `everything else`.
    pub(crate) fn spoken(&self) -> String {
        match (self.is_rest, self.routes.as_slice()) {
            (false, [route]) => format!("{} {}", route.method, route.path.0),
            _ => "everything else".to_owned(),
        }
    }
}

/// A whole rollout, as it was decided at its start; it never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The version of this form.
    pub(crate) version: u32,
    /// ULID.
    pub(crate) id: String,
    /// Whose traffic moves.
    pub(crate) service: ServiceName,
    /// What serves at the start.
    pub(crate) stable: RevisionNumber,
    /// What is rolled out.
    pub(crate) canary: RevisionNumber,
    /// The listed routes in the order of the file, those that are gated, then the rest; the rest is always there.
    pub(crate) units: Vec<Unit>,
    /// Routes that only the canary has and that no unit gates: they stay on stable until the promotion, and only the
    /// forcing header reaches them, because stable would answer 404 to the other share.
    pub(crate) gated: Vec<Route>,
    /// The canary's own table, for after the promotion.
    pub(crate) canary_routes: Vec<Route>,
    /// The traffic at the start, to go back to.
    pub(crate) base: Split,
    /// What is judged by.
    pub(crate) analysis: Analysis,
    /// Seconds without a verdict after which a step pauses.
    pub(crate) max_hold_seconds: u64,
    /// Seconds of the watch after the promotion.
    pub(crate) watch_seconds: u64,
    /// Seconds from look to look.
    pub(crate) interval_seconds: u64,
    /// Seconds of the canary's first traffic that are not judged.
    pub(crate) warmup_seconds: u64,
    /// Seconds that the platform's numbers are late: whatever is waited for is waited for so much longer, so that it is
    /// judged by what was counted in it.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(crate) late_seconds: u64,
    /// The highest weight in percent that a driver may set which does not stay.
    pub(crate) max_unattended_weight: u8,
    /// Who started it.
    pub(crate) actor: Actor,
    /// When.
    pub(crate) started_at: Timestamp,
    /// Why, when it was said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
}

/// A route with steps of its own, as a person asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteSteps {
    /// The method, upper case.
    pub(crate) method: String,
    /// The path template.
    pub(crate) path: route::PathTemplate,
    /// Weights in percent, rising.
    pub(crate) weights: Vec<i64>,
}

/// What a plan is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    /// The routes to move, each with its weights; empty = every listed route with the service's steps.
    pub(crate) routes: Vec<RouteSteps>,
    /// New routes, each with whom it lets through.
    pub(crate) gates: Vec<GateWish>,
    /// Weights instead of the service's, for every unit that has none of its own.
    pub(crate) steps: Option<Vec<i64>>,
    /// Seconds to hold each step instead of the service's.
    pub(crate) hold_seconds: Option<u64>,
    /// The highest weight in percent that a driver may set which does not stay.
    pub(crate) max_unattended_weight: u8,
}

/// Everything else that a plan needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Given<'a> {
    /// ULID of the new rollout.
    pub(crate) id: String,
    /// What serves.
    pub(crate) stable: (RevisionNumber, &'a Service),
    /// What is rolled out.
    pub(crate) canary: (RevisionNumber, &'a Service),
    /// The traffic now.
    pub(crate) base: Split,
    /// Who.
    pub(crate) actor: Actor,
    /// When.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// What is known of a unit before the start: stable's history of its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Known {
    /// Requests per second.
    pub(crate) requests_per_second: f64,
    /// 0–1.
    pub(crate) bad_share: f64,
    /// See [`Unit::design_effect`].
    pub(crate) design_effect: f64,
}

/// Makes a plan. What is wrong is reported all at once. `known` tells stable's history of a unit's rows; none where the
/// history holds no request of it.
pub(crate) fn plan(
    given: &Given<'_>,
    wish: &Wish,
    known: impl Fn(&[Route], bool) -> Option<Known>,
) -> Result<Plan, Vec<Mistake>> {
    let (stable, canary) = (given.stable.1, given.canary.1);
    let mut mistakes = Vec::new();
    let steps = service_steps(canary, wish, &mut mistakes);
    let mut gated: Vec<Route> = canary
        .routes
        .iter()
        .filter(|route| !has(&stable.routes, route))
        .cloned()
        .collect();
    let mut units = if wish.routes.is_empty() {
        // A route that only stable has is not moved by itself: its callers get what the promotion brings.
        stable
            .routes
            .iter()
            .filter(|route| has(&canary.routes, route))
            .map(|route| unit(vec![route.clone()], false, steps.clone(), &known))
            .collect()
    } else {
        wished_units(given, wish, &gated, &known, &mut mistakes)
    };
    units.extend(gate::units(given, wish, &steps, &mut mistakes));
    gated.retain(|route| !units.iter().any(|unit| has(&unit.routes, route)));
    let others: Vec<Route> = stable
        .routes
        .iter()
        .filter(|route| !units.iter().any(|unit: &Unit| has(&unit.routes, route)))
        .cloned()
        .collect();
    let mut rest = unit(others, true, steps, &known);
    if rest.requests_per_second <= 0.0 {
        rest.steps.clear();
    }
    units.push(rest);
    if units.len() > MOST_UNITS {
        mistakes.push(Mistake::TooManyUnits { count: units.len() });
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let analysis = canary.analysis.clone();
    let holds = units.iter().flat_map(|unit| &unit.steps);
    let shortest = holds.clone().map(|step| step.hold_seconds).min();
    let longest = holds.map(|step| step.hold_seconds).max().unwrap_or(0);
    let shortest = shortest.unwrap_or(60);
    Ok(Plan {
        version: 1,
        id: given.id.clone(),
        service: canary.name.clone(),
        stable: given.stable.0,
        canary: given.canary.0,
        units,
        gated,
        canary_routes: canary.routes.clone(),
        base: given.base.clone(),
        max_hold_seconds: analysis
            .max_hold_seconds
            .unwrap_or(DEFAULT_MAX_HOLD)
            .max(longest),
        watch_seconds: analysis.watch_seconds.unwrap_or(DEFAULT_WATCH),
        analysis,
        interval_seconds: (shortest / 10).clamp(1, 60),
        warmup_seconds: (shortest / 5).min(30),
        late_seconds: 0,
        max_unattended_weight: wish.max_unattended_weight,
        actor: given.actor.clone(),
        started_at: given.at,
        reason: given.reason.clone(),
    })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

fn service_steps(canary: &Service, wish: &Wish, mistakes: &mut Vec<Mistake>) -> Vec<RolloutStep> {
    let own = canary
        .rollout
        .as_ref()
        .map_or_else(|| DEFAULT_STEPS.to_vec(), |rollout| rollout.steps.clone());
    let mut steps = match &wish.steps {
        None => own,
        Some(weights) => {
            check("steps", weights, mistakes);
            with_holds(weights, &own)
        }
    };
    if let Some(hold_seconds) = wish.hold_seconds {
        for step in &mut steps {
            step.hold_seconds = hold_seconds;
        }
    }
    steps
}

/// Weights with the holds of other steps, the last of them for all that follow. What is no weight at all has been found by
/// [`check`], and makes no step.
pub(super) fn with_holds(weights: &[i64], like: &[RolloutStep]) -> Vec<RolloutStep> {
    weights
        .iter()
        .filter_map(|weight| u8::try_from(*weight).ok())
        .enumerate()
        .map(|(index, weight)| RolloutStep {
            weight,
            hold_seconds: like
                .get(index)
                .or(like.last())
                .map_or(300, |step| step.hold_seconds),
        })
        .collect()
}

pub(super) fn check(of: &str, weights: &[i64], mistakes: &mut Vec<Mistake>) {
    let of = || of.to_owned();
    if weights.is_empty() {
        mistakes.push(Mistake::NoSteps { of: of() });
    }
    if weights.len() > MOST_STEPS {
        let count = weights.len();
        mistakes.push(Mistake::TooManySteps { of: of(), count });
    }
    for weight in weights.iter().filter(|weight| !(1..=99).contains(*weight)) {
        let weight = *weight;
        mistakes.push(Mistake::Weight { of: of(), weight });
    }
    for (before, after) in weights.iter().zip(weights.iter().skip(1)) {
        if after <= before {
            mistakes.push(Mistake::NotRising {
                of: of(),
                before: *before,
                after: *after,
            });
        }
    }
}

fn wished_units(
    given: &Given<'_>,
    wish: &Wish,
    gated: &[Route],
    known: &impl Fn(&[Route], bool) -> Option<Known>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Unit> {
    let own = service_steps(given.canary.1, wish, &mut Vec::new());
    let mut units: Vec<Unit> = Vec::new();
    for (index, wanted) in wish.routes.iter().enumerate() {
        let spoken = format!("{} {}", wanted.method, wanted.path.0);
        check(&spoken, &wanted.weights, mistakes);
        if !wanted.method.bytes().all(|b| b.is_ascii_uppercase()) || wanted.method.is_empty() {
            mistakes.push(Mistake::Method(wanted.method.clone()));
        }
        for earlier in wish.routes.iter().take(index) {
            if earlier.method == wanted.method && route::overlap(&earlier.path, &wanted.path) {
                mistakes.push(Mistake::Overlap {
                    first: format!("{} {}", earlier.method, earlier.path.0),
                    second: spoken.clone(),
                });
            }
        }
        let same = |route: &&Route| {
            route.method == wanted.method && route::same_paths(&route.path, &wanted.path)
        };
        if gated.iter().any(|route| same(&route)) {
            mistakes.push(Mistake::New {
                route: spoken,
                stable: given.stable.0,
                canary: given.canary.0,
            });
            continue;
        }
        let listed = given.stable.1.routes.iter().find(same).cloned();
        let route = listed.unwrap_or_else(|| Route {
            name: route::name_for(&wanted.method, &wanted.path, index),
            method: wanted.method.clone(),
            path: wanted.path.clone(),
        });
        units.push(unit(
            vec![route],
            false,
            with_holds(&wanted.weights, &own),
            known,
        ));
    }
    units
}

fn unit(
    routes: Vec<Route>,
    is_rest: bool,
    steps: Vec<RolloutStep>,
    known: &impl Fn(&[Route], bool) -> Option<Known>,
) -> Unit {
    let name = match (is_rest, routes.first()) {
        (false, Some(route)) => route.name.to_string(),
        _ => REST.to_owned(),
    };
    let known = known(&routes, is_rest).unwrap_or(Known {
        requests_per_second: 0.0,
        bad_share: 0.0,
        design_effect: 1.0,
    });
    Unit {
        name,
        routes,
        is_rest,
        steps,
        design_effect: known.design_effect,
        requests_per_second: known.requests_per_second,
        bad_share: known.bad_share,
        gate: None,
    }
}

pub(super) fn has(routes: &[Route], wanted: &Route) -> bool {
    routes
        .iter()
        .any(|route| route.method == wanted.method && route::same_paths(&route.path, &wanted.path))
}

impl Plan {
    /// The units whose requests are judged, and share the error probability.
    pub(crate) fn judged(&self) -> u32 {
        let judged = self.units.iter().filter(|unit| !unit.steps.is_empty());
        u32::try_from(judged.count()).unwrap_or(u32::MAX).max(1)
    }

    /// What one unit is judged by.
    pub(crate) fn settings(&self, unit: &Unit) -> analysis::Settings {
        analysis::Settings {
            tolerance: self.analysis.tolerance,
            harm: self.analysis.harm,
            alpha: 0.01,
            units: self.judged(),
            design_effect: unit.design_effect,
            absolute: 0.05,
            baseline: match unit.gate {
                Some(_) => analysis::Baseline::None,
                None => analysis::Baseline::Concurrent,
            },
            usual: unit.gate.is_none().then_some(unit.bad_share),
        }
    }

    /// The routes that only the canary has, gated by a unit or not.
    pub(crate) fn new_routes(&self) -> impl Iterator<Item = &Route> {
        let by_units = self.units.iter().filter(|unit| unit.gate.is_some());
        by_units.flat_map(|unit| &unit.routes).chain(&self.gated)
    }

    /// Whether any unit has a step: else there is nothing to judge at all.
    pub(crate) fn has_steps(&self) -> bool {
        self.units.iter().any(|unit| !unit.steps.is_empty())
    }

    /// The traffic that a state means. Pure, and the only place where weights come from.
    pub(crate) fn split(&self, state: &State) -> Split {
        match state.meant() {
            Phase::Planned | Phase::Preparing => self.base.clone(),
            Phase::Shifting | Phase::Holding | Phase::Paused | Phase::Drifted => self.shared(state),
            Phase::Promoting | Phase::Finalising | Phase::Succeeded => self.promoted(),
            Phase::Aborting | Phase::Aborted | Phase::Superseded => {
                if state.stays {
                    self.promoted()
                } else {
                    self.base.clone()
                }
            }
        }
    }

    fn promoted(&self) -> Split {
        Split::all(&self.canary_routes, self.canary)
    }

    fn shared(&self, state: &State) -> Split {
        let weight = |unit: &Unit, position: Option<&u8>| {
            let canary = unit.weight(position.copied().unwrap_or(0));
            self.weights(canary)
        };
        let mut routes: Vec<RouteSplit> = Vec::new();
        let mut rest = Weights::all(self.stable);
        for (index, unit) in self.units.iter().enumerate() {
            let position = state.positions.get(index);
            let weights = match unit.gate {
                Some(_) => Weights::all(self.stable),
                None => weight(unit, position),
            };
            let gate = unit.gate_at(position.copied().unwrap_or(0), state);
            routes.extend(unit.routes.iter().map(|route| RouteSplit {
                route: route.clone(),
                weights: weights.clone(),
                gate: gate.clone(),
            }));
            if unit.is_rest {
                rest = weights;
            }
        }
        routes.extend(self.gated.iter().map(|route| RouteSplit {
            route: route.clone(),
            weights: Weights::all(self.stable),
            gate: None,
        }));
        Split { routes, rest }
    }

    /// `canary` percent for the canary, clamped to what a weight can be, and what is left for stable.
    fn weights(&self, canary: u8) -> Weights {
        let canary = canary.min(100);
        let shares: BTreeMap<RevisionNumber, u8> =
            [(self.stable, 100 - canary), (self.canary, canary)]
                .into_iter()
                .filter(|(_, weight)| *weight > 0)
                .collect();
        Weights::new(shares).unwrap_or_else(|_| Weights::all(self.stable))
    }
}
