//! Which files of a directory are in a package, where not all are: what git tracks or would track.
//!
//! A name that is not listed is as if it were not there, also as the target of a symlink.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Names relative to the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    files: HashSet<PathBuf>,
    /// Those that have a listed file below them.
    directories: HashSet<PathBuf>,
}

impl Listed {
    /// Those of `paths` that lie below `directory`; none when there is none.
    pub(crate) fn below(directory: &Path, paths: &[PathBuf]) -> Option<Self> {
        let files: HashSet<_> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(directory).ok())
            .map(Path::to_owned)
            .collect();
        let directories = files
            .iter()
            .flat_map(|file| file.ancestors().skip(1))
            .map(Path::to_owned)
            .collect();
        (!files.is_empty()).then_some(Self { files, directories })
    }

    /// Whether it is listed, or has something listed below it.
    pub(super) fn has(&self, name: &Path) -> bool {
        self.files.contains(name) || self.directories.contains(name)
    }
}
