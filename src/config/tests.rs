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
