//! The watch after promotion: stable has no traffic any more, so the baseline is what it did during the rollout.
//!
//! Unlike the judge, the watch cannot tell an outage that would have hit stable too from a worse canary.

use super::judge::BASELINE_REQUESTS;
use super::{
    FailReason, Judgement, PASS_ALPHA, Reason, Settings, Tally, Verdict, delta, guard,
    minimum_requests, real, whole,
};

/// Watches a promoted canary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watch {
    settings: Settings,
    baseline: Tally,
    canary: Tally,
}

impl Watch {
    /// A watch that has seen nothing; `baseline` is all that stable did during the rollout.
    pub(crate) fn new(settings: Settings, baseline: Tally) -> Self {
        Self {
            baseline: settings.baseline.of(baseline),
            settings: settings.sane(),
            canary: Tally::default(),
        }
    }

    /// Adds what the promoted revision did in one interval.
    pub(crate) fn observe(&mut self, canary: Tally) {
        self.canary = self.canary.plus(canary.sane());
    }

    /// Whether it still looks well. A pass means that harm of more than `harm` is ruled out.
    pub(crate) fn judge(&self) -> Judgement {
        let delta = delta(self.settings.harm, 100);
        let effect = self.settings.design_effect;
        let has_baseline = self.baseline.requests >= BASELINE_REQUESTS;
        // Half of alpha for the baseline's bound, half for the test: 2 / alpha is reached by half the e-value.
        let limit = if has_baseline {
            let sure = self.settings.log_threshold() + 2.0_f64.ln();
            (share_bounds(self.baseline, effect, sure).1 * self.settings.tolerance)
                .clamp(1e-9, 0.99)
        } else {
            self.settings.absolute
        };
        let log_e = guard::log_e(self.canary, limit, effect)
            - if has_baseline { 2.0_f64.ln() } else { 0.0 };
        let share = self.canary.share();
        let usual = self.baseline.share();
        let need = whole((real(minimum_requests(delta)) * effect).ceil());
        let (difference, ratio) = self.bounds();
        let mut judgement = Judgement {
            verdict: Verdict::Inconclusive(Reason::NoData),
            canary: self.canary,
            stable: self.baseline,
            ratio: share
                .zip(usual)
                .and_then(|(share, usual)| (usual > 0.0).then(|| share / usual)),
            ratio_upper: ratio,
            difference_upper: difference,
            log_e,
            log_threshold: self.settings.log_threshold(),
            minimum_requests: need,
            delta,
        };
        judgement.verdict = self.verdict(&judgement, has_baseline);
        judgement
    }

    fn verdict(&self, numbers: &Judgement, has_baseline: bool) -> Verdict {
        let have = self.canary.requests;
        if have == 0 {
            Verdict::Inconclusive(Reason::NoData)
        } else if numbers.log_e >= numbers.log_threshold {
            let found = if has_baseline {
                FailReason::WorseThanStable
            } else {
                FailReason::AboveAbsolute
            };
            Verdict::Fail(found.recorded(self.canary))
        } else if guard::first_requests_failed(self.canary, self.baseline, &self.settings) {
            Verdict::Fail(FailReason::FirstRequestsFailed)
        } else if have < numbers.minimum_requests {
            let need = numbers.minimum_requests;
            Verdict::Inconclusive(Reason::TooFewRequests { have, need })
        } else if numbers
            .difference_upper
            .is_some_and(|upper| upper <= numbers.delta)
            || numbers
                .ratio_upper
                .is_some_and(|upper| upper <= self.settings.tolerance)
        {
            Verdict::Pass
        } else {
            Verdict::Inconclusive(Reason::NotYetTold)
        }
    }

    /// Upper bounds of difference and ratio: the canary from above, valid at every look, the baseline from below.
    fn bounds(&self) -> (Option<f64>, Option<f64>) {
        if self.canary.requests == 0 {
            return (None, None);
        }
        let effect = self.settings.design_effect;
        let sure = (2.0 / PASS_ALPHA).ln();
        let low = if self.baseline.requests == 0 {
            0.0
        } else {
            share_bounds(self.baseline, effect, sure).0
        };
        let high = super::bound::share(self.canary, effect, PASS_ALPHA / 2.0);
        (Some(high - low), (low > 0.0).then(|| high / low))
    }
}

/// Lower and upper bound of a bad share from one fixed sample, each wrong with a probability of at most exp(−`sure`):
/// Chernoff's bounds for Poisson counts. `tally` has requests.
fn share_bounds(tally: Tally, design_effect: f64, sure: f64) -> (f64, f64) {
    let requests = real(tally.requests);
    let share = real(tally.bad) / requests;
    // The exponent of the probability to see `share` or something further away when the truth is `other`.
    let exponent = |other: f64| {
        let likelihood = if share > 0.0 {
            share * (share / other).ln()
        } else {
            0.0
        };
        requests / design_effect * (likelihood - share + other)
    };
    let search = |mut inside: f64, mut outside: f64| {
        for _ in 0..60 {
            let middle = f64::midpoint(inside, outside);
            if exponent(middle) >= sure {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        outside
    };
    let low = if share > 0.0 { search(share, 0.0) } else { 0.0 };
    (
        low,
        if exponent(1.0) >= sure {
            search(share, 1.0)
        } else {
            1.0
        },
    )
}
