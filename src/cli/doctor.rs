//! `squad doctor`.

use super::context::Context;
use super::view::doctor as view;
use crate::domain::doctor::Check;
use crate::domain::name::ServiceName;
use crate::env::Directories;
use crate::error::{Error, Result};
use crate::ops::doctor::{self, Access};

/// Find what is wrong with this machine and an environment
///
/// Looks at the programs that squad needs, at credentials and quotas, at the record, and at the services: how they are and
/// who calls them, those of the current directory, one by its name, or with --all every one. Changes and starts nothing.
/// What it could not look at it says. Exits with 3 when something is wrong, and with 7 when the credentials are of another
/// account than the environment's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad doctor
  $ squad doctor receipts --env prod
  $ squad doctor --all --env prod -o json")]
pub(crate) struct Args {
    /// Service; those of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Every service of the environment
    #[arg(long, conflicts_with = "service")]
    all: bool,
}

/// Runs `squad doctor`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        let Directories { state, cache, .. } = context.directories_of_anybody()?;
        let mut checks = doctor::machine(&state);
        let cache = doctor::cache_directory(&cache);
        let is_cache_anothers = cache.is_some();
        checks.extend(cache);
        if doctor::is_anothers(&state) {
            checks.extend(doctor::behind_the_state());
            view::print(&context.output, None, &checks);
            return Ok(doctor::exit_code(&checks));
        }
        let config = match context.config_of_live(args.all || args.service.is_some(), "doctor") {
            Err(error) if is_cache_anothers && error.id == "foreign-owner" => {
                checks.extend(doctor::behind_the_cache());
                view::print(&context.output, None, &checks);
                return Ok(doctor::exit_code(&checks));
            }
            config => config?,
        };
        let environment = context.environment(&config)?;
        let platform = context.platform(&environment)?;
        let Access {
            checks: access,
            refused,
        } = doctor::environment(&*platform, &environment).await;
        let is_reached = doctor::exit_code(&access) == 0;
        checks.extend(access);
        let pending = context.pending_events(&environment).await;
        let pending = match pending {
            Ok((0, why)) => context
                .look_at_record(&environment)
                .await
                .map(|()| (0, why)),
            pending => pending,
        };
        checks.push(doctor::record(pending, &environment));
        if is_reached && platform.is_at_rest().await? {
            checks.push(doctor::at_rest(&environment));
        } else if is_reached {
            let services = match (&args.service, args.all) {
                (Some(service), _) => vec![service.clone()],
                (None, true) => match platform.services().await {
                    Ok(services) => services,
                    Err(error) => {
                        checks.push(Check::unknown("services", Error::from(error).message));
                        Vec::new()
                    }
                },
                (None, false) => config
                    .services()
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect(),
            };
            let of = services.len();
            let on_check = |done: usize| {
                if of > 1 && (done.is_multiple_of(25) || done == of) {
                    context.output.status(&format!(
                        "{} callers of {done} of {of} services looked at",
                        context.output.going()
                    ));
                }
            };
            let health = doctor::health(&*platform, &environment, &services).await;
            let callers = doctor::services(&*platform, &environment, &services, &on_check).await;
            let found: Vec<Check> = health.into_iter().chain(callers).collect();
            if let Some(service) = args.service.as_ref().filter(|_| found.is_empty()) {
                checks.extend(doctor::presence(&*platform, &environment, service).await);
            }
            checks.extend(found);
        }
        view::print(&context.output, Some(&environment), &checks);
        Ok(refused.unwrap_or_else(|| doctor::exit_code(&checks)))
    })
}
