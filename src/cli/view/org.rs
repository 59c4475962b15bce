//! What `squad org` prints.

use serde::Serialize;

use super::env::Environment;
use super::number::counted;
use crate::clock::Clock;
use crate::config::{Config, roughly};
use crate::domain::name::OrgName;
use crate::domain::org::Registry;
use crate::domain::repository::without_secrets;
use crate::output::table::{Align, render};
use crate::output::{Output, sanitize};

/// The name of the org that a command changed something about.
pub(crate) fn name(output: &Output, schema: &'static str, name: &OrgName) {
    #[derive(Serialize)]
    struct Named<'a> {
        schema: &'static str,
        org: &'a OrgName,
    }
    if output.is_json() {
        output.json(&Named { schema, org: name });
    } else {
        output.out(name.as_str());
    }
}

/// That no org is used: JSON only, for there is no name to print.
pub(crate) fn none(output: &Output) {
    if output.is_json() {
        output.json(&serde_json::json!({ "schema": "squad.org_used/v1" }));
    }
}

/// `squad.org_list/v1`.
#[derive(Debug, Serialize)]
struct List {
    schema: &'static str,
    orgs: Vec<Entry>,
}

/// One org that was added.
#[derive(Debug, Serialize)]
struct Entry {
    /// The name it was added under.
    name: OrgName,
    /// The name in its file, when that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<OrgName>,
    /// Directory or address.
    source: String,
    /// It is the one in use.
    in_use: bool,
}

/// Prints the orgs.
pub(crate) fn list(output: &Output, registry: &Registry) {
    let orgs: Vec<Entry> = registry
        .org
        .iter()
        .map(|(alias, org)| Entry {
            name: alias.clone(),
            file_name: (org.name != *alias).then(|| org.name.clone()),
            source: without_secrets(&org.source.shown()),
            in_use: registry.current.as_ref() == Some(alias),
        })
        .collect();
    if output.is_json() {
        output.json(&List {
            schema: "squad.org_list/v1",
            orgs,
        });
        return;
    }
    if orgs.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = orgs
        .iter()
        .map(|org| {
            vec![
                org.name.to_string(),
                if org.in_use { "in use" } else { "" }.to_owned(),
                sanitize(&org.source),
            ]
        })
        .collect();
    let header = [
        ("ORG", Align::Left),
        ("", Align::Left),
        ("SOURCE", Align::Left),
    ];
    output.out(&render(
        &header,
        &rows,
        output.is_terminal().then(|| output.width()),
    ));
}

/// `squad.org/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Org {
    schema: &'static str,
    name: OrgName,
    /// Directory or address.
    source: String,
    /// Who chose it.
    chosen_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched_at: Option<jiff::Timestamp>,
    environments: Vec<Environment>,
    squads: Vec<Squad>,
    services: Vec<Service>,
    trusted: Vec<String>,
}

/// One squad.
#[derive(Debug, Serialize)]
struct Squad {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    github_team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagerduty_service: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
}

/// One service that the org knows.
#[derive(Debug, Serialize)]
struct Service {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    squad: Option<String>,
}

impl Org {
    /// The selected org; none when there is none.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let file = config.org_file()?;
        Some(Self {
            schema: "squad.org/v1",
            name: file.name.clone(),
            source: config.org_source()?,
            chosen_by: config.org_chosen_by()?,
            commit: config.org_commit().map(str::to_owned),
            fetched_at: config.org_fetched_at(),
            environments: config.environments().iter().map(Environment::of).collect(),
            squads: file
                .squads
                .iter()
                .map(|(name, squad)| Squad {
                    name: name.to_string(),
                    github_team: squad.github_team.clone(),
                    pagerduty_service: squad.pagerduty_service.clone(),
                    members: squad.members.clone(),
                })
                .collect(),
            services: file
                .services
                .iter()
                .map(|(name, service)| Service {
                    name: name.to_string(),
                    repository: service.repository.clone(),
                    squad: service.squad.as_ref().map(ToString::to_string),
                })
                .collect(),
            trusted: file.trusted.values().map(ToString::to_string).collect(),
        })
    }

    /// Prints it.
    pub(crate) fn print(&self, output: &Output, clock: &dyn Clock) {
        if output.is_json() {
            output.json(self);
            return;
        }
        let line = |key: &str, value: &str| output.out(&format!("{key:<12}{}", sanitize(value)));
        line("org", self.name.as_str());
        line("source", &self.source);
        if let Some(commit) = &self.commit {
            line("commit", commit.get(..12).unwrap_or(commit));
        }
        if let Some(at) = self.fetched_at {
            let age = roughly(clock.now().duration_since(at));
            line("fetched", &format!("{age} ago"));
        }
        line("chosen by", &self.chosen_by);
        if !self.squads.is_empty() {
            let names: Vec<&str> = self
                .squads
                .iter()
                .map(|squad| squad.name.as_str())
                .collect();
            line("squads", &names.join(", "));
        }
        if !self.services.is_empty() {
            let names: Vec<&str> = self
                .services
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            line("services", &names.join(", "));
        }
        if !self.trusted.is_empty() {
            line("trusted", &counted(self.trusted.len() as u64, "key"));
        }
        output.out("");
        super::env::print_table(output, &self.environments, None);
    }
}
