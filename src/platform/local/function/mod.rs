//! Functions: the AWS Lambda Runtime API for processes that the supervisor starts, and HTTP requests as API
//! Gateway events.
//!
//! One [`FunctionPool`] serves one revision. Each of its slots is one process with a Runtime API of its own
//! on the loopback interface, and a process has one invocation at a time, as on AWS. This module starts and
//! kills nothing (it asks through [`ProcessControl`]), picks no revision and writes no file.
//!
//! Where AWS's documentation decides a rule, the comment beside the rule names the page and its section:
//! *Runtime API* is "Using the Lambda runtime API for custom runtimes" (AWS Lambda Developer Guide), *HTTP API*
//! is "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway" (API Gateway Developer Guide).

mod answer;
mod event;
mod failure;
mod gateway;
mod identifier;
mod pool;
mod runtime_api;
mod shared;
mod slot;
mod start;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;

pub(crate) use failure::InitFailure;
pub(crate) use pool::FunctionPool;
pub(crate) use start::start_command;

/// The largest event and the largest response: 6 MiB, AWS Lambda quotas, "Invocation payload (request and
/// response): 6 MB each for request and response (synchronous)".
pub(crate) const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// What the pool asks of whoever runs the processes.
pub(crate) trait ProcessControl: Send + Sync {
    /// Kills the process of a slot and starts it again. Returns at once; [`FunctionPool::process_ended`]
    /// follows when the process is gone.
    fn restart(&self, slot: usize, why: &str);
}

/// What a pool must know about its function.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The service, for messages.
    pub(crate) service: ServiceName,
    /// The revision that the processes run.
    pub(crate) revision: RevisionNumber,
    /// As AWS writes it, such as `app.handler`.
    pub(crate) handler: String,
    /// How long one invocation may take.
    pub(crate) timeout: Duration,
    /// MiB; told to the process, not enforced.
    pub(crate) memory_mb: u32,
    /// How many slots; at least one is made.
    pub(crate) concurrency: usize,
    /// The function's name at AWS.
    pub(crate) function_name: String,
}

/// One process of the pool, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Where its Runtime API listens (`AWS_LAMBDA_RUNTIME_API`).
    pub(crate) runtime_api: SocketAddr,
}

/// How one invocation is to be made.
#[derive(Debug, Clone)]
pub(crate) struct InvokeOptions {
    /// How long it may wait for a free process.
    pub(crate) wait: Duration,
    /// An X-Ray header to go on with; none = a new one.
    pub(crate) trace: Option<String>,
    /// Collect what the process writes meanwhile; costs the caller some milliseconds after the answer.
    pub(crate) log_tail: bool,
}

impl Default for InvokeOptions {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            trace: None,
            log_tail: false,
        }
    }
}

/// What an invocation gave: the function's answer, or its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What the function returned, or the JSON of the error (`errorMessage`, `errorType`, …).
    pub(crate) payload: Bytes,
    /// None when it succeeded.
    pub(crate) failure: Option<Failure>,
    /// The request id (UUID).
    pub(crate) request_id: String,
    /// From handing over the event to the answer.
    pub(crate) duration: Duration,
    /// The last 4 KiB that the process wrote meanwhile, when it was asked for.
    pub(crate) log_tail: Vec<String>,
}

/// How an invocation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The function raised an error, its process ended, or it did not start.
    Function,
    /// The time limit was over; the process is started again.
    Timeout,
    /// The response was larger than [`PAYLOAD_LIMIT`], or of a kind that is not supported.
    Response,
}

impl Failure {
    /// The value of `X-Amz-Function-Error`: AWS Lambda API reference, Invoke, "Response Elements", which today
    /// is `Unhandled` for every error that a runtime reports.
    #[expect(clippy::unused_self, reason = "the header has one value today")]
    pub(crate) fn as_aws(self) -> &'static str {
        "Unhandled"
    }
}

/// Why an event was not handed to a process at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The event is too large.
    #[error("the event has {size} bytes, and Lambda takes at most {PAYLOAD_LIMIT}")]
    TooLarge {
        /// Its bytes.
        size: usize,
    },
    /// No process was free in time: on AWS, `TooManyRequestsException`.
    #[error("no process was free within {} s", .0.as_secs_f32())]
    Busy(Duration),
    /// The pool has been stopped.
    #[error("the function is being stopped")]
    Stopped,
}

/// What [`FunctionPool::invoke`] returns.
pub(crate) type InvokeResult = Result<Answer, Refused>;
