//! Publishing: from a release to a version of its function that is ready to take traffic (research: the deploy
//! sequence, steps 1 to 7). Which version takes traffic is never changed here.
//!
//! Every step looks before it writes, and looks again after: killed anywhere and run again, it goes on where it was
//! and makes no second version of the same release. Two deployers at once: whoever wrote last goes on, the other one
//! finds what it had settled changed, and gives way by naming who won.
//!
//! When a refused write has to be compared with what is there is one rule for all of them, `Why::needs_a_look`. What the
//! comparison means is not, so that each write has its loop: a version that was published in doubt is searched for by its
//! release's digest; one that keeps what others serve (`pin`) has no digest of ours, and is published again, because AWS
//! makes no second version of the same code; an alias is done where it points at the version already; and `$LATEST` is
//! brought to what is wanted in as many writes as differ.
//!
//! - `observed`: what AWS says, in our words; `wanted`: what is to be, and what differs; `values`: variables.
//! - `release`: what a release comes to at AWS; the differences that a plan shows, with
//!   `unmanaged` for the settings that `squad.toml` does not name.
//! - `pin`: keeps what an alias on `$LATEST` serves, or callers of a function without the alias (`keep`); `latest`: brings `$LATEST` there; `version`: publishes it; `smoke`: calls it once.
//! - `code`: that of a kept version; `hint`: tags; `settle`: waits; `race`: names who won; `reason`: AWS's reasons in sentences.

mod code;
mod hint;
mod keep;
mod latest;
mod observed;
mod pin;
mod race;
pub(super) mod reason;
mod release;
mod settle;
mod smoke;
mod unmanaged;
mod values;
mod version;
mod wanted;
mod work;

use std::collections::BTreeSet;

use crate::domain::live::Token;
use crate::platform::{Published, Result};

pub(super) use code::of_version as code_of;
pub(super) use keep::{architecture, keep, kept_as, past};
use latest::Run;
pub(super) use release::{check_next, differences, differences_between, is_current, run};
pub(super) use settle::Pause;
use work::Work;

/// Makes the version, or finds it. The token of the answer is empty: the alias is not looked at here.
pub(crate) async fn publish(work: &Work<'_>) -> Result<Published> {
    let (first, versions) = tokio::try_join!(work.read(), work.versions())?;
    let mut failed = BTreeSet::new();
    if let Some(latest) = &first
        && let Some((revision, found)) =
            version::existing(work, &versions, latest, &mut failed).await?
    {
        version::active(work, revision, Some(found)).await?;
        smoke::test(work, revision).await?;
        return Ok(published(revision, true));
    }
    let mut run = Run::new(versions.last().map_or(0, |version| version.number), failed);
    let latest = latest::bring(work, &mut run, first, !versions.is_empty()).await?;
    let tagged = latest.clone();
    let (revision, existed) = version::publish(work, &mut run, latest).await?;
    let (found, ()) = tokio::join!(
        version::active(work, revision, None),
        hint::tag(work, &tagged)
    );
    let found = found?;
    // The guards made sure of it; this looks whether they did.
    race::check(work, run.newest, &found, run.is_ours(work, &found)?).await?;
    smoke::test(work, revision).await?;
    Ok(published(revision, existed))
}

fn published(revision: crate::domain::release::RevisionNumber, existed: bool) -> Published {
    Published {
        revision,
        existed,
        address: None,
        token: Token(String::new()),
    }
}

#[cfg(test)]
pub(super) mod tests;
