//! What holds for every plan and every history.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::domain::analysis::{FailReason, Reason, Verdict};
use crate::domain::live::Health;
use crate::domain::rollout::gate::{GateWish, Who};
use crate::domain::rollout::machine::{Command, Next, Sight, command, next};
use crate::domain::rollout::state::Phase;
use crate::domain::traffic::Weights;

/// Cases of each property: DESIGN asks for 10⁵.
const CASES: u32 = 100_000;

pub(super) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Numbers drawn from one seed (`SplitMix64`). Whole plans and states are made of it: of the 10⁵ cases of a property most
/// time would go into the trees by which proptest shrinks a value, and a plan is printed whole where one fails.
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut hash = self.0;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (hash ^ (hash >> 31)) % end
    }

    fn small(&mut self, end: u8) -> u8 {
        u8::try_from(self.below(u64::from(end))).unwrap()
    }

    /// Rising weights, 1 to 4 of them.
    fn weights(&mut self) -> Vec<u8> {
        let mut weights: Vec<u8> = (0..=self.below(4)).map(|_| 1 + self.small(99)).collect();
        weights.sort_unstable();
        weights.dedup();
        weights
    }

    /// A plan with any weights: of both routes or one of them, with and without a rest and a gate.
    pub(super) fn plan(&mut self) -> Plan {
        /// One of each form, to change the weights of.
        static FORMS: OnceLock<Vec<Plan>> = OnceLock::new();
        let forms = FORMS.get_or_init(|| (0..8).map(|form| Drawn::of(form).made()).collect());
        let drawn = Drawn {
            own: self.weights(),
            other: self.weights(),
            gate: self.weights(),
            form: self.small(8),
        };
        drawn.like(&forms[usize::from(drawn.form)])
    }

    fn state(&mut self, plan: &Plan) -> State {
        let phase = Phase::ALL[usize::from(self.small(12))];
        let positions = plan.units.iter().map(|unit| match phase {
            // Nothing has traffic yet.
            Phase::Planned | Phase::Preparing => 0,
            _ => self.small(5).min(u8::try_from(unit.steps.len()).unwrap()),
        });
        State {
            positions: positions.collect(),
            phase,
            stays: self.below(2) == 1,
            // What drifts was live; an older squad does not tell where.
            drifted_from: [
                None,
                Some(Phase::Shifting),
                Some(Phase::Holding),
                Some(Phase::Paused),
                Some(Phase::Promoting),
                Some(Phase::Finalising),
            ][usize::from(self.small(6))]
            .filter(|_| phase == Phase::Drifted),
            ..state(plan)
        }
    }
}

impl Draws {
    /// Each unit with a verdict and a hold of its own; half of them pass.
    fn evidence(&mut self, plan: &Plan) -> Evidence {
        static ONE: OnceLock<Evidence> = OnceLock::new();
        let one = ONE.get_or_init(|| {
            let plan = two_units_and_rest();
            evidence(&plan, 0.0, &judged(&plan, 1000, 5, 50))
        });
        let mut unit = || {
            let held = if self.below(2) > 0 {
                1e5
            } else {
                f64::from(self.small(200))
            };
            let mut unit = one.units[0].clone();
            (unit.held_seconds, unit.waited_seconds) = (held, held * f64::from(self.small(3)));
            unit.judgement.verdict = self.verdict();
            unit
        };
        let units = plan.units.iter().map(|_| unit()).collect();
        let mut watch = one.units[0].judgement.clone();
        watch.verdict = self.verdict();
        Evidence {
            units,
            phase_seconds: f64::from(self.small(3)) * 1000.0,
            watch: (self.below(2) > 0).then_some(watch),
            missing: None,
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.below(16) {
            0 => Verdict::Fail(FailReason::WorseThanStable),
            1 => Verdict::Fail(FailReason::FirstRequestsFailed),
            2 => Verdict::Inconclusive(Reason::NoData),
            3 => Verdict::Inconclusive(Reason::NotYetTold),
            4 => Verdict::Inconclusive(Reason::OneArmWithoutTraffic),
            5 => Verdict::Inconclusive(Reason::EnvironmentUnhealthy),
            6 => Verdict::Inconclusive(Reason::TooFewRequests { have: 1, need: 59 }),
            _ => Verdict::Pass,
        }
    }

    fn health(&mut self) -> Health {
        match self.below(8) {
            0 => Health::Failed,
            1 => Health::Starting,
            2 => Health::Degraded,
            _ => Health::Ok,
        }
    }
}

/// What a plan is made of.
#[derive(Debug)]
struct Drawn {
    own: Vec<u8>,
    other: Vec<u8>,
    gate: Vec<u8>,
    /// Bits: a route has weights of its own and the other follows with the rest; the rest has traffic; there is a gate.
    form: u8,
}

impl Drawn {
    fn of(form: u8) -> Self {
        let weights = || vec![1];
        Self {
            own: weights(),
            other: weights(),
            gate: weights(),
            form,
        }
    }

    /// As a person's wish makes it.
    fn made(&self) -> Plan {
        let mut routes = two_routes();
        routes.push(route("dispute", "POST", "/charges/{id}/dispute"));
        let gate = GateWish {
            method: "POST".to_owned(),
            path: PathTemplate("/charges/{id}/dispute".to_owned()),
            who: Who::Buckets(self.gate.iter().copied().map(i64::from).collect()),
        };
        let wish = Wish {
            gates: if self.form & 4 > 0 {
                vec![gate]
            } else {
                Vec::new()
            },
            routes: if self.form & 1 > 0 {
                vec![steps("POST /charges/{id}/refund", &self.other)]
            } else {
                Vec::new()
            },
            steps: Some(self.own.iter().copied().map(i64::from).collect()),
            ..wish()
        };
        let before = service(&two_routes());
        made(&before, &service(&routes), &wish, self.form & 2 > 0).unwrap()
    }

    /// The same from a plan of the same form, in a tenth of the time.
    fn like(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for unit in &mut plan.units {
            let weights = match (unit.gate.is_some(), unit.is_rest, self.form & 1 > 0) {
                _ if unit.steps.is_empty() => continue,
                (true, _, _) => &self.gate,
                (_, false, true) => &self.other,
                _ => &self.own,
            };
            let hold_seconds = unit.steps[0].hold_seconds;
            let steps = weights.iter().map(|weight| RolloutStep {
                weight: *weight,
                hold_seconds,
            });
            unit.steps = steps.collect();
        }
        plan
    }
}

#[test]
fn plans_that_are_drawn_are_those_that_a_wish_makes() {
    let mut draws = Draws::of(7);
    for n in 0..=255_u8 {
        let one = Drawn {
            own: draws.weights(),
            other: draws.weights(),
            gate: draws.weights(),
            form: n % 8,
        };
        assert_eq!(one.like(&Drawn::of(one.form).made()), one.made());
    }
}

fn any_state() -> impl Strategy<Value = (Plan, State)> {
    any::<u64>().prop_map(|seed| {
        let mut draws = Draws::of(seed);
        let plan = draws.plan();
        let state = draws.state(&plan);
        (plan, state)
    })
}

fn sum(weights: &Weights) -> u32 {
    weights.iter().map(|(_, weight)| u32::from(weight)).sum()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn weights_of_each_route_sum_to_100((plan, state) in any_state()) {
        let split = plan.split(&state);
        prop_assert_eq!(sum(&split.rest), 100);
        for row in &split.routes {
            prop_assert_eq!(sum(&row.weights), 100);
            // A gate is beside the weights: it opens a route that only the canary has, and no other.
            prop_assert!(row.gate.is_none() || row.weights.sole() == Some(STABLE));
        }
    }

    #[test]
    fn an_abort_ends_at_100_percent_on_the_safe_side((plan, state) in any_state()) {
        if let Ok(Some(to)) = command(&plan, &state, Command::Abort) {
            let is_promoting = [state.drifted_from, Some(state.phase)].contains(&Some(Phase::Promoting));
            let wanted = if is_promoting { CANARY } else { STABLE };
            prop_assert_eq!(plan.split(&to.state).sole(), Some(wanted));
            let ended = to.state.to(Phase::Aborted);
            prop_assert_eq!(plan.split(&ended).sole(), Some(wanted));
        }
    }

    #[test]
    fn routes_that_are_not_listed_never_change_before_the_rest_does((plan, state) in any_state()) {
        let shared = [Phase::Shifting, Phase::Holding, Phase::Paused, Phase::Drifted];
        let shares = shared.contains(&state.drifted_from.unwrap_or(state.phase));
        let rest = plan.units.len() - 1;
        if shares && state.positions[rest] == 0 {
            let split = plan.split(&state);
            prop_assert_eq!(split.rest.sole(), Some(STABLE));
            // Nor does a new one that no gate is asked for.
            for route in plan.units[rest].routes.iter().chain(&plan.gated) {
                let row = split.routes.iter().find(|row| row.route == *route).unwrap();
                prop_assert_eq!((row.weights.sole(), &row.gate), (Some(STABLE), &None));
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_step_and_only_a_pass_raises_a_weight(seed in any::<u64>()) {
        let mut draws = Draws::of(seed);
        let plan = draws.plan();
        let state = draws.state(&plan);
        let evidence = draws.evidence(&plan);
        let (is_as_wanted, is_attended) = (draws.below(4) > 0, draws.below(2) > 0);
        let sight = Sight {
            state: &state,
            is_as_wanted,
            canary: draws.health(),
            evidence: &evidence,
            is_attended,
        };
        let step = next(&plan, &sight);
        prop_assert_eq!(&step, &next(&plan, &sight));
        if let Next::Move(to) = step {
            prop_assert_eq!(to.state.generation, state.generation);
            prop_assert_eq!(&to.state.id, &state.id);
            let moves = to.state.positions.iter().zip(&state.positions);
            prop_assert!(moves.clone().all(|(after, before)| after >= before));
            let is_promoted = to.state.phase == Phase::Promoting && state.phase != Phase::Promoting;
            let raised: Vec<usize> = moves
                .enumerate()
                .filter(|(_, (after, before))| after > before)
                .map(|(index, _)| index)
                .collect();
            if (is_promoted || !raised.is_empty()) && state.phase != Phase::Preparing {
                prop_assert!(is_as_wanted);
                let passes = |index: usize| {
                    let verdict = evidence.units[index].judgement.verdict;
                    plan.units[index].steps.is_empty()
                        || state.positions[index] > 0 && verdict == Verdict::Pass
                };
                let rest = plan.units.len() - 1;
                // The rest begins, and all is promoted, once each of the routes has passed.
                if is_promoted || state.positions[rest] == 0 && raised.contains(&rest) {
                    prop_assert!((0..rest).all(passes));
                }
                if is_promoted {
                    prop_assert!(passes(rest));
                }
                prop_assert!(raised.iter().all(|index| passes(*index) || *index == rest));
            }
            if !is_attended && (is_promoted || !raised.is_empty()) {
                let (before, after) = (plan.split(&state), plan.split(&to.state));
                let of = |split: &Split| -> Vec<u8> {
                    let rows = split.routes.iter().map(|row| &row.weights);
                    let canary = |weights: &Weights| {
                        weights.iter().find(|(revision, _)| *revision == CANARY).map_or(0, |(_, weight)| weight)
                    };
                    rows.chain([&split.rest]).map(canary).collect()
                };
                let limit = plan.max_unattended_weight;
                prop_assert!(of(&after).iter().zip(of(&before)).all(|(after, before)| *after <= before || *after <= limit));
            }
        }
    }

    #[test]
    fn a_state_comes_back_from_its_text((_, state) in any_state()) {
        prop_assert_eq!(State::parse(&state.encode()), Some(state));
    }
}
