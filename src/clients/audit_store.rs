//! Where the commits of an audit log lie: numbered objects that are created once and never written again.
//!
//! `<root>/audit/<log>/commit/<20 digits>` on `object_store`. Knows nothing about what is in them.

use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::fs;

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The directory.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// Anything else; after a write it may have happened or not.
    #[error("{0}")]
    Store(#[from] object_store::Error),
}

/// What became of an object that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there and durable.
    Done,
    /// There already is one of this name.
    Exists,
}

/// What is around one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Around {
    /// The commit before it.
    pub(crate) before: Option<Vec<u8>>,
    /// The commit.
    pub(crate) at: Option<Vec<u8>>,
    /// Whether there is one behind it.
    pub(crate) behind: bool,
}

/// What is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The numbers of the commits, in order.
    pub(crate) numbers: Vec<u64>,
    /// Names beside them that are none.
    pub(crate) foreign: Vec<String>,
}

/// The commits of one log in a directory.
#[derive(Debug, Clone)]
pub(crate) struct AuditStore {
    root: PathBuf,
    prefix: String,
}

impl AuditStore {
    /// The commits of the log of this name (such as `acme/prod`) below a directory, which need not be there yet.
    pub(crate) fn in_directory(root: &FilePath, log: &str) -> Self {
        Self {
            root: root.to_owned(),
            prefix: format!("audit/{log}/commit"),
        }
    }

    /// The directory that holds the commits.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join(&self.prefix)
    }

    fn file(&self, n: u64) -> PathBuf {
        self.directory().join(format!("{n:020}"))
    }

    /// The store; its directory is made when it is not there.
    fn objects(&self) -> Result<LocalFileSystem, Error> {
        if !self.root.is_dir() {
            std::fs::create_dir_all(&self.root).map_err(fs::at("create", &self.root))?;
            if let Some(above) = self.root.parent() {
                fs::sync_dir(above)?;
            }
        }
        Ok(LocalFileSystem::new_with_prefix(&self.root)?.with_fsync(true))
    }

    /// Creates commit `n`. On an error it may be there or not: read it and compare.
    pub(crate) async fn create(&self, n: u64, bytes: Vec<u8>) -> Result<Created, Error> {
        let path = Path::from(format!("{}/{n:020}", self.prefix));
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.objects()?.put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(Created::Done),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that what is there survives a loss of power: for commits whose creation was not acknowledged.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        Ok(fs::sync_dir(&self.directory())?)
    }

    /// The bytes of commit `n`; none when it is not there.
    pub(crate) async fn read(&self, n: u64) -> Result<Option<Vec<u8>>, Error> {
        if !self.root.is_dir() {
            return Ok(None);
        }
        let path = Path::from(format!("{}/{n:020}", self.prefix));
        match self.objects()?.get(&path).await {
            Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Commit `n` and its neighbours at once: what appending looks at first.
    pub(crate) async fn around(&self, n: u64) -> Result<Around, Error> {
        let store = self.clone();
        // On a thread of its own: a directory that does not answer must not hold up the caller's timeout.
        let looked = tokio::task::spawn_blocking(move || {
            let read = |n: u64| {
                let mut bytes = Vec::new();
                Ok::<_, Error>(store.read_into(n, &mut bytes)?.then_some(bytes))
            };
            Ok(Around {
                before: n.checked_sub(1).map(read).transpose()?.flatten(),
                at: read(n)?,
                behind: store.file(n + 1).exists(),
            })
        });
        looked.await.unwrap_or_else(|_| Ok(Around::default()))
    }

    /// Whether commit `n` is there.
    pub(crate) async fn exists(&self, n: u64) -> Result<bool, Error> {
        if !self.root.is_dir() {
            return Ok(false);
        }
        let path = Path::from(format!("{}/{n:020}", self.prefix));
        match self.objects()?.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads commit `n` into a buffer that is used again, without a runtime: for checks of whole logs on several
    /// threads. False when it is not there.
    pub(crate) fn read_into(&self, n: u64, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        let path = self.file(n);
        buffer.clear();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(fs::at("read", &path)(error).into()),
        };
        file.read_to_end(buffer).map_err(fs::at("read", &path))?;
        Ok(true)
    }

    /// Everything that is in the log's directory. Files of unfinished writes (`<name>#<digits>`) are passed over.
    pub(crate) fn list(&self) -> Result<Listing, Error> {
        let directory = self.directory();
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Listing::default());
            }
            Err(error) => return Err(fs::at("read", &directory)(error).into()),
        };
        let mut listing = Listing::default();
        for entry in entries {
            let name = entry.map_err(fs::at("read", &directory))?.file_name();
            let name = name.to_string_lossy();
            match number(&name) {
                Some(n) => listing.numbers.push(n),
                None if is_unfinished(&name) => {}
                None => listing.foreign.push(name.into_owned()),
            }
        }
        listing.numbers.sort_unstable();
        listing.foreign.sort_unstable();
        Ok(listing)
    }
}

/// The number that a name of 20 digits stands for.
fn number(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// Whether `object_store` uses the name while it writes.
fn is_unfinished(name: &str) -> bool {
    name.split_once('#').is_some_and(|(name, suffix)| {
        number(name).is_some() && suffix.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_created_once() {
        let home = tempfile::tempdir().unwrap();
        let store = AuditStore::in_directory(&home.path().join("new/store"), "acme/prod");
        assert_eq!(store.read(0).await.unwrap(), None);
        assert_eq!(store.list().unwrap(), Listing::default());
        let one = store.create(0, b"one".to_vec()).await.unwrap();
        let two = store.create(0, b"two".to_vec()).await.unwrap();
        assert_eq!((one, two), (Created::Done, Created::Exists));
        assert_eq!(store.read(0).await.unwrap(), Some(b"one".to_vec()));
        assert!(store.exists(0).await.unwrap() && !store.exists(1).await.unwrap());
        let directory = store.directory();
        for name in ["notes.txt", "00000000000000000001#1"] {
            std::fs::write(directory.join(name), b"").unwrap();
        }
        let listing = Listing {
            numbers: vec![0],
            foreign: vec!["notes.txt".into()],
        };
        assert_eq!(store.list().unwrap(), listing);
    }
}
