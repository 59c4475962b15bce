//! Upper bounds that hold at every look.
//!
//! For a bet 0 < u < 1, and `q = n_c / n_s` in the interval, the product over intervals of
//! `(1 − u)^bad_c · (1 + r·u·q)^bad_s · exp(u·D·n_c)` has expectation at most 1 at every stopping time if
//! `p_c ≥ r·p_s + D`: the factors have expectations of at most `exp(−u·n_c·p_c)` and `exp(u·r·n_c·p_s)`, because
//! 1 + z ≤ exp(z), so the unknown bad share of stable, whatever it does over time, cancels. A mean of such products over bets is
//! one again, and reaches 1/α with probability at most α (Ville). So everything it rejects is above the bound.
//! With r = 1 this bounds the difference (D); with D = 0 the ratio (r). It needs no share to be constant: it bounds the mean
//! difference over the canary's requests. For equal shares its growth is that of the best test of Poisson counts.

use super::evidence::{BETS, DIFFERENCE_BETS, Evidence};
use super::{PASS_ALPHA, Tally, real};

/// The largest ratio that is told; above it there is no bound.
const MAX_RATIO: f64 = 100.0;
/// The smallest ratio that is told.
const MIN_RATIO: f64 = 0.01;

/// The upper bound of the canary's bad share minus stable's; nothing before the canary had a request.
pub(super) fn difference(evidence: &Evidence, design_effect: f64) -> Option<f64> {
    if evidence.canary.requests == 0 {
        return None;
    }
    let (requests, bad) = (real(evidence.canary.requests), real(evidence.canary.bad));
    let mut terms = [(0.0, 0.0); DIFFERENCE_BETS];
    for ((term, bet), sum) in terms.iter_mut().zip(BETS).zip(evidence.bets()) {
        *term = (
            (bad * (1.0 - bet).ln() + sum) / design_effect,
            bet * requests / design_effect,
        );
    }
    Some(reached(&terms, goal(DIFFERENCE_BETS)).min(1.0))
}

/// The upper bound of one arm's bad share, wrong at any look with a probability of at most `alpha`; 1 without requests.
pub(super) fn share(tally: Tally, design_effect: f64, alpha: f64) -> f64 {
    let (requests, bad) = (real(tally.requests), real(tally.bad));
    if tally.requests == 0 {
        return 1.0;
    }
    let mut terms = [(0.0, 0.0); DIFFERENCE_BETS];
    for (term, bet) in terms.iter_mut().zip(BETS) {
        *term = (
            bad * (1.0 - bet).ln() / design_effect,
            bet * requests / design_effect,
        );
    }
    reached(&terms, (real(DIFFERENCE_BETS as u64) / alpha).ln()).min(1.0)
}

/// What the logarithm of the sum over so many bets must reach.
pub(super) fn goal(bets: usize) -> f64 {
    (real(bets as u64) / PASS_ALPHA).ln()
}

/// Where log Σ exp(start + slope·x) reaches the goal: Newton's method from the right, where it never oversteps, as
/// the function is convex and rises.
fn reached(terms: &[(f64, f64); DIFFERENCE_BETS], goal: f64) -> f64 {
    let alone = terms.iter().map(|(start, slope)| (goal - start) / slope);
    let mut x = alone.fold(f64::INFINITY, f64::min);
    for _ in 0..20 {
        let (mut sum, mut rise) = (0.0, 0.0);
        for (start, slope) in terms {
            // Never above 1, since none of the terms reaches the goal alone on the left of the first x.
            let part = (start + slope * x - goal).exp();
            sum += part;
            rise += slope * part;
        }
        let step = sum.ln() * sum / rise;
        if !step.is_finite() || step <= 1e-7 * x.abs() {
            break;
        }
        x -= step;
    }
    x
}

/// The upper bound of the ratio of bad shares, canary to stable, to one percent; nothing when it is above 100.
pub(super) fn ratio(evidence: &Evidence, design_effect: f64) -> Option<f64> {
    let bad = real(evidence.canary.bad);
    let goal = goal(BETS.len());
    let bets = evidence.bets();
    let ruled_out = |ratio: f64| {
        let mut sum = 0.0;
        for (bet, told) in BETS.iter().zip(bets) {
            if *bet < ratio {
                sum += ((bad * (1.0 - bet / ratio).ln() + told) / design_effect - goal).exp();
            }
        }
        sum >= 1.0
    };
    if evidence.stable.bad == 0 || !ruled_out(MAX_RATIO) {
        return None;
    }
    let (mut low, mut high) = (MIN_RATIO, MAX_RATIO);
    while high / low > 1.01 {
        let middle = (low * high).sqrt();
        if ruled_out(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
