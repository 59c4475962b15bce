//! Connections, and the way of a call: recorded, tampered with, answered.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock;
use crate::control;
use crate::dispatch::{self, Operation};
use crate::failure::Failure;
use crate::faults::{Plan, Subject};
use crate::invoke::{self, Pool};
use crate::record::Call;
use crate::request::{Reply, Request};
use crate::socket::Socket;
use crate::world::{Held, Identity, Release, World};

/// What all connections share.
pub(crate) struct Shared {
    world: Mutex<World>,
    /// Something about held calls has changed.
    pub(crate) changed: Notify,
    /// Functions that wait for their next event.
    pub(crate) pool: Mutex<Pool>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the world")
    }
}

/// Serves until standard input is closed.
pub(crate) async fn run(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is free");
    let address = listener.local_addr().expect("an address");
    println!("listening http://{address}");
    let shared = Arc::new(Shared {
        world: Mutex::new(World::new()),
        changed: Notify::new(),
        pool: Mutex::default(),
    });
    let mut input = tokio::io::stdin();
    let mut scrap = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                stream.set_nodelay(true).ok();
                tokio::spawn(connection(stream, shared.clone()));
            }
            read = input.read(&mut scrap) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
        }
    }
}

async fn connection(stream: tokio::net::TcpStream, shared: Arc<Shared>) {
    let (socket, reset) = Socket::new(stream);
    let service = service_fn(move |request| answer(request, shared.clone(), reset.clone()));
    // What the client did not wait for is no error here.
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), service)
        .await
        .ok();
}

/// Set when the client hangs up: hyper then drops the future that makes the answer.
struct Presence(Arc<AtomicBool>, Arc<Shared>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.changed.notify_waiters();
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
) -> Result<hyper::Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // Before anything is made of it: what a large request takes here is no time of the client's.
    let arrived = clock::now();
    let request = Request::new(&parts, body);
    if request.path.first().is_some_and(|part| part == "_control") {
        return Ok(response(control::answer(&request, &shared).await));
    }
    if request.path.first().is_some_and(|part| part == "_code") {
        return Ok(response(invoke::download(&request, &mut shared.world())));
    }
    let gone = Arc::new(AtomicBool::new(false));
    let presence = Presence(gone.clone(), shared.clone());
    // On its own, so that a call that has begun is carried out although its client dies.
    let outcome = tokio::spawn(call(request, arrived, shared, gone))
        .await
        .map_err(io::Error::other)?;
    drop(presence);
    outcome.map(response).ok_or_else(|| {
        reset.store(true, Ordering::SeqCst);
        io::Error::from(io::ErrorKind::ConnectionReset)
    })
}

fn response(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(reply.body)).expect("a response")
}

/// A call under way.
struct Under {
    sequence: u64,
    service: String,
    operation: Operation,
    identity: Identity,
    request_id: String,
    plan: Plan,
    latency: u64,
}

/// None: no answer, the connection is reset.
async fn call(
    request: Request,
    arrived: u64,
    shared: Arc<Shared>,
    gone: Arc<AtomicBool>,
) -> Option<Reply> {
    let mut under = begin(&request, arrived, &shared);
    if under.latency > 0 {
        tokio::time::sleep(Duration::from_millis(under.latency)).await;
    }
    if under.plan.hold_before {
        match hold(&under, "before", &shared, &gone).await {
            Release::Continue if gone.load(Ordering::SeqCst) => return lost(&under, &shared),
            Release::Drop => return lost(&under, &shared),
            Release::Continue | Release::Apply => {}
        }
    }
    if under.plan.reset_before {
        return lost(&under, &shared);
    }
    for change in std::mem::take(&mut under.plan.changes) {
        control::change(&mut shared.world(), &change).expect("a change that can be made");
    }
    let result = match admission(&request, &under, &shared) {
        Err(failure) => Err(failure),
        Ok(()) => {
            if let Some(call) = shared.world().record.find(under.sequence) {
                call.applied = true;
            }
            dispatch::handle(
                &request,
                &under.operation,
                &under.identity,
                &under.request_id,
                &shared,
            )
            .await
        }
    };
    let result = match under.plan.answer_after.take() {
        Some(failure) => Err(failure),
        None => result,
    };
    if under.plan.hold_after && hold(&under, "after", &shared, &gone).await == Release::Drop {
        return lost(&under, &shared);
    }
    if under.plan.reset_after {
        return lost(&under, &shared);
    }
    let code = result.as_ref().err().map(|failure| failure.code.clone());
    let reply = result.unwrap_or_else(|failure| failure.reply(&request, &under.request_id));
    let reply = reply
        .with("x-amzn-RequestId", under.request_id.clone())
        .with("x-amz-request-id", under.request_id.clone());
    finish(&under, &shared, Some(reply.status), code);
    Some(reply)
}

fn begin(request: &Request, arrived: u64, shared: &Shared) -> Under {
    let mut world = shared.world();
    let world = &mut *world;
    let operation = dispatch::operation(request);
    let identity = world.identity(&request.access_key);
    let sequence = world.record.next();
    let request_id = world.random.uuid();
    let subject = Subject {
        service: &request.service,
        operation: operation.name,
        function: operation
            .parameters
            .get("FunctionName")
            .and_then(|name| name.as_str()),
        writes: operation.writes,
    };
    let plan = world.faults.plan(&subject, &world.settings.faults);
    let name = format!("{}.{}", request.service, operation.name);
    let latency = world.settings.latency_of.get(&name).copied();
    let latency = latency.unwrap_or(world.settings.latency_ms);
    world.record.calls.push(Call {
        sequence,
        service: request.service.clone(),
        operation: operation.name.to_owned(),
        account: identity.account.clone(),
        region: request.region.clone(),
        access_key: request.access_key.clone(),
        parameters: operation.parameters.clone(),
        status: None,
        error: None,
        fault: plan.name.clone(),
        applied: false,
        began: arrived,
        ended: None,
        request_id: request_id.clone(),
        request: request.raw(),
    });
    Under {
        sequence,
        service: request.service.clone(),
        operation,
        identity,
        request_id,
        plan,
        latency,
    }
}

/// All that refuses a call before a service looks at it.
fn admission(request: &Request, under: &Under, shared: &Shared) -> Result<(), Failure> {
    if let Some(failure) = &under.plan.answer {
        return Err(failure.clone());
    }
    let mut world = shared.world();
    let world = &mut *world;
    let (service, operation) = (request.service.as_str(), under.operation.name);
    if under.identity.expired {
        return Err(Failure::expired(service));
    }
    let denied = |rule: &String| {
        *rule == format!("{service}:{operation}") || *rule == format!("{service}:*")
    };
    if world.settings.denied.iter().any(denied) {
        return Err(Failure::denied(service, operation, &under.identity.arn));
    }
    let admitted = service != "lambda"
        || !world.settings.quotas
        || world.quotas.admits(
            &under.identity.account,
            &request.region,
            operation,
            clock::now(),
        );
    if !admitted {
        return Err(Failure::throttled(
            service,
            world.settings.quota_retry_after,
        ));
    }
    Ok(())
}

/// Waits until the control API lets it go on.
async fn hold(under: &Under, point: &'static str, shared: &Shared, gone: &AtomicBool) -> Release {
    shared.world().held.push(Held {
        sequence: under.sequence,
        service: under.service.clone(),
        operation: under.operation.name.to_owned(),
        point,
        released: None,
        gone: false,
    });
    shared.changed.notify_waiters();
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let mut world = shared.world();
            let position = world
                .held
                .iter()
                .position(|held| held.sequence == under.sequence && held.point == point);
            // A reset of the control API forgets held calls: they are dropped.
            let Some(position) = position else {
                return Release::Drop;
            };
            if gone.load(Ordering::SeqCst) && !world.held[position].gone {
                world.held[position].gone = true;
                // Whoever waits for this may have looked just before.
                shared.changed.notify_waiters();
            }
            if let Some(release) = world.held[position].released {
                world.held.remove(position);
                return release;
            }
        }
        changed.await;
    }
}

fn lost(under: &Under, shared: &Shared) -> Option<Reply> {
    finish(under, shared, None, None);
    None
}

fn finish(under: &Under, shared: &Shared, status: Option<u16>, code: Option<String>) {
    if let Some(call) = shared.world().record.find(under.sequence) {
        call.status = status;
        call.error = code;
        call.ended = Some(clock::now());
    }
}
