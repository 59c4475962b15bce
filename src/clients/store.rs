//! An environment's store: objects that are created once and never changed, in a directory or in a bucket.
//!
//! The audit log lies in it below `audit/`, what a platform keeps below `objects/`: neither can name a key of the
//! other. Knows nothing about what is in them.

use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::aws;
use super::aws::{Bucket, Kept, Session};
use crate::domain::environment::Environment;
use crate::fs;

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The directory.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The bucket.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// Anything else; after a write it may have happened or not.
    #[error("{0}")]
    Store(#[from] object_store::Error),
    /// What cannot be the path of an object.
    #[error("`{}` cannot be the path of an object", .0.escape_debug())]
    Path(String),
    /// The environment names a bucket, and nothing was given to reach it with.
    #[error("the store `{0}` is a bucket, and there is no way to AWS")]
    NoSession(String),
}

/// Where an environment's store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below a directory.
    Directory(PathBuf),
    /// In a bucket.
    Bucket {
        /// Its name.
        name: String,
        /// What every key begins with; no slash at either end, may be empty.
        prefix: String,
    },
}

impl Place {
    /// What the org file says, or `audit-store` in squad's state directory.
    pub(crate) fn of(environment: &Environment, state: &FilePath) -> Self {
        let Some(text) = environment.audit.as_deref() else {
            return Self::Directory(state.join("audit-store"));
        };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            return Self::Bucket {
                name: name.to_owned(),
                prefix: prefix.trim_matches('/').to_owned(),
            };
        }
        Self::Directory(text.strip_prefix("file://").unwrap_or(text).into())
    }
}

/// The objects that a platform keeps about one environment: `rollout/<service>/<id>/…`. Cheap to clone; touches nothing
/// before the first call.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    backend: Backend,
    /// `objects/<org>/<environment>`.
    root: String,
}

#[derive(Debug, Clone)]
enum Backend {
    Directory(PathBuf),
    Bucket(Bucket),
}

/// The longest path of an object, in bytes.
const LONGEST_PATH: usize = 512;

impl Objects {
    /// Those of an environment. A bucket is reached through the environment's session.
    pub(crate) fn open(
        environment: &Environment,
        state: &FilePath,
        session: Option<&Session>,
    ) -> Result<Self, Error> {
        let backend = match Place::of(environment, state) {
            Place::Directory(root) => Backend::Directory(root),
            Place::Bucket { name, prefix } => {
                let session = session.ok_or_else(|| Error::NoSession(name.clone()))?;
                Backend::Bucket(Bucket::new(&name, &prefix, session.clone()))
            }
        };
        Ok(Self {
            backend,
            root: format!("objects/{}", environment.log_name()),
        })
    }

    /// Whether they lie in a bucket.
    pub(crate) fn is_bucket(&self) -> bool {
        matches!(self.backend, Backend::Bucket(_))
    }

    /// Makes an object, which is never changed; false when there is one of this path already that this call did not
    /// make, whatever it holds. Either way it survives a loss of power from then on.
    pub(crate) async fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, Error> {
        let key = format!("{}/{}", self.root, checked(path)?);
        match &self.backend {
            Backend::Bucket(bucket) => Ok(Box::pin(bucket.create(&key, bytes)).await?),
            Backend::Directory(root) => {
                let options = PutOptions {
                    mode: PutMode::Create,
                    ..PutOptions::default()
                };
                let files = files(root)?;
                match files
                    .put_opts(&Path::from(key), bytes.to_vec().into(), options)
                    .await
                {
                    Ok(_) => Ok(true),
                    Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Keeps something in the bucket, beside the objects, whose path names its content: `lambda/<function>/<digest>.zip`.
    /// `on_send` is called before anything is sent, which is not when it lies there already. None where the store is a
    /// directory, which AWS cannot read.
    pub(crate) async fn keep(
        &self,
        path: &str,
        bytes: Bytes,
        on_send: &(dyn Fn() + Send + Sync),
    ) -> Result<Option<Kept>, Error> {
        match &self.backend {
            Backend::Bucket(bucket) => Ok(Some(bucket.keep(checked(path)?, bytes, on_send).await?)),
            Backend::Directory(_) => Ok(None),
        }
    }

    /// What an object holds; none when there is none.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let key = format!("{}/{}", self.root, checked(path)?);
        match &self.backend {
            Backend::Bucket(bucket) => Ok(Box::pin(bucket.read(&key)).await?),
            Backend::Directory(root) if !fs::holds_directory(root)? => Ok(None),
            Backend::Directory(root) => match files(root)?.get(&Path::from(key)).await {
                Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// The paths of all objects that begin with `prefix`, sorted by their bytes.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let directory = match prefix.rsplit_once('/') {
            Some((directory, _)) => format!("{}/{}", self.root, checked(directory)?),
            None => self.root.clone(),
        };
        let keys = match &self.backend {
            Backend::Bucket(bucket) => Box::pin(bucket.list(&directory)).await?,
            Backend::Directory(root) if !fs::holds_directory(root)? => Vec::new(),
            Backend::Directory(root) => {
                let files = files(root)?;
                let listed = files.list(Some(&Path::from(directory)));
                let listed: Vec<_> = listed.try_collect().await?;
                listed
                    .into_iter()
                    .map(|object| object.location.to_string())
                    .collect()
            }
        };
        let mut paths: Vec<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(self.root.as_str())?.strip_prefix('/'))
            .filter(|path| path.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        paths.sort_unstable();
        Ok(paths)
    }
}

/// The files below a directory, which is made when it is not there.
fn files(root: &FilePath) -> Result<LocalFileSystem, Error> {
    fs::create_dir_durably(root, 0o777)?;
    Ok(LocalFileSystem::new_with_prefix(root)?.with_fsync(true))
}

/// A path that stays below the objects in every store: parts of ASCII letters, digits, `-`, `_` and `.`, none of which
/// begins with a dot.
fn checked(path: &str) -> Result<&str, Error> {
    let is_good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if path.len() <= LONGEST_PATH && path.split('/').all(is_good) {
        Ok(path)
    } else {
        Err(Error::Path(path.to_owned()))
    }
}
