//! A command line that clap refuses: in clap's words for people, as one line of JSON for programs.

use std::ffi::OsString;
use std::io::Write;

use crate::error::{Error, Kind};

/// Shows what clap says and returns the exit code: 0 for help and version, 2 for a mistake.
pub(crate) fn report(error: &clap::Error, arguments: &[OsString]) -> u8 {
    if !error.use_stderr() {
        drop(error.print());
        return 0;
    }
    if asks_for_json(arguments) {
        let mut line = in_our_form(error).to_json().to_string();
        line.push('\n');
        drop(std::io::stderr().lock().write_all(line.as_bytes()));
    } else {
        drop(error.print());
    }
    Kind::Usage.exit_code()
}

/// Whether `--output json` is among the arguments, in any of its spellings; they could not be parsed.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let words: Vec<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .take_while(|word| *word != "--")
        .collect();
    words.iter().enumerate().any(|(place, word)| {
        matches!(*word, "-ojson" | "-o=json" | "--output=json")
            || (matches!(*word, "-o" | "--output") && words.get(place + 1) == Some(&"json"))
    })
}

fn in_our_form(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line is not valid");
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let mut usage = Error::new(Kind::Usage, "usage", message);
    for line in lines {
        if let Some(tip) = line.strip_prefix("tip: ") {
            usage = usage.hint(tip);
        } else if !line.starts_with("Usage:") && !line.starts_with("For more information") {
            usage = usage.detail(line);
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (clap::Error, Vec<OsString>) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = super::super::command().try_get_matches_from(&arguments);
        (error.unwrap_err(), arguments)
    }

    #[test]
    fn json_is_asked_for_in_several_spellings() {
        for line in ["squad x -o json", "squad x -ojson", "squad --output=json x"] {
            assert!(asks_for_json(&parse(line).1), "{line}");
        }
        for line in [
            "squad x -o text",
            "squad x -- -o json",
            "squad x --outputs=json",
        ] {
            assert!(!asks_for_json(&parse(line).1), "{line}");
        }
    }

    #[test]
    fn a_mistake_keeps_its_words() {
        let (error, _) = parse("squad deplo");
        let usage = in_our_form(&error);
        assert_eq!(usage.message, "unrecognized subcommand 'deplo'");
        assert_eq!(
            usage.hints,
            ["some similar subcommands exist: 'demo', 'deploy'"]
        );
        assert_eq!(usage.details, Vec::<String>::new());
    }
}
