//! What a rollback changes beside the code: the settings of then, whoever set them, are in its plan.

use serde_json::json;
use snapbox::str;

use super::deploy::sources;
use super::{Cloud, QUIET};

#[test]
fn a_rollback_tells_which_settings_go_back() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "Environment": { "Variables": { "GREETING": QUIET, "DB_PASSWORD": format!("{QUIET}-2") } },
            "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
            "Layers": [{ "Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:tracer:7", "CodeSize": 1024 }],
        },
    }));
    sources(&cloud, "two");
    let file = directory.join("squad.toml");
    let manifest = std::fs::read_to_string(&file).unwrap();
    let manifest = manifest.replace("memory_mb = 128", "memory_mb = 512");
    std::fs::write(&file, manifest).unwrap();
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.forget_calls();
    for arguments in [
        &["rollback", "receipts", "--dry-run"][..],
        &["rollback", "receipts", "--to", "1", "--dry-run"],
    ] {
        cloud.squad(arguments).success().assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
›   function.layers is gone
›   function.memory_mb 512 → 128
›   run.env.DB_PASSWORD is gone
›   at AWS: dead-letter queue is gone
[exit 0]

"#]]);
    }
    let wire = cloud.squad(&["rollback", "receipts", "--dry-run", "-o", "json"]);
    assert_eq!(
        wire.json()["changed"],
        json!([
            "function.layers",
            "function.memory_mb",
            "run.env.DB_PASSWORD",
            "at AWS: dead-letter queue",
        ])
    );
    // By what a rollback reads anyway.
    cloud.aws.forget_calls();
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
›   function.layers is gone
›   function.memory_mb 512 → 128
›   run.env.DB_PASSWORD is gone
›   at AWS: dead-letter queue is gone
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    let mut calls = cloud.calls();
    calls.truncate(4);
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.ListVersionsByFunction",
            "sts.GetCallerIdentity",
        ]
    );
    cloud.is_quiet();
}

/// Neither are the formats of logs, nor what an image is started with, keys of `squad.toml`.
#[test]
fn what_others_set_on_logs_is_told_by_a_deploy_and_a_rollback() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "LoggingConfig": { "LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN",
                "LogGroup": "/aws/lambda/receipts" },
        },
    }));
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   at AWS: log format and levels Text → JSON, application DEBUG, system WARN
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
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
›   at AWS: log format and levels JSON, application DEBUG, system WARN → Text
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
}
