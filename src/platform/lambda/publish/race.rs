//! Races with other deployers: who won, in words.
//!
//! Decides nothing: [`super::latest`] finds that the content is another one, and asks here who made it so.

use std::time::Duration;

use super::observed::{Observed, Version};
use super::settle::Pause;
use super::work::{self, Work};
use crate::domain::version::VersionNote;
use crate::platform::{Error, Result};

/// How long the winner is given to publish, so that it can be named.
const NAMED_WITHIN: Duration = Duration::from_secs(5);

/// The error for a function that somebody else changed while this deploy ran. Names who, when that version is
/// published in time; `newest` is the newest one that was there before.
pub(super) async fn lost(work: &Work<'_>, newest: u64, found: &Observed) -> Error {
    let mut pause = Pause::within(NAMED_WITHIN);
    loop {
        if let Some((version, note)) = winner(work, newest).await {
            return Error::Overtaken(format!(
                "{} deployed to `{}` first: version {}{}",
                if note.by.is_empty() {
                    "somebody"
                } else {
                    &note.by
                },
                work.function,
                version.number,
                at(version.last_modified.as_deref()),
            ));
        }
        if pause.wait().await.is_err() {
            return Error::Overtaken(format!(
                "somebody else changed the function `{}`{} while this deploy ran{}",
                work.function,
                at(found.last_modified.as_deref()),
                described(&found.description)
            ));
        }
    }
}

/// The version of whoever won: one that was not there before, or the newest one of before where `$LATEST` is that
/// very version (it was published between this deploy's first look at the function and at its versions).
async fn winner(work: &Work<'_>, newest: u64) -> Option<(Version, VersionNote)> {
    let versions = work.versions().await.unwrap_or_default();
    let mut of_others = versions.into_iter().rev().filter_map(|version| {
        let note = VersionNote::parse(&version.description)?;
        (note.digest != work.note.digest).then_some((version, note))
    });
    let (version, note) = of_others.next()?;
    if version.number > newest {
        return Some((version, note));
    }
    let number = Some(version.number);
    let (latest, published) =
        tokio::join!(work.read(), work::read(work.client, work.function, number));
    let (latest, published) = (latest.ok()??, published.ok()??);
    let is_that = latest.code_sha256 == published.code_sha256
        && latest.configuration == published.configuration;
    is_that.then_some((version, note))
}

/// The error for a function that was deleted while this deploy ran.
pub(super) fn deleted(work: &Work<'_>) -> Error {
    Error::Overtaken(format!(
        "somebody deleted the function `{}` while this deploy ran",
        work.function
    ))
}

/// An error when `found` is not what this deploy made of it.
pub(super) async fn check(
    work: &Work<'_>,
    newest: u64,
    found: &Observed,
    is_ours: bool,
) -> Result<()> {
    if is_ours {
        Ok(())
    } else {
        Err(lost(work, newest, found).await)
    }
}

/// ` at 12:03:04 UTC`; AWS writes `2026-11-26T12:03:04.000+0000`.
fn at(modified: Option<&str>) -> String {
    modified
        .and_then(|modified| modified.split(['T', '.', '+', 'Z']).nth(1))
        .map(|time| format!(" at {time} UTC"))
        .unwrap_or_default()
}

fn described(description: &str) -> String {
    if description.is_empty() {
        String::new()
    } else {
        format!(" (its description is `{description}`)")
    }
}
