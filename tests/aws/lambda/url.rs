//! Function URLs: one for the unqualified function and one for each alias (urls-configuration.html; API reference,
//! CreateFunctionUrlConfig, Qualifier: "The alias name"). Nobody answers at the URL.

use serde_json::{Map, Value, json};

use super::{Answer, Context, Failure, conflict, constraint, missing, page};
use crate::clock;
use crate::request::Reply;

/// The key in `Function::urls`: the alias, or nothing.
fn slot(context: &mut Context) -> Result<String, Failure> {
    let qualifier = context.qualifier();
    let function = context.function()?;
    match qualifier {
        None => Ok(String::new()),
        Some(qualifier) if qualifier == "$LATEST" || qualifier.parse::<u64>().is_ok() => {
            Err(constraint(
                &qualifier,
                "qualifier",
                "Member must satisfy regular expression pattern: (?!^[0-9]+$)(^[a-zA-Z0-9-_]+$)",
            ))
        }
        Some(qualifier) if function.aliases.contains_key(&qualifier) => Ok(qualifier),
        Some(_) => Err(missing("The resource you requested does not exist.")),
    }
}

fn shown(arn: &str, slot: &str, members: &Map<String, Value>) -> Value {
    let mut shown = members.clone();
    let arn = if slot.is_empty() {
        arn.to_owned()
    } else {
        format!("{arn}:{slot}")
    };
    shown.insert("FunctionArn".to_owned(), json!(arn));
    Value::Object(shown)
}

pub(crate) fn handle(context: &mut Context) -> Answer {
    let now = clock::lambda_time(context.now);
    if context.operation.name == "ListFunctionUrlConfigs" {
        let function = context.function()?;
        let items = function
            .urls
            .iter()
            .map(|(slot, members)| (slot.clone(), shown(&function.arn, slot, members)))
            .collect();
        let (found, marker) = page(context, items)?;
        let mut body = json!({ "FunctionUrlConfigs": found });
        if let Some(marker) = marker {
            body["NextMarker"] = json!(marker);
        }
        return Ok(Reply::json(200, &body));
    }
    let operation = context.operation.name;
    let slot = slot(context)?;
    let body = context.body.clone();
    let given = |name: &str| body.get(name).filter(|value| !value.is_null()).cloned();
    let id = context.random.next();
    let region = context.region.name.clone();
    let function = context.function()?;
    let arn = function.arn.clone();
    if operation == "CreateFunctionUrlConfig" {
        if function.urls.contains_key(&slot) {
            return Err(conflict(format!(
                "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )));
        }
        let mut members = Map::new();
        members.insert(
            "FunctionUrl".to_owned(),
            json!(format!("https://{id:032x}.lambda-url.{region}.on.aws/")),
        );
        members.insert("AuthType".to_owned(), given("AuthType").unwrap_or_default());
        members.insert(
            "InvokeMode".to_owned(),
            given("InvokeMode").unwrap_or_else(|| json!("BUFFERED")),
        );
        members.insert("CreationTime".to_owned(), json!(now));
        members.insert("LastModifiedTime".to_owned(), json!(now));
        if let Some(cors) = given("Cors") {
            members.insert("Cors".to_owned(), cors);
        }
        let reply = shown(&arn, &slot, &members);
        function.urls.insert(slot, members);
        return Ok(Reply::json(201, &reply));
    }
    let Some(members) = function.urls.get_mut(&slot) else {
        return Err(missing("The resource you requested does not exist."));
    };
    match operation {
        "UpdateFunctionUrlConfig" => {
            for member in ["AuthType", "InvokeMode", "Cors"] {
                if let Some(value) = given(member) {
                    members.insert(member.to_owned(), value);
                }
            }
            members.insert("LastModifiedTime".to_owned(), json!(now));
            Ok(Reply::json(200, &shown(&arn, &slot, members)))
        }
        "DeleteFunctionUrlConfig" => {
            function.urls.remove(&slot);
            Ok(Reply::empty(204))
        }
        _ => Ok(Reply::json(200, &shown(&arn, &slot, members))),
    }
}
