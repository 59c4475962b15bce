//! Two machines deploy one function at the same moment: one wins, the other one exits with 6 and names the winner.
//!
//! That every race on the traffic has one winner is proven a thousand times below the binary, in
//! `platform::lambda::tests::race`.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use super::Cloud;
use super::deploy::sources;
use super::faults::{answer, is_each_once};
use crate::support::aws::Release;
use crate::support::{Home, wait_for};

/// Races in one run; `tests/run --full` takes more.
fn races() -> usize {
    if std::env::var("SQUAD_TEST_FULL").is_ok_and(|value| value == "1") {
        25
    } else {
        4
    }
}

/// Bob's machine, in the same org, with his own work tree.
fn bob(cloud: &Cloud) -> Home {
    let mut home = Home::new();
    std::fs::write(
        home.path().join(".gitconfig"),
        "[user]\n\tname = Bob Example\n\temail = bob@example.com\n",
    )
    .unwrap();
    let org = cloud.home.work().join("org/org.toml");
    let store = cloud.home.path().join("store").display().to_string();
    let org = std::fs::read_to_string(org).unwrap();
    home.write("org/org.toml", &org.replace("../../store", &store));
    let org = home.work().join("org").display().to_string();
    home.set("SQUAD_ORG", &org);
    home.set("SQUAD_ENV", "cloud");
    let toml = std::fs::read_to_string(cloud.home.work().join("receipts/squad.toml")).unwrap();
    home.write("receipts/squad.toml", &toml);
    home
}

fn begin(cloud: &Cloud, home: &Home, directory: &Path) -> Child {
    let mut command = cloud.aws.squad(home, &["deploy", "--yes"]);
    command
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// `DeleteFunction` cannot be fenced, so nobody deletes: what brings the function to life is a change of the very state that
/// was looked at.
#[test]
fn of_two_who_repair_a_function_that_could_not_be_created_one_wins_and_nothing_is_deleted() {
    for held in ["ana", "bob", "both"] {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "broken");
        cloud.aws.settings(
            json!({ "fail_next": { "code": "InvalidSubnet", "reason": "no such subnet" } }),
        );
        cloud.squad_in(&directory, &["deploy"]).failure(1);
        let _directory = sources(&cloud, "ana");
        let bob = bob(&cloud);
        bob.write(
            "receipts/src/handler.py",
            "def handler(event, context):\n    return \"bob\"\n",
        );
        let begin = |who: &str| match who {
            "ana" => begin(&cloud, &cloud.home, &directory),
            _ => begin(&cloud, &bob, &bob.work().join("receipts")),
        };
        let count = if held == "both" { 2 } else { 1 };
        cloud.aws.rule(json!({ "operation": "UpdateFunctionConfiguration", "times": count, "do": "hold-before" }));
        let (first, second) = if held == "bob" {
            ("bob", "ana")
        } else {
            ("ana", "bob")
        };
        let first_run = begin(first);
        wait_for("the first", Duration::from_mins(1), || {
            (cloud.aws.held().len() == 1).then_some(())
        });
        let second_run = begin(second);
        let ends = if held == "both" {
            wait_for("the second", Duration::from_mins(1), || {
                (cloud.aws.held().len() == 2).then_some(())
            });
            cloud.aws.release(Release::Continue);
            [
                (first, first_run.wait_with_output().unwrap()),
                (second, second_run.wait_with_output().unwrap()),
            ]
        } else {
            let second_end = second_run.wait_with_output().unwrap();
            assert_eq!(second_end.status.code(), Some(0), "{held}");
            cloud.aws.release(Release::Continue);
            [
                (first, first_run.wait_with_output().unwrap()),
                (second, second_end),
            ]
        };
        let said = |index: usize| String::from_utf8_lossy(&ends[index].1.stderr).into_owned();
        let winner = match [ends[0].1.status.code(), ends[1].1.status.code()] {
            [Some(0), Some(6)] if held == "both" => 0,
            [Some(6), Some(0)] => 1,
            other => panic!("{held}: {other:?}\n{}\n{}", said(0), said(1)),
        };
        let name = ends[winner].0;
        let loser = said(1 - winner);
        assert!(
            loser.contains(&format!("{name}@example.com")),
            "{held}: {loser}"
        );
        assert_eq!(answer(&cloud), format!("\"{name}\""), "{held}");
        let calls = cloud.calls();
        assert!(
            !calls.contains(&"lambda.DeleteFunction".to_owned()),
            "{held}: {calls:?}"
        );
        cloud.squad(&["audit", "verify"]).success();
    }
}

/// Bob publishes and takes the traffic while Ana waits before the very same write.
#[test]
fn who_is_overtaken_right_before_the_traffic_loses_there_and_names_the_winner() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "first");
    cloud.squad_in(&directory, &["deploy"]).success();
    let bob = bob(&cloud);
    let _directory = sources(&cloud, "ana");
    bob.write(
        "receipts/src/handler.py",
        "def handler(event, context):\n    return \"bob\"\n",
    );
    cloud
        .aws
        .rule(json!({ "operation": "UpdateAlias", "times": 1, "do": "hold-before" }));
    let ana = begin(&cloud, &cloud.home, &directory);
    wait_for("ana before the traffic", Duration::from_mins(1), || {
        (cloud.aws.held().len() == 1).then_some(())
    });
    let bobs = begin(&cloud, &bob, &bob.work().join("receipts"));
    assert_eq!(bobs.wait_with_output().unwrap().status.code(), Some(0));
    cloud.aws.release(Release::Continue);
    let ana = ana.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ana.stderr);
    assert_eq!(ana.status.code(), Some(6), "{said}");
    assert!(
        said.contains("bob@example.com on ") && said.contains("changed the traffic first"),
        "{said}"
    );
    assert_eq!(answer(&cloud), "\"bob\"");
    is_each_once(&cloud, "overtaken");
    cloud.squad(&["audit", "verify"]).success();
}

/// How AWS answered the writes of the alias since the calls were forgotten, sorted.
fn writes_of_traffic(cloud: &Cloud) -> Vec<u16> {
    let calls = cloud.aws.calls();
    let writes = calls.iter().filter(|call| call.operation == "UpdateAlias");
    let mut answers: Vec<_> = writes.filter_map(|call| call.status).collect();
    answers.sort_unstable();
    answers
}

#[test]
fn of_two_machines_that_deploy_at_once_one_wins_and_the_other_names_it() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "first");
    cloud.squad_in(&directory, &["deploy"]).success();
    let bob = bob(&cloud);
    let mut winners = std::collections::BTreeMap::from([("ana", 0), ("bob", 0)]);
    for race in 0..races() {
        cloud.aws.forget_calls();
        let _directory = sources(&cloud, &format!("ana {race}"));
        bob.write(
            "receipts/src/handler.py",
            &format!("def handler(event, context):\n    return \"bob {race}\"\n"),
        );
        // Whoever comes that far waits before the traffic until the other one is there too, or has lost already.
        cloud
            .aws
            .rule(json!({ "operation": "UpdateAlias", "times": 2, "do": "hold-before" }));
        let mut runs = [
            ("ana", begin(&cloud, &cloud.home, &directory)),
            ("bob", begin(&cloud, &bob, &bob.work().join("receipts"))),
        ];
        wait_for("both", Duration::from_mins(2), || {
            let held = cloud.aws.held().len();
            let ended = runs
                .iter_mut()
                .filter_map(|(_, child)| child.try_wait().unwrap())
                .count();
            (held + ended == 2).then_some(())
        });
        let is_lost_at_the_traffic = cloud.aws.held().len() == 2;
        cloud.aws.release(Release::Continue);
        cloud.aws.forget_rules();
        let ended = runs.map(|(name, child)| (name, child.wait_with_output().unwrap()));
        let codes: Vec<_> = ended.iter().map(|(_, end)| end.status.code()).collect();
        let said = |index: usize| String::from_utf8_lossy(&ended[index].1.stderr).into_owned();
        let winner = match codes.as_slice() {
            [Some(0), Some(6)] => 0,
            [Some(6), Some(0)] => 1,
            other => panic!("race {race}: {other:?}\n{}\n{}", said(0), said(1)),
        };
        let loser = said(1 - winner);
        let name = format!("{}@example.com", ended[winner].0);
        assert!(loser.contains(&name), "race {race}: {loser}");
        let wanted = format!("\"{} {race}\"", ended[winner].0);
        assert_eq!(answer(&cloud), wanted, "race {race}");
        *winners.entry(ended[winner].0).or_insert(0) += 1;
        // One write of the traffic came through; the other one was refused, or not even sent.
        let writes = if is_lost_at_the_traffic {
            &[200, 412][..]
        } else {
            &[200]
        };
        assert_eq!(writes_of_traffic(&cloud), writes, "race {race}");
        is_each_once(&cloud, &format!("race {race}"));
        cloud.squad(&["audit", "verify"]).success();
    }
    assert_eq!(winners.values().sum::<usize>(), races(), "{winners:?}");
    cloud.is_quiet();
}
