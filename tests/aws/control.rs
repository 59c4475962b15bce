//! `/_control/`: what tests say to the stand-in. `README.md` has the list.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::change::{self, place};
use crate::clock;
use crate::faults::Rule;
use crate::metric;
use crate::request::{Reply, Request};
use crate::server::Shared;
use crate::settings::Settings;
use crate::world::{Identity, Release, World};

/// What was asked for cannot be done, and why.
pub(crate) type Refusal = String;

pub(crate) async fn answer(request: &Request, shared: &Arc<Shared>) -> Reply {
    let path: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
    let result = if path == ["held"] {
        held(request, shared).await
    } else {
        serve(request, &path, shared)
    };
    match result {
        Ok(body) => Reply::json(200, &body),
        Err(reason) => Reply::json(400, &json!({ "error": reason })),
    }
}

fn serve(request: &Request, path: &[&str], shared: &Arc<Shared>) -> Result<Value, Refusal> {
    let body = request.json();
    let mut world = shared.world();
    let world = &mut *world;
    let method = &request.method;
    match path {
        ["reset"] if *method == Method::POST => {
            *world = World::new();
            shared.changed.notify_waiters();
            Ok(json!({}))
        }
        ["calls"] if *method == Method::GET => Ok(calls(request, world)),
        ["calls"] if *method == Method::DELETE => {
            world.record.clear();
            Ok(json!({}))
        }
        ["settings"] if *method == Method::GET => Ok(json!(world.settings)),
        ["settings"] if *method == Method::PUT => {
            settings(world, &body)?;
            Ok(json!(world.settings))
        }
        ["rules"] if *method == Method::POST => {
            let rules = match body {
                Value::Array(rules) => rules,
                rule => vec![rule],
            };
            for rule in rules {
                let rule: Rule = serde_json::from_value(rule).map_err(|error| error.to_string())?;
                world.faults.rules.push(rule);
            }
            Ok(json!({ "rules": world.faults.rules }))
        }
        ["rules"] if *method == Method::DELETE => {
            world.faults.rules.clear();
            Ok(json!({}))
        }
        ["rules"] => Ok(json!({ "rules": world.faults.rules })),
        ["release"] if *method == Method::POST => {
            let released = release(world, &body)?;
            shared.changed.notify_waiters();
            Ok(json!({ "released": released }))
        }
        ["change"] if *method == Method::POST => change(world, &body),
        ["keys"] if *method == Method::POST => keys(world, &body),
        ["metrics"] if *method == Method::POST => metrics(world, &body),
        ["logs"] if *method == Method::POST => logs(world, &body),
        ["buckets"] if *method == Method::POST => buckets(world, &body),
        ["apis"] if *method == Method::POST => apis(world, &body),
        ["apis"] => {
            let (account, region) = place(&body);
            Ok(json!(world.region(&account, &region).apis))
        }
        ["functions"] if *method == Method::POST => change::functions(world, &body),
        ["functions", name] => change::show(world, request, name),
        _ => Err(format!("no {} /_control/{}", method, path.join("/"))),
    }
}

/// A change by somebody else.
pub(crate) fn change(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    change::apply(world, body)
}

fn calls(request: &Request, world: &World) -> Value {
    let after: u64 = request
        .query
        .get("after")
        .and_then(|after| after.parse().ok())
        .unwrap_or(0);
    let service = request.query.get("service");
    let calls: Vec<_> = world
        .record
        .calls
        .iter()
        .filter(|call| {
            call.sequence > after && service.is_none_or(|service| call.service == *service)
        })
        .collect();
    json!({ "calls": calls })
}

/// Members of objects are merged, as in RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

fn settings(world: &mut World, body: &Value) -> Result<(), Refusal> {
    let mut merged = json!(world.settings);
    merge(&mut merged, body);
    let settings: Settings = serde_json::from_value(merged).map_err(|error| error.to_string())?;
    if settings.seed != world.settings.seed {
        world.random = crate::random::Random::new(settings.seed);
    }
    world.settings = settings;
    Ok(())
}

fn release(world: &mut World, body: &Value) -> Result<usize, Refusal> {
    let how = match body["how"].as_str().unwrap_or("continue") {
        "continue" => Release::Continue,
        "apply" => Release::Apply,
        "drop" => Release::Drop,
        other => return Err(format!("`{other}` is not continue, apply or drop")),
    };
    let sequence = body["sequence"].as_u64();
    let mut released = 0;
    for held in &mut world.held {
        if held.released.is_none() && sequence.is_none_or(|sequence| held.sequence == sequence) {
            held.released = Some(how);
            released += 1;
        }
    }
    Ok(released)
}

/// The held calls; with `wait_ms` not before there is one.
async fn held(request: &Request, shared: &Arc<Shared>) -> Result<Value, Refusal> {
    let wait = request
        .query
        .get("wait_ms")
        .and_then(|wait| wait.parse().ok())
        .unwrap_or(0);
    let gone = request.query.get("gone").is_some_and(|gone| gone == "true");
    let until = tokio::time::Instant::now() + Duration::from_millis(wait);
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let found = shared.world().held();
        let there = found["held"]
            .as_array()
            .is_some_and(|held| held.iter().any(|held| !gone || held["gone"] == json!(true)));
        if there || tokio::time::timeout_at(until, changed).await.is_err() {
            return Ok(found);
        }
    }
}

fn keys(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let given = body.as_object().ok_or("an object of keys")?;
    for (key, wanted) in given {
        let mut identity = world.identity(key);
        if let Some(account) = wanted["account"].as_str() {
            account.clone_into(&mut identity.account);
            identity.arn = format!("arn:aws:iam::{account}:user/stand-in");
        }
        if let Some(arn) = wanted["arn"].as_str() {
            arn.clone_into(&mut identity.arn);
        }
        identity.expired = wanted["expired"].as_bool().unwrap_or(identity.expired);
        world.set_identity(key, Identity { ..identity });
    }
    Ok(json!({}))
}

/// Points of functions' metrics, also of the past.
fn metrics(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    for (point, counted) in metric::points(body, clock::now())? {
        let (account, region) = place(&point);
        world.region(&account, &region).metrics.count(&counted);
    }
    Ok(json!({}))
}

/// One event or a list: `group` or `function`, `stream`, `timestamp` in milliseconds, `message`.
fn logs(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let list = match body {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    for event in list {
        let (account, region) = place(&event);
        let group = match (event["group"].as_str(), event["function"].as_str()) {
            (Some(group), _) => group.to_owned(),
            (None, Some(function)) => format!("/aws/lambda/{function}"),
            (None, None) => return Err("which group or function?".to_owned()),
        };
        let at = event["timestamp"].as_u64().unwrap_or_else(clock::now);
        let stream = event["stream"].as_str().unwrap_or("2026/01/01/[1]stand-in");
        let message = event["message"].as_str().unwrap_or("");
        world
            .region(&account, &region)
            .logs
            .push(&group, stream, at, message);
    }
    Ok(json!({}))
}

fn buckets(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let name = body["name"].as_str().ok_or("which name?")?;
    let bucket = world.buckets.0.entry(name.to_owned()).or_default();
    bucket.versioned = body["versioned"].as_bool().unwrap_or(false);
    Ok(json!({}))
}

/// `id`, `name`, `kind` (`rest`; else an HTTP API), `auto_deploy`, `integrations`: URIs as API Gateway keeps them, or
/// `{uri, credentials}`. All of it is deployed. `{id, deploy: true}` deploys one as it is now.
fn apis(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (account, region) = place(body);
    let id = body["id"].as_str().ok_or("which id?")?.to_owned();
    let apis = &mut world.region(&account, &region).apis;
    if body["deploy"] == true {
        let api = apis.get_mut(&id).ok_or("no such API")?;
        api["deployed"] = api["integrations"].clone();
        return Ok(json!({}));
    }
    let mut api = body.clone();
    api["deployed"] = api["integrations"].clone();
    apis.insert(id, api);
    Ok(json!({}))
}
