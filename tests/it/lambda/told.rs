//! What AWS refuses, in words: why, and what to do about it.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::callers::others;
use super::deploy::sources;

/// `LastUpdateStatusReasonCode` (Lambda API, `FunctionConfiguration`).
#[test]
fn a_change_that_aws_could_not_apply_says_what_to_do() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    cloud.aws.settings(json!({ "fail_next": { "code": "KMSKeyAccessDenied",
        "reason": "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant." } }));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› error: cannot deploy `receipts`: AWS could not apply the change to `receipts`: Lambda may not use the key that encrypts the function's environment (Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant.); what served before still serves
› live: revision 1 serves all traffic
› hint: let the key's policy allow the function's role to decrypt
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/platform.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "1");
}

/// `StateReasonCode` of a function that could not be made.
#[test]
fn a_function_that_aws_could_not_make_says_what_to_do() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.aws.settings(
        json!({ "fail_next": { "code": "SubnetOutOfIPAddresses", "reason": "No address is left." } }),
    );
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ◌ revision         Lambda is still making the function (The function is being created.)
› error: cannot deploy `receipts`: AWS could not create the function `receipts`: a subnet of the function has no free address left (No address is left.)
› live: `receipts` is not live here, and takes no traffic
› hint: give the function a larger subnet, or more of them
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/platform.md
[exit 1]

"#]]);
}

/// `CodeStorageExceededException` (Lambda API, `UpdateFunctionCode`), with what `GetAccountSettings` says.
#[test]
fn a_full_storage_says_how_full_and_what_could_go() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "0");
    for answer in 0..8 {
        sources(&cloud, &answer.to_string());
        // Tidying up is not allowed, so that there is something left.
        cloud
            .aws
            .settings(json!({ "denied": ["lambda:DeleteFunction"] }));
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    sources(&cloud, "more");
    cloud.aws.rule(json!({ "operation": "UpdateFunctionCode", "times": 2, "do": "answer", "answer": {
        "status": 400, "code": "CodeStorageExceededException", "message": "Code storage limit exceeded." } }));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 8, ana@example.com, [AGO])
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› error: cannot deploy `receipts`: cannot change the code of the function `receipts`: the account's storage for code is full
›   0.0 MB of 75.0 GB are used by all functions of the account here
›   of `receipts` nothing refers to the old revisions 1, 2, 3: 0.0 MB
›   caused by: Code storage limit exceeded (CodeStorageExceededException, request [ID])
› live: revision 8 serves all traffic
› hint: delete them, each with `aws lambda delete-function --function-name receipts --qualifier 1`
› hint: or ask AWS for a higher quota of code storage
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-storage-full.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "8");
}

#[test]
fn a_full_storage_of_a_young_function_sends_to_the_others() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.aws.rule(json!({ "operation": "CreateFunction", "times": 2, "do": "answer", "answer": {
        "status": 400, "code": "CodeStorageExceededException", "message": "Code storage limit exceeded." } }));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› error: cannot deploy `receipts`: cannot make the function `receipts`: the account's storage for code is full
›   0.0 MB of 75.0 GB are used by all functions of the account here
›   no revision of `receipts` can go: each is among the newest, or something refers to it
›   caused by: Code storage limit exceeded (CodeStorageExceededException, request [ID])
› live: `receipts` is not live here, and takes no traffic
› hint: delete old versions of other functions; `squad doctor --env cloud` says how to find the largest
› hint: or ask AWS for a higher quota of code storage
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-storage-full.md
[exit 1]

"#]]);
}

/// Three statements for everybody are three callers.
#[test]
fn callers_that_may_be_anybody_are_told_apart() {
    let cloud = Cloud::with_function(2);
    let permission = |body: serde_json::Value| {
        others(&cloud, "/2015-03-31/functions/receipts/policy", &body);
    };
    permission(
        json!({ "StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
        "FunctionUrlAuthType": "NONE" }),
    );
    permission(
        json!({ "StatementId": "org", "Action": "lambda:InvokeFunction", "Principal": "*",
        "PrincipalOrgID": "o-a1b2c3d4e5" }),
    );
    permission(
        json!({ "StatementId": "open", "Action": "lambda:InvokeFunction", "Principal": "*" }),
    );
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#"
›   move anybody (statement `open`) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move anybody (of the organisation o-[HASH], statement `org`) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move anybody (through its address, unsigned, statement `url`) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› still to do by hand: point anybody (statement `open`) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id open`
› still to do by hand: point anybody (of the organisation o-[HASH], statement `org`) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id org`
› still to do by hand: point anybody (through its address, unsigned, statement `url`) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id url`
to-move  anybody (statement `open`)
to-move  anybody (of the organisation o-[HASH], statement `org`)
to-move  anybody (through its address, unsigned, statement `url`)
[exit 0]

"#]]);
}
