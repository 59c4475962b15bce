//! The files that people write: `squad.toml`, `org.toml`, and where each value came from.
//!
//! Nothing here talks to a network or starts a program: [`Draft::need`] says what must be brought to this
//! machine first, `ops::org` brings it, and [`Draft::finish`] goes on.

mod check;
mod chosen_org;
mod draft;
mod duration;
mod error;
mod function;
mod manifest;
mod members;
pub(crate) mod org;
mod origin;
mod path;
pub(crate) mod person;
mod place;
mod reader;
mod remembered;
#[cfg(test)]
mod schema;
mod secret;
mod selection;
mod tree;
mod unclosed;
mod workspace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use draft::{Checked, Draft, Need};
pub(crate) use duration::roughly;
pub(crate) use error::{Error, UnknownService};
pub(crate) use origin::{Origin, Setting};
pub(crate) use place::Mistake;
pub(crate) use remembered::remember;
pub(crate) use selection::{ORG_FILE, SNAPSHOT_FILE, cache_of, kept_as, source};
pub(crate) use workspace::members_below;

use crate::domain::environment::Environment;
use crate::domain::meant::nearest;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName, SquadName};
use crate::domain::org::Source;
use crate::domain::repository::without_secrets;
use crate::domain::service::Service;
use crate::env::{Directories, Env};
use org::OrgFile;
use reader::{Effective, Findings};
use selection::Selected;
use tree::Node;

/// Name of a service's file.
pub(crate) const MANIFEST: &str = "squad.toml";

/// What decides which files are read.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Where the command runs: `squad.toml` is looked for here and above. Absolute.
    pub(crate) directory: &'a Path,
    /// `--org`, if given; `SQUAD_ORG` is read from `env`.
    pub(crate) org: Option<&'a str>,
    /// Where the person's configuration, the orgs and their clones are.
    pub(crate) directories: &'a Directories,
    /// For the `SQUAD_*` variables.
    pub(crate) env: &'a Env,
}

/// Everything that the files say.
#[derive(Debug)]
pub(crate) struct Config {
    directory: PathBuf,
    org: Option<Org>,
    missing_org: Option<OrgName>,
    environments: BTreeMap<EnvironmentName, Environment>,
    /// Protected environments that no commit holds.
    uncommitted: Vec<EnvironmentName>,
    members: Vec<Member>,
    manifest: Option<PathBuf>,
    root: Option<PathBuf>,
    chosen_environment: Option<(EnvironmentName, Origin)>,
    /// The mistakes of other members of the workspace, which are left out for that.
    left_out: Vec<Mistake>,
    warnings: Vec<String>,
}

/// The selected org.
#[derive(Debug)]
struct Org {
    selected: Selected,
    /// The file as it lies there (a directory) or as it was fetched (a repository).
    file: OrgFile,
    /// The file in the newest commit, where it differs from `file`.
    committed: Option<OrgFile>,
    /// The commit that `file`, or else `committed`, is of.
    commit: Option<String>,
    /// When the repository was fetched.
    fetched_at: Option<jiff::Timestamp>,
    /// Where each value of `file` is written.
    values: Vec<Effective>,
    /// The file cannot be read: all of this is what this machine remembers.
    is_remembered: bool,
}

/// One service's file, with the defaults laid below it.
#[derive(Debug)]
struct Member {
    name: ServiceName,
    path: PathBuf,
    directory: PathBuf,
    base: Node,
    overrides: Option<Node>,
}

/// One service and the directory of its `squad.toml`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    /// With the overrides of the environment that was asked for.
    pub(crate) service: Service,
    /// Absolute path of the directory that holds its `squad.toml`.
    pub(crate) directory: PathBuf,
}

impl Config {
    /// Reads every file that matters for `sources.directory`, and reports all mistakes at once. It neither
    /// fetches an org nor looks at its commits: that is what `cli`'s `Context::config` does around it.
    #[cfg(test)]
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        Draft::read(sources)?.finish(None)
    }

    /// The selected org's name, as its file says it.
    pub(crate) fn org(&self) -> Option<&OrgName> {
        self.org.as_ref().map(|org| &org.file.name)
    }

    /// Where the selected org's file lies: a directory or an address without credentials.
    pub(crate) fn org_source(&self) -> Option<String> {
        let source = &self.org.as_ref()?.selected.source;
        Some(without_secrets(&source.shown()))
    }

    /// Who selected the org: `--org`, `SQUAD_ORG`, `squad.toml:4`, `config.toml:1` or `squad org use`.
    pub(crate) fn org_chosen_by(&self) -> Option<String> {
        Some(self.org.as_ref()?.selected.by.shown())
    }

    /// The same as the origin of a value.
    pub(crate) fn org_origin(&self) -> Option<Origin> {
        Some(Origin::from(&self.org.as_ref()?.selected.by))
    }

    /// The commit of the selected org's file, when it lies in git and is committed.
    pub(crate) fn org_commit(&self) -> Option<&str> {
        self.org.as_ref()?.commit.as_deref()
    }

    /// When the selected org's repository was last fetched; none for a directory.
    pub(crate) fn org_fetched_at(&self) -> Option<jiff::Timestamp> {
        self.org.as_ref()?.fetched_at
    }

    /// Refuses when a member of the workspace is left out because of mistakes: for what is about all of them.
    pub(crate) fn complete(&self) -> Result<(), Error> {
        if self.left_out.is_empty() {
            Ok(())
        } else {
            Err(Error::Mistakes(self.left_out.clone()))
        }
    }

    /// What the person should know, and that stops nothing.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The environments that exist: those of the org, or the built-in `local` alone. `local` is the first.
    pub(crate) fn environments(&self) -> Vec<Environment> {
        let local = EnvironmentName::local();
        let (mut first, rest): (Vec<_>, Vec<_>) = self
            .environments
            .values()
            .cloned()
            .partition(|environment| environment.name == local);
        first.extend(rest);
        first
    }

    /// One environment; the error lists the names that exist, nearest first.
    pub(crate) fn environment(&self, name: &EnvironmentName) -> Result<Environment, Error> {
        if let Some(environment) = self.environments.get(name) {
            return Ok(environment.clone());
        }
        if let (true, Some(org)) = (self.uncommitted.contains(name), &self.org) {
            let directory = match &org.selected.source {
                Source::Directory(directory) => directory.clone(),
                Source::Git(url) => PathBuf::from(without_secrets(url)),
            };
            return Err(Error::Uncommitted {
                name: name.clone(),
                file: directory.join(ORG_FILE),
            });
        }
        let mut known: Vec<EnvironmentName> = self.environments.keys().cloned().collect();
        known.sort_by_key(|known| strsim::damerau_levenshtein(known.as_str(), name.as_str()));
        Err(Error::UnknownEnvironment {
            name: name.clone(),
            nearest: nearest(name.as_str(), known.iter().map(EnvironmentName::as_str))
                .map(str::to_owned),
            known,
            org: self.org().cloned(),
            missing_org: self.missing_org.clone(),
            by: None,
        })
    }

    /// `SQUAD_ENV`, the person's default, or `local` where it is the only one; none when a person or a flag
    /// has to say it.
    pub(crate) fn default_environment(&self) -> Option<EnvironmentName> {
        self.default_environment_and_origin().map(|(name, _)| name)
    }

    /// The same, and who says it.
    pub(crate) fn default_environment_and_origin(&self) -> Option<(EnvironmentName, Origin)> {
        if self.chosen_environment.is_some() {
            return self.chosen_environment.clone();
        }
        let only_local = self.environments.len() == 1
            && self.uncommitted.is_empty()
            && self.missing_org.is_none();
        only_local.then(|| (EnvironmentName::local(), Origin::BuiltIn))
    }

    /// The services of the `squad.toml` found: one, or the members of the workspace in order of their names.
    pub(crate) fn services(&self) -> Vec<(ServiceName, PathBuf)> {
        self.members
            .iter()
            .map(|member| (member.name.clone(), member.directory.clone()))
            .collect()
    }

    /// The service whose directory the command runs in, or the only one that there is.
    pub(crate) fn current_service(&self) -> Result<&ServiceName, Error> {
        self.member(None).map(|member| &member.name)
    }

    /// A service of these files, effective for an environment. `None` = the one of the current directory.
    pub(crate) fn service(
        &self,
        name: Option<&ServiceName>,
        environment: &EnvironmentName,
    ) -> Result<Located, Error> {
        let (service, _) = self.decoded(name, Some(environment))?;
        let directory = self.member(name)?.directory.clone();
        Ok(Located { service, directory })
    }

    fn decoded(
        &self,
        name: Option<&ServiceName>,
        environment: Option<&EnvironmentName>,
    ) -> Result<(Service, Vec<Effective>), Error> {
        let member = self.member(name)?;
        self.refuse_other_org(member)?;
        let tree = member.effective(environment);
        let findings = Findings::default();
        let service = manifest::service(&tree, &findings);
        match service {
            Some(service) => Ok((service, findings.into_values())),
            // Every tree was read once when it was loaded, so there is nothing to find here any more.
            None => Err(Error::Mistakes(findings.take_mistakes())),
        }
    }

    fn member(&self, name: Option<&ServiceName>) -> Result<&Member, Error> {
        let Some(name) = name else {
            return self.member_here();
        };
        if let Some(member) = self.members.iter().find(|member| member.name == *name) {
            return Ok(member);
        }
        if !self.left_out.is_empty() {
            // It may be one of these.
            return Err(Error::Mistakes(self.left_out.clone()));
        }
        let known: Vec<ServiceName> = self.services().into_iter().map(|(name, _)| name).collect();
        Err(Error::UnknownService(Box::new(UnknownService {
            nearest: nearest(name.as_str(), known.iter().map(ServiceName::as_str))
                .map(str::to_owned),
            known,
            repository: self.repository_of(name),
            name: name.clone(),
            place: None,
        })))
    }

    fn member_here(&self) -> Result<&Member, Error> {
        let Some(manifest) = &self.manifest else {
            return Err(Error::NoService(self.directory.clone()));
        };
        if let Some(member) = self.members.iter().find(|member| member.path == *manifest) {
            return Ok(member);
        }
        match self.members.as_slice() {
            [only] if self.left_out.is_empty() => Ok(only),
            [] | [_] if !self.left_out.is_empty() => Err(Error::Mistakes(self.left_out.clone())),
            [] => Err(Error::NoService(self.directory.clone())),
            several => Err(Error::SeveralServices(
                several.iter().map(|member| member.name.clone()).collect(),
            )),
        }
    }

    fn refuse_other_org(&self, member: &Member) -> Result<(), Error> {
        let Some(org) = &self.org else { return Ok(()) };
        let Some(node) = member.base.at(&["service", "org"]) else {
            return Ok(());
        };
        let Some(wanted) = node.as_text().and_then(|text| OrgName::new(text).ok()) else {
            return Ok(());
        };
        if wanted == org.file.name || Some(&wanted) == org.selected.alias.as_ref() {
            return Ok(());
        }
        Err(Error::OtherOrg {
            service: member.name.to_string(),
            wanted,
            place: node
                .place
                .as_ref()
                .map(place::Place::shown)
                .unwrap_or_default(),
            selected: org.file.name.clone(),
            by: org.selected.by.shown(),
        })
    }

    /// The squads of the org.
    pub(crate) fn squads(&self) -> Vec<SquadName> {
        self.org
            .as_ref()
            .map(|org| org.file.squads.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The repository that the org's file names for a service (`[service.<name>] repository`).
    pub(crate) fn repository_of(&self, name: &ServiceName) -> Option<String> {
        let org = self.org.as_ref()?;
        org.file.services.get(name)?.repository.clone()
    }

    /// Everything that the selected org's file says.
    pub(crate) fn org_file(&self) -> Option<&OrgFile> {
        self.org.as_ref().map(|org| &org.file)
    }

    /// The `squad.toml` of the current directory or above.
    #[cfg(test)]
    pub(crate) fn manifest_path(&self) -> Option<&Path> {
        self.manifest.as_deref()
    }

    /// The directory of the `squad.toml` with `[workspace]`.
    pub(crate) fn workspace_root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Every effective value of a service in an environment, and where it is written. `None` = the service of
    /// the current directory, and without the overrides of any environment.
    pub(crate) fn settings(
        &self,
        name: Option<&ServiceName>,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<Setting>, Error> {
        let (_, values) = self.decoded(name, environment)?;
        Ok(values
            .into_iter()
            .map(|value| self.setting(value))
            .collect())
    }

    /// What the org says of an environment, and where.
    pub(crate) fn environment_settings(&self, environment: &EnvironmentName) -> Vec<Setting> {
        let prefix = format!("env.{environment}.");
        let Some(org) = &self.org else {
            return Vec::new();
        };
        org.values
            .iter()
            .filter_map(|value| {
                let key = value.key.strip_prefix(&prefix)?;
                Some(self.setting(Effective {
                    key: key.to_owned(),
                    ..value.clone()
                }))
            })
            .collect()
    }

    fn setting(&self, value: Effective) -> Setting {
        Setting {
            origin: Origin::of(value.place.as_ref(), self.org()),
            shown: value.value.shown(),
            json: value.value.json(),
            key: value.key,
        }
    }
}

/// Reads and checks the org's file of a directory, or what was fetched of a repository.
pub(crate) fn read_org(source: &Source, sources: &Sources<'_>) -> Result<OrgFile, Error> {
    chosen_org::read_org_alone(source, sources)
}

impl Member {
    /// The tree with the overrides of an environment.
    fn effective(&self, environment: Option<&EnvironmentName>) -> Node {
        let over = environment
            .zip(self.overrides.as_ref())
            .and_then(|(environment, overrides)| overrides.at(&[environment.as_str()]));
        match over {
            Some(over) => tree::merge(&self.base, over),
            None => self.base.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
