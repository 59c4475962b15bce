//! Questions to a person. Nothing is ever asked without a terminal: the missing flag is named instead.

mod lines;

use dialoguer::console::{Term, measure_text_width};

use crate::cli::context::Context;
use crate::cli::interrupt::Question;
use crate::error::{Error, Kind, Result};

/// Columns for what is typed behind a question that wants a yes: a space, a word and the cursor.
const ANSWER: usize = 5;

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
    // What the terminal would wrap is drawn anew with each key; so a long question stands above its answer.
    let whole = format!("{question} [y/N]");
    let fits = measure_text_width(&whole) + ANSWER <= context.output.width();
    let question = if fits {
        whole
    } else {
        context.output.error_line(question);
        "[y/N]".to_owned()
    };
    loop {
        let typed = if context.output.can_move() {
            answered(|term| {
                dialoguer::Input::<String>::with_theme(&Bare)
                    .with_prompt(&question)
                    .allow_empty(true)
                    .interact_text_on(term)
            })?
        } else {
            lines::typed(&question)?
        };
        // A whole word and Enter: nothing that was typed or pasted before counts as a yes.
        match typed.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => context.output.error_line("`y` or `n`, then Enter"),
        }
    }
}

/// A question that ends as its text does, without a colon.
struct Bare;

impl dialoguer::theme::Theme for Bare {
    fn format_input_prompt(
        &self,
        f: &mut dyn std::fmt::Write,
        prompt: &str,
        _default: Option<&str>,
    ) -> std::fmt::Result {
        write!(f, "{prompt} ")
    }

    fn format_input_prompt_selection(
        &self,
        f: &mut dyn std::fmt::Write,
        prompt: &str,
        selection: &str,
    ) -> std::fmt::Result {
        write!(f, "{prompt} {selection}")
    }
}

/// A text; an empty one is `default`, where there is one.
pub(crate) fn text(context: &Context, prompt: &str, default: Option<String>) -> Result<String> {
    if !context.output.can_move() {
        let Some(default) = default else {
            return lines::typed(&format!("{prompt}:"));
        };
        let typed = lines::typed(&format!("{prompt} [{default}]:"))?;
        return Ok(if typed.is_empty() { default } else { typed });
    }
    let mut input = dialoguer::Input::<String>::new()
        .with_prompt(prompt)
        .report(false)
        .allow_empty(true);
    if let Some(default) = default {
        input = input.default(default);
    }
    answered(|term| input.interact_text_on(term))
}

/// One of these, by its place; the choice begins at `start`. Whether the answer is said once more is `report`.
pub(crate) fn choice(
    context: &Context,
    prompt: &str,
    items: &[String],
    start: usize,
    report: bool,
) -> Result<usize> {
    if !context.output.can_move() {
        return lines::chosen(&context.output, prompt, items, start);
    }
    let select = dialoguer::Select::new()
        .with_prompt(prompt)
        .items(items)
        .default(start)
        .report(report);
    answered(|term| select.interact_on(term))
}

/// Asks, so that Ctrl-C ends the question and not the process: the terminal is left as it was found.
fn answered<T>(ask: impl FnOnce(&Term) -> dialoguer::Result<T>) -> Result<T> {
    // Reading the key says it too.
    let question = Question::begin();
    let term = Term::stderr();
    ask(&term).map_err(|error| {
        question.answered();
        drop(term.show_cursor());
        drop(term.write_line(""));
        asked(&error)
    })
}

/// A question that was not answered: Ctrl-C, or the terminal went away.
fn asked(error: &dialoguer::Error) -> Error {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == std::io::ErrorKind::Interrupted {
        crate::cli::interrupt::at_question()
    } else {
        Error::new(Kind::Usage, "no-terminal", format!("cannot ask: {error}"))
    }
}
