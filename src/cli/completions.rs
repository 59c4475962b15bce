//! `squad completions`: the script that teaches a shell the command line. Reads no configuration, so that a
//! shell that evaluates it at its start is not slowed down.

use clap::Command;
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
    let mut command = without_hidden(super::command());
    clap_complete::generate(args.shell, &mut command, "squad", &mut script);
    context.output.raw(&script);
    Ok(0)
}

/// The command line without the commands that squad starts itself, which some of the generators offer although
/// they are hidden. clap cannot take a command away from its noun, so such a noun is made again.
fn without_hidden(command: Command) -> Command {
    command.mut_subcommands(|noun| {
        if !noun.get_subcommands().any(Command::is_hide_set) {
            return noun;
        }
        let verbs = noun.get_subcommands().filter(|verb| !verb.is_hide_set());
        Command::new(noun.get_name().to_owned())
            .about(noun.get_about().cloned().unwrap_or_default())
            .args(noun.get_arguments().cloned())
            .subcommands(verbs.cloned().collect::<Vec<_>>())
    })
}
