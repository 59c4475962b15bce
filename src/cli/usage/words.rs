//! What clap knows of a refused command line, as sentences: what is missing, a value that does not fit, flags that exclude
//! each other. Unknown commands and flags are the matter of [`super`].

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::domain::meant::nearest;
use crate::output::sanitize;

/// One line for a mistake; none for a kind that has no words here.
pub(super) fn sentence(error: &clap::Error, path: &str) -> Option<String> {
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let missing = several(error, ContextKind::InvalidArg);
            (!missing.is_empty()).then(|| format!("`{path}` needs {}", listed(&missing, "and")))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Some(format!("`{path}` needs a command"))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => value(error),
        ErrorKind::ArgumentConflict => conflict(error),
        ErrorKind::TooManyValues => {
            let (flag, value) = (argument(error)?, one(error, ContextKind::InvalidValue)?);
            Some(format!("`{flag}` takes no value; `{value}` was given"))
        }
        _ => None,
    }
}

/// How the command is written with what it needs, as far as clap knows; none where it does not say.
pub(super) fn usage(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else {
        return None;
    };
    let usage = usage.to_string();
    let words: Vec<&str> = usage.strip_prefix("Usage:")?.split_whitespace().collect();
    Some(sanitize(&words.join(" ")))
}

/// A value that is missing or does not fit: what fits, why, and what may be meant.
fn value(error: &clap::Error) -> Option<String> {
    let flag = argument(error)?;
    let value = one(error, ContextKind::InvalidValue)?;
    let known = several(error, ContextKind::ValidValue);
    if value.is_empty() && error.kind() == ErrorKind::InvalidValue {
        let fits = match known.as_slice() {
            [] => one(error, ContextKind::InvalidArg).map(|form| format!("`{form}`"))?,
            known => listed(known, "or"),
        };
        return Some(format!("`{flag}` needs a value: {fits}"));
    }
    let mut message = format!("`{flag}` cannot be `{value}`");
    if let Some(why) = error.source() {
        message = format!("{message}: {}", plain(&why.to_string()));
    }
    if !known.is_empty() {
        message = format!("{message}, only {}", listed(&known, "or"));
    }
    if let Some(meant) = nearest(&value, known.iter().map(String::as_str)) {
        message = format!("{message}; did you mean `{meant}`?");
    }
    Some(message)
}

/// Flags that exclude each other, and one that is there twice.
fn conflict(error: &clap::Error) -> Option<String> {
    let flag = argument(error)?;
    let others: Vec<String> = several(error, ContextKind::PriorArg)
        .iter()
        .map(|other| name(other))
        .collect();
    Some(match others.as_slice() {
        [] => format!("`{flag}` cannot be used with what else is given"),
        [other] if *other == flag => format!("`{flag}` is given more than once"),
        others => format!("`{flag}` cannot be used with {}", listed(others, "or")),
    })
}

/// Why a number does not fit, where the reason is the standard library's or clap's.
fn plain(why: &str) -> String {
    let whole = "it has to be a whole number";
    match why {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            return whole.to_owned();
        }
        _ if why.starts_with("number too ") => return "the number is too large".to_owned(),
        _ => {}
    }
    let range = why.split_once(" is not in ");
    let Some((lowest, highest)) = range.and_then(|(_, range)| range.split_once("..=")) else {
        return sanitize(why);
    };
    match highest.parse::<u64>() {
        // The largest number of its type is nobody's rule.
        Ok(most) if most < u64::from(u16::MAX) => {
            format!("{whole} from {lowest} to {highest}")
        }
        _ => format!("{whole}, at least {lowest}"),
    }
}

/// The argument that it is about, without the name of its value: `--limit` of `--limit <number>`.
fn argument(error: &clap::Error) -> Option<String> {
    one(error, ContextKind::InvalidArg).map(|argument| name(&argument))
}

fn name(argument: &str) -> String {
    let word = argument.split([' ', '=']).next().unwrap_or(argument);
    let name = word.strip_suffix("...").unwrap_or(word);
    // `--output[=<form>]`
    let end = name.get(1..).and_then(|rest| rest.find('['));
    let name = end.and_then(|end| name.get(..=end)).unwrap_or(name);
    name.to_owned()
}

fn one(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(sanitize(text)),
        _ => None,
    }
}

fn several(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![sanitize(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(|text| sanitize(text)).collect(),
        _ => Vec::new(),
    }
}

/// `a`, `a` and `b`, `a`, `b` and `c`: each in backticks.
fn listed(words: &[String], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [first @ .., end] if !first.is_empty() => format!("{} {last} {end}", first.join(", ")),
        _ => quoted.concat(),
    }
}
