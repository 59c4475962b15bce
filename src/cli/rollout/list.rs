//! `squad rollout list`.

use crate::cli::context::Context;
use crate::cli::gone;
use crate::cli::view::rollout as view;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::rollout::list;
use crate::platform::Platform;

/// List rollouts, newest first
///
/// Of one service, or with --all of every service of the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout list payments
  $ squad rollout list --all --env prod -o json")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Every service
    #[arg(long, conflicts_with = "service")]
    all: bool,
    /// At most so many of each service
    #[arg(long, value_name = "number", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Runs `squad rollout list`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (environment, services) = if args.all {
            let config = context.config()?;
            let environment = context.environment(&config)?;
            let services = context.platform(&environment)?.services().await?;
            (environment, services)
        } else {
            let (_, environment, name) =
                super::find(context, args.service.as_ref(), "rollout list")?;
            (environment, vec![name])
        };
        let platform = context.platform(&environment)?;
        let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
        let rows = list::list(&*platform, &services, limit).await?;
        if rows.is_empty()
            && let Some(name) = &args.service
        {
            check_known(context, &*platform, &environment, name).await?;
        }
        if context.output.is_json() {
            context
                .output
                .json(&view::ListWire::new(&rows, &environment));
        } else if rows.is_empty() {
            context.output.status(&format!(
                "there was no rollout in {} yet",
                environment.spoken()
            ));
        } else {
            let width = context.output.is_terminal().then(|| context.output.width());
            context
                .output
                .out(&view::list_table(&rows, context.now(), width));
        }
        Ok(0)
    })
}

/// A service without a rollout is one thing, a name that nobody knows another.
async fn check_known(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    name: &ServiceName,
) -> Result<()> {
    if !platform.observe(name).await?.revisions.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        Kind::Failed,
        "never-deployed",
        format!(
            "cannot list the rollouts of `{name}`: it is not deployed to {}",
            environment.spoken()
        ),
    )
    .hint(format!(
        "the rollouts of every service: `squad rollout list --all{}`",
        environment.flag()
    ));
    Err(gone::told(context, std::slice::from_ref(environment), name, error).await)
}
