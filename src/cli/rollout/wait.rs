//! `squad rollout wait`: waits for the end of a rollout that somebody else drives.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::rollout::drive::{over, snapshot};
use crate::cli::rollout::patience::{Patience, Reading, no_answer};
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::time::parse_span;
use crate::cli::view::rollout as view;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::rollout::Phase;
use crate::error::{Error, Kind, Result};
use crate::ops::rollout::{Rollout, drive, read_some_on, words};
use crate::platform::Platform;

/// Wait for the end of a rollout, and end with its verdict
///
/// Exits with 0 when it was promoted, 3 when the judge aborted it, 1 when a person did, and 8 when the time is over or it
/// is paused and waits for a person: nothing failed, and it is not finished. A platform that does not answer is waited
/// for; when the time is over meanwhile it exits with 124. Ctrl-C, SIGTERM and SIGHUP end the waiting with 130; the rollout
/// goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout wait payments --env prod --timeout 45m")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// The longest to wait
    #[arg(long, value_name = "time", default_value = "1h", value_parser = parse_span)]
    timeout: Duration,
}

/// How often the traffic is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// Runs `squad rollout wait`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, args.service.as_ref(), "rollout wait")?;
        let platform = context.platform(&environment)?;
        let mut signals = Signals::listen()?;
        let work = wait(context, args, &*platform, &environment, &name);
        match unless_asked(Some(&mut signals), work).await {
            Some(code) => code,
            None => Err(left(&name, &environment.flag())),
        }
    })
}

fn left(name: &ServiceName, flag: &str) -> Error {
    Error::new(
        Kind::Interrupted,
        "interrupted",
        format!("stopped waiting for the rollout of `{name}`; nothing about it was changed"),
    )
    .hint(format!("wait again: `squad rollout wait {name}{flag}`"))
    .hint(format!(
        "see where it is: `squad rollout status {name}{flag}`"
    ))
}

async fn wait(
    context: &Context,
    args: &Args,
    platform: &dyn Platform,
    environment: &Environment,
    name: &ServiceName,
) -> Result<u8> {
    let mut patience = Patience::new(context, Some(args.timeout));
    let mut said = None;
    let mut last: Option<Rollout> = None;
    loop {
        let flag = environment.flag();
        let reading = read_some_on(platform, name, &flag, last.as_ref());
        let tell = |since, why: Option<&Error>| {
            context.output.status(&no_answer(since));
            if let Some(why) = why {
                context.output.status(&why.message);
            }
        };
        match patience.read(Box::pin(reading), tell).await? {
            Reading::Answered(rollout) => last = Some(*rollout),
            Reading::Silent => {
                tokio::time::sleep(patience.pause(GLANCE)).await;
                continue;
            }
            Reading::TimeIsOver => {}
        }
        let silent = patience.silent_since();
        let Some(rollout) = last.as_ref().filter(|_| silent.is_none()) else {
            return Err(never_answered(args, name, &flag, silent));
        };
        let state = &rollout.state;
        let why = drive::last_why(rollout);
        if said.as_ref() != Some(&(state.phase, state.positions.clone())) {
            let snapshot = snapshot(context, environment, rollout)?;
            context.output.status(&view::one_line(&snapshot));
            said = Some((state.phase, state.positions.clone()));
        }
        let code = if !state.is_live() {
            Some(over(state, why.as_ref()))
        } else if matches!(state.phase, Phase::Paused | Phase::Drifted) {
            if let Some(why) = &why {
                context.output.status(&words::why(&rollout.plan, why));
            }
            Some(Kind::Pending.exit_code())
        } else if patience.is_over() {
            context.output.status(&format!(
                "not finished after {} s; it goes on",
                args.timeout.as_secs()
            ));
            Some(Kind::Pending.exit_code())
        } else {
            None
        };
        if let Some(code) = code {
            if context.output.is_json() {
                context
                    .output
                    .json(&view::EndWire::new(name, environment, state, code));
            } else {
                context.output.out(state.phase.as_str());
            }
            return Ok(code);
        }
        tokio::time::sleep(patience.pause(GLANCE)).await;
    }
}

/// The time is over, and nobody knows where the rollout is.
fn never_answered(
    args: &Args,
    name: &ServiceName,
    flag: &str,
    since: Option<jiff::Timestamp>,
) -> Error {
    let seconds = args.timeout.as_secs();
    let since = since.map_or_else(String::new, |since| {
        format!(" since {}", since.strftime("%H:%M:%S UTC"))
    });
    Error::new(
        Kind::Timeout,
        "rollout-unanswered",
        format!(
            "cannot tell how the rollout of `{name}` ends: {seconds} s are over, and the platform has not answered{since}"
        ),
    )
    .hint(format!("wait again: `squad rollout wait {name}{flag}`"))
    .hint(format!("see what is wrong: `squad doctor{flag}`"))
}
