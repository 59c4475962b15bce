//! The reasons that AWS gives for a state, in sentences.
//!
//! Lambda API, `FunctionConfiguration`: `StateReasonCode` and `LastUpdateStatusReasonCode`.

/// Why a function or a version is in its state.
pub(in crate::platform::lambda) fn of_state(code: Option<&str>, message: Option<&str>) -> String {
    joined(code, message)
}

/// Why the last change is where it is.
pub(super) fn of_update(code: Option<&str>, message: Option<&str>) -> String {
    joined(code, message)
}

/// Our sentence for a known code; behind it what AWS says, when it says more.
fn joined(code: Option<&str>, message: Option<&str>) -> String {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    match (code.and_then(sentence), message) {
        (Some(sentence), Some(message)) => format!("{sentence} ({message})"),
        (Some(sentence), None) => sentence.to_owned(),
        (None, Some(message)) => message.to_owned(),
        (None, None) => code.unwrap_or_default().to_owned(),
    }
}

fn sentence(code: &str) -> Option<&'static str> {
    Some(match code {
        "Creating" => "AWS is creating it",
        "Restoring" => "AWS is bringing it back",
        "Idle" => "AWS took its resources away because nobody called it",
        "ImageAccessDenied" => {
            "Lambda may not pull the image: the repository's policy must allow `lambda.amazonaws.com` to read it"
        }
        "ImageDeleted" => "the image is not in the repository any more",
        "InvalidImage" => "the image is not one that Lambda can run",
        "EniLimitExceeded" => "the VPC has no network interface left for it",
        "SubnetOutOfIPAddresses" => "the subnets have no IP address left for it",
        "InvalidSubnet" => "a subnet of its VPC settings does not exist",
        "InvalidSecurityGroup" => "a security group of its VPC settings does not exist",
        "InsufficientRolePermissions" => {
            "its role may not do what its settings need, such as network interfaces in a VPC"
        }
        "InvalidConfiguration" => "its settings contradict each other",
        "InvalidRuntime" => "its runtime is not one that Lambda has",
        "InvalidZipFileException" => "the zip archive cannot be read",
        "InternalError" => "Lambda failed, through no fault of the function",
        "KMSKeyAccessDenied" => "its role may not use the KMS key of its variables",
        "KMSKeyNotFound" => "the KMS key of its variables does not exist",
        "DisabledKMSKey" => "the KMS key of its variables is disabled",
        "InvalidStateKMSKey" => "the KMS key of its variables cannot be used now",
        "EFSIOError" | "EFSMountConnectivityError" | "EFSMountFailure" | "EFSMountTimeout" => {
            "its EFS file system cannot be mounted"
        }
        "FunctionError" => "its code ended with an error while it was started",
        "FunctionError.InitTimeout" => "its code took too long to start",
        "FunctionError.RuntimeInitError" => "the runtime did not start its code",
        "FunctionError.ExtensionInitError" => "one of its extensions did not start",
        "FunctionError.TooManyExtensions" => "it has more extensions than Lambda takes",
        "FunctionError.InvalidEntryPoint" => "its entry point is not there, or is no program",
        "FunctionError.InvalidWorkingDirectory" => "its working directory is not there",
        "FunctionError.PermissionDenied" => "its entry point may not be executed",
        "FunctionError.InitResourceExhausted" => {
            "it ran out of memory or disk while it was started"
        }
        "InsufficientCapacity" => "AWS has no capacity for it now",
        "VcpuLimitExceeded" => "the account's limit of vCPUs is reached",
        "ServiceQuotaExceededException" => "a quota of the account is reached",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_is_a_sentence_and_an_unknown_one_is_what_aws_says() {
        assert_eq!(
            of_update(Some("SubnetOutOfIPAddresses"), Some("subnet-1 is full")),
            "the subnets have no IP address left for it (subnet-1 is full)"
        );
        assert_eq!(of_state(Some("Creating"), None), "AWS is creating it");
        assert_eq!(of_state(Some("New"), Some("Something.")), "Something.");
        assert_eq!(of_state(Some("New"), None), "New");
        assert_eq!(of_state(None, Some(" ")), "");
    }
}
