//! Whole deploys while AWS fails one call in five: right, or refused with who won; never half of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::Cloud;
use super::deploy::sources;
use super::gradual::counted;
use crate::support::{Output, wait_for};

/// The digests in the descriptions of the published versions, in order.
pub(super) fn digests(cloud: &Cloud) -> Vec<String> {
    let function = cloud.aws.function("receipts");
    function["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| {
            let description = version["Description"].as_str().unwrap();
            let digest = description.split(' ').find(|part| part.starts_with("d="));
            digest.unwrap().to_owned()
        })
        .collect()
}

/// No content was published twice.
pub(super) fn is_each_once(cloud: &Cloud, at: &str) {
    let digests = digests(cloud);
    let different: BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "{at}: {digests:?}");
}

/// What the version that takes the traffic answers.
pub(super) fn answer(cloud: &Cloud) -> String {
    let output = cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success();
    output.line().to_owned()
}

fn chance(cloud: &Cloud, rate: f64, seed: u64) {
    cloud.aws.settings(json!({ "faults": {
        "rate": rate, "seed": seed,
        "kinds": ["throttled", "throttled-retry-after", "broken", "broken-after", "unavailable",
            "reset-before", "reset-after", "in-progress"],
    }}));
}

#[test]
fn deploys_among_faults_are_right_or_change_nothing_and_then_converge() {
    let mut ended = BTreeSet::new();
    for seed in 1..=8 {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "one");
        for (number, word) in ["one", "two"].into_iter().enumerate() {
            let before = (number > 0).then(|| answer(&cloud));
            sources(&cloud, word);
            chance(&cloud, 0.2, seed * 10 + u64::try_from(number).unwrap());
            let output = cloud.squad_in(&directory, &["deploy"]);
            chance(&cloud, 0.0, 1);
            let at = format!("seed {seed}, {word}: {}", output.transcript());
            ended.insert(output.code);
            // It failed at AWS, lost to what was in progress, or is right.
            assert!([0, 1, 3, 5, 6].contains(&output.code), "{at}");
            assert!(
                output.code == 0 || output.stderr.contains("error: cannot deploy `receipts`"),
                "{at}"
            );
            if output.code == 0 {
                assert_eq!(answer(&cloud), format!("\"{word}\""), "{at}");
            } else if let Some(before) = before {
                // Whole, one or the other: an answer that got lost may have been a yes.
                let now = answer(&cloud);
                assert!(now == before || now == format!("\"{word}\""), "{at}");
            }
            drop(cloud.squad_in(&directory, &["deploy"]).success());
            assert_eq!(answer(&cloud), format!("\"{word}\""), "{at}");
            is_each_once(&cloud, &at);
            let _version = cloud.sole();
            drop(cloud.squad(&["audit", "verify"]).success());
        }
        assert_eq!(digests(&cloud).len(), 2);
        cloud.is_quiet();
    }
    // Most get through: the calls are tried again.
    assert!(ended.contains(&0), "{ended:?}");
}

/// Somebody else deploys at the same time, among faults: one of them wins, and is named.
#[test]
fn a_deployer_who_wins_among_faults_is_named_and_nothing_is_lost() {
    let mut named = 0;
    for seed in 1..=4 {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "one");
        drop(cloud.squad_in(&directory, &["deploy"]).success());
        let first = cloud.sole();
        sources(&cloud, "two");
        cloud.aws.rule(json!({
            "operation": "UpdateAlias", "do": "change",
            "change": { "kind": "alias", "function": "receipts", "alias": "live", "version": first,
                "description": format!("|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0A h={first} by=bob@acme.example on ci") },
        }));
        chance(&cloud, 0.2, seed);
        let output = cloud.squad_in(&directory, &["deploy"]);
        chance(&cloud, 0.0, 1);
        cloud.aws.forget_rules();
        let at = format!("seed {seed}: {}", output.transcript());
        if output.code == 6 && output.stderr.contains("changed the traffic first") {
            assert!(output.stderr.contains("bob@acme.example"), "{at}");
            named += 1;
        } else {
            // It did not come that far.
            assert!([1, 3, 5, 6].contains(&output.code), "{at}");
        }
        assert_eq!(cloud.sole(), first, "{at}");
        drop(cloud.squad_in(&directory, &["deploy"]).success());
        assert_eq!(answer(&cloud), "\"two\"", "{at}");
        is_each_once(&cloud, &at);
    }
    assert!(named > 0, "no seed came to the traffic");
}

/// What a rollout's first step may leave: all traffic where it was, or 10 % on the new version.
fn is_whole(cloud: &Cloud, stable: &str, canary: &str, at: &str) {
    let alias = cloud.alias();
    assert_eq!(alias["FunctionVersion"], *stable, "{at}: {alias}");
    let weights = cloud.weights();
    let has_none = weights.as_object().is_none_or(serde_json::Map::is_empty);
    assert!(
        has_none || weights == json!({ (canary): 0.1 }),
        "{at}: {alias}"
    );
}

/// A gradual deploy among faults: it comes to its first step, or fails with words and changes nothing; the same command
/// once more does it.
#[test]
fn gradual_deploys_among_faults_come_to_their_first_step_and_publish_once() {
    const CANARY: [&str; 6] = ["deploy", "--canary", "--steps", "10,50", "--hold", "1m"];
    let mut reached = 0;
    for seed in 1..=6 {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "one");
        cloud.squad_in(&directory, &["deploy"]).success();
        let history: Vec<_> = (3..60).map(|back| counted(back, None, 600, 1)).collect();
        cloud.aws.metrics(Value::Array(history));
        sources(&cloud, "two");
        chance(&cloud, 0.2, seed);
        let first = until_first_step(&cloud, &directory, &CANARY);
        chance(&cloud, 0.0, 1);
        let at = format!("seed {seed}: {first:?}");
        if let Some(first) = &first {
            assert!([1, 3, 5, 6].contains(&first.code), "{}", first.transcript());
            assert!(
                first.stderr.contains("error: cannot "),
                "{}",
                first.transcript()
            );
        } else {
            reached += 1;
        }
        is_whole(&cloud, "1", "2", &at);
        // What was begun is gone on with; what was not is begun again.
        if cloud.is_rolling() {
            if cloud.weights() != json!({ "2": 0.1 }) {
                cloud.drive().success();
            }
        } else {
            let again = until_first_step(&cloud, &directory, &CANARY);
            assert!(again.is_none(), "{at}, then {again:?}");
        }
        assert_eq!(cloud.weights(), json!({ "2": 0.1 }), "{at}");
        is_each_once(&cloud, &at);
        assert_eq!(digests(&cloud).len(), 2, "{at}");
        cloud.squad(&["stop", "receipts"]).success();
        assert_eq!(cloud.sole(), "1", "{at}");
        assert_eq!(answer(&cloud), "\"one\"", "{at}");
        cloud.squad(&["audit", "verify"]).success();
        cloud.is_quiet();
    }
    assert!(reached > 0);
}

/// Runs a gradual deploy until its first step has traffic, where it is killed; what it said where it ended before.
pub(super) fn until_first_step(
    cloud: &Cloud,
    directory: &Path,
    arguments: &[&str],
) -> Option<Output> {
    let mut command = cloud.aws.squad(&cloud.home, arguments);
    command
        .arg("--yes")
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for("the first step", Duration::from_mins(2), || {
        let weights = cloud.weights();
        let has_weights = weights
            .as_object()
            .is_some_and(|weights| !weights.is_empty());
        (has_weights || child.try_wait().unwrap().is_some()).then_some(())
    });
    if child.try_wait().unwrap().is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
        return None;
    }
    let output = Output::of(&child.wait_with_output().unwrap(), cloud.home.root());
    // It may have ended in the very moment of its first step.
    let weights = cloud.weights();
    let has_weights = weights
        .as_object()
        .is_some_and(|weights| !weights.is_empty());
    (!has_weights).then_some(output)
}

/// A driver among faults: it takes the step, or fails with words; the next one takes it, once.
#[test]
fn drivers_among_faults_take_their_step_once() {
    let cloud = Cloud::planned();
    let kept = cloud.keep();
    let mut ended = BTreeSet::new();
    for seed in 1..=10 {
        cloud.put_back(&kept);
        chance(&cloud, 0.2, seed);
        let output = cloud.drive();
        chance(&cloud, 0.0, 1);
        let at = format!("seed {seed}: {}", output.transcript());
        ended.insert(output.code);
        assert!([0, 1, 3, 5, 6].contains(&output.code), "{at}");
        assert!(
            output.code == 0 || output.stderr.contains("error: cannot "),
            "{at}"
        );
        is_whole(&cloud, "2", "3", &at);
        if output.code == 0 {
            assert_eq!(cloud.weights(), json!({ "3": 0.1 }), "{at}");
        }
        cloud.drive().success();
        // The second driver finds the step taken, or takes it; there is no third one before its time.
        assert_eq!(cloud.weights(), json!({ "3": 0.1 }), "{at}");
        chance(&cloud, 0.2, seed + 100);
        let stopped = cloud.squad(&["stop", "receipts"]);
        chance(&cloud, 0.0, 1);
        let at = format!("{at}, then {}", stopped.transcript());
        ended.insert(stopped.code);
        if stopped.code == 0 {
            assert_eq!(cloud.sole(), "2", "{at}");
        }
        cloud.squad(&["stop", "receipts"]).success();
        assert_eq!(cloud.sole(), "2", "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
    assert!(ended.contains(&0), "{ended:?}");
    cloud.is_quiet();
}
