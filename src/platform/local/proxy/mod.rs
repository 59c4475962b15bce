//! The in-process reverse proxy: picks a revision by verb and path, hands the request over, counts.
//!
//! It decides nothing: the split, the backends and the routes come in as one [`Table`], swapped as a whole, so that a
//! request sees either the state before a commit or the one after it.

mod backend;
mod body;
mod connection;
mod enter;
mod environment;
mod forward;
mod headers;
mod problem;
mod serve;
mod table;
#[cfg(test)]
mod tests;
mod upload;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::watch;

pub(crate) use backend::{Backend, Target};
pub(crate) use body::Body;
pub(crate) use environment::EnvironmentProxy;
pub(crate) use table::Table;

use super::metrics::Metrics;
use crate::domain::name::ServiceName;
use crate::domain::service::Route;

/// What is known about a request beside the request itself.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The route that the request belongs to; none for the rest.
    pub(crate) route: Option<Route>,
    /// Who asks.
    pub(crate) remote: SocketAddr,
}

/// Answers HTTP for a revision that is not an HTTP server: a function.
#[async_trait]
pub(crate) trait Invoke: Send + Sync {
    /// One request, one answer; never fails otherwise than with an answer.
    async fn handle(
        &self,
        request: http::Request<hyper::body::Incoming>,
        context: &RequestContext,
    ) -> http::Response<Body>;
}

/// How long the proxy waits for others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the head of a request, from the end of the one before it or the beginning of the connection; then the
    /// connection is closed.
    pub(crate) head: Duration,
    /// For a revision that is being started, from the head of the request on; then 503.
    pub(crate) patience: Duration,
    /// For the head of an answer while nothing of the request is taken either; then 504. Functions have a limit of
    /// their own.
    pub(crate) answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_mins(1),
            patience: Duration::from_secs(10),
            answer: Duration::from_mins(1),
        }
    }
}

/// The proxy of one service.
pub(crate) struct ServiceProxy {
    service: ServiceName,
    metrics: Arc<Metrics>,
    limits: Limits,
    table: ArcSwapOption<table::Ready>,
    /// Tells those who wait that the table was replaced.
    changes: watch::Sender<()>,
    /// False while the supervisor brings up, after its start, what had traffic.
    restored: watch::Sender<bool>,
    /// Held while the table is replaced.
    replacing: Mutex<()>,
}

impl ServiceProxy {
    /// A proxy that answers 503 until it has a table.
    pub(crate) fn new(service: ServiceName, metrics: Arc<Metrics>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            service,
            metrics,
            limits,
            table: ArcSwapOption::empty(),
            changes: watch::Sender::new(()),
            restored: watch::Sender::new(true),
            replacing: Mutex::default(),
        })
    }

    /// Replaces routes, weights and backends in one step. Requests under way stay where they are.
    pub(crate) fn set_table(&self, table: Table) {
        let _replacing = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.table.load();
        let ready = table::Ready::new(table, &self.service, &self.metrics, before.as_deref());
        self.table.store(Some(Arc::new(ready)));
        self.changes.send_replace(());
    }

    /// Says whether everything that had traffic before this supervisor was started is ready, or has failed. Until then
    /// requests wait for it as long as it takes: that nobody serves is not the revision's doing.
    pub(crate) fn set_restored(&self, restored: bool) {
        self.restored.send_replace(restored);
    }

    /// The service.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.service
    }
}
