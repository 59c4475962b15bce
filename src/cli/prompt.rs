//! Questions to a person. Nothing is ever asked without a terminal: the missing flag is named instead.

use dialoguer::console::Term;

use crate::cli::context::Context;
use crate::error::{Error, Kind, Result};

/// What a plan needs before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Nothing: it is this machine, or the safe direction.
    None,
    /// A yes.
    Yes,
}

/// Asks for a yes, unless `--yes` was given or none is needed. `Ok(false)` = the person said no.
pub(crate) fn confirm(context: &Context, consent: Consent, question: &str) -> Result<bool> {
    if consent == Consent::None || context.yes {
        return Ok(true);
    }
    if !context.output.can_ask() {
        return Err(Error::new(
            Kind::Usage,
            "no-terminal",
            "cannot ask for confirmation: there is no terminal to ask on",
        )
        .hint("pass `--yes` to go on without asking, or `--dry-run` to see the plan"));
    }
    dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .show_default(true)
        .interact_on_opt(&Term::stderr())
        .map(|answer| answer.unwrap_or(false))
        .map_err(|error| asked(&error))
}

/// A question that was not answered: Ctrl-C, or the terminal went away.
pub(crate) fn asked(error: &dialoguer::Error) -> Error {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == std::io::ErrorKind::Interrupted {
        Error::new(
            Kind::Interrupted,
            "interrupted",
            "stopped at the question; nothing was changed",
        )
    } else {
        Error::new(Kind::Usage, "no-terminal", format!("cannot ask: {error}"))
    }
}
