//! The sources of a service on this machine: which files they are, and one digest over them.
//!
//! A cache of file stamps makes the second digest cost one `stat` for each file. It never decides anything:
//! a stamp that could hide a change (a file written in the same instant as the cache) is not trusted.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use super::git::Repository;
use super::process;
use crate::fs;

/// Why sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// git failed.
    #[error(transparent)]
    Git(#[from] process::Error),
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// Something that is no file: its content would never end, or is none.
    #[error("`{}` is {what}; sources are files, directories and links", path.display())]
    NoFile {
        /// Where.
        path: PathBuf,
        /// What it is, such as `a named pipe`.
        what: &'static str,
    },
    /// A link that leads out of what is deployed: what it means would depend on the machine.
    #[error("the link `{}` points outside of what is deployed, to `{}`", path.display(), link.display())]
    LinkOutside {
        /// Where.
        path: PathBuf,
        /// Where to.
        link: PathBuf,
    },
    /// A submodule that git knows, and of which no file is here.
    #[error("the files of the submodule `{}` are not here", path.display())]
    NoSubmodule {
        /// Where.
        path: PathBuf,
    },
    /// A walk over a directory that is not in git failed.
    #[error("cannot list `{}`: {reason}", path.display())]
    Walk {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What a file is to a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    mtime: i64,
    mtime_nsec: i64,
    ctime: i64,
    ctime_nsec: i64,
    inode: u64,
    mode: u32,
}

/// A digest and the stamp of the file it was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    sha256: String,
}

/// The stamps of one service's files.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StampCache {
    /// When it was written, in nanoseconds since 1970 by the clock of the file system.
    written: i128,
    files: BTreeMap<String, Entry>,
}

/// The files of one service, sorted, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The directory of the service's `squad.toml`.
    pub(crate) directory: PathBuf,
    /// Regular files and symlinks below it, and below the paths it declares.
    pub(crate) paths: Vec<PathBuf>,
}

/// Lists tracked and unignored files below `directory` and `inputs` (absolute paths), those of submodules too; outside a
/// repository, all files that no `.gitignore` there excludes. What lies below `own` are squad's own files, with the keys of
/// this machine and copies of every revision: they are nobody's sources.
pub(crate) fn list(
    repository: Option<&Repository>,
    directory: &Path,
    inputs: &[PathBuf],
    own: &[&Path],
) -> Result<Files, Error> {
    let mut roots = vec![directory.to_owned()];
    roots.extend(inputs.iter().cloned());
    let own = below(own, &roots);
    let mut paths = match repository {
        Some(repository) => {
            let (inside, outside): (Vec<_>, Vec<_>) = roots
                .into_iter()
                .partition(|path| path.starts_with(&repository.root));
            let mut paths = Vec::new();
            tracked(repository, &inside, &mut paths)?;
            for path in outside {
                walk(&path, &own, &mut paths)?;
            }
            paths
        }
        None => {
            let mut paths = Vec::new();
            for path in roots {
                walk(&path, &own, &mut paths)?;
            }
            paths
        }
    };
    paths.retain(|path| !own.iter().any(|own| path.starts_with(own)));
    paths.sort_unstable();
    paths.dedup();
    Ok(Files {
        directory: directory.to_owned(),
        paths,
    })
}

/// Those of squad's own directories that lie below a root, as the roots name them. A service that lies within one (the
/// demo's) is not meant.
fn below(own: &[&Path], roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in roots {
        let real_root = root.canonicalize().unwrap_or_else(|_| root.clone());
        for directory in own {
            let real = directory
                .canonicalize()
                .unwrap_or_else(|_| (*directory).to_owned());
            match real.strip_prefix(&real_root) {
                Ok(rest) if !rest.as_os_str().is_empty() => found.push(root.join(rest)),
                _ => {}
            }
        }
    }
    found
}

/// What git tracks, or would track, below some paths of a repository, and of the submodules there.
fn tracked(
    repository: &Repository,
    below: &[PathBuf],
    paths: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    for path in repository.files(below)? {
        let path = repository.root.join(path);
        // One that was removed is in the index still.
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        // git-ls-files(1) names a submodule as one entry, which is a directory here. So is a file that was replaced by one;
        // what lies in it has entries of its own.
        if !metadata.is_dir() {
            paths.push(path);
        } else if let Some(submodule) = Repository::at(&path) {
            tracked(&submodule, &[path], paths)?;
        } else if repository.misses_submodule(&path)? {
            return Err(Error::NoSubmodule { path });
        }
    }
    Ok(())
}

fn walk(root: &Path, own: &[PathBuf], paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    let own = own.to_vec();
    let walk = ignore::WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .git_global(false)
        .git_exclude(false)
        .parents(false)
        .filter_entry(move |entry| {
            entry.file_name() != ".git" && !own.iter().any(|own| own == entry.path())
        })
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| Error::Walk {
            path: root.to_owned(),
            reason: error.to_string(),
        })?;
        if !entry.file_type().is_some_and(|kind| kind.is_dir()) {
            paths.push(entry.into_path());
        }
    }
    Ok(())
}

/// What files hold, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// One digest (64 hex digits) over names, modes and contents. Names are relative to the service's directory, so that two
    /// checkouts of the same tree agree.
    pub(crate) digest: String,
    /// Of each file, in their order.
    files: Vec<Content>,
}

/// What one file holds: SHA-256, and of the mode only what a checkout keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    sha256: String,
    is_executable: bool,
    is_symlink: bool,
}

impl Content {
    fn of(entry: &Entry) -> Self {
        Self {
            sha256: entry.sha256.clone(),
            is_executable: entry.stamp.mode & 0o100 != 0,
            is_symlink: entry.stamp.mode & 0o170_000 == 0o120_000,
        }
    }
}

impl Contents {
    /// Those of the files that hold something else than `now`; both are of the same files.
    pub(crate) fn changed<'a>(&self, now: &Self, files: &'a Files) -> Vec<&'a Path> {
        let both = self.files.iter().zip(&now.files);
        let paths = files.paths.iter().map(PathBuf::as_path);
        both.zip(paths)
            .filter(|((before, now), _)| before != now)
            .map(|(_, path)| path)
            .collect()
    }
}

/// What the files hold, with the stamps kept in `cache`.
pub(crate) fn contents(files: &Files, cache: &Path) -> Result<Contents, Error> {
    let old = read_cache(cache);
    let mut new = StampCache::default();
    let mut changed = false;
    let mut context = Context::new(&SHA256);
    let mut contents = Vec::with_capacity(files.paths.len());
    for path in &files.paths {
        let entry = entry_of(path, &old, &mut changed)?;
        let name = relative(&files.directory, path);
        let held = Content::of(&entry);
        for part in [name.as_os_str().as_bytes(), held.sha256.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.update(&[u8::from(held.is_executable)]);
        context.update(&[u8::from(held.is_symlink)]);
        contents.push(held);
        new.files.insert(path.to_string_lossy().into_owned(), entry);
    }
    if changed || new.files.len() != old.files.len() {
        save(&mut new, cache);
    }
    Ok(Contents {
        digest: hex(context.finish().as_ref()),
        files: contents,
    })
}

fn entry_of(path: &Path, old: &StampCache, changed: &mut bool) -> Result<Entry, Error> {
    let metadata = path.symlink_metadata().map_err(fs::at("read", path))?;
    let stamp = Stamp {
        size: metadata.size(),
        mtime: metadata.mtime(),
        mtime_nsec: metadata.mtime_nsec(),
        ctime: metadata.ctime(),
        ctime_nsec: metadata.ctime_nsec(),
        inode: metadata.ino(),
        mode: metadata.mode(),
    };
    // As git does with its index ("racy git"): a file that changed at or after the time the cache was
    // written may have changed once more within the same tick.
    let changed_at = i128::from(stamp.ctime) * 1_000_000_000 + i128::from(stamp.ctime_nsec);
    if let Some(entry) = old.files.get(path.to_string_lossy().as_ref())
        && entry.stamp == stamp
        && changed_at < old.written
    {
        return Ok(entry.clone());
    }
    *changed = true;
    let bytes = if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(fs::at("read", path))?;
        target.as_os_str().as_bytes().to_vec()
    } else if let Some(what) = fs::no_file(metadata.file_type()) {
        let path = path.to_owned();
        return Err(Error::NoFile { path, what });
    } else {
        fs::read(path)?
    };
    Ok(Entry {
        stamp,
        sha256: hex(digest(&SHA256, &bytes).as_ref()),
    })
}

/// Those of the files `now` that are not among the files `before`, or hold something else than those held.
pub(crate) fn written(
    before: (&Files, &Contents),
    now: &Files,
    cache: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let (files, contents) = before;
    let held = contents_of(now, cache)?;
    let is_same = |path: &PathBuf, content: &Content| {
        let known = files.paths.binary_search(path).ok();
        known.and_then(|index| contents.files.get(index)) == Some(content)
    };
    let now = now.paths.iter().zip(&held);
    Ok(now
        .filter(|(path, content)| !is_same(path, content))
        .map(|(path, _)| path.clone())
        .collect())
}

/// What each of the files holds; nothing is kept in `cache`.
fn contents_of(files: &Files, cache: &Path) -> Result<Vec<Content>, Error> {
    let old = read_cache(cache);
    let paths = files.paths.iter();
    paths
        .map(|path| Ok(Content::of(&entry_of(path, &old, &mut false)?)))
        .collect()
}

fn read_cache(cache: &Path) -> StampCache {
    std::fs::File::open(cache)
        .ok()
        .and_then(|file| serde_json::from_reader(std::io::BufReader::new(file)).ok())
        .unwrap_or_default()
}

/// A cache that cannot be written costs time, nothing else.
fn save(new: &mut StampCache, cache: &Path) {
    let Some(directory) = cache.parent() else {
        return;
    };
    if fs::create_private_dir(directory).is_err() {
        return;
    }
    let Ok(mut temporary) = tempfile::NamedTempFile::new_in(directory) else {
        return;
    };
    // The file system's own clock, as it stamps this file: the stamps of the sources come from the same.
    let Ok(metadata) = temporary.as_file().metadata() else {
        return;
    };
    new.written = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    if serde_json::to_writer(std::io::BufWriter::new(&mut temporary), new).is_ok() {
        drop(temporary.persist(cache));
    }
}

/// `path` as seen from `directory`; `../` where it lies outside.
pub(crate) fn relative(directory: &Path, path: &Path) -> PathBuf {
    let mut up = PathBuf::new();
    for ancestor in directory.ancestors() {
        if let Ok(rest) = path.strip_prefix(ancestor) {
            return up.join(rest);
        }
        up.push("..");
    }
    path.to_owned()
}

/// Copies those files of `files` that lie below `from` into the new directory `to`, with their modes and symlinks.
pub(crate) fn copy_below(files: &Files, from: &Path, to: &Path) -> Result<u64, Error> {
    let mut copied = 0;
    fs::create_private_dir(to)?;
    for path in &files.paths {
        let Ok(name) = path.strip_prefix(from) else {
            continue;
        };
        let target = to.join(name);
        if let Some(parent) = target.parent() {
            fs::create_private_dir(parent)?;
        }
        if path.is_symlink() {
            let link = std::fs::read_link(path).map_err(fs::at("read", path))?;
            if !stays_inside(name.parent().unwrap_or(Path::new("")), &link) {
                let path = path.clone();
                return Err(Error::LinkOutside { path, link });
            }
            std::os::unix::fs::symlink(&link, &target).map_err(fs::at("create", &target))?;
        } else {
            // Either of the two files may be the cause; the disk is that of the copy.
            std::fs::copy(path, &target).map_err(|source| {
                let is_target = matches!(
                    source.kind(),
                    ErrorKind::StorageFull
                        | ErrorKind::QuotaExceeded
                        | ErrorKind::ReadOnlyFilesystem
                );
                if is_target {
                    fs::at("write", &target)(source)
                } else {
                    fs::at("copy", path)(source)
                }
            })?;
        }
        copied += 1;
    }
    Ok(copied)
}

/// Whether a link in the directory `parent` (relative to the root) stays below the root, step by step.
pub(crate) fn stays_inside(parent: &Path, link: &Path) -> bool {
    let mut depth = parent.components().count();
    link.components().all(|component| match component {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir if depth > 0 => {
            depth -= 1;
            true
        }
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => false,
    })
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files")]
mod tests {
    use super::*;

    fn digest_in(directory: &Path, cache: &Path) -> String {
        let files = list(None, directory, &[], &[]).unwrap();
        contents(&files, cache).unwrap().digest
    }

    #[test]
    fn a_digest_depends_on_names_modes_and_contents_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("two/deep"));
        for directory in [&one, &two] {
            std::fs::create_dir_all(directory.join("src")).unwrap();
            std::fs::write(directory.join("src/a"), "a").unwrap();
            std::fs::write(directory.join(".gitignore"), "*.log\n").unwrap();
            std::fs::write(directory.join("x.log"), directory.to_str().unwrap()).unwrap();
        }
        let (cache_one, cache_two) = (home.path().join("c1"), home.path().join("c2"));
        let first = digest_in(&one, &cache_one);
        assert_eq!(first, digest_in(&two, &cache_two));
        assert_eq!(first, digest_in(&one, &cache_one), "from the cache");

        std::fs::write(one.join("src/a"), "b").unwrap();
        let second = digest_in(&one, &cache_one);
        assert_ne!(first, second);
        std::fs::write(one.join("src/a"), "a").unwrap();
        assert_eq!(first, digest_in(&one, &cache_one));
        std::fs::set_permissions(one.join("src/a"), PermissionsExt::from_mode(0o755)).unwrap();
        assert_ne!(first, digest_in(&one, &cache_one));
        std::fs::set_permissions(one.join("src/a"), PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(first, digest_in(&one, &cache_one));
        std::fs::rename(one.join("src/a"), one.join("src/b")).unwrap();
        assert_ne!(first, digest_in(&one, &cache_one));
    }

    #[test]
    fn a_change_within_the_same_tick_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let (directory, cache) = (home.path().join("s"), home.path().join("cache"));
        std::fs::create_dir(&directory).unwrap();
        let mut digests = std::collections::BTreeSet::new();
        for n in 0..200 {
            std::fs::write(directory.join("a"), format!("{n:03}")).unwrap();
            digests.insert(digest_in(&directory, &cache));
        }
        assert_eq!(digests.len(), 200);
    }

    #[test]
    fn a_path_is_named_as_seen_from_the_service() {
        for (path, wanted) in [("/a/b/c", "c"), ("/a/x/y", "../x/y"), ("/z", "../../z")] {
            assert_eq!(
                relative(Path::new("/a/b"), Path::new(path)),
                Path::new(wanted)
            );
        }
    }
}
