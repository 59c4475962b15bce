//! `squad rollout lint`.

use crate::cli::context::Context;
use crate::cli::rollback::parse_revision;
use crate::cli::rollout::start::PlanArgs;
use crate::cli::view::rollout as view;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::Result;
use crate::ops::rollout::start::{self, Options};

/// Check whether a rollout could be judged, before one is started
///
/// Makes the plan that `squad rollout start` would make, asks each of the judge's questions about what serves now, and
/// shows what every step would take at the present traffic. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout lint payments --env prod
  $ squad rollout lint --route 'POST /charges/{id}/refund=5,25,50'")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Revision to roll out; the newest one if not given
    #[arg(long, value_name = "revision", value_parser = parse_revision)]
    revision: Option<u64>,
    #[command(flatten)]
    plan: PlanArgs,
}

/// Runs `squad rollout lint`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, args.service.as_ref())?;
        let platform = context.platform(&environment)?;
        let options = Options {
            service: name,
            flag: environment.flag(),
            revision: args.revision.map(RevisionNumber),
            wish: args.plan.wish(),
            supersede: true,
            reason: None,
            protected: environment.protected,
        };
        let planned = start::plan(&*platform, &options, context.actor(), context.now()).await?;
        if context.output.is_json() {
            context
                .output
                .json(&view::PlanWire::new(&planned, &environment));
        } else {
            for line in view::plan_lines(&planned, &environment, context.now()) {
                context.output.out(&line);
            }
        }
        Ok(0)
    })
}
