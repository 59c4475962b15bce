//! An alias that others pointed at `$LATEST`, or a function of others without the alias: what `$LATEST` is is made a version,
//! and the alias is pointed there, before anything of it is changed. Who calls the alias is answered by the same code before
//! and after.
//!
//! Killed anywhere and run again: AWS makes no second version of what is published already, and an alias that points at
//! a version is left alone.

use std::collections::HashMap;

use super::super::alias::Alias;
use super::super::commit::routing;
use super::keep;
use super::latest::Run;
use super::observed::Observed;
use super::race;
use super::settle::{self, Pause};
use super::version;
use super::work::Work;
use crate::clients::aws::{Called, Why};
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Result};

/// How often a write is sent again after a refusal or a lost answer, when the alias is still as it was.
const TRIES: u32 = 6;

/// Makes what `$LATEST` serves a version, and points the alias there, or makes it there where there is none; `found` is
/// `$LATEST`, settled. The answer is `$LATEST` after it; the alias is left in `work.pinned`.
pub(super) async fn pin(
    work: &Work<'_>,
    run: &Run,
    alias: Option<&Alias>,
    found: Observed,
) -> Result<Observed> {
    work.tell(match alias {
        Some(_) => format!(
            "publishing `$LATEST` as it is, which the alias `{}` serves",
            work.alias
        ),
        None => format!(
            "publishing `$LATEST` as it is, and making the alias `{}` there",
            work.alias
        ),
    });
    let revision = published(work, run, &found).await?;
    version::active(work, revision, None).await?;
    let pinned = match alias {
        Some(alias) => pointed(work, alias, revision).await?,
        None => keep::made(work, revision).await?,
    };
    // What somebody sent between the two writes would be live at once; now it is not, and they are not overwritten.
    let after = settle::latest(work).await?;
    if after.code_sha256 != found.code_sha256 || after.configuration != found.configuration {
        return Err(race::lost(work, run.newest, &after).await);
    }
    work.pinned.set(pinned).ok();
    Ok(after)
}

/// `PublishVersion` of what was looked at and nothing else; where that is the newest version already, AWS answers with it.
async fn published(work: &Work<'_>, run: &Run, found: &Observed) -> Result<RevisionNumber> {
    let mut pause = Pause::within(settle::CHANGE);
    let mut latest = found.clone();
    let mut tries = 0;
    loop {
        let answer = work
            .client
            .publish_version()
            .function_name(work.function)
            .code_sha256(&latest.code_sha256)
            .set_revision_id(latest.revision_id.clone())
            .send()
            .await
            .called("lambda:PublishVersion", work.function);
        match answer {
            Ok(made) => {
                let number = made.version().and_then(|version| version.parse().ok());
                return number.map(RevisionNumber).ok_or_else(|| {
                    Error::Invalid(format!(
                        "AWS published `{}` and did not say which version it is",
                        work.function
                    ))
                });
            }
            Err(error) => match &*error.why {
                Why::NotFound => return Err(race::deleted(work)),
                Why::InProgress => pause.wait().await?,
                why if tries < TRIES && (*why == Why::OtherCode || why.needs_a_look()) => {
                    tries += 1;
                }
                _ => return Err(work.failed(error)),
            },
        }
        latest = settle::latest(work).await?;
        if latest.code_sha256 != found.code_sha256 || latest.configuration != found.configuration {
            return Err(race::lost(work, run.newest, &latest).await);
        }
    }
}

/// Points the alias at the version, fenced by the state that it was seen in.
async fn pointed(work: &Work<'_>, alias: &Alias, revision: RevisionNumber) -> Result<Alias> {
    let mut token = alias.revision_id.clone();
    let mut tries = 0;
    loop {
        let answer = work
            .client
            .update_alias()
            .function_name(work.function)
            .name(work.alias)
            .function_version(revision.to_string())
            // Always, also empty: what is left out is kept.
            .routing_config(routing(HashMap::new()))
            .revision_id(&token)
            .send()
            .await
            .called("lambda:UpdateAlias", work.function);
        let error = match answer {
            Ok(made) => {
                return Ok(Alias::made(
                    made.alias_arn(),
                    made.revision_id(),
                    made.description(),
                    made.function_version(),
                    None,
                ));
            }
            Err(error) => error,
        };
        tries += 1;
        if tries >= TRIES || !error.why.needs_a_look() {
            return Err(work.failed(error));
        }
        let Some(there) = work.read_alias().await? else {
            return Err(moved(work, "deleted"));
        };
        if there.primary == Some(revision) && there.description == alias.description {
            return Ok(there);
        }
        if !there.is_same(alias) {
            return Err(moved(work, "moved"));
        }
        token = there.revision_id;
    }
}

pub(super) fn moved(work: &Work<'_>, how: &str) -> Error {
    Error::Overtaken(format!(
        "somebody {how} the alias `{}` of `{}` while this deploy ran",
        work.alias, work.function
    ))
}
