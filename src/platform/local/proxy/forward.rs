//! One request: picked, handed over, counted.
//!
//! A request is sent a second time only when the first process provably did not take it: the connection was an old
//! one, and either the request never left, or repeating it is harmless (RFC 9110 §9.2.2) and it has no body.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, EXPECT, HOST, HeaderValue, TE, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Empty};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::backend::{Connection, InFlight};
use super::enter::{Entered, Waiting};
use super::problem::problem;
use super::table::Pick;
use super::upload::{Progress, Upload};
use super::{Backend, Body, RequestContext, ServiceProxy, Target, headers};
use crate::platform::local::metrics::{End, Series};

/// A process that died is known to be dead after so long at most: its watcher tells in milliseconds.
const TOLD: Duration = Duration::from_secs(1);
/// How often a process that refuses connections is tried meanwhile.
const AGAIN: Duration = Duration::from_millis(20);

/// The client's body, or none.
type RequestBody = Either<Empty<Bytes>, Upload>;

/// Told how the body of an answer ends: counts, and keeps the connection.
pub(crate) struct Finish {
    counted: bool,
    end: End,
    latency: Duration,
    slow: Option<Duration>,
    series: Arc<Series>,
    upload: Arc<Progress>,
    connection: Option<(Arc<Backend>, SocketAddr, Connection)>,
    under_way: Option<InFlight>,
}

impl Finish {
    /// The whole body came.
    pub(super) fn whole(&mut self) {
        self.count(self.end);
        // A process that answers before it has read the request may never read the rest: who came next on this
        // connection would wait for it.
        if let Some((backend, address, connection)) = self.connection.take()
            && self.upload.has_ended()
        {
            backend.keep(address, connection);
        }
        self.under_way = None;
    }

    /// The revision broke off.
    pub(super) fn broken(&mut self) {
        self.count(End::Failed);
    }

    fn count(&mut self, end: End) {
        if !self.counted {
            self.counted = true;
            self.series.record(end, self.latency, self.slow);
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        // Dropped before its end: the client went away.
        self.count(End::ClientClosed);
    }
}

/// Why a process gave no answer.
enum Failure {
    /// Nothing listens there.
    Connect(std::io::Error),
    /// It broke off before the head of its answer.
    Broken(hyper::Error),
    /// It neither reads nor answers.
    Silent,
}

impl ServiceProxy {
    /// Answers one request.
    pub(crate) async fn handle(
        &self,
        request: Request<Incoming>,
        remote: SocketAddr,
    ) -> Response<Body> {
        let service = self.service();
        if request.method() == Method::CONNECT {
            let detail = "CONNECT is not for a service: it asks for a tunnel to somewhere else";
            return problem(StatusCode::NOT_IMPLEMENTED, detail, Some(service), None);
        }
        let mut waiting = Waiting::new(Instant::now());
        let entered = self
            .enter_available(
                request.method().as_str(),
                request.uri().path(),
                request.headers(),
                &mut waiting,
            )
            .await;
        let (entered, available) = match entered {
            Ok(entered) => entered,
            Err(why) => return self.nowhere(why),
        };
        let Entered {
            table,
            pick,
            under_way,
        } = entered;
        let slow = table.slow;
        if !available {
            waiting.ends(End::Failed, None);
            let detail = format!("revision {} of `{service}` is being started", pick.revision);
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let answer = problem(status, &detail, Some(service), Some(pick.revision));
            return marked(answer, &pick);
        }
        pick.series.handed(self.metrics.monotonic());
        let response = match pick.backend.target() {
            Target::Function(function) => {
                let context = RequestContext {
                    route: pick.route.clone(),
                    remote,
                };
                let response = function.handle(request, &context).await;
                waiting.ends(End::Answered(response.status().as_u16()), slow);
                response
            }
            Target::Http(address) => {
                let patience = self.limits.patience;
                let (request, upload) = with_progress(request);
                let sent = tokio::select! {
                    biased;
                    sent = send(&pick.backend, address, request, remote, under_way, patience) => sent,
                    () = upload.silent(self.limits.answer) => Err(Failure::Silent),
                };
                match sent {
                    Ok(answer) => {
                        let latency = waiting.elapsed();
                        waiting.handed_on();
                        answer.into_response(&pick, address, upload, latency, slow)
                    }
                    Err(failure) => self.failed(failure, &pick, &mut waiting),
                }
            }
        };
        marked(response, &pick)
    }

    /// The answer where the process gave none, counted.
    fn failed(&self, failure: Failure, pick: &Pick, waiting: &mut Waiting) -> Response<Body> {
        let service = self.service();
        let revision = format!("revision {} of `{service}`", pick.revision);
        let (status, detail) = match failure {
            Failure::Broken(error) if error.is_user() => {
                // The client's own body broke off: nobody reads this answer.
                waiting.ends(End::ClientClosed, None);
                let detail = "the request broke off";
                return problem(StatusCode::BAD_REQUEST, detail, Some(service), None);
            }
            Failure::Connect(error) => (
                StatusCode::BAD_GATEWAY,
                format!("{revision} does not accept connections: {error}"),
            ),
            Failure::Broken(_) => (
                StatusCode::BAD_GATEWAY,
                format!("{revision} broke off before it answered"),
            ),
            Failure::Silent => (
                StatusCode::GATEWAY_TIMEOUT,
                format!(
                    "{revision} gave no answer for {} s",
                    self.limits.answer.as_secs_f32()
                ),
            ),
        };
        waiting.ends(End::Failed, None);
        problem(status, &detail, Some(service), Some(pick.revision))
    }
}

/// A request whose body tells how far it is.
fn with_progress(request: Request<Incoming>) -> (Request<Upload>, Arc<Progress>) {
    let (parts, incoming) = request.into_parts();
    let (upload, progress) = Upload::new(incoming);
    (Request::from_parts(parts, upload), progress)
}

/// Says which revision answered.
fn marked(mut response: Response<Body>, pick: &Pick) -> Response<Body> {
    response
        .headers_mut()
        .insert(headers::REVISION, HeaderValue::from(pick.revision.0));
    response
}

/// The head of an answer, and what is needed to go on.
struct Answer {
    response: Response<Incoming>,
    connection: Connection,
    under_way: InFlight,
    client: Option<OnUpgrade>,
}

impl Answer {
    fn into_response(
        self,
        pick: &Pick,
        address: SocketAddr,
        upload: Arc<Progress>,
        latency: Duration,
        slow: Option<Duration>,
    ) -> Response<Body> {
        let Self {
            mut response,
            connection,
            under_way,
            client,
        } = self;
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS
            && let Some(client) = client
        {
            let protocol = response.headers().get(UPGRADE).cloned();
            let upstream = hyper::upgrade::on(&mut response);
            drop(tokio::spawn(tunnel(client, upstream, under_way)));
            pick.series.record(End::Answered(101), latency, slow);
            let mut response = response.map(|_| Body::full(Bytes::new()));
            headers::remove_hop_by_hop(response.headers_mut());
            if let Some(protocol) = protocol {
                response.headers_mut().insert(UPGRADE, protocol);
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("upgrade"));
            }
            return response;
        }
        let mut finish = Finish {
            counted: false,
            end: End::Answered(status.as_u16()),
            latency,
            slow,
            series: Arc::clone(&pick.series),
            upload,
            connection: Some((Arc::clone(&pick.backend), address, connection)),
            under_way: Some(under_way),
        };
        // A process that says it closes is believed: its connection is not used again.
        let closes = response
            .headers()
            .get(CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        if closes {
            finish.connection = None;
        }
        headers::remove_hop_by_hop(response.headers_mut());
        if response.body().is_end_stream() {
            finish.whole();
            return response.map(|_| Body::full(Bytes::new()));
        }
        response.map(|incoming| Body::Stream { incoming, finish })
    }
}

/// After a switch of protocols: bytes both ways until one side ends.
async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, under_way: InFlight) {
    let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
        return;
    };
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await);
    drop(under_way);
}

/// Sends a request to a process and returns the head of its answer.
async fn send(
    backend: &Arc<Backend>,
    address: SocketAddr,
    mut request: Request<Upload>,
    remote: SocketAddr,
    under_way: InFlight,
    patience: Duration,
) -> Result<Answer, Failure> {
    let protocol = headers::upgrade(request.headers());
    let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
    prepare(&mut request, remote, protocol);
    let mut outgoing: Request<RequestBody> = request.map(Either::Right);
    if let Some(mut connection) = backend.idle(address).await {
        let copy = copy_of(&outgoing);
        match connection.try_send_request(outgoing).await {
            Ok(response) => {
                return Ok(Answer {
                    response,
                    connection,
                    under_way,
                    client,
                });
            }
            Err(mut error) => match (error.take_message(), copy) {
                (Some(unsent), _) => outgoing = unsent,
                (None, Some(copy)) => outgoing = copy,
                (None, None) => return Err(Failure::Broken(error.into_error())),
            },
        }
    }
    let mut connection = connect(backend, address, patience)
        .await
        .map_err(Failure::Connect)?;
    match connection.send_request(outgoing).await {
        Ok(response) => Ok(Answer {
            response,
            connection,
            under_way,
            client,
        }),
        Err(error) => Err(Failure::Broken(error)),
    }
}

/// A new connection to the process. One that refuses it may have died this moment, before its watcher could tell:
/// nothing was sent yet, so the request waits for the next process for as long as `patience`, as all that come a moment
/// later do.
async fn connect(
    backend: &Backend,
    mut address: SocketAddr,
    patience: Duration,
) -> std::io::Result<Connection> {
    let mut told = Instant::now() + TOLD;
    loop {
        match Backend::connect(address).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::ConnectionRefused
                    && Instant::now() < told =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            other => return other,
        }
        if !backend.is_available() && backend.wait(Instant::now() + patience).await {
            told = Instant::now() + TOLD;
        }
        if let Target::Http(present) = backend.target() {
            address = present;
        }
    }
}

/// The request as the process gets it.
fn prepare(request: &mut Request<Upload>, remote: SocketAddr, protocol: Option<HeaderValue>) {
    let authority = request.uri().authority().map(ToString::to_string);
    // RFC 9112 §3.2: a client that names no host in the target sends it as a process wants it.
    if authority.is_some() {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        if let Ok(uri) = path.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    let is_http2 = request.version() == Version::HTTP_2;
    *request.version_mut() = Version::HTTP_11;
    let map = request.headers_mut();
    headers::remove_hop_by_hop(map);
    // The proxy answers `100 Continue` itself, as soon as the body is wanted.
    map.remove(EXPECT);
    if !map.contains_key(HOST)
        && let Some(host) = authority.and_then(|host| HeaderValue::from_str(&host).ok())
    {
        map.insert(HOST, host);
    }
    if is_http2 && map.get_all(COOKIE).iter().nth(1).is_some() {
        // RFC 9113 §8.2.3: crumbs are put together again for HTTP/1.1.
        let crumbs: Vec<_> = map
            .get_all(COOKIE)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            map.insert(COOKIE, cookie);
        }
    }
    headers::add_forwarded(map, remote);
    if map.contains_key(TE) {
        // RFC 9110 §10.1.4: whoever sends `TE` names it in `Connection`.
        map.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = protocol {
        map.insert(UPGRADE, protocol);
        map.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// A copy of a request that can be sent again without harm; none where that could do something twice.
fn copy_of(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let harmless = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    );
    if !harmless || !request.body().is_end_stream() || request.headers().contains_key(UPGRADE) {
        return None;
    }
    let mut copy = Request::new(Either::Left(Empty::new()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
