//! The exact calls of each kind of deploy.

use serde_json::json;

use super::bench::{Deploy, FUNCTION, StandIn, revision};
use crate::platform::Error;

#[tokio::test]
async fn the_first_deploy_creates_the_function() {
    let aws = StandIn::start();
    let (number, existed) = revision(Deploy::of("a").run(&aws.address).await);
    assert_eq!((number, existed), (1, false));
    assert_eq!(
        sorted_head(aws.calls(), 2),
        [
            "GetFunction !404",
            "ListVersionsByFunction !404",
            "CreateFunction",
            "GetFunction",
            "PublishVersion",
            "GetFunction 1",
        ]
    );
    let function = aws.function();
    assert_eq!(function["tags"]["squad.dev/service"], FUNCTION);
    assert_eq!(
        function["versions"][0]["Description"],
        "squad/1 d=sha256:a t=tree-of-a g=0123456789ab by=ana on laptop"
    );
}

#[tokio::test]
async fn a_deploy_of_the_same_writes_nothing() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.calls();
    let again = revision(Deploy::of("a").run(&aws.address).await);
    assert_eq!(again, (1, true));
    assert_eq!(
        sorted_head(aws.calls(), 2),
        ["GetFunction", "ListVersionsByFunction", "GetFunction 1"]
    );
}

/// One invocation wakes it, and is refused; the smoke test comes when it is awake.
#[tokio::test]
async fn a_version_that_nobody_called_for_weeks_is_woken_before_it_is_tested() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.change(json!({ "kind": "inactive", "function": FUNCTION, "version": "1" }));
    aws.calls();
    let deploy = Deploy {
        smoke: Some("{}".into()),
        ..Deploy::of("a")
    };
    assert_eq!(revision(deploy.run(&aws.address).await), (1, true));
    assert_eq!(
        sorted_head(aws.calls(), 2),
        [
            "GetFunction",
            "ListVersionsByFunction",
            "GetFunction 1",
            "Invoke 1 !502",
            "GetFunction 1",
            "Invoke 1",
        ]
    );
}

/// AWS sets a version back to inactive that it cannot bring up.
#[tokio::test]
async fn a_version_that_does_not_wake_is_said() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.change(json!({ "kind": "inactive", "function": FUNCTION, "version": "1" }));
    let slept = json!({ "kind": "inactive", "function": FUNCTION, "version": "1" });
    aws.rule(json!({ "operation": "GetFunction", "times": 0, "do": "change", "change": slept }));
    let error = Deploy::of("a").run(&aws.address).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "AWS does not bring version 1 of `receipts` back, which nobody called for a long time"
    );
}

#[tokio::test]
async fn a_change_of_the_code_is_one_update_and_one_publish() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.calls();
    assert_eq!(
        revision(Deploy::of("b").run(&aws.address).await),
        (2, false)
    );
    assert_eq!(
        sorted_head(aws.calls(), 2),
        [
            "GetFunction",
            "ListVersionsByFunction",
            "UpdateFunctionCode",
            "GetFunction",
            "PublishVersion",
            "GetFunction 2",
        ]
    );
}

#[tokio::test]
async fn a_change_of_the_settings_keeps_what_squad_does_not_manage() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.change(json!({ "kind": "configuration", "function": FUNCTION, "configuration": {
        "Environment": { "Variables": { "LOG_LEVEL": "info", "TOKEN_OF_TEST": "hunter2-value", "OF_OTHERS": "kept" } },
        "TracingConfig": { "Mode": "Active" },
        "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
        "EphemeralStorage": { "Size": 2048 },
    }}));
    aws.calls();
    let mut deploy = Deploy::of("a");
    deploy.digest = "sha256:more-memory".into();
    deploy.wanted.memory = Some(1024);
    deploy.wanted.set = [("LOG_LEVEL", "debug"), ("TOKEN_OF_TEST", "hunter2-value")]
        .into_iter()
        .collect();
    assert_eq!(revision(deploy.run(&aws.address).await), (2, false));
    assert_eq!(
        sorted_head(aws.calls(), 2),
        [
            "GetFunction",
            "ListVersionsByFunction",
            "UpdateFunctionConfiguration",
            "GetFunction",
            "PublishVersion",
            "GetFunction 2",
        ]
    );
    let version = &aws.function()["versions"][1];
    assert_eq!(
        json!({
            "Environment": version["Environment"]["Variables"],
            "MemorySize": version["MemorySize"],
            "Tracing": version["TracingConfig"]["Mode"],
            "DeadLetters": version["DeadLetterConfig"]["TargetArn"],
            "Storage": version["EphemeralStorage"]["Size"],
        }),
        json!({
            "Environment": { "LOG_LEVEL": "debug", "TOKEN_OF_TEST": "hunter2-value", "OF_OTHERS": "kept" },
            "MemorySize": 1024,
            "Tracing": "Active",
            "DeadLetters": "arn:aws:sqs:eu-west-1:123456789012:dead",
            "Storage": 2048,
        })
    );
}

/// AWS makes no second version of the same code and settings; the release has another digest, so the function's
/// description is marked and both versions can be told apart.
#[tokio::test]
async fn another_release_of_the_same_content_is_a_version_of_its_own() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.calls();
    let mut deploy = Deploy::of("a");
    deploy.digest = "sha256:0123456789".into();
    assert_eq!(revision(deploy.run(&aws.address).await), (2, false));
    assert_eq!(
        sorted_head(aws.calls(), 2),
        [
            "GetFunction",
            "ListVersionsByFunction",
            "PublishVersion",
            "UpdateFunctionConfiguration",
            "GetFunction",
            "ListVersionsByFunction",
            "PublishVersion",
            "GetFunction 2",
        ]
    );
    assert_eq!(
        aws.versions(),
        [
            ("1".to_owned(), "sha256:a".to_owned()),
            ("2".to_owned(), "sha256:0123456789".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_role_that_was_just_made_is_waited_for() {
    let aws = StandIn::start();
    aws.set(json!({ "role_not_ready": 2 }));
    assert_eq!(
        revision(Deploy::of("a").run(&aws.address).await),
        (1, false)
    );
    let creates: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("Create"))
        .collect();
    assert_eq!(
        creates,
        [
            "CreateFunction !400",
            "CreateFunction !400",
            "CreateFunction"
        ]
    );
}

/// The same of a role that an existing function gets.
#[tokio::test]
async fn a_role_that_is_changed_to_a_new_one_is_waited_for() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.calls();
    let refused = json!({ "status": 400, "code": "InvalidParameterValueException",
        "message": "The role defined for the function cannot be assumed by Lambda." });
    aws.rule(
        json!({ "operation": "UpdateFunctionConfiguration", "nth": 1, "times": 2, "do": "answer",
        "answer": refused }),
    );
    let mut deploy = Deploy::of("b");
    deploy.wanted.role = Some("arn:aws:iam::123456789012:role/new".into());
    assert_eq!(revision(deploy.run(&aws.address).await), (2, false));
    assert_eq!(
        writes(aws.calls()),
        [
            "UpdateFunctionConfiguration !400",
            "UpdateFunctionConfiguration !400",
            "UpdateFunctionConfiguration",
            "UpdateFunctionCode",
            "PublishVersion"
        ]
    );
}

#[tokio::test]
async fn a_function_that_could_not_be_created_is_repaired_by_the_next_deploy() {
    let aws = StandIn::start();
    aws.set(json!({ "fail_next": { "code": "InvalidSubnet", "reason": "no such subnet" } }));
    let failed = Deploy::of("a").run(&aws.address).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "AWS could not create the function `receipts`: a subnet of the function does not exist or is in another VPC (no such subnet)"
    );
    aws.calls();
    assert_eq!(
        revision(Deploy::of("a").run(&aws.address).await),
        (1, false)
    );
    let writes = writes(aws.calls());
    assert_eq!(writes, ["UpdateFunctionConfiguration", "PublishVersion"]);
}

/// It fails again, for the same reason: said as such, and the next deploy tries again.
#[tokio::test]
async fn a_function_that_cannot_be_repaired_stays_as_it_is() {
    let aws = StandIn::start();
    let failing = json!({ "fail_next": { "code": "InvalidSubnet", "reason": "no such subnet" } });
    aws.set(failing.clone());
    Deploy::of("a").run(&aws.address).await.unwrap_err();
    aws.calls();
    aws.set(failing);
    let failed = Deploy::of("b").run(&aws.address).await;
    // The settings did not help; the code does.
    assert_eq!(revision(failed), (1, false));
    assert_eq!(
        writes(aws.calls()),
        [
            "UpdateFunctionConfiguration",
            "UpdateFunctionCode",
            "PublishVersion"
        ]
    );
}

/// AWS's pages do not say whether a function that failed can be changed. Where not, nothing is deleted: whoever looks at it
/// knows whether it is still the one that failed.
#[tokio::test]
async fn a_function_that_aws_does_not_let_be_repaired_is_left_to_a_person() {
    let aws = StandIn::start();
    aws.set(
        json!({ "fail_next": { "code": "InvalidSubnet", "reason": "no such subnet" },
        "failed_can_be_updated": false }),
    );
    Deploy::of("a").run(&aws.address).await.unwrap_err();
    aws.calls();
    let refused = Deploy::of("b").run(&aws.address).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the function `receipts` failed and never runs (a subnet of the function does not exist or is in another VPC (no such \
         subnet)), and AWS does not let it be changed; squad deletes no function: when nobody needs this one, \
         `aws lambda delete-function --function-name receipts`, then deploy again"
    );
    assert_eq!(writes(aws.calls()), ["UpdateFunctionConfiguration !409"]);
    assert_eq!(aws.function()["latest"]["State"], "Failed");
}

#[tokio::test]
async fn an_update_that_aws_cannot_apply_is_refused_and_the_next_deploy_goes_on() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.set(json!({ "fail_next": { "code": "InternalError", "reason": "try again" } }));
    let failed = Deploy::of("b").run(&aws.address).await.unwrap_err();
    let said = failed.to_string();
    assert!(
        said.starts_with("AWS could not apply the change to `receipts`: ")
            && said.ends_with("(try again); what served before still serves"),
        "{said}"
    );
    assert_eq!(
        revision(Deploy::of("b").run(&aws.address).await),
        (2, false)
    );
    assert_eq!(aws.versions().len(), 2);
}

/// AWS makes no second version of what has not changed, also where it could not make the first: each deploy tries again with a
/// version of its own, and once there is one that runs it stays the only one.
#[tokio::test]
async fn a_version_that_aws_could_not_make_is_made_anew() {
    let aws = StandIn::start();
    let fail = |version: &str| {
        aws.change(
            json!({ "kind": "failed", "function": FUNCTION, "version": version,
            "reason": { "code": "InternalError", "reason": "try again" } }),
        );
    };
    for (number, existed) in [(1, false), (2, false), (3, false)] {
        assert_eq!(
            revision(Deploy::of("a").run(&aws.address).await),
            (number, existed)
        );
        if number < 3 {
            fail(&number.to_string());
        }
    }
    assert_eq!(revision(Deploy::of("a").run(&aws.address).await), (3, true));
    let function = aws.function();
    assert_eq!(
        function["latest"]["Description"],
        format!("[squad {} after 2]", digits(&Deploy::of("a").digest))
    );
    assert_eq!(
        revision(Deploy::of("b").run(&aws.address).await),
        (4, false)
    );
}

/// What a mark shows of a digest.
fn digits(digest: &str) -> String {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.chars().take(8).collect()
}

#[tokio::test]
async fn a_version_that_does_not_come_up_says_why() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.rule(
        json!({ "operation": "PublishVersion", "do": "change", "change": {
        "kind": "busy", "function": FUNCTION, "ms": 300 } }),
    );
    assert_eq!(
        revision(Deploy::of("b").run(&aws.address).await),
        (2, false)
    );
    assert_eq!(writes(aws.calls()).last().unwrap(), "PublishVersion");
}

#[tokio::test]
async fn an_image_and_a_zip_are_never_exchanged() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.calls();
    let error = super::bench::image(&aws, "r@sha256:ab").await.unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
    assert_eq!(
        error.to_string(),
        "the function `receipts` has a zip archive, and this release is a container image; Lambda never changes one \
         into the other: make a new function (`name` under [function])"
    );
    assert_eq!(writes(aws.calls()), [""; 0]);
}

#[tokio::test]
async fn a_function_of_another_tool_is_taken_over_with_its_tags() {
    let aws = StandIn::start();
    aws.control(
        "POST",
        "functions",
        &json!({ "name": FUNCTION, "tags": { "owner": "terraform" } }),
    );
    let (number, existed) = revision(Deploy::of("a").run(&aws.address).await);
    assert_eq!((number, existed), (2, false));
    assert_eq!(
        writes(aws.calls()),
        [
            "UpdateFunctionConfiguration",
            "UpdateFunctionCode",
            "PublishVersion",
            "TagResource"
        ]
    );
    assert_eq!(
        aws.function()["tags"],
        json!({ "owner": "terraform", "squad.dev/service": FUNCTION })
    );
}

#[tokio::test]
async fn a_variable_is_deleted_only_when_it_is_named() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    let mut deploy = Deploy::of("b");
    deploy.wanted.set = [("LOG_LEVEL", "info")].into_iter().collect();
    revision(deploy.run(&aws.address).await);
    let variables = |aws: &StandIn| aws.function()["latest"]["Environment"]["Variables"].clone();
    assert_eq!(
        variables(&aws),
        json!({ "LOG_LEVEL": "info", "TOKEN_OF_TEST": "hunter2-value" })
    );
    (deploy.source, deploy.digest) = ("c", "sha256:c".into());
    deploy.wanted.removed = vec!["TOKEN_OF_TEST".into()];
    revision(deploy.run(&aws.address).await);
    assert_eq!(variables(&aws), json!({ "LOG_LEVEL": "info" }));
}

#[tokio::test]
async fn an_error_that_quotes_a_variable_is_shown_without_its_value() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.rule(
        json!({ "operation": "UpdateFunctionConfiguration", "do": "answer", "answer": {
        "status": 400, "code": "InvalidParameterValueException",
        "message": "TOKEN_OF_TEST=hunter2-value is not to the service's liking" } }),
    );
    let mut deploy = Deploy::of("b");
    deploy.wanted.memory = Some(1024);
    let error = deploy.run(&aws.address).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("TOKEN_OF_TEST=…"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// The first `count` calls run at the same time: their order says nothing.
fn sorted_head(mut calls: Vec<String>, count: usize) -> Vec<String> {
    calls[..count].sort_unstable();
    calls
}

fn writes(calls: Vec<String>) -> Vec<String> {
    calls
        .into_iter()
        .filter(|call| !call.starts_with("Get") && !call.starts_with("List"))
        .collect()
}
