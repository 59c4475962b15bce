//! `squad rollout pause | resume | promote | rebase`.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::deploy::{consent, declined, pending};
use crate::cli::progress::Progress;
use crate::cli::prompt::{self, Consent};
use crate::domain::name::ServiceName;
use crate::domain::rollout::Command;
use crate::error::Result;
use crate::ops::rollout::command::{self, Commanded};
use crate::ops::rollout::{Tools, words};

/// What all of these take.
#[derive(Debug, clap::Args)]
struct Common {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Why; goes into the audit log
    #[arg(long, value_name = "text")]
    reason: Option<String>,
}

/// Stay at the present weights until somebody decides
///
/// The judge goes on looking: a canary that turns bad is still aborted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout pause payments --env prod --reason \"waiting for the acquirer\"")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    common: Common,
}

/// Go on after a pause
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout resume payments --env prod")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    common: Common,
}

/// Go to the next step without a verdict
///
/// With --full all traffic goes to the new revision at once. With --end-watch the watch after the promotion is over, and
/// nothing goes back by itself any more. Who did so, and why, is in the audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout promote payments --env prod --reason \"checked by hand\"
  $ squad rollout promote payments --full --reason \"hotfix\"")]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    common: Common,
    /// All traffic, at once
    #[arg(long, conflicts_with = "end_watch")]
    full: bool,
    /// End the watch after the promotion
    #[arg(long)]
    end_watch: bool,
}

/// Put the wanted traffic back after somebody else changed it
///
/// The analysis of the present step begins afresh.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout rebase payments --env prod")]
pub(crate) struct RebaseArgs {
    #[command(flatten)]
    common: Common,
}

/// `squad.rollout.command/v1`.
#[derive(Debug, Serialize)]
struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    rollout: String,
    phase: &'static str,
    changed: bool,
}

/// Runs `squad rollout pause`.
pub(crate) fn pause(context: &Context, args: &PauseArgs) -> Result<u8> {
    run(
        context,
        &args.common,
        Command::Pause,
        Consent::None,
        "Pause?",
    )
}

/// Runs `squad rollout resume`.
pub(crate) fn resume(context: &Context, args: &ResumeArgs) -> Result<u8> {
    run(
        context,
        &args.common,
        Command::Resume,
        Consent::None,
        "Resume?",
    )
}

/// Runs `squad rollout promote`.
pub(crate) fn promote(context: &Context, args: &PromoteArgs) -> Result<u8> {
    let (command, question) = if args.full {
        (
            Command::PromoteFull,
            "Send all traffic to the new revision?",
        )
    } else if args.end_watch {
        (
            Command::EndWatch,
            "End the watch? Nothing goes back by itself then.",
        )
    } else {
        (Command::Promote, "Go to the next step without a verdict?")
    };
    run(context, &args.common, command, Consent::Yes, question)
}

/// Runs `squad rollout rebase`.
pub(crate) fn rebase(context: &Context, args: &RebaseArgs) -> Result<u8> {
    run(
        context,
        &args.common,
        Command::Rebase,
        Consent::Yes,
        "Put the wanted traffic back?",
    )
}

/// The command that asks for it, without `squad`.
fn verb(command: Command) -> &'static str {
    match command {
        Command::Pause => "rollout pause",
        Command::Resume => "rollout resume",
        Command::Promote => "rollout promote",
        Command::PromoteFull => "rollout promote --full",
        Command::EndWatch => "rollout promote --end-watch",
        Command::Rebase => "rollout rebase",
        Command::Abort | Command::Supersede => "rollout abort",
    }
}

fn run(
    context: &Context,
    common: &Common,
    command: Command,
    needs: Consent,
    question: &str,
) -> Result<u8> {
    context.block_on(async {
        let (_, environment, name) = super::find(context, common.service.as_ref(), verb(command))?;
        let platform = context.platform(&environment)?;
        let needs = match needs {
            Consent::None => Consent::None,
            Consent::Yes => consent(&environment),
        };
        if !prompt::confirm(context, needs, question)? {
            return Err(declined());
        }
        let journal = context.record(&environment)?;
        let reporter = Progress::new(context, "");
        let tools = Tools {
            platform: &*platform,
            journal: &journal,
            clock: context.clock(),
            reporter: &reporter,
        };
        let Commanded { state, changed } = command::command(
            &tools,
            &name,
            &environment.flag(),
            command,
            common.reason.as_deref(),
        )
        .await?;
        drop(reporter);
        if let Some(why) = journal.why_pending() {
            pending(context, journal.pending().unwrap_or(1), Some(&why));
        }
        if context.output.is_json() {
            context.output.json(&Wire {
                schema: "squad.rollout.command/v1",
                service: name.to_string(),
                env: environment.name.to_string(),
                rollout: state.id.clone(),
                phase: state.phase.as_str(),
                changed,
            });
            return Ok(0);
        }
        let how = if changed { "now" } else { "already" };
        context.output.status(&format!(
            "{name} {} → {}: {how} {}",
            state.stable,
            state.canary,
            words::phase(state.phase)
        ));
        context.output.out(state.phase.as_str());
        Ok(0)
    })
}
