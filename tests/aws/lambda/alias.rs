//! Aliases and their weights.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Alias, Provisioned};
use super::{Answer, Context, Function, conflict, constraint, invalid, missing, page, stale};
use crate::failure::Failure;
use crate::request::Reply;

/// The weights of a request: none where it has no `RoutingConfig`, empty where that is empty.
fn given_weights(body: &serde_json::Map<String, Value>) -> Option<BTreeMap<String, f64>> {
    let routing = body
        .get("RoutingConfig")
        .filter(|routing| !routing.is_null())?;
    let weights = routing
        .get("AdditionalVersionWeights")
        .and_then(Value::as_object);
    Some(
        weights
            .into_iter()
            .flatten()
            .map(|(version, weight)| (version.clone(), weight.as_f64().unwrap_or(f64::NAN)))
            .collect(),
    )
}

/// configuring-alias-routing.html: "You can point an alias to a maximum of two Lambda function versions. The
/// versions must meet the following criteria: Both versions must have the same execution role. Both versions must
/// have the same dead-letter queue configuration, or no dead-letter queue configuration. Both versions must be
/// published. The alias cannot point to $LATEST." AliasRoutingConfiguration: keys `[0-9]+`, weights 0.0 to 1.0.
fn check(
    function: &Function,
    version: &str,
    weights: &BTreeMap<String, f64>,
) -> Result<(), Failure> {
    let main = function.version(version)?;
    if weights.len() > 1 {
        return Err(invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    for (other, weight) in weights {
        let shown = format!("{{{other}={weight}}}");
        if !(0.0..=1.0).contains(weight) {
            return Err(constraint(
                &shown,
                "routingConfig.additionalVersionWeights",
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
            ));
        }
        if other == version {
            return Err(invalid(format!(
                "Invalid function version {version}. Function version {version} is already included in routing configuration."
            )));
        }
        if version == "$LATEST" {
            return Err(invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        if other.is_empty() || !other.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(constraint(
                &shown,
                "routingConfig.additionalVersionWeights",
                "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must not be null]",
            ));
        }
        let second = function.version(other)?;
        if main.role() != second.role() {
            return Err(invalid(format!(
                "Both versions of an alias must have the same execution role: {version} and {other} do not"
            )));
        }
        if main.dead_letters() != second.dead_letters() {
            return Err(invalid(format!(
                "Both versions of an alias must have the same dead-letter queue configuration: {version} and {other} do not"
            )));
        }
    }
    Ok(())
}

fn check_description(description: Option<&String>) -> Result<(), Failure> {
    match description {
        Some(text) if text.chars().count() > 256 => Err(constraint(
            text,
            "description",
            "Member must have length less than or equal to 256",
        )),
        _ => Ok(()),
    }
}

/// API reference, CreateAlias: 201; 409 when there is one of that name.
pub(crate) fn create(context: &mut Context) -> Answer {
    let name = context.text("Name").unwrap_or_default();
    let version = context.text("FunctionVersion").unwrap_or_default();
    let description = context.text("Description");
    let weights = given_weights(&context.body).unwrap_or_default();
    let revision = context.random.uuid();
    check_description(description.as_ref())?;
    let numeric = name.bytes().all(|byte| byte.is_ascii_digit());
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if numeric || name.len() > 128 || !name.chars().all(allowed) {
        return Err(constraint(
            &name,
            "name",
            "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
        ));
    }
    let function = context.function()?;
    function.version(&version)?;
    if function.aliases.contains_key(&name) {
        return Err(conflict(format!(
            "Alias already exists: {}:{name}",
            function.arn
        )));
    }
    check(function, &version, &weights)?;
    function.aliases.insert(
        name.clone(),
        Alias {
            version,
            description: description.unwrap_or_default(),
            weights,
            revision,
        },
    );
    Ok(Reply::json(201, &function.show_alias(&name)))
}

pub(crate) fn get(context: &mut Context) -> Answer {
    let name = context.operation.text("Name").unwrap_or("").to_owned();
    let function = context.function()?;
    if !function.aliases.contains_key(&name) {
        return Err(missing(format!(
            "Cannot find alias arn: {}:{name}",
            function.arn
        )));
    }
    Ok(Reply::json(200, &function.show_alias(&name)))
}

/// API reference, UpdateAlias. What is omitted is kept; an empty `AdditionalVersionWeights` clears; the revision
/// changes with every write, even one that changes nothing else.
pub(crate) fn update(context: &mut Context) -> Answer {
    let name = context.operation.text("Name").unwrap_or("").to_owned();
    let (version, description) = (context.text("FunctionVersion"), context.text("Description"));
    let weights = given_weights(&context.body);
    let is_given = weights.is_some();
    let given = context.text("RevisionId");
    let revision = context.random.uuid();
    let (now, provision) = (context.now, context.settings.provision_ms);
    check_description(description.as_ref())?;
    let function = context.function()?;
    let Some(alias) = function.aliases.get(&name) else {
        return Err(missing(format!("Alias not found: {}:{name}", function.arn)));
    };
    if given.is_some_and(|given| given != alias.revision) {
        return Err(stale());
    }
    let changed = Alias {
        version: version.unwrap_or_else(|| alias.version.clone()),
        description: description.unwrap_or_else(|| alias.description.clone()),
        weights: weights.unwrap_or_else(|| alias.weights.clone()),
        revision,
    };
    check(function, &changed.version, &changed.weights)?;
    let moved = changed.version != alias.version;
    let from = alias.version.clone();
    let reason = moved
        .then(|| context.settings.fail_provisioning.take())
        .flatten();
    let function = context.function()?;
    if moved && let Some(provisioned) = function.provisioned.get_mut(&name) {
        // provisioned-concurrency.html: "If you change the version that an alias points to, Lambda deallocates the
        // provisioned concurrency from the old version and allocates it to the new version."
        *provisioned = Provisioned {
            status: "IN_PROGRESS",
            modified: now,
            reason: None,
            settles: Some((now + provision, reason)),
            moving_from: Some(from),
            requested: provisioned.requested,
        };
    } else if is_given && let Some(provisioned) = function.provisioned.get_mut(&name) {
        // Whoever sets weights, or none, replaces those that Lambda has set.
        provisioned.moving_from = None;
    }
    function.aliases.insert(name.clone(), changed);
    Ok(Reply::json(200, &function.show_alias(&name)))
}

pub(crate) fn delete(context: &mut Context) -> Answer {
    let name = context.operation.text("Name").unwrap_or("").to_owned();
    let function = context.function()?;
    function.aliases.remove(&name);
    function.provisioned.remove(&name);
    function.policies.remove(&name);
    function.urls.remove(&name);
    function.event_invoke.remove(&name);
    Ok(Reply::empty(204))
}

pub(crate) fn list(context: &mut Context) -> Answer {
    let version = context.request.query.get("FunctionVersion").cloned();
    let function = context.function()?;
    let items = function
        .aliases
        .iter()
        .filter(|(_, alias)| {
            version.as_ref().is_none_or(|version| {
                alias.version == *version || alias.weights.contains_key(version)
            })
        })
        .map(|(name, _)| (name.clone(), function.show_alias(name)))
        .collect();
    let (aliases, marker) = page(context, items)?;
    let mut body = json!({ "Aliases": aliases });
    if let Some(marker) = marker {
        body["NextMarker"] = json!(marker);
    }
    Ok(Reply::json(200, &body))
}
