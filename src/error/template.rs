//! The words for errors of templates and of the answers to their questions.

use super::{Error, Kind};
use crate::template::{self, Mistake, Problem};

impl From<template::Error> for Error {
    fn from(error: template::Error) -> Self {
        match error {
            template::Error::Unknown {
                name,
                known,
                nearest,
                is_directory,
            } => unknown(&name, &known, nearest.as_deref(), is_directory),
            template::Error::NotATemplate(directory) => Self::new(
                Kind::Usage,
                "template-unknown",
                format!(
                    "cannot use `{}` as a template: it holds no template.toml",
                    directory.display()
                ),
            )
            .hint("see the templates that there are with `squad template list`"),
            template::Error::Mistakes { template, mistakes } => Self::new(
                Kind::Config,
                "template-invalid",
                format!("the template `{template}` has {}", counted(&mistakes)),
            )
            .details(&mistakes),
            template::Error::AnswersFile { path, mistakes } => Self::new(
                Kind::Usage,
                "answers-file",
                format!(
                    "cannot read answers: `{}` has {}",
                    path.display(),
                    counted(&mistakes)
                ),
            )
            .details(&mistakes),
            template::Error::File(error) => error.into(),
        }
    }
}

impl Error {
    fn details(mut self, mistakes: &[Mistake]) -> Self {
        self.details
            .extend(mistakes.iter().map(ToString::to_string));
        self
    }
}

fn counted(mistakes: &[Mistake]) -> String {
    match mistakes.len() {
        1 => "1 mistake".to_owned(),
        number => format!("{number} mistakes"),
    }
}

fn unknown(name: &str, known: &[String], nearest: Option<&str>, is_directory: bool) -> Error {
    let meant = nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean `{nearest}`?")
    });
    let error = Error::new(
        Kind::Usage,
        "template-unknown",
        format!("there is no template `{name}`{meant}"),
    );
    let error = match nearest {
        None => {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            error.cause(format!("there is {}", template::answers::listed(&known)))
        }
        Some(_) => error,
    };
    if is_directory {
        error.hint(format!("to use the directory, write `./{name}`"))
    } else {
        error.hint("see what each one makes with `squad template list`")
    }
}

/// Every problem with the answers, after what was given and answers nothing, each with why. `command` is the command line
/// that was given, put right, if that is possible.
pub(crate) fn answers(
    asked: &str,
    command: Option<&String>,
    strays: &[(&str, &str)],
    problems: &[Problem],
) -> Error {
    let missing = problems
        .iter()
        .filter(|problem| matches!(problem, Problem::Missing { .. }))
        .count();
    let wrong = strays.len() + problems.len() - missing;
    let number = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 answer is {one}")),
        count => Some(format!("{count} answers are {many}")),
    };
    let counts: Vec<String> = [
        number(missing, "missing", "missing"),
        number(wrong, "wrong", "wrong"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let message = format!("{asked}: {}", counts.join(" and "));
    let mut error = if missing > 0 {
        Error::new(Kind::Usage, "answers-missing", message)
    } else {
        Error::new(Kind::Usage, "answers-wrong", message)
    };
    let strays = strays.iter().map(|(text, why)| (*text, (*why).to_owned()));
    let problems = problems
        .iter()
        .map(|problem| (head(problem), body(problem)));
    let lines: Vec<(&str, String)> = strays.chain(problems).collect();
    let width = lines.iter().map(|(head, _)| head.chars().count());
    let width = width.max().unwrap_or(0);
    for (head, body) in lines {
        error = error.detail(format!("{head:width$}  {body}"));
    }
    if let Some(command) = command {
        error = error.hint(format!("`{command}`"));
    }
    error
}

fn head(problem: &Problem) -> &str {
    match problem {
        Problem::Missing { id, .. }
        | Problem::Wrong { id, .. }
        | Problem::Unknown { id, .. }
        | Problem::Twice { id, .. } => id,
    }
}

fn body(problem: &Problem) -> String {
    match problem {
        Problem::Missing { question, .. } => question.clone(),
        Problem::Wrong { given, rule, .. } => format!("{given:?} is not right: {rule}"),
        Problem::Unknown { id, .. } if id == "org" => {
            "no question; the org is the one in use, or the one of `--org`".to_owned()
        }
        Problem::Unknown { nearest, .. } => nearest.as_ref().map_or_else(
            || "the template has no such question".to_owned(),
            |nearest| format!("the template has no such question; did you mean `{nearest}`?"),
        ),
        Problem::Twice { given, .. } => {
            format!("given twice: {:?} and {:?}", given.0, given.1)
        }
    }
}
