//! `squad rollout`: gradual rollouts.

pub(crate) mod brake;
mod command;
mod drive;
mod lint;
mod list;
mod patience;
mod report;
mod start;
mod status;
mod wait;

pub(crate) use start::{Beginning, PlanArgs, begin};

use crate::cli::context::Context;
use crate::config::Config;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::Result;

/// Roll a revision out gradually, route by route, judged by evidence
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Abort(brake::Args),
    Drive(drive::Args),
    Lint(lint::Args),
    List(list::Args),
    Pause(command::PauseArgs),
    Promote(command::PromoteArgs),
    Rebase(command::RebaseArgs),
    Report(report::Args),
    Resume(command::ResumeArgs),
    Start(start::Args),
    Status(status::Args),
    Wait(wait::Args),
}

impl Args {
    /// Whether it stops what is going on.
    pub(crate) fn is_brake(&self) -> bool {
        matches!(self.command, Command::Abort(_) | Command::Pause(_))
    }
}

/// Runs `squad rollout`.
pub(crate) fn run(context: &Context, args: Args) -> Result<u8> {
    match args.command {
        Command::Abort(args) => brake::abort(context, &args),
        Command::Drive(args) => drive::run(context, &args),
        Command::Lint(args) => lint::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Pause(args) => command::pause(context, &args),
        Command::Promote(args) => command::promote(context, &args),
        Command::Rebase(args) => command::rebase(context, &args),
        Command::Report(args) => report::run(context, &args),
        Command::Resume(args) => command::resume(context, &args),
        Command::Start(args) => start::run(context, &args),
        Command::Status(args) => status::run(context, &args),
        Command::Wait(args) => wait::run(context, &args),
    }
}

/// Which service in which environment a command is about. With a name, a mistake in a `squad.toml` does not matter:
/// what is rolled out is described by the platform and by the rollout's own plan. `verb` is the command, without `squad`.
pub(crate) fn find(
    context: &Context,
    service: Option<&ServiceName>,
    verb: &str,
) -> Result<(Config, Environment, ServiceName)> {
    let config = context.config_of_live(service.is_some(), verb)?;
    let environment = context.environment(&config)?;
    let name = context.service_name(&config, service)?;
    Ok((config, environment, name))
}

/// The name of this machine, which tells its own drivers from those of others.
pub(crate) fn host() -> String {
    let host = rustix::system::uname();
    host.nodename().to_string_lossy().into_owned()
}
