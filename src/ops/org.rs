//! The orgs that a machine knows: adding them, choosing one, and fetching their files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clients::git_remote;
use crate::clients::lock;
use crate::clients::process::Children;
use crate::clock::Clock;
use crate::domain::name::OrgName;
use crate::domain::org::{Committed, Registered, Registry, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::fs;

/// How long a person waits for an org that is not on this machine yet.
pub(crate) const FIRST_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a command waits for news of an org that is here already.
pub(crate) const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);

/// What to fetch, and where it goes.
#[derive(Debug)]
pub(crate) struct RefreshOptions<'a> {
    /// The repository's address, with credentials if they were given.
    pub(crate) url: &'a str,
    /// The same without credentials: what is stored and shown.
    pub(crate) shown: &'a str,
    /// The directory that it is kept in.
    pub(crate) cache: &'a Path,
    /// Name of the org's file at the top of the repository.
    pub(crate) file: &'a str,
    /// Name of the file in `cache` that holds what was fetched.
    pub(crate) snapshot_file: &'a str,
    /// How long to wait.
    pub(crate) timeout: Duration,
    /// Among which git is, so that it can be ended.
    pub(crate) children: &'a Children,
}

/// Fetches an org's file. One process at a time does it; the others take what it brought.
pub(crate) fn refresh(options: &RefreshOptions<'_>, clock: &dyn Clock) -> Result<Snapshot> {
    let asked_at = clock.now();
    fs::create_private_dir(options.cache)?;
    let _lock = lock::wait(&options.cache.join("lock"))?;
    let path = options.cache.join(options.snapshot_file);
    let before: Option<Snapshot> = fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(before) = &before
        && before.fetched_at >= asked_at
    {
        return Ok(before.clone());
    }
    let repository = options.cache.join("repository.git");
    let fetched = git_remote::fetch(
        options.url,
        &repository,
        options.file,
        (options.timeout, options.children),
    );
    let now = clock.now();
    let outcome = fetched.map_err(Error::from).and_then(|committed| {
        let missing = || {
            Error::new(
                Kind::Config,
                "org-file-missing",
                format!(
                    "cannot use `{}` as an org: its newest commit has no `{}` at its top",
                    options.shown, options.file
                ),
            )
        };
        let (Some(commit), Some(text)) = (committed.commit, committed.text) else {
            return Err(missing());
        };
        Ok(Snapshot {
            url: options.shown.to_owned(),
            commit,
            fetched_at: now,
            tried_at: now,
            text,
        })
    });
    match (outcome, before) {
        (Ok(snapshot), _) => {
            store(&path, &snapshot)?;
            Ok(snapshot)
        }
        (Err(error), Some(before)) => {
            // So that the next command does not wait for a remote that has just not answered.
            let tried = Snapshot {
                tried_at: now,
                ..before
            };
            store(&path, &tried)?;
            Err(error)
        }
        (Err(error), None) => Err(error),
    }
}

fn store(path: &Path, snapshot: &Snapshot) -> Result<()> {
    let bytes = serde_json::to_vec(snapshot).map_err(Error::internal)?;
    Ok(fs::write_durably(path, &bytes, 0o600)?)
}

/// The org's file in the newest commit of the work tree that holds a directory.
pub(crate) fn committed(directory: &Path, file: &str) -> Result<Committed> {
    Ok(git_remote::committed(directory, file)?)
}

/// What to add.
#[derive(Debug)]
pub(crate) struct AddOptions {
    /// `orgs.toml`.
    pub(crate) registry: PathBuf,
    /// The name to add it under.
    pub(crate) alias: OrgName,
    /// The person gave this name: an org that already has it is moved to the new place.
    pub(crate) named: bool,
    /// The org.
    pub(crate) org: Registered,
}

/// What adding did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    /// The org was known already, and as it is now.
    pub(crate) known: bool,
    /// Where it was before.
    pub(crate) moved_from: Option<String>,
    /// It is the one in use: nothing else was.
    pub(crate) in_use: bool,
}

/// Adds an org, and uses it when none is in use.
pub(crate) fn add(options: &AddOptions) -> Result<Added> {
    change(&options.registry, |registry| {
        let mut moved_from = None;
        let mut known = false;
        if let Some(old) = registry.org.get(&options.alias) {
            known = *old == options.org;
            if old.source != options.org.source {
                if !options.named {
                    return Err(Error::new(
                        Kind::Refused,
                        "org-exists",
                        format!(
                            "cannot add the org `{}`: there is one from `{}`",
                            options.alias,
                            old.source.shown()
                        ),
                    )
                    .hint(format!(
                        "give it another name: `squad org add {} --name NAME`",
                        options.org.source.shown()
                    ))
                    .hint(format!(
                        "or move `{0}` there: `squad org add {1} --name {0}`",
                        options.alias,
                        options.org.source.shown()
                    )));
                }
                moved_from = Some(old.source.shown());
            }
        }
        registry
            .org
            .insert(options.alias.clone(), options.org.clone());
        let current = registry
            .current
            .get_or_insert_with(|| options.alias.clone());
        Ok(Added {
            known,
            moved_from,
            in_use: *current == options.alias,
        })
    })
}

/// Chooses the org that commands use where nothing else names one.
pub(crate) fn choose(registry: &Path, name: &OrgName) -> Result<()> {
    change(registry, |registry| {
        let Some((alias, _)) = registry.find(name) else {
            return Err(unknown(name, registry));
        };
        registry.current = Some(alias.clone());
        Ok(())
    })
}

/// Chooses none: commands are without an org where nothing names one.
pub(crate) fn choose_none(registry: &Path) -> Result<()> {
    change(registry, |registry| {
        registry.current = None;
        Ok(())
    })
}

/// Takes an org from the list, and nothing else: what runs in it and its files stay. What was removed.
pub(crate) fn remove(registry: &Path, name: &OrgName) -> Result<(OrgName, Registered)> {
    change(registry, |registry| {
        let Some((alias, _)) = registry.find(name) else {
            return Err(unknown(name, registry));
        };
        let alias = alias.clone();
        if registry.current.as_ref() == Some(&alias) {
            registry.current = None;
        }
        let org = registry.org.remove(&alias);
        org.map(|org| (alias, org))
            .ok_or_else(|| Error::internal("an org was found that is not there"))
    })
}

/// The error for an org that was never added.
pub(crate) fn unknown(name: &OrgName, registry: &Registry) -> Error {
    let known: Vec<String> = registry
        .org
        .keys()
        .map(|name| format!("`{name}`"))
        .collect();
    let why = if known.is_empty() {
        "this machine knows no org yet".to_owned()
    } else {
        format!("this machine knows {}", known.join(", "))
    };
    Error::new(
        Kind::Config,
        "org-unknown",
        format!("cannot find the org `{name}`"),
    )
    .cause(why)
    .hint("add it with `squad org add DIRECTORY_OR_URL`")
}

/// Reads the list, changes it and writes it, while no other process does.
fn change<T>(path: &Path, change: impl FnOnce(&mut Registry) -> Result<T>) -> Result<T> {
    if let Some(directory) = path.parent() {
        fs::create_private_dir(directory)?;
    }
    let _lock = lock::wait(&path.with_extension("lock"))?;
    let mut registry: Registry = match fs::read_if_there(path)? {
        Some(text) => toml::from_str(&text).map_err(|error| {
            Error::new(
                Kind::Config,
                "config-invalid",
                format!("cannot read `{}`: {}", path.display(), error.message()),
            )
        })?,
        None => Registry::default(),
    };
    let before = registry.clone();
    let outcome = change(&mut registry)?;
    if registry != before {
        let text = toml::to_string(&registry).map_err(Error::internal)?;
        let text = format!("# Written by `squad org`.\n{text}");
        fs::write_durably(path, text.as_bytes(), 0o600)?;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::org::Source;

    fn options(registry: &Path, alias: &str, directory: &str, named: bool) -> AddOptions {
        AddOptions {
            registry: registry.to_owned(),
            alias: OrgName::new(alias).unwrap(),
            named,
            org: Registered {
                name: OrgName::new("acme").unwrap(),
                source: Source::Directory(directory.into()),
            },
        }
    }

    #[test]
    fn the_first_org_is_used_and_the_others_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/orgs.toml");
        let first = add(&options(&path, "acme", "/a", false)).unwrap();
        assert!(first.in_use && !first.known);
        let second = add(&options(&path, "other", "/b", false)).unwrap();
        assert!(!second.in_use);
        let again = add(&options(&path, "acme", "/a", false)).unwrap();
        assert!(again.known && again.in_use);
        choose(&path, &OrgName::new("other").unwrap()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# Written by `squad org`.\ncurrent = \"other\"\n\n[org.acme]\nname = \"acme\"\n\n\
             [org.acme.source]\ndirectory = \"/a\"\n\n[org.other]\nname = \"acme\"\n\n\
             [org.other.source]\ndirectory = \"/b\"\n"
        );
    }

    #[test]
    fn a_name_is_not_taken_over_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orgs.toml");
        add(&options(&path, "acme", "/a", false)).unwrap();
        let error = add(&options(&path, "acme", "/b", false)).unwrap_err();
        assert_eq!((error.id, error.retryable), ("org-exists", false));
        let moved = add(&options(&path, "acme", "/b", true)).unwrap();
        assert_eq!(moved.moved_from.as_deref(), Some("/a"));
        let error = choose(&path, &OrgName::new("nobody").unwrap()).unwrap_err();
        assert_eq!(error.id, "org-unknown");
    }

    #[test]
    fn orgs_added_at_once_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orgs.toml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let alias = format!("org-{number}");
                    add(&options(path, &alias, "/a", false)).unwrap();
                });
            }
        });
        change(&path, |registry| {
            assert_eq!(registry.org.len(), 8);
            Ok(())
        })
        .unwrap();
    }
}
