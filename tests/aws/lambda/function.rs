//! Functions: made, read, listed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::model::sha256_of;
use super::{
    Answer, Code, Context, Function, Version, code, configuration, conflict, constraint, invalid,
    page, version,
};
use crate::failure::Failure;
use crate::random::Random;
use crate::request::Reply;
use crate::settings::Failing;
use crate::world::Region;

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

fn version_of(
    configuration: Map<String, Value>,
    code: Code,
    revision: String,
    now: u64,
) -> Version {
    Version {
        configuration,
        source: Map::new(),
        sha256: code::digest_of(&code),
        code,
        revision,
        modified: now,
        state: "Active",
        state_reason: None,
        update: Some("Successful"),
        update_reason: None,
        settles: None,
        served: None,
    }
}

fn function_of(name: &str, region: &Region, latest: Version) -> Function {
    Function {
        name: name.to_owned(),
        arn: region.function_arn(name),
        latest,
        versions: BTreeMap::new(),
        last_version: 0,
        aliases: BTreeMap::new(),
        tags: BTreeMap::new(),
        policies: BTreeMap::new(),
        reserved: None,
        provisioned: BTreeMap::new(),
        urls: BTreeMap::new(),
        event_invoke: BTreeMap::new(),
    }
}

/// API reference, CreateFunction.
pub(crate) fn create(context: &mut Context) -> Answer {
    code::must_fit(context)?;
    let name = context.name();
    let name = super::name_and_qualifier(&name).0;
    if !is_name(&name) {
        return Err(constraint(
            &name,
            "functionName",
            r"Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?",
        ));
    }
    let mut settings = configuration::defaults(&name);
    if !context.body.contains_key("Role") {
        return Err(constraint("null", "role", "Member must not be null"));
    }
    configuration::merge(&mut settings, &context.body)?;
    if let Some(architectures) = context.body.get("Architectures") {
        settings.insert("Architectures".to_owned(), architectures.clone());
    }
    if context.settings.role_not_ready > 0 {
        // A role that was made a moment ago (API reference, CreateFunction; IAM is eventually consistent).
        context.settings.role_not_ready -= 1;
        return Err(invalid(
            "The role defined for the function cannot be assumed by Lambda.",
        ));
    }
    if context.region.lambda.by_name.contains_key(&name) {
        return Err(conflict(format!("Function already exist: {name}")));
    }
    let is_image = context
        .body
        .get("PackageType")
        .is_some_and(|kind| kind == "Image");
    let members = context
        .body
        .get("Code")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    if !is_image && !settings.contains_key("Runtime") {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    let code = code::taken(&members, context.buckets, &context.settings.images)?;
    let revision = context.random.uuid();
    let mut latest = version_of(settings, code, revision, context.now);
    latest.state = "Pending";
    latest.update = None;
    latest.settles = Some((
        context.now + context.settings.settle_ms,
        context.settings.fail_next.take(),
    ));
    let mut function = function_of(&name, context.region, latest);
    if let Some(tags) = context.body.get("Tags").and_then(Value::as_object) {
        function.tags = tags
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
            .collect();
    }
    let shown = function.show("$LATEST", None)?;
    context.region.lambda.by_name.insert(name, function);
    if context.flag("Publish") {
        return version::publish_now(context, 201, None);
    }
    Ok(Reply::json(201, &Value::Object(shown)))
}

/// API reference, GetFunction: configuration, code location, tags, reserved concurrency in one answer.
pub(crate) fn get(context: &mut Context) -> Answer {
    let qualifier = context.qualifier();
    let host = context
        .request
        .header("host")
        .unwrap_or("127.0.0.1")
        .to_owned();
    let (account, region) = (context.region.account.clone(), context.region.name.clone());
    let is_denied = |rule: &String| rule == "lambda:ListTags" || rule == "lambda:*";
    let without_tags = context.settings.denied.iter().any(is_denied);
    let is_told = !context.settings.tags_left_out;
    let function = context.function()?;
    let version = function.resolve(qualifier.as_deref())?;
    let shown = function.show(&version, qualifier.as_deref())?;
    let code = match &function.version(&version)?.code {
        Code::Zip(_) => json!({
            "RepositoryType": "S3",
            "Location": format!("http://{host}/_code/{account}/{region}/{}/{version}", function.name),
        }),
        Code::Image { uri, resolved } => json!({
            "RepositoryType": "ECR",
            "ImageUri": uri,
            "ResolvedImageUri": resolved,
        }),
    };
    let mut body = json!({ "Configuration": shown, "Code": code });
    // "Lambda returns tag data only if you have explicit allow permissions for lambda:ListTags"; what else it says is in
    // TagsError (API reference, GetFunction).
    if without_tags && is_told {
        body["TagsError"] = json!({
            "ErrorCode": "AccessDeniedException",
            "Message": "not authorized to perform: lambda:ListTags because no identity-based policy allows the lambda:ListTags action",
        });
    } else if !without_tags && !function.tags.is_empty() {
        body["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved {
        body["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(Reply::json(200, &body))
}

pub(crate) fn list(context: &mut Context) -> Answer {
    let all = context
        .request
        .query
        .get("FunctionVersion")
        .is_some_and(|value| value == "ALL");
    let mut items = Vec::new();
    for (name, function) in &context.region.lambda.by_name {
        let qualifier = all.then_some("$LATEST");
        items.push((
            name.clone(),
            version::listed(function.show("$LATEST", qualifier)?),
        ));
        for number in function.versions.keys().filter(|_| all) {
            let number = number.to_string();
            let shown = function.show(&number, Some(&number))?;
            items.push((format!("{name}:{number:0>20}"), version::listed(shown)));
        }
    }
    let (functions, marker) = page(context, items)?;
    let mut body = json!({ "Functions": functions });
    if let Some(marker) = marker {
        body["NextMarker"] = json!(marker);
    }
    Ok(Reply::json(200, &body))
}

/// API reference, DeleteFunction: "To delete a specific function version, use the Qualifier parameter"; "You can't
/// delete a version that an alias references".
pub(crate) fn delete(context: &mut Context) -> Answer {
    let qualifier = context.qualifier();
    let name = context.name();
    let function = context.function()?;
    let Some(qualifier) = qualifier else {
        context.region.lambda.by_name.remove(&name);
        return Ok(Reply::empty(204));
    };
    if qualifier == "$LATEST" {
        return Err(invalid(
            "$LATEST version cannot be deleted without deleting the function.",
        ));
    }
    let Ok(number) = qualifier.parse::<u64>() else {
        return Err(invalid("Deletion of aliases is not currently supported."));
    };
    let referring: Vec<&String> = function
        .aliases
        .iter()
        .filter(|(_, alias)| alias.version == qualifier || alias.weights.contains_key(&qualifier))
        .map(|(name, _)| name)
        .collect();
    if !referring.is_empty() {
        return Err(conflict(format!(
            "Version {}:{qualifier} is referenced by alias(es): {}",
            function.arn,
            referring
                .iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    function.versions.remove(&number);
    function.provisioned.remove(&qualifier);
    Ok(Reply::empty(204))
}

/// API reference, GetAccountSettings; the limits are those of gettingstarted-limits.html.
pub(crate) fn account_settings(context: &mut Context) -> Answer {
    let functions = &context.region.lambda.by_name;
    let size = |version: &Version| match &version.code {
        Code::Zip(data) => data.len(),
        Code::Image { .. } => 0,
    };
    let total: usize = functions
        .values()
        .map(|function| {
            size(&function.latest) + function.versions.values().map(size).sum::<usize>()
        })
        .sum();
    let reserved: u64 = functions
        .values()
        .filter_map(|function| function.reserved)
        .sum();
    Ok(Reply::json(
        200,
        &json!({
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800_u64,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": 1000,
                "UnreservedConcurrentExecutions": 1000_u64.saturating_sub(reserved),
            },
            "AccountUsage": { "TotalCodeSize": total, "FunctionCount": functions.len() },
        }),
    ))
}

/// For `POST /_control/functions`: a function that is Active at once, with versions and an alias on the last.
pub(crate) fn create_quickly(
    region: &mut Region,
    name: &str,
    wanted: &Value,
    data: &Arc<Vec<u8>>,
    random: &mut Random,
    now: u64,
) -> Result<(), Failure> {
    let mut settings = configuration::defaults(name);
    let body = json!({
        "Role": "arn:aws:iam::123456789012:role/stand-in",
        "Runtime": "python3.12",
        "Handler": "handler.handler",
    });
    configuration::merge(&mut settings, body.as_object().unwrap_or(&Map::new()))?;
    if let Some(given) = wanted["configuration"].as_object() {
        configuration::merge(&mut settings, given)?;
    }
    let mut latest = version_of(settings, Code::Zip(data.clone()), random.uuid(), now);
    latest.sha256 = sha256_of(data);
    let mut function = function_of(name, region, latest);
    for number in 1..=wanted["versions"].as_u64().unwrap_or(1) {
        let mut published = function.latest.clone();
        published.source.clone_from(&published.configuration);
        published.revision = random.uuid();
        if let Some(description) = wanted["description"].as_str() {
            published
                .configuration
                .insert("Description".to_owned(), json!(description));
        }
        function.versions.insert(number, published);
        function.last_version = number;
    }
    if let Some(tags) = wanted["tags"].as_object() {
        function.tags = tags
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
            .collect();
    }
    if let Some(alias) = wanted["alias"].as_str() {
        function.aliases.insert(
            alias.to_owned(),
            super::model::Alias {
                version: function.last_version.to_string(),
                description: wanted["alias_description"]
                    .as_str()
                    .unwrap_or("")
                    .to_owned(),
                weights: BTreeMap::new(),
                revision: random.uuid(),
            },
        );
    }
    if let Some(failing) = wanted
        .get("failed")
        .and_then(|failed| serde_json::from_value::<Failing>(failed.clone()).ok())
    {
        function.latest.update = Some("Failed");
        function.latest.update_reason = Some(failing);
    }
    region.lambda.by_name.insert(name.to_owned(), function);
    Ok(())
}
