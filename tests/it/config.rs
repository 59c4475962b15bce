//! `squad config` and `squad env`: whole files, through the real binary.

use std::path::PathBuf;
use std::process::Command;

/// A machine with an empty home; everything in it is gone when it is dropped.
pub(crate) struct Machine {
    root: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the binary said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["home", "runtime", "work"] {
            std::fs::create_dir(root.path().join(directory)).unwrap();
        }
        Self {
            root,
            variables: Vec::new(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn clean(&self, command: &mut Command, directory: &str) {
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(self.variables.iter().cloned())
            .current_dir(self.path(directory));
    }

    pub(crate) fn squad(&self, directory: &str, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squad"));
        self.clean(&mut command, directory);
        let output = command.args(arguments).output().unwrap();
        // Both forms in which a system may name the temporary directory.
        let text = |bytes: Vec<u8>| {
            let canonical = self.root.path().canonicalize().unwrap();
            String::from_utf8(bytes)
                .unwrap()
                .replace(&canonical.display().to_string(), "[ROOT]")
                .replace(&self.root.path().display().to_string(), "[ROOT]")
        };
        Said {
            out: text(output.stdout),
            err: text(output.stderr),
            code: output.status.code().unwrap(),
        }
    }

    pub(crate) fn git(&self, directory: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        self.clean(&mut command, directory);
        command.args(["-c", "user.name=Ana", "-c", "user.email=ana@acme.example"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Said {
    /// Standard output, of a run that succeeded.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// Standard error, of a run that failed with a code and without an answer.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:#?}");
        self.err
    }
}

pub(crate) const SERVICE: &str = "schema = 1\n[service]\nname = \"payments\"\nsquad = \"ledger\"\nkind = \"http\"\n[run]\ncommand = [\"bin/serve\"]\n";

pub(crate) const ORG: &str =
    "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n";

#[test]
fn all_mistakes_of_all_files_are_shown_at_once() {
    let machine = Machine::new();
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[env.prod]\nplatform = \"eks\"\nacount = \"123\"\n",
    );
    machine.write(
        "work/squad.toml",
        "schema = 1\n[service]\nname = \"payments\"\nkind = \"http\"\nregion = \"eu-west-1\"\n[run]\ncommand = [\"a\"]\n\
         grace = \"20\"\n[run.env]\nDB_PASSWORD = \"hunter2\"\n[rollout]\nsteps = [{ weight = 110, hold = \"5m\" }]\n\
         [analisys]\nslow = \"1s\"\n[env.prdo]\nrun.port = 1\nbroken = = 1\n",
    );
    let said = machine.squad("work", &["config", "check", "--org", "../org"]);
    assert!(!said.err.contains("hunter2"));
    assert_eq!(
        said.failed(5),
        r#"error: `../org/org.toml`, `squad.toml` have 11 mistakes
  ../org/org.toml:4:1: `env.prod.account` is missing; write something like `account = "123456789012"`
      4 | [env.prod]
        | ^^^^^^^^^^
  ../org/org.toml:4:1: `env.prod.region` is missing; write something like `region = "eu-west-1"`
      4 | [env.prod]
        | ^^^^^^^^^^
  ../org/org.toml:4:1: `env.prod.cluster` is missing; write something like `cluster = "arn:aws:eks:eu-west-1:123456789012:cluster/main"`
      4 | [env.prod]
        | ^^^^^^^^^^
  ../org/org.toml:6:1: unknown key `env.prod.acount`; did you mean `account`?
      6 | acount = "123"
        | ^^^^^^
  squad.toml:5:1: `service.region` cannot be set here: region comes from the org's file alone (org.toml)
      5 | region = "eu-west-1"
        | ^^^^^^
  squad.toml:8:9: `run.grace` is `20`; it must be a time such as "20s", "5m", "1h30m" or "500ms"
      8 | grace = "20"
        |         ^^^^
  squad.toml:10:1: `run.env.DB_PASSWORD` looks like a secret; write `{ secret = "ssm:/…" }`, or `{ value = "…" }` if it is none
     10 | DB_PASSWORD = …
        | ^^^^^^^^^^^
  squad.toml:12:21: `rollout.steps[0].weight` is 110; the highest is 99
     12 | steps = [{ weight = 110, hold = "5m" }]
        |                     ^^^
  squad.toml:13:2: unknown key `analisys`; did you mean `analysis`?
     13 | [analisys]
        |  ^^^^^^^^
  squad.toml:15:6: the org has no environment `prdo`; did you mean `prod`?
     15 | [env.prdo]
        |      ^^^^
  squad.toml:17:10: this is not TOML: extra `=`, expected nothing
     17 | broken = = 1
        |          ^
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
"#
    );
}

#[test]
fn mistakes_are_one_line_of_json_for_programs() {
    let machine = Machine::new();
    machine.write("work/squad.toml", &SERVICE.replace("http", "htp"));
    let err = machine
        .squad("work", &["config", "show", "-o", "json"])
        .failed(5);
    let value: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(value["id"], "config-invalid");
    assert_eq!(value["exit_code"], 5);
    assert_eq!(
        value["details"][0],
        "squad.toml:5:8: `service.kind` is `htp`; did you mean `http`?"
    );
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let mut machine = Machine::new();
    machine.write(
        "org/org.toml",
        &format!("{ORG}[defaults.run]\ngrace = \"9s\"\n"),
    );
    machine.write(
        "work/squad.toml",
        &format!("{SERVICE}port = 9000\n[env.staging]\nrun.port = 9001\n"),
    );
    machine.set("SQUAD_ORG", "../org");
    let shown = machine.squad("work", &["config", "show", "--env", "staging", "--origin"]);
    assert_eq!(
        shown.good(),
        r#"org = "acme"                 # SQUAD_ORG
env = "staging"              # --env
env.platform = "local"       # org acme (../org/org.toml:6)
env.protected = false        # built-in
schema = 1                   # squad.toml:1
service.name = "payments"    # squad.toml:3
service.squad = "ledger"     # squad.toml:4
service.kind = "http"        # squad.toml:5
build.artifact = "."         # built-in
run.command = ["bin/serve"]  # squad.toml:7
run.port = 9001              # squad.toml:10
run.ready = "/readyz"        # built-in
run.grace = "9s"             # org acme (../org/org.toml:8)
run.start = "60s"            # built-in
analysis.tolerance = 1.25    # built-in
analysis.harm = 1.0          # built-in
"#
    );
    let shown = machine.squad("work", &["config", "show", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&shown.good()).unwrap();
    assert_eq!(value["schema"], "squad.config/v1");
    let port = value["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|value| value["key"] == "run.port")
        .unwrap();
    assert_eq!(
        *port,
        serde_json::json!({
            "key": "run.port",
            "value": 9000,
            "origin": { "kind": "file", "path": "squad.toml", "line": 8 },
        })
    );
}

#[test]
fn check_names_the_files_of_a_workspace_and_the_orgs_own_file() {
    let machine = Machine::new();
    machine.write(
        "work/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"*\"]\n",
    );
    machine.write("work/a/squad.toml", SERVICE);
    machine.write(
        "work/b/squad.toml",
        &SERVICE.replace("payments", "receipts"),
    );
    let said = machine.squad("work/a", &["config", "check"]);
    assert_eq!(said.err, "✔ 3 files without mistakes\n");
    assert_eq!(said.good(), "../squad.toml\nsquad.toml\n../b/squad.toml\n");
    machine.write("org/org.toml", ORG);
    let said = machine.squad("org", &["config", "check", "-o", "json"]);
    assert_eq!(
        said.good(),
        "{\"schema\":\"squad.config_check/v1\",\"files\":[\"org.toml\"]}\n"
    );
    machine.write("org/org.toml", &ORG.replace("staging", "Staging"));
    let err = machine.squad("org", &["config", "check"]).failed(5);
    assert!(
        err.contains("org.toml:5:6: `Staging` is not a name"),
        "{err}"
    );
    let said = machine.squad("home", &["config", "check"]);
    assert!(said.err.contains("nothing to check"), "{said:?}");
    assert_eq!(said.good(), "");
}

#[test]
fn without_files_there_is_the_local_environment_and_no_service() {
    let machine = Machine::new();
    assert_eq!(
        machine.squad("work", &["env", "list"]).good(),
        "ENV              PLATFORM  PROTECTED  WHERE\nlocal (default)  local     no         this machine\n"
    );
    let err = machine
        .squad("work", &["config", "show", "payments"])
        .failed(5);
    assert!(
        err.starts_with(
            "error: cannot find the service `payments`: there is no squad.toml here or above\n"
        ),
        "{err}"
    );
    let err = machine.squad("work", &["env", "show", "prod"]).failed(5);
    assert_eq!(
        err,
        "error: cannot find the environment `prod`\n  caused by: no org is in use, so there is only `local`\n\
         hint: add your org with `squad org add DIRECTORY_OR_URL`\n\
         docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-unknown.md\n"
    );
}

/// Each is a mistake that says what it is; a named pipe is not waited for.
#[test]
fn a_squad_toml_that_is_no_file_is_a_mistake() {
    for (make, wanted) in [
        (
            "ln -s gone.toml squad.toml",
            "it is a link to `gone.toml`, which is not there",
        ),
        (
            "ln -s squad.toml squad.toml",
            "it is a link that leads in a circle",
        ),
        ("mkdir squad.toml", "it is a directory"),
        ("mkfifo squad.toml", "it is a named pipe"),
    ] {
        let machine = Machine::new();
        let mut command = Command::new("sh");
        machine.clean(command.args(["-c", make]), "work");
        assert!(command.status().unwrap().success(), "{make}");
        for arguments in [["config", "check"], ["deploy", "--dry-run"]] {
            let err = machine.squad("work", &arguments).failed(5);
            assert!(
                err.contains(&format!("squad.toml:1:1: this is not TOML: {wanted}\n")),
                "{arguments:?} {err}"
            );
        }
    }
    // The one that is meant by a workspace, and the org's own.
    let machine = Machine::new();
    machine.write(
        "work/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"services/*\"]\n",
    );
    std::fs::create_dir_all(machine.path("work/services/payments/squad.toml")).unwrap();
    std::fs::create_dir_all(machine.path("work/org.toml")).unwrap();
    let err = machine.squad("work", &["config", "check"]).failed(5);
    for place in ["services/payments/squad.toml:1:1", "org.toml:1:1"] {
        assert!(
            err.contains(&format!("{place}: this is not TOML: it is a directory\n")),
            "{err}"
        );
    }
}

#[test]
fn environments_are_shown() {
    let machine = Machine::new();
    machine.write(
        "org/org.toml",
        &format!(
            "{ORG}[env.prod]\nplatform = \"lambda\"\naccount = \"123456789012\"\nregion = \"eu-west-1\"\nprotected = true\n\
             audit = \"s3://acme-audit/squad\"\n"
        ),
    );
    assert_eq!(
        machine
            .squad("work", &["env", "list", "--org", "../org"])
            .good(),
        "ENV      PLATFORM  PROTECTED  WHERE\n\
         local    local     no         this machine\n\
         prod     lambda    yes        account 123456789012, eu-west-1\n\
         staging  local     no         this machine\n"
    );
    let shown = machine.squad(
        "work",
        &["env", "show", "prod", "--org", "../org", "-o", "json"],
    );
    let value: serde_json::Value = serde_json::from_str(&shown.good()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "schema": "squad.env/v1",
            "name": "prod",
            "org": "acme",
            "platform": "lambda",
            "protected": true,
            "account": "123456789012",
            "region": "eu-west-1",
            "audit": "s3://acme-audit/squad",
        })
    );
}

#[test]
fn a_persons_habits_come_after_flags() {
    let machine = Machine::new();
    machine.write(
        "home/.config/squad/config.toml",
        "schema = 1\noutput = \"json\"\n",
    );
    let out = machine.squad("work", &["env", "list"]).good();
    assert!(
        out.starts_with("{\"schema\":\"squad.env_list/v1\",\"default\":\"local\""),
        "{out}"
    );
    let out = machine.squad("work", &["env", "list", "-o", "text"]).good();
    assert!(out.starts_with("ENV "), "{out}");
    machine.write(
        "home/.config/squad/config.toml",
        "outptu = \"json\"\nregion = \"x\"\n",
    );
    let err = machine.squad("work", &["env", "list"]).failed(5);
    assert!(
        err.contains("config.toml:1:1: unknown key `outptu`; did you mean `output`?"),
        "{err}"
    );
    assert!(err.contains("`region` cannot be set here"), "{err}");
}

#[test]
fn beside_what_is_no_toml_nothing_is_said_that_the_parser_made_up() {
    let machine = Machine::new();
    for (line, wanted) in [
        (
            "grace = = \"5s\"",
            "squad.toml:9:9: this is not TOML: extra `=`, expected nothing\n      9 | grace = = \"5s\"\n        |         ^\n",
        ),
        (
            "ready = \"/readyz",
            "squad.toml:9:17: this is not TOML: the text before this is not closed: `\"` is missing\n      9 | ready = \"/readyz\n        |                 ^\n",
        ),
        (
            "ready = '/readyz",
            "squad.toml:9:17: this is not TOML: the text before this is not closed: `'` is missing\n      9 | ready = '/readyz\n        |                 ^\n",
        ),
        (
            "port = 0x",
            "squad.toml:9:8: this is not TOML: this number has no digits\n      9 | port = 0x\n        |        ^^\n",
        ),
    ] {
        let text = "schema = 1\n\n[service]\nname = \"payments\"\nkind = \"http\"\n\n[run]\ncommand = [\"serve\"]\n";
        machine.write("work/squad.toml", &format!("{text}{line}\n"));
        let docs =
            "docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md\n";
        assert_eq!(
            machine.squad("work", &["config", "check"]).failed(5),
            format!("error: `squad.toml` has a mistake\n  {wanted}{docs}")
        );
    }
}

/// The lines behind it are read for what they are.
#[test]
fn a_list_that_is_not_closed_is_one_mistake_where_it_opens() {
    let machine = Machine::new();
    machine.write(
        "work/squad.toml",
        "schema = 1\n\n[service]\nname = \"payments\"\nkind = \"http\"\n\n[run]\ncommand = [\"python\", \"-m\",\n  \"app.main\"\nport = 0\n\n[run.env]\nA = \"1\"\n\n[[route]]\nname = \"x\"\nmetod = \"GET\"\npath = \"/x\"\n",
    );
    assert_eq!(
        machine.squad("work", &["config", "check"]).failed(5),
        r#"error: `squad.toml` has 3 mistakes
  squad.toml:8:11: this is not TOML: the list that opens here is not closed: `]` is missing
      8 | command = ["python", "-m",
        |           ^
  squad.toml:10:8: `run.port` is 0; the lowest is 1
     10 | port = 0
        |        ^
  squad.toml:17:1: unknown key `route[0].metod`; did you mean `method`?
     17 | metod = "GET"
        | ^^^^^
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
"#
    );
    machine.write("work/squad.toml", SERVICE);
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\ntrusted = [\n\n[squad.ledger]\n[env.local]\nplatform = \"loca\"\n",
    );
    assert_eq!(
        machine.squad("org", &["config", "check"]).failed(5),
        r#"error: `org.toml` has 2 mistakes
  org.toml:4:11: this is not TOML: the list that opens here is not closed: `]` is missing
      4 | trusted = [
        |           ^
  org.toml:8:12: `env.local.platform` is `loca`; did you mean `local`?
      8 | platform = "loca"
        |            ^^^^^^
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
"#
    );
}

#[test]
fn mistakes_of_a_persons_habits_are_said_once_and_in_order() {
    let machine = Machine::new();
    machine.write(
        "home/.config/squad/config.toml",
        "schema = 1\nenvv = \"x\"\ncolor = \"sometimes\"\n",
    );
    machine.write("work/squad.toml", SERVICE);
    assert_eq!(
        machine.squad("work", &["status"]).failed(5),
        r#"error: `../home/.config/squad/config.toml` has 2 mistakes
  ../home/.config/squad/config.toml:2:1: unknown key `envv`; did you mean `env`?
      2 | envv = "x"
        | ^^^^
  ../home/.config/squad/config.toml:3:9: `color` is `sometimes`; it must be one of `auto`, `always`, `never`
      3 | color = "sometimes"
        |         ^^^^^^^^^^^
hint: no file of a service is needed when it is named: `squad status SERVICE`
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
"#
    );
    assert_eq!(
        machine.squad("work", &["status", "payments"]).failed(1),
        "warning: ../home/.config/squad/config.toml:2:1: unknown key `envv`; did you mean `env`? (left out)
warning: ../home/.config/squad/config.toml:3:9: `color` is `sometimes`; it must be one of `auto`, `always`, `never` (left out)
error: `payments` is not deployed to local
hint: `squad status --all` shows what is there, `squad deploy payments` deploys it
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/never-deployed.md
"
    );
}

#[test]
fn an_environment_of_a_persons_habits_that_there_is_not_is_a_mistake() {
    let machine = Machine::new();
    machine.write("org/org.toml", ORG);
    machine.write("work/squad.toml", SERVICE);
    machine.squad("work", &["org", "add", "../org"]).good();
    machine.write(
        "home/.config/squad/config.toml",
        "schema = 1\nenv = \"stagin\"\n",
    );
    assert_eq!(
        machine.squad("work", &["config", "check"]).failed(5),
        "error: `../home/.config/squad/config.toml` has a mistake
  ../home/.config/squad/config.toml:2:7: `env` is `stagin`; did you mean `staging`?
      2 | env = \"stagin\"
        |       ^^^^^^^^
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
"
    );
    assert_eq!(
        machine.squad("work", &["deploy"]).failed(5),
        "error: cannot find the environment `stagin` (../home/.config/squad/config.toml:2); did you mean `staging`?
  caused by: the org `acme` has `staging`, `local`
hint: list them with `squad env list`
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-unknown.md
"
    );
    machine.write(
        "home/.config/squad/config.toml",
        "schema = 1\nenv = \"local\"\n",
    );
    let said = machine.squad("work", &["config", "check"]);
    assert_eq!(said.err, "✔ 3 files without mistakes\n");
    assert_eq!(
        said.good(),
        "../home/.config/squad/config.toml\nsquad.toml\n../org/org.toml\n"
    );
}
