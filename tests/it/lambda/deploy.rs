//! Deploys to Lambda.

use std::path::PathBuf;

use snapbox::str;

use super::{Cloud, QUIET};

/// A function in a repository of its own.
fn sources(cloud: &Cloud, answer: &str) -> PathBuf {
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
        .assert(str![[r#""#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#""#]]);
    let mut calls = cloud.calls();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.ListVersionsByFunction",
            "sts.GetCallerIdentity"
        ]
    );
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success();
    cloud
        .squad(&["logs", "receipts"])
        .success()
        .assert(str![[r#""#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.is_quiet();
}
