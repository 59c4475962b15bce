//! Conversions of values: each returns the value, or the rest of the sentence that begins with its key.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::duration;
use super::reader::{Converted, must_be};
use super::tree::{Node, Value};
use crate::domain::meant::nearest;
use crate::domain::name::InvalidName;

/// Any text.
pub(crate) fn text(value: &Value) -> Converted<String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Err(format!(
            "is {}; it must be text: write `\"{}\"`",
            value.what(),
            value.shown()
        )),
        other => Err(must_be("text in quotes", other)),
    }
}

/// Text that is not empty.
pub(crate) fn filled(value: &Value) -> Converted<String> {
    let text = text(value)?;
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text)
}

/// A name.
pub(crate) fn name<T: FromStr<Err = InvalidName>>(value: &Value) -> Converted<T> {
    let text = text(value)?;
    text.parse().map_err(|error: InvalidName| {
        let (rule, meant) = (error.rule, error.meant());
        format!("is `{text}`, which is not a name: {rule}{meant}")
    })
}

/// An integer within a range.
pub(crate) fn integer<T: TryFrom<i64>>(
    range: RangeInclusive<i64>,
) -> impl Fn(&Value) -> Converted<T> {
    move |value| {
        let Value::Integer(number) = value else {
            return Err(must_be("a whole number", value));
        };
        let (lowest, highest) = (*range.start(), *range.end());
        if *number < lowest {
            return Err(format!("is {number}; the lowest is {lowest}"));
        }
        T::try_from(*number)
            .ok()
            .filter(|_| *number <= highest)
            .ok_or_else(|| format!("is {number}; the highest is {highest}"))
    }
}

/// A number within a range.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Converted<f64> {
    move |value| {
        let number = match value {
            Value::Float(number) => *number,
            // Any integer within a range that is meant for fractions is exact as f64.
            Value::Integer(number) => f64::from(i32::try_from(*number).unwrap_or(i32::MAX)),
            other => return Err(must_be("a number", other)),
        };
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(format!(
                "is {}; it must be from {} to {}",
                value.shown(),
                range.start(),
                range.end()
            ))
        }
    }
}

/// `true` or `false`.
pub(crate) fn boolean(value: &Value) -> Converted<bool> {
    match value {
        Value::Boolean(yes) => Ok(*yes),
        other => Err(must_be("true or false", other)),
    }
}

/// One of a few words.
pub(crate) fn one_of(words: &'static [&'static str]) -> impl Fn(&Value) -> Converted<&'static str> {
    move |value| {
        let text = text(value)?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Ok(word);
        }
        Err(match nearest(&text, words.iter().copied()) {
            Some(meant) => format!("is `{text}`; did you mean `{meant}`?"),
            None => format!("is `{text}`; it must be one of {}", listed(words)),
        })
    }
}

/// `a`, `b` and `c` in backticks.
pub(crate) fn listed<T: std::fmt::Display>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// A duration within a range, in milliseconds.
pub(crate) fn milliseconds(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Converted<u64> {
    move |value| {
        let example = "a time such as \"20s\", \"5m\", \"1h30m\" or \"500ms\"";
        let Value::Text(text) = value else {
            return Err(must_be(example, value));
        };
        let Some(time) = duration::parse(text) else {
            return Err(format!("is `{text}`; it must be {example}"));
        };
        if time < *range.start() {
            let lowest = duration::show(*range.start());
            return Err(format!("is {text}; the shortest is {lowest}"));
        }
        if time > *range.end() {
            let highest = duration::show(*range.end());
            return Err(format!("is {text}; the longest is {highest}"));
        }
        Ok(time)
    }
}

/// A duration within a range, in whole seconds.
pub(crate) fn seconds(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Converted<u64> {
    move |value| {
        let time = milliseconds(range.start() * 1000..=range.end() * 1000)(value)?;
        if time % 1000 != 0 {
            return Err(format!(
                "is {}; it must be whole seconds",
                duration::show(time)
            ));
        }
        Ok(time / 1000)
    }
}

/// A list of anything, each with its place.
pub(crate) fn list(value: &Value) -> Converted<Vec<Node>> {
    match value {
        Value::List(items) => Ok(items.clone()),
        _ => Err(must_be("a list such as [\"a\", \"b\"]", value)),
    }
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Converted<Vec<String>> {
    list(value)?
        .iter()
        .enumerate()
        .map(|(index, item)| {
            filled(&item.value).map_err(|rest| format!("is not right at [{index}], which {rest}"))
        })
        .collect()
}

/// A command: a list of words, run without a shell.
pub(crate) fn command(value: &Value) -> Converted<Vec<String>> {
    match value {
        Value::Text(text) => {
            let words: Vec<String> = text
                .split_whitespace()
                .map(|w| format!("\"{w}\""))
                .collect();
            Err(format!(
                "is text; it must be a list of words, as no shell reads it: [{}]",
                words.join(", ")
            ))
        }
        Value::List(items) if items.is_empty() => Err("is empty; name a program".to_owned()),
        Value::List(items) => {
            let words: Vec<String> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    text(&item.value)
                        .map_err(|rest| format!("is not right at [{index}], which {rest}"))
                })
                .collect::<Converted<_>>()?;
            if words
                .first()
                .is_some_and(|program| program.trim().is_empty())
            {
                return Err("names no program".to_owned());
            }
            Ok(words)
        }
        other => Err(must_be("a list such as [\"make\", \"build\"]", other)),
    }
}

/// A path below the file's directory or beside it, not an absolute one.
pub(crate) fn relative_path(value: &Value) -> Converted<String> {
    let text = filled(value)?;
    if text.starts_with('/') || text.starts_with('~') {
        return Err(format!(
            "is `{text}`; it must be relative to the directory of the file"
        ));
    }
    Ok(text)
}

/// The name of a request header, in lower case.
pub(crate) fn header(value: &Value) -> Converted<String> {
    let text = filled(value)?;
    if crate::domain::gate::is_header_name(&text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "is `{text}`; it must be the name of a header such as \"x-consumer-id\""
        ))
    }
}

/// An AWS account id.
pub(crate) fn account(value: &Value) -> Converted<String> {
    if let Value::Integer(number) = value {
        return Err(format!(
            "is a number; write the account id in quotes: \"{number:012}\""
        ));
    }
    let text = text(value)?;
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(format!("is `{text}`; an AWS account id has 12 digits"))
    }
}

/// An AWS region such as `eu-west-1`.
pub(crate) fn region(value: &Value) -> Converted<String> {
    let text = text(value)?;
    let parts: Vec<&str> = text.split('-').collect();
    let good = parts.len() >= 3
        && parts.iter().all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
        && parts
            .last()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if good {
        Ok(text)
    } else {
        Err(format!(
            "is `{text}`; it must be an AWS region such as \"eu-west-1\""
        ))
    }
}

/// The parts of an ARN (AWS General Reference, "Amazon Resource Names").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arn {
    /// As it is written.
    pub(crate) text: String,
    /// Empty for services without regions.
    pub(crate) region: String,
    /// 12 digits.
    pub(crate) account: String,
}

/// An ARN of a service whose resource starts with a word, such as `role/`.
pub(crate) fn arn(
    service: &'static str,
    resource: &'static str,
    example: &'static str,
) -> impl Fn(&Value) -> Converted<Arn> {
    move |value| {
        let text = text(value)?;
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [scheme, partition, of, region, account, rest] = parts.as_slice() else {
            return Err(format!(
                "is `{text}`; it must be an ARN such as \"{example}\""
            ));
        };
        let good = *scheme == "arn"
            && (*partition == "aws" || partition.starts_with("aws-"))
            && *of == service
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && rest
                .strip_prefix(resource)
                .is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace));
        if good {
            Ok(Arn {
                region: (*region).to_owned(),
                account: (*account).to_owned(),
                text,
            })
        } else {
            Err(format!(
                "is `{text}`; it must be an ARN such as \"{example}\""
            ))
        }
    }
}
