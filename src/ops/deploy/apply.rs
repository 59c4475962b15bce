//! Applying a plan: build, record the intent, publish, commit, verify, record the outcome.
//!
//! Killed at any point, the same command run again converges: the digest names the revision, the commit is one
//! compare-and-swap, and an intent without an outcome is closed by the next command.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use super::build::{self, Built};
use super::changed::{self, Builder};
use super::fleet::Builds;
use super::package::Packing;
use super::{Options, Outcome, Plan, described, meanwhile, overdue, port, prune};
use crate::clients::zip;
use crate::clock::Clock;
use crate::domain::counts::Counts;
use crate::domain::environment::PlatformKind;
use crate::domain::live::{Live, Token};
use crate::domain::plan::{Change, Deploy, is_same};
use crate::domain::release::{self, Release, RevisionNumber};
use crate::domain::traffic::Split;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, Journal, Recorded, ResultWord};
use crate::ops::{Cancel, Event, Reporter, live_state};
use crate::platform::{self, Commit, Platform, Progress, Published};

/// What applying needs beside the plan.
pub(crate) struct Tools<'a> {
    /// Where it runs.
    pub(crate) platform: &'a dyn Platform,
    /// Where it is recorded.
    pub(crate) journal: &'a Journal,
    /// What time it is.
    pub(crate) clock: &'a dyn Clock,
    /// Who is told.
    pub(crate) reporter: &'a dyn Reporter,
    /// Ctrl-C.
    pub(crate) cancel: Cancel,
    /// The longest it may take, from its turn to build on.
    pub(crate) timeout: Duration,
    /// Whose turn it is to build.
    pub(crate) builds: Builds,
}

/// One run of a deploy.
struct Attempt {
    /// The operation.
    id: String,
    /// When it began, on the monotonic clock.
    started: Duration,
    /// The requests that were counted when it began; see [`meanwhile`].
    before: Option<Counts>,
    /// The revision that it made or started, as soon as it has one.
    revision: OnceLock<RevisionNumber>,
    /// Why old revisions were not removed.
    not_pruned: OnceLock<String>,
}

/// Begins to make the package while a person still reads the plan. None where something has to be built or fetched first;
/// what cannot be packed is told by [`apply`].
pub(crate) async fn ahead(
    options: &Options,
    plan: &Plan,
    clock: &dyn Clock,
    builds: &Builds,
) -> Option<Packing> {
    let is_new = matches!(&plan.decision, Deploy::Change(change) if change.existing.is_none());
    if !is_new || !is_packed(options) || options.service.build.python_lock.is_some() {
        return None;
    }
    let built = build::as_it_is(options, plan).ok()??;
    let turn = builds.turn().await.ok()?;
    Packing::begin(options, (built.artifact, built.listed), clock, turn).ok()
}

/// Does what the plan says; `ahead` is what [`ahead`] began.
pub(crate) async fn apply(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    ahead: Option<Packing>,
) -> Result<Outcome> {
    let asked = format!("cannot deploy `{}`", options.service.name);
    let change = match &plan.decision {
        Deploy::UpToDate { revision } | Deploy::Superseded { revision } => {
            let outcome = Outcome {
                operation: None,
                revision: *revision,
                previous: Some(*revision),
                address: plan.live.address.clone(),
                milliseconds: 0,
                pending_events: 0,
                not_pruned: None,
            };
            return match plan.port {
                Some(change) => port::apply(tools, options, plan, change, outcome)
                    .await
                    .map_err(|error| error.context(&asked)),
                None => Ok(outcome),
            };
        }
        Deploy::Change(change) => change,
    };
    let turn = tokio::select! {
        turn = tools.builds.turn() => turn?,
        () = tools.cancel.cancelled() => {
            let stopped = build::interrupted(options, "the deploy was stopped before it began");
            let stopped = stopped.context(&asked);
            return Err(stopped.live(live_state(&options.service.name, Some(&plan.live))));
        }
    };
    let started = tools.clock.monotonic();
    let before = meanwhile::reading(tools, options, &plan.live).await;
    let build_id = ulid::Ulid::generate().to_string();
    let built = tokio::select! {
        built = async {
            match change.existing {
                Some(_) => Ok(None),
                None => build::build(options, plan, &build_id, tools.clock, tools.reporter, &tools.cancel)
                    .await
                    .map(Some),
            }
        } => built,
        () = tokio::time::sleep(tools.timeout) => Err(overdue::timed_out(options, tools.timeout, "the build")),
    };
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            let live = tools.platform.observe(&options.service.name).await.ok();
            let now = meanwhile::live_now(tools, options, live.as_ref(), before.as_ref()).await;
            return Err(error.context(&asked).live(now));
        }
    };
    // Beside what is recorded and asked before it is sent.
    let packing = built
        .as_ref()
        .filter(|_| is_packed(options) && ahead.is_none())
        .map(|built| {
            let artifact = (built.artifact.clone(), built.listed.clone());
            Packing::begin(options, artifact, tools.clock, turn)
        })
        .transpose()
        .map_err(|error| error.context(&asked))?
        .or(ahead);
    let operation = tools
        .journal
        .begin(tools.clock, intent(options, plan, change))
        .await
        .map_err(|error| {
            error
                .context(&asked)
                .live(live_state(&options.service.name, Some(&plan.live)))
        })?;
    let attempt = Attempt {
        id: operation.id().to_owned(),
        started,
        before,
        revision: OnceLock::new(),
        not_pruned: OnceLock::new(),
    };
    tools.reporter.report(Event::Done {
        what: "recorded",
        detail: format!("operation {}, {}", attempt.id, options.environment.spoken()),
        milliseconds: 0,
    });
    let left = tools
        .timeout
        .saturating_sub(tools.clock.monotonic().saturating_sub(started));
    let artifact = (built.as_ref(), packing);
    let mut work = Box::pin(publish_and_commit(
        tools, options, plan, change, artifact, &attempt,
    ));
    let result = tokio::select! {
        result = &mut work => result,
        () = tokio::time::sleep(left) => Err(overdue(tools, options, plan, change, &attempt).await),
        () = tools.cancel.cancelled() => Err(build::interrupted(options, "the deploy was stopped")),
    };
    drop(work);
    if result.is_ok()
        && let Some(why) = prune::prune(tools, options, change).await
    {
        drop(attempt.not_pruned.set(why));
    }
    finish(tools, options, plan, operation, result, &attempt)
        .await
        .map_err(|error| error.context(&asked))
}

/// The error of a deploy whose time is over, and notes the revision that it was waiting for.
async fn overdue(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    attempt: &Attempt,
) -> Error {
    let (error, revision) = overdue::told(tools, options, plan, change).await;
    if let Some(revision) = revision {
        // Already noted when it was published.
        _ = attempt.revision.set(revision);
    }
    error
}

fn intent(options: &Options, plan: &Plan, change: &Change) -> Intent {
    let changed: Vec<_> = change
        .configuration
        .iter()
        .map(|one| one.key.as_str())
        .collect();
    Intent {
        kind: audit::Kind::Deploy,
        service: options.service.name.clone(),
        reason: options.reason.clone(),
        before: port::with(
            described(&plan.live),
            plan.port.and_then(|change| change.from),
        ),
        after: wanted(plan, change, &changed),
        provenance: Some(plan.wanted.provenance.clone()),
        digest: Some(plan.wanted.digest.clone()),
    }
}

/// What is to be there, for the record.
fn wanted(plan: &Plan, change: &Change, changed: &[&str]) -> serde_json::Value {
    let mut wanted = json!({ "digest": plan.wanted.digest, "changed": changed });
    if let Some(members) = wanted.as_object_mut().filter(|_| change.gradual) {
        members.insert("gradual".to_owned(), true.into());
    }
    port::with(wanted, plan.port.map(|port| port.to))
}

/// The revision that has the traffic now, and what was observed of it.
struct Shifted {
    revision: RevisionNumber,
    live: Live,
}

async fn publish_and_commit(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    (built, mut packing): (Option<&Built>, Option<Packing>),
    attempt: &Attempt,
) -> Result<Shifted> {
    let name = &options.service.name;
    // Where nothing is live yet, no port is chosen that nobody will use. Else it changes when the revision is ready:
    // a deploy that fails before leaves the port as it was.
    let mut new_port = plan.port;
    if let Some(first) = new_port.take_if(|port| port.from.is_none()) {
        port::set(tools, options, first).await?;
    }
    let mut published = publish(tools, options, plan, change, (built, &mut packing), attempt).await;
    if let Some(port) = new_port {
        match &published {
            Ok(_) => port::set(tools, options, port).await?,
            // Somebody else has the port of before: the new one is the way out.
            Err(error) if error.id == "port-taken" => {
                port::set(tools, options, port).await?;
                published =
                    publish(tools, options, plan, change, (built, &mut packing), attempt).await;
            }
            Err(_) => {}
        }
    }
    let published = published?;
    if change.gradual {
        // The traffic stays as it is; the rollout that follows changes it.
        return Ok(Shifted {
            revision: published.revision,
            live: tools.platform.observe(name).await?,
        });
    }
    let commit = Commit {
        split: Split::all(&options.service.routes, published.revision),
        state: String::new(),
        leaves: None,
        actor: tools.journal.actor().clone(),
        operation: attempt.id.clone(),
    };
    let started = tools.clock.monotonic();
    // Of the traffic that the plan was made for: whoever changed it since the person saw the plan wins.
    let token = guard_traffic(tools, options, plan, &published).await?;
    match tools.platform.commit(name, &token, &commit).await {
        Ok(_) => {}
        Err(platform::Error::Conflict { winner }) => {
            let live = tools.platform.observe(name).await?;
            // Somebody deployed the very same: what was asked for is true.
            if !serves_wanted(&live, plan) {
                return Err(Error::overtaken(winner.as_ref(), &live));
            }
        }
        // It was there a moment ago: this deploy published it.
        Err(platform::Error::NoRevision(number)) => {
            return Err(platform::Error::Overtaken(format!(
                "somebody removed revision {number} of `{name}` while this deploy ran"
            ))
            .into());
        }
        Err(error) => return Err(error.into()),
    }
    let live = tools.platform.observe_committed(name).await?;
    match live.sole() {
        Some(revision) if serves_wanted(&live, plan) => {
            tools.reporter.report(Event::Done {
                what: "live",
                detail: format!("all traffic on revision {}", revision.number),
                milliseconds: millis(tools.clock, started),
            });
            Ok(Shifted {
                revision: revision.number,
                live,
            })
        }
        _ => Err(Error::overtaken(live.last_commit.as_ref(), &live)),
    }
}

/// Whether what is wanted has all traffic; a rebuild of a release is that release.
fn serves_wanted(live: &Live, plan: &Plan) -> bool {
    live.sole()
        .is_some_and(|revision| is_same(&revision.digest, &plan.wanted.digest))
}

/// The token for the commit: the plan's, or, where a publish moves it so that the plan's own cannot tell, the one of the traffic
/// now; then refuses when that is not what the plan was made for.
async fn guard_traffic(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    published: &Published,
) -> Result<Token> {
    if tools.platform.publish_keeps_token() {
        let moved = Some(&published.token).filter(|token| !token.0.is_empty());
        return Ok(moved.unwrap_or(&plan.live.token).clone());
    }
    let live = tools.platform.observe(&options.service.name).await?;
    let same = live.split == plan.live.split && live.last_commit == plan.live.last_commit;
    if same || serves_wanted(&live, plan) {
        Ok(live.token)
    } else {
        Err(Error::overtaken(live.last_commit.as_ref(), &live))
    }
}

async fn publish(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    (built, packing): (Option<&Built>, &mut Option<Packing>),
    attempt: &Attempt,
) -> Result<Published> {
    let name = &options.service.name;
    let started = tools.clock.monotonic();
    let exposed = OnceLock::new();
    let progress = |progress: Progress| {
        let detail = match progress {
            Progress::Storing => "storing the artifact".to_owned(),
            Progress::Starting { ready, of } => format!("{ready} of {of} processes ready"),
            Progress::Waiting { what } => what,
            Progress::Restarting { times, how } => format!("{how}; try {}", times + 1),
            Progress::Exposed { address } => {
                // What is asked for again is answered again.
                _ = exposed.set(address);
                return;
            }
        };
        tools.reporter.report(Event::Going {
            what: "revision",
            detail,
        });
    };
    let result = match (change.existing, built) {
        (Some(existing), _) => tools
            .platform
            .prepare(name, existing, &progress)
            .await
            .map(|()| Published {
                revision: existing,
                existed: true,
                address: plan.live.address.clone(),
                token: plan.live.token.clone(),
            }),
        (None, Some(built)) => {
            let package = packaged(tools, options, plan, packing.take()).await?;
            if built.listed.is_some() {
                // It was packed from where it lies.
                changed::check(options, plan, Builder::Nobody).await?;
            }
            let release = Release {
                service: plan.wanted.service.clone(),
                digest: plan.wanted.digest.clone(),
                artifact: built.artifact.clone(),
                python_environment: built.python_environment.clone(),
                package,
                smoke: smoke(options)?,
                provenance: plan.wanted.provenance.clone(),
                actor: tools.journal.actor().clone(),
                operation: attempt.id.clone(),
            };
            tools.platform.publish(&release, &progress).await
        }
        (None, None) => return Err(Error::internal("a release without an artifact")),
    };
    match result {
        Ok(published) => {
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
                    service: name.to_string(),
                    address,
                });
            }
            Ok(published)
        }
        Err(error) => {
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
            Err(error.into())
        }
    }
}

/// Records how it ended; a log that does not answer any more leaves the event on this machine, and is no error.
async fn finish(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    operation: audit::Operation,
    result: Result<Shifted>,
    attempt: &Attempt,
) -> Result<Outcome> {
    match result {
        Ok(shifted) => {
            let outcome = audit::Outcome {
                result: ResultWord::Succeeded,
                after: after(plan, &shifted),
                message: None,
                error_id: None,
            };
            let recorded = tools
                .journal
                .finish(tools.clock, operation, outcome)
                .await?;
            Ok(Outcome {
                operation: Some(attempt.id.clone()),
                revision: shifted.revision,
                previous: plan.live.sole().map(|revision| revision.number),
                address: shifted.live.address,
                milliseconds: millis(tools.clock, attempt.started),
                pending_events: match recorded {
                    Recorded::Committed => 0,
                    Recorded::Pending { events } => events,
                },
                not_pruned: attempt.not_pruned.get().cloned(),
            })
        }
        Err(error) => {
            let live = tools.platform.observe(&options.service.name).await.ok();
            let outcome = audit::Outcome {
                result: if error.kind == Kind::Refused {
                    ResultWord::Refused
                } else {
                    ResultWord::Failed
                },
                after: port::after(attempted(live.as_ref(), attempt), plan.port, live.as_ref()),
                message: Some(error.message.clone()),
                error_id: Some(error.id.to_owned()),
            };
            drop(tools.journal.finish(tools.clock, operation, outcome).await);
            let now =
                meanwhile::live_now(tools, options, live.as_ref(), attempt.before.as_ref()).await;
            Err(error.live(now))
        }
    }
}

/// What is live after a deploy that failed, and the revision that was to be, if it came so far.
fn attempted(live: Option<&Live>, attempt: &Attempt) -> serde_json::Value {
    let mut after = live.map_or_else(|| json!({}), described);
    if let (Some(members), Some(revision)) = (after.as_object_mut(), attempt.revision.get()) {
        members.insert("attempted".to_owned(), revision.to_string().into());
    }
    after
}

/// What is live, and where a rollout will bring the traffic, the revision that waits for it.
fn after(plan: &Plan, shifted: &Shifted) -> serde_json::Value {
    let mut after = described(&shifted.live);
    let gradual = matches!(&plan.decision, Deploy::Change(change) if change.gradual);
    if let Some(members) = after.as_object_mut().filter(|_| gradual) {
        members.insert("published".to_owned(), shifted.revision.to_string().into());
    }
    port::after(after, plan.port, Some(&shifted.live))
}

pub(crate) fn millis(clock: &dyn Clock, since: Duration) -> u64 {
    u64::try_from(clock.monotonic().saturating_sub(since).as_millis()).unwrap_or(u64::MAX)
}

/// Whether the artifact becomes a zip.
fn is_packed(options: &Options) -> bool {
    let is_image = options.artifact.is_none() && build::image(options).is_some();
    options.environment.platform == PlatformKind::Lambda && !is_image
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
