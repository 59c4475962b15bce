//! Replaying the log: whoever takes over comes to the same evidence.

use super::*;
use crate::domain::analysis::{Reason, Verdict};
use crate::domain::counts::{CountSeries, Counts};
use crate::domain::rollout::log::{self, Decision, Entry, Look, Replay, What};
use crate::domain::rollout::machine::{Command, Why};
use crate::domain::rollout::state::Phase;

fn entry(sequence: u64, what: What) -> Entry {
    Entry {
        sequence,
        at: Timestamp::from_second(1_780_000_000).unwrap(),
        generation: 1,
        actor: Actor {
            name: "ana".to_owned(),
            host: "laptop".to_owned(),
            key: None,
        },
        what,
    }
}

/// A look of 10 s with so many requests on the canary of the first unit and of none else.
fn look(requests: u64, missing: bool) -> What {
    let mut units = vec![Interval::default(); 3];
    units[0] = Interval {
        canary: Tally { requests, bad: 0 },
        stable: Tally {
            requests: requests * 19,
            bad: requests / 10,
        },
    };
    What::Look(Box::new(Look {
        seconds: 10.0,
        counts: None,
        units: if missing { Vec::new() } else { units },
        reset: false,
        warmup: false,
        missing: missing.then(|| "no answer".to_owned()),
    }))
}

fn decision(from: (Phase, [u8; 3]), to: (Phase, [u8; 3]), why: Why) -> What {
    What::Decision(Box::new(Decision {
        from: (from.0, from.1.to_vec()),
        to: (to.0, to.1.to_vec()),
        why,
        judgements: Vec::new(),
        reason: None,
    }))
}

fn entries(whats: Vec<What>) -> Vec<Entry> {
    (0..)
        .zip(whats)
        .map(|(sequence, what)| entry(sequence, what))
        .collect()
}

/// Whether two numbers of seconds are the same.
fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 0.001
}

/// A rollout that holds at its first step.
fn holding() -> Vec<What> {
    use Phase::{Holding, Planned, Preparing, Shifting};
    vec![
        decision((Planned, [0, 0, 0]), (Preparing, [0, 0, 0]), Why::Started),
        decision((Preparing, [0, 0, 0]), (Shifting, [1, 1, 0]), Why::Ready),
        decision((Shifting, [1, 1, 0]), (Holding, [1, 1, 0]), Why::Verified),
    ]
}

fn at(plan: &Plan, phase: Phase, positions: [u8; 3]) -> State {
    State {
        phase,
        positions: positions.to_vec(),
        ..state(plan)
    }
}

#[test]
fn holds_count_what_the_looks_cover() {
    let plan = two_units_and_rest();
    let mut whats = holding();
    whats.extend([look(1000, false), look(1000, false)]);
    let held = at(&plan, Phase::Holding, [1, 1, 0]);
    let evidence = Replay::of(&plan, &entries(whats), &held).evidence();
    assert!(near(evidence.units[0].held_seconds, 20.0));
    assert_eq!(evidence.units[0].judgement.canary.requests, 2000);
    assert_eq!(
        evidence.units[1].judgement.verdict,
        Verdict::Inconclusive(Reason::NoData)
    );
}

#[test]
fn the_warm_up_of_the_canary_is_held_and_not_judged() {
    let plan = two_units_and_rest();
    // A fifth of the shortest hold.
    assert_eq!(plan.warmup_seconds, 12);
    let held = at(&plan, Phase::Holding, [1, 1, 0]);
    let replay = |whats: &[What]| Replay::of(&plan, &entries(whats.to_vec()), &held);
    let mut whats = holding();
    let look = |bad, warmup| {
        let mut look = match look(100, false) {
            What::Look(look) => look,
            What::Decision(_) => unreachable!(),
        };
        (look.units[0].canary.bad, look.warmup) = (bad, warmup);
        What::Look(look)
    };
    // Every request is bad, for as long as the canary warms up: two looks of ten seconds.
    for _ in 0..2 {
        assert!(replay(&whats).is_warming_up());
        whats.push(look(100, true));
    }
    let after = replay(&whats);
    assert!(!after.is_warming_up());
    let evidence = after.evidence();
    assert_eq!(evidence.units[0].judgement.canary, Tally::default());
    assert_eq!(
        evidence.units[0].judgement.verdict,
        Verdict::Inconclusive(Reason::NoData)
    );
    assert!(near(evidence.units[0].held_seconds, 20.0));
    assert_eq!(after.totals()[0], Interval::default());
    // It is told all the same: it was harm.
    let warmup = Tally {
        requests: 200,
        bad: 200,
    };
    assert_eq!(evidence.units[0].warmup, warmup);
    // What comes after it counts.
    whats.push(look(100, false));
    let verdict = replay(&whats).evidence().units[0].judgement.verdict;
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
}

#[test]
fn how_often_the_canary_is_called_is_told_by_the_looks_at_its_weight() {
    let plan = two_units_and_rest();
    let pace = |whats: &[What], state: &State| {
        let replay = Replay::of(&plan, &entries(whats.to_vec()), state);
        replay.evidence().units[0].canary_per_second
    };
    let mut whats = holding();
    let first = at(&plan, Phase::Holding, [1, 1, 0]);
    assert_eq!(pace(&whats, &first), None, "nobody knows yet");
    whats.extend([look(20, false), look(40, false), look(0, true)]);
    assert!(near(pace(&whats, &first).unwrap(), 3.0));
    // What came long ago says nothing about the present.
    let mut stopped = whats.clone();
    stopped.extend((0..6).map(|_| look(0, false)));
    assert!(near(pace(&stopped, &first).unwrap(), 0.0));
    // From 5 to 50 %: ten times as many, until a look tells better.
    whats.push(decision(
        (Phase::Holding, [1, 1, 0]),
        (Phase::Shifting, [2, 1, 0]),
        Why::Passed(vec!["get-charge".to_owned()]),
    ));
    let second = at(&plan, Phase::Shifting, [2, 1, 0]);
    assert!(near(pace(&whats, &second).unwrap(), 30.0));
}

#[test]
fn a_pass_is_none_while_the_counters_cannot_be_read() {
    let plan = two_units_and_rest();
    let mut whats = holding();
    whats.push(look(100_000, false));
    let held = at(&plan, Phase::Holding, [1, 1, 0]);
    let verdict = |whats: &[What]| {
        let replay = Replay::of(&plan, &entries(whats.to_vec()), &held);
        replay.evidence().units[0].judgement.verdict
    };
    assert_eq!(verdict(&whats), Verdict::Pass);
    whats.push(look(0, true));
    assert_eq!(verdict(&whats), Verdict::Inconclusive(Reason::NoData));
    whats.push(look(1000, false));
    assert_eq!(verdict(&whats), Verdict::Pass);
}

#[test]
fn a_decision_that_never_came_into_force_changes_nothing() {
    use Phase::{Holding, Shifting};
    let plan = two_units_and_rest();
    let mut whats = holding();
    whats.push(look(1000, false));
    let raise = Why::Passed(vec!["get-charge".to_owned()]);
    whats.push(decision(
        (Holding, [1, 1, 0]),
        (Shifting, [2, 1, 0]),
        raise.clone(),
    ));
    // Whoever noted it died before the commit.
    let held = at(&plan, Holding, [1, 1, 0]);
    let replay = Replay::of(&plan, &entries(whats.clone()), &held);
    assert!(near(replay.evidence().units[0].held_seconds, 10.0));
    assert!(replay.has_open());
    let raised = at(&plan, Shifting, [2, 1, 0]);
    assert!(
        replay.is_open(&held, &raised, &raise),
        "it is not noted twice"
    );
    // With the commit in force the same log says that the second step has just begun.
    let replay = Replay::of(&plan, &entries(whats.clone()), &raised);
    assert!(!replay.has_open());
    assert!(near(replay.evidence().units[0].held_seconds, 0.0));
    assert!(near(replay.evidence().units[1].held_seconds, 10.0));
    // Paused instead, by somebody else: the next entry tells that the raise never happened.
    whats.push(decision(
        (Holding, [1, 1, 0]),
        (Phase::Paused, [1, 1, 0]),
        Why::ByHand(Command::Pause),
    ));
    let paused = at(&plan, Phase::Paused, [1, 1, 0]);
    let replay = Replay::of(&plan, &entries(whats), &paused);
    assert!(near(replay.evidence().units[0].held_seconds, 10.0));
}

#[test]
fn an_abort_that_was_never_noted_forgets_nothing_of_what_led_to_it() {
    let plan = two_units_and_rest();
    let mut whats = holding();
    whats.push(look(1000, false));
    let aborting = at(&plan, Phase::Aborting, [1, 1, 0]);
    let replay = Replay::of(&plan, &entries(whats.clone()), &aborting);
    assert!(!replay.has_open(), "it was in force until then");
    assert_eq!(replay.evidence().units[0].judgement.canary.requests, 1000);
    // A step that was noted and never written is still none.
    whats.push(decision(
        (Phase::Holding, [1, 1, 0]),
        (Phase::Shifting, [2, 1, 0]),
        Why::Passed(vec!["get-charge".to_owned()]),
    ));
    assert!(Replay::of(&plan, &entries(whats), &aborting).has_open());
}

#[test]
fn a_rebase_judges_afresh_and_a_resume_waits_afresh() {
    use Phase::{Drifted, Holding, Paused, Shifting};
    let plan = two_units_and_rest();
    let mut whats = holding();
    whats.extend([
        look(1000, false),
        decision(
            (Holding, [1, 1, 0]),
            (Paused, [1, 1, 0]),
            Why::ByHand(Command::Pause),
        ),
        look(1000, false),
        decision(
            (Paused, [1, 1, 0]),
            (Holding, [1, 1, 0]),
            Why::ByHand(Command::Resume),
        ),
        look(1000, false),
    ]);
    let held = at(&plan, Holding, [1, 1, 0]);
    let evidence = Replay::of(&plan, &entries(whats.clone()), &held).evidence();
    assert!(near(evidence.units[0].held_seconds, 30.0));
    assert!(near(evidence.units[0].waited_seconds, 10.0));
    whats.extend([
        decision((Holding, [1, 1, 0]), (Drifted, [1, 1, 0]), Why::Drifted),
        look(500, false),
        decision(
            (Drifted, [1, 1, 0]),
            (Shifting, [1, 1, 0]),
            Why::ByHand(Command::Rebase),
        ),
        decision((Shifting, [1, 1, 0]), (Holding, [1, 1, 0]), Why::Verified),
        look(7, false),
    ]);
    let evidence = Replay::of(&plan, &entries(whats), &held).evidence();
    assert_eq!(evidence.units[0].judgement.canary.requests, 7);
    assert!(near(evidence.units[0].held_seconds, 10.0));
}

#[test]
fn only_what_belongs_to_a_unit_is_counted_in_it() {
    let mut before = two_routes();
    before.push(route("search", "GET", "/charges/search"));
    let mut after = two_routes();
    after.push(route("dispute", "POST", "/charges/{id}/dispute"));
    let wish = Wish {
        routes: vec![steps("GET /charges/{id}", &[25])],
        ..wish()
    };
    let plan = made(&service(&before), &service(&after), &wish, true).unwrap();
    let series = |route: &str, revision, forced| CountSeries {
        route: route.to_owned(),
        method: String::new(),
        revision,
        requests: 10,
        bad: 1,
        errors: 1,
        slow: 0,
        forced,
    };
    let added = [
        series("get-charge", CANARY, false),
        series("get-charge", STABLE, false),
        series("get-charge", CANARY, true),
        series("refund", CANARY, false),
        series("search", STABLE, false),
        series("rest", STABLE, false),
        series("dispute", STABLE, false),
        series("rest", RevisionNumber(40), false),
    ];
    let counted = log::intervals(&plan, &added);
    let numbers: Vec<_> = counted
        .iter()
        .map(|one| (one.canary.requests, one.stable.requests))
        .collect();
    assert_eq!(numbers, [(10, 10), (10, 20)]);
    let counts = Counts {
        at: Timestamp::from_second(1).unwrap(),
        epoch: "a".to_owned(),
        series: added.to_vec(),
        last_request: Vec::new(),
    };
    let kept = log::only(counts, &[STABLE, CANARY]);
    assert_eq!(
        kept.series.len(),
        6,
        "without forced ones and other revisions"
    );
}

/// A look of 10 s with these requests on the first unit.
fn went(canary: u64, stable: u64) -> What {
    let tally = |requests| Tally { requests, bad: 0 };
    let mut units = vec![Interval::default(); 3];
    units[0] = Interval {
        canary: tally(canary),
        stable: tally(stable),
    };
    What::Look(Box::new(Look {
        seconds: 10.0,
        counts: None,
        units,
        reset: false,
        warmup: false,
        missing: None,
    }))
}

#[test]
fn traffic_that_does_not_follow_its_weights_passes_nothing() {
    let plan = two_units_and_rest();
    let held = at(&plan, Phase::Holding, [1, 1, 0]);
    let verdict = |looks: &[What]| {
        let mut whats = holding();
        whats.extend_from_slice(looks);
        let evidence = Replay::of(&plan, &entries(whats), &held).evidence();
        evidence.units[0].judgement.verdict
    };
    let not_followed = Verdict::Inconclusive(Reason::SplitNotFollowed {
        set: 5,
        observed: 50,
    });
    // The first look may be of the time before.
    let half = went(5000, 5000);
    assert_eq!(verdict(std::slice::from_ref(&half)), Verdict::Pass);
    assert_eq!(verdict(&[half.clone(), half.clone()]), not_followed);
    let follows = went(500, 9500);
    assert_eq!(verdict(&[half.clone(), half, follows]), Verdict::Pass);
}
