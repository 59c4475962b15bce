//! What became of a call that did not succeed: the SDK's many errors as few facts.
//!
//! AWS's own text is kept, on one line and without what it quotes of a request. `crate::error` and
//! [`super::words`] have the words for people.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::contact::GivenUp;
use super::credentials::{Origin, Source, Trouble};

/// What every call returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A call: what was asked of which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The IAM action, such as `lambda:UpdateAlias`.
    pub(crate) action: &'static str,
    /// Its name or ARN; empty where there is none.
    pub(crate) resource: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action)?;
        if !self.resource.is_empty() {
            write!(f, " of `{}`", self.resource)?;
        }
        Ok(())
    }
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Error {
    /// Which one.
    pub(crate) call: Call,
    /// Why.
    pub(crate) why: Box<Why>,
    /// AWS's name for the error, such as `ResourceConflictException`; none when no answer came.
    pub(crate) code: Option<String>,
    /// AWS's own sentence, on one line; empty when there is none.
    pub(crate) said: String,
    /// AWS's id of the request, for a support case.
    pub(crate) request_id: Option<String>,
    /// Which limit was reached, as AWS names it (`Reason` of `TooManyRequestsException`); none where it does not say.
    pub(crate) reason: Option<String>,
}

/// Why a call did not succeed. Whether the change was made nevertheless is unknown after
/// [`Why::Unreachable`] with `sent`, [`Why::TimedOut`], [`Why::Server`] and [`Why::Unreadable`]: read and compare.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Why {
    /// There are no credentials, or they cannot be used.
    Credentials(Trouble),
    /// The credentials are of another account than the environment, or the region is another one.
    WrongAccount {
        /// What `org.toml` pins.
        pinned: String,
        /// What the credentials belong to.
        found: String,
        /// Whose they are.
        arn: String,
        /// Where they came from.
        source: Option<Source>,
        /// The environment that was meant.
        environment: String,
    },
    /// The identity may not do this.
    Denied {
        /// Who, as AWS names it.
        principal: Option<String>,
        /// The action that is missing; not always that of the call (`iam:PassRole`).
        action: String,
        /// On what.
        resource: Option<String>,
        /// A policy forbids it, so that adding a permission does not help.
        explicit: bool,
    },
    /// Too many calls, after all attempts.
    Throttled,
    /// 409: an update of the function is under way (Lambda) or a conflicting one.
    InProgress,
    /// 409: there is one of that name already.
    Exists,
    /// 412: somebody changed it since it was read.
    Lost,
    /// The code is another one than what was to be published (the guard of `PublishVersion`).
    OtherCode,
    /// A role that was just made cannot be assumed yet.
    RoleNotReady,
    /// There is no such thing.
    NotFound,
    /// The account's storage for code is full.
    StorageFull,
    /// The package or the request is too large.
    TooLarge,
    /// A signature is missing or does not fit the function's code signing configuration.
    Signature,
    /// The request is not acceptable for another reason.
    Invalid,
    /// The account or the request is in another region than the resource.
    WrongRegion {
        /// The right one, when AWS says so.
        region: Option<String>,
    },
    /// This machine's clock is too far off for AWS to accept what it signs.
    Clock,
    /// No connection, or it broke.
    Unreachable {
        /// Whether the request may have arrived.
        sent: bool,
    },
    /// No answer in time.
    TimedOut {
        /// The limit, when known.
        limit: Option<Duration>,
    },
    /// AWS failed (5xx), after all attempts.
    Server,
    /// An answer that cannot be understood.
    Unreadable,
    /// Anything else that AWS answered.
    Other,
}

impl Why {
    /// Whether the change may have been made although the call failed.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { sent: true }
                | Self::TimedOut { .. }
                | Self::Server
                | Self::Unreadable
        )
    }

    /// Whether a fenced change has to be compared with what is there before it is sent again or given up: it may have been
    /// made already, or what it was fenced by is not there any more.
    pub(crate) fn needs_a_look(&self) -> bool {
        *self == Self::Lost || self.is_ambiguous()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, super::words::sentence(self))?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl StdError for Error {}

impl Error {
    /// One that this process found itself.
    pub(crate) fn new(action: &'static str, resource: &str, why: Why) -> Self {
        Self {
            call: Call {
                action,
                resource: resource.to_owned(),
            },
            why: Box::new(why),
            code: None,
            said: String::new(),
            request_id: None,
            reason: None,
        }
    }

    /// What an SDK error says about a call.
    pub(crate) fn of<E>(
        action: &'static str,
        resource: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let mut made = Self::new(action, resource, Why::Other);
        if let Some(trouble) = trouble(&error) {
            *made.why = Why::Credentials(trouble);
            return made;
        }
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let headers = error.raw_response().map(HttpResponse::headers);
        let header = |name: &str| headers?.get(name).map(str::to_owned);
        made.request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
        match &error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                made.code = meta.code().map(str::to_owned);
                made.said = said(meta.message().unwrap_or_default());
                *made.why = answered(
                    action,
                    status.unwrap_or(0),
                    made.code.as_deref(),
                    &made.said,
                );
                if *made.why == Why::Throttled {
                    made.reason = reason(service.raw());
                }
                if let Why::Credentials(trouble) = made.why.as_mut()
                    && let Some(origin) = service.raw().extension::<Origin>()
                {
                    trouble.add(origin);
                }
            }
            SdkError::TimeoutError(_) => *made.why = Why::TimedOut { limit: None },
            SdkError::DispatchFailure(failure) => {
                let io = failure.is_io() || failure.is_timeout() || is_given_up(&error);
                made.said = said(&deepest(&error));
                *made.why = if io {
                    let connected = failure
                        .as_connector_error()
                        .is_some_and(|error| error.connection_metadata().is_some());
                    Why::Unreachable {
                        sent: connected || !is_refused(&error),
                    }
                } else {
                    Why::Other
                };
            }
            SdkError::ResponseError(_) => {
                made.said = said(&deepest(&error));
                *made.why = match status {
                    Some(500..) => Why::Server,
                    _ => Why::Unreadable,
                };
            }
            _ => {
                made.said = said(&deepest(&error));
                *made.why = Why::Other;
            }
        }
        made
    }
}

impl Error {
    /// What an error of another client than the SDK says: the XML of S3's answers (Amazon S3 API Reference, "Error
    /// responses"), or the system's reason.
    pub(super) fn of_answer(
        action: &'static str,
        resource: &str,
        error: &(dyn StdError + 'static),
    ) -> Self {
        let mut made = Self::new(action, resource, Why::Other);
        if let Some(trouble) = trouble(error) {
            *made.why = Why::Credentials(trouble);
            return made;
        }
        let text = error.to_string();
        let status = between(&text, "status code: ", " ").and_then(|status| status.parse().ok());
        made.code = between(&text, "<Code>", "</Code>");
        made.request_id = between(&text, "<RequestId>", "</RequestId>");
        made.said = said(&between(&text, "<Message>", "</Message>").unwrap_or_default());
        let lowest = deepest(error);
        *made.why = match (made.code.as_deref(), status) {
            (None, None) if text.contains("without LOCATION") => Why::WrongRegion { region: None },
            (None, None) => {
                made.said = said(&lowest);
                if lowest.contains("timed out") || text.contains("timed out") {
                    Why::TimedOut { limit: None }
                } else {
                    Why::Unreachable {
                        sent: !is_refused(error),
                    }
                }
            }
            (code, status) => answered(action, status.unwrap_or(0), code, &made.said),
        };
        made
    }
}

/// Puts the call's name to what the SDK returned.
pub(crate) trait Called<T> {
    /// `client.get_alias()….send().await.called("lambda:GetAlias", name)?`
    fn called(self, action: &'static str, resource: &str) -> Result<T>;
}

impl<T, E> Called<T> for std::result::Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn called(self, action: &'static str, resource: &str) -> Result<T> {
        self.map_err(|error| Error::of(action, resource, error))
    }
}

/// `Reason` of an answer in JSON (AWS Lambda API reference, Invoke, `TooManyRequestsException`).
fn reason(answer: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(answer.body().bytes()?).ok()?;
    Some(body.get("Reason")?.as_str()?.to_owned())
}

/// Whether no more connection was tried, because AWS never answered.
fn is_given_up(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(<dyn StdError>::is::<GivenUp>)
}

/// Why AWS did not do what it answered about (research: AWS Lambda API Reference, "Common Errors" and the errors of
/// each action; IAM User Guide, "Troubleshoot access denied error messages").
fn answered(action: &str, status: u16, code: Option<&str>, said: &str) -> Why {
    let code = code.unwrap_or_default();
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            Why::Credentials(Trouble::expired())
        }
        // Signed for the environment's region, and sent to the address of another one (AWS General Reference, "Troubleshoot
        // Signature Version 4 signing of AWS API requests": "Credential should be scoped to a valid region").
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature"
            if said.contains("scoped to a valid region") =>
        {
            Why::WrongRegion { region: None }
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
            if !said.contains("Signature expired") && !said.contains("not yet current") =>
        {
            Why::Credentials(Trouble::rejected())
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed" => {
            if code == "InvalidSignatureException"
                && !said.contains("expired")
                && !said.contains("current")
            {
                Why::Credentials(Trouble::rejected())
            } else {
                Why::Clock
            }
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "UnauthorizedOperation" => denied(action, said),
        "TooManyRequestsException"
        | "ThrottlingException"
        | "Throttling"
        | "SlowDown"
        | "RequestLimitExceeded"
        | "LimitExceededException" => Why::Throttled,
        "PreconditionFailedException" | "PreconditionFailed" => Why::Lost,
        "ResourceConflictException" | "ConflictException" => {
            if action.contains(":Create") || action.contains(":Add") {
                Why::Exists
            } else {
                Why::InProgress
            }
        }
        "ResourceInUseException" | "OperationAborted" => Why::InProgress,
        "ResourceNotFoundException"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "NotFound"
        | "ImageNotFoundException"
        | "RepositoryNotFoundException" => Why::NotFound,
        "CodeStorageExceededException" => Why::StorageFull,
        "RequestEntityTooLargeException" | "RequestTooLargeException" => Why::TooLarge,
        "CodeVerificationFailedException" | "InvalidCodeSignatureException" => Why::Signature,
        "InvalidParameterValueException"
        | "ValidationException"
        | "InvalidRequestContentException" => {
            if said.contains("CodeSHA256") && said.contains("different") {
                Why::OtherCode
            } else if said.contains("cannot be assumed by Lambda") {
                Why::RoleNotReady
            } else if said.contains("must be smaller than") {
                Why::TooLarge
            } else {
                Why::Invalid
            }
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => Why::WrongRegion {
            region: between(said, "expecting '", "'"),
        },
        _ => match status {
            401 | 403 => denied(action, said),
            404 => Why::NotFound,
            409 => Why::InProgress,
            412 => Why::Lost,
            413 => Why::TooLarge,
            429 => Why::Throttled,
            500.. => Why::Server,
            400..=499 => Why::Invalid,
            200..=399 => Why::Unreadable,
            _ => Why::Other,
        },
    }
}

/// `User: <arn> is not authorized to perform: <action> on resource: <arn> because …` (IAM User Guide).
fn denied(action: &str, said: &str) -> Why {
    Why::Denied {
        principal: between(said, "User: ", " "),
        action: between(said, "not authorized to perform: ", " ")
            .unwrap_or_else(|| action.to_owned()),
        resource: between(said, "on resource: ", " "),
        explicit: said.contains("explicit deny"),
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let found = rest.split(after).next()?.trim_end_matches(['.', ',']);
    (!found.is_empty()).then(|| found.to_owned())
}

/// What the credentials are in trouble with, where that is the reason.
fn trouble(error: &(dyn StdError + 'static)) -> Option<Trouble> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(trouble) = error.downcast_ref::<Trouble>() {
            return Some(trouble.clone());
        }
        next = error.source();
    }
    None
}

/// Whether no connection was made at all, so that nothing can have arrived.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            return matches!(
                io.kind(),
                Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable
            );
        }
        let text = error.to_string();
        if text.contains("dns error") || text.contains("tcp connect") {
            return true;
        }
        next = error.source();
    }
    false
}

/// The lowest fact of a chain of errors.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The longest text that is kept of what AWS says, in characters.
const LONGEST: usize = 600;

/// AWS's sentence on one line, without the values of a request that its validation quotes
/// (`Value '{A=b}' at 'environment.variables' failed …`), without documents and without encoded blobs.
fn said(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("Value '") {
        kept.push_str(before);
        kept.push_str("Value '…'");
        rest = after
            .find("' at ")
            .or_else(|| after.rfind('\''))
            .and_then(|end| after.get(end + 1..))
            .unwrap_or_default();
    }
    kept.push_str(rest);
    // A document is one of the request: all variables, where they are more than 4 KB together (`String measured: {"A":"…"}`).
    if let Some((before, _)) = kept.split_once("{\"") {
        kept = format!("{before}…");
    }
    one_line(&kept).chars().take(LONGEST).collect()
}

/// A text as errors keep it: one space where there was any white space, and no word that is longer than people read.
pub(crate) fn one_line(text: &str) -> String {
    let words = text
        .split_whitespace()
        .filter(|word| word.len() <= 256)
        .collect::<Vec<_>>()
        .join(" ");
    words
        .chars()
        .filter(|letter| !letter.is_control())
        .collect()
}

#[cfg(test)]
mod tests;
