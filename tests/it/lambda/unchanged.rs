//! What is live already costs the same few calls, however many versions a function has.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

/// What says which version serves, what it was made of and how it is.
const SERVING: [&str; 3] = [
    "lambda.GetAlias",
    "lambda.GetFunction",
    "sts.GetCallerIdentity",
];

/// The same, and every version: the list has three pages.
const WHOLE: [&str; 6] = [
    "lambda.GetAlias",
    "lambda.GetFunction",
    "lambda.ListVersionsByFunction",
    "lambda.ListVersionsByFunction",
    "lambda.ListVersionsByFunction",
    "sts.GetCallerIdentity",
];

/// A function with so many versions of others that a list of them has three pages, and a version of squad's, which serves.
fn with_many_versions() -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::with_function(120);
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "121");
    cloud.aws.forget_calls();
    (cloud, directory)
}

/// From now on each call takes half a second, and none waits for those of before: a machine makes so many in a second alone.
pub(super) fn slow_and_rested(cloud: &Cloud) {
    cloud.aws.settings(json!({ "latency_ms": 500 }));
    std::fs::remove_dir_all(cloud.home.path().join(".cache/squad/aws")).expect("the pace");
}

/// The names of the calls that were made, each of which began before any of them was answered.
pub(super) fn in_one_round(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.aws.calls();
    let first_end = calls.iter().filter_map(|call| call.ended).min();
    let is_one_round = calls.iter().all(|call| Some(call.began) < first_end);
    assert!(is_one_round, "{calls:?}");
    cloud.calls()
}

/// The calls that were made, sorted.
fn made(cloud: &Cloud) -> Vec<String> {
    let mut calls = cloud.calls();
    calls.sort_unstable();
    calls
}

#[test]
fn a_deploy_that_changes_nothing_makes_three_calls_beside_each_other_whatever_the_versions() {
    let (cloud, directory) = with_many_versions();
    slow_and_rested(&cloud);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 121 already is exactly this (same sources, same configuration). Nothing to do.
121
[exit 0]

"#]]);
    let mut names = in_one_round(&cloud);
    names.sort_unstable();
    assert_eq!(names, SERVING);
}

#[test]
fn the_status_of_one_service_reads_the_list_of_versions_only_where_it_shows_them() {
    let (cloud, _directory) = with_many_versions();
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH
receipts  cloud  121   [AGO]  ok
[exit 0]

"#]]);
    assert_eq!(made(&cloud), SERVING);
    let status = cloud
        .squad(&["status", "receipts", "-o", "json"])
        .success()
        .json();
    let revisions = status["services"][0]["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), 121);
    assert_eq!(made(&cloud), WHOLE);
}

/// A plan that changes something knows every version: one of the same content is found, and what refers to versions is.
#[test]
fn what_was_published_before_is_found_among_many_versions() {
    let (cloud, directory) = with_many_versions();
    let _directory = sources(&cloud, "two");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "122");
    let _directory = sources(&cloud, "one");
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 122, ana@example.com, [AGO])
›   nothing to build: revision 121 is exactly this
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    cloud
        .squad(&["rollback", "receipts"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 122 → 121 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 121
›   done in [DURATION]
121
[exit 0]

"#]]);
    // What a rollback left is not gone back to, and only the list tells that it is there.
    let _directory = sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `receipts`: a rollback or an abort left this very release (revision 122)
› live: revision 121 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy receipts --env cloud --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
}

/// What others did to the alias is looked at as a whole, also where they point it at a version of the same content.
#[test]
fn what_others_did_to_the_alias_is_no_reason_to_look_at_less() {
    let (cloud, directory) = with_many_versions();
    let _directory = sources(&cloud, "two");
    cloud.squad_in(&directory, &["deploy"]).success();
    cloud.aws.change(json!({ "kind": "alias", "function": "receipts", "alias": "live", "version": "121", "weights": {} }));
    cloud.aws.forget_calls();
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE          HEALTH
receipts  cloud  121   made [AGO]  drifted  the alias was changed outside squad
[exit 0]

"#]]);
    assert_eq!(made(&cloud), WHOLE);
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 121, ana@example.com, [AGO])
›   nothing to build: revision 122 is exactly this
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
}
