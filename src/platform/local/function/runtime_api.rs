//! The Lambda Runtime API, version 2018-06-01, for one process.
//!
//! Everything here is from Runtime API ("Using the Lambda runtime API for custom runtimes"): its sections
//! "Next invocation", "Invocation response", "Initialization error" and "Invocation error" give paths, headers
//! and status codes. The words of refusals are those of AWS's own Runtime Interface Emulator.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::shared::Shared;
use super::{Failure, InitFailure, PAYLOAD_LIMIT, failure};

const BASE: &str = "/2018-06-01/runtime/";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
const DEADLINE: &str = "lambda-runtime-deadline-ms";
const FUNCTION_ARN: &str = "lambda-runtime-invoked-function-arn";
const TRACE: &str = "lambda-runtime-trace-id";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// The largest body that a runtime may post: AWS takes 100 bytes more than the 6 MiB of its quota, and names
/// this number (6291556) in its messages.
const BODY_LIMIT: usize = PAYLOAD_LIMIT + 100;

/// The most that is read of a body that is too large, so that the runtime sees the refusal and no reset.
const DRAIN_LIMIT: usize = 256 * 1024 * 1024;

/// An event as a process gets it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) trace: String,
    /// Unix time.
    pub(super) deadline_milliseconds: i64,
}

/// Why a runtime's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not in this phase (403): from and to which state.
    State(&'static str, &'static str),
    /// Not the invocation that it works on (400).
    RequestId,
    /// The body is too large (413).
    TooLarge,
    /// The body ended too early (400).
    Truncated,
    /// The response is to be streamed, or in a mode that does not exist (400).
    ResponseMode,
    /// No such path (404).
    Path,
    /// Not from the process itself: a web page, or a request for another host (403).
    Foreign,
}

type Answer = Response<Full<Bytes>>;

/// Serves one process for ever; aborting the task closes its connections too.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    slot: usize,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others get a turn, then it is tried again.
            tokio::task::yield_now().await;
            continue;
        };
        // Without this, a small answer waits for the acknowledgement of the one before (Nagle): 44 ms a call.
        drop(stream.set_nodelay(true));
        let shared = Arc::clone(&shared);
        let epoch = shared.epoch(slot);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(handle(&shared, slot, epoch, address, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A runtime that is killed leaves a broken connection: nothing to tell anybody.
            drop(connection.await);
        });
    }
}

async fn handle(
    shared: &Arc<Shared>,
    slot: usize,
    epoch: u64,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Answer {
    let result = if is_foreign(request.headers(), address) {
        Err(Refusal::Foreign)
    } else {
        dispatch(shared, slot, epoch, request).await
    };
    result.unwrap_or_else(refuse)
}

/// A web page that a person looks at must not be able to take an event: browsers send `Origin` or
/// `Sec-Fetch-Site`, and a name that was rebound to 127.0.0.1 stands in `Host`. Runtimes send none of that.
fn is_foreign(headers: &HeaderMap, address: SocketAddr) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let known = host.is_none_or(|host| {
        host == address.to_string().as_bytes()
            || host == format!("localhost:{}", address.port()).as_bytes()
    });
    !known || headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

async fn dispatch(
    shared: &Arc<Shared>,
    slot: usize,
    epoch: u64,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(BASE).ok_or(Refusal::Path)?;
    let parts: Vec<&str> = path.split('/').collect();
    match (&head.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => Ok(next(shared, shared.next(slot, epoch).await?)),
        (&Method::POST, ["invocation", id, "response"]) => {
            if let Some(mode) = head.headers.get(RESPONSE_MODE) {
                drop(read(body).await);
                if mode == "streaming" {
                    let payload = failure::streaming_refused(id);
                    shared.answered(slot, epoch, id, payload, Some(Failure::Response))?;
                }
                return Err(Refusal::ResponseMode);
            }
            respond(shared, slot, epoch, id, read(body).await, None)
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let payload = read(body)
                .await
                .map(|body| error_payload(body, &head.headers));
            respond(shared, slot, epoch, id, payload, Some(Failure::Function))
        }
        (&Method::POST, ["init", "error"]) => {
            let report = read(body).await?;
            let kind = head
                .headers
                .get(ERROR_TYPE)
                .and_then(|kind| kind.to_str().ok());
            shared.init_failed(slot, epoch, InitFailure::parse(&report, kind))?;
            Ok(accepted())
        }
        _ => Err(Refusal::Path),
    }
}

/// Hands the invocation's outcome over, also when its body cannot be used.
fn respond(
    shared: &Shared,
    slot: usize,
    epoch: u64,
    request_id: &str,
    payload: Result<Bytes, Refusal>,
    failed: Option<Failure>,
) -> Result<Answer, Refusal> {
    match payload {
        Ok(payload) => {
            shared.answered(slot, epoch, request_id, payload, failed)?;
            Ok(accepted())
        }
        Err(Refusal::TooLarge) => {
            let payload = failure::response_too_large(BODY_LIMIT);
            shared.answered(slot, epoch, request_id, payload, Some(Failure::Response))?;
            Err(Refusal::TooLarge)
        }
        Err(refusal) => Err(refusal),
    }
}

/// The report of an error as it is, or, when it is empty, one made of the header that names its type.
fn error_payload(body: Bytes, headers: &HeaderMap) -> Bytes {
    if !body.is_empty() {
        return body;
    }
    let kind = headers.get(ERROR_TYPE).and_then(|kind| kind.to_str().ok());
    InitFailure::parse(b"{}", kind.or(Some("Runtime.Unknown"))).payload()
}

/// Reads a body of at most [`BODY_LIMIT`] bytes; of a larger one, so much that the other side can finish.
async fn read(mut body: Incoming) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::Truncated)?.into_data() else {
            continue;
        };
        size = size.saturating_add(data.len());
        if size <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        } else if size > DRAIN_LIMIT {
            break;
        }
    }
    if size > BODY_LIMIT {
        return Err(Refusal::TooLarge);
    }
    Ok(bytes.freeze())
}

fn next(shared: &Shared, event: Event) -> Answer {
    let settings = &shared.settings;
    let arn = format!(
        "arn:aws:lambda:local:000000000000:function:{}:{}",
        settings.function_name, settings.revision
    );
    let mut answer = Response::new(Full::new(event.payload));
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(DEADLINE, HeaderValue::from(event.deadline_milliseconds));
    for (name, value) in [
        (REQUEST_ID, event.request_id),
        (FUNCTION_ARN, arn),
        (TRACE, event.trace),
    ] {
        // A trace that a caller made up may hold bytes that no header can: it is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    answer
}

/// "202 – Accepted" with `StatusResponse`.
fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, &serde_json::json!({"status": "OK"}))
}

/// The `ErrorResponse` of a refusal.
fn refuse(refusal: Refusal) -> Answer {
    let (status, kind, message) = match refusal {
        Refusal::State(from, to) => (
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"),
        ),
        Refusal::RequestId => (
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "Invalid request ID".to_owned(),
        ),
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Exceeded maximum allowed payload size ({BODY_LIMIT} bytes)."),
        ),
        Refusal::Truncated => (
            StatusCode::BAD_REQUEST,
            "TruncatedHTTPRequest",
            "HTTP request detected as truncated".to_owned(),
        ),
        Refusal::ResponseMode => (
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            "Invalid function response mode: the local platform does not support response streaming"
                .to_owned(),
        ),
        Refusal::Path => (
            StatusCode::NOT_FOUND,
            "NotFound",
            "no such path in the Lambda Runtime API 2018-06-01".to_owned(),
        ),
        Refusal::Foreign => (
            StatusCode::FORBIDDEN,
            "Forbidden",
            "only the function's own process may call its Runtime API".to_owned(),
        ),
    };
    let body = serde_json::json!({"errorType": kind, "errorMessage": message});
    json(status, &body)
}

fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}
