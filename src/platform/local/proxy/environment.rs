//! The environment's own port: every service by its name (`http://<service>.localhost:<port>`), and the metrics.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::problem::problem;
use super::serve::serve;
use super::{Body, Limits, ServiceProxy};
use crate::domain::name::ServiceName;
use crate::platform::local::metrics::Metrics;

/// The proxies of one environment.
pub(crate) struct EnvironmentProxy {
    metrics: Arc<Metrics>,
    services: RwLock<BTreeMap<ServiceName, Arc<ServiceProxy>>>,
}

impl EnvironmentProxy {
    /// Without services.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            metrics,
            services: RwLock::new(BTreeMap::new()),
        })
    }

    /// Makes a service known by its name.
    pub(crate) fn add(&self, proxy: Arc<ServiceProxy>) {
        let mut services = self
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        services.insert(proxy.service().clone(), proxy);
    }

    /// Serves a listener until `stop` becomes true.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: Arc<TcpListener>,
        stop: watch::Receiver<bool>,
    ) {
        serve(
            listener,
            stop,
            Limits::default().head,
            move |request, remote| {
                let proxy = Arc::clone(&self);
                async move { proxy.handle(request, remote).await }
            },
        )
        .await;
    }

    async fn handle(&self, request: Request<Incoming>, remote: SocketAddr) -> Response<Body> {
        let Some(host) = host_of(&request) else {
            return elsewhere();
        };
        if let Some(name) = host.strip_suffix(".localhost") {
            let found = {
                let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
                ServiceName::new(name)
                    .ok()
                    .and_then(|name| services.get(&name).cloned())
            };
            return match found {
                Some(proxy) => proxy.handle(request, remote).await,
                None => self.unknown(name),
            };
        }
        // A page in a browser can give any name of its own this machine's address (DNS rebinding).
        if !["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str()) {
            return elsewhere();
        }
        if request.uri().path() == "/metrics" {
            let mut response = Response::new(Body::full(self.metrics.text()));
            response.headers_mut().insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
            );
            return response;
        }
        self.unknown(&host)
    }

    fn unknown(&self, name: &str) -> Response<Body> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<_> = services
            .keys()
            .map(|name| format!("{name}.localhost"))
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let detail = format!(
            "there is no service `{}` here; there are: {known}",
            name.escape_debug()
        );
        problem(StatusCode::NOT_FOUND, &detail, None, None)
    }
}

/// The name that a request is for: in lower case, without port and without the dot at its end.
fn host_of(request: &Request<Incoming>) -> Option<String> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => request.headers().get(HOST)?.to_str().ok()?.parse().ok()?,
    };
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    Some(host.strip_suffix('.').unwrap_or(&host).to_owned())
}

/// The answer to a request for another name, which learns nothing.
fn elsewhere() -> Response<Body> {
    problem(
        StatusCode::MISDIRECTED_REQUEST,
        "only `localhost` and `<service>.localhost` are answered here",
        None,
        None,
    )
}
