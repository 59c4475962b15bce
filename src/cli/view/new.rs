//! What `squad new` prints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::context::Context;
use super::number::counted;
use crate::error::shell;
use crate::ops::scaffold::{History, Options, Outcome};
use crate::output::{Style, sanitize};
use crate::template::Answer;

/// `squad.new/v1`.
#[derive(Debug, Serialize)]
struct New<'a> {
    schema: &'static str,
    /// As it was given.
    directory: &'a str,
    /// The service's name.
    name: String,
    /// With its catalog.
    template: String,
    template_version: &'a str,
    /// git's id of what the template rendered.
    tree: &'a str,
    files: usize,
    /// The first commit; absent when none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    /// The work tree that the service is part of; absent when it has one of its own, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    work_tree: Option<String>,
    answers: BTreeMap<&'a str, serde_json::Value>,
    next: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// The heading of an answer: `max_size` is `Max size`.
pub(crate) fn title(id: &str) -> String {
    let mut characters = id.chars();
    let first = characters.next().map(char::to_uppercase);
    first
        .into_iter()
        .flatten()
        .chain(characters)
        .map(|character| if character == '_' { ' ' } else { character })
        .collect()
}

/// One settled answer, with a note.
pub(crate) fn line(context: &Context, title: &str, value: &str, note: &str) {
    let output = &context.output;
    let (value, note) = (sanitize(value), sanitize(note));
    let line = if note.is_empty() {
        format!("{title:<16} {value}")
    } else {
        let note = output.paint(Style::Dim, &note);
        let width = value.chars().count().max(11) + 2;
        format!("{title:<16} {value:<width$} {note}")
    };
    output.status(&line);
}

/// The result.
pub(crate) fn done(context: &Context, options: &Options<'_>, outcome: &Outcome) {
    let output = &context.output;
    if output.is_json() {
        output.json(&wire(options, outcome));
        return;
    }
    for stage in &outcome.removed {
        let name = stage.file_name().unwrap_or_default().to_string_lossy();
        output.status(&format!(
            "removed {name}, which a killed `squad new` had left behind"
        ));
    }
    let directory = &options.target.shown;
    let manifest = &options.template.manifest;
    let template = format!("template {} {}", options.template.id(), manifest.version);
    let history = match &outcome.history {
        History::Own(commit) => format!("first commit {}, ", commit.get(..7).unwrap_or(commit)),
        History::Within(_) | History::None => String::new(),
    };
    output.status(&format!(
        "{} {} in {}/, {history}{template}",
        output.paint(Style::Done, output.tick()),
        counted(outcome.files as u64, "file"),
        directory.trim_end_matches('/'),
    ));
    if let History::Within(root) = &outcome.history {
        output.status(&format!(
            "no repository was made: {} is one already; commit the new files there",
            root.display()
        ));
    }
    for warning in &outcome.warnings {
        output.warn(warning);
    }
    output.status(&format!("next: cd {}", shell::quoted(directory)));
    for step in &outcome.next {
        output.status(&format!("      {}", sanitize(step)));
    }
    output.out(directory);
}

fn wire<'a>(options: &'a Options<'_>, outcome: &'a Outcome) -> New<'a> {
    let answers = &options.answers;
    New {
        schema: "squad.new/v1",
        directory: &options.target.shown,
        name: answers.get("name").map(Answer::shown).unwrap_or_default(),
        template: options.template.id(),
        template_version: &options.template.manifest.version,
        tree: &outcome.tree,
        files: outcome.files,
        commit: match &outcome.history {
            History::Own(commit) => Some(commit),
            History::Within(_) | History::None => None,
        },
        work_tree: match &outcome.history {
            History::Within(root) => Some(root.display().to_string()),
            History::Own(_) | History::None => None,
        },
        answers: answers
            .iter()
            .map(|(id, answer)| (id.as_str(), super::template::json(answer)))
            .collect(),
        next: &outcome.next,
        warnings: &outcome.warnings,
    }
}
