//! Lambda (AWS restJson1). One file for each noun; the page is named at each rule.
//!
//! Paths and methods: Lambda API reference, Actions, Request Syntax of each.

mod alias;
mod asynchronous;
mod code;
mod concurrency;
mod configuration;
mod function;
mod mapping;
pub(crate) mod model;
mod permission;
mod tag;
mod url;
mod version;

use http::Method;
use serde_json::{Map, Value, json};

use crate::bucket::Buckets;
use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::random::Random;
use crate::request::{Reply, Request};
use crate::settings::Settings;
use crate::world::{Identity, Region, World};

pub(crate) use function::create_quickly;
pub(crate) use model::{Code, Function, Functions, Version};

/// What a handler works with.
pub(crate) struct Context<'a> {
    pub(crate) request: &'a Request,
    pub(crate) operation: &'a Operation,
    pub(crate) body: Map<String, Value>,
    pub(crate) region: &'a mut Region,
    pub(crate) settings: &'a mut Settings,
    pub(crate) random: &'a mut Random,
    pub(crate) buckets: &'a Buckets,
    pub(crate) now: u64,
}

type Answer = Result<Reply, Failure>;

/// 400 `InvalidParameterValueException`.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(400, "InvalidParameterValueException", message).with("Type", "User")
}

/// 400 `ValidationException`: a constraint of the model is not met.
pub(crate) fn constraint(value: &str, member: &str, rule: &str) -> Failure {
    Failure::new(
        400,
        "ValidationException",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
        ),
    )
}

/// 404 `ResourceNotFoundException`.
pub(crate) fn missing(message: impl Into<String>) -> Failure {
    Failure::new(404, "ResourceNotFoundException", message).with("Type", "User")
}

/// 409 `ResourceConflictException`.
pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    Failure::new(409, "ResourceConflictException", message).with("Type", "User")
}

/// Lambda function states (functions-states.html, "Function states during updates"): further changes fail with
/// `ResourceConflictException` while one is in progress.
pub(crate) fn in_progress(arn: &str) -> Failure {
    conflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
    ))
}

/// 412: `RevisionId` is "only update if the revision ID matches" (API reference, UpdateAlias, UpdateFunctionCode,
/// UpdateFunctionConfiguration, PublishVersion, AddPermission, RemovePermission).
pub(crate) fn stale() -> Failure {
    Failure::new(
        412,
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )
    .with("Type", "User")
}

/// A function's name and qualifier out of the four forms that `FunctionName` may have (API reference, URI request
/// parameters: name, name with qualifier, partial ARN, full ARN).
pub(crate) fn name_and_qualifier(text: &str) -> (String, Option<String>) {
    let parts: Vec<&str> = text.split(':').collect();
    let rest = parts
        .iter()
        .position(|part| *part == "function")
        .map_or(parts.as_slice(), |index| &parts[index + 1..]);
    let name = rest.first().copied().unwrap_or("").to_owned();
    (name, rest.get(1).map(|qualifier| (*qualifier).to_owned()))
}

/// Path parameters by name, in the order of the template.
const ROUTES: [(&Method, &str, &str); 47] = [
    (&Method::POST, "2015-03-31/functions", "CreateFunction"),
    (&Method::GET, "2015-03-31/functions", "ListFunctions"),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}",
        "GetFunction",
    ),
    (
        &Method::DELETE,
        "2015-03-31/functions/{FunctionName}",
        "DeleteFunction",
    ),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}/configuration",
        "GetFunctionConfiguration",
    ),
    (
        &Method::PUT,
        "2015-03-31/functions/{FunctionName}/configuration",
        "UpdateFunctionConfiguration",
    ),
    (
        &Method::PUT,
        "2015-03-31/functions/{FunctionName}/code",
        "UpdateFunctionCode",
    ),
    (
        &Method::POST,
        "2015-03-31/functions/{FunctionName}/invocations",
        "Invoke",
    ),
    (
        &Method::POST,
        "2015-03-31/functions/{FunctionName}/versions",
        "PublishVersion",
    ),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}/versions",
        "ListVersionsByFunction",
    ),
    (
        &Method::POST,
        "2015-03-31/functions/{FunctionName}/aliases",
        "CreateAlias",
    ),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}/aliases",
        "ListAliases",
    ),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "GetAlias",
    ),
    (
        &Method::PUT,
        "2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "UpdateAlias",
    ),
    (
        &Method::DELETE,
        "2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "DeleteAlias",
    ),
    (
        &Method::POST,
        "2015-03-31/functions/{FunctionName}/policy",
        "AddPermission",
    ),
    (
        &Method::GET,
        "2015-03-31/functions/{FunctionName}/policy",
        "GetPolicy",
    ),
    (
        &Method::DELETE,
        "2015-03-31/functions/{FunctionName}/policy/{StatementId}",
        "RemovePermission",
    ),
    (
        &Method::POST,
        "2015-03-31/event-source-mappings",
        "CreateEventSourceMapping",
    ),
    (
        &Method::GET,
        "2015-03-31/event-source-mappings",
        "ListEventSourceMappings",
    ),
    (
        &Method::GET,
        "2015-03-31/event-source-mappings/{UUID}",
        "GetEventSourceMapping",
    ),
    (
        &Method::PUT,
        "2015-03-31/event-source-mappings/{UUID}",
        "UpdateEventSourceMapping",
    ),
    (
        &Method::DELETE,
        "2015-03-31/event-source-mappings/{UUID}",
        "DeleteEventSourceMapping",
    ),
    (
        &Method::GET,
        "2016-08-19/account-settings",
        "GetAccountSettings",
    ),
    (&Method::GET, "2017-03-31/tags/{Resource}", "ListTags"),
    (&Method::POST, "2017-03-31/tags/{Resource}", "TagResource"),
    (
        &Method::DELETE,
        "2017-03-31/tags/{Resource}",
        "UntagResource",
    ),
    (
        &Method::PUT,
        "2017-10-31/functions/{FunctionName}/concurrency",
        "PutFunctionConcurrency",
    ),
    (
        &Method::GET,
        "2019-09-30/functions/{FunctionName}/concurrency",
        "GetFunctionConcurrency",
    ),
    (
        &Method::DELETE,
        "2017-10-31/functions/{FunctionName}/concurrency",
        "DeleteFunctionConcurrency",
    ),
    (
        &Method::PUT,
        "2019-09-30/functions/{FunctionName}/provisioned-concurrency",
        "PutProvisionedConcurrencyConfig",
    ),
    (
        &Method::GET,
        "2019-09-30/functions/{FunctionName}/provisioned-concurrency",
        "GetProvisionedConcurrencyConfig",
    ),
    (
        &Method::DELETE,
        "2019-09-30/functions/{FunctionName}/provisioned-concurrency",
        "DeleteProvisionedConcurrencyConfig",
    ),
    (
        &Method::POST,
        "2021-10-31/functions/{FunctionName}/url",
        "CreateFunctionUrlConfig",
    ),
    (
        &Method::GET,
        "2021-10-31/functions/{FunctionName}/url",
        "GetFunctionUrlConfig",
    ),
    (
        &Method::PUT,
        "2021-10-31/functions/{FunctionName}/url",
        "UpdateFunctionUrlConfig",
    ),
    (
        &Method::DELETE,
        "2021-10-31/functions/{FunctionName}/url",
        "DeleteFunctionUrlConfig",
    ),
    (
        &Method::GET,
        "2021-10-31/functions/{FunctionName}/urls",
        "ListFunctionUrlConfigs",
    ),
    (
        &Method::GET,
        "2019-09-25/functions/{FunctionName}/event-invoke-config",
        "GetFunctionEventInvokeConfig",
    ),
    (
        &Method::PUT,
        "2019-09-25/functions/{FunctionName}/event-invoke-config",
        "PutFunctionEventInvokeConfig",
    ),
    (
        &Method::DELETE,
        "2019-09-25/functions/{FunctionName}/event-invoke-config",
        "DeleteFunctionEventInvokeConfig",
    ),
    (
        &Method::GET,
        "2019-09-25/functions/{FunctionName}/event-invoke-config/list",
        "ListFunctionEventInvokeConfigs",
    ),
    (
        &Method::GET,
        "2020-06-30/functions/{FunctionName}/code-signing-config",
        "GetFunctionCodeSigningConfig",
    ),
    (
        &Method::GET,
        "2021-07-20/functions/{FunctionName}/runtime-management-config",
        "GetRuntimeManagementConfig",
    ),
    (
        &Method::GET,
        "2024-08-31/functions/{FunctionName}/recursion-config",
        "GetFunctionRecursionConfig",
    ),
    (&Method::GET, "2018-10-31/layers", "ListLayers"),
    (
        &Method::GET,
        "2018-10-31/layers/{LayerName}/versions",
        "ListLayerVersions",
    ),
];

/// Body members that tell calls apart and hold nothing secret.
const RECORDED: [&str; 19] = [
    "FunctionName",
    "FunctionVersion",
    "Name",
    "Description",
    "RoutingConfig",
    "RevisionId",
    "CodeSha256",
    "DryRun",
    "Publish",
    "S3Bucket",
    "S3Key",
    "S3ObjectVersion",
    "ImageUri",
    "Architectures",
    "ProvisionedConcurrentExecutions",
    "ReservedConcurrentExecutions",
    "StatementId",
    "EventSourceArn",
    "Enabled",
];

fn fits(template: &str, path: &[String]) -> Option<Vec<(&'static str, String)>> {
    let parts: Vec<&str> = template.split('/').collect();
    if parts.len() != path.len() {
        return None;
    }
    let names = [
        "FunctionName",
        "Name",
        "StatementId",
        "UUID",
        "Resource",
        "LayerName",
    ];
    let mut found = Vec::new();
    for (part, given) in parts.iter().zip(path) {
        match part
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => {
                let name = names.into_iter().find(|known| *known == name)?;
                found.push((name, given.clone()));
            }
            None if part == given => {}
            None => return None,
        }
    }
    Some(found)
}

/// Which operation the request is, with the parameters for the record.
pub(crate) fn operation(request: &Request) -> Option<Operation> {
    // An ARN of a function in the path may itself have slashes only when it is a tag's resource.
    let path = match request.path.as_slice() {
        [version, tags, rest @ ..] if tags == "tags" => {
            vec![version.clone(), tags.clone(), rest.join("/")]
        }
        other => other.to_vec(),
    };
    let list = request.query.get("List").is_some_and(|list| list == "ALL");
    let (name, found) = ROUTES
        .iter()
        .filter(|(method, _, _)| **method == request.method)
        .find_map(|(_, template, name)| Some((*name, fits(template, &path)?)))?;
    let name = match name {
        "GetProvisionedConcurrencyConfig" if list => "ListProvisionedConcurrencyConfigs",
        other => other,
    };
    let mut operation = Operation::new(name);
    if name != "Invoke" {
        let body = request.json();
        for member in RECORDED {
            if let Some(value) = body.get(member) {
                operation = operation.with(member, value.clone());
            }
        }
        if let Some(keys) = body.get("Tags").and_then(Value::as_object) {
            operation = operation.with("TagKeys", json!(keys.keys().collect::<Vec<_>>()));
        }
    }
    for (member, value) in &request.query {
        operation = operation.with(member, value.clone());
    }
    for (member, value) in found {
        operation = match member {
            "FunctionName" => {
                let (function, qualifier) = name_and_qualifier(&value);
                let operation = operation.with(member, function);
                match qualifier {
                    Some(qualifier) => operation.with("Qualifier", qualifier),
                    None => operation,
                }
            }
            _ => operation.with(member, value),
        };
    }
    Some(operation)
}

/// Everything but Invoke.
pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Answer {
    let now = clock::now();
    let body = request.json().as_object().cloned().unwrap_or_default();
    let World {
        settings,
        random,
        regions,
        buckets,
        ..
    } = world;
    let region = World::region_in(regions, &identity.account, &request.region);
    region.lambda.settle(now, random);
    let mut context = Context {
        request,
        operation,
        body,
        region,
        settings,
        random,
        buckets,
        now,
    };
    let context = &mut context;
    match operation.name {
        "CreateFunction" => function::create(context),
        "ListFunctions" => function::list(context),
        "GetFunction" => function::get(context),
        "DeleteFunction" => function::delete(context),
        "GetAccountSettings" => function::account_settings(context),
        "GetFunctionConfiguration" => configuration::get(context),
        "UpdateFunctionConfiguration" => configuration::update(context),
        "UpdateFunctionCode" => code::update(context),
        "PublishVersion" => version::publish(context),
        "ListVersionsByFunction" => version::list(context),
        "CreateAlias" => alias::create(context),
        "ListAliases" => alias::list(context),
        "GetAlias" => alias::get(context),
        "UpdateAlias" => alias::update(context),
        "DeleteAlias" => alias::delete(context),
        "AddPermission" => permission::add(context),
        "GetPolicy" => permission::get(context),
        "RemovePermission" => permission::remove(context),
        name if name.ends_with("EventSourceMapping") || name.ends_with("EventSourceMappings") => {
            mapping::handle(context)
        }
        "ListTags" | "TagResource" | "UntagResource" => tag::handle(context),
        name if name.contains("Concurrency") => concurrency::handle(context),
        name if name.contains("FunctionUrlConfig") => url::handle(context),
        name if name.contains("EventInvokeConfig") => asynchronous::handle(context),
        _ => absent(context),
    }
}

/// What no function here has: the answers of functions that never had it either.
fn absent(context: &mut Context) -> Answer {
    let name = context.name();
    match context.operation.name {
        "ListLayers" => return Ok(Reply::json(200, &json!({ "Layers": [] }))),
        "ListLayerVersions" => return Ok(Reply::json(200, &json!({ "LayerVersions": [] }))),
        _ => {}
    }
    let arn = context.arn();
    context.function()?;
    match context.operation.name {
        "GetFunctionCodeSigningConfig" => Ok(Reply::json(
            200,
            &json!({ "CodeSigningConfigArn": "", "FunctionName": name }),
        )),
        "GetFunctionRecursionConfig" => {
            Ok(Reply::json(200, &json!({ "RecursiveLoop": "Terminate" })))
        }
        _ => Ok(Reply::json(
            200,
            &json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": arn }),
        )),
    }
}

impl Context<'_> {
    /// The function's name.
    pub(crate) fn name(&self) -> String {
        self.operation.text("FunctionName").unwrap_or("").to_owned()
    }

    /// Of the query or of the function's ARN.
    pub(crate) fn qualifier(&self) -> Option<String> {
        self.operation.text("Qualifier").map(str::to_owned)
    }

    /// The function's ARN without a qualifier.
    pub(crate) fn arn(&self) -> String {
        self.region.function_arn(&self.name())
    }

    /// With the qualifier that was asked for, if any.
    pub(crate) fn qualified_arn(&self) -> String {
        match self.qualifier() {
            Some(qualifier) => format!("{}:{qualifier}", self.arn()),
            None => self.arn(),
        }
    }

    /// The function that the path names.
    pub(crate) fn function(&mut self) -> Result<&mut Function, Failure> {
        let arn = self.qualified_arn();
        let name = self.name();
        self.region
            .lambda
            .by_name
            .get_mut(&name)
            .ok_or_else(|| missing(format!("Function not found: {arn}")))
    }

    /// A member of the body as text.
    pub(crate) fn text(&self, member: &str) -> Option<String> {
        self.body
            .get(member)
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    pub(crate) fn flag(&self, member: &str) -> bool {
        self.body
            .get(member)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }
}

/// One page of a list: at most 50 items ("Lambda returns up to 50", ListFunctions), and the marker of the next.
pub(crate) fn page<T>(
    context: &Context,
    items: Vec<(String, T)>,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let most = match context
        .request
        .query
        .get("MaxItems")
        .map(|most| most.parse::<usize>())
    {
        None => 50,
        Some(Ok(most)) if (1..=10_000).contains(&most) => most.min(50),
        Some(_) => {
            let given = &context.request.query["MaxItems"];
            return Err(constraint(
                given,
                "maxItems",
                "Member must have value greater than or equal to 1",
            ));
        }
    };
    let from = match context.request.query.get("Marker") {
        None => 0,
        Some(marker) => {
            let key = model::from_marker(marker).ok_or_else(|| invalid("Invalid marker"))?;
            items
                .iter()
                .position(|(found, _)| *found > key)
                .unwrap_or(items.len())
        }
    };
    let more = items.len() > from + most;
    let mut last = String::new();
    let mut found = Vec::new();
    for (key, item) in items.into_iter().skip(from).take(most) {
        last = key;
        found.push(item);
    }
    Ok((found, more.then(|| model::to_marker(&last))))
}
