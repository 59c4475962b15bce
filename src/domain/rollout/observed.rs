//! Whether requests go where the weights send them.
//!
//! A write that is read back says what was asked for, not what happens: a proxy that did not hear of it, a second way to the
//! service, or a client that sticks to one side give another split. Only requests tell, and a step is not passed while they
//! tell otherwise (research: "observed split within binomial bounds", state Shifting).

use super::log::real;
use crate::domain::analysis::Interval;

/// What −ln of the probability of a deviation must reach before it is none of chance: about 2 in 10⁹, so that it does not
/// come up in the thousands of looks of a fleet's rollouts.
const EVIDENCE: f64 = 20.0;
/// A deviation is one from this share of the smaller side on: requests that take longer on one side are counted later there.
const MATERIAL: f64 = 0.2;
/// So many requests of the smaller side have to be expected before it is said that all is as it should be again.
const ENOUGH: f64 = 20.0;

/// The requests of one unit at its present weight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    canary: u64,
    all: u64,
    /// Percent of the requests that the canary got, while that is not what the weight says.
    off: Option<u8>,
}

impl Observed {
    /// Adds what came since the look before, all of it at `weight` (percent, 1–99).
    pub(crate) fn observe(&mut self, interval: Interval, weight: u8) {
        self.canary += interval.canary.requests;
        self.all += interval.canary.requests + interval.stable.requests;
        if self.all == 0 || !(1..100).contains(&weight) {
            return;
        }
        let (all, weight) = (real(self.all), f64::from(weight) / 100.0);
        let share = real(self.canary) / all;
        let smaller = weight.min(1.0 - weight);
        let is_material = (share - weight).abs() > MATERIAL * smaller;
        if is_material && all * divergence(share, weight) > EVIDENCE {
            *self = Self {
                off: Some(percent(share)),
                ..Self::default()
            };
        } else if self.off.is_some() && !is_material && all * smaller >= ENOUGH {
            self.off = None;
        }
    }

    /// Percent of the requests that the canary got, while that is not what the weight says.
    pub(crate) fn off(&self) -> Option<u8> {
        self.off
    }
}

/// The Kullback–Leibler divergence of a coin with `share` from one with `weight`, in nats: n of them bound the probability
/// that n requests at `weight` give `share` or more of a deviation by exp(−n · divergence) (Chernoff 1952; Hoeffding 1963,
/// theorem 1), for every n.
fn divergence(share: f64, weight: f64) -> f64 {
    let term = |share: f64, weight: f64| {
        if share > 0.0 {
            share * (share / weight).ln()
        } else {
            0.0
        }
    };
    term(share, weight) + term(1.0 - share, 1.0 - weight)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 100"
)]
fn percent(share: f64) -> u8 {
    (share * 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analysis::Tally;

    fn interval(canary: u64, stable: u64) -> Interval {
        let tally = |requests| Tally { requests, bad: 0 };
        Interval {
            canary: tally(canary),
            stable: tally(stable),
        }
    }

    fn after(weight: u8, looks: &[(u64, u64)]) -> Option<u8> {
        let mut observed = Observed::default();
        for (canary, stable) in looks {
            observed.observe(interval(*canary, *stable), weight);
        }
        observed.off()
    }

    #[test]
    fn chance_is_no_deviation_and_a_deviation_is_seen_soon() {
        for (name, weight, looks, off) in [
            ("nothing yet", 5, &[(0, 0)][..], None),
            ("as it should be", 5, &[(50, 950)], None),
            ("bad luck of a few", 50, &[(9, 1)], None),
            ("twice as much as it should be", 5, &[(100, 900)], Some(10)),
            ("no request comes through", 50, &[(0, 40)], Some(0)),
            ("all of them", 10, &[(20, 0)], Some(100)),
            (
                "a deviation that matters to nobody",
                50,
                &[(540_000, 460_000)],
                None,
            ),
            ("all to the canary is no split", 100, &[(10, 0)], None),
        ] {
            assert_eq!(after(weight, looks), off, "{name}");
        }
    }

    #[test]
    fn once_the_traffic_follows_all_is_well_again() {
        let late = [(0, 400), (0, 400)];
        assert_eq!(after(10, &late), Some(0));
        // Too little to tell yet.
        assert_eq!(after(10, &[late[0], late[1], (5, 45)]), Some(0));
        assert_eq!(after(10, &[late[0], late[1], (25, 225)]), None);
    }

    /// 2,000 steps of 300 looks each, dealt at random: the bound is far from what chance does.
    #[test]
    fn no_step_is_held_up_by_chance() {
        let mut seed = 20_261_127_u64;
        let mut random = move || {
            // SplitMix64 (Steele, Lea, Flood, 2014).
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        for weight in [1_u8, 5, 50, 90] {
            for _ in 0..500 {
                let mut observed = Observed::default();
                for _ in 0..300 {
                    let canary = (0..20).filter(|_| random() % 100 < u64::from(weight));
                    let canary = canary.count() as u64;
                    observed.observe(interval(canary, 20 - canary), weight);
                    assert_eq!(observed.off(), None, "{observed:?} at {weight} %");
                }
            }
        }
    }
}
