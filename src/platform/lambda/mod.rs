//! AWS Lambda: a revision is a published version, and the traffic is an alias.
//!
//! Everything that must be true at once (weights, the state of a rollout, what a rollback needs) is written in one
//! `UpdateAlias` with its `RevisionId`. Knows nothing of people, prompts or the audit log.
//!
//! - `session`: the clients; `target`: which function and alias a service is.
//! - `observe`, `commit`, `prune`, `diagnose`, `metrics`, `logs`, `invoke`: one file for each part of the contract.
//! - `publish`: from a release to a version.

mod publish;
mod session;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{
    Capabilities, Commit, Diagnosis, Error, Invocation, LogLine, LogQuery, OnProgress, Platform,
    Published, Result,
};
use crate::domain::counts::{Counts, MinuteCounts};
use crate::domain::live::{Live, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};

use session::Clients;
pub(crate) use session::Pins;
pub(crate) use target::{Target, Targets};

/// Which environment, and what it takes to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Account and region; nothing is written anywhere else.
    pub(crate) pins: Pins,
    /// The environment's name, such as `acme/prod`.
    pub(crate) log_name: String,
    /// Where its store lies: a directory or an `s3://` URL; none = `state`.
    pub(crate) store: Option<String>,
    /// squad's state directory.
    pub(crate) state: PathBuf,
    /// Which function and alias a service is, as far as files say so.
    pub(crate) targets: Targets,
}

/// The functions of one environment.
#[derive(Debug)]
pub(crate) struct Lambda {
    settings: Settings,
    clients: OnceCell<Clients>,
    targets: target::Known,
}

impl Lambda {
    /// Reaches nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            targets: target::Known::new(settings.targets.clone()),
            clients: OnceCell::new(),
            settings,
        }
    }

    /// The clients, made on the first call.
    async fn clients(&self) -> &Clients {
        self.clients
            .get_or_init(|| Clients::load(&self.settings.pins))
            .await
    }

    /// Which function and alias a service is.
    fn target(&self, service: &ServiceName) -> Target {
        self.targets.of(service)
    }

    fn not_yet<T>(&self, what: &str) -> Result<T> {
        Err(Error::Unsupported(format!(
            "Lambda does not {what} in this version of squad (environment `{}`)",
            self.settings.log_name
        )))
    }
}

#[async_trait]
impl Platform for Lambda {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            routes: false,
            forced_header: false,
            gate: false,
            capacity: false,
        }
    }

    async fn observe(&self, _service: &ServiceName) -> Result<Live> {
        self.clients().await.guard().await?;
        self.not_yet("observe")
    }

    async fn services(&self) -> Result<Vec<ServiceName>> {
        self.not_yet("list services")
    }

    async fn publish(&self, release: &Release, progress: OnProgress<'_>) -> Result<Published> {
        self.targets.learn(&release.service);
        self.clients().await.guard().await?;
        publish::run(self, release, progress).await
    }

    async fn prepare(
        &self,
        _service: &ServiceName,
        _revision: RevisionNumber,
        _progress: OnProgress<'_>,
    ) -> Result<()> {
        self.not_yet("prepare")
    }

    async fn commit(
        &self,
        _service: &ServiceName,
        _token: &Token,
        _commit: &Commit,
    ) -> Result<Token> {
        self.not_yet("commit")
    }

    async fn retire(&self, _service: &ServiceName, _revision: RevisionNumber) -> Result<()> {
        self.not_yet("retire")
    }

    async fn diagnose(
        &self,
        _service: &ServiceName,
        _revision: RevisionNumber,
    ) -> Result<Option<Diagnosis>> {
        self.not_yet("diagnose")
    }

    async fn logs(
        &self,
        _service: &ServiceName,
        _query: &LogQuery,
        _on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        self.not_yet("read logs")
    }

    async fn invoke(
        &self,
        _service: &ServiceName,
        _revision: Option<RevisionNumber>,
        _payload: &str,
    ) -> Result<Invocation> {
        self.not_yet("invoke")
    }

    async fn counts(&self, _service: &ServiceName) -> Result<Counts> {
        self.not_yet("count")
    }

    async fn history(&self, _service: &ServiceName, _since: Duration) -> Result<Vec<MinuteCounts>> {
        self.not_yet("count")
    }

    async fn create_object(&self, _path: &str, _bytes: &[u8]) -> Result<bool> {
        self.not_yet("keep objects")
    }

    async fn object(&self, _path: &str) -> Result<Option<Vec<u8>>> {
        self.not_yet("keep objects")
    }

    async fn objects(&self, _prefix: &str) -> Result<Vec<String>> {
        self.not_yet("keep objects")
    }

    async fn set_port(&self, _service: &ServiceName, _port: u16) -> Result<()> {
        Err(Error::Unsupported(
            "a Lambda function has no port; only services on this machine have".to_owned(),
        ))
    }
}
