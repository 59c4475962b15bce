use super::*;

#[test]
fn what_a_request_held_is_not_repeated() {
    for (text, kept) in [
        (
            "1 validation error detected: Value '{DB_PASSWORD=hunter2}' at 'environment.variables' failed to satisfy constraint: Map value must have length less than 4096",
            "1 validation error detected: Value '…' at 'environment.variables' failed to satisfy constraint: Map value must have length less than 4096",
        ),
        (
            "Value 'a' at 'b' and Value 'it's' at 'd' fail",
            "Value '…' at 'b' and Value '…' at 'd' fail",
        ),
        ("Value 'unfinished", "Value '…'"),
        ("two\nlines\t\u{7}here", "two lines here"),
    ] {
        assert_eq!(said(text), kept);
    }
    assert_eq!(said(&"x".repeat(5000)), "");
    assert_eq!(said(&"word ".repeat(5000)).chars().count(), LONGEST);
}

#[test]
fn an_answer_is_one_of_few_facts() {
    let denied = Why::Denied {
        principal: Some("arn:aws:sts::123456789012:assumed-role/deployer/run-7".into()),
        action: "iam:PassRole".into(),
        resource: Some("arn:aws:iam::123456789012:role/pay".into()),
        explicit: true,
    };
    for (action, status, code, text, why) in [
        (
            "lambda:UpdateAlias",
            412,
            "PreconditionFailedException",
            "",
            Why::Lost,
        ),
        (
            "lambda:UpdateFunctionCode",
            409,
            "ResourceConflictException",
            "",
            Why::InProgress,
        ),
        (
            "lambda:CreateAlias",
            409,
            "ResourceConflictException",
            "",
            Why::Exists,
        ),
        (
            "lambda:CreateAlias",
            409,
            "ConflictException",
            "",
            Why::Exists,
        ),
        (
            "lambda:GetAlias",
            404,
            "ResourceNotFoundException",
            "",
            Why::NotFound,
        ),
        (
            "lambda:GetAlias",
            429,
            "TooManyRequestsException",
            "",
            Why::Throttled,
        ),
        ("lambda:GetAlias", 500, "ServiceException", "", Why::Server),
        (
            "lambda:PublishVersion",
            400,
            "InvalidParameterValueException",
            "CodeSHA256 (x) is different from current CodeSHA256 in $LATEST (y).",
            Why::OtherCode,
        ),
        (
            "lambda:CreateFunction",
            400,
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            Why::RoleNotReady,
        ),
        (
            "lambda:CreateFunction",
            400,
            "InvalidParameterValueException",
            "Unzipped size must be smaller than 262144000 bytes",
            Why::TooLarge,
        ),
        (
            "lambda:CreateFunction",
            400,
            "InvalidParameterValueException",
            "no",
            Why::Invalid,
        ),
        (
            "lambda:UpdateFunctionCode",
            400,
            "CodeStorageExceededException",
            "",
            Why::StorageFull,
        ),
        ("s3:PutObject", 409, "OperationAborted", "", Why::InProgress),
        (
            "s3:PutObject",
            400,
            "AuthorizationHeaderMalformed",
            "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
            Why::WrongRegion {
                region: Some("eu-west-1".into()),
            },
        ),
        (
            "sts:GetCallerIdentity",
            403,
            "ExpiredToken",
            "",
            Why::Credentials(Trouble::expired()),
        ),
        (
            "sts:GetCallerIdentity",
            403,
            "InvalidClientTokenId",
            "",
            Why::Credentials(Trouble::rejected()),
        ),
        (
            "lambda:GetAlias",
            403,
            "InvalidSignatureException",
            "Credential should be scoped to a valid region. ",
            Why::WrongRegion { region: None },
        ),
        (
            "lambda:GetAlias",
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            Why::Credentials(Trouble::rejected()),
        ),
        (
            "lambda:GetAlias",
            403,
            "InvalidSignatureException",
            "Signature expired: 2026 is now earlier than 2026",
            Why::Clock,
        ),
        (
            "lambda:CreateFunction",
            403,
            "AccessDeniedException",
            "User: arn:aws:sts::123456789012:assumed-role/deployer/run-7 is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/pay with an explicit deny in a service control policy",
            denied,
        ),
    ] {
        assert_eq!(
            answered(action, status, Some(code), text),
            why,
            "{code} {text}"
        );
    }
}
