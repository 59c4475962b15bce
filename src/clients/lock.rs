//! Locks between processes: `flock` on a file, which ends with the process that holds it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::fs::{self, Error};

/// Takes the lock, waiting for it: only for those that are held for moments.
pub(crate) fn wait(path: &Path) -> Result<File, Error> {
    let file = open(path)?;
    flock(&file, path, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Takes the lock if nobody has it.
pub(crate) fn now(path: &Path) -> Result<Option<File>, Error> {
    let file = open(path)?;
    Ok(flock(&file, path, FlockOperation::NonBlockingLockExclusive)?.then_some(file))
}

/// Takes a lock whose file is removed with it: none when another process has it.
pub(crate) fn now_removable(path: &Path) -> Result<Option<File>, Error> {
    loop {
        let Some(file) = now(path)? else {
            return Ok(None);
        };
        // Between opening and locking, somebody who cleans up may have removed the file.
        let mine = file.metadata().map_err(fs::at("read", path))?.ino();
        if std::fs::metadata(path).is_ok_and(|there| there.ino() == mine) {
            return Ok(Some(file));
        }
    }
}

/// Takes the lock of a name that nobody knows yet, with the file that [`leave`] left where there is one: many files that
/// are made and removed again make the next one slow on some file systems.
#[expect(
    clippy::disallowed_methods,
    reason = "a lock need not survive a loss of power"
)]
pub(crate) fn take(path: &Path, spare: &Path) -> Result<Option<File>, Error> {
    if std::fs::rename(spare, path).is_ok() {
        if let Some(file) = now(path)? {
            return Ok(Some(file));
        }
        // Whoever left it has not let go of it yet.
        drop(std::fs::remove_file(path));
    }
    now_removable(path)
}

/// Takes the name away from a lock that this process holds, and leaves its file for the next one.
#[expect(
    clippy::disallowed_methods,
    reason = "a lock need not survive a loss of power"
)]
pub(crate) fn leave(path: &Path, spare: &Path) {
    drop(std::fs::rename(path, spare));
}

/// Waits until nobody writes what the lock guards, and keeps writers away until the value is dropped. Writes nothing: for
/// whoever only reads, also where nothing can be written. None where the file is not there: then nobody holds it.
pub(crate) fn shared(path: &Path) -> Result<Option<File>, Error> {
    let Some(file) = open_to_read(path)? else {
        return Ok(None);
    };
    flock(&file, path, FlockOperation::LockShared)?;
    Ok(Some(file))
}

/// Whether a process holds it. Writes nothing.
pub(crate) fn is_held(path: &Path) -> Result<bool, Error> {
    match open_to_read(path)? {
        Some(file) => Ok(!flock(&file, path, FlockOperation::NonBlockingLockShared)?),
        None => Ok(false),
    }
}

fn open_to_read(path: &Path) -> Result<Option<File>, Error> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fs::at("open", path)(error)),
    }
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(fs::at("open", path))
}

/// False when it is held and `operation` does not wait.
fn flock(file: &File, path: &Path, operation: FlockOperation) -> Result<bool, Error> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation)) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(fs::at("lock", path)(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_left_is_taken_by_the_next_one_when_nobody_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let spare = path("spare");
        let inode = |file: &File| file.metadata().unwrap().ino();
        let first = take(&path("1"), &spare).unwrap().unwrap();
        leave(&path("1"), &spare);
        assert!(!is_held(&path("1")).unwrap());
        // The first one is not done yet.
        let second = take(&path("2"), &spare).unwrap().unwrap();
        assert_ne!(inode(&first), inode(&second));
        assert!(is_held(&path("2")).unwrap() && !spare.exists());
        let kept = inode(&second);
        leave(&path("2"), &spare);
        drop((first, second));
        let third = take(&path("3"), &spare).unwrap().unwrap();
        assert_eq!(inode(&third), kept);
        assert!(is_held(&path("3")).unwrap() && !spare.exists());
        assert!(now_removable(&path("3")).unwrap().is_none());
        leave(&path("4"), &spare);
        assert!(!spare.exists());
    }
}
