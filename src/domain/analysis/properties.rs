//! What holds for every input.

use proptest::prelude::*;

use super::*;

/// Cases of a property of plain arithmetic.
const MANY: u32 = 100_000;

/// Cases of a property of whole judgements. None of them is one of those that the rollouts are to have 10⁵ cases of: these
/// are about weights, aborts, steps, unlisted routes and commands, and are in `domain::rollout::tests`.
const JUDGED: u32 = 10_000;

/// Cases of a property of whole plans.
const PLANNED: u32 = 300;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any tally at all, bad events above requests included: often a small one.
fn any_tally() -> impl Strategy<Value = Tally> {
    any::<[u64; 3]>().prop_map(|[size, requests, bad]| {
        let small = |count: u64, bit: u64| if size & bit > 0 { count % 40 } else { count };
        Tally {
            requests: small(requests, 1),
            bad: small(bad, 2),
        }
    })
}

/// Any two tallies at all.
fn anything() -> impl Strategy<Value = Interval> {
    (any_tally(), any_tally()).prop_map(|(canary, stable)| Interval { canary, stable })
}

/// A minute as it may be.
fn minute() -> impl Strategy<Value = Interval> {
    (0..400_u64, 0..6_u64, 0..2000_u64, 0..12_u64).prop_map(|(requests, bad, others, other_bad)| {
        Interval {
            canary: Tally { requests, bad }.sane(),
            stable: Tally {
                requests: others,
                bad: other_bad,
            }
            .sane(),
        }
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let number = any::<f64>();
    (
        (number, number, number, any::<u32>()),
        (number, number, any::<bool>(), proptest::option::of(number)),
    )
        .prop_map(
            |((tolerance, harm, alpha, units), (effect, absolute, concurrent, usual))| Settings {
                tolerance,
                harm,
                alpha,
                units,
                design_effect: effect,
                absolute,
                baseline: if concurrent {
                    Baseline::Concurrent
                } else {
                    Baseline::None
                },
                usual,
            },
        )
}

fn judged(settings: &Settings, intervals: &[Interval], next: u8) -> Judgement {
    let mut judge = Judge::new(settings.clone());
    for interval in intervals {
        judge.observe(*interval);
    }
    judge.judge(next)
}

fn numbers(judgement: &Judgement) -> [f64; 6] {
    [
        judgement.ratio.unwrap_or_default(),
        judgement.ratio_upper.unwrap_or_default(),
        judgement.difference_upper.unwrap_or_default(),
        judgement.log_e,
        judgement.log_threshold,
        judgement.delta,
    ]
}

proptest! {
    #![proptest_config(config(JUDGED))]

    #[test]
    fn nothing_panics_and_no_number_is_nan(
        settings in any_settings(), intervals in [anything(), anything(), anything()], next in any::<u8>(),
    ) {
        let judgement = judged(&settings, &intervals, next);
        prop_assert!(numbers(&judgement).iter().all(|number| !number.is_nan()), "{judgement:?}");
        let mut watch = Watch::new(settings, intervals[0].stable);
        watch.observe(intervals[1].canary);
        prop_assert!(numbers(&watch.judge()).iter().all(|number| !number.is_nan()));
    }

    #[test]
    fn the_same_input_has_the_same_judgement(intervals in [minute(), minute(), minute()], next in 1..=100_u8) {
        let settings = Settings::default();
        prop_assert_eq!(judged(&settings, &intervals, next), judged(&settings, &intervals, next));
    }

    #[test]
    fn coarser_intervals_keep_the_counts(intervals in [minute(), minute(), minute()]) {
        let sum = intervals.iter().fold(Interval::default(), |sum, one| Interval {
            canary: sum.canary.plus(one.canary),
            stable: sum.stable.plus(one.stable),
        });
        let (fine, coarse) = (judged(&Settings::default(), &intervals, 50), judged(&Settings::default(), &[sum], 50));
        prop_assert_eq!((fine.canary, fine.stable), (coarse.canary, coarse.stable));
        prop_assert_eq!(fine.minimum_requests, coarse.minimum_requests);
    }

    #[test]
    fn more_bad_events_of_the_canary_never_help_it(
        intervals in [minute(), minute(), minute()], place in 0..3_usize, more in 1..5_u64, next in 1..=100_u8,
    ) {
        let mut worse = intervals;
        worse[place].canary.bad += more;
        worse[place].canary = worse[place].canary.sane();
        let (one, other) = (judged(&Settings::default(), &intervals, next), judged(&Settings::default(), &worse, next));
        let upper = |judgement: &Judgement| judgement.difference_upper.unwrap_or(1.0);
        prop_assert!(upper(&other) >= upper(&one) - 1e-6, "{one:?} {other:?}");
        let failed = matches!(one.verdict, Verdict::Fail(_));
        prop_assert!(!(failed && other.verdict == Verdict::Pass), "{one:?} {other:?}");
        let passed = one.verdict == Verdict::Pass;
        prop_assert!(passed || other.verdict != Verdict::Pass, "{one:?} {other:?}");
    }

    #[test]
    fn evidence_rises_with_the_canarys_bad_events(one in minute(), more in 1..5_u64) {
        let mut worse = one;
        worse.canary.bad += more;
        worse.canary = worse.canary.sane();
        let (before, after) = (judged(&Settings::default(), &[one], 50), judged(&Settings::default(), &[worse], 50));
        prop_assert!(after.log_e >= before.log_e - 1e-9, "{before:?} {after:?}");
    }

    #[test]
    fn silence_never_passes(intervals in [minute(), minute(), minute()], stable in 0..1000_u64, next in 1..=100_u8) {
        let mut judge = Judge::new(Settings::default());
        for interval in intervals {
            judge.observe(interval);
        }
        judge.begin_step();
        judge.observe(Interval { canary: Tally::default(), stable: Tally { requests: stable, bad: 0 } });
        let silent = intervals.iter().all(|one| one.canary.requests == 0) || judge.judge(next).verdict != Verdict::Pass;
        prop_assert!(silent);
    }
}

proptest! {
    #![proptest_config(config(MANY))]

    #[test]
    fn what_may_be_overlooked_is_a_share_and_falls_with_the_next_weight(harm in any::<f64>(), next in any::<u8>()) {
        let (one, other) = (delta(harm, next), delta(harm, next.saturating_add(1)));
        prop_assert!(one > 0.0 && one <= 0.05 && other <= one, "{one} {other}");
        // The chance to see nothing of it in so many requests is at most 5 %, and in one less it is more.
        let requests = real(minimum_requests(one));
        prop_assert!((1.0 - one).powf(requests) <= 0.05 + 1e-9);
        prop_assert!((1.0 - one).powf(requests - 1.0) > 0.05 - 1e-9);
    }

    #[test]
    fn history_has_a_design_effect_of_at_least_one(minutes in [any_tally(), any_tally(), any_tally()]) {
        let effect = design_effect(&minutes);
        prop_assert!((1.0..=1000.0).contains(&effect));
    }
}

proptest! {
    #![proptest_config(config(PLANNED))]

    #[test]
    fn forecasts_are_numbers(settings in any_settings(), rps in any::<f64>(), base in any::<f64>(), weight in any::<u8>(), hold in any::<f64>()) {
        for step in forecast_steps(&settings, rps, base, &[Step { weight, hold }, Step { weight: 50, hold: 300.0 }], Looks { interval: hold, warmup: rps, late: base }) {
            prop_assert!(step.expected_seconds.is_none_or(|seconds| seconds >= 0.0), "{step:?}");
            prop_assert!(step.late_seconds.is_none_or(|seconds| step.expected_seconds.is_some_and(|typical| typical <= seconds)), "{step:?}");
            prop_assert!(step.harmed_before_detection >= 0.0, "{step:?}");
            prop_assert!(step.delta > 0.0 && step.delta <= 0.05, "{step:?}");
        }
        let steps = propose_steps(&settings, rps, base, hold);
        prop_assert!(steps.is_sorted() && steps.iter().all(|weight| (1..100).contains(weight)));
    }
}
