//! The layers (`docs/architecture.md`): which module may name which. Rust lets the modules of one crate form
//! cycles silently, so this test is the wall between them.

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::Regex;

use crate::support::{files_below, repository};

/// Module → what it may name with `crate::`, besides itself.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("clock", &[]),
    ("env", &[]),
    ("fs", &[]),
    ("output", &["env"]),
    ("config", &["domain", "env", "fs"]),
    ("template", &["domain", "fs"]),
    ("clients", &["domain", "clock", "env", "fs"]),
    ("platform", &["domain", "clock", "clients", "fs"]),
    (
        "error",
        &["domain", "config", "template", "clients", "platform", "fs"],
    ),
    (
        "ops",
        &[
            "domain", "clock", "fs", "template", "clients", "platform", "error",
        ],
    ),
    (
        "cli",
        &[
            "domain", "clock", "env", "fs", "output", "config", "template", "clients", "platform",
            "error", "ops",
        ],
    ),
];

/// Crates that belong to one place: only it may name them.
const OWNED: [(&str, &[&str]); 4] = [
    ("clap", &["cli", "lib.rs"]),
    ("clap_mangen", &["cli"]),
    ("dialoguer", &["cli"]),
    ("indicatif", &["cli"]),
];

/// What the pure rules may not do.
const IMPURE: [&str; 6] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
    "rustix",
];

pub(crate) fn source() -> std::path::PathBuf {
    repository().join("src")
}

/// The first part of a path below `src`: a module, or `lib.rs` and `main.rs`.
fn module_of(file: &Path) -> String {
    let path = file.strip_prefix(source()).expect("below src");
    let first = path.iter().next().expect("a part").to_string_lossy();
    match first.as_ref() {
        "lib.rs" | "main.rs" => first.into_owned(),
        other => other.trim_end_matches(".rs").to_owned(),
    }
}

/// The code without comments and without its tests, which may look at anything.
pub(crate) fn code_of(file: &Path) -> String {
    let is_test = |part: &std::ffi::OsStr| part == "tests.rs" || part == "tests";
    let below = file.strip_prefix(source()).expect("below src");
    if below.iter().any(is_test) {
        return String::new();
    }
    let text = std::fs::read_to_string(file).expect("source");
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every module named by `crate::x` or in a `use crate::{x, y::z}` list.
fn named_modules(code: &str) -> Vec<String> {
    let single = Regex::new(r"\bcrate::([a-z_]+)").expect("a pattern");
    let list = Regex::new(r"\bcrate::\{").expect("a pattern");
    let mut named: Vec<String> = single
        .captures_iter(code)
        .map(|found| found[1].to_owned())
        .collect();
    for found in list.find_iter(code) {
        let (mut depth, mut item) = (1, String::new());
        for letter in code[found.end()..].chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && letter == ',') {
                named.push(item.trim().split("::").next().unwrap_or("").to_owned());
                item.clear();
            } else {
                item.push(letter);
            }
            if depth == 0 {
                break;
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

#[test]
fn reads_both_forms_of_use() {
    let code =
        "use crate::env;\nuse crate::{domain::name::{A, B}, fs};\nlet x = crate::clock::now();";
    assert_eq!(named_modules(code), ["env", "clock", "domain", "fs"]);
}

#[test]
fn dependencies_point_downward_only() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for file in files_below(&source(), "rs") {
        let module = module_of(&file);
        if module == "lib.rs" || module == "main.rs" {
            continue;
        }
        let Some(may_name) = allowed.get(module.as_str()) else {
            wrong.push(format!("`{module}` is not in the table of layers"));
            continue;
        };
        for named in named_modules(&code_of(&file)) {
            if named != module && !may_name.contains(&named.as_str()) {
                wrong.push(format!(
                    "{}: `{module}` may not name `{named}`",
                    file.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_names_the_crates_for_it() {
    let mut wrong = Vec::new();
    for file in files_below(&source(), "rs") {
        let (module, code) = (module_of(&file), code_of(&file));
        for (name, owners) in OWNED {
            let pattern = Regex::new(&format!(r"\b{name}::")).expect("a pattern");
            if pattern.is_match(&code) && !owners.contains(&module.as_str()) {
                wrong.push(format!(
                    "{}: only {owners:?} may name `{name}`",
                    file.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_does_no_input_or_output() {
    let mut wrong = Vec::new();
    for file in files_below(&source().join("domain"), "rs") {
        let code = code_of(&file);
        for name in IMPURE {
            if code.contains(name) {
                wrong.push(format!("{}: names `{name}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_forgotten() {
    let directory = repository().join("tests/it");
    let main = std::fs::read_to_string(directory.join("main.rs")).expect("main.rs");
    for entry in std::fs::read_dir(&directory).expect("tests/it") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let Some(module) = name.strip_suffix(".rs") else {
            continue;
        };
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "tests/it/main.rs does not name `{module}`: its tests never run"
        );
    }
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let tests = repository().join("tests");
    let long: Vec<_> = files_below(&source(), "rs")
        .into_iter()
        .chain(files_below(&tests, "rs"))
        .filter_map(|file| {
            let lines = std::fs::read_to_string(&file)
                .expect("source")
                .lines()
                .count();
            (lines > 600).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by noun:\n{}", long.join("\n"));
}
