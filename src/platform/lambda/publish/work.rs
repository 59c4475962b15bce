//! One publish: what is to be there, and the reads that every step makes.
//!
//! Writes nothing.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;

use super::super::read as reads;
use super::observed::{Observed, Version};
use super::wanted::{Code, Wanted};
use crate::clients::aws::{self, Kept};
use crate::domain::version::VersionNote;
use crate::platform::{Error, OnProgress, Progress, Result};

/// Everything that a publish needs.
pub(crate) struct Work<'a> {
    /// Lambda's control plane.
    pub(super) client: &'a Client,
    /// Lambda's data plane, for the smoke test.
    pub(super) invoker: &'a Client,
    /// The function's name.
    pub(super) function: &'a str,
    /// Its settings.
    pub(super) wanted: Wanted,
    /// Its code.
    pub(super) code: Code,
    /// Where the code lies when it is too large to be sent with the call.
    pub(super) uploaded: Option<Kept>,
    /// What the version says of itself.
    pub(super) note: VersionNote,
    /// Hints for discovery, set on the function.
    pub(super) tags: BTreeMap<String, String>,
    /// The event that the version is called with before it may take traffic.
    pub(super) smoke: Option<String>,
    /// Takes signs of life.
    pub(super) progress: OnProgress<'a>,
}

impl Work<'_> {
    /// The function as it is; none when there is none of that name.
    pub(super) async fn read(&self) -> Result<Option<Observed>> {
        read(self.client, self.function, None).await
    }

    /// All published versions, ascending; none when there is no function.
    pub(super) async fn versions(&self) -> Result<Vec<Version>> {
        let found = reads::versions(self.client, self.function).await?;
        Ok(found.values().filter_map(Version::of).collect())
    }

    /// Says what is waited for.
    pub(super) fn tell(&self, what: impl Into<String>) {
        (self.progress)(Progress::Waiting { what: what.into() });
    }

    /// An error of AWS without any value of a variable that it might quote.
    pub(super) fn failed(&self, mut error: aws::Error) -> Error {
        error.said = self.wanted.set.scrub(&error.said);
        error.into()
    }
}

/// `$LATEST`, or a version; none where there is no such thing.
pub(super) async fn read(
    client: &Client,
    function: &str,
    version: Option<u64>,
) -> Result<Option<Observed>> {
    let qualifier = version.map(|version| version.to_string());
    let found = reads::function(client, function, qualifier.as_deref()).await?;
    Ok(found.as_ref().and_then(Observed::of_function))
}
