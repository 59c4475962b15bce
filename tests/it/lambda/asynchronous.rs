//! Settings for asynchronous invocations are of one qualifier: whoever moves to the alias does not lose them.

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::callers::{asynchronous, topic};

/// What AWS has for each qualifier, without its times.
fn settings(cloud: &Cloud) -> Value {
    let mut all = cloud.aws.function("receipts")["event_invoke"].clone();
    for members in all.as_object_mut().unwrap().values_mut() {
        members.as_object_mut().unwrap().remove("LastModified");
    }
    all
}

fn one(retries: u64) -> Value {
    json!({ "MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": 3600, "DestinationConfig":
        { "OnSuccess": {}, "OnFailure": { "Destination": "arn:aws:sqs:eu-west-1:123456789012:failed" } } })
}

/// The calls about settings, and those that change anything.
fn of_settings_and_writes(cloud: &Cloud) -> Vec<String> {
    let is_one = |name: &String| {
        name.contains("EventInvokeConfig") || !name.contains(".Get") && !name.contains(".List")
    };
    cloud.calls().into_iter().filter(is_one).collect()
}

/// A topic that calls past the alias, with settings.
fn cloud() -> Cloud {
    let cloud = Cloud::with_function(2);
    topic(&cloud, "");
    asynchronous(&cloud, "", 1);
    cloud.aws.forget_calls();
    cloud
}

#[test]
fn settings_are_copied_before_the_callers_move_and_taken_back_after_them() {
    let cloud = cloud();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#"
›   copy the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
to-move  the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
to-move  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    assert_eq!(settings(&cloud), json!({ "$LATEST": one(1) }));
    cloud.aws.forget_calls();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   copy the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ copied the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
› ✔ moved sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
moved  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    assert_eq!(
        settings(&cloud),
        json!({ "$LATEST": one(1), "live": one(1) })
    );
    assert_eq!(
        of_settings_and_writes(&cloud),
        [
            // The plan.
            "lambda.GetFunctionEventInvokeConfig",
            "lambda.GetFunctionEventInvokeConfig",
            // Looked at again, copied, and looked that it is there.
            "lambda.GetFunctionEventInvokeConfig",
            "lambda.GetFunctionEventInvokeConfig",
            "lambda.PutFunctionEventInvokeConfig",
            "lambda.GetFunctionEventInvokeConfig",
            "lambda.AddPermission",
        ]
    );
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .success()
        .assert(str![[r#"
›   take back sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
›   take back the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
taken-back  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
taken-back  the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
[exit 0]

"#]]);
    assert_eq!(settings(&cloud), json!({ "$LATEST": one(1) }));
    assert_eq!(
        of_settings_and_writes(&cloud),
        [
            "lambda.RemovePermission",
            "lambda.GetFunctionEventInvokeConfig",
            "lambda.DeleteFunctionEventInvokeConfig",
        ]
    );
}

#[test]
fn settings_that_the_alias_has_stay_and_so_does_what_somebody_changed_since() {
    let cloud = cloud();
    asynchronous(&cloud, "?Qualifier=live", 0);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    assert_eq!(
        settings(&cloud),
        json!({ "$LATEST": one(1), "live": one(0) })
    );

    let cloud = self::cloud();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success();
    asynchronous(&cloud, "?Qualifier=live", 2);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .failure(6)
        .assert(str![[r#"
›   take back sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
›   take back the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
› error: somebody else set how asynchronous invocations of the alias `live` of `receipts` are delivered
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
taken-back  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
failed  the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
[exit 6]

"#]]);
    assert_eq!(
        settings(&cloud),
        json!({ "$LATEST": one(1), "live": one(2) })
    );
}

#[test]
fn nobody_moves_where_the_settings_cannot_be_copied() {
    let cloud = cloud();
    cloud
        .aws
        .settings(json!({ "denied": ["lambda:PutFunctionEventInvokeConfig"] }));
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .failure(4)
        .assert(str![[r#"
›   copy the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› error: cannot set up asynchronous invocations of the alias of `receipts`: arn:aws:iam::[HASH]:user/stand-in may not do lambda:PutFunctionEventInvokeConfig
›   caused by: User: arn:aws:iam::[HASH]:user/stand-in is not authorized to perform: lambda:PutFunctionEventInvokeConfig because no identity-based policy allows the lambda:PutFunctionEventInvokeConfig action (AccessDeniedException, request [ID])
› hint: ask the account's owner to allow `lambda:PutFunctionEventInvokeConfig` on `receipts` for arn:aws:iam::[HASH]:user/stand-in
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-denied.md
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
failed  the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed)
to-move  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 4]

"#]]);
    let policies = cloud.aws.function("receipts")["policies"].clone();
    assert!(policies.get("live").is_none(), "{policies}");
}

#[test]
fn doctor_tells_that_the_alias_has_not_the_settings() {
    let cloud = Cloud::with_function(2);
    asynchronous(&cloud, "", 1);
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: the settings for asynchronous invocations (1 retry, dropped after [DURATION], failures to arn:aws:sqs:eu-west-1:[HASH]:failed) are those of `$LATEST` alone
    what calls the alias gets the platform's own retries, and no record of what failed goes anywhere
    next: `squad deploy receipts --env cloud --adopt-alias`
[exit 3]

"#]]);
    asynchronous(&cloud, "?Qualifier=live", 1);
    let output = cloud.squad(&["doctor", "receipts"]).success();
    assert!(
        output
            .stdout
            .contains("callers of receipts: 0, none past the alias"),
        "{}",
        output.stdout
    );
}
