//! Lines that revisions wrote, and which of them are read.

use crate::domain::release::RevisionNumber;

/// One line that a revision wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LogLine {
    /// When it was read.
    pub(crate) at: jiff::Timestamp,
    /// Who wrote it.
    pub(crate) revision: RevisionNumber,
    /// `stdout`, `stderr` or `squad` (what the platform did: started, ended, killed).
    pub(crate) stream: String,
    /// Without its line end; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
}

/// Which log lines to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LogQuery {
    /// Of one revision only.
    pub(crate) revision: Option<RevisionNumber>,
    /// Not older than this.
    pub(crate) since: Option<jiff::Timestamp>,
    /// At most so many of the newest lines.
    pub(crate) tail: Option<u32>,
    /// Goes on until the caller stops.
    pub(crate) follow: bool,
}
