//! What a plan says of the harm, against rollouts that are simulated second by second.

use super::*;

/// `SplitMix64` (Steele, Lea, Flood, 2014): the same rollouts on every machine.
struct Random(u64);

impl Random {
    /// From 0 up to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        real((z ^ (z >> 31)) >> 11) / real(1 << 53)
    }

    /// How many of so many requests have a share.
    fn of(&mut self, requests: u64, share: f64) -> u64 {
        (0..requests).map(|_| u64::from(self.share() < share)).sum()
    }
}

/// A route on which a canary turns bad with one of the steps.
struct Case {
    name: &'static str,
    /// Of the route, each second.
    requests: u64,
    base: f64,
    weights: &'static [u8],
    /// The step from which on it is bad.
    step: usize,
    /// Added bad share; none = 2 Δ of that step.
    added: Option<f64>,
    looks: Looks,
}

/// A look every 30 s, and 30 s of warm-up.
const USUAL: Looks = Looks {
    interval: 30.0,
    warmup: 30.0,
    late: 0.0,
};

impl Case {
    fn next(&self, step: usize) -> u8 {
        self.weights.get(step + 1).copied().unwrap_or(100)
    }

    /// The bad requests that would have been good otherwise, until the traffic goes back.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds"
    )]
    fn harmed(&self, random: &mut Random, added: f64) -> u64 {
        let (interval, late) = (self.looks.interval as u64, self.looks.late as usize);
        let mut judge = Judge::new(Settings::default());
        let mut harmed = 0;
        let mut second = 0_u64;
        let mut served = 0.0;
        // The looks do not begin with the traffic.
        let phase = (random.share() * self.looks.interval) as u64;
        let mut seen = std::collections::VecDeque::from(vec![Interval::default(); late]);
        let mut told = Interval::default();
        for (step, weight) in self.weights.iter().enumerate().take(self.step + 1) {
            judge.begin_step();
            let begun = second;
            while step == self.step || second < begun + 300 {
                let canary = random.of(self.requests, f64::from(*weight) / 100.0);
                let stable = self.requests - canary;
                let worse = if step == self.step {
                    random.of(canary, added)
                } else {
                    0
                };
                harmed += worse;
                let bad = worse + random.of(canary - worse, self.base);
                seen.push_back(interval_of(
                    (canary, bad),
                    (stable, random.of(stable, self.base)),
                ));
                let one = seen.pop_front().unwrap();
                told = Interval {
                    canary: told.canary.plus(one.canary),
                    stable: told.stable.plus(one.stable),
                };
                second += 1;
                if !(second + phase).is_multiple_of(interval) {
                    continue;
                }
                let is_warmup = served < self.looks.warmup + self.looks.late;
                served += self.looks.interval;
                let look = std::mem::take(&mut told);
                if is_warmup {
                    continue;
                }
                judge.observe(look);
                if step == self.step
                    && matches!(judge.judge(self.next(step)).verdict, Verdict::Fail(_))
                {
                    return harmed;
                }
                assert!(second < 400_000, "{}: never found", self.name);
            }
        }
        harmed
    }
}

fn interval_of(canary: (u64, u64), stable: (u64, u64)) -> Interval {
    let tally = |(requests, bad)| Tally { requests, bad };
    Interval {
        canary: tally(canary),
        stable: tally(stable),
    }
}

/// The warm-up, the time between two looks and what is told late are in it; a canary that fails everything does most of its
/// harm before the first look that counts.
#[test]
fn what_a_bad_canary_harms_is_at_most_what_the_plan_says() {
    const RUNS: u64 = 100;
    let usual = |name, added| Case {
        name,
        requests: 16,
        base: 0.005,
        weights: &[50],
        step: 0,
        added,
        looks: USUAL,
    };
    let late = Looks {
        late: 100.0,
        interval: 60.0,
        ..USUAL
    };
    let cases = [
        usual("fails everything at 50 %", Some(0.995)),
        usual("worse by 2 Δ at 50 %", None),
        Case {
            base: 0.0,
            ..usual("a third fails, and stable never does", Some(0.3))
        },
        Case {
            weights: &[5, 25, 50],
            ..usual("fails everything at 5 %", Some(0.995))
        },
        Case {
            weights: &[5, 25, 50],
            ..usual("worse by 2 Δ at 5 %", None)
        },
        Case {
            weights: &[5, 25, 50],
            step: 2,
            ..usual("fails everything from 50 % on", Some(0.995))
        },
        Case {
            weights: &[5, 25, 50],
            step: 2,
            ..usual("worse by 2 Δ from 50 % on", None)
        },
        Case {
            looks: late,
            ..usual("fails everything, told late", Some(0.995))
        },
        Case {
            looks: late,
            step: 1,
            weights: &[10, 50],
            ..usual("worse by 2 Δ from 50 % on, told late", None)
        },
        Case {
            looks: Looks {
                interval: 1.0,
                warmup: 2.0,
                late: 0.0,
            },
            ..usual("fails everything, looked at each second", Some(0.995))
        },
    ];
    let mut random = Random(20_261_127);
    for case in cases {
        let steps: Vec<Step> = case
            .weights
            .iter()
            .map(|weight| Step {
                weight: *weight,
                hold: 300.0,
            })
            .collect();
        let rate = real(case.requests);
        let plan = forecast_steps(&Settings::default(), rate, case.base, &steps, case.looks);
        let said = plan[case.step];
        let added = case.added.unwrap_or(2.0 * said.delta);
        let mut harmed: Vec<u64> = (0..RUNS).map(|_| case.harmed(&mut random, added)).collect();
        harmed.sort_unstable();
        let told = said.harmed_before_detection;
        assert!(
            real(harmed[94]) <= told,
            "{}: said {told:.0}, median {}, 95th {}",
            case.name,
            harmed[50],
            harmed[94]
        );
    }
}
