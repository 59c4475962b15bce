//! What holds for every plan and every history.

use proptest::prelude::*;

use super::*;
use crate::domain::live::Health;
use crate::domain::rollout::gate::{GateWish, Who};
use crate::domain::rollout::machine::{Command, Next, Sight, command, next};
use crate::domain::rollout::state::Phase;

/// Cases of each property: DESIGN asks for 10⁵.
const CASES: u32 = 100_000;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Rising weights, 1 to 4 of them.
fn weights() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::btree_set(1_u8..=99, 1..=4).prop_map(|set| set.into_iter().collect())
}

fn any_plan() -> impl Strategy<Value = Plan> {
    (
        weights(),
        weights(),
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(weights()),
    )
        .prop_map(|(own, other, named, rest, gate)| {
            let before = service(&two_routes());
            let mut routes = two_routes();
            routes.push(route("dispute", "POST", "/charges/{id}/dispute"));
            let gates = gate.into_iter().map(|weights| GateWish {
                method: "POST".to_owned(),
                path: PathTemplate("/charges/{id}/dispute".to_owned()),
                who: Who::Buckets(weights),
            });
            let wish = Wish {
                gates: gates.collect(),
                routes: if named {
                    vec![steps("POST /charges/{id}/refund", &other)]
                } else {
                    Vec::new()
                },
                steps: Some(own),
                ..wish()
            };
            made(&before, &service(&routes), &wish, rest).unwrap()
        })
}

fn any_phase() -> impl Strategy<Value = Phase> {
    (0..Phase::ALL.len()).prop_map(|index| Phase::ALL[index])
}

fn any_state() -> impl Strategy<Value = (Plan, State)> {
    (
        any_plan(),
        any_phase(),
        proptest::collection::vec(0_u8..=4, 4),
        any::<bool>(),
    )
        .prop_map(|(plan, phase, positions, stays)| {
            let positions = plan
                .units
                .iter()
                .zip(positions)
                .map(|(unit, position)| match phase {
                    // Nothing has traffic yet.
                    Phase::Planned | Phase::Preparing => 0,
                    _ => position.min(u8::try_from(unit.steps.len()).unwrap()),
                })
                .collect();
            let state = State {
                phase,
                positions,
                stays,
                ..state(&plan)
            };
            (plan, state)
        })
}

fn any_health() -> impl Strategy<Value = Health> {
    prop_oneof![
        Just(Health::Ok),
        Just(Health::Starting),
        Just(Health::Degraded),
        Just(Health::Failed)
    ]
}

fn sum(weights: &crate::domain::traffic::Weights) -> u32 {
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
            let wanted = if state.phase == Phase::Promoting { CANARY } else { STABLE };
            prop_assert_eq!(plan.split(&to.state).sole(), Some(wanted));
            let ended = to.state.to(Phase::Aborted);
            prop_assert_eq!(plan.split(&ended).sole(), Some(wanted));
        }
    }

    #[test]
    fn routes_that_are_not_listed_never_change_before_the_rest_does((plan, state) in any_state()) {
        let shares = matches!(state.phase, Phase::Shifting | Phase::Holding | Phase::Paused | Phase::Drifted);
        let rest = plan.units.len() - 1;
        if shares && state.positions[rest] == 0 {
            let split = plan.split(&state);
            prop_assert_eq!(split.rest.sole(), Some(STABLE));
            for route in &plan.units[rest].routes {
                let row = split.routes.iter().find(|row| row.route == *route).unwrap();
                prop_assert_eq!(row.weights.sole(), Some(STABLE));
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_step_and_only_a_pass_raises_a_weight(
        (plan, state) in any_state(),
        requests in 0_u64..5_000,
        bad in 0_u64..200,
        held in 0.0_f64..100_000.0,
        health in any_health(),
        as_wanted in any::<bool>(),
        attended in any::<bool>(),
    ) {
        let judgement = judged(&plan, requests, bad.min(requests), 50);
        let evidence = evidence(&plan, held, &judgement);
        let sight = Sight {
            state: &state,
            is_as_wanted: as_wanted,
            canary: health,
            evidence: &evidence,
            is_attended: attended,
        };
        let step = next(&plan, &sight);
        prop_assert_eq!(&step, &next(&plan, &sight));
        if let Next::Move(to) = step {
            prop_assert_eq!(to.state.generation, state.generation);
            prop_assert_eq!(&to.state.id, &state.id);
            let raised = to.state.positions.iter().zip(&state.positions).any(|(a, b)| a > b)
                || (to.state.phase == Phase::Promoting && state.phase != Phase::Promoting);
            if raised && state.phase != Phase::Preparing {
                prop_assert_eq!(judgement.verdict, crate::domain::analysis::Verdict::Pass);
                prop_assert!(as_wanted);
            }
            let lowered = to.state.positions.iter().zip(&state.positions).any(|(a, b)| a < b);
            prop_assert!(!lowered);
            if !attended && raised {
                let highest = plan.split(&to.state);
                let above = highest.routes.iter().map(|row| &row.weights).chain([&highest.rest])
                    .zip(plan.split(&state).routes.iter().map(|row| &row.weights).chain([&plan.split(&state).rest]))
                    .any(|(after, before)| {
                        let of = |weights: &crate::domain::traffic::Weights| {
                            weights.iter().find(|(revision, _)| *revision == CANARY).map_or(0, |(_, weight)| weight)
                        };
                        of(after) > of(before) && of(after) > plan.max_unattended_weight
                    });
                prop_assert!(!above);
            }
        }
    }

    #[test]
    fn a_state_comes_back_from_its_text((_, state) in any_state()) {
        prop_assert_eq!(State::parse(&state.encode()), Some(state));
    }
}
