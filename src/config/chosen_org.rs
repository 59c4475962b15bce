//! The selected org: its file as it lies in a directory, in a commit or as it was fetched, and which of its environments
//! can be used.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use super::members;
use super::org::{self, OrgFile};
use super::place::{self, Mistake, Role, SourceFile, in_order};
use super::reader::{Effective, Findings};
use super::selection::{ChosenBy, ORG_FILE, SNAPSHOT_FILE, Selected, cache_of};
use super::tree;
use super::workspace;
use super::{Org, Sources};
use crate::domain::environment::Environment;
use crate::domain::name::EnvironmentName;
use crate::domain::org::{Committed, Snapshot, Source};
use crate::domain::repository::without_secrets;
use crate::env::Directories;
use crate::fs;

/// Reads and checks an org's file by itself.
pub(super) fn read_org_alone(source: &Source, sources: &Sources<'_>) -> Result<OrgFile, Error> {
    let mut mistakes = Vec::new();
    let selected = Selected {
        by: ChosenBy::Flag,
        alias: None,
        name: None,
        source: source.clone(),
    };
    let org = org_of(selected, None, sources, &mut mistakes)?;
    match org {
        Some(org) if mistakes.is_empty() => Ok(org.file),
        _ => Err(Error::Mistakes(in_order(mistakes))),
    }
}

/// What was fetched of a repository; none where it never was.
pub(super) fn snapshot(url: &str, directories: &Directories) -> Option<Snapshot> {
    let path = cache_of(url, directories).join(SNAPSHOT_FILE);
    // It can be fetched again, so one that cannot be read counts as none.
    serde_json::from_slice(&fs::read(&path).ok()?).ok()
}

/// Reads an org's file. None only when it has mistakes, which are noted.
pub(super) fn org_of(
    selected: Selected,
    committed: Option<Committed>,
    sources: &Sources<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Result<Option<Org>, Error> {
    match selected.source.clone() {
        Source::Directory(directory) => {
            let path = directory.join(ORG_FILE);
            let Some(file) = place::read(&path, sources.directory, Role::Org, mistakes)? else {
                return Err(Error::NoOrgFile {
                    path,
                    alias: selected.alias,
                });
            };
            let read = read_org(&file, Some(&directory), mistakes);
            let committed = committed.unwrap_or_default();
            let is_same = committed.text.as_ref() == Some(&file.text);
            let other = match (&committed.text, &committed.commit) {
                (Some(text), Some(commit)) if !is_same => {
                    let file = at_commit(&path, &file.shown, commit, text.clone());
                    read_org(&file, Some(&directory), mistakes).map(|(file, _)| file)
                }
                _ => None,
            };
            Ok(read.map(|(file, values)| Org {
                selected,
                file,
                commit: committed.commit.filter(|_| is_same || other.is_some()),
                committed: other,
                fetched_at: None,
                values,
                is_remembered: false,
            }))
        }
        Source::Git(url) => {
            let Some(snapshot) = snapshot(&url, sources.directories) else {
                let url = without_secrets(&url);
                return Err(Error::NotFetched { url });
            };
            let path = Path::new(ORG_FILE);
            let file = at_commit(path, ORG_FILE, &snapshot.commit, snapshot.text);
            let read = read_org(&file, None, mistakes);
            Ok(read.map(|(file, values)| Org {
                selected,
                file,
                committed: None,
                commit: Some(snapshot.commit),
                fetched_at: Some(snapshot.fetched_at),
                values,
                is_remembered: false,
            }))
        }
    }
}

/// The org as its newest commit has it alone; none when that has mistakes, or there is none.
pub(super) fn committed_alone(selected: Selected, committed: Option<Committed>) -> Option<Org> {
    let Source::Directory(directory) = selected.source.clone() else {
        return None;
    };
    let (text, commit) = committed.and_then(|committed| committed.text.zip(committed.commit))?;
    let file = at_commit(&directory.join(ORG_FILE), ORG_FILE, &commit, text);
    let mut mistakes = Vec::new();
    let (file, values) = read_org(&file, Some(&directory), &mut mistakes)?;
    mistakes.is_empty().then_some(Org {
        selected,
        file,
        committed: None,
        commit: Some(commit),
        fetched_at: None,
        values,
        is_remembered: false,
    })
}

/// The org's file as a commit has it.
fn at_commit(path: &Path, shown: &str, commit: &str, text: String) -> Arc<SourceFile> {
    let short = commit.get(..7).unwrap_or(commit);
    let shown = format!("{shown}@{short}");
    Arc::new(SourceFile {
        path: path.with_file_name(&shown),
        shown,
        text,
        role: Role::Org,
    })
}

/// Reads the text of an org's file and notes its mistakes.
pub(super) fn read_org(
    file: &Arc<SourceFile>,
    directory: Option<&Path>,
    mistakes: &mut Vec<Mistake>,
) -> Option<(OrgFile, Vec<Effective>)> {
    let (tree, broken) = tree::parse(file);
    let findings = Findings::default();
    let read = org::org(&tree, directory, &findings);
    let is_broken = !broken.is_empty();
    mistakes.extend(broken);
    mistakes.extend(workspace::suppressed(findings.take_mistakes(), is_broken));
    read.map(|read| (read, findings.into_values()))
}

/// What the org's file has that a service's may name, in either form.
pub(super) fn known(org: &Org) -> members::Known {
    let files = [&org.file].into_iter().chain(&org.committed);
    let mut squads: Vec<_> = files.flat_map(|file| file.squads.keys().cloned()).collect();
    squads.sort();
    squads.dedup();
    members::Known {
        environments: names(org),
        squads,
    }
}

/// Every name of an environment that the org's file has, in either form.
fn names(org: &Org) -> Vec<EnvironmentName> {
    let committed = org.committed.iter().flat_map(|file| &file.names);
    let mut names: Vec<EnvironmentName> = org.file.names.iter().chain(committed).cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// The environments that can be used, and the protected ones that cannot because no commit has them.
pub(super) fn environments(
    org: Option<&Org>,
    warnings: &mut Vec<String>,
) -> (BTreeMap<EnvironmentName, Environment>, Vec<EnvironmentName>) {
    let mut usable = BTreeMap::new();
    let mut uncommitted = Vec::new();
    let Some(org) = org else {
        usable.insert(EnvironmentName::local(), Environment::builtin_local());
        return (usable, uncommitted);
    };
    if org.is_remembered {
        return (org.file.environments.clone(), uncommitted);
    }
    let in_git = match &org.selected.source {
        Source::Git(_) => true,
        Source::Directory(directory) => directory
            .ancestors()
            .any(|above| above.join(".git").exists()),
    };
    // The file is what the commit says.
    let is_same = org.commit.is_some() && org.committed.is_none();
    for name in names(org) {
        let working = org.file.environments.get(&name);
        let committed = org
            .committed
            .as_ref()
            .and_then(|file| file.environments.get(&name));
        let is_protected = [working, committed]
            .into_iter()
            .flatten()
            .any(|environment| environment.protected);
        let chosen = if is_protected && in_git && !is_same {
            if committed != working {
                warnings.push(format!(
                    "`{name}` is protected, so changes of {ORG_FILE} that are not committed do not count for it"
                ));
            }
            committed.map(|environment| (environment, org.commit.clone()))
        } else {
            let commit = org.commit.clone().filter(|_| is_same);
            working.map(|environment| (environment, commit))
        };
        match chosen {
            Some((environment, org_commit)) => {
                let environment = Environment {
                    org_commit,
                    ..environment.clone()
                };
                usable.insert(name, environment);
            }
            None if is_protected => uncommitted.push(name),
            None => {}
        }
    }
    (usable, uncommitted)
}
