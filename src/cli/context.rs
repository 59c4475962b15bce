//! What a command gets: the environment, the terminal, the clock, and lazily everything else.

use std::path::PathBuf;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Sources};
use crate::env::{Directories, Env};
use crate::error::{Error, Kind, Result};
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

    /// The configuration for the current directory.
    pub(crate) fn config(&self) -> Result<Config> {
        let directories = self.directories()?;
        let directory = self.directory()?;
        Ok(Config::load(&Sources {
            directory: &directory,
            org: self.org.as_deref(),
            directories: &directories,
            env: &self.env,
        })?)
    }
}
