//! What a function wrote, from CloudWatch Logs.
//!
//! AWS Lambda Developer Guide, "Working with Lambda function logs": the group is `/aws/lambda/<function>` unless the
//! function names another one, and a stream is called `2026/11/26/[7]0123456789abcdef…`, with the version in brackets.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Lambda;
use super::seen::number;
use crate::clients::aws::Called;
use crate::clock::{Clock, SystemClock};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{LogLine, LogQuery, Result};

/// The stream of what Lambda itself says about a call.
pub(super) const PLATFORM: &str = "squad";
/// How often a log is asked for more: CloudWatch allows few questions each second.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How far back a log is read that nobody named a beginning for; further and further until enough was found.
const BACK: [SignedDuration; 4] = [
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(24 * 14),
];
/// Events come late and out of order: for so long they are asked for again.
const LATE: SignedDuration = SignedDuration::from_secs(30);
/// Lines that are shown when nobody said how many.
const LINES: usize = 1000;

impl Lambda {
    pub(super) async fn read_log(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        let clock = SystemClock::new();
        let target = self.target(service);
        let group = self.log_group(&target.function, &target.alias).await?;
        let started = clock.now();
        let back = |span: SignedDuration| started.checked_sub(span).unwrap_or(started);
        let enough = query
            .tail
            .and_then(|tail| usize::try_from(tail).ok())
            .unwrap_or(LINES);
        let mut events = Vec::new();
        let mut from = started;
        let begins: Vec<_> = match query.since {
            Some(since) => vec![since],
            None => BACK.iter().map(|span| back(*span)).collect(),
        };
        for begin in begins {
            from = begin;
            events = self.events(&group, begin, query.revision).await?;
            if events.len() >= enough {
                break;
            }
        }
        let mut seen = BTreeSet::new();
        let skip = match (query.tail, query.since) {
            (None, Some(_)) => 0,
            _ => events.len().saturating_sub(enough),
        };
        for (index, event) in events.iter().enumerate() {
            seen.insert(event.id.clone());
            if index >= skip && !on_line(event.line.clone()) {
                return Ok(());
            }
        }
        let mut newest = events.last().map_or(from, |event| event.line.at);
        if !query.follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            let from = newest.checked_sub(LATE).unwrap_or(newest);
            for event in self.events(&group, from, query.revision).await? {
                if !seen.insert(event.id.clone()) {
                    continue;
                }
                newest = newest.max(event.line.at);
                if !on_line(event.line) {
                    return Ok(());
                }
            }
        }
    }

    async fn log_group(&self, function: &str, alias: &str) -> Result<String> {
        let usual = format!("/aws/lambda/{function}");
        let found = self.read_function(function, alias).await?;
        Ok(found
            .and_then(|found| found.configuration)
            .and_then(|configuration| configuration.logging_config)
            .and_then(|logging| logging.log_group)
            .unwrap_or(usual))
    }

    /// The events since a moment, oldest first; none where nothing was ever written.
    async fn events(
        &self,
        group: &str,
        from: Timestamp,
        revision: Option<RevisionNumber>,
    ) -> Result<Vec<Event>> {
        let client = self.session().logs().await;
        let mut events = Vec::new();
        let mut next = None;
        loop {
            let page = client
                .filter_log_events()
                .log_group_name(group)
                .start_time(from.as_millisecond())
                .set_next_token(next)
                .send()
                .await
                .called("logs:FilterLogEvents", group);
            let Some(page) = super::read::found(page)? else {
                return Ok(events);
            };
            events.extend(
                page.events()
                    .iter()
                    .filter_map(Event::of)
                    .filter(|event| revision.is_none_or(|one| event.line.revision == one)),
            );
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        events.sort_by(|a, b| (a.line.at, &a.id).cmp(&(b.line.at, &b.id)));
        Ok(events)
    }
}

struct Event {
    id: String,
    line: LogLine,
}

impl Event {
    fn of(event: &FilteredLogEvent) -> Option<Self> {
        let (stream, text) = line(event.message()?.trim_end())?;
        Some(Self {
            id: event.event_id().unwrap_or_default().to_owned(),
            line: LogLine {
                at: Timestamp::from_millisecond(event.timestamp()?).ok()?,
                revision: version_of(event.log_stream_name()?)?,
                stream: stream.to_owned(),
                text,
            },
        })
    }
}

/// The version in the name of a stream; none for `$LATEST`, which nobody serves from.
fn version_of(stream: &str) -> Option<RevisionNumber> {
    let (_, rest) = stream.split_once('[')?;
    number(rest.split_once(']')?.0)
}

/// Which stream a line belongs to, and its text. A line of Lambda's JSON format is shown as one of plain text.
pub(super) fn line(text: &str) -> Option<(&'static str, String)> {
    const OWN: [&str; 6] = [
        "START RequestId:",
        "END RequestId:",
        "REPORT RequestId:",
        "INIT_START ",
        "INIT_REPORT ",
        "XRAY TraceId:",
    ];
    if text.is_empty() {
        return None;
    }
    if OWN.iter().any(|own| text.starts_with(own)) {
        return Some((PLATFORM, text.to_owned()));
    }
    let Some(json) = text
        .starts_with('{')
        .then(|| serde_json::from_str::<Value>(text).ok())
        .flatten()
    else {
        return Some(("stdout", text.to_owned()));
    };
    let field = |key: &str| json.get(key).and_then(Value::as_str);
    if let Some(kind) = field("type").filter(|kind| kind.starts_with("platform.")) {
        return Some((PLATFORM, format!("{kind} {}", json.get("record")?)));
    }
    match (field("level"), field("message")) {
        (Some(level), Some(message)) => {
            let mut shown = format!("{level} {message}");
            for key in ["errorType", "errorMessage"] {
                if let Some(value) = field(key) {
                    shown.push_str(&format!(" {value}"));
                }
            }
            let stream = if matches!(level, "ERROR" | "FATAL" | "CRITICAL") {
                "stderr"
            } else {
                "stdout"
            };
            Some((stream, shown))
        }
        _ => Some(("stdout", text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_names_its_version() {
        for (stream, wanted) in [
            ("2026/11/26/[7]0123456789abcdef", Some(7)),
            ("2026/11/26/receipts[12]0123", Some(12)),
            ("2026/11/26/[$LATEST]0123", None),
            ("other", None),
        ] {
            assert_eq!(version_of(stream).map(|one| one.0), wanted, "{stream}");
        }
    }

    #[test]
    fn a_line_of_json_is_shown_as_text() {
        for (text, stream, shown) in [
            ("hello", "stdout", "hello"),
            (
                r#"{"timestamp":"2026-11-26T15:00:00Z","level":"INFO","message":"hello","requestId":"1"}"#,
                "stdout",
                "INFO hello",
            ),
            (
                r#"{"level":"ERROR","message":"no","errorType":"KeyError","errorMessage":"'X'"}"#,
                "stderr",
                "ERROR no KeyError 'X'",
            ),
            (r#"{"a":1}"#, "stdout", r#"{"a":1}"#),
            ("{not json", "stdout", "{not json"),
            (
                "START RequestId: 1 Version: 7",
                "squad",
                "START RequestId: 1 Version: 7",
            ),
            (
                r#"{"time":"2026","type":"platform.start","record":{"version":"7"}}"#,
                "squad",
                r#"platform.start {"version":"7"}"#,
            ),
        ] {
            assert_eq!(line(text), Some((stream, shown.to_owned())), "{text}");
        }
        assert_eq!(line(""), None);
    }
}
