//! Simulated traffic, minute by minute.

use crate::analysis::{Interval, Tally};
use crate::random::Random;

/// The traffic of one route.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    /// Requests per second at the start.
    pub(crate) rps: f64,
    /// Bad share of stable.
    pub(crate) base: f64,
    /// What the canary's bad share is multiplied by.
    pub(crate) times: f64,
    /// What is added to the canary's bad share.
    pub(crate) added: f64,
    /// How many requests fail together.
    pub(crate) clump: u64,
    /// From minute to minute (the second excluded), both arms fail with 30 % instead.
    pub(crate) outage: Option<(u32, u32)>,
    /// Traffic doubles within an hour, as in the morning.
    pub(crate) rising: bool,
}

impl Traffic {
    pub(crate) fn healthy(rps: f64, base: f64) -> Self {
        Self {
            rps,
            base,
            times: 1.0,
            added: 0.0,
            clump: 1,
            outage: None,
            rising: false,
        }
    }

    /// What happens in one minute at a weight.
    pub(crate) fn minute(&self, random: &mut Random, minute: u32, weight: u8) -> Interval {
        let rise = if self.rising {
            1.0 + f64::from(minute) / 60.0
        } else {
            1.0
        };
        let requests = self.rps * 60.0 * rise;
        let base = match self.outage {
            Some((from, to)) if (from..to).contains(&minute) => 0.3,
            _ => self.base,
        };
        let weight = f64::from(weight) / 100.0;
        let canary = (base * self.times + self.added).min(1.0);
        Interval {
            canary: self.arm(random, requests * weight, canary),
            stable: self.arm(random, requests * (1.0 - weight), base),
        }
    }

    fn arm(&self, random: &mut Random, mean: f64, share: f64) -> Tally {
        let clumps = random.poisson(mean / self.clump as f64);
        Tally {
            requests: clumps * self.clump,
            bad: random.binomial(clumps, share) * self.clump,
        }
    }

    /// A day of stable alone, as the history that a plan reads.
    pub(crate) fn history(&self, random: &mut Random) -> Vec<Tally> {
        let calm = Self {
            outage: None,
            rising: false,
            ..*self
        };
        (0..1440)
            .map(|minute| calm.minute(random, minute, 0).stable)
            .collect()
    }
}
