//! `squad whoami`: who the environment's credentials are, and what they may do.

use super::context::Context;
use super::view::whoami as view;
use crate::clients::store::Objects;
use crate::error::Result;
use crate::ops::whoami::{self, Subject};
use crate::platform::lambda::Target;

/// Show who you are in an environment, and what you may do there
///
/// Identity, account, role, profile and region at AWS, whether the account is the one that org.toml pins, and which of
/// squad's calls are not allowed and what needs them, for the function of the squad.toml at hand; with -v, all of them.
/// Nothing is changed: what is asked for cannot come true. Without a squad.toml a function is asked for that does not exist,
/// and a policy that names functions says no. Ends with exit code 7 when the account is another one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad whoami
  $ squad whoami --env prod
  $ squad whoami --env prod -o json")]
pub(crate) struct Args {}

/// Runs `squad whoami`.
pub(crate) fn run(context: &Context, _args: &Args) -> Result<u8> {
    // The file of a service only says which function to ask for: a mistake in it does not matter.
    let config = context
        .config()
        .or_else(|_| context.config_of_live(true, "whoami"))?;
    let environment = context.environment(&config)?;
    let service = context.service_name(&config, None).ok();
    let subject = service
        .and_then(|name| config.service(Some(&name), &environment.name).ok())
        .and_then(|located| {
            Some(Subject {
                function: Target::of(&located.service)?,
                image: located.service.build.artifact.parse().ok(),
            })
        });
    let actor = context.actor();
    let Some(session) = context.session(&environment)? else {
        view::on_this_machine(&context.output, &environment, &actor);
        return Ok(0);
    };
    context.block_on(async {
        let state = context.directories()?.state;
        let objects = Objects::open(&environment, &state, Some(&session))?;
        let mut found = whoami::identify(&session, subject).await?;
        if found.is_pinned() {
            view::asks(&context.output);
            whoami::ask(&session, Some(&objects), &mut found, context.clock()).await;
        }
        view::print(&context.output, &environment, &actor, &found);
        match whoami::refusal(&session).await {
            Some(error) => Err(error),
            None => Ok(0),
        }
    })
}
