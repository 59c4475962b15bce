//! The table of states, step by step.

use super::*;
use crate::domain::analysis::{FailReason, Reason, Verdict};
use crate::domain::live::Health;
use crate::domain::rollout::machine::{
    Command, Move, Next, Refused, Sight, Waiting, Why, command, next,
};
use crate::domain::rollout::mistake::Mistake;
use crate::domain::rollout::state::{LONGEST, MOST_STEPS, MOST_UNITS, Phase};

fn look(plan: &Plan, state: &State, evidence: &Evidence) -> Next {
    next(
        plan,
        &Sight {
            state,
            is_as_wanted: true,
            canary: Health::Ok,
            evidence,
            is_attended: true,
        },
    )
}

fn moved(next: Next) -> Move {
    match next {
        Next::Move(to) => *to,
        other => panic!("{other:?}"),
    }
}

/// Weights of the canary as the split has them: listed routes in order, then the rest.
fn canary_weights(plan: &Plan, state: &State) -> Vec<u8> {
    let split = plan.split(state);
    let of = |weights: &crate::domain::traffic::Weights| {
        weights
            .iter()
            .find(|(revision, _)| *revision == CANARY)
            .map_or(0, |(_, weight)| weight)
    };
    split
        .routes
        .iter()
        .map(|row| of(&row.weights))
        .chain([of(&split.rest)])
        .collect()
}

#[test]
fn a_healthy_rollout_goes_step_by_step_and_the_rest_comes_last() {
    use Phase::{Finalising, Holding, Preparing, Promoting, Shifting};
    let plan = two_units_and_rest();
    let pass = judged(&plan, 100_000, 500, 50);
    assert_eq!(pass.verdict, Verdict::Pass);
    let evidence = evidence(&plan, 60.0, &pass);
    let mut state = state(&plan);
    let mut seen = Vec::new();
    for _ in 0..20 {
        let Next::Move(to) = look(&plan, &state, &evidence) else {
            break;
        };
        state = to.state;
        seen.push((state.phase, canary_weights(&plan, &state)));
    }
    let wanted = vec![
        (Preparing, vec![0, 0, 0]),
        (Shifting, vec![5, 5, 0]),
        (Holding, vec![5, 5, 0]),
        (Shifting, vec![50, 50, 0]),
        (Holding, vec![50, 50, 0]),
        (Shifting, vec![50, 50, 5]),
        (Holding, vec![50, 50, 5]),
        (Shifting, vec![50, 50, 50]),
        (Holding, vec![50, 50, 50]),
        (Promoting, vec![100, 100, 100]),
        (Finalising, vec![100, 100, 100]),
    ];
    assert_eq!(seen, wanted);
    let mut over = evidence;
    over.phase_seconds = 1800.0;
    assert_eq!(
        moved(look(&plan, &state, &over)).state.phase,
        Phase::Succeeded
    );
}

#[test]
fn each_unit_goes_by_itself() {
    let plan = two_units_and_rest();
    let mut evidence = evidence(&plan, 60.0, &judged(&plan, 100_000, 500, 50));
    evidence.units[1].judgement = judged(&plan, 10, 0, 50);
    let state = State {
        phase: Phase::Holding,
        positions: vec![1, 1, 0],
        ..state(&plan)
    };
    let to = moved(look(&plan, &state, &evidence));
    assert_eq!(to.why, Why::Passed(vec!["get-charge".to_owned()]));
    assert_eq!(canary_weights(&plan, &to.state), [50, 5, 0]);
}

#[test]
fn no_data_never_goes_on_and_pauses_in_the_end() {
    let plan = two_units_and_rest();
    let nothing = Judge::new(plan.settings(&plan.units[0])).judge(50);
    assert_eq!(nothing.verdict, Verdict::Inconclusive(Reason::NoData));
    let state = State {
        phase: Phase::Holding,
        positions: vec![1, 1, 0],
        ..state(&plan)
    };
    let waits = look(&plan, &state, &evidence(&plan, 3600.0, &nothing));
    assert_eq!(waits, Next::Wait(Waiting::Evidence));
    let long = 24.0 * 3600.0;
    assert_eq!(plan.max_hold_seconds, 24 * 3600);
    let to = moved(look(&plan, &state, &evidence(&plan, long, &nothing)));
    assert_eq!(to.state.phase, Phase::Paused);
    assert_eq!(canary_weights(&plan, &to.state), [5, 5, 0], "fail-static");
}

#[test]
fn a_bad_unit_aborts_the_whole_even_while_paused() {
    let plan = two_units_and_rest();
    let bad = judged(&plan, 1000, 300, 50);
    assert!(matches!(bad.verdict, Verdict::Fail(_)), "{bad:?}");
    for phase in [Phase::Holding, Phase::Paused] {
        let state = State {
            phase,
            positions: vec![1, 1, 0],
            ..state(&plan)
        };
        let to = moved(look(&plan, &state, &evidence(&plan, 5.0, &bad)));
        assert_eq!(to.state.phase, Phase::Aborting);
        assert_eq!(
            to.why,
            Why::Failed {
                unit: "get-charge".to_owned(),
                reason: FailReason::WorseThanStable
            }
        );
        assert_eq!(canary_weights(&plan, &to.state), [0, 0, 0]);
    }
}

#[test]
fn a_canary_that_does_not_become_ready_in_time_goes_back_and_never_had_a_request() {
    let plan = two_units_and_rest();
    let nothing = Judge::new(plan.settings(&plan.units[0])).judge(50);
    let state = state(&plan).to(Phase::Preparing);
    let after = |seconds, canary| {
        let sight = Sight {
            state: &state,
            is_as_wanted: true,
            canary,
            evidence: &evidence(&plan, seconds, &nothing),
            is_attended: true,
        };
        next(&plan, &sight)
    };
    for health in [Health::Starting, Health::Degraded, Health::Stopped] {
        assert_eq!(after(599.0, health), Next::Wait(Waiting::Canary));
        let to = moved(after(600.0, health));
        assert_eq!((to.state.phase, to.why), (Phase::Aborting, Why::NotReady));
        assert_eq!(canary_weights(&plan, &to.state), [0, 0, 0]);
    }
    let to = moved(after(0.0, Health::Failed));
    assert_eq!((to.state.phase, to.why), (Phase::Aborting, Why::CanaryDown));
}

#[test]
fn a_watch_that_sees_nothing_is_not_over_and_a_person_can_end_it() {
    let plan = two_units_and_rest();
    let pass = judged(&plan, 100_000, 500, 100);
    let state = State {
        phase: Phase::Finalising,
        positions: vec![2, 2, 2],
        ..state(&plan)
    };
    let mut seen = evidence(&plan, 1e6, &pass);
    seen.missing = Some("no answer".to_owned());
    assert_eq!(look(&plan, &state, &seen), Next::Wait(Waiting::Watch));
    seen.missing = None;
    let to = moved(look(&plan, &state, &seen));
    assert_eq!((to.state.phase, to.why), (Phase::Succeeded, Why::WatchOver));
    let to = command(&plan, &state, Command::EndWatch).unwrap().unwrap();
    assert_eq!(to.state.phase, Phase::Succeeded);
    assert!(to.is_forward(), "it is recorded first");
    // All traffic is there already: asked for twice, it takes nothing away.
    for again in [Command::Promote, Command::PromoteFull] {
        assert_eq!(command(&plan, &state, again), Ok(None));
    }
}

#[test]
fn nobody_attends_more_than_the_limit() {
    let plan = two_units_and_rest();
    let evidence = evidence(&plan, 60.0, &judged(&plan, 100_000, 500, 50));
    let state = State {
        phase: Phase::Holding,
        positions: vec![1, 1, 0],
        ..state(&plan)
    };
    let unattended = next(
        &plan,
        &Sight {
            state: &state,
            is_as_wanted: true,
            canary: Health::Ok,
            evidence: &evidence,
            is_attended: false,
        },
    );
    assert_eq!(unattended, Next::Wait(Waiting::Attendance { weight: 50 }));
}

#[test]
fn traffic_that_does_not_follow_its_weights_is_soon_a_persons_matter() {
    let plan = two_units_and_rest();
    let reason = Reason::SplitNotFollowed {
        set: 5,
        observed: 50,
    };
    let mut evidence = evidence(&plan, 60.0, &judged(&plan, 100_000, 500, 50));
    for unit in &mut evidence.units {
        unit.judgement.verdict = Verdict::Inconclusive(reason);
        unit.held_seconds = 119.0;
        unit.waited_seconds = 119.0;
    }
    let state = State {
        phase: Phase::Holding,
        positions: vec![1, 1, 0],
        ..state(&plan)
    };
    assert_eq!(
        look(&plan, &state, &evidence),
        Next::Wait(Waiting::Evidence)
    );
    evidence.units[1].waited_seconds = 120.0;
    let to = moved(look(&plan, &state, &evidence));
    assert_eq!(to.state.phase, Phase::Paused);
    assert_eq!(to.state.positions, state.positions);
    let unit = "refund".to_owned();
    assert_eq!(to.why, Why::NoVerdict { unit, reason });
}

#[test]
fn what_somebody_else_changed_is_drift_but_an_abort_is_put_back() {
    let plan = two_units_and_rest();
    let evidence = evidence(&plan, 60.0, &judged(&plan, 100_000, 500, 50));
    for phase in Phase::ALL {
        let state = State {
            phase,
            positions: vec![1, 1, 0],
            ..state(&plan)
        };
        let got = next(
            &plan,
            &Sight {
                state: &state,
                is_as_wanted: false,
                canary: Health::Ok,
                evidence: &evidence,
                is_attended: true,
            },
        );
        match phase {
            Phase::Aborting => assert_eq!(moved(got).state.phase, Phase::Aborting),
            Phase::Drifted => assert_eq!(got, Next::Wait(Waiting::Person)),
            Phase::Succeeded | Phase::Aborted | Phase::Superseded => assert_eq!(got, Next::End),
            _ => assert_eq!(moved(got).state.phase, Phase::Drifted, "{phase:?}"),
        }
    }
}

#[test]
fn the_safe_side_of_an_abort_follows_from_the_phase() {
    let plan = two_units_and_rest();
    for (phase, weights) in [
        (Phase::Preparing, [0, 0, 0]),
        (Phase::Shifting, [0, 0, 0]),
        (Phase::Holding, [0, 0, 0]),
        (Phase::Paused, [0, 0, 0]),
        (Phase::Drifted, [0, 0, 0]),
        (Phase::Promoting, [100, 100, 100]),
        (Phase::Finalising, [0, 0, 0]),
    ] {
        let state = State {
            phase,
            positions: vec![2, 2, 1],
            ..state(&plan)
        };
        let to = command(&plan, &state, Command::Abort).unwrap().unwrap();
        assert_eq!(canary_weights(&plan, &to.state), weights, "{phase:?}");
        assert_eq!(to.state.generation, state.generation + 1);
        let again = command(&plan, &to.state, Command::Abort).unwrap();
        assert_eq!(again, None, "an abort twice is one abort");
    }
}

/// What a look that finds foreign traffic makes of a state.
fn drifted(plan: &Plan, state: &State) -> State {
    let sight = Sight {
        state,
        is_as_wanted: false,
        canary: Health::Ok,
        evidence: &evidence(plan, 60.0, &judged(plan, 100_000, 500, 50)),
        is_attended: true,
    };
    moved(next(plan, &sight)).state
}

#[test]
fn a_drift_keeps_the_safe_side_the_wanted_weights_and_the_way_back_of_the_phase_before_it() {
    let plan = two_units_and_rest();
    for (phase, wanted, aborted, rebased) in [
        (Phase::Preparing, [0, 0, 0], [0, 0, 0], Phase::Preparing),
        (Phase::Shifting, [50, 50, 5], [0, 0, 0], Phase::Shifting),
        (Phase::Holding, [50, 50, 5], [0, 0, 0], Phase::Shifting),
        (Phase::Paused, [50, 50, 5], [0, 0, 0], Phase::Shifting),
        // Stable may be on its way out.
        (
            Phase::Promoting,
            [100, 100, 100],
            [100, 100, 100],
            Phase::Promoting,
        ),
        // Stable is kept whole until the watch ends.
        (
            Phase::Finalising,
            [100, 100, 100],
            [0, 0, 0],
            Phase::Promoting,
        ),
    ] {
        let positions = match phase {
            Phase::Preparing => vec![0, 0, 0],
            _ => vec![2, 2, 1],
        };
        let before = State {
            phase,
            positions,
            ..state(&plan)
        };
        let drifted = drifted(&plan, &before);
        assert_eq!(drifted.phase, Phase::Drifted);
        // Whoever aborts is another process: it knows what is stored beside the traffic, and no more.
        let stored = State::parse(&drifted.encode()).unwrap();
        assert_eq!(stored, drifted, "{phase:?}");
        assert_eq!(canary_weights(&plan, &stored), wanted, "{phase:?}");
        let to = command(&plan, &stored, Command::Abort).unwrap().unwrap();
        assert_eq!(canary_weights(&plan, &to.state), aborted, "{phase:?}");
        let to = command(&plan, &stored, Command::Rebase).unwrap().unwrap();
        assert_eq!(to.state.phase, rebased, "{phase:?}");
        assert_eq!(canary_weights(&plan, &to.state), wanted, "{phase:?}");
        assert_eq!(to.state.drifted_from, None);
    }
}

#[test]
fn a_drift_that_an_older_squad_noted_goes_back_to_stable() {
    let plan = two_units_and_rest();
    let text = "squad/1 id=01KB3R5Y7TAAAAAAAAAAAAAAAA g=1 ph=drifted u=221 s=41 c=42 p=ab12cd34";
    let stored = State::parse(text).unwrap();
    assert_eq!(canary_weights(&plan, &stored), [50, 50, 5]);
    let to = command(&plan, &stored, Command::Abort).unwrap().unwrap();
    assert_eq!(canary_weights(&plan, &to.state), [0, 0, 0]);
}

#[test]
fn commands_that_do_not_fit_are_refused() {
    let plan = two_units_and_rest();
    let at = |phase| State {
        phase,
        positions: vec![1, 1, 0],
        ..state(&plan)
    };
    for (wanted, phase) in [
        (Command::Pause, Phase::Promoting),
        (Command::Resume, Phase::Drifted),
        (Command::Promote, Phase::Drifted),
        (Command::Promote, Phase::Preparing),
        (Command::Rebase, Phase::Holding),
    ] {
        assert_eq!(
            command(&plan, &at(phase), wanted),
            Err(Refused::Phase(phase)),
            "{wanted:?}"
        );
    }
    for wanted in [Command::Pause, Command::Promote, Command::Rebase] {
        assert_eq!(
            command(&plan, &at(Phase::Aborted), wanted),
            Err(Refused::Over(Phase::Aborted))
        );
    }
    assert_eq!(
        command(&plan, &at(Phase::Succeeded), Command::Abort),
        Ok(None)
    );
}

#[test]
fn plans_that_cannot_be_are_refused_with_all_mistakes_at_once() {
    let both = service(&two_routes());
    let mistakes = |wish: &Wish| made(&both, &both, wish, true).unwrap_err();
    let with = |weights: &[u8]| Wish {
        steps: Some(weights.iter().copied().map(i64::from).collect()),
        ..wish()
    };
    let of = || "steps".to_owned();
    assert_eq!(mistakes(&with(&[])), [Mistake::NoSteps { of: of() }]);
    assert_eq!(
        mistakes(&with(&[0, 100, 50, 101])),
        [
            Mistake::Weight {
                of: of(),
                weight: 0
            },
            Mistake::Weight {
                of: of(),
                weight: 100
            },
            Mistake::Weight {
                of: of(),
                weight: 101
            },
            Mistake::NotRising {
                of: of(),
                before: 100,
                after: 50
            },
        ]
    );
    let routes = Wish {
        routes: vec![
            steps("GET /charges/{id}", &[5]),
            steps("GET /charges/search", &[5]),
            steps("GET /charges/{x*}", &[5]),
            steps("POST /charges/{id}", &[5, 5]),
        ],
        ..wish()
    };
    let text: Vec<_> = mistakes(&routes).iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "`GET /charges/{id}` and `GET /charges/search` match the same requests; plan one of them at a time",
            "`GET /charges/{id}` and `GET /charges/{x*}` match the same requests; plan one of them at a time",
            "`GET /charges/search` and `GET /charges/{x*}` match the same requests; plan one of them at a time",
            "POST /charges/{id}: 5 comes after 5, and each step must be higher than the one before it",
        ]
    );
}

#[test]
fn a_new_route_is_gated_and_a_sibling_literal_stays_on_stable() {
    let mut before = two_routes();
    before.push(route("search", "GET", "/charges/search"));
    let mut after = two_routes();
    after.push(route("dispute", "POST", "/charges/{id}/dispute"));
    let wish = Wish {
        routes: vec![steps("GET /charges/{charge}", &[25])],
        ..wish()
    };
    let plan = made(&service(&before), &service(&after), &wish, true).unwrap();
    assert_eq!(
        plan.gated,
        [route("dispute", "POST", "/charges/{id}/dispute")]
    );
    let state = State {
        phase: Phase::Holding,
        positions: vec![1, 0],
        ..state(&plan)
    };
    let split = plan.split(&state);
    let rows: Vec<_> = split
        .routes
        .iter()
        .map(|row| (row.route.name.as_str(), row.weights.sole() == Some(STABLE)))
        .collect();
    assert_eq!(
        rows,
        [
            ("get-charge", false),
            ("refund", true),
            ("search", true),
            ("dispute", true)
        ]
    );
    let refused = Wish {
        routes: vec![steps("POST /charges/{id}/dispute", &[5])],
        ..super::wish()
    };
    let mistakes = made(&service(&before), &service(&after), &refused, true).unwrap_err();
    assert!(matches!(mistakes.as_slice(), [Mistake::New { .. }]));
}

#[test]
fn what_has_no_traffic_beside_the_routes_follows_the_promotion() {
    let both = service(&two_routes());
    let plan = made(&both, &both, &wish(), false).unwrap();
    let evidence = evidence(&plan, 60.0, &judged(&plan, 100_000, 500, 100));
    let state = State {
        phase: Phase::Holding,
        positions: vec![2, 2, 0],
        ..state(&plan)
    };
    let to = moved(look(&plan, &state, &evidence));
    assert_eq!((to.state.phase, to.why), (Phase::Promoting, Why::AllPassed));
}

#[test]
fn the_stored_text_comes_back_and_fits_with_the_most_that_a_plan_may_have() {
    let plan = two_units_and_rest();
    let large = State {
        generation: 99_999,
        phase: Phase::Drifted,
        drifted_from: Some(Phase::Finalising),
        positions: vec![u8::try_from(MOST_STEPS).unwrap(); MOST_UNITS],
        stable: RevisionNumber(9_999_999),
        canary: RevisionNumber(9_999_999),
        stays: true,
        ..state(&plan)
    };
    let text = large.encode();
    assert!(
        text.is_ascii() && text.len() <= LONGEST,
        "{} bytes: {text}",
        text.len()
    );
    assert_eq!(State::parse(&text), Some(large));
    assert_eq!(
        state(&plan).encode(),
        "squad/1 id=01KB3R5Y7TAAAAAAAAAAAAAAAA g=1 ph=planned u=000 s=41 c=42 p=ab12cd34"
    );
    for foreign in [
        "",
        "squad/2 id=x",
        "squad/1 ",
        "flagger weight=5",
        "squad/1 id=a g=1 ph=lost u=0 s=1 c=2 p=x",
    ] {
        assert_eq!(State::parse(foreign), None, "{foreign}");
    }
}
