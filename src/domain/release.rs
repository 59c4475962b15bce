//! A release: what is shipped, and where it comes from.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::service::Service;

/// The number of a revision: 1, 2, 3 … for each service in each environment, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RevisionNumber(pub(crate) u64);

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the sources of a release come from. What is unknown is absent, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// Full git commit id of HEAD.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) commit: Option<String>,
    /// Git branch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) branch: Option<String>,
    /// First line of the commit's message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) subject: Option<String>,
    /// The work tree differed from HEAD within the service's inputs.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) dirty: bool,
    /// Number of the pull request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) pull_request: Option<String>,
    /// The pipeline's run, as its CI names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) pipeline_run: Option<String>,
    /// The repository, as the org file or git's `origin` names it, without credentials.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) repository: Option<String>,
}

/// Who does something, from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actor {
    /// The person's or pipeline's name: git's `user.email`, else the login name; in CI the run.
    pub(crate) name: String,
    /// The machine.
    pub(crate) host: String,
    /// Key id of the device's signing key, 8 hex digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) key: Option<String>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, self.host)
    }
}

/// An artifact as Lambda takes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Package {
    /// A zip archive.
    Zip {
        /// Its bytes.
        bytes: Bytes,
        /// SHA-256 of them, base64.
        sha256: String,
        /// The digest of the uncompressed tree, base64url.
        tree: String,
    },
    /// A container image.
    Image {
        /// `<repository>@sha256:…`, or with a tag, which Lambda resolves once.
        reference: String,
    },
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zip { bytes, tree, .. } => write!(f, "zip of {} bytes, tree {tree}", bytes.len()),
            Self::Image { reference } => write!(f, "image {reference}"),
        }
    }
}

/// What is shipped: an artifact, its configuration, and its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// The service with the environment's overrides applied; holds secret references, no values.
    pub(crate) service: Service,
    /// `sha256:<64 hex>` (and `+<ULID>` for a rebuild) over everything that decides what the revision is (DESIGN §13): publishing
    /// the same digest twice yields the same revision.
    pub(crate) digest: String,
    /// Absolute path of the directory that holds the built artifact on this machine.
    pub(crate) artifact: std::path::PathBuf,
    /// Absolute path of the Python environment that its processes run in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) python_environment: Option<std::path::PathBuf>,
    /// The artifact as Lambda takes it; none on other platforms, and where the artifact is packed as it is.
    #[serde(skip)]
    pub(crate) package: Option<Package>,
    /// The event that a version is called with before it may take traffic.
    #[serde(skip)]
    pub(crate) smoke: Option<String>,
    /// Where it comes from.
    pub(crate) provenance: Provenance,
    /// Who published it.
    pub(crate) actor: Actor,
    /// The operation's id (ULID), the same in both audit events.
    pub(crate) operation: String,
}
