//! The services of the files that were found: each with its defaults below and its overrides aside.

use std::collections::BTreeMap;

use super::manifest;
use super::org;
use super::place::{Mistake, Place, nearest};
use super::reader::Findings;
use super::tree::{self, Node};
use super::workspace::{self, Manifest};
use super::{Member, check};
use crate::domain::name::{EnvironmentName, ServiceName};

/// Reads every service once, for no environment and for each that it has overrides for, and notes mistakes.
pub(crate) fn read(
    manifests: Vec<Manifest>,
    defaults: Option<&Node>,
    org_defaults: Option<&Node>,
    environments: Option<&[EnvironmentName]>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Member> {
    let mut members: Vec<(Member, Place)> = Vec::new();
    for manifest in manifests {
        let findings = Findings::default();
        let mut tree = manifest.tree;
        for defaults in [defaults, org_defaults].into_iter().flatten() {
            tree = tree::with_defaults(&tree, defaults);
        }
        let (base, overrides) = tree.without("env");
        let name = manifest::service(&base, &findings).map(|service| service.name);
        if let Some(overrides) = &overrides {
            check_overrides(&base, overrides, environments, &findings);
        }
        mistakes.extend(workspace::suppressed(
            findings.take_mistakes(),
            manifest.broken,
        ));
        let place = base
            .at(&["service", "name"])
            .and_then(|node| node.place.clone());
        let (Some(name), Some(place), Some(directory)) = (name, place, manifest.path.parent())
        else {
            continue;
        };
        members.push((
            Member {
                name,
                directory: directory.to_owned(),
                path: manifest.path,
                base,
                overrides,
            },
            place,
        ));
    }
    note_duplicates(&members, mistakes);
    let mut members: Vec<Member> = members.into_iter().map(|(member, _)| member).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

fn note_duplicates(members: &[(Member, Place)], mistakes: &mut Vec<Mistake>) {
    let mut first: BTreeMap<&ServiceName, &Place> = BTreeMap::new();
    for (member, place) in members {
        if let Some(other) = first.get(&member.name) {
            mistakes.push(Mistake {
                place: place.clone(),
                message: format!(
                    "two services are named `{}`: the other one is in {}",
                    member.name,
                    other.shown()
                ),
                missing: false,
            });
        } else {
            first.insert(&member.name, place);
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
            let message = nearest(text, names.iter().copied()).map_or_else(
                || {
                    let known = check::listed(&names);
                    format!("the org has no environment `{text}`; it has {known}")
                },
                |meant| format!("the org has no environment `{text}`; did you mean `{meant}`?"),
            );
            findings.mistake(key, message);
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
