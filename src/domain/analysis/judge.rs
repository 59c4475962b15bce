//! The judge of a rollout, fed with every interval from the start; counts carry over from step to step.

use super::comparison::Comparison;
use super::evidence::Evidence;
use super::{
    Baseline, FailReason, Interval, Judgement, Reason, Settings, Verdict, bound, delta, guard,
    minimum_requests, real, whole,
};

/// With fewer requests of stable than this, there is no baseline yet.
pub(super) const BASELINE_REQUESTS: u64 = 20;

/// What remains of an interval in the recent past after each later one: about the last five count.
const FADING: f64 = 0.8;

/// Stable is unhealthy when its bad share is so many times the usual one (and above `absolute`).
const UNHEALTHY: f64 = 3.0;

/// Judges one unit (a route, or the rest) over a whole rollout.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judge {
    settings: Settings,
    evidence: Evidence,
    comparison: Comparison,
    /// What both arms had done when the present step began.
    before: Interval,
    /// Stable's requests and bad events of the recent past, older ones fading.
    recent: (f64, f64),
}

impl Judge {
    /// A judge that has seen nothing. Settings outside their ranges are moved to the nearest end.
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = settings.sane();
        Self {
            comparison: Comparison::new(&settings),
            settings,
            evidence: Evidence::NOTHING,
            before: Interval::default(),
            recent: (0.0, 0.0),
        }
    }

    /// A new step begins: from now on both arms must have had requests in it, and harm that only shows at the new
    /// weight is found without first outweighing all the good requests before.
    pub(crate) fn begin_step(&mut self) {
        let now = Interval {
            canary: self.evidence.canary,
            stable: self.evidence.stable,
        };
        if now != self.before {
            self.before = now;
            self.comparison.begin_step();
        }
    }

    /// Adds one interval; cheap.
    pub(crate) fn observe(&mut self, interval: Interval) {
        let canary = interval.canary.sane();
        let stable = self.settings.baseline.of(interval.stable);
        self.evidence.observe(Interval { canary, stable });
        self.comparison.observe(canary, stable);
        self.recent.0 = self.recent.0 * FADING + real(stable.requests);
        self.recent.1 = self.recent.1 * FADING + real(stable.bad);
    }

    /// The verdict about going on to `next_weight` percent, 1–100.
    pub(crate) fn judge(&self, next_weight: u8) -> Judgement {
        let (canary, stable) = (self.evidence.canary, self.evidence.stable);
        let delta = delta(self.settings.harm, next_weight);
        let effect = self.settings.design_effect;
        let mut judgement = Judgement {
            verdict: Verdict::Inconclusive(Reason::NoData),
            canary,
            stable,
            ratio: self.evidence.ratio(),
            ratio_upper: bound::ratio(&self.evidence, effect),
            difference_upper: bound::difference(&self.evidence, effect),
            log_e: if self.has_baseline() {
                self.comparison.log_wealth()
            } else {
                guard::log_e(canary, self.too_much(), effect)
            },
            log_threshold: self.settings.log_threshold(),
            minimum_requests: whole((real(minimum_requests(delta)) * effect).ceil()),
            delta,
        };
        judgement.verdict = self.verdict(&judgement);
        judgement
    }

    fn verdict(&self, numbers: &Judgement) -> Verdict {
        let (canary, stable) = (numbers.canary, numbers.stable);
        if canary.requests == 0 && stable.requests == 0 {
            return Verdict::Inconclusive(Reason::NoData);
        }
        if let Some(found) = self.failure(numbers) {
            return Verdict::Fail(found.recorded(canary));
        }
        if let Some(reason) = self.silence() {
            return Verdict::Inconclusive(reason);
        }
        if canary.requests < numbers.minimum_requests {
            return Verdict::Inconclusive(Reason::TooFewRequests {
                have: canary.requests,
                need: numbers.minimum_requests,
            });
        }
        if self.is_unhealthy() {
            return Verdict::Inconclusive(Reason::EnvironmentUnhealthy);
        }
        let limit = match self.settings.baseline {
            Baseline::Concurrent => numbers.delta,
            Baseline::None => numbers.delta.max(self.settings.absolute),
        };
        let by_difference = numbers.difference_upper.is_some_and(|upper| upper <= limit);
        let by_ratio = numbers
            .ratio_upper
            .is_some_and(|upper| upper <= self.settings.tolerance);
        if by_difference || by_ratio {
            Verdict::Pass
        } else {
            Verdict::Inconclusive(Reason::NotYetTold)
        }
    }

    /// The first of the tests that says that the canary is worse.
    fn failure(&self, numbers: &Judgement) -> Option<FailReason> {
        let (canary, stable) = (numbers.canary, numbers.stable);
        if self.comparison.is_reached() {
            Some(FailReason::WorseThanStable)
        } else if guard::first_requests_failed(canary, stable, &self.settings) {
            Some(FailReason::FirstRequestsFailed)
        } else if !self.has_baseline() && numbers.log_e >= numbers.log_threshold {
            Some(FailReason::AboveAbsolute)
        } else {
            None
        }
    }

    /// What is missing in the present step, if anything is: nothing passes on what was seen in earlier ones alone.
    fn silence(&self) -> Option<Reason> {
        let canary = self.evidence.canary.since(self.before.canary).requests;
        let stable = self.evidence.stable.since(self.before.stable).requests;
        match (canary, stable, self.settings.baseline) {
            (0, 0, _) => Some(Reason::NoData),
            (0, _, _) | (_, 0, Baseline::Concurrent) => Some(Reason::OneArmWithoutTraffic),
            _ => None,
        }
    }

    /// The bad share that is too much without a baseline: `absolute`, or what the few requests of stable excuse.
    fn too_much(&self) -> f64 {
        let excused = match self.settings.baseline {
            Baseline::Concurrent => {
                self.evidence.stable.share().unwrap_or_default() * self.settings.tolerance
            }
            Baseline::None => 0.0,
        };
        self.settings.absolute.max(excused.min(0.99))
    }

    fn has_baseline(&self) -> bool {
        self.settings.baseline == Baseline::Concurrent
            && self.evidence.stable.requests >= BASELINE_REQUESTS
    }

    /// Whether stable's recent bad share is above `absolute` and far above the usual one, beyond chance.
    fn is_unhealthy(&self) -> bool {
        let (requests, bad) = self.recent;
        let usual = self
            .settings
            .usual
            .or(self.evidence.stable.share())
            .unwrap_or_default();
        let limit = self.settings.absolute.max(UNHEALTHY * usual);
        let spread = (limit * requests * self.settings.design_effect).sqrt();
        self.settings.baseline == Baseline::Concurrent && bad > limit * requests + 2.0 * spread
    }
}
