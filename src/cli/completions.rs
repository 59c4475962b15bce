//! `squad completions`: the script that teaches a shell the command line. Reads no configuration, and hands over what was
//! generated when squad was built, so that a shell that evaluates it at its start is not slowed down.

use clap::ValueEnum;

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

/// The shells that are taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// GNU Bash, with bash-completion or without
    Bash,
    /// fish
    Fish,
    /// Z shell
    Zsh,
}

/// Prints the script.
#[expect(clippy::unnecessary_wraps, reason = "the form of every command")]
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    // A test holds them to the command line.
    let script = match args.shell {
        Shell::Bash => include_str!("../../completions/squad.bash"),
        Shell::Fish => include_str!("../../completions/squad.fish"),
        Shell::Zsh => include_str!("../../completions/_squad"),
    };
    context.output.raw(script.as_bytes());
    Ok(0)
}
