//! The version: found when it is there already, else published from `$LATEST`, and brought to where it can serve.
//!
//! A publish is guarded twice, by the code's digest and by the `RevisionId` that was looked at. A second version of
//! the same release is never made: whenever something was in doubt, the versions are listed first.

use std::collections::BTreeSet;

use super::super::wake;
use super::latest::Run;
use super::observed::{Condition, Observed, Version};
use super::race;
use super::settle::{self, Pause};
use super::wanted::Code;
use super::work::{self, Work};
use crate::clients::aws::{Called, Why};
use crate::domain::plan::is_same;
use crate::domain::release::RevisionNumber;
use crate::domain::version::VersionNote;
use crate::platform::{Diagnosis, Error, Result};

/// How often a publish is sent again after a refusal or a lost answer.
const TRIES: u32 = 6;
/// The longest description of a function (Lambda API, `UpdateFunctionConfiguration`).
const LONGEST_DESCRIPTION: usize = 256;
/// Hexadecimal digits of a release's digest in the function's description.
const MARK: usize = 8;

/// The newest version that is this release: its description names the digest, its code and its settings are the
/// wanted ones, and what others set is as `latest` has it now. With it, how it is. One that AWS could not make never runs, and is none: it is noted in `failed`.
pub(super) async fn existing(
    work: &Work<'_>,
    versions: &[Version],
    latest: &Observed,
    failed: &mut BTreeSet<u64>,
) -> Result<Option<(RevisionNumber, Observed)>> {
    for version in versions.iter().rev() {
        if !is_release(work, version) {
            continue;
        }
        let Some(found) = work::read(work.client, work.function, Some(version.number)).await?
        else {
            continue;
        };
        if matches!(found.condition, Condition::Failed(_)) {
            failed.insert(version.number);
            continue;
        }
        if work.wanted.update(&found.configuration)?.is_empty()
            && work.wanted.is_current(&found, latest)?
        {
            return Ok(Some((RevisionNumber(version.number), found)));
        }
    }
    Ok(None)
}

/// Whether a version says that it is this release, and has its code.
fn is_release(work: &Work<'_>, version: &Version) -> bool {
    let same_code = |note: &VersionNote| match &work.code {
        Code::Zip { sha256, tree, .. } => *sha256 == version.code_sha256 || *tree == note.tree,
        // What a tag means now, nobody here knows: the digest of the release decides.
        Code::Image { .. } => work.code.tree().is_empty() || note.tree == work.code.tree(),
    };
    VersionNote::parse(&version.description)
        .is_some_and(|note| is_same(&note.digest, &work.note.digest) && same_code(&note))
}

/// Publishes `$LATEST`, which is what is wanted. True when the version was there before.
pub(super) async fn publish(
    work: &Work<'_>,
    run: &mut Run,
    mut latest: Observed,
) -> Result<(RevisionNumber, bool)> {
    let mut pause = Pause::within(settle::CHANGE);
    let mut tries = 0;
    loop {
        if run.contended
            && let Some((number, _)) =
                existing(work, &work.versions().await?, &latest, &mut run.failed).await?
        {
            return Ok((number, true));
        }
        let answer = work
            .client
            .publish_version()
            .function_name(work.function)
            .code_sha256(&latest.code_sha256)
            .set_revision_id(latest.revision_id.clone())
            .description(note(work, &latest).encode())
            .send()
            .await
            .called("lambda:PublishVersion", work.function);
        match answer {
            Ok(made) => {
                let made = number(made.version(), made.description());
                match made {
                    Some((number, Some(digest)))
                        if is_same(&digest, &work.note.digest)
                            && !run.failed.contains(&number.0) =>
                    {
                        return Ok((number, false));
                    }
                    // AWS makes no version where code and settings are those of the newest one, whose description
                    // names another release, or which AWS could not make: the mark makes them differ.
                    Some(_) => mark(work, &latest, run.failed.last().copied()).await?,
                    None => {
                        return Err(Error::Invalid(format!(
                            "AWS published `{}` and did not say which version it is",
                            work.function
                        )));
                    }
                }
            }
            Err(error) => match &*error.why {
                Why::OtherCode => {
                    let found = settle::latest(work).await?;
                    return Err(race::lost(work, run.newest, &found).await);
                }
                Why::InProgress => pause.wait().await?,
                why if why.needs_a_look() && tries < TRIES => tries += 1,
                Why::NotFound => return Err(race::deleted(work)),
                _ => return Err(work.failed(error)),
            },
        }
        run.contended = true;
        latest = settle::latest(work).await?;
        race::check(work, run.newest, &latest, run.is_ours(work, &latest)?).await?;
    }
}

/// What the version says of itself: for an image that was named by a tag, with what Lambda resolved it to.
fn note(work: &Work<'_>, latest: &Observed) -> VersionNote {
    let mut note = work.note.clone();
    if note.tree.is_empty()
        && let Some((_, digest)) = latest
            .image
            .as_ref()
            .and_then(|image| image.split_once('@'))
    {
        digest.clone_into(&mut note.tree);
    }
    note
}

/// The number of a version, and the digest that its description names.
fn number(
    version: Option<&str>,
    description: Option<&str>,
) -> Option<(RevisionNumber, Option<String>)> {
    let number = version?.parse().ok()?;
    let note = VersionNote::parse(description.unwrap_or_default());
    Some((RevisionNumber(number), note.map(|note| note.digest)))
}

/// Puts the release's mark behind the function's own description; with the newest version of it that AWS could not make.
async fn mark(work: &Work<'_>, latest: &Observed, failed: Option<u64>) -> Result<()> {
    let answer = work
        .client
        .update_function_configuration()
        .function_name(work.function)
        .set_revision_id(latest.revision_id.clone())
        .description(marked(&latest.description, &work.note.digest, failed))
        .send()
        .await
        .called("lambda:UpdateFunctionConfiguration", work.function);
    match answer {
        Ok(_) => Ok(()),
        Err(error) if *error.why == Why::InProgress || error.why.needs_a_look() => Ok(()),
        Err(error) => Err(work.failed(error)),
    }
}

/// `Sends receipts [squad 3fa2c1d0]`, or `[squad 3fa2c1d0 after 7]`; a mark of before is replaced.
fn marked(description: &str, digest: &str, failed: Option<u64>) -> String {
    let own = description
        .rsplit_once("[squad ")
        .filter(|(_, rest)| rest.ends_with(']'))
        .map_or(description, |(own, _)| own)
        .trim_end();
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    // The last digits of a rebuild are its own, and the first are those of what it rebuilds.
    let (base, rebuild) = digits.split_once('+').unwrap_or((digits, ""));
    let mark: String = base.chars().take(MARK).collect();
    let rebuild: String = rebuild.chars().rev().take(MARK).collect();
    let after = failed.map_or_else(String::new, |number| format!(" after {number}"));
    let mark = format!("[squad {mark}{rebuild}{after}]");
    let room = LONGEST_DESCRIPTION - mark.len() - 1;
    let own: String = own.chars().take(room).collect();
    if own.is_empty() {
        mark
    } else {
        format!("{own} {mark}")
    }
}

/// Waits until a version can be invoked. `first` is how it was last seen.
pub(super) async fn active(
    work: &Work<'_>,
    revision: RevisionNumber,
    first: Option<Observed>,
) -> Result<Observed> {
    let again = || read(work, revision);
    let first = match first {
        Some(first) => first,
        None => again().await?,
    };
    let mut found = settle::version(work, first, again).await?;
    let mut pause = Pause::within(settle::CHANGE);
    for _ in 0..wake::TIMES {
        if found.condition != Condition::Inactive {
            break;
        }
        work.tell(wake::TOLD);
        let version = revision.to_string();
        Box::pin(wake::wake(work.invoker, work.function, &version)).await?;
        pause.wait().await?;
        found = settle::version(work, again().await?, again).await?;
    }
    match &found.condition {
        Condition::Inactive => Err(Error::Invalid(format!(
            "AWS does not bring version {revision} of `{}` back, which nobody called for a long time",
            work.function
        ))),
        Condition::Failed(why) => Err(does_not_start(
            revision,
            Diagnosis {
                id: "init-error".to_owned(),
                summary: format!("AWS could not bring version {revision} up: {why}"),
                cause: None,
                evidence: Vec::new(),
                hint: Some(match why.hint {
                    Some(hint) => {
                        format!("{hint}; the same deploy tries again with a new version")
                    }
                    None => format!(
                        "its log, if it wrote one: `squad logs {}`; the same deploy tries again with a new version",
                        work.function
                    ),
                }),
            },
        )),
        _ => Ok(found),
    }
}

async fn read(work: &Work<'_>, revision: RevisionNumber) -> Result<Observed> {
    let mut pause = Pause::within(settle::CHANGE.min(std::time::Duration::from_secs(10)));
    loop {
        if let Some(found) = work::read(work.client, work.function, Some(revision.0)).await? {
            return Ok(found);
        }
        // A version that was just made may not be known everywhere yet.
        if pause.wait().await.is_err() {
            return Err(Error::NoRevision(revision));
        }
    }
}

/// A version that was published and will not serve.
pub(super) fn does_not_start(revision: RevisionNumber, diagnosis: Diagnosis) -> Error {
    Error::DoesNotStart {
        revision,
        diagnosis: Box::new(diagnosis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_put_behind_the_description_and_replaces_the_one_before() {
        let digest = "sha256:0123456789abcdef";
        assert_eq!(marked("", digest, None), "[squad 01234567]");
        assert_eq!(
            marked("Sends receipts", digest, None),
            "Sends receipts [squad 01234567]"
        );
        assert_eq!(
            marked("Sends receipts [squad aaaaaaaa]", digest, None),
            "Sends receipts [squad 01234567]"
        );
        assert_eq!(
            marked(
                "x [squad 01234567 after 4]",
                "sha256:0123456789abcdef+01K8ZCXQ3V5R8M2T6W9Y0A1B2C",
                None
            ),
            "x [squad 01234567C2B1A0Y9]"
        );
        assert_eq!(
            marked("x [squad 01234567]", digest, Some(7)),
            "x [squad 01234567 after 7]"
        );
        assert_eq!(marked(&"x".repeat(300), digest, None).len(), 256);
    }
}
