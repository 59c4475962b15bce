//! From a request to a backend that takes it: picked by the present table, entered, and waited for.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use super::backend::{Backend, InFlight};
use super::headers;
use super::problem::problem;
use super::table::{Nowhere, Pick, Ready};
use super::{Body, ServiceProxy};
use crate::domain::release::RevisionNumber;
use crate::platform::local::metrics::{End, Series};

/// A request that is under way on a backend: nobody ends the backend's process below it.
pub(super) struct Entered {
    /// The table that said so.
    pub(super) table: Arc<Ready>,
    /// Where the request goes.
    pub(super) pick: Pick,
    pub(super) under_way: InFlight,
}

/// Counts a request whose client goes away before there is an answer.
pub(super) struct Waiting {
    /// Where the request is counted; none before it was picked and after it was counted.
    series: Option<Arc<Series>>,
    started: Instant,
}

impl Waiting {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            series: None,
            started,
        }
    }

    /// Since the head of the request came.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time until now was the platform's, not the revision's.
    fn begins_now(&mut self) {
        self.started = Instant::now();
    }

    /// There is an answer.
    pub(super) fn ends(&mut self, end: End, slow: Option<Duration>) {
        if let Some(series) = self.series.take() {
            series.record(end, self.started.elapsed(), slow);
        }
    }

    /// From here on somebody else counts the request.
    pub(super) fn handed_on(&mut self) {
        self.series = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.ends(End::ClientClosed, None);
    }
}

impl ServiceProxy {
    /// Picks by the present table, and enters.
    pub(super) fn enter(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Entered, Nowhere> {
        let forced = headers::forced(headers, self.service().as_str());
        loop {
            let table = self.table.load_full().ok_or(Nowhere::Nobody)?;
            let pick = table.pick(method, path, forced, headers)?;
            let under_way = pick.backend.enter();
            // Whoever replaced the table before this request entered may have found the backend empty and be ending
            // its process. Who replaces it from now on finds the request there: both count under one lock.
            if self.is_present(&table) {
                return Ok(Entered {
                    table,
                    pick,
                    under_way,
                });
            }
        }
    }

    /// Enters a backend that is available; the flag is false when it was not in time. When the table changes
    /// meanwhile, the request goes where the new one says: a rollback frees those who wait for what it leaves.
    pub(super) async fn enter_available(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        waiting: &mut Waiting,
    ) -> Result<(Entered, bool), Nowhere> {
        let is_restoring = !*self.restored.borrow();
        if is_restoring {
            self.first_table().await;
        }
        loop {
            // It is not to be counted where it waited only.
            waiting.handed_on();
            let entered = self.enter(method, path, headers)?;
            waiting.series = Some(Arc::clone(&entered.pick.series));
            if !is_restoring && entered.pick.backend.is_available() {
                return Ok((entered, true));
            }
            let mut changes = self.changes.subscribe();
            if !self.is_present(&entered.table) {
                continue;
            }
            let available = tokio::select! {
                biased;
                available = self.available(&entered.pick.backend, waiting.started) => available,
                _ = changes.changed() => continue,
            };
            if is_restoring && available {
                waiting.begins_now();
            }
            return Ok((entered, available));
        }
    }

    /// Waits while a supervisor that was just started has not said yet where requests go.
    async fn first_table(&self) {
        let mut changes = self.changes.subscribe();
        while !*self.restored.borrow() && self.table.load().is_none() {
            // An error means that nobody is left who could change it.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits for a backend: for as long as a supervisor that was just started brings up what had traffic, and otherwise
    /// for as long as a request has patience.
    async fn available(&self, backend: &Backend, started: Instant) -> bool {
        if backend.is_available() {
            return true;
        }
        let mut restored = self.restored.subscribe();
        tokio::select! {
            () = backend.becomes_available() => return true,
            _ = restored.wait_for(|restored| *restored) => {}
        }
        backend.wait(started + self.limits.patience).await
    }

    fn is_present(&self, table: &Arc<Ready>) -> bool {
        let present = self.table.load();
        present
            .as_ref()
            .is_some_and(|present| Arc::ptr_eq(present, table))
    }

    /// The answer to a request that goes nowhere.
    pub(super) fn nowhere(&self, why: Nowhere) -> Response<Body> {
        let service = self.service();
        let (status, detail, revision) = match why {
            Nowhere::Nobody => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("no revision of `{service}` serves"),
                None,
            ),
            Nowhere::Unknown(name) => (
                StatusCode::NOT_FOUND,
                format!(
                    "`{service}` has no revision `{}` that runs",
                    name.escape_debug()
                ),
                name.parse().ok().map(RevisionNumber),
            ),
            Nowhere::NotUp(revision) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("revision {revision} of `{service}` does not run"),
                Some(revision),
            ),
        };
        problem(status, &detail, Some(service), revision)
    }
}
