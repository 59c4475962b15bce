//! Rollouts on Lambda, by weights of the alias.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;

/// The beginning of a minute that lies so many minutes back.
fn minute(back: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_secs() / 60 - back) * 60
}

/// So many invocations of the alias in a minute, with so many errors; of one version where it is told.
fn counted(back: u64, version: Option<&str>, invocations: u64, errors: u64) -> Value {
    let mut point = json!({
        "function": "receipts",
        "alias": "live",
        "minute": minute(back),
        "invocations": invocations,
        "errors": errors,
        "delay_seconds": 0,
    });
    if let Some(version) = version {
        point["version"] = json!(version);
    }
    point
}

#[test]
fn a_plan_with_routes_is_refused_before_anything_is_written() {
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success();
    cloud.aws.forget_calls();
    cloud
        .squad(&[
            "rollout",
            "start",
            "receipts",
            "--route",
            "GET /items/{id}=5",
        ])
        .failure(7)
        .assert(str![[r#""#]]);
    assert!(cloud.calls().iter().all(|call| !call.contains("Update")));
}

#[test]
fn callers_that_do_not_use_the_alias_are_found_before_the_start() {
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success();
    cloud.aws.metrics(json!({
        "function": "receipts", "minute": minute(10), "invocations": 500, "delay_seconds": 0,
    }));
    cloud
        .squad(&["rollout", "start", "receipts", "--revision", "3"])
        .failure(7)
        .assert(str![[r#""#]]);
}

/// The whole way: weights by one write each, a bad canary found by what CloudWatch counted, all traffic back.
#[test]
fn a_bad_canary_is_found_and_aborted() {
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success();
    let history: Vec<_> = (3..60).map(|back| counted(back, None, 600, 1)).collect();
    cloud.aws.metrics(Value::Array(history));
    let started = cloud.squad(&[
        "rollout",
        "start",
        "receipts",
        "--revision",
        "3",
        "--steps",
        "10,50",
        "--hold",
        "1m",
        "--no-wait",
    ]);
    drop(started.success());
    crate::support::wait_for("weights", Duration::from_secs(60), || {
        let alias = cloud.alias();
        alias["RoutingConfig"]["AdditionalVersionWeights"]["3"]
            .as_f64()
            .filter(|weight| (weight - 0.1).abs() < 1e-9)
    });
    cloud.squad(&["stop", "receipts"]).success();
    assert_eq!(cloud.sole(), "2");
    cloud.squad(&["rollout", "status", "receipts"]).failure(3);
    cloud.is_quiet();
}
