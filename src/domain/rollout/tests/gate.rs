//! Routes that only the canary has: who is let through, by what they are judged, and what a plan may ask for.

use super::*;
use crate::domain::analysis::{Baseline, FailReason, Verdict};
use crate::domain::gate::{Admits, Gate};
use crate::domain::live::Health;
use crate::domain::rollout::gate::{GateWish, Who};
use crate::domain::rollout::log::intervals;
use crate::domain::rollout::machine::{Next, Sight, Why, next};
use crate::domain::rollout::mistake::Mistake;
use crate::domain::rollout::state::Phase;

fn with_dispute() -> Service {
    let mut after = two_routes();
    after.push(route("dispute", "POST", "/charges/{id}/dispute"));
    service(&after)
}

fn gate(text: &str, who: Who) -> GateWish {
    let (method, path) = text.split_once(' ').unwrap();
    GateWish {
        method: method.to_owned(),
        path: PathTemplate(path.to_owned()),
        who,
    }
}

fn planned(gates: Vec<GateWish>) -> Result<Plan, Vec<Mistake>> {
    let wish = Wish { gates, ..wish() };
    made(&service(&two_routes()), &with_dispute(), &wish, true)
}

fn buckets() -> Plan {
    planned(vec![gate(
        "POST /charges/{charge}/dispute",
        Who::Buckets(vec![5, 50]),
    )])
    .unwrap()
}

/// Who passes the gate in a state.
fn admits(plan: &Plan, phase: Phase, position: u8) -> Option<Gate> {
    let state = State {
        phase,
        positions: vec![1, 1, position, 0],
        ..state(plan)
    };
    let split = plan.split(&state);
    let row = split
        .routes
        .iter()
        .find(|row| row.route.name.as_str() == "dispute");
    let row = row?;
    if row.gate.is_some() {
        assert_eq!(
            row.weights.sole(),
            Some(STABLE),
            "the others stay where they are"
        );
    }
    row.gate.clone()
}

#[test]
fn a_gate_opens_step_by_step_and_nobody_else_leaves_stable() {
    let plan = buckets();
    assert_eq!(plan.gated, []);
    let below = |phase, position| match admits(&plan, phase, position)?.admits {
        Admits::Buckets { below, salt } => {
            assert_eq!(salt, plan.id);
            Some(below)
        }
        Admits::Consumers(_) => None,
    };
    assert_eq!(below(Phase::Preparing, 0), None);
    assert_eq!(below(Phase::Holding, 0), None);
    assert_eq!(below(Phase::Holding, 1), Some(5));
    assert_eq!(below(Phase::Paused, 2), Some(50));
    assert_eq!(below(Phase::Finalising, 2), None, "open to all");
    assert_eq!(below(Phase::Aborting, 2), None, "gone");
}

#[test]
fn named_consumers_are_one_step() {
    let names = vec!["mobile".to_owned(), "web".to_owned()];
    let plan = planned(vec![gate(
        "POST /charges/{id}/dispute",
        Who::Consumers(names.clone()),
    )])
    .unwrap();
    let gate = admits(&plan, Phase::Holding, 1).unwrap();
    let wanted = Gate {
        to: CANARY,
        identity: "x-consumer".to_owned(),
        admits: Admits::Consumers(names),
    };
    assert_eq!(gate, wanted);
    assert_eq!(plan.units[2].steps.len(), 1);
}

#[test]
fn a_gated_route_has_no_baseline_and_the_404s_of_the_others_do_not_excuse_it() {
    let plan = buckets();
    let unit = &plan.units[2];
    let settings = plan.settings(unit);
    assert_eq!(settings.baseline, Baseline::None);
    assert_eq!(settings.units, 4, "it has its share of alpha");
    let mut judge = Judge::new(settings);
    judge.observe(Interval {
        canary: Tally {
            requests: 200,
            bad: 60,
        },
        stable: Tally {
            requests: 5000,
            bad: 0,
        },
    });
    let verdict = judge.judge(50).verdict;
    assert_eq!(verdict, Verdict::Fail(FailReason::AboveAbsolute));
}

#[test]
fn a_bad_new_route_takes_the_rollout_back_and_a_silent_one_holds_it() {
    let plan = buckets();
    let settings = plan.settings(&plan.units[2]);
    let judged = |requests, bad| {
        let mut judge = Judge::new(settings.clone());
        let canary = Tally { requests, bad };
        let stable = Tally::default();
        judge.observe(Interval { canary, stable });
        judge.judge(50)
    };
    let step = |requests, bad| {
        let state = State {
            phase: Phase::Holding,
            positions: vec![2, 2, 1, 2],
            ..state(&plan)
        };
        let mut evidence = evidence(&plan, 60.0, &super::judged(&plan, 100_000, 500, 100));
        evidence.units[2].judgement = judged(requests, bad);
        next(
            &plan,
            &Sight {
                state: &state,
                is_as_wanted: true,
                canary: Health::Ok,
                evidence: &evidence,
                is_attended: true,
            },
        )
    };
    let moved = |next| match next {
        Next::Move(to) => Some((to.state.phase, to.why)),
        _ => None,
    };
    let failed = Why::Failed {
        unit: "dispute".to_owned(),
        reason: FailReason::AboveAbsolute,
    };
    assert_eq!(moved(step(200, 60)), Some((Phase::Aborting, failed)));
    assert_eq!(moved(step(0, 0)), None, "no data is never success");
    let passed = Why::Passed(vec!["dispute".to_owned()]);
    assert_eq!(moved(step(5000, 5)), Some((Phase::Shifting, passed)));
}

#[test]
fn its_requests_are_its_own_also_when_it_is_called_like_the_rest() {
    let mut after = two_routes();
    after.push(route("rest", "POST", "/charges/{id}/dispute"));
    let gates = vec![gate("POST /charges/{id}/dispute", Who::Buckets(vec![5]))];
    let wish = Wish { gates, ..wish() };
    let plan = made(&service(&two_routes()), &service(&after), &wish, true).unwrap();
    let series = crate::domain::counts::CountSeries {
        route: "rest".to_owned(),
        method: "POST".to_owned(),
        revision: CANARY,
        forced: false,
        requests: 7,
        bad: 1,
        errors: 1,
        slow: 0,
    };
    let intervals = intervals(&plan, &[series]);
    let requests: Vec<u64> = intervals.iter().map(|one| one.canary.requests).collect();
    assert_eq!(requests, [0, 0, 7, 0]);
}

#[test]
fn what_stable_answers_on_a_new_route_is_not_counted() {
    let plan = buckets();
    let series = |revision, requests| crate::domain::counts::CountSeries {
        route: "dispute".to_owned(),
        method: "POST".to_owned(),
        revision,
        forced: false,
        requests,
        bad: 0,
        errors: 0,
        slow: 0,
    };
    let intervals = intervals(&plan, &[series(STABLE, 900), series(CANARY, 40)]);
    let counted = intervals[2];
    assert_eq!((counted.canary.requests, counted.stable.requests), (40, 0));
}

#[test]
fn what_is_wrong_with_a_gate_is_said() {
    let some = || Who::Buckets(vec![5]);
    let texts = |gates| -> Vec<String> {
        let mistakes = planned(gates).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect()
    };
    let dispute = "POST /charges/{id}/dispute";
    assert_eq!(
        texts(vec![
            gate("GET /nowhere", some()),
            gate("GET /charges/{id}", some()),
            gate(dispute, Who::Buckets(vec![50, 5])),
            gate(dispute, some()),
        ]),
        [
            "`GET /nowhere`: revision 42 has no such route to let anybody through to",
            "`GET /charges/{id}`: revision 41 has it too, so it is split and needs no gate: `--route 'GET /charges/{id}=5,25,50'`",
            "POST /charges/{id}/dispute: 5 comes after 50, and each step must be higher than the one before it",
            "`POST /charges/{id}/dispute` has two gates",
        ]
    );
    assert_eq!(
        texts(vec![gate(dispute, Who::Consumers(Vec::new()))]),
        [
            "`POST /charges/{id}/dispute`: there is no consumer; write names such as consumer:mobile,web"
        ]
    );
    let mut after = with_dispute();
    after.rollout = None;
    let gates = vec![gate(dispute, some())];
    let wish = Wish { gates, ..wish() };
    let mistakes = made(&service(&two_routes()), &after, &wish, true).unwrap_err();
    assert_eq!(mistakes, [Mistake::NoIdentity(dispute.to_owned())]);
}
