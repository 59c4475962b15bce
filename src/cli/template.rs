//! `squad template`: the golden paths, and checks for people who write their own.

use clap::Subcommand;

use super::context::Context;
use super::view::template as view;
use crate::error::Result;
use crate::template::{Error, Template, lint};

/// Show and check the templates that `squad new` makes services from
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad template list\n  $ squad template lint ./our-template"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Lint(Lint),
    List(List),
    Show(Show),
}

/// Check a template: its manifest, variables, questions, paths and test renders
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad template lint ./our-template")]
struct Lint {
    /// Directory that holds a template.toml, or the name of a built-in template
    template: String,
}

/// List the built-in templates
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ squad template list\n  $ squad template list -o json")]
struct List {}

/// Show the questions and the files of a template
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ squad template show python-http\n  $ squad template show ./our-template"
)]
struct Show {
    /// Name or directory
    template: String,
}

/// Runs `squad template …`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    match &args.verb {
        Verb::Lint(args) => check(context, &args.template),
        Verb::List(_) => {
            view::list(context, &Template::builtin()?);
            Ok(0)
        }
        Verb::Show(args) => {
            view::show(context, &Template::open(&args.template)?);
            Ok(0)
        }
    }
}

fn check(context: &Context, name: &str) -> Result<u8> {
    let template = open_directory_or_name(name)?;
    let report = lint::lint(&template);
    if report.mistakes.is_empty() {
        view::good(context, &template, &report);
        return Ok(0);
    }
    Err(Error::Mistakes {
        template: name.to_owned(),
        mistakes: report.mistakes,
    }
    .into())
}

/// `lint` is mostly for directories, so that a bare name may be one when no template is called so.
fn open_directory_or_name(name: &str) -> Result<Template, Error> {
    match Template::open(name) {
        Err(Error::Unknown {
            is_directory: true, ..
        }) => Template::open(&format!("./{name}")),
        result => result,
    }
}
