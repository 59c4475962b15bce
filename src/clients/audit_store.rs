//! Where the commits of an audit log lie: numbered objects that are created once and never written again.
//!
//! `<root>/audit/<log>/commit/<20 digits>` in a directory or a bucket. Knows nothing about what is in them.

use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::aws::{Bucket, Session};
use super::store::{self, Place};
use crate::fs;

pub(crate) use super::store::Error;

/// How many commits are fetched from a bucket at once.
const AT_ONCE: usize = 32;

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

/// The commits of one log.
#[derive(Debug, Clone)]
pub(crate) struct AuditStore {
    backend: Backend,
    prefix: String,
}

#[derive(Debug, Clone)]
enum Backend {
    Directory(PathBuf),
    Bucket(Bucket),
}

/// The commits of a bucket as they were when they were fetched, in a directory that goes away with the value.
#[derive(Debug)]
pub(crate) struct Copy {
    store: AuditStore,
    _directory: tempfile::TempDir,
}

impl Copy {
    /// The copy as a store of its own.
    pub(crate) fn store(&self) -> &AuditStore {
        &self.store
    }
}

impl AuditStore {
    /// The commits of the log of this name (such as `acme/prod`) in an environment's store, which need not be there
    /// yet. A bucket is reached through a session.
    pub(crate) fn open(place: &Place, log: &str, session: Option<&Session>) -> Result<Self, Error> {
        match place {
            Place::Directory(root) => Ok(Self::in_directory(root, log)),
            Place::Bucket { name, prefix } => {
                let session = session.ok_or_else(|| Error::NoSession(name.clone()))?;
                Ok(Self {
                    backend: Backend::Bucket(Bucket::new(name, prefix, session.clone())),
                    prefix: prefix_of(log),
                })
            }
        }
    }

    /// The same below a directory.
    pub(crate) fn in_directory(root: &FilePath, log: &str) -> Self {
        Self {
            backend: Backend::Directory(root.to_owned()),
            prefix: prefix_of(log),
        }
    }

    /// The directory that holds the commits; none for a bucket.
    fn directory(&self) -> Option<PathBuf> {
        match &self.backend {
            Backend::Directory(root) => Some(root.join(&self.prefix)),
            Backend::Bucket(_) => None,
        }
    }

    fn key(&self, n: u64) -> String {
        format!("{}/{n:020}", self.prefix)
    }

    /// Creates commit `n`. On an error it may be there or not: read it and compare.
    pub(crate) async fn create(&self, n: u64, bytes: Vec<u8>) -> Result<Created, Error> {
        let root = match &self.backend {
            Backend::Directory(root) => root,
            Backend::Bucket(bucket) => {
                return Ok(if Box::pin(bucket.create(&self.key(n), &bytes)).await? {
                    Created::Done
                } else {
                    Created::Exists
                });
            }
        };
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let path = Path::from(self.key(n));
        match store::files(root)?
            .put_opts(&path, bytes.into(), options)
            .await
        {
            Ok(_) => Ok(Created::Done),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that what is there survives a loss of power: for commits whose creation was not acknowledged.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        match self.directory() {
            Some(directory) => Ok(fs::sync_dir(&directory)?),
            None => Ok(()),
        }
    }

    /// The bytes of commit `n`; none when it is not there.
    pub(crate) async fn read(&self, n: u64) -> Result<Option<Vec<u8>>, Error> {
        let root = match &self.backend {
            Backend::Bucket(bucket) => {
                return Ok(Box::pin(bucket.read(&self.key(n))).await?);
            }
            Backend::Directory(root) => root,
        };
        if !fs::is_dir(root)? {
            return Ok(None);
        }
        match store::files(root)?.get(&Path::from(self.key(n))).await {
            Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Commit `n` and its neighbours at once: what appending looks at first.
    pub(crate) async fn around(&self, n: u64) -> Result<Around, Error> {
        if let Backend::Bucket(bucket) = &self.backend {
            let before = async {
                match n.checked_sub(1) {
                    Some(n) => bucket.read(&self.key(n)).await,
                    None => Ok(None),
                }
            };
            let (at, behind) = (self.key(n), self.key(n + 1));
            let looks =
                async { tokio::try_join!(before, bucket.read(&at), bucket.exists(&behind)) };
            let (before, at, behind) = Box::pin(looks).await?;
            return Ok(Around { before, at, behind });
        }
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
                behind: store.file(n + 1).is_some_and(|file| file.exists()),
            })
        });
        looked.await.unwrap_or_else(|_| Ok(Around::default()))
    }

    fn file(&self, n: u64) -> Option<PathBuf> {
        Some(self.directory()?.join(format!("{n:020}")))
    }

    /// Whether commit `n` is there.
    pub(crate) async fn exists(&self, n: u64) -> Result<bool, Error> {
        let root = match &self.backend {
            Backend::Bucket(bucket) => {
                return Ok(Box::pin(bucket.exists(&self.key(n))).await?);
            }
            Backend::Directory(root) => root,
        };
        if !fs::is_dir(root)? {
            return Ok(false);
        }
        match store::files(root)?.head(&Path::from(self.key(n))).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads commit `n` into a buffer that is used again, without a runtime: for checks of whole logs on several
    /// threads. False when it is not there. A bucket has no such way: read a `Copy` of it.
    pub(crate) fn read_into(&self, n: u64, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        buffer.clear();
        let Some(path) = self.file(n) else {
            return Ok(false);
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(fs::at("read", &path)(error).into()),
        };
        file.read_to_end(buffer).map_err(fs::at("read", &path))?;
        Ok(true)
    }

    /// Everything that is where the log's commits are. Files of unfinished writes (`<name>#<digits>`) are passed over.
    pub(crate) async fn list(&self) -> Result<Listing, Error> {
        let names = match &self.backend {
            Backend::Bucket(bucket) => {
                let paths = Box::pin(bucket.list(&self.prefix)).await?;
                paths
                    .iter()
                    .filter_map(|path| path.strip_prefix(self.prefix.as_str())?.strip_prefix('/'))
                    .map(str::to_owned)
                    .collect()
            }
            Backend::Directory(root) => names_in(&root.join(&self.prefix))?,
        };
        let mut listing = Listing::default();
        for name in names {
            match number(&name) {
                Some(n) => listing.numbers.push(n),
                None if is_unfinished(&name) => {}
                None => listing.foreign.push(name),
            }
        }
        listing.numbers.sort_unstable();
        listing.foreign.sort_unstable();
        Ok(listing)
    }

    /// The commits of these numbers as files, for a bucket; none for a directory, which has them as files already.
    pub(crate) async fn copy(&self, numbers: &[u64]) -> Result<Option<Copy>, Error> {
        let Backend::Bucket(bucket) = &self.backend else {
            return Ok(None);
        };
        let directory =
            tempfile::tempdir().map_err(|error| fs::at("create", &std::env::temp_dir())(error))?;
        let store = Self {
            backend: Backend::Directory(directory.path().to_owned()),
            prefix: self.prefix.clone(),
        };
        let below = directory.path().join(&self.prefix);
        fs::create_private_dir(&below)?;
        let fetched = stream::iter(numbers.iter().copied())
            .map(|n| async move { Ok::<_, Error>((n, bucket.read(&self.key(n)).await?)) })
            .buffer_unordered(AT_ONCE);
        fetched
            .try_for_each(|(n, bytes)| {
                let file = below.join(format!("{n:020}"));
                async move {
                    let Some(bytes) = bytes else { return Ok(()) };
                    tokio::fs::write(&file, bytes)
                        .await
                        .map_err(|error| fs::at("write", &file)(error).into())
                }
            })
            .await?;
        Ok(Some(Copy {
            store,
            _directory: directory,
        }))
    }
}

/// Where the commits of a log lie in a store.
fn prefix_of(log: &str) -> String {
    format!("audit/{log}/commit")
}

/// The names in a directory, which need not be there.
fn names_in(directory: &FilePath) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fs::at("read", directory)(error).into()),
    };
    entries
        .map(|entry| {
            let name = entry.map_err(fs::at("read", directory))?.file_name();
            Ok(name.to_string_lossy().into_owned())
        })
        .collect()
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
        assert_eq!(store.list().await.unwrap(), Listing::default());
        let one = store.create(0, b"one".to_vec()).await.unwrap();
        let two = store.create(0, b"two".to_vec()).await.unwrap();
        assert_eq!((one, two), (Created::Done, Created::Exists));
        assert_eq!(store.read(0).await.unwrap(), Some(b"one".to_vec()));
        assert!(store.exists(0).await.unwrap() && !store.exists(1).await.unwrap());
        let directory = store.directory().unwrap();
        for name in ["notes.txt", "00000000000000000001#1"] {
            std::fs::write(directory.join(name), b"").unwrap();
        }
        let listing = Listing {
            numbers: vec![0],
            foreign: vec!["notes.txt".into()],
        };
        assert_eq!(store.list().await.unwrap(), listing);
    }
}
