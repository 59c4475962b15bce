//! What a plan will take, told before the start.

use serde::{Deserialize, Serialize};

use super::bound::goal;
use super::comparison::{MULTIPLES, part_of_step};
use super::evidence::{BETS, DIFFERENCE_BETS};
use super::{Baseline, Settings, delta, log_sum_exp, minimum_requests, real, whole};

/// How long a step may stay inconclusive before it pauses, where nothing else is said: a day.
pub(crate) const DEFAULT_MAX_HOLD_SECONDS: f64 = 24.0 * 3600.0;

/// The ladders that are proposed, the gentlest first.
const LADDERS: [&[u8]; 5] = [&[5, 25, 50], &[10, 25, 50], &[10, 50], &[25, 50], &[50]];

/// A plan is comfortable when it is expected to be done in this part of the time that one step may take.
const COMFORT: f64 = 6.0;

/// Standard deviations within which nineteen of twenty stay, on one side.
const LATE: f64 = 1.645;

/// Above this many requests nothing is told.
const MAX_REQUESTS: f64 = 1e12;

/// One step of a plan: its weight and how long it is held at least.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Percent, 1–99.
    pub(crate) weight: u8,
    /// Seconds.
    pub(crate) hold: f64,
}

/// When the judge looks, in seconds: what a canary does in between, nobody sees.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Looks {
    /// From look to look.
    pub(crate) interval: f64,
    /// Of the canary's first traffic, in the first step only, that is not judged.
    pub(crate) warmup: f64,
    /// That the platform's numbers are late.
    pub(crate) late: f64,
}

impl Looks {
    fn sane(self) -> Self {
        let within = |seconds: f64| {
            if seconds.is_nan() {
                0.0
            } else {
                seconds.clamp(0.0, 1e9)
            }
        };
        Self {
            interval: within(self.interval),
            warmup: within(self.warmup),
            late: within(self.late),
        }
    }

    /// So many seconds at most of a step are not judged besides the requests that are: in the first step the warm-up up to
    /// the end of the look that it ends in, else what is told late; and what comes between the last request that is
    /// needed and the look that counts it.
    pub(crate) fn unseen(self, is_first: bool) -> f64 {
        let before = if is_first {
            self.whole(self.warmup + self.late)
        } else {
            self.late
        };
        before + self.interval
    }

    /// The looks that so many seconds take, in seconds.
    fn whole(self, seconds: f64) -> f64 {
        if self.interval > 0.0 {
            let looks = (seconds / self.interval - 1e-9).ceil();
            (looks * self.interval).max(seconds)
        } else {
            seconds
        }
    }
}

/// What a step will take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forecast {
    /// The largest added bad share, 0–1, that it may overlook.
    pub(crate) delta: f64,
    /// Requests of the canary without which it does not pass; the design effect is in it.
    pub(crate) minimum_requests: u64,
    /// Requests of a typical healthy canary, in this step, by which it passes: those that `expected_seconds` waits for;
    /// nothing when it never would.
    pub(crate) expected_requests: Option<u64>,
    /// Seconds until a typical healthy canary passes, the warm-up and the hold included; nothing when it never would.
    pub(crate) expected_seconds: Option<f64>,
    /// Seconds until nineteen of twenty healthy canaries have passed.
    pub(crate) late_seconds: Option<f64>,
    /// Added bad requests before the judge fails a canary that turns worse by 2 Δ or more with this step, for the worst
    /// such canary; nineteen of twenty times they are fewer.
    pub(crate) harmed_before_detection: f64,
}

/// The forecast of one step on its own: `requests_per_second` of the route, `base_bad_share` of stable (0–1), the
/// weights of this step and of the next one (100 for the last). Where there is no baseline, the share is that of a
/// canary that stays as it is.
pub(crate) fn forecast(
    settings: &Settings,
    requests_per_second: f64,
    base_bad_share: f64,
    weight: u8,
    next_weight: u8,
) -> Forecast {
    let looks = Looks::default();
    let mut path = Path::new(settings, requests_per_second, base_bad_share, looks);
    path.step(Step { weight, hold: 0.0 }, next_weight)
}

/// The forecasts of all steps of a plan, in which counts carry over. `looks` says when they are looked at.
pub(crate) fn forecast_steps(
    settings: &Settings,
    requests_per_second: f64,
    base_bad_share: f64,
    steps: &[Step],
    looks: Looks,
) -> Vec<Forecast> {
    let mut path = Path::new(settings, requests_per_second, base_bad_share, looks);
    let next = steps.iter().skip(1).map(|step| step.weight).chain([100]);
    steps
        .iter()
        .zip(next)
        .map(|(step, next)| path.step(*step, next))
        .collect()
}

/// The weights to propose for a route's traffic: the gentlest ladder that a healthy canary is expected to climb in a sixth of
/// `max_hold` seconds, else the quickest one of which no step pauses. Empty when there is none: the traffic is too
/// small to be split, and smoke checks, a watch and an instant undo serve better. Each step is held for five minutes, or for
/// less where `max_hold` leaves no room for that.
pub(crate) fn propose_steps(
    settings: &Settings,
    requests_per_second: f64,
    base_bad_share: f64,
    max_hold: f64,
) -> Vec<u8> {
    let hold = (max_hold / COMFORT).min(300.0);
    let total = |ladder: &[u8]| {
        let steps: Vec<Step> = ladder
            .iter()
            .map(|weight| Step {
                weight: *weight,
                hold,
            })
            .collect();
        let looks = Looks::default();
        forecast_steps(settings, requests_per_second, base_bad_share, &steps, looks)
            .iter()
            .try_fold(0.0, |sum, step| {
                (step.late_seconds? <= max_hold).then_some(sum + step.expected_seconds?)
            })
    };
    let possible: Vec<(&[u8], f64)> = LADDERS
        .iter()
        .filter_map(|ladder| Some((*ladder, total(ladder)?)))
        .collect();
    possible
        .iter()
        .find(|(_, seconds)| *seconds <= max_hold / COMFORT)
        .or_else(|| {
            possible
                .iter()
                .min_by(|(_, one), (_, other)| one.total_cmp(other))
        })
        .map(|(ladder, _)| ladder.to_vec())
        .unwrap_or_default()
}

/// The expected evidence about a healthy canary along a plan.
struct Path {
    settings: Settings,
    requests_per_second: f64,
    base: f64,
    /// Requests of the canary so far, expected and of an unlucky one.
    carried: f64,
    /// Σ stable bad · ln(1 + bet·q), as the judge has it.
    bets: [f64; BETS.len()],
    looks: Looks,
    /// How many steps were before.
    steps: usize,
}

impl Path {
    fn new(settings: &Settings, requests_per_second: f64, base: f64, looks: Looks) -> Self {
        let number = |value: f64, most: f64| {
            if value.is_nan() {
                0.0
            } else {
                value.clamp(0.0, most)
            }
        };
        Self {
            settings: settings.sane(),
            requests_per_second: number(requests_per_second, 1e9),
            base: number(base, 1.0),
            carried: 0.0,
            bets: [0.0; BETS.len()],
            looks: looks.sane(),
            steps: 0,
        }
    }

    fn step(&mut self, step: Step, next_weight: u8) -> Forecast {
        let weight = f64::from(step.weight.clamp(1, 99)) / 100.0;
        let q = weight / (1.0 - weight);
        let delta = delta(self.settings.harm, next_weight);
        let need = real(minimum_requests(delta)) * self.settings.design_effect;
        let rate = self.requests_per_second * weight;
        let hold = if step.hold.is_nan() {
            0.0
        } else {
            step.hold.max(0.0)
        };
        let limit = match self.settings.baseline {
            Baseline::Concurrent => delta,
            Baseline::None => delta.max(self.settings.absolute),
        };
        let is_first = self.steps == 0;
        let warmup = if is_first { self.looks.warmup } else { 0.0 };
        let more = |late: f64| {
            let requests = self.until_pass(q, limit, need, late)?;
            // Nothing passes on what was seen in earlier steps alone.
            Some((requests - self.carried).max(1.0))
        };
        let seconds = |requests: f64| {
            let needed = warmup + requests / rate;
            (rate > 0.0).then(|| self.looks.whole(needed.max(hold)) + self.looks.late)
        };
        let expected_requests = more(0.0);
        let expected_seconds = expected_requests.and_then(seconds);
        let late_seconds = more(LATE).and_then(seconds);
        let unseen = rate * self.looks.unseen(is_first);
        let harmed_before_detection = self.harmed(q, delta, unseen);
        let judged = (expected_seconds.unwrap_or(hold) - warmup - self.looks.late).max(0.0) * rate;
        self.carried += judged;
        let stable = self.stable_bad(judged, q);
        for (sum, bet) in self.bets.iter_mut().zip(BETS) {
            *sum += stable * (bet * q).ln_1p();
        }
        self.steps += 1;
        Forecast {
            delta,
            minimum_requests: whole(need.ceil()),
            expected_requests: expected_requests.map(|requests| whole(requests.ceil())),
            expected_seconds,
            late_seconds,
            harmed_before_detection,
        }
    }

    /// The bad events of stable beside so many requests of the canary; none where nothing is compared with it.
    fn stable_bad(&self, requests: f64, q: f64) -> f64 {
        match self.settings.baseline {
            Baseline::Concurrent => requests * self.base / q,
            Baseline::None => 0.0,
        }
    }

    /// How many requests of the canary, earlier ones included, make the bounds narrow enough, when it has `late` standard
    /// deviations more bad events than expected.
    fn until_pass(&self, q: f64, limit: f64, need: f64, late: f64) -> Option<f64> {
        let effect = self.settings.design_effect;
        let told = |requests: f64| {
            let mean = requests * self.base;
            let bad = mean + late * (mean * effect).sqrt();
            let sums = || {
                let more = self.stable_bad((requests - self.carried).max(0.0), q);
                BETS.iter()
                    .zip(&self.bets)
                    .map(move |(bet, sum)| (bet, sum + more * (bet * q).ln_1p()))
            };
            let difference = sums()
                .take(DIFFERENCE_BETS)
                .map(|(bet, sum)| (bad * (-bet).ln_1p() + sum + bet * limit * requests) / effect);
            let tolerance = self.settings.tolerance;
            let ratio = sums()
                .filter(|(bet, _)| **bet < tolerance)
                .map(|(bet, sum)| (bad * (-bet / tolerance).ln_1p() + sum) / effect);
            log_sum_exp(difference) >= goal(DIFFERENCE_BETS)
                || self.settings.baseline == Baseline::Concurrent
                    && log_sum_exp(ratio) >= goal(BETS.len())
        };
        let (mut low, mut high) = (need.min(MAX_REQUESTS), MAX_REQUESTS);
        if told(low) {
            return Some(low);
        }
        if !told(high) {
            return None;
        }
        while high - low > 1.0 && high / low > 1.001 {
            let middle = (low * high).sqrt();
            if told(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// The added bad requests of the worst canary among those that add at least 2 Δ and are beyond the tolerance; so many
    /// requests of it are unseen.
    fn harmed(&self, q: f64, delta: f64, unseen: f64) -> f64 {
        let least = match self.settings.baseline {
            Baseline::Concurrent => 2.0 * delta,
            // Up to `absolute` it is not worse than a new route may be.
            Baseline::None => 2.0 * delta.max(self.settings.absolute),
        };
        let added = [least, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];
        added
            .iter()
            .map(|added| (added.max(least)).min(1.0 - self.base))
            .filter_map(|added| {
                let requests = match self.settings.baseline {
                    Baseline::Concurrent => self.until_fail(q, self.base + added)?,
                    Baseline::None => self.until_above(self.base + added)?,
                };
                Some(added * (requests + unseen))
            })
            .fold(0.0, f64::max)
    }

    /// How many requests of a canary without a baseline make the evidence against a bad share of `share` sufficient.
    fn until_above(&self, share: f64) -> Option<f64> {
        let limit = self.settings.absolute;
        let kept = (-limit).ln_1p();
        self.soonest(1.0, |multiple| {
            let other = -(multiple * kept).exp_m1();
            let (bad, good) = ((other / limit).ln(), (multiple - 1.0) * kept);
            let growth = share * bad + (1.0 - share) * good;
            (growth, share * (1.0 - share) * (bad - good).powi(2))
        })
    }

    /// How many requests of the canary make the evidence against a bad share of `share` sufficient, by the part of the
    /// wealth that starts with this step.
    fn until_fail(&self, q: f64, share: f64) -> Option<f64> {
        let tolerance = self.settings.tolerance;
        let stable = self.base / q;
        self.soonest(part_of_step(self.steps), |multiple| {
            let tolerated = (tolerance * q).ln_1p() - (tolerance * multiple * q).ln_1p();
            let bad = multiple.ln() + tolerated;
            let growth = share * bad + stable * tolerated;
            (growth, share * bad.powi(2) + stable * tolerated.powi(2))
        })
    }

    /// How many requests of the canary it takes, nineteen times of twenty, until the bet on one of the multiples has won
    /// enough. `walk` tells what the logarithm of the wealth on a multiple gains for each request: mean and variance.
    fn soonest(&self, part: f64, walk: impl Fn(f64) -> (f64, f64)) -> Option<f64> {
        let goal = self.settings.log_threshold();
        let effect = self.settings.design_effect;
        let soonest = MULTIPLES.iter().filter_map(|(multiple, weight)| {
            let (growth, variance) = walk(*multiple);
            // Errors that come in clumps count less, and scatter more.
            let (growth, spread) = (growth / effect, LATE * (variance / effect).sqrt());
            let goal = goal - (weight * part).ln();
            // growth·n − spread·√n = goal
            let root = (spread + (spread.powi(2) + 4.0 * growth * goal).sqrt()) / (2.0 * growth);
            (growth > 0.0).then(|| root.powi(2))
        });
        let requests = soonest.fold(f64::INFINITY, f64::min);
        requests.is_finite().then(|| requests.ceil())
    }
}
