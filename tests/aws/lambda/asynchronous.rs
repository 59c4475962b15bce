//! Settings for asynchronous invocations: "Configures options for asynchronous invocation on a function, version, or
//! alias. If a configuration already exists for a function, version, or alias, this operation overwrites it. If you
//! exclude any settings, they are removed." (API reference, PutFunctionEventInvokeConfig.) Each qualifier has its own;
//! without one it is `$LATEST`'s (invocation-async-configuring.html: `"FunctionArn": "…:function:error:$LATEST"`).

use serde_json::{Map, Value, json};

use super::{Answer, Context, Failure, constraint, missing, page};
use crate::request::Reply;

/// The key in `Function::event_invoke`.
fn slot(context: &mut Context) -> Result<String, Failure> {
    let qualifier = context.qualifier();
    let function = context.function()?;
    let slot = qualifier.unwrap_or_else(|| "$LATEST".to_owned());
    let is_version = slot
        .parse::<u64>()
        .is_ok_and(|number| function.versions.contains_key(&number));
    if slot == "$LATEST" || is_version || function.aliases.contains_key(&slot) {
        Ok(slot)
    } else {
        Err(missing(format!(
            "Function not found: {}:{slot}",
            function.arn
        )))
    }
}

fn shown(arn: &str, slot: &str, members: &Map<String, Value>) -> Value {
    let mut shown = members.clone();
    shown.insert("FunctionArn".to_owned(), json!(format!("{arn}:{slot}")));
    Value::Object(shown)
}

/// Whether a number is within its "Valid Range".
fn check(
    body: &Map<String, Value>,
    name: &str,
    member: &str,
    range: (i64, i64),
) -> Result<(), Failure> {
    match body.get(name).and_then(Value::as_i64) {
        Some(number) if number < range.0 => Err(constraint(
            &number.to_string(),
            member,
            &format!(
                "Member must have value greater than or equal to {}",
                range.0
            ),
        )),
        Some(number) if number > range.1 => Err(constraint(
            &number.to_string(),
            member,
            &format!("Member must have value less than or equal to {}", range.1),
        )),
        _ => Ok(()),
    }
}

pub(crate) fn handle(context: &mut Context) -> Answer {
    if context.operation.name == "ListFunctionEventInvokeConfigs" {
        let function = context.function()?;
        let items = function
            .event_invoke
            .iter()
            .map(|(slot, members)| (slot.clone(), shown(&function.arn, slot, members)))
            .collect();
        let (found, marker) = page(context, items)?;
        let mut body = json!({ "FunctionEventInvokeConfigs": found });
        if let Some(marker) = marker {
            body["NextMarker"] = json!(marker);
        }
        return Ok(Reply::json(200, &body));
    }
    let operation = context.operation.name;
    let slot = slot(context)?;
    let body = context.body.clone();
    let now = json!(context.now / 1000);
    let function = context.function()?;
    let arn = function.arn.clone();
    if operation == "PutFunctionEventInvokeConfig" {
        check(
            &body,
            "MaximumRetryAttempts",
            "maximumRetryAttempts",
            (0, 2),
        )?;
        check(
            &body,
            "MaximumEventAgeInSeconds",
            "maximumEventAgeInSeconds",
            (60, 21_600),
        )?;
        let mut members = Map::new();
        members.insert("LastModified".to_owned(), now);
        let destination = |name: &str| {
            let found = body.get("DestinationConfig").and_then(|all| all.get(name));
            found.cloned().unwrap_or_else(|| json!({}))
        };
        // The guide shows both, empty where nothing is set.
        members.insert(
            "DestinationConfig".to_owned(),
            json!({ "OnSuccess": destination("OnSuccess"), "OnFailure": destination("OnFailure") }),
        );
        for name in ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"] {
            if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        let reply = shown(&arn, &slot, &members);
        function.event_invoke.insert(slot, members);
        return Ok(Reply::json(200, &reply));
    }
    let Some(members) = function.event_invoke.get(&slot) else {
        return Err(missing(format!(
            "The function {arn}:{slot} doesn't have an EventInvokeConfig"
        )));
    };
    if operation == "DeleteFunctionEventInvokeConfig" {
        function.event_invoke.remove(&slot);
        return Ok(Reply::empty(204));
    }
    Ok(Reply::json(200, &shown(&arn, &slot, members)))
}
