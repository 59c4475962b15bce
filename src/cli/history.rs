//! `squad history`.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::time::parse_span;
use crate::cli::view::history as view;
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::ops::audit::Query;
use crate::ops::history;

/// Show what changed, who did it and how it ended
///
/// Read from the audit log: one service, those of the current directory, or with --all every service of the
/// environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad history
  $ squad history payments --env staging
  $ squad history --all --since 1h
  $ squad history --all -o json")]
pub(crate) struct Args {
    /// Service; those of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Every service
    #[arg(long, conflicts_with = "service")]
    all: bool,
    /// Not older than this
    #[arg(long, value_name = "time", value_parser = parse_span)]
    since: Option<Duration>,
    /// At most so many operations
    #[arg(long, value_name = "number", default_value_t = 30)]
    limit: usize,
}

/// Runs `squad history`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let is_told = args.all || args.service.is_some();
        let config = context.config_of_live(is_told, "history")?;
        let environment = context.environment(&config)?;
        let only = if args.all {
            None
        } else if let Some(service) = &args.service {
            Some(vec![service.clone()])
        } else {
            let here: Vec<_> = config
                .services()
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            (!here.is_empty()).then_some(here)
        };
        let now = context.now();
        let journal = context.record(&environment)?;
        let query = Query {
            since: args.since.and_then(|span| now.checked_sub(span).ok()),
            ..Query::default()
        };
        let events: Vec<_> = journal
            .events(&query)
            .await?
            .into_iter()
            .map(|recorded| recorded.event)
            .collect();
        let abandoned = journal.left_open().unwrap_or_default();
        let mut entries = history::entries(&events, only.as_deref(), &abandoned);
        entries.truncate(args.limit);
        if context.output.is_json() {
            context.output.json(&view::Wire::new(&entries));
        } else if entries.is_empty() {
            context
                .output
                .status(&format!("nothing was recorded in {}", environment.spoken()));
        } else {
            let width = context.output.is_terminal().then(|| context.output.width());
            context.output.out(&view::table(&entries, now, width));
        }
        Ok(0)
    })
}
