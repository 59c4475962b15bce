//! Whole deploys while AWS fails one call in five: right, or refused with who won; never half of it.

use std::collections::BTreeSet;

use serde_json::json;

use super::Cloud;
use super::deploy::sources;

/// The digests in the descriptions of the published versions, in order.
fn digests(cloud: &Cloud) -> Vec<String> {
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
fn is_each_once(cloud: &Cloud, at: &str) {
    let digests = digests(cloud);
    let different: BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "{at}: {digests:?}");
}

/// What the version that takes the traffic answers.
fn answer(cloud: &Cloud) -> String {
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
        } else {
            // It did not come that far.
            assert!([1, 3, 5, 6].contains(&output.code), "{at}");
        }
        assert_eq!(cloud.sole(), first, "{at}");
        drop(cloud.squad_in(&directory, &["deploy"]).success());
        assert_eq!(answer(&cloud), "\"two\"", "{at}");
        is_each_once(&cloud, &at);
    }
}
