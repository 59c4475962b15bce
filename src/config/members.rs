//! The services of the files that were found: each with its defaults below and its overrides aside.

use std::collections::BTreeMap;

use super::manifest;
use super::org;
use super::place::{Mistake, Place};
use super::reader::Findings;
use super::tree::{self, Node};
use super::workspace::{self, Manifest};
use super::{Member, check};
use crate::domain::meant::nearest;
use crate::domain::name::{EnvironmentName, ServiceName, SquadName};

/// What the org has that a service's file may name.
#[derive(Debug)]
pub(crate) struct Known {
    /// Every environment, in either form of the org's file.
    pub(crate) environments: Vec<EnvironmentName>,
    /// Every squad, in either form of the org's file; an org without any is not asked.
    pub(crate) squads: Vec<SquadName>,
}

/// Reads every service once, for no environment and for each that it has overrides for, and notes mistakes. The second list
/// are names that two services have, which is nobody's mistake alone.
///
/// What a service says itself comes before any default, also one of `[workspace.defaults.env.<env>]`.
pub(crate) fn read(
    manifests: Vec<Manifest>,
    defaults: Option<&Node>,
    org_defaults: Option<&Node>,
    org: Option<&Known>,
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Member>, Vec<Mistake>) {
    let mut members: Vec<Member> = Vec::new();
    let mut names: Vec<(ServiceName, Place)> = Vec::new();
    for manifest in manifests {
        let findings = Findings::default();
        let (mut base, mut overrides) = manifest.tree.without("env");
        for defaults in [defaults, org_defaults].into_iter().flatten() {
            let (below, of_environments) = defaults.clone().without("env");
            if let Some(mut more) = of_environments {
                tree::without_keys_of_each(&mut more, &base);
                overrides = Some(match &overrides {
                    Some(own) => tree::with_defaults(own, &more),
                    None => more,
                });
            }
            base = tree::with_defaults(&base, &below);
        }
        let name = manifest::service(&base, &findings).map(|service| service.name);
        if let Some(overrides) = &overrides {
            let environments = org.map(|org| org.environments.as_slice());
            check_overrides(&base, overrides, environments, &findings);
        }
        if let Some(org) = org {
            check_squad(&base, &org.squads, &findings);
        }
        mistakes.extend(workspace::suppressed(
            findings.take_mistakes(),
            manifest.broken,
        ));
        // A name counts also where the rest of the file has mistakes.
        let node = base.at(&["service", "name"]);
        let text = node.and_then(|node| ServiceName::new(node.as_text()?).ok());
        names.extend(text.zip(node.and_then(|node| node.place.clone())));
        let (Some(name), Some(directory)) = (name, manifest.path.parent()) else {
            continue;
        };
        members.push(Member {
            name,
            directory: directory.to_owned(),
            path: manifest.path,
            base,
            overrides,
        });
    }
    let mut doubled = Vec::new();
    note_duplicates(&names, &mut doubled);
    members.sort_by(|a, b| a.name.cmp(&b.name));
    (members, doubled)
}

/// Notes a squad that the org does not have.
fn check_squad(base: &Node, squads: &[SquadName], findings: &Findings) {
    let Some(node) = base.at(&["service", "squad"]) else {
        return;
    };
    let (Some(text), Some(place)) = (node.as_text(), &node.place) else {
        return;
    };
    if squads.is_empty() || squads.iter().any(|squad| squad.as_str() == text) {
        return;
    }
    let names: Vec<&str> = squads.iter().map(SquadName::as_str).collect();
    let instead = instead(text, &names, "the org has");
    findings.mistake(place, format!("`service.squad` is `{text}`; {instead}"));
}

/// What may be meant in place of a name that is not there: the nearest one, else all that there are, said after `has`.
fn instead(text: &str, names: &[&str], has: &str) -> String {
    match nearest(text, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{has} {}", check::listed(names)),
    }
}

fn note_duplicates(names: &[(ServiceName, Place)], mistakes: &mut Vec<Mistake>) {
    let mut first: BTreeMap<&ServiceName, &Place> = BTreeMap::new();
    for (name, place) in names {
        if let Some(other) = first.get(name) {
            mistakes.push(Mistake {
                place: place.clone(),
                message: format!(
                    "two services are named `{}`: the other one is in {}",
                    name,
                    other.shown()
                ),
                missing: false,
            });
        } else {
            first.insert(name, place);
        }
    }
}

fn check_overrides(
    base: &Node,
    overrides: &Node,
    environments: Option<&[EnvironmentName]>,
    findings: &Findings,
) {
    let Some(table) = overrides.table() else {
        if let Some(place) = &overrides.place {
            let what = overrides.value.what();
            findings.mistake(place, format!("`env` is {what}; it must be a table"));
        }
        return;
    };
    for (text, entry) in table {
        let key = entry.key.as_ref();
        let Some(name) = org::key_name::<EnvironmentName>(text, key, findings) else {
            continue;
        };
        if let (Some(known), Some(key)) = (environments, key)
            && !known.contains(&name)
        {
            let names: Vec<&str> = known.iter().map(EnvironmentName::as_str).collect();
            let instead = instead(text, &names, "it has");
            findings.mistake(
                key,
                format!("the org has no environment `{text}`; {instead}"),
            );
        }
        let over = &entry.node;
        if over.table().is_none() {
            if let Some(place) = &over.place {
                let what = over.value.what();
                findings.mistake(place, format!("`env.{text}` is {what}; it must be a table"));
            }
            continue;
        }
        forbid(over, findings);
        let (over, _) = over.clone().without("env");
        manifest::service(&tree::merge(base, &over), findings);
    }
}

/// Notes what an environment cannot override.
fn forbid(over: &Node, findings: &Findings) {
    for identity in manifest::IDENTITY {
        if let Some(place) = over
            .at(&["service", identity])
            .and_then(|node| node.place.clone())
        {
            let message = format!("`service.{identity}` is the same in every environment");
            findings.mistake(&place, message);
        }
    }
    for key in ["schema", "workspace", "env"] {
        if let Some(place) = over
            .table()
            .and_then(|table| table.get(key))
            .and_then(|entry| entry.key.clone())
        {
            findings.mistake(&place, format!("`{key}` cannot be set for one environment"));
        }
    }
}
