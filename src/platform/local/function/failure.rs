//! Errors in the form that AWS Lambda gives them.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

/// Why a function could not be initialised, in its runtime's own words.
///
/// Runtime API, "Initialization error", body parameters: `errorMessage`, `errorType`, `stackTrace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitFailure {
    /// Such as `Runtime.ImportModuleError`.
    pub(crate) error_type: String,
    /// Such as `Unable to import module 'app': No module named 'app'`.
    pub(crate) error_message: String,
    /// Oldest frame first; empty when the runtime gave none.
    pub(crate) stack_trace: Vec<String>,
}

impl fmt::Display for InitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error_type.as_str(), self.error_message.as_str()) {
            ("", "") => f.write_str("the runtime gave no reason"),
            (kind, "") => f.write_str(kind),
            ("", message) => f.write_str(message),
            (kind, message) => write!(f, "{kind}: {message}"),
        }
    }
}

/// The body of an error report; every part is optional ("Lambda … will use" what is there).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    error_type: String,
    error_message: String,
    stack_trace: Vec<serde_json::Value>,
}

impl InitFailure {
    /// Reads a report; `header` is `Lambda-Runtime-Function-Error-Type`, used when the body has no type.
    pub(super) fn parse(body: &[u8], header: Option<&str>) -> Self {
        let report: Report = serde_json::from_slice(body).unwrap_or_else(|_| Report {
            error_message: String::from_utf8_lossy(body).trim().to_owned(),
            ..Report::default()
        });
        let error_type = match (report.error_type, header) {
            (kind, Some(header)) if kind.is_empty() => header.to_owned(),
            (kind, _) => kind,
        };
        let stack_trace = report
            .stack_trace
            .into_iter()
            .map(|frame| match frame {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            })
            .collect();
        Self {
            error_type,
            error_message: report.error_message,
            stack_trace,
        }
    }

    /// The process ended before it asked for its first event; `how` as for [`process_ended`].
    pub(super) fn ended(how: &str) -> Self {
        Self {
            error_type: "Runtime.ExitError".to_owned(),
            error_message: exit_words(how),
            stack_trace: Vec::new(),
        }
    }

    /// The payload that an invocation gets while the function does not start.
    pub(super) fn payload(&self) -> Bytes {
        serde_json::json!({
            "errorMessage": self.error_message,
            "errorType": self.error_type,
            "stackTrace": self.stack_trace,
        })
        .to_string()
        .into()
    }
}

/// An error payload that the platform itself writes. AWS's words, as its logs and answers show them:
/// `RequestId: <id> Error: <what>`.
fn payload(kind: &str, request_id: &str, what: &str) -> Bytes {
    serde_json::json!({
        "errorType": kind,
        "errorMessage": format!("RequestId: {request_id} Error: {what}"),
    })
    .to_string()
    .into()
}

/// Lambda Developer Guide, "Troubleshoot invocation issues in Lambda": `Task timed out after 3.00 seconds`.
pub(super) fn timed_out(request_id: &str, limit: Duration) -> Bytes {
    payload("Sandbox.Timedout", request_id, &timed_out_words(limit))
}

/// The words of a timeout alone, for the log.
pub(super) fn timed_out_words(limit: Duration) -> String {
    format!("Task timed out after {:.2} seconds", limit.as_secs_f64())
}

/// The process ended in the middle of an invocation. `how` is such as `exit status 1`, `signal: killed`, or
/// empty when it is not known: "Runtime exited without providing a reason".
pub(super) fn process_ended(request_id: &str, how: &str) -> Bytes {
    payload("Runtime.ExitError", request_id, &exit_words(how))
}

fn exit_words(how: &str) -> String {
    if how.is_empty() {
        "Runtime exited without providing a reason".to_owned()
    } else {
        format!("Runtime exited with error: {how}")
    }
}

/// The response was too large.
pub(super) fn response_too_large(limit: usize) -> Bytes {
    serde_json::json!({
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage":
            format!("Response payload size exceeded maximum allowed payload size ({limit} bytes)."),
    })
    .to_string()
    .into()
}

/// The function streams its response, which the local platform cannot do.
pub(super) fn streaming_refused(request_id: &str) -> Bytes {
    payload(
        "Runtime.InvalidResponseModeHeader",
        request_id,
        "the local platform does not support response streaming; return the whole response",
    )
}
