//! Published versions.

use serde_json::{Value, json};

use super::{Answer, Context, Version, constraint, invalid, page, stale};
use crate::request::Reply;

/// API reference, PublishVersion: "Lambda doesn't publish a version if the function's configuration and code haven't
/// changed since the last version"; `CodeSha256`: "Only publish a version if the hash value matches"; `RevisionId`.
pub(crate) fn publish(context: &mut Context) -> Answer {
    let (given, wanted) = (context.text("RevisionId"), context.text("CodeSha256"));
    let description = context.text("Description").filter(|text| !text.is_empty());
    if let Some(description) = &description
        && description.chars().count() > 256
    {
        return Err(constraint(
            description,
            "description",
            "Member must have length less than or equal to 256",
        ));
    }
    let function = context.function()?;
    function.must_be_sound(false)?;
    if given.is_some_and(|given| given != function.latest.revision) {
        return Err(stale());
    }
    let found = &function.latest.sha256;
    if let Some(wanted) = wanted
        && !wanted.is_empty()
        && wanted != *found
    {
        return Err(invalid(format!(
            "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({found}). Please try again with the CodeSHA256 in $LATEST."
        )));
    }
    publish_now(context, 201, description)
}

/// Publishes `$LATEST` as it is, or answers with the last version when that is the same.
pub(crate) fn publish_now(
    context: &mut Context,
    status: u16,
    description: Option<String>,
) -> Answer {
    let by_description = context.settings.description_publishes;
    let snap_start = context.settings.snap_start_ms;
    let (now, settle) = (context.now, context.settings.settle_ms);
    let revision = context.random.uuid();
    let function = context.function()?;
    let latest = &function.latest;
    let last = function.versions.get(&function.last_version);
    let same = last.is_some_and(|last| {
        let described = description.as_ref().is_none_or(|description| {
            last.configuration
                .get("Description")
                .and_then(Value::as_str)
                == Some(description)
        });
        last.sha256 == latest.sha256
            && last.source == latest.configuration
            && (described || !by_description)
    });
    if !same {
        let failing = context.settings.fail_next.take();
        let function = context.function()?;
        function.last_version += 1;
        let mut configuration = function.latest.configuration.clone();
        if let Some(description) = description {
            configuration.insert("Description".to_owned(), json!(description));
        }
        let snaps = configuration["SnapStart"]["ApplyOn"] == "PublishedVersions";
        let version = Version {
            configuration,
            source: function.latest.configuration.clone(),
            revision,
            modified: now,
            // PublishVersion: a new version is Pending until Lambda has made it ready (waiter PublishedVersionActive).
            state: "Pending",
            state_reason: None,
            update: Some("Successful"),
            update_reason: None,
            settles: Some((now + if snaps { snap_start } else { settle }, failing)),
            served: None,
            ..function.latest.clone()
        };
        function.versions.insert(function.last_version, version);
    }
    let function = context.function()?;
    let name = function.last_version.to_string();
    let shown = function.show(&name, Some(&name))?;
    Ok(Reply::json(status, &Value::Object(shown)))
}

/// What lists leave out (API reference, ListFunctions: "The ListFunctions operation returns a subset of the
/// FunctionConfiguration fields. To get the additional fields (State, StateReasonCode, StateReason,
/// LastUpdateStatus, LastUpdateStatusReason, LastUpdateStatusReasonCode, RuntimeVersionConfig) … use GetFunction").
pub(crate) fn listed(mut shown: serde_json::Map<String, Value>) -> Value {
    for member in [
        "State",
        "StateReason",
        "StateReasonCode",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RuntimeVersionConfig",
    ] {
        shown.remove(member);
    }
    Value::Object(shown)
}

/// API reference, ListVersionsByFunction: "Lambda returns up to 50 versions per call", `$LATEST` first.
pub(crate) fn list(context: &mut Context) -> Answer {
    let function = context.function()?;
    let mut items = vec![(
        String::new(),
        listed(function.show("$LATEST", Some("$LATEST"))?),
    )];
    for number in function.versions.keys() {
        let name = number.to_string();
        items.push((
            format!("{number:020}"),
            listed(function.show(&name, Some(&name))?),
        ));
    }
    let (versions, marker) = page(context, items)?;
    let mut body = json!({ "Versions": versions });
    if let Some(marker) = marker {
        body["NextMarker"] = json!(marker);
    }
    Ok(Reply::json(200, &body))
}
