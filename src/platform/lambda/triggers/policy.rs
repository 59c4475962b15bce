//! A function's resource policy: who may call it. Pure.
//!
//! Reads the statements that `AddPermission` writes (Lambda API, `AddPermission`); anything else in a policy is
//! passed over, because it could not be given to the alias by that call.

use serde_json::Value;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its id.
    pub(crate) sid: String,
    /// Such as `lambda:InvokeFunction`.
    pub(crate) action: String,
    /// A service such as `sns.amazonaws.com`, an account, an ARN, or `*`.
    pub(crate) principal: String,
    /// What may call, such as a topic's ARN.
    pub(crate) source_arn: Option<String>,
    /// The account that the source must belong to.
    pub(crate) source_account: Option<String>,
    /// Alexa's token.
    pub(crate) event_source_token: Option<String>,
    /// The organisation that the principal must be in.
    pub(crate) organisation: Option<String>,
    /// `NONE` or `AWS_IAM`, for function URLs.
    pub(crate) url_auth: Option<String>,
    /// Only calls through a function URL.
    pub(crate) via_url: Option<bool>,
}

impl Statement {
    /// Who calls, in words.
    pub(super) fn who(&self) -> String {
        match (self.principal.as_str(), &self.source_arn) {
            ("apigateway.amazonaws.com", Some(arn)) => format!("API Gateway ({arn})"),
            (principal, Some(arn)) => format!("{principal} ({arn})"),
            ("*", None) => "anybody".to_owned(),
            (principal, None) => principal.to_owned(),
        }
    }

    /// Whether another statement grants the same, whatever its id is.
    pub(super) fn same_grant(&self, other: &Self) -> bool {
        Self {
            sid: other.sid.clone(),
            ..self.clone()
        } == *other
    }
}

/// The statements of a policy document that allow a call; none in what is no policy.
pub(super) fn parse(policy: &str) -> Vec<Statement> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy.get("Statement").and_then(Value::as_array);
    statements
        .into_iter()
        .flatten()
        .filter(|one| one.get("Effect").and_then(Value::as_str) == Some("Allow"))
        .filter_map(statement)
        .collect()
}

fn statement(one: &Value) -> Option<Statement> {
    let text = |key: &str| one.get(key).and_then(Value::as_str).map(str::to_owned);
    let principal = match one.get("Principal")? {
        Value::String(text) => text.clone(),
        map => {
            let value = map.get("Service").or_else(|| map.get("AWS"))?;
            account_of(value.as_str()?)
        }
    };
    Some(Statement {
        sid: text("Sid")?,
        action: text("Action")?,
        principal,
        source_arn: condition(one, "sourcearn"),
        source_account: condition(one, "sourceaccount"),
        event_source_token: condition(one, "eventsourcetoken"),
        organisation: condition(one, "principalorgid"),
        url_auth: condition(one, "functionurlauthtype"),
        via_url: condition(one, "invokedviafunctionurl").map(|text| text == "true"),
    })
}

/// `AddPermission` takes an account's number and the policy shows its root's ARN.
fn account_of(principal: &str) -> String {
    principal
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"))
        .unwrap_or(principal)
        .to_owned()
}

/// The value of a condition by the end of its key, whatever the operator (`AWS:SourceArn` is written in several
/// ways).
fn condition(statement: &Value, key: &str) -> Option<String> {
    let operators = statement.get("Condition")?.as_object()?;
    operators
        .values()
        .filter_map(Value::as_object)
        .flatten()
        .find(|(name, _)| {
            name.rsplit_once(':')
                .is_some_and(|(_, name)| name.eq_ignore_ascii_case(key))
        })
        .and_then(|(_, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_add_permission_writes_and_passes_over_the_rest() {
        let found = parse(
            r#"{"Version": "2012-10-17", "Statement": [
                {"Sid": "topic", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                 "Action": "lambda:InvokeFunction", "Resource": "arn",
                 "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:sns:eu-west-1:123456789012:paid"},
                               "StringEquals": {"AWS:SourceAccount": "123456789012"}}},
                {"Sid": "other-account", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                 "Action": "lambda:InvokeFunction", "Resource": "arn"},
                {"Sid": "never", "Effect": "Deny", "Principal": "*", "Action": "lambda:InvokeFunction"},
                {"Sid": "url", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction",
                 "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}}
            ]}"#,
        );
        let words: Vec<_> = found
            .iter()
            .map(|one| (one.sid.as_str(), one.who()))
            .collect();
        assert_eq!(
            words,
            [
                (
                    "topic",
                    "sns.amazonaws.com (arn:aws:sns:eu-west-1:123456789012:paid)".to_owned()
                ),
                ("other-account", "210987654321".to_owned()),
                ("url", "anybody".to_owned()),
            ]
        );
        assert_eq!(found[0].source_account.as_deref(), Some("123456789012"));
        assert_eq!(found[2].via_url, Some(true));
        assert_eq!(parse("no policy"), []);
    }
}
