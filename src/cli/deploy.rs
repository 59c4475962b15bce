//! `squad deploy`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::adopt;
use crate::cli::context::Context;
use crate::cli::fetched;
use crate::cli::progress::{Progress, seconds};
use crate::cli::prompt::{self, Consent};
use crate::cli::rollout::{Beginning, PlanArgs, begin};
use crate::cli::signals::Signals;
use crate::cli::time::parse_span;
use crate::cli::view::deploy as view;
use crate::cli::view::fetched as from;
use crate::config::{Config, Located};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::name::ServiceName;
use crate::domain::plan::{Allowed, Deploy};
use crate::domain::service;
use crate::env;
use crate::error::{Error, Kind, Result};
use crate::ops::deploy::apply::{self, Tools};
use crate::ops::deploy::fleet::Builds;
use crate::ops::deploy::package::Packing;
use crate::ops::deploy::{self, Options, Outcome, Plan};
use crate::ops::rollout::start as rollout;
use crate::ops::{Cancel, audit};
use crate::platform::Platform;

/// Build a service and make it live
///
/// Shows what changes first. The same sources and configuration are never deployed twice. A revision that
/// does not start never takes a request.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  $ squad deploy
  $ squad deploy payments --env prod
  $ squad deploy payments --port 8080
  $ squad deploy --env staging --dry-run --exit-code
  $ squad deploy receipts --env prod --adopt-alias
  $ squad deploy --changed-since origin/main --env prod --yes -o json")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given. Elsewhere its repository is fetched
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: exit with 10 when something would change
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Deploy this directory as it is, without a build
    #[arg(long, value_name = "directory")]
    artifact: Option<PathBuf>,
    /// Port of this machine that the service keeps from now on
    #[arg(long, value_name = "port", value_parser = parse_port, conflicts_with_all = ["all", "changed_since"])]
    port: Option<u16>,
    /// Build although nothing changed
    #[arg(long)]
    rebuild: bool,
    /// Every service of the workspace
    #[arg(long, conflicts_with_all = ["service", "artifact"])]
    all: bool,
    /// The services of the workspace whose inputs differ from this commit
    #[arg(long, value_name = "ref", conflicts_with_all = ["service", "artifact", "all"])]
    changed_since: Option<String>,
    /// Return once it is under way
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// The longest it may take
    #[arg(long, value_name = "time", default_value = "10m", value_parser = parse_span)]
    timeout: Duration,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
    /// Deploy a release that was rolled back from
    #[arg(long)]
    again: bool,
    /// Deploy an older state than what is live
    #[arg(long)]
    allow_older: bool,
    /// Deploy changes that are not committed to a protected environment
    #[arg(long)]
    allow_dirty: bool,
    /// No gradual rollout in a protected environment
    #[arg(long)]
    all_at_once: bool,
    /// Roll out gradually, where the environment does not ask for it
    #[arg(long, conflicts_with_all = ["all_at_once", "all", "changed_since"])]
    canary: bool,
    /// Move those who call past the alias to it, one by one, instead of a deploy
    #[arg(long, conflicts_with_all = ["all", "changed_since", "artifact", "port", "rebuild", "no_wait", "canary", "all_at_once"])]
    adopt_alias: bool,
    /// With --adopt-alias: take back what was moved
    #[arg(long, requires = "adopt_alias")]
    undo: bool,
    /// The commit that was agreed to, where this goes on for `--no-wait`
    #[arg(long, hide = true, value_name = "commit", requires = "service")]
    fetched_commit: Option<String>,
    #[command(flatten)]
    rollout: PlanArgs,
}

impl Args {
    /// `--changed-since`.
    pub(crate) fn since(&self) -> Option<&str> {
        self.changed_since.as_deref()
    }

    /// `--no-wait`.
    pub(crate) fn goes_on_alone(&self) -> bool {
        self.no_wait
    }

    /// `--dry-run`.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// `--exit-code`.
    pub(crate) fn wants_exit_code(&self) -> bool {
        self.exit_code
    }

    fn allowed(&self) -> Allowed {
        Allowed {
            again: self.again,
            older: self.allow_older,
            dirty: self.allow_dirty,
            all_at_once: self.all_at_once,
            canary: self.canary,
            has_reason: self
                .reason
                .as_ref()
                .is_some_and(|reason| !reason.trim().is_empty()),
        }
    }

    /// What `ops` needs for one service.
    pub(crate) fn options(
        &self,
        context: &Context,
        config: &Config,
        environment: &Environment,
        located: Located,
    ) -> Result<Options> {
        if self.artifact.is_none() {
            refuse_home(context, &located.directory)?;
        }
        if self.port.is_some() && located.service.kind == service::Kind::Worker {
            return Err(Error::new(
                Kind::Usage,
                "usage",
                format!(
                    "cannot use `--port`: `{}` is a worker, which takes no requests",
                    located.service.name
                ),
            )
            .hint("leave `--port` out, or make it `kind = \"http\"` in squad.toml"));
        }
        let directories = context.directories()?;
        let artifact = self
            .artifact
            .as_ref()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        Ok(Options {
            repository: config.repository_of(&located.service.name),
            fetched: None,
            service: located.service,
            directory: located.directory,
            environment: environment.clone(),
            artifact,
            rebuild: self.rebuild,
            port: self.port,
            allowed: self.allowed(),
            reason: self.reason.clone(),
            pipeline: context.pipeline(),
            state: directories.state,
            cache: directories.cache,
            guard: context.guard()?,
        })
    }
}

/// Refuses a service whose directory holds the person's home: a `squad.toml` there is found from every directory below it,
/// and would ship all that the person has, keys included. A repository says itself what belongs to it.
fn refuse_home(context: &Context, directory: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let home = context.env.get(env::HOME).map(|home| real(Path::new(home)));
    let holds_home = home.is_some_and(|home| home.starts_with(real(directory)));
    if !holds_home || directory.join(".git").exists() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        "home-directory",
        format!(
            "cannot deploy from `{}`: your home directory is in it, and all of it would be shipped",
            directory.display()
        ),
    )
    .hint("move squad.toml and what belongs to the service into a directory of their own"))
}

/// A port that can be chosen.
fn parse_port(text: &str) -> std::result::Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("a port is a whole number from 1 to 65535".to_owned()),
    }
}

/// Runs `squad deploy`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let config = context.config()?;
        let environment = context.environment(&config)?;
        if args.all || args.changed_since.is_some() {
            return crate::cli::deploy_many::run(context, args, &config, &environment).await;
        }
        if args.adopt_alias {
            let wish = adopt::Wish {
                service: context.service_name(&config, args.service.as_ref())?,
                environment: &environment,
                undo: args.undo,
                dry_run: args.dry_run,
                reason: args.reason.clone(),
            };
            return adopt::run(context, &wish).await;
        }
        Box::pin(one(context, args, &config, &environment)).await
    })
}

async fn one(
    context: &Context,
    args: &Args,
    config: &Config,
    environment: &Environment,
) -> Result<u8> {
    let wanted = args.service.as_ref();
    let how = (args.timeout, args.fetched_commit.as_deref());
    let sources = fetched::sources(context, config, wanted, environment, how)
        .await
        .map_err(|error| match error.id {
            "service-ambiguous" => error.hint("or deploy all of them: `squad deploy --all`"),
            _ => error,
        })?;
    let (located, fetched, turn) = sources.parts();
    context.check_name(config, &located)?;
    let options = args.options(context, config, environment, located)?;
    let options = fetched::of_fetched(options, fetched);
    let platform = context.platform(environment)?;
    let plan = deploy::plan(&*platform, &options).await;
    let mut plan = plan.map_err(|error| fetched::explained(&options, error))?;
    if let Some(line) = view::nothing(&options, &plan) {
        if !args.dry_run {
            context.follow(config, &options);
        }
        if let Some(line) = from::line(&options) {
            context.output.status(&line);
        }
        context.output.status(&line);
        context.settle(&*platform, environment).await;
        print(context, &options, &plan, None);
        let Some((line, hint)) = view::unwell(&options, &plan) else {
            return Ok(0);
        };
        context.output.warn(&line);
        context.output.hint(&hint);
        return Ok(Kind::Unhealthy.exit_code());
    }
    let builds = Builds::new();
    // The package is made while AWS is asked who calls, and a person reads the plan.
    let packing = async {
        if args.dry_run || args.no_wait {
            return None;
        }
        apply::ahead(&options, &plan, context.clock(), &builds).await
    };
    let looking = deploy::callers_past(&*platform, &options, &plan);
    let (callers, ahead) = tokio::join!(looking, packing);
    plan.callers = callers;
    for line in view::plan_lines(&options, &plan, context.now(), context.output.width()) {
        context.output.status(&line);
    }
    let gradual = matches!(&plan.decision, Deploy::Change(change) if change.gradual);
    if !gradual && args.rollout.is_given() {
        return Err(not_gradual(&options, &plan));
    }
    if gradual {
        // What could not be judged, or could not share the traffic, is refused before anything is built.
        deploy::check_gradual(&*platform, &options, &plan).await?;
        let start = start_options(&options, &args.rollout);
        let planned =
            rollout::ahead(&*platform, &start, &plan, context.actor(), context.now()).await?;
        for line in crate::cli::view::rollout::plan_lines(&planned, environment, context.now()) {
            context.output.status(&line);
        }
    }
    if args.dry_run {
        print(context, &options, &plan, None);
        return Ok(if args.exit_code {
            Kind::Differs.exit_code()
        } else {
            0
        });
    }
    if !prompt::confirm(context, consent(environment), "Deploy?")? {
        return Err(declined());
    }
    context
        .claim(config, &options)
        .map_err(|error| plan.not_begun(&options, error))?;
    let name = &options.service.name;
    let mark = context.mark(environment, "deploy", vec![name.clone()])?;
    if args.no_wait {
        // It is the one that goes on who takes the next turn.
        drop(turn);
        let log = context
            .go_on_alone("--no-wait", &fetched::agreed(&options), name.as_str(), mark)
            .map_err(|error| plan.not_begun(&options, error))?;
        goes_on(context, &format!("{name}{}", environment.flag()), &log);
        if context.output.is_json() {
            context
                .output
                .json(&view::Wire::new(&options, &plan, None).goes_on());
        }
        return Ok(0);
    }
    let journal = context
        .journal(environment)
        .map_err(|error| plan.not_begun(&options, error))?;
    context.settle_with(&*platform, &journal).await;
    let work = async |cancel: Cancel| {
        let turns = (cancel, builds, ahead);
        applied(
            context, args, &*platform, &journal, &options, &plan, "", turns,
        )
        .await
    };
    let outcome = under_interrupts(context, work).await?;
    drop(turn);
    if gradual {
        drop(mark);
        drop(journal);
        let beginning = Beginning {
            service: name.clone(),
            revision: Some(outcome.revision),
            plan: &args.rollout,
            supersede: false,
            again: args.again,
            reason: options.reason.clone(),
            agreed: true,
            no_wait: false,
        };
        return Box::pin(begin(context, &*platform, environment, beginning)).await;
    }
    print(context, &options, &plan, Some(&outcome));
    Ok(0)
}

/// Steps and routes make no sense where all traffic moves at once.
fn not_gradual(options: &Options, plan: &Plan) -> Error {
    let why = if plan.live.sole().is_none() {
        "nothing is live yet, so there is nothing to compare with"
    } else {
        "all its traffic moves at once"
    };
    let error = Error::new(
        Kind::Usage,
        "rollout-plan",
        format!("`--steps`, `--hold`, `--route` and `--max-unattended-weight` are for gradual deploys: {why}"),
    )
    .hint(format!("`{} --canary`", options.command()));
    plan.not_begun(options, error)
}

/// What a rollout of this release begins with.
fn start_options(options: &Options, plan: &PlanArgs) -> rollout::Options {
    rollout::Options {
        service: options.service.name.clone(),
        flag: options.environment.flag(),
        revision: None,
        wish: plan.wish(),
        supersede: false,
        again: false,
        reason: options.reason.clone(),
        protected: options.environment.protected,
    }
}

/// Says that it goes on in the background, and how to follow it.
pub(crate) fn goes_on(context: &Context, what: &str, log: &Path) {
    context.output.status(&format!(
        "going on in the background; its output: {}",
        log.display()
    ));
    context
        .output
        .hint(&format!("follow it with `squad status {what} --watch`"));
}

/// A person said no.
pub(crate) fn declined() -> Error {
    Error::new(
        Kind::Interrupted,
        "declined",
        "nothing was changed: the answer was no",
    )
}

/// Whether a person has to say yes.
pub(crate) fn consent(environment: &Environment) -> Consent {
    if environment.platform == PlatformKind::Local && !environment.protected {
        Consent::None
    } else {
        Consent::Yes
    }
}

/// Applies one plan.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one operation, each of its own kind"
)]
pub(crate) async fn applied(
    context: &Context,
    args: &Args,
    platform: &dyn Platform,
    journal: &audit::Journal,
    options: &Options,
    plan: &Plan,
    prefix: &str,
    (cancel, builds, ahead): (Cancel, Builds, Option<Packing>),
) -> Result<Outcome> {
    let reporter = Progress::new(context, prefix);
    let tools = Tools {
        platform,
        journal,
        clock: context.clock(),
        reporter: &reporter,
        cancel,
        timeout: args.timeout,
        builds,
    };
    Box::pin(apply::apply(&tools, options, plan, ahead)).await
}

/// Runs an operation under Ctrl-C, and what else asks a process to end: once = stop cleanly, twice = at once.
pub(crate) async fn under_interrupts<T>(
    context: &Context,
    work: impl AsyncFnOnce(Cancel) -> Result<T>,
) -> Result<T> {
    let (stop, cancel) = Cancel::new();
    let mut signals = Signals::listen()?;
    let interrupts = async {
        _ = signals.asked().await;
        context
            .output
            .status("stopping; what is live stays as it is (Ctrl-C again to quit now)");
        _ = stop.send(true);
        _ = signals.asked().await;
    };
    tokio::select! {
        result = work(cancel) => result,
        () = interrupts => Err(deploy::build::stopped("quit at once")
            .hint("see what is live: `squad status`")),
    }
}

fn print(context: &Context, options: &Options, plan: &Plan, outcome: Option<&Outcome>) {
    if context.output.is_json() {
        context
            .output
            .json(&view::Wire::new(options, plan, outcome));
        return;
    }
    if let Some(outcome) = outcome {
        summary(context, options, outcome);
        context.output.out(&outcome.revision.to_string());
    } else if let Deploy::UpToDate { revision } | Deploy::Superseded { revision } = &plan.decision {
        context.output.out(&revision.to_string());
    }
}

/// Where it is, and how far it reaches.
fn summary(context: &Context, options: &Options, outcome: &Outcome) {
    if let Some(address) = &outcome.address {
        context
            .output
            .status(&format!("  {address} in {}", seconds(outcome.milliseconds)));
    }
    if options.environment.platform == PlatformKind::Local {
        context.output.status("on this machine only");
    }
    pending(context, outcome.pending_events, None);
}

/// Says that a brake found an outbox that it could not read, and where that is now.
pub(crate) fn put_aside(context: &Context, journal: &audit::Journal) {
    if let Some(aside) = journal.put_aside() {
        context.output.warn(&format!(
            "the audit outbox could not be read and is kept as `{}`: what was readable goes into the log, the rest is only there",
            aside.display()
        ));
    }
}

/// Says that events wait on this machine, and why: `why` is the error of the attempt to append them, where it is known.
pub(crate) fn pending(context: &Context, events: usize, why: Option<&Error>) {
    if events > 0 {
        let (plural, verb) = if events == 1 {
            ("event", "is")
        } else {
            ("events", "are")
        };
        let reason = why.map_or("the audit store does not answer", |why| &why.message);
        context.output.warn(&format!(
            "{events} {plural} {verb} recorded on this machine and pending: {reason}"
        ));
        for hint in why.iter().flat_map(|why| &why.hints) {
            context.output.hint(hint);
        }
    }
}
