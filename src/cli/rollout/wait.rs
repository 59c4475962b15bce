//! `squad rollout wait`: waits for the end of a rollout that somebody else drives.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::rollout::drive::{over, snapshot};
use crate::cli::time::parse_span;
use crate::cli::view::rollout as view;
use crate::domain::name::ServiceName;
use crate::domain::rollout::Phase;
use crate::error::{Kind, Result};
use crate::ops::rollout::{drive, read_some, words};

/// Wait for the end of a rollout, and end with its verdict
///
/// Exits with 0 when it was promoted, 3 when the judge aborted it, 1 when a person did, and 8 when the time is over or it
/// is paused and waits for a person: nothing failed, and it is not finished.
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
        let (_, environment, name) = super::find(context, args.service.as_ref())?;
        let platform = context.platform(&environment)?;
        let until = context.clock().monotonic() + args.timeout;
        let mut said = None;
        loop {
            let rollout = read_some(&*platform, &name, &environment.flag()).await?;
            let state = rollout.state.clone();
            let why = drive::last_why(&rollout);
            if said.as_ref() != Some(&(state.phase, state.positions.clone())) {
                let snapshot = snapshot(context, &environment, &rollout)?;
                context.output.status(&view::one_line(&snapshot));
                said = Some((state.phase, state.positions.clone()));
            }
            let code = if !state.is_live() {
                Some(over(&state, why.as_ref()))
            } else if matches!(state.phase, Phase::Paused | Phase::Drifted) {
                if let Some(why) = &why {
                    context.output.status(&words::why(&rollout.plan, why));
                }
                Some(Kind::Pending.exit_code())
            } else if context.clock().monotonic() >= until {
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
                        .json(&view::EndWire::new(&name, &environment, &state, code));
                } else {
                    context.output.out(state.phase.as_str());
                }
                return Ok(code);
            }
            tokio::select! {
                () = tokio::time::sleep(GLANCE) => {}
                _ = tokio::signal::ctrl_c() => return Ok(Kind::Interrupted.exit_code()),
            }
        }
    })
}
