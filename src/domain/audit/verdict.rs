//! What a check of an audit log can end with.

use super::note::VerifierKey;

/// The verdict over a whole log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything fits, and all of it is covered by a checkpoint that is kept outside the store.
    Ok,
    /// Everything fits; this many events are newer than the newest checkpoint kept outside the store.
    UnanchoredTail(u64),
    /// Everything fits, and some of it was signed by keys that the org does not trust.
    Untrusted {
        /// Commits that such keys signed.
        commits: u64,
        /// The number of the first of them.
        first: u64,
    },
    /// A commit between others is missing.
    Incomplete {
        /// Its number.
        missing: u64,
    },
    /// Something is not as its writer signed it.
    Tampered(Damage),
    /// The log fits in itself and is another one than this machine has seen.
    Forked {
        /// The checkpoint that this machine kept: a signed note.
        kept: String,
        /// What the store has at the same place: a signed note.
        found: String,
    },
    /// It cannot be said.
    Unverifiable {
        /// The commit where it ends.
        commit: u64,
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The word used in JSON.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnanchoredTail(_) => "ok-unanchored-tail",
            Self::Untrusted { .. } => "untrusted",
            Self::Incomplete { .. } => "incomplete",
            Self::Tampered(_) => "tampered",
            Self::Forked { .. } => "forked",
            Self::Unverifiable { .. } => "unverifiable",
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Ok | Self::UnanchoredTail(_))
    }

    /// Whether nothing was changed, removed or reordered, whoever wrote it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_good() || matches!(self, Self::Untrusted { .. })
    }
}

/// What does not fit, and where it was first seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("commit {commit}: {detail}")]
pub(crate) struct Damage {
    /// What kind of thing.
    pub(crate) kind: DamageKind,
    /// The number of the commit.
    pub(crate) commit: u64,
    /// The index of the first event concerned.
    pub(crate) event: u64,
    /// In words, without the commit's number.
    pub(crate) detail: String,
}

/// What kind of thing does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DamageKind {
    /// The object is not a commit.
    Format,
    /// The commit or its events stand in another place than they say.
    Order,
    /// The events are not those of the tree.
    Content,
    /// The checkpoint is not that of the events.
    Checkpoint,
    /// The commit before it is not the one that its writer saw.
    Chain,
    /// It is signed by another key than it says.
    Writer,
    /// The signature is not the key's.
    Signature,
    /// Commits that this machine has seen are gone from the end.
    Truncated,
    /// An event is not canonical JSON (only with `--strict`).
    NotCanonical,
}

impl DamageKind {
    /// The word used in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Order => "order",
            Self::Content => "content",
            Self::Checkpoint => "checkpoint",
            Self::Chain => "chain",
            Self::Writer => "writer",
            Self::Signature => "signature",
            Self::Truncated => "truncated",
            Self::NotCanonical => "not-canonical",
        }
    }
}

/// A key that signed commits of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// The key.
    pub(crate) key: VerifierKey,
    /// Commits.
    pub(crate) commits: u64,
    /// The number of the first of them.
    pub(crate) first_commit: u64,
    /// Whether it is this machine's own, or this machine had seen it before.
    pub(crate) known: bool,
    /// Whether the org's file trusts it; none where no file says which keys count.
    pub(crate) trusted: Option<bool>,
}
