//! API Gateway: which APIs call which function (`POST /_control/apis` makes them).
//!
//! - HTTP and WebSocket APIs: Amazon API Gateway Version 2 API Reference, "Apis", "Integrations", "Integration", "Stages"
//!   (`apigatewayv2/latest/api-reference/apis.html`, `…/apis-apiid-integrations.html`,
//!   `…/apis-apiid-integrations-integrationid.html`, `…/apis-apiid-stages.html`).
//! - What is deployed: "Every time you update an API, you must redeploy the API to an existing stage or to a new stage. Updating
//!   an API includes modifying routes, methods, integrations, authorizers, resource policies, and anything else other than
//!   stage settings" (`apigateway/latest/developerguide/how-to-deploy-api.html`). `GetExport` "Exports a deployed version of
//!   a RestApi in a specified format", and "extensions='integrations' … will export the API with
//!   x-amazon-apigateway-integration extensions" (`…/api/API_GetExport.html`); `ExportApi`: "stageName: The name of the API
//!   stage to export. If you don't specify this property, a representation of the latest API configuration is exported"
//!   (`apigatewayv2/latest/api-reference/apis-apiid-exports-specification.html`).
//! - REST APIs: Amazon API Gateway API Reference, `GetRestApis`, `GetIntegration`, `UpdateIntegration`, `GetStages` and
//!   `GetResources` (`apigateway/latest/api/API_GetRestApis.html`, `…/API_GetResources.html`), with `embed=methods`: "You can use this
//!   parameter to retrieve … the embedded resources representation in the response". Without `Accept: application/json` the
//!   service answers in HAL, as the AWS SDKs know; that is refused here, so that nobody relies on it.

use http::Method;
use serde_json::{Value, json};

use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::world::{Identity, World};

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let found = match (&request.method, path.as_slice()) {
        (&Method::GET, ["v2", "apis"]) => Operation::new("GetApis"),
        (&Method::GET, ["v2", "apis", id, "integrations"]) => {
            Operation::new("GetIntegrations").with("ApiId", *id)
        }
        (&Method::GET, ["v2", "apis", id, "integrations", one]) => Operation::new("GetIntegration")
            .with("ApiId", *id)
            .with("IntegrationId", *one),
        (&Method::PATCH, ["v2", "apis", id, "integrations", one]) => {
            Operation::new("UpdateIntegration")
                .with("ApiId", *id)
                .with("IntegrationId", *one)
        }
        (&Method::GET, ["v2", "apis", id, "stages"]) => {
            Operation::new("GetStages").with("ApiId", *id)
        }
        (&Method::GET, ["restapis"]) => Operation::new("GetRestApis"),
        (&Method::GET, ["v2", "apis", id, "exports", "OAS30"]) => {
            Operation::new("ExportApi").with("ApiId", *id)
        }
        (&Method::GET, ["restapis", id, "resources"]) => {
            Operation::new("GetResources").with("RestApiId", *id)
        }
        (&Method::GET, ["restapis", id, "stages"]) => {
            Operation::new("GetStages").with("RestApiId", *id)
        }
        (&Method::GET, ["restapis", id, "stages", _, "exports", "oas30"]) => {
            Operation::new("GetExport").with("RestApiId", *id)
        }
        (
            method,
            [
                "restapis",
                id,
                "resources",
                resource,
                "methods",
                "GET",
                "integration",
            ],
        ) => {
            let name = match *method {
                Method::GET => "GetIntegration",
                Method::PATCH => "UpdateIntegration",
                _ => return None,
            };
            Operation::new(name)
                .with("RestApiId", *id)
                .with("ResourceId", *resource)
        }
        _ => return None,
    };
    Some(found)
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    let name = request.region.clone();
    let region = world.region(&identity.account, &name);
    let is_rest = |api: &Value| api["kind"] == "rest";
    let wants_rest = operation.text("RestApiId").is_some();
    let unknown = |id: &str| {
        let what = if wants_rest {
            "Invalid API identifier specified".to_owned()
        } else {
            format!("Unable to find API by id: {id}")
        };
        Failure::new(404, "NotFoundException", what)
    };
    match operation.name {
        "GetApis" => {
            let apis = region.apis.iter().filter(|(_, api)| !is_rest(api));
            let items: Vec<_> = apis.map(|(id, api)| http_api(id, api, &name)).collect();
            return Ok(page(request, &items));
        }
        "GetRestApis" => {
            let apis = region.apis.iter().filter(|(_, api)| is_rest(api));
            let items: Vec<_> = apis
                .map(|(id, api)| json!({ "id": id, "name": api["name"] }))
                .collect();
            return rest_page(request, &items);
        }
        _ => {}
    }
    let id = operation.text("RestApiId").or(operation.text("ApiId"));
    let id = id.unwrap_or_default();
    let api = region
        .apis
        .get_mut(id)
        .filter(|api| is_rest(api) == wants_rest)
        .ok_or_else(|| unknown(id))?;
    match operation.name {
        "GetIntegrations" => Ok(page(request, &integrations(api))),
        "GetStages" if wants_rest => Ok(Reply::json(200, &json!({ "item": stages(api) }))),
        "GetStages" => Ok(page(request, &stages(api))),
        "GetExport" | "ExportApi" => export(request, operation, api),
        "GetResources" => rest_page(request, &resources(request, api)),
        _ if wants_rest => rest_one(request, operation, api),
        _ => one(request, operation, api),
    }
}

/// What a method of a REST API calls; "op: replace, path: /uri" changes it (API Gateway API Reference, "Patch operations",
/// `UpdateIntegration`). Nothing of it is live before somebody deploys.
fn rest_one(request: &Request, operation: &Operation, api: &mut Value) -> Result<Reply, Failure> {
    let resource = operation.text("ResourceId").unwrap_or_default();
    let place = resource.strip_prefix('r').and_then(|n| n.parse().ok());
    let place = place.filter(|place: &usize| api["integrations"].get(*place).is_some());
    let place = place.ok_or_else(|| {
        let what = "Invalid Resource identifier specified";
        Failure::new(404, "NotFoundException", what)
    })?;
    if operation.name == "UpdateIntegration" {
        let wanted: Value = serde_json::from_str(&request.text()).unwrap_or_default();
        let patch = &wanted["patchOperations"][0];
        let uri = patch["value"]
            .as_str()
            .filter(|_| patch["op"] == "replace" && patch["path"] == "/uri")
            .ok_or_else(|| Failure::new(400, "BadRequestException", "Invalid patch operation"))?;
        point(api, place, uri);
    }
    let mut shown = rest_integration(&api["integrations"][place]);
    shown["cacheNamespace"] = json!(resource);
    Ok(Reply::json(200, &shown))
}

fn point(api: &mut Value, place: usize, uri: &str) {
    let there = &mut api["integrations"][place];
    if there.is_object() {
        there["uri"] = json!(uri);
    } else {
        *there = json!(uri);
    }
}

fn rest_integration(one: &Value) -> Value {
    let uri = if one.is_object() { &one["uri"] } else { one };
    let mut shown = json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri });
    if let Some(role) = one["credentials"].as_str() {
        shown["credentials"] = json!(role);
    }
    shown
}

/// What was deployed to a stage, as OpenAPI with the extensions for integrations.
fn export(request: &Request, operation: &Operation, api: &Value) -> Result<Reply, Failure> {
    let asks_for = |name: &str, value: &str| request.query.get(name).is_some_and(|it| it == value);
    let is_right = match operation.name {
        "GetExport" => asks_for("extensions", "integrations"),
        _ => asks_for("outputType", "JSON") && request.query.contains_key("stageName"),
    };
    if !is_right || api["protocol"] == "WEBSOCKET" {
        let what = "Invalid export request";
        return Err(Failure::new(400, "BadRequestException", what));
    }
    let deployed = api["deployed"].as_array().into_iter().flatten();
    let paths: serde_json::Map<String, Value> = deployed
        .enumerate()
        .map(|(index, one)| {
            let extension = json!({ "x-amazon-apigateway-integration": rest_integration(one) });
            (format!("/{index}"), json!({ "get": extension }))
        })
        .collect();
    Ok(Reply::json(
        200,
        &json!({ "openapi": "3.0.1", "paths": paths }),
    ))
}

/// One integration: as it is, or with another target. "PATCH UpdateIntegration: Updates an Integration"; what the request
/// leaves out stays. In an API whose stages do not deploy by themselves nothing of it is live before somebody deploys.
fn one(request: &Request, operation: &Operation, api: &mut Value) -> Result<Reply, Failure> {
    let id = operation.text("IntegrationId").unwrap_or_default();
    let place = integrations(api)
        .iter()
        .position(|one| one["integrationId"] == id)
        .ok_or_else(|| {
            Failure::new(
                404,
                "NotFoundException",
                format!("Unable to find Integration by id: {id}"),
            )
        })?;
    if operation.name == "UpdateIntegration" {
        let wanted: Value = serde_json::from_str(&request.text()).unwrap_or_default();
        let uri = wanted["integrationUri"]
            .as_str()
            .ok_or_else(|| Failure::new(400, "BadRequestException", "Invalid request input"))?;
        point(api, place, uri);
    }
    Ok(Reply::json(200, &integrations(api)[place]))
}

fn http_api(id: &str, api: &Value, region: &str) -> Value {
    json!({
        "apiId": id,
        "name": api["name"],
        "protocolType": api["protocol"].as_str().unwrap_or("HTTP"),
        "apiEndpoint": format!("https://{id}.execute-api.{region}.amazonaws.com"),
        "routeSelectionExpression": "$request.method $request.path",
    })
}

/// Integrations are made as an address, or as `{uri, credentials}`.
fn integrations(api: &Value) -> Vec<Value> {
    let made = api["integrations"].as_array().into_iter().flatten();
    made.enumerate()
        .map(|(index, one)| {
            let mut shown = json!({
                "integrationId": format!("i{index:06}"),
                "integrationType": "AWS_PROXY",
                "integrationUri": if one.is_object() { one["uri"].clone() } else { one.clone() },
                "payloadFormatVersion": "2.0",
            });
            if let Some(role) = one["credentials"].as_str() {
                shown["credentialsArn"] = json!(role);
            }
            shown
        })
        .collect()
}

/// "autoDeploy: Specifies whether updates to an API automatically trigger a new deployment."
fn stages(api: &Value) -> Vec<Value> {
    if api["kind"] == "rest" {
        return vec![json!({ "stageName": "prod", "deploymentId": "d00001" })];
    }
    let automatic = api["auto_deploy"].as_bool().unwrap_or(true);
    let stage = if automatic { "$default" } else { "prod" };
    vec![json!({ "stageName": stage, "autoDeploy": automatic, "deploymentId": "d00001" })]
}

/// Every integration is a resource of its own, with one method. "embed=methods" alone tells more of a method than its name.
fn resources(request: &Request, api: &Value) -> Vec<Value> {
    let embeds = request.query.get("embed").map(String::as_str) == Some("methods");
    let made = api["integrations"].as_array().into_iter().flatten();
    made.enumerate()
        .map(|(index, one)| {
            let method = if embeds {
                json!({ "httpMethod": "GET", "methodIntegration": rest_integration(one) })
            } else {
                json!({})
            };
            json!({ "id": format!("r{index:05}"), "path": format!("/{index}"),
                "resourceMethods": { "GET": method } })
        })
        .collect()
}

/// `items` and `nextToken`; `maxResults` has 25 as its default here.
fn page(request: &Request, items: &[Value]) -> Reply {
    let number = |name: &str| request.query.get(name).and_then(|text| text.parse().ok());
    let from: usize = number("nextToken").unwrap_or(0);
    let most: usize = number("maxResults").unwrap_or(25);
    let page: Vec<&Value> = items.iter().skip(from).take(most).collect();
    let mut body = json!({ "items": page });
    if from + most < items.len() {
        body["nextToken"] = json!((from + most).to_string());
    }
    Reply::json(200, &body)
}

/// `item` and `position`: "limit: The maximum number of returned results per page. The default value is 25 and the maximum
/// value is 500".
fn rest_page(request: &Request, items: &[Value]) -> Result<Reply, Failure> {
    if request.header("accept") != Some("application/json") {
        return Err(Failure::new(
            406,
            "NotAcceptable",
            "the stand-in does not answer in HAL",
        ));
    }
    let number = |name: &str| request.query.get(name).and_then(|text| text.parse().ok());
    let from: usize = number("position").unwrap_or(0);
    let most: usize = number("limit").unwrap_or(25).min(500);
    let page: Vec<&Value> = items.iter().skip(from).take(most).collect();
    let mut body = json!({ "item": page });
    if from + most < items.len() {
        body["position"] = json!((from + most).to_string());
    }
    Ok(Reply::json(200, &body))
}
