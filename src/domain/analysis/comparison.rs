//! The test of "the canary's bad share is at most `tolerance` times stable's", by the bad events of both.

use super::{Settings, Tally, log_sum_exp, real};

/// How many times worse than tolerated the canary may be (the alternatives), and how likely each is thought to be; the
/// likelihoods sum to 1. Most bad releases are a few times worse; the larger ones are found at once anyway.
pub(super) const MULTIPLES: [(f64, f64); 9] = [
    (1.25, 0.03),
    (1.5, 0.05),
    (2.0, 0.18),
    (3.0, 0.22),
    (5.0, 0.22),
    (8.0, 0.10),
    (12.0, 0.06),
    (20.0, 0.06),
    (40.0, 0.08),
];

/// How much of the wealth is kept for later steps.
const LATER: f64 = 0.05;

/// How many later steps get a part of it.
const MAX_STARTS: usize = 12;

/// How near to the threshold (as a difference of logarithms) reinvesting begins: further away it changes nothing.
const NEAR: f64 = 4.0;

/// With more bad events than this in one interval nothing is reinvested: then the interval decides by itself.
const MAX_EVENTS: f64 = 64.0;

/// The part of the wealth that starts with a step; 0 is the first one.
pub(super) fn part_of_step(step: usize) -> f64 {
    if step == 0 {
        1.0 - LATER
    } else {
        (0..step.min(MAX_STARTS)).fold(LATER, |left, _| left / 2.0)
    }
}

/// The wealth of a gambler who bets against the canary at odds that are fair while the canary is as good as tolerated:
/// an e-process. It reaches `units / alpha` with a probability of at most `alpha / units` then, whenever one looks (Ville 1939).
///
/// Given the bad events of both arms in an interval, those of the canary are binomial with
/// `θ(r) = r·n_c / (r·n_c + n_s)`, whatever the bad share is just then; so what hits both arms cancels. The wealth is
/// the mixture over `MULTIPLES` of the likelihood ratios of θ(r₀m) to θ(r₀) (Robbins 1970; for canaries Lindon and
/// Malek, arXiv:2011.03567), with a smaller part that starts anew at each later step, so that harm which only shows
/// at a larger weight need not first outweigh the good requests before. With a design effect d, d events count as one.
///
/// Two things are better than in the textbook: near the threshold, what a bet could win beyond the threshold is
/// reinvested (the wealth after an interval, cut off at the threshold, is made to have exactly the expectation that it
/// had before), which finds a bad canary a tenth sooner at the same risk; and once reached, it stays reached.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    tolerance: f64,
    design_effect: f64,
    log_threshold: f64,
    /// The logarithms of the multiples: what a bad event of the canary wins before its cost.
    gains: [f64; MULTIPLES.len()],
    /// For each start, the logarithm of the wealth that is on each multiple.
    starts: Vec<[f64; MULTIPLES.len()]>,
    /// The largest of them.
    largest: f64,
    /// The logarithm of the factor by which reinvesting has raised all of them.
    raised: f64,
    reached: bool,
}

impl Comparison {
    /// The test before the first interval; `settings` are sane.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            tolerance: settings.tolerance,
            design_effect: settings.design_effect,
            log_threshold: settings.log_threshold(),
            gains: MULTIPLES.map(|(multiple, _)| multiple.ln()),
            starts: vec![MULTIPLES.map(|(_, weight)| (weight * part_of_step(0)).ln())],
            largest: 0.0,
            raised: 0.0,
            reached: false,
        }
    }

    /// Starts the part of the wealth that was kept for this step: half of what is left.
    pub(super) fn begin_step(&mut self) {
        if self.starts.len() <= MAX_STARTS {
            let part = part_of_step(self.starts.len());
            let raised = self.raised;
            self.largest = self.largest.max(-raised);
            self.starts
                .push(MULTIPLES.map(|(_, weight)| (weight * part).ln() - raised));
        }
    }

    /// Adds what both arms did in one interval; both tallies are sane.
    pub(super) fn observe(&mut self, canary: Tally, stable: Tally) {
        let bad = real(canary.bad) + real(stable.bad);
        if canary.requests == 0 || stable.requests == 0 || bad <= 0.0 {
            return;
        }
        let odds = self.tolerance * real(canary.requests) / real(stable.requests);
        let (bad, canary_bad) = (
            bad / self.design_effect,
            real(canary.bad) / self.design_effect,
        );
        let tolerated = (1.0 + odds).ln();
        // What each bad event of either arm costs, and each of the canary wins.
        let costs = MULTIPLES.map(|(multiple, _)| (1.0 + multiple * odds).ln() - tolerated);
        if self.at_most() >= self.log_threshold - NEAR {
            self.reinvest(bad, odds, &costs);
        }
        let mut largest = f64::NEG_INFINITY;
        for start in &mut self.starts {
            for ((wealth, gain), cost) in start.iter_mut().zip(self.gains).zip(costs) {
                *wealth += canary_bad * gain - bad * cost;
                largest = largest.max(*wealth);
            }
        }
        self.largest = largest;
        self.reached = self.reached
            || (self.at_most() >= self.log_threshold - 1e-9
                && self.log_wealth() >= self.log_threshold - 1e-9);
    }

    /// The logarithm of the e-value.
    pub(super) fn log_wealth(&self) -> f64 {
        log_sum_exp(self.starts.iter().flatten().copied()) + self.raised
    }

    /// Whether the threshold was reached at some interval.
    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    /// A quick upper bound of `log_wealth`: as if each of the at most 117 parts were as large as the largest.
    fn at_most(&self) -> f64 {
        const PARTS: f64 = 4.77;
        self.largest + PARTS + self.raised
    }

    /// Raises the wealth before an interval with `bad` events (as counted with the design effect) by the largest factor
    /// for which the wealth after it, cut off at the threshold, has an expectation of at most what it was. The
    /// expectation is largest at the edge of what is tolerated, as the wealth rises with the canary's events.
    fn reinvest(&mut self, bad: f64, odds: f64, costs: &[f64; MULTIPLES.len()]) {
        let events = bad.ceil();
        if events > MAX_EVENTS || self.reached {
            return;
        }
        let before = self.log_wealth();
        let share = odds / (1.0 + odds);
        let mut probability = (1.0 - share).powf(events);
        // For each number of bad events of the canary: its probability, the wealth after it, and what all smaller numbers
        // add to the expectation.
        let mut outcomes: Vec<(f64, f64, f64)> = Vec::with_capacity(65);
        let (mut canary_bad, mut expected) = (0.0, 0.0);
        while canary_bad <= events {
            let after = self.starts.iter().flat_map(|start| {
                let bets = start.iter().zip(self.gains).zip(costs);
                bets.map(move |((wealth, gain), cost)| wealth + canary_bad * gain - bad * cost)
            });
            let after = (log_sum_exp(after) + self.raised - self.log_threshold).exp();
            outcomes.push((probability, after, expected));
            expected += probability * after;
            probability *= (events - canary_bad) / (canary_bad + 1.0) * odds;
            canary_bad += 1.0;
        }
        // Wealth in units of the threshold. The outcomes rise; from the top on, they are cut off at 1.
        let goal = (before - self.log_threshold).exp();
        let (mut cut_off, mut rest) = (0.0, expected);
        for (chance, after, expected_below) in outcomes.iter().rev() {
            let factor = (goal - cut_off) / rest;
            if factor * after <= 1.0 || !factor.is_finite() {
                break;
            }
            cut_off += chance;
            rest = *expected_below;
        }
        let factor = (goal - cut_off) / rest;
        if factor.is_finite() && factor > 1.0 {
            self.raised += factor.ln();
        }
    }
}
