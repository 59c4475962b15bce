//! What `squad env` prints.

use serde::Serialize;

use crate::domain::environment::{self, PlatformKind};
use crate::domain::name::EnvironmentName;
use crate::domain::org::Metrics;
use crate::output::table::{Align, render};
use crate::output::{Output, sanitize};

/// One environment.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    name: EnvironmentName,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    platform: PlatformKind,
    protected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_commit: Option<String>,
}

/// `squad.env_list/v1`.
#[derive(Debug, Serialize)]
struct List<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a EnvironmentName>,
    environments: Vec<Environment>,
}

/// `squad.env/v1`.
#[derive(Debug, Serialize)]
struct One<'a> {
    schema: &'static str,
    #[serde(flatten)]
    environment: &'a Environment,
}

impl Environment {
    /// The wire form.
    pub(crate) fn of(environment: &environment::Environment) -> Self {
        Self {
            name: environment.name.clone(),
            org: environment.org.as_ref().map(ToString::to_string),
            platform: environment.platform,
            protected: environment.protected,
            account: environment.account.clone(),
            region: environment.region.clone(),
            cluster: environment.cluster.clone(),
            namespace: environment.namespace.clone(),
            metrics: environment.metrics.clone(),
            audit: environment.audit.clone(),
            org_commit: environment.org_commit.clone(),
        }
    }

    /// Where it is, in a few words.
    fn place(&self) -> String {
        let Some(account) = &self.account else {
            return "this machine".to_owned();
        };
        let region = self.region.as_deref().unwrap_or_default();
        let cluster = self
            .cluster
            .as_deref()
            .and_then(|arn| arn.rsplit('/').next())
            .map_or(String::new(), |name| format!(", cluster {name}"));
        format!("account {account}, {region}{cluster}")
    }

    /// Prints one.
    pub(crate) fn print(&self, output: &Output) {
        if output.is_json() {
            output.json(&One {
                schema: "squad.env/v1",
                environment: self,
            });
            return;
        }
        let metrics = self
            .metrics
            .as_ref()
            .map(|metrics| format!("{} at {}", metrics.provider, metrics.url));
        let built_in_audit = || "on this machine".to_owned();
        let lines = [
            ("env", Some(self.name.to_string())),
            ("org", self.org.clone()),
            ("platform", Some(self.platform.as_str().to_owned())),
            ("protected", Some(yes_or_no(self.protected).to_owned())),
            ("account", self.account.clone()),
            ("region", self.region.clone()),
            ("cluster", self.cluster.clone()),
            ("namespace", self.namespace.clone()),
            ("metrics", metrics),
            (
                "audit",
                Some(self.audit.clone().unwrap_or_else(built_in_audit)),
            ),
            ("org commit", self.org_commit.clone()),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                output.out(&format!("{key:<12}{}", sanitize(&value)));
            }
        }
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Prints all of them as a list of their own.
pub(crate) fn list(
    output: &Output,
    environments: &[environment::Environment],
    default: Option<&EnvironmentName>,
) {
    let environments: Vec<Environment> = environments.iter().map(Environment::of).collect();
    if output.is_json() {
        output.json(&List {
            schema: "squad.env_list/v1",
            default,
            environments,
        });
    } else {
        print_table(output, &environments, default);
    }
}

/// Prints all of them as a table.
pub(crate) fn print_table(
    output: &Output,
    environments: &[Environment],
    default: Option<&EnvironmentName>,
) {
    let rows: Vec<Vec<String>> = environments
        .iter()
        .map(|environment| {
            let mark = if default == Some(&environment.name) {
                " (default)"
            } else {
                ""
            };
            vec![
                format!("{}{mark}", environment.name),
                environment.platform.as_str().to_owned(),
                yes_or_no(environment.protected).to_owned(),
                environment.place(),
            ]
        })
        .collect();
    let header = [
        ("ENV", Align::Left),
        ("PLATFORM", Align::Left),
        ("PROTECTED", Align::Left),
        ("WHERE", Align::Left),
    ];
    output.out(&render(
        &header,
        &rows,
        output.is_terminal().then(|| output.width()),
    ));
}
