//! Somebody writes their own words where the alias keeps squad's: nothing that matters is forgotten, and it is said.

use std::path::PathBuf;

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;
use super::drift::at_work;

/// What Terraform does that manages the alias and ignores only where it points.
fn describe(cloud: &Cloud, text: &str) {
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "description": text,
    }));
}

/// Deploys a state of the sources.
fn deploy(cloud: &Cloud, word: &str, flags: &[&str]) -> crate::support::Output {
    let directory = sources(cloud, word);
    cloud.squad_in(&directory, &[&["deploy"], flags].concat())
}

/// The objects that say what was left.
fn objects(cloud: &Cloud) -> Vec<PathBuf> {
    let files = crate::support::all_files_below(&cloud.home.path().join("store"));
    let is_one = |path: &PathBuf| path.to_string_lossy().contains("/left/receipts/");
    files.into_iter().filter(is_one).collect()
}

#[test]
fn what_was_left_is_refused_also_when_somebody_replaced_the_description() {
    let cloud = Cloud::new();
    deploy(&cloud, "one", &[]).success();
    deploy(&cloud, "two", &[]).success();
    cloud.squad(&["rollback", "receipts"]).success();
    describe(&cloud, "Managed by Terraform");
    deploy(&cloud, "two", &[]).assert(str![[r#"
› error: cannot deploy `receipts`: a rollback or an abort left this very release (revision 2)
› live: revision 1 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy receipts --env cloud --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["status", "receipts"]).assert(str![[r#"
SERVICE   ENV    LIVE  SINCE          HEALTH
receipts  cloud  1     made [AGO]  ok  somebody replaced what squad had written in the alias: `Managed by Terraform`
[exit 0]

"#]]);
    // The plan of another one says it, and it is not forgotten by that one either.
    deploy(&cloud, "three", &["--dry-run"]).assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    deploy(&cloud, "three", &[]).success();
    deploy(&cloud, "two", &[]).failure(7);
    // With nothing at all there as well.
    describe(&cloud, "");
    deploy(&cloud, "two", &[]).failure(7);
    // Until it serves again.
    deploy(
        &cloud,
        "two",
        &["--again", "--reason", "it was the partner"],
    )
    .success();
    deploy(&cloud, "four", &[]).success();
    describe(&cloud, "Managed by Terraform");
    deploy(&cloud, "two", &[]).success();
    assert_eq!(cloud.sole(), "2");
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn what_a_rollback_could_not_note_is_noted_by_the_next_deploy() {
    let cloud = Cloud::new();
    deploy(&cloud, "one", &[]).success();
    deploy(&cloud, "two", &[]).success();
    cloud.squad(&["rollback", "receipts"]).success();
    let noted = objects(&cloud);
    assert_eq!(noted.len(), 1, "{noted:?}");
    // As if the store had not been there.
    std::fs::remove_file(&noted[0]).unwrap();
    deploy(&cloud, "three", &[]).success();
    assert_eq!(objects(&cloud).len(), 1);
    // Once is enough.
    deploy(&cloud, "four", &[]).success();
    assert_eq!(objects(&cloud).len(), 1);
    describe(&cloud, "Managed by Terraform");
    deploy(&cloud, "two", &[]).failure(7);
}

#[test]
fn a_rollback_finds_in_the_record_what_served_where_the_alias_does_not_tell() {
    let cloud = Cloud::new();
    for word in ["one", "two", "three", "four"] {
        deploy(&cloud, word, &[]).success();
    }
    cloud.squad(&["rollback", "receipts"]).success();
    describe(&cloud, "Managed by Terraform");
    cloud
        .squad(&["rollback", "receipts", "--dry-run"])
        .assert(str![[r#"
› receipts → cloud: revision 3 → 2 (ana@example.com, [AGO])
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   who served before is told by the record: revision 2, by operation [ID] ([AGO])
[exit 0]

"#]]);
    let wire = cloud.squad(&["rollback", "receipts", "--dry-run", "-o", "json"]);
    let wire = wire.success().json();
    assert_eq!(wire["revision"], "2");
    assert_eq!(wire["told_by"].as_str().unwrap().len(), 26, "{wire}");
    // Four was left, three serves: two is what served before.
    cloud.squad(&["rollback", "receipts"]).assert(str![[r#"
› receipts → cloud: revision 3 → 2 (ana@example.com, [AGO])
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   who served before is told by the record: revision 2, by operation [ID] ([AGO])
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    assert_eq!(cloud.left(), ["3", "4"]);
    // The same from what others wrote once more.
    describe(&cloud, "Managed by Terraform");
    cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(cloud.sole(), "1");
    // And then there is none.
    describe(&cloud, "Managed by Terraform");
    cloud.squad(&["rollback", "receipts"]).assert(str![[r#"
› error: cannot roll back `receipts`: it is not known which revision served before
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   the record knows of no other revision that served and was not left
›   4  left by a rollback
›   3  left by a rollback
›   2  left by a rollback
› live: revision 1 serves all traffic
› hint: choose one: `squad rollback receipts --env cloud --to 4`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn who_loses_to_somebody_without_a_name_is_told_what_is_there() {
    let cloud = Cloud::new();
    deploy(&cloud, "one", &[]).success();
    deploy(&cloud, "two", &[]).success();
    cloud.aws.rule(json!({
        "operation": "UpdateAlias", "do": "change", "change": {
            "kind": "alias", "function": "receipts", "alias": "live", "version": "1",
            "description": "Managed by Terraform",
        },
    }));
    deploy(&cloud, "three", &[]).assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 2, ana@example.com, [AGO])
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 3, ready
› error: cannot deploy `receipts`: something else changed what is live first: by now revision 1 serves all traffic
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   the state that is there is called `[ID]`
› live: revision 1 serves all traffic
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(cloud.sole(), "1");
}

#[test]
fn a_rollback_names_what_there_is_where_nothing_tells_what_served() {
    let cloud = Cloud::new();
    for word in ["one", "two", "three", "four"] {
        deploy(&cloud, word, &[]).success();
    }
    cloud.squad(&["rollback", "receipts"]).success();
    describe(&cloud, "Managed by Terraform");
    // The record does not tell either: others moved the alias since.
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2",
    }));
    cloud.squad(&["rollback", "receipts"]).assert(str![[r#"
› error: cannot roll back `receipts`: it is not known which revision served before
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
›   what serves is not what the record says, where operation [ID] is the last one
›   4  left by a rollback
›   3
›   1
› live: revision 2 serves all traffic
› hint: choose one: `squad rollback receipts --env cloud --to 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    assert_eq!(cloud.sole(), "2");
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
›   somebody replaced what squad had written in the alias: `Managed by Terraform`
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    // What was left before is left still.
    assert_eq!(cloud.left(), ["2", "4"]);
}

#[test]
fn the_plan_of_a_rollout_says_whose_description_it_replaces() {
    let cloud = Cloud::with_history();
    describe(&cloud, "Managed by Terraform");
    cloud
        .squad(&[
            "rollout",
            "start",
            "receipts",
            "--revision",
            "3",
            "--steps",
            "10,50",
            "--hold",
            "1m",
            "--dry-run",
        ])
        .assert(str![[r#"
› receipts → acme/cloud: revision 2 → 3, gradually
›
›   revision 3: no commit subject (somebody outside squad, [AGO])
›   the alias has a description of its own, which the next change replaces and keeps: `Managed by Terraform`
›   everything else  [..] requests/s, 0.17 % bad on revision 2
›      10 %  hold [DURATION], about [..] to rule out a harm of 2.0 points; at worst [..] harmed first
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for 30 min
›   undo at any time: `squad stop receipts --env cloud` (about [DURATION])
›
[exit 0]

"#]]);
}

#[test]
fn a_driver_says_who_took_its_state_away_and_what_goes_on_unwatched() {
    let cloud = Cloud::with_history();
    at_work(
        &cloud,
        json!({
            "kind": "alias", "function": "receipts", "alias": "live", "description": "Managed by Terraform",
        }),
    )
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
› error: cannot drive the rollout of `receipts`: somebody replaced what squad had written in the alias: `Managed by Terraform`
›   revision 3 keeps 10 % of the requests, and nobody watches it any more
› live: revision 2 takes 90 % and revision 3 takes 10 %
› hint: put all traffic back: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(cloud.weights(), json!({ "3": 0.1 }));
    cloud.squad(&["status", "receipts"]).assert(str![[r#"
SERVICE   ENV    LIVE            SINCE  HEALTH
receipts  cloud  2 90 %, 3 10 %  -      drifted  the alias has a description of its own, which the next change replaces and keeps: `Managed by Terraform`
[exit 0]

"#]]);
    cloud.drive().assert(str![[r#"
› error: `receipts` has no rollout
›   the alias has a description of its own, which the next change replaces and keeps: `Managed by Terraform`
› live: revision 2 takes 90 % and revision 3 takes 10 %
› hint: put all traffic back: `squad stop receipts --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollout.md
[exit 7]

"#]]);
    cloud.squad(&["stop", "receipts"]).assert(str![[r#"
› receipts → cloud: revision 3 → 2 (somebody outside squad, [AGO])
›   the alias has a description of its own, which the next change replaces and keeps: `Managed by Terraform`
› ✔ live             all traffic on revision 2
›   done in [DURATION]
2
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    assert_eq!(cloud.left(), ["3"]);
}
