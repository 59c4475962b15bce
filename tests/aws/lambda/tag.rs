//! Tags of functions (API reference, TagResource, UntagResource, ListTags): functions only, not versions or aliases.

use serde_json::{Value, json};

use super::{Answer, Context, invalid, missing, name_and_qualifier};
use crate::request::Reply;

pub(crate) fn handle(context: &mut Context) -> Answer {
    let resource = context.operation.text("Resource").unwrap_or("").to_owned();
    let (name, qualifier) = name_and_qualifier(&resource);
    if qualifier.is_some() {
        return Err(invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    let given: Vec<(String, String)> = context
        .body
        .get("Tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
        .collect();
    let removed: Vec<String> = context
        .request
        .query_pairs
        .iter()
        .filter(|(key, _)| key == "tagKeys")
        .map(|(_, value)| value.clone())
        .collect();
    let Some(function) = context.region.lambda.by_name.get_mut(&name) else {
        return Err(missing(format!("Function not found: {resource}")));
    };
    match context.operation.name {
        "ListTags" => return Ok(Reply::json(200, &json!({ "Tags": function.tags }))),
        "TagResource" => {
            let mut tags = function.tags.clone();
            tags.extend(given);
            if tags.len() > 50 {
                return Err(invalid("Number of tags exceeds resource tag limit."));
            }
            function.tags = tags;
        }
        _ => function.tags.retain(|key, _| !removed.contains(key)),
    }
    Ok(Reply::empty(204))
}
