//! The supervisor: one process for each local environment, which runs its services and answers on the control
//! socket.
//!
//! It answers nobody before every kept address listens and every revision with traffic is ready or failed, so
//! that the command that started it comes back into an environment that serves.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::clock::{Clock, SystemClock};
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::platform::{Error, Result};

use super::address::{self, Served};
use super::control::Control;
use super::environment;
use super::handover;
use super::host::{Host, Shared};
use super::ledger::Ledger;
use super::metrics::{MINUTE, Metrics};
use super::objects::Objects;
use super::places::{self, Place};
use super::process::{self, Launcher};
use super::protocol::{
    self, Build, Frame, Hello, Prunable, Request, ServiceStatus, SupervisorStatus,
};
use super::proxy::{EnvironmentProxy, Limits, ServiceProxy};
use super::sockets::{self, Leases};
use super::state::Record;
use super::store::Store;
use super::successor::Inheritance;
use super::wire::Failure;

/// How long a client may take to say what it wants.
const GREETING: Duration = Duration::from_secs(10);
/// How many clients are served at once: more wait.
const CLIENTS: usize = 512;
/// How many frames may wait for a client that reads slowly.
const FRAMES: usize = 256;

/// What a supervisor needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The state directory of the environment.
    pub(crate) state: PathBuf,
    /// The directory for sockets.
    pub(crate) runtime: PathBuf,
    /// The squad binary.
    pub(crate) executable: PathBuf,
    /// The environment's name.
    pub(crate) name: String,
    /// The variables that processes may get.
    pub(crate) variables: BTreeMap<String, String>,
}

/// A supervisor that is ready and has not begun to answer.
pub(super) struct Supervisor {
    settings: Settings,
    hello: Hello,
    started_at: jiff::Timestamp,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    environment: Arc<EnvironmentProxy>,
    /// The environment's own address.
    listening: Mutex<Option<Served>>,
    services: Mutex<BTreeMap<ServiceName, Arc<Host>>>,
    /// True from the moment at which it is to end.
    stopping: watch::Sender<bool>,
    /// Clients that wait for the end.
    waiting: Mutex<Vec<mpsc::Sender<Frame>>>,
    /// Held for as long as the process lives: one supervisor for each state directory.
    _lock: File,
}

impl Supervisor {
    /// Makes everything true that the state directory says, which is this supervisor's alone by now.
    pub(super) async fn start(
        settings: Settings,
        Inheritance {
            lock,
            sockets,
            next,
        }: Inheritance,
    ) -> Result<(Arc<Self>, Control)> {
        let place = Place::new(&settings.state, &settings.runtime);
        let store = Store::new(&settings.state);
        let (ledger, repaired) = Ledger::open(&place.journal, &store)?;
        if let Some(repaired) = repaired {
            tracing::warn!(
                "the last record of the journal, {} byte{} at byte {}, was cut off and has been removed; it was never acknowledged",
                repaired.bytes,
                if repaired.bytes == 1 { "" } else { "s" },
                repaired.offset
            );
        }
        places::make(&place.notes)?;
        let launcher = Launcher {
            executable: process::own_executable(&settings.executable),
            notes: place.notes.clone(),
        };
        launcher.end_orphans();
        let known = ledger
            .read(|state| {
                state
                    .services
                    .iter()
                    .flat_map(|(name, service)| {
                        service
                            .revisions
                            .keys()
                            .map(|revision| (name.to_string(), *revision))
                    })
                    .collect::<std::collections::BTreeSet<_>>()
            })
            .await;
        store.sweep(|name, revision| known.contains(&(name.to_owned(), revision)))?;
        if let Err(error) = Objects::new(&settings.state).sweep() {
            tracing::warn!("{error}");
        }
        let clock = SystemClock::new();
        let metrics = Arc::new(Metrics::default());
        let supervisor = Arc::new(Self {
            hello: Hello::of(Build::of(&settings.executable)),
            started_at: clock.now(),
            shared: Arc::new(Shared {
                state: settings.state.clone(),
                environment: settings.name.clone(),
                base: environment::passed_on(&settings.variables),
                ledger,
                store,
                launcher,
                leases: Leases::default(),
                handed: Arc::new(sockets),
                clock,
            }),
            environment: EnvironmentProxy::new(Arc::clone(&metrics)),
            metrics,
            listening: Mutex::default(),
            services: Mutex::default(),
            stopping: watch::Sender::new(false),
            waiting: Mutex::default(),
            settings,
            _lock: lock,
        });
        supervisor.restore().await;
        let settings = &supervisor.settings;
        let control = Control::open(&settings.state, &settings.runtime)?;
        // Whoever waits to be the next one finds this one now.
        drop(next);
        Ok((supervisor, control))
    }

    /// Brings up every service that is known, all at once.
    async fn restore(self: &Arc<Self>) {
        let names: Vec<ServiceName> = self
            .shared
            .ledger
            .read(|state| state.services.keys().cloned().collect())
            .await;
        let hosts: Vec<Arc<Host>> = names.iter().map(|name| self.host(name)).collect();
        for host in &hosts {
            host.begin_restoring();
        }
        // Whoever waits there already asks for one of them.
        if let Err(error) = self.listen().await {
            tracing::warn!("the address of the environment: {error}");
        }
        futures_util::future::join_all(hosts.iter().map(Host::restore)).await;
        self.shared.handed.close_rest();
    }

    /// Chooses the environment's port, once, and listens there.
    async fn listen(self: &Arc<Self>) -> Result<()> {
        let seed = self.settings.state.clone();
        self.shared
            .ledger
            .change(move |state| match state.environment_port {
                Some(_) => Ok((None, ())),
                None => {
                    let port = address::choose(&seed, &address::taken(state))?;
                    Ok((Some(Record::EnvironmentPort { port }), ()))
                }
            })
            .await?;
        let Some(port) = self
            .shared
            .ledger
            .read(|state| state.environment_port)
            .await
        else {
            return Ok(());
        };
        let listener = self.shared.handed.take_or_bind(port)?;
        let (proxy, stop) = (Arc::clone(&self.environment), self.stopping.subscribe());
        let served =
            Served::new(listener, |listener| proxy.serve(listener, stop)).map_err(|error| {
                Error::Unreachable(format!("cannot listen on port {port}: {error}"))
            })?;
        *self.listening() = Some(served);
        Ok(())
    }

    fn listening(&self) -> MutexGuard<'_, Option<Served>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Another number for each socket on which the proxy listens.
    async fn sockets(&self) -> Vec<OwnedFd> {
        let own = self.listening().as_ref().and_then(Served::socket);
        let hosts = self.hosts();
        let of_services =
            futures_util::future::join_all(hosts.iter().map(|(_, host)| host.socket())).await;
        own.into_iter()
            .chain(of_services.into_iter().flatten())
            .collect()
    }

    /// Hands the listening sockets to the supervisor that is about to replace this one, and goes on.
    async fn hand_over(&self, stream: &mut UnixStream) -> std::io::Result<()> {
        let sockets = self.sockets().await;
        let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        protocol::send(stream, &Frame::Sockets(count)).await?;
        for socket in &sockets {
            handover::give(stream, socket).await?;
        }
        Ok(())
    }

    /// The host of a service, made when there is none.
    fn host(&self, name: &ServiceName) -> Arc<Host> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = services.get(name) {
            return Arc::clone(host);
        }
        let proxy = ServiceProxy::new(name.clone(), Arc::clone(&self.metrics), Limits::default());
        self.environment.add(Arc::clone(&proxy));
        let host = Arc::new(Host::new(
            name.clone(),
            Arc::clone(&self.shared),
            Arc::clone(&self.metrics),
            proxy,
            self.stopping.subscribe(),
        ));
        services.insert(name.clone(), Arc::clone(&host));
        host
    }

    /// The host of a service that was published, if it was.
    pub(super) async fn known_host(&self, name: &ServiceName) -> Option<Arc<Host>> {
        let known = self
            .shared
            .ledger
            .read(|state| state.services.contains_key(name))
            .await;
        known.then(|| self.host(name))
    }

    fn hosts(&self) -> Vec<(ServiceName, Arc<Host>)> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services
            .iter()
            .map(|(name, host)| (name.clone(), Arc::clone(host)))
            .collect()
    }

    /// Answers until it is told to end, and ends everything.
    pub(super) async fn serve(
        self: Arc<Self>,
        mut control: Control,
        ended: impl Future<Output = ()>,
    ) {
        tracing::info!("serving, process {}", std::process::id());
        let counting = tokio::spawn(count_minutes(Arc::clone(&self.metrics)));
        let clients = Arc::new(tokio::sync::Semaphore::new(CLIENTS));
        let mut stopping = self.stopping.subscribe();
        tokio::pin!(ended);
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&clients).acquire_owned() => permit,
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = &mut ended => break,
            };
            let accepted = tokio::select! {
                accepted = control.accept() => accepted,
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = &mut ended => break,
            };
            match accepted {
                Ok(stream) => {
                    let supervisor = Arc::clone(&self);
                    tokio::spawn(async move {
                        supervisor.answer(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!("a client was lost: {error}");
                    // Most likely there are no file descriptors left: without a pause this would spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        // Whoever comes now is to start the next one, which waits for this one's lock.
        control.close();
        counting.abort();
        self.end().await;
    }

    /// Takes no more requests, lets those under way end, and ends all processes.
    async fn end(&self) {
        tracing::info!("stopping");
        self.stopping.send_replace(true);
        // A request for any service may be under way on the environment's own address.
        let listening = self.listening().take();
        if let Some(listening) = listening {
            listening.ended().await;
        }
        let hosts = self.hosts();
        futures_util::future::join_all(hosts.iter().map(|(_, host)| host.stop())).await;
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        for client in waiting {
            drop(client.send(Frame::Done(serde_json::Value::Null)).await);
            client.closed().await;
        }
        tracing::info!("stopped");
    }

    /// Serves one client. What it asked for goes on when it goes away.
    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        if let Err(error) = places::check_peer(&stream) {
            tracing::warn!("a client was refused: {error}");
            return;
        }
        let greeting = async {
            let hello: Option<Hello> = protocol::receive(&mut stream).await?;
            if hello.is_none() {
                return Ok(None);
            }
            protocol::send(&mut stream, &self.hello).await?;
            protocol::receive::<Request>(&mut stream).await
        };
        let request = match tokio::time::timeout(GREETING, greeting).await {
            Ok(Ok(Some(request))) => request,
            // A client that only asks whether anybody is there.
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::warn!("a client cannot be understood: {error}");
                return;
            }
        };
        if matches!(request, Request::HandOver) {
            if let Err(error) = self.hand_over(&mut stream).await {
                tracing::warn!("the sockets were not handed over: {error}");
            }
            return;
        }
        let (frames, mut outgoing) = mpsc::channel(FRAMES);
        tokio::spawn(async move {
            if let Err(failure) = super::answer::answer(&self, request, &frames).await {
                drop(frames.send(Frame::Failed(failure)).await);
            }
        });
        while let Some(frame) = outgoing.recv().await {
            let last = matches!(frame, Frame::Done(_) | Frame::Failed(_));
            // Leaving tells whoever waits for it that the last word was said.
            if protocol::send(&mut stream, &frame).await.is_err() || last {
                return;
            }
        }
    }

    /// Says that it is to end; the client hears when it has.
    pub(super) fn stop(&self, client: mpsc::Sender<Frame>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(client);
        self.stopping.send_replace(true);
    }

    /// Whether it is about to end.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when it is about to end.
    pub(super) async fn ends(&self) {
        let mut stopping = self.stopping.subscribe();
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// What all services count.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The time of day.
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.shared.clock.now()
    }

    /// Everything about one service.
    pub(super) async fn observe(&self, name: &ServiceName) -> Result<Live> {
        match self.known_host(name).await {
            Some(host) => host.observe().await,
            None => Ok(Live {
                token: self.shared.ledger.read(|state| state.token(name)).await,
                ..Live::nothing()
            }),
        }
    }

    /// The host of a service that may be published for the first time.
    pub(super) fn service(&self, name: &ServiceName) -> Arc<Host> {
        self.host(name)
    }

    /// The names of all services that have revisions.
    pub(super) async fn names(&self) -> Vec<ServiceName> {
        self.shared
            .ledger
            .read(|state| {
                state
                    .services
                    .iter()
                    .filter(|(_, service)| !service.revisions.is_empty())
                    .map(|(name, _)| name.clone())
                    .collect()
            })
            .await
    }

    /// How it is.
    pub(super) async fn status(&self) -> SupervisorStatus {
        let hosts = self.hosts();
        let (port, services) = self
            .shared
            .ledger
            .read(|state| {
                let services = state
                    .services
                    .iter()
                    .map(|(name, service)| ServiceStatus {
                        service: name.clone(),
                        address: service.port.map(|port| format!("http://127.0.0.1:{port}")),
                        live: service.serving(),
                        running: hosts
                            .iter()
                            .find(|(hosted, _)| hosted == name)
                            .map_or(0, |(_, host)| {
                                u32::try_from(host.running()).unwrap_or(u32::MAX)
                            }),
                    })
                    .collect();
                (state.environment_port, services)
            })
            .await;
        SupervisorStatus {
            pid: std::process::id(),
            version: self.hello.version.clone(),
            started_at: self.started_at,
            address: port.map(|port| format!("http://localhost:{port}")),
            state: self.settings.state.clone(),
            resident_bytes: sockets::resident_bytes(),
            services,
        }
    }

    /// Removes the old log files of all services, and returns how many bytes that freed.
    pub(super) fn prune_logs(&self) -> Result<u64> {
        let mut bytes = 0;
        for (_, host) in self.hosts() {
            bytes += host.log().prune()?;
        }
        Ok(bytes)
    }

    /// Which revisions could be removed, of each service that has such.
    pub(super) async fn prunable(&self) -> Vec<Prunable> {
        let mut found = Vec::new();
        for (service, host) in self.hosts() {
            let revisions = host.unneeded().await;
            if !revisions.is_empty() {
                found.push(Prunable { service, revisions });
            }
        }
        found
    }
}

/// Begins a new minute whenever one is over.
async fn count_minutes(metrics: Arc<Metrics>) {
    let mut minutes = tokio::time::interval(MINUTE);
    // After a pause of the machine, minutes go on being a minute long.
    minutes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    minutes.tick().await;
    loop {
        minutes.tick().await;
        metrics.next_minute();
    }
}

/// The failure that a client hears from a supervisor that is about to end.
pub(super) fn unless_stopping(supervisor: &Supervisor, error: Error) -> Failure {
    if supervisor.is_stopping() {
        Failure::Stopping
    } else {
        error.into()
    }
}
