//! `squad history`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::cli::context::Context;
use crate::cli::gone;
use crate::cli::time::{parse_limit, parse_span};
use crate::cli::view::history as view;
use crate::config::Config;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::{Kind, Result};
use crate::ops::audit::Query;
use crate::ops::history::{self, Entry};

/// Show what changed, who did it and how it ended
///
/// Read from the audit log: one service, those of the current directory, or with --all every service; in every
/// environment where none is named.
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
    #[arg(long, value_name = "number", default_value = "30", value_parser = parse_limit)]
    limit: usize,
}

/// Runs `squad history`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let is_told = args.all || args.service.is_some();
        let config = context.config_of_live(is_told, "history")?;
        let environments = environments(context, &config)?;
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
        let query = Query {
            since: args.since.and_then(|span| now.checked_sub(span).ok()),
            ..Query::default()
        };
        let logs = environments
            .iter()
            .map(|environment| of(context, environment, &query, only.as_deref()));
        let (mut read, mut code) = (Vec::new(), 0);
        for (environment, entries) in environments.iter().zip(join_all(logs).await) {
            match entries {
                Ok(entries) => read.push(entries),
                Err(error) if environments.len() == 1 => return Err(error),
                // What can be read is shown, and what cannot must not read as nothing.
                Err(error) => {
                    context.output.warn(&format!(
                        "cannot read the record of `{}`: {}",
                        environment.name, error.message
                    ));
                    code = Kind::Failed.exit_code();
                }
            }
        }
        let mut entries = merged(read);
        if let Some(service) = args
            .service
            .as_ref()
            .filter(|_| entries.is_empty() && code == 0)
        {
            known(context, &environments, service).await?;
        }
        entries.truncate(args.limit);
        if context.output.is_json() {
            context.output.json(&view::Wire::new(&entries));
        } else if entries.is_empty() {
            let of = match only.as_deref() {
                None => String::new(),
                Some([one]) => format!(" of `{one}`"),
                Some(_) => " of the services here".to_owned(),
            };
            context.output.status(&format!(
                "nothing was recorded{of} in {}{}",
                spoken(&environments),
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
        Ok(code)
    })
}

/// The one that was named or is the default, else all: to look changes nothing.
fn environments(context: &Context, config: &Config) -> Result<Vec<Environment>> {
    let all = config.environments();
    let is_named = context.environment.is_some() || config.default_environment().is_some();
    if is_named || all.len() < 2 {
        return Ok(vec![context.environment(config)?]);
    }
    Ok(all)
}

/// What one log has, in its order.
async fn of(
    context: &Context,
    environment: &Environment,
    query: &Query,
    only: Option<&[ServiceName]>,
) -> Result<Vec<Entry>> {
    let journal = context.record(environment)?;
    let events: Vec<_> = journal
        .events(query)
        .await?
        .into_iter()
        .map(|recorded| recorded.event)
        .collect();
    let abandoned = journal.left_open().unwrap_or_default();
    Ok(history::entries(&events, only, &abandoned))
}

/// Several logs as one, newest first; each keeps its own order, which no clock can change.
fn merged(logs: Vec<Vec<Entry>>) -> Vec<Entry> {
    let mut logs: Vec<_> = logs
        .into_iter()
        .map(|entries| entries.into_iter().peekable())
        .collect();
    let mut all = Vec::new();
    loop {
        let newest = logs
            .iter_mut()
            .filter_map(|log| log.peek().map(|entry| entry.at))
            .max();
        let Some(newest) = newest else {
            return all;
        };
        for log in &mut logs {
            all.extend(log.next_if(|entry| entry.at == newest));
        }
    }
}

fn spoken(environments: &[Environment]) -> String {
    let places: Vec<_> = environments.iter().map(Environment::spoken).collect();
    places.join(", ")
}

/// An error for a service of which neither the records nor the files know anything: it names the nearest one.
async fn known(
    context: &Context,
    environments: &[Environment],
    service: &ServiceName,
) -> Result<()> {
    let Some(unknown) = environments
        .first()
        .and_then(|first| context.without_sources(service, first))
    else {
        return Ok(());
    };
    let mut names = BTreeSet::new();
    for environment in environments {
        // Before the time that was asked for as well.
        let events = context
            .record(environment)?
            .events(&Query::default())
            .await?;
        let changes = events
            .into_iter()
            .filter_map(|recorded| recorded.event.change());
        names.extend(changes.map(|change| change.service));
    }
    if names.contains(service) {
        return Ok(());
    }
    let flag = match environments {
        [one] => one.flag(),
        _ => String::new(),
    };
    let names: Vec<_> = names.into_iter().collect();
    Err(gone::nowhere(unknown, environments, &names).hint(format!(
        "what was recorded of all services: `squad history --all{flag}`"
    )))
}
