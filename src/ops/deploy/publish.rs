//! One revision of what was built, without traffic, and ready.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::apply::{Attempt, Tools, millis};
use super::build::Built;
use super::changed::{self, Builder};
use super::package::Packing;
use super::{Options, Plan};
use crate::clients::zip;
use crate::domain::environment::PlatformKind;
use crate::domain::plan::Change;
use crate::domain::release::{self, Release};
use crate::error::{Error, Kind, Result};
use crate::ops::{Event, Reporter};
use crate::platform::{self, Progress, Published};

/// Makes the revision, or starts the one that is there, and waits until it is ready.
pub(super) async fn publish(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    artifact: (Option<&Built>, &mut Option<Packing>),
    attempt: &Attempt,
) -> Result<Published> {
    let started = tools.clock.monotonic();
    let exposed = OnceLock::new();
    let progress = |progress: Progress| {
        if let Some(address) = told(tools.reporter, progress) {
            // What is asked for again is answered again.
            _ = exposed.set(address);
        }
    };
    let published = match (change.existing, artifact) {
        (Some(existing), _) => {
            let prepared = tools
                .platform
                .prepare(&options.service.name, existing, &progress);
            prepared.await.map(|()| Published {
                revision: existing,
                existed: true,
                address: plan.live.address.clone(),
                token: plan.live.token.clone(),
            })
        }
        (None, (Some(built), packing)) => {
            let release = release(tools, options, plan, (built, packing.take()), attempt).await?;
            tools.platform.publish(&release, &progress).await
        }
        (None, (None, _)) => return Err(Error::internal("a release without an artifact")),
    };
    let published = published.map_err(|error| failed(tools, attempt, error))?;
    _ = attempt.revision.set(published.revision);
    let (what, how) = if published.existed {
        ("started", "kept from before, ready")
    } else {
        ("published", "ready")
    };
    tools.reporter.report(Event::Done {
        what,
        detail: format!("revision {}, {how}", published.revision),
        milliseconds: millis(tools.clock, started),
    });
    if let Some(address) = exposed.into_inner() {
        tools.reporter.report(Event::Exposed {
            service: options.service.name.to_string(),
            address,
        });
    }
    Ok(published)
}

/// Tells how far it is; the address, where that is what the platform told.
fn told(reporter: &dyn Reporter, progress: Progress) -> Option<IpAddr> {
    let detail = match progress {
        Progress::Storing => "storing the artifact".to_owned(),
        Progress::Starting { ready, of } => format!("{ready} of {of} processes ready"),
        Progress::Waiting { what } => what,
        Progress::Restarting { times, how } => format!("{how}; try {}", times + 1),
        Progress::Exposed { address } => return Some(address),
        Progress::Warning { text } => {
            reporter.report(Event::Warning(text));
            return None;
        }
    };
    reporter.report(Event::Going {
        what: "revision",
        detail,
    });
    None
}

/// Tells which revision does not start, and keeps its number for the record.
fn failed(tools: &Tools<'_>, attempt: &Attempt, error: platform::Error) -> Error {
    if let platform::Error::DoesNotStart {
        revision,
        diagnosis,
    } = &error
    {
        _ = attempt.revision.set(*revision);
        tools.reporter.report(Event::Failed {
            what: "revision",
            detail: format!("{revision}: {}", diagnosis.summary),
        });
    }
    error.into()
}

/// What is published.
async fn release(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    (built, packing): (&Built, Option<Packing>),
    attempt: &Attempt,
) -> Result<Release> {
    let package = match built.kept.clone() {
        Some(kept) => Some(kept),
        None => packaged(tools, options, plan, packing).await?,
    };
    if built.listed.is_some() {
        // It was packed from where it lies.
        changed::check(options, plan, Builder::Nobody).await?;
    }
    Ok(Release {
        service: plan.wanted.service.clone(),
        digest: plan.wanted.digest.clone(),
        artifact: built.artifact.clone(),
        python_environment: built.python_environment.clone(),
        package,
        smoke: smoke(options)?,
        provenance: plan.wanted.provenance.clone(),
        actor: tools.journal.actor().clone(),
        operation: attempt.id.clone(),
    })
}

/// The artifact as Lambda takes it; none for other platforms.
async fn packaged(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    packing: Option<Packing>,
) -> Result<Option<release::Package>> {
    let Some(packing) = packing else {
        // With the digest that the plan found for it.
        let reference = plan.wanted.service.build.artifact.clone();
        let is_image = options.environment.platform == PlatformKind::Lambda;
        return Ok(is_image.then_some(release::Package::Image { reference }));
    };
    let package = packing
        .done(options, tools.clock, tools.reporter, &tools.cancel)
        .await?;
    Ok(Some(release::Package::Zip {
        bytes: package.bytes().map_err(package_error)?,
        sha256: package.code_sha256(),
        tree: package.tree().base64url(),
    }))
}

fn package_error(error: zip::Error) -> Error {
    crate::clients::package::Error::from(error).into()
}

/// The event of the smoke test, as its file says it; Lambda alone runs one before the traffic changes.
fn smoke(options: &Options) -> Result<Option<String>> {
    let function = options.service.function.as_ref();
    let Some(path) = function.and_then(|function| function.smoke.as_ref()) else {
        return Ok(None);
    };
    if options.environment.platform != PlatformKind::Lambda {
        return Ok(None);
    }
    let path = options.directory.join(path);
    let text = crate::fs::read_to_string(&path)?;
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
        return Err(Error::new(
            Kind::Usage,
            "payload-not-json",
            format!("`{}` is not JSON: {error}", path.display()),
        ));
    }
    Ok(Some(text))
}
