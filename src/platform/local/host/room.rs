//! Removing what is not needed.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Result};

use super::Host;
use super::traffic::DRAIN;
use crate::platform::local::protocol::Pruned;
use crate::platform::local::state::{Record, ServiceState};

/// How long a revision runs that was brought up and got no traffic: between the end of a publish and its commit there are
/// moments, and seconds on a machine that is busy.
const IDLE: Duration = Duration::from_secs(15);

impl Host {
    /// Ends the processes of a revision that was brought up for an operation which came to nothing (it was stopped, it ran
    /// out of time, it lost a race): a worker would go on working beside the revision that is live. It stays published.
    pub(super) async fn end_when_idle(self: Arc<Self>, revision: RevisionNumber) {
        tokio::time::sleep(IDLE).await;
        let runner = {
            let _changing = self.changing.lock().await;
            if self.read(|service| service.up().contains(&revision)).await {
                return;
            }
            // Decided under the lock in which a runner is looked up: whoever needs it from now on makes a new one.
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = !self.is_needed(revision)
                && self
                    .idle_since()
                    .get(&revision)
                    .is_some_and(|since| since.elapsed() >= IDLE);
            if !is_idle {
                return;
            }
            self.idle_since().remove(&revision);
            let runner = runners.remove(&revision);
            if runner.is_some() {
                self.draining().push(revision);
            }
            runner
        };
        let Some(runner) = runner else { return };
        self.route().await;
        runner.drain(DRAIN).await;
        let _changing = self.changing.lock().await;
        self.drained(revision);
        self.make_room().await;
    }

    /// Removes the artifacts that need not be kept. The caller holds `changing`.
    pub(super) async fn make_room(&self) {
        let superfluous = self.read(ServiceState::beyond_room).await;
        for revision in superfluous {
            let used = self.is_needed(revision)
                || self.runner(revision).is_some()
                || self.draining().contains(&revision);
            if used {
                continue;
            }
            if let Err(error) = self.remove(revision).await {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
        }
    }

    /// First the record, then the artifact: what is interrupted in between is swept.
    async fn remove(&self, revision: RevisionNumber) -> Result<u64> {
        self.shared
            .ledger
            .write(Record::Removed {
                service: self.name.clone(),
                revision,
            })
            .await?;
        self.log.forget(revision);
        self.metrics.forget(&self.name, Some(revision));
        let (store, name) = (self.shared.store.clone(), self.name.clone());
        let removed = tokio::task::spawn_blocking(move || store.remove(&name, revision));
        removed
            .await
            .unwrap_or_else(|error| Err(Error::Unreachable(error.to_string())))
    }

    /// Removes one revision.
    pub(in crate::platform::local) async fn retire(&self, revision: RevisionNumber) -> Result<()> {
        let _changing = self.changing.lock().await;
        let (there, serves, kept) = self
            .read(|service| {
                (
                    service.revisions.contains_key(&revision),
                    service.serves(revision),
                    service.kept().contains(&revision),
                )
            })
            .await;
        if serves {
            return Err(Error::HasTraffic(revision));
        }
        if kept {
            return Err(Error::Invalid(format!(
                "revision {revision} belongs to a rollout that is not over"
            )));
        }
        if !there {
            return Err(Error::NoRevision(revision));
        }
        let runner = {
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            runners.remove(&revision)
        };
        self.route().await;
        if let Some(runner) = runner {
            runner.stop().await;
        }
        self.remove(revision).await.map(drop)
    }

    /// Everything but what serves and the revision to go back to: what [`Self::prune`] would remove.
    pub(in crate::platform::local) async fn unneeded(&self) -> Vec<RevisionNumber> {
        let superfluous = self.read(|service| service.superfluous(0)).await;
        superfluous
            .into_iter()
            .filter(|revision| !self.is_needed(*revision))
            .collect()
    }

    /// Removes everything but what serves and the revision to go back to.
    pub(in crate::platform::local) async fn prune(&self) -> Result<Pruned> {
        let _changing = self.changing.lock().await;
        let (mut revisions, mut bytes) = (Vec::new(), 0);
        for revision in self.unneeded().await {
            let runner = {
                let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
                runners.remove(&revision)
            };
            self.route().await;
            if let Some(runner) = runner {
                runner.stop().await;
            }
            bytes += self.remove(revision).await?;
            revisions.push(revision);
        }
        Ok(Pruned { revisions, bytes })
    }
}
