//! Whole files, each journey in a directory of its own.

mod mistakes;
mod orgs;

use std::path::PathBuf;

use super::*;
use crate::domain::environment::PlatformKind;
use crate::domain::service::{Kind, Variable};

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
    assert!(matches!(error, Error::NoService(directory) if directory == machine.path("empty")));
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
    let docs = include_str!("../../../docs/configuration.md");
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
        let config = machine
            .load("a", Some("../org"))
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
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
    assert_eq!(service("beta", "local").run.grace_seconds, 1);
    // What a service says itself comes before every default.
    assert_eq!(service("zeta", "local").run.grace_seconds, 7);
    let error = config.service(None, &environment("local")).unwrap_err();
    assert!(matches!(error, Error::SeveralServices(names) if names.len() == 2));
    let wrong = ServiceName::new("betx").unwrap();
    let error = config
        .service(Some(&wrong), &environment("local"))
        .unwrap_err();
    let Error::UnknownService(unknown) = error else {
        panic!("{error:?}");
    };
    assert_eq!(unknown.nearest.as_deref(), Some("beta"));
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
#[expect(
    clippy::disallowed_methods,
    reason = "measures itself; this module may not name the clock"
)]
fn loading_one_service_is_fast() {
    let machine = Machine::new();
    machine.write("org/org.toml", ORG_TOML);
    machine.write("payments/squad.toml", SQUAD_TOML);
    let best = (0..20)
        .map(|_| {
            let start = std::time::Instant::now();
            let config = machine.load("payments", Some("../org")).unwrap();
            config.service(None, &environment("prod")).unwrap();
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("loading took {best:?}");
    // A build without optimisation on a busy machine; with it, it is less than 1 ms.
    assert!(best < std::time::Duration::from_millis(20), "{best:?}");
}
