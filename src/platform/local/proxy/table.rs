//! The state that requests are picked by: routes, weights, backends and the series they are counted in.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;

use super::{Backend, headers};
use crate::domain::counts::REST;
use crate::domain::gate::Gate;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::route::RouteTable;
use crate::domain::service::Route;
use crate::domain::traffic::{Split, Weights, ticket};
use crate::platform::local::metrics::{Key, Metrics, Series};

/// One commit, as the proxy needs it.
#[derive(Clone)]
pub(crate) struct Table {
    /// Who takes what; none before the first commit, when only the forcing header reaches anything.
    pub(crate) split: Option<Split>,
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
    /// None before the first commit.
    weights: Option<Weights>,
    /// Who goes elsewhere, whatever the weights say.
    gate: Option<Gate>,
    tickets: Arc<Tickets>,
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
    /// No revision has traffic.
    Nobody,
}

impl Ready {
    /// Looks everything up. A row that was there before with the same weights goes on dealing where it was.
    pub(super) fn new(
        table: Table,
        service: &ServiceName,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Self {
        let row = |route: Option<&Route>, weights: Option<&Weights>, gate: Option<&Gate>| {
            let key = |revision: RevisionNumber, forced: bool| Key {
                service: service.clone(),
                route: route.map_or_else(|| REST.to_owned(), |route| route.name.to_string()),
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
            let tickets = before
                .into_iter()
                .flat_map(|before| before.rows.iter().chain([&before.rest]))
                .find(|row| row.route.as_ref() == route && row.weights.as_ref() == weights)
                .map_or_else(Tickets::new, |row| Arc::clone(&row.tickets));
            Row {
                route: route.cloned(),
                weights: weights.cloned(),
                gate: gate.cloned(),
                tickets,
                series: series.collect(),
            }
        };
        let (routes, rest) = match &table.split {
            Some(split) => (split.routes.as_slice(), Some(&split.rest)),
            None => (Default::default(), None),
        };
        Self {
            routes: RouteTable::new(routes.iter().map(|one| &one.route)),
            rows: routes
                .iter()
                .map(|one| row(Some(&one.route), Some(&one.weights), one.gate.as_ref()))
                .collect(),
            rest: row(None, rest, None),
            backends: table.backends,
            rollout: table.rollout,
            slow: table.slow,
        }
    }

    /// Picks by route, gate and weight, or as the forcing header says.
    pub(super) fn pick(
        &self,
        method: &str,
        path: &str,
        forced: Option<&str>,
        headers: &HeaderMap,
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
            None if let Some(gate) =
                row.gate.as_ref().filter(|gate| is_admitted(gate, headers)) =>
            {
                gate.to
            }
            None => {
                let weights = row.weights.as_ref().ok_or(Nowhere::Nobody)?;
                weights
                    .sole()
                    .or_else(|| weights.pick(row.tickets.draw()))
                    .ok_or(Nowhere::Nobody)?
            }
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

fn is_admitted(gate: &Gate, headers: &HeaderMap) -> bool {
    gate.admits(headers::caller(headers, &gate.identity))
}

/// Deals the tickets of one row, in the order of its requests.
struct Tickets {
    seed: u64,
    next: AtomicU64,
}

impl Tickets {
    fn new() -> Arc<Self> {
        // The seed that the standard library takes from the system for its maps.
        Arc::new(Self {
            seed: RandomState::new().hash_one(0_u8),
            next: AtomicU64::new(0),
        })
    }

    /// No lock, and no state to share but the counter.
    fn draw(&self) -> u8 {
        ticket(self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
