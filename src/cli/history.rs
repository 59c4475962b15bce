//! `squad history`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::time::parse_span;
use crate::cli::view::history as view;
use crate::config::{Config, nearest};
use crate::domain::audit::event::Event;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{Journal, Query};
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
        let journal = context.journal(&environment)?;
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
        if let Some(service) = &args.service {
            let is_recorded =
                |event: &Event| event.change().is_some_and(|one| one.service == *service);
            if !events.iter().any(is_recorded) {
                known(context, &config, &environment, &journal, service).await?;
            }
        }
        let abandoned = journal
            .abandoned()
            .await
            .unwrap_or_default()
            .iter()
            .map(|one| one.id().to_owned())
            .collect();
        let mut entries = history::entries(&events, only.as_deref(), &abandoned);
        entries.truncate(args.limit);
        if context.output.is_json() {
            context.output.json(&view::Wire::new(&entries));
        } else if entries.is_empty() {
            let of = args.service.as_ref();
            context.output.status(&format!(
                "nothing was recorded{} in {}{}",
                of.map_or_else(String::new, |service| format!(" of `{service}`")),
                environment.spoken(),
                if args.since.is_some() {
                    " in that time"
                } else {
                    ""
                },
            ));
        } else {
            let width = context.output.is_terminal().then(|| context.output.width());
            context.output.out(&view::table(&entries, now, width));
        }
        Ok(0)
    })
}

/// An error for a service of which neither the record nor this machine knows anything: it names the nearest one.
async fn known(
    context: &Context,
    config: &Config,
    environment: &Environment,
    journal: &Journal,
    service: &ServiceName,
) -> Result<()> {
    // Before the time that was asked for as well.
    let mut names: BTreeSet<_> = journal
        .events(&Query::default())
        .await?
        .into_iter()
        .filter_map(|recorded| Some(recorded.event.change()?.service))
        .collect();
    names.extend(config.services().into_iter().map(|(name, _)| name));
    if names.contains(service) || context.is_registered(config, service)? {
        return Ok(());
    }
    let flag = environment.flag();
    let meant = nearest(service.as_str(), names.iter().map(ServiceName::as_str));
    Err(Error::new(
        Kind::Failed,
        "never-deployed",
        format!(
            "cannot show the history of `{service}`: nothing of it was ever recorded in {}",
            environment.spoken()
        ),
    )
    .hint(match meant {
        Some(meant) => format!("did you mean `{meant}`? `squad history {meant}{flag}`"),
        None => format!("what was recorded of all services: `squad history --all{flag}`"),
    }))
}
