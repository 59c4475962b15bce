//! The documentation is tested: every ```` ```console,runnable ```` block in `docs/` and `README.md` runs under
//! trycmd in a hermetic home (one for each page), every other ```` ```console ```` block in the test of its page (the files
//! beside this one), links lead somewhere, and code blocks of files are valid.
//! `TRYCMD=overwrite` rewrites the outputs of the first ones.

mod block;
mod cloud;
mod deploying;
mod installing;
mod rollouts;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::support::{Home, SQUAD, files_below, repository};

/// What hides a block from trycmd, which would take a plain or a `console` fence for one to run.
const HIDDEN: &str = "not-run:";

fn pages() -> Vec<PathBuf> {
    let mut pages = files_below(&repository().join("docs"), "md");
    pages.push(repository().join("README.md"));
    pages
}

/// The page as trycmd may see it: only the blocks that are marked as runnable are left to it.
fn hide(text: &str) -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            if !inside && info != "console,runnable" {
                lines.push(format!("```{HIDDEN}{info}"));
                inside = true;
                continue;
            }
            inside = !inside;
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}

fn show(text: &str) -> String {
    text.replace(&format!("```{HIDDEN}"), "```")
}

#[test]
fn examples_do_what_the_page_says() {
    let mut run = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        if !text.lines().any(|line| line == "```console,runnable") {
            continue;
        }
        run += 1;
        examples_of(&page, &text);
    }
    assert!(run > 0, "no page has a runnable example");
}

fn examples_of(page: &Path, text: &str) {
    let home = Home::new();
    let directory = home.root().join("page");
    std::fs::create_dir_all(&directory).expect("a directory");
    let copy = directory.join(page.file_name().expect("a name"));
    std::fs::write(&copy, hide(text)).expect("a copy");
    // trycmd hands its own environment on, so the home is put around the binary.
    let wrapper = home.root().join("squad");
    let mut variables = String::new();
    for (name, value) in home.program("true").get_envs() {
        let value = value.unwrap_or_default().display();
        variables.push_str(&format!(" {}='{value}'", name.display()));
    }
    let work = home.work();
    let script = format!(
        "#!/bin/sh\ncd '{}'\nexec env -i{variables} '{SQUAD}' \"$@\"\n",
        work.display()
    );
    std::fs::write(&wrapper, script).expect("a wrapper");
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).expect("mode");

    let cases = trycmd::TestCases::new();
    cases.register_bin("squad", trycmd::schema::Bin::Path(wrapper));
    cases
        .insert_var("[WORK]", work.display().to_string())
        .expect("a variable");
    cases.case(&copy).run();
    if std::env::var("TRYCMD").is_ok_and(|value| value == "overwrite") {
        let rewritten = show(&std::fs::read_to_string(&copy).expect("the copy"));
        std::fs::write(page, rewritten).expect("the page");
    }
}

/// The pages with blocks that want something before them; each has a test that opens it and runs them.
const TOLD: [&str; 8] = [
    "README.md",
    "docs/aws.md",
    "docs/contributing.md",
    "docs/deploying.md",
    "docs/fleet.md",
    "docs/rollout-report.md",
    "docs/rollouts.md",
    "docs/templates.md",
];

#[test]
fn every_page_with_a_block_has_its_test() {
    let tests: String = files_below(&repository().join("tests/it/docs"), "rs")
        .iter()
        .filter(|file| !file.ends_with("mod.rs"))
        .map(|file| std::fs::read_to_string(file).expect("a test"))
        .collect();
    let mut found: Vec<String> = pages()
        .iter()
        .filter(|page| !block::blocks(&std::fs::read_to_string(page).expect("a page")).is_empty())
        .map(|page| {
            page.strip_prefix(repository())
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    found.sort();
    assert_eq!(found, TOLD);
    for page in found {
        assert!(tests.contains(&format!("Page::open(\"{page}\")")), "{page}");
    }
}

#[test]
fn hiding_and_showing_is_the_identity() {
    let text = "a\n```\nx\n```\n```console\n$ x\n```\n```console,runnable\n$ squad help\n```\n";
    assert_eq!(show(&hide(text)), text);
    assert_eq!(hide(text).matches(HIDDEN).count(), 2);
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").expect("a pattern");
    let mut wrong = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://")
                || target.starts_with("mailto:")
                || target.starts_with("crate::")
            {
                continue;
            }
            if !page.parent().expect("a directory").join(target).exists() {
                wrong.push(format!("{}: `{target}` is not there", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_that_the_docs_name_exist() {
    let command = squad::command();
    let named = Regex::new(r"`squad ([a-z][a-z-]*)((?: [a-z][a-z-]*)?)").expect("a pattern");
    let mut wrong = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("a page");
        for found in named.captures_iter(&text) {
            let (first, second) = (&found[1], found[2].trim());
            let Some(noun) = command.find_subcommand(first) else {
                wrong.push(format!("{}: there is no `squad {first}`", page.display()));
                continue;
            };
            if noun.has_subcommands()
                && !second.is_empty()
                && noun.find_subcommand(second).is_none()
            {
                wrong.push(format!(
                    "{}: there is no `squad {first} {second}`",
                    page.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_architecture_fits_on_two_pages() {
    let text = std::fs::read_to_string(repository().join("docs/architecture.md")).expect("a page");
    let words = text.split_whitespace().count();
    assert!(words <= 1100, "{words} words; two pages have about 1,100");
}

#[test]
fn every_decision_has_the_form_and_its_number_once() {
    let files = files_below(&repository().join("docs/decisions"), "md");
    let mut numbers = std::collections::BTreeSet::new();
    for file in &files {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let (number, _) = name.split_once('-').expect("NNNN-title.md");
        assert!(number.len() == 4 && number.parse::<u16>().is_ok(), "{name}");
        assert!(numbers.insert(number.to_owned()), "{number} twice");
        let text = std::fs::read_to_string(file).expect("a page");
        for heading in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(heading), "{name} has no `{heading}`");
        }
        assert!(text.lines().count() <= 60, "{name} is longer than a page");
    }
    assert!(numbers.len() >= 5);
}
