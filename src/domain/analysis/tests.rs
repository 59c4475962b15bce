//! Cases of the judge: each a situation that a person would recognise.

use super::*;

fn tally(requests: u64, bad: u64) -> Tally {
    Tally { requests, bad }
}

fn interval(canary: (u64, u64), stable: (u64, u64)) -> Interval {
    Interval {
        canary: tally(canary.0, canary.1),
        stable: tally(stable.0, stable.1),
    }
}

/// The judgement about going on to `next` after so many equal intervals.
fn after(settings: &Settings, times: u32, one: Interval, next: u8) -> Judgement {
    let mut judge = Judge::new(settings.clone());
    for _ in 0..times {
        judge.observe(one);
    }
    judge.judge(next)
}

fn verdict(times: u32, one: Interval, next: u8) -> Verdict {
    after(&Settings::default(), times, one, next).verdict
}

fn new_route() -> Settings {
    Settings {
        baseline: Baseline::None,
        ..Settings::default()
    }
}

#[test]
fn what_a_step_may_overlook_follows_from_the_next_weight() {
    for (next, points, requests) in [
        (1, 5.0, 59),
        (20, 5.0, 59),
        (25, 4.0, 74),
        (50, 2.0, 149),
        (100, 1.0, 299),
    ] {
        let delta = delta(1.0, next);
        assert!((delta * 100.0 - points).abs() < 1e-9, "{next} %: {delta}");
        assert_eq!(minimum_requests(delta), requests, "{next} %");
    }
    // The rule of three, as the literature has it.
    for (delta, requests) in [(0.05, 59), (0.01, 299), (0.005, 598), (0.001, 2995)] {
        assert_eq!(minimum_requests(delta), requests, "{delta}");
    }
}

/// Argo Rollouts calls an analysis without a measurement successful (`TestAssessMetricStatusNoMeasurements`) and Kayenta
/// gives a group without data the full score; here it is never a pass.
#[test]
fn no_measurement_is_inconclusive() {
    assert_eq!(
        Judge::new(Settings::default()).judge(100).verdict,
        Verdict::Inconclusive(Reason::NoData)
    );
    assert_eq!(
        verdict(1000, Interval::default(), 100),
        Verdict::Inconclusive(Reason::NoData)
    );
    assert_eq!(
        Watch::new(Settings::default(), tally(10_000, 50))
            .judge()
            .verdict,
        Verdict::Inconclusive(Reason::NoData)
    );
}

/// Kayenta's "Two Groups, one Nodata", with the opposite result.
#[test]
fn one_arm_without_data_is_inconclusive() {
    let expected = Verdict::Inconclusive(Reason::OneArmWithoutTraffic);
    assert_eq!(verdict(100, interval((0, 0), (500, 2)), 100), expected);
    assert_eq!(verdict(100, interval((500, 2), (0, 0)), 100), expected);
}

/// Kayenta's issue 426: a canary with sparse errors beside a baseline without any was passed by Mann–Whitney.
#[test]
fn sparse_errors_beside_none_are_no_pass() {
    let mut judge = Judge::new(Settings::default());
    for bad in [0, 1, 2, 1, 0, 0] {
        judge.observe(interval((30, bad), (270, 0)));
    }
    let judgement = judge.judge(25);
    assert_ne!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    // With as many requests for both, the same errors are not yet proof.
    let mut judge = Judge::new(Settings::default());
    for bad in [0, 1, 2, 1, 0, 0] {
        judge.observe(interval((30, bad), (30, 0)));
    }
    assert_eq!(
        judge.judge(25).verdict,
        Verdict::Inconclusive(Reason::NotYetTold)
    );
}

#[test]
fn a_healthy_canary_passes_when_enough_is_known() {
    let minute = interval((75, 1), (1425, 14));
    assert_eq!(
        verdict(1, minute, 100),
        Verdict::Inconclusive(Reason::TooFewRequests {
            have: 75,
            need: 299
        })
    );
    assert_eq!(
        verdict(5, minute, 100),
        Verdict::Inconclusive(Reason::NotYetTold)
    );
    assert_eq!(verdict(100, minute, 100), Verdict::Pass);
    let judgement = after(&Settings::default(), 10, interval((100, 1), (900, 9)), 25);
    assert_eq!(judgement.canary, tally(1000, 10));
    assert_eq!(judgement.stable, tally(9000, 90));
    assert!((judgement.ratio.unwrap_or_default() - 1.0).abs() < 1e-9);
    assert!(judgement.ratio_upper > Some(1.0) && judgement.difference_upper > Some(0.0));
    assert_eq!(judgement.verdict, Verdict::Pass);
}

#[test]
fn a_worse_canary_fails() {
    let expected = Verdict::Fail(FailReason::WorseThanStable);
    assert_eq!(verdict(30, interval((30, 1), (270, 1)), 25), expected);
    assert_eq!(verdict(3, interval((6, 2), (54, 0)), 25), expected);
    // And stays so, whatever follows.
    let mut judge = Judge::new(Settings::default());
    for _ in 0..3 {
        judge.observe(interval((6, 2), (54, 0)));
    }
    judge.observe(interval((1_000_000, 0), (1_000_000, 1000)));
    assert_eq!(judge.judge(25).verdict, expected);
}

#[test]
fn an_outage_of_both_arms_is_nobodys_fault_and_no_time_to_go_on() {
    let mut judge = Judge::new(Settings::default());
    for _ in 0..20 {
        judge.observe(interval((300, 1), (2700, 9)));
    }
    assert_eq!(judge.judge(25).verdict, Verdict::Pass);
    for _ in 0..3 {
        judge.observe(interval((300, 90), (2700, 810)));
    }
    assert_eq!(
        judge.judge(25).verdict,
        Verdict::Inconclusive(Reason::EnvironmentUnhealthy)
    );
}

#[test]
fn more_units_and_clumped_errors_need_more_evidence() {
    let minute = interval((30, 1), (270, 1));
    let plain = after(&Settings::default(), 10, minute, 25);
    let clumped = Settings {
        design_effect: 3.0,
        ..Settings::default()
    };
    let clumped = after(&clumped, 10, minute, 25);
    assert!(clumped.log_e < plain.log_e);
    assert_eq!(clumped.minimum_requests, 222);
    let many = Settings {
        units: 50,
        ..Settings::default()
    };
    assert!((after(&many, 1, minute, 25).log_threshold - 5000.0_f64.ln()).abs() < 1e-9);
}

#[test]
fn a_brand_new_route_is_held_to_a_share() {
    let settings = new_route();
    assert_eq!(
        after(&settings, 5, interval((100, 1), (0, 0)), 25).verdict,
        Verdict::Pass
    );
    assert_eq!(
        after(&settings, 5, interval((100, 15), (0, 0)), 25).verdict,
        Verdict::Fail(FailReason::AboveAbsolute)
    );
    // What stable answers there (404) says nothing.
    assert_eq!(
        after(&settings, 5, interval((100, 1), (100, 100)), 25).verdict,
        Verdict::Pass
    );
}

#[test]
fn a_forecast_without_a_baseline_is_what_the_judge_needs() {
    let settings = new_route();
    for (every, next) in [(0, 25), (0, 100), (200, 50), (60, 100)] {
        let mut judge = Judge::new(settings.clone());
        let needed = (1..100_000).find(|n| {
            let bad = u64::from(every > 0 && n % every == 0);
            judge.observe(interval((1, bad), (0, 0)));
            judge.judge(next).verdict == Verdict::Pass
        });
        let share = if every > 0 { 1.0 / real(every) } else { 0.0 };
        // 5 requests/s of the canary.
        let told = forecast(&settings, 50.0, share, 10, next).expected_seconds;
        let (needed, told) = (real(needed.unwrap()), told.unwrap() * 5.0);
        assert!(
            (needed / told - 1.0).abs() < 0.3,
            "1 in {every}, {next} %: {needed} {told}"
        );
    }
    // One that is too bad for ever has no end.
    let never = forecast(&settings, 50.0, 0.08, 10, 100);
    assert_eq!(never.expected_seconds, None);
}

#[test]
fn what_a_new_route_harms_before_it_is_found_is_at_most_what_was_said() {
    let settings = new_route();
    let said = forecast(&settings, 50.0, 0.0, 10, 25).harmed_before_detection;
    for (bad, of) in [(1, 10), (1, 5), (3, 10), (1, 2), (3, 4), (1, 1)] {
        let mut judge = Judge::new(settings.clone());
        let mut harmed = 0;
        for n in 1..100_000 {
            let is_bad = u64::from(n % of < bad);
            harmed += is_bad;
            judge.observe(interval((1, is_bad), (0, 0)));
            if matches!(judge.judge(25).verdict, Verdict::Fail(_)) {
                break;
            }
        }
        assert!(real(harmed) <= said + 2.0, "{bad} of {of}: {harmed} {said}");
    }
}

#[test]
fn the_first_requests_all_failed() {
    let expected = Verdict::Fail(FailReason::FirstRequestsFailed);
    assert_eq!(verdict(1, interval((5, 5), (0, 0)), 25), expected);
    assert_eq!(verdict(1, interval((5, 5), (5, 0)), 25), expected);
    // Stable fails as well, or a clump fails together: that is no sign.
    let too_few = Reason::TooFewRequests { have: 5, need: 74 };
    assert_eq!(
        verdict(1, interval((5, 5), (10, 9)), 25),
        Verdict::Inconclusive(too_few)
    );
    let clumped = Settings {
        design_effect: 3.0,
        ..Settings::default()
    };
    assert_ne!(
        after(&clumped, 1, interval((5, 5), (0, 0)), 25).verdict,
        expected
    );
}

#[test]
fn a_canary_that_fails_everything_is_told_the_same_way_wherever_the_looks_cut() {
    // A handful of failures beside no request of stable, a few beside a few, many beside many: another test is the first
    // to tell each time.
    for (canary, stable) in [
        (3, 0),
        (3, 4),
        (4, 12),
        (5, 0),
        (8, 8),
        (12, 400),
        (150, 150),
        (40_000, 360_000),
    ] {
        let look = interval((canary, canary), (stable, stable / 200));
        assert_eq!(
            verdict(1, look, 25),
            Verdict::Fail(FailReason::FirstRequestsFailed),
            "{canary} {stable}"
        );
    }
    // One good request is enough to be told by the test that found it.
    assert_eq!(
        verdict(1, interval((150, 149), (150, 0)), 25),
        Verdict::Fail(FailReason::WorseThanStable)
    );
    let mut watch = Watch::new(Settings::default(), tally(9000, 45));
    watch.observe(tally(300, 300));
    assert_eq!(
        watch.judge().verdict,
        Verdict::Fail(FailReason::FirstRequestsFailed)
    );
}

#[test]
fn a_step_needs_traffic_of_its_own() {
    let mut judge = Judge::new(Settings::default());
    judge.begin_step();
    for _ in 0..20 {
        judge.observe(interval((100, 0), (900, 4)));
    }
    assert_eq!(judge.judge(50).verdict, Verdict::Pass);
    judge.begin_step();
    assert_eq!(
        judge.judge(50).verdict,
        Verdict::Inconclusive(Reason::NoData)
    );
    judge.observe(interval((0, 0), (500, 2)));
    assert_eq!(
        judge.judge(50).verdict,
        Verdict::Inconclusive(Reason::OneArmWithoutTraffic)
    );
    judge.observe(interval((500, 2), (500, 2)));
    assert_eq!(judge.judge(50).verdict, Verdict::Pass);
}

#[test]
fn harm_that_begins_at_a_later_step_is_found_sooner_than_without_steps() {
    let found = |steps: bool| {
        let mut judge = Judge::new(Settings::default());
        for _ in 0..200 {
            judge.observe(interval((30, 0), (270, 1)));
        }
        if steps {
            judge.begin_step();
        }
        (1..500)
            .find(|_| {
                judge.observe(interval((75, 2), (225, 1)));
                matches!(judge.judge(50).verdict, Verdict::Fail(_))
            })
            .expect("found")
    };
    assert!(
        found(true) < found(false),
        "{} {}",
        found(true),
        found(false)
    );
}

#[test]
fn the_watch_finds_a_promoted_revision_that_turned_bad() {
    let watched = |bad| {
        let mut watch = Watch::new(Settings::default(), tally(9000, 45));
        for _ in 0..30 {
            watch.observe(tally(300, bad));
        }
        watch.judge()
    };
    assert_eq!(watched(1).verdict, Verdict::Pass);
    assert_eq!(
        watched(10).verdict,
        Verdict::Fail(FailReason::WorseThanStable)
    );
    // Without a baseline it is held to the share that is too much.
    let mut watch = Watch::new(Settings::default(), Tally::default());
    watch.observe(tally(200, 40));
    assert_eq!(
        watch.judge().verdict,
        Verdict::Fail(FailReason::AboveAbsolute)
    );
}

#[test]
fn independent_errors_have_no_design_effect_and_clumps_have_their_size() {
    // One bad event in every third minute, or a clump of ten in every thirtieth.
    let spread: Vec<Tally> = (0..900)
        .map(|minute| tally(300, u64::from(minute % 3 == 0)))
        .collect();
    assert!((design_effect(&spread) - 1.0).abs() < 1e-9);
    let clumps: Vec<Tally> = (0..900)
        .map(|minute| tally(300, if minute % 30 == 0 { 10 } else { 0 }))
        .collect();
    assert!(
        (9.0..11.0).contains(&design_effect(&clumps)),
        "{}",
        design_effect(&clumps)
    );
    // An outage of twenty minutes is not a clump.
    let outage: Vec<Tally> = (0..900)
        .map(|minute| {
            tally(
                300,
                if (300..320).contains(&minute) {
                    90
                } else {
                    u64::from(minute % 3 == 0)
                },
            )
        })
        .collect();
    assert!(design_effect(&outage) < 1.5, "{}", design_effect(&outage));
    assert!((design_effect(&[]) - 1.0).abs() < 1e-9);
}

#[test]
fn a_forecast_tells_what_a_step_takes() {
    let settings = Settings::default();
    let one: Forecast = forecast(&settings, 5.0, 0.005, 5, 25);
    assert_eq!(one.minimum_requests, 74);
    let seconds = one.expected_seconds.expect("told");
    assert!((400.0..800.0).contains(&seconds), "{one:?}");
    assert!(one.late_seconds > one.expected_seconds);
    assert!(
        (1.0..100.0).contains(&one.harmed_before_detection),
        "{one:?}"
    );
    assert_eq!(
        forecast(&settings, 0.0, 0.005, 5, 25).expected_seconds,
        None
    );
    let steps = [5, 25, 50].map(|weight| Step {
        weight,
        hold: 300.0,
    });
    let plan = forecast_steps(&settings, 50.0, 0.005, &steps, Looks::default());
    assert!(
        plan.iter().all(|step| step.expected_seconds == Some(300.0)),
        "{plan:?}"
    );
}

#[test]
fn steps_are_proposed_by_traffic() {
    let proposed = |rps| propose_steps(&Settings::default(), rps, 0.005, DEFAULT_MAX_HOLD_SECONDS);
    assert_eq!(proposed(5.0), [5, 25, 50]);
    assert_eq!(proposed(0.2), [25, 50]);
    assert_eq!(proposed(0.1), [50]);
    assert!(proposed(0.005).is_empty());
    assert!(proposed(0.0).is_empty());
    assert!(proposed(f64::NAN).is_empty());
}
