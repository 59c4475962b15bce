//! How a supervisor comes to its state directory: it waits for its turn, and where one of an older binary runs, it takes
//! over what that one listens on and ends it.
//!
//! The old one is ended only when its sockets are here; it keeps its own until then. Whoever is killed in between leaves
//! what a killed supervisor leaves, and the next command starts the next one.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::fs;
use crate::platform::{Error, Result};

use super::client::{Client, Greeted};
use super::handover::{self, Handed};
use super::places::{self, Place};
use super::protocol::{self, Frame, Request};
use super::supervisor::Settings;

/// How long a supervisor waits for one that drains: its requests have 20 s, its processes their grace.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long one in the foreground waits for the lock: it is refused where another supervisor runs. A client that looks
/// whether somebody holds the lock holds it for a moment itself.
const GLANCED_AT: Duration = Duration::from_secs(1);
/// How long the sockets may take to come. Without them, the new supervisor listens anew.
const COME_WITHIN: Duration = Duration::from_secs(5);

/// What a supervisor begins with.
pub(super) struct Inheritance {
    /// One supervisor for each state directory holds it.
    pub(super) lock: File,
    /// What the one before listened on.
    pub(super) sockets: Handed,
    /// Held until this one can be found: of two that are started at once, the other one finds it then.
    pub(super) next: File,
}

/// The state directory, where no supervisor runs.
pub(super) async fn take_free(settings: &Settings) -> Result<Inheritance> {
    let place = place(settings)?;
    Ok(Inheritance {
        next: lock(&place.next, GLANCED_AT).await?,
        lock: lock(&place.lock, GLANCED_AT).await?,
        sockets: Handed::default(),
    })
}

/// The state directory, after one of an older binary; none where another supervisor serves that is as new as this one.
pub(super) async fn succeed(settings: &Settings) -> Result<Option<Inheritance>> {
    let place = place(settings)?;
    let next = lock(&place.next, PATIENCE).await?;
    let client = Client::new(super::Settings {
        state: settings.state.clone(),
        runtime: settings.runtime.clone(),
        executable: settings.executable.clone(),
        name: settings.name.clone(),
    });
    let mut sockets = Handed::default();
    if let Some(greeted) = client.connect().await? {
        if !greeted.is_outdated {
            return Ok(None);
        }
        // What serves does not end for one that could not go on with what is there.
        client.check()?;
        sockets = take_sockets(greeted).await;
        // The connection of one request carries no other.
        if let Some(mut greeted) = client.connect().await? {
            // Where it cannot be sent, it is at its end already. It has ended when its lock is free.
            drop(protocol::send(&mut greeted.stream, &Request::Stop).await);
        }
    }
    let lock = lock(&place.lock, PATIENCE).await?;
    Ok(Some(Inheritance {
        lock,
        sockets,
        next,
    }))
}

fn place(settings: &Settings) -> Result<Place> {
    places::make(&settings.state)?;
    places::make(&settings.runtime)?;
    Ok(Place::new(&settings.state, &settings.runtime))
}

/// Takes a lock that only one supervisor of a state directory can hold, from one that is about to let go of it within
/// `patience`.
async fn lock(path: &Path, patience: Duration) -> Result<File> {
    let (file, failed) = (places::open_lock(path)?, fs::at("lock", path));
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(error) => return Err(failed(error.into()).into()),
    }
    let waiting = tokio::task::spawn_blocking(move || {
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map(|()| file)
    });
    match tokio::time::timeout(patience, waiting).await {
        Ok(Ok(Ok(file))) => Ok(file),
        _ => Err(Error::Unreachable(format!(
            "another supervisor holds `{}`, and does not listen where it said that it does",
            path.display()
        ))),
    }
}

/// What the old supervisor listens on; it goes on listening.
async fn take_sockets(mut greeted: Greeted) -> Handed {
    if !greeted.hello.hands_over {
        tracing::warn!(
            "squad {}, which ran it, hands no sockets over: connections are refused until the services are up",
            greeted.hello.version
        );
        return Handed::default();
    }
    let mut sockets: Vec<OwnedFd> = Vec::new();
    let taking = async {
        protocol::send(&mut greeted.stream, &Request::HandOver).await?;
        if let Some(Frame::Sockets(count)) = protocol::receive(&mut greeted.stream).await? {
            for _ in 0..count {
                sockets.push(handover::take(&greeted.stream).await?);
            }
        }
        std::io::Result::Ok(())
    };
    match tokio::time::timeout(COME_WITHIN, taking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("not all sockets were handed over: {error}"),
        Err(_) => tracing::warn!("not all sockets were handed over in time"),
    }
    Handed::new(sockets)
}
