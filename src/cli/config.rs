//! `squad config`: the effective values, where they come from, and whether the files are right.

use clap::Subcommand;

use super::context::Context;
use super::view::config as view;
use crate::config::{self, Origin, Setting};
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::output::Style;

/// Look at the effective configuration and check its files
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad config show --env prod --origin\n  $ squad config check"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(Check),
    Show(Show),
}

/// Check all files of the configuration and report every mistake
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad config check\n  $ squad config check --org ../acme-org"
)]
struct Check {}

/// Show every effective value of a service
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad config show\n  $ squad config show payments --env prod --origin"
)]
struct Show {
    /// Service [default: the one of the current directory]
    service: Option<ServiceName>,
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
}

/// Runs `squad config …`.
pub(crate) fn run(context: &Context, args: Args) -> Result<u8> {
    match args.verb {
        Verb::Check(_) => check(context),
        Verb::Show(args) => show(context, &args),
    }
}

fn check(context: &Context) -> Result<u8> {
    let config::Checked { files, warnings } = context.check_config()?;
    for warning in &warnings {
        context.output.warn(warning);
    }
    let output = &context.output;
    if files.is_empty() {
        output.status("nothing to check: there is no squad.toml and no org.toml here or above");
    } else {
        let files = files.len();
        output.status(&format!(
            "{} {files} {} without mistakes",
            output.paint(Style::Done, output.tick()),
            if files == 1 { "file" } else { "files" }
        ));
    }
    view::checked(output, &files);
    Ok(0)
}

fn show(context: &Context, args: &Show) -> Result<u8> {
    let config = context.config()?;
    let chosen = match context.environment_flag()? {
        Some(name) => Some((name, Origin::Flag("--env"))),
        None => config.default_environment_and_origin(),
    };
    let mut settings = Vec::new();
    if let Some(org) = config.org() {
        settings.push(Setting {
            key: "org".to_owned(),
            shown: format!("\"{org}\""),
            json: org.as_str().into(),
            origin: config.org_origin().unwrap_or(Origin::BuiltIn),
        });
    }
    if let Some((name, origin)) = &chosen {
        config.environment(name)?;
        settings.push(Setting {
            key: "env".to_owned(),
            shown: format!("\"{name}\""),
            json: name.as_str().into(),
            origin: origin.clone(),
        });
        settings.extend(
            config
                .environment_settings(name)
                .into_iter()
                .map(|setting| Setting {
                    key: format!("env.{}", setting.key),
                    ..setting
                }),
        );
    } else {
        context.output.status(
            "no environment is chosen, so the overrides of `[env.…]` are left out; choose one with `--env ENV`",
        );
    }
    let environment = chosen.as_ref().map(|(name, _)| name);
    match config.settings(args.service.as_ref(), environment) {
        Ok(more) => settings.extend(more),
        // Without a service, what is known of the org and the environment is still an answer.
        Err(config::Error::NoService(_)) if args.service.is_none() && !settings.is_empty() => {
            context
                .output
                .status("there is no squad.toml here or above, so no service is shown");
        }
        Err(error) => return Err(error.into()),
    }
    view::show(&context.output, &settings, args.origin);
    Ok(0)
}
