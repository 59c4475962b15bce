//! `squad rollout lint`.

use crate::cli::context::Context;
use crate::cli::rollback::parse_revision;
use crate::cli::rollout::start::PlanArgs;
use crate::cli::view::rollout as view;
use crate::config::Config;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::service::Service;
use crate::error::Result;
use crate::ops::rollout::start::{self, Options, Subject};

/// Check whether a rollout could be judged, before one is started
///
/// Makes the plan that `squad rollout start` would make, asks each of the judge's questions about what serves now, and
/// shows what every step would take at the present traffic. Changes nothing. Before anything newer is published the plan is
/// that of the sources, as `squad deploy --canary` would start it; without them that of what serves.
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
        let (config, environment, name) = super::find(context, args.service.as_ref(), "rollout lint")?;
        let platform = context.platform(&environment)?;
        let options = Options {
            service: name,
            flag: environment.flag(),
            revision: args.revision.map(RevisionNumber),
            wish: args.plan.wish(),
            supersede: true,
            // What it would be is shown of one that was left as well, when it is named.
            again: args.revision.is_some(),
            reason: None,
            protected: environment.protected,
        };
        let name = &options.service;
        let sources = || sources(context, args, config, &environment, name);
        let (actor, now) = (context.actor(), context.now());
        let (planned, subject) = start::lint(&*platform, &options, sources, actor, now).await?;
        if context.output.is_json() {
            context
                .output
                .json(&view::PlanWire::new(&planned, &environment).about(subject));
            return Ok(0);
        }
        for line in view::plan_lines(&planned, &environment, now) {
            context.output.out(&line);
        }
        let stable = planned.plan.stable;
        let about = match subject {
            Subject::Revision => return Ok(0),
            Subject::Sources => "the sources as they are here",
            Subject::Live => "what serves, as if it were rolled out once more",
        };
        context.output.status(&format!(
            "nothing newer than revision {stable} is published: this is the plan for {about}"
        ));
        let flag = environment.flag();
        context.output.hint(&format!(
            "publish the sources and start: `squad deploy {name}{flag} --canary`; `--dry-run` with it only shows the plan"
        ));
        Ok(0)
    })
}

/// The service as its sources say, where they are here or were deployed from here.
fn sources(
    context: &Context,
    args: &Args,
    config: Config,
    environment: &Environment,
    name: &ServiceName,
) -> Option<Service> {
    // With a name no file of a service was read so far.
    let config = match args.service {
        Some(_) => context.config().ok()?,
        None => config,
    };
    let located = context.service(&config, Some(name), environment).ok()?;
    Some(located.service)
}
