//! `squad doctor` finds who calls past the alias; `squad deploy --adopt-alias` moves them, and back.

use serde_json::json;
use snapbox::str;

use super::callers::{MOVABLE, address, by_others, queue, topic, with_callers};
use super::{Cloud, some};
use crate::support::aws::KEY;

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let cloud = Cloud::with_function(2);
    cloud
        .squad(&["doctor", "receipts"])
        .success()
        .assert(str![[r#"
› nothing is wrong with acme/cloud
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✔ callers of receipts: 0, none past the alias
[exit 0]

"#]]);
    cloud
        .aws
        .functions(json!({ "name": "bare", "versions": 1 }));
    cloud
        .squad(&["doctor", "bare", "-o", "json"])
        .failure(3)
        .assert(str![[r#"
{"schema":"squad.doctor/v1","env":"cloud","healthy":false,"checks":[{"what":"git","outcome":"fine","detail":"git version [..]"},{"what":"python3","outcome":"fine","detail":"Python [..]"},{"what":"state directory","outcome":"fine","detail":"[HOME]/.local/state/squad"},{"what":"account","outcome":"fine","detail":"[HASH] as arn:aws:iam::[HASH]:user/stand-in"},{"what":"code storage","outcome":"fine","detail":"0.0 GB of 75.0 GB used, 0 %"},{"what":"audit log","outcome":"fine","detail":"every event is in the store"},{"what":"callers of bare","outcome":"wrong","findings":[{"what":"`bare` has no alias","why":"every caller reaches `$LATEST`: each unfinished change at once, with no way back","next":"`squad deploy bare --env cloud --adopt-alias` makes it on what `$LATEST` is now, and moves the callers there"}]}]}
[exit 3]

"#]]);
    cloud
        .aws
        .keys(json!({ (KEY): { "account": "999999999999" } }));
    cloud
        .squad(&["doctor", "receipts"])
        .failure(7)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✖ access: the environment `cloud` is the AWS account [HASH], and the credentials are of [HASH]
    squad cannot reach acme/cloud
    next: AWS_ACCESS_KEY_ID is set and is used before any profile: `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`
✔ audit log: every event is in the store
[exit 7]

"#]]);
}

/// The old address goes on being called by whoever knows it, and nobody can see when that ends: so it is said how it ends.
#[test]
fn an_address_is_copied_and_the_old_one_is_ended_by_hand() {
    let cloud = Cloud::with_function(2);
    address(&cloud, "");
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--yes"])
        .success()
        .assert(str![[r#"
›   move whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/ to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/
› still to do by hand: whoever calls https://[HASH].lambda-url.eu-west-1.on.aws/ has to call the alias's own address, and when nobody calls the old address any more: `aws lambda delete-function-url-config --function-name receipts`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/
[exit 0]

"#]]);
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/ call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: whoever calls https://[HASH].lambda-url.eu-west-1.on.aws/ has to call https://[HASH].lambda-url.eu-west-1.on.aws/, and when nobody calls the old address any more: `aws lambda delete-function-url-config --function-name receipts`
[exit 3]

"#]]);
    let path = "/2021-10-31/functions/receipts/url";
    by_others(&cloud, "DELETE", path, &json!({}));
    cloud.squad(&["doctor", "receipts"]).success();
}

/// What squad made for the alias, somebody took away, and put there what is theirs.
#[test]
fn what_somebody_replaced_since_is_not_taken_back() {
    let cloud = Cloud::with_function(2);
    queue(&cloud, "receipts");
    topic(&cloud, "");
    address(&cloud, "");
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success();
    let address_of_alias = "/2021-10-31/functions/receipts/url?Qualifier=live";
    by_others(&cloud, "DELETE", address_of_alias, &json!({}));
    address(&cloud, "?Qualifier=live");
    let permission = "/2015-03-31/functions/receipts/policy";
    by_others(
        &cloud,
        "DELETE",
        &format!("{permission}/topic?Qualifier=live"),
        &json!({}),
    );
    by_others(
        &cloud,
        "POST",
        &format!("{permission}?Qualifier=live"),
        &json!({ "StatementId": "topic", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
            "SourceArn": "arn:aws:sns:eu-west-1:123456789012:other" }),
    );
    let before = cloud.aws.function("receipts");
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .assert(str![[r#"
›   take back sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
›   take back whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/
›   take back the events of arn:aws:sqs:eu-west-1:[HASH]:paid
› error: somebody has given the alias `live` of `receipts` another permission under the id `topic` since
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
› error: the alias has the address https://[HASH].lambda-url.eu-west-1.on.aws/ now, which squad did not make
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
failed  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
failed  whoever knows the address https://[HASH].lambda-url.eu-west-1.on.aws/
taken-back  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
[exit 6]

"#]]);
    let after = cloud.aws.function("receipts");
    for kept in ["urls", "policies"] {
        assert!(!before[kept].is_null(), "{before}");
        assert_eq!(after[kept], before[kept]);
    }
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn callers_are_moved_and_taken_back() {
    let cloud = Cloud::with_function(2);
    queue(&cloud, "receipts");
    topic(&cloud, "");
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 2 things are wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: the events of arn:aws:sqs:eu-west-1:[HASH]:paid call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: `squad deploy receipts --env cloud --adopt-alias`
✖ callers of receipts: sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: `squad deploy receipts --env cloud --adopt-alias`
[exit 3]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#"
›   move the events of arn:aws:sqs:eu-west-1:[HASH]:paid to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
to-move  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
to-move  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   move the events of arn:aws:sqs:eu-west-1:[HASH]:paid to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved the events of arn:aws:sqs:eu-west-1:[HASH]:paid
› ✔ moved sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
moved  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
› nobody is left that squad could move
› still to do by hand: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
by-hand  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
[exit 0]

"#]]);
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: point sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id topic`
[exit 3]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .success()
        .assert(str![[r#"
›   take back sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
›   take back the events of arn:aws:sqs:eu-west-1:[HASH]:paid
taken-back  sns.amazonaws.com (arn:aws:sns:eu-west-1:[HASH]:paid)
taken-back  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
[exit 0]

"#]]);
    cloud.squad(&["doctor", "receipts"]).failure(3);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .success()
        .assert(str![[r#"
› the record holds no move that could be taken back
[exit 0]

"#]]);
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}

#[test]
fn doctor_calls_nothing_fine_that_it_could_not_look_at() {
    let cloud = Cloud::with_function(1);
    let last = |arguments: &[&str]| {
        let output = cloud.squad(arguments).success();
        let lines: Vec<_> = output.stdout.lines().chain(output.stderr.lines()).collect();
        lines[lines.len() - 2..].join("\n")
    };
    assert_eq!(
        last(&["doctor", "nope"]),
        "? nope: cannot tell: it was never deployed to cloud\n\
         nothing wrong was found in acme/cloud; 1 thing could not be looked at"
    );
    cloud
        .aws
        .settings(json!({ "denied": ["tag:GetResources", "tagging:GetResources"] }));
    let said = last(&["doctor", "--all"]);
    assert!(
        said.starts_with("? services: cannot tell: cannot look for functions by their tags"),
        "{said}"
    );
}

/// How many callers `--adopt-alias` would move.
fn left_to_move(cloud: &Cloud) -> usize {
    let wire = cloud
        .squad(&[
            "deploy",
            "receipts",
            "--adopt-alias",
            "--dry-run",
            "-o",
            "json",
        ])
        .success()
        .json();
    let callers = wire["callers"].as_array().unwrap();
    callers
        .iter()
        .filter(|caller| caller["outcome"] == "to-move")
        .count()
}

/// Whatever was moved when it died is known, and is taken back.
#[test]
fn a_move_that_is_killed_at_any_call_can_be_taken_back() {
    let cloud = with_callers();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success();
    let calls = cloud.calls().len();
    assert!(calls >= 20, "{calls}");
    assert_eq!(left_to_move(&cloud), 0);
    let points: Vec<_> = ["hold-before", "hold-after"]
        .into_iter()
        .flat_map(|point| (1..=calls).map(move |nth| (point, nth)))
        .collect();
    for (point, nth) in some(points) {
        let cloud = with_callers();
        cloud.kill_at(&["deploy", "receipts", "--adopt-alias"], point, nth);
        let at = format!("{point} {nth}");
        cloud
            .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
            .success();
        assert_eq!(left_to_move(&cloud), MOVABLE, "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
}

/// Killed while it is taken back: the same command goes on.
#[test]
fn taking_back_that_is_killed_at_any_call_is_done_by_the_next_one() {
    let undo = ["deploy", "receipts", "--adopt-alias", "--undo"];
    let moved = || {
        let cloud = with_callers();
        cloud
            .squad(&["deploy", "receipts", "--adopt-alias"])
            .success();
        cloud.aws.forget_calls();
        cloud
    };
    let cloud = moved();
    cloud.squad(&undo).success();
    let calls = cloud.calls().len();
    for nth in some((1..=calls).collect()) {
        let cloud = moved();
        cloud.kill_at(&undo, "hold-after", nth);
        cloud.squad(&undo).success();
        assert_eq!(left_to_move(&cloud), MOVABLE, "{nth}");
        cloud.squad(&["audit", "verify"]).success();
    }
}
