//! The in-process reverse proxy: picks a revision by verb and path, hands the request over, counts.
//!
//! It decides nothing: the split, the backends and the routes come in as one [`Table`], swapped as a whole, so that a
//! request sees either the state before a commit or the one after it.

mod backend;
mod body;
mod environment;
mod forward;
mod headers;
mod problem;
mod serve;
mod table;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;

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

/// The proxy of one service.
pub(crate) struct ServiceProxy {
    service: ServiceName,
    metrics: Arc<Metrics>,
    table: ArcSwapOption<table::Ready>,
    /// Held while the table is replaced.
    replacing: Mutex<()>,
}

impl ServiceProxy {
    /// A proxy that answers 503 until it has a table.
    pub(crate) fn new(service: ServiceName, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            service,
            metrics,
            table: ArcSwapOption::empty(),
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
    }

    /// The service.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.service
    }
}
