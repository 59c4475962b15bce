//! Deploys to Lambda.

use std::path::PathBuf;

use serde_json::json;
use snapbox::str;

use super::{Cloud, QUIET};

/// A function in a repository of its own.
pub(crate) fn sources(cloud: &Cloud, answer: &str) -> PathBuf {
    let directory = cloud.home.work().join("receipts");
    cloud.home.write(
        "receipts/squad.toml",
        &format!(
            r#"schema = 1
[service]
name = "receipts"
kind = "function"
[build]
artifact = "src"
[run.env]
GREETING = "{QUIET}"
[function]
runtime = "python3.13"
handler = "handler.handler"
role = "arn:aws:iam::123456789012:role/receipts"
memory_mb = 128
timeout = "5s"
architecture = "x86_64"
"#
        ),
    );
    cloud.home.write(
        "receipts/src/handler.py",
        &format!("def handler(event, context):\n    print(\"called\")\n    return \"{answer}\"\n"),
    );
    directory
}

#[test]
fn a_function_is_deployed_once_then_again_then_rolled_back() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    let mut calls = cloud.calls();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "lambda.GetAlias",
            "lambda.GetFunction",
            "sts.GetCallerIdentity"
        ]
    );
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
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
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success()
        .assert(str![[r#"
›   called
› revision 2 answered in [DURATION], request [ID]
"two"
[exit 0]

"#]]);
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  1     [AGO]  ok
[exit 0]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success();
    cloud
        .squad(&["logs", "receipts"])
        .success()
        .assert(str![[r#"
[TIME]   2 START RequestId: [ID] Version: 2
[TIME]   2 called
[TIME]   2 END RequestId: [ID]
[TIME]   2 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 128 MB Max Memory Used: 40 MB Init Duration: [DURATION]
[TIME]   1 START RequestId: [ID] Version: 1
[TIME]   1 called
[TIME]   1 END RequestId: [ID]
[TIME]   1 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 128 MB Max Memory Used: 40 MB Init Duration: [DURATION]
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.is_quiet();
}

/// Everything that a deploy asks of the small quota, tidying up among it, fits into what one second of it allows: 12 calls
/// here, of the 15 that an account has (`clients/aws/pace.rs`). `GetFunction` and `GetPolicy` have quotas of their own.
#[test]
fn a_deploy_that_deletes_an_old_version_makes_twelve_calls_of_the_small_quota() {
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    for answer in ["one", "two", "three", "four", "five", "six", "seven"] {
        cloud.aws.forget_calls();
        let directory = sources(&cloud, answer);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    let made = cloud.calls();
    let (own_quota, small): (Vec<_>, Vec<_>) = made
        .iter()
        .map(String::as_str)
        .filter(|call| *call != "sts.GetCallerIdentity")
        .partition(|call| matches!(*call, "lambda.GetFunction" | "lambda.GetPolicy"));
    let sorted = |mut calls: Vec<&str>| {
        calls.sort_unstable();
        calls.join("\n")
    };
    assert_eq!(
        sorted(small),
        [
            "lambda.DeleteFunction",
            "lambda.GetAlias",
            "lambda.ListAliases",
            "lambda.ListEventSourceMappings",
            "lambda.ListEventSourceMappings",
            "lambda.ListFunctionUrlConfigs",
            "lambda.ListProvisionedConcurrencyConfigs",
            "lambda.ListVersionsByFunction",
            "lambda.ListVersionsByFunction",
            "lambda.PublishVersion",
            "lambda.UpdateAlias",
            "lambda.UpdateFunctionCode",
        ]
        .join("\n")
    );
    assert_eq!(
        sorted(own_quota),
        [
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetPolicy",
            "lambda.GetPolicy",
            "lambda.GetPolicy",
        ]
        .join("\n")
    );
}

/// A version is made of what `$LATEST` has: what others changed there since goes out with it, and the plan says so.
#[test]
fn what_others_changed_at_aws_is_in_the_plan_that_brings_it_out() {
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "Environment": { "Variables": { "GREETING": "theirs", "FLAG": QUIET } },
            "MemorySize": 512,
            "TracingConfig": { "Mode": "Active" },
            "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
        }
    }));
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   at AWS: run.env.FLAG is new: #7e6b53
›   at AWS: dead-letter queue is new: arn:aws:sqs:eu-west-1:[HASH]:dead
›   at AWS: tracing PassThrough → Active
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    cloud.squad_in(&directory, &["deploy"]).success();
    // Now it serves, and is no difference any more.
    sources(&cloud, "three");
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 2, ana@example.com, [AGO])
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
}
