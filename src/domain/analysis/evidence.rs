//! Running sums over intervals: all that the bounds need to know, in a few numbers.

use super::{Interval, Tally, real};

/// The bets of the bounds from above. Those below 1 serve the difference, all of them the ratio.
pub(super) const BETS: [f64; 12] = [
    0.08, 0.18, 0.32, 0.48, 0.64, 0.78, 0.88, 0.96, 1.5, 3.0, 8.0, 25.0,
];

/// How many of `BETS` are below 1.
pub(super) const DIFFERENCE_BETS: usize = 8;

/// What was seen since the start. With q = canary requests over stable requests of an interval:
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    /// All requests of the canary.
    pub(super) canary: Tally,
    /// All requests of stable.
    pub(super) stable: Tally,
    /// Π (1 + bet·q)^(stable bad), for each of `BETS`.
    bets: [Product; BETS.len()],
    /// The Mantel–Haenszel sums of the ratio: numerator, denominator.
    ratio: (f64, f64),
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
        bets: [Product::ONE; BETS.len()],
        ratio: (0.0, 0.0),
    };

    /// Adds what happened in one interval; both tallies are sane.
    pub(super) fn observe(&mut self, Interval { canary, stable }: Interval) {
        self.canary = self.canary.plus(canary);
        self.stable = self.stable.plus(stable);
        if canary.requests == 0 || stable.requests == 0 {
            return;
        }
        let (canary_bad, stable_bad) = (real(canary.bad), real(stable.bad));
        let (canary, stable) = (real(canary.requests), real(stable.requests));
        if stable_bad > 0.0 {
            let q = canary / stable;
            for (product, bet) in self.bets.iter_mut().zip(BETS) {
                product.times(1.0 + bet * q, stable_bad);
            }
        }
        self.ratio.0 += canary_bad * (stable / (canary + stable));
        self.ratio.1 += stable_bad * (canary / (canary + stable));
    }

    /// Σ stable bad · ln(1 + bet·q), for each of `BETS`.
    pub(super) fn bets(&self) -> [f64; BETS.len()] {
        self.bets.map(Product::ln)
    }

    /// The Mantel–Haenszel estimate of the ratio of bad shares.
    pub(super) fn ratio(&self) -> Option<f64> {
        (self.ratio.1 > 0.0).then(|| self.ratio.0 / self.ratio.1)
    }
}

/// A product of many factors of at least 1 whose logarithm is wanted in the end: taking one logarithm for many
/// intervals is what makes observing cheap.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Product {
    factor: f64,
    logarithm: f64,
}

impl Product {
    /// The empty product.
    const ONE: Self = Self {
        factor: 1.0,
        logarithm: 0.0,
    };

    /// Multiplies with `factor` (at least 1) to the power of the whole number `times`.
    fn times(&mut self, factor: f64, times: f64) {
        if times > 4.0 || factor > 1e20 {
            self.logarithm += times * factor.ln();
            return;
        }
        let mut left = times;
        while left > 0.0 {
            self.factor *= factor;
            left -= 1.0;
        }
        if self.factor > 1e200 {
            self.logarithm += self.factor.ln();
            self.factor = 1.0;
        }
    }

    fn ln(self) -> f64 {
        self.logarithm + self.factor.ln()
    }
}
