//! An alias that others pointed at `$LATEST`: what it serves is kept before anything of it is changed.

use std::time::Duration;

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;
use crate::support::aws::Release;

/// The alias `live` on `$LATEST`, whose code is that of no version.
fn on_latest() -> Cloud {
    let cloud = Cloud::with_function(1);
    cloud
        .aws
        .change(json!({ "kind": "code", "function": "receipts" }));
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "$LATEST",
        "description": "production",
    }));
    cloud.aws.forget_calls();
    cloud
}

pub(super) fn with_smoke(cloud: &Cloud, source: &str) -> std::path::PathBuf {
    let directory = sources(cloud, "ours");
    let manifest = std::fs::read_to_string(directory.join("squad.toml")).unwrap();
    let manifest = format!("{manifest}smoke = \"smoke.json\"\n");
    cloud.home.write("receipts/squad.toml", &manifest);
    cloud.home.write("receipts/smoke.json", "{}");
    cloud.home.write("receipts/src/handler.py", source);
    directory
}

#[test]
fn what_an_alias_on_latest_serves_goes_on_serving_when_the_new_code_is_bad() {
    let cloud = on_latest();
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE     SINCE  HEALTH
receipts  cloud  $LATEST  -      no revision: each upload is live at once
[exit 0]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success()
        .assert(str![[r#"
› what is no revision answered in [DURATION], request [ID]
"theirs"
[exit 0]

"#]]);
    let directory = with_smoke(
        &cloud,
        "def handler(event, context):\n    raise ValueError('no')\n",
    );
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   `$LATEST` is live, which is no revision: each upload to it is live at once
›   first it is published as it is, and goes on serving as that revision until the new one is ready
›   the alias has a description of its own, which the next change replaces and keeps: `production`
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   `$LATEST` is live, which is no revision: each upload to it is live at once
›   first it is published as it is, and goes on serving as that revision until the new one is ready
›   the alias has a description of its own, which the next change replaces and keeps: `production`
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         publishing `$LATEST` as it is, which the alias `live` serves
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 3 with the smoke event
› ✖ revision         3: version 3 failed on the smoke event: ValueError: no
› error: cannot deploy `receipts`: revision 3 does not start
›   [ERROR] ValueError: no
›   Traceback (most recent call last):
›     File "/tmp/.tmp[..]/bootstrap.py", line 64, in main
›       answer = json.dumps(handler(json.loads(event or b"null"), Context(headers)))
›                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
›     File "/tmp/.tmp[..]/task/handler.py", line 2, in handler
›       raise ValueError('no')
›   caused by: ValueError: no
› live: revision 2 serves all traffic
› hint: correct it and deploy again; version 3 of `receipts` stays without traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/revision-does-not-start.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "2");
    assert_eq!(cloud.alias()["Description"], "production");
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success()
        .assert(str![[r#"
› revision 2 answered in [DURATION], request [ID]
"theirs"
[exit 0]

"#]]);
    // Mended, it goes on from there, and a rollback goes back to what was kept.
    with_smoke(&cloud, "def handler(event, context):\n    return 'ours'\n");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 2, somebody outside squad, [AGO])
›   the alias has a description of its own, which the next change replaces and keeps: `production`
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 4 with the smoke event
› ✔ published        revision 4, ready
› ✔ live             all traffic on revision 4
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
4
[exit 0]

"#]]);
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 4 → 2 (somebody outside squad, [AGO])
›   function.role arn:aws:iam::[HASH]:role/receipts → arn:aws:iam::[HASH]:role/stand-in
›   function.runtime python3.13 → python3.12
›   function.timeout_seconds 5 → 3
›   run.env.GREETING is gone
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn a_deploy_over_an_alias_on_latest_makes_these_calls() {
    let cloud = on_latest();
    let directory = sources(&cloud, "ours");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   `$LATEST` is live, which is no revision: each upload to it is live at once
›   first it is published as it is, and goes on serving as that revision until the new one is ready
›   the alias has a description of its own, which the next change replaces and keeps: `production`
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         publishing `$LATEST` as it is, which the alias `live` serves
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 3, ready
› ✔ live             all traffic on revision 3
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
3
[exit 0]

"#]]);
    let writes: Vec<_> = cloud
        .calls()
        .into_iter()
        .filter(|name| !name.contains("Get") && !name.contains("List"))
        .collect();
    assert_eq!(
        writes,
        [
            "lambda.PublishVersion",
            "lambda.UpdateAlias",
            "lambda.UpdateFunctionConfiguration",
            "lambda.UpdateFunctionCode",
            "lambda.PublishVersion",
            "lambda.TagResource",
            "lambda.UpdateAlias",
            // Somebody else's description may have hidden the end of a rollout.
            "lambda.UntagResource",
        ]
    );
    assert_eq!(cloud.sole(), "3");
}

/// Killed before and after each write on the way: run again, the same versions are there, and no other.
#[test]
fn killed_while_it_keeps_what_serves_it_converges() {
    for (operation, moment) in [
        ("PublishVersion", "hold-before"),
        ("PublishVersion", "hold-after"),
        ("UpdateAlias", "hold-before"),
        ("UpdateAlias", "hold-after"),
        ("UpdateFunctionCode", "hold-before"),
    ] {
        let cloud = on_latest();
        let directory = sources(&cloud, "ours");
        cloud
            .aws
            .rule(json!({ "operation": operation, "nth": 1, "do": moment }));
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
        assert_eq!(cloud.sole(), "3", "{operation} {moment}");
        cloud.squad(&["rollback", "receipts"]).success();
        assert_eq!(cloud.sole(), "2", "{operation} {moment}");
    }
}

/// Two who find the alias on `$LATEST` at once, and one who moves it meanwhile.
#[test]
fn an_alias_that_was_moved_meanwhile_is_not_moved_back() {
    let cloud = on_latest();
    let directory = sources(&cloud, "ours");
    cloud
        .aws
        .rule(json!({ "operation": "UpdateAlias", "nth": 1, "do": "hold-before" }));
    let mut command = cloud.aws.squad(&cloud.home, &["deploy"]);
    let child = command
        .arg("--yes")
        .current_dir(&directory)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(!cloud.aws.wait_held(Duration::from_mins(1)).is_empty());
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "1",
    }));
    cloud.aws.release(Release::Continue);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("somebody moved the alias `live` of `receipts` while this deploy ran"),
        "{said}"
    );
    assert_eq!(cloud.sole(), "1");
}

/// The brake works there as well: back to the version that served last.
#[test]
fn a_rollback_leaves_latest_for_the_version_that_served_last() {
    let cloud = Cloud::with_function(1);
    let directory = sources(&cloud, "ours");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "$LATEST",
    }));
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: a split → revision 2 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
}
