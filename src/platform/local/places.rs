//! Where the files of a local environment are, and that they are this user's alone.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::fs::{self, at};
use crate::platform::{Error, Result};

/// The files of one environment.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What must survive.
    pub(super) journal: PathBuf,
    /// Held by the supervisor.
    pub(super) lock: PathBuf,
    /// Held by whoever starts a supervisor.
    pub(super) starting: PathBuf,
    /// Held by the supervisor that is about to serve, until it does.
    pub(super) next: PathBuf,
    /// What the supervisor says about itself.
    pub(super) log: PathBuf,
    /// One file for each running process group.
    pub(super) notes: PathBuf,
    /// Where the supervisor that runs listens, and which process it is: another session of the same person may have another
    /// runtime directory.
    pub(super) listens: PathBuf,
    /// The control socket. Its name is short however deep the state lies: a socket's path has at most 108
    /// bytes (unix(7)).
    pub(super) socket: PathBuf,
}

impl Place {
    /// The files for a state directory.
    pub(super) fn new(state: &Path, runtime: &Path) -> Self {
        let hash = digest::digest(&digest::SHA256, state.as_os_str().as_bytes());
        let name: String = hash
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            journal: state.join("journal"),
            lock: state.join("lock"),
            starting: state.join("starting"),
            next: state.join("next"),
            log: state.join("supervisor.log"),
            notes: state.join("processes"),
            listens: state.join("listens"),
            socket: runtime.join(format!("{name}.sock")),
        }
    }
}

/// Where a supervisor listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listens {
    /// Its control socket.
    pub(super) socket: PathBuf,
    /// The process.
    pub(super) pid: u32,
}

impl Listens {
    /// As the supervisor wrote it; none where there is nothing that can be read, which is no loss: a note only helps to find
    /// what listens elsewhere.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_if_there(path).ok()??).ok()
    }

    /// Writes it down.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Ok(fs::write_durably(path, &text, 0o600)?)
    }
}

/// Makes a directory that only this user can enter, or checks that it is one.
pub(super) fn make(path: &Path) -> Result<()> {
    let new: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| ancestor.symlink_metadata().is_err())
        .collect();
    fs::create_private_dir(path)?;
    for parent in new.iter().filter_map(|path| path.parent()) {
        fs::sync_dir(parent)?;
    }
    let metadata = path.symlink_metadata().map_err(at("look at", path))?;
    if metadata.uid() != rustix::process::getuid().as_raw() || !metadata.is_dir() {
        return Err(Error::ForeignOwner(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .map_err(at("make private", path))?;
    }
    Ok(())
}

/// Refuses a directory that [`make`] would refuse, where there is one.
pub(super) fn check(path: &Path) -> Result<()> {
    if fs::is_dir(path)? && fs::is_of_another_user(path) {
        return Err(Error::ForeignOwner(path.to_owned()));
    }
    Ok(())
}

/// Opens the file of a lock, which holds nothing.
pub(super) fn open_lock(path: &Path) -> Result<File> {
    Ok(OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(at("lock", path))?)
}

/// Opens the file of a lock where there is one; without it nobody holds the lock. Makes nothing, so that it can be looked at
/// where nothing can be written.
pub(super) fn open_lock_if_there(path: &Path) -> Result<Option<File>> {
    // For writing where that is allowed: NFS locks no file exclusively that is open for reading alone.
    let opened = OpenOptions::new()
        .write(true)
        .open(path)
        .or_else(|error| match error.kind() {
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => File::open(path),
            _ => Err(error),
        });
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("lock", path)(error).into()),
    }
}

/// Refuses the other end of a socket when it is another user.
pub(super) fn check_peer(stream: &UnixStream) -> Result<()> {
    check_owner(stream, rustix::process::getuid().as_raw())
}

fn check_owner(stream: &UnixStream, wanted: u32) -> Result<()> {
    let peer = stream
        .peer_cred()
        .map_err(|error| Error::Unreachable(error.to_string()))?;
    if peer.uid() == wanted {
        return Ok(());
    }
    let path = stream
        .peer_addr()
        .ok()
        .and_then(|address| address.as_pathname().map(Path::to_owned));
    Err(Error::ForeignOwner(path.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_user_at_the_other_end_is_refused() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(check_peer(&ours).is_ok());
        let other = rustix::process::getuid().as_raw() + 1;
        assert!(matches!(
            check_owner(&ours, other),
            Err(Error::ForeignOwner(_))
        ));
    }

    #[test]
    fn the_socket_has_a_short_name_and_another_state_has_another_one() {
        let runtime = Path::new("/run/user/1000/squad");
        let deep = PathBuf::from("/home").join("deep/".repeat(60));
        let place = Place::new(&deep, runtime);
        assert_eq!(place.socket.file_name().unwrap().len(), 21);
        assert_ne!(Place::new(Path::new("/a"), runtime).socket, place.socket);
    }

    #[test]
    fn a_directory_becomes_private_and_a_file_or_a_link_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("open");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(make(&link), Err(Error::ForeignOwner(_))));
    }
}
