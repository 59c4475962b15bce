//! Which revision takes which share of the requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::release::RevisionNumber;
use super::service::Route;

/// Revision → integer weight in percent, 1–100, which sum to 100. Revisions without traffic are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<RevisionNumber, u8>")]
pub(crate) struct Weights(BTreeMap<RevisionNumber, u8>);

/// Why weights are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWeights {
    /// They do not add up.
    #[error("weights sum to {sum} %, not 100 %")]
    Sum {
        /// What they sum to.
        sum: u32,
    },
    /// A weight of 0 has no place in a split.
    #[error("revision {revision} has the weight 0; leave it out")]
    Zero {
        /// Which one.
        revision: RevisionNumber,
    },
}

/// What is read from elsewhere is checked as everything else is.
impl TryFrom<BTreeMap<RevisionNumber, u8>> for Weights {
    type Error = InvalidWeights;

    fn try_from(weights: BTreeMap<RevisionNumber, u8>) -> Result<Self, InvalidWeights> {
        Self::new(weights)
    }
}

impl Weights {
    /// All requests to one revision.
    pub(crate) fn all(revision: RevisionNumber) -> Self {
        Self(BTreeMap::from([(revision, 100)]))
    }

    /// Checks that each weight is 1–100 and that they sum to 100.
    pub(crate) fn new(weights: BTreeMap<RevisionNumber, u8>) -> Result<Self, InvalidWeights> {
        if let Some((revision, _)) = weights.iter().find(|(_, weight)| **weight == 0) {
            return Err(InvalidWeights::Zero {
                revision: *revision,
            });
        }
        let sum = weights.values().map(|weight| u32::from(*weight)).sum();
        if sum == 100 {
            Ok(Self(weights))
        } else {
            Err(InvalidWeights::Sum { sum })
        }
    }

    /// In ascending order of the revision.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RevisionNumber, u8)> + '_ {
        self.0.iter().map(|(revision, weight)| (*revision, *weight))
    }

    /// The revision that takes everything, if one does.
    pub(crate) fn sole(&self) -> Option<RevisionNumber> {
        if self.0.len() == 1 {
            self.0.keys().next().copied()
        } else {
            None
        }
    }

    /// Maps a number 0–99, such as one from [`ticket`], to a revision, so that each one gets exactly its weight of
    /// the 100 numbers.
    pub(crate) fn pick(&self, ticket: u8) -> Option<RevisionNumber> {
        let mut upper = 0;
        self.0.iter().find_map(|(revision, weight)| {
            upper += *weight;
            (ticket < upper).then_some(*revision)
        })
    }
}

/// The ticket, 0–99, of the `n`th request: deals each of the 100 tickets once in each block of 100 requests, so that
/// the weights are kept exactly and not only on average.
///
/// In a block the tickets are a golden-ratio lattice (`n · 61 mod 100`, 61 ≈ 100/φ; Niederreiter, "Random Number
/// Generation and Quasi-Monte Carlo Methods", 1992, §3.1), which spreads every range of tickets evenly over the block.
/// Each block begins elsewhere and may go the other way round, by a hash of its number (`SplitMix64`; Steele, Lea, Flood
/// 2014) with `seed`: a client whose requests have an order of their own never meets the same tickets again and again.
pub(crate) fn ticket(seed: u64, n: u64) -> u8 {
    let (block, position) = (n / 100, n % 100);
    let mut hash = seed.wrapping_add(block.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let (shift, step) = ((hash >> 1) % 100, if hash & 1 == 0 { 61 } else { 39 });
    u8::try_from((shift + position * step) % 100).unwrap_or(0)
}

/// The weights of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteSplit {
    /// Which requests; the table belongs to the commit, not to a revision.
    pub(crate) route: Route,
    /// Who takes them.
    pub(crate) weights: Weights,
    /// Who is let through to another revision, whatever the weights say; a route that only that revision has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) gate: Option<Gate>,
}

/// The weights of each listed route and of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Split {
    /// In the order of `squad.toml`.
    pub(crate) routes: Vec<RouteSplit>,
    /// All requests that match no listed route.
    pub(crate) rest: Weights,
}

impl Split {
    /// All requests, of every listed route and of the rest, to one revision.
    pub(crate) fn all(routes: &[Route], revision: RevisionNumber) -> Self {
        Self {
            routes: routes
                .iter()
                .map(|route| RouteSplit {
                    route: route.clone(),
                    weights: Weights::all(revision),
                    gate: None,
                })
                .collect(),
            rest: Weights::all(revision),
        }
    }

    /// Whether both send every request the same way: the order of rows and the names of routes mean nothing.
    pub(crate) fn means_same(&self, other: &Self) -> bool {
        let rows = |split: &Self| {
            let mut rows: Vec<_> = split
                .routes
                .iter()
                .map(|row| {
                    (
                        row.route.method.clone(),
                        row.route.path.0.clone(),
                        row.weights.clone(),
                        row.gate.clone(),
                    )
                })
                .collect();
            rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            rows
        };
        self.rest == other.rest && rows(self) == rows(other)
    }

    /// Every revision that takes any request, ascending.
    pub(crate) fn revisions(&self) -> Vec<RevisionNumber> {
        let mut all: Vec<_> = self
            .routes
            .iter()
            .flat_map(|route| route.weights.iter())
            .chain(self.rest.iter())
            .map(|(revision, _)| revision)
            .chain(self.gates().map(|gate| gate.to))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every gate.
    pub(crate) fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.routes.iter().filter_map(|row| row.gate.as_ref())
    }

    /// The revision that takes everything, if one does.
    pub(crate) fn sole(&self) -> Option<RevisionNumber> {
        match self.revisions().as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_read_are_checked_too() {
        let read = |text: &str| serde_json::from_str::<Weights>(text).map_err(|e| e.to_string());
        let written = r#"{"1":95,"2":5}"#;
        let weights = read(written).unwrap();
        assert_eq!(serde_json::to_string(&weights).unwrap(), written);
        assert_eq!(
            read(r#"{"1":100,"2":0}"#).unwrap_err(),
            "revision 2 has the weight 0; leave it out"
        );
        assert_eq!(
            read(r#"{"1":90}"#).unwrap_err(),
            "weights sum to 90 %, not 100 %"
        );
    }

    #[test]
    fn weights_must_sum_to_100_without_zeros() {
        let weights = |pairs: &[(u64, u8)]| {
            Weights::new(
                pairs
                    .iter()
                    .map(|(r, w)| (RevisionNumber(*r), *w))
                    .collect(),
            )
        };
        assert!(weights(&[(1, 100)]).is_ok());
        assert!(weights(&[(1, 95), (2, 5)]).is_ok());
        assert_eq!(weights(&[(1, 95)]), Err(InvalidWeights::Sum { sum: 95 }));
        assert_eq!(weights(&[]), Err(InvalidWeights::Sum { sum: 0 }));
        assert_eq!(
            weights(&[(1, 100), (2, 0)]),
            Err(InvalidWeights::Zero {
                revision: RevisionNumber(2)
            })
        );
    }

    #[test]
    fn each_revision_gets_exactly_its_weight_of_100_tickets() {
        let weights = Weights::new(BTreeMap::from([
            (RevisionNumber(1), 93),
            (RevisionNumber(2), 7),
        ]))
        .unwrap();
        let second = (0..100)
            .filter(|ticket| weights.pick(*ticket) == Some(RevisionNumber(2)))
            .count();
        assert_eq!(second, 7);
        assert_eq!(weights.pick(100), None);
    }

    /// How many of `requests` a range of `width` tickets gets.
    fn hits(seed: u64, requests: std::ops::Range<u64>, width: u8) -> u64 {
        requests
            .filter(|n| ticket(seed, *n) >= 100 - width)
            .count()
            .try_into()
            .unwrap()
    }

    #[test]
    fn every_hundred_requests_get_every_ticket_once() {
        for seed in [0, 1, u64::MAX] {
            for block in [0, 1, 2, 77] {
                let mut dealt: Vec<u8> = (block * 100..block * 100 + 100)
                    .map(|n| ticket(seed, n))
                    .collect();
                assert!(!dealt.is_sorted(), "mixed");
                dealt.sort_unstable();
                assert!(dealt.into_iter().eq(0..100), "seed {seed} block {block}");
            }
        }
    }

    /// A window over two blocks is off by at most four requests, and usually by none or one.
    #[test]
    fn any_hundred_requests_in_a_row_are_close_to_the_weights() {
        for width in [1, 5, 10, 25, 50, 75, 99] {
            for from in 0..2_000 {
                let hits = hits(7, from..from + 100, width);
                assert!(
                    hits.abs_diff(u64::from(width)) <= 4,
                    "{hits} of 100 at {width} % from {from}"
                );
            }
        }
    }

    /// A client that sends `period` kinds of requests in turn: each kind gets the weights, not only their sum.
    #[test]
    fn requests_that_come_in_turn_get_the_same_shares() {
        for period in [2, 3, 4, 5, 10, 20, 50, 100] {
            for width in [5_u8, 10, 50] {
                for kind in [0, 1] {
                    let requests = 200_000;
                    let of_kind = requests / period;
                    let hits = (0..requests)
                        .filter(|n| n % period == kind && ticket(42, *n) >= 100 - width)
                        .count();
                    let share = f64::from(width) / 100.0;
                    let expected = f64::from(u32::try_from(of_kind).unwrap()) * share;
                    let deviation = (expected * (1.0 - share)).sqrt();
                    let off = (f64::from(u32::try_from(hits).unwrap()) - expected).abs();
                    assert!(
                        off <= 5.0 * deviation,
                        "period {period} kind {kind}: {hits} for {expected}"
                    );
                }
            }
        }
    }
}
