//! A rollout that the tag `squad.dev/rollout` does not tell of: said once, and found by a look at the fleet all the same.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::callers::others;
use super::drift::at_work;
use crate::support::Output;

/// Who rolls out may not tag. The driver ends where somebody else changes the weights, and the rollout stays live.
fn started_untagged() -> (Cloud, Output) {
    let cloud = Cloud::with_history();
    others(
        &cloud,
        "/2017-03-31/tags/arn:aws:lambda:eu-west-1:123456789012:function:receipts",
        &json!({ "Tags": { "squad.dev/service": "receipts" } }),
    );
    cloud
        .aws
        .settings(json!({ "denied": ["lambda:TagResource", "lambda:UntagResource"] }));
    let weights = json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": { "3": 0.3 },
    });
    let started = at_work(&cloud, weights);
    cloud.aws.forget_calls();
    (cloud, started)
}

/// What a look at the fleet shows of the traffic, and how many aliases it reads.
fn traffic(cloud: &Cloud) -> (serde_json::Value, usize) {
    cloud.aws.forget_calls();
    let wire = cloud.squad(&["status", "--all", "-o", "json"]).json();
    let calls = cloud.calls();
    let reads = calls.iter().filter(|call| *call == "lambda.GetAlias");
    (wire["services"][0]["traffic"].clone(), reads.count())
}

#[test]
fn who_may_not_tag_is_told_once_and_the_fleet_shows_the_rollout() {
    let (cloud, started) = started_untagged();
    started.failure(1).assert(str![[r#"
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
› warning: `receipts` cannot be tagged `squad.dev/rollout`: arn:aws:iam::[HASH]:user/stand-in may not do lambda:TagResource; `squad status --all` finds the rollout by the environment's store instead; who cannot read that is shown the weights from before it
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
    // No machine has looked yet: the store tells.
    let shared = json!({ "2": 70, "3": 30 });
    assert_eq!(traffic(&cloud), (shared.clone(), 1));
    cloud.squad(&["status", "--all"]).assert(str![[r#"
SERVICE   ENV    LIVE            SINCE     HEALTH  ROLLOUT
receipts  cloud  2 70 %, 3 30 %  [AGO]  ok      3 at 30 %, changed outside squad, unattended since [TIME] UTC
[exit 0]

"#]]);
    // Over, and an alias is read no more, apart from the look that finds that out.
    cloud.squad(&["stop", "receipts"]).success();
    let sole = json!({ "2": 100 });
    assert_eq!(traffic(&cloud), (sole.clone(), 1));
    assert_eq!(traffic(&cloud), (sole, 0));
}

#[test]
fn what_this_machine_saw_of_a_rollout_is_looked_at_again() {
    let (cloud, _) = started_untagged();
    let shared = json!({ "2": 70, "3": 30 });
    assert_eq!(traffic(&cloud), (shared.clone(), 1));
    // A store that tells nothing, as it is of rollouts of an older squad, or whose tag somebody took away.
    let store = cloud.home.path().join("store");
    for file in crate::support::all_files_below(&store) {
        if file.to_string_lossy().contains("/unmarked/") {
            std::fs::remove_file(file).unwrap();
        }
    }
    assert_eq!(traffic(&cloud), (shared, 1));
    // Another machine knows nothing of it.
    std::fs::remove_dir_all(cloud.home.path().join(".cache/squad/fleet")).unwrap();
    assert_eq!(traffic(&cloud), (json!({ "2": 100 }), 0));
}

/// AWS leaves tags out where they may not be read, and need not say so: who was found by a tag has one.
#[test]
fn tags_that_are_left_out_without_a_word_are_not_taken_for_none() {
    let cloud = Cloud::new();
    cloud.aws.functions(json!({
        "name": "rolling", "versions": 2, "alias": "live",
        "tags": { "squad.dev/service": "rolling", "squad.dev/rollout": "live" },
    }));
    cloud.aws.change(json!({
        "kind": "alias", "function": "rolling", "alias": "live", "version": "1", "weights": { "2": 0.1 },
    }));
    cloud
        .aws
        .settings(json!({ "denied": ["lambda:ListTags"], "tags_left_out": true }));
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
› warning: rolling: the alias was read instead of the tags, which takes longer: this identity may not do lambda:ListTags
SERVICE  ENV    LIVE            SINCE  HEALTH
rolling  cloud  1 90 %, 2 10 %  -      ok
[exit 0]

"#]]);
}
