//! The processes of one revision: started, watched until they are ready, started again when they end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::domain::release::{Release, RevisionNumber};
use crate::domain::service::Kind;
use crate::platform::{Diagnosis, Error, Progress, Result};

use super::diagnosis::{self, Seen};
use super::function::{self, FunctionPool, ProcessControl};
use super::going_up::GoingUp;
use super::log::ServiceLog;
use super::process::Launcher;
use super::proxy::{Backend, Target};
use super::slot;
use super::sockets::Leases;

/// What a revision's processes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// They are to be ready, and need not be kept alive at any price.
    Ready,
    /// They have traffic: they are started again for ever.
    Serving,
    /// They are to end.
    Stopped,
}

/// How one process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// On its way up.
    Starting,
    /// Ready.
    Ready,
    /// It ended and is started again: how often, and how it ended.
    Restarting(u32, String),
    /// It does not start or crashes again and again.
    Failed(Box<Diagnosis>),
    /// It was ended.
    Stopped,
}

/// Everything that starting a process of the revision needs.
#[derive(Debug)]
pub(super) struct Plan {
    /// What it is.
    pub(super) release: Release,
    /// Its number.
    pub(super) revision: RevisionNumber,
    /// Where its artifact is.
    pub(super) artifact: PathBuf,
    /// argv.
    pub(super) command: Vec<String>,
    /// The environment's name.
    pub(super) environment: String,
    /// The supervisor's own variables.
    pub(super) base: BTreeMap<String, String>,
    /// How processes are started.
    pub(super) launcher: Launcher,
    /// Ports that are in use.
    pub(super) leases: Leases,
    /// Where lines go.
    pub(super) log: Arc<ServiceLog>,
    /// Monotonic time.
    pub(super) clock: SystemClock,
}

/// A revision whose processes run, or did.
pub(super) struct Runner {
    /// How they are started.
    pub(super) plan: Plan,
    /// Where the proxy sends requests; none for workers.
    pub(super) backend: Option<Arc<Backend>>,
    /// Only for functions.
    pub(super) pool: Option<Arc<FunctionPool>>,
    pub(super) wanted: watch::Sender<Wanted>,
    /// One for each process.
    pub(super) phases: watch::Sender<Vec<Phase>>,
    /// Of each process that ends again and again: why, also while it is ready for a moment.
    crashing: Mutex<Vec<Option<Box<Diagnosis>>>>,
    /// What was seen of the processes that are not ready yet.
    pub(super) going_up: GoingUp,
    /// Where a process that is ready listens beyond this machine's own addresses.
    exposed: Mutex<Option<IpAddr>>,
    /// The process groups that run, by slot, for a restart on request.
    restarts: Arc<Restarts>,
}

/// Restarts that a function's pool asks for: how many there were for each slot.
#[derive(Debug)]
pub(super) struct Restarts(Vec<watch::Sender<u64>>);

impl ProcessControl for Restarts {
    fn restart(&self, slot: usize, _why: &str) {
        if let Some(asked) = self.0.get(slot) {
            asked.send_modify(|times| *times += 1);
        }
    }
}

impl Runner {
    /// Starts the processes of a revision.
    pub(super) async fn start(plan: Plan, wanted: Wanted) -> Result<Arc<Self>> {
        let service = &plan.release.service;
        let slots = match (service.kind, &service.function) {
            (Kind::Function, Some(function)) => {
                usize::try_from(function.concurrency).unwrap_or(1).max(1)
            }
            _ => 1,
        };
        let restarts = Arc::new(Restarts(
            (0..slots).map(|_| watch::Sender::new(0)).collect(),
        ));
        let (backend, pool) = match service.kind {
            Kind::Http => {
                // Nothing listens there yet, and the backend is not available until something does.
                let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
                let backend = Backend::new(Target::Http(nowhere));
                backend.set_available(false);
                (Some(backend), None)
            }
            Kind::Function => {
                let pool = make_pool(&plan, slots, Arc::clone(&restarts)).await?;
                let target = Target::Function(Arc::clone(&pool) as _);
                let backend = Backend::new(target);
                backend.set_available(false);
                (Some(backend), Some(pool))
            }
            Kind::Worker => (None, None),
        };
        let runner = Arc::new(Self {
            plan,
            backend,
            pool,
            wanted: watch::Sender::new(wanted),
            phases: watch::Sender::new(vec![Phase::Starting; slots]),
            crashing: Mutex::new(vec![None; slots]),
            going_up: GoingUp::new(slots),
            exposed: Mutex::new(None),
            restarts,
        });
        let mut tasks = JoinSet::new();
        for number in 0..slots {
            tasks.spawn(slot::supervise(Arc::clone(&runner), number));
        }
        tasks.detach_all();
        Ok(runner)
    }

    /// The phase of the revision as a whole.
    pub(super) fn phase(&self) -> Phase {
        summarize(&self.phases.borrow())
    }

    /// Whether it can be used as it is: it runs, or is about to.
    pub(super) fn is_alive(&self) -> bool {
        *self.wanted.borrow() != Wanted::Stopped
            && !matches!(self.phase(), Phase::Failed(_) | Phase::Stopped)
    }

    /// Sets the phase of one process, and whether the proxy may send requests.
    pub(super) fn set(&self, slot: usize, phase: Phase) {
        self.phases.send_modify(|phases| {
            if let Some(old) = phases.get_mut(slot) {
                *old = phase;
            }
            if let Some(backend) = &self.backend {
                backend.set_available(phases.contains(&Phase::Ready));
            }
        });
    }

    /// Notes that a process ends again and again, or (none) that it has run long enough since.
    pub(super) fn set_crashing(&self, slot: usize, why: Option<Box<Diagnosis>>) {
        let mut crashing = self.crashing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = crashing.get_mut(slot) {
            *old = why;
        }
    }

    /// Why processes end again and again, and whether that is so of each process that is ready; none when none does. A
    /// process that is ready for a moment between two ends is still in its crash loop.
    pub(super) fn crash_loop(&self) -> Option<(Box<Diagnosis>, bool)> {
        let crashing = self.crashing.lock().unwrap_or_else(PoisonError::into_inner);
        let why = crashing.iter().flatten().next()?.clone();
        let all = self
            .phases
            .borrow()
            .iter()
            .zip(crashing.iter())
            .all(|(phase, crashing)| *phase != Phase::Ready || crashing.is_some());
        Some((why, all))
    }

    /// Where a process listens beyond this machine's own addresses.
    pub(super) fn exposed(&self) -> MutexGuard<'_, Option<IpAddr>> {
        self.exposed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of one process, in words.
    pub(super) fn diagnosed(&self, slot: usize, seen: &Seen) -> Diagnosis {
        let plan = &self.plan;
        diagnosis::diagnose(
            seen,
            (&plan.release.service.name, plan.revision),
            &plan.release.service.run.env,
            &plan.log.tail(plan.revision, slot),
        )
    }

    /// Why a process is not ready when its time is over.
    pub(super) fn never_ready(&self, slot: usize) -> Option<Seen> {
        let path = &self.plan.release.service.run.ready;
        self.going_up.not_ready(slot, path, self.start_time())
    }

    /// Why it is not ready yet, as far as can be told now.
    pub(super) fn not_ready_yet(&self) -> Option<Diagnosis> {
        let path = &self.plan.release.service.run.ready;
        let slots = self.phases.borrow().len();
        (0..slots).find_map(|slot| {
            let seen = self.going_up.so_far(slot, path, self.now())?;
            // A worker is up when it has lived for a while.
            if self.plan.release.service.kind == Kind::Worker && matches!(seen, Seen::Init(_)) {
                return None;
            }
            Some(self.diagnosed(slot, &seen))
        })
    }

    /// What a restart of a slot is asked through.
    pub(super) fn restart_requests(&self, slot: usize) -> Option<watch::Receiver<u64>> {
        self.restarts.0.get(slot).map(watch::Sender::subscribe)
    }

    /// Waits until it is ready, or it is certain that it does not get ready.
    pub(super) async fn settled(&self, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<()> {
        let mut phases = self.phases.subscribe();
        let of = u32::try_from(phases.borrow().len()).unwrap_or(u32::MAX);
        let mut told = None;
        if self.phase() != Phase::Ready {
            // Said in any case: what people see must not depend on how fast a process fails.
            told = tell(progress, told, Progress::Starting { ready: 0, of });
        }
        loop {
            let now = phases.borrow_and_update().clone();
            match summarize(&now) {
                Phase::Ready => {
                    if let Some(address) = *self.exposed() {
                        progress(Progress::Exposed { address });
                    }
                    return Ok(());
                }
                Phase::Failed(diagnosis) => {
                    return Err(Error::DoesNotStart {
                        revision: self.plan.revision,
                        diagnosis,
                    });
                }
                Phase::Stopped => {
                    return Err(Error::Unreachable(format!(
                        "revision {} was stopped meanwhile",
                        self.plan.revision
                    )));
                }
                Phase::Restarting(times, how) => {
                    told = tell(progress, told, Progress::Restarting { times, how });
                }
                Phase::Starting => {
                    let ready = now.iter().filter(|phase| **phase == Phase::Ready).count();
                    let ready = u32::try_from(ready).unwrap_or(of);
                    told = tell(progress, told, Progress::Starting { ready, of });
                }
            }
            if phases.changed().await.is_err() {
                return Err(Error::Unreachable("the revision is gone".to_owned()));
            }
        }
    }

    /// Ends its processes, each within its grace, and returns when they are gone.
    pub(super) async fn stop(&self) {
        if let Some(pool) = &self.pool {
            drop(tokio::time::timeout(self.grace(), pool.stop()).await);
        }
        self.wanted.send_replace(Wanted::Stopped);
        let mut phases = self.phases.subscribe();
        let gone = phases.wait_for(|phases| {
            phases
                .iter()
                .all(|phase| matches!(phase, Phase::Stopped | Phase::Failed(_)))
        });
        // An error means that nobody is left who could change it.
        drop(gone.await);
        self.phases
            .send_modify(|phases| phases.fill(Phase::Stopped));
    }

    /// Lets the requests and invocations that are under way end, then stops it.
    pub(super) async fn drain(&self, at_most: Duration) {
        if let Some(backend) = &self.backend {
            drop(tokio::time::timeout(at_most, backend.drained()).await);
        }
        // What came past the proxy, as `squad invoke` does, is under way too.
        if let Some(pool) = &self.pool {
            drop(tokio::time::timeout(at_most, pool.stop()).await);
        }
        self.stop().await;
    }

    /// The time between SIGTERM and SIGKILL.
    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.plan.release.service.run.grace_seconds))
    }

    /// The time that a start may take.
    pub(super) fn start_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.plan.release.service.run.start_seconds))
    }

    /// Monotonic time.
    pub(super) fn now(&self) -> Duration {
        self.plan.clock.monotonic()
    }
}

/// Reports a sign of life that is not the same as the last one.
fn tell(
    progress: &(dyn Fn(Progress) + Send + Sync),
    told: Option<Progress>,
    next: Progress,
) -> Option<Progress> {
    if told.as_ref() != Some(&next) {
        progress(next.clone());
    }
    Some(next)
}

/// One ready process is enough to serve.
fn summarize(phases: &[Phase]) -> Phase {
    let find = |wanted: fn(&Phase) -> bool| phases.iter().find(|phase| wanted(phase)).cloned();
    find(|phase| *phase == Phase::Ready)
        .or_else(|| find(|phase| matches!(phase, Phase::Starting)))
        .or_else(|| find(|phase| matches!(phase, Phase::Restarting(..))))
        .or_else(|| find(|phase| matches!(phase, Phase::Failed(_))))
        .unwrap_or(Phase::Stopped)
}

async fn make_pool(
    plan: &Plan,
    slots: usize,
    restarts: Arc<Restarts>,
) -> Result<Arc<FunctionPool>> {
    let service = &plan.release.service;
    let Some(function) = &service.function else {
        return Err(Error::Invalid(format!(
            "`{}` is a function without [function] in squad.toml",
            service.name
        )));
    };
    let settings = function::Settings {
        service: service.name.clone(),
        revision: plan.revision,
        handler: function.handler.clone(),
        timeout: Duration::from_secs(u64::from(function.timeout_seconds)),
        memory_mb: function.memory_mb,
        concurrency: slots,
        function_name: function.name.clone(),
    };
    FunctionPool::bind(settings, restarts)
        .await
        .map_err(|error| Error::Unreachable(format!("no Runtime API can be opened: {error}")))
}
