//! Resource-based policies, one for each of function, version and alias.

use serde_json::{Value, json};

use super::{Answer, Context, Failure, conflict, constraint, missing, stale};
use crate::request::Reply;

/// gettingstarted-limits.html: "Function resource-based policy: 20 KB".
const LARGEST_POLICY: usize = 20 * 1024;

fn principal(given: &str) -> Value {
    if given == "*" {
        json!("*")
    } else if given.contains(".amazonaws.com") {
        json!({ "Service": given })
    } else if given.len() == 12 && given.bytes().all(|byte| byte.is_ascii_digit()) {
        json!({ "AWS": format!("arn:aws:iam::{given}:root") })
    } else {
        json!({ "AWS": given })
    }
}

/// API reference, AddPermission, Request Body.
fn statement(context: &Context, resource: &str) -> Value {
    let text = |name: &str| context.text(name);
    let mut statement = json!({
        "Sid": text("StatementId").unwrap_or_default(),
        "Effect": "Allow",
        "Principal": principal(&text("Principal").unwrap_or_default()),
        "Action": text("Action").unwrap_or_default(),
        "Resource": resource,
    });
    let mut condition = json!({});
    let mut add = |operator: &str, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            condition[operator][key] = value;
        }
    };
    add(
        "StringEquals",
        "AWS:SourceAccount",
        text("SourceAccount").map(Value::from),
    );
    add(
        "ArnLike",
        "AWS:SourceArn",
        text("SourceArn").map(Value::from),
    );
    add(
        "StringEquals",
        "aws:PrincipalOrgID",
        text("PrincipalOrgID").map(Value::from),
    );
    add(
        "StringEquals",
        "lambda:EventSourceToken",
        text("EventSourceToken").map(Value::from),
    );
    add(
        "StringEquals",
        "lambda:FunctionUrlAuthType",
        text("FunctionUrlAuthType").map(Value::from),
    );
    let via = context
        .body
        .get("InvokedViaFunctionUrl")
        .and_then(Value::as_bool);
    add(
        "Bool",
        "lambda:InvokedViaFunctionUrl",
        via.map(|via| json!(via.to_string())),
    );
    if condition
        .as_object()
        .is_some_and(|condition| !condition.is_empty())
    {
        statement["Condition"] = condition;
    }
    statement
}

/// Refuses a stale revision and what the qualifier does not name.
fn checked(context: &mut Context, revision: Option<String>) -> Result<String, Failure> {
    let qualifier = context.qualifier().unwrap_or_else(|| "$LATEST".to_owned());
    let function = context.function()?;
    function.resolve(Some(&qualifier))?;
    if revision.is_some_and(|revision| {
        function
            .revision_of(&qualifier)
            .is_ok_and(|found| found != revision)
    }) {
        return Err(stale());
    }
    Ok(qualifier)
}

pub(crate) fn add(context: &mut Context) -> Answer {
    if context
        .qualifier()
        .is_some_and(|qualifier| qualifier == "$LATEST")
    {
        return Err(super::invalid(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    let given = context.text("RevisionId");
    let qualifier = checked(context, given)?;
    let sid = context.text("StatementId").unwrap_or_default();
    if sid.is_empty()
        || !sid
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    {
        return Err(constraint(
            &sid,
            "statementId",
            "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
        ));
    }
    let statement = statement(context, &context.qualified_arn());
    let revision = context.random.uuid();
    let function = context.function()?;
    let statements = function.policies.entry(qualifier.clone()).or_default();
    if statements.iter().any(|found| found["Sid"] == json!(sid)) {
        return Err(conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    let size: usize = statements.iter().map(|found| found.to_string().len()).sum();
    if size + statement.to_string().len() > LARGEST_POLICY {
        return Err(Failure::new(
            400,
            "PolicyLengthExceededException",
            format!("The final policy size ({size}) is bigger than the limit ({LARGEST_POLICY})."),
        ));
    }
    statements.push(statement.clone());
    // A policy belongs to what has the revision: adding to it changes that.
    function.touch(&qualifier, revision);
    Ok(Reply::json(
        201,
        &json!({ "Statement": statement.to_string() }),
    ))
}

pub(crate) fn get(context: &mut Context) -> Answer {
    let qualifier = checked(context, None)?;
    let function = context.function()?;
    let Some(statements) = function
        .policies
        .get(&qualifier)
        .filter(|found| !found.is_empty())
    else {
        return Err(missing("The resource you requested does not exist."));
    };
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    Ok(Reply::json(
        200,
        &json!({
            "Policy": policy.to_string(),
            "RevisionId": function.revision_of(&qualifier)?,
        }),
    ))
}

pub(crate) fn remove(context: &mut Context) -> Answer {
    let given = context.request.query.get("RevisionId").cloned();
    let qualifier = checked(context, given)?;
    let sid = context
        .operation
        .text("StatementId")
        .unwrap_or("")
        .to_owned();
    let revision = context.random.uuid();
    let function = context.function()?;
    let Some(statements) = function
        .policies
        .get_mut(&qualifier)
        .filter(|found| !found.is_empty())
    else {
        return Err(missing("No policy is associated with the given resource."));
    };
    let before = statements.len();
    statements.retain(|found| found["Sid"] != json!(sid));
    if statements.len() == before {
        return Err(missing(format!(
            "Statement {sid} is not found in resource policy."
        )));
    }
    function.touch(&qualifier, revision);
    Ok(Reply::empty(204))
}
