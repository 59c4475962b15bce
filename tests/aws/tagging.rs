//! Resource Groups Tagging API (AWS JSON 1.1): `GetResources` for functions.

use serde_json::{Value, json};

use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::world::{Identity, World};

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    if !request.header("x-amz-target")?.ends_with(".GetResources") {
        return None;
    }
    let mut operation = Operation::new("GetResources");
    for (member, value) in request.json().as_object().into_iter().flatten() {
        operation = operation.with(member, value.clone());
    }
    Some(operation)
}

/// API reference, GetResources: tagged resources only; filters are joined by AND, the values of one by OR, no values
/// mean any; up to 100 on a page (`ResourcesPerPage`); the last page has an empty `PaginationToken`.
pub(crate) fn handle(
    request: &Request,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    let body = request.json();
    let World {
        settings, regions, ..
    } = world;
    let region = World::region_in(regions, &identity.account, &request.region);
    let kinds = body["ResourceTypeFilters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let functions = kinds.is_empty()
        || kinds
            .iter()
            .any(|kind| kind == "lambda:function" || kind == "lambda");
    let filters = body["TagFilters"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = region
        .lambda
        .by_name
        .values()
        .filter(|function| functions && !function.tags.is_empty())
        .filter(|function| {
            filters.iter().all(|filter| {
                let Some(value) = function.tags.get(filter["Key"].as_str().unwrap_or("")) else {
                    return false;
                };
                let values = filter["Values"].as_array().cloned().unwrap_or_default();
                values.is_empty() || values.contains(&json!(value))
            })
        })
        .collect();
    let from: usize = match body["PaginationToken"].as_str() {
        None | Some("") => 0,
        Some(token) => token.parse().map_err(|_| {
            Failure::new(
                400,
                "PaginationTokenExpiredException",
                "The pagination token is not valid.",
            )
        })?,
    };
    let most = body["ResourcesPerPage"]
        .as_u64()
        .map_or(50, |most| most as usize)
        .min(settings.tag_page);
    let page: Vec<Value> = found
        .iter()
        .skip(from)
        .take(most)
        .map(|function| {
            let tags: Vec<Value> = function
                .tags
                .iter()
                .map(|(key, value)| json!({ "Key": key, "Value": value }))
                .collect();
            json!({ "ResourceARN": function.arn, "Tags": tags })
        })
        .collect();
    let token = if from + most < found.len() {
        (from + most).to_string()
    } else {
        String::new()
    };
    let body = json!({ "ResourceTagMappingList": page, "PaginationToken": token });
    Ok(Reply::empty(200).with_body("application/x-amz-json-1.1", body.to_string()))
}
