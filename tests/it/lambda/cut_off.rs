//! A first deploy that was cut off after it had made the function, and before it published anything: what is there is squad's
//! own, and nothing of others.

use std::path::PathBuf;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

/// Killed right after AWS made the function.
fn cut_off() -> (Cloud, PathBuf) {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    let arguments = ["deploy"];
    // What AWS makes is there at once, however long the kill takes.
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    cloud
        .aws
        .rule(json!({ "operation": "CreateFunction", "do": "hold-after" }));
    let mut command = cloud.aws.squad(&cloud.home, &arguments);
    command.arg("--yes").current_dir(&directory);
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    assert!(
        !cloud
            .aws
            .wait_held(std::time::Duration::from_mins(1))
            .is_empty()
    );
    child.kill().unwrap();
    child.wait().unwrap();
    cloud.aws.release(crate::support::aws::Release::Drop);
    cloud.aws.forget_rules();
    assert!(cloud.aws.function("receipts")["latest"].is_object());
    (cloud, directory)
}

fn versions(cloud: &Cloud) -> Vec<Value> {
    let function = cloud.aws.function("receipts");
    function["versions"].as_array().unwrap().clone()
}

#[test]
fn what_squad_sent_and_did_not_publish_is_not_kept_as_of_others() {
    let (cloud, directory) = cut_off();
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› warning: 1 earlier operation had no outcome: recorded as unknown, with what is live now; live state does not show that it was applied
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!((cloud.sole().as_str(), versions(&cloud).len()), ("1", 1));
    cloud.squad(&["audit", "verify"]).success();
}

/// What others send in between is theirs, and kept.
#[test]
fn what_others_sent_since_is_kept() {
    let (cloud, directory) = cut_off();
    cloud
        .aws
        .change(json!({ "kind": "code", "function": "receipts" }));
    let theirs = cloud.aws.function("receipts")["latest"]["CodeSha256"].clone();
    sources(&cloud, "two");
    let output = cloud.squad_in(&directory, &["deploy"]).success();
    assert!(
        output
            .stderr
            .contains("first `$LATEST` is kept as version 1"),
        "{}",
        output.transcript()
    );
    assert_eq!(versions(&cloud)[0]["CodeSha256"], theirs);
    assert_eq!((cloud.sole().as_str(), versions(&cloud).len()), ("2", 2));
}
