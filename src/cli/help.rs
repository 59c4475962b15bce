//! `squad help`: the help of a command, or a page about a topic. Reads no configuration.

use clap::Command;

use super::context::Context;
use super::view::help::{Code, ExitCodes, Topic, Topics, Variable, Variables};
use crate::env;
use crate::error::{Error, Kind, Result};

/// Show the help of a command, or a page about a topic
///
/// Without an argument it lists the topics.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad help
  $ squad help exit-codes
  $ squad help completions")]
pub(crate) struct Args {
    /// A topic such as `exit-codes`, or a command such as `deploy`
    #[arg(value_name = "topic or command")]
    words: Vec<String>,
}

/// Pages that are the same in `docs/`: name, what it is about, text.
const PAGES: [(&str, &str, &str); 2] = [
    (
        "compatibility",
        "what stays the same between releases, and what may change",
        include_str!("../../docs/compatibility.md"),
    ),
    (
        "glossary",
        "the words that squad uses, one for each thing",
        include_str!("../../docs/glossary.md"),
    ),
];

/// Prints the page.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => list(context),
        ["exit-codes"] => exit_codes(context),
        ["environment"] => variables(context),
        [name] if page(name).is_some() => {
            context.output.prose(page(name).unwrap_or_default());
        }
        _ => {
            let mut root = super::command();
            root.build();
            let text = find(&root, &args.words)?.clone().render_long_help();
            context.output.text(&text.to_string());
        }
    }
    Ok(0)
}

/// The command at the end of a path of names; the error says what is near.
pub(crate) fn find<'a>(root: &'a Command, path: &[String]) -> Result<&'a Command> {
    let mut command = root;
    for name in path {
        command = command.find_subcommand(name).ok_or_else(|| {
            let near = command
                .get_subcommands()
                .filter(|found| !found.is_hide_set())
                .map(|found| found.get_name().to_owned())
                .chain(topics().into_iter().map(|topic| topic.name))
                .map(|found| (strsim::jaro_winkler(name, &found), found))
                .filter(|(likeness, _)| *likeness > 0.8)
                .max_by(|(left, _), (right, _)| left.total_cmp(right));
            let error = Error::new(
                Kind::Usage,
                "no-such-topic",
                format!(
                    "cannot show help about `{}`: there is no such command or topic",
                    path.join(" ")
                ),
            );
            match near {
                Some((_, near)) => error.hint(format!("did you mean `squad help {near}`?")),
                None => error.hint("see the topics with `squad help`"),
            }
        })?;
    }
    Ok(command)
}

fn page(name: &str) -> Option<&'static str> {
    PAGES
        .iter()
        .find(|(found, ..)| *found == name)
        .map(|(_, _, text)| *text)
}

fn topics() -> Vec<Topic> {
    let generated = [
        ("environment", "every environment variable that squad reads"),
        ("exit-codes", "what the exit codes mean"),
    ];
    let mut topics: Vec<Topic> = PAGES
        .iter()
        .map(|(name, about, _)| (*name, *about))
        .chain(generated)
        .map(|(name, about)| Topic {
            name: name.to_owned(),
            about: about.to_owned(),
        })
        .collect();
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    topics
}

fn list(context: &Context) {
    let topics = Topics::new(topics());
    if context.output.is_json() {
        context.output.json(&topics);
        return;
    }
    context.output.out("Topics:");
    for topic in &topics.topics {
        context
            .output
            .prose(&format!("  {:<14}  {}\n", topic.name, topic.about));
    }
    context.output.out("");
    context.output.prose(
        "Commands are listed by `squad --help`; `squad help <command>` shows one of them.\n",
    );
}

fn exit_codes(context: &Context) {
    let ok = Code {
        code: 0,
        name: "ok".to_owned(),
        meaning: "done, nothing to do, help, or nobody reads the output any more".to_owned(),
    };
    // The names of the kinds in code are the names that people see.
    let codes = Kind::ALL.iter().map(|kind| Code {
        code: kind.exit_code(),
        name: format!("{kind:?}").to_lowercase(),
        meaning: kind.meaning().to_owned(),
    });
    let table = ExitCodes::new(std::iter::once(ok).chain(codes).collect());
    if context.output.is_json() {
        context.output.json(&table);
        return;
    }
    for code in &table.codes {
        context.output.prose(&format!(
            "{:>3}  {:<11}  {}\n",
            code.code, code.name, code.meaning
        ));
    }
}

fn variables(context: &Context) {
    let variables = env::ALL.iter().map(|(name, meaning)| Variable {
        name: (*name).to_owned(),
        meaning: (*meaning).to_owned(),
    });
    let table = Variables::new(variables.collect());
    if context.output.is_json() {
        context.output.json(&table);
        return;
    }
    let width = table
        .variables
        .iter()
        .map(|variable| variable.name.len())
        .max();
    for variable in &table.variables {
        context.output.prose(&format!(
            "{:<width$}  {}\n",
            variable.name,
            variable.meaning,
            width = width.unwrap_or_default()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_its_path_and_a_typo_is_answered() {
        let root = super::super::command();
        assert!(find(&root, &[]).is_ok());
        assert!(find(&root, &["help".to_owned()]).is_ok());
        let error = find(&root, &["exit-code".to_owned()]).unwrap_err();
        assert_eq!(error.hints, ["did you mean `squad help exit-codes`?"]);
    }

    #[test]
    fn topics_are_sorted_and_are_no_commands() {
        let topics = topics();
        assert!(topics.is_sorted_by(|left, right| left.name < right.name));
        let root = super::super::command();
        for topic in topics {
            assert!(
                root.find_subcommand(&topic.name).is_none(),
                "{}",
                topic.name
            );
        }
    }
}
