//! One call of a function, as its callers would make it.
//!
//! One attempt: to run a function twice is not the same as to run it once.

use std::time::Duration;

use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Lambda;
use super::alias::number;
use crate::clients::aws::{Called, Why};
use crate::clock::{Clock, SystemClock};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Invocation, Result};

/// The longest that any function may take.
const LONGEST: Duration = Duration::from_mins(15);

impl Lambda {
    pub(super) async fn call(
        &self,
        service: &ServiceName,
        revision: Option<RevisionNumber>,
        payload: &str,
    ) -> Result<Invocation> {
        self.session().guard().await?;
        self.locate(service).await;
        self.ensure_located(service).await?;
        let target = self.target(service);
        let qualifier = revision.map_or_else(|| target.alias.clone(), |one| one.to_string());
        let client = self.session().lambda_to_invoke(LONGEST).await;
        let clock = SystemClock::new();
        let answer = client
            .invoke()
            .function_name(&target.function)
            .qualifier(qualifier)
            .log_type(LogType::Tail)
            .payload(Blob::new(payload.as_bytes()))
            .send()
            .await
            .called("lambda:InvokeFunction", &target.function);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if matches!(&*error.why, Why::NotFound) && revision.is_some() => {
                return Err(Error::NoRevision(revision.unwrap_or(RevisionNumber(0))));
            }
            Err(error) => return Err(error.into()),
        };
        let took = clock.monotonic().as_millis();
        let ran = answer.executed_version().and_then(number).or(revision);
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        Ok(Invocation {
            revision: ran,
            payload: match String::from_utf8_lossy(payload).into_owned() {
                nothing if nothing.is_empty() => "null".to_owned(),
                payload => payload,
            },
            error: answer.function_error().map(str::to_owned),
            duration_milliseconds: u64::try_from(took).unwrap_or(u64::MAX),
            request_id: answer.request_id().unwrap_or_default().to_owned(),
            log_tail: tail(answer.log_result().unwrap_or_default()),
        })
    }
}

/// The lines of a log tail, without those that Lambda itself writes around every call.
fn tail(encoded: &str) -> Vec<String> {
    let bytes = STANDARD.decode(encoded).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| super::logs::line(line.trim_end()))
        .filter(|(stream, _)| *stream != super::logs::PLATFORM)
        .flat_map(|(_, text)| {
            super::logs::broken(&text)
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}
