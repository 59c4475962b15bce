//! `squad rollout status`.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::rollout::drive::snapshot;
use crate::cli::rollout::patience::{Patience, Reading, no_answer};
use crate::cli::signals::{Signals, unless_asked};
use crate::cli::time::parse_span;
use crate::cli::view::rollout as view;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::rollout::Phase;
use crate::error::{Error, Kind, Result};
use crate::ops::rollout::snapshot::Snapshot;
use crate::ops::rollout::{Rollout, read_some, read_some_on};
use crate::platform::Platform;

/// Show a rollout: phase, weights, what was counted, the verdict of each route
///
/// With --watch a live view on a terminal, a line for each change elsewhere, and JSON Lines with -o json. Exits with 3
/// when the verdict was bad and with 8 while it is not finished; so does a watch that Ctrl-C, SIGTERM or SIGHUP ends. A
/// platform that does not answer is said, with the time since when, and a watch goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout status payments --env prod
  $ squad rollout status payments --watch
  $ squad rollout status payments -o json")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Show again whenever something changes, until it is over or Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// With --watch: end with 124 after this time
    #[arg(long, value_name = "time", requires = "watch", value_parser = parse_span)]
    timeout: Option<Duration>,
}

/// How often it is looked at while watching.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs `squad rollout status`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, args.service.as_ref(), "rollout status")?;
        let platform = context.platform(&environment)?;
        if args.watch {
            return watch(context, args, &*platform, &environment, &name).await;
        }
        let rollout = read_some(&*platform, &name, &environment.flag()).await?;
        let now = snapshot(context, &environment, &rollout)?;
        view::Screen::default().show(context, &now, false);
        Ok(exit_code(&now))
    })
}

/// Shows it until it is over, the time is, or somebody leaves. A platform that does not answer ends nothing.
async fn watch(
    context: &Context,
    args: &Args,
    platform: &dyn Platform,
    environment: &Environment,
    name: &ServiceName,
) -> Result<u8> {
    let mut patience = Patience::new(context, args.timeout);
    let mut last: Option<Snapshot> = None;
    let mut read: Option<Rollout> = None;
    let mut screen = view::Screen::default();
    // Listened for once: what comes while the rollout is read counts as well.
    let mut signals = Some(Signals::listen_and_watch(&context.output)?);
    let mut was_silent = false;
    loop {
        let flag = environment.flag();
        let reading = read_some_on(platform, name, &flag, read.as_ref());
        let tell = |since, _: Option<&Error>| {
            was_silent = true;
            screen.silent(context, last.as_ref(), since, &no_answer(since));
        };
        let reading = unless_asked(signals.as_mut(), patience.read(Box::pin(reading), tell)).await;
        match reading.transpose()? {
            Some(Reading::Answered(rollout)) => {
                let now = snapshot(context, environment, read.insert(*rollout))?;
                if std::mem::take(&mut was_silent) || last.as_ref() != Some(&now) {
                    screen.show(context, &now, true);
                }
                let (code, is_over) = (exit_code(&now), !now.state.is_live());
                last = Some(now);
                if is_over || context.output.is_closed() {
                    return Ok(code);
                }
            }
            Some(Reading::Silent) => {}
            Some(Reading::TimeIsOver) => {
                if last.is_none() {
                    let words = "the platform has not answered within the time";
                    context.output.warn(words);
                }
                return Ok(Kind::Timeout.exit_code());
            }
            None => return Ok(left(context, &screen, last.as_ref())),
        }
        let pause = tokio::time::sleep(patience.pause(INTERVAL));
        if unless_asked(signals.as_mut(), pause).await.is_none() {
            return Ok(left(context, &screen, last.as_ref()));
        }
    }
}

/// The person or the reader leaves: how it stood.
fn left(context: &Context, screen: &view::Screen, last: Option<&Snapshot>) -> u8 {
    screen.leave(context);
    last.map_or(Kind::Interrupted.exit_code(), exit_code)
}

/// 0 promoted, 3 the verdict was bad or the traffic is not what it should be, 8 not finished.
fn exit_code(snapshot: &Snapshot) -> u8 {
    if snapshot.drifted.is_some() {
        return Kind::Unhealthy.exit_code();
    }
    match snapshot.state.phase {
        Phase::Succeeded => 0,
        Phase::Aborted | Phase::Superseded => {
            super::drive::over(&snapshot.state, snapshot.why.as_ref())
        }
        Phase::Drifted => Kind::Unhealthy.exit_code(),
        _ => Kind::Pending.exit_code(),
    }
}
