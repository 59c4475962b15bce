//! HTTP for functions: the small part of API Gateway that stands between a request and a function.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::answer::{Problem, answer, problem};
use super::event::{Call, event};
use super::{FunctionPool, InvokeOptions, identifier};
use crate::clock::{Clock, SystemClock};
use crate::domain::service::Route;
use crate::platform::local::proxy::{self, Invoke, RequestContext};

/// API Gateway Developer Guide, "Quotas for configuring and running an HTTP API": "Payload size 10 MB".
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// The same page: "Maximum integration timeout 30 seconds". A function that takes longer goes on alone.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The proxy hands over what belongs to a revision of a function.
#[async_trait]
impl Invoke for FunctionPool {
    async fn handle(
        &self,
        request: Request<Incoming>,
        context: &RequestContext,
    ) -> Response<proxy::Body> {
        let caller = Caller {
            address: context.remote.ip(),
            route: context.route.as_ref(),
        };
        call(self, request, caller).await.map(proxy::Body::full)
    }
}

/// Who calls, as the proxy knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    /// The other end of the connection.
    pub(super) address: IpAddr,
    /// The route that the request matched; none for the rest.
    pub(super) route: Option<&'a Route>,
}

/// Calls the function with a request, and returns its answer or the gateway's own.
pub(super) async fn call<B>(
    pool: &FunctionPool,
    request: Request<B>,
    caller: Caller<'_>,
) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(reason) => return problem(reason),
    };
    let now = SystemClock::new().now();
    let trace = head
        .headers
        .get("x-amzn-trace-id")
        .and_then(|value| value.to_str().ok())
        .map_or_else(|| identifier::trace(now), str::to_owned);
    let request_id = identifier::request_id();
    let payload = event(&Call {
        head: &head,
        body: &body,
        route: caller.route,
        source_ip: caller.address,
        now,
        request_id: &request_id,
        trace: &trace,
    });
    let options = InvokeOptions {
        wait: INTEGRATION_TIMEOUT,
        trace: Some(trace),
        log_tail: false,
    };
    let invoked = pool.invoke(Bytes::from(payload.to_string()), options);
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await {
        Err(_) => problem(Problem::GatewayTimeout),
        Ok(Err(refused)) => problem(Problem::from(&refused)),
        Ok(Ok(result)) => match result.failure {
            Some(failure) => problem(Problem::from(failure)),
            None => answer(&result.payload).unwrap_or_else(|malformed| {
                tracing::warn!(request_id = result.request_id, %malformed);
                problem(Problem::Malformed)
            }),
        },
    }
}

/// The whole body, if it is not too large. A client that says how large it is need not send it first.
async fn read<B>(mut body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = u64::try_from(BODY_LIMIT).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(Problem::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Problem::Truncated)?.into_data() {
            if bytes.len() + data.len() > BODY_LIMIT {
                return Err(Problem::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}
