//! What is generated from the command line and checked in: completions, manual pages, the CLI reference, the
//! tables of exit codes and of variables. `SNAPSHOTS=overwrite` rewrites them (`just gen`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::support::{Home, repository};

/// The command line with everything that clap fills in itself, at a fixed width.
fn command() -> Command {
    let mut command = squad::command().term_width(100);
    command.build();
    command
}

/// Every command that is shown, with the path of names that leads to it; the first is squad itself.
fn commands(command: &Command) -> Vec<(Vec<String>, &Command)> {
    let mut found = vec![(Vec::new(), command)];
    let mut next = 0;
    while let Some((path, command)) = found.get(next).cloned() {
        let below = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set() && command.get_name() != "help")
            .map(|command| {
                let mut path = path.clone();
                path.push(command.get_name().to_owned());
                (path, command)
            });
        found.extend(below);
        next += 1;
    }
    // `help` is hidden from the walk above where clap adds it below a noun; ours is on the first level.
    if let Some(help) = command.find_subcommand("help") {
        found.push((vec!["help".to_owned()], help));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn leaves(command: &Command) -> Vec<(Vec<String>, &Command)> {
    let mut found = commands(command);
    found.retain(|(path, command)| {
        let only_help = command
            .get_subcommands()
            .all(|found| found.get_name() == "help");
        !path.is_empty() && (!command.has_subcommands() || only_help)
    });
    found
}

fn overwrite() -> bool {
    std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite")
}

/// Compares a checked-in file with what it should be, or rewrites it.
#[track_caller]
fn same(path: &Path, wanted: &str) {
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found == wanted {
        return;
    }
    if overwrite() {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, wanted).expect("the file can be written");
        return;
    }
    let line = found
        .lines()
        .zip(wanted.lines())
        .position(|(found, wanted)| found != wanted)
        .unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    panic!(
        "`{}` is stale from line {}; rewrite it with `SNAPSHOTS=overwrite cargo test --test it generated`\n  is:        {}\n  should be: {}",
        path.display(),
        line + 1,
        found.lines().nth(line).unwrap_or("(nothing)"),
        wanted.lines().nth(line).unwrap_or("(nothing)"),
    );
}

/// Removes (or complains about) files of a directory that nothing generates any more.
#[track_caller]
fn nothing_else(directory: &Path, wanted: &BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the directory") {
        let path = entry.expect("an entry").path();
        if wanted.contains(&path) {
            continue;
        }
        if overwrite() {
            std::fs::remove_file(&path).expect("the file can be removed");
        } else {
            panic!("`{}` is not generated any more", path.display());
        }
    }
}

#[test]
fn the_command_line_is_consistent() {
    squad::command().debug_assert();
}

/// Which shell, its word on the command line, and the file of its script.
const SHELLS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash", "squad.bash"),
    (Shell::Fish, "fish", "squad.fish"),
    (Shell::Zsh, "zsh", "_squad"),
];

/// The command line without the commands that squad starts itself, and the flags that only it gives, which some of the
/// generators offer although they are hidden. clap cannot take either away, so such a noun is made again.
fn without_hidden(command: Command) -> Command {
    command.mut_subcommands(|noun| {
        let hides = noun.get_subcommands().any(Command::is_hide_set)
            || noun.get_arguments().any(clap::Arg::is_hide_set);
        if !hides {
            return noun;
        }
        let verbs = noun.get_subcommands().filter(|verb| !verb.is_hide_set());
        let arguments = noun.get_arguments().filter(|one| !one.is_hide_set());
        Command::new(noun.get_name().to_owned())
            .about(noun.get_about().cloned().unwrap_or_default())
            .args(arguments.cloned())
            .subcommands(verbs.cloned().collect::<Vec<_>>())
    })
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut command = without_hidden(squad::command());
    clap_complete::generate(shell, &mut command, "squad", &mut script);
    String::from_utf8(script).expect("a script is text")
}

#[test]
fn completions_are_up_to_date() {
    let home = Home::new();
    let directory = repository().join("completions");
    let mut wanted = BTreeSet::new();
    for (shell, word, file) in SHELLS {
        let script = completions(shell);
        same(&directory.join(file), &script);
        wanted.insert(directory.join(file));
        // What was rewritten just now is in the binary when that is built again.
        if !overwrite() {
            let output = home.squad(["completions", word]).success();
            assert_eq!((output.stdout, output.stderr), (script, String::new()));
        }
    }
    nothing_else(&directory, &wanted);
}

/// Every hidden command, with the path of names that leads to it.
fn hidden(command: &Command, path: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for below in command.get_subcommands() {
        let mut path = path.to_vec();
        path.push(below.get_name().to_owned());
        if below.is_hide_set() && below.get_name() != "help" {
            found.push(path);
        } else {
            found.extend(hidden(below, &path));
        }
    }
    found
}

#[test]
fn completions_offer_nothing_that_is_hidden() {
    let hidden = hidden(&command(), &[]);
    assert!(!hidden.is_empty(), "nothing is hidden any more");
    for (shell, ..) in SHELLS {
        let script = completions(shell);
        assert!(!script.contains("fetched-commit"), "{shell}");
        for path in &hidden {
            let about = path
                .iter()
                .fold(command(), |command, name| {
                    command.find_subcommand(name).unwrap().clone()
                })
                .get_about()
                .unwrap()
                .to_string();
            assert!(!script.contains(&about), "{shell}: {path:?}");
            // bash knows commands by the names of its functions only.
            let function = format!("squad__subcmd__{}", path.join("__subcmd__"));
            assert!(!script.contains(&function), "{shell}: {path:?}");
        }
    }
}

#[test]
fn completions_are_understood_by_their_shells() {
    let home = Home::new();
    let script = |file: &str| repository().join("completions").join(file);
    let ask = "source \"$1\"; COMP_WORDS=(squad comp); COMP_CWORD=1; _squad squad comp squad; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = home.program("bash");
    bash.args(["--norc", "--noprofile", "-c", ask, "bash"])
        .arg(script("squad.bash"));
    let output = home.run(&mut bash).success();
    assert!(
        output.stdout.contains("completions"),
        "{}",
        output.transcript()
    );

    let name = "generated::completions_are_understood_by_their_shells";
    if let Some(fish) = crate::support::tool(&format!("{name} (fish)"), "fish") {
        let ask = "source $argv[1]; complete -C 'squad comp'";
        let output = home
            .run(
                home.program(fish)
                    .args(["--no-config", "-c", ask])
                    .arg(script("squad.fish")),
            )
            .success();
        assert!(
            output.stdout.contains("completions"),
            "{}",
            output.transcript()
        );
    }
    if let Some(zsh) = crate::support::tool(&format!("{name} (zsh)"), "zsh") {
        let ask = "autoload -U compinit; compinit -u -D; source \"$1\"; whence -w _squad";
        let output = home
            .run(
                home.program(zsh)
                    .args(["-f", "-c", ask, "zsh"])
                    .arg(script("_squad")),
            )
            .success();
        assert_eq!(output.line(), "_squad: function", "{}", output.transcript());
    }
}

#[test]
fn manual_pages_are_up_to_date() {
    let home = Home::new();
    let directory = repository().join("docs/man");
    let command = command();
    let mut wanted = BTreeSet::new();
    for (path, _) in commands(&command) {
        let arguments = std::iter::once("man".to_owned()).chain(path.iter().cloned());
        let output = home.squad(arguments).success();
        let name = std::iter::once("squad".to_owned())
            .chain(path)
            .collect::<Vec<_>>()
            .join("-");
        let file = directory.join(format!("{name}.1"));
        same(&file, &output.stdout);
        wanted.insert(file);
    }
    nothing_else(&directory, &wanted);
}

#[test]
fn the_reference_is_up_to_date() {
    let command = command();
    let mut page = "# Reference of the command line\n\n\
                    Generated from the program itself; `squad help <command>` shows the same.\n"
        .to_owned();
    for (path, command) in commands(&command) {
        let name = std::iter::once("squad").chain(path.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join(" ");
        let help = command
            .clone()
            .term_width(100)
            .render_long_help()
            .to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!(
            "\n## `{name}`\n\n```text\n{}\n```\n",
            help.join("\n").trim_end()
        ));
    }
    same(&repository().join("docs/reference/cli.md"), &page);
}

/// Puts a table between the two markers of a page.
#[track_caller]
pub(crate) fn table_in(page: &str, table: &str) {
    const BEGIN: &str = "<!-- generated: begin -->\n";
    const END: &str = "<!-- generated: end -->\n";
    let path = repository().join(page);
    let text = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = text.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    same(&path, &format!("{before}{BEGIN}{table}{END}{after}"));
}

#[test]
fn the_table_of_exit_codes_is_up_to_date() {
    let home = Home::new();
    let json = home
        .squad(["help", "exit-codes", "-o", "json"])
        .success()
        .json();
    let mut table = "| code | name | when |\n|---:|---|---|\n".to_owned();
    for code in json["codes"].as_array().expect("codes") {
        let text = |key: &str| code[key].as_str().expect("text").to_owned();
        table.push_str(&format!(
            "| {} | {} | {} |\n",
            code["code"],
            text("name"),
            text("meaning")
        ));
    }
    table_in("docs/exit-codes.md", &table);
}

#[test]
fn the_table_of_variables_is_up_to_date() {
    let home = Home::new();
    let json = home
        .squad(["help", "environment", "-o", "json"])
        .success()
        .json();
    let mut table = "| variable | what it does |\n|---|---|\n".to_owned();
    let mut listed = BTreeSet::new();
    for variable in json["variables"].as_array().expect("variables") {
        let text = |key: &str| variable[key].as_str().expect("text").to_owned();
        table.push_str(&format!("| `{}` | {} |\n", text("name"), text("meaning")));
        assert!(listed.insert(text("name")), "{} twice", text("name"));
    }
    table_in("docs/environment.md", &table);

    // Every constant of `src/env.rs` is in the list.
    let source = std::fs::read_to_string(repository().join("src/env.rs")).expect("source");
    let constant =
        regex_lite::Regex::new(r#"const [A-Z_]+: &str = "([A-Z_0-9]+)";"#).expect("a pattern");
    for found in constant.captures_iter(&source) {
        let name = &found[1];
        assert!(
            listed.contains(name),
            "`{name}` is read and not in `env::ALL`"
        );
    }
}

#[test]
fn every_command_says_what_it_is_for() {
    let command = command();
    let mut wrong = Vec::new();
    for (path, command) in commands(&command) {
        let name = path.join(" ");
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        if about.is_empty() {
            wrong.push(format!("squad {name}: no about"));
        }
        if about.ends_with('.') {
            wrong.push(format!("squad {name}: the about ends with a full stop"));
        }
        if about.chars().count() > 80 && !path.is_empty() {
            wrong.push(format!(
                "squad {name}: the about is longer than 80 characters"
            ));
        }
        for argument in command.get_arguments() {
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            if help.is_empty() && !argument.is_hide_set() {
                wrong.push(format!("squad {name}: `{}` has no help", argument.get_id()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_leaf_command_has_an_example_that_parses() {
    let command = command();
    let mut wrong = Vec::new();
    for (path, leaf) in leaves(&command) {
        let name = path.join(" ");
        let after = leaf
            .get_after_help()
            .or_else(|| leaf.get_after_long_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples: Vec<&str> = after
            .lines()
            .filter_map(|line| line.trim().strip_prefix("$ "))
            .filter(|line| line.contains("squad "))
            .collect();
        if examples.is_empty() {
            wrong.push(format!("squad {name}: no `$ squad …` example"));
        }
        for example in examples {
            if let Err(message) = parses(example) {
                wrong.push(format!("squad {name}: `{example}`: {message}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether every `squad …` in a line of shell parses.
pub(crate) fn parses(line: &str) -> Result<(), String> {
    for words in commands_of_shell(line) {
        let start = words
            .iter()
            .position(|word| !word.contains('='))
            .unwrap_or(0);
        if words.get(start).map(String::as_str) != Some("squad") {
            continue;
        }
        if let Err(error) = squad::command().try_get_matches_from(&words[start..])
            && error.use_stderr()
        {
            return Err(error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned());
        }
    }
    Ok(())
}

/// Splits a line into commands at `|`, `&&` and `;`, and those into words; redirections are left out.
fn commands_of_shell(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut started) = (String::new(), None, false);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => (quote, started) = (Some(letter), true),
            (None, ' ' | '|' | ';' | '&') => {
                if started || !word.is_empty() {
                    commands
                        .last_mut()
                        .expect("one")
                        .push(std::mem::take(&mut word));
                    started = false;
                }
                if letter != ' ' {
                    commands.push(Vec::new());
                }
            }
            (_, letter) => word.push(letter),
        }
    }
    for words in &mut commands {
        if let Some(end) = words
            .iter()
            .position(|word| word.starts_with(['<', '>', '#']))
        {
            words.truncate(end);
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

#[test]
fn a_line_of_shell_is_split_into_commands() {
    assert_eq!(
        commands_of_shell("A=1 squad deploy --reason 'two words' | jq . > x; squad status"),
        [
            vec!["A=1", "squad", "deploy", "--reason", "two words"],
            vec!["jq", "."],
            vec!["squad", "status"],
        ]
    );
}

#[test]
fn commands_are_in_alphabetical_order() {
    let command = squad::command();
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    assert!(names.is_sorted(), "{names:?}");
}
