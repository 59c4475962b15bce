//! A function that others made and that has no alias: its callers get `$LATEST`, and nothing keeps what that is. It is kept
//! as a version with the alias on it, before a deploy changes it, or for those who are to be moved to the alias.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use aws_sdk_lambda::types::FunctionConfiguration;

use super::super::Lambda;
use super::super::alias::Alias;
use super::super::read as reads;
use super::latest::Run;
use super::observed::Observed;
use super::settle::{self, Pause};
use super::wanted::{Code, Wanted};
use super::work::Work;
use super::{pin, race, unmanaged};
use crate::clients::aws::{Called, Why};
use crate::domain::alias::{Note, Traffic, spoken};
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::version::VersionNote;
use crate::platform::{Error, Result};

/// How often `CreateAlias` is sent again after a lost answer, when there is still none.
const TRIES: u32 = 6;

/// The version that `$LATEST` will be kept as: AWS makes none where the newest one is the same, else the next number.
pub(in crate::platform::lambda) fn kept_as(
    latest: &FunctionConfiguration,
    versions: &BTreeMap<RevisionNumber, FunctionConfiguration>,
) -> RevisionNumber {
    let Some((number, newest)) = versions.last_key_value() else {
        return RevisionNumber(1);
    };
    let settings = |one| Observed::of_configuration(one).configuration;
    let is_same = newest.code_sha256() == latest.code_sha256()
        && settings(newest) == settings(latest)
        && unmanaged::differences(newest, latest).is_empty();
    if is_same {
        *number
    } else {
        RevisionNumber(number.0 + 1)
    }
}

/// Makes the alias on the version that keeps what `$LATEST` was. Its description has no operation: nobody was deployed.
pub(super) async fn made(work: &Work<'_>, revision: RevisionNumber) -> Result<Alias> {
    let note = Note {
        served: vec![revision],
        by: work.note.by.clone(),
        ..Note::default()
    };
    let mut pause = Pause::within(settle::CHANGE);
    let mut tries = 0;
    loop {
        let answer = work
            .client
            .create_alias()
            .function_name(work.function)
            .name(work.alias)
            .function_version(revision.to_string())
            .description(note.encode())
            .send()
            .await
            .called("lambda:CreateAlias", work.function);
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
        let is_in_doubt =
            matches!(&*error.why, Why::Exists | Why::InProgress) || error.why.is_ambiguous();
        if !is_in_doubt {
            return Err(work.failed(error));
        }
        match work.read_alias().await? {
            Some(there) if there.traffic == Some(Traffic::All(revision)) => return Ok(there),
            Some(_) => return Err(pin::moved(work, "made")),
            None => {}
        }
        tries += 1;
        if tries >= TRIES {
            return Err(work.failed(error));
        }
        pause.wait().await?;
    }
}

/// Keeps what `$LATEST` is, and changes nothing of it; the version that the alias is on then.
pub(in crate::platform::lambda) async fn keep(
    platform: &Lambda,
    service: &ServiceName,
    actor: &Actor,
) -> Result<RevisionNumber> {
    platform.session().guard().await?;
    platform.locate(service).await;
    platform.ensure_located(service).await?;
    let seen = platform.see(service).await?;
    platform.remember(service, &seen);
    let newest = seen.versions.keys().last().map_or(0, |number| number.0);
    let client = platform.session().lambda().await;
    let work = Work {
        client: &client,
        invoker: &client,
        function: &seen.target.function,
        alias: &seen.target.alias,
        on_latest: None,
        is_unkept: true,
        pinned: OnceLock::new(),
        // Nothing is asked for.
        wanted: Wanted::default(),
        code: Code::Image {
            reference: String::new(),
        },
        uploaded: None,
        note: VersionNote {
            digest: String::new(),
            tree: String::new(),
            commit: String::new(),
            by: spoken(actor),
        },
        tags: BTreeMap::new(),
        smoke: None,
        kept: Mutex::default(),
        progress: &|_| {},
    };
    if seen.unkept.is_none() {
        return match seen.alias.and_then(|alias| alias.primary) {
            Some(primary) => Ok(primary),
            None => Err(race::deleted(&work)),
        };
    }
    platform.keep_target(service).await?;
    let latest = settle::latest(&work).await?;
    pin::pin(&work, &Run::new(newest, BTreeSet::new()), None, latest).await?;
    let pinned = work.pinned.get();
    if let Some(alias) = pinned {
        platform.remember_alias(&seen.target, alias);
    }
    pinned
        .and_then(|alias| alias.primary)
        .ok_or_else(|| Error::Invalid("AWS did not say which version the alias is on".to_owned()))
}

/// What callers of `$LATEST` get, where it is not what the alias serves; in a clause. None where it is, or nothing tells.
pub(in crate::platform::lambda) async fn past(
    platform: &Lambda,
    service: &ServiceName,
) -> Option<String> {
    let target = platform.target(service);
    let client = platform.session().lambda().await;
    let (latest, serving) = tokio::try_join!(
        reads::function(&client, &target.function, None),
        reads::function(&client, &target.function, Some(&target.alias)),
    )
    .ok()?;
    let (latest, serving) = (latest?.configuration?, serving?.configuration?);
    let what = if latest.code_sha256() == serving.code_sha256() {
        let settings = |one| Observed::of_configuration(one).configuration;
        if settings(&latest) == settings(&serving) {
            return None;
        }
        "the same code with other settings"
    } else {
        "other code"
    };
    Some(format!(
        "callers of `$LATEST` get {what} already: what was sent there last"
    ))
}

/// The architecture of `$LATEST`; none where there is no function.
pub(in crate::platform::lambda) async fn architecture(
    platform: &Lambda,
    service: &ServiceName,
) -> Result<Option<String>> {
    let client = platform.session().lambda().await;
    let found = reads::function(&client, &platform.target(service).function, None).await?;
    let found = found.as_ref().and_then(Observed::of_function);
    Ok(found.map(|found| found.configuration.architecture))
}
