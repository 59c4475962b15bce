//! Tests against a fixed bad share, where there is nothing to compare with at the same time.

use super::comparison::MULTIPLES;
use super::{Baseline, Settings, Tally, log_sum_exp, real};

/// How many first requests must all fail.
const FIRST: f64 = 5.0;

/// The logarithm of the e-value against "the bad share is at most `limit`" (0 < limit < 1): the mixture of the
/// Bernoulli likelihood ratios of the shares 1 − (1 − limit)^m, which are m times the limit where that is small.
pub(super) fn log_e(canary: Tally, limit: f64, design_effect: f64) -> f64 {
    let canary = canary.sane();
    let (bad, good) = (real(canary.bad), real(canary.requests - canary.bad));
    let kept = (-limit).ln_1p();
    let terms = MULTIPLES.iter().map(|(multiple, weight)| {
        let share = -(multiple * kept).exp_m1();
        (bad * (share / limit).ln() + good * (multiple - 1.0) * kept) / design_effect + weight.ln()
    });
    log_sum_exp(terms)
}

/// Whether the canary's first requests all failed and stable does not say that this is usual now: with stable's
/// share (by Laplace's rule) times the tolerance, so many failures in a row would be a tenth as likely as `alpha`.
pub(super) fn first_requests_failed(canary: Tally, stable: Tally, settings: &Settings) -> bool {
    let counted = real(canary.requests) / settings.design_effect;
    if canary.bad < canary.requests || counted < FIRST {
        return false;
    }
    if stable.requests == 0 || settings.baseline == Baseline::None {
        return true;
    }
    let usual = settings.tolerance * (real(stable.bad) + 1.0) / (real(stable.requests) + 2.0);
    counted * usual.min(1.0).ln() <= -settings.log_threshold() - 10.0_f64.ln()
}
