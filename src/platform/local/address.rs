//! Where a service is reachable: one loopback port, chosen once and kept.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Weak};

use aws_lc_rs::digest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::name::ServiceName;
use crate::platform::{Error, Result};

use super::handover::Handed;
use super::proxy::ServiceProxy;
use super::sockets;
use super::state::State;

/// Ports are chosen below the range that systems use for outgoing connections (Linux: 32768–60999), so that a
/// kept port is not taken by chance.
const FIRST: u16 = 20_000;
/// How many ports there are to choose from.
const COUNT: u16 = 12_000;

/// How many connections may wait to be taken: while one supervisor follows another, all that come do. The system may allow
/// less.
const BACKLOG: i32 = 4096;

/// Chooses a port that is free now: the same one for the same `seed` where that is possible.
pub(super) fn choose(seed: &Path, taken: &BTreeSet<u16>) -> Result<u16> {
    let hash = digest::digest(&digest::SHA256, seed.as_os_str().as_bytes());
    let start = hash
        .as_ref()
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    (0..u32::from(COUNT))
        .filter_map(|step| {
            let offset = (start.wrapping_add(step)) % u32::from(COUNT);
            Some(FIRST + u16::try_from(offset).ok()?)
        })
        .filter(|port| !taken.contains(port))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| Error::Unreachable(format!("no port from {FIRST} on is free")))
}

/// Who keeps a port in this environment other than `service`, whether somebody listens there or not.
pub(super) fn promised_to(state: &State, port: u16, service: &ServiceName) -> Option<String> {
    if state.environment_port == Some(port) {
        return Some("the environment's own address".to_owned());
    }
    state
        .services
        .iter()
        .find(|(name, other)| *name != service && other.port == Some(port))
        .map(|(name, _)| format!("the service `{name}`"))
}

/// The ports that are promised to somebody.
pub(super) fn taken(state: &State) -> BTreeSet<u16> {
    state
        .services
        .values()
        .filter_map(|service| service.port)
        .chain(state.environment_port)
        .collect()
}

/// The listener of one service.
pub(super) struct Address {
    name: ServiceName,
    proxy: Arc<ServiceProxy>,
    stop: watch::Receiver<bool>,
    /// What a supervisor before this one listened on.
    handed: Arc<Handed>,
    /// The port on which the proxy listens, if it does.
    listening: tokio::sync::Mutex<Option<Listening>>,
}

struct Listening {
    port: u16,
    /// Ends this listener alone.
    leave: watch::Sender<bool>,
    served: Served,
}

/// A listener that is being served, until whoever serves it lets go of it.
pub(super) struct Served {
    listener: Weak<tokio::net::TcpListener>,
    task: JoinHandle<()>,
}

impl Served {
    /// Serves a listener that takes connections.
    pub(super) fn new<F>(
        listener: TcpListener,
        serve: impl FnOnce(Arc<tokio::net::TcpListener>) -> F,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        listener.set_nonblocking(true)?;
        let listener = Arc::new(tokio::net::TcpListener::from_std(listener)?);
        Ok(Self {
            listener: Arc::downgrade(&listener),
            task: tokio::spawn(serve(listener)),
        })
    }

    /// Another number for the same socket, for as long as it is served.
    pub(super) fn socket(&self) -> Option<OwnedFd> {
        let listener = self.listener.upgrade()?;
        listener.as_fd().try_clone_to_owned().ok()
    }

    /// Returns when the requests that were under way at the stop have ended.
    pub(super) async fn ended(self) {
        drop(self.task.await);
    }
}

impl Address {
    /// Listens nowhere yet; ends when `stop` is true.
    pub(super) fn new(
        name: ServiceName,
        proxy: Arc<ServiceProxy>,
        stop: watch::Receiver<bool>,
        handed: Arc<Handed>,
    ) -> Self {
        Self {
            name,
            proxy,
            stop,
            handed,
            listening: tokio::sync::Mutex::new(None),
        }
    }

    /// Listens on the port that `kept` says, if it does not yet. It is asked while no other port can be taken.
    pub(super) async fn listen<F>(&self, kept: F) -> Result<()>
    where
        F: Future<Output = Option<u16>>,
    {
        let mut listening = self.listening.lock().await;
        let Some(port) = kept.await else {
            return Ok(());
        };
        let current = listening.as_ref().map(|listening| listening.port);
        if current == Some(port) {
            return Ok(());
        }
        let listener = self.handed.take_or_bind(port)?;
        self.moved(&mut listening, port, listener)
    }

    /// Listens on `port` instead, once `keep` has written that down. Where the port cannot be had, or that fails,
    /// everything stays as it was. Requests under way on the old port end there.
    pub(super) async fn move_to<F>(&self, port: u16, keep: F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let mut listening = self.listening.lock().await;
        if listening.as_ref().map(|listening| listening.port) == Some(port) {
            return keep.await;
        }
        let listener = bind(port)?;
        keep.await?;
        self.moved(&mut listening, port, listener)
    }

    /// Another number for the socket on which it listens, if it does.
    pub(super) async fn socket(&self) -> Option<OwnedFd> {
        self.listening.lock().await.as_ref()?.served.socket()
    }

    fn moved(
        &self,
        listening: &mut Option<Listening>,
        port: u16,
        listener: TcpListener,
    ) -> Result<()> {
        let (leave, left) = watch::channel(false);
        let (proxy, mut stop) = (Arc::clone(&self.proxy), self.stop.clone());
        let leaving = leave.clone();
        let served = Served::new(listener, move |listener| async move {
            let stopping = async {
                drop(stop.wait_for(|stop| *stop).await);
                leaving.send_replace(true);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = proxy.serve(listener, left) => {}
                () = stopping => {}
            }
        })
        .map_err(|error| Error::Unreachable(format!("cannot listen on port {port}: {error}")))?;
        tracing::info!("{} listens on 127.0.0.1:{port}", self.name);
        let new = Listening {
            port,
            leave,
            served,
        };
        if let Some(old) = listening.replace(new) {
            // Its task ends by itself with its last request.
            old.leave.send_replace(true);
        }
        Ok(())
    }

    /// Returns when the requests that were under way at the stop have ended.
    pub(super) async fn ended(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.served.ended().await;
        }
    }
}

/// Binds a kept port on loopback.
pub(super) fn bind(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::PortTaken {
            port,
            owner: sockets::owner_of(port),
        },
        std::io::ErrorKind::PermissionDenied => Error::Invalid(format!(
            "this user cannot listen on port {port}: ports below 1024 are for root"
        )),
        _ => Error::Unreachable(format!("cannot listen on port {port}: {error}")),
    })?;
    // Without it, the queue is as long as the standard library says.
    if let Err(error) = rustix::net::listen(&listener, BACKLOG) {
        tracing::debug!("the queue of port {port}: {error}");
    }
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_stable_and_passes_over_what_is_taken() {
        let seed = Path::new("/state/shop");
        let first = choose(seed, &BTreeSet::new()).unwrap();
        assert_eq!(choose(seed, &BTreeSet::new()).unwrap(), first);
        let second = choose(seed, &BTreeSet::from([first])).unwrap();
        assert_ne!(second, first);
        let _holding = TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_ne!(choose(seed, &BTreeSet::new()).unwrap(), first);
        assert!((FIRST..FIRST + COUNT).contains(&first));
    }

    #[test]
    fn a_taken_port_names_its_owner() {
        let holding = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holding.local_addr().unwrap().port();
        let Err(Error::PortTaken { owner, .. }) = bind(port) else {
            panic!("bound");
        };
        if cfg!(target_os = "linux") {
            assert!(owner.unwrap().contains(&std::process::id().to_string()));
        }
    }
}
