//! The state that requests are picked by: routes, weights, backends and the series they are counted in.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Backend;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::route::RouteTable;
use crate::domain::service::Route;
use crate::domain::traffic::{Split, Weights};
use crate::platform::local::metrics::{Key, Metrics, Series};

/// One commit, as the proxy needs it.
#[derive(Clone)]
pub(crate) struct Table {
    /// Who takes what.
    pub(crate) split: Split,
    /// Every revision that can be reached: those with traffic, and those that only the forcing header reaches.
    pub(crate) backends: BTreeMap<RevisionNumber, Arc<Backend>>,
    /// The id of the rollout that is live and the revision it brings: the forcing header may name it.
    pub(crate) rollout: Option<(String, RevisionNumber)>,
    /// Slower than this is a bad event.
    pub(crate) slow: Option<Duration>,
}

/// The series of one revision on one route.
struct Counted {
    plain: Arc<Series>,
    forced: Arc<Series>,
}

/// One row: a listed route, or the rest.
struct Row {
    route: Option<Route>,
    weights: Weights,
    series: BTreeMap<RevisionNumber, Counted>,
}

/// A table with everything looked up beforehand.
pub(super) struct Ready {
    routes: RouteTable,
    rows: Vec<Row>,
    rest: Row,
    backends: BTreeMap<RevisionNumber, Arc<Backend>>,
    rollout: Option<(String, RevisionNumber)>,
    pub(super) slow: Option<Duration>,
}

/// Where a request goes.
pub(super) struct Pick {
    pub(super) revision: RevisionNumber,
    pub(super) backend: Arc<Backend>,
    pub(super) route: Option<Route>,
    pub(super) series: Arc<Series>,
}

/// Why a request goes nowhere.
pub(super) enum Nowhere {
    /// The header names what is not there.
    Unknown(String),
    /// The revision that was picked has no backend: it is on its way up.
    NotUp(RevisionNumber),
}

impl Ready {
    pub(super) fn new(table: Table, service: &ServiceName, metrics: &Metrics) -> Self {
        let row = |route: Option<&Route>, weights: &Weights| {
            let key = |revision: RevisionNumber, forced: bool| Key {
                service: service.clone(),
                route: route.map_or_else(|| "rest".to_owned(), |route| route.name.to_string()),
                method: route.map(|route| route.method.clone()).unwrap_or_default(),
                revision,
                forced,
            };
            let series = table.backends.keys().map(|revision| {
                let counted = Counted {
                    plain: metrics.series(key(*revision, false)),
                    forced: metrics.series(key(*revision, true)),
                };
                (*revision, counted)
            });
            Row {
                route: route.cloned(),
                weights: weights.clone(),
                series: series.collect(),
            }
        };
        Self {
            routes: RouteTable::new(table.split.routes.iter().map(|one| &one.route)),
            rows: table
                .split
                .routes
                .iter()
                .map(|one| row(Some(&one.route), &one.weights))
                .collect(),
            rest: row(None, &table.split.rest),
            backends: table.backends,
            rollout: table.rollout,
            slow: table.slow,
        }
    }

    /// Picks by route and weight, or as the forcing header says.
    pub(super) fn pick(
        &self,
        method: &str,
        path: &str,
        forced: Option<&str>,
        tickets: &Tickets,
    ) -> Result<Pick, Nowhere> {
        let row = self
            .routes
            .find(method, path)
            .and_then(|index| self.rows.get(index));
        let row = row.unwrap_or(&self.rest);
        let revision = match forced {
            Some(name) => self
                .named(name)
                .ok_or_else(|| Nowhere::Unknown(name.to_owned()))?,
            None => match row.weights.sole() {
                Some(revision) => revision,
                None => row
                    .weights
                    .pick(tickets.draw())
                    .unwrap_or(RevisionNumber(0)),
            },
        };
        let (Some(backend), Some(series)) =
            (self.backends.get(&revision), row.series.get(&revision))
        else {
            return Err(match forced {
                Some(name) => Nowhere::Unknown(name.to_owned()),
                None => Nowhere::NotUp(revision),
            });
        };
        Ok(Pick {
            revision,
            backend: Arc::clone(backend),
            route: row.route.clone(),
            series: Arc::clone(if forced.is_some() {
                &series.forced
            } else {
                &series.plain
            }),
        })
    }

    /// Requests under way on all backends.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.backends
            .values()
            .map(|backend| backend.in_flight())
            .sum()
    }

    fn named(&self, name: &str) -> Option<RevisionNumber> {
        if let Some((_, revision)) = self.rollout.as_ref().filter(|(id, _)| id == name) {
            return Some(*revision);
        }
        let revision = RevisionNumber(name.parse().ok()?);
        self.backends.contains_key(&revision).then_some(revision)
    }
}

/// Numbers 0–99, each as likely as any other and independent of who asks.
pub(super) struct Tickets {
    seed: u64,
    next: AtomicU64,
}

impl Tickets {
    pub(super) fn new() -> Self {
        // The seed that the standard library takes from the system for its maps.
        Self {
            seed: RandomState::new().hash_one(0_u8),
            next: AtomicU64::new(0),
        }
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014) over a counter: no lock, no state to share but the counter.
    pub(super) fn draw(&self) -> u8 {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut z = self
            .seed
            .wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The high bits, scaled: the bias of 2^64 modulo 100 is below 10^-17.
        u8::try_from((u128::from(z) * 100) >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Tickets;

    #[test]
    fn tickets_are_spread_evenly() {
        let tickets = Tickets::new();
        let mut counts = [0_u32; 100];
        for _ in 0..1_000_000 {
            counts[usize::from(tickets.draw())] += 1;
        }
        // 10,000 expected; six standard deviations are 600.
        assert!(
            counts.iter().all(|count| (9_400..=10_600).contains(count)),
            "{counts:?}"
        );
    }
}
