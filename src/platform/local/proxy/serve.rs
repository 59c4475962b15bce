//! Accepting connections: HTTP/1.1 and HTTP/2 with prior knowledge, and a stop that finishes what is under way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::Lent;
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
        let head = self.limits.head;
        serve(listener, stop, head, move |request, remote| {
            let proxy = Arc::clone(&self);
            async move { proxy.handle(request, remote).await }
        })
        .await
    }
}

/// The same for any handler. `head` is how long the head of a request may take.
pub(super) async fn serve<H, F>(
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    head: Duration,
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
        .timer(TokioTimer::new())
        .header_read_timeout(head)
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
        let (builder, watcher) = (builder.clone(), graceful.watcher());
        let mut stop = stop.clone();
        drop(tokio::spawn(async move {
            // Who says nothing is not waited for, neither here nor at a stop.
            let mut first = [0];
            let speaks = tokio::select! {
                speaks = tokio::time::timeout(head, stream.peek(&mut first)) => speaks.is_ok(),
                _ = stop.wait_for(|stop| *stop) => false,
            };
            if !speaks {
                return;
            }
            let (stream, returned) = Lent::new(stream);
            let connection = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .into_owned();
            let ended = watcher.watch(connection).await;
            let Err(error) = ended else { return };
            let is_late = error
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_timeout);
            if is_late && let Ok(returned) = returned.await {
                returned.time_out().await;
            }
            tracing::debug!(%error, "a connection ended early");
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
