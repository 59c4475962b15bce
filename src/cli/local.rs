//! `squad local`: the supervisor of the local platform.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::view::local as view;
use crate::cli::view::number::counted;
use crate::clients::guard;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::Journal;
use crate::ops::going_on;
use crate::ops::prune;
use crate::ops::rollout::snapshot::DRIVING;
use crate::platform::local::{self, Local};
use crate::platform::{self, Places};

/// How long a driver may take to see that its rollout was ended or paused, and to leave.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);

/// Look after the services that run on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Start(StartArgs),
    Stop(StopArgs),
    Status(StatusArgs),
    Prune(PruneArgs),
    #[command(hide = true)]
    Supervise(SuperviseArgs),
    #[command(hide = true)]
    Watch(WatchArgs),
    #[command(hide = true)]
    Guard(GuardArgs),
    #[command(hide = true)]
    Exec(ExecArgs),
}

/// Start the local platform, with everything that had traffic
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad local start
  $ squad local start --foreground")]
struct StartArgs {
    /// Stay in the foreground, for a service manager; Ctrl-C or SIGTERM drains and ends it
    #[arg(long)]
    foreground: bool,
}

/// Let requests end, then stop the local platform and all services on it
///
/// Refused while a rollout is being driven on this machine: its driver would start the platform again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad local stop
  $ squad local stop --all")]
struct StopArgs {
    /// Those of every org and environment on this machine
    #[arg(long)]
    all: bool,
}

/// Show the local platform and the services on it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad local status
  $ squad local status -o json")]
struct StatusArgs {}

/// Remove revisions that no rollback needs, and old log files
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad local prune
  $ squad local prune --reset-journal")]
struct PruneArgs {
    /// Begin a new journal instead, where it is damaged or gone: the services have to be deployed again
    #[arg(long)]
    reset_journal: bool,
}

/// Run the supervisor; started by the command that needs it
#[derive(Debug, clap::Args)]
struct SuperviseArgs {
    /// State directory of the environment
    #[arg(long, value_name = "directory")]
    directory: PathBuf,
    /// Directory for sockets
    #[arg(long, value_name = "directory")]
    runtime: PathBuf,
    /// Name of the environment
    #[arg(long, value_name = "name")]
    name: String,
}

/// Run a process for the supervisor
#[derive(Debug, clap::Args)]
struct WatchArgs {}

/// End what a command started when the command is killed
#[derive(Debug, clap::Args)]
struct GuardArgs {}

/// Become a process for a watcher
#[derive(Debug, clap::Args)]
struct ExecArgs {
    /// Process number of the watcher
    #[arg(value_name = "process")]
    watcher: u32,
    /// Command to become
    #[arg(last = true, value_name = "command")]
    command: Vec<OsString>,
}

impl Args {
    /// Whether it is a process that squad starts for itself, or the supervisor in the foreground: they have rules of their
    /// own for how they end.
    pub(crate) fn is_for_squad_itself(&self) -> bool {
        match &self.command {
            Command::Start(args) => args.foreground,
            Command::Stop(_) | Command::Status(_) | Command::Prune(_) => false,
            Command::Supervise(_) | Command::Watch(_) | Command::Guard(_) | Command::Exec(_) => {
                true
            }
        }
    }
}

/// Runs `squad local …`.
pub(crate) fn run(context: &Context, args: Args) -> Result<u8> {
    match args.command {
        Command::Start(args) if args.foreground => foreground(context),
        Command::Start(_) => start(context),
        Command::Stop(args) => stop(context, args.all),
        Command::Status(_) => status(context),
        Command::Prune(args) if args.reset_journal => reset_journal(context),
        Command::Prune(_) => prune(context),
        Command::Supervise(args) => {
            let settings = local::SupervisorSettings {
                state: args.directory,
                runtime: args.runtime,
                executable: executable()?,
                name: args.name,
                variables: variables(context),
            };
            supervise(settings, false)
        }
        Command::Watch(_) => local::watch(&local::own_executable(&executable()?))
            .map(|()| 0)
            .map_err(Error::internal),
        Command::Guard(_) => {
            guard::run(std::io::stdin().lock());
            Ok(0)
        }
        Command::Exec(args) => {
            let error = local::run_command(args.watcher, &args.command);
            let program = args.command.first().cloned().unwrap_or_default();
            Err(Error::new(
                Kind::Failed,
                "command-not-found",
                format!("cannot run `{}`: {error}", program.display()),
            ))
        }
    }
}

/// The binary that runs this.
fn executable() -> Result<PathBuf> {
    std::env::current_exe().map_err(Error::internal)
}

/// The environment's settings.
fn settings(context: &Context) -> Result<local::Settings> {
    let config = context.config_of_live(true, "local")?;
    let environment = context.environment(&config)?;
    let directories = context.directories()?;
    Ok(platform::local_settings(
        &environment,
        &Places {
            state: directories.state,
            runtime: directories.runtime,
            executable: executable()?,
            session: None,
        },
    )?)
}

/// The variables of this process that are text.
fn variables(context: &Context) -> std::collections::BTreeMap<String, String> {
    context
        .env
        .all()
        .filter_map(|(name, value)| Some((name.to_owned(), value.to_str()?.to_owned())))
        .collect()
}

fn supervise(settings: local::SupervisorSettings, foreground: bool) -> Result<u8> {
    // The supervisor has no terminal: its log is a file, or the service manager's.
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO);
    drop(log.try_init());
    local::supervise(settings, foreground)?;
    Ok(0)
}

fn foreground(context: &Context) -> Result<u8> {
    let settings = settings(context)?;
    let supervised = local::SupervisorSettings {
        state: settings.state,
        runtime: settings.runtime,
        executable: settings.executable,
        name: settings.name,
        variables: variables(context),
    };
    supervise(supervised, true)
}

fn start(context: &Context) -> Result<u8> {
    let local = Local::new(settings(context)?);
    let status = context.block_on(async { Ok(local.start().await?) })?;
    if context.output.is_json() {
        context.output.json(&view::Wire::running(&status));
        return Ok(0);
    }
    for line in view::summary(&status) {
        context.output.status(&line);
    }
    context
        .output
        .out(status.address.as_deref().unwrap_or("running"));
    Ok(0)
}

fn stop(context: &Context, all: bool) -> Result<u8> {
    let environments = if all {
        let directories = context.directories()?;
        let executable = executable()?;
        Local::environments(&directories.state)?
            .into_iter()
            .map(|state| local::Settings {
                name: String::new(),
                runtime: directories.runtime.clone(),
                executable: executable.clone(),
                state,
            })
            .collect()
    } else {
        vec![settings(context)?]
    };
    let ran = context.block_on(async {
        refuse_driven(context, &environments).await?;
        let mut ran = false;
        for settings in environments {
            ran |= Local::new(settings).stop().await?;
        }
        Ok(ran)
    })?;
    if context.output.is_json() {
        context.output.json(&view::Wire::stopped());
        return Ok(0);
    }
    if !ran {
        context
            .output
            .status("nothing to stop: the local platform does not run");
    }
    context.output.out("stopped");
    Ok(0)
}

/// Refuses while a rollout is driven: its driver starts the platform again within a second, and the canary with it. One that
/// was stopped or paused a moment ago is waited for.
async fn refuse_driven(context: &Context, environments: &[local::Settings]) -> Result<()> {
    let state = context.directories()?.state;
    let until = context.clock().monotonic() + LEAVES_WITHIN;
    loop {
        let Some((service, flag)) = driven(&state, environments) else {
            return Ok(());
        };
        if context.clock().monotonic() >= until {
            return Err(Error::new(
                Kind::Refused,
                "local-driven",
                format!(
                    "cannot stop the local platform: a rollout of `{service}` is being driven on this machine, and its driver would start the platform again"
                ),
            )
            .hint(format!("end the rollout: `squad stop {service}{flag}`"))
            .hint(format!(
                "or leave it where it is, for later: `squad rollout pause {service}{flag}`"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first service with a driver on this machine, and what a command needs behind it.
fn driven(state: &Path, environments: &[local::Settings]) -> Option<(ServiceName, String)> {
    environments.iter().find_map(|settings| {
        // The state directory of an environment is named as its log: `local/acme/prod`.
        let log_name = settings.state.strip_prefix(state.join("local")).ok()?;
        let service = going_on::list_of(state, log_name.to_str()?)
            .into_iter()
            .filter(|one| one.kind == DRIVING)
            .find_map(|one| one.services.into_iter().next())?;
        let mut parts = log_name.iter().filter_map(|part| part.to_str());
        let flag = match (parts.next()?, parts.next()?) {
            ("local", "local") => String::new(),
            ("local", name) => format!(" --env {name}"),
            (org, name) => format!(" --org {org} --env {name}"),
        };
        Some((service, flag))
    })
}

fn status(context: &Context) -> Result<u8> {
    let local = Local::new(settings(context)?);
    let status = context.block_on(async { Ok(local.status().await?) })?;
    match &status {
        Some(status) if context.output.is_json() => {
            context.output.json(&view::Wire::running(status));
        }
        None if context.output.is_json() => context.output.json(&view::Wire::stopped()),
        Some(status) => {
            for line in view::summary(status) {
                context.output.out(&line);
            }
            view::table(context, status);
        }
        None => {
            context.output.out("stopped");
            context
                .output
                .hint("`squad local start` starts it, as does every command that needs it");
        }
    }
    Ok(0)
}

fn prune(context: &Context) -> Result<u8> {
    let local = Local::new(settings(context)?);
    let (mut revisions, mut bytes) = (0_u64, 0_u64);
    context.block_on(async {
        // First what needs no record, so that a full disk has room for one.
        bytes += local.prune_logs().await?;
        let prunable = local.prunable().await?;
        if prunable.is_empty() {
            return Ok(());
        }
        let journal = recorded(context, &local).await?;
        for one in &prunable {
            let pruned = prune::prune(&local, &journal, context.clock(), one).await?;
            if !pruned.revisions.is_empty() {
                let names: Vec<_> = pruned.revisions.iter().map(ToString::to_string).collect();
                context.output.status(&format!(
                    "{} removed revision {} of {}",
                    context.output.tick(),
                    names.join(", "),
                    one.service
                ));
            }
            revisions += u64::try_from(pruned.revisions.len()).unwrap_or(u64::MAX);
            bytes += pruned.bytes;
        }
        Ok(())
    })?;
    if context.output.is_json() {
        context.output.json(&view::Pruned::of(revisions, bytes));
    } else {
        context.output.out(&format!(
            "{}, {} freed",
            counted(revisions, "revision"),
            view::bytes(bytes)
        ));
    }
    Ok(0)
}

/// The audit log of the environment, with what was left open on this machine closed.
async fn recorded(context: &Context, local: &Local) -> Result<Journal> {
    let config = context.config_of_live(true, "local")?;
    let journal = context.journal(&context.environment(&config)?)?;
    context.settle_with(local, &journal).await;
    Ok(journal)
}

fn reset_journal(context: &Context) -> Result<u8> {
    let local = Local::new(settings(context)?);
    let config = context.config_of_live(true, "local")?;
    let journal = context.journal(&context.environment(&config)?)?;
    let reset = context.block_on(prune::reset(&local, &journal, context.clock()))?;
    let Some(reset) = reset else {
        context
            .output
            .status("nothing to reset: there is no journal");
        return Ok(0);
    };
    let what = match &reset.aside {
        Some(_) => "the journal is set aside",
        None => "a new journal is begun",
    };
    context.output.status(&format!(
        "{} {what}; deploy each service again",
        context.output.tick()
    ));
    if context.output.is_json() {
        context.output.json(&view::Reset::of(&reset));
    } else {
        let place = reset.aside.as_ref().unwrap_or(&reset.journal);
        context.output.out(&place.display().to_string());
    }
    Ok(0)
}
