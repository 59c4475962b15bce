//! `squad status`.

mod fleet;
mod watch;

pub(crate) use fleet::Age;

use std::time::Duration;

use futures_util::StreamExt;

use crate::cli::context::Context;
use crate::cli::deploy::pending;
use crate::cli::gone;
use crate::cli::time::parse_span;
use crate::cli::view::status as view;
use crate::config::Config;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::live::Health;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::ops::going_on::{self, GoingOn};
use crate::ops::rollout::snapshot::driver_of;
use crate::ops::status::{self, Looked, Row};
use crate::output::sanitize;
use crate::platform::{Look, Platform};

/// Show what is live, and how it is
///
/// One service, those of the current directory's workspace, or with --all every service of the environment.
/// Exits with 3 when something is degraded, with 1 when a service cannot be read, and with 8 when something is still
/// starting, or a command is at work on it. Ctrl-C, SIGTERM and SIGHUP end a watch with the code of what it showed last.
/// Many services on Lambda are shown as this machine found them the last time, with their age, while they are read again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad status
  $ squad status payments --env staging
  $ squad status --all -o json
  $ squad status --all --env prod --max-age 5m
  $ squad status payments --watch")]
pub(crate) struct Args {
    /// Service; those of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Every service
    #[arg(long, conflicts_with = "service")]
    all: bool,
    /// What this machine found the last time, without asking again
    #[arg(long, conflicts_with_all = ["watch", "max_age"])]
    cached: bool,
    /// Ask again only when what this machine found the last time is older
    #[arg(long, value_name = "time", conflicts_with = "watch", value_parser = parse_span)]
    max_age: Option<Duration>,
    /// Services read each second at most, 1 to 80, where the platform counts them [default: 25]
    #[arg(long, value_name = "number", value_parser = clap::value_parser!(u32).range(1..=80))]
    rate: Option<u32>,
    /// Show again whenever something changes, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// With --watch: end with 124 after this time
    #[arg(long, value_name = "time", requires = "watch", value_parser = parse_span)]
    timeout: Option<Duration>,
}

/// Runs `squad status`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let is_told = args.all || args.service.is_some();
        let config = context.config_of_live(is_told, "status")?;
        let environments = environments(context, &config)?;
        let only = only(args, &config);
        if let Some(code) = as_fleet(context, args, &environments, only.as_deref()).await? {
            late(context, &environments).await;
            return Ok(code);
        }
        let rows = rows(context, &environments, only.as_deref()).await?;
        if rows.is_empty() && !args.watch {
            nothing(context, args, &environments, only.as_deref()).await?;
        }
        if args.watch {
            late(context, &environments).await;
            return watch::watch(context, args, &environments, only.as_deref(), rows).await;
        }
        print(context, &rows);
        late(context, &environments).await;
        Ok(exit_code(&rows))
    })
}

/// Where each read counts, many services are shown from the last look first. None where that is not so.
async fn as_fleet(
    context: &Context,
    args: &Args,
    environments: &[Environment],
    only: Option<&[ServiceName]>,
) -> Result<Option<u8>> {
    let [environment] = environments else {
        return Ok(None);
    };
    let platform = context.platform(environment)?;
    let Some(name) = platform.remembered_as() else {
        return Ok(None);
    };
    // A single service is read whole, unless what was kept is asked for.
    let is_kept_asked = args.cached || args.max_age.is_some();
    if !is_kept_asked && only.is_some_and(|only| only.len() == 1) {
        return Ok(None);
    }
    let fleet = fleet::Fleet {
        context,
        platform: &*platform,
        environment,
        only,
        name: format!("{}-{name}", environment.log_name()),
    };
    fleet.run(args).await.map(Some)
}

/// Closes what was left open on this machine, and says what of the record waits there.
async fn late(context: &Context, environments: &[Environment]) {
    for environment in environments {
        if let Err(error) = context.close_left(environment).await {
            context
                .output
                .warn(&format!("the record is not up to date: {}", error.message));
            continue;
        }
        match context.pending_events(environment).await {
            Ok((events, why)) => pending(context, events, why.as_ref()),
            Err(error) => context
                .output
                .warn(&format!("the record is not up to date: {}", error.message)),
        }
    }
}

/// The one asked for, or all that this version can reach.
fn environments(context: &Context, config: &Config) -> Result<Vec<Environment>> {
    if context.environment.is_some() || config.default_environment().is_some() {
        return Ok(vec![context.environment(config)?]);
    }
    let mut all = config.environments();
    all.retain(|environment| environment.platform == PlatformKind::Local);
    Ok(all)
}

fn only(args: &Args, config: &Config) -> Option<Vec<ServiceName>> {
    if args.all {
        return None;
    }
    if let Some(service) = &args.service {
        return Some(vec![service.clone()]);
    }
    let here: Vec<_> = config
        .services()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    (!here.is_empty()).then_some(here)
}

async fn rows(
    context: &Context,
    environments: &[Environment],
    only: Option<&[ServiceName]>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for environment in environments {
        let platform = context.platform(environment)?;
        let going_on = going_on::list(&context.directories()?.state, environment);
        let look = Look {
            only,
            // The table has no row for what takes no traffic.
            only_serving: !context.output.is_json(),
            ..Look::default()
        };
        let Looked { seen, .. } = status::look(&*platform, &look, &|_, _| {}).await?;
        let mut seen = status::rows(seen, environment, only, &going_on);
        add_drivers(context, &*platform, &mut seen, &going_on).await;
        rows.extend(seen);
    }
    rows.sort_by(|a, b| (&a.service, &a.environment.name).cmp(&(&b.service, &b.environment.name)));
    Ok(rows)
}

/// Rollouts whose logs are read beside each other.
const LOGS_AT_ONCE: usize = 8;

/// Adds who drives each rollout that is live. It is in the environment's store, which has no quota to share; where none is
/// live nothing is read. What cannot be told is not said; the rollout's own status says why.
async fn add_drivers(
    context: &Context,
    platform: &dyn Platform,
    rows: &mut [Row],
    going_on: &[GoingOn],
) {
    let (host, now) = (crate::cli::rollout::host(), context.now());
    let looks = rows.iter_mut().map(|row| async {
        let driver = driver_of(platform, &row.live, &row.service, going_on, &host, now);
        row.driver = driver.await.ok().flatten();
    });
    let looks = futures_util::stream::iter(looks).buffer_unordered(LOGS_AT_ONCE);
    looks.collect::<()>().await;
}

async fn nothing(
    context: &Context,
    args: &Args,
    environments: &[Environment],
    only: Option<&[ServiceName]>,
) -> Result<()> {
    let names: Vec<_> = environments.iter().map(|one| one.name.as_str()).collect();
    let place = names.join(", ");
    if let Some(service) = &args.service {
        let flag = match environments {
            [one] => one.flag(),
            _ => String::new(),
        };
        let error = Error::new(
            Kind::Failed,
            "never-deployed",
            format!("`{service}` is not deployed to {place}"),
        )
        .hint(format!(
            "`squad status --all{flag}` shows what is there, `squad deploy {service}{flag}` deploys it"
        ));
        return Err(gone::told(context, environments, service, error).await);
    }
    // Looking in the wrong account or region is how everything is missing at once.
    let places: Vec<_> = environments.iter().filter_map(at_aws).collect();
    let at = if places.is_empty() {
        String::new()
    } else {
        format!(" ({})", places.join("; "))
    };
    // Others may be there: what is said is about what was looked for.
    context.output.status(&match only {
        None => format!("nothing was deployed to {place}{at} yet"),
        Some([one]) => format!("`{one}` was not deployed to {place}{at} yet"),
        Some(_) => format!("none of the services here was deployed to {place}{at} yet"),
    });
    Ok(())
}

/// `account 123456789012, eu-west-1`; none for an environment that does not lie at AWS.
fn at_aws(environment: &Environment) -> Option<String> {
    let parts: Vec<_> = [
        environment
            .account
            .as_ref()
            .map(|account| format!("account {account}")),
        environment.region.clone(),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn print(context: &Context, rows: &[Row]) {
    if context.output.is_json() {
        context.output.json(&view::Wire::new(rows));
    } else if !rows.is_empty() {
        let width = context.output.is_terminal().then(|| context.output.width());
        context.output.out(&view::table(rows, context.now(), width));
    }
    for text in unknown(rows) {
        context.output.warn(&text);
    }
    // The first is enough to go on with: each row says for itself what is wrong with it.
    if let Some(next) = rows.iter().find_map(Row::next) {
        context
            .output
            .hint(&format!("what it wrote before it failed: `{next}`"));
    }
}

/// What could not be told of services whose row is there, once for all of which it is the same.
fn unknown(rows: &[Row]) -> Vec<String> {
    let mut services: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        let Some(unknown) = row.unknown.as_deref() else {
            continue;
        };
        match services.iter_mut().find(|(text, _)| *text == unknown) {
            Some((_, rows)) => rows.push(row),
            None => services.push((unknown, vec![row])),
        }
    }
    services
        .into_iter()
        .map(|(text, rows)| {
            let who = match rows.as_slice() {
                [row] => row.service.to_string(),
                rows => format!("{} services", rows.len()),
            };
            format!("{who}: {}", sanitize(text))
        })
        .collect()
}

fn exit_code(rows: &[Row]) -> u8 {
    let mut code = 0;
    for row in rows {
        if row.unreadable.is_some() {
            code = Kind::Failed.exit_code();
            continue;
        }
        if row.going_on.is_some() {
            code = pending_or(code);
        }
        match row.health() {
            Health::Failed | Health::Degraded => return Kind::Unhealthy.exit_code(),
            Health::Starting => code = pending_or(code),
            Health::Ok | Health::Stopped => {}
        }
    }
    code
}

/// Not finished, unless something could not even be read.
fn pending_or(code: u8) -> u8 {
    if code == 0 {
        Kind::Pending.exit_code()
    } else {
        code
    }
}
