//! What a command gets: the environment, the terminal, the clock, and lazily everything else.

use std::path::PathBuf;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Draft, Need, Sources};
use crate::domain::name::EnvironmentName;
use crate::domain::org::{Committed, Source};
use crate::env::{Directories, Env};
use crate::error::{Error, Kind, Result};
use crate::ops;
use crate::output::Output;

/// Built once for each run of the binary.
pub(crate) struct Context {
    /// The environment variables.
    pub(crate) env: Env,
    /// The terminal.
    pub(crate) output: Output,
    /// The clock.
    pub(crate) clock: SystemClock,
    /// `--org`.
    pub(crate) org: Option<String>,
    /// `--env`; `SQUAD_ENV` comes after it.
    pub(crate) environment: Option<String>,
    /// `--yes`.
    pub(crate) yes: bool,
}

impl Context {
    /// The machine's clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    /// Where files go.
    pub(crate) fn directories(&self) -> Result<Directories> {
        self.env.directories().ok_or_else(|| {
            Error::new(
                Kind::Config,
                "no-home",
                "cannot find where to keep files: neither HOME nor the XDG variables are set",
            )
            .hint("set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_CACHE_HOME")
        })
    }

    /// Where the command was started.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        std::env::current_dir().map_err(|source| {
            Error::new(
                Kind::Failed,
                "file",
                format!("cannot find the current directory: {source}"),
            )
        })
    }

    /// The configuration for the current directory. An org that lies in git is brought to this machine first.
    pub(crate) fn config(&self) -> Result<Config> {
        self.config_for(self.org.as_deref())
    }

    /// The same with another org than `--org` names.
    pub(crate) fn config_for(&self, org: Option<&str>) -> Result<Config> {
        let config = self.with_draft(org, |draft| {
            let committed = self.bring(draft.need(self.clock.now()))?;
            Ok(draft.finish(committed)?)
        })?;
        for warning in config.warnings() {
            self.output.warn(warning);
        }
        Ok(config)
    }

    /// The same without the services' files, whose mistakes then do not matter: for the commands that stop what
    /// is live.
    pub(crate) fn config_without_services(&self) -> Result<Config> {
        self.with_draft(self.org.as_deref(), |draft| {
            let draft = draft.without_services();
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
        })
    }

    /// Checks all files of the configuration and returns their names.
    pub(crate) fn check_config(&self) -> Result<Vec<String>> {
        self.with_draft(self.org.as_deref(), |draft| {
            let committed = self.bring(draft.need(self.clock.now()))?;
            Ok(draft.check(committed)?)
        })
    }

    /// Where the org in use lies, without a look into its file.
    pub(crate) fn org_in_use(&self) -> Result<Option<Source>> {
        self.with_draft(self.org.as_deref(), |draft| Ok(draft.org_source()))
    }

    fn with_draft<T>(
        &self,
        org: Option<&str>,
        then: impl FnOnce(Draft<'_>) -> Result<T>,
    ) -> Result<T> {
        let directories = self.directories()?;
        let directory = self.directory()?;
        let sources = Sources {
            directory: &directory,
            org,
            directories: &directories,
            env: &self.env,
        };
        then(Draft::read(&sources)?)
    }

    /// Brings what the configuration needs. An org that was fetched before does for now when its remote cannot
    /// be reached; the person is told how old it is.
    fn bring(&self, need: Need) -> Result<Option<Committed>> {
        match need {
            Need::Nothing => Ok(None),
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
                    shown: &config::without_password(&url),
                    cache: &cache,
                    file: config::ORG_FILE,
                    snapshot_file: config::SNAPSHOT_FILE,
                    timeout,
                };
                match (ops::org::refresh(&options, self.clock()), snapshot) {
                    (Ok(_), _) => {}
                    (Err(error), None) => return Err(error),
                    (Err(error), Some(snapshot)) => self.warn_of_age(&snapshot, Some(&error)),
                }
                Ok(None)
            }
        }
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
