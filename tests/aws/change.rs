//! What happens behind the client's back: functions made at once, and changes by somebody else.

use std::io::{Cursor, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock;
use crate::control::Refusal;
use crate::lambda::{Code, Function, create_quickly};
use crate::request::Request;
use crate::world::{ACCOUNT, World};

/// The region of tests that name none.
pub(crate) const REGION: &str = "eu-west-1";

pub(crate) fn place(body: &Value) -> (String, String) {
    let of = |name: &str, usual: &str| body[name].as_str().unwrap_or(usual).to_owned();
    (of("account", ACCOUNT), of("region", REGION))
}

/// A zip of one file that answers with what it was asked.
fn package(source: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("handler.py", options)
        .expect("a zip in memory");
    zip.write_all(source.as_bytes()).expect("a zip in memory");
    zip.finish().expect("a zip in memory").into_inner()
}

/// `POST /_control/functions`: `{"name"}` or `{"prefix", "count"}`, and `versions`, `alias`, `tags`,
/// `configuration`, `description`, `source` (of `handler.py`), `tags_of` by number.
pub(crate) fn functions(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (account, region) = place(body);
    let names: Vec<String> = match (body["name"].as_str(), body["count"].as_u64()) {
        (Some(name), _) => vec![name.to_owned()],
        (None, Some(count)) => {
            let prefix = body["prefix"].as_str().unwrap_or("function-");
            (1..=count)
                .map(|number| format!("{prefix}{number:04}"))
                .collect()
        }
        (None, None) => return Err("name, or count".to_owned()),
    };
    let source = body["source"]
        .as_str()
        .unwrap_or("def handler(event, context):\n    return event\n");
    let data = Arc::new(package(source));
    let World {
        random, regions, ..
    } = world;
    let region = World::region_in(regions, &account, &region);
    for name in &names {
        create_quickly(region, name, body, &data, random, clock::now())
            .map_err(|failure| failure.message)?;
    }
    Ok(json!({ "names": names }))
}

fn find<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Function, Refusal> {
    let (account, region) = place(body);
    let name = body["function"].as_str().ok_or("which function?")?;
    world
        .region(&account, &region)
        .lambda
        .by_name
        .get_mut(name)
        .ok_or_else(|| format!("no function {name}"))
}

/// `GET /_control/functions/<name>`: all that is known of it, without a recorded call.
pub(crate) fn show(world: &mut World, request: &Request, name: &str) -> Result<Value, Refusal> {
    let of = |key: &str, usual: &str| {
        request
            .query
            .get(key)
            .cloned()
            .unwrap_or_else(|| usual.to_owned())
    };
    let (account, region) = (of("account", ACCOUNT), of("region", REGION));
    let World {
        random, regions, ..
    } = world;
    let lambda = &mut World::region_in(regions, &account, &region).lambda;
    lambda.settle(clock::now(), random);
    let function = lambda
        .by_name
        .get(name)
        .ok_or_else(|| format!("no function {name}"))?;
    let versions: Vec<Value> = function
        .versions
        .keys()
        .filter_map(|number| {
            function
                .show(&number.to_string(), Some(&number.to_string()))
                .ok()
        })
        .map(Value::Object)
        .collect();
    let aliases: serde_json::Map<String, Value> = function
        .aliases
        .keys()
        .map(|alias| (alias.clone(), function.show_alias(alias)))
        .collect();
    Ok(json!({
        "latest": function.show("$LATEST", None).map_err(|failure| failure.message)?,
        "versions": versions,
        "aliases": aliases,
        "tags": function.tags,
        "policies": function.policies,
        "urls": function.urls,
        "event_invoke": function.event_invoke,
    }))
}

/// `POST /_control/change`: `{"kind", "function", …}`.
pub(crate) fn apply(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let revision = world.random.uuid();
    let kind = body["kind"].as_str().unwrap_or("");
    if kind == "delete-function" {
        let (account, region) = place(body);
        let name = body["function"].as_str().unwrap_or("");
        world.region(&account, &region).lambda.by_name.remove(name);
        return Ok(json!({}));
    }
    let function = find(world, body)?;
    match kind {
        "alias" => {
            let name = body["alias"].as_str().unwrap_or("live");
            let alias = function
                .aliases
                .get_mut(name)
                .ok_or_else(|| format!("no alias {name}"))?;
            if let Some(version) = body["version"].as_str() {
                version.clone_into(&mut alias.version);
            }
            if let Some(description) = body["description"].as_str() {
                description.clone_into(&mut alias.description);
            }
            if let Some(weights) = body["weights"].as_object() {
                alias.weights = weights
                    .iter()
                    .map(|(version, weight)| (version.clone(), weight.as_f64().unwrap_or(0.0)))
                    .collect();
            }
            alias.revision = revision;
        }
        "delete-alias" => {
            function
                .aliases
                .remove(body["alias"].as_str().unwrap_or("live"));
        }
        // Somebody's provisioned concurrency, ready at once; 0 takes it away.
        "provisioned" => {
            let name = body["alias"].as_str().unwrap_or("live").to_owned();
            match body["count"].as_u64().unwrap_or(0) {
                0 => drop(function.provisioned.remove(&name)),
                count => drop(function.provisioned.insert(
                    name,
                    crate::lambda::model::Provisioned {
                        requested: count,
                        modified: clock::now(),
                        status: "READY",
                        reason: None,
                        settles: None,
                        moving_from: None,
                    },
                )),
            }
        }
        "delete-version" => {
            let number = body["version"]
                .as_str()
                .and_then(|version| version.parse::<u64>().ok());
            function.versions.remove(&number.ok_or("which version?")?);
        }
        // Another pipeline's code, settled at once.
        "code" => {
            let data = package(
                body["source"]
                    .as_str()
                    .unwrap_or("def handler(event, context):\n    return 'theirs'\n"),
            );
            function.latest.sha256 = crate::lambda::model::sha256_of(&data);
            function.latest.code = Code::Zip(Arc::new(data));
            function.latest.revision = revision;
            function.latest.modified = clock::now();
        }
        "configuration" => {
            let given = body["configuration"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            function.latest.configuration.extend(given);
            function.latest.revision = revision;
            function.latest.modified = clock::now();
        }
        // Another update of the function is under way from now on for so long.
        "busy" => {
            let before = function.latest.serving().clone();
            let until = clock::now() + body["ms"].as_u64().unwrap_or(1000);
            function
                .latest
                .begin_update(before, revision, clock::now(), (until, None));
        }
        // Nobody called it for weeks.
        "inactive" => {
            let version = function.version_mut(body["version"].as_str().unwrap_or("$LATEST"));
            let version = version.ok_or("which version?")?;
            version.state = "Inactive";
            version.revision = revision;
        }
        // AWS could not make it, or not bring it back.
        "failed" => {
            let reason = serde_json::from_value(body["reason"].clone());
            let reason = reason.map_err(|error| error.to_string())?;
            let version = function.version_mut(body["version"].as_str().unwrap_or("$LATEST"));
            let version = version.ok_or("which version?")?;
            version.state = "Failed";
            version.state_reason = Some(reason);
        }
        "publish" => {
            function.last_version += 1;
            let mut version = function.latest.clone();
            version.source.clone_from(&version.configuration);
            version.revision = revision;
            if let Some(description) = body["description"].as_str() {
                version
                    .configuration
                    .insert("Description".to_owned(), json!(description));
            }
            function.versions.insert(function.last_version, version);
        }
        other => return Err(format!("no change of the kind `{other}`")),
    }
    Ok(json!({}))
}
