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
