//! `squad rollout abort`, and what `squad stop` and `squad rollback` do while a rollout is live.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::deploy::{pending, put_aside};
use crate::cli::progress::{Progress, seconds};
use crate::domain::environment::Environment;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::rollout::{Command, State};
use crate::error::Result;
use crate::ops::lag;
use crate::ops::rollout::Tools;
use crate::ops::rollout::brake::{self, Aborted};
use crate::platform::Platform;

/// Put all traffic back, at once
///
/// One write that needs no metrics, no driver and no audit store; verified by reading it again and by the requests that
/// still arrive. Never asks. Done already, it changes nothing and succeeds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout abort
  $ squad rollout abort payments --env prod --reason \"refunds fail\"")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
}

/// `squad.rollout.abort/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    /// `aborted`, or `unchanged` where nothing was live.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// What serves all requests; absent when several revisions do.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// What was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    /// When the revision that was left got its last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    pending_events: usize,
}

/// Runs `squad rollout abort`.
pub(crate) fn abort(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, args.service.as_ref(), "rollout abort")?;
        let platform = context.platform(&environment)?;
        run(
            context,
            &*platform,
            &environment,
            &name,
            args.reason.as_deref(),
            None,
        )
        .await
    })
}

/// Aborts the live rollout, and says what is live then. `seen`: what was just observed.
pub(crate) async fn run(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    name: &ServiceName,
    reason: Option<&str>,
    seen: Option<Live>,
) -> Result<u8> {
    let journal = context.record(environment)?;
    let reporter = Progress::new(context, "");
    let tools = Tools {
        platform,
        journal: &journal,
        clock: context.clock(),
        reporter: &reporter,
    };
    let reason = reason.map(str::to_owned);
    let aborted = brake::abort(&tools, name, Command::Abort, None, reason, seen).await;
    drop(reporter);
    put_aside(context, &journal);
    let aborted = aborted.map_err(|error| lag::in_environment(error, name, &environment.flag()));
    let Some(aborted) = aborted? else {
        nothing(context, environment, name, &platform.observe(name).await?);
        return Ok(0);
    };
    tell(context, environment, name, &aborted);
    pending(
        context,
        aborted.pending_events,
        journal.why_pending().as_ref(),
    );
    if context.output.is_json() {
        context.output.json(&wire(environment, name, &aborted));
    } else {
        context.output.out("aborted");
    }
    Ok(0)
}

/// The same pressed again: nothing is live, and what a stop that was killed left unnoted is noted.
pub(crate) async fn again(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    name: &ServiceName,
    over: &State,
) -> Result<()> {
    let journal = context.record(environment)?;
    let reporter = Progress::new(context, "");
    let tools = Tools {
        platform,
        journal: &journal,
        clock: context.clock(),
        reporter: &reporter,
    };
    // For people and for the report: that it fails changes nothing.
    drop(brake::complete(&tools, name, over).await);
    Ok(())
}

/// `verified: the last request to 42 was 0.4 s before`.
fn tell(context: &Context, environment: &Environment, name: &ServiceName, aborted: &Aborted) {
    if let Some(left) = aborted.left {
        let when = match aborted.last_request {
            Some(last) => {
                let ago = context.now().duration_since(last).as_millis().max(0);
                let ago = seconds(u64::try_from(ago).unwrap_or(u64::MAX));
                format!("the last request to {left} was {ago} ago")
            }
            None if aborted.was_watched => format!("{left} gets no request"),
            None => {
                format!("nothing is sent to {left} any more; its numbers follow in some minutes")
            }
        };
        context.output.status(&format!("  verified: {when}"));
    } else {
        context.output.status(&format!(
            "  the promotion had begun, so all traffic goes to {}",
            aborted.revision
        ));
        context.output.hint(&format!(
            "to go back to what served before: `squad rollback {name}{}`",
            environment.flag()
        ));
    }
}

fn wire(environment: &Environment, name: &ServiceName, aborted: &Aborted) -> Wire {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of one command")]
    let duration_seconds = Some(aborted.milliseconds as f64 / 1000.0);
    Wire {
        schema: "squad.rollout.abort/v1",
        service: name.to_string(),
        env: environment.name.to_string(),
        outcome: "aborted",
        rollout: aborted.id.clone(),
        operation: aborted.operation.clone(),
        revision: Some(aborted.revision.to_string()),
        left: aborted.left.map(|left| left.to_string()),
        last_request: aborted.last_request.map(|at| at.to_string()),
        duration_seconds,
        pending_events: aborted.pending_events,
    }
}

/// Says that nothing is live to be stopped.
pub(crate) fn nothing(
    context: &Context,
    environment: &Environment,
    name: &ServiceName,
    live: &Live,
) {
    context.output.status(&format!(
        "nothing to stop: {}, no rollout of `{name}` is live",
        live.traffic_in_words(name)
    ));
    if context.output.is_json() {
        context.output.json(&Wire {
            schema: "squad.rollout.abort/v1",
            service: name.to_string(),
            env: environment.name.to_string(),
            outcome: "unchanged",
            rollout: None,
            operation: None,
            revision: live.sole().map(|one| one.number.to_string()),
            left: None,
            last_request: None,
            duration_seconds: None,
            pending_events: 0,
        });
    }
}
