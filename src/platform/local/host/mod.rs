//! One service in the supervisor: its revisions, its traffic, its address.
//!
//! `publish` brings revisions up, `traffic` commits, `room` removes what is not needed.
//!
//! What is true is in the ledger; this makes the processes and the proxy follow it. Every operation can be
//! called again after it was cut off anywhere.

mod publish;
mod room;
mod traffic;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::domain::live::{Health, Live, Revision};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::service::Kind;
use crate::platform::{Diagnosis, Error, Progress, Result};

use super::address::{self, Address};
use super::diagnosis;
use super::function;
use super::handover::Handed;
use super::ledger::Ledger;
use super::log::ServiceLog;
use super::metrics::Metrics;
use super::process::Launcher;
use super::proxy::ServiceProxy;
use super::runner::{Phase, Runner, Wanted};
use super::sockets::Leases;
use super::state::{Record, RevisionState, ServiceState};
use super::store::Store;

/// Takes signs of life.
pub(super) type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// What all services of an environment share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The state directory.
    pub(super) state: PathBuf,
    /// The environment's name.
    pub(super) environment: String,
    /// The supervisor's own variables.
    pub(super) base: BTreeMap<String, String>,
    /// What is true.
    pub(super) ledger: Ledger,
    /// The artifacts.
    pub(super) store: Store,
    /// How processes are started.
    pub(super) launcher: Launcher,
    /// Ports of processes.
    pub(super) leases: Leases,
    /// What the supervisor before this one listened on.
    pub(super) handed: Arc<Handed>,
    /// The machine's clock.
    pub(super) clock: SystemClock,
}

/// One service.
pub(super) struct Host {
    name: ServiceName,
    shared: Arc<Shared>,
    log: Arc<ServiceLog>,
    metrics: Arc<Metrics>,
    proxy: Arc<ServiceProxy>,
    address: Address,
    /// Held while the traffic or the set of revisions changes.
    changing: tokio::sync::Mutex<()>,
    /// By digest: a second publish of the same waits for the first.
    publishing: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    runners: Mutex<BTreeMap<RevisionNumber, Arc<Runner>>>,
    /// Revisions that an operation is just bringing up, and how many do: no commit stops them.
    needed: Mutex<BTreeMap<RevisionNumber, u32>>,
    /// When the last of those operations was over, of a revision that runs without traffic since.
    idle: Mutex<BTreeMap<RevisionNumber, tokio::time::Instant>>,
    /// Revisions whose last requests are ending: their artifacts stay until then.
    draining: Mutex<Vec<RevisionNumber>>,
}

/// Keeps a revision from being stopped.
pub(super) struct Needed {
    revision: RevisionNumber,
    host: Arc<Host>,
}

impl Drop for Needed {
    fn drop(&mut self) {
        let (host, revision) = (&self.host, self.revision);
        {
            let mut needed = host.needed.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(times) = needed.get_mut(&revision) else {
                return;
            };
            *times -= 1;
            if *times > 0 {
                return;
            }
            needed.remove(&revision);
            // Within the lock, so that it is never said of a revision that somebody began to need in between.
            host.idle_since()
                .insert(revision, tokio::time::Instant::now());
        }
        // Also where the command that asked for it is gone. At the end of the supervisor all of them end anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(Arc::clone(host).end_when_idle(revision));
        }
    }
}

impl Host {
    /// A service of which nothing runs yet.
    pub(super) fn new(
        name: ServiceName,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        proxy: Arc<ServiceProxy>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let log = ServiceLog::new(&shared.store.service(&name), shared.clock);
        Self {
            address: Address::new(
                name.clone(),
                Arc::clone(&proxy),
                stop,
                Arc::clone(&shared.handed),
            ),
            name,
            shared,
            log: Arc::new(log),
            metrics,
            proxy,
            changing: tokio::sync::Mutex::default(),
            publishing: Mutex::default(),
            runners: Mutex::default(),
            needed: Mutex::default(),
            idle: Mutex::default(),
            draining: Mutex::default(),
        }
    }

    /// Its log.
    pub(super) fn log(&self) -> &Arc<ServiceLog> {
        &self.log
    }

    /// From now until it is restored, requests wait for what had traffic.
    pub(super) fn begin_restoring(&self) {
        self.proxy.set_restored(false);
    }

    /// Makes what is true after a restart: its address, and the revisions with traffic, and those that a live rollout
    /// keeps, ready or failed.
    pub(super) async fn restore(self: &Arc<Self>) {
        if let Err(error) = self.listen().await {
            tracing::warn!("{}: {error}", self.name);
        }
        let up = self.read(ServiceState::up).await;
        for revision in &up {
            if let Err(error) = self.run(*revision, Wanted::Serving).await {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
        }
        self.route().await;
        for revision in up {
            if let Some(runner) = self.runner(revision)
                && let Err(error) = runner.settled(&|_| {}).await
            {
                tracing::warn!("{}: {error}", self.name);
            }
        }
        self.route().await;
        self.proxy.set_restored(true);
    }

    /// Another number for the socket on which it listens, if it does.
    pub(super) async fn socket(&self) -> Option<OwnedFd> {
        self.address.socket().await
    }

    /// Looks at what is true of this service.
    async fn read<T>(&self, look: impl FnOnce(&ServiceState) -> T) -> T {
        let none = ServiceState::default();
        self.shared
            .ledger
            .read(|state| look(state.services.get(&self.name).unwrap_or(&none)))
            .await
    }

    fn runner(&self, revision: RevisionNumber) -> Option<Arc<Runner>> {
        let runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        runners.get(&revision).cloned()
    }

    fn need(self: &Arc<Self>, revision: RevisionNumber) -> Needed {
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        *needed.entry(revision).or_default() += 1;
        self.idle_since().remove(&revision);
        Needed {
            revision,
            host: Arc::clone(self),
        }
    }

    fn idle_since(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<RevisionNumber, tokio::time::Instant>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_needed(&self, revision: RevisionNumber) -> bool {
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.contains_key(&revision)
    }

    fn draining(&self) -> std::sync::MutexGuard<'_, Vec<RevisionNumber>> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drained(&self, revision: RevisionNumber) {
        let mut draining = self.draining();
        if let Some(at) = draining.iter().position(|one| *one == revision) {
            draining.swap_remove(at);
        }
    }

    /// How many revisions have processes.
    pub(super) fn running(&self) -> usize {
        let runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        runners.values().filter(|runner| runner.is_alive()).count()
    }

    /// Everything about the service.
    pub(super) async fn observe(&self) -> Result<Live> {
        // A port that was taken at the start may be free again by now.
        let taken = self.listen().await.err().map(|error| error.to_string());
        let (now, service) = self
            .shared
            .ledger
            .read(|state| {
                let service = state.services.get(&self.name).cloned();
                (state.token(&self.name), service.unwrap_or_default())
            })
            .await;
        let kind = service.kind();
        let revisions = service
            .revisions
            .iter()
            .map(|(number, revision)| {
                let serves = service.serves(*number);
                self.revision(*number, revision, taken.as_deref().filter(|_| serves))
            })
            .collect();
        let address = service
            .port
            .filter(|_| kind.is_some_and(|kind| kind != Kind::Worker))
            .map(|port| format!("http://127.0.0.1:{port}"));
        let (split, state, last_commit) = match service.traffic {
            Some(traffic) => (Some(traffic.split), traffic.state, Some(traffic.last)),
            None => (None, String::new(), None),
        };
        Ok(Live {
            token: now,
            kind,
            revisions,
            left_releases: service.left_releases,
            served: Vec::new(),
            split,
            unpublished: None,
            unkept: None,
            foreign: None,
            lag: None,
            state,
            last_commit,
            address,
        })
    }

    fn revision(
        &self,
        number: RevisionNumber,
        state: &RevisionState,
        taken: Option<&str>,
    ) -> Revision {
        let runner = self.runner(number);
        let crash_loop = runner.as_ref().and_then(|runner| runner.crash_loop());
        let (mut health, mut problem) = match runner.map(|runner| runner.phase()) {
            Some(Phase::Ready) => match crash_loop {
                None => (Health::Ok, None),
                Some((why, all)) => {
                    let health = if all {
                        Health::Failed
                    } else {
                        Health::Degraded
                    };
                    (health, Some(in_few_words(&why)))
                }
            },
            Some(Phase::Starting) => (Health::Starting, None),
            Some(Phase::Restarting(times, how)) => (
                Health::Degraded,
                Some(match times {
                    1 => format!("it is started again after {how}, once so far"),
                    _ => format!("it is started again after {how}, {times} times so far"),
                }),
            ),
            Some(Phase::Failed(diagnosis)) => (Health::Failed, Some(in_few_words(&diagnosis))),
            Some(Phase::Stopped) | None => match &state.failed {
                Some(diagnosis) => (Health::Failed, Some(in_few_words(diagnosis))),
                None => (Health::Stopped, None),
            },
        };
        if let Some(taken) = taken {
            health = Health::Failed;
            problem = Some(format!(
                "{taken}: end that, or let it have another port with `squad deploy --port PORT`"
            ));
        }
        Revision {
            service: Some(Box::new(state.release.service.clone())),
            number,
            digest: state.release.digest.clone(),
            published_at: state.published_at,
            actor: state.release.actor.clone(),
            provenance: state.release.provenance.clone(),
            last_served_at: state.last_served_at,
            served_healthily: state.served_healthily,
            left: state.left,
            health,
            problem,
        }
    }

    /// Why a revision does not serve, or not yet.
    pub(super) async fn diagnose(&self, revision: RevisionNumber) -> Result<Option<Diagnosis>> {
        let failed = self
            .read(|service| {
                let revision = service.revisions.get(&revision);
                revision.map(|revision| revision.failed.clone())
            })
            .await
            .ok_or(Error::NoRevision(revision))?;
        let runner = self.runner(revision);
        let crash_loop = runner.as_ref().and_then(|runner| runner.crash_loop());
        let not_yet = || runner.as_ref().and_then(|runner| runner.not_ready_yet());
        let found = match runner.as_ref().map(|runner| runner.phase()) {
            Some(Phase::Failed(diagnosis)) => Some(*diagnosis),
            Some(Phase::Ready) => crash_loop.map(|(why, _)| *why),
            Some(Phase::Starting) => crash_loop.map(|(why, _)| *why).or_else(not_yet),
            Some(Phase::Restarting(..)) => not_yet().or(failed),
            Some(Phase::Stopped) | None => failed,
        };
        Ok(match found {
            Some(diagnosis) => Some(self.with_way_out(revision, diagnosis).await),
            None => None,
        })
    }

    /// A diagnosis of files that are gone, with a way out that is there: to which revision one can go back only the state
    /// and the disk know.
    async fn with_way_out(&self, gone: RevisionNumber, diagnosis: Diagnosis) -> Diagnosis {
        if diagnosis.id != "artifact-gone" {
            return diagnosis;
        }
        let served: Vec<_> = self
            .read(|service| {
                let live = service.traffic.as_ref().map(|now| now.split.revisions());
                let live = live.unwrap_or_default();
                let revisions = service.revisions.iter().rev();
                revisions
                    .filter(|(number, one)| {
                        **number != gone && one.served_healthily && !live.contains(number)
                    })
                    .map(|(number, _)| *number)
                    .collect()
            })
            .await;
        let is_there = |number: &RevisionNumber| {
            let artifact = self.shared.store.artifact(&self.name, *number);
            artifact.is_dir()
        };
        let there = served.into_iter().find(is_there);
        Diagnosis {
            hint: Some(diagnosis::way_out(&self.name, there)),
            ..diagnosis
        }
    }

    /// A running revision of a function: the one asked for, else the one that the traffic says. It runs for as long as the
    /// last value lives.
    pub(super) async fn function(
        self: &Arc<Self>,
        revision: Option<RevisionNumber>,
        ticket: u8,
    ) -> Result<(RevisionNumber, Arc<function::FunctionPool>, Needed)> {
        let (kind, split) = self
            .read(|service| {
                let traffic = service.traffic.as_ref();
                (
                    service.kind(),
                    traffic.map(|traffic| traffic.split.rest.clone()),
                )
            })
            .await;
        if kind.is_some_and(|kind| kind != Kind::Function) {
            return Err(Error::Unsupported(format!(
                "`{}` is not a function, so it cannot be invoked",
                self.name
            )));
        }
        let revision = revision.or_else(|| split?.pick(ticket)).ok_or_else(|| {
            Error::Invalid(format!("`{}` has no traffic on any revision", self.name))
        })?;
        let needed = self.need(revision);
        let quiet: Tell = Arc::new(|_| {});
        self.bring_up(revision, &quiet).await?;
        let pool = self
            .runner(revision)
            .and_then(|runner| runner.pool.clone())
            .ok_or(Error::NoRevision(revision))?;
        Ok((revision, pool, needed))
    }

    /// Chooses the port of the service, once.
    async fn choose_port(&self) -> Result<()> {
        let name = self.name.clone();
        let seed = self.shared.state.join(self.name.as_str());
        self.shared
            .ledger
            .change(move |state| {
                if state
                    .services
                    .get(&name)
                    .is_some_and(|service| service.port.is_some())
                {
                    return Ok((None, ()));
                }
                let port = address::choose(&seed, &address::taken(state))?;
                Ok((
                    Some(Record::Port {
                        service: name,
                        port,
                    }),
                    (),
                ))
            })
            .await
    }

    /// Changes the port of the service; nothing changes where the new one cannot be had.
    pub(super) async fn set_port(&self, port: u16) -> Result<()> {
        if port == 0 {
            return Err(Error::Invalid("0 is not a port".to_owned()));
        }
        let _changing = self.changing.lock().await;
        let owner = self
            .shared
            .ledger
            .read(|state| address::promised_to(state, port, &self.name))
            .await;
        if owner.is_some() {
            return Err(Error::PortTaken { port, owner });
        }
        let service = self.name.clone();
        let keep = self.shared.ledger.change(move |state| {
            if let Some(owner) = address::promised_to(state, port, &service) {
                let owner = Some(owner);
                return Err(Error::PortTaken { port, owner });
            }
            let kept = state.services.get(&service).and_then(|kept| kept.port);
            let record = (kept != Some(port)).then_some(Record::Port { service, port });
            Ok((record, ()))
        });
        self.address.move_to(port, keep).await
    }

    /// Listens on the service's port, if it has one and does not listen there yet.
    pub(super) async fn listen(&self) -> Result<()> {
        self.address.listen(self.read(|service| service.port)).await
    }

    /// Waits for the requests that are under way, and ends all processes; the proxy takes no new ones by then.
    pub(super) async fn stop(&self) {
        self.address.ended().await;
        let runners: Vec<Arc<Runner>> = {
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *runners).into_values().collect()
        };
        futures_util::future::join_all(runners.iter().map(|runner| runner.drain(runner.grace())))
            .await;
    }
}

/// A diagnosis as one short line.
fn in_few_words(diagnosis: &Diagnosis) -> String {
    let cause = diagnosis.cause.as_ref().unwrap_or(&diagnosis.summary);
    match &diagnosis.hint {
        // The log, which is the way on from anything else, says nothing about it.
        Some(hint) if diagnosis.id == "artifact-gone" => format!("{cause}; {hint}"),
        _ => cause.clone(),
    }
}
