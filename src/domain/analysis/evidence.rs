//! Running sums over intervals: all that the tests need to know, in a few numbers.
//!
//! For the interval k, q is canary requests over stable requests. Two families of sums suffice:
//! - Σ (bad of both arms) · ln(1 + r·q), for the conditional test of the ratio;
//! - Σ (bad of stable) · ln(1 + x·q), for the bounds from above.
//!
//! Time only enters through the pairing within an interval, so whatever hits both arms alike cancels.

use super::{Interval, Tally, log_sum_exp, real};

/// How many times worse than tolerated the canary may be: the alternatives of the mixture, equally likely.
pub(super) const MULTIPLES: [f64; 9] = [1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0];

/// The bets of the bounds from above. Those below 1 serve the difference, all of them the ratio.
pub(super) const BETS: [f64; 12] = [
    0.08, 0.18, 0.32, 0.48, 0.64, 0.78, 0.88, 0.96, 1.5, 3.0, 8.0, 25.0,
];

/// How many of `BETS` are below 1.
pub(super) const DIFFERENCE_BETS: usize = 8;

/// What was seen since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    /// All requests of the canary.
    pub(super) canary: Tally,
    /// All requests of stable.
    pub(super) stable: Tally,
    /// Bad events of the canary in intervals in which stable had requests.
    pub(super) compared_bad: f64,
    /// Σ bad · ln(1 + tolerance·q).
    pub(super) tolerated: f64,
    /// Σ bad · ln(1 + tolerance·multiple·q), for each of `MULTIPLES`.
    pub(super) worse: [f64; MULTIPLES.len()],
    /// Σ stable bad · ln(1 + bet·q), for each of `BETS`.
    pub(super) bets: [f64; BETS.len()],
    /// The Mantel–Haenszel sums of the ratio: numerator, denominator.
    pub(super) ratio: (f64, f64),
}

impl Evidence {
    /// Before the first interval.
    pub(super) const NOTHING: Self = Self {
        canary: Tally {
            requests: 0,
            bad: 0,
        },
        stable: Tally {
            requests: 0,
            bad: 0,
        },
        compared_bad: 0.0,
        tolerated: 0.0,
        worse: [0.0; MULTIPLES.len()],
        bets: [0.0; BETS.len()],
        ratio: (0.0, 0.0),
    };

    /// Adds what happened in one interval.
    pub(super) fn observe(&mut self, interval: Interval, tolerance: f64) {
        let (canary, stable) = (interval.canary.sane(), interval.stable.sane());
        self.canary = self.canary.plus(canary);
        self.stable = self.stable.plus(stable);
        if canary.requests == 0 || stable.requests == 0 || (canary.bad == 0 && stable.bad == 0) {
            return;
        }
        let (canary_bad, stable_bad) = (real(canary.bad), real(stable.bad));
        let (canary, stable) = (real(canary.requests), real(stable.requests));
        let (bad, q) = (canary_bad + stable_bad, canary / stable);
        self.compared_bad += canary_bad;
        self.tolerated += bad * (tolerance * q).ln_1p();
        for (sum, multiple) in self.worse.iter_mut().zip(MULTIPLES) {
            *sum += bad * (1.0 + tolerance * multiple * q).ln();
        }
        if stable_bad > 0.0 {
            for (sum, bet) in self.bets.iter_mut().zip(BETS) {
                *sum += stable_bad * (1.0 + bet * q).ln();
            }
        }
        let both = canary + stable;
        self.ratio.0 += canary_bad * stable / both;
        self.ratio.1 += stable_bad * canary / both;
    }

    /// The logarithm of the e-value against "the ratio is at most `tolerance`", from what came after `earlier`.
    ///
    /// Given the bad events of both arms together, those of the canary are binomial with `θ(r) = r·n_c / (r·n_c + n_s)`.
    /// The e-value is the mean over `MULTIPLES` of the likelihood ratios Π θ(r₀m)/θ(r₀)…, which has expectation at
    /// most 1 at every stopping time while the ratio is at most r₀ (Ville 1939; Lindon and Malek, arXiv:2011.03567).
    /// With a design effect, as many events as fail together count as one.
    pub(super) fn log_e(&self, earlier: &Self, design_effect: f64) -> f64 {
        let canary_bad = self.compared_bad - earlier.compared_bad;
        let tolerated = self.tolerated - earlier.tolerated;
        let terms =
            self.worse
                .iter()
                .zip(&earlier.worse)
                .zip(MULTIPLES)
                .map(|((now, then), multiple)| {
                    (canary_bad * multiple.ln() + tolerated - (now - then)) / design_effect
                });
        log_sum_exp(terms) - real(MULTIPLES.len() as u64).ln()
    }

    /// The Mantel–Haenszel estimate of the ratio of bad shares.
    pub(super) fn ratio(&self) -> Option<f64> {
        (self.ratio.1 > 0.0).then(|| self.ratio.0 / self.ratio.1)
    }
}
