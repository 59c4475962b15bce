//! The pinned renders of the built-in templates: `templates/<template>/tests/<case>.toml` holds answers and the tree that
//! has to come out, by the name that git gives it. Beside it `tests/data/renders/` holds what is in that tree (and the
//! text of what was rendered and not only copied), so that a mismatch shows its difference. `SNAPSHOTS=overwrite` writes
//! both anew; a template that was released gets a new version then.

use std::path::{Path, PathBuf};

use regex_lite::Regex;
use snapbox::Data;

use crate::generated::parses;
use crate::support::{Home, all_files_below, repository};

/// The answer sets of all built-in templates: template, case, file.
fn cases() -> Vec<(String, String, PathBuf)> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut cases = Vec::new();
    for template in std::fs::read_dir(repository().join("templates")).unwrap() {
        let template = template.unwrap().path();
        let before = cases.len();
        for case in std::fs::read_dir(template.join("tests"))
            .into_iter()
            .flatten()
        {
            let case = case.unwrap().path();
            let stem = name(&case).trim_end_matches(".toml").to_owned();
            cases.push((name(&template), stem, case));
        }
        assert!(
            cases.len() > before,
            "no render of {} is pinned",
            name(&template)
        );
    }
    cases.sort();
    cases
}

/// Renders one answer set with the real binary.
fn make(template: &str, answers: &str) -> (Home, PathBuf) {
    let mut home = Home::new();
    let lines = || answers.lines().filter(|line| !line.starts_with("tree ="));
    if let Some(org) = lines().find(|line| line.starts_with("org =")) {
        let org = format!(
            "schema = 1\n[org]\n{}\n[squad.ledger]\n",
            org.replace("org =", "name =")
        );
        home.write("org/org.toml", &org);
        home.set("SQUAD_ORG", "./org");
    }
    let given: Vec<&str> = lines().filter(|line| !line.starts_with("org =")).collect();
    home.write("answers.toml", &given.join("\n"));
    let output = home.squad([
        "new",
        template,
        "made",
        "--no-git",
        "--answers",
        "answers.toml",
    ]);
    let _made = output.success();
    let made = home.work().join("made");
    std::fs::remove_dir_all(made.join(".squad")).unwrap();
    (home, made)
}

/// Renders one answer set and gives the directory to git: the tree's name, and its listing with the text of each file
/// that came from a `.tmpl`.
fn render(template: &str, answers: &str) -> (String, String) {
    let (home, made) = make(template, answers);
    home.git(&made, ["init", "--quiet"]);
    home.git(&made, ["add", "--all", "--force"]);
    let tree = home.git(&made, ["write-tree"]);
    let mut listing = home.git(&made, ["ls-tree", "-r", "--full-tree", &tree]);
    let sources = repository().join("templates").join(template).join("files");
    let paths = home.git(&made, ["ls-files"]);
    for path in paths.lines() {
        if sources.join(format!("{path}.tmpl")).exists() {
            let text = std::fs::read_to_string(made.join(path)).unwrap();
            listing.push_str(&format!("\n\n==> {path}\n{text}"));
        }
    }
    (tree, listing)
}

#[test]
fn the_built_in_templates_render_what_is_pinned() {
    let overwrite = std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite");
    let mut wrong = Vec::new();
    for (template, case, path) in cases() {
        let answers = std::fs::read_to_string(&path).unwrap();
        let (tree, listing) = render(&template, &answers);
        let file = repository().join(format!("tests/data/renders/{template}-{case}.txt"));
        if overwrite {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        snapbox::assert_data_eq!(
            Data::text(listing).raw(),
            Data::read_from(&file, None).raw()
        );
        let pinned = format!("tree = \"{tree}\"");
        if overwrite {
            let lines = answers.lines().map(|line| {
                if line.starts_with("tree =") {
                    &pinned
                } else {
                    line
                }
            });
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            std::fs::write(&path, text).unwrap();
        } else if !answers.lines().any(|line| line == pinned) {
            wrong.push(format!("{}: {pinned}", path.display()));
        }
    }
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "`SNAPSHOTS=overwrite cargo test --test it renders` writes them anew"
    );
}

/// The commands of squad in one file: in backticks, in a block of Markdown, in a step of a workflow, in a recipe.
fn commands_in(path: &Path, text: &str) -> Vec<String> {
    let quoted = Regex::new(r"`(squad [^`]+)`").unwrap();
    let mut found: Vec<String> = quoted
        .captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect();
    let is_prose = path.extension().is_some_and(|extension| extension == "md");
    let mut is_block = false;
    for line in text.lines().map(str::trim) {
        is_block ^= line.starts_with("```");
        let line = line.trim_start_matches(['@', '-']).trim_start();
        let line = line.strip_prefix("run: ").unwrap_or(line);
        let is_command = line.starts_with("squad ") && !line.starts_with("squad =");
        if is_command && (is_block || !is_prose) {
            found.push(line.to_owned());
        }
    }
    found
}

/// A command as a shell may see it: what `${NAME:+words}` adds is there, and each blank is filled in.
fn filled(command: &str) -> String {
    let optional = Regex::new(r"\$\{\w+:\+([^}]*)\}").unwrap();
    let blank = Regex::new(r"\$\{?\w+\}?|<[a-z]+>").unwrap();
    let command = optional.replace_all(command, "$1");
    blank.replace_all(&command, "staging").into_owned()
}

#[test]
fn every_command_of_squad_in_a_new_service_is_one_that_squad_has() {
    let mut wrong = Vec::new();
    let mut workflows = 0;
    for (template, case, path) in cases() {
        let answers = std::fs::read_to_string(&path).unwrap();
        let (_home, made) = make(&template, &answers);
        for path in all_files_below(&made) {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let path = path.strip_prefix(&made).unwrap();
            let commands = commands_in(path, &text);
            workflows += usize::from(path.starts_with(".github/workflows") && !commands.is_empty());
            for command in commands {
                if let Err(why) = parses(&filled(&command)) {
                    let path = path.display();
                    wrong.push(format!("{template}-{case}: {path}: `{command}`: {why}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(workflows, cases().len(), "each has a workflow that deploys");
}
