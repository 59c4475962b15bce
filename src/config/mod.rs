//! The files that people write: `squad.toml`, `org.toml`, and where each value came from.
//!
//! Nothing here talks to a network: `ops::org` brings an org's repository to this machine first.

use std::path::{Path, PathBuf};

use crate::domain::environment::Environment;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName, SquadName};
use crate::domain::service::Service;
use crate::env::{Directories, Env};

/// What decides which files are read.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Where the command runs: `squad.toml` is looked for here and above.
    pub(crate) directory: &'a Path,
    /// `--org`, if given; `SQUAD_ORG` is read from `env`.
    pub(crate) org: Option<&'a str>,
    /// Where the person's configuration, the orgs and their clones are.
    pub(crate) directories: &'a Directories,
    /// For the `SQUAD_*` variables.
    pub(crate) env: &'a Env,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not written yet.
    #[error("not written yet")]
    Unwritten,
}

/// Everything that the files say.
#[derive(Debug)]
pub(crate) struct Config {}

/// One service and the directory of its `squad.toml`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    /// With the overrides of the environment that was asked for.
    pub(crate) service: Service,
    /// Absolute path of the directory that holds its `squad.toml`.
    pub(crate) directory: PathBuf,
}

impl Config {
    /// Reads every file that matters for `sources.directory`, and reports all mistakes at once.
    pub(crate) fn load(_sources: &Sources<'_>) -> Result<Self, Error> {
        Err(Error::Unwritten)
    }

    /// The selected org's name.
    pub(crate) fn org(&self) -> Option<&OrgName> {
        None
    }

    /// The environments that exist: those of the org, or the built-in `local` alone.
    pub(crate) fn environments(&self) -> Vec<Environment> {
        Vec::new()
    }

    /// One environment; the error lists the names that exist, nearest first.
    pub(crate) fn environment(&self, _name: &EnvironmentName) -> Result<Environment, Error> {
        Err(Error::Unwritten)
    }

    /// `SQUAD_ENV`, the person's default, or `local` where it is the only one; none when a person or a flag
    /// has to say it.
    pub(crate) fn default_environment(&self) -> Option<EnvironmentName> {
        None
    }

    /// The services of the `squad.toml` found: one, or the members of the workspace in order of their names.
    pub(crate) fn services(&self) -> Vec<(ServiceName, PathBuf)> {
        Vec::new()
    }

    /// A service of these files, effective for an environment. `None` = the one of the current directory.
    pub(crate) fn service(
        &self,
        _name: Option<&ServiceName>,
        _environment: &EnvironmentName,
    ) -> Result<Located, Error> {
        Err(Error::Unwritten)
    }

    /// The squads of the org.
    pub(crate) fn squads(&self) -> Vec<SquadName> {
        Vec::new()
    }

    /// The repository that the org's file names for a service (`[service.<name>] repository`).
    pub(crate) fn repository_of(&self, _name: &ServiceName) -> Option<String> {
        None
    }

    /// stub
    pub(crate) fn root(&self) -> Option<PathBuf> {
        None
    }
}
