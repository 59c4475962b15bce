//! One publish: what is to be there, and the reads that every step makes.
//!
//! Writes nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_sdk_lambda::Client;

use super::super::alias::Alias;
use super::super::read as reads;
use super::observed::{Observed, Version};
use super::values::Values;
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
    /// The alias that callers use.
    pub(super) alias: &'a str,
    /// That alias, where others pointed it at `$LATEST`.
    pub(super) on_latest: Option<Alias>,
    /// There is no alias, and others made what `$LATEST` is: it is kept before it is changed.
    pub(super) is_unkept: bool,
    /// The alias once it points at a version that keeps what `$LATEST` was.
    pub(super) pinned: OnceLock<Alias>,
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
    /// The variables that the function was seen with: they are sent again with each change, and no message may quote them.
    pub(super) kept: Mutex<Values>,
    /// Takes signs of life.
    pub(super) progress: OnProgress<'a>,
}

impl Work<'_> {
    /// The function as it is; none when there is none of that name.
    pub(super) async fn read(&self) -> Result<Option<Observed>> {
        let found = read(self.client, self.function, None).await?;
        if let Some(Ok(values)) = found.as_ref().map(|found| &found.configuration.environment) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = kept.merged(values, []);
        }
        Ok(found)
    }

    /// All published versions, ascending; none when there is no function.
    pub(super) async fn versions(&self) -> Result<Vec<Version>> {
        let found = reads::versions(self.client, self.function).await?;
        Ok(found.values().filter_map(Version::of).collect())
    }

    /// The alias as it is; none where there is none.
    pub(super) async fn read_alias(&self) -> Result<Option<Alias>> {
        Ok(reads::alias(self.client, self.function, self.alias).await?)
    }

    /// Says what is waited for.
    pub(super) fn tell(&self, what: impl Into<String>) {
        (self.progress)(Progress::Waiting { what: what.into() });
    }

    /// An error of AWS without any value of a variable that it might quote: neither of those that are set, nor of those that
    /// the function has from others.
    pub(super) fn failed(&self, mut error: aws::Error) -> Error {
        error.said = self.wanted.set.scrub(&error.said);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        error.said = kept.scrub(&error.said);
        error.into()
    }

    /// What the function wrote or answered, without the values that others gave it.
    pub(super) fn spoken(&self, text: &str) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.scrub_output(text, &self.wanted.set)
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
