//! The pinned renders of the built-in templates: `templates/<template>/tests/<case>.toml` holds answers and the tree that
//! has to come out, by the name that git gives it. Beside it `tests/data/renders/` holds what is in that tree (and the
//! text of what was rendered and not only copied), so that a mismatch shows its difference. `SNAPSHOTS=overwrite` writes
//! both anew; a template that was released gets a new version then.

use std::path::{Path, PathBuf};

use snapbox::Data;

use crate::support::{Home, repository};

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

/// Renders one answer set with the real binary, and gives the directory to git: the tree's name, and its listing with
/// the text of each file that came from a `.tmpl`.
fn render(template: &str, answers: &str) -> (String, String) {
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
