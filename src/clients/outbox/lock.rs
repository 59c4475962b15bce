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
