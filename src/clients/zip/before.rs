//! What the last package of an artifact holds, packed already: between two deploys a handful of files changes, and to pack all
//! the others again is most of what a deploy takes of a machine.
//!
//! Beside the zips lies a list for each artifact: the entries of its last zip, with the SHA-256 of their contents. It counts
//! only whole, only for zips that this very squad made, and only while that zip has the SHA-256 of its name: then what is
//! taken over is byte for byte what packing would make.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use zip::read::ZipArchive;

use super::tree::{Entry, Kind, Tree};
use crate::clients::source::hex;
use crate::fs;

/// What made the zip: another squad may pack otherwise.
const MADE_BY: &str = concat!("squad ", env!("CARGO_PKG_VERSION"), " packed/1\n");
/// Bytes of a SHA-256.
const SHA: usize = 32;

/// The last zip of an artifact.
pub(super) struct Before {
    archive: ZipArchive<Cursor<Vec<u8>>>,
    /// Kind and contents by name, and the entry's place in the zip.
    entries: HashMap<String, (u8, [u8; SHA], usize)>,
}

impl Before {
    /// That of the tree's artifact; none where there is none that counts.
    pub(super) fn of(directory: &Path, tree: &Tree) -> Option<Self> {
        let list = fs::read(&path(directory, tree)).ok()?;
        let (list, sum) = list.split_at_checked(list.len().checked_sub(SHA)?)?;
        if digest(&SHA256, list).as_ref() != sum {
            return None;
        }
        let mut rest = list.strip_prefix(MADE_BY.as_bytes())?;
        let name = text(&mut rest)?;
        let zip = fs::read(&directory.join(&name)).ok()?;
        if !name.ends_with(&format!("-{}.zip", hex(digest(&SHA256, &zip).as_ref()))) {
            return None;
        }
        let mut entries = HashMap::new();
        while let Some((kind, after)) = rest.split_first() {
            rest = after;
            let (sha256, after) = rest.split_first_chunk::<SHA>()?;
            rest = after;
            entries.insert(text(&mut rest)?, (*kind, *sha256, entries.len()));
        }
        Some(Self {
            archive: ZipArchive::new(Cursor::new(zip)).ok()?,
            entries,
        })
    }

    /// Where the zip has an entry with this name, kind and contents.
    pub(super) fn place(&self, entry: &Entry) -> Option<usize> {
        let (kind, sha256, place) = self.entries.get(&entry.name)?;
        let is_same = *kind == entry.kind.letter() && *sha256 == entry.sha256;
        (is_same && entry.kind != Kind::EmptyDirectory).then_some(*place)
    }

    /// The zip.
    pub(super) fn archive(&mut self) -> &mut ZipArchive<Cursor<Vec<u8>>> {
        &mut self.archive
    }
}

/// Keeps the list of a zip that was made just now. That it cannot be kept costs time, nothing else.
pub(super) fn keep(directory: &Path, tree: &Tree, zip: &str) {
    let mut list = Vec::from(MADE_BY);
    put(&mut list, zip);
    for entry in tree.entries() {
        list.push(entry.kind.letter());
        list.extend_from_slice(&entry.sha256);
        put(&mut list, &entry.name);
    }
    let sum = digest(&SHA256, &list);
    list.extend_from_slice(sum.as_ref());
    let Ok(mut temporary) = tempfile::Builder::new()
        .prefix(".making-")
        .tempfile_in(directory)
    else {
        return;
    };
    if temporary.write_all(&list).is_ok() {
        drop(temporary.persist(path(directory, tree)));
    }
}

/// The list of an artifact, by its path on this machine.
fn path(directory: &Path, tree: &Tree) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let artifact = tree.artifact().as_os_str().as_bytes();
    directory.join(format!("{}.list", hex(digest(&SHA256, artifact).as_ref())))
}

fn put(list: &mut Vec<u8>, text: &str) {
    list.extend_from_slice(&(text.len() as u64).to_be_bytes());
    list.extend_from_slice(text.as_bytes());
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, after) = after.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}
