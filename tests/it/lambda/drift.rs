//! Somebody else at the alias while a rollout is live: found at the next look, said, and never overwritten unasked.

use std::time::Duration;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use crate::support::Output;

#[test]
fn weights_of_somebody_else_stop_the_driver_until_a_person_says_how_to_go_on() {
    let cloud = Cloud::holding();
    let kept = cloud.keep();
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": { "3": 0.3 },
    }));
    // Before any driver has noted it.
    cloud
        .squad(&["rollout", "status", "receipts"])
        .assert(str![[r#"
receipts 2 → 3 · cloud · changed outside squad · unattended since [TIME] UTC
  started [..] UTC by ana@example.com on [..]
  because: it was the partner
  last: revision 3 is ready
  others changed the traffic: revision 2 takes 70 % and revision 3 takes 30 %;
    the weights here are those that squad set

  everything else at 10 %
    new: no requests, old: no requests · new/old - · against it ░░░░░░░░░░
    not told yet, [..]
    1 in 10 of all other requests was to go to the new version; 0 handled, 0
      failed, warming up, so not counted yet

  next: somebody has to decide · stop: `squad stop receipts --env cloud`
  nobody drives it, so it stays as it is; take it up: `squad rollout drive
    receipts --env cloud`
[exit 3]

"#]]);
    let status = cloud.squad(&["rollout", "status", "receipts", "-o", "json"]);
    assert_eq!(
        status.json()["drifted"],
        "revision 2 takes 70 % and revision 3 takes 30 %"
    );
    cloud.drive().failure(1).assert(str![[r#"
› ✔ drifted          the traffic was changed outside squad
› ◌ waiting          changed outside squad; somebody has to decide
› error: the rollout of `receipts` needs a person: the traffic was changed outside squad
› live: revision 2 takes 70 % and revision 3 takes 30 %
› hint: put the wanted traffic back: `squad rollout rebase receipts --env cloud`
› hint: give up: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-drifted.md
[exit 1]

"#]]);
    // What they set stays.
    assert_eq!(cloud.weights(), json!({ "3": 0.3 }));
    cloud
        .squad(&["rollout", "status", "receipts"])
        .assert(str![[r#"
receipts 2 → 3 · cloud · changed outside squad · unattended since [TIME] UTC
  started [..] UTC by ana@example.com on [..]
  because: it was the partner
  last: the traffic was changed outside squad
  others changed the traffic: revision 2 takes 70 % and revision 3 takes 30 %;
    the weights here are those that squad set

  everything else at 10 %
    new: no requests, old: no requests · new/old - · against it ░░░░░░░░░░
    not told yet
    1 in 10 of all other requests was to go to the new version; 0 handled, 0
      failed, warming up, so not counted yet

  next: somebody has to decide · stop: `squad stop receipts --env cloud`
  put the wanted traffic back: `squad rollout rebase receipts --env cloud`
[exit 3]

"#]]);
    cloud
        .squad(&["rollout", "rebase", "receipts"])
        .success()
        .assert(str![[r#"
› receipts 2 → 3: now shifting
shifting
[exit 0]

"#]]);
    cloud.drive().success();
    assert_eq!(cloud.weights(), json!({ "3": 0.1 }));
    // Or it is given up.
    cloud.put_back(&kept);
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": { "3": 0.3 },
    }));
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
    assert_eq!(cloud.left(), ["3"]);
    cloud.squad(&["audit", "verify"]).success();
}

/// Moved with its description, as another tool does: then it tells of no rollout any more.
#[test]
fn an_alias_that_was_moved_away_ends_the_driver_and_stays() {
    let cloud = Cloud::holding();
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "1", "weights": {},
        "description": "moved by terraform",
    }));
    cloud.drive().failure(7).assert(str![[r#"
› error: `receipts` has no rollout
›   the alias has a description of its own, which the next change replaces and keeps: `moved by terraform`
› live: revision 1 serves all traffic
› hint: start one: `squad rollout start receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollout.md
[exit 7]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE          HEALTH
receipts  cloud  1     made [AGO]  ok  the alias has a description of its own, which the next change replaces and keeps: `moved by terraform`
[exit 0]

"#]]);
    cloud.squad(&["stop", "receipts"]).assert(str![[r#"
› error: cannot roll back `receipts`: it is not known which revision served before
›   the alias has a description of its own, which the next change replaces and keeps: `moved by terraform`
›   what serves is not what the record says, where operation [ID] is the last one
›   3
›   2
› live: revision 1 serves all traffic
› hint: choose one: `squad rollback receipts --env cloud --to 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    cloud.squad(&["audit", "verify"]).success();
}

/// Moved without it: the state is there, and the traffic is another one.
#[test]
fn an_alias_that_points_elsewhere_under_a_rollout_is_a_drift() {
    let cloud = Cloud::holding();
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "1", "weights": {},
    }));
    cloud.drive().failure(1).assert(str![[r#"
› ✔ drifted          the traffic was changed outside squad
› ◌ waiting          changed outside squad; somebody has to decide
› error: the rollout of `receipts` needs a person: the traffic was changed outside squad
› live: revision 1 serves all traffic
› hint: put the wanted traffic back: `squad rollout rebase receipts --env cloud`
› hint: give up: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-drifted.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["stop", "receipts"]).success();
    assert_eq!(cloud.sole(), "2");
}

#[test]
fn a_canary_that_was_deleted_is_left() {
    let cloud = Cloud::holding();
    // AWS deletes no version that an alias names.
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": {},
    }));
    cloud
        .aws
        .change(json!({ "kind": "delete-version", "function": "receipts", "version": "3" }));
    cloud.drive().failure(1).assert(str![[r#"
› ✔ drifted          the traffic was changed outside squad
› ◌ waiting          changed outside squad; somebody has to decide
› error: the rollout of `receipts` needs a person: the traffic was changed outside squad
› live: revision 2 serves all traffic
› hint: put the wanted traffic back: `squad rollout rebase receipts --env cloud`
› hint: give up: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-drifted.md
[exit 1]

"#]]);
    assert_eq!(cloud.sole(), "2");
    cloud
        .squad(&["rollout", "rebase", "receipts"])
        .assert(str![[r#"
› error: cannot rebase the rollout of `receipts`: there is no revision 3
› live: revision 2 serves all traffic
› hint: `squad status -o json` lists the revisions that are there
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-revision.md
[exit 2]

"#]]);
    assert_eq!(cloud.sole(), "2");
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
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn a_function_that_was_deleted_is_said() {
    let cloud = Cloud::holding();
    cloud
        .aws
        .change(json!({ "kind": "delete-function", "function": "receipts" }));
    cloud.aws.forget_calls();
    cloud.drive().failure(7).assert(str![[r#"
› error: `receipts` has no rollout
› live: `receipts` is not live here, and takes no traffic
› hint: start one: `squad rollout start receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollout.md
[exit 7]

"#]]);
    cloud.squad(&["stop", "receipts"]).assert(str![[r#"
› error: cannot roll back `receipts`: nothing of it is live here
›   revision 2 was live, as the audit log has it (rollout by ana@example.com, [AGO]): it was removed since, and not by squad
› live: `receipts` is not live here, and takes no traffic
› hint: `squad status --all --env cloud` shows what is there; to deploy it, go to the directory of its sources
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/nothing-live.md
[exit 7]

"#]]);
    assert!(cloud.calls().iter().all(|call| {
        ["lambda.Get", "lambda.List", "sts.Get", "tagging.Get"]
            .iter()
            .any(|read| call.starts_with(read))
    }));
}

/// A driver that is at work when somebody else changes something; what it said.
pub(super) fn at_work(cloud: &Cloud, change: Value) -> Output {
    let mut command = cloud.aws.squad(
        &cloud.home,
        &[
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
            "--yes",
        ],
    );
    std::thread::scope(|scope| {
        let driver = scope.spawn(|| cloud.home.run(&mut command));
        crate::support::wait_for("weights", Duration::from_mins(1), || {
            (cloud.weights() == json!({ "3": 0.1 })).then_some(())
        });
        cloud.aws.change(change);
        driver.join().unwrap()
    })
}

#[test]
fn a_driver_at_work_finds_weights_of_somebody_else() {
    let cloud = Cloud::with_history();
    at_work(
        &cloud,
        json!({
            "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": { "3": 0.3 },
        }),
    )
    .failure(1)
    .assert(str![[r#"
› receipts → acme/cloud: revision 2 → 3, gradually
›
›   revision 3: no commit subject (somebody outside squad, [AGO])
›   everything else  [..] requests/s, 0.17 % bad on revision 2
›      10 %  hold [DURATION], about [..] to rule out a harm of 2.0 points; at worst [..] harmed first
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for 30 min
›   undo at any time: `squad stop receipts --env cloud` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 10 of everything else to revision 3
...
› ✔ drifted          the traffic was changed outside squad
› ◌ waiting          changed outside squad; somebody has to decide
› error: the rollout of `receipts` needs a person: the traffic was changed outside squad
› live: revision 2 takes 70 % and revision 3 takes 30 %
› hint: put the wanted traffic back: `squad rollout rebase receipts --env cloud`
› hint: give up: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-drifted.md
[exit 1]

"#]]);
    assert_eq!(cloud.weights(), json!({ "3": 0.3 }));
}

#[test]
fn a_driver_at_work_names_a_deployer_who_took_the_alias() {
    let cloud = Cloud::with_history();
    at_work(
        &cloud,
        json!({
            "kind": "alias", "function": "receipts", "alias": "live", "version": "1", "weights": {},
            "description": "|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0A h=1.2 by=bob@acme.example on ci",
        }),
    )
    .failure(6)
    .assert(str![[r#"
› receipts → acme/cloud: revision 2 → 3, gradually
›
›   revision 3: no commit subject (somebody outside squad, [AGO])
›   everything else  [..] requests/s, 0.17 % bad on revision 2
›      10 %  hold [DURATION], about [..] to rule out a harm of 2.0 points; at worst [..] harmed first
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for 30 min
›   undo at any time: `squad stop receipts --env cloud` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 10 of everything else to revision 3
...
› error: cannot drive the rollout of `receipts`: bob@acme.example on ci changed the traffic first, at [TIME] UTC (operation [ID])
› live: revision 1 serves all traffic
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(cloud.sole(), "1");
}

#[test]
fn a_driver_at_work_ends_when_the_function_is_gone() {
    let cloud = Cloud::with_history();
    at_work(
        &cloud,
        json!({ "kind": "delete-function", "function": "receipts" }),
    )
    .failure(6)
    .assert(str![[r#"
› receipts → acme/cloud: revision 2 → 3, gradually
›
›   revision 3: no commit subject (somebody outside squad, [AGO])
›   everything else  [..] requests/s, 0.17 % bad on revision 2
›      10 %  hold [DURATION], about [..] to rule out a harm of 2.0 points; at worst [..] harmed first
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for 30 min
›   undo at any time: `squad stop receipts --env cloud` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 10 of everything else to revision 3
...
› error: cannot drive the rollout of `receipts`: it was deleted, and nothing of it is there any more
› live: `receipts` is not live here, and takes no traffic
› hint: look at what is there with `squad status`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
}
