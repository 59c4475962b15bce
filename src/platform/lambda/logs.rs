//! What a function wrote, from CloudWatch Logs.
//!
//! AWS Lambda Developer Guide, "Working with Lambda function logs": the group is `/aws/lambda/<function>` unless the
//! function names another one, and a stream is called `2026/11/26/[7]0123456789abcdef…`, with the version in brackets.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::Lambda;
use super::alias::number;
use crate::clients::aws::{LogEvent, LogFilter};
use crate::clock::{Clock, SystemClock};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{LogLine, LogQuery, Result};

/// The stream of what Lambda itself says about a call.
pub(super) const PLATFORM: &str = "squad";
/// How often a log is asked for more: CloudWatch allows few questions each second.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How far back a log is read that nobody named a beginning for; further and further until enough was found.
const BACK: [SignedDuration; 5] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(24 * 14),
];
/// Events come late and out of order: those of so long before the newest one are asked for each time.
const LATE: SignedDuration = SignedDuration::from_secs(10);
/// And those of so long before it now and then.
const VERY_LATE: SignedDuration = SignedDuration::from_mins(5);
/// How often that is, in questions.
const VERY_LATE_EVERY: u64 = 10;
/// Where so few events lie in that time, it is asked for always: one answer of CloudWatch holds many more.
const FEW: usize = 1000;
/// Lines that are shown when nobody said how many.
const LINES: usize = 1000;

/// Where a function writes.
struct Group {
    name: String,
    function: String,
}

/// What was shown, as far back as it is read again.
struct Shown {
    ids: BTreeMap<String, Timestamp>,
    /// The time of the newest event; before there is one, that of the first question.
    newest: Timestamp,
    /// So many ids are kept before those that are too old are dropped.
    most: usize,
}

impl Shown {
    fn since(at: Timestamp) -> Self {
        Self {
            ids: BTreeMap::new(),
            newest: at,
            most: 10 * FEW,
        }
    }

    /// Notes an event; false where it was noted before.
    fn is_new(&mut self, event: &Event) -> bool {
        self.newest = self.newest.max(event.line.at);
        let is_new = self.ids.insert(event.id.clone(), event.line.at).is_none();
        if self.ids.len() > self.most {
            let oldest = self.back(VERY_LATE);
            self.ids.retain(|_, at| *at >= oldest);
            self.most = (2 * self.ids.len()).max(10 * FEW);
        }
        is_new
    }

    fn back(&self, span: SignedDuration) -> Timestamp {
        before(self.newest, span)
    }
}

fn before(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_sub(span).unwrap_or(at)
}

/// Gets an event; false when there is nobody left who wants one.
type OnEvent<'a> = &'a mut (dyn FnMut(Event) -> bool + Send);

impl Lambda {
    /// Shows the lines that are asked for and, where that is asked, each that comes after them, once, until the caller
    /// stops. A function that is not there has written nothing.
    pub(super) async fn read_log(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        // The same name may be another function's in another account.
        let guard = async {
            self.session().guard().await?;
            Ok(())
        };
        let (group, ()) = tokio::try_join!(self.log_group(service), guard)?;
        let Some(group) = group else {
            return Ok(());
        };
        let started = SystemClock::new().now();
        let mut shown = Shown::since(started);
        let is_wanted = match query.since {
            Some(since) if query.tail.is_none() => {
                self.events(&group, since, query.revision, &mut |event| {
                    !shown.is_new(&event) || on_line(event.line)
                })
                .await?
            }
            _ => {
                let events = self.newest(&group, query, started, &mut shown).await?;
                events.into_iter().all(|event| on_line(event.line))
            }
        };
        if !is_wanted || !query.follow {
            return Ok(());
        }
        let (mut questions, mut found) = (0_u64, 0);
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            questions += 1;
            let is_deep = found < FEW || questions.is_multiple_of(VERY_LATE_EVERY);
            let from = shown.back(if is_deep { VERY_LATE } else { LATE });
            let from = query.since.map_or(from, |since| from.max(since));
            let mut count = 0;
            let is_wanted = self
                .events(&group, from, query.revision, &mut |event| {
                    count += 1;
                    !shown.is_new(&event) || on_line(event.line)
                })
                .await?;
            if !is_wanted {
                return Ok(());
            }
            if is_deep {
                found = count;
            }
        }
    }

    /// The newest events, as many as are asked for, oldest first; those before them are noted as shown.
    async fn newest(
        &self,
        group: &Group,
        query: &LogQuery,
        now: Timestamp,
        shown: &mut Shown,
    ) -> Result<VecDeque<Event>> {
        let enough = query
            .tail
            .and_then(|tail| usize::try_from(tail).ok())
            .unwrap_or(LINES);
        let begins: Vec<_> = match query.since {
            Some(since) => vec![since],
            None => BACK.iter().map(|span| before(now, *span)).collect(),
        };
        let mut newest = VecDeque::new();
        for begin in begins {
            newest.clear();
            self.events(group, begin, query.revision, &mut |event| {
                shown.is_new(&event);
                newest.push_back(event);
                if newest.len() > enough {
                    newest.pop_front();
                }
                true
            })
            .await?;
            if newest.len() >= enough {
                break;
            }
        }
        Ok(newest)
    }

    /// Where the function behind the alias writes, or the one that has none yet; none where there is no function.
    async fn log_group(&self, service: &ServiceName) -> Result<Option<Group>> {
        self.locate(service).await;
        let target = self.target(service);
        let mut found = self.read_function(&target.function, &target.alias).await?;
        if found.is_none() {
            // What was published may have been called already.
            found = self.read_function(&target.function, "$LATEST").await?;
        }
        Ok(found.map(|found| {
            let named = found
                .configuration
                .and_then(|configuration| configuration.logging_config)
                .and_then(|logging| logging.log_group);
            Group {
                name: named.unwrap_or_else(|| format!("/aws/lambda/{}", target.function)),
                function: target.function,
            }
        }))
    }

    /// The events since a moment, oldest first, as the pages come; none where nothing was ever written. False when nobody
    /// wants more (CloudWatch Logs API reference, `FilterLogEvents`: "sorted by event timestamp"; an empty page with a
    /// token is not the last one).
    async fn events(
        &self,
        group: &Group,
        from: Timestamp,
        revision: Option<RevisionNumber>,
        on_event: OnEvent<'_>,
    ) -> Result<bool> {
        let logs = self.session().logs().await;
        let filter = LogFilter {
            group: &group.name,
            since: Some(from.as_millisecond()),
            limit: None,
        };
        let mut next = None;
        loop {
            let page = logs.filter(filter, next.as_deref()).await;
            let Some(page) = super::read::found(page)? else {
                return Ok(true);
            };
            let events = page
                .events
                .into_iter()
                .filter_map(|event| Event::of(event, &group.function))
                .filter(|event| revision.is_none_or(|one| event.line.revision == one));
            for event in events {
                if !on_event(event) {
                    return Ok(false);
                }
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(true);
            }
        }
    }
}

struct Event {
    id: String,
    line: LogLine,
}

impl Event {
    fn of(event: LogEvent, function: &str) -> Option<Self> {
        let (message, at, source) = (event.message?, event.timestamp?, event.log_stream_name?);
        let (stream, text) = line(message.trim_end())?;
        let revision = version_of(&source, function)?;
        Some(Self {
            // A server that gives its events no ids (ministack) tells them apart by what they are.
            id: event
                .event_id
                .unwrap_or_else(|| format!("{source} {at} {message}")),
            line: LogLine {
                at: Timestamp::from_millisecond(at).ok()?,
                revision,
                stream: stream.to_owned(),
                text: broken(&text),
            },
        })
    }
}

/// A text with its line breaks: runtime clients join the lines of one event with carriage returns.
pub(super) fn broken(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The version in the name of a stream; none for `$LATEST`, which nobody serves from, and for another function's: where
/// several functions share a group, the name stands before the version (AWS Lambda Developer Guide, "Configuring
/// CloudWatch log groups").
fn version_of(stream: &str, function: &str) -> Option<RevisionNumber> {
    let (before, rest) = stream.split_once('[')?;
    let whose = before.rsplit('/').next().unwrap_or(before);
    if !whose.is_empty() && whose != function {
        return None;
    }
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
    let Ok(json) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Some(("stdout", text.to_owned()));
    };
    let field = |key: &str| json.get(key).and_then(Value::as_str);
    if let Some(kind) = field("type").filter(|kind| kind.starts_with("platform.")) {
        return Some((PLATFORM, format!("{kind} {}", json.get("record")?)));
    }
    let shown = field("level").zip(said(&json));
    let Some((level, said)) = shown else {
        return Some(("stdout", text.to_owned()));
    };
    let is_bad = ["ERROR", "FATAL", "CRITICAL"]
        .iter()
        .any(|bad| level.eq_ignore_ascii_case(bad));
    let stream = if is_bad { "stderr" } else { "stdout" };
    Some((stream, format!("{level} {said}")))
}

/// What a JSON line says: its message, the error, what the program added, and the stack in lines of its own. None where it
/// has neither message nor error.
///
/// An exception that nobody caught has no message in Python (`errorType`, `errorMessage`, `stackTrace` beside the level); in
/// Node.js it is an object below `message`, or its stack is in the text of `message` already.
fn said(json: &Map<String, Value>) -> Option<String> {
    // Said already, or the same in every line; Java has another name for the request's id.
    const LEFT_OUT: [&str; 6] = [
        "timestamp",
        "level",
        "message",
        "requestId",
        "AWSRequestId",
        "logger",
    ];
    let (message, more) = match json.get("message") {
        Some(Value::Object(error)) if is_error(error) => (None, Some(error)),
        message => (message.map(plain), None),
    };
    let error = more.unwrap_or(json);
    if message.is_none() && !is_error(error) {
        return None;
    }
    let mut parts: Vec<String> = message.iter().cloned().collect();
    let message = message.unwrap_or_default();
    let words: Vec<_> = ERROR
        .iter()
        .filter_map(|key| error.get(*key).map(plain))
        .collect();
    if parts.is_empty() {
        parts.push(words.join(": "));
    } else if words.last().is_some_and(|last| !message.contains(last)) {
        parts.extend(words);
    }
    for (key, value) in json {
        let key = key.as_str();
        if !LEFT_OUT.contains(&key) && !ERROR.contains(&key) && !STACK.contains(&key) {
            parts.push(format!("{key}={}", plain(value)));
        }
    }
    let mut text = parts.join(" ");
    let said = text.clone();
    for line in stack(error).filter(|line| !said.contains(line.trim_end())) {
        text.push('\n');
        text.push_str(&line);
    }
    Some(text)
}

/// What the runtimes call an error's class and its words.
const ERROR: [&str; 2] = ["errorType", "errorMessage"];
/// And its frames.
const STACK: [&str; 2] = ["stackTrace", "stack"];

fn is_error(json: &Map<String, Value>) -> bool {
    ERROR.iter().any(|key| json.contains_key(*key))
}

/// The lines of a stack: each frame is one text, or all of them are.
fn stack(error: &Map<String, Value>) -> impl Iterator<Item = String> {
    let found = STACK.iter().find_map(|key| error.get(*key));
    let frames = match found {
        Some(Value::Array(frames)) => frames.iter().map(plain).collect(),
        Some(Value::String(whole)) => vec![whole.clone()],
        _ => Vec::new(),
    };
    let lines = frames.into_iter().flat_map(|frame| {
        let lines: Vec<_> = frame.lines().map(str::to_owned).collect();
        lines
    });
    lines.filter(|line| !line.trim().is_empty())
}

/// A text without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
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
            ("2026/11/26/invoices[12]0123", None),
            ("other", None),
        ] {
            let version = version_of(stream, "receipts").map(|one| one.0);
            assert_eq!(version, wanted, "{stream}");
        }
    }

    #[test]
    fn what_a_client_joins_with_carriage_returns_has_lines() {
        let text = "[ERROR] KeyError: 'X'\rTraceback\r\n  File \"app.py\"\n";
        assert_eq!(
            broken(text),
            "[ERROR] KeyError: 'X'\nTraceback\n  File \"app.py\"\n"
        );
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
            (
                r#"{"level":"error","message":{"a":1},"order":12,"who":"ana","stackTrace":["  one","  two\n    three"]}"#,
                "stderr",
                "error {\"a\":1} order=12 who=ana\n  one\n  two\n    three",
            ),
            // Python, an exception that nobody caught.
            (
                r#"{"timestamp":"2026-11-26T15:00:00Z","level":"ERROR","requestId":"1","errorMessage":"no such receipt","errorType":"ValueError","stackTrace":["  File \"/var/task/app.py\", line 3, in handler\n    raise ValueError(\"no such receipt\")\n"]}"#,
                "stderr",
                "ERROR ValueError: no such receipt\n  File \"/var/task/app.py\", line 3, in handler\n    raise ValueError(\"no such receipt\")",
            ),
            // Node.js, an error as the only thing that is logged, and one beside a text.
            (
                r#"{"timestamp":"2026","level":"ERROR","requestId":"1","message":{"errorType":"ReferenceError","errorMessage":"x is not defined","stackTrace":["ReferenceError: x is not defined","    at handler (index.mjs:2:3)"]}}"#,
                "stderr",
                "ERROR ReferenceError: x is not defined\n    at handler (index.mjs:2:3)",
            ),
            (
                r#"{"timestamp":"2026","level":"ERROR","requestId":"1","message":"Invoke Error Error: boom\n    at handler (index.mjs:2:3)","errorType":"Error","errorMessage":"boom","stackTrace":["Error: boom","    at handler (index.mjs:2:3)"]}"#,
                "stderr",
                "ERROR Invoke Error Error: boom\n    at handler (index.mjs:2:3)",
            ),
            // Java.
            (
                r#"{"timestamp":"2026","message":"hello","level":"INFO","AWSRequestId":"1"}"#,
                "stdout",
                "INFO hello",
            ),
            (
                r#"{"level":"INFO","order":1}"#,
                "stdout",
                r#"{"level":"INFO","order":1}"#,
            ),
            (r#"{"a":1}"#, "stdout", r#"{"a":1}"#),
            ("[1]", "stdout", "[1]"),
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
