//! `squad rollout start`, and what `squad deploy` does where a service goes out gradually.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::deploy::{consent, declined};
use crate::cli::progress::Progress;
use crate::cli::prompt;
use crate::cli::rollback::parse_revision;
use crate::cli::time::parse_span;
use crate::cli::view::rollout as view;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::gate::{GateWish, Who};
use crate::domain::rollout::plan::{MAX_UNATTENDED_WEIGHT, RouteSteps, Wish};
use crate::domain::route::PathTemplate;
use crate::error::{Kind, Result};
use crate::ops::rollout::snapshot::DRIVING;
use crate::ops::rollout::start::{self, Options};
use crate::ops::rollout::{Tools, drive};
use crate::platform::Platform;

/// Start a gradual rollout and drive it to its end
///
/// Moves traffic to a revision that is published already, step by step, for each route by itself. A step is gone on from
/// only when the judge has evidence that the new revision is about as healthy as the one that serves; it goes back by
/// itself when the new one is worse, and pauses when nothing can be told. Killed or stopped, it stays as it is, and any
/// machine can take it up: `squad rollout drive`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout start payments --env prod
  $ squad rollout start --steps 5,25,50 --hold 10m
  $ squad rollout start --route 'POST /charges/{id}/refund=5,25,50'
  $ squad rollout start --gate 'POST /refunds=consumer:mobile,web'
  $ squad rollout start payments --dry-run")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Revision to roll out; the newest one if not given
    #[arg(long, value_name = "revision", value_parser = parse_revision)]
    revision: Option<u64>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Abort the live rollout first
    #[arg(long)]
    supersede: bool,
    /// Roll out a revision that was rolled back from or aborted
    #[arg(long)]
    again: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: exit with 10 when something would change
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Return once it is under way; another process drives it
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
}

/// The flags that shape a plan.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Flags of gradual rollouts")]
pub(crate) struct PlanArgs {
    /// Weights in percent, rising; those of squad.toml if not given
    #[arg(long, value_name = "weights", value_parser = parse_weights)]
    steps: Option<Weights>,
    /// Time to stay at each step at least
    #[arg(long, value_name = "time", value_parser = parse_hold)]
    hold: Option<Duration>,
    /// Move only this route, with weights of its own (can be repeated)
    #[arg(long, value_name = "method path=weights", value_parser = parse_route)]
    route: Vec<RouteSteps>,
    /// Open this new route before the promotion: to named consumers, or to buckets of callers, as
    /// `consumer:mobile,web` or `bucket:5,25,50` (can be repeated)
    #[arg(long, value_name = "method path=who", value_parser = parse_gate)]
    gate: Vec<GateWish>,
    /// The highest weight in percent that a driver may set which does not stay
    #[arg(long, value_name = "weight", value_parser = clap::value_parser!(u8).range(0..=100))]
    max_unattended_weight: Option<u8>,
}

/// A list of weights; a type of its own so that clap takes the list as one value.
#[derive(Debug, Clone)]
pub(crate) struct Weights(Vec<i64>);

fn parse_weights(text: &str) -> std::result::Result<Weights, String> {
    weights(text).map(Weights)
}

/// Reads `5,25,50`; what the numbers may be is for the plan to say, all at once.
fn weights(text: &str) -> std::result::Result<Vec<i64>, String> {
    let like = "write whole percents such as 5,25,50";
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(str::trim)
        .map(|part| {
            let number = part.strip_suffix('%').unwrap_or(part).trim();
            number.parse().map_err(|_| match part {
                "" => format!("a weight is missing beside a comma; {like}"),
                part => format!("`{part}` is not a weight; {like}"),
            })
        })
        .collect()
}

fn parse_hold(text: &str) -> std::result::Result<Duration, String> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    parse_span(text)
}

fn parse_route(text: &str) -> std::result::Result<RouteSteps, String> {
    let like = "'POST /charges/{id}/refund=5,25,50'";
    let (route, list) = text
        .rsplit_once('=')
        .ok_or_else(|| wrong(text, "has no weights", like))?;
    let (method, path) = method_and_path(text, route, like)?;
    Ok(RouteSteps {
        method,
        path,
        weights: weights(list)?,
    })
}

fn parse_gate(text: &str) -> std::result::Result<GateWish, String> {
    let like = "'POST /refunds=consumer:mobile,web' or 'POST /refunds=bucket:5,25,50'";
    let (route, who) = text
        .split_once('=')
        .ok_or_else(|| wrong(text, "does not say who is let through", like))?;
    let (method, path) = method_and_path(text, route, like)?;
    let who = match who.trim().split_once(':') {
        Some(("consumer", names)) => Who::Consumers(
            names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        Some(("bucket", list)) => Who::Buckets(weights(list)?),
        _ => {
            return Err(wrong(
                text,
                "lets through neither consumers nor buckets",
                like,
            ));
        }
    };
    Ok(GateWish { method, path, who })
}

fn wrong(text: &str, why: &str, like: &str) -> String {
    format!("`{text}` {why}; write it like {like}")
}

fn method_and_path(
    text: &str,
    route: &str,
    like: &str,
) -> std::result::Result<(String, PathTemplate), String> {
    let (method, path) = route
        .trim()
        .split_once(' ')
        .ok_or_else(|| wrong(text, "has no method", like))?;
    let path = PathTemplate::parse(path.trim())
        .map_err(|error| wrong(text, &format!("has no usable path ({error})"), like))?;
    Ok((method.trim().to_ascii_uppercase(), path))
}

impl PlanArgs {
    /// Whether any of them was given.
    pub(crate) fn is_given(&self) -> bool {
        self.steps.is_some()
            || self.hold.is_some()
            || !self.route.is_empty()
            || !self.gate.is_empty()
            || self.max_unattended_weight.is_some()
    }

    /// What the plan is to be.
    pub(crate) fn wish(&self) -> Wish {
        Wish {
            routes: self.route.clone(),
            gates: self.gate.clone(),
            steps: self.steps.as_ref().map(|steps| steps.0.clone()),
            hold_seconds: self.hold.map(|hold| hold.as_secs()),
            max_unattended_weight: self.max_unattended_weight.unwrap_or(MAX_UNATTENDED_WEIGHT),
        }
    }
}

/// What a rollout begins with, once its revision is there.
pub(crate) struct Beginning<'a> {
    /// Whose traffic.
    pub(crate) service: ServiceName,
    /// What to roll out; none = the newest.
    pub(crate) revision: Option<RevisionNumber>,
    /// The plan's flags.
    pub(crate) plan: &'a PlanArgs,
    /// `--supersede`.
    pub(crate) supersede: bool,
    /// `--again`.
    pub(crate) again: bool,
    /// `--reason`.
    pub(crate) reason: Option<String>,
    /// Whether the person has said yes already.
    pub(crate) agreed: bool,
    /// `--no-wait`.
    pub(crate) no_wait: bool,
}

/// Runs `squad rollout start`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, args.service.as_ref(), "rollout start")?;
        let platform = context.platform(&environment)?;
        if args.dry_run {
            let options = Options {
                service: name,
                flag: environment.flag(),
                revision: args.revision.map(RevisionNumber),
                wish: args.plan.wish(),
                supersede: args.supersede,
                again: args.again,
                reason: args.reason.clone(),
                protected: environment.protected,
            };
            let planned = start::plan(&*platform, &options, context.actor(), context.now()).await?;
            show(context, &environment, &planned);
            if context.output.is_json() {
                context
                    .output
                    .json(&view::PlanWire::new(&planned, &environment));
            }
            return Ok(if args.exit_code {
                Kind::Differs.exit_code()
            } else {
                0
            });
        }
        let beginning = Beginning {
            service: name,
            revision: args.revision.map(RevisionNumber),
            plan: &args.plan,
            supersede: args.supersede,
            again: args.again,
            reason: args.reason.clone(),
            agreed: false,
            no_wait: args.no_wait,
        };
        Box::pin(begin(context, &*platform, &environment, beginning)).await
    })
}

fn show(context: &Context, environment: &Environment, planned: &start::Planned) {
    for line in view::plan_lines(planned, environment, context.now()) {
        context.output.status(&line);
    }
}

/// Plans, asks, starts and drives.
pub(crate) async fn begin(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    beginning: Beginning<'_>,
) -> Result<u8> {
    let options = Options {
        service: beginning.service,
        flag: environment.flag(),
        revision: beginning.revision,
        wish: beginning.plan.wish(),
        supersede: beginning.supersede,
        again: beginning.again,
        reason: beginning.reason,
        protected: environment.protected,
    };
    let planned = start::plan(platform, &options, context.actor(), context.now()).await?;
    // A deploy has shown it already, before it published the revision.
    if !beginning.agreed {
        show(context, environment, &planned);
    }
    if !beginning.agreed && !prompt::confirm(context, consent(environment), "Start?")? {
        return Err(declined());
    }
    let journal = context.journal(environment)?;
    context.settle_with(platform, &journal).await;
    {
        let reporter = Progress::new(context, "");
        let tools = Tools {
            platform,
            journal: &journal,
            clock: context.clock(),
            reporter: &reporter,
        };
        start::apply(&tools, &options, &planned).await?;
    }
    drop(journal);
    context
        .output
        .status(&format!("rollout {} is live", planned.plan.id));
    let name = &options.service;
    if beginning.no_wait {
        return detach(context, environment, name, &planned.plan.id);
    }
    let driving = drive::Options {
        service: name.clone(),
        flag: environment.flag(),
        stays: true,
        waits_for_people: context.output.can_ask(),
    };
    super::drive::drive_to_end(context, platform, environment, &driving, "").await
}

/// Leaves the driving to a process of its own.
fn detach(
    context: &Context,
    environment: &Environment,
    name: &ServiceName,
    id: &str,
) -> Result<u8> {
    let mark = context.mark(environment, DRIVING, vec![name.clone()])?;
    let arguments = ["rollout", "drive", name.as_str(), "--take-over"];
    let log = context.run_alone(&arguments, environment, name.as_str(), mark)?;
    crate::cli::deploy::goes_on(context, &format!("{name}{}", environment.flag()), &log);
    if context.output.is_json() {
        context
            .output
            .json(&view::StartedWire::new(name, environment, id));
    } else {
        context.output.out(id);
    }
    Ok(0)
}
