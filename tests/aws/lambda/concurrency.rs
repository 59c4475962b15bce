//! Reserved and provisioned concurrency.

use serde_json::{Value, json};

use super::model::Provisioned;
use super::{Answer, Context, Function, invalid, missing, page};
use crate::clock;
use crate::failure::Failure;
use crate::request::Reply;

fn show(provisioned: &Provisioned) -> Value {
    let ready = if provisioned.status == "READY" {
        provisioned.requested
    } else {
        0
    };
    let mut shown = json!({
        "RequestedProvisionedConcurrentExecutions": provisioned.requested,
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": provisioned.status,
        "LastModified": clock::lambda_time(provisioned.modified),
    });
    if let Some(reason) = &provisioned.reason {
        shown["StatusReason"] = json!(reason);
    }
    shown
}

/// The qualifier of provisioned concurrency: an alias or a published version (API reference,
/// PutProvisionedConcurrencyConfig, Qualifier).
fn published(function: &Function, qualifier: Option<String>) -> Result<String, Failure> {
    let qualifier = qualifier.unwrap_or_else(|| "$LATEST".to_owned());
    let unpublished = || {
        invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        )
    };
    if qualifier == "$LATEST" {
        return Err(unpublished());
    }
    match function.aliases.get(&qualifier) {
        Some(alias) if alias.version == "$LATEST" => Err(unpublished()),
        Some(_) => Ok(qualifier),
        None if qualifier.parse::<u64>().is_ok() => function.version(&qualifier).map(|_| qualifier),
        None => Err(missing(format!(
            "Cannot find alias arn: {}:{qualifier}",
            function.arn
        ))),
    }
}

fn none() -> Failure {
    Failure::new(
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    )
    .with("Type", "User")
}

pub(crate) fn handle(context: &mut Context) -> Answer {
    match context.operation.name {
        "PutFunctionConcurrency" => {
            let Some(wanted) = context
                .body
                .get("ReservedConcurrentExecutions")
                .and_then(Value::as_u64)
            else {
                return Err(invalid("ReservedConcurrentExecutions must not be null"));
            };
            context.function()?.reserved = Some(wanted);
            Ok(Reply::json(
                200,
                &json!({ "ReservedConcurrentExecutions": wanted }),
            ))
        }
        "GetFunctionConcurrency" => Ok(Reply::json(
            200,
            &match context.function()?.reserved {
                Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
                None => json!({}),
            },
        )),
        "DeleteFunctionConcurrency" => {
            context.function()?.reserved = None;
            Ok(Reply::empty(204))
        }
        "PutProvisionedConcurrencyConfig" => put(context),
        "ListProvisionedConcurrencyConfigs" => list(context),
        name => {
            let qualifier = context.qualifier();
            let function = context.function()?;
            let qualifier = published(function, qualifier)?;
            if name == "DeleteProvisionedConcurrencyConfig" {
                function.provisioned.remove(&qualifier);
                return Ok(Reply::empty(204));
            }
            let found = function.provisioned.get(&qualifier).ok_or_else(none)?;
            Ok(Reply::json(200, &show(found)))
        }
    }
}

/// 202; refused on an alias with weights (configuring-alias-routing.html and the service's own words).
fn put(context: &mut Context) -> Answer {
    let qualifier = context.qualifier();
    let wanted = context
        .body
        .get("ProvisionedConcurrentExecutions")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let (now, settle) = (context.now, context.settings.provision_ms);
    if wanted == 0 {
        return Err(super::constraint(
            "0",
            "provisionedConcurrentExecutions",
            "Member must have value greater than or equal to 1",
        ));
    }
    let function = context.function()?;
    let qualifier = published(function, qualifier)?;
    if !function.weights_of(&qualifier).is_empty() {
        return Err(invalid(
            "Alias with weights can not be used with Provisioned Concurrency",
        ));
    }
    if function.reserved.is_some_and(|reserved| wanted > reserved) {
        return Err(invalid(format!(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function {}",
            function.name
        )));
    }
    let failing = context.settings.fail_provisioning.take();
    let provisioned = Provisioned {
        requested: wanted,
        modified: now,
        status: "IN_PROGRESS",
        reason: None,
        settles: Some((now + settle, failing)),
        moving_from: None,
    };
    let shown = show(&provisioned);
    context
        .function()?
        .provisioned
        .insert(qualifier, provisioned);
    Ok(Reply::json(202, &shown))
}

fn list(context: &mut Context) -> Answer {
    let function = context.function()?;
    let items = function
        .provisioned
        .iter()
        .map(|(qualifier, provisioned)| {
            let mut shown = show(provisioned);
            shown["FunctionArn"] = json!(format!("{}:{qualifier}", function.arn));
            (qualifier.clone(), shown)
        })
        .collect();
    let (found, marker) = page(context, items)?;
    let mut body = json!({ "ProvisionedConcurrencyConfigs": found });
    if let Some(marker) = marker {
        body["NextMarker"] = json!(marker);
    }
    Ok(Reply::json(200, &body))
}
