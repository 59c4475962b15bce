//! A ```` ```console ```` block of a page: run by a shell in a hermetic home, and compared with what the page shows.
//!
//! The page is the only place that has the expected text. It is written as a person sees it, with an id, an hour and a
//! port; both sides are compared without them, as all outputs of the tests are.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex_lite::Regex;
use snapbox::data::IntoData;

use crate::support::output::redact;
use crate::support::{Aws, Home, Output, SQUAD, repository};

/// Where the blocks of a page run, one after the other.
pub(super) struct Stage<'a> {
    home: &'a Home,
    aws: Option<&'a Aws>,
    directory: PathBuf,
    variables: String,
}

impl<'a> Stage<'a> {
    /// In the work directory of a home, on this machine.
    pub(super) fn new(home: &'a Home) -> Self {
        let directory = home.work();
        Self {
            home,
            aws: None,
            directory,
            variables: String::new(),
        }
    }

    /// With the stand-in for AWS, and no other AWS.
    pub(super) fn at(home: &'a Home, aws: &'a Aws) -> Self {
        let mut stage = Self::new(home);
        stage.aws = Some(aws);
        stage
    }

    /// Where the next command runs.
    pub(super) fn enter(&mut self, directory: impl AsRef<Path>) {
        self.directory = self.home.work().join(directory);
    }

    /// What a shell does first, before each command.
    pub(super) fn begin_with(&mut self, script: &str) {
        script.clone_into(&mut self.variables);
    }

    /// A command as a shell in this place runs it.
    pub(super) fn shell(&self, command: &str) -> std::process::Command {
        let binaries = Path::new(SQUAD).parent().expect("a directory");
        let script = format!(
            "PATH='{}':$PATH\n{}\n{command}",
            binaries.display(),
            self.variables
        );
        let mut bash = self.home.program("bash");
        bash.args(["-c", &script]).current_dir(&self.directory);
        if let Some(aws) = self.aws {
            bash.envs(aws.environment());
        }
        bash
    }

    /// Runs a command to its end; `cd` by itself lasts.
    pub(super) fn run(&mut self, command: &str) -> Output {
        if let Some(directory) = command.strip_prefix("cd ") {
            self.directory = self.directory.join(directory);
        }
        let command = self.shell(if command.starts_with("cd ") {
            "true"
        } else {
            command
        });
        self.home.run(&mut { command })
    }
}

/// One command of a block, and what the page says it prints.
pub(super) struct Step {
    pub(super) command: String,
    code: i32,
    shown: String,
}

/// The blocks of a page that are left. All of them have to be run.
pub(super) struct Page {
    name: String,
    blocks: VecDeque<Vec<Step>>,
}

impl Page {
    pub(super) fn open(name: &str) -> Self {
        let text = std::fs::read_to_string(repository().join(name)).expect("a page");
        Self {
            name: name.to_owned(),
            blocks: blocks(&text),
        }
    }

    /// The next block: what a person types, in order.
    pub(super) fn next(&mut self) -> Vec<Step> {
        let block = self.blocks.pop_front();
        block.unwrap_or_else(|| panic!("{} has no further block", self.name))
    }

    /// The commands of the next block, which shows nothing of what they print.
    pub(super) fn commands(&mut self) -> Vec<String> {
        let commands = self.next().into_iter().map(|step| {
            assert!(step.shown.is_empty() && step.code == 0, "{}", step.command);
            step.command
        });
        commands.collect()
    }

    /// The commands of one block, for a test that leaves the others to others.
    pub(super) fn skip_to_commands(mut self, index: usize) -> Vec<String> {
        self.blocks.drain(..index);
        let commands = self.commands();
        self.blocks.clear();
        commands
    }

    /// Runs the next block. Each command prints exactly what the page shows, and ends as it says.
    pub(super) fn says(&mut self, stage: &mut Stage<'_>) {
        for step in self.next() {
            let output = stage.run(&step.command).failure(step.code);
            eprintln!("{}: {}", self.name, step.command);
            let printed = output.stderr.clone() + &output.stdout;
            let root = &output.root;
            snapbox::Assert::new()
                .action(snapbox::assert::Action::Verify)
                .normalize_paths(false)
                .eq(
                    normal(&printed, root).into_data(),
                    normal(&step.shown, root).into_data(),
                );
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let left = self.blocks.len();
        assert!(
            left == 0 || std::thread::panicking(),
            "{left} blocks of {} were not run",
            self.name
        );
    }
}

/// The blocks of a page, those for trycmd left out.
pub(super) fn blocks(text: &str) -> VecDeque<Vec<Step>> {
    let mut blocks = VecDeque::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line != "```console" {
            continue;
        }
        let inside = lines.by_ref().take_while(|line| *line != "```");
        blocks.push_back(steps(inside));
    }
    blocks
}

/// `$ command`, then `? code` where it is not 0, then what is printed.
fn steps<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            // In the README a comment says what a command is for.
            let command = command
                .split_once("  # ")
                .map_or(command, |(first, _)| first);
            steps.push(Step {
                command: command.trim_end().to_owned(),
                code: 0,
                shown: String::new(),
            });
            continue;
        }
        let step = steps.last_mut().expect("a command comes first");
        match line.strip_prefix("? ") {
            Some(code) if step.shown.is_empty() => step.code = code.parse().expect("an exit code"),
            _ => step.shown += &format!("{line}\n"),
        }
    }
    steps
}

/// Without what changes from run to run, and without the steps of progress that come and go with the pace of the machine.
pub(super) fn normal(text: &str, root: &Path) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"(?m)^([a-z0-9-]+: )?◌ .*\n", ""),
            (r"(\S+@\S+) on \S+", "$1 on [MACHINE]"),
            (r"\b(git version|Python) [\d.]+", "$1 [VERSION]"),
            (r"\b\d{4}-\d\d-\d\d\b", "[DAY]"),
            (r"/home/ana\b", "[HOME]"),
            (r"\btoday \[TIME\]", "[AGO]"),
            (r"\bof [\d,]+ requests?\b", "of [COUNT] requests"),
            (r"(?m) +$", ""),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .into()
    });
    let text = redact(text, root);
    PATTERNS.iter().fold(text, |text, (pattern, with)| {
        pattern.replace_all(&text, *with).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_commands_with_their_codes_and_what_they_print() {
        let text = "```toml\n$ no\n```\n```console\n$ squad x    # why\n? 3\na\n\nb\n$ cd y\n```\n```console,runnable\n$ z\n```\n";
        let mut blocks = blocks(text);
        assert_eq!(blocks.len(), 1);
        let steps = blocks.pop_front().expect("a block");
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.command.as_str(), step.code, step.shown.as_str()))
            .collect();
        assert_eq!(told, [("squad x", 3, "a\n\nb\n"), ("cd y", 0, "")]);
    }

    #[test]
    fn an_hour_an_id_and_a_count_are_no_difference() {
        let shown = "revision 6, rui@acme.example, today 09:12: of 463 requests 0 failed\n◌ revision  ready\n";
        let printed = "revision 6, rui@acme.example, just now: of 7 requests 0 failed\n";
        let root = Path::new("/r");
        assert_eq!(normal(shown, root), normal(printed, root));
        let other = printed.replace("0 failed", "1 failed");
        assert_ne!(normal(shown, root), normal(&other, root));
    }
}
