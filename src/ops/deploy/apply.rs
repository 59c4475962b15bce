//! Applying a plan: build, record the intent, publish, commit, verify, record the outcome.
//!
//! Killed at any point, the same command run again converges: the digest names the revision, the commit is one
//! compare-and-swap, and an intent without an outcome is closed by the next command.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use super::build::{self, Built};
use super::fleet::Builds;
use super::package::Packing;
use super::shift::{self, Shifted, publish_and_commit};
use super::{Options, Outcome, Plan, described, meanwhile, overdue, port, prune, storage};
use crate::clock::Clock;
use crate::domain::counts::Counts;
use crate::domain::environment::PlatformKind;
use crate::domain::live::Live;
use crate::domain::plan::{Change, Deploy};
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, Journal, Recorded, ResultWord};
use crate::ops::{Cancel, Event, Reporter, lag, live_state};
use crate::platform::Platform;

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
pub(super) struct Attempt {
    /// The operation.
    pub(super) id: String,
    /// When it began, on the monotonic clock.
    started: Duration,
    /// The requests that were counted when it began; see [`meanwhile`].
    before: Option<Counts>,
    /// The revision that it made or started, as soon as it has one.
    pub(super) revision: OnceLock<RevisionNumber>,
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
    let is_new = plan.code_of.is_none()
        && matches!(&plan.decision, Deploy::Change(change) if change.existing.is_none());
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
    let applied = match &plan.decision {
        Deploy::UpToDate { revision } | Deploy::Superseded { revision } => {
            stay(tools, options, plan, *revision).await
        }
        Deploy::Change(change) => go(tools, options, plan, change, ahead).await,
    };
    applied.map_err(|error| error.context(&format!("cannot deploy `{}`", options.service.name)))
}

/// What is live stays; the port alone may change.
async fn stay(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    revision: RevisionNumber,
) -> Result<Outcome> {
    let outcome = Outcome {
        operation: None,
        revision,
        previous: Some(revision),
        address: plan.live.address.clone(),
        milliseconds: 0,
        pending_events: 0,
        not_pruned: None,
        done_by: None,
    };
    match plan.port {
        Some(change) => port::apply(tools, options, plan, change, outcome).await,
        None => Ok(outcome),
    }
}

/// Builds, records the intent, and does it.
async fn go(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    ahead: Option<Packing>,
) -> Result<Outcome> {
    let live_before = || live_state(&options.service.name, Some(&plan.live));
    let turn = tokio::select! {
        turn = tools.builds.turn() => turn?,
        () = tools.cancel.cancelled() => {
            let stopped = build::interrupted(options, "the deploy was stopped before it began");
            return Err(stopped.live(live_before()));
        }
    };
    let started = tools.clock.monotonic();
    let before = meanwhile::reading(tools, options, &plan.live).await;
    let built = built(tools, options, plan, change, before.as_ref()).await?;
    let own = with_own_architecture(tools, options).await?;
    // Beside what is recorded and asked before it is sent.
    let packing = built
        .as_ref()
        .filter(|built| built.kept.is_none() && is_packed(options) && ahead.is_none())
        .map(|built| {
            let artifact = (built.artifact.clone(), built.listed.clone());
            Packing::begin(own.as_ref().unwrap_or(options), artifact, tools.clock, turn)
        })
        .transpose()?
        .or(ahead);
    let operation = tools
        .journal
        .begin(tools.clock, intent(options, plan, change))
        .await
        .map_err(|error| error.live(live_before()))?;
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
    let artifact = (built.as_ref(), packing);
    let result = in_time(tools, options, plan, change, artifact, &attempt).await;
    finish(tools, options, plan, operation, result, &attempt).await
}

/// With the architecture of the function that is there, where nobody names one and packages are chosen by it.
async fn with_own_architecture(tools: &Tools<'_>, options: &Options) -> Result<Option<Options>> {
    let function = options.service.function.as_ref();
    let is_unsaid = function.is_some_and(|function| function.unsaid.contains(&"architecture"));
    if !is_unsaid || options.service.build.python_lock.is_none() {
        return Ok(None);
    }
    let found = tools.platform.architecture(&options.service.name).await?;
    Ok(found.map(|architecture| {
        let mut own = options.clone();
        if let Some(function) = &mut own.service.function {
            function.architecture = architecture;
        }
        own
    }))
}

/// What is to be published; none where its revision is there. A build that fails leaves what serves.
async fn built(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    before: Option<&Counts>,
) -> Result<Option<Built>> {
    if change.existing.is_some() {
        return Ok(None);
    }
    if let Some(kept) = plan.code_of {
        let code = tools.platform.kept_code(&plan.wanted.service, kept).await;
        if let Some(code) = code {
            return Ok(Some(build::kept(options, code)));
        }
        tools.reporter.report(Event::Warning(format!(
            "the code of revision {kept} cannot be had from AWS: it is built again"
        )));
    }
    let build_id = ulid::Ulid::generate().to_string();
    let (clock, reporter) = (tools.clock, tools.reporter);
    let built = tokio::select! {
        built = build::build(options, plan, &build_id, clock, reporter, &tools.cancel) => built,
        () = tokio::time::sleep(tools.timeout) => Err(overdue::timed_out(options, tools.timeout, "the build")),
    };
    match built {
        Ok(built) => Ok(Some(built)),
        Err(error) => {
            let live = tools.platform.observe(&options.service.name).await.ok();
            let now = meanwhile::live_now(tools, options, live.as_ref(), before).await;
            Err(error.live(now))
        }
    }
}

/// Publishes and commits, until its time is over or somebody stops it, and removes what is not kept any more.
async fn in_time(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    artifact: (Option<&Built>, Option<Packing>),
    attempt: &Attempt,
) -> Result<Shifted> {
    let spent = tools.clock.monotonic().saturating_sub(attempt.started);
    let left = tools.timeout.saturating_sub(spent);
    let mut work = Box::pin(publish_and_commit(
        tools, options, plan, change, artifact, attempt,
    ));
    let result = tokio::select! {
        result = &mut work => result,
        () = tokio::time::sleep(left) => Err(overdue(tools, options, plan, change, attempt).await),
        () = tools.cancel.cancelled() => Err(build::interrupted(options, "the deploy was stopped")),
    };
    drop(work);
    if result
        .as_ref()
        .is_ok_and(|shifted| shifted.done_by.is_none())
        && let Some(why) = prune::prune(tools, options, change).await
    {
        drop(attempt.not_pruned.set(why));
    }
    result
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
                message: (shifted.done_by.as_ref().filter(|_| plan.port.is_none())).map(|by| {
                    format!(
                        "{} had deployed the very same meanwhile (operation {}): this one changed nothing",
                        by.actor.name, by.operation
                    )
                }),
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
                done_by: shifted.done_by.map(|by| by.operation),
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
            let (name, flag) = (&options.service.name, options.environment.flag());
            let error = lag::in_environment(error.live(now), name, &flag);
            let error = storage::told(tools.platform, options, error).await;
            Err(past(tools, options, plan, error).await)
        }
    }
}

/// With what those get who do not call the alias: for them, whatever was sent is live, tested or not.
async fn past(tools: &Tools<'_>, options: &Options, plan: &Plan, error: Error) -> Error {
    if plan.live.unkept.is_none() && plan.callers.found.is_empty() {
        return error;
    }
    match tools.platform.past(&options.service.name).await {
        Some(past) => error.also_live(&past).hint(format!(
            "to end that: `{} --adopt-alias` moves them to the alias",
            options.command()
        )),
        None => error,
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
    let mut after = shift::described(shifted);
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
