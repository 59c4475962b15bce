//! The smoke test: the version is called once, with the event of the service's file, before it may take traffic.
//!
//! Changes nothing at AWS; what the function does with the event is the function's business.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::version::does_not_start;
use super::work::Work;
use crate::clients::aws::{Called, Why};
use crate::domain::release::RevisionNumber;
use crate::platform::{Diagnosis, INIT_ERRORS, Result, THROWN};

/// Lines of the log that a diagnosis shows.
const SHOWN: usize = 10;
/// How often a call is sent again that AWS refused or that may not have arrived.
const TRIES: u32 = 4;

/// What a function returns when it failed (Lambda guide, "Lambda function errors").
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Failure {
    error_type: String,
    error_message: String,
}

/// Calls the version; an error when it fails. Does nothing where the service names no event.
pub(super) async fn test(work: &Work<'_>, revision: RevisionNumber) -> Result<()> {
    let Some(event) = &work.smoke else {
        return Ok(());
    };
    work.tell(format!("calling version {revision} with the smoke event"));
    let mut tries = 0;
    let answer = loop {
        let answer = work
            .invoker
            .invoke()
            .function_name(work.function)
            .qualifier(revision.to_string())
            .log_type(LogType::Tail)
            .payload(Blob::new(event.as_bytes()))
            .send()
            .await
            .called("lambda:InvokeFunction", work.function);
        match answer {
            Ok(answer) => break answer,
            // An event that is only a test may be sent twice.
            Err(error)
                if tries < TRIES
                    && (matches!(&*error.why, Why::Throttled | Why::InProgress)
                        || error.why.is_ambiguous()
                        || matches!(&*error.why, Why::Unreachable { .. })) =>
            {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(200) * tries).await;
            }
            Err(error) => return Err(work.failed(error)),
        }
    };
    if answer.function_error().is_none() {
        return Ok(());
    }
    let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
    let failure: Failure = serde_json::from_slice(payload).unwrap_or_default();
    // A function that prints what it was given prints secrets.
    let failure = Failure {
        error_message: work.spoken(&failure.error_message),
        ..failure
    };
    let log = tail(answer.log_result().unwrap_or_default());
    let log = log.iter().map(|line| work.spoken(line)).collect();
    Err(does_not_start(
        revision,
        diagnosis(work.function, revision, &failure, log),
    ))
}

fn diagnosis(
    function: &str,
    revision: RevisionNumber,
    failure: &Failure,
    log: Vec<String>,
) -> Diagnosis {
    let what = match (failure.error_type.as_str(), failure.error_message.as_str()) {
        ("", "") => "it gave no reason".to_owned(),
        ("", message) => message.to_owned(),
        (kind, "") => kind.to_owned(),
        (kind, message) if THROWN.contains(&kind) => {
            format!("{message} (thrown, and no Error: {kind})")
        }
        (kind, message) => format!("{kind}: {message}"),
    };
    let is_init = INIT_ERRORS.contains(&failure.error_type.as_str());
    Diagnosis {
        id: if is_init {
            "init-error"
        } else {
            "function-error"
        }
        .to_owned(),
        summary: format!("version {revision} failed on the smoke event: {what}"),
        cause: Some(what),
        evidence: log,
        hint: Some(format!(
            "correct it and deploy again; version {revision} of `{function}` stays without traffic"
        )),
    }
}

/// The last lines of the log, without those that Lambda itself writes around every call.
fn tail(log: &str) -> Vec<String> {
    let bytes = STANDARD.decode(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let own = [
        "START RequestId:",
        "END RequestId:",
        "REPORT RequestId:",
        "XRAY TraceId:",
    ];
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !own.iter().any(|own| line.starts_with(own)))
        .map(str::to_owned)
        .collect();
    lines
        .get(lines.len().saturating_sub(SHOWN)..)
        .unwrap_or_default()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_is_a_diagnosis_with_the_last_lines_of_its_log() {
        let log = STANDARD.encode(
            "START RequestId: 1 Version: 7\nconnecting\nTraceback\nKeyError: 'X'\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 1 ms\n",
        );
        let payload = br#"{"errorType": "KeyError", "errorMessage": "'X'", "stackTrace": []}"#;
        let failure: Failure = serde_json::from_slice(payload).unwrap();
        assert_eq!(
            diagnosis("receipts", RevisionNumber(7), &failure, tail(&log)),
            Diagnosis {
                id: "function-error".into(),
                summary: "version 7 failed on the smoke event: KeyError: 'X'".into(),
                cause: Some("KeyError: 'X'".into()),
                evidence: vec![
                    "connecting".into(),
                    "Traceback".into(),
                    "KeyError: 'X'".into()
                ],
                hint: Some(
                    "correct it and deploy again; version 7 of `receipts` stays without traffic"
                        .into()
                ),
            }
        );
    }

    #[test]
    fn a_code_that_does_not_load_is_an_init_error() {
        let payload = br#"{"errorType": "Runtime.ImportModuleError", "errorMessage": "no app"}"#;
        let failure: Failure = serde_json::from_slice(payload).unwrap();
        let diagnosis = diagnosis("receipts", RevisionNumber(7), &failure, tail(""));
        assert_eq!(
            (diagnosis.id.as_str(), diagnosis.evidence.len()),
            ("init-error", 0)
        );
    }
}
