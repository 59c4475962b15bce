//! The environments of an org as they were when something was deployed to them from this machine. A brake goes by them
//! where the org's file cannot be read; nothing else does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Org;
use super::org::OrgFile;
use super::selection::Selected;
use crate::domain::environment::Environment;
use crate::domain::name::{EnvironmentName, OrgName};
use crate::fs;

/// Keeps an environment below squad's state directory, where that is news. One without an org needs no file to be known.
pub(crate) fn remember(state: &Path, environment: &Environment) -> Result<(), fs::Error> {
    let Some(org) = &environment.org else {
        return Ok(());
    };
    let directory = directory(state, org);
    let path = directory.join(format!("{}.json", environment.name));
    let text = serde_json::to_string(environment).unwrap_or_default();
    if fs::read_if_there(&path)?.as_ref() == Some(&text) {
        return Ok(());
    }
    fs::create_private_dir(&directory)?;
    fs::write_durably(&path, text.as_bytes(), 0o600)
}

/// The selected org with nothing but the environments that are remembered of it; none where there are none.
pub(super) fn org(selected: &Selected, state: &Path) -> Option<Org> {
    let name = selected.name.clone()?;
    let environments = environments(state, &name);
    if environments.is_empty() {
        return None;
    }
    Some(Org {
        selected: selected.clone(),
        file: OrgFile {
            name,
            squads: BTreeMap::new(),
            services: BTreeMap::new(),
            names: environments.keys().cloned().collect(),
            environments,
            trusted: BTreeMap::new(),
            defaults: None,
        },
        committed: None,
        commit: None,
        fetched_at: None,
        values: Vec::new(),
        is_remembered: true,
    })
}

/// What cannot be read counts as not remembered.
fn environments(state: &Path, org: &OrgName) -> BTreeMap<EnvironmentName, Environment> {
    let Ok(entries) = std::fs::read_dir(directory(state, org)) else {
        return BTreeMap::new();
    };
    let read = |path: PathBuf| {
        let environment: Environment = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let is_its = environment.org.as_ref() == Some(org);
        is_its.then(|| (environment.name.clone(), environment))
    };
    entries
        .flatten()
        .filter_map(|entry| read(entry.path()))
        .collect()
}

fn directory(state: &Path, org: &OrgName) -> PathBuf {
    state.join("environments").join(org.as_str())
}
