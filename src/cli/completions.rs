//! `squad completions`: the script that teaches a shell the command line. Reads no configuration, so that a
//! shell that evaluates it at its start is not slowed down.

use clap_complete::Shell;

use super::context::Context;
use crate::error::Result;

/// Print the completion script for a shell
///
/// `install.sh` puts it where the shell finds it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad completions bash
  $ squad completions zsh
  $ squad completions fish")]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
#[expect(clippy::unnecessary_wraps, reason = "the form of every command")]
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "squad", &mut script);
    context.output.raw(&script);
    Ok(0)
}
