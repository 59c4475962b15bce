//! Room on the disk for what has to be written even when it is full: a brake and its record, and the removal of what takes
//! the room.
//!
//! A file that holds nothing is kept beside squad's state while there is room, and removed when there is none. Who decides
//! what may use the room is not decided here.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes that are kept: some hundred records of a brake, and what a supervisor writes meanwhile.
const BYTES: usize = 128 * 1024;
/// A disk with less room than this, in bytes, is full.
const SCARCE: u64 = 64 * 1024;

/// The file in a state directory.
#[derive(Debug)]
pub(crate) struct Reserve(PathBuf);

impl Reserve {
    /// That of squad's state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self(state.join("reserve"))
    }

    /// Keeps the room, where there is plenty. What fails is no error: it is for worse days.
    pub(crate) fn keep(&self) {
        let is_kept = std::fs::metadata(&self.0).is_ok_and(|file| file.len() >= BYTES as u64);
        let is_plenty = || room(&self.0).is_some_and(|room| room > 4 * BYTES as u64);
        if is_kept || !is_plenty() {
            return;
        }
        let kept = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.0)
            // Zeros would take no room on some file systems.
            .and_then(|mut file| file.write_all(&vec![0xA5; BYTES]));
        if kept.is_err() {
            self.release();
        }
    }

    /// Gives the room back where the disk is full, and says whether it did.
    pub(crate) fn release_where_full(&self) -> bool {
        room(&self.0).is_some_and(|room| room < SCARCE) && self.release()
    }

    fn release(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }
}

/// Bytes that this user may still write where the file lies; none when nobody says.
fn room(path: &Path) -> Option<u64> {
    let file_system = rustix::fs::statvfs(path.parent()?).ok()?;
    file_system.f_bavail.checked_mul(file_system.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_and_given_back_only_where_the_disk_is_full() {
        let home = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(home.path());
        reserve.keep();
        reserve.keep();
        let file = home.path().join("reserve");
        assert_eq!(file.metadata().unwrap().len(), BYTES as u64);
        assert!(!reserve.release_where_full());
        assert!(file.exists());
        assert!(reserve.release());
        assert!(!file.exists());
    }
}
