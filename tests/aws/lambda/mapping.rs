//! Event source mappings: the change is answered 202 and happens later.
//!
//! API reference, EventSourceMappingConfiguration, State: Creating, Enabling, Enabled, Disabling, Disabled, Updating,
//! Deleting. Nothing is polled here.

use serde_json::{Map, Value, json};

use super::model::Mapping;
use super::{Answer, Context, Failure, invalid, missing, name_and_qualifier, page};
use crate::request::Reply;

fn show(uuid: &str, mapping: &Mapping) -> Value {
    let mut shown = mapping.members.clone();
    shown.insert("UUID".to_owned(), json!(uuid));
    shown.insert("State".to_owned(), json!(mapping.state));
    shown.insert("StateTransitionReason".to_owned(), json!("USER_INITIATED"));
    Value::Object(shown)
}

/// The full ARN that a mapping shows: with the qualifier, where one was given.
fn target(context: &Context, text: &str) -> Result<String, Failure> {
    let (name, qualifier) = name_and_qualifier(text);
    let Some(function) = context.region.lambda.by_name.get(&name) else {
        return Err(invalid("Function does not exist"));
    };
    function.resolve(qualifier.as_deref())?;
    Ok(match qualifier {
        Some(qualifier) => format!("{}:{qualifier}", function.arn),
        None => function.arn.clone(),
    })
}

fn seconds(context: &Context) -> Value {
    json!(context.now as f64 / 1000.0)
}

pub(crate) fn handle(context: &mut Context) -> Answer {
    match context.operation.name {
        "CreateEventSourceMapping" => create(context),
        "ListEventSourceMappings" => list(context),
        _ => one(context),
    }
}

fn create(context: &mut Context) -> Answer {
    let function = target(context, &context.text("FunctionName").unwrap_or_default())?;
    let enabled = context
        .body
        .get("Enabled")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let source = context.text("EventSourceArn").unwrap_or_default();
    let taken = context.region.lambda.mappings.iter().find(|(_, mapping)| {
        mapping.members["FunctionArn"] == json!(function)
            && mapping.members.get("EventSourceArn") == Some(&json!(source))
    });
    if let Some((uuid, _)) = taken {
        return Err(super::conflict(format!(
            "An event source mapping with event source arn (\" {source} \") and function name already exists. Please update or delete the existing mapping with UUID {uuid}"
        )));
    }
    let mut members: Map<String, Value> = context.body.clone();
    members.remove("FunctionName");
    members.remove("Enabled");
    members.remove("Tags");
    members.insert("FunctionArn".to_owned(), json!(function));
    members.entry("BatchSize").or_insert(json!(10));
    members
        .entry("MaximumBatchingWindowInSeconds")
        .or_insert(json!(0));
    members.insert("LastModified".to_owned(), seconds(context));
    let uuid = context.random.uuid();
    members.insert(
        "EventSourceMappingArn".to_owned(),
        json!(format!(
            "arn:aws:lambda:{}:{}:event-source-mapping:{uuid}",
            context.region.name, context.region.account
        )),
    );
    let mapping = Mapping {
        members,
        state: "Creating",
        settles: Some((
            context.now + context.settings.settle_ms,
            Some(if enabled { "Enabled" } else { "Disabled" }),
        )),
    };
    let shown = show(&uuid, &mapping);
    context.region.lambda.mappings.insert(uuid, mapping);
    Ok(Reply::json(202, &shown))
}

fn one(context: &mut Context) -> Answer {
    let uuid = context.operation.text("UUID").unwrap_or("").to_owned();
    let moved = match context.text("FunctionName") {
        Some(text) if context.operation.name == "UpdateEventSourceMapping" => {
            Some(target(context, &text)?)
        }
        _ => None,
    };
    let (now, settle, modified) = (context.now, context.settings.settle_ms, seconds(context));
    let Some(mapping) = context.region.lambda.mappings.get_mut(&uuid) else {
        return Err(missing("The resource you requested does not exist."));
    };
    if context.operation.name == "GetEventSourceMapping" {
        return Ok(Reply::json(200, &show(&uuid, mapping)));
    }
    if mapping.settles.is_some() {
        // API reference, UpdateEventSourceMapping and DeleteEventSourceMapping, Errors: ResourceInUseException 400.
        let verb = if context.operation.name.starts_with("Delete") {
            "delete"
        } else {
            "update"
        };
        return Err(Failure::new(
            400,
            "ResourceInUseException",
            format!("Cannot {verb} the event source mapping because it is in use."),
        )
        .with("Type", "User"));
    }
    if context.operation.name == "DeleteEventSourceMapping" {
        mapping.state = "Deleting";
        mapping.settles = Some((now + settle, None));
        return Ok(Reply::json(202, &show(&uuid, mapping)));
    }
    let before = mapping.state;
    let enabled = context.body.get("Enabled").and_then(Value::as_bool);
    for (member, value) in &context.body {
        if !["FunctionName", "Enabled", "UUID"].contains(&member.as_str()) {
            mapping.members.insert(member.clone(), value.clone());
        }
    }
    if let Some(moved) = moved {
        mapping
            .members
            .insert("FunctionArn".to_owned(), json!(moved));
    }
    mapping.members.insert("LastModified".to_owned(), modified);
    let (during, after) = match (enabled, before) {
        (Some(true), "Disabled") => ("Enabling", "Enabled"),
        (Some(false), "Enabled") => ("Disabling", "Disabled"),
        (_, "Disabled") => ("Updating", "Disabled"),
        _ => ("Updating", "Enabled"),
    };
    mapping.state = during;
    mapping.settles = Some((now + settle, Some(after)));
    Ok(Reply::json(202, &show(&uuid, mapping)))
}

/// `FunctionName` as a name finds what hits the function without a qualifier; as an ARN with a qualifier what hits
/// that; without a filter everything comes.
fn list(context: &mut Context) -> Answer {
    let wanted = match context.request.query.get("FunctionName") {
        Some(text) => {
            let (name, qualifier) = name_and_qualifier(text);
            let arn = context.region.function_arn(&name);
            Some(qualifier.map_or(arn.clone(), |qualifier| format!("{arn}:{qualifier}")))
        }
        None => None,
    };
    let source = context.request.query.get("EventSourceArn").cloned();
    let items = context
        .region
        .lambda
        .mappings
        .iter()
        .filter(|(_, mapping)| {
            wanted
                .as_ref()
                .is_none_or(|arn| mapping.members["FunctionArn"] == json!(arn))
                && source
                    .as_ref()
                    .is_none_or(|arn| mapping.members.get("EventSourceArn") == Some(&json!(arn)))
        })
        .map(|(uuid, mapping)| (uuid.clone(), show(uuid, mapping)))
        .collect();
    let (found, marker) = page(context, items)?;
    let mut body = json!({ "EventSourceMappings": found });
    if let Some(marker) = marker {
        body["NextMarker"] = json!(marker);
    }
    Ok(Reply::json(200, &body))
}
