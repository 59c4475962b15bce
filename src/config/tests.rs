//! Whole files, each journey in a directory of its own.

use std::path::PathBuf;

use super::*;
use crate::domain::environment::PlatformKind;
use crate::domain::service::{Kind, Variable};
use crate::error;

/// The example of the design, word for word but for the comments.
const SQUAD_TOML: &str = r#"
schema = 1
[service]
name = "payments"
org = "acme"                         # another selected org is refused
squad = "ledger"
tier = 1
kind = "http"                        # http | function | worker
[build]
command = ["make", "build"]          # argv, no shell; optional
artifact = "dist"                    # directory, zip, or image reference
[run]                                # what one process is
command = ["bin/serve"]
port = 8080
ready = "/readyz"
grace = "20s"
[run.env]
LOG_LEVEL = "info"
DB_PASSWORD = { secret = "ssm:/payments/db" }
[function]                           # kind = "function"
name = "payments-receipts"
runtime = "python3.13"
handler = "app.handler"
role = "arn:aws:iam::123456789012:role/payments-receipts"
memory_mb = 512
timeout = "30s"
architecture = "arm64"
alias = "live"
[[route]]
name = "get-charge"
method = "GET"
path = "/charges/{id}"
[rollout]
steps = [{ weight = 5, hold = "5m" }, { weight = 25, hold = "10m" }, { weight = 50, hold = "10m" }]
[analysis]
slow = "500ms"
tolerance = 1.25
harm = 1.0
[env.prod]
rollout.steps = [{ weight = 1, hold = "10m" }, { weight = 10, hold = "20m" }, { weight = 50, hold = "20m" }]
"#;

const ORG_TOML: &str = r#"
schema = 1
[org]
name = "acme"
[squad.ledger]
github_team = "acme/ledger"
pagerduty_service = "PABC123"
[service.payments]
repository = "acme/payments"
[env.prod]
platform = "eks"                     # local | lambda | eks
account = "123456789012"
region = "eu-west-1"
cluster = "arn:aws:eks:eu-west-1:123456789012:cluster/main"
namespace = "{service}"
protected = true
metrics = { provider = "prometheus", url = "https://prometheus.acme.example" }
audit = "s3://acme-audit/squad"
"#;

/// A machine: a directory with a home, a place for services and one for orgs.
struct Machine {
    root: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Machine {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::fs::write_durably(&path, text.as_bytes(), 0o600).unwrap();
        self
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(&self, directory: &str, org: Option<&str>) -> Result<Config, Error> {
        let home = self.path("home").display().to_string();
        let mut pairs = vec![("HOME", home.as_str())];
        for (name, value) in &self.variables {
            pairs.push((name, value));
        }
        let env = Env::of(&pairs);
        let directory = self.path(directory);
        std::fs::create_dir_all(&directory).unwrap();
        Config::load(&Sources {
            directory: &directory,
            org,
            directories: &env.directories().unwrap(),
            env: &env,
        })
    }

    /// The headlines of all mistakes.
    fn mistakes(&self, directory: &str, org: Option<&str>) -> Vec<String> {
        match self.load(directory, org) {
            Err(Error::Mistakes(mistakes)) => mistakes.iter().map(Mistake::headline).collect(),
            other => panic!("no mistakes: {other:?}"),
        }
    }
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

/// A small service with something more at its end.
fn service_with(more: &str) -> String {
    format!(
        "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\n[run]\ncommand = [\"a\"]\n{more}"
    )
}

#[test]
fn the_examples_of_the_design_are_right() {
    let machine = Machine::new();
    machine.write("org/org.toml", ORG_TOML);
    machine.write("payments/squad.toml", SQUAD_TOML);
    let config = machine.load("payments", Some("../org")).unwrap();
    assert_eq!(config.org().unwrap().as_str(), "acme");
    assert_eq!(config.squads().len(), 1);
    let payments = ServiceName::new("payments").unwrap();
    assert_eq!(config.repository_of(&payments).unwrap(), "acme/payments");
    assert_eq!(config.services(), [(payments, machine.path("payments"))]);
    let prod = config.environment(&environment("prod")).unwrap();
    assert_eq!(prod.platform, PlatformKind::Eks);
    assert_eq!(prod.log_name(), "acme/prod");
    assert!(prod.protected);
    let local = config.service(None, &environment("local")).unwrap();
    assert_eq!(local.directory, machine.path("payments"));
    let service = local.service;
    assert_eq!(service.kind, Kind::Http);
    assert_eq!(service.run.grace_seconds, 20);
    assert_eq!(service.run.start_seconds, 60);
    assert_eq!(service.analysis.slow_milliseconds, Some(500));
    assert_eq!(
        service.run.env["DB_PASSWORD"],
        Variable::Secret("ssm:/payments/db".to_owned())
    );
    let weights = |environment_name: &str| {
        let located = config
            .service(None, &environment(environment_name))
            .unwrap();
        let steps = located.service.rollout.unwrap().steps;
        steps
            .iter()
            .map(|step| (step.weight, step.hold_seconds))
            .collect::<Vec<_>>()
    };
    assert_eq!(weights("local"), [(5, 300), (25, 600), (50, 600)]);
    assert_eq!(weights("prod"), [(1, 600), (10, 1200), (50, 1200)]);
}

#[test]
fn a_directory_without_files_has_the_local_environment_alone() {
    let machine = Machine::new();
    let config = machine.load("empty", None).unwrap();
    assert_eq!(config.org(), None);
    assert_eq!(config.services(), []);
    assert_eq!(config.environments(), [Environment::builtin_local()]);
    assert_eq!(config.default_environment(), Some(environment("local")));
    let error = config.service(None, &environment("local")).unwrap_err();
    let error = error::Error::from(error);
    assert_eq!((error.id, error.kind.exit_code()), ("no-service", 5));
    assert!(error.hints[0].contains("`squad new`"));
}

#[test]
fn a_service_is_found_from_below() {
    let machine = Machine::new();
    machine.write("a/squad.toml", &service_with(""));
    let config = machine.load("a/src/deep", None).unwrap();
    let located = config.service(None, &environment("local")).unwrap();
    assert_eq!(located.directory, machine.path("a"));
    assert_eq!(
        config.manifest_path(),
        Some(machine.path("a/squad.toml").as_path())
    );
}

/// The TOML blocks of `docs/configuration.md` that say which file they are: whether it is the org's, and the
/// text.
pub(super) fn examples_of_the_docs() -> Vec<(bool, String)> {
    let docs = include_str!("../../docs/configuration.md");
    docs.split("```toml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter_map(|block| match block.lines().next()? {
            "# squad.toml" => Some((false, block.to_owned())),
            "# org.toml" => Some((true, block.to_owned())),
            _ => None,
        })
        .collect()
}

#[test]
fn the_examples_of_the_docs_are_right() {
    let examples = examples_of_the_docs();
    assert!(examples.len() >= 6);
    let mut workspaces = 0;
    for (is_org, text) in examples {
        let machine = Machine::new();
        machine.write(
            "org/org.toml",
            "schema = 1\n[org]\nname = \"acme\"\n[env.prod]\nplatform = \"local\"\n",
        );
        if is_org {
            machine.write("org/org.toml", &text);
        } else {
            machine.write("a/squad.toml", &text);
            if text.contains("[workspace]") {
                workspaces += 1;
                let function = "schema = 1\n[service]\nname = \"NAME\"\nkind = \"function\"\n[function]\nhandler = \"a\"\n";
                machine.write(
                    "a/functions/one/squad.toml",
                    &function.replace("NAME", "one"),
                );
                machine.write(
                    "a/tools/report/squad.toml",
                    &function.replace("NAME", "report"),
                );
            }
        }
        let config = machine.load("a", Some("../org")).unwrap_or_else(|error| {
            panic!("{}\n{text}", error::Error::from(error).details.join("\n"))
        });
        assert_eq!(config.services().is_empty(), is_org);
    }
    assert_eq!(workspaces, 1);
}

#[test]
fn a_workspace_is_found_from_a_member_and_shares_its_defaults() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"functions/*\"]\n[workspace.defaults]\nrun.grace = \"5s\"\nservice.tier = 2\n\
         [workspace.defaults.function]\nruntime = \"python3.13\"\n[workspace.defaults.env.local]\nrun.grace = \"1s\"\n",
    );
    let function = "schema = 1\n[service]\nname = \"NAME\"\nkind = \"function\"\n[function]\nhandler = \"app.handler\"\n";
    machine.write(
        "w/functions/b/squad.toml",
        &function.replace("NAME", "beta"),
    );
    machine.write(
        "w/functions/a/squad.toml",
        &service_with("grace = \"7s\"\n").replace("\"a\"\nkind", "\"zeta\"\nkind"),
    );
    machine.write("w/functions/none/readme", "");
    for (directory, here) in [("w/functions/b/src", Some("beta")), ("w", None)] {
        let config = machine.load(directory, None).unwrap();
        let names: Vec<String> = config
            .services()
            .iter()
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(names, ["beta", "zeta"]);
        assert_eq!(config.workspace_root(), Some(machine.path("w").as_path()));
        let current = config.current_service().ok().map(ServiceName::as_str);
        assert_eq!(current, here);
    }
    let config = machine.load("w", None).unwrap();
    let service = |name: &str, env: &str| {
        let name = ServiceName::new(name).unwrap();
        config
            .service(Some(&name), &environment(env))
            .unwrap()
            .service
    };
    assert_eq!(
        service("beta", "other").function.unwrap().runtime,
        "python3.13"
    );
    assert_eq!(service("beta", "other").tier, Some(2));
    assert_eq!(service("beta", "other").run.grace_seconds, 5);
    assert_eq!(service("zeta", "other").run.grace_seconds, 7);
    assert_eq!(service("zeta", "local").run.grace_seconds, 1);
    let error = config.service(None, &environment("local")).unwrap_err();
    assert_eq!(error::Error::from(error).id, "service-ambiguous");
    let error = config
        .service(
            Some(&ServiceName::new("betx").unwrap()),
            &environment("local"),
        )
        .unwrap_err();
    assert_eq!(
        error::Error::from(error).message,
        "cannot find the service `betx` in these files; did you mean `beta`?"
    );
}

#[test]
fn a_service_outside_the_members_stands_alone() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"functions/*\"]\n",
    );
    machine.write("w/tools/x/squad.toml", &service_with(""));
    let config = machine.load("w/tools/x", None).unwrap();
    assert_eq!(config.workspace_root(), None);
    assert_eq!(config.services().len(), 1);
}

#[test]
fn the_mistakes_of_a_workspace_are_reported_together() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"f/*\", \"gone\", \"a/**\"]\nmember = 1\n[workspace.defaults]\nservice.name = \"x\"\nruns.grace = \"5s\"\nrun.grace = 5\n",
    );
    machine.write("w/f/a/squad.toml", &service_with(""));
    machine.write("w/f/b/squad.toml", &service_with("port = 0\n"));
    assert_eq!(
        machine.mistakes("w/f/a", None),
        [
            "../b/squad.toml:7:8: `run.port` is 0; the lowest is 1",
            "../../squad.toml:3:11: `workspace.members` names `gone`, which has no squad.toml",
            "../../squad.toml:3:11: `workspace.members` has `a/**`; write directories relative to this file, with `*` for one level",
            "../../squad.toml:4:1: unknown key `workspace.member`; did you mean `members`?",
            "../../squad.toml:6:16: `service.name` is each service's own, so it has no default",
            "../../squad.toml:7:1: unknown key `runs` in `workspace.defaults`; did you mean `run`?",
            "../../squad.toml:8:13: `run.grace` is a number; it must be a time such as \"20s\", \"5m\", \"1h30m\" or \"500ms\"",
        ]
    );
}

#[test]
fn two_services_of_one_name_are_a_mistake_with_both_files() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"*\"]\n",
    );
    machine.write("w/a/squad.toml", &service_with(""));
    machine.write("w/b/squad.toml", &service_with(""));
    assert_eq!(
        machine.mistakes("w", None),
        ["b/squad.toml:3:8: two services are named `a`: the other one is in a/squad.toml:3"]
    );
}

#[test]
fn each_mistake_says_what_is_wrong() {
    let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/main";
    for (more, wanted) in [
        ("[rollout]\n", "`rollout.steps` is missing"),
        ("[rollout]\nsteps = []", "`rollout.steps` is empty"),
        (
            "[rollout]\nsteps = [{ weight = 5 }]",
            "`rollout.steps[0].hold` is missing",
        ),
        (
            "[rollout]\nsteps = [{ weight = 0, hold = \"1m\" }]",
            "is 0; the lowest is 1",
        ),
        (
            "[rollout]\nsteps = [{ weight = 5, hold = \"1m\" }, { weight = 5, hold = \"1m\" }]",
            "is 5; it must be more than the 5 before it",
        ),
        (
            "[rollout]\nsteps = [5]",
            "`rollout.steps[0]` is a number; it must be a table",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a\"\n[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/b\"",
            "a second route is named `a`",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a/{x}\"\n[[route]]\nname = \"b\"\nmethod = \"GET\"\npath = \"/a/{y}\"",
            "route `b` is the same as `a`: GET /a/{x}",
        ),
        (
            "[[route]]\nname = \"rest\"\nmethod = \"GET\"\npath = \"/a\"",
            "everything that no route matches",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/{x*}/a\"",
            "`{…*}` must be the last segment",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a?b\"",
            "before `?`",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"FETCH\"\npath = \"/a\"",
            "it must be one of `GET`",
        ),
        (
            "[function]\nruntime = \"python3.13\"",
            "`function.handler` is missing",
        ),
        (
            "[function]\nruntime = \"a\"\nhandler = \"a\"\nrole = \"x\"",
            "it must be an ARN such as",
        ),
        ("[analysis]\ntolerance = 0.5", "it must be from 1 to 100"),
        ("[run.env]\n\"A-B\" = \"x\"", "is not a name of a variable"),
        (
            "[run.env]\nA = { secret = \"smm:x\" }",
            "did you mean `ssm:`?",
        ),
        (
            "[run.env]\nA = { secret = \"ssm:\" }",
            "nothing after `ssm:`",
        ),
        (
            "[run.env]\nA = { secret = \"x\" }",
            "a secret without a scheme",
        ),
        (
            "[run.env]\nA = { sekret = \"x\" }",
            "has the unknown key `sekret`",
        ),
        (
            "[env.local]\nplatform = \"local\"",
            "`platform` cannot be set here: platform comes from the org's file alone",
        ),
        (
            "[env.local]\nservice.kind = \"worker\"",
            "`service.kind` is the same in every environment",
        ),
        ("[env.Local]\nrun.port = 1", "`Local` is not a name"),
        ("[build]\ncommand = \"make build\"", "[\"make\", \"build\"]"),
        (
            "[build]\npython_lock = \"/x\"",
            "relative to the directory of the file",
        ),
        ("[build]\ncommand = []", "`build.command` is empty"),
        (
            "[workspaces]\n",
            "unknown key `workspaces`; did you mean `workspace`?",
        ),
    ] {
        let machine = Machine::new();
        machine.write("a/squad.toml", &service_with(more));
        let mistakes = machine.mistakes("a", None);
        assert_eq!(mistakes.len(), 1, "{more}: {mistakes:#?}");
        assert!(mistakes[0].contains(wanted), "{more}: {mistakes:#?}");
    }
    for (environment, wanted) in [
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\ncluster = \"ARN\"",
            "`env.prod.account` is missing",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = 123456789012\ncluster = \"ARN\"",
            "write the account id in quotes",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = \"12345\"\ncluster = \"ARN\"",
            "has 12 digits",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-2\"\naccount = \"123456789012\"\ncluster = \"ARN\"",
            "is in the region eu-west-1, not in eu-west-2",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = \"123456789013\"\ncluster = \"ARN\"",
            "is in the account 123456789012",
        ),
        (
            "platform = \"lambda\"\nregion = \"eu-west-1\"\naccount = \"123456789012\"\ncluster = \"ARN\"",
            "has no meaning with platform = \"lambda\"",
        ),
        (
            "platform = \"lambda\"\nregion = \"Ireland\"\naccount = \"123456789012\"",
            "it must be an AWS region",
        ),
        ("platform = \"ecs\"", "did you mean `eks`?"),
        (
            "platform = \"local\"\naudit = \"gs://x\"",
            "begin with s3://",
        ),
        (
            "platform = \"local\"\nmetrics = { provider = \"prometheus\" }",
            "`env.prod.metrics.url` is missing",
        ),
        ("protected = true", "`env.prod.platform` is missing"),
    ] {
        let machine = Machine::new();
        let environment = environment.replace("ARN", arn);
        machine.write(
            "org/org.toml",
            &format!("schema = 1\n[org]\nname = \"acme\"\n[env.prod]\n{environment}\n"),
        );
        let mistakes = machine.mistakes("a", Some("../org"));
        assert_eq!(mistakes.len(), 1, "{environment}: {mistakes:#?}");
        assert!(mistakes[0].contains(wanted), "{environment}: {mistakes:#?}");
    }
}

#[test]
fn missing_parts_of_a_service_are_all_named() {
    let machine = Machine::new();
    machine.write("a/squad.toml", "");
    assert_eq!(
        machine.mistakes("a", None),
        [
            "squad.toml:1:1: `schema` is missing; write something like `schema = 1`",
            "squad.toml:1:1: `[service]` is missing; it names the service, its squad and its kind",
        ]
    );
    machine.write("a/squad.toml", "schema = 2\n[service]\n");
    assert_eq!(
        machine.mistakes("a", None),
        [
            "squad.toml:1:10: `schema` is 2; this version of squad reads 1",
            "squad.toml:2:1: `service.name` is missing; write something like `name = \"payments\"`",
            "squad.toml:2:1: `service.kind` is missing; write something like `kind = \"http\"`",
        ]
    );
    machine.write(
        "a/squad.toml",
        "schema = 1\n[service]\nname = \"a\"\nkind = \"worker\"\n",
    );
    let mistakes = machine.mistakes("a", None);
    assert!(
        mistakes[0].contains("`run.command` is missing"),
        "{mistakes:?}"
    );
}

#[test]
fn the_org_is_chosen_in_the_order_of_precedence() {
    let mut machine = Machine::new();
    let org = |name: &str| {
        format!("schema = 1\n[org]\nname = \"{name}\"\n[env.{name}]\nplatform = \"local\"\n")
    };
    for name in ["flag", "variable", "service", "person", "used"] {
        machine.write(&format!("{name}/org.toml"), &org(name));
    }
    let list: String = ["service", "person", "used"]
        .iter()
        .map(|name| {
            let path = machine.path(name);
            format!(
                "[org.{name}]\nname = \"{name}\"\nsource = {{ directory = \"{}\" }}\n",
                path.display()
            )
        })
        .collect::<Vec<_>>()
        .join("");
    machine.write(
        "home/.config/squad/orgs.toml",
        &format!("current = \"used\"\n{list}"),
    );
    let chosen = |machine: &Machine, directory: &str, flag: Option<&str>| {
        let config = machine.load(directory, flag).unwrap();
        format!(
            "{} by {}",
            config.org().unwrap(),
            config.org_chosen_by().unwrap()
        )
    };
    assert_eq!(chosen(&machine, "a", None), "used by `squad org use`");
    machine.write("home/.config/squad/config.toml", "org = \"person\"\n");
    let by_person = chosen(&machine, "a", None);
    assert!(
        by_person.starts_with("person by ") && by_person.ends_with("config.toml:1"),
        "{by_person}"
    );
    machine.write(
        "a/squad.toml",
        &service_with("").replace("name = \"a\"", "name = \"a\"\norg = \"service\""),
    );
    assert_eq!(chosen(&machine, "a", None), "service by squad.toml:4");
    // A flag and a variable come before the service, but the service refuses another org than its own.
    for (variable, flag, by) in [
        (None, Some("../flag"), "--org"),
        (Some("../variable"), None, "SQUAD_ORG"),
    ] {
        machine.variables.clear();
        if let Some(variable) = variable {
            machine.set("SQUAD_ORG", variable);
        }
        let error = error::Error::from(machine.load("a", flag).unwrap_err());
        assert_eq!((error.id, error.kind.exit_code()), ("other-org", 7));
        assert!(
            error.causes[0].ends_with(&format!("was chosen by {by}")),
            "{error:?}"
        );
        assert!(chosen(&machine, "b", flag).ends_with(by));
    }
    machine.set("SQUAD_ORG", "nobody");
    let error = error::Error::from(machine.load("b", None).unwrap_err());
    assert_eq!((error.id, error.kind.exit_code()), ("org-unknown", 5));
}

#[test]
fn a_service_whose_org_is_not_known_still_runs_here() {
    let machine = Machine::new();
    machine.write(
        "a/squad.toml",
        &service_with("[env.prod]\nrun.port = 1\n")
            .replace("name = \"a\"", "name = \"a\"\norg = \"acme\""),
    );
    let config = machine.load("a", None).unwrap();
    assert_eq!(config.environments().len(), 1);
    assert!(config.warnings()[0].contains("does not know the org `acme` (squad.toml:4)"));
    // Which environment is meant is not guessed: the org may have others.
    assert_eq!(config.default_environment(), None);
    assert!(config.service(None, &environment("local")).is_ok());
    let error = error::Error::from(config.environment(&environment("prod")).unwrap_err());
    assert_eq!(error.id, "environment-unknown");
    assert!(error.hints[0].contains("squad org add"), "{error:?}");
}

#[test]
fn the_environment_is_not_guessed() {
    let mut machine = Machine::new();
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[env.staging]\nplatform = \"local\"\n",
    );
    let chosen = |machine: &Machine, org| machine.load("a", org).unwrap().default_environment();
    assert_eq!(chosen(&machine, None), Some(environment("local")));
    assert_eq!(chosen(&machine, Some("../org")), None);
    machine.write("home/.config/squad/config.toml", "env = \"staging\"\n");
    assert_eq!(
        chosen(&machine, Some("../org")),
        Some(environment("staging"))
    );
    machine.set("SQUAD_ENV", "local");
    assert_eq!(chosen(&machine, Some("../org")), Some(environment("local")));
    machine.variables.clear();
    machine.set("SQUAD_ENV", "PROD");
    let error = error::Error::from(machine.load("a", None).unwrap_err());
    assert_eq!((error.id, error.kind.exit_code()), ("variable-invalid", 2));
}

/// What git would say of an org's directory.
fn committed(commit: Option<&str>, text: Option<&str>) -> crate::domain::org::Committed {
    crate::domain::org::Committed {
        commit: commit.map(str::to_owned),
        text: text.map(str::to_owned),
    }
}

#[test]
fn only_a_commit_counts_for_a_protected_environment() {
    let machine = Machine::new();
    let org = |more: &str| {
        format!("schema = 1\n[org]\nname = \"acme\"\n[env.dev]\nplatform = \"local\"\n{more}")
    };
    let protected = "[env.prod]\nplatform = \"local\"\nprotected = true\n";
    let open = "[env.prod]\nplatform = \"local\"\n";
    let id = "3f1c2ab000000000000000000000000000000000";
    std::fs::create_dir_all(machine.path("org/.git")).unwrap();
    let env = Env::of(&[("HOME", "/nowhere")]);
    let directory = machine.path("org");
    let sources = Sources {
        directory: &directory,
        org: Some("."),
        directories: &env.directories().unwrap(),
        env: &env,
    };
    let load = |working: &str, head: Option<&str>| {
        machine.write("org/org.toml", &org(working));
        let draft = Draft::read(&sources).unwrap();
        assert!(matches!(
            draft.need(jiff::Timestamp::UNIX_EPOCH),
            Need::Committed(_)
        ));
        let head = head.map(&org);
        draft
            .finish(Some(committed(Some(id), head.as_deref())))
            .unwrap()
    };
    let prod = |config: &Config| config.environment(&environment("prod"));

    // The same: the commit says it.
    let config = load(protected, Some(protected));
    assert_eq!(prod(&config).unwrap().org_commit.as_deref(), Some(id));
    assert_eq!(
        config
            .environment(&environment("dev"))
            .unwrap()
            .org_commit
            .as_deref(),
        Some(id)
    );
    assert!(config.warnings().is_empty());
    // Protection taken away locally: it is still there.
    let config = load(open, Some(protected));
    assert!(prod(&config).unwrap().protected);
    assert_eq!(prod(&config).unwrap().org_commit.as_deref(), Some(id));
    assert_eq!(
        config.environment(&environment("dev")).unwrap().org_commit,
        None
    );
    assert!(
        config.warnings()[0].contains("`prod` is protected"),
        "{:?}",
        config.warnings()
    );
    // Removed locally: the same.
    assert!(prod(&load("", Some(protected))).unwrap().protected);
    // Another audit store, locally: the committed one counts.
    let moved = format!("{protected}audit = \"/tmp/mine\"\n");
    assert_eq!(prod(&load(&moved, Some(protected))).unwrap().audit, None);
    // Added locally and never committed: it cannot be used.
    for head in [None, Some("")] {
        let error = error::Error::from(prod(&load(protected, head)).unwrap_err());
        assert_eq!(
            (error.id, error.kind.exit_code()),
            ("environment-uncommitted", 7)
        );
    }
    // Not protected anywhere: the local file counts.
    let config = load(open, Some(""));
    assert_eq!(prod(&config).unwrap().org_commit, None);
}

#[test]
fn an_org_in_git_is_fetched_when_it_is_old() {
    let machine = Machine::new();
    let home = machine.path("home").display().to_string();
    let env = Env::of(&[("HOME", home.as_str())]);
    let directories = env.directories().unwrap();
    let url = "https://token@git.example/acme/org.git";
    let directory = machine.path("a");
    std::fs::create_dir_all(&directory).unwrap();
    let sources = Sources {
        directory: &directory,
        org: Some(url),
        directories: &directories,
        env: &env,
    };
    let now: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let need = |fetched: i64, tried: i64| {
        let before = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
        let snapshot = crate::domain::org::Snapshot {
            url: without_password(url),
            commit: "3f1c2ab0".to_owned(),
            fetched_at: before(fetched),
            tried_at: before(tried),
            text: "schema = 1\n[org]\nname = \"acme\"\n".to_owned(),
        };
        let cache = cache_of(url, &directories);
        assert!(!cache.display().to_string().contains("token"));
        std::fs::create_dir_all(&cache).unwrap();
        let bytes = serde_json::to_vec(&snapshot).unwrap();
        crate::fs::write_durably(&cache.join(SNAPSHOT_FILE), &bytes, 0o600).unwrap();
        Draft::read(&sources).unwrap().need(now)
    };
    let Need::Fetch { snapshot, .. } = Draft::read(&sources).unwrap().need(now) else {
        panic!("nothing is here yet");
    };
    assert!(snapshot.is_none());
    let error = error::Error::from(Config::load(&sources).unwrap_err());
    assert_eq!(error.id, "org-not-fetched");
    assert!(!error.message.contains("token"), "{error:?}");
    assert!(matches!(need(10, 10), Need::Nothing));
    assert!(matches!(need(299, 299), Need::Nothing));
    assert!(matches!(
        need(301, 301),
        Need::Fetch {
            snapshot: Some(_),
            ..
        }
    ));
    assert!(matches!(need(3600, 30), Need::Stale(_)));
    // The clock was set back: what seems to be from the future is not fresh.
    assert!(matches!(need(-60, -60), Need::Fetch { .. }));
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.org_commit(), Some("3f1c2ab0"));
    assert_eq!(
        config.org_source().unwrap(),
        "https://git.example/acme/org.git"
    );
    let local = config.environment(&environment("local")).unwrap();
    assert_eq!(local.log_name(), "acme/local");
    assert_eq!(local.org_commit.as_deref(), Some("3f1c2ab0"));
}

#[test]
fn every_value_knows_its_origin() {
    let machine = Machine::new();
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[defaults]\nrun.grace = \"9s\"\n",
    );
    machine.write(
        "a/squad.toml",
        &service_with("port = 9000\n[env.local]\nrun.port = 9001\n"),
    );
    let config = machine.load("a", Some("../org")).unwrap();
    let settings = config.settings(None, Some(&environment("local"))).unwrap();
    let line = |key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key).unwrap();
        format!("{} from {}", setting.shown, setting.origin)
    };
    assert_eq!(line("run.port"), "9001 from squad.toml:9");
    assert_eq!(
        line("run.grace"),
        "\"9s\" from org acme (../org/org.toml:5)"
    );
    assert_eq!(line("run.start"), "\"60s\" from built-in");
}

#[test]
fn the_example_of_an_org_is_right() {
    let machine = Machine::new();
    let squads = ["ledger", "cards"].map(|name| SquadName::new(name).unwrap());
    let text = org::example(&OrgName::new("acme").unwrap(), &squads);
    machine.write("org/org.toml", &text);
    let config = machine.load("a", Some("../org")).unwrap();
    assert_eq!(config.squads().len(), 2);
    assert_eq!(config.environments().len(), 2);
}

#[test]
fn loading_one_service_is_fast() {
    let machine = Machine::new();
    machine.write("org/org.toml", ORG_TOML);
    machine.write("payments/squad.toml", SQUAD_TOML);
    let clock = crate::clock::SystemClock::new();
    let best = (0..20)
        .map(|_| {
            use crate::clock::Clock as _;
            let start = clock.monotonic();
            let config = machine.load("payments", Some("../org")).unwrap();
            config.service(None, &environment("prod")).unwrap();
            clock.monotonic() - start
        })
        .min()
        .unwrap();
    println!("loading took {best:?}");
    // A build without optimisation on a busy machine; the figure is in docs/performance.md.
    assert!(best < std::time::Duration::from_millis(20), "{best:?}");
}
