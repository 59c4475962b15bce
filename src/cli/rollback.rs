//! `squad rollback`.

use std::time::Duration;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::deploy::{consent, declined, pending, put_aside, under_interrupts};
use crate::cli::gone;
use crate::cli::progress::{Progress, seconds};
use crate::cli::prompt::{self, Consent};
use crate::cli::rollout::brake;
use crate::cli::time::{parse_span, relative};
use crate::cli::view::deploy as view;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::plan::Rollback;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::error::{Error, Kind, Result};
use crate::ops::Cancel;
use crate::ops::rollback::{self, Options, Outcome, Plan, Tools};
use crate::ops::served::{self, Told};
use crate::output::sanitize;
use crate::platform::Platform;

/// Put all traffic back on the last revision that served healthily
///
/// Never asks and never waits for the audit log, unless --to names another revision. The revision it leaves is
/// marked: no later rollback chooses it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollback
  $ squad rollback payments --env prod --reason \"refunds fail\"
  $ squad rollback payments --to 41")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Revision to go to
    #[arg(long, value_name = "revision", value_parser = parse_revision)]
    to: Option<u64>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: exit with 10 when something would change
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// The longest that starting the revision may take
    #[arg(long, value_name = "time", default_value = "2m", value_parser = parse_span)]
    timeout: Duration,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
}

/// The number of a revision.
pub(crate) fn parse_revision(text: &str) -> std::result::Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not the number of a revision, such as 41"))
}

/// `squad.rollback/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// `succeeded`, `unchanged` or (dry run) `planned`.
    outcome: &'static str,
    revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    /// The operation of the record that says who served before, where the platform does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    told_by: Option<String>,
    /// The settings that change, by their keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
}

/// Runs `squad rollback`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let config = context.config_of_live(args.service.is_some(), "rollback")?;
        let environment = context.environment(&config)?;
        let service = context.service_name(&config, args.service.as_ref())?;
        let platform = context.platform(&environment)?;
        let options = Options {
            flag: environment.flag(),
            service,
            to: args.to.map(RevisionNumber),
            reason: args.reason.clone(),
            timeout: args.timeout,
        };
        let (mut seen, mut told) = (None, None);
        if options.to.is_none() {
            let live = platform.observe(&options.service).await.map_err(|error| {
                Error::from(error).context(&format!("cannot roll back `{}`", options.service))
            })?;
            if let Some(state) = State::live(&live.state)
                && !args.dry_run
            {
                return abort_instead(context, &*platform, &environment, &options, &state, live)
                    .await;
            }
            if rollback::is_forgotten(&live, &options) {
                told = told_by_record(context, &environment, &options, &live).await;
            }
            seen = Some(live);
        }
        let plan = match rollback::plan(&*platform, &options, seen, told).await {
            Ok(plan) => plan,
            Err(error) => {
                return Err(gone::told(context, std::slice::from_ref(&environment), &options.service, error).await);
            }
        };
        let wire = |outcome: Option<&Outcome>| {
            wire(&environment.name.to_string(), &options, &plan, outcome)
        };
        let (from, to) = match plan.decision {
            Rollback::Already { revision } => {
                context.output.status(&format!(
                    "{} → {}: revision {revision} has all traffic already. Nothing to do.",
                    options.service, environment.name
                ));
                print(context, &wire(None));
                return Ok(0);
            }
            Rollback::Change { from, to } => (from, to),
        };
        context.output.status(&line(
            context,
            &options,
            &plan,
            from,
            to,
            environment.name.as_str(),
        ));
        if let Some(foreign) = &plan.live.foreign {
            context
                .output
                .status(&format!("  {}", sanitize(&foreign.told())));
        }
        if let Some(before) = &plan.by_record {
            context.output.status(&format!(
                "  who served before is told by the record: revision {to}, by operation {} ({})",
                before.operation,
                relative(before.at, context.now())
            ));
        }
        for difference in view::differences(&plan.differences) {
            context.output.status(&format!("  {difference}"));
        }
        for gone in plan.passed_over() {
            context.output.status(&format!(
                "  revision {gone} served later than {to}, and was deleted: it cannot be gone back to"
            ));
        }
        if args.dry_run {
            print(context, &wire(None));
            return Ok(if args.exit_code {
                Kind::Differs.exit_code()
            } else {
                0
            });
        }
        // The safe direction never asks; a revision of one's own choice may be any.
        let consent = if args.to.is_some() {
            consent(&environment)
        } else {
            Consent::None
        };
        if !prompt::confirm(context, consent, "Roll back?")? {
            return Err(declined());
        }
        let _mark = context.mark(&environment, "rollback", vec![options.service.clone()])?;
        let journal = context
            .record(&environment)
            .map_err(|error| plan.not_begun(&options, error))?;
        let work = async |cancel: Cancel| {
            let reporter = Progress::new(context, "");
            let tools = Tools {
                platform: &*platform,
                journal: &journal,
                clock: context.clock(),
                reporter: &reporter,
                cancel,
            };
            rollback::apply(&tools, &options, &plan).await
        };
        let outcome = under_interrupts(context, work).await;
        put_aside(context, &journal);
        let outcome = outcome?;
        context
            .output
            .status(&format!("  done in {}", seconds(outcome.milliseconds)));
        if environment.platform == PlatformKind::Local {
            context.output.status("on this machine only");
        }
        pending(
            context,
            outcome.pending_events,
            journal.why_pending().as_ref(),
        );
        print(context, &wire(Some(&outcome)));
        Ok(0)
    })
}

/// Who served before, by the record.
async fn told_by_record(
    context: &Context,
    environment: &Environment,
    options: &Options,
    live: &Live,
) -> Option<Told> {
    Some(match context.record(environment) {
        Ok(journal) => served::before(&journal, &options.service, live).await,
        Err(error) => Told::Nothing(format!("the record cannot be read: {}", error.message)),
    })
}

/// While a rollout is live, going back is its abort.
async fn abort_instead(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    options: &Options,
    state: &State,
    seen: Live,
) -> Result<u8> {
    context.output.status(&format!(
        "a rollout of `{}` is live ({} → {}): going back aborts it",
        options.service, state.stable, state.canary
    ));
    let reason = options.reason.as_deref();
    brake::run(
        context,
        platform,
        environment,
        &options.service,
        reason,
        Some(seen),
    )
    .await
}

/// Rolls one service back: what `squad stop` does where no rollout is live.
pub(crate) fn stop(
    context: &Context,
    service: ServiceName,
    timeout: Duration,
    reason: Option<String>,
) -> Result<u8> {
    run(
        context,
        &Args {
            service: Some(service),
            to: None,
            dry_run: false,
            exit_code: false,
            timeout,
            reason,
        },
    )
}

/// `payments → prod: revision 42 → 41 (Rui, today 14:05, Refund limit per customer)`.
fn line(
    context: &Context,
    options: &Options,
    plan: &Plan,
    from: Option<RevisionNumber>,
    to: RevisionNumber,
    environment: &str,
) -> String {
    let way = from.map_or_else(
        || format!("a split → revision {to}"),
        |from| format!("revision {from} → {to}"),
    );
    let mut line = format!("{} → {environment}: {way}", options.service);
    if let Some(revision) = plan.live.revision(to) {
        let when = relative(revision.published_at, context.now());
        line.push_str(&format!(" ({}, {when}", sanitize(&revision.actor.name)));
        if let Some(subject) = &revision.provenance.subject {
            line.push_str(&format!(", {}", sanitize(subject)));
        }
        line.push(')');
    }
    line
}

fn wire(environment: &str, options: &Options, plan: &Plan, outcome: Option<&Outcome>) -> Wire {
    let (word, revision, previous) = match (plan.decision, outcome) {
        (Rollback::Already { revision }, _) => ("unchanged", revision, Some(revision)),
        (Rollback::Change { from, to }, None) => ("planned", to, from),
        (Rollback::Change { from, to }, Some(_)) => ("succeeded", to, from),
    };
    Wire {
        schema: "squad.rollback/v1",
        service: options.service.to_string(),
        env: environment.to_owned(),
        operation: outcome.and_then(|outcome| outcome.operation.clone()),
        outcome: word,
        revision: revision.to_string(),
        previous: previous.map(|previous| previous.to_string()),
        told_by: plan.by_record.as_ref().map(|one| one.operation.clone()),
        changed: (plan.differences.iter())
            .map(|one| one.key.clone())
            .collect(),
    }
}

fn print(context: &Context, wire: &Wire) {
    if context.output.is_json() {
        context.output.json(wire);
    } else if wire.outcome != "planned" {
        context.output.out(&wire.revision);
    }
}
