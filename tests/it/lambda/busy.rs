//! An alias that AWS is busy with: brakes and deploys try again, and end right.

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

/// What AWS answers to the next `UpdateAlias` while something else goes on, and when only the `RevisionId` has moved.
fn answers() -> [Value; 2] {
    [
        json!({ "status": 409, "code": "ResourceConflictException",
            "message": "The operation cannot be performed at this time. An update is in progress for resource" }),
        json!({ "status": 412, "code": "PreconditionFailedException",
            "message": "The Revision Id provided does not match the latest Revision Id." }),
    ]
}

fn answer(cloud: &Cloud, answer: Value, times: u64) {
    cloud.aws.rule(
        json!({ "operation": "UpdateAlias", "times": times, "do": "answer", "answer": answer }),
    );
}

#[test]
fn a_stop_is_done_while_aws_is_busy_with_the_alias() {
    for busy in answers() {
        let cloud = Cloud::holding();
        answer(&cloud, busy, 2);
        cloud
            .squad(&["stop", "receipts"])
            .success()
            .assert(str![[r#"
› ✔ aborted          all traffic on revision 2
›   verified: nothing is sent to 3 any more; its numbers follow in some minutes
aborted
[exit 0]

"#]]);
        assert_eq!(cloud.sole(), "2");
    }
}

#[test]
fn a_rollback_and_a_deploy_are_done_while_aws_is_busy_with_the_alias() {
    for busy in answers() {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "one");
        cloud.squad_in(&directory, &["deploy"]).success();
        sources(&cloud, "two");
        answer(&cloud, busy.clone(), 2);
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(cloud.sole(), "2");
        answer(&cloud, busy, 2);
        cloud
            .squad(&["rollback", "receipts"])
            .success()
            .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
        assert_eq!(cloud.sole(), "1");
        cloud.squad(&["audit", "verify"]).success();
    }
}

/// For as long as the command has: then it is the time that ran out, nobody is blamed, and nothing is said to go on.
#[test]
fn a_rollback_tries_until_its_time_is_over_and_blames_nobody() {
    let cloud = Cloud::with_function(2);
    let [busy, _] = answers();
    answer(&cloud, busy, 0);
    cloud
        .squad(&["rollback", "receipts", "--to", "1", "--timeout", "3s"])
        .failure(124)
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (somebody outside squad, [AGO])
› error: cannot roll back `receipts`: it was not finished after [DURATION]
› live: revision 2 serves all traffic
› hint: give it longer: `squad rollback receipts --env cloud --to 1 --timeout 5m`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    cloud.aws.forget_rules();
    // Others who move the `RevisionId` again and again are no deployers.
    cloud.aws.rule(json!({
        "operation": "UpdateAlias", "times": 0, "do": "change",
        "change": { "kind": "alias", "function": "receipts", "alias": "live" },
    }));
    cloud
        .squad(&["rollback", "receipts", "--to", "1", "--timeout", "3s"])
        .failure(124)
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (somebody outside squad, [AGO])
› error: cannot roll back `receipts`: it was not finished after [DURATION]
› live: revision 2 serves all traffic
› hint: give it longer: `squad rollback receipts --env cloud --to 1 --timeout 5m`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    cloud.aws.forget_rules();
    assert_eq!(cloud.sole(), "2");
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .success();
    assert_eq!(cloud.sole(), "1");
}
