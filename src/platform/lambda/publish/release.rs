//! What a release comes to at AWS: its code, its settings, its tags; and the differences that a plan shows.
//!
//! Packs, and writes nothing at AWS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_sdk_lambda::types::FunctionConfiguration;

use super::super::read as reads;
use super::super::{Lambda, SERVICE_TAG, sharing, stored};
use super::observed::Observed;
use super::unmanaged;
use super::wanted::{Code, Wanted};
use super::work::Work;
use crate::clients::aws::Kept;
use crate::clients::zip::{self, Tree};
use crate::domain::alias::Traffic;
use crate::domain::image::ImageReference;
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::plan::{Difference, OF_OTHERS};
use crate::domain::release::{Package, Release, RevisionNumber};
use crate::domain::service::Service;
use crate::domain::version::VersionNote;
use crate::platform::{Error, OnProgress, Progress, Published, Result};

/// The tag that says which squad owns a function.
const SQUAD_TAG: &str = "squad.dev/squad";
/// The largest zip that a call takes (Lambda quotas: "50 MB (zipped, for direct upload)").
pub(super) const LARGEST_DIRECT: usize = 50 * 1024 * 1024;
/// What an invocation may take at most (Lambda quotas: 900 seconds), where `squad.toml` does not say it.
const LONGEST: Duration = Duration::from_mins(15);
/// What a smoke test may take beside the function's own time: its start.
const START: Duration = Duration::from_secs(20);

/// Makes a version of this release that takes no traffic yet; the same digest yields the same version.
pub(in crate::platform::lambda) async fn run(
    platform: &Lambda,
    release: &Release,
    progress: OnProgress<'_>,
) -> Result<Published> {
    progress(Progress::Storing);
    let code = code(release).await?;
    let target = platform.target(&release.service.name);
    let wanted = Wanted::of(&release.service, code.package())?;
    let most = wanted.timeout.map_or(LONGEST, |seconds| {
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    });
    let limit = most + START;
    let session = platform.session();
    let (client, invoker) = tokio::join!(session.lambda(), session.lambda_to_invoke(limit));
    let seen = platform.last_seen(&release.service.name);
    let work = Work {
        client: &client,
        invoker: &invoker,
        function: &target.function,
        alias: &target.alias,
        is_unkept: seen.as_ref().is_some_and(|seen| seen.unkept.is_some()),
        on_latest: seen
            .and_then(|seen| seen.alias)
            .filter(|alias| alias.is_on_latest),
        pinned: std::sync::OnceLock::new(),
        wanted,
        note: VersionNote::of(release, code.tree()),
        uploaded: uploaded(platform, &target.function, &code, progress).await?,
        code,
        tags: tags(&release.service),
        smoke: release.smoke.clone(),
        kept: std::sync::Mutex::default(),
        progress,
    };
    platform
        .note_sent(&release.service.name, work.code.sha256())
        .await?;
    let published = Box::pin(super::publish(&work)).await?;
    let Some(alias) = work.pinned.get() else {
        return Ok(published);
    };
    platform.remember_alias(&target, alias);
    Ok(Published {
        token: Token(alias.revision_id.clone()),
        ..published
    })
}

/// The code as it is sent.
async fn code(release: &Release) -> Result<Code> {
    match release.package.clone() {
        Some(Package::Zip {
            bytes,
            sha256,
            tree,
        }) => Ok(Code::Zip {
            bytes,
            sha256,
            tree,
        }),
        Some(Package::Image { reference }) => Ok(Code::Image { reference }),
        None => {
            let artifact = release.artifact.clone();
            let packing = tokio::task::spawn_blocking(move || packed(&artifact));
            match packing.await {
                Ok(packed) => packed,
                Err(error) => Err(Error::Invalid(format!("the package was not made: {error}"))),
            }
        }
    }
}

/// Sends a zip that is too large for a call to the environment's bucket.
async fn uploaded(
    platform: &Lambda,
    function: &str,
    code: &Code,
    progress: OnProgress<'_>,
) -> Result<Option<Kept>> {
    let Code::Zip { bytes, sha256, .. } = code else {
        return Ok(None);
    };
    if bytes.len() <= LARGEST_DIRECT {
        return Ok(None);
    }
    let on_send = || {
        progress(Progress::Waiting {
            what: format!(
                "sending {} MB to the environment's bucket",
                bytes.len() / 1_000_000
            ),
        });
    };
    // Base64 for URLs: the digest becomes a part of a path.
    let name = sha256.replace('+', "-").replace('/', "_").replace('=', "");
    let kept = platform
        .objects
        .keep(
            &format!("lambda/{function}/{name}.zip"),
            bytes.clone(),
            &on_send,
        )
        .await
        .map_err(stored)?;
    kept.map(Some).ok_or_else(|| {
        Error::Unsupported(format!(
            "the package has {} MB, and Lambda takes {} MB directly; more goes through a bucket, and the \
             environment's store is a directory: set `audit = \"s3://…\"` of the environment in org.toml",
            bytes.len() / 1_000_000,
            LARGEST_DIRECT / 1_000_000
        ))
    })
}

/// An artifact as it is.
fn packed(artifact: &Path) -> Result<Code> {
    let cache = tempfile::tempdir().map_err(crate::fs::at("create a directory in", artifact))?;
    let package = Tree::read(artifact, &[])
        .and_then(|tree| zip::Package::of(&tree, cache.path()))
        .and_then(|package| Ok((package.bytes()?, package)));
    let (bytes, package) = package.map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Code::Zip {
        bytes,
        sha256: package.code_sha256(),
        tree: package.tree().base64url(),
    })
}

/// Hints for discovery; nothing depends on them.
fn tags(service: &Service) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([(SERVICE_TAG.to_owned(), service.name.to_string())]);
    if let Some(squad) = &service.squad {
        tags.insert(SQUAD_TAG.to_owned(), squad.to_string());
    }
    tags
}

/// What a deploy changes in the settings of what serves, whoever set them: a version is made of what `$LATEST` has, so that
/// what others changed there goes out with it. Keys, and for variables short hashes. None where there is no function yet.
pub(in crate::platform::lambda) async fn differences(
    platform: &Lambda,
    service: &Service,
) -> Result<Option<Vec<Difference>>> {
    let target = platform.target(&service.name);
    let client = platform.session().lambda().await;
    let Some(output) = reads::function(&client, &target.function, None).await? else {
        return Ok(None);
    };
    let Some(found) = Observed::of_function(&output) else {
        return Ok(None);
    };
    let wanted = Wanted::of(service, found.package)?;
    let serving = serving(platform, service);
    let (before, unmanaged) = match (&serving, output.configuration()) {
        (Some(serving), Some(latest)) => (
            Observed::of_configuration(serving).configuration,
            unmanaged::differences(serving, latest),
        ),
        _ => (found.configuration.clone(), Vec::new()),
    };
    let mut differences = before.differences(&wanted.applied(&found.configuration)?);
    for one in &mut differences {
        if wanted.leaves(&one.key) {
            one.key.insert_str(0, OF_OTHERS);
        }
    }
    differences.extend(unmanaged);
    // Without its digest an image says nothing that could be compared.
    let image = |text: &str| text.parse::<ImageReference>().ok();
    let before = found.image.as_deref().and_then(image);
    let after = image(&service.build.artifact).filter(|after| after.digest.is_some());
    if let (Some(before), Some(after)) = (before, after)
        && before.pinned() != after.pinned()
    {
        let image = Difference {
            key: "build.artifact".to_owned(),
            before: Some(before.short()),
            after: Some(after.short()),
        };
        differences.insert(0, image);
    }
    Ok(Some(differences))
}

/// What differs between two versions, as they were observed last.
pub(in crate::platform::lambda) fn differences_between(
    platform: &Lambda,
    service: &ServiceName,
    from: RevisionNumber,
    to: RevisionNumber,
) -> Vec<Difference> {
    let Some(seen) = platform.last_seen(service) else {
        return Vec::new();
    };
    let (Some(before), Some(after)) = (seen.versions.get(&from), seen.versions.get(&to)) else {
        return Vec::new();
    };
    let settings = |one| Observed::of_configuration(one).configuration;
    let mut differences = settings(before).differences(&settings(after));
    differences.extend(unmanaged::differences(before, after));
    differences
}

/// Whether a version, as it was observed for the plan, has what others set on the function now.
pub(in crate::platform::lambda) async fn is_current(
    platform: &Lambda,
    service: &Service,
    number: RevisionNumber,
) -> Result<bool> {
    let target = platform.target(&service.name);
    let version = platform
        .last_seen(&service.name)
        .and_then(|seen| seen.versions.get(&number).cloned());
    let client = platform.session().lambda().await;
    let latest = reads::function(&client, &target.function, None).await?;
    let latest = latest.as_ref().and_then(Observed::of_function);
    let (Some(version), Some(latest)) = (version, latest) else {
        return Ok(true);
    };
    let wanted = Wanted::of(service, latest.package)?;
    wanted.is_current(&Observed::of_configuration(&version), &latest)
}

/// Refuses a release whose version could not share the alias's traffic with the one that serves, before any of it is sent.
/// `$LATEST` has what the file does not name.
pub(in crate::platform::lambda) async fn check_next(
    platform: &Lambda,
    service: &Service,
    stable: RevisionNumber,
    existing: Option<RevisionNumber>,
) -> Result<()> {
    let Some(seen) = platform.last_seen(&service.name) else {
        return Ok(());
    };
    if let Some(existing) = existing {
        return sharing::check_sharing(&seen, stable, existing);
    }
    let client = platform.session().lambda().await;
    let Some(latest) = reads::function(&client, &seen.target.function, None).await? else {
        return Ok(());
    };
    let Some(mut next) = latest.configuration else {
        return Ok(());
    };
    let package = Observed::of_configuration(&next).package;
    let role = Wanted::of(service, package)?.role;
    next.role = role.or(next.role);
    sharing::check_next(&seen, stable, &next)
}

/// The version that takes all traffic, as it was observed for the plan; none where none does.
fn serving(platform: &Lambda, service: &Service) -> Option<FunctionConfiguration> {
    let seen = platform.last_seen(&service.name)?;
    let Some(Traffic::All(sole)) = seen.traffic() else {
        return None;
    };
    seen.states
        .get(&sole)
        .or_else(|| seen.versions.get(&sole))
        .cloned()
}
