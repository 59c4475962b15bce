//! Objects that are made once and never changed, such as a rollout's plan: files below the environment's state.
//!
//! The client makes them itself, with or without a supervisor. An object that anybody was told of is on the disk:
//! the file is synced before it gets its name by `link(2)`, which never replaces anything, and every directory on
//! the way to it before the answer.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::fs::{self, at};
use crate::platform::{Error, Result};

use super::places;

/// The longest path of an object, in bytes.
const LONGEST_PATH: usize = 512;
/// What files begin with that are not objects yet; no part of an object's path does.
const UNFINISHED: char = '.';
/// How often an unfinished file may vanish below a writer: a supervisor that starts sweeps them.
const TRIES: u32 = 3;

/// The objects of one environment.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    state: PathBuf,
    directory: PathBuf,
}

impl Objects {
    /// Of a state directory; makes nothing yet.
    pub(super) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            directory: state.join("objects"),
        }
    }

    /// Makes an object; false when there is one of this path already, whatever it holds.
    pub(super) fn create(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        let file = self.directory.join(checked(path)?);
        let directory = file.parent().unwrap_or(&self.directory).to_owned();
        places::make(&self.state)?;
        fs::create_private_dir(&directory)?;
        let mut tries = TRIES;
        let made = loop {
            tries -= 1;
            match self.link(&directory, &file, bytes) {
                Err(error) if error.kind() == ErrorKind::NotFound && tries > 0 => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => break false,
                result => {
                    result.map_err(at("create", &file))?;
                    break true;
                }
            }
        };
        // Also when somebody else made it, or its directories: that they have synced it is not known here.
        for directory in directory.ancestors() {
            fs::sync_dir(directory)?;
            if directory == self.state {
                break;
            }
        }
        Ok(made)
    }

    /// A synced file beside the object, which then gets its name as well.
    fn link(&self, directory: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
        if file.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let unfinished = directory.join(format!("{UNFINISHED}{}", ulid::Ulid::generate()));
        let linked = (|| {
            let mut writing = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)?;
            writing.write_all(bytes)?;
            writing.sync_all()?;
            std::fs::hard_link(&unfinished, file)
        })();
        drop(std::fs::remove_file(&unfinished));
        linked
    }

    /// What an object holds; none when there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.directory.join(checked(path)?)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The paths that begin with `prefix`, sorted by their bytes.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let below = match prefix.trim_end_matches('/').rsplit_once('/') {
            _ if prefix.ends_with('/') => prefix.trim_end_matches('/'),
            Some((directory, _)) => directory,
            None => "",
        };
        if !below.is_empty() {
            checked(below)?;
        }
        let mut found = Vec::new();
        walk(&self.directory.join(below), below, &mut |path| {
            if path.starts_with(prefix) {
                found.push(path);
            }
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// Removes what writers left that were killed. One that is at work just now writes again.
    pub(super) fn sweep(&self) -> Result<()> {
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            for entry in entries(&directory)? {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    directories.push(path);
                } else if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                    drop(std::fs::remove_file(path));
                }
            }
        }
        Ok(())
    }
}

/// A path that stays below the directory of objects on every system: parts of letters, digits, `-`, `_` and `.`,
/// none of which begins with a dot.
fn checked(path: &str) -> Result<&str> {
    let is_good = |part: &str| {
        !part.is_empty()
            && !part.starts_with(UNFINISHED)
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if path.len() <= LONGEST_PATH && path.split('/').all(is_good) {
        Ok(path)
    } else {
        Err(Error::Invalid(format!(
            "`{}` cannot be the path of an object",
            path.escape_debug()
        )))
    }
}

/// Hands over the path of every object below a directory, which need not be there.
fn walk(directory: &Path, path: &str, found: &mut dyn FnMut(String)) -> Result<()> {
    for entry in entries(directory)? {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(UNFINISHED) {
            continue;
        }
        let path = match path {
            "" => name,
            above => format!("{above}/{name}"),
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), &path, found)?,
            _ => found(path),
        }
    }
    Ok(())
}

/// What is in a directory, which need not be there.
fn entries(directory: &Path) -> Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(directory).and_then(Iterator::collect) {
        Ok(entries) => Ok(entries),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(at("read", directory)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> (tempfile::TempDir, Objects) {
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::new(&directory.path().join("state"));
        (directory, objects)
    }

    #[test]
    fn of_writers_at_once_one_makes_the_object() {
        let (_directory, objects) = objects();
        let made: Vec<usize> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..16)
                .map(|n| {
                    let objects = objects.clone();
                    scope.spawn(move || {
                        let bytes = format!("writer {n}");
                        objects.create("rollout/shop/1/plan", bytes.as_bytes())
                    })
                })
                .collect();
            writers
                .into_iter()
                .enumerate()
                .filter_map(|(n, writer)| writer.join().unwrap().unwrap().then_some(n))
                .collect()
        });
        let [winner] = made.as_slice() else {
            panic!("{made:?} made it");
        };
        let holds = objects.read("rollout/shop/1/plan").unwrap().unwrap();
        assert_eq!(holds, format!("writer {winner}").into_bytes());
    }

    #[test]
    fn nothing_outside_can_be_named() {
        let (_directory, objects) = objects();
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            ".",
            "a/.hidden",
            "a\\b",
            "a b",
            "ä",
            "a\0b",
            "a\nb",
        ] {
            assert!(objects.create(path, b"x").is_err(), "{path:?}");
            assert!(objects.read(path).is_err(), "{path:?}");
        }
        assert!(objects.create(&"a/".repeat(400), b"x").is_err());
        assert!(objects.list("../").is_err());
        assert_eq!(objects.list("").unwrap(), [""; 0]);
    }

    #[test]
    fn what_a_killed_writer_left_is_no_object_and_is_swept() {
        let (_directory, objects) = objects();
        objects.create("a/b", b"x").unwrap();
        let left = objects.directory.join("a/.01K8ZC");
        std::fs::File::create(&left).unwrap();
        assert_eq!(objects.list("").unwrap(), ["a/b"]);
        objects.sweep().unwrap();
        assert!(!left.exists());
        assert_eq!(objects.read("a/b").unwrap().unwrap(), b"x");
    }
}
