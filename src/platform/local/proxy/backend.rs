//! One revision's way in: where it listens, its idle connections, and how many requests are under way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Invoke;
use super::upload::Upload;

/// Idle connections that are kept for each revision.
const MOST_IDLE: usize = 256;
/// How long connecting to a process on this machine may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Where requests for a revision go.
#[derive(Clone)]
pub(crate) enum Target {
    /// A process that listens.
    Http(SocketAddr),
    /// A pool of function processes.
    Function(Arc<dyn Invoke>),
}

/// A connection to a process; a request goes out with the client's body, or without one.
pub(super) type Connection = SendRequest<Either<Empty<Bytes>, Upload>>;

/// How long a used connection may take to be ready again: its answer was read to the end, so it only has to notice.
const READY: Duration = Duration::from_millis(100);

/// One revision's way in.
pub(crate) struct Backend {
    target: Mutex<Target>,
    /// Connections of an earlier target are not used again.
    idle: Mutex<Vec<(SocketAddr, Connection)>>,
    available: watch::Sender<bool>,
    /// Who waits does so for the last request to leave: nobody is woken for another.
    in_flight: watch::Sender<usize>,
}

/// A request under way; leaving it tells those who wait for the last one.
pub(super) struct InFlight(Arc<Backend>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.send_if_modified(|count| {
            *count -= 1;
            *count == 0
        });
    }
}

impl Backend {
    /// A way in that can be used at once.
    pub(crate) fn new(target: Target) -> Arc<Self> {
        Arc::new(Self {
            target: Mutex::new(target),
            idle: Mutex::new(Vec::new()),
            available: watch::Sender::new(true),
            in_flight: watch::Sender::new(0),
        })
    }

    /// Requests under way.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        *self.in_flight.borrow()
    }

    /// Returns when no request is under way any more.
    pub(crate) async fn drained(&self) {
        drop(
            self.in_flight
                .subscribe()
                .wait_for(|count| *count == 0)
                .await,
        );
    }

    /// A process that was started again listens elsewhere.
    pub(crate) fn set_target(&self, target: Target) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// While it is not available, requests wait.
    pub(crate) fn set_available(&self, available: bool) {
        self.available.send_replace(available);
    }

    /// Whether requests need not wait.
    pub(super) fn is_available(&self) -> bool {
        *self.available.borrow()
    }

    /// Returns when it is available.
    pub(super) async fn becomes_available(&self) {
        // It sends itself, so there is always somebody who could change it.
        drop(self.available.subscribe().wait_for(|yes| *yes).await);
    }

    /// Returns when it is available; false when it was not before `deadline`.
    pub(super) async fn wait(&self, deadline: Instant) -> bool {
        tokio::time::timeout_at(deadline, self.becomes_available())
            .await
            .is_ok()
    }

    pub(super) fn target(&self) -> Target {
        self.target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.send_if_modified(|count| {
            *count += 1;
            false
        });
        InFlight(Arc::clone(self))
    }

    /// A connection that was used before and is ready, if there is one.
    pub(super) async fn idle(&self, address: SocketAddr) -> Option<Connection> {
        loop {
            let (to, mut sender) = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            if to == address
                && !sender.is_closed()
                && matches!(
                    tokio::time::timeout(READY, sender.ready()).await,
                    Ok(Ok(()))
                )
            {
                return Some(sender);
            }
        }
    }

    /// A new connection.
    pub(super) async fn connect(address: SocketAddr) -> std::io::Result<Connection> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|_| std::io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(256 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        // It ends when the sender is dropped or the process closes it; what is wrong is told to the sender.
        drop(tokio::spawn(connection.with_upgrades()));
        Ok(sender)
    }

    /// Keeps a connection whose request and answer came to their ends.
    pub(super) fn keep(&self, address: SocketAddr, sender: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push((address, sender));
        }
    }
}
