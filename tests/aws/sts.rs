//! Security Token Service (query protocol, API version 2011-06-15).
//!
//! STS API reference: `GetCallerIdentity`, `AssumeRole`, `AssumeRoleWithWebIdentity`. Trust policies are not looked at;
//! what the web identity token says neither.

use std::collections::BTreeMap;

use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::request::{Reply, Request, escaped, pairs};
use crate::world::{Identity, World};

fn parameters(request: &Request) -> BTreeMap<String, String> {
    let body = request.text().replace('+', "%20");
    let mut found: BTreeMap<_, _> = pairs(&body).into_iter().collect();
    found.extend(request.query.clone());
    found
}

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let parameters = parameters(request);
    let name = match parameters.get("Action")?.as_str() {
        "GetCallerIdentity" => "GetCallerIdentity",
        "AssumeRole" => "AssumeRole",
        "AssumeRoleWithWebIdentity" => "AssumeRoleWithWebIdentity",
        _ => return None,
    };
    let mut operation = Operation::new(name);
    for name in [
        "RoleArn",
        "RoleSessionName",
        "DurationSeconds",
        "SourceIdentity",
    ] {
        if let Some(value) = parameters.get(name) {
            operation = operation.with(name, value.clone());
        }
    }
    Some(operation)
}

fn wrapped(name: &str, result: &str) -> Reply {
    Reply::xml(
        200,
        format!(
            "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{name}Result>{result}</{name}Result><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{name}Response>"
        ),
    )
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    world: &mut World,
) -> Result<Reply, Failure> {
    if operation.name == "GetCallerIdentity" {
        return Ok(wrapped(
            operation.name,
            &format!(
                "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                escaped(&identity.arn),
                escaped(&identity.user_id),
                identity.account
            ),
        ));
    }
    assume(&parameters(request), operation.name, world)
}

fn invalid(message: String) -> Failure {
    Failure::new(400, "ValidationError", message)
}

/// AssumeRole, Request Parameters: RoleArn at least 20 characters; RoleSessionName 2–64 of `[\w+=,.@-]`;
/// DurationSeconds 900–43200, 3600 when not given; SourceIdentity 2–64.
fn assume(
    parameters: &BTreeMap<String, String>,
    name: &str,
    world: &mut World,
) -> Result<Reply, Failure> {
    let of = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    let (role, session) = (of("RoleArn"), of("RoleSessionName"));
    let parts: Vec<&str> = role.split(':').collect();
    let (Some(account), Some(role_name)) = (
        parts.get(4),
        parts.get(5).and_then(|rest| rest.strip_prefix("role/")),
    ) else {
        return Err(invalid(format!("{role} is invalid")));
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    for (member, text) in [
        ("roleSessionName", &session),
        ("sourceIdentity", &of("SourceIdentity")),
    ] {
        let absent = member == "sourceIdentity" && text.is_empty();
        if !absent && (!(2..=64).contains(&text.len()) || !text.chars().all(allowed)) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            )));
        }
    }
    let duration: u64 = of("DurationSeconds").parse().unwrap_or(3600);
    if !(900..=43_200).contains(&duration) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"
        )));
    }
    let short = role_name.rsplit('/').next().unwrap_or(role_name);
    let key = format!("ASIA{:016X}", world.random.next());
    let arn = format!("arn:aws:sts::{account}:assumed-role/{short}/{session}");
    let user_id = format!("AROASTANDIN0000000000:{session}");
    world.set_identity(
        &key,
        Identity {
            account: (*account).to_owned(),
            arn: arn.clone(),
            user_id: user_id.clone(),
            expired: false,
        },
    );
    let expiration = clock::iso_time(clock::now() + duration * 1000);
    Ok(wrapped(
        name,
        &format!(
            "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>stand-in-secret</SecretAccessKey><SessionToken>stand-in-token</SessionToken><Expiration>{expiration}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>",
            escaped(&user_id),
            escaped(&arn)
        ),
    ))
}
