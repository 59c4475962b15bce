//! Many functions of one repository in one plan, inside AWS's quotas: a result for each, and what failed or was cut off is
//! done by the same command run again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::Cloud;
use crate::support::aws::{Call, Release};

/// A repository with so many functions, `f01` and on; one of them has a smoke event that its code fails on.
pub(super) fn shop(cloud: &Cloud, count: usize, broken: Option<usize>) -> PathBuf {
    cloud.home.write(
        "shop/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"functions/*\"]\n",
    );
    for number in 1..=count {
        let smoke = if broken == Some(number) {
            "smoke = \"smoke.json\"\n"
        } else {
            ""
        };
        cloud.home.write(
            format!("shop/functions/f{number:02}/squad.toml"),
            &format!(
                r#"schema = 1
[service]
name = "f{number:02}"
kind = "function"
[build]
artifact = "src"
[function]
runtime = "python3.13"
handler = "handler.handler"
role = "arn:aws:iam::123456789012:role/receipts"
memory_mb = 128
timeout = "5s"
architecture = "x86_64"
{smoke}"#
            ),
        );
        cloud
            .home
            .write(format!("shop/functions/f{number:02}/smoke.json"), "{}");
        handler(cloud, number, broken != Some(number));
    }
    cloud.home.work().join("shop")
}

fn handler(cloud: &Cloud, number: usize, works: bool) {
    let answer = if works { "event" } else { "event[\"total\"]" };
    cloud.home.write(
        format!("shop/functions/f{number:02}/src/handler.py"),
        &format!("# {number}\ndef handler(event, context):\n    return {answer}\n"),
    );
}

fn deploy_all(cloud: &Cloud, shop: &PathBuf) -> (i32, Value) {
    let output = cloud.squad_in(shop, &["deploy", "--all", "-o", "json"]);
    (output.code, output.json())
}

/// The names of the services with this outcome.
fn with(wire: &Value, outcome: &str) -> Vec<String> {
    let services = wire["services"].as_array().unwrap();
    services
        .iter()
        .filter(|one| one["outcome"] == outcome)
        .map(|one| one["service"].as_str().unwrap().to_owned())
        .collect()
}

/// Those that change something at Lambda.
fn writes(calls: &[Call]) -> Vec<&Call> {
    calls
        .iter()
        .filter(|call| call.service == "lambda")
        .filter(|call| {
            let reads = ["Get", "List", "Invoke"];
            !reads.iter().any(|read| call.operation.starts_with(read))
        })
        .collect()
}

/// Each has one version, and all its traffic goes there.
fn is_each_once(cloud: &Cloud, count: usize, at: &str) {
    for number in 1..=count {
        let function = cloud.aws.function(&format!("f{number:02}"));
        let versions = function["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1, "{at}: {function}");
        assert_eq!(function["aliases"]["live"]["FunctionVersion"], "1", "{at}");
    }
}

#[test]
fn twenty_functions_are_one_plan_with_a_result_for_each() {
    const COUNT: usize = 20;
    const BROKEN: usize = 7;
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "quotas": true }));
    let shop = shop(&cloud, COUNT, Some(BROKEN));
    let (code, wire) = deploy_all(&cloud, &shop);
    assert_eq!((code, &wire["outcome"]), (1, &json!("failed")), "{wire}");
    assert_eq!(with(&wire, "succeeded").len(), COUNT - 1, "{wire}");
    assert_eq!(with(&wire, "failed"), ["f07"]);
    let failed = wire["services"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["outcome"] == "failed");
    assert!(failed.unwrap().to_string().contains("KeyError"), "{wire}");
    // Nobody else calls: the pace alone keeps within the quotas.
    let calls = cloud.aws.calls();
    let throttled = calls.iter().filter(|call| call.status == Some(429));
    assert_eq!(throttled.count(), 0);
    // The one that failed takes no traffic, and its version is there.
    let broken = cloud.aws.function("f07");
    assert_eq!(broken["aliases"], json!({}));
    // The same command changes only that one.
    handler(&cloud, BROKEN, true);
    cloud.aws.forget_calls();
    let (code, wire) = deploy_all(&cloud, &shop);
    assert_eq!((code, &wire["outcome"]), (0, &json!("succeeded")), "{wire}");
    assert_eq!(with(&wire, "succeeded"), ["f07"]);
    assert_eq!(with(&wire, "unchanged").len(), COUNT - 1);
    let calls = cloud.aws.calls();
    let changed: Vec<_> = writes(&calls)
        .into_iter()
        .map(|call| call.parameter("FunctionName").unwrap_or("f07").to_owned())
        .collect();
    assert!(!changed.is_empty() && changed.iter().all(|name| name == "f07"));
    cloud.squad(&["audit", "verify"]).success();
}

/// Killed in the middle of all of them.
fn is_killed(cloud: &Cloud, shop: &Path, operation: &str, nth: usize) {
    cloud
        .aws
        .rule(json!({ "operation": operation, "nth": nth, "do": "hold-after" }));
    let mut command = cloud.aws.squad(&cloud.home, &["deploy", "--all", "--yes"]);
    command
        .current_dir(shop)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while cloud.aws.wait_held(Duration::from_millis(200)).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    cloud.aws.release(Release::Apply);
    cloud.aws.forget_rules();
}

/// Sixty are the most that one repository of a domain has. Inside the quotas, and killed between two of them.
#[test]
fn sixty_functions_that_are_killed_in_the_middle_are_one_plan_again() {
    const COUNT: usize = 60;
    const DONE: usize = 20;
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "settle_ms": 1 }));
    let shop = shop(&cloud, COUNT, None);
    is_killed(&cloud, &shop, "CreateAlias", DONE);
    let made = cloud.aws.calls();
    let made = made
        .iter()
        .filter(|call| call.operation == "CreateAlias" && call.applied);
    let made = made.count();
    assert!((DONE..COUNT).contains(&made), "{made}");
    cloud.aws.settings(json!({ "quotas": true }));
    cloud.aws.forget_calls();
    let (code, wire) = deploy_all(&cloud, &shop);
    assert_eq!((code, &wire["outcome"]), (0, &json!("succeeded")), "{wire}");
    // A result for each: done before it was killed, or now.
    assert_eq!(wire["services"].as_array().unwrap().len(), COUNT);
    let (before, now) = (
        with(&wire, "unchanged").len(),
        with(&wire, "succeeded").len(),
    );
    assert_eq!(before + now, COUNT, "{wire}");
    assert!(before >= DONE - 1 && now > 0, "{before} and {now}");
    is_each_once(&cloud, COUNT, "60");
    let throttled = cloud.aws.calls();
    let throttled = throttled.iter().filter(|call| call.status == Some(429));
    assert_eq!(throttled.count(), 0);
    cloud.squad(&["audit", "verify"]).success();
}

/// What git says has changed is the plan, whatever the rest is.
#[test]
fn only_what_changed_since_a_commit_is_deployed() {
    let cloud = Cloud::new();
    let shop = shop(&cloud, 3, None);
    let base = cloud.home.commit_all(&shop, "Three functions");
    cloud.squad_in(&shop, &["deploy", "--all"]).success();
    cloud.home.write(
        "shop/functions/f02/src/handler.py",
        "def handler(event, context):\n    return 2\n",
    );
    cloud.home.commit_all(&shop, "Change the second one");
    cloud.aws.forget_calls();
    let output = cloud.squad_in(&shop, &["deploy", "--changed-since", &base, "-o", "json"]);
    let wire = output.success().json();
    assert_eq!(with(&wire, "succeeded"), ["f02"]);
    assert_eq!(wire["services"].as_array().unwrap().len(), 1, "{wire}");
    let calls = cloud.aws.calls();
    let names = calls
        .iter()
        .filter_map(|call| call.parameter("FunctionName"));
    assert!(names.clone().count() > 0);
    for name in names {
        assert!(name.ends_with("f02"), "{name}");
    }
}

#[test]
fn many_that_are_killed_in_the_middle_are_brought_to_their_end() {
    const COUNT: usize = 12;
    for (operation, nth) in [("PublishVersion", 5), ("CreateAlias", 8)] {
        let cloud = Cloud::new();
        let shop = shop(&cloud, COUNT, None);
        is_killed(&cloud, &shop, operation, nth);
        let (code, wire) = deploy_all(&cloud, &shop);
        let at = format!("{operation} {nth}");
        assert_eq!(code, 0, "{at}: {wire}");
        is_each_once(&cloud, COUNT, &at);
        let (code, wire) = deploy_all(&cloud, &shop);
        assert_eq!((code, &wire["outcome"]), (0, &json!("unchanged")), "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
}
