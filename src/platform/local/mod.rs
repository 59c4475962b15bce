//! The local platform: the service's processes on this machine behind an in-process reverse proxy.
//!
//! For laptops and demos; production is EKS and Lambda. One supervisor process for each local environment.
//! [`Local`] is its client and implements the contract; everything it must remember is in the supervisor's
//! journal.
//!
//! - *Front*: `client` (finds supervisors, has them started and replaced), `spawn`, `protocol`, `wire`, `places`.
//! - *Supervisor*: `supervisor` (all services), `successor` (how one follows another), `handover` (with its sockets),
//!   `answer` (requests), `host` (one service), `address`, `proxy`.
//! - *What it remembers*: `journal` (bytes), `state` (meaning), `ledger` (both), `store` (artifacts), `log`,
//!   `objects` (what rollouts keep).
//! - *Processes*: `runner` (a revision), `slot` (one process over its life), `process` and `watcher` (one run of
//!   it), `backoff`, `ready`, `environment`, `program`, `function`.
//! - *Why it does not run*: `diagnosis`, `cause`, `sockets`.

mod address;
mod answer;
mod backoff;
mod cause;
mod client;
mod control;
mod diagnosis;
mod environment;
pub(crate) mod function;
mod going_up;
mod handover;
mod host;
mod journal;
mod ledger;
mod log;
pub(crate) mod metrics;
mod objects;
mod places;
mod process;
mod program;
mod protocol;
pub(crate) mod proxy;
mod ready;
mod runner;
mod slot;
mod sockets;
mod spawn;
mod state;
mod store;
mod successor;
mod supervise;
mod supervisor;
#[cfg(test)]
pub(crate) mod tests;
mod watcher;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::domain::counts::{Counts, MinuteCounts};
use crate::domain::doctor::{Check, Finding};
use crate::domain::live::{Live, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};
use crate::fs;

use super::{
    Capabilities, Commit, Diagnosis, Error, Invocation, LogLine, LogQuery, OnProgress, Platform,
    Published, Result,
};
use client::Client;
use objects::Objects;
use protocol::{Frame, Request};
use store::Store;

pub(crate) use client::{Reset, is_starting};
pub(crate) use environment::check_secrets;
pub(crate) use process::own_executable;
pub(crate) use protocol::{Prunable, Pruned, SupervisorStatus};
pub(crate) use supervise::supervise;
pub(crate) use supervisor::Settings as SupervisorSettings;
pub(crate) use watcher::{run_command, watch};

/// Which environment, and what it takes to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Its state directory: `<state>/local/<org>/<environment>`.
    pub(crate) state: PathBuf,
    /// The directory for sockets.
    pub(crate) runtime: PathBuf,
    /// The squad binary, to start a supervisor from.
    pub(crate) executable: PathBuf,
    /// The environment's name, which processes see in `SQUAD_ENV`.
    pub(crate) name: String,
}

/// The client of one local environment.
#[derive(Debug)]
pub(crate) struct Local {
    client: Client,
    store: Store,
    objects: Objects,
}

impl Local {
    /// Reaches nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            store: Store::new(&settings.state),
            objects: Objects::new(&settings.state),
            client: Client::new(settings),
        }
    }

    /// How the supervisor is; none when none runs. Starts none.
    pub(crate) async fn status(&self) -> Result<Option<SupervisorStatus>> {
        self.client.status().await
    }

    /// Starts a supervisor where none runs or one of an older binary does, and returns how it is.
    pub(crate) async fn start(&self) -> Result<SupervisorStatus> {
        self.client.renew().await?;
        self.client.ask(Request::Status, |_| {}).await
    }

    /// Drains and ends the supervisor; false when none ran.
    pub(crate) async fn stop(&self) -> Result<bool> {
        self.client.stop().await
    }

    /// The state directories of all local environments of a person, in order of org and environment.
    pub(crate) fn environments(state: &Path) -> Result<Vec<PathBuf>> {
        let below = |path: &Path| {
            let mut found = Vec::new();
            if fs::is_dir(path)? {
                for entry in std::fs::read_dir(path).map_err(fs::at("read", path))? {
                    let entry = entry.map_err(fs::at("read", path))?.path();
                    if fs::is_dir(&entry)? {
                        found.push(entry);
                    }
                }
            }
            found.sort();
            Ok::<_, Error>(found)
        };
        let mut environments = Vec::new();
        for org in below(&state.join("local"))? {
            environments.extend(below(&org)?);
        }
        Ok(environments)
    }

    /// Removes the old log files of all services, and returns how many bytes that freed. It changes nothing of an environment,
    /// and can be done on a full disk.
    pub(crate) async fn prune_logs(&self) -> Result<u64> {
        if self.client.is_untouched()? {
            return Ok(0);
        }
        self.client.ask(Request::PruneLogs, |_| {}).await
    }

    /// What [`Self::prune`] would remove, of each service that has something.
    pub(crate) async fn prunable(&self) -> Result<Vec<Prunable>> {
        if self.client.is_untouched()? {
            return Ok(Vec::new());
        }
        self.client.ask(Request::Prunable, |_| {}).await
    }

    /// Removes the revisions of a service that are not needed.
    pub(crate) async fn prune(&self, service: &ServiceName) -> Result<Pruned> {
        let service = service.clone();
        self.client.ask(Request::Prune { service }, |_| {}).await
    }

    /// Works on the objects where waiting for the disk holds up nobody.
    async fn with_objects<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let objects = self.objects.clone();
        tokio::task::spawn_blocking(move || work(&objects))
            .await
            .unwrap_or_else(|error| Err(Error::Unreachable(error.to_string())))
    }

    /// The services that have files here, whatever the journal says of them.
    pub(crate) fn stored(&self) -> Result<Vec<ServiceName>> {
        self.store.services()
    }

    /// Whether there is or was a journal: good, damaged or gone.
    pub(crate) fn had_journal(&self) -> Result<bool> {
        self.client.had_journal()
    }

    /// Whether there is a journal that can be used; a last record that was cut off counts as one, because it is repaired.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub(crate) fn has_good_journal(&self) -> Result<bool> {
        self.client.has_good_journal()
    }

    /// Begins a new journal in place of one that cannot be used, which is kept beside it. The supervisor must not run.
    pub(crate) fn reset_journal(&self, now: jiff::Timestamp) -> Result<Reset> {
        self.client.reset_journal(now)
    }
}

#[async_trait]
impl Platform for Local {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            routes: true,
            forced_header: true,
            gate: true,
            capacity: false,
            counts_at_once: true,
        }
    }

    async fn observe(&self, service: &ServiceName) -> Result<Live> {
        if self.client.is_untouched()? {
            return Ok(Live {
                token: Token(state::UNTOUCHED.to_owned()),
                ..Live::nothing()
            });
        }
        let service = service.clone();
        self.client.ask(Request::Observe { service }, |_| {}).await
    }

    async fn examine(&self) -> Result<Vec<Check>> {
        let what = "supervisor";
        let status = match self.client.is_untouched() {
            Ok(_) => self.status().await,
            Err(error) => Err(error),
        };
        Ok(vec![match status {
            Ok(Some(status)) => Check::fine(what, format!("runs as process {}", status.pid)),
            Ok(None) => {
                self.client.check()?;
                Check::fine(what, "does not run; the next deploy starts it")
            }
            // These have a way out of their own.
            Err(error) if !matches!(error, Error::Unreachable(_) | Error::LostJournal { .. }) => {
                return Err(error);
            }
            Err(error) => Check::wrong(
                what,
                vec![Finding {
                    what: error.to_string(),
                    why: "nothing can be deployed or looked at on this machine".to_owned(),
                    next: match error {
                        Error::LostJournal { .. } => {
                            "`squad local prune --reset-journal`, unless there is a backup"
                        }
                        _ => "`squad local stop`, then `squad local start`",
                    }
                    .to_owned(),
                }],
            ),
        }])
    }

    async fn is_at_rest(&self) -> Result<bool> {
        Ok(!self.client.is_untouched()? && self.status().await?.is_none())
    }

    async fn services(&self) -> Result<Vec<ServiceName>> {
        if self.client.is_untouched()? {
            return Ok(Vec::new());
        }
        self.client.ask(Request::Services, |_| {}).await
    }

    async fn publish(&self, release: &Release, progress: OnProgress<'_>) -> Result<Published> {
        let release = Box::new(release.clone());
        self.client
            .ask(Request::Publish { release }, progress)
            .await
    }

    async fn prepare(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let service = service.clone();
        self.client
            .ask(Request::Prepare { service, revision }, |sign| {
                progress(sign);
            })
            .await
    }

    async fn commit(
        &self,
        service: &ServiceName,
        token: &Token,
        commit: &Commit,
        progress: OnProgress<'_>,
    ) -> Result<Token> {
        let request = Request::Commit {
            service: service.clone(),
            token: token.clone(),
            commit: Box::new(commit.clone()),
        };
        self.client.ask(request, progress).await
    }

    async fn retire(&self, service: &ServiceName, revision: RevisionNumber) -> Result<()> {
        let service = service.clone();
        self.client
            .ask(Request::Retire { service, revision }, |_| {})
            .await
    }

    async fn diagnose(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Diagnosis>> {
        let service = service.clone();
        self.client
            .ask(Request::Diagnose { service, revision }, |_| {})
            .await
    }

    async fn logs(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        let directory = self.store.service(service);
        if !fs::is_dir(&directory)? {
            return Err(Error::Invalid(format!(
                "`{service}` was never deployed here"
            )));
        }
        if !query.follow {
            // The files are this user's; there is no need to start anything to read them.
            return log::read(&log::files_of(&directory), query, on_line).map(drop);
        }
        let request = Request::Follow {
            service: service.clone(),
            query: query.clone(),
        };
        let mut stream = self.client.open(request).await?;
        while let Some(frame) = stream.next().await? {
            let go_on = match frame {
                Frame::Files(files) => log::read(&files, query, on_line)?,
                Frame::Line(line) => on_line(line),
                Frame::Failed(failure) => return Err(failure.into()),
                Frame::Done(_) => false,
                Frame::Progress(_) | Frame::Sockets(_) => true,
            };
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    async fn invoke(
        &self,
        service: &ServiceName,
        revision: Option<RevisionNumber>,
        payload: &str,
    ) -> Result<Invocation> {
        let request = Request::Invoke {
            service: service.clone(),
            revision,
            payload: payload.to_owned(),
        };
        self.client.ask(request, |_| {}).await
    }

    async fn counts(&self, service: &ServiceName) -> Result<Counts> {
        if self.client.is_untouched()? {
            return Ok(Counts {
                at: SystemClock::new().now(),
                epoch: state::UNTOUCHED.to_owned(),
                series: Vec::new(),
                last_request: Vec::new(),
            });
        }
        let service = service.clone();
        self.client.ask(Request::Counts { service }, |_| {}).await
    }

    async fn history(&self, service: &ServiceName, since: Duration) -> Result<Vec<MinuteCounts>> {
        if self.client.is_untouched()? {
            return Ok(Vec::new());
        }
        let request = Request::History {
            service: service.clone(),
            seconds: since.as_secs(),
        };
        self.client.ask(request, |_| {}).await
    }

    async fn create_object(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        let (path, bytes) = (path.to_owned(), bytes.to_vec());
        self.with_objects(move |objects| objects.create(&path, &bytes))
            .await
    }

    async fn object(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let path = path.to_owned();
        self.with_objects(move |objects| objects.read(&path)).await
    }

    async fn objects(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = prefix.to_owned();
        self.with_objects(move |objects| objects.list(&prefix))
            .await
    }

    async fn set_port(&self, service: &ServiceName, port: u16) -> Result<()> {
        let service = service.clone();
        self.client
            .ask(Request::SetPort { service, port }, |_| {})
            .await
    }
}
