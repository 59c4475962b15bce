//! Making revisions, and bringing their processes up.

use std::sync::{Arc, PoisonError};

use crate::clock::Clock;
use crate::domain::release::{Release, RevisionNumber};
use crate::domain::service::Kind;
use crate::platform::{Error, Progress, Published, Result};

use super::{Host, Needed, Tell};
use crate::platform::local::environment;
use crate::platform::local::function;
use crate::platform::local::runner::{Phase, Plan, Runner, Wanted};
use crate::platform::local::state::Record;

impl Host {
    /// Makes a revision and starts it; the same digest is the same revision.
    pub(in crate::platform::local) async fn publish(
        self: &Arc<Self>,
        release: Release,
        tell: &Tell,
    ) -> Result<Published> {
        environment::check_secrets(&release.service)?;
        command_of(&release)?;
        let gate = {
            let mut publishing = self
                .publishing
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(publishing.entry(release.digest.clone()).or_default())
        };
        let digest = release.digest.clone();
        let published = {
            let _one_at_a_time = gate.lock().await;
            self.publish_alone(release, tell).await
        };
        drop(gate);
        let mut publishing = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if publishing
            .get(&digest)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            publishing.remove(&digest);
        }
        published
    }

    async fn publish_alone(self: &Arc<Self>, release: Release, tell: &Tell) -> Result<Published> {
        let kind = release.service.kind;
        if kind != Kind::Worker {
            self.choose_port().await?;
            self.listen().await?;
        }
        let present = {
            // No commit may make room of the revision between finding and needing it.
            let _changing = self.changing.lock().await;
            self.read(|service| service.with_digest(&release.digest))
                .await
                .map(|revision| (revision, self.need(revision)))
        };
        let existed = present.is_some();
        let (revision, _needed) = match present {
            Some(present) => present,
            None => self.store(release, tell).await?,
        };
        let ready = self.bring_up(revision, tell).await;
        self.route().await;
        ready?;
        let (token, port) = self
            .shared
            .ledger
            .read(|state| {
                let service = state.services.get(&self.name);
                (
                    state.token(&self.name),
                    service.and_then(|service| service.port),
                )
            })
            .await;
        Ok(Published {
            revision,
            existed,
            address: port
                .filter(|_| kind != Kind::Worker)
                .map(|port| format!("http://127.0.0.1:{port}")),
            token,
        })
    }

    /// Puts the artifact into the store and makes the revision true.
    async fn store(
        self: &Arc<Self>,
        release: Release,
        tell: &Tell,
    ) -> Result<(RevisionNumber, Needed)> {
        tell(Progress::Storing);
        let staged = {
            let (store, name) = (self.shared.store.clone(), self.name.clone());
            let from = release.artifact.clone();
            let id = ulid::Ulid::generate().to_string();
            let stage = tokio::task::spawn_blocking(move || store.stage(&name, &from, &id));
            stage
                .await
                .unwrap_or_else(|error| Err(Error::Unreachable(error.to_string())))?
        };
        let _changing = self.changing.lock().await;
        let (store, name) = (self.shared.store.clone(), self.name.clone());
        let at = self.shared.clock.now();
        let host = Arc::clone(self);
        self.shared
            .ledger
            .change(move |state| {
                let highest = state
                    .services
                    .get(&name)
                    .map_or(0, |service| service.highest);
                let number = RevisionNumber(highest + 1);
                // In its place before the record says so: a record without an artifact would be a lie, an
                // artifact without a record is swept.
                store.place(staged, &name, number)?;
                let record = Record::Published {
                    number,
                    release: Box::new(release),
                    at,
                };
                Ok((Some(record), (number, host.need(number))))
            })
            .await
    }

    /// Starts a revision where it does not run, and returns when it is ready.
    pub(super) async fn bring_up(
        self: &Arc<Self>,
        revision: RevisionNumber,
        tell: &Tell,
    ) -> Result<()> {
        let is_up = self.read(|service| service.up().contains(&revision)).await;
        let wanted = if is_up {
            Wanted::Serving
        } else {
            Wanted::Ready
        };
        let runner = self.run(revision, wanted).await?;
        match runner.settled(&**tell).await {
            Err(Error::DoesNotStart {
                revision,
                diagnosis,
            }) => Err(Error::DoesNotStart {
                revision,
                diagnosis: Box::new(self.with_way_out(revision, *diagnosis).await),
            }),
            settled => settled,
        }
    }

    /// The runner of a revision: the one that is alive, or a new one.
    pub(super) async fn run(
        self: &Arc<Self>,
        revision: RevisionNumber,
        wanted: Wanted,
    ) -> Result<Arc<Runner>> {
        if let Some(runner) = self.runner(revision).filter(|runner| runner.is_alive()) {
            return Ok(runner);
        }
        let release = self
            .read(|service| {
                let revision = service.revisions.get(&revision);
                revision.map(|revision| revision.release.clone())
            })
            .await
            .ok_or(Error::NoRevision(revision))?;
        self.log.forget(revision);
        let plan = Plan {
            command: command_of(&release)?,
            release,
            revision,
            artifact: self.shared.store.artifact(&self.name, revision),
            environment: self.shared.environment.clone(),
            base: self.shared.base.clone(),
            launcher: self.shared.launcher.clone(),
            leases: self.shared.leases.clone(),
            log: Arc::clone(&self.log),
            clock: self.shared.clock,
        };
        let runner = Runner::start(plan, wanted).await?;
        let replaced = {
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            runners.insert(revision, Arc::clone(&runner))
        };
        if let Some(replaced) = replaced {
            tokio::spawn(async move { replaced.stop().await });
        }
        tokio::spawn(Arc::clone(self).remember(Arc::clone(&runner)));
        Ok(runner)
    }

    /// Writes down when a revision fails, and when one that had failed is ready.
    async fn remember(self: Arc<Self>, runner: Arc<Runner>) {
        let revision = runner.plan.revision;
        let service = self.name.clone();
        let mut phases = runner.phases.subscribe();
        let mut before = Phase::Starting;
        loop {
            phases.mark_unchanged();
            let phase = runner.phase();
            let changed = std::mem::discriminant(&phase) != std::mem::discriminant(&before);
            let known_as_failed = self
                .read(|service| {
                    let revision = service.revisions.get(&revision);
                    revision.map(|revision| revision.failed.is_some())
                })
                .await;
            let service = service.clone();
            let record = match (&phase, known_as_failed) {
                (Phase::Failed(diagnosis), Some(_)) if changed => Some(Record::Failed {
                    service,
                    revision,
                    diagnosis: diagnosis.clone(),
                }),
                (Phase::Ready, Some(true)) => Some(Record::Started { service, revision }),
                _ => None,
            };
            if let Some(record) = record
                && let Err(error) = self.shared.ledger.write(record).await
            {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
            if phase == Phase::Stopped {
                return;
            }
            before = phase;
            if phases.changed().await.is_err() {
                return;
            }
        }
    }

    /// Starts a revision that was stopped and returns when it is ready.
    pub(in crate::platform::local) async fn prepare(
        self: &Arc<Self>,
        revision: RevisionNumber,
        tell: &Tell,
    ) -> Result<()> {
        let _needed = self.need(revision);
        let ready = self.bring_up(revision, tell).await;
        self.route().await;
        ready
    }
}

/// The argv of a release's processes.
fn command_of(release: &Release) -> Result<Vec<String>> {
    match &release.service.function {
        Some(function) if release.service.kind == Kind::Function => {
            function::start_command(function, &release.service.run)
                .map_err(|error| Error::Unsupported(error.to_string()))
        }
        _ => Ok(release.service.run.command.clone()),
    }
}
