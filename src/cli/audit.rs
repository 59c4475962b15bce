//! `squad audit`: the record of an environment, for people and programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::context::Context;
use crate::cli::time::{parse_limit, parse_span};
use crate::cli::view::audit as view;
use crate::domain::audit::event;
use crate::domain::audit::note::VerifierKey;
use crate::domain::audit::verdict::Verdict;
use crate::domain::environment::Environment;
use crate::domain::meant::nearest;
use crate::domain::name::ServiceName;
use crate::error::{DOCS, Error, Kind, Result};
use crate::ops::audit::{self, Journal, Query, VerifyOptions};

/// Read and verify the record of who changed what
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The verbs, in alphabetical order.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Key(Key),
    List(List),
    Show(Show),
    Verify(Verify),
}

/// Print the public half of this machine's key
///
/// With it the org's `[trusted]` says whose signatures count. The secret half never leaves this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad audit key
  $ squad audit key -o json")]
struct Key {}

/// List the events of an environment, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad audit list
  $ squad audit list --env prod --service payments --since 1h
  $ squad audit list --type deploy.finished -o json")]
struct List {
    /// Only events about this service
    #[arg(long, value_name = "service")]
    service: Option<ServiceName>,
    /// Not older than this
    #[arg(long, value_name = "time", value_parser = parse_span)]
    since: Option<Duration>,
    /// Only types that begin like this, such as `deploy` or `deploy.finished` (can be repeated)
    #[arg(long = "type", value_name = "type", value_parser = parse_type)]
    types: Vec<String>,
    /// At most so many events
    #[arg(long, value_name = "number", default_value = "30", value_parser = parse_limit)]
    limit: usize,
}

/// Reads a type of event; one that is never recorded would look like a log without such events.
fn parse_type(text: &str) -> std::result::Result<String, String> {
    let known = event::known_types();
    if known.iter().any(|one| one == text) {
        return Ok(text.to_owned());
    }
    let meant = nearest(text, known.iter().map(String::as_str));
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    let nouns = known.iter().filter(|one| !one.contains('.'));
    let nouns: Vec<_> = nouns.map(|noun| format!("`{noun}`")).collect();
    Err(format!(
        "no event has such a type{meant} (there are {}, each also with its end, such as `deploy.finished`)",
        nouns.join(", ")
    ))
}

/// Show everything about one event or one operation
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad audit show 01K8ZC3F7Q
  $ squad audit show 01K8ZC3F7QB4M9T2W6X8Y0Z1A5 --env prod -o json")]
struct Show {
    /// Id of an event or an operation, or its first letters (6 at least)
    #[arg(value_name = "id")]
    id: String,
}

/// Check that nobody changed, removed or reordered what was recorded
///
/// Exits with 0 when everything fits (also with a tail that no checkpoint outside the store covers yet) and with 3
/// for every other verdict. Where the org's file has `[trusted]`, only the keys in it count.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad audit verify
  $ squad audit verify --env prod --strict
  $ squad audit verify --env prod -o json")]
struct Verify {
    /// Also read every event and refuse what is not canonical JSON
    #[arg(long)]
    strict: bool,
}

/// Runs `squad audit`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let config = context.config_of_live(true, "audit")?;
        let trusted: Vec<VerifierKey> = config
            .org_file()
            .map(|file| file.trusted.values().cloned().collect())
            .unwrap_or_default();
        if let Command::Key(Key {}) = &args.command {
            return key(context, &trusted);
        }
        let environment = context.environment(&config)?;
        let journal = context.record(&environment)?;
        // What cannot be appended is shown as pending, and a log that takes nothing can still be looked at.
        drop(journal.flush(context.clock()).await);
        match &args.command {
            Command::Key(_) => Ok(0),
            Command::List(args) => list(context, &journal, args).await,
            Command::Show(args) => show(context, &journal, args).await,
            Command::Verify(args) => {
                verify(context, (&environment, &journal), args, &trusted).await
            }
        }
    })
}

fn key(context: &Context, trusted: &[VerifierKey]) -> Result<u8> {
    let key = audit::device_key(&context.directories()?.state, &context.actor())?;
    let is_trusted = (!trusted.is_empty()).then(|| trusted.contains(&key));
    if context.output.is_json() {
        context.output.json(&view::Key::new(&key, is_trusted));
        return Ok(0);
    }
    context.output.out(&key.to_string());
    if is_trusted != Some(true) {
        context.output.hint(&format!(
            "its signatures count for an org with this line below `[trusted]` of org.toml: {}",
            view::trusted_line(&key)
        ));
    }
    Ok(0)
}

async fn list(context: &Context, journal: &Journal, args: &List) -> Result<u8> {
    let now = context.now();
    let query = Query {
        since: args.since.and_then(|span| now.checked_sub(span).ok()),
        service: args.service.clone(),
        types: args.types.clone(),
        limit: Some(args.limit),
    };
    let events = journal.events(&query).await?;
    if context.output.is_json() {
        context
            .output
            .json(&view::Listing::new(journal.log(), &events));
    } else if events.is_empty() {
        context
            .output
            .status(&format!("no such event was recorded in {}", journal.log()));
    } else {
        let width = context.output.is_terminal().then(|| context.output.width());
        context.output.out(&view::table(&events, now, width));
    }
    Ok(0)
}

async fn show(context: &Context, journal: &Journal, args: &Show) -> Result<u8> {
    if args.id.len() < 6 {
        return Err(Error::new(
            Kind::Usage,
            "audit-id-short",
            format!("`{}` is too short for an id: 6 letters at least", args.id),
        ));
    }
    let events = journal.find(&args.id).await?;
    if events.is_empty() {
        return Err(Error::new(
            Kind::Failed,
            "audit-event-unknown",
            format!(
                "cannot show `{}`: no event or operation of {} has this id",
                args.id,
                journal.log()
            ),
        )
        .hint("list the newest ones with `squad audit list`"));
    }
    if context.output.is_json() {
        context
            .output
            .json(&view::Listing::new(journal.log(), &events));
    } else {
        context.output.out(&view::details(&events));
    }
    Ok(0)
}

async fn verify(
    context: &Context,
    (environment, journal): (&Environment, &Journal),
    args: &Verify,
    trusted: &[VerifierKey],
) -> Result<u8> {
    let bar = context.output.can_animate(&context.env).then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message("verifying");
        bar
    });
    let options = VerifyOptions {
        strict: args.strict,
        trusted,
    };
    let report = journal
        .verify(options, &|done, all| {
            if let Some(bar) = &bar {
                bar.set_length(all);
                bar.set_position(done);
            }
        })
        .await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = report?;
    if context.output.is_json() {
        context
            .output
            .json(&view::Verification::new(journal.log(), &report));
    } else {
        for line in view::report(&report, &context.output, context.now()) {
            context.output.prose(&format!("{line}\n"));
        }
    }
    let left = journal.left_open().unwrap_or_default();
    let is_left = |id: &Option<String>| id.as_ref().is_some_and(|id| left.contains(id));
    if report.open.iter().any(|one| is_left(&one.intent.operation)) {
        context.output.hint(&format!(
            "what was begun on this machine is closed, with what live state shows of it, by `squad status --all{}`",
            environment.flag()
        ));
    }
    if let Err(error) = journal.can_go_forward()
        && error.id.starts_with("audit-key-")
    {
        context.output.warn(&error.message);
        for hint in &error.hints {
            context.output.hint(hint);
        }
    }
    if report.verdict.is_good() {
        return Ok(0);
    }
    match &report.verdict {
        Verdict::Untrusted { .. } => {
            if let Some(one) = report.keys.iter().find(|one| one.trusted == Some(false)) {
                context.output.hint(&format!(
                    "if the owner of the key vouches for it, add this line below `[trusted]` of org.toml: {}",
                    view::trusted_line(&one.key)
                ));
            }
        }
        Verdict::Unverifiable { .. } => {}
        _ => context
            .output
            .hint("copy the store away before anything else writes to it"),
    }
    context
        .output
        .hint(&format!("what it means and what to do: {DOCS}/audit.md"));
    Ok(Kind::Unhealthy.exit_code())
}
