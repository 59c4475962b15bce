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
    let items: Vec<Item> = templates
        .iter()
        .map(|template| {
            let manifest = &template.manifest;
            Item {
                whole: format!("{:width$}   {}", manifest.name, manifest.summary),
                short: manifest.name.clone(),
            }
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
    let lines: Vec<Item> = items.iter().map(|item| Item::of(item)).collect();
    let chosen = choose(context, &prompt, &lines, start.unwrap_or(0))?;
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

/// One line of a menu.
struct Item {
    /// All of it.
    whole: String,
    /// What is enough to know it by.
    short: String,
}

impl Item {
    fn of(text: &str) -> Self {
        Self {
            whole: text.to_owned(),
            short: text.to_owned(),
        }
    }
}

fn choose(context: &Context, prompt: &str, items: &[Item], start: usize) -> Result<usize> {
    let whole: Vec<String> = items.iter().map(|item| item.whole.clone()).collect();
    // A line that the terminal wraps would be left behind when the menu is drawn anew: what does not fit is said above.
    let room = context.output.width().saturating_sub(POINTER);
    let fits = whole.iter().all(|item| measure_text_width(item) <= room);
    if fits || !context.output.can_move() {
        let title = above(context, prompt, POINTER);
        return prompt::choice(context, title, &whole, start, false);
    }
    context.output.error_line(&format!("{prompt}:"));
    for item in &whole {
        context.output.error_line(&format!("  {item}"));
    }
    let title = prompt.split_once(": ").map_or(prompt, |(title, _)| title);
    let mark = if context.output.unicode() {
        "…"
    } else {
        "..."
    };
    let fitted = |item: &Item| truncate_str(&item.short, room, mark).into_owned();
    let short: Vec<String> = items.iter().map(fitted).collect();
    prompt::choice(context, title, &short, start, false)
}
