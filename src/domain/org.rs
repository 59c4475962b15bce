//! The orgs that a machine knows, and what was fetched of them: the stored forms.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::OrgName;

/// Where an org's file lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// A directory of this machine that holds `org.toml`; absolute.
    Directory(PathBuf),
    /// A git repository that holds `org.toml` at its top; without credentials where it is stored.
    Git(String),
}

impl Source {
    /// The directory or the address, for people and JSON.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Git(url) => url.clone(),
        }
    }
}

/// One org that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// The name in its file. It can differ from the name it was added under.
    pub(crate) name: OrgName,
    /// Where it lies.
    pub(crate) source: Source,
}

/// `orgs.toml`: the orgs of this person, by the name they were added under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    /// The one in use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) current: Option<OrgName>,
    /// All of them.
    #[serde(default)]
    pub(crate) org: BTreeMap<OrgName, Registered>,
}

impl Registry {
    /// The org that is added under this name, or else the one whose file has this name.
    pub(crate) fn find(&self, name: &OrgName) -> Option<(&OrgName, &Registered)> {
        self.org
            .get_key_value(name)
            .or_else(|| self.org.iter().find(|(_, org)| org.name == *name))
    }
}

/// What the remote repository of an org said when it was last fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The repository, without credentials.
    pub(crate) url: String,
    /// The commit, in full.
    pub(crate) commit: String,
    /// When the remote last said that this is its newest commit.
    pub(crate) fetched_at: Timestamp,
    /// When it was last asked, with or without an answer.
    pub(crate) tried_at: Timestamp,
    /// The content of `org.toml` in that commit.
    pub(crate) text: String,
}

/// The org's file in the newest commit of a local work tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// HEAD; none in a repository without commits.
    pub(crate) commit: Option<String>,
    /// The file's content in that commit; none when the commit does not have it.
    pub(crate) text: Option<String>,
}

/// The metrics provider of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metrics {
    /// `prometheus` or `datadog`.
    pub(crate) provider: String,
    /// Where it answers.
    pub(crate) url: String,
}
