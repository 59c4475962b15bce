//! What AWS says about functions and calls, as sentences.
//!
//! For the platform's diagnoses and for `crate::error`: no exit codes here, and nothing that depends on who asks.

use super::error::{Error, Why};

/// Why a function or a version is not ready or was not updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason {
    /// What is the matter, as a clause without a full stop.
    pub(crate) summary: &'static str,
    /// What to do about it; none where it goes away by itself.
    pub(crate) hint: Option<&'static str>,
}

/// The sentence for a `StateReasonCode` or `LastUpdateStatusReasonCode` (AWS Lambda API Reference,
/// `FunctionConfiguration`); none for a code that is newer than these tables: show AWS's own text then.
pub(crate) fn reason(code: &str) -> Option<Reason> {
    let tables = [LIFE, CAPACITY, NETWORK, CODE, KEY, FILE_SYSTEM, START];
    let mut rows = tables.into_iter().flatten();
    let (_, summary, hint) = rows.find(|(known, ..)| *known == code)?;
    Some(Reason {
        summary,
        hint: (!hint.is_empty()).then_some(*hint),
    })
}

/// A code of AWS, what is the matter, and what to do about it; empty where it goes away by itself.
type Row = (&'static str, &'static str, &'static str);

/// Of the life of a function, and its configuration.
const LIFE: &[Row] = &[
    (
        "Idle",
        "Lambda has taken the function's resources back because it was not called for some time; the next call wakes it",
        "",
    ),
    ("Creating", "Lambda is still making the function", ""),
    (
        "Restoring",
        "Lambda is waking the function, which was not called for some time",
        "",
    ),
    (
        "DrainingDurableExecutions",
        "executions that began earlier have not ended yet",
        "",
    ),
    (
        "InsufficientRolePermissions",
        "the function's role may not do what the function's configuration needs (network interfaces, file system, keys)",
        "add the missing permission to the role, such as the managed policy AWSLambdaVPCAccessExecutionRole",
    ),
    (
        "InvalidConfiguration",
        "the function's configuration contradicts itself",
        "read AWS's own text above, and correct the configuration",
    ),
    (
        "InvalidRuntime",
        "the runtime does not exist or is no longer offered",
        "set `runtime` of [function] to one that AWS offers",
    ),
];

/// Of what AWS or the account has too little of, and failures of AWS.
const CAPACITY: &[Row] = &[
    (
        "CapacityProviderScalingLimitExceeded",
        "the function's capacity provider is at its limit",
        "raise the limit of the capacity provider",
    ),
    (
        "InsufficientCapacity",
        "AWS has no capacity for the function at this moment",
        "run the same command again in some minutes",
    ),
    (
        "VcpuLimitExceeded",
        "the account has no virtual processor left for the function's capacity provider",
        "ask for a higher quota of virtual processors",
    ),
    (
        "ServiceQuotaExceededException",
        "a quota of the account is used up",
        "read AWS's own text above, and ask for a higher quota",
    ),
    (
        "DependencyError",
        "a service that Lambda relies on failed",
        "run the same command again in some minutes",
    ),
    (
        "InternalError",
        "Lambda itself failed",
        "run the same command again in some minutes",
    ),
];

/// Of the network that a function is in.
const NETWORK: &[Row] = &[
    (
        "EniLimitExceeded",
        "the account has no network interface left for the function's VPC",
        "ask for a higher quota of network interfaces, or remove unused ones",
    ),
    (
        "SubnetOutOfIPAddresses",
        "a subnet of the function has no free address left",
        "give the function a larger subnet, or more of them",
    ),
    (
        "InvalidSubnet",
        "a subnet of the function does not exist or is in another VPC",
        "correct the function's subnets",
    ),
    (
        "InvalidSecurityGroup",
        "a security group of the function does not exist or is in another VPC",
        "correct the function's security groups",
    ),
    (
        "EC2RequestLimitExceeded",
        "EC2 was asked too often while Lambda made network interfaces",
        "run the same command again in some minutes",
    ),
    (
        "DisallowedByVpcEncryptionControl",
        "the VPC enforces encryption in a way that the function does not meet",
        "ask the VPC's owner for an exclusion, or move the function to other subnets",
    ),
];

/// Of the package or the container image.
const CODE: &[Row] = &[
    (
        "ImageDeleted",
        "the container image is no longer in its repository",
        "push the image again, or deploy another one",
    ),
    (
        "ImageAccessDenied",
        "Lambda may not read the container image",
        "let the repository's policy allow `lambda.amazonaws.com` to pull",
    ),
    (
        "InvalidImage",
        "the container image is none that Lambda can run",
        "build it for one platform, the function's architecture, with an entry point",
    ),
    (
        "InvalidZipFileException",
        "the package is no archive that Lambda can unpack",
        "look at what the build made: `squad deploy --rebuild`",
    ),
];

/// Of the key that encrypts the environment.
const KEY: &[Row] = &[
    (
        "KMSKeyAccessDenied",
        "Lambda may not use the key that encrypts the function's environment",
        "let the key's policy allow the function's role to decrypt",
    ),
    (
        "KMSKeyNotFound",
        "the key that encrypts the function's environment does not exist",
        "set another key, or restore that one before it is gone for good",
    ),
    (
        "DisabledKMSKey",
        "the key that encrypts the function's environment is disabled",
        "enable the key",
    ),
    (
        "InvalidStateKMSKey",
        "the key that encrypts the function's environment is about to be deleted or not usable yet",
        "cancel the key's deletion, or set another key",
    ),
];

/// Of the file system that is mounted.
const FILE_SYSTEM: &[Row] = &[
    (
        "EFSIOError",
        "reading or writing the function's file system failed",
        "look at the state of the file system",
    ),
    (
        "EFSMountConnectivityError",
        "the function's file system cannot be reached from its subnets",
        "allow port 2049 between the security groups of the function and of the file system",
    ),
    (
        "EFSMountFailure",
        "the function's file system could not be mounted",
        "check the access point and its permissions",
    ),
    (
        "EFSMountTimeout",
        "the function's file system was not mounted in time",
        "check the throughput and the mount targets of the file system",
    ),
];

/// Of the start of the function's own process.
const START: &[Row] = &[
    (
        "FunctionError",
        "the function failed while it started",
        "read its log: `squad logs`",
    ),
    (
        "FunctionError.InitTimeout",
        "the function did not finish starting in the time that Lambda gives it",
        "do less before the handler is called, or give the function more memory",
    ),
    (
        "FunctionError.RuntimeInitError",
        "the function's runtime did not start, most often because the handler cannot be loaded",
        "check `handler` of [function], and read the log: `squad logs`",
    ),
    (
        "FunctionError.ExtensionInitError",
        "an extension of the function did not start",
        "check the function's layers, and read the log: `squad logs`",
    ),
    (
        "FunctionError.InvalidEntryPoint",
        "the entry point of the container image does not exist or is not executable",
        "check ENTRYPOINT and CMD of the image, and that it is built for the function's architecture",
    ),
    (
        "FunctionError.InvalidWorkingDirectory",
        "the working directory of the container image does not exist",
        "check WORKDIR of the image",
    ),
    (
        "FunctionError.PermissionDenied",
        "the function may not read or run its own files",
        "make the files of the package readable by everybody, and its programs executable",
    ),
    (
        "FunctionError.TooManyExtensions",
        "the function has more than 10 extensions",
        "remove layers that bring extensions",
    ),
    (
        "FunctionError.InitResourceExhausted",
        "the function used up its memory or files while it started",
        "give it more memory: `memory_mb` of [function]",
    ),
];

/// What was asked for, as a person would say it, such as ``cannot move the alias of `payments` ``; the reason follows.
pub(crate) fn asked(error: &Error) -> String {
    let call = &error.call;
    let what = match call.action {
        "sts:GetCallerIdentity" => "find out who this is at AWS",
        "lambda:GetFunction" | "lambda:GetFunctionConfiguration" => "read the function",
        "lambda:ListFunctions" => "list the functions",
        "lambda:CreateFunction" => "make the function",
        "lambda:UpdateFunctionCode" => "change the code of the function",
        "lambda:UpdateFunctionConfiguration" => "change the configuration of the function",
        "lambda:DeleteFunction" => "delete",
        "lambda:PublishVersion" => "publish a version of",
        "lambda:ListVersionsByFunction" => "list the versions of",
        "lambda:GetAlias" => "read the alias of",
        "lambda:ListAliases" => "list the aliases of",
        "lambda:CreateAlias" => "make the alias of",
        "lambda:UpdateAlias" => "move the alias of",
        "lambda:InvokeFunction" | "lambda:Invoke" => "call the function",
        "lambda:GetAccountSettings" => "read the account's limits",
        "lambda:ListTags" => "read the tags of",
        "lambda:TagResource" => "tag",
        "lambda:ListEventSourceMappings" => "list the event sources of",
        "lambda:GetPolicy" => "read the permissions of",
        "lambda:GetFunctionEventInvokeConfig" => {
            "read the settings for asynchronous invocations of"
        }
        "lambda:PutFunctionEventInvokeConfig" => "set up asynchronous invocations of the alias of",
        "lambda:DeleteFunctionEventInvokeConfig" => {
            "take back the settings for asynchronous invocations of the alias of"
        }
        "cloudwatch:GetMetricData" => "read the metrics of",
        "logs:FilterLogEvents" | "logs:StartLiveTail" | "logs:GetLogEvents" => "read the log of",
        "tag:GetResources" => "look for functions by their tags",
        "s3:PutObject" => "write",
        "s3:GetObject" => "read",
        "s3:ListBucket" => "list",
        _ if call.resource.is_empty() => return format!("the call {} failed", call.action),
        _ => return format!("the call {} of `{}` failed", call.action, call.resource),
    };
    if call.resource.is_empty() {
        format!("cannot {}", what.trim_end_matches(" of"))
    } else {
        format!("cannot {what} `{}`", call.resource)
    }
}

/// Why it failed, in a few words that follow [`asked`].
pub(crate) fn sentence(error: &Error) -> String {
    let fixed = match error.why.as_ref() {
        Why::Credentials(trouble) => return trouble.to_string(),
        Why::WrongAccount { pinned, found, .. } => {
            return format!("the credentials are of the account {found}, not of {pinned}");
        }
        Why::Denied {
            principal, action, ..
        } => {
            let who = principal.as_deref().unwrap_or("this identity");
            return format!("{who} may not do {action}");
        }
        Why::WrongRegion { region } => {
            return match region {
                Some(region) => format!("it is in the region {region}"),
                None => "it is in another region".to_owned(),
            };
        }
        Why::TimedOut { limit: Some(limit) } => {
            return format!("AWS did not answer within {} s", limit.as_secs());
        }
        Why::Throttled => {
            let limit = error.reason.as_deref().and_then(limit);
            limit.map_or("AWS takes no more calls at this moment", |limit| {
                limit.summary
            })
        }
        Why::InProgress => "another change of it is under way",
        Why::Exists => "there is one already",
        Why::Lost => "somebody else changed it first",
        Why::OtherCode => "somebody else deployed other code first",
        Why::RoleNotReady => "its role cannot be assumed by Lambda",
        Why::NotFound => "it does not exist",
        Why::StorageFull => "the account's storage for code is full",
        Why::TooLarge => "it is too large for Lambda",
        Why::Signature => "its code signing configuration does not accept the package",
        Why::Invalid => "AWS does not accept it",
        Why::Clock => "this machine's clock is wrong",
        Why::Unreachable { .. } => "AWS cannot be reached",
        Why::TimedOut { limit: None } => "AWS did not answer in time",
        Why::Server => "AWS failed",
        Why::Unreadable => "AWS's answer cannot be understood",
        Why::Other => "it failed",
    };
    fixed.to_owned()
}

/// Which limit stopped a call, and what to do about it (AWS Lambda API reference, Invoke, the values of `Reason`; Developer
/// Guide, "Understanding Lambda function scaling"). None where it is the one for calls of AWS's own API, or a new one.
pub(crate) fn limit(reason: &str) -> Option<Reason> {
    let (summary, hint) = match reason {
        "ReservedFunctionConcurrentInvocationLimitExceeded" => (
            "the function's reserved concurrency is 0 or all in use",
            "how much it is: `aws lambda get-function-concurrency --function-name {function}`; at 0 it is switched off, and \
             `aws lambda delete-function-concurrency --function-name {function}` lets it run again",
        ),
        "ReservedFunctionInvocationRateLimitExceeded" => (
            "the function gets more calls each second than its reserved concurrency allows",
            "how much it is: `aws lambda get-function-concurrency --function-name {function}`; ten calls each second are allowed for each",
        ),
        "ConcurrentInvocationLimitExceeded" => (
            "the functions of the account use all of its concurrency in this region",
            "run the same command again when fewer run; how much there is: `aws lambda get-account-settings`",
        ),
        "FunctionInvocationRateLimitExceeded" => (
            "the function gets more calls each second than the account's concurrency allows",
            "run the same command again in a minute; ten calls each second are allowed for each of `aws lambda get-account-settings`",
        ),
        "ConcurrentSnapshotCreateLimitExceeded" => (
            "the account makes as many snapshots for SnapStart at once as it may",
            "run the same command again in some minutes, when other functions are published",
        ),
        _ => return None,
    };
    Some(Reason {
        summary,
        hint: Some(hint),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{LastUpdateStatusReasonCode, StateReasonCode};

    use super::*;

    #[test]
    fn every_code_that_the_sdk_knows_has_a_sentence() {
        let codes = StateReasonCode::values()
            .iter()
            .chain(LastUpdateStatusReasonCode::values());
        for code in codes {
            let reason = reason(code).unwrap_or_else(|| panic!("{code} has no sentence"));
            assert!(!reason.summary.ends_with('.'), "{code}");
        }
        assert_eq!(reason("SomethingNew"), None);
        for reason in aws_sdk_lambda::types::ThrottleReason::values() {
            // This one is about calls of squad, and has the words that all throttled calls have.
            let is_own = *reason == "CallerRateLimitExceeded";
            assert_eq!(limit(reason).is_none(), is_own, "{reason}");
        }
    }
}
