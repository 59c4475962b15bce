//! A function's resource policy: who may call it. Pure.
//!
//! Reads the statements that `AddPermission` writes (Lambda API, `AddPermission`). Whatever else a statement says could not be
//! given to the alias by that call, and without it the alias would let more callers in: it is shown, and never copied.

use serde_json::Value;

use crate::domain::audit::{hex, sha256};

/// One statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// What `AddPermission` cannot write.
    pub(crate) odd: Option<Odd>,
}

/// What of a statement is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Odd {
    /// In words.
    pub(crate) what: String,
    /// The statement, without its id and its resource.
    whole: String,
}

impl Statement {
    /// Who calls, in words.
    pub(super) fn who(&self) -> String {
        match (self.principal.as_str(), &self.source_arn) {
            ("*", _) => format!("anybody ({})", self.limits().join(", ")),
            ("apigateway.amazonaws.com", Some(arn)) => format!("API Gateway ({arn})"),
            (principal, Some(arn)) => format!("{principal} ({arn})"),
            (principal, None) => principal.to_owned(),
        }
    }

    /// What tells one statement for everybody from another one: by what means the call has to come, and which statement it is.
    fn limits(&self) -> Vec<String> {
        let organisation = self.organisation.as_ref();
        let account = self.source_account.as_ref();
        let is_address = self.via_url == Some(true)
            || self.url_auth.is_some()
            || self.action.ends_with(":InvokeFunctionUrl");
        let address = match self.url_auth.as_deref() {
            Some("NONE") => "through its address, unsigned",
            Some(_) => "through its address, signed",
            None => "through its address",
        };
        let sid = match self.sid.as_str() {
            unnamed if unnamed.starts_with("statement ") => unnamed.to_owned(),
            sid => format!("statement `{sid}`"),
        };
        (self.source_arn.clone().into_iter())
            .chain(organisation.map(|one| format!("of the organisation {one}")))
            .chain(account.map(|one| format!("for the account {one}")))
            .chain(is_address.then(|| address.to_owned()))
            .chain([sid])
            .collect()
    }

    /// Takes a condition, if it is one that `AddPermission` writes.
    fn take(&mut self, operator: &str, key: &str, value: &Value) -> bool {
        let key = key.to_ascii_lowercase();
        if (operator, key.as_str()) == ("Bool", "lambda:invokedviafunctionurl") {
            let is = match value {
                Value::Bool(is) => Some(*is),
                other => sole(other).and_then(|text| text.parse().ok()),
            };
            self.via_url = is;
            return is.is_some();
        }
        let Some(text) = sole(value) else {
            return false;
        };
        let slot = match (operator, key.as_str()) {
            ("ArnLike" | "ArnEquals" | "StringLike", "aws:sourcearn") => &mut self.source_arn,
            // The copy would compare by pattern.
            ("StringEquals", "aws:sourcearn") if !text.contains(['*', '?']) => &mut self.source_arn,
            ("StringEquals", "aws:sourceaccount") => &mut self.source_account,
            ("StringEquals", "lambda:eventsourcetoken") => &mut self.event_source_token,
            ("StringEquals", "aws:principalorgid") => &mut self.organisation,
            ("StringEquals", "lambda:functionurlauthtype") => &mut self.url_auth,
            _ => return false,
        };
        // Two conditions on one key hold both; the copy could have one.
        slot.replace(text.to_owned()).is_none()
    }

    /// Names what it grants, whatever its id is, without telling it: some of it is secret.
    pub(in crate::platform::lambda) fn fingerprint(&self) -> String {
        let grant = Self {
            sid: String::new(),
            ..self.clone()
        };
        hex(&sha256(format!("{grant:?}").as_bytes()))
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
    let statements = match policy.get("Statement") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    statements
        .iter()
        .enumerate()
        .filter(|(_, one)| one.get("Effect").and_then(Value::as_str) == Some("Allow"))
        .map(|(index, one)| statement(index + 1, one))
        .collect()
}

fn statement(number: usize, one: &Value) -> Statement {
    let mut odd = Vec::new();
    let mut read = Statement {
        sid: sid(number, one, &mut odd),
        action: action(one, &mut odd),
        principal: principal(one, &mut odd),
        ..Statement::default()
    };
    for (operator, key, value) in conditions(one) {
        if !read.take(operator, key, value) {
            odd.push(format!("the condition {operator} of {key}"));
        }
    }
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "Resource",
        "Condition",
    ];
    let others = one.as_object().into_iter().flatten().map(|(key, _)| key);
    odd.extend(others.filter(|key| !known.contains(&key.as_str())).cloned());
    if !odd.is_empty() {
        let mut whole = one.clone();
        if let Some(members) = whole.as_object_mut() {
            members.retain(|key, _| key != "Sid" && key != "Resource");
        }
        read.odd = Some(Odd {
            what: odd.join(", "),
            whole: whole.to_string(),
        });
    }
    read
}

fn sid(number: usize, one: &Value, odd: &mut Vec<String>) -> String {
    one.get("Sid").and_then(Value::as_str).map_or_else(
        || {
            odd.push("no id".to_owned());
            format!("statement {number}")
        },
        str::to_owned,
    )
}

fn action(one: &Value, odd: &mut Vec<String>) -> String {
    let action = one.get("Action").unwrap_or(&Value::Null);
    sole(action).map_or_else(
        || {
            odd.push("no single action".to_owned());
            all(action).join(", ")
        },
        str::to_owned,
    )
}

fn principal(one: &Value, odd: &mut Vec<String>) -> String {
    let Some(principal) = one.get("Principal") else {
        odd.push("no principal".to_owned());
        return match one.get("NotPrincipal") {
            Some(but) => format!("anybody but {}", all(but).join(", ")),
            None => "nobody named".to_owned(),
        };
    };
    let named = match principal {
        Value::Object(kinds) if kinds.len() == 1 => {
            let value = kinds.get("Service").or_else(|| kinds.get("AWS"));
            value.and_then(sole).map(account_of)
        }
        other => other.as_str().map(str::to_owned),
    };
    named.unwrap_or_else(|| {
        odd.push("no single principal".to_owned());
        all(principal).join(", ")
    })
}

/// A text, or the only one of a list.
fn sole(value: &Value) -> Option<&str> {
    match value {
        Value::Array(values) => match values.as_slice() {
            [value] => value.as_str(),
            _ => None,
        },
        value => value.as_str(),
    }
}

/// All texts in it.
fn all(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![account_of(text)],
        Value::Array(values) => values.iter().flat_map(all).collect(),
        Value::Object(members) => members.values().flat_map(all).collect(),
        _ => Vec::new(),
    }
}

/// `AddPermission` takes an account's number and the policy shows its root's ARN.
fn account_of(principal: &str) -> String {
    principal
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"))
        .unwrap_or(principal)
        .to_owned()
}

/// The operator, the key and the value of each condition.
fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let operators = statement.get("Condition").and_then(Value::as_object);
    operators
        .into_iter()
        .flatten()
        .flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, value)| (operator.as_str(), key.as_str(), value))
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
                (
                    "url",
                    "anybody (through its address, statement `url`)".to_owned()
                ),
            ]
        );
        assert_eq!(found[0].source_account.as_deref(), Some("123456789012"));
        assert_eq!(found[2].via_url, Some(true));
        assert_eq!(parse("no policy"), []);
        assert_eq!(found.iter().find(|one| one.odd.is_some()), None);
    }

    /// What the alias would get without a condition is more than the function gives.
    #[test]
    fn what_is_not_understood_is_shown_and_said() {
        let statement = |members: &str| {
            let text = format!(
                r#"{{"Statement": [{{"Sid": "one", "Effect": "Allow", "Action": "lambda:InvokeFunction",
                    "Principal": "*", "Resource": "arn", {members}}}]}}"#
            );
            let mut found = parse(&text);
            assert_eq!(found.len(), 1, "{text}");
            let found = found.remove(0);
            (found.who(), found.odd.map(|odd| odd.what))
        };
        let condition = |condition: &str| statement(&format!(r#""Condition": {condition}"#)).1;
        for (given, odd) in [
            (
                r#"{"StringEquals": {"aws:PrincipalTag/squad": "payments"}}"#,
                "the condition StringEquals of aws:PrincipalTag/squad",
            ),
            (
                r#"{"StringNotEquals": {"AWS:SourceAccount": "123456789012"}}"#,
                "the condition StringNotEquals of AWS:SourceAccount",
            ),
            (
                r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"AWS:SourceAccount": "1"}}"#,
                "the condition IpAddress of aws:SourceIp",
            ),
            (
                r#"{"ArnLike": {"AWS:SourceArn": ["arn:1", "arn:2"]}}"#,
                "the condition ArnLike of AWS:SourceArn",
            ),
            (
                r#"{"StringEquals": {"AWS:SourceArn": "arn:*"}}"#,
                "the condition StringEquals of AWS:SourceArn",
            ),
            (
                r#"{"ArnLike": {"AWS:SourceArn": "arn:1"}, "StringLike": {"aws:SourceArn": "arn:2"}}"#,
                "the condition StringLike of aws:SourceArn",
            ),
        ] {
            assert_eq!(condition(given).as_deref(), Some(odd), "{given}");
        }
        assert_eq!(
            condition(r#"{"ArnLike": {"aws:SourceArn": ["arn:1"]}}"#),
            None
        );
        let more = |members: &str, who: &str, odd: &str| {
            assert_eq!(
                statement(members),
                (who.to_owned(), Some(odd.to_owned())),
                "{members}"
            );
        };
        more(
            r#""Principal": {"AWS": ["arn:aws:iam::210987654321:root", "arn:aws:iam::1:role/ci"]}"#,
            "210987654321, arn:aws:iam::1:role/ci",
            "no single principal",
        );
        more(
            r#""Principal": {"AWS": "1", "Service": "sns.amazonaws.com"}"#,
            "1, sns.amazonaws.com",
            "no single principal",
        );
        more(
            r#""Principal": {"Federated": "example"}"#,
            "example",
            "no single principal",
        );
        more(
            r#""Action": ["lambda:InvokeFunction", "lambda:GetFunction"]"#,
            "anybody (statement `one`)",
            "no single action",
        );
        more(
            r#""NotResource": "x""#,
            "anybody (statement `one`)",
            "NotResource",
        );
        let unnamed = parse(
            r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "lambda:*"}}"#,
        );
        assert_eq!(unnamed[0].sid, "statement 1");
        assert_eq!(unnamed[0].who(), "anybody but 1");
        assert!(unnamed[0].odd.is_some());
    }
}
