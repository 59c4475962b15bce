//! The package of a function for Lambda: its artifact, and for Python the packages of its lock file, in one zip.
//!
//! A Python function's packages lie at the root of the zip beside the artifact, where Lambda looks for them. A file
//! that both have is an error: which one counts is never a matter of order. Of every other runtime the artifact alone
//! is the package: a `bootstrap`, jars or classes, `node_modules` are made by the build.

use std::path::{Path, PathBuf};

use super::zip::{self, Listed, Package, Tree};
use super::{process, wheels};

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The Python packages.
    #[error(transparent)]
    Wheels(#[from] wheels::Error),
    /// The zip.
    #[error(transparent)]
    Zip(#[from] zip::Error),
    /// The artifact brings packages that squad adds by itself.
    #[error("`{name}` is both in the artifact and in the packages of `{}`", lock.display())]
    PackedTwice {
        /// The name in the package.
        name: String,
        /// The lock file.
        lock: PathBuf,
    },
}

/// What is packed, for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// A directory or a zip.
    pub(crate) artifact: &'a Path,
    /// The files of the directory that count; without it all do.
    pub(crate) listed: Option<&'a Listed>,
    /// `[build] python_lock`, absolute; has no effect when the runtime is no Python.
    pub(crate) python_lock: Option<&'a Path>,
    /// As AWS names it, such as `python3.13`.
    pub(crate) runtime: &'a str,
    /// `arm64` or `x86_64`.
    pub(crate) architecture: &'a str,
    /// squad's cache directory.
    pub(crate) cache: &'a Path,
    /// The programs that fetch packages; ending them ends the fetching.
    pub(crate) children: &'a process::Children,
}

/// What is in the package; the digest of [`Tree`] says whether anything changed, before anything is compressed.
/// `on_make` is called before packages are fetched. It blocks.
pub(crate) fn tree(wanted: &Wanted<'_>, on_make: &dyn Fn()) -> Result<Tree, Error> {
    let lock = wanted
        .python_lock
        .filter(|_| wanted.runtime.starts_with("python"));
    let packages = match lock {
        Some(lock) => wheels::directory(
            wanted.cache,
            &wheels::Wanted {
                lock,
                runtime: wanted.runtime,
                architecture: wanted.architecture,
                children: wanted.children,
            },
            on_make,
        )?,
        None => None,
    };
    let more: Vec<&Path> = packages.as_deref().into_iter().collect();
    let tree =
        Tree::read_listed(wanted.artifact, wanted.listed, &more).map_err(|error| {
            match (error, lock) {
                (zip::Error::Collision { name, .. }, Some(lock)) => Error::PackedTwice {
                    name,
                    lock: lock.to_owned(),
                },
                (error, _) => error.into(),
            }
        })?;
    if wanted.runtime.starts_with("provided") && tree.is_executable("bootstrap") == Some(false) {
        return Err(zip::Error::Unfit {
            name: "bootstrap".to_owned(),
            reason: "is not executable, so Lambda could not start it",
        }
        .into());
    }
    Ok(tree)
}

/// The package, made or taken from the cache. It blocks.
pub(crate) fn function(wanted: &Wanted<'_>, on_make: &dyn Fn()) -> Result<Package, Error> {
    Ok(Package::of(&tree(wanted, on_make)?, wanted.cache)?)
}
