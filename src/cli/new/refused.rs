//! What was given on the command line and is not right: all of it at once, and a command that would be.

use std::path::{Path, PathBuf};

use super::Args;
use super::set::{Given, pair};
use crate::error::{Error, shell};
use crate::template::{Problem, Question};

/// All problems, and the command that was given with what was wrong put right as far as that can be known.
pub(super) fn refused(
    args: &Args,
    questions: &[Question],
    set: &Given,
    pairs: &[(String, String)],
    mut problems: Vec<Problem>,
) -> Error {
    let name = pairs.iter().find(|(id, _)| id == "name");
    let asked = match (&args.directory, name) {
        (Some(directory), _) => format!("cannot create `{}`", directory.display()),
        (None, Some((_, name))) => format!("cannot create `{}`", crate::output::sanitize(name)),
        (None, None) => "cannot create a service".to_owned(),
    };
    // What was begun as an answer is not missing as well.
    let begun: Vec<&Question> = set
        .strays
        .iter()
        .filter_map(|stray| stray.begun(questions))
        .filter(|question| !set.has(&question.id))
        .collect();
    let is_begun = |id: &String| begun.iter().any(|question| question.id == *id);
    problems.retain(|problem| !matches!(problem, Problem::Missing { id, .. } if is_begun(id)));
    let wanted = begun
        .iter()
        .map(|question| (question.id.clone(), question.example()))
        .chain(wanted(questions, &problems))
        .collect();
    let renamed = args
        .directory
        .as_deref()
        .filter(|_| !set.has("name"))
        .and_then(|directory| renamed(questions, directory, &problems));
    let command = put_right(args, questions, renamed.as_deref(), wanted);
    let is_put_right = problems.iter().all(|problem| is_put_right(set, problem));
    let strays: Vec<_> = set
        .strays
        .iter()
        .map(|stray| (stray.text(), stray.why()))
        .collect();
    crate::error::answers(&asked, is_put_right.then_some(&command), &strays, &problems)
}

/// The command that was given, without the flags that were wrong and with what is wanted.
fn put_right(
    args: &Args,
    questions: &[Question],
    renamed: Option<&Path>,
    wanted: Vec<(String, String)>,
) -> String {
    let is_right = |text: &&String| {
        pair(text).is_some_and(|(id, text)| {
            let question = questions.iter().find(|question| question.id == id);
            question.is_some_and(|question| question.check(text).is_ok())
        })
    };
    let mut command = vec!["squad".to_owned(), "new".to_owned()];
    command.extend(args.template.clone());
    command.extend(renamed.or(args.directory.as_deref()).map(shown));
    if let Some(file) = &args.answers {
        command.extend(["--answers".to_owned(), file.display().to_string()]);
    }
    for set in args.set.iter().filter(is_right) {
        command.extend(["--set".to_owned(), set.clone()]);
    }
    let mut command = command
        .iter()
        .map(|word| shell::quoted(word).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    for (id, answer) in wanted {
        // The name of the directory is that of the service.
        if id != "name" || renamed.is_none() {
            command.push_str(&format!(" --set {id}={answer}"));
        }
    }
    command
}

/// The questions that still want an answer, each with a right one or the place for it.
fn wanted(questions: &[Question], problems: &[Problem]) -> Vec<(String, String)> {
    let find = |id: &String| questions.iter().find(|question| question.id == *id);
    let of = |problem: &Problem| match problem {
        Problem::Missing { id, example, .. } => Some((id.clone(), example.clone())),
        Problem::Wrong { id, given, .. } => {
            let question = find(id)?;
            let answer = suggested(question, given).unwrap_or_else(|| question.example());
            Some((id.clone(), answer))
        }
        Problem::Unknown { .. } | Problem::Twice { .. } => None,
    };
    problems.iter().filter_map(of).collect()
}

/// Whether a command without the flags that were wrong, and with what is wanted, has this problem no more.
fn is_put_right(set: &Given, problem: &Problem) -> bool {
    match problem {
        Problem::Missing { .. } | Problem::Wrong { .. } => true,
        Problem::Unknown { id, .. } => set.has(id),
        Problem::Twice { .. } => false,
    }
}

/// The directory under the name that the service can have, where the name was taken from it and is none.
fn renamed(questions: &[Question], directory: &Path, problems: &[Problem]) -> Option<PathBuf> {
    let of_directory = directory.file_name()?.to_str()?;
    let is_wrong = |problem: &Problem| matches!(problem, Problem::Wrong { id, given, .. } if id == "name" && given == of_directory);
    if !problems.iter().any(is_wrong) {
        return None;
    }
    let question = questions.iter().find(|question| question.id == "name")?;
    Some(directory.with_file_name(suggested(question, of_directory)?))
}

/// What somebody may have meant by a name: small letters, dashes between words.
fn suggested(question: &Question, given: &str) -> Option<String> {
    let mut name = String::new();
    for c in given.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    question.check(name).is_ok().then(|| name.to_owned())
}

/// A directory as it can be given: one that looks like a flag is none.
fn shown(directory: &Path) -> String {
    let shown = directory.display().to_string();
    if shown.starts_with('-') {
        format!("./{shown}")
    } else {
        shown
    }
}
