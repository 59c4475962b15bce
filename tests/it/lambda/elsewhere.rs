//! Credentials of another account, and another region than the environment's: exit code 7 before any write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;
use crate::support::aws::{KEY, REGION};
use crate::support::{Output, all_files_below};

/// All that squad keeps for others: the record and the objects of the environment.
fn store(cloud: &Cloud) -> BTreeMap<PathBuf, Vec<u8>> {
    all_files_below(&cloud.home.path().join("store"))
        .into_iter()
        .map(|file| (file.clone(), std::fs::read(&file).unwrap()))
        .collect()
}

/// The credentials are those of another account from now on. Who it is is told late, so that whatever is read beside it has
/// gone out.
fn of_another_account(cloud: &Cloud) {
    cloud
        .aws
        .keys(json!({ (KEY): { "account": "999999999999" } }));
    cloud
        .aws
        .settings(json!({ "latency_of": { "sts.GetCallerIdentity": 1500 } }));
    cloud.aws.forget_calls();
}

/// What a deploy reads first: the list of versions only when it changes something.
const SERVING: [&str; 3] = [
    "lambda.GetAlias",
    "lambda.GetFunction",
    "sts.GetCallerIdentity",
];

/// What a look at a service reads.
const LOOK: [&str; 4] = [
    "lambda.GetAlias",
    "lambda.GetFunction",
    "lambda.ListVersionsByFunction",
    "sts.GetCallerIdentity",
];

/// What a command reads of a service before anything else.
fn first_look(arguments: &[&str]) -> &'static [&'static str] {
    if arguments[0] == "deploy" {
        &SERVING
    } else {
        &LOOK
    }
}

/// Asserts that a command is refused, made exactly these calls, and left the record as it was.
fn is_refused(cloud: &Cloud, calls: &[&str], run: impl FnOnce() -> Output) {
    let before = store(cloud);
    let output = run().failure(7);
    assert!(
        output.stderr.contains("errors/wrong-account.md"),
        "{}",
        output.stderr
    );
    let mut made = cloud.calls();
    made.sort_unstable();
    assert_eq!(made, calls);
    assert_eq!(store(cloud), before);
}

#[test]
fn a_first_deploy_to_another_account_writes_nothing() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    of_another_account(&cloud);
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `receipts`: the environment `cloud` is the AWS account [HASH], and the credentials are of [HASH]
›   caused by: they are `arn:aws:iam::[HASH]:user/stand-in`, from the environment variables
› hint: AWS_ACCESS_KEY_ID is set and is used before any profile: `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`
› hint: choose the profile of that account: `AWS_PROFILE=PROFILE squad whoami --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/wrong-account.md
[exit 7]

"#]]);
    cloud.aws.forget_calls();
    is_refused(&cloud, &SERVING, || cloud.squad_in(&directory, &["deploy"]));
    assert!(store(&cloud).is_empty());
}

/// Also where that account has a function of the same name.
#[test]
fn every_change_in_another_account_is_refused_before_it() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    let _directory = sources(&cloud, "two");
    cloud.aws.functions(
        json!({ "name": "receipts", "account": "999999999999", "versions": 2, "alias": "live" }),
    );
    of_another_account(&cloud);
    for arguments in [
        &["deploy"][..],
        &["deploy", "--rebuild"],
        &["deploy", "--canary"],
        &["deploy", "--no-wait"],
        &["rollback"],
        &["rollback", "--to", "1"],
        &["rollout", "start", "--revision", "1"],
        &["rollout", "drive", "--once"],
        &["rollout", "promote"],
        &["rollout", "pause"],
        &["rollout", "resume"],
        &["rollout", "abort"],
        &["stop"],
        &["invoke", "--payload", "{}"],
    ] {
        eprintln!("{arguments:?}");
        is_refused(&cloud, first_look(arguments), || {
            cloud.squad_in(&directory, arguments)
        });
    }
}

/// Not a change, and all the same another function's answer.
#[test]
fn nothing_is_shown_of_a_function_in_another_account() {
    let cloud = Cloud::with_function(2);
    cloud.aws.functions(
        json!({ "name": "receipts", "account": "999999999999", "versions": 2, "alias": "live" }),
    );
    cloud.aws.logs(
        json!({ "account": "999999999999", "function": "receipts", "stream": "2026/01/01/[2]a", "message": "of others" }),
    );
    of_another_account(&cloud);
    for arguments in [&["logs", "receipts"][..], &["status", "receipts"]] {
        let output = cloud.squad(arguments).failure(7);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

/// A rollout that is live there is none of this environment's.
#[test]
fn brakes_look_at_the_account_before_they_write() {
    let cloud = Cloud::holding();
    let weights = cloud.weights();
    of_another_account(&cloud);
    for arguments in [
        &["stop", "receipts"][..],
        &["rollout", "abort", "receipts"],
        &["rollout", "pause", "receipts"],
        &["rollout", "promote", "receipts"],
        &["rollback", "receipts"],
        &["rollout", "drive", "receipts", "--once", "--take-over"],
    ] {
        eprintln!("{arguments:?}");
        is_refused(&cloud, &LOOK, || cloud.squad(arguments));
    }
    assert_eq!(cloud.weights(), weights);
}

#[test]
fn callers_are_not_moved_in_another_account() {
    let cloud = Cloud::with_function(2);
    super::callers::topic(&cloud, "");
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success();
    of_another_account(&cloud);
    is_refused(&cloud, &["sts.GetCallerIdentity"], || {
        cloud.squad(&["deploy", "receipts", "--adopt-alias"])
    });
    // What is taken back is what the record holds, and nothing is recorded that was not begun.
    is_refused(&cloud, &["sts.GetCallerIdentity"], || {
        cloud.squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
    });
}

/// What the variables and the profile say is no region of the environment's.
#[test]
fn the_region_of_the_environment_is_asked_whatever_the_variables_say() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    let mut command = cloud.aws.squad(&cloud.home, &["deploy", "--yes"]);
    command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .current_dir(&directory);
    cloud.home.run(&mut command).success();
    let calls = cloud.aws.calls();
    assert!(calls.len() > 5);
    for call in calls {
        assert_eq!(call.region, REGION, "{}", call.name());
    }
}

/// AWS's own words where a request is signed for one region and comes to the address of another one.
#[test]
fn an_address_of_another_region_is_refused_before_any_write() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    let _directory = sources(&cloud, "two");
    cloud.aws.rule(
        json!({ "service": "lambda", "times": 0, "do": "answer", "answer": {
        "status": 403, "code": "InvalidSignatureException",
        "message": "Credential should be scoped to a valid region. " } }),
    );
    cloud
        .aws
        .settings(json!({ "latency_of": { "lambda.GetAlias": 300, "lambda.GetFunction": 600, "lambda.ListVersionsByFunction": 600 } }));
    for arguments in [
        &["deploy"][..],
        &["rollback"],
        &["rollout", "start", "--revision", "1"],
        &["stop"],
    ] {
        cloud.aws.forget_calls();
        let before = store(&cloud);
        let output = cloud.squad_in(&directory, arguments).failure(7);
        assert!(
            output.stderr.contains("errors/wrong-region.md"),
            "{}",
            output.stderr
        );
        let mut calls = cloud.calls();
        calls.sort_unstable();
        assert_eq!(calls, first_look(arguments), "{arguments:?}");
        assert_eq!(store(&cloud), before);
    }
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `receipts`: cannot read the alias of `receipts`: it is in another region
›   caused by: Credential should be scoped to a valid region (InvalidSignatureException, request [ID])
› hint: correct `region` or `audit` of the environment in org.toml
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/wrong-region.md
[exit 7]

"#]]);
}

/// The record's bucket is in another region: nothing is changed that could not be recorded.
#[test]
fn a_record_in_another_region_stops_a_deploy_before_any_write() {
    let cloud = Cloud::new();
    cloud.home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n[env.cloud]\nplatform = \"lambda\"\naccount = \"123456789012\"\nregion = \"{REGION}\"\naudit = \"s3://acme-audit/squad\"\n"
        ),
    );
    cloud.aws.bucket("acme-audit", true);
    let directory = sources(&cloud, "one");
    cloud.aws.rule(json!({ "service": "s3", "times": 0, "do": "answer", "answer": {
        "status": 400, "code": "AuthorizationHeaderMalformed",
        "message": "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'" } }));
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(7)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `receipts`: cannot record the intent in the audit log `acme/cloud`: cannot list `s3://acme-audit/squad/audit/acme/cloud/commit`: it is in the region us-east-1
›   caused by: The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1' (AuthorizationHeaderMalformed, request [ID])
› live: `receipts` is not live here, and takes no traffic
› hint: correct `region` or `audit` of the environment in org.toml
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/wrong-region.md
[exit 7]

"#]]);
    let calls = cloud.aws.calls();
    let written: Vec<_> = calls
        .iter()
        .filter(|call| call.applied)
        .map(crate::support::aws::Call::name)
        .filter(|name| !LOOK.contains(&name.as_str()))
        .collect();
    assert_eq!(written, [""; 0]);
}
