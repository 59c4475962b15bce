//! `squad env`: the environments of the org in use.

use clap::Subcommand;

use super::context::Context;
use super::view::env as view;
use crate::domain::name::EnvironmentName;
use crate::error::Result;

/// Look at the environments that services can be deployed to
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad env list\n  $ squad env show prod")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Show(Show),
}

/// List the environments
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad env list\n  $ squad env list --org acme -o json")]
struct List {}

/// Show one environment: platform, account, cluster, protection, audit log
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad env show prod")]
struct Show {
    /// Environment
    #[arg(value_name = "env")]
    name: EnvironmentName,
}

/// Runs `squad env …`.
pub(crate) fn run(context: &Context, args: Args) -> Result<u8> {
    let config = context.config()?;
    match args.verb {
        Verb::List(_) => {
            let default = config.default_environment();
            view::list(&context.output, &config.environments(), default.as_ref());
        }
        Verb::Show(args) => {
            let environment = config.environment(&args.name)?;
            view::Environment::of(&environment).print(&context.output);
        }
    }
    Ok(0)
}
