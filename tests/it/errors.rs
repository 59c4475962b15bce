//! Every error id has a page in `docs/errors/`, and every page an error.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

use crate::support::{files_below, repository};

/// The exit code of each kind, as `docs/exit-codes.md` has it.
const CODES: [(&str, u8); 12] = [
    ("Failed", 1),
    ("Usage", 2),
    ("Unhealthy", 3),
    ("Credentials", 4),
    ("Config", 5),
    ("Conflict", 6),
    ("Refused", 7),
    ("Pending", 8),
    ("Differs", 10),
    ("Internal", 70),
    ("Timeout", 124),
    ("Interrupted", 130),
];

/// Every file of the library without its tests.
fn sources() -> BTreeMap<String, String> {
    files_below(&repository().join("src"), "rs")
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("source");
            let code = text
                .split("#[cfg(test)]\nmod ")
                .next()
                .unwrap_or("")
                .to_owned();
            let name = path
                .strip_prefix(repository())
                .expect("below")
                .display()
                .to_string();
            (name, code)
        })
        .collect()
}

/// The ids that the code gives to errors: the second argument of `Error::new`, the `id` of a diagnosis, and
/// what `src/error/` maps those to.
fn ids(sources: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let patterns = [
        (
            r#"(?:Error|Self)::new\(\s*(?:error::)?Kind::\w+,\s*"([^"]+)""#,
            "src/",
        ),
        (r#"\bid: "([a-z0-9-]+)""#, "src/platform/"),
        (r#"=> "([a-z0-9]+(?:-[a-z0-9]+)+)""#, "src/error/"),
    ];
    let mut found = BTreeMap::new();
    for (pattern, below) in patterns {
        let pattern = Regex::new(pattern).expect("a pattern");
        for (file, code) in sources.iter().filter(|(file, _)| file.starts_with(below)) {
            for id in pattern.captures_iter(code) {
                found.insert(id[1].to_owned(), file.clone());
            }
        }
    }
    found
}

fn pages() -> BTreeMap<String, String> {
    files_below(&repository().join("docs/errors"), "md")
        .into_iter()
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(&path).expect("a page"))
        })
        .collect()
}

#[test]
fn every_id_has_a_page_and_every_page_an_id() {
    let (sources, pages) = (sources(), pages());
    let ids = ids(&sources);
    assert!(
        ids.len() > 3,
        "the patterns of this test find the ids: {ids:?}"
    );
    let mut wrong = Vec::new();
    for (id, file) in &ids {
        if !pages.contains_key(id) {
            wrong.push(format!(
                "docs/errors/{id}.md is missing (`{id}` is in {file})"
            ));
        }
    }
    for page in pages.keys() {
        let literal = format!("\"{page}\"");
        if !sources.values().any(|code| code.contains(&literal)) {
            wrong.push(format!("docs/errors/{page}.md: no error has this id"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_id_is_kebab_case() {
    let form = Regex::new("^[a-z0-9]+(-[a-z0-9]+)*$").expect("a pattern");
    let wrong: BTreeSet<_> = ids(&sources())
        .into_keys()
        .filter(|id| !form.is_match(id))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_page_has_the_form() {
    let code = Regex::new(r"(?i)\bexits?\s+(code\s+|with\s+)?(code\s+)?`?\d+").expect("a pattern");
    let mut wrong = Vec::new();
    for (id, text) in pages() {
        let mut complain = |what: &str| wrong.push(format!("docs/errors/{id}.md: {what}"));
        if text.lines().next() != Some(format!("# {id}").as_str()) {
            complain("the first line is not the title");
        }
        let lines = text.lines().count();
        if !(6..=30).contains(&lines) {
            complain("a page has 6 to 30 lines: what it means, what is live, what to do");
        }
        if !code.is_match(&text) {
            complain("it does not name the exit code");
        }
        for line in text.lines() {
            if line.chars().count() > 130 {
                complain("a line is longer than 130 characters");
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_names_exactly_the_exit_codes_that_its_id_has() {
    let new = Regex::new(r#"(?:Error|Self)::new\(\s*(?:error::)?Kind::(\w+),\s*"([^"]+)""#);
    let new = new.expect("a pattern");
    let mut wanted: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    for code in sources().values() {
        for found in new.captures_iter(code) {
            let kind = CODES.iter().find(|(kind, _)| *kind == &found[1]);
            let code = kind.expect("a kind of the table").1;
            wanted.entry(found[2].to_owned()).or_default().insert(code);
        }
    }
    assert!(wanted.len() > 100, "the pattern finds the ids: {wanted:?}");
    let sentence = Regex::new(r"\b[Ee]xits?\b[^.]*").expect("a pattern");
    let number = Regex::new(r"\b\d+\b").expect("a pattern");
    let mut wrong = Vec::new();
    for (id, text) in pages() {
        let Some(codes) = wanted.get(&id) else {
            continue;
        };
        // That is the name of a flag.
        let text = text.replace("--exit-code", "");
        let named: BTreeSet<u8> = sentence
            .find_iter(&text)
            .flat_map(|sentence| number.find_iter(sentence.as_str()))
            .filter_map(|number| number.as_str().parse().ok())
            .collect();
        if named != *codes {
            wrong.push(format!(
                "docs/errors/{id}.md names {named:?}, and the code has {codes:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_ends_with_a_full_stop_or_apologises() {
    let message =
        Regex::new(r#"(?:Error|Self)::new\(\s*Kind::\w+,\s*"[^"]+",\s*(?:format!\(\s*)?"([^"]*)""#)
            .expect("a pattern");
    let rude = Regex::new(r"(?i)\b(please|sorry|oops|simply|just)\b|!$|[.]$").expect("a pattern");
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        for found in message.captures_iter(&code) {
            if rude.is_match(&found[1]) {
                wrong.push(format!("{file}: `{}`", &found[1]));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/style.md says how an error reads:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_job_of_github_actions_shows_the_error_beside_it() {
    let mut home = crate::support::Home::new();
    home.set("GITHUB_ACTIONS", "true");
    home.squad(["status", "--env", "100%"])
        .failure(2)
        .assert(snapbox::str![[r#"
› error: cannot use `--env`: `100%` is not a name: use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end
› hint: list the environments with `squad env list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/name-invalid.md
› ::error title=squad name-invalid::cannot use `--env`: `100%25` is not a name: use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end
[exit 2]

"#]]);
}
