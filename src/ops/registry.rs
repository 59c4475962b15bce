//! Which directory holds the sources of which service on this machine: written by each deploy, so that
//! `squad deploy <name>` works outside the repository and a second repository cannot take a known name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clients::git::Repository;
use crate::clients::lock;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName};
use crate::domain::repository;
use crate::error::{Error, Kind, Result};
use crate::fs;
use crate::ops::fetched::{is_kept, place_of};
use crate::platform::lambda::{Target, Targets};

/// Where one service's sources are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The directory of its `squad.toml`, absolute.
    pub(crate) directory: PathBuf,
    /// The address of git's `origin`, without credentials, when there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) repository: Option<String>,
    /// Which function and alias it was at AWS, in each environment that it was deployed to from here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) functions: BTreeMap<EnvironmentName, Target>,
}

/// The services of one org, or those without an org.
#[derive(Debug)]
pub(crate) struct Registry {
    path: PathBuf,
}

impl Registry {
    /// Below squad's state directory.
    pub(crate) fn new(state: &Path, org: Option<&OrgName>) -> Self {
        let name = org.map_or("local", OrgName::as_str);
        Self {
            path: state.join("services").join(format!("{name}.json")),
        }
    }

    fn read(&self) -> Result<BTreeMap<ServiceName, Entry>> {
        let Some(text) = fs::read_if_there(&self.path)? else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_str(&text).map_err(|error| {
            Error::new(
                Kind::Failed,
                "state-damaged",
                format!("cannot read `{}`: {error}", self.path.display()),
            )
            .hint(format!(
                "it can be made again: `rm {}`, then deploy",
                self.path.display()
            ))
        })
    }

    /// The services that were deployed from here.
    pub(crate) fn names(&self) -> Result<Vec<ServiceName>> {
        Ok(self.read()?.into_keys().collect())
    }

    /// Where the sources of a service were when it was last deployed from here.
    pub(crate) fn find(&self, name: &ServiceName) -> Result<Option<Entry>> {
        Ok(self.read()?.remove(name))
    }

    /// Which functions the services of an environment were when they were last deployed from here.
    pub(crate) fn functions(&self, environment: &EnvironmentName) -> Result<Targets> {
        Ok(self
            .read()?
            .into_iter()
            .filter_map(|(name, mut entry)| Some((name, entry.functions.remove(environment)?)))
            .collect())
    }

    /// Refuses when another repository has the name; writes nothing.
    pub(crate) fn check(&self, name: &ServiceName, directory: &Path) -> Result<()> {
        match self.read()?.get(name) {
            Some(known) if known.directory != directory => {
                self.refuse_another(name, known, directory, origin_of(directory).as_deref())
            }
            _ => Ok(()),
        }
    }

    fn refuse_another(
        &self,
        name: &ServiceName,
        known: &Entry,
        directory: &Path,
        origin: Option<&str>,
    ) -> Result<()> {
        // It may have got its origin after it was deployed.
        let its_origin = || origin_of(&known.directory);
        let is_ours = |its: &str| origin.is_some_and(|ours| repository::is_same(ours, its));
        let same_origin = known.repository.as_deref().is_some_and(is_ours)
            || its_origin().as_deref().is_some_and(is_ours);
        let gone = !may_be(&known.directory.join("squad.toml"), name);
        if known.directory == directory
            || same_origin
            || gone
            // Both are what the org's file named: it says now that the service has moved.
            || (is_kept(&known.directory) && is_kept(directory))
            || Repository::are_one(&known.directory, directory)
        {
            return Ok(());
        }
        let there = known.directory.display();
        let (place, way_out) = match (&known.repository, place_of(&known.directory)) {
            (Some(repository), Some(place)) => (
                repository.clone(),
                format!("forget what was fetched: `rm -rf {}`", place.display()),
            ),
            _ => (
                format!("`{there}`"),
                format!("put the old place away: `mv {there} {there}.old`"),
            ),
        };
        Err(Error::new(
            Kind::Refused,
            "service-name-taken",
            format!("the name `{name}` belongs to the service in {place}"),
        )
        .hint("if they are two services, give this one another name in its squad.toml")
        .hint(format!("if the service has moved here, {way_out}")))
    }

    /// [`Self::claim`] of a service that was known, and is not where it was any more; for any other it does nothing.
    pub(crate) fn follow(&self, name: &ServiceName, directory: &Path) -> Result<()> {
        let is_gone = |known: &Entry| !may_be(&known.directory.join("squad.toml"), name);
        if self.read()?.get(name).is_some_and(is_gone) {
            self.claim(name, directory, None)?;
        }
        Ok(())
    }

    /// Says that the sources of `name` are in `directory`, and which function it is in an environment; refuses when
    /// another repository has the name.
    pub(crate) fn claim(
        &self,
        name: &ServiceName,
        directory: &Path,
        function: Option<(&EnvironmentName, Target)>,
    ) -> Result<()> {
        let is_known = |entry: &Entry| {
            entry.directory == directory
                && function
                    .as_ref()
                    .is_none_or(|(name, target)| entry.functions.get(*name) == Some(target))
        };
        if self.read()?.get(name).is_some_and(is_known) {
            return Ok(());
        }
        let parent = self.path.parent().unwrap_or(Path::new("."));
        fs::create_private_dir(parent)?;
        let _lock = lock::wait(&self.path.with_extension("lock"))?;
        let mut entries = self.read()?;
        let repository = origin_of(directory);
        if let Some(known) = entries.get(name) {
            self.refuse_another(name, known, directory, repository.as_deref())?;
        }
        let mut functions = entries
            .remove(name)
            .map(|entry| entry.functions)
            .unwrap_or_default();
        if let Some((environment, target)) = function {
            functions.insert(environment.clone(), target);
        }
        entries.insert(
            name.clone(),
            Entry {
                directory: directory.to_owned(),
                repository,
                functions,
            },
        );
        let text = serde_json::to_string_pretty(&entries).map_err(Error::internal)?;
        fs::write_durably(&self.path, text.as_bytes(), 0o600)?;
        Ok(())
    }
}

/// Whether a service's file may be that of this service: one that is gone is not, nor one that names another service. One that
/// cannot be read may be any.
fn may_be(manifest: &Path, name: &ServiceName) -> bool {
    let Ok(Some(text)) = fs::read_if_there(manifest) else {
        return manifest.exists();
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return true;
    };
    let service = table.get("service").and_then(|service| service.get("name"));
    service
        .and_then(toml::Value::as_str)
        .is_none_or(|other| other == name.as_str())
}

fn origin_of(directory: &Path) -> Option<String> {
    Repository::discover(directory)?.origin()
}
