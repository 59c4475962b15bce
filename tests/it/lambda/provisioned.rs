//! What the alias keeps ready: set after the traffic, moved with it, and made up for by the next deploy.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::deploy::sources;
use super::gradual::counted;
use crate::support::aws::Release;

fn with_provisioned(cloud: &Cloud, answer: &str, count: u32) -> PathBuf {
    let directory = sources(cloud, answer);
    let manifest = std::fs::read_to_string(directory.join("squad.toml")).unwrap();
    cloud.home.write(
        "receipts/squad.toml",
        &format!("{manifest}provisioned_concurrency = {count}\n"),
    );
    directory
}

fn quick() -> Cloud {
    let cloud = Cloud::new();
    cloud
        .aws
        .settings(json!({ "settle_ms": 0, "provision_ms": 0 }));
    cloud
}

/// The numbers that were put, in order, and `none` for each that was taken away.
fn puts(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.aws.calls();
    cloud.aws.forget_calls();
    calls
        .iter()
        .filter_map(|call| match call.operation.as_str() {
            "PutProvisionedConcurrencyConfig" => {
                let member = "\"ProvisionedConcurrentExecutions\":";
                let (_, count) = call.request.split_once(member)?;
                let count = count.trim_end_matches('}');
                Some(format!("{} {count}", call.parameter("Qualifier")?))
            }
            "DeleteProvisionedConcurrencyConfig" => Some("none".to_owned()),
            _ => None,
        })
        .collect()
}

#[test]
fn what_the_alias_keeps_ready_is_set_after_the_traffic_and_by_a_deploy_of_the_same() {
    let cloud = quick();
    let directory = with_provisioned(&cloud, "one", 2);
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(puts(&cloud), ["live 2"]);
    // There is nothing to do, and nothing is sent: what it keeps ready is asked beside the rest.
    super::unchanged::slow_and_rested(&cloud);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    cloud.aws.settings(json!({ "latency_ms": 0 }));
    let mut names = super::unchanged::in_one_round(&cloud);
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.GetProvisionedConcurrencyConfig",
            "sts.GetCallerIdentity",
        ]
    );
    let directory = with_provisioned(&cloud, "two", 3);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   function.provisioned_concurrency 2 → 3
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(puts(&cloud), ["live 3"]);
    // Somebody took it away: the same deploy brings it back, with no new version.
    cloud.aws.change(
        json!({ "kind": "provisioned", "function": "receipts", "alias": "live", "count": 0 }),
    );
    cloud
        .squad_in(&directory, &["deploy", "--dry-run", "--exit-code"])
        .failure(10)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   revision 2 stays live; what changes is not part of it
›   function.provisioned_concurrency 0 → 3
›
[exit 10]

"#]]);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   revision 2 stays live; what changes is not part of it
›   function.provisioned_concurrency 0 → 3
›
› ✔ recorded         operation [ID], acme/cloud
› ✔ started          revision 2, kept from before, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(puts(&cloud), ["live 3"]);
    let directory = with_provisioned(&cloud, "two", 0);
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(puts(&cloud), ["none"]);
    // What is not said stays.
    cloud.aws.change(
        json!({ "kind": "provisioned", "function": "receipts", "alias": "live", "count": 5 }),
    );
    let directory = sources(&cloud, "three");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(puts(&cloud), [""; 0]);
    cloud.squad(&["audit", "verify"]).success();
}

/// Who takes a rollout over has no `squad.toml`: what the new revision was published with says what is to be kept ready.
#[test]
fn whoever_ends_a_rollout_elsewhere_sets_what_is_kept_ready() {
    let cloud = quick();
    let directory = with_provisioned(&cloud, "one", 2);
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(puts(&cloud), ["live 2"]);
    let history: Vec<_> = (3..60).map(|back| counted(back, None, 600, 1)).collect();
    cloud.aws.metrics(Value::Array(history));
    let directory = with_provisioned(&cloud, "two", 3);
    // The one that began it is killed before it has set anything.
    cloud.aws.rule(json!({
        "operation": "PutProvisionedConcurrencyConfig", "nth": 1, "do": "hold-before",
    }));
    let canary = [
        "deploy", "--canary", "--steps", "10,50", "--hold", "1m", "--yes",
    ];
    let mut child = cloud
        .aws
        .squad(&cloud.home, &canary)
        .current_dir(&directory)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert!(!cloud.aws.wait_held(Duration::from_mins(1)).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    cloud.aws.release(Release::Drop);
    cloud.aws.forget_rules();
    cloud.aws.forget_calls();
    std::fs::remove_file(directory.join("squad.toml")).unwrap();
    let drive = ["rollout", "drive", "receipts", "--once", "--take-over"];
    for _ in 0..5 {
        if cloud.weights() != json!({ "2": 0.1 }) {
            cloud.squad(&drive).success();
        }
    }
    assert_eq!(cloud.weights(), json!({ "2": 0.1 }));
    cloud
        .squad(&["rollout", "promote", "receipts", "--full"])
        .success();
    assert_eq!(cloud.sole(), "2");
    assert_eq!(puts(&cloud), ["live 3"]);
    cloud.squad(&["audit", "verify"]).success();
}

/// Killed between the traffic and what it is to keep ready: the same command makes up for it.
#[test]
fn killed_before_it_is_set_the_next_deploy_sets_it() {
    for moment in ["hold-before", "hold-after"] {
        let cloud = quick();
        let directory = with_provisioned(&cloud, "one", 2);
        cloud.aws.rule(json!({
            "operation": "PutProvisionedConcurrencyConfig", "nth": 1, "do": moment,
        }));
        let mut command = cloud.aws.squad(&cloud.home, &["deploy"]);
        let mut child = command
            .arg("--yes")
            .current_dir(&directory)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        assert!(!cloud.aws.wait_held(Duration::from_mins(1)).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        cloud.aws.release(Release::Drop);
        cloud.aws.forget_rules();
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(cloud.sole(), "1", "{moment}");
        cloud
            .squad_in(&directory, &["deploy"])
            .success()
            .assert(str![[r#"
› receipts → cloud: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    }
}

/// AWS has no room for it: the traffic stays where it is, it is said, and the next deploy tries again.
#[test]
fn what_aws_cannot_keep_ready_is_said_and_tried_again() {
    let cloud = quick();
    cloud
        .aws
        .settings(json!({ "fail_provisioning": "no capacity in this zone" }));
    let directory = with_provisioned(&cloud, "one", 2);
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(3)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›   function.provisioned_concurrency 0 → 2
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ✔ published        revision 1, ready
› error: cannot deploy `receipts`: the traffic has changed, and provisioned concurrency could not be allocated for it: no capacity in this zone
› live: revision 1 serves all traffic
› hint: ask for it again: `squad deploy receipts --env cloud`
› hint: or go back to what served before: `squad rollback receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/not-provisioned.md
[exit 3]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "1");
}

/// With what AWS sends as long as it takes until what is provisioned is ready: all to the one that was left.
#[test]
fn a_rollback_tells_where_the_traffic_is_until_it_is_there() {
    let cloud = quick();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(
        json!({ "kind": "provisioned", "function": "receipts", "alias": "live", "count": 3 }),
    );
    cloud.aws.settings(json!({ "provision_ms": 8000 }));
    cloud
        .squad(&["rollback", "receipts", "--timeout", "3s"])
        .failure(3)
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
› ◌ traffic          AWS still sends 100 % to 2 until what is provisioned on 1 is ready
› error: cannot roll back `receipts`: the traffic was changed, but AWS still sends 100 % to 2 until what is provisioned on 1 is ready
› live: AWS still sends 100 % to 2 until what is provisioned on 1 is ready
› hint: look again: `squad status receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/traffic-lags.md
[exit 3]

"#]]);
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  1     [AGO]  starting  AWS still sends 100 % to 2 until what is provisioned on 1 is ready
[exit 0]

"#]]);
    crate::support::wait_for("the move", Duration::from_mins(1), || {
        cloud.alias()["RoutingConfig"].is_null().then_some(())
    });
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  1     [AGO]  ok
[exit 0]

"#]]);
    // In time, it is waited for.
    cloud.aws.settings(json!({ "provision_ms": 1500 }));
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 1 → 2 (ana@example.com, [AGO])
› ◌ traffic          AWS still sends 100 % to 1 until what is provisioned on 2 is ready
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
}

/// `squad.toml` says nothing of it: the deploy ends as bad, the status shows it, and the same deploy asks for it again.
#[test]
fn what_cannot_move_along_is_shown_and_asked_for_again() {
    let cloud = quick();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(
        json!({ "kind": "provisioned", "function": "receipts", "alias": "live", "count": 3 }),
    );
    cloud
        .aws
        .settings(json!({ "fail_provisioning": "FUNCTION_ERROR_INIT_FAILURE" }));
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(3)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ✔ published        revision 2, ready
› error: cannot deploy `receipts`: the alias is on 2, and AWS still sends 100 % to 1, because provisioned concurrency could not be allocated on 2: FUNCTION_ERROR_INIT_FAILURE
› live: AWS still sends 100 % to 1, because provisioned concurrency could not be allocated on 2: FUNCTION_ERROR_INIT_FAILURE
› hint: ask for it again: `squad deploy receipts --env cloud`
› hint: or go back to what served before: `squad rollback receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/not-provisioned.md
[exit 3]

"#]]);
    cloud
        .squad(&["status", "receipts"])
        .failure(3)
        .assert(str![[r#"
› hint: what it wrote before it failed: `squad logs receipts --env cloud`
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  2     [AGO]  degraded  AWS still sends 100 % to 1, because provisioned concurrency could not be allocated on 2: FUNCTION_ERROR_INIT_FAILURE
[exit 3]

"#]]);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   revision 2 stays live; what changes is not part of it
›   function.provisioned_concurrency 3, which AWS could not allocate → 3
›
› ✔ recorded         operation [ID], acme/cloud
› ✔ started          revision 2, kept from before, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(puts(&cloud), ["live 3"]);
    assert_eq!(cloud.sole(), "2");
}
