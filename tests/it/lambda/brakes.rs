//! Rollback on Lambda: one write, whatever happens to it.

use serde_json::json;
use snapbox::str;

use super::{Cloud, some};

#[test]
fn a_rollback_is_one_write_and_goes_back_to_what_served_before() {
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2", "--reason", "first"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 3 → 2 (somebody outside squad, [AGO])
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    let writes: Vec<_> = cloud
        .calls()
        .into_iter()
        .filter(|call| call == "lambda.UpdateAlias")
        .collect();
    assert_eq!(writes.len(), 1);
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  2     [AGO]  ok
[exit 0]

"#]]);
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (somebody outside squad, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    // The last one that served and was not left: none any more.
    cloud
        .squad(&["rollback", "receipts"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `receipts`: no other revision served healthily without being left
›   3  left by a rollback
›   2  left by a rollback
› live: revision 1 serves all traffic
› hint: choose one: `squad rollback receipts --env cloud --to 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    cloud.is_quiet();
}

#[test]
fn a_wrong_account_is_refused_before_anything_is_written() {
    let cloud = Cloud::with_function(2);
    cloud
        .aws
        .keys(json!({ (crate::support::aws::KEY): { "account": "999999999999" } }));
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `receipts`: the environment `cloud` is the AWS account [HASH], and the credentials are of [HASH]
›   caused by: they are `arn:aws:iam::[HASH]:user/stand-in`, from the environment variables
› hint: AWS_ACCESS_KEY_ID is set and is used before any profile: `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`
› hint: choose the profile of that account: `AWS_PROFILE=PROFILE squad whoami --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/wrong-account.md
[exit 7]

"#]]);
    assert!(cloud.aws.calls().iter().all(|call| {
        ["Get", "List", "Describe"]
            .iter()
            .any(|read| call.operation.starts_with(read))
    }));
}

#[test]
fn a_deployer_who_was_first_is_named() {
    let cloud = Cloud::with_function(3);
    cloud.aws.rule(json!({
        "operation": "UpdateAlias",
        "do": "change",
        "change": { "kind": "alias", "function": "receipts", "alias": "live", "version": "1",
            "description": "|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0A h=1.3 by=bob@acme.example on ci" },
    }));
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .failure(6)
        .assert(str![[r#"
› receipts → cloud: revision 3 → 2 (somebody outside squad, [AGO])
› error: cannot roll back `receipts`: bob@acme.example on ci changed the traffic first, at [TIME] UTC (operation [ID])
› live: revision 1 serves all traffic
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(cloud.sole(), "1");
}

/// Killed at every call of a rollback, before and after AWS applied it: run again, it ends where it should.
#[test]
fn a_rollback_that_is_killed_at_any_call_is_done_by_the_next_one() {
    // How many calls it makes.
    let cloud = Cloud::with_function(3);
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success();
    let count = cloud.calls().len();
    assert!(count >= 4, "{count}");
    let points: Vec<_> = ["hold-before", "hold-after"]
        .into_iter()
        .flat_map(|point| (1..=count).map(move |nth| (point, nth)))
        .collect();
    for (point, nth) in some(points) {
        let cloud = Cloud::with_function(3);
        // Calls that go out at once may be fewer on this run; a request on its way arrives nevertheless.
        cloud.kill_at(&["rollback", "receipts", "--to", "2"], point, nth);
        cloud
            .squad(&["rollback", "receipts", "--to", "2"])
            .success();
        assert_eq!(cloud.sole(), "2", "{point} {nth}");
        cloud.squad(&["audit", "verify"]).success();
        cloud.is_quiet();
    }
}

/// What the alias said before is kept in the store; a rollback goes on where the store cannot be written.
#[test]
fn a_rollback_needs_no_store_for_what_others_wrote_on_the_alias() {
    let cloud = Cloud::new();
    cloud.home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[env.cloud]\nplatform = \"lambda\"\naccount = \"123456789012\"\nregion = \"eu-west-1\"\naudit = \"s3://acme-audit/squad\"\n",
    );
    cloud
        .aws
        .functions(json!({ "name": "receipts", "versions": 3, "alias": "live" }));
    cloud.aws.change(
        json!({ "kind": "alias", "function": "receipts", "alias": "live", "version": "3",
        "description": "released by the pipeline of before" }),
    );
    cloud.aws.settings(json!({ "denied": ["s3:*"] }));
    cloud
        .squad(&["rollback", "receipts", "--to", "2"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 3 → 2 (somebody outside squad, [AGO])
›   the alias has a description of its own, which the next change replaces and keeps: `released by the pipeline of before`
› ✔ live             all traffic on revision 2
›   done in [DURATION]
› warning: 2 events are recorded on this machine and pending: cannot list `s3://acme-audit/squad/audit/acme/cloud/commit`: arn:aws:iam::[HASH]:user/stand-in may not do s3:ListObjectsV2
› hint: ask the account's owner to allow `s3:ListObjectsV2` on `s3://acme-audit/squad/audit/acme/cloud/commit` for arn:aws:iam::[HASH]:user/stand-in
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
}
