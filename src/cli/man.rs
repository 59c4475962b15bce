//! `squad man`: manual pages, made from the command line as clap knows it.

use super::context::Context;
use super::help;
use crate::error::{Error, Result};

/// Print a manual page in roff
///
/// Without a command it is the page of squad itself. `install.sh` installs all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad man completions
  $ squad man | man -l -")]
pub(crate) struct Args {
    /// The command whose page it is, such as `deploy`
    #[arg(value_name = "command")]
    path: Vec<String>,
}

/// Prints the page.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let mut root = super::command();
    root.build();
    let command = help::find(&root, &args.path)?;
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .source(concat!("squad ", env!("CARGO_PKG_VERSION")))
        .manual("squad manual")
        .render(&mut page)
        .map_err(Error::internal)?;
    context.output.raw(&page);
    Ok(0)
}
