//! Two deployers at once, and a server that fails.

use serde_json::json;

use super::bench::{Deploy, FUNCTION, StandIn, revision};
use crate::platform::Error;
use crate::platform::lambda::publish::wanted::Code;

/// All kinds of failures but those that only take time.
const KINDS: [&str; 7] = [
    "throttled",
    "broken",
    "broken-after",
    "unavailable",
    "reset-before",
    "reset-after",
    "in-progress",
];

#[tokio::test]
async fn whoever_is_overtaken_between_settings_and_code_gives_way() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.rule(
        json!({ "operation": "UpdateFunctionCode", "do": "change", "change": {
        "kind": "configuration", "function": FUNCTION, "configuration": { "MemorySize": 2048 } } }),
    );
    let mut deploy = Deploy::of("b");
    deploy.wanted.memory = Some(1024);
    let error = deploy.run(&aws.address).await.unwrap_err();
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("somebody else changed the function `receipts` at "),
        "{error}"
    );
    assert_eq!(aws.versions().len(), 1);
}

#[tokio::test]
async fn the_winner_is_named_once_its_version_is_there() {
    let aws = StandIn::start();
    revision(Deploy::of("a").run(&aws.address).await);
    aws.rule(
        json!({ "operation": "PublishVersion", "do": "change", "change": {
        "kind": "code", "function": FUNCTION } }),
    );
    aws.rule(json!({ "operation": "ListVersionsByFunction", "nth": 2, "do": "change", "change": {
        "kind": "publish", "function": FUNCTION, "description": "squad/1 d=sha256:theirs by=bo on ci" } }));
    let error = Deploy::of("b").run(&aws.address).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("bo on ci deployed to `receipts` first: version 2 at "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_deployers_one_wins_and_the_other_names_it() {
    let aws = StandIn::start();
    aws.set(json!({ "settle_ms": 20 }));
    revision(Deploy::of("a").run(&aws.address).await);
    for race in 0..40 {
        let mut ana = Deploy::of("b");
        let mut bo = Deploy::of("c");
        ana.digest = format!("sha256:ana-{race}");
        bo.digest = format!("sha256:bo-{race}");
        (ana.wanted.memory, bo.wanted.memory) = (Some(1024 + race), Some(2048 + race));
        bo.by = "bo on ci";
        let (ana, bo) = tokio::join!(ana.run(&aws.address), bo.run(&aws.address));
        // One after the other is no race.
        let lost: Vec<_> = [(&ana, "bo on ci"), (&bo, "ana on laptop")]
            .into_iter()
            .filter_map(|(result, other)| Some((result.as_ref().err()?.to_string(), other)))
            .collect();
        assert!(lost.len() <= 1, "{lost:?}");
        for (error, other) in lost {
            assert!(
                error.starts_with(&format!("{other} deployed to")),
                "{error}"
            );
        }
    }
    let versions = aws.versions();
    let mut digests: Vec<_> = versions.iter().map(|(_, digest)| digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), versions.len(), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deployers_of_the_same_release_make_one_version() {
    let aws = StandIn::start();
    for release in ["a", "b", "c", "d"] {
        let deploy = Deploy::of(release);
        let (one, two) = tokio::join!(deploy.run(&aws.address), deploy.run(&aws.address));
        assert_eq!(one.unwrap().revision, two.unwrap().revision);
    }
    assert_eq!(aws.versions().len(), 4);
}

/// A fifth of all calls fails in some way: the deploy is right, or it is refused and the next one is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_fifth_of_all_calls_failing_nothing_is_half_done() {
    for seed in 1..=30 {
        let aws = StandIn::start();
        revision(Deploy::of("a").run(&aws.address).await);
        aws.set(json!({ "faults": { "rate": 0.2, "seed": seed, "kinds": KINDS } }));
        let mut deploy = Deploy::of("b");
        deploy.wanted.memory = Some(1024);
        let result = deploy.run(&aws.address).await;
        aws.set(json!({ "faults": { "rate": 0.0 } }));
        let published = match result {
            Ok(published) => published,
            Err(_) => deploy.run(&aws.address).await.unwrap(),
        };
        assert_eq!(published.revision.0, 2, "seed {seed}");
        let versions = aws.versions();
        assert_eq!(versions.len(), 2, "seed {seed}: {versions:?}");
        assert_eq!(aws.function()["versions"][1]["MemorySize"], 1024);
    }
}

/// The same with two deployers at once: whatever is published under a release's digest is that release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_competitor_and_a_fifth_of_all_calls_failing_no_version_is_mixed() {
    let mut won = 0;
    for seed in 1..=6 {
        let aws = StandIn::start();
        aws.set(json!({ "settle_ms": 5 }));
        revision(Deploy::of("a").run(&aws.address).await);
        aws.set(json!({ "faults": { "rate": 0.2, "seed": seed, "kinds": KINDS } }));
        let (mut ana, mut bo) = (Deploy::of("b"), Deploy::of("c"));
        (ana.wanted.memory, bo.wanted.memory) = (Some(1024), Some(2048));
        bo.by = "bo on ci";
        let results = tokio::join!(ana.run(&aws.address), bo.run(&aws.address));
        for error in [results.0.as_ref().err(), results.1.as_ref().err()]
            .into_iter()
            .flatten()
        {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        won += [results.0.is_ok(), results.1.is_ok()]
            .iter()
            .filter(|ok| **ok)
            .count();
        let function = aws.function();
        for version in function["versions"].as_array().unwrap() {
            let of = |deploy: &Deploy| {
                let text = version["Description"].as_str().unwrap();
                text.contains(&format!("d={} ", deploy.digest))
            };
            for deploy in [&ana, &bo].into_iter().filter(|deploy| of(deploy)) {
                assert_eq!(
                    version["MemorySize"],
                    json!(deploy.wanted.memory),
                    "seed {seed}"
                );
                let Code::Zip { sha256, .. } = deploy.code() else {
                    unreachable!()
                };
                assert_eq!(version["CodeSha256"], sha256, "seed {seed}");
            }
        }
        assert!(aws.versions().len() <= 3, "seed {seed}");
    }
    assert!(won >= 6, "{won}");
}
