//! The words for errors of files.

use std::io::ErrorKind;
use std::path::Path;

use super::{Error, Kind};
use crate::fs;

impl From<fs::Error> for Error {
    fn from(error: fs::Error) -> Self {
        let message = format!("cannot {} `{}`", error.action, error.path.display());
        match error.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::new(
                Kind::Failed,
                "disk-full",
                format!("{message}: the disk is full"),
            )
            .hint("free some space and run the same command again")
            .retryable(),
            ErrorKind::ReadOnlyFilesystem => Self::new(
                Kind::Failed,
                "not-writable",
                format!("{message}: {}", words(&error.source)),
            )
            .hint(format!(
                "look at what is mounted there: `findmnt -T {}`",
                there(&error.path).display()
            )),
            ErrorKind::PermissionDenied => Self::new(
                Kind::Failed,
                "not-writable",
                format!("{message}: {}", words(&error.source)),
            )
            .hint(format!(
                "look at who owns it: `ls -ld {}`",
                there(&error.path).display()
            )),
            ErrorKind::NotADirectory => Self::new(
                Kind::Failed,
                "file",
                format!("{message}: {}", words(&error.source)),
            )
            .hint(format!(
                "a directory is needed, and this is none: `ls -l {}`",
                there(&error.path).display()
            )),
            _ => Self::new(
                Kind::Failed,
                "file",
                format!("{message}: {}", words(&error.source)),
            ),
        }
    }
}

/// The part of a path that is there.
fn there(path: &Path) -> &Path {
    path.ancestors()
        .find(|part| part.symlink_metadata().is_ok())
        .unwrap_or(path)
}

/// The system's reason without Rust's `(os error 13)`.
pub(super) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text.get(..end).unwrap_or(&text).to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
