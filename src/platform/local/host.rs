//! One service in the supervisor: its revisions, its traffic, its address.
//!
//! What is true is in the ledger; this makes the processes and the proxy follow it. Every operation can be
//! called again after it was cut off anywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::domain::live::{Health, Live, Revision, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};
use crate::domain::service::Kind;
use crate::platform::{Commit, Diagnosis, Error, Progress, Published, Result};

use super::address::Address;
use super::environment;
use super::function;
use super::ledger::Ledger;
use super::log::ServiceLog;
use super::metrics::Metrics;
use super::process::Launcher;
use super::proxy::{Backend, ServiceProxy, Table};
use super::runner::{Phase, Plan, Runner, Wanted};
use super::sockets::Leases;
use super::state::{Record, RevisionState, ServiceState};
use super::store::Store;

/// How long requests that are under way may take to end after their revision has lost its traffic.
const DRAIN: Duration = Duration::from_secs(300);
/// The longest rollout state in bytes.
const LONGEST_STATE: usize = 200;

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
    needed: Arc<Mutex<BTreeMap<RevisionNumber, u32>>>,
}

/// Keeps a revision from being stopped.
struct Needed {
    revision: RevisionNumber,
    needed: Arc<Mutex<BTreeMap<RevisionNumber, u32>>>,
}

impl Drop for Needed {
    fn drop(&mut self) {
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = needed.get_mut(&self.revision) {
            *times -= 1;
            if *times == 0 {
                needed.remove(&self.revision);
            }
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
            address: Address::new(name.clone(), Arc::clone(&proxy), stop),
            name,
            shared,
            log: Arc::new(log),
            metrics,
            proxy,
            changing: tokio::sync::Mutex::default(),
            publishing: Mutex::default(),
            runners: Mutex::default(),
            needed: Arc::default(),
        }
    }

    /// Its log.
    pub(super) fn log(&self) -> &Arc<ServiceLog> {
        &self.log
    }

    /// Makes what is true after a restart: its address, and the revisions with traffic ready or failed.
    pub(super) async fn restore(self: &Arc<Self>) {
        if let Err(error) = self.listen().await {
            tracing::warn!("{}: {error}", self.name);
        }
        let serving = self.read(|service| service.serving()).await;
        for revision in &serving {
            if let Err(error) = self.run(*revision, Wanted::Serving).await {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
        }
        self.route().await;
        for revision in serving {
            if let Some(runner) = self.runner(revision)
                && let Err(error) = runner.settled(&|_| {}).await
            {
                tracing::warn!("{}: {error}", self.name);
            }
        }
        self.route().await;
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

    fn need(&self, revision: RevisionNumber) -> Needed {
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        *needed.entry(revision).or_default() += 1;
        Needed {
            revision,
            needed: Arc::clone(&self.needed),
        }
    }

    fn is_needed(&self, revision: RevisionNumber) -> bool {
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.contains_key(&revision)
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
        let (token, service) = self
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
            token,
            kind,
            revisions,
            split,
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
        let (mut health, mut problem) = match self.runner(number).map(|runner| runner.phase()) {
            Some(Phase::Ready) => (Health::Ok, None),
            Some(Phase::Starting) => (Health::Starting, None),
            Some(Phase::Restarting(times, how)) => (
                Health::Degraded,
                Some(format!(
                    "it is started again after {how}, {times} times so far"
                )),
            ),
            Some(Phase::Failed(diagnosis)) => (Health::Failed, Some(in_few_words(&diagnosis))),
            Some(Phase::Stopped) | None => match &state.failed {
                Some(diagnosis) => (Health::Failed, Some(in_few_words(diagnosis))),
                None => (Health::Stopped, None),
            },
        };
        if let Some(taken) = taken {
            health = Health::Failed;
            problem = Some(taken.to_owned());
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

    /// Makes a revision and starts it; the same digest is the same revision.
    pub(super) async fn publish(
        self: &Arc<Self>,
        release: Release,
        tell: &Tell,
    ) -> Result<Published> {
        environment::check_secrets(&release)?;
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
    async fn bring_up(self: &Arc<Self>, revision: RevisionNumber, tell: &Tell) -> Result<()> {
        let serves = self.read(|service| service.serves(revision)).await;
        let wanted = if serves {
            Wanted::Serving
        } else {
            Wanted::Ready
        };
        let runner = self.run(revision, wanted).await?;
        runner.settled(&**tell).await
    }

    /// The runner of a revision: the one that is alive, or a new one.
    async fn run(
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
    pub(super) async fn prepare(
        self: &Arc<Self>,
        revision: RevisionNumber,
        tell: &Tell,
    ) -> Result<()> {
        let _needed = self.need(revision);
        let ready = self.bring_up(revision, tell).await;
        self.route().await;
        ready
    }

    /// Changes the traffic.
    pub(super) async fn commit(self: &Arc<Self>, token: Token, commit: Commit) -> Result<Token> {
        let _changing = self.changing.lock().await;
        let wanted = commit.split.revisions();
        let unready: Vec<(RevisionNumber, String)> = wanted
            .iter()
            .filter_map(|revision| {
                let phase = self.runner(*revision).map(|runner| runner.phase());
                match phase {
                    Some(Phase::Ready) => None,
                    Some(Phase::Starting | Phase::Restarting(..)) => {
                        Some((*revision, "is starting".to_owned()))
                    }
                    Some(Phase::Failed(_)) => Some((*revision, "does not start".to_owned())),
                    Some(Phase::Stopped) | None => Some((*revision, "is not running".to_owned())),
                }
            })
            .collect();
        let name = self.name.clone();
        let at = self.shared.clock.now();
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
                let record = Record::Committed {
                    service: name,
                    commit: Box::new(commit),
                    at,
                };
                Ok((Some(record), true))
            })
            .await?;
        if changed {
            self.follow_traffic(&wanted).await;
        }
        let name = self.name.clone();
        Ok(self
            .shared
            .ledger
            .read(move |state| state.token(&name))
            .await)
    }

    /// Makes proxy and processes follow a commit: first the table, then what has no traffic any more ends.
    async fn follow_traffic(self: &Arc<Self>, serving: &[RevisionNumber]) {
        let losing: Vec<Arc<Runner>> = {
            let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
            for (revision, runner) in &*runners {
                if serving.contains(revision) {
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
                .filter(|revision| !serving.contains(revision) && !self.is_needed(**revision))
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
            tokio::spawn(async move {
                runner.drain(DRAIN).await;
                let _changing = host.changing.lock().await;
                host.make_room().await;
            });
        }
        // A revision with traffic that had failed to start is tried again from now on.
        for revision in serving {
            if let Err(error) = self.run(*revision, Wanted::Serving).await {
                tracing::warn!("{} revision {revision}: {error}", self.name);
            }
        }
        self.make_room().await;
    }

    /// Hands the present split and the running revisions to the proxy.
    async fn route(&self) {
        let present = self
            .read(|service| {
                let traffic = service.traffic.as_ref()?;
                // What counts as slow is what the newest revision with traffic says.
                let newest = traffic.split.revisions().last().copied()?;
                let slow = service.revisions.get(&newest).and_then(|revision| {
                    let analysis = &revision.release.service.analysis;
                    analysis.slow_milliseconds.map(Duration::from_millis)
                });
                Some((traffic.split.clone(), slow))
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
        self.proxy.set_table(present.map(|(split, slow)| Table {
            split,
            backends,
            rollout: None,
            slow,
        }));
    }

    /// Removes the artifacts that need not be kept. The caller holds `changing`.
    async fn make_room(&self) {
        let superfluous = self.read(ServiceState::beyond_room).await;
        for revision in superfluous {
            if self.is_needed(revision) || self.runner(revision).is_some() {
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
    pub(super) async fn retire(&self, revision: RevisionNumber) -> Result<()> {
        let _changing = self.changing.lock().await;
        let (there, serves) = self
            .read(|service| {
                (
                    service.revisions.contains_key(&revision),
                    service.serves(revision),
                )
            })
            .await;
        if serves {
            return Err(Error::HasTraffic(revision));
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

    /// Removes everything but what serves and the revision to go back to.
    pub(super) async fn prune(&self) -> Result<(u32, u64)> {
        let _changing = self.changing.lock().await;
        let superfluous = self.read(|service| service.superfluous(0)).await;
        let (mut revisions, mut bytes) = (0, self.log.prune()?);
        for revision in superfluous {
            if self.is_needed(revision) {
                continue;
            }
            let runner = {
                let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
                runners.remove(&revision)
            };
            self.route().await;
            if let Some(runner) = runner {
                runner.stop().await;
            }
            bytes += self.remove(revision).await?;
            revisions += 1;
        }
        Ok((revisions, bytes))
    }

    /// Why a revision does not serve.
    pub(super) async fn diagnose(&self, revision: RevisionNumber) -> Result<Option<Diagnosis>> {
        let failed = self
            .read(|service| {
                let revision = service.revisions.get(&revision);
                revision.map(|revision| revision.failed.clone())
            })
            .await
            .ok_or(Error::NoRevision(revision))?;
        Ok(match self.runner(revision).map(|runner| runner.phase()) {
            Some(Phase::Failed(diagnosis)) => Some(*diagnosis),
            Some(Phase::Ready | Phase::Starting) => None,
            Some(Phase::Restarting(..) | Phase::Stopped) | None => failed,
        })
    }

    /// A running revision of a function: the one asked for, else the one that the traffic says.
    pub(super) async fn function(
        self: &Arc<Self>,
        revision: Option<RevisionNumber>,
        ticket: u8,
    ) -> Result<(RevisionNumber, Arc<function::FunctionPool>)> {
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
        let _needed = self.need(revision);
        let quiet: Tell = Arc::new(|_| {});
        self.bring_up(revision, &quiet).await?;
        let pool = self
            .runner(revision)
            .and_then(|runner| runner.pool.clone())
            .ok_or(Error::NoRevision(revision))?;
        Ok((revision, pool))
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
                let port = super::address::choose(&seed, &super::address::taken(state))?;
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

    /// Listens on the service's port, if it has one and does not listen there yet.
    pub(super) async fn listen(&self) -> Result<()> {
        match self.read(|service| service.port).await {
            Some(port) => self.address.listen(port).await,
            None => Ok(()),
        }
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

/// Refuses a commit that cannot become true.
fn check(
    service: &ServiceState,
    commit: &Commit,
    unready: &[(RevisionNumber, String)],
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
    // What has traffic already may keep or take more of it, however it is: going back must always be possible.
    let unready = unready
        .iter()
        .find(|(revision, _)| !service.serves(*revision));
    match unready {
        Some((revision, how)) => Err(Error::Invalid(format!(
            "revision {revision} cannot take traffic: it {how}"
        ))),
        None => Ok(()),
    }
}

/// A diagnosis as one short line.
fn in_few_words(diagnosis: &Diagnosis) -> String {
    diagnosis
        .cause
        .clone()
        .unwrap_or_else(|| diagnosis.summary.clone())
}
