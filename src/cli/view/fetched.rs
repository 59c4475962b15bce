//! How it is shown where sources come from that were fetched for one deploy.

use serde::Serialize;

use crate::ops::deploy::{Fetched, Options};
use crate::output::sanitize;

/// Where sources were fetched from.
#[derive(Debug, Serialize)]
pub(super) struct Wire {
    repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    commit: String,
}

impl From<&Fetched> for Wire {
    fn from(fetched: &Fetched) -> Self {
        Self {
            repository: fetched.repository.clone(),
            branch: fetched.branch.clone(),
            commit: fetched.commit.clone(),
        }
    }
}

/// Where sources come from that were fetched for this deploy.
pub(crate) fn line(options: &Options) -> Option<String> {
    let fetched = options.fetched.as_ref()?;
    let branch = fetched.branch.as_deref();
    let branch = branch.map_or_else(String::new, |branch| {
        format!("branch {}, ", sanitize(branch))
    });
    let commit = fetched.commit.get(..7).unwrap_or(&fetched.commit);
    Some(format!(
        "from {}: {branch}commit {commit}, fetched now",
        fetched.repository
    ))
}
