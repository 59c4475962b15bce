//! `squad new`: a service from a template, all of it or nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use snapbox::{assert_data_eq, str};

use crate::support::{Home, Terminal};

/// A small template of this test, at `./plain`.
pub(crate) fn plain(home: &Home) {
    home.write(
        "plain/template.toml",
        r#"schema = 1
name = "plain"
version = "2.0.1"
summary = "A service for tests"
kind = "http"
engine = 1

[[question]]
id = "name"
type = "string"
label = "the name of the service"
pattern = "[a-z][a-z-]*[a-z]"
message = "lower-case letters and dashes"

[[question]]
id = "squad"
type = "string"
label = "the squad that owns it"
pattern = "[a-z]+"

[[question]]
id = "size"
type = "choice"
label = "how large it is"
choices = ["small", "large"]

[[question]]
id = "queue"
type = "bool"
label = "whether it has a queue"
default = false

[[file]]
glob = "bin/*"
mode = "755"

[[file]]
glob = "queue.txt"
when = "queue"

[[next]]
text = "look at <%= name %>"
"#,
    );
    home.write(
        "plain/files/README.md.tmpl",
        "# <%= name %> of <%= squad %>\n",
    );
    home.write("plain/files/bin/serve", "#!/bin/sh\n");
    home.write("plain/files/queue.txt", "a queue\n");
    home.write(
        "plain/files/docs/<%= size %>/notes.txt",
        "<%= not rendered %>\n",
    );
}

/// An org with three squads, in use.
pub(crate) fn org(home: &Home) {
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[squad.cards]\n[squad.identity]\n",
    );
    let _added = home.squad(["org", "add", "org"]).success();
    let _used = home.squad(["org", "use", "acme"]).success();
}

/// Everything in the work directory but the template and the org, hidden entries included.
pub(crate) fn made(home: &Home) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(home.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "plain" && name != "org")
        .collect();
    names.sort();
    names
}

fn executable(path: &Path) -> bool {
    path.metadata().unwrap().permissions().mode() & 0o111 != 0
}

/// Answers that are right for `./plain`.
pub(crate) const RIGHT: [&str; 6] = [
    "--set",
    "squad=ledger",
    "--set",
    "size=small",
    "--set",
    "name=payments",
];

pub(crate) fn new(home: &Home, directory: &str) -> crate::support::Output {
    home.squad(["new", "./plain", directory].into_iter().chain(RIGHT))
}

#[test]
fn a_service_is_made_with_its_first_commit() {
    let home = Home::new();
    org(&home);
    let output = home.squad([
        "new",
        "python-http",
        "payments",
        "--set",
        "squad=ledger",
        "--set",
        "telemetry=both",
    ]);
    let files = {
        let service = home.work().join("payments");
        home.git(&service, ["ls-files"]).lines().count()
    };
    assert!(
        output
            .stderr
            .contains(&format!("✔ {files} files in payments/")),
        "{}",
        output.transcript()
    );
    output.assert(str![[r#"
› Template         python-http   HTTP service in Python (FastAPI), for EKS or this machine
› Name             payments
› Squad            ledger        (from the org acme)
› Tier             2
› Telemetry        both
› ✔ [..] files in payments/, first commit [HASH], template builtin/python-http 1.0.0
› next: cd payments
...
payments
[exit 0]

"#]]);
    let service = home.work().join("payments");
    assert_eq!(home.git(&service, ["status", "--porcelain"]), "");
    assert_eq!(home.git(&service, ["fsck", "--strict"]), "");
    assert_eq!(home.git(&service, ["branch", "--show-current"]), "main");
    assert_eq!(
        home.git(&service, ["log", "--format=%s|%an|%ae|%cn|%ce"]),
        "Start payments from python-http 1.0.0|Ana Example|ana@example.com|Ana Example|ana@example.com"
    );
    let manifest = std::fs::read_to_string(service.join("squad.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    assert_eq!(manifest["service"]["org"].as_str(), Some("acme"));
    assert_eq!(made(&home), ["payments"]);
}

/// A line that the terminal wraps would stay behind when its menu is drawn anew, or its question with the next key.
#[test]
fn a_person_is_asked_on_a_narrow_terminal() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, 40, ["new"]);
    terminal.expect("python-http");
    // Down and up again: the menu is drawn three times.
    terminal.press("\u{1b}[B").expect("> python-http");
    terminal.press("\u{1b}[A\r");
    terminal.expect("Name: the name of the function\nName");
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert_data_eq!(
        text,
        str![[r#"
Template:
  python-function   Lambda function in
                    Python, called
                    directly or over
                    HTTP; runs on this
                    machine too
  python-http       HTTP service in
                    Python (FastAPI),
                    for EKS or this
                    machine
Template:
> python-function
  python-http


  python-function
> python-http


> python-function
  python-http



Template         python-function
                 Lambda function in
                 Python, called directly
                 or over HTTP; runs on
                 this machine too
Name: the name of the function
Name: 
error: stopped at the question; nothing
  was changed
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md

"#]]
    );
}

#[test]
fn every_built_in_template_makes_a_configuration_that_is_right() {
    let home = Home::new();
    let templates = home.squad(["template", "list", "-o", "json"]).success();
    for template in templates.json()["templates"].as_array().unwrap() {
        let name = template["name"].as_str().unwrap();
        for telemetry in ["prometheus", "datadog", "both"] {
            let directory = format!("{name}-{telemetry}");
            let telemetry = format!("telemetry={telemetry}");
            let arguments = [
                "new",
                name,
                &directory,
                "--set",
                "squad=ledger",
                "--set",
                &telemetry,
            ];
            let _made = home.squad(arguments).success();
            let _checked = home
                .squad_in(home.work().join(&directory), ["config", "check"])
                .success();
        }
    }
}

#[test]
fn the_lock_says_what_git_says() {
    let home = Home::new();
    plain(&home);
    let set = ["--set", "squad=ledger", "--set", "size=large"];
    let _made = home
        .squad(["new", "./plain", "payments"].into_iter().chain(set))
        .success();
    let service = home.work().join("payments");
    let text = std::fs::read_to_string(service.join(".squad/template.lock")).unwrap();
    let oid = |text: &str| home.git(&service, ["rev-parse", text]);
    let blob = |path: &str| oid(&format!("HEAD:{path}"));
    let body = text.split_once("\"\n").unwrap().1;
    std::fs::write(home.work().join("body"), body).unwrap();
    let hash = home.git(&service, ["hash-object", "../body"]);
    home.git(
        &service,
        ["rm", "--quiet", "--cached", ".squad/template.lock"],
    );
    let tree = home.git(&service, ["write-tree"]);
    let wanted = format!(
        r#"# Written by squad; what a template update is merged against. Do not edit.
hash = "{hash}"
schema = 1

[[layer]]
id = "service"
root = "."
template = "dir/plain"
source = {{ kind = "dir" }}
version = "2.0.1"
engine = 1
base_tree = "{tree}"
answers = {{ name = "payments", org = "", queue = false, size = "large", squad = "ledger" }}

[layer.files]
"README.md" = {{ class = "merged", mode = "644", base = "{}", from = "README.md.tmpl" }}
"bin/serve" = {{ class = "merged", mode = "755", base = "{}", from = "bin/serve" }}
"docs/large/notes.txt" = {{ class = "merged", mode = "644", base = "{}", from = "docs/<%= size %>/notes.txt" }}
"#,
        blob("README.md"),
        blob("bin/serve"),
        blob("docs/large/notes.txt"),
    );
    assert_eq!(text, wanted);
    assert!(text.parse::<toml::Table>().is_ok());
    assert_eq!(
        std::fs::read_to_string(service.join("README.md")).unwrap(),
        "# payments of ledger\n"
    );
    assert_eq!(
        std::fs::read_to_string(service.join("docs/large/notes.txt")).unwrap(),
        "<%= not rendered %>\n"
    );
    assert!(executable(&service.join("bin/serve")));
    assert!(!executable(&service.join("README.md")));
    assert!(!service.join("queue.txt").exists());

    // The same answers give the same files, whenever and wherever.
    let _again = home
        .squad(
            ["new", "./plain", "other", "--set", "name=payments"]
                .into_iter()
                .chain(set),
        )
        .success();
    let other = std::fs::read_to_string(home.work().join("other/.squad/template.lock")).unwrap();
    assert_eq!(other, text);
}

#[test]
fn programs_get_one_document() {
    let home = Home::new();
    plain(&home);
    let output = home
        .squad([
            "new",
            "./plain",
            "payments",
            "-o",
            "json",
            "--set",
            "squad=ledger",
            "--set",
            "size=small",
            "--set",
            "queue=true",
        ])
        .success();
    assert_eq!(output.stderr, "");
    let mut json = output.json();
    let commit = json["commit"].take();
    let tree = json["tree"].take();
    let service = home.work().join("payments");
    assert_eq!(
        commit.as_str(),
        Some(home.git(&service, ["rev-parse", "HEAD"]).as_str())
    );
    assert_eq!(tree.as_str().map(str::len), Some(40));
    assert_eq!(
        json,
        serde_json::json!({
            "schema": "squad.new/v1", "directory": "payments", "name": "payments",
            "template": "dir/plain", "template_version": "2.0.1", "files": 5,
            "commit": null, "tree": null,
            "answers": {
                "name": "payments", "org": "", "queue": true, "size": "small", "squad": "ledger",
            },
            "next": ["look at payments"],
        })
    );
}

#[test]
fn in_a_work_tree_no_repository_is_made() {
    let home = Home::new();
    plain(&home);
    home.write("shop/templates/README", "x");
    std::fs::rename(
        home.work().join("plain"),
        home.work().join("shop/templates/plain"),
    )
    .unwrap();
    let shop = home.work().join("shop");
    home.commit_all(&shop, "A shop");
    std::fs::create_dir(shop.join("services")).unwrap();
    let arguments = ["new", "./templates/plain", "services/payments"]
        .into_iter()
        .chain(RIGHT);
    home.squad_in(&shop, arguments).assert(str![[r#"
› Template         plain         A service for tests
› Name             payments
› Squad            ledger
› Size             small
› Queue            false
› ✔ 4 files in services/payments/, template dir/plain 2.0.1
› no repository was made: [WORK]/shop is one already; commit the new files there
› next: cd services/payments
›       look at payments
services/payments
[exit 0]

"#]]);
    assert!(!shop.join("services/payments/.git").exists());
    assert_eq!(home.git(&shop, ["status", "--porcelain"]), "?? services/");
    let lock = shop.join("services/payments/.squad/template.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    assert!(
        lock.contains("source = { kind = \"dir\", path = \"../../templates/plain\" }\n"),
        "{lock}"
    );
}

#[test]
fn the_settings_of_the_person_change_nothing_in_the_commit() {
    let home = Home::new();
    plain(&home);
    let hooks = home.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for hook in ["pre-commit", "reference-transaction", "post-index-change"] {
        let hook = hooks.join(hook);
        std::fs::write(&hook, "#!/bin/sh\ntouch ~/hook-was-run\nexit 1\n").unwrap();
        std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::fs::write(home.path().join("ignored"), "*.md\nbin\n").unwrap();
    std::fs::write(
        home.path().join(".gitconfig"),
        format!(
            "[core]\nhooksPath = {}\nexcludesFile = ~/ignored\nautocrlf = true\n\
             [init]\ndefaultBranch = trunk\n[commit]\ngpgSign = true\n[user]\nsigningKey = none\n",
            hooks.display()
        ),
    )
    .unwrap();
    // As in a hook of another repository.
    home.write("elsewhere/x", "x");
    let elsewhere = home.work().join("elsewhere");
    let mut command = home.command(["new", "./plain", "payments"].into_iter().chain(RIGHT));
    command
        .env("GIT_DIR", elsewhere.join(".git"))
        .env("GIT_INDEX_FILE", elsewhere.join("index"))
        .env("GIT_WORK_TREE", &elsewhere);
    let output = home.run(&mut command).success();
    assert!(
        output.stderr.contains(
            "warning: git has no user.name and user.email here, so the first commit is by squad <squad@localhost>"
        ),
        "{}",
        output.transcript()
    );
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
    assert!(!home.path().join("hook-was-run").exists());
    let service = home.work().join("payments");
    assert_eq!(
        home.git(&service, ["ls-tree", "-r", "--name-only", "HEAD"]),
        ".squad/template.lock\nREADME.md\nbin/serve\ndocs/small/notes.txt"
    );
    assert_eq!(
        home.git(&service, ["log", "--format=%an <%ae> %G?"]),
        "squad <squad@localhost> N"
    );
    let settings = home.git(&service, ["config", "--local", "--list"]);
    assert!(!settings.contains("user."), "{settings}");
}

#[test]
fn a_person_is_asked() {
    let home = Home::new();
    plain(&home);
    org(&home);
    let mut terminal = Terminal::start(&home, 100, ["new", "./plain"]);
    terminal.expect("Name: the name of the service");
    terminal
        .send("Pay\r")
        .expect("lower-case letters and dashes");
    // Away with what was typed, then the right answer.
    terminal
        .send("\u{7f}\u{7f}\u{7f}payments\r")
        .expect("Squad: the squad that owns it");
    // Down by one: cards, identity.
    terminal.press("\u{1b}[B\r").expect("Size: how large it is");
    terminal.send("\r").expect("Queue: whether it has a queue");
    terminal.send("\r").expect("next: cd payments");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    let lock = home.work().join("payments/.squad/template.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    assert!(
        lock.contains(
            "answers = { name = \"payments\", org = \"acme\", queue = false, size = \"small\", squad = \"identity\" }"
        ),
        "{lock}"
    );
    assert_eq!(made(&home), ["payments"]);
}

#[test]
fn answers_come_from_a_file_too() {
    let home = Home::new();
    plain(&home);
    home.write(
        "plain/answers.toml",
        "squad = \"ledger\"\nsize = \"large\"\nqueue = true\n",
    );
    let output = home
        .squad([
            "new",
            "./plain",
            "payments",
            "--answers",
            "plain/answers.toml",
            "--set",
            "size=small",
            "-o",
            "json",
        ])
        .success();
    let answers = &output.json()["answers"];
    assert_eq!(answers["size"], "small");
    assert_eq!(answers["queue"], true);

    // A question is its name without the spaces around it, so both say what the service is called.
    let answers = "name = \"of-the-file\"\nsquad = \"ledger\"\nsize = \"large\"\n";
    home.write("plain/answers.toml", answers);
    for (set, name) in [
        (&[][..], "of-the-file"),
        (&["--set", "name=of-the-flag"], "of-the-flag"),
        (&["--set", " name =of-the-flag"], "of-the-flag"),
    ] {
        let arguments = ["new", "./plain", "dir", "--answers", "plain/answers.toml"];
        let arguments = [&arguments[..], set, &["-o", "json"]].concat();
        let made = home.squad(arguments).success();
        assert_eq!(made.json()["answers"]["name"], name, "{set:?}");
        std::fs::remove_dir_all(home.work().join("dir")).unwrap();
    }

    home.write(
        "plain/answers.toml",
        "squad = = 1\nsize = [1]\nqueue = true\n",
    );
    home.squad(["new", "./plain", "other", "--answers", "plain/answers.toml"])
        .assert(str![[r#"
› error: cannot read answers: `plain/answers.toml` has 2 mistakes
›   plain/answers.toml:1: this is not TOML: [..]
›   plain/answers.toml:2: `size` has to be a text, a whole number, true or false
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-file.md
[exit 2]

"#]]);
    home.squad(["new", "./plain", "other", "--answers", "nowhere.toml"])
        .assert(str![[r#"
› error: cannot read the answers: cannot read `nowhere.toml`: no such file or directory
› hint: look at what is there with `ls -l`; an answer can be given as `--set QUESTION=ANSWER` too
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-file.md
[exit 2]

"#]]);
}
