//! Rollouts on Lambda, by weights of the alias.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

/// The beginning of a minute that lies so many minutes back.
pub(super) fn minute(back: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_secs() / 60 - back) * 60
}

/// So many invocations of the alias in a minute, with so many errors; of one version where it is told.
pub(super) fn counted(back: u64, version: Option<&str>, invocations: u64, errors: u64) -> Value {
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
            "--revision",
            "3", "--again", "--reason", "it was the partner",
            "--route",
            "GET /items/{id}=5",
        ])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `receipts`: this platform has one weight for all requests, so `--route` cannot be kept
› live: revision 2 serves all traffic
› hint: leave `--route` out: the whole service moves together
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-unsupported.md
[exit 7]

"#]]);
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
        .squad(&["rollout", "start", "receipts", "--revision", "3", "--again", "--reason", "it was the partner"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `receipts`: `receipts` was called 500 times, and never through its alias `live`: its callers name the function or a version, so that nothing here would reach them
› live: revision 2 serves all traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/unsupported.md
[exit 7]

"#]]);
}

/// The weights of the first step in the alias, and all traffic back by the stop.
#[test]
fn weights_are_written_and_the_stop_takes_all_of_them_back() {
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
        "--again",
        "--reason",
        "it was the partner",
        "--steps",
        "10,50",
        "--hold",
        "1m",
        "--no-wait",
    ]);
    drop(started.success());
    crate::support::wait_for("weights", Duration::from_mins(1), || {
        let alias = cloud.alias();
        alias["RoutingConfig"]["AdditionalVersionWeights"]["3"]
            .as_f64()
            .filter(|weight| (weight - 0.1).abs() < 1e-9)
    });
    cloud.squad(&["stop", "receipts"]).success();
    assert_eq!(cloud.sole(), "2");
    cloud.squad(&["rollout", "status", "receipts"]).failure(1);
    cloud.is_quiet();
}

#[test]
fn a_gate_is_refused_before_anything_is_written() {
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success();
    cloud.aws.forget_calls();
    let gate = "GET /items/{id}=bucket:5";
    cloud
        .squad(&[
            "rollout",
            "start",
            "receipts",
            "--revision",
            "3", "--again", "--reason", "it was the partner",
            "--gate",
            gate,
        ])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `receipts`: this platform cannot tell one caller from another, so `--gate` cannot be kept
› live: revision 2 serves all traffic
› hint: leave `--gate` out: a new route opens with the promotion
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-unsupported.md
[exit 7]

"#]]);
    assert!(cloud.calls().iter().all(|call| !call.contains("Update")));
}

/// The calls that change something, since they were forgotten.
fn writes(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.calls().into_iter();
    calls
        .filter(|name| {
            name.starts_with("lambda.") && !name.contains("Get") && !name.contains("List")
        })
        .collect()
}

/// A Lambda alias shares its traffic only between versions with the same role and the same dead-letter queue.
#[test]
fn a_canary_with_another_role_is_refused_before_anything_is_sent() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    let file = directory.join("squad.toml");
    let manifest = std::fs::read_to_string(&file).unwrap();
    let manifest = manifest.replace("role/receipts", "role/receipts-of-2027");
    std::fs::write(&file, manifest).unwrap();
    let before = cloud.aws.function("receipts");
    cloud.aws.forget_calls();
    for more in [&["--dry-run"][..], &[]] {
        let arguments = [&["deploy", "--canary"], more].concat();
        cloud
            .squad_in(&directory, &arguments)
            .failure(7)
            .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   function.role …/receipts → …/receipts-of-2027
›
› error: cannot deploy `receipts`: revisions 1 and 2 have different execution roles, and a Lambda alias shares its traffic only between versions that have the same
› live: revision 1 serves all traffic
› hint: deploy all at once instead: `squad deploy receipts --env cloud`
› hint: or keep the role: `role = "arn:aws:iam::[HASH]:role/receipts"` under [function] in squad.toml
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-unsupported.md
[exit 7]

"#]]);
    }
    assert_eq!(writes(&cloud), [""; 0]);
    assert_eq!(cloud.aws.function("receipts"), before);

    // All at once it goes; and one that is published already is told apart in the same words.
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.squad(&["rollback", "receipts"]).success();
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy", "--canary", "--again", "--reason", "it was the partner"])
        .failure(7)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   nothing to build: revision 2 is exactly this
›   function.role …/receipts → …/receipts-of-2027
›
› error: cannot deploy `receipts`: revisions 1 and 2 have different execution roles, and a Lambda alias shares its traffic only between versions that have the same
› live: revision 1 serves all traffic
› hint: deploy all at once instead: `squad deploy receipts --env cloud --again --reason "…"`
› hint: or keep the role: `role = "arn:aws:iam::[HASH]:role/receipts"` under [function] in squad.toml
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-unsupported.md
[exit 7]

"#]]);
    assert_eq!(writes(&cloud), [""; 0]);
}

#[test]
fn a_canary_with_the_queue_that_others_set_is_refused_before_anything_is_sent() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
        },
    }));
    cloud.aws.forget_calls();
    cloud
        .squad_in(&directory, &["deploy", "--canary"])
        .failure(7)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   at AWS: dead-letter queue is new: arn:aws:sqs:eu-west-1:[HASH]:dead
›
› error: cannot deploy `receipts`: revisions 1 and 2 have different dead-letter queues, and a Lambda alias shares its traffic only between versions that have the same
› live: revision 1 serves all traffic
› hint: deploy all at once instead: `squad deploy receipts --env cloud`
› hint: or have whoever set it at AWS take it away: dead-letter queue
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-unsupported.md
[exit 7]

"#]]);
    assert_eq!(writes(&cloud), [""; 0]);
}
