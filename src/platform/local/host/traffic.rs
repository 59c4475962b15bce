//! Changing the traffic, and making proxy and processes follow.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::live::Token;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::platform::{Commit, Error, Result};

use super::Host;
use crate::platform::local::proxy::{Backend, Table};
use crate::platform::local::runner::{Phase, Runner, Wanted};
use crate::platform::local::state::{Record, ServiceState};

/// How long requests that are under way may take to end after their revision has lost its traffic.
pub(super) const DRAIN: Duration = Duration::from_mins(5);
/// How far apart the times of two commits are at least.
const TICK: Duration = Duration::from_millis(1);
/// The longest rollout state in bytes.
const LONGEST_STATE: usize = 200;

impl Host {
    /// Changes the traffic.
    pub(in crate::platform::local) async fn commit(
        self: &Arc<Self>,
        token: Token,
        commit: Commit,
    ) -> Result<Token> {
        let _changing = self.changing.lock().await;
        let wanted = commit.split.revisions();
        let unready: Vec<(RevisionNumber, Unready)> = wanted
            .iter()
            .filter_map(|revision| {
                let phase = self.runner(*revision).map(|runner| runner.phase());
                match phase {
                    Some(Phase::Ready) => None,
                    Some(Phase::Starting | Phase::Restarting(..)) => {
                        Some((*revision, Unready::Starting))
                    }
                    Some(Phase::Failed(_)) => Some((*revision, Unready::Failed)),
                    Some(Phase::Stopped) | None => Some((*revision, Unready::Stopped)),
                }
            })
            .collect();
        let name = self.name.clone();
        let now = self.shared.clock.now();
        let changed = self
            .shared
            .ledger
            .change(move |state| {
                let none = ServiceState::default();
                let service = state.services.get(&name).unwrap_or(&none);
                if state.token(&name) != token {
                    // The same commit again, because its answer was lost: it is done.
                    if service.traffic.as_ref().is_some_and(|traffic| {
                        traffic.last.operation == commit.operation
                            && traffic.split == commit.split
                            && traffic.state == commit.state
                    }) {
                        return Ok((None, false));
                    }
                    return Err(Error::Conflict {
                        winner: service.traffic.as_ref().map(|traffic| traffic.last.clone()),
                    });
                }
                check(service, &commit, &unready)?;
                // The order of commits is that of their times, also when the clock was set back.
                let last = service.traffic.as_ref().map(|traffic| traffic.last.at);
                let at = last.map_or(now, |last| {
                    now.max(last.saturating_add(TICK).unwrap_or(last))
                });
                let record = Record::Committed {
                    service: name,
                    commit: Box::new(commit),
                    at,
                };
                Ok((Some(record), true))
            })
            .await?;
        if changed {
            let up = self.read(ServiceState::up).await;
            self.follow_traffic(&up).await;
        }
        let name = self.name.clone();
        Ok(self
            .shared
            .ledger
            .read(move |state| state.token(&name))
            .await)
    }

    /// Makes proxy and processes follow a commit: first the table, then what need not be up any more ends.
    async fn follow_traffic(self: &Arc<Self>, up: &[RevisionNumber]) {
        let losing: Vec<Arc<Runner>> = {
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            for (revision, runner) in &*runners {
                if up.contains(revision) {
                    runner.wanted.send_if_modified(|wanted| {
                        let ready = *wanted == Wanted::Ready;
                        if ready {
                            *wanted = Wanted::Serving;
                        }
                        ready
                    });
                }
            }
            let losing: Vec<RevisionNumber> = runners
                .keys()
                .filter(|revision| !up.contains(revision) && !self.is_needed(**revision))
                .copied()
                .collect();
            losing
                .iter()
                .filter_map(|revision| runners.remove(revision))
                .collect()
        };
        self.route().await;
        for runner in losing {
            let host = Arc::clone(self);
            let revision = runner.plan.revision;
            self.draining().push(revision);
            tokio::spawn(async move {
                runner.drain(DRAIN).await;
                let _changing = host.changing.lock().await;
                host.drained(revision);
                host.make_room().await;
            });
        }
        // A revision that had failed to start is tried again from now on.
        let is_alive = |revision: &RevisionNumber| {
            self.runner(*revision)
                .is_some_and(|runner| runner.is_alive())
        };
        let complete = up.iter().all(is_alive);
        for revision in up {
            if let Err(error) = self.run(*revision, Wanted::Serving).await {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
        }
        if !complete {
            self.route().await;
        }
        self.make_room().await;
    }

    /// Hands the present split and the running revisions to the proxy.
    pub(super) async fn route(&self) {
        let present = self
            .read(|service| {
                let traffic = service.traffic.as_ref()?;
                // What counts as slow is what the newest revision with traffic says.
                let newest = traffic.split.revisions().last().copied()?;
                let slow = service.revisions.get(&newest).and_then(|revision| {
                    let analysis = &revision.release.service.analysis;
                    analysis.slow_milliseconds.map(Duration::from_millis)
                });
                let rollout = State::forced(&traffic.state);
                Some((traffic.split.clone(), rollout, slow))
            })
            .await;
        let backends: BTreeMap<RevisionNumber, Arc<Backend>> = {
            let runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            runners
                .iter()
                .filter(|(_, runner)| *runner.wanted.borrow() != Wanted::Stopped)
                .filter_map(|(number, runner)| Some((*number, runner.backend.clone()?)))
                .collect()
        };
        let (split, rollout, slow) = match present {
            Some((split, rollout, slow)) => (Some(split), rollout, slow),
            None => (None, None, None),
        };
        self.proxy.set_table(Table {
            split,
            backends,
            rollout,
            slow,
        });
    }
}

/// Why a revision cannot take traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unready {
    /// It is on its way up.
    Starting,
    /// It does not start.
    Failed,
    /// Nobody started it.
    Stopped,
}

impl Unready {
    fn words(self) -> &'static str {
        match self {
            Self::Starting => "is starting",
            Self::Failed => "does not start",
            Self::Stopped => "is not running",
        }
    }
}

/// Refuses a commit that cannot become true.
fn check(
    service: &ServiceState,
    commit: &Commit,
    unready: &[(RevisionNumber, Unready)],
) -> Result<()> {
    if !commit.state.is_ascii() || commit.state.len() > LONGEST_STATE {
        return Err(Error::Invalid(format!(
            "the rollout's state has to be at most {LONGEST_STATE} bytes of ASCII, and has {}",
            commit.state.len()
        )));
    }
    for revision in commit.split.revisions() {
        if !service.revisions.contains_key(&revision) {
            return Err(Error::NoRevision(revision));
        }
    }
    // What has traffic already may keep or take more of it, however it is: going back must always be possible. So
    // may what a live rollout keeps and is on its way up: requests wait for it.
    let kept = service.kept();
    let unready = unready.iter().find(|(revision, unready)| {
        !(service.serves(*revision) || kept.contains(revision) && *unready == Unready::Starting)
    });
    match unready {
        Some((revision, how)) => Err(Error::Invalid(format!(
            "revision {revision} cannot take traffic: it {}",
            how.words()
        ))),
        None => Ok(()),
    }
}
