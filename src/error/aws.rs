//! The words for errors of AWS: what could not be done, why, and what to do about it.

use std::path::Path;

use super::{Error, Kind};
use crate::clients::aws::{self, Source, Trouble, Why, Wrong, words};
use crate::domain::meant::nearest;

impl From<aws::Error> for Error {
    fn from(error: aws::Error) -> Self {
        let message = format!("{}: {}", words::asked(&error), words::sentence(&error));
        let resource = error.call.resource.clone();
        let mut made = match error.why.as_ref() {
            Why::Credentials(trouble) => credentials(trouble, message),
            Why::WrongAccount {
                pinned,
                found,
                arn,
                source,
                environment,
            } => wrong_account([pinned, found, arn, environment], source.as_ref()),
            Why::Denied {
                principal,
                action,
                resource: on,
                explicit,
            } => {
                let on = on.clone().unwrap_or(resource);
                denied(message, principal.as_deref(), action, &on, *explicit)
            }
            why => match error.reason.as_deref().and_then(words::limit) {
                Some(limit) => Self::new(Kind::Conflict, "aws-throttled", message).hint(
                    limit
                        .hint
                        .unwrap_or_default()
                        .replace("{function}", &resource),
                ),
                None => plain(why, message),
            },
        };
        if let Some(cause) = cause(&error) {
            made = made.cause(cause);
        }
        made
    }
}

/// AWS's own sentence, its name for the error and the id of the request.
fn cause(error: &aws::Error) -> Option<String> {
    let facts: Vec<String> = [
        error.code.clone(),
        error.request_id.as_ref().map(|id| format!("request {id}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let said = error.said.trim_end_matches('.');
    match (said.is_empty(), facts.is_empty()) {
        (true, true) => None,
        (true, false) => Some(facts.join(", ")),
        (false, true) => Some(said.to_owned()),
        (false, false) => Some(format!("{said} ({})", facts.join(", "))),
    }
}

/// What needs no more than its sentence.
fn plain(why: &Why, message: String) -> Error {
    let again = "run the same command again; it goes on where this one ended";
    match why {
        Why::Throttled => Error::new(Kind::Conflict, "aws-throttled", message)
            .hint("others use up the account's quota; run the same command again in a minute"),
        Why::InProgress => Error::new(Kind::Conflict, "aws-busy", message)
            .hint("`squad status` shows how it is; run the same command again when it is done"),
        Why::Exists => Error::new(Kind::Conflict, "aws-exists", message)
            .hint("somebody made it a moment ago; run the same command again"),
        Why::Lost | Why::OtherCode => Error::new(Kind::Conflict, "conflict", message)
            .hint("look at what is live now with `squad status`, then run the same command again"),
        Why::RoleNotReady => Error::new(Kind::Failed, "aws-role", message)
            .hint("let the role's trust policy name `lambda.amazonaws.com`; a role that was just made takes up to a minute")
            .retryable(),
        Why::NotFound => Error::new(Kind::Failed, "aws-not-found", message)
            .hint("`squad whoami` shows which account and region were asked"),
        Why::StorageFull => Error::new(Kind::Failed, "aws-storage-full", message)
            .hint("delete versions that nothing refers to, or ask for a higher quota"),
        Why::TooLarge => Error::new(Kind::Failed, "aws-too-large", message)
            .hint("a function may have 250 MB unpacked; leave out what it does not need, or deploy a container image"),
        Why::Signature => Error::new(Kind::Refused, "aws-signature", message)
            .hint("sign the package with the profile that the function's code signing configuration names"),
        Why::Invalid => Error::new(Kind::Failed, "aws-invalid", message),
        Why::WrongRegion { .. } => Error::new(Kind::Refused, "wrong-region", message)
            .hint("correct `region` or `audit` of the environment in org.toml"),
        Why::Clock => Error::new(Kind::Failed, "clock-wrong", message)
            .hint("set this machine's clock; AWS accepts five minutes of difference"),
        Why::Unreachable { .. } => Error::new(Kind::Failed, "aws-unreachable", message)
            .hint("check the network, a proxy, and `AWS_ENDPOINT_URL` if it is set")
            .hint("whether AWS answers again: `squad whoami`")
            .retryable(),
        Why::TimedOut { .. } => Error::new(Kind::Failed, "aws-timeout", message)
            .hint(again)
            .retryable(),
        _ => Error::new(Kind::Failed, "aws-failed", message)
            .hint(again)
            .retryable(),
    }
}

/// What a profile that is named does not change.
const KEYS_WIN: &str = "AWS_ACCESS_KEY_ID is set and is used before any profile: `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`";

fn wrong_account(texts: [&String; 4], source: Option<&Source>) -> Error {
    let [pinned, found, arn, environment] = texts;
    let from = source.map_or(String::new(), |source| format!(", from the {source}"));
    let mut error = Error::new(
        Kind::Refused,
        "wrong-account",
        format!(
            "the environment `{environment}` is the AWS account {pinned}, and the credentials are of {found}"
        ),
    )
    .cause(format!("they are `{arn}`{from}"));
    if source == Some(&Source::Environment) {
        error = error.hint(KEYS_WIN);
    }
    error.hint(format!(
        "choose the profile of that account: `AWS_PROFILE=PROFILE squad whoami --env {environment}`"
    ))
}

fn denied(
    message: String,
    principal: Option<&str>,
    action: &str,
    on: &str,
    explicit: bool,
) -> Error {
    let on = if on.is_empty() { "*" } else { on };
    let who = principal.unwrap_or("the identity that `squad whoami` shows");
    let error = Error::new(Kind::Credentials, "aws-denied", message);
    if explicit {
        error.hint(format!(
            "a policy forbids `{action}` on `{on}`; ask the account's owner about it"
        ))
    } else {
        error.hint(format!(
            "ask the account's owner to allow `{action}` on `{on}` for {who}"
        ))
    }
}

fn credentials(trouble: &Trouble, message: String) -> Error {
    let mut error = match trouble.wrong {
        Wrong::Missing => Error::new(Kind::Credentials, "credentials-missing", message),
        Wrong::Expired => Error::new(Kind::Credentials, "credentials-expired", message),
        Wrong::Rejected => Error::new(Kind::Credentials, "credentials-rejected", message),
        Wrong::Broken => Error::new(Kind::Credentials, "credentials-broken", message),
        Wrong::Unreachable => return unreachable(trouble, message),
    };
    if let Some(source) = &trouble.source {
        error = error.detail(format!("tried: {source}"));
    }
    let by_files = matches!(
        trouble.source,
        None | Some(Source::Profile(_) | Source::WebIdentity)
    );
    if by_files && !trouble.files.is_empty() {
        let files: Vec<String> = trouble.files.iter().map(|file| shown(file)).collect();
        error = error.detail(format!("looked at: {}", files.join(", ")));
    }
    if !trouble.said.is_empty() {
        error = error.cause(trouble.said.clone());
    }
    for hint in hints(trouble) {
        error = error.hint(hint);
    }
    error
}

/// No login helps where there is no network.
fn unreachable(trouble: &Trouble, message: String) -> Error {
    let mut error = plain(&Why::Unreachable { sent: false }, message);
    if let Some(source) = &trouble.source {
        error = error.detail(format!("tried: {source}"));
    }
    error.cause(trouble.said.clone())
}

fn shown(file: &Path) -> String {
    let is_there = file.is_file();
    let rest = if is_there { "" } else { " (not there)" };
    format!("`{}`{rest}", file.display())
}

/// What to do about credentials: the login of that profile, or what to renew.
fn hints(trouble: &Trouble) -> Vec<String> {
    if let Some(profile) = &trouble.login {
        let export = format!("aws configure export-credentials --profile {profile} --format");
        return vec![
            format!("for this shell: `eval \"$({export} env)\"`"),
            format!(
                "for good: name a profile in AWS_PROFILE that has `credential_process = {export} process`"
            ),
        ];
    }
    if let Some(profile) = &trouble.sso {
        return vec![if trouble.ci {
            format!(
                "a pipeline cannot log in as the profile `{profile}` does; let it assume a role with its own token (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)"
            )
        } else {
            format!("log in: `aws sso login --profile {profile}`")
        }];
    }
    let one = match (&trouble.source, trouble.wrong) {
        (None, _) if trouble.ci => {
            "give the job a role: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or the AWS_ACCESS_KEY_ID family"
        }
        (None, _) => {
            return vec![
                "choose a profile: `AWS_PROFILE=PROFILE squad whoami`".to_owned(),
                "or make one: `aws configure sso`".to_owned(),
            ];
        }
        (Some(Source::Environment), _) if trouble.ci => {
            "renew the credentials of the job: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN are set, and are used before anything else"
        }
        (Some(Source::Environment), _) => {
            "AWS_ACCESS_KEY_ID is set and is used before any profile; set new ones, or `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`"
        }
        (Some(Source::WebIdentity), _) => {
            "have the pipeline write a new token to the file of AWS_WEB_IDENTITY_TOKEN_FILE, and check that the role of AWS_ROLE_ARN trusts it"
        }
        (Some(Source::Container | Source::Instance), _) => {
            "check the role that this machine or container was given"
        }
        (Some(Source::Profile(profile)), _) => {
            if let Some(others) = &trouble.others {
                return of_others(profile, others);
            }
            return vec![format!(
                "renew what the profile gives, and try it: `aws sts get-caller-identity --profile {profile}`"
            )];
        }
    };
    vec![one.to_owned()]
}

/// What to do about a profile that there is not: the one that may be meant, and those that there are.
fn of_others(profile: &str, others: &[String]) -> Vec<String> {
    /// More are not helpful on one line.
    const MOST: usize = 12;
    if others.is_empty() {
        return vec![
            "there is no profile yet; make one: `aws configure sso`".to_owned(),
            "or leave AWS_PROFILE out: `unset AWS_PROFILE`".to_owned(),
        ];
    }
    let mut hints = Vec::new();
    if let Some(near) = nearest(profile, others.iter().map(String::as_str)) {
        hints.push(format!(
            "`{near}` may be meant: `AWS_PROFILE={near} squad whoami`"
        ));
    }
    let shown: Vec<_> = others
        .iter()
        .take(MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match others.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more, `aws configure list-profiles`"),
    };
    hints.push(format!(
        "the profiles that there are: {}{more}",
        shown.join(", ")
    ));
    hints
}
