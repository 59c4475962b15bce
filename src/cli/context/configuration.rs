//! The configuration for a command: read from this machine, with the org brought here first where it lies in git.

use std::path::Path;

use super::{Context, own};
use crate::clients::process;
use crate::clock::Clock;
use crate::config::{self, Config, Draft, Need, Sources};
use crate::domain::name::EnvironmentName;
use crate::domain::org::{Committed, Source};
use crate::domain::repository::without_secrets;
use crate::env;
use crate::error::{Error, Kind, Result};
use crate::ops;

impl Context {
    /// The configuration for the current directory. An org that lies in git is brought to this machine first.
    pub(crate) fn config(&self) -> Result<Config> {
        self.config_for(self.org.as_deref())
    }

    /// The same with another org than `--org` names.
    pub(crate) fn config_for(&self, org: Option<&str>) -> Result<Config> {
        let config = self.config_at(&self.directory()?, org)?;
        for warning in config.warnings() {
            self.output.warn(warning);
        }
        Ok(config)
    }

    /// The same for a command that looks at what is live, or stops it. When it was told the services by their names
    /// (or takes all), it needs no service's file, and a mistake in one does not matter.
    pub(crate) fn config_of_live(&self, is_told: bool, verb: &str) -> Result<Config> {
        if is_told {
            return self.config_without_services();
        }
        self.config().map_err(|error| {
            if error.id == "config-invalid" && self.read_without_services().is_ok() {
                error.hint(format!(
                    "no file of a service is needed when it is named: `squad {verb} SERVICE`"
                ))
            } else {
                error
            }
        })
    }

    fn read_without_services(&self) -> Result<Config> {
        self.with_draft(&self.directory()?, self.org.as_deref(), |draft| {
            let draft = draft.without_services();
            let committed = self.bring(draft.need(self.clock.now()))?;
            Ok(draft.finish(committed)?)
        })
    }

    fn config_without_services(&self) -> Result<Config> {
        let config = self.read_without_services()?;
        for warning in config.warnings() {
            self.output.warn(warning);
        }
        Ok(config)
    }

    /// The configuration for another directory, with the org that `config` is of: where it was named by a relative directory,
    /// that is the one of here.
    pub(crate) fn config_elsewhere(&self, config: &Config, directory: &Path) -> Result<Config> {
        let named = self.org.as_deref().or(self.env.get(env::SQUAD_ORG));
        let is_source = |source: &String| {
            let real = |path: &Path| path.canonicalize().ok();
            let place = self.directory().ok()?.join(named?);
            Some(real(&place)?.starts_with(real(Path::new(source))?))
        };
        let source = config.org_source();
        let source = source.filter(|source| is_source(source) == Some(true));
        self.config_at(directory, source.as_deref().or(self.org.as_deref()))
    }

    pub(super) fn config_at(&self, directory: &Path, org: Option<&str>) -> Result<Config> {
        self.with_draft(directory, org, |draft| {
            let draft = if self.is_brake {
                draft.lenient()
            } else {
                draft
            };
            let committed = self.bring(draft.need(self.clock.now()))?;
            Ok(draft.finish(committed)?)
        })
    }

    /// `--env` as a name; none when the flag was not given.
    pub(crate) fn environment_flag(&self) -> Result<Option<EnvironmentName>> {
        let Some(text) = &self.environment else {
            return Ok(None);
        };
        EnvironmentName::new(text).map(Some).map_err(|error| {
            Error::new(
                Kind::Usage,
                "name-invalid",
                format!("cannot use `--env`: {error}"),
            )
            .hint("list the environments with `squad env list`")
        })
    }

    /// Checks all files of the configuration.
    pub(crate) fn check_config(&self) -> Result<config::Checked> {
        self.with_draft(&self.directory()?, self.org.as_deref(), |draft| {
            let committed = self.bring(draft.need(self.clock.now()))?;
            Ok(draft.check(committed)?)
        })
    }

    /// Where the org in use lies, without a look into its file.
    pub(crate) fn org_in_use(&self) -> Result<Option<Source>> {
        self.with_draft(&self.directory()?, self.org.as_deref(), |draft| {
            Ok(draft.org_source())
        })
    }

    fn with_draft<T>(
        &self,
        directory: &Path,
        org: Option<&str>,
        then: impl FnOnce(Draft<'_>) -> Result<T>,
    ) -> Result<T> {
        let directories = self.directories()?;
        let sources = Sources {
            directory,
            org,
            directories: &directories,
            env: &self.env,
        };
        then(if self.is_brake {
            Draft::read_for_brake(&sources)?
        } else {
            Draft::read(&sources)?
        })
    }

    /// Brings what the configuration needs. An org that was fetched before does for now when its remote cannot
    /// be reached; the person is told how old it is.
    fn bring(&self, need: Need) -> Result<Option<Committed>> {
        match need {
            Need::Nothing => Ok(None),
            Need::Stale(_)
            | Need::Fetch {
                snapshot: Some(_), ..
            } if self.is_brake => Ok(None),
            Need::Stale(snapshot) => {
                self.warn_of_age(&snapshot, None);
                Ok(None)
            }
            Need::Committed(directory) => match ops::org::committed(&directory, config::ORG_FILE) {
                Ok(committed) => Ok(Some(committed)),
                Err(error) => {
                    self.output.warn(&format!(
                        "cannot see what is committed in `{}`: {}",
                        directory.display(),
                        error.message
                    ));
                    Ok(None)
                }
            },
            Need::Fetch {
                url,
                cache,
                snapshot,
            } => {
                let timeout = if snapshot.is_some() {
                    ops::org::REFRESH_TIMEOUT
                } else {
                    ops::org::FIRST_TIMEOUT
                };
                let options = ops::org::RefreshOptions {
                    url: &url,
                    shown: &without_secrets(&url),
                    cache: &cache,
                    file: config::ORG_FILE,
                    snapshot_file: config::SNAPSHOT_FILE,
                    timeout,
                    children: &process::Children::guarded(&self.guard()?),
                };
                let fetched = self
                    .may_fetch()
                    .and_then(|()| ops::org::refresh(&options, self.clock()));
                match (fetched, snapshot) {
                    (Ok(_), _) => {}
                    (Err(error), None) => return Err(error),
                    (Err(error), Some(snapshot)) => self.warn_of_age(&snapshot, Some(&error)),
                }
                Ok(None)
            }
        }
    }

    /// Refuses to put anything into a cache of another user, whose content may be looked at. A brake is not held up.
    fn may_fetch(&self) -> Result<()> {
        if self.is_brake {
            return Ok(());
        }
        own("XDG_CACHE_HOME", &self.directories()?.cache)
    }

    fn warn_of_age(&self, snapshot: &crate::domain::org::Snapshot, why: Option<&Error>) {
        let age = self.clock.now().duration_since(snapshot.fetched_at);
        let why = why.map_or_else(
            || "its repository did not answer a moment ago".to_owned(),
            |error| error.message.clone(),
        );
        self.output.warn(&format!(
            "the org is {} old (commit {}): {why}",
            config::roughly(age),
            snapshot.commit.get(..7).unwrap_or(&snapshot.commit),
        ));
    }
}
