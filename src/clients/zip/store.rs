//! The zips that were made, in squad's cache: `<tree digest>-<SHA-256 of the zip>.zip`.
//!
//! A name is a promise that is checked: a zip that does not have its digest any more is made again, so neither a
//! process that was killed nor a loss of power can hand on half of one.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use super::before::{self, Before};
use super::tree::{Tree, array};
use super::{Error, TreeDigest, write};
use crate::clients::source::hex;
use crate::fs;

/// Bytes of zips that are kept: the ones that were not used for the longest time go first.
const KEPT: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes, unpacked, up to which a zip is made in memory: it is sent in one piece anyway, and is read once less.
const IN_MEMORY: u64 = 64 * 1024 * 1024;

/// An open zip with its digest.
pub(super) struct Zip {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) sha256: [u8; 32],
    pub(super) size: u64,
    /// All of it, where it is at hand.
    pub(super) bytes: Option<Bytes>,
}

/// The zip of a tree, when it was made before.
pub(super) fn find(directory: &Path, tree: &TreeDigest) -> Result<Option<Zip>, Error> {
    let Ok(listing) = std::fs::read_dir(directory) else {
        return Ok(None);
    };
    let prefix = format!("{}-", tree.hex());
    for item in listing.flatten() {
        let name = item.file_name();
        let Some(sha256) = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix))
            .and_then(|rest| rest.strip_suffix(".zip"))
        else {
            continue;
        };
        let path = item.path();
        // Another process may have removed it.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        let (digest, size) = digest(&file, &path)?;
        if hex(&digest) == sha256 {
            touch(&file);
            return Ok(Some(Zip {
                file,
                path,
                sha256: digest,
                size,
                bytes: None,
            }));
        }
        drop(std::fs::remove_file(&path));
    }
    Ok(None)
}

/// Makes the zip of a tree and keeps it.
pub(super) fn keep(directory: &Path, tree: &Tree) -> Result<Zip, Error> {
    fs::create_private_dir(directory)?;
    let temporary = tempfile::Builder::new()
        .prefix(".making-")
        .tempfile_in(directory)
        .map_err(fs::at("create", directory))?;
    let made = temporary.path();
    let mut before = Before::of(directory, tree);
    let bytes = if tree.size() <= IN_MEMORY {
        let mut memory = Cursor::new(Vec::new());
        write::zip(tree, before.as_mut(), &mut memory, made)?;
        let bytes = Bytes::from(memory.into_inner());
        temporary
            .as_file()
            .write_all(&bytes)
            .map_err(fs::at("write", made))?;
        Some(bytes)
    } else {
        write::zip(tree, before.as_mut(), temporary.as_file(), made)?;
        None
    };
    let file = File::open(made).map_err(fs::at("read", made))?;
    let (sha256, size) = match &bytes {
        Some(bytes) => {
            let mut context = Context::new(&SHA256);
            context.update(bytes);
            (array(context), bytes.len() as u64)
        }
        None => digest(&file, made)?,
    };
    let name = format!("{}-{}.zip", tree.digest().hex(), hex(&sha256));
    let path = directory.join(&name);
    temporary
        .persist(&path)
        .map_err(|error| fs::at("create", &path)(error.error))?;
    before::keep(directory, tree, &name);
    prune(directory, &path);
    Ok(Zip {
        file,
        path,
        sha256,
        size,
        bytes,
    })
}

fn digest(mut file: &File, path: &Path) -> Result<([u8; 32], u64), Error> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(fs::at("read", path))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok((array(context), size));
        };
        context.update(bytes);
        size += count as u64;
    }
}

/// Says that it was used. That it cannot be said costs a zip its place in the cache, nothing else.
fn touch(file: &File) {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    _ = rustix::fs::futimens(file, &times);
}

/// Drops the zips that were not used for the longest time, and what killed processes left, until the rest has room.
fn prune(directory: &Path, made: &Path) {
    let Ok(listing) = std::fs::read_dir(directory) else {
        return;
    };
    let mut files: Vec<_> = listing
        .flatten()
        .filter_map(|item| {
            let metadata = item.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), item.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in files {
        if total <= KEPT {
            return;
        }
        if path != made {
            drop(std::fs::remove_file(&path));
            total = total.saturating_sub(size);
        }
    }
}
