//! Stand-in until the proxy branch is merged.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::sync::atomic::{AtomicUsize, Ordering};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
use super::function::FunctionPool;
pub(crate) struct Metrics;
impl Metrics { pub(crate) fn new() -> Self { Self } }
#[derive(Clone)]
pub(crate) enum Target { Http(SocketAddr), Function(Arc<FunctionPool>) }
pub(crate) struct Backend { pub(crate) revision: RevisionNumber, target: Mutex<Target>, available: tokio::sync::watch::Sender<bool>, open: tokio::sync::watch::Sender<usize> }
impl Backend {
    pub(crate) fn new(revision: RevisionNumber, target: Target) -> Arc<Self> { Arc::new(Self { revision, target: Mutex::new(target), available: tokio::sync::watch::Sender::new(true), open: tokio::sync::watch::Sender::new(0) }) }
    pub(crate) fn set_target(&self, target: Target) { *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target; }
    pub(crate) fn set_available(&self, yes: bool) { self.available.send_replace(yes); }
    pub(crate) async fn drained(&self) { drop(self.open.subscribe().wait_for(|n| *n == 0).await); }
}
pub(crate) struct Table { pub(crate) split: Split, pub(crate) backends: BTreeMap<RevisionNumber, Arc<Backend>>, pub(crate) rollout: Option<String> }
pub(crate) struct ServiceProxy { table: Mutex<Option<Arc<Table>>>, n: AtomicUsize }
impl ServiceProxy {
    pub(crate) fn new(_: ServiceName, _: Arc<Metrics>) -> Arc<Self> { Arc::new(Self { table: Mutex::default(), n: AtomicUsize::new(0) }) }
    pub(crate) fn set_table(&self, table: Option<Table>) { *self.table.lock().unwrap_or_else(PoisonError::into_inner) = table.map(Arc::new); }
    pub(crate) async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let mut stream = tokio::select! { Ok((s, _)) = listener.accept() => s, () = &mut stop => return };
            let this = Arc::clone(&self);
            tokio::spawn(async move {
                let n = u8::try_from(this.n.fetch_add(1, Ordering::Relaxed) % 100).unwrap_or(0);
                let backend = { let t = this.table.lock().unwrap_or_else(PoisonError::into_inner); t.as_ref().and_then(|t| t.backends.get(&t.split.rest.pick(n)?).cloned()) };
                let Some(backend) = backend else { return };
                backend.open.send_modify(|n| *n += 1);
                drop(backend.available.subscribe().wait_for(|a| *a).await);
                let target = backend.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Target::Http(address) = target && let Ok(mut up) = tokio::net::TcpStream::connect(address).await {
                    drop(tokio::io::copy_bidirectional(&mut stream, &mut up).await);
                }
                backend.open.send_modify(|n| *n -= 1);
            });
        }
    }
}
pub(crate) struct EnvironmentProxy;
impl EnvironmentProxy {
    pub(crate) fn new() -> Arc<Self> { Arc::new(Self) }
    pub(crate) fn add(&self, _: ServiceName, _: Arc<ServiceProxy>) {}
    pub(crate) async fn serve(self: Arc<Self>, _l: tokio::net::TcpListener, stop: impl Future<Output = ()>) { stop.await }
}
