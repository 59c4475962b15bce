//! The judge of a rollout: is the canary worse than stable, good enough to go on, or can it not be told yet?
//!
//! Everything is a pure function of counts. A verdict is *pass*, *fail* or *inconclusive*, holds at every look
//! (there is no right moment to look, and no penalty for looking often), and silence is never a pass.
//! The page `docs/analysis.md` explains the tests in words and names their sources. What must not be here: where
//! counts come from, how long a step is held, and what happens after a verdict.

mod bound;
mod comparison;
mod dispersion;
mod evidence;
mod forecast;
mod guard;
mod judge;
mod watch;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use self::dispersion::design_effect;
pub(crate) use self::forecast::{
    DEFAULT_MAX_HOLD_SECONDS, Forecast, Looks, Step, forecast, forecast_steps, propose_steps,
};
pub(crate) use self::judge::Judge;
pub(crate) use self::watch::Watch;

/// How sure a pass is: the upper bounds are wrong, at any look, with at most this probability.
pub(crate) const PASS_ALPHA: f64 = 0.05;

/// The largest added bad share, in percentage points, that a step may overlook, however small the next weight is.
const MAX_DELTA_POINTS: f64 = 5.0;

/// The probability to see no bad event at all in `minimum_requests` although the canary adds Δ.
const MISS: f64 = 0.05;

/// Requests and bad events (errors and slow answers) of one arm in one interval: differences, not totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Those of them that were bad; more than `requests` counts as all of them.
    pub(crate) bad: u64,
}

impl Tally {
    /// The same with at most as many bad events as requests.
    pub(crate) fn sane(self) -> Self {
        Self {
            requests: self.requests,
            bad: self.bad.min(self.requests),
        }
    }

    /// Both together; stays at the largest number instead of wrapping.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            bad: self.bad.saturating_add(other.bad),
        }
    }

    /// What came since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            bad: self.bad.saturating_sub(earlier.bad),
        }
    }

    /// The bad share, 0–1; nothing without requests.
    pub(crate) fn share(self) -> Option<f64> {
        (self.requests > 0).then(|| real(self.bad.min(self.requests)) / real(self.requests))
    }
}

/// What both arms did in the same interval of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// The revision on trial.
    pub(crate) canary: Tally,
    /// The trusted revision, at the same time.
    pub(crate) stable: Tally,
}

/// What the canary is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Baseline {
    /// Stable, at the same time. When stable has no requests, nothing passes.
    #[default]
    Concurrent,
    /// Nothing: a brand-new route that stable does not have. It is held to `absolute`.
    None,
}

impl Baseline {
    /// What counts of stable's requests: of a route that it does not have, nothing. Its answers 404 are no bad events, and
    /// would make any new route look worse.
    fn of(self, stable: Tally) -> Tally {
        match self {
            Self::Concurrent => stable.sane(),
            Self::None => Tally::default(),
        }
    }
}

/// What one unit (a route, or the rest) is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The highest acceptable ratio of bad shares, canary to stable.
    pub(crate) tolerance: f64,
    /// Percentage points of all requests of the route that may turn bad by going on.
    pub(crate) harm: f64,
    /// The probability that a healthy rollout is failed by mistake; of the whole rollout, over all its units and looks.
    pub(crate) alpha: f64,
    /// How many units share `alpha`.
    pub(crate) units: u32,
    /// How many requests fail together, from stable's history (`design_effect`); at least 1.
    pub(crate) design_effect: f64,
    /// The bad share, 0–1, that is too much where there is no baseline.
    pub(crate) absolute: f64,
    /// Whether stable answers the same route.
    pub(crate) baseline: Baseline,
    /// Stable's bad share before the rollout, 0–1, where it is known: tells an outage from a usual day.
    pub(crate) usual: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 1.25,
            harm: 1.0,
            alpha: 0.01,
            units: 1,
            design_effect: 1.0,
            absolute: 0.05,
            baseline: Baseline::Concurrent,
            usual: None,
        }
    }
}

impl Settings {
    /// The same with each number inside the range where the formulas mean something, so that no NaN can arise.
    fn sane(&self) -> Self {
        let within = |value: f64, low: f64, high: f64, otherwise: f64| {
            if value.is_nan() {
                otherwise
            } else {
                value.clamp(low, high)
            }
        };
        Self {
            tolerance: within(self.tolerance, 0.1, 100.0, 1.25),
            harm: within(self.harm, 1e-4, 100.0, 1.0),
            alpha: within(self.alpha, 1e-9, 0.5, 0.01),
            units: self.units.max(1),
            design_effect: within(self.design_effect, 1.0, 1e6, 1.0),
            absolute: within(self.absolute, 1e-6, 0.99, 0.05),
            baseline: self.baseline,
            usual: self.usual.filter(|share| (0.0..=1.0).contains(share)),
        }
    }

    /// The logarithm of what the e-value must reach: `units / alpha`.
    fn log_threshold(&self) -> f64 {
        (f64::from(self.units) / self.alpha).ln()
    }
}

/// Why a canary fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailReason {
    /// Its bad share is more than `tolerance` times stable's at the same time.
    WorseThanStable,
    /// There is no baseline, and its bad share is above `absolute`.
    AboveAbsolute,
    /// Its first requests all failed.
    FirstRequestsFailed,
}

impl FailReason {
    /// The reason that is recorded for what a test found. Where no request of the canary went well at all, that says
    /// more than the test that was the first to tell: which one it is depends on how many requests a look happens to
    /// count, and a rollout that was taken over is looked at at other moments.
    fn recorded(self, canary: Tally) -> Self {
        if canary.bad >= canary.requests {
            Self::FirstRequestsFailed
        } else {
            self
        }
    }
}

/// Why it cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Neither arm had a request.
    NoData,
    /// The canary had too few requests to see a harm of Δ.
    TooFewRequests {
        /// Requests so far.
        have: u64,
        /// Requests needed.
        need: u64,
    },
    /// There are enough requests, but the bounds are still too wide.
    NotYetTold,
    /// One of the arms had no request in this step.
    OneArmWithoutTraffic,
    /// Stable itself is far worse than usual just now: this is no time to go on.
    EnvironmentUnhealthy,
    /// The requests do not go where the weights send them.
    SplitNotFollowed {
        /// Percent that the canary should get.
        set: u8,
        /// Percent that it got.
        observed: u8,
    },
}

/// What the analysis says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Going on is safe enough.
    Pass,
    /// The canary is worse.
    Fail(FailReason),
    /// It cannot be told; never promotes.
    Inconclusive(Reason),
}

/// A verdict with the numbers it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    /// What the analysis says.
    pub(crate) verdict: Verdict,
    /// All that the canary did since the start.
    pub(crate) canary: Tally,
    /// All that stable did since the start.
    pub(crate) stable: Tally,
    /// Bad share of the canary over that of stable at the same times (Mantel–Haenszel); nothing while stable has no bad event.
    pub(crate) ratio: Option<f64>,
    /// Its upper bound, valid at every look; nothing when even a ratio of 100 cannot be ruled out.
    pub(crate) ratio_upper: Option<f64>,
    /// The upper bound, valid at every look, of the canary's bad share minus stable's at the same times.
    /// Without a baseline it bounds the canary's bad share.
    pub(crate) difference_upper: Option<f64>,
    /// The logarithm of the e-value: the evidence that the canary is worse.
    pub(crate) log_e: f64,
    /// The logarithm of `units / alpha`, where the evidence suffices.
    pub(crate) log_threshold: f64,
    /// Requests of the canary without which nothing passes; the design effect is in it.
    pub(crate) minimum_requests: u64,
    /// The largest added bad share, 0–1, that going on may have.
    pub(crate) delta: f64,
}

/// The largest added bad share, 0–1, that is acceptable before going on to `next_weight` percent: `harm` percentage
/// points of all requests, all of which would come from the canary's share of them; never more than 5 points.
pub(crate) fn delta(harm: f64, next_weight: u8) -> f64 {
    let harm = if harm.is_nan() {
        1.0
    } else {
        harm.clamp(1e-4, 100.0)
    };
    let next = f64::from(next_weight.clamp(1, 100)) / 100.0;
    (harm / next).min(MAX_DELTA_POINTS) / 100.0
}

/// How many requests show at least one bad event with 95 % probability when the canary adds `delta` (0–1): the
/// "rule of three", ⌈ln 0.05 / ln(1 − Δ)⌉.
pub(crate) fn minimum_requests(delta: f64) -> u64 {
    let delta = if delta.is_nan() {
        1e-6
    } else {
        delta.clamp(1e-6, 0.999)
    };
    whole((MISS.ln() / (-delta).ln_1p()).ceil())
}

/// A count as a real number; the rounding above 2⁵³ does not matter here.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts above 2^53 are rounded, which no verdict can notice"
)]
fn real(count: u64) -> f64 {
    count as f64
}

/// A number that is not negative as a count; too large ones become the largest count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the callers round before"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// The logarithm of a sum of exponentials, without overflow.
fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_finite() {
        largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln()
    } else {
        largest
    }
}
