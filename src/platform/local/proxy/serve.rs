//! Accepting connections: HTTP/1.1 and HTTP/2 with prior knowledge, and a stop that finishes what is under way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Body, ServiceProxy};

/// Bytes that the head of a request may have; more is answered with 431.
const LARGEST_HEAD: usize = 64 * 1024;
/// How long a stop waits for requests under way.
const STOP: Duration = Duration::from_secs(20);
/// How long accepting rests when the process has no file descriptors left.
const REST: Duration = Duration::from_millis(50);

impl ServiceProxy {
    /// Serves a listener until `stop` becomes true; then finishes what is under way, for at most 20 s.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: std::net::TcpListener,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        serve(listener, stop, move |request, remote| {
            let proxy = Arc::clone(&self);
            async move { proxy.handle(request, remote).await }
        })
        .await
    }
}

/// The same for any handler.
pub(super) async fn serve<H, F>(
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    handle: H,
) -> std::io::Result<()>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_buf_size(LARGEST_HEAD)
        .preserve_header_case(true);
    builder
        .http2()
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that went away again, or no file descriptors left: others may still be served.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let handle = handle.clone();
        let service = service_fn(move |request| {
            let answer = handle(request, remote);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        drop(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        }));
    }
    drop(listener);
    if tokio::time::timeout(STOP, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off after 20 s");
    }
    Ok(())
}
