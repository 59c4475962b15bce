//! The repositories of services that are deployed by name alone: fetched below squad's cache directory, one deploy at a time.
//!
//! ```text
//! repositories/<name>-<digest of the address>/lock   held for as long as the tree must not change; says who holds it
//! repositories/<name>-<digest of the address>/tree   the work tree
//! ```

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clients::git::Repository;
use crate::clients::git_checkout::{self, Checkout, Work};
use crate::clients::lock;
use crate::clients::process::Children;
use crate::error::{Result, no_large_files, not_fetched};
use crate::fs;

/// Name of the directory in squad's cache directory.
pub(crate) const REPOSITORIES: &str = "repositories";
const TREE: &str = "tree";
const LOCK: &str = "lock";

/// Whether a directory lies in a work tree that is kept here, or was: also below a cache directory of another time.
pub(crate) fn is_kept(directory: &Path) -> bool {
    place_of(directory).is_some()
}

/// The place of the repository that a directory which [`is_kept`] lies in.
pub(crate) fn place_of(directory: &Path) -> Option<&Path> {
    let mut trees = directory.ancestors().filter(|tree| tree.ends_with(TREE));
    trees.find_map(|tree| {
        let place = tree.parent()?;
        let is_named = place.parent()?.ends_with(REPOSITORIES);
        (is_named && (!tree.exists() || place.join(LOCK).exists())).then_some(place)
    })
}

/// Where one repository is kept.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// The place of this name below squad's cache directory.
    pub(crate) fn new(cache: &Path, name: &str) -> Result<Self> {
        let place = cache.join(REPOSITORIES).join(name);
        fs::create_private_dir(&place)?;
        Ok(Self(place))
    }

    /// The top of its work tree.
    pub(crate) fn tree(&self) -> PathBuf {
        self.0.join(TREE)
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn turn(&self, who: &str) -> Result<Option<Turn>> {
        Ok(lock::now(&self.0.join(LOCK))?.map(|file| Turn::of(file, who)))
    }

    /// Waits for the turn, however long that takes.
    pub(crate) fn wait(&self, who: &str) -> Result<Turn> {
        Ok(Turn::of(lock::wait(&self.0.join(LOCK))?, who))
    }

    /// Who has the turn, as they said it.
    pub(crate) fn holder(&self) -> Option<String> {
        let text = fs::read_to_string(&self.0.join(LOCK)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The turn to work with a tree: nobody else changes it until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(File);

impl Turn {
    fn of(mut file: File, who: &str) -> Self {
        // It is for those who wait, and no reason not to go on.
        drop(
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(who.as_bytes())),
        );
        Self(file)
    }
}

/// What to fetch.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Its address, with credentials where the org's file has them.
    pub(crate) address: &'a str,
    /// The same as people know it, without them.
    pub(crate) shown: &'a str,
    /// The commit that is wanted; the newest one where it is none.
    pub(crate) at: Option<&'a str>,
    /// Where it is kept.
    pub(crate) place: &'a Place,
    /// The longest that it may take.
    pub(crate) timeout: Duration,
    /// Among which git is, so that it can be ended.
    pub(crate) children: &'a Children,
}

/// Fetches the newest commit of the main branch, and puts the work tree on it.
pub(crate) fn fetch(options: &Options<'_>, turn: &Turn) -> Result<Checkout> {
    let work = Work {
        timeout: options.timeout,
        children: options.children,
        lock: &turn.0,
    };
    git_checkout::update(options.address, options.at, &options.place.tree(), work)
        .map_err(|error| not_fetched(options.shown, options.address, error))
}

/// Refuses a service whose files are only pointers to what Git LFS keeps. `shown` is the repository, `directory` lies in its tree.
pub(crate) fn check_large_files(shown: &str, tree: &Path, directory: &Path) -> Result<()> {
    let repository = Repository {
        root: tree.to_owned(),
    };
    let path = directory.strip_prefix(tree).unwrap_or(Path::new(""));
    match repository.misses_large_file(path)? {
        Some(file) => Err(no_large_files(shown, &file)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_known_by_its_place() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::new(home.path(), "payments-1").unwrap();
        let service = place.tree().join("services/payments");
        assert!(is_kept(&service), "nothing is there any more");
        std::fs::create_dir_all(&service).unwrap();
        assert!(!is_kept(&service), "somebody's own directory");
        drop(place.turn("payments → prod").unwrap());
        assert!(is_kept(&service) && is_kept(&place.tree()));
        assert!(!is_kept(home.path()));
        assert_eq!(place.holder().unwrap(), "payments → prod");
    }
}
