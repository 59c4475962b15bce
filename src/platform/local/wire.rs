//! A platform error as it travels over the control socket and back.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::live::LastCommit;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{Diagnosis, Error};

/// The wire form of [`Error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// [`Error::Conflict`].
    Conflict(Option<LastCommit>),
    /// [`Error::NoRevision`].
    NoRevision(RevisionNumber),
    /// [`Error::HasTraffic`].
    HasTraffic(RevisionNumber),
    /// [`Error::DoesNotStart`].
    DoesNotStart(RevisionNumber, Box<Diagnosis>),
    /// [`Error::Invalid`].
    Invalid(String),
    /// [`Error::PortTaken`].
    PortTaken(u16, Option<String>),
    /// [`Error::Timeout`], in milliseconds.
    Timeout(u64),
    /// [`Error::CorruptJournal`].
    CorruptJournal(PathBuf, u64, String),
    /// [`Error::LostJournal`].
    LostJournal(PathBuf, ServiceName),
    /// [`Error::Unreachable`].
    Unreachable(String),
    /// [`Error::ForeignOwner`].
    ForeignOwner(PathBuf),
    /// [`Error::Unsupported`].
    Unsupported(String),
    /// [`Error::File`]: the verb, the path, the system's number when there is one, and its words.
    File(String, PathBuf, Option<i32>, String),
    /// The supervisor is about to end: the client waits for that and starts the next one.
    Stopping,
}

/// The verbs of [`crate::fs::Error`] that a supervisor can use.
const ACTIONS: [&str; 17] = [
    "append to",
    "copy",
    "create",
    "lock",
    "look at",
    "make private",
    "open",
    "read",
    "remove",
    "rename",
    "repair",
    "replace",
    "start",
    "store",
    "sync",
    "truncate",
    "write",
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { winner } => Self::Conflict(winner),
            Error::NoRevision(revision) => Self::NoRevision(revision),
            Error::HasTraffic(revision) => Self::HasTraffic(revision),
            Error::DoesNotStart {
                revision,
                diagnosis,
            } => Self::DoesNotStart(revision, diagnosis),
            // An alias's limits are not this platform's.
            Error::Invalid(text) | Error::Unsplittable(text) => Self::Invalid(text),
            Error::PortTaken { port, owner } => Self::PortTaken(port, owner),
            Error::Timeout(time) => {
                Self::Timeout(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
            }
            Error::CorruptJournal {
                path,
                offset,
                reason,
            } => Self::CorruptJournal(path, offset, reason),
            Error::LostJournal { path, service } => Self::LostJournal(path, service),
            Error::Unreachable(text) => Self::Unreachable(text),
            Error::ForeignOwner(path) => Self::ForeignOwner(path),
            Error::Unsupported(text) | Error::Overtaken(text) => Self::Unsupported(text),
            // Its functions are processes of its own.
            error @ (Error::UnclearTarget { .. }
            | Error::NotProvisioned(_)
            | Error::NotApplied { .. }
            | Error::NotThere { .. }) => Self::Unsupported(error.to_string()),
            // The supervisor asks AWS nothing.
            Error::Aws(error) => Self::Unsupported(error.to_string()),
            Error::File(error) | Error::NotStarted { source: error, .. } => Self::File(
                error.action.to_owned(),
                error.path,
                error.source.raw_os_error(),
                error.source.to_string(),
            ),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(winner) => Self::Conflict { winner },
            Failure::NoRevision(revision) => Self::NoRevision(revision),
            Failure::HasTraffic(revision) => Self::HasTraffic(revision),
            Failure::DoesNotStart(revision, diagnosis) => Self::DoesNotStart {
                revision,
                diagnosis,
            },
            Failure::Invalid(text) => Self::Invalid(text),
            Failure::PortTaken(port, owner) => Self::PortTaken { port, owner },
            Failure::Timeout(milliseconds) => Self::Timeout(Duration::from_millis(milliseconds)),
            Failure::CorruptJournal(path, offset, reason) => Self::CorruptJournal {
                path,
                offset,
                reason,
            },
            Failure::LostJournal(path, service) => Self::LostJournal { path, service },
            Failure::Unreachable(text) => Self::Unreachable(text),
            Failure::ForeignOwner(path) => Self::ForeignOwner(path),
            Failure::Unsupported(text) => Self::Unsupported(text),
            Failure::File(action, path, number, text) => Self::File(crate::fs::Error {
                action: ACTIONS
                    .into_iter()
                    .find(|known| *known == action)
                    .unwrap_or("use"),
                path,
                source: number.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error),
            }),
            Failure::Stopping => Self::Unreachable("it is being stopped".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_still_a_full_disk_on_the_other_side() {
        let error = Error::File(crate::fs::Error {
            action: "append to",
            path: "/state/journal".into(),
            source: io::Error::from_raw_os_error(28),
        });
        let text = serde_json::to_string(&Failure::from(error)).unwrap();
        let Error::File(error) = Error::from(serde_json::from_str::<Failure>(&text).unwrap())
        else {
            panic!("{text}");
        };
        assert_eq!(error.action, "append to");
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    }
}
