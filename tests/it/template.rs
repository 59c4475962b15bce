//! `squad template`: what there is, and checks for people who write their own.

use std::os::unix::fs::PermissionsExt;

use snapbox::str;

use crate::support::Home;

#[test]
fn the_built_in_templates_are_listed() {
    let home = Home::new();
    home.squad(["template", "list"]).assert(str![[r#"
TEMPLATE         VERSION  WHAT IT MAKES
python-function  1.0.0    [..]
python-http      1.0.0    [..]
[exit 0]

"#]]);
    let json = home
        .squad(["template", "list", "-o", "json"])
        .success()
        .json();
    assert_eq!(json["schema"], "squad.template_list/v1");
    assert_eq!(json["templates"][1]["name"], "python-http");
    assert_eq!(json["templates"][1]["kind"], "http");
    assert_eq!(json["templates"][1]["languages"][0], "python");
}

#[test]
fn a_template_is_shown() {
    let home = Home::new();
    home.squad(["template", "show", "python-http"])
        .assert(str![[r#"
builtin/python-http 1.0.0
HTTP service in Python (FastAPI), for EKS or this machine

Questions
  name       [..] (string)
  squad      the squad that owns it (string)
  tier       [..] (int) [default: 2]
  telemetry  [..]: prometheus, datadog or both (choice) [default: prometheus]

Files
...
  squad.toml
...
[exit 0]

"#]]);
    let json = home
        .squad(["template", "show", "python-http", "-o", "json"])
        .success()
        .json();
    assert_eq!(json["schema"], "squad.template/v1");
    assert_eq!(json["id"], "builtin/python-http");
    assert_eq!(json["questions"][3]["default"], "prometheus");
    assert_eq!(json["questions"][3]["choices"][1], "datadog");
    let _unknown = home.squad(["template", "show", "pyton-http"]).failure(2);
}

const MANIFEST: &str = r#"schema = 1
name = "mine"
version = "0.1.0"
summary = "One of ours"
kind = "worker"
engine = 1

[[question]]
id = "name"
type = "string"
label = "the name"

[[question]]
id = "level"
type = "int"
label = "the level"
min = 1
max = 5
"#;

#[test]
fn a_good_template_is_called_good() {
    let home = Home::new();
    home.write("mine/template.toml", MANIFEST);
    home.write("mine/files/a.tmpl", "<%= name %> <%= level %>\n");
    home.write("mine/tests/one.toml", "name = \"a\"\nlevel = 1\n");
    home.squad(["template", "lint", "mine"]).assert(str![[r#"
mine 0.1.0: no mistakes in 1 file, 2 questions and 1 test render
[exit 0]

"#]]);
    // A render that is pinned, as `git` names it.
    home.write("expected/a", "a 1\n");
    home.commit_all(home.work().join("expected"), "x");
    let tree = home.git(home.work().join("expected"), ["rev-parse", "HEAD^{tree}"]);
    let pinned = |tree: &str| format!("name = \"a\"\nlevel = 1\ntree = \"{tree}\"\n");
    home.write("mine/tests/one.toml", &pinned(&tree));
    let _good = home.squad(["template", "lint", "./mine"]).success();
    home.write("mine/files/a.tmpl", "<%= name %>: <%= level %>\n");
    home.squad(["template", "lint", "./mine"]).assert(str![[r#"
› error: the template `./mine` has 1 mistake
›   tests/one.toml: the render is the tree [HASH], and `tree` says [HASH]
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-invalid.md
[exit 5]

"#]]);
}

#[test]
fn all_mistakes_of_a_template_are_reported() {
    let home = Home::new();
    home.write("mine/template.toml", &format!(
        "{MANIFEST}\n[[file]]\nglob = \"no/*\"\n\n[[file]]\nglob = \"*\"\nwhen = \"levle > 2\"\n\n[[next]]\ntext = \"<%= nowhere %>\"\n"
    ));
    home.write("mine/files/a.tmpl", "<%= nmae %>\n");
    home.write("mine/files/b.tmpl", "x\n<% if %>\n");
    home.write("mine/files/con.txt", "x");
    home.write("mine/files/<%= what %>", "x");
    let script = home.write("mine/files/run", "#!/bin/sh\n");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    home.write("mine/tests/one.toml", "nam = \"a\"\nlevel = 9\n");
    home.squad(["template", "lint", "./mine"]).assert(str![[r#"
› error: the template `./mine` has 13 mistakes
›   files/<%= what %>: no question asks for `what`
›   files/a.tmpl: no question asks for `nmae`; did you mean `name`?
›   files/b.tmpl:2: syntax error: [..]
›   files/con.txt: its path is refused: it holds the name of a Windows device
›   files/run: it is executable, and no [[file]] says `mode = "755"`
›   template.toml: [[next]]: no question asks for `nowhere`
›   template.toml: nothing uses the answer to `level`
›   template.toml: nothing uses the answer to `name`
›   template.toml:20: `no/*` matches no file
›   template.toml:23: no question asks for `levle`; did you mean `level`?
›   tests/one.toml: `level` is `9`; it is a whole number from 1 to 5
›   tests/one.toml: `name` is missing
›   tests/one.toml: there is no question `nam`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-invalid.md
[exit 5]

"#]]);
}

#[test]
fn a_broken_manifest_is_reported_with_lines() {
    let home = Home::new();
    home.write(
        "mine/template.toml",
        "schema = 1\nname = \"mine\"\nversion = 1\nsummary = \"x\"\nkind = \"cron\"\n\n[[question]]\nid = \"org\"\ntype = \"string\"\nlabel = \"x\"\npattern = \"[\"\n",
    );
    home.write("mine/files/a", "");
    home.squad(["template", "lint", "./mine"]).assert(str![[r#"
› error: the template `./mine` has 5 mistakes
›   template.toml:1: `engine` is missing; write `engine = 1`
›   template.toml:3: `version` has to be a text
›   template.toml:5: `kind` is `cron`; it is http, function or worker
›   template.toml:8: `org` is a variable that is always there; choose another `id`
›   template.toml:11: `pattern` is not a regular expression: [..]
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-invalid.md
[exit 5]

"#]]);
    let json = home
        .squad(["template", "lint", "./mine", "-o", "json"])
        .failure(5)
        .error_json();
    assert_eq!(json["id"], "template-invalid");
    assert_eq!(json["details"].as_array().map(Vec::len), Some(5));
}
