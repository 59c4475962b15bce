//! A zip that somebody else made: what is in it, with nothing trusted.
//!
//! It is not handed on as it is: times, comments and the order of a build tool would make another `CodeSha256` of
//! the same contents. Names, contents, symlinks and executable bits are all that is taken over.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::read::ZipArchive;

use super::Error;
use super::tree::{Entry, Kind};
use crate::fs;

/// An open zip.
pub(super) type Archive = ZipArchive<BufReader<File>>;

/// Longest target of a symlink in a zip, in bytes (Linux, `PATH_MAX`).
const LONGEST_TARGET: u64 = 4096;

pub(super) fn open(path: &Path) -> Result<Archive, Error> {
    let file = File::open(path).map_err(fs::at("read", path))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(path, &error))
}

pub(super) fn unreadable(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Archive {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Lists its entries. A directory counts only where it has nothing in it.
pub(super) fn list(path: &Path, entries: &mut Vec<Entry>) -> Result<(), Error> {
    let refuse = |reason: String| Error::Archive {
        path: path.to_owned(),
        reason,
    };
    let mut archive = open(path)?;
    if archive.has_duplicate_names() {
        return Err(refuse("it has the same name twice".to_owned()));
    }
    for index in 0..archive.len() {
        let mut file = archive
            .by_index(index)
            .map_err(|error| unreadable(path, &error))?;
        let name = file
            .name()
            .map_err(|error| unreadable(path, &error))?
            .into_owned();
        let Some(plain) = plain_name(&name) else {
            return Err(refuse(format!("`{name}` is not a name inside of it")));
        };
        let (plain, size) = (plain.to_owned(), file.size());
        let kind = if file.is_dir() {
            Kind::EmptyDirectory
        } else if file.is_symlink() {
            let mut target = String::new();
            let mut limited = std::io::Read::take(&mut file, LONGEST_TARGET);
            std::io::Read::read_to_string(&mut limited, &mut target)
                .map_err(|error| unreadable(path, &error))?;
            if !stays_inside(&plain, &target) {
                return Err(Error::Link {
                    name: plain,
                    how: format!("to `{target}`, which is outside of the artifact"),
                });
            }
            Kind::Link
        } else if file.unix_mode().is_some_and(|mode| mode & 0o100 != 0) {
            Kind::Executable
        } else {
            Kind::File
        };
        let size = if kind == Kind::EmptyDirectory {
            0
        } else {
            size
        };
        entries.push(Entry::in_zip(plain, kind, size, index));
    }
    Ok(())
}

/// The name without the slash at the end of a directory; none when it is no relative path of plain parts.
fn plain_name(name: &str) -> Option<&str> {
    let plain = name.strip_suffix('/').unwrap_or(name);
    let good = plain
        .split('/')
        .all(|part| !matches!(part, "" | "." | ".."))
        && !plain.contains(['\\', '\0']);
    good.then_some(plain)
}

/// Whether a relative target, seen from the link's directory, never climbs above the root.
fn stays_inside(name: &str, target: &str) -> bool {
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    let mut depth = name.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}
