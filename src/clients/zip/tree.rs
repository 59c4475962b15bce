//! What is in a package: names, kinds and digests of a tree, and one digest over all of it.
//!
//! The *tree digest* is the SHA-256 over the bytes `squad-tree/1` and a line feed, followed by each entry in the byte
//! order of the names:
//! - one byte for the kind: `f` a file, `x` a file whose owner may execute it, `l` a symlink (only out of a zip),
//!   `d` a directory that has nothing in it;
//! - the length of the name as eight bytes, most significant first, and the name in UTF-8: relative, with `/`
//!   between its parts and none at the end;
//! - for all but `d`, the 32 bytes of the SHA-256 of the contents, or of the target for `l`.
//!
//! So times, owners, other bits of the mode, the order on the disk and the compression do not count.
//!
//! Left out of a directory, at every depth: `.git`, `.DS_Store`, `__pycache__`, `*.pyc` and `*.pyo`. A directory that
//! has nothing else in it is left out with them. A symlink is followed where it leads inside of the directory, and
//! refused where it does not. Out of a zip nothing is left out.

use std::collections::BTreeMap;
use std::fs::{DirEntry, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{Context, SHA256};

use super::archive::{self, Archive};
use super::listed::Listed;
use super::noise::Sample;
use super::{Error, LARGEST, Large, TreeDigest, UNPACKED_LIMIT};
use crate::fs;

/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Executable,
    Link,
    EmptyDirectory,
}

impl Kind {
    pub(super) fn letter(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Executable => b'x',
            Self::Link => b'l',
            Self::EmptyDirectory => b'd',
        }
    }
}

/// Where the bytes of an entry are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file.
    Path(PathBuf),
    /// The entry of the artifact's zip with this index.
    Zip(usize),
    /// A directory has none.
    None,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    /// It does not shrink.
    pub(super) is_noise: bool,
    pub(super) source: Source,
    /// Which of the roots it comes from.
    root: usize,
}

/// The contents of a package, not yet packed.
#[derive(Debug)]
pub(crate) struct Tree {
    /// What it was read from.
    artifact: PathBuf,
    entries: Vec<Entry>,
    /// The zip that the entries of [`Source::Zip`] are in.
    archive: Option<PathBuf>,
    digest: TreeDigest,
    size: u64,
}

impl Tree {
    /// Reads the artifact (a directory or a zip) and the directories that are laid over it. The order of the roots
    /// does not count: two that have the same file are a [`Error::Collision`].
    pub(crate) fn read(artifact: &Path, more: &[&Path]) -> Result<Self, Error> {
        Self::read_listed(artifact, None, more)
    }

    /// The same, with only those files of a directory that are listed.
    pub(crate) fn read_listed(
        artifact: &Path,
        listed: Option<&Listed>,
        more: &[&Path],
    ) -> Result<Self, Error> {
        let mut entries = Vec::new();
        let mut archive = None;
        if artifact.is_dir() {
            walk(artifact, 0, listed, &mut entries)?;
        } else {
            archive::list(artifact, &mut entries)?;
            archive = Some(artifact.to_owned());
        }
        for (index, root) in more.iter().enumerate() {
            walk(root, index + 1, None, &mut entries)?;
        }
        entries.sort_unstable_by(|one, two| one.name.cmp(&two.name));
        let roots: Vec<&Path> = std::iter::once(artifact)
            .chain(more.iter().copied())
            .collect();
        check_names(&mut entries, &roots)?;
        let size = entries.iter().map(|entry| entry.size).sum();
        let mut tree = Self {
            artifact: std::path::absolute(artifact).unwrap_or_else(|_| artifact.to_owned()),
            entries,
            archive,
            digest: TreeDigest([0; 32]),
            size,
        };
        if size > UNPACKED_LIMIT {
            return Err(Error::TooLarge {
                bytes: size,
                largest: tree.largest(),
            });
        }
        if tree
            .entries
            .iter()
            .all(|entry| entry.kind == Kind::EmptyDirectory)
        {
            return Err(Error::Empty {
                path: artifact.to_owned(),
            });
        }
        tree.take_digests()?;
        Ok(tree)
    }

    /// The digest of the tree.
    pub(crate) fn digest(&self) -> &TreeDigest {
        &self.digest
    }

    /// Bytes of all files, unpacked.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The ten largest files, largest first.
    pub(crate) fn largest(&self) -> Vec<Large> {
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        order.sort_by_key(|entry| std::cmp::Reverse(entry.size));
        let large = |entry: &&Entry| Large {
            name: entry.name.clone(),
            bytes: entry.size,
        };
        order.iter().take(LARGEST).map(large).collect()
    }

    /// Whether the file of this name may be executed; none when there is no such file.
    pub(crate) fn is_executable(&self, name: &str) -> Option<bool> {
        let found = self
            .entries
            .binary_search_by(|entry| entry.name.as_str().cmp(name))
            .ok()?;
        match self.entries.get(found)?.kind {
            Kind::File => Some(false),
            Kind::Executable => Some(true),
            Kind::Link | Kind::EmptyDirectory => None,
        }
    }

    /// The artifact, absolute.
    pub(super) fn artifact(&self) -> &Path {
        &self.artifact
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A reader of contents; each thread has its own.
    pub(super) fn reader(&self) -> Contents<'_> {
        Contents::of(self.archive.as_deref())
    }

    fn take_digests(&mut self) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let (entries, reader) = (&self.entries, || self.reader());
        let work = || -> Result<Vec<(usize, [u8; 32], bool)>, Error> {
            let (mut done, mut contents) = (Vec::new(), reader());
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(entry) = entries.get(index) else {
                    return Ok(done);
                };
                if entry.kind != Kind::EmptyDirectory {
                    let mut sample = Sample::new();
                    let sha256 = contents.copy(entry, &mut sample)?;
                    done.push((index, sha256, sample.is_noise()));
                }
            }
        };
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err(Error::Write("a thread ended".to_owned())))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (index, sha256, is_noise) in results.into_iter().flatten() {
            if let Some(entry) = self.entries.get_mut(index) {
                entry.sha256 = sha256;
                entry.is_noise = is_noise;
            }
        }
        let mut context = Context::new(&SHA256);
        context.update(b"squad-tree/1\n");
        for entry in &self.entries {
            context.update(&[entry.kind.letter()]);
            context.update(&(entry.name.len() as u64).to_be_bytes());
            context.update(entry.name.as_bytes());
            if entry.kind != Kind::EmptyDirectory {
                context.update(&entry.sha256);
            }
        }
        self.digest = TreeDigest(array(context));
        Ok(())
    }
}

/// How many threads read and compress.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(8))
}

/// The 32 bytes of a SHA-256.
pub(super) fn array(context: Context) -> [u8; 32] {
    context.finish().as_ref().try_into().unwrap_or([0; 32])
}

/// Reads what entries hold.
pub(super) struct Contents<'a> {
    path: Option<&'a Path>,
    /// Opened when it is needed first.
    archive: Option<Archive>,
    /// One for all entries: a new one for each is as many bytes of zeros as there are contents.
    buffer: Vec<u8>,
}

impl<'a> Contents<'a> {
    /// `path`: the zip that entries are in.
    pub(super) fn of(path: Option<&'a Path>) -> Self {
        Self {
            path,
            archive: None,
            buffer: vec![0; CHUNK],
        }
    }

    /// Copies the contents of an entry, and returns their SHA-256. That they have another size than when the tree
    /// was listed is [`Error::Changed`].
    pub(super) fn copy(
        &mut self,
        entry: &Entry,
        to: &mut dyn std::io::Write,
    ) -> Result<[u8; 32], Error> {
        let changed = || Error::Changed {
            name: entry.name.clone(),
        };
        let mut context = Context::new(&SHA256);
        let copied = match &entry.source {
            Source::None => 0,
            Source::Path(path) => {
                let mut file = File::open(path).map_err(fs::at("read", path))?;
                let read = |bytes: &mut [u8]| {
                    file.read(bytes)
                        .map_err(|error| fs::at("read", path)(error).into())
                };
                pump(read, &mut self.buffer, entry.size, &mut context, to)?
            }
            Source::Zip(index) => {
                let Some(path) = self.path else {
                    return Err(changed());
                };
                let archive = match &mut self.archive {
                    Some(archive) => archive,
                    none => none.insert(archive::open(path)?),
                };
                let mut file = archive
                    .by_index(*index)
                    .map_err(|error| archive::unreadable(path, &error))?;
                let read = |bytes: &mut [u8]| {
                    file.read(bytes)
                        .map_err(|error| archive::unreadable(path, &error))
                };
                pump(read, &mut self.buffer, entry.size, &mut context, to)?
            }
        };
        if copied == entry.size {
            Ok(array(context))
        } else {
            Err(changed())
        }
    }
}

/// Moves bytes until the end, or one chunk beyond `expected`: a file that grows for ever is not read for ever.
fn pump(
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
    buffer: &mut [u8],
    expected: u64,
    context: &mut Context,
    to: &mut dyn std::io::Write,
) -> Result<u64, Error> {
    let mut copied = 0;
    while copied <= expected {
        let count = read(buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        context.update(bytes);
        to.write_all(bytes)
            .map_err(|error| Error::Write(error.to_string()))?;
        copied += count as u64;
    }
    Ok(copied)
}

/// No name twice, and no file where another one needs a directory; a directory that is empty in one part and not in
/// another is not empty.
pub(super) fn check_names(entries: &mut Vec<Entry>, roots: &[&Path]) -> Result<(), Error> {
    let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
    let root = |entry: &Entry| {
        roots
            .get(entry.root)
            .map(|path| path.to_path_buf())
            .unwrap_or_default()
    };
    let collision = |name: &str, one: &Entry, two: &Entry| {
        let name = name.to_owned();
        if one.root == two.root {
            return Error::Unfit {
                name,
                reason: "is there twice",
            };
        }
        Error::Collision {
            name,
            first: root(one),
            second: root(two),
        }
    };
    let mut needless = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(other) = seen.get(entry.name.as_str()) {
            if entry.kind == Kind::EmptyDirectory && other.kind == Kind::EmptyDirectory {
                needless.push(index);
                continue;
            }
            return Err(collision(&entry.name, other, entry));
        }
        seen.insert(&entry.name, entry);
    }
    let mut filled = std::collections::BTreeSet::new();
    for entry in entries.iter() {
        for (end, _) in entry.name.match_indices('/') {
            let parent = entry.name.get(..end).unwrap_or_default();
            match seen.get(parent) {
                Some(other) if other.kind == Kind::EmptyDirectory => {
                    filled.insert(parent.to_owned());
                }
                Some(other) => return Err(collision(parent, other, entry)),
                None => {}
            }
        }
    }
    let mut index = 0;
    entries.retain(|entry| {
        let keep = needless.binary_search(&index).is_err()
            && !(entry.kind == Kind::EmptyDirectory && filled.contains(&entry.name));
        index += 1;
        keep
    });
    Ok(())
}

/// Lists a directory.
fn walk(
    root: &Path,
    index: usize,
    listed: Option<&Listed>,
    entries: &mut Vec<Entry>,
) -> Result<(), Error> {
    let real = root.canonicalize().map_err(fs::at("read", root))?;
    let mut walk = Walk {
        index,
        root: &real,
        listed,
        open: vec![real.clone()],
        entries,
    };
    walk.directory(&real, "")
}

struct Walk<'a> {
    index: usize,
    /// Without symlinks.
    root: &'a Path,
    /// What counts, where not everything does.
    listed: Option<&'a Listed>,
    /// The real directories that are being listed: one of them again is a circle.
    open: Vec<PathBuf>,
    entries: &'a mut Vec<Entry>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, name: &str) -> Result<(), Error> {
        let mut is_empty = true;
        let listing = std::fs::read_dir(path).map_err(fs::at("list", path))?;
        for item in listing {
            let item = item.map_err(fs::at("list", path))?;
            is_empty = false;
            self.item(&item, name)?;
        }
        if is_empty && !name.is_empty() {
            self.push(name.to_owned(), Kind::EmptyDirectory, 0, Source::None);
        }
        Ok(())
    }

    fn item(&mut self, item: &DirEntry, parent: &str) -> Result<(), Error> {
        let file_name = item.file_name();
        let Some(file_name) = file_name.to_str() else {
            return Err(Error::Unfit {
                name: join(parent, &file_name.to_string_lossy()),
                reason: "has a name that is not UTF-8",
            });
        };
        if is_left_out(file_name) {
            return Ok(());
        }
        let name = join(parent, file_name);
        let path = item.path();
        if !self.is_listed(&path) {
            return Ok(());
        }
        let metadata = path.symlink_metadata().map_err(fs::at("read", &path))?;
        if metadata.is_symlink() {
            let (target, metadata) = self.follow(&path, &name)?;
            self.found(&target, name, &metadata)
        } else {
            self.found(&path, name, &metadata)
        }
    }

    /// Whether a real path below the root counts.
    fn is_listed(&self, path: &Path) -> bool {
        let name = path.strip_prefix(self.root).unwrap_or(path);
        self.listed.is_none_or(|listed| listed.has(name))
    }

    fn found(&mut self, path: &Path, name: String, metadata: &Metadata) -> Result<(), Error> {
        if metadata.is_dir() {
            self.open.push(path.to_owned());
            let result = self.directory(path, &name);
            self.open.pop();
            return result;
        }
        if !metadata.is_file() {
            return Err(Error::Unfit {
                name,
                reason: "is neither a file nor a directory",
            });
        }
        // The bit of the owner, as git keeps it: the others depend on the umask.
        let kind = if metadata.permissions().mode() & 0o100 == 0 {
            Kind::File
        } else {
            Kind::Executable
        };
        self.push(name, kind, metadata.len(), Source::Path(path.to_owned()));
        Ok(())
    }

    fn follow(&self, path: &Path, name: &str) -> Result<(PathBuf, Metadata), Error> {
        let link = |how: String| Error::Link {
            name: name.to_owned(),
            how,
        };
        let said = std::fs::read_link(path).map_err(fs::at("read", path))?;
        let target = match path.canonicalize() {
            Ok(target) => target,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(link(format!("to `{}`, which is not there", said.display())));
            }
            Err(error) => {
                return Err(link(format!(
                    "to `{}`, which cannot be followed: {error}",
                    said.display()
                )));
            }
        };
        if !target.starts_with(self.root) {
            return Err(link(format!(
                "to `{}`, which is outside of the artifact",
                said.display()
            )));
        }
        if !self.is_listed(&target) {
            return Err(link(format!(
                "to `{}`, which git does not track",
                said.display()
            )));
        }
        let metadata = target.metadata().map_err(fs::at("read", &target))?;
        // A directory lies on the way to this name when the name's real directory is in it.
        if metadata.is_dir() && self.open.iter().any(|open| open.starts_with(&target)) {
            return Err(link(format!(
                "to `{}`, a directory that it is in",
                said.display()
            )));
        }
        Ok((target, metadata))
    }

    fn push(&mut self, name: String, kind: Kind, size: u64, source: Source) {
        self.entries.push(Entry {
            name,
            kind,
            size,
            sha256: [0; 32],
            is_noise: false,
            source,
            root: self.index,
        });
    }
}

impl Entry {
    /// An entry of the artifact's zip.
    pub(super) fn in_zip(name: String, kind: Kind, size: u64, index: usize) -> Self {
        let source = match kind {
            Kind::EmptyDirectory => Source::None,
            _ => Source::Zip(index),
        };
        Self {
            name,
            kind,
            size,
            sha256: [0; 32],
            is_noise: false,
            source,
            root: 0,
        }
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}

fn is_left_out(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    matches!(name, ".git" | ".DS_Store" | "__pycache__") || ending == "pyc" || ending == "pyo"
}
