//! Where the commits of an audit log lie: numbered objects that are created once and never written again.
//!
//! `<root>/audit/<log>/commit/<20 digits>` in a directory or a bucket. Knows nothing about what is in them.

mod directory;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::aws::{Bucket, Session};
use super::store::Place;
use crate::domain::audit::{Hash, sha256};
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

/// Where a log ends, as far as its writer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The number of the next commit.
    pub(crate) next: u64,
    /// SHA-256 of the last one; none when there is none.
    pub(crate) last: Option<Hash>,
}

/// What became of a commit that was to be created at the end of a log.
#[derive(Debug)]
pub(crate) enum Appended {
    /// The log ends there, so its creation was tried. On an error it may be there or not: read it and compare.
    Tried(Result<Created, Error>),
    /// The log does not end there, so nothing was created; what is there instead.
    Elsewhere(Around),
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

impl Around {
    /// Whether the log ends here, and with the commit that is known to be the last.
    fn is_end(&self, end: &End) -> bool {
        self.at.is_none()
            && !self.behind
            && self.before.as_deref().map(sha256) == end.last
            && end.last.is_none() == (end.next == 0)
    }
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
    pub(crate) fn in_directory(root: &Path, log: &str) -> Self {
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

    /// The directory that the store is in, where that is not there: a volume that is not mounted, or a store of which nothing
    /// was written yet.
    pub(crate) fn absent(&self) -> Result<Option<PathBuf>, Error> {
        match &self.backend {
            Backend::Directory(root) if !fs::holds_directory(root)? => Ok(Some(root.clone())),
            Backend::Directory(_) | Backend::Bucket(_) => Ok(None),
        }
    }

    fn key(&self, n: u64) -> String {
        format!("{}/{n:020}", self.prefix)
    }

    /// Creates commit `n`. On an error it may be there or not: read it and compare.
    pub(crate) async fn create(&self, n: u64, bytes: Vec<u8>) -> Result<Created, Error> {
        match &self.backend {
            Backend::Directory(root) => {
                let directory = root.join(&self.prefix);
                blocking(move || Ok(directory::create(&directory, n, &bytes)?)).await
            }
            Backend::Bucket(bucket) => {
                Ok(if Box::pin(bucket.create(&self.key(n), &bytes)).await? {
                    Created::Done
                } else {
                    Created::Exists
                })
            }
        }
    }

    /// Looks whether the log ends where its writer knows it to end, and creates the next commit there if it does. In a
    /// directory both are one turn on a thread of its own.
    pub(crate) async fn append(&self, end: End, bytes: Vec<u8>) -> Result<Appended, Error> {
        let Some(directory) = self.directory() else {
            let around = self.around(end.next).await?;
            return Ok(if around.is_end(&end) {
                Appended::Tried(self.create(end.next, bytes).await)
            } else {
                Appended::Elsewhere(around)
            });
        };
        let waits = Arc::new(());
        let waiter = Arc::downgrade(&waits);
        let appended = blocking(move || {
            let around = directory::around(&directory, end.next)?;
            // Whoever gave up while the directory did not answer has said that it is not there.
            if !around.is_end(&end) || waiter.strong_count() == 0 {
                return Ok(Appended::Elsewhere(around));
            }
            let created = directory::create(&directory, end.next, &bytes);
            Ok(Appended::Tried(created.map_err(Error::from)))
        })
        .await;
        drop(waits);
        appended
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
        match &self.backend {
            Backend::Bucket(bucket) => Ok(Box::pin(bucket.read(&self.key(n))).await?),
            Backend::Directory(root) if !fs::holds_directory(root)? => Ok(None),
            Backend::Directory(root) => {
                let directory = root.join(&self.prefix);
                blocking(move || {
                    let mut bytes = Vec::new();
                    Ok(directory::read_into(&directory, n, &mut bytes)?.then_some(bytes))
                })
                .await
            }
        }
    }

    /// Commit `n` and its neighbours at once: what appending looks at first.
    pub(crate) async fn around(&self, n: u64) -> Result<Around, Error> {
        match &self.backend {
            Backend::Bucket(bucket) => {
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
                Ok(Around { before, at, behind })
            }
            Backend::Directory(root) => {
                let directory = root.join(&self.prefix);
                blocking(move || Ok(directory::around(&directory, n)?)).await
            }
        }
    }

    /// Whether commit `n` is there.
    pub(crate) async fn exists(&self, n: u64) -> Result<bool, Error> {
        match &self.backend {
            Backend::Bucket(bucket) => Ok(Box::pin(bucket.exists(&self.key(n))).await?),
            Backend::Directory(root) if !fs::holds_directory(root)? => Ok(false),
            Backend::Directory(root) => {
                let path = directory::file(&root.join(&self.prefix), n);
                blocking(move || Ok(fs::is_there(&path)?)).await
            }
        }
    }

    /// Reads commit `n` into a buffer that is used again, without a runtime: for checks of whole logs on several
    /// threads. False when it is not there. A bucket has no such way: read a `Copy` of it.
    pub(crate) fn read_into(&self, n: u64, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        buffer.clear();
        match self.directory() {
            Some(directory) => Ok(directory::read_into(&directory, n, buffer)?),
            None => Ok(false),
        }
    }

    /// Everything that is where the log's commits are. Files of unfinished writes (`<name>#<digits>`) are
    /// passed over.
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
            Backend::Directory(root) => directory::names(&root.join(&self.prefix))?,
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

/// Does on a thread of its own what waits for a directory: one that does not answer must not hold up the caller's
/// timeout.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(object_store::Error::from(error).into()),
    }
}

/// The number that a name of 20 digits stands for.
fn number(name: &str) -> Option<u64> {
    let digits = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// Whether the name is used while a commit is written.
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

    #[tokio::test]
    async fn a_commit_is_appended_only_where_the_log_is_known_to_end() {
        let home = tempfile::tempdir().unwrap();
        let store = AuditStore::in_directory(home.path(), "acme/prod");
        let append = async |next, last: Option<&[u8]>| {
            let last = last.map(sha256);
            store.append(End { next, last }, b"new".to_vec()).await
        };
        let elsewhere = async |next, last| match append(next, last).await.unwrap() {
            Appended::Elsewhere(around) => around,
            Appended::Tried(created) => panic!("{created:?}"),
        };
        let made = append(0, None).await.unwrap();
        assert!(matches!(made, Appended::Tried(Ok(Created::Done))));
        let (new, other) = (b"new".to_vec(), b"other".as_slice());
        // It is there already, the one before it is another one or is gone, and there is one behind it.
        let taken = Around {
            at: Some(new.clone()),
            ..Around::default()
        };
        assert_eq!(elsewhere(0, None).await, taken);
        let before = Around {
            before: Some(new.clone()),
            ..Around::default()
        };
        assert_eq!(elsewhere(1, Some(other)).await, before);
        assert_eq!(elsewhere(1, None).await, before);
        assert_eq!(elsewhere(2, Some(other)).await, Around::default());
        assert_eq!(elsewhere(2, None).await, Around::default());
        store.create(2, other.to_vec()).await.unwrap();
        let behind = Around {
            behind: true,
            ..before
        };
        assert_eq!(elsewhere(1, Some(&new)).await, behind);
        assert_eq!(store.list().await.unwrap().numbers, [0, 2]);
        let made = append(3, Some(other)).await.unwrap();
        assert!(matches!(made, Appended::Tried(Ok(Created::Done))));
    }

    /// The directory answers after its caller has gone (a limit, or Ctrl-C): nothing is created that the caller has said is
    /// not there.
    #[test]
    fn nothing_is_created_for_a_caller_who_gave_up_during_the_look() {
        for gives_up in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let store = AuditStore::in_directory(home.path(), "acme/prod");
            let directory = store.directory().unwrap();
            std::fs::create_dir_all(&directory).unwrap();
            // Whoever reads the last commit waits until somebody writes it.
            let last = directory::file(&directory, 0);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &last,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RWXU,
                0,
            )
            .unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                let end = End {
                    next: 1,
                    last: Some(sha256(b"one")),
                };
                let mut append = Box::pin(store.append(end, b"two".to_vec()));
                // Opened for writing once it is opened for reading.
                let open = move || std::fs::OpenOptions::new().write(true).open(last);
                let mut writer = tokio::select! {
                    appended = &mut append => panic!("{appended:?}"),
                    opened = tokio::task::spawn_blocking(open) => opened.unwrap().unwrap(),
                };
                let mut append = Some(append);
                if gives_up {
                    append = None;
                }
                std::io::Write::write_all(&mut writer, b"one").unwrap();
                drop(writer);
                if let Some(append) = append {
                    let appended = append.await.unwrap();
                    assert!(matches!(appended, Appended::Tried(Ok(Created::Done))));
                }
            });
            // Waits for the threads that have begun.
            drop(runtime);
            let created = directory::names(&directory).unwrap().len() == 2;
            assert_eq!(created, !gives_up);
        }
    }
}
