//! Accepting connections: HTTP/1.1 and HTTP/2 with prior knowledge, and a stop that finishes what is under way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::connection::Lent;
use super::{Body, ServiceProxy};

/// Bytes that the head of a request may have; more is answered with 431.
const LARGEST_HEAD: usize = 64 * 1024;
/// How long a stop waits for requests under way.
const STOP: Duration = Duration::from_secs(20);
/// How long a stop leaves a connection on which nothing is under way open: what its client has just sent, or is about
/// to send, is answered then, and says that the connection ends. Closed at once, it would end below that request.
const LAST_CALL: Duration = Duration::from_millis(250);
/// How long accepting rests when the process has no file descriptors left.
const REST: Duration = Duration::from_millis(50);

impl ServiceProxy {
    /// Serves a listener until `stop` becomes true and lets go of it; then finishes what is under way, for at most 20 s.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: Arc<TcpListener>,
        stop: watch::Receiver<bool>,
    ) {
        let head = self.limits.head;
        serve(listener, stop, head, move |request, remote| {
            let proxy = Arc::clone(&self);
            async move { proxy.handle(request, remote).await }
        })
        .await;
    }
}

/// The same for any handler. `head` is how long the head of a request may take.
pub(super) async fn serve<H, F>(
    listener: Arc<TcpListener>,
    mut stop: watch::Receiver<bool>,
    head: Duration,
    handle: H,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let builder = builder(head);
    // Closed when the last connection has dropped its half.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
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
        let handle = move |request| handle(request, remote);
        let (builder, stop, open) = (builder.clone(), stop.clone(), open.clone());
        drop(tokio::spawn(async move {
            converse(stream, &builder, head, stop, handle).await;
            drop(open);
        }));
    }
    drop((listener, open));
    if tokio::time::timeout(STOP, all_ended.recv()).await.is_err() {
        tracing::warn!("requests were cut off after 20 s");
    }
}

fn builder(head: Duration) -> auto::Builder<TokioExecutor> {
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
    builder
}

/// Returns when a stop has left the time for the last requests.
async fn last_call(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left who could wait for the connection.
    drop(stop.wait_for(|stop| *stop).await);
    tokio::time::sleep(LAST_CALL).await;
}

/// Serves one connection to its end.
async fn converse<H, F>(
    stream: TcpStream,
    builder: &auto::Builder<TokioExecutor>,
    head: Duration,
    stop: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut last_call = pin!(last_call(stop.clone()));
    // Who says nothing is not waited for, and at a stop not for long.
    let mut first = [0];
    let speaks = tokio::select! {
        speaks = tokio::time::timeout(head, stream.peek(&mut first)) => speaks.is_ok(),
        () = last_call.as_mut() => false,
    };
    if !speaks {
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let is_http1 = request.version() < Version::HTTP_2;
        let (answer, stop) = (handle(request), stop.clone());
        async move {
            let mut answer = answer.await;
            // HTTP/2 says it for the whole connection; what is upgraded is no connection of HTTP any more.
            if *stop.borrow() && is_http1 && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let (stream, returned) = Lent::new(stream);
    let ended = {
        // It gives its stream back when it is dropped.
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = last_call => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let Err(error) = ended else { return };
    let is_late = error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_timeout);
    if is_late && let Ok(returned) = returned.await {
        returned.time_out().await;
    }
    tracing::debug!(%error, "a connection ended early");
}
