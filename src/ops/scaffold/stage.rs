//! The stage: a hidden directory beside the target in which everything happens until the one rename.
//!
//! It is locked (`flock` on the directory itself) as long as its process lives: a stage without a lock is what
//! a killed run left behind, and the next run removes it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use crate::fs::{self, Error};
use crate::template::tree::Tree;

/// Comes between the target's name and random letters in the name of a stage.
const MARK: &str = ".squad-new-";
/// Threads that sync files: a file system can put the syncs of several into one write of its journal.
const SYNCERS: usize = 16;
/// How often a new name is tried when a cleaner took the stage away before it was locked.
const ATTEMPTS: usize = 8;

/// A stage that is ours. It is removed when it is dropped before it was shown.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
    /// The rename has happened: there is nothing to remove.
    shown: bool,
}

impl Stage {
    /// Makes and locks a stage for the target `name` in `parent`.
    pub(super) fn begin(parent: &Path, name: &str) -> Result<Self, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let random = ulid::Ulid::generate().to_string().to_lowercase();
            // NAME_MAX is 255 bytes; the name is only there to be recognised.
            let name: String = name.chars().take(40).collect();
            let path = parent.join(format!(".{name}{MARK}{random}"));
            std::fs::create_dir(&path).map_err(fs::at("write to", parent))?;
            match lock(&path) {
                Ok(Some(lock)) => {
                    return Ok(Self {
                        path,
                        _lock: lock,
                        shown: false,
                    });
                }
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            drop(std::fs::remove_dir(&path));
        }
        let source = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::ResourceBusy));
        Err(fs::at("lock", parent)(source))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes every file of a tree. Each path was checked when it was rendered.
    pub(super) fn write(&self, tree: &Tree) -> Result<(), Error> {
        let mut made: BTreeSet<PathBuf> = BTreeSet::new();
        for entry in &tree.entries {
            let path = self.path.join(&entry.path);
            if let Some(parent) = path.parent()
                && made.insert(parent.to_owned())
            {
                std::fs::create_dir_all(parent).map_err(fs::at("create", parent))?;
            }
            // `create_new` follows no link and overwrites nothing.
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(entry.mode.bits())
                .open(&path)
                .map_err(fs::at("create", &path))?;
            file.write_all(&entry.bytes)
                .map_err(fs::at("write", &path))?;
        }
        Ok(())
    }

    /// Brings every file and directory of the stage onto the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let mut paths = vec![self.path.clone()];
        let mut index = 0;
        while let Some(directory) = paths.get(index).cloned() {
            index += 1;
            if !directory.is_dir() || directory.is_symlink() {
                continue;
            }
            for entry in std::fs::read_dir(&directory).map_err(fs::at("read", &directory))? {
                let entry = entry.map_err(fs::at("read", &directory))?;
                let kind = entry.file_type().map_err(fs::at("read", &directory))?;
                if kind.is_dir() || kind.is_file() {
                    paths.push(entry.path());
                }
            }
        }
        sync_all(&paths)
    }

    /// Renames the stage onto the target, if nothing or an empty directory is there; `false` = something is.
    pub(super) fn show(mut self, target: &Path) -> Result<bool, Error> {
        match rename(&self.path, target) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists
                        | io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(fs::at("create", target)(error)),
        }
        self.shown = true;
        fs::sync_dir(target.parent().unwrap_or_else(|| Path::new(".")))?;
        Ok(true)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.shown {
            // What cannot be removed now, the next run removes.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// rename(2) of a directory replaces at most an empty directory; where something is, it fails. That is all that
/// is needed, and `RENAME_NOREPLACE` says it to those file systems that know it.
#[expect(
    clippy::disallowed_methods,
    reason = "the caller syncs the directory, and nothing is replaced"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if to.is_dir() {
        return std::fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(from, to),
        result => result.map_err(io::Error::from),
    }
}

/// Syncs files and directories, many at a time.
fn sync_all(paths: &[PathBuf]) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(fs::at("sync", path))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SYNCERS.min(paths.len()))
            .map(|_| scope.spawn(work))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(fs::at("sync", Path::new("."))(io::Error::other(
                    "a thread ended",
                )))
            })
        })
    })
}

/// Locks a stage; none when another process holds it, or it is not where it was any more.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let directory = match File::open(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let (ours, there) = (directory.metadata()?, std::fs::symlink_metadata(path));
    let same = there.is_ok_and(|there| there.dev() == ours.dev() && there.ino() == ours.ino());
    Ok(same.then_some(directory))
}

/// Removes the stages in `parent` whose process is dead; those that were removed. What is not ours, not
/// readable or not a stage is left alone.
pub(super) fn remove_dead(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let us = rustix::process::geteuid().as_raw();
    let mut removed = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_stage = name.to_str().is_some_and(is_stage_name);
        let is_ours = is_stage
            && entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == us);
        if is_ours
            && let Ok(Some(_lock)) = lock(&entry.path())
            && std::fs::remove_dir_all(entry.path()).is_ok()
        {
            removed.push(entry.path());
        }
    }
    removed.sort();
    removed
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with('.')
        && name
            .rsplit_once(MARK)
            .is_some_and(|(_, random)| ulid::Ulid::from_string(random).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_lives_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let alive = Stage::begin(parent.path(), "payments").unwrap();
        assert_eq!(remove_dead(parent.path()), Vec::<PathBuf>::new());
        assert!(alive.path().is_dir());
        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_stage_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join(format!(
            ".a{MARK}{}",
            ulid::Ulid::generate().to_string().to_lowercase()
        ));
        std::fs::create_dir_all(dead.join("x/y")).unwrap();
        for other in [".a.squad-new-x", "a.squad-new-01", ".git"] {
            std::fs::create_dir(parent.path().join(other)).unwrap();
        }
        assert_eq!(remove_dead(parent.path()), [dead]);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 3);
    }

    #[test]
    fn nothing_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let begin = || Stage::begin(parent.path(), "x").unwrap();
        let path = |name: &str| parent.path().join(name);
        std::fs::create_dir(path("empty")).unwrap();
        std::fs::create_dir_all(path("full/x")).unwrap();
        File::create(path("file")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        std::os::unix::fs::symlink("empty", path("link-to-directory")).unwrap();
        assert!(!begin().show(&path("full")).unwrap());
        assert!(!begin().show(&path("file")).unwrap());
        assert!(!begin().show(&path("link")).unwrap());
        assert!(!begin().show(&path("link-to-directory")).unwrap());
        assert!(begin().show(&path("empty")).unwrap());
        assert!(begin().show(&path("new")).unwrap());
        assert!(path("full/x").is_dir() && path("file").is_file() && path("link").is_symlink());
    }
}
