//! Commits in a directory, one file each, created as `object_store` would (decision 0015). Everything here blocks: it is
//! called on a thread that may.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::{Around, Created};
use crate::fs::{self, Error, at};

/// The file of commit `n`.
pub(super) fn file(directory: &Path, n: u64) -> PathBuf {
    directory.join(format!("{n:020}"))
}

/// Reads commit `n` into an empty buffer; false when it is not there.
pub(super) fn read_into(directory: &Path, n: u64, buffer: &mut Vec<u8>) -> Result<bool, Error> {
    let path = file(directory, n);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(at("read", &path)(error)),
    };
    file.read_to_end(buffer).map_err(at("read", &path))?;
    Ok(true)
}

/// Commit `n` and its neighbours.
pub(super) fn around(directory: &Path, n: u64) -> Result<Around, Error> {
    let read = |n: u64| {
        let mut bytes = Vec::new();
        Ok(read_into(directory, n, &mut bytes)?.then_some(bytes))
    };
    Ok(Around {
        before: n.checked_sub(1).map(read).transpose()?.flatten(),
        at: read(n)?,
        behind: file(directory, n + 1).exists(),
    })
}

/// Creates commit `n` unless there is one: what is written is synced before it has its name, and the directory after
/// that. On an error it may be there or not.
pub(super) fn create(directory: &Path, n: u64, bytes: &[u8]) -> Result<Created, Error> {
    let path = file(directory, n);
    let (mut staged, staging) = stage(directory, &path)?;
    let written = staged
        .write_all(bytes)
        .and_then(|()| staged.sync_all())
        .map_err(at("write", &staging));
    drop(staged);
    let created = written.and_then(|()| match std::fs::hard_link(&staging, &path) {
        Ok(()) => fs::sync_dir(directory).map(|()| Created::Done),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Created::Exists),
        Err(error) => Err(at("create", &path)(error)),
    });
    // One that stays behind has a name that is passed over.
    drop(std::fs::remove_file(&staging));
    created
}

/// A new file beside `path`, `<name>#<number>`; makes the directory where there is none.
fn stage(directory: &Path, path: &Path) -> Result<(File, PathBuf), Error> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        let staging = PathBuf::from(name);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staging)
        {
            Ok(file) => return Ok((file, staging)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == ErrorKind::NotFound && !fs::is_dir(directory)? => {
                fs::create_dir_durably(directory, 0o777)?;
            }
            Err(error) => return Err(at("create", &staging)(error)),
        }
    }
}

/// The names in a directory, which need not be there.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("read", directory)(error)),
    };
    entries
        .map(|entry| {
            let name = entry.map_err(at("read", directory))?.file_name();
            Ok(name.to_string_lossy().into_owned())
        })
        .collect()
}
