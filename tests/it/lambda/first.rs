//! The first deploy over a function that others made: its callers get `$LATEST`, and there is no alias.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::callers::{others, queue};
use super::deploy::sources;
use crate::support::aws::Release;

/// A function with so many versions, and code that no version has; a queue calls it.
fn of_others(versions: u64) -> Cloud {
    let cloud = Cloud::new();
    cloud
        .aws
        .functions(json!({ "name": "receipts", "versions": versions }));
    cloud
        .aws
        .change(json!({ "kind": "code", "function": "receipts" }));
    queue(&cloud, "receipts");
    cloud.aws.forget_calls();
    cloud
}

fn with_smoke(cloud: &Cloud, source: &str) -> PathBuf {
    let directory = sources(cloud, "ours");
    let manifest = std::fs::read_to_string(directory.join("squad.toml")).unwrap();
    let manifest = format!("{manifest}smoke = \"smoke.json\"\n");
    cloud.home.write("receipts/squad.toml", &manifest);
    cloud.home.write("receipts/smoke.json", "{}");
    cloud.home.write("receipts/src/handler.py", source);
    directory
}

fn latest(cloud: &Cloud) -> Value {
    cloud.aws.function("receipts")["latest"]["CodeSha256"].clone()
}

fn versions(cloud: &Cloud) -> Vec<Value> {
    let function = cloud.aws.function("receipts");
    let versions = function["versions"].as_array().unwrap();
    versions
        .iter()
        .map(|one| one["CodeSha256"].clone())
        .collect()
}

fn writes(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.calls().into_iter();
    calls
        .filter(|name| !name.contains("Get") && !name.contains("List"))
        .collect()
}

#[test]
fn what_latest_was_is_kept_and_a_rollback_goes_there() {
    let cloud = of_others(0);
    let theirs = latest(&cloud);
    let directory = sources(&cloud, "ours");
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the function has no alias `live` yet: its callers get `$LATEST`, and each change of it at once
›   first `$LATEST` is kept as version 1, with the alias `live` on it
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   1 caller passes by the alias and gets every change at once; move with `squad deploy receipts --env cloud --adopt-alias`:
›     the events of arn:aws:sqs:eu-west-1:[HASH]:paid
›   so that its callers get nothing untested, first `squad deploy receipts --env cloud --adopt-alias`: it keeps `$LATEST` and moves them to the alias
›   undo at any time for callers of the alias: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    assert_eq!(writes(&cloud), [""; 0]);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the function has no alias `live` yet: its callers get `$LATEST`, and each change of it at once
›   first `$LATEST` is kept as version 1, with the alias `live` on it
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   1 caller passes by the alias and gets every change at once; move with `squad deploy receipts --env cloud --adopt-alias`:
›     the events of arn:aws:sqs:eu-west-1:[HASH]:paid
›   so that its callers get nothing untested, first `squad deploy receipts --env cloud --adopt-alias`: it keeps `$LATEST` and moves them to the alias
›   undo at any time for callers of the alias: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         publishing `$LATEST` as it is, and making the alias `live` there
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(
        writes(&cloud),
        [
            "lambda.PublishVersion",
            "lambda.CreateAlias",
            "lambda.UpdateFunctionConfiguration",
            "lambda.UpdateFunctionCode",
            "lambda.PublishVersion",
            "lambda.TagResource",
            "lambda.UpdateAlias",
        ]
    );
    assert_eq!(versions(&cloud)[0], theirs);
    assert_eq!(cloud.sole(), "2");
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (somebody outside squad, [AGO])
›   function.role arn:aws:iam::[HASH]:role/receipts → arn:aws:iam::[HASH]:role/stand-in
›   function.runtime python3.13 → python3.12
›   function.timeout_seconds 5 → 3
›   run.env.GREETING is gone
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn bad_code_leaves_the_old_one_on_the_alias_and_says_what_callers_of_latest_get() {
    let cloud = of_others(2);
    let theirs = latest(&cloud);
    let directory = with_smoke(
        &cloud,
        "def handler(event, context):\n    raise ValueError('no')\n",
    );
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the function has no alias `live` yet: its callers get `$LATEST`, and each change of it at once
›   first `$LATEST` is kept as version 3, with the alias `live` on it
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   1 caller passes by the alias and gets every change at once; move with `squad deploy receipts --env cloud --adopt-alias`:
›     the events of arn:aws:sqs:eu-west-1:[HASH]:paid
›   so that its callers get nothing untested, first `squad deploy receipts --env cloud --adopt-alias`: it keeps `$LATEST` and moves them to the alias
›   undo at any time for callers of the alias: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         publishing `$LATEST` as it is, and making the alias `live` there
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 4 with the smoke event
› ✖ revision         4: version 4 failed on the smoke event: ValueError: no
› error: cannot deploy `receipts`: revision 4 does not start
›   [ERROR] ValueError: no
›   Traceback (most recent call last):
›     File "/tmp/.tmp[..]/bootstrap.py", line 64, in main
›       answer = json.dumps(handler(json.loads(event or b"null"), Context(headers)))
›                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
›     File "/tmp/.tmp[..]/task/handler.py", line 2, in handler
›       raise ValueError('no')
›   caused by: ValueError: no
› live: revision 3 serves all traffic; callers of `$LATEST` get other code already: what was sent there last
› hint: correct it and deploy again; version 4 of `receipts` stays without traffic
› hint: to end that: `squad deploy receipts --env cloud --adopt-alias` moves them to the alias
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/revision-does-not-start.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "3");
    assert_eq!(versions(&cloud)[2], theirs);
    // The command that it names moves them back to the old code.
    cloud
        .squad_in(&directory, &["deploy", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   move the events of arn:aws:sqs:eu-west-1:[HASH]:paid to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved the events of arn:aws:sqs:eu-west-1:[HASH]:paid
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
[exit 0]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success()
        .assert(str![[r#"
› revision 3 answered in [DURATION], request [ID]
"theirs"
[exit 0]

"#]]);
}

/// The safe order: nobody gets other code by it, and the deploy that follows is as any other.
#[test]
fn callers_are_moved_before_anything_was_deployed() {
    let cloud = of_others(0);
    let theirs = latest(&cloud);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#"
›   keep `$LATEST` as version 1, and make the alias `live` on it: nobody gets other code by that
›   move the events of arn:aws:sqs:eu-west-1:[HASH]:paid to the alias `live`
to-move  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
[exit 0]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.adoption/v1","service":"receipts","env":"cloud","outcome":"moved","kept":"1","callers":[{"who":"the events of arn:aws:sqs:eu-west-1:[HASH]:paid","id":"[ID]","outcome":"moved"}]}
[exit 0]

"#]]);
    assert_eq!(
        writes(&cloud),
        [
            "lambda.PublishVersion",
            "lambda.CreateAlias",
            "lambda.UpdateEventSourceMapping"
        ]
    );
    assert_eq!((cloud.sole().as_str(), latest(&cloud)), ("1", theirs));
    let directory = with_smoke(
        &cloud,
        "def handler(event, context):\n    raise ValueError('no')\n",
    );
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, somebody outside squad, [AGO])
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         changing the settings
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 2 with the smoke event
› ✖ revision         2: version 2 failed on the smoke event: ValueError: no
› error: cannot deploy `receipts`: revision 2 does not start
›   [ERROR] ValueError: no
›   Traceback (most recent call last):
›     File "/tmp/.tmp[..]/bootstrap.py", line 64, in main
›       answer = json.dumps(handler(json.loads(event or b"null"), Context(headers)))
›                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
›     File "/tmp/.tmp[..]/task/handler.py", line 2, in handler
›       raise ValueError('no')
›   caused by: ValueError: no
› live: revision 1 serves all traffic
› hint: correct it and deploy again; version 2 of `receipts` stays without traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/revision-does-not-start.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["audit", "verify"]).success();
}

/// Others published it: the newest version is what `$LATEST` is, and no second one of it is made.
#[test]
fn what_is_published_already_is_kept_as_that_version() {
    let cloud = Cloud::new();
    cloud
        .aws
        .functions(json!({ "name": "receipts", "versions": 2 }));
    let directory = sources(&cloud, "ours");
    let plan = cloud.squad_in(&directory, &["deploy"]).success();
    assert!(
        plan.stderr
            .contains("first `$LATEST` is kept as version 2, with the alias `live` on it"),
        "{}",
        plan.stderr
    );
    assert_eq!((versions(&cloud).len(), cloud.sole().as_str()), (3, "3"));
    cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(cloud.sole(), "2");
}

/// A release of squad's that failed is no code of others: the next one does not put it live.
#[test]
fn what_squad_published_and_nobody_serves_is_not_kept_again() {
    let cloud = Cloud::new();
    let bad = "def handler(event, context):\n    raise ValueError('no')\n";
    let directory = with_smoke(&cloud, bad);
    cloud.squad_in(&directory, &["deploy"]).failure(1);
    with_smoke(&cloud, &format!("# again\n{bad}"));
    let output = cloud.squad_in(&directory, &["deploy"]).failure(1);
    assert!(
        output.stderr.contains("nothing is live yet"),
        "{}",
        output.stderr
    );
    assert_eq!(cloud.aws.function("receipts")["aliases"], json!({}));
}

/// Killed before and after each write: run again, the old code is kept once, and the new one has one version.
#[test]
fn killed_while_it_keeps_what_latest_was_it_converges() {
    for (operation, nth, moment) in [
        ("PublishVersion", 1, "hold-before"),
        ("PublishVersion", 1, "hold-after"),
        ("CreateAlias", 1, "hold-before"),
        ("CreateAlias", 1, "hold-after"),
        ("UpdateFunctionConfiguration", 1, "hold-after"),
        ("UpdateFunctionCode", 1, "hold-after"),
        ("PublishVersion", 2, "hold-after"),
        ("UpdateAlias", 1, "hold-after"),
    ] {
        let cloud = of_others(0);
        let theirs = latest(&cloud);
        let directory = sources(&cloud, "ours");
        cloud
            .aws
            .rule(json!({ "operation": operation, "nth": nth, "do": moment }));
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
        let kept = versions(&cloud);
        assert_eq!((kept.len(), &kept[0]), (2, &theirs), "{operation} {moment}");
        assert_eq!(cloud.sole(), "2", "{operation} {moment}");
        cloud.squad(&["rollback", "receipts"]).success();
        assert_eq!(cloud.sole(), "1", "{operation} {moment}");
    }
}

/// An answer that gets lost, and somebody who makes the alias at the same moment.
#[test]
fn a_lost_answer_makes_one_alias_and_one_of_others_wins() {
    let cloud = of_others(1);
    let directory = sources(&cloud, "ours");
    cloud
        .aws
        .rule(json!({ "operation": "CreateAlias", "nth": 1, "do": "reset-after" }));
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "3");
    let cloud = of_others(1);
    let theirs = latest(&cloud);
    let directory = sources(&cloud, "ours");
    cloud
        .aws
        .rule(json!({ "operation": "CreateAlias", "nth": 1, "do": "hold-before" }));
    let mut command = cloud.aws.squad(&cloud.home, &["deploy"]);
    let child = command
        .arg("--yes")
        .current_dir(&directory)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(!cloud.aws.wait_held(Duration::from_mins(1)).is_empty());
    others(
        &cloud,
        "/2015-03-31/functions/receipts/aliases",
        &json!({ "Name": "live", "FunctionVersion": "1" }),
    );
    cloud.aws.release(Release::Continue);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("somebody made the alias `live` of `receipts` while this deploy ran"),
        "{said}"
    );
    assert_eq!((cloud.sole().as_str(), latest(&cloud)), ("1", theirs));
}
