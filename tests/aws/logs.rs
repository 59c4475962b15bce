//! CloudWatch Logs (AWS JSON 1.1): reading.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::settings::Settings;
use crate::world::{Identity, World};

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) timestamp: u64,
    pub(crate) ingested: u64,
    pub(crate) stream: String,
    pub(crate) message: String,
    /// Grows with every event.
    pub(crate) id: u64,
}

/// The groups of a region.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    pub(crate) groups: BTreeMap<String, Vec<Event>>,
    last: u64,
}

impl Logs {
    pub(crate) fn push(&mut self, group: &str, stream: &str, timestamp: u64, message: &str) {
        self.last += 1;
        self.groups
            .entry(group.to_owned())
            .or_default()
            .push(Event {
                timestamp,
                ingested: clock::now(),
                stream: stream.to_owned(),
                message: message.to_owned(),
                id: self.last,
            });
    }
}

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let name = match request.header("x-amz-target")?.rsplit('.').next()? {
        "FilterLogEvents" => "FilterLogEvents",
        "DescribeLogGroups" => "DescribeLogGroups",
        "DescribeLogStreams" => "DescribeLogStreams",
        _ => return None,
    };
    let mut operation = Operation::new(name);
    for (member, value) in request.json().as_object().into_iter().flatten() {
        operation = operation.with(member, value.clone());
    }
    Some(operation)
}

fn reply(body: &Value) -> Reply {
    Reply::empty(200).with_body("application/x-amz-json-1.1", body.to_string())
}

/// By name or by the ARN that `logGroupIdentifier` may be.
fn group_of(body: &Value) -> String {
    let given = body["logGroupName"]
        .as_str()
        .or(body["logGroupIdentifier"].as_str());
    let given = given.unwrap_or("");
    let name = given.split(":log-group:").last().unwrap_or(given);
    name.trim_end_matches(":*").to_owned()
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    let body = request.json();
    let World {
        settings, regions, ..
    } = world;
    let region = World::region_in(regions, &identity.account, &request.region);
    if operation.name == "DescribeLogGroups" {
        let prefix = body["logGroupNamePrefix"].as_str().unwrap_or("");
        let groups: Vec<Value> = region
            .logs
            .groups
            .keys()
            .filter(|name| name.starts_with(prefix))
            .map(|name| {
                let arn = format!(
                    "arn:aws:logs:{}:{}:log-group:{name}",
                    region.name, region.account
                );
                json!({ "logGroupName": name, "arn": format!("{arn}:*"), "logGroupArn": arn })
            })
            .collect();
        return Ok(reply(&json!({ "logGroups": groups })));
    }
    let name = group_of(&body);
    let Some(events) = region.logs.groups.get(&name) else {
        // API reference, FilterLogEvents, Errors: ResourceNotFoundException 400.
        return Err(Failure::new(
            400,
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        ));
    };
    if operation.name == "DescribeLogStreams" {
        let mut streams: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for event in events {
            let times = streams
                .entry(&event.stream)
                .or_insert((event.timestamp, event.timestamp));
            *times = (times.0.min(event.timestamp), times.1.max(event.timestamp));
        }
        let streams: Vec<Value> = streams
            .into_iter()
            .map(|(name, (first, last))| {
                json!({ "logStreamName": name, "firstEventTimestamp": first, "lastEventTimestamp": last })
            })
            .collect();
        return Ok(reply(&json!({ "logStreams": streams })));
    }
    filter(&body, events, settings)
}

/// API reference, FilterLogEvents: events "sorted by timestamp"; `startTime` and `endTime` are inclusive; up to 10,000
/// events in one answer; "Partially full or empty pages don't necessarily mean that pagination is finished. …
/// pagination is finished when there is no nextToken". `filterPattern` is not looked at.
fn filter(body: &Value, events: &[Event], settings: &Settings) -> Result<Reply, Failure> {
    let start = body["startTime"].as_u64().unwrap_or(0);
    let end = body["endTime"].as_u64().unwrap_or(u64::MAX);
    let prefix = body["logStreamNamePrefix"].as_str().unwrap_or("");
    let names = body["logStreamNames"].as_array();
    let after = match body["nextToken"].as_str() {
        None => None,
        Some(token) => Some(
            token
                .split_once('/')
                .and_then(|(at, id)| Some((at.parse::<u64>().ok()?, id.parse::<u64>().ok()?)))
                .ok_or_else(|| {
                    Failure::new(
                        400,
                        "InvalidParameterException",
                        "The specified nextToken is invalid.",
                    )
                })?,
        ),
    };
    if settings.log_empty_page && after.is_none() {
        return Ok(reply(
            &json!({ "events": [], "nextToken": "0/0", "searchedLogStreams": [] }),
        ));
    }
    let mut found: Vec<&Event> = events
        .iter()
        .filter(|event| {
            (start..=end).contains(&event.timestamp)
                && event.stream.starts_with(prefix)
                && names.is_none_or(|names| names.contains(&json!(event.stream)))
                && after.is_none_or(|after| (event.timestamp, event.id) > after)
        })
        .collect();
    found.sort_by_key(|event| (event.timestamp, event.id));
    let asked = body["limit"]
        .as_u64()
        .map_or(usize::MAX, |limit| limit as usize);
    let most = settings.log_page.min(asked);
    let more = found.len() > most;
    found.truncate(most);
    let shown: Vec<Value> = found
        .iter()
        .map(|event| {
            json!({
                "logStreamName": event.stream,
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingested,
                "eventId": format!("{:056}", event.id),
            })
        })
        .collect();
    let mut answer = json!({ "events": shown, "searchedLogStreams": [] });
    if let (true, Some(last)) = (more, found.last()) {
        answer["nextToken"] = json!(format!("{}/{}", last.timestamp, last.id));
    }
    Ok(reply(&answer))
}
