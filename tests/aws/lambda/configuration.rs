//! The settings of a function: their defaults, limits and merging.

use serde_json::{Map, Value, json};

use super::{Answer, Context, constraint, invalid, stale};
use crate::failure::Failure;
use crate::request::Reply;

/// Members that are kept as they come.
const PLAIN: [&str; 9] = [
    "Description",
    "Handler",
    "KMSKeyArn",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "FileSystemConfigs",
    "EphemeralStorage",
];

/// Environment variables that Lambda reserves (configuration-envvars.html, "Defined runtime environment variables").
const RESERVED: [&str; 9] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// API reference, CreateFunction, Request Body: the defaults.
pub(crate) fn defaults(name: &str) -> Map<String, Value> {
    let defaults = json!({
        "Description": "",
        "MemorySize": 128,
        "Timeout": 3,
        "TracingConfig": { "Mode": "PassThrough" },
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}") },
        "Architectures": ["x86_64"],
    });
    defaults.as_object().cloned().unwrap_or_default()
}

fn in_range(body: &Map<String, Value>, member: &str, low: u64, high: u64) -> Result<(), Failure> {
    let Some(value) = body.get(member).and_then(Value::as_u64) else {
        return Ok(());
    };
    let mut name = member.to_owned();
    name[..1].make_ascii_lowercase();
    if value < low {
        return Err(constraint(
            &value.to_string(),
            &name,
            &format!("Member must have value greater than or equal to {low}"),
        ));
    }
    if value > high {
        return Err(constraint(
            &value.to_string(),
            &name,
            &format!("Member must have value less than or equal to {high}"),
        ));
    }
    Ok(())
}

/// 4 KB for all variables together (gettingstarted-limits.html, "Function configuration, deployment, and
/// execution"); the message repeats them, as the service does.
fn environment(variables: &Value) -> Result<(), Failure> {
    let text = variables.to_string();
    if text.len() > 4096 {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {text}"
        )));
    }
    let reserved: Vec<&str> = RESERVED
        .into_iter()
        .filter(|name| variables.get(name).is_some())
        .collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    Ok(())
}

/// What of a request goes into the configuration; what is omitted is kept, `Environment` replaces the whole map
/// (API reference, UpdateFunctionConfiguration).
pub(crate) fn merge(
    configuration: &mut Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<(), Failure> {
    in_range(body, "Timeout", 1, 900)?;
    in_range(body, "MemorySize", 128, 10_240)?;
    if let Some(description) = body.get("Description").and_then(Value::as_str)
        && description.chars().count() > 256
    {
        return Err(constraint(
            description,
            "description",
            "Member must have length less than or equal to 256",
        ));
    }
    if let Some(role) = body.get("Role").and_then(Value::as_str)
        && !(role.starts_with("arn:aws") && role.contains(":iam::") && role.contains(":role/"))
    {
        return Err(constraint(
            role,
            "role",
            r"Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
        ));
    }
    for member in PLAIN {
        if let Some(value) = body.get(member) {
            configuration.insert(member.to_owned(), value.clone());
        }
    }
    let mut set = |member: &str, value: Option<Value>| match value {
        Some(value) => drop(configuration.insert(member.to_owned(), value)),
        None => drop(configuration.remove(member)),
    };
    if let Some(given) = body.get("Environment") {
        let variables = given.get("Variables").cloned().unwrap_or_else(|| json!({}));
        environment(&variables)?;
        let any = variables
            .as_object()
            .is_some_and(|variables| !variables.is_empty());
        set(
            "Environment",
            any.then(|| json!({ "Variables": variables })),
        );
    }
    if let Some(given) = body.get("DeadLetterConfig") {
        let target = given.get("TargetArn").and_then(Value::as_str).unwrap_or("");
        set(
            "DeadLetterConfig",
            (!target.is_empty()).then(|| json!({ "TargetArn": target })),
        );
    }
    if let Some(given) = body.get("VpcConfig") {
        let mut shown = given.clone();
        let any = given["SubnetIds"]
            .as_array()
            .is_some_and(|subnets| !subnets.is_empty());
        shown["VpcId"] = json!(if any { "vpc-0stand1n" } else { "" });
        set("VpcConfig", Some(shown));
    }
    if let Some(given) = body.get("Layers").and_then(Value::as_array) {
        if given.len() > 5 {
            return Err(invalid("Cannot reference more than 5 layers."));
        }
        let layers: Vec<Value> = given
            .iter()
            .map(|arn| json!({ "Arn": arn, "CodeSize": 1024 }))
            .collect();
        set("Layers", (!layers.is_empty()).then(|| json!(layers)));
    }
    if let Some(mode) = body
        .get("TracingConfig")
        .and_then(|tracing| tracing.get("Mode"))
    {
        set("TracingConfig", Some(json!({ "Mode": mode })));
    }
    if let Some(on) = body
        .get("SnapStart")
        .and_then(|snap_start| snap_start.get("ApplyOn"))
    {
        set(
            "SnapStart",
            Some(json!({ "ApplyOn": on, "OptimizationStatus": "Off" })),
        );
    }
    if let Some(given) = body.get("ImageConfig") {
        set("ImageConfigResponse", Some(json!({ "ImageConfig": given })));
    }
    if let Some(given) = body.get("LoggingConfig").and_then(Value::as_object) {
        let mut merged = configuration["LoggingConfig"].clone();
        for (member, value) in given {
            merged[member] = value.clone();
        }
        configuration.insert("LoggingConfig".to_owned(), merged);
    }
    Ok(())
}

pub(crate) fn get(context: &mut Context) -> Answer {
    let qualifier = context.qualifier();
    let function = context.function()?;
    let version = function.resolve(qualifier.as_deref())?;
    let shown = function.show(&version, qualifier.as_deref())?;
    Ok(Reply::json(200, &Value::Object(shown)))
}

pub(crate) fn update(context: &mut Context) -> Answer {
    let (body, now, settle) = (
        context.body.clone(),
        context.now,
        context.settings.settle_ms,
    );
    let revision = context.random.uuid();
    let given = context.text("RevisionId");
    let may_have_failed = context.settings.failed_can_be_updated;
    context.function()?.must_be_sound(may_have_failed)?;
    if given.is_some_and(|given| {
        context
            .function()
            .is_ok_and(|found| found.latest.revision != given)
    }) {
        return Err(stale());
    }
    let mut configuration = context.function()?.latest.configuration.clone();
    merge(&mut configuration, &body)?;
    let failing = context.settings.fail_next.take();
    let function = context.function()?;
    let before = function.latest.serving().clone();
    function.latest.configuration = configuration;
    function
        .latest
        .begin_update(before, revision, now, (now + settle, failing));
    let shown = function.show("$LATEST", None)?;
    Ok(Reply::json(200, &Value::Object(shown)))
}
