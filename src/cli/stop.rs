//! `squad stop`: the stop button.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::rollback;
use crate::cli::rollout::{brake, find};
use crate::cli::time::parse_span;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::plan::{self, Refusal};
use crate::domain::rollout::{Phase, State};
use crate::error::{Error, Result};

/// Stop what is going on: abort the live rollout, else roll back
///
/// Never asks, and never waits for the audit log. Where a rollout is live, all traffic goes back to what served before;
/// where none is, it is `squad rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad stop
  $ squad stop payments --env prod --reason \"refunds fail\"")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// The longest that starting the revision before may take
    #[arg(long, value_name = "time", default_value = "2m", value_parser = parse_span)]
    timeout: Duration,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
}

/// Runs `squad stop`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let (name, handled) = context.block_on(async {
        let (_, environment, name) = find(context, args.service.as_ref(), "stop")?;
        let platform = context.platform(&environment)?;
        let live = platform
            .observe(&name)
            .await
            .map_err(|error| Error::from(error).context(&format!("cannot stop `{name}`")))?;
        let handled = match State::parse(&live.state) {
            Some(state) if state.is_live() => {
                let reason = args.reason.as_deref();
                let stopped =
                    brake::run(context, &*platform, &environment, &name, reason, Some(live));
                Some(stopped.await?)
            }
            // Pressed twice, or after the judge was faster: what the rollout left is left already.
            Some(state) if state.phase != Phase::Succeeded => {
                brake::again(context, &*platform, &environment, &name, &state).await?;
                brake::nothing(context, &environment, &name, &live);
                Some(0)
            }
            // Pressed again after a rollback: the only way from here would be the revision that was left.
            _ if is_rolled_back(&live) => {
                brake::nothing(context, &environment, &name, &live);
                Some(0)
            }
            _ => None,
        };
        Ok((name, handled))
    })?;
    match handled {
        Some(code) => Ok(code),
        None => rollback::stop(context, name, args.timeout, args.reason.clone()),
    }
}

/// Whether a rollback got here, and no revision is left that another one could go to.
fn is_rolled_back(live: &Live) -> bool {
    live.sole().is_some()
        && live.revisions.iter().any(|revision| revision.left)
        && matches!(plan::rollback(live, None), Err(Refusal::NoTarget { .. }))
}
