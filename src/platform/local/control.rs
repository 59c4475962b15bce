//! The supervisor's end of the control socket: bound, found again by clients of other sessions, and bound anew when it goes.
//!
//! A runtime directory ends with its login session (systemd-logind removes `/run/user/<uid>`), and cleaners of `/tmp` remove
//! what looks old; the supervisor outlives both. Nothing here knows what clients say.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use crate::fs;
use crate::platform::Result;

use super::places::{self, Listens, Place};

/// How often it is looked whether the socket is still there.
const GLANCE: Duration = Duration::from_secs(2);

/// The control socket.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    place: Place,
    state: PathBuf,
    /// Where it is bound now.
    socket: PathBuf,
    /// The file that it was bound to.
    inode: u64,
}

impl Control {
    /// Opens the socket of a state directory in the runtime directory, and writes down where it is.
    pub(super) fn open(state: &Path, runtime: &Path) -> Result<Self> {
        let place = Place::new(state, runtime);
        let socket = place.socket.clone();
        let (listener, inode) = bind(&socket)?;
        let control = Self {
            listener,
            place,
            state: state.to_owned(),
            socket,
            inode,
        };
        if let Err(error) = control.tell() {
            // Only sessions with another runtime directory need it.
            tracing::warn!("{error}");
        }
        Ok(control)
    }

    /// The next client.
    pub(super) async fn accept(&mut self) -> std::io::Result<UnixStream> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => return accepted.map(|(stream, _)| stream),
                () = tokio::time::sleep(GLANCE) => {}
            }
            if !self.is_there() {
                self.open_again();
            }
        }
    }

    /// Takes no more clients. What is removed is its own: another supervisor waits for the lock until then.
    pub(super) fn close(self) {
        drop(std::fs::remove_file(&self.socket));
        drop(std::fs::remove_file(&self.place.listens));
    }

    fn is_there(&self) -> bool {
        let metadata = self.socket.symlink_metadata();
        metadata.is_ok_and(|metadata| metadata.ino() == self.inode)
    }

    /// In its place, or where that is gone for good, beside the state.
    fn open_again(&mut self) {
        let usual = self.place.socket.clone();
        let again = usual
            .parent()
            .map_or(Ok(()), places::make)
            .and_then(|()| Ok((bind(&usual)?, usual)))
            .or_else(|_| {
                let beside = self.state.join("control.sock");
                Ok::<_, crate::platform::Error>((bind(&beside)?, beside))
            });
        match again {
            Ok(((listener, inode), socket)) => {
                tracing::warn!(
                    "the control socket was removed; listening on {} now",
                    socket.display()
                );
                (self.listener, self.inode, self.socket) = (listener, inode, socket);
                if let Err(error) = self.tell() {
                    tracing::warn!("{error}");
                }
            }
            // It is tried again with the next glance.
            Err(error) => tracing::warn!("the control socket was removed: {error}"),
        }
    }

    fn tell(&self) -> Result<()> {
        let listens = Listens {
            socket: self.socket.clone(),
            pid: std::process::id(),
        };
        listens.write(&self.place.listens)
    }
}

/// Binds a socket, 0600 in a directory that is 0700. What is left of an earlier one is replaced: the lock says that nobody
/// listens there.
fn bind(path: &Path) -> Result<(UnixListener, u64)> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(fs::at("remove", path)(error).into());
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fs::at("create", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(fs::at("make private", path))?;
    let inode = path.symlink_metadata().map_err(fs::at("look at", path))?;
    Ok((listener, inode.ino()))
}
