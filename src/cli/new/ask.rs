//! Asks a person, on standard error, one question after another. Called on a terminal only.

use dialoguer::console::{measure_text_width, truncate_str};

use super::super::context::Context;
use super::super::prompt;
use crate::cli::view::new::title;
use crate::error::{Error, Result};
use crate::template::{Answer, Question, QuestionKind, Template};

/// Columns that a menu needs beside the text of an item: `> ` and the cursor; beside its prompt: `:` and the cursor.
const POINTER: usize = 3;

/// Columns that stay free behind a question for what is typed: a name, and the signs around its default.
const ROOM_TO_TYPE: usize = 24;

/// Which template.
pub(super) fn template(context: &Context, templates: &[Template]) -> Result<usize> {
    let width = templates
        .iter()
        .map(|template| template.manifest.name.len())
        .max()
        .unwrap_or(0);
    let items: Vec<String> = templates
        .iter()
        .map(|template| {
            let manifest = &template.manifest;
            format!("{:width$}   {}", manifest.name, manifest.summary)
        })
        .collect();
    choose(context, "Template", &items, 0)
}

/// One question of a template.
pub(super) fn question(context: &Context, question: &Question) -> Result<Answer> {
    let prompt = format!("{}: {}", title(&question.id), question.label);
    let prompt = crate::output::sanitize(&prompt);
    let default = question.default.as_ref().map(Answer::shown);
    let items = match question.kind {
        QuestionKind::Choice => question.choices.clone(),
        QuestionKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
        QuestionKind::Text | QuestionKind::Integer => loop {
            let text = typed(context, &prompt, default.clone())?;
            match question.check(&text) {
                Ok(answer) => return Ok(answer),
                // A line of its own, which stays: what is drawn over would keep parts of one that the terminal wrapped.
                Err(problem) => context.output.error_line(&problem),
            }
        },
    };
    let start = default.and_then(|default| items.iter().position(|item| *item == default));
    let chosen = choose(context, &prompt, &items, start.unwrap_or(0))?;
    check(question, items.get(chosen).map_or("", String::as_str))
}

fn check(question: &Question, text: &str) -> Result<Answer> {
    question.check(text).map_err(Error::internal)
}

fn typed(context: &Context, prompt: &str, default: Option<String>) -> Result<String> {
    // What the terminal would wrap is drawn anew with each key; so a long question stands above its answer.
    let default_width = default.as_deref().map_or(0, measure_text_width);
    let prompt = above(context, prompt, default_width + ROOM_TO_TYPE);
    prompt::text(context, prompt, default)
}

/// What stands before the answer: the question, or only its title where the whole of it would not fit beside what needs
/// `room` columns; then it is said in a line above.
fn above<'a>(context: &Context, prompt: &'a str, room: usize) -> &'a str {
    match prompt.split_once(": ") {
        Some((title, _)) if measure_text_width(prompt) + room > context.output.width() => {
            context.output.error_line(prompt);
            title
        }
        _ => prompt,
    }
}

fn choose(context: &Context, prompt: &str, items: &[String], start: usize) -> Result<usize> {
    let above = above(context, prompt, POINTER);
    if !context.output.can_move() {
        return prompt::choice(context, above, items, start, false);
    }
    // A line that the terminal wraps would be left behind when the menu is drawn anew.
    let width = context.output.width();
    let mark = if context.output.unicode() {
        "…"
    } else {
        "..."
    };
    let fitted = |text| truncate_str(text, width.saturating_sub(POINTER), mark);
    let items: Vec<String> = items.iter().map(|item| fitted(item).into_owned()).collect();
    prompt::choice(context, above, &items, start, false)
}
