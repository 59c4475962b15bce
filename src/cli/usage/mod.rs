//! A command line that clap refuses: in squad's words, with what may be meant, for people and as one line of JSON.

mod words;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::print_error;
use crate::domain::meant::nearest;
use crate::error::{Error, Kind};
use crate::output::{Output, sanitize};

/// Shows what is wrong and returns the exit code: 0 for help and version, 2 for a mistake. `output_as` makes what it is shown
/// with: as JSON when that was asked for.
pub(crate) fn report(
    error: &clap::Error,
    arguments: &[OsString],
    output_as: impl FnOnce(bool) -> Output,
) -> u8 {
    if !error.use_stderr() {
        drop(error.print());
        return 0;
    }
    let is_json = asks_for_json(arguments);
    // Without a command there is nothing wrong to name: people see what there is.
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !is_json {
        drop(error.print());
    } else {
        print_error(&output_as(is_json), &in_our_form(error, arguments));
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

fn in_our_form(error: &clap::Error, arguments: &[OsString]) -> Error {
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (command, path) = command_of(arguments);
    let help = format!("`{path} --help` shows what it takes");
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(word) = told(ContextKind::InvalidSubcommand).map(sanitize) else {
                return as_clap_says(error);
            };
            let names = command.get_subcommands().filter(|one| !one.is_hide_set());
            let meant = nearest(&word, names.map(clap::Command::get_name));
            mistake(format!("there is no command `{path} {word}`"), meant).hint(help)
        }
        ErrorKind::UnknownArgument => {
            let Some(word) = told(ContextKind::InvalidArg).map(sanitize) else {
                return as_clap_says(error);
            };
            if !word.starts_with('-') {
                let message = format!("`{path}` has no place for `{word}`");
                return mistake(message, None).hint(help);
            }
            let flags = flags(&command);
            if flags.contains(&word) {
                // Only behind `--` is a flag of the command none.
                return mistake(
                    format!("`{path}` has no place for `{word}` behind `--`"),
                    None,
                )
                .hint("write the flags before `--`");
            }
            let meant = nearest(&word, flags.iter().map(String::as_str))
                .or_else(|| elsewhere(&word, &flags));
            mistake(format!("`{path}` has no flag `{word}`"), meant).hint(help)
        }
        ErrorKind::InvalidUtf8 => {
            let broken = arguments.iter().find(|word| word.to_str().is_none());
            let word = broken.map_or_else(String::new, |word| sanitize(&word.to_string_lossy()));
            mistake(format!("the argument `{word}` is not UTF-8"), None).hint(help)
        }
        kind => {
            let Some(sentence) = words::sentence(error, &path) else {
                return as_clap_says(error).hint(help);
            };
            let mut usage = mistake(sentence, None);
            match kind {
                ErrorKind::MissingRequiredArgument => {
                    if let Some(whole) = words::usage(error) {
                        usage = usage.hint(format!("write it as `{whole}`"));
                    }
                }
                ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    usage = usage.detail(format!("it is one of {}", commands(&command)));
                }
                _ => {}
            }
            usage.hint(help)
        }
    }
}

/// The commands below a command.
fn commands(command: &clap::Command) -> String {
    let names = command.get_subcommands().filter(|one| !one.is_hide_set());
    let names: Vec<&str> = names.map(clap::Command::get_name).collect();
    names.join(", ")
}

fn mistake(what: String, meant: Option<&str>) -> Error {
    let message = match meant {
        Some(meant) => format!("{what}; did you mean `{meant}`?"),
        None => what,
    };
    Error::new(Kind::Usage, "usage", message)
}

/// The command that the words name as far as there is one, and how people write it.
fn command_of(arguments: &[OsString]) -> (clap::Command, String) {
    let mut command = super::command();
    // So that each command knows the flags that all of them take.
    command.build();
    let mut path = command.get_name().to_owned();
    let words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    let (mut is_value, mut after_flag) = (false, false);
    for word in words.take_while(|word| *word != "--") {
        if std::mem::take(&mut is_value) {
            continue;
        }
        is_value = takes_value(&command, word);
        if let Some(next) = command.find_subcommand(word) {
            path = format!("{path} {}", next.get_name());
            command = next.clone();
        } else if !word.starts_with('-') && !after_flag && command.has_subcommands() {
            // What is mistyped here; what comes behind it are words of the command that is meant. Behind a flag that
            // nobody knows it may be its value.
            break;
        }
        after_flag = word.starts_with('-');
    }
    (command, path)
}

/// Whether the word is a flag whose value is the next one.
fn takes_value(command: &clap::Command, word: &str) -> bool {
    command.get_arguments().any(|flag| {
        let long = flag.get_long().map(|name| format!("--{name}"));
        let short = flag.get_short().map(|name| format!("-{name}"));
        flag.get_action().takes_values() && [long, short].iter().flatten().any(|one| one == word)
    })
}

/// The flags that a command takes, as they are written.
fn flags(command: &clap::Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
    shown
        .filter_map(|flag| flag.get_long())
        .map(|name| format!("--{name}"))
        .collect()
}

/// Short flags of other tools, and what the same is here.
const ELSEWHERE: [(&str, &str); 2] = [("-n", "--tail"), ("-m", "--reason")];

/// What a short flag may mean that this command does not have: what other tools mean by it, or the only flag of this command
/// that begins with its letter.
fn elsewhere<'a>(word: &str, flags: &'a [String]) -> Option<&'a str> {
    let letter = word
        .strip_prefix('-')
        .filter(|rest| rest.chars().count() == 1)?;
    let known = ELSEWHERE.iter().find(|(short, _)| *short == word);
    if let Some(found) = flags
        .iter()
        .map(String::as_str)
        .find(|flag| known.is_some_and(|(_, long)| flag == long))
    {
        return Some(found);
    }
    let mut same = flags
        .iter()
        .map(String::as_str)
        .filter(|flag| flag.starts_with(&format!("--{letter}")));
    match (same.next(), same.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// What clap says of a mistake that has no words here: on one line, without its usage and tips.
fn as_clap_says(error: &clap::Error) -> Error {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.starts_with("tip: "))
        .collect();
    let said = said.join(" ");
    let message = said.strip_prefix("error: ").unwrap_or(&said);
    let message = match message {
        "" => "the command line is not valid",
        some => some,
    };
    Error::new(Kind::Usage, "usage", sanitize(message))
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
    fn what_may_be_meant_is_said_for_commands_and_flags() {
        for (line, message, command) in [
            (
                "squad deplo",
                "there is no command `squad deplo`; did you mean `deploy`?",
                "squad",
            ),
            (
                "squad rollout strat",
                "there is no command `squad rollout strat`; did you mean `start`?",
                "squad rollout",
            ),
            ("squad zzz", "there is no command `squad zzz`", "squad"),
            (
                "squad strat deploy",
                "there is no command `squad strat`",
                "squad",
            ),
            (
                "squad foo local stop",
                "there is no command `squad foo`",
                "squad",
            ),
            (
                "squad --orgg x status",
                "`squad status` has no flag `--orgg`; did you mean `--org`?",
                "squad status",
            ),
            (
                "squad status --quite",
                "`squad status` has no flag `--quite`; did you mean `--quiet`?",
                "squad status",
            ),
            (
                "squad local stop --al",
                "`squad local stop` has no flag `--al`; did you mean `--all`?",
                "squad local stop",
            ),
            (
                "squad --org deploy status --quite",
                "`squad status` has no flag `--quite`; did you mean `--quiet`?",
                "squad status",
            ),
            (
                "squad status \u{1b}[2J b",
                "`squad status` has no place for `b`",
                "squad status",
            ),
            (
                "squad \u{1b}[2J",
                "there is no command `squad \u{fffd}[2J`",
                "squad",
            ),
            (
                "squad status -z",
                "`squad status` has no flag `-z`",
                "squad status",
            ),
            (
                "squad logs -n 2",
                "`squad logs` has no flag `-n`; did you mean `--tail`?",
                "squad logs",
            ),
            (
                "squad rollback -t 3",
                "`squad rollback` has no flag `-t`",
                "squad rollback",
            ),
            (
                "squad rollback -r x",
                "`squad rollback` has no flag `-r`; did you mean `--reason`?",
                "squad rollback",
            ),
            (
                "squad status a b",
                "`squad status` has no place for `b`",
                "squad status",
            ),
        ] {
            let (error, arguments) = parse(line);
            let usage = in_our_form(&error, &arguments);
            assert_eq!(usage.message, message, "{line}");
            assert_eq!(
                usage.hints,
                [format!("`{command} --help` shows what it takes")]
            );
            assert_eq!(usage.id, "usage");
        }
    }

    #[test]
    fn a_flag_behind_the_end_of_flags_is_said_to_be_there() {
        let (error, arguments) = parse("squad new python-function -- -x --set squad=ledger");
        let usage = in_our_form(&error, &arguments);
        assert_eq!(
            usage.message,
            "`squad new` has no place for `--set` behind `--`"
        );
        assert_eq!(usage.hints, ["write the flags before `--`"]);
    }

    #[test]
    fn every_kind_of_mistake_has_words_of_its_own() {
        for (line, message, hint) in [
            (
                "squad audit show",
                "`squad audit show` needs `<id>`",
                Some("write it as `squad audit show <id>`"),
            ),
            (
                "squad deploy --exit-code",
                "`squad deploy` needs `--dry-run`",
                Some("write it as `squad deploy --dry-run --exit-code [service]`"),
            ),
            (
                "squad status --output yaml",
                "`--output` cannot be `yaml`, only `text` or `json`",
                None,
            ),
            (
                "squad status --output jsn",
                "`--output` cannot be `jsn`, only `text` or `json`; did you mean `json`?",
                None,
            ),
            (
                "squad completions tcsh",
                "`<SHELL>` cannot be `tcsh`, only `bash`, `fish` or `zsh`",
                None,
            ),
            (
                "squad logs --tail",
                "`--tail` needs a value: `--tail <lines>`",
                None,
            ),
            (
                "squad status --color",
                "`--color` needs a value: `auto`, `always` or `never`",
                None,
            ),
            (
                "squad logs --tail abc",
                "`--tail` cannot be `abc`: `abc` is not a number of lines, such as 50; 0 = all that are kept",
                None,
            ),
            (
                "squad rollout list --limit 0",
                "`--limit` cannot be `0`: it has to be a whole number, at least 1",
                None,
            ),
            (
                "squad rollout list --limit x",
                "`--limit` cannot be `x`: it has to be a whole number",
                None,
            ),
            (
                "squad rollout list --limit 99999999999999999999",
                "`--limit` cannot be `99999999999999999999`: the number is too large",
                None,
            ),
            (
                "squad deploy --all --all",
                "`--all` is given more than once",
                None,
            ),
            (
                "squad deploy --dry-run=x",
                "`--dry-run` takes no value; `x` was given",
                None,
            ),
            (
                "squad deploy --canary --all-at-once",
                "`--canary` cannot be used with `--all-at-once`",
                None,
            ),
            (
                "squad deploy payments --all",
                "`[service]` cannot be used with `--all`",
                None,
            ),
            ("squad rollout", "`squad rollout` needs a command", None),
            ("squad -q", "`squad` needs a command", None),
        ] {
            let (error, arguments) = parse(line);
            let usage = in_our_form(&error, &arguments);
            assert_eq!(usage.message, message, "{line}");
            let (_, command) = command_of(&arguments);
            let help = format!("`{command} --help` shows what it takes");
            let hints: Vec<&str> = hint.into_iter().chain([help.as_str()]).collect();
            assert_eq!(usage.hints, hints, "{line}");
            assert_eq!(usage.kind.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_missing_command_lists_those_that_there_are() {
        let (error, arguments) = parse("squad audit");
        let usage = in_our_form(&error, &arguments);
        assert_eq!(usage.message, "`squad audit` needs a command");
        assert_eq!(usage.details, ["it is one of key, list, show, verify"]);
    }

    #[test]
    fn an_argument_that_is_no_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let broken = OsString::from_vec(b"a\xffb".to_vec());
        let arguments = ["squad".into(), "status".into(), "--env".into(), broken];
        let error = super::super::command().try_get_matches_from(&arguments);
        let usage = in_our_form(&error.unwrap_err(), &arguments);
        assert_eq!(usage.message, "the argument `a\u{fffd}b` is not UTF-8");
        assert_eq!(usage.hints, ["`squad status --help` shows what it takes"]);
    }
}
