//! API Gateway, read only: which APIs call which function (`POST /_control/apis` makes them).
//!
//! API Gateway V2 API reference, `/v2/apis` and `/v2/apis/{apiId}/integrations` (HTTP APIs).

use http::Method;
use serde_json::{Value, json};

use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::world::{Identity, World};

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match (&request.method, path.as_slice()) {
        (&Method::GET, ["v2", "apis"]) => Some(Operation::new("GetApis")),
        (&Method::GET, ["v2", "apis", id, "integrations"]) => {
            Some(Operation::new("GetIntegrations").with("ApiId", *id))
        }
        _ => None,
    }
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    let region = world.region(&identity.account, &request.region);
    let items: Vec<Value> = match operation.text("ApiId") {
        None => region
            .apis
            .iter()
            .map(|(id, api)| {
                json!({
                    "apiId": id,
                    "name": api["name"],
                    "protocolType": "HTTP",
                    "apiEndpoint": format!("https://{id}.execute-api.{}.amazonaws.com", request.region),
                    "routeSelectionExpression": "$request.method $request.path",
                })
            })
            .collect(),
        Some(id) => region
            .apis
            .get(id)
            .ok_or_else(|| Failure::new(404, "NotFoundException", format!("Unable to find API by id: {id}")))?["integrations"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, uri)| {
                json!({
                    "integrationId": format!("i{index:06}"),
                    "integrationType": "AWS_PROXY",
                    "integrationUri": uri,
                    "payloadFormatVersion": "2.0",
                })
            })
            .collect(),
    };
    let from: usize = request
        .query
        .get("nextToken")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let most: usize = request
        .query
        .get("maxResults")
        .and_then(|most| most.parse().ok())
        .unwrap_or(25);
    let page: Vec<&Value> = items.iter().skip(from).take(most).collect();
    let mut body = json!({ "items": page });
    if from + most < items.len() {
        body["nextToken"] = json!((from + most).to_string());
    }
    Ok(Reply::json(200, &body))
}
