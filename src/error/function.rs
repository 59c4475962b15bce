//! The words for errors that a function itself made.

use serde::Deserialize;

use super::{Error, Kind};
use crate::domain::name::ServiceName;
use crate::platform::{INIT_ERRORS, Invocation, THROWN};

/// What Lambda runtimes say about an error; every part can be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    error_type: String,
    error_message: String,
    stack_trace: Vec<serde_json::Value>,
    /// The same in Node.js, where it begins with the error itself.
    trace: Vec<String>,
}

impl Report {
    /// The lines of its message and its stack trace.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.error_message.lines().map(str::to_owned).collect();
        let is_frame = |line: &&String| line.trim_start().starts_with("at ");
        let frames = self.trace.iter().skip_while(|line| !is_frame(line));
        lines.extend(frames.map(|line| line.trim_end().to_owned()));
        for frame in &self.stack_trace {
            let text = match frame {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            lines.extend(text.trim_end().lines().map(str::to_owned));
        }
        lines
    }
}

/// What the function itself wrote. A runtime writes the error that it reports into the log as well: `[ERROR] ValueError:
/// no such receipt`, and the stack trace below it.
pub(crate) fn own_lines(invocation: &Invocation) -> Vec<&str> {
    let report: Report = match &invocation.error {
        Some(_) => serde_json::from_str(&invocation.payload).unwrap_or_default(),
        None => Report::default(),
    };
    let (kind, lines) = (report.error_type.as_str(), report.lines());
    // Runtimes indent with blanks that are none of ASCII's.
    let told: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
        .chain(["Traceback (most recent call last):"])
        .collect();
    let message = report.error_message.lines().next().unwrap_or_default();
    let is_head = |line: &str| {
        !kind.is_empty() && !message.is_empty() && line.contains(kind) && line.contains(message)
    };
    let mut is_below = false;
    let mut own = Vec::new();
    for line in &invocation.log_tail {
        is_below = is_head(line) || (is_below && told.contains(&line.trim()));
        if !is_below {
            own.push(line.as_str());
        }
    }
    own
}

impl Error {
    /// The error of a function that was called and failed: its message and its stack trace are the details.
    pub(crate) fn of_function(service: &ServiceName, invocation: &Invocation) -> Self {
        let report: Report = serde_json::from_str(&invocation.payload).unwrap_or_default();
        let kind = report.error_type.as_str();
        let what = match kind {
            "" => "it failed".to_owned(),
            "Sandbox.Timedout" => "its time limit was over".to_owned(),
            "Runtime.ExitError" => "its process ended".to_owned(),
            "Function.ResponseSizeTooLarge" => "its response is too large".to_owned(),
            "Runtime.InvalidResponseModeHeader" => "it streams its response".to_owned(),
            kind if INIT_ERRORS.contains(&kind) => {
                format!("it could not be initialised ({kind})")
            }
            "Runtime.MarshalError" => {
                format!("what it returned cannot be written as JSON ({kind})")
            }
            "Runtime.UnmarshalError" => format!("its event cannot be read as JSON ({kind})"),
            "Runtime.UnhandledPromiseRejection" => {
                format!("a promise was rejected that nothing waited for ({kind})")
            }
            kind if THROWN.contains(&kind) => format!("it threw what is no Error ({kind})"),
            kind => format!("it failed with {kind}"),
        };
        let mut error = Self::new(
            Kind::Failed,
            "function-error",
            format!("cannot invoke `{service}`: {what} ({})", invocation.ran()),
        );
        if report.error_message.is_empty() && kind.is_empty() {
            error.details.push(invocation.payload.clone());
        }
        error.details.extend(report.lines());
        let only = invocation
            .revision
            .map_or_else(String::new, |revision| format!(" --revision {revision}"));
        error.hint(format!("read its log: `squad logs {service}{only}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::release::RevisionNumber;

    #[test]
    fn what_the_runtime_writes_of_an_error_that_is_told_anyway_is_not_the_functions_own() {
        let invocation = |payload: &str, log: &[&str]| Invocation {
            revision: Some(RevisionNumber(3)),
            payload: payload.into(),
            error: Some("Unhandled".into()),
            duration_milliseconds: 1,
            request_id: "x".into(),
            log_tail: log.iter().map(|line| (*line).to_owned()).collect(),
        };
        let python = r#"{"errorMessage":"no such receipt","errorType":"ValueError","stackTrace":["  File \"/var/task/app.py\", line 3, in handler\n    raise ValueError(\"no such receipt\")\n"]}"#;
        let log = [
            "about to fail",
            "ERROR no such receipt",
            "[ERROR] ValueError: no such receipt",
            "Traceback (most recent call last):",
            "\u{a0}\u{a0}File \"/var/task/app.py\", line 3, in handler",
            "\u{a0}\u{a0}\u{a0}\u{a0}raise ValueError(\"no such receipt\")",
            "closed",
        ];
        let wanted = ["about to fail", "ERROR no such receipt", "closed"];
        assert_eq!(own_lines(&invocation(python, &log)), wanted);
        // An error that is told by nobody else stays.
        assert_eq!(own_lines(&invocation("oh no", &log)), log);
        let node = r#"{"errorType":"Error","errorMessage":"no such receipt","trace":["Error: no such receipt","    at handler"]}"#;
        let line = r#"ERROR Invoke Error {"errorType":"Error","errorMessage":"no such receipt"}"#;
        assert_eq!(own_lines(&invocation(node, &["hello", line])), ["hello"]);
    }

    #[test]
    fn what_went_wrong_comes_from_the_report() {
        for (payload, wanted) in [
            (
                r#"{"errorMessage":"no such receipt","errorType":"ValueError","stackTrace":["  File \"app.py\", line 3, in handler\n    raise ValueError\n"]}"#,
                "it failed with ValueError | no such receipt |   File \"app.py\", line 3, in handler |     raise ValueError",
            ),
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: x Error: Task timed out after 3.00 seconds"}"#,
                "its time limit was over | RequestId: x Error: Task timed out after 3.00 seconds",
            ),
            (
                r#"{"errorType":"Runtime.ImportModuleError","errorMessage":"Unable to import module 'app'"}"#,
                "it could not be initialised (Runtime.ImportModuleError) | Unable to import module 'app'",
            ),
            (
                r#"{"errorType":"Runtime.MarshalError","errorMessage":"Unable to marshal response"}"#,
                "what it returned cannot be written as JSON (Runtime.MarshalError) | Unable to marshal response",
            ),
            (
                r#"{"errorType":"Runtime.OfTheFuture","errorMessage":"no"}"#,
                "it failed with Runtime.OfTheFuture | no",
            ),
            // Lambda guide, "AWS Lambda function errors in Node.js": the trace begins with the error itself.
            (
                r#"{"errorType":"ReferenceError","errorMessage":"x is not defined","trace":["ReferenceError: x is not defined","    at Runtime.exports.handler (/var/task/index.js:2:3)"]}"#,
                "it failed with ReferenceError | x is not defined |     at Runtime.exports.handler (/var/task/index.js:2:3)",
            ),
            (
                r#"{"errorType":"Error","errorMessage":"one\ntwo","trace":["Error: one","two","    at handler"]}"#,
                "it failed with Error | one | two |     at handler",
            ),
            (
                r#"{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: boom","trace":["Runtime.UnhandledPromiseRejection: Error: boom","    at process.emit"]}"#,
                "a promise was rejected that nothing waited for (Runtime.UnhandledPromiseRejection) | Error: boom |     at process.emit",
            ),
            (
                r#"{"errorType":"string","errorMessage":"boom","trace":[]}"#,
                "it threw what is no Error (string) | boom",
            ),
            (
                r#"{"errorType":"handled","errorMessage":"there was a problem"}"#,
                "it threw what is no Error (handled) | there was a problem",
            ),
            (
                r#"{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: Unexpected token","trace":["Runtime.UserCodeSyntaxError: SyntaxError: Unexpected token"]}"#,
                "it could not be initialised (Runtime.UserCodeSyntaxError) | SyntaxError: Unexpected token",
            ),
            ("oh no", "it failed | oh no"),
        ] {
            let invocation = Invocation {
                revision: Some(RevisionNumber(3)),
                payload: payload.into(),
                error: Some("Unhandled".into()),
                duration_milliseconds: 1,
                request_id: "x".into(),
                log_tail: Vec::new(),
            };
            let service = ServiceName::new("receipts").unwrap();
            let error = Error::of_function(&service, &invocation);
            let what = error
                .message
                .strip_prefix("cannot invoke `receipts`: ")
                .and_then(|rest| rest.strip_suffix(" (revision 3)"))
                .unwrap();
            let mut parts = vec![what.to_owned()];
            parts.extend(error.details);
            assert_eq!(parts.join(" | "), wanted);
            assert_eq!(
                error.hints,
                ["read its log: `squad logs receipts --revision 3`"]
            );
        }
    }
}
