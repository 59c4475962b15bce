//! Functions, versions, aliases.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, ProvisionedConcurrencyStatusEnum, State};
use serde_json::json;

use super::{create, lambda, package, publish, refusal, release, run, settled};
use crate::support::Aws;

const ONE: &str = "def handler(event, context):\n    return 1\n";
const TWO: &str = "def handler(event, context):\n    return 2\n";

fn weights(version: &str, weight: f64) -> AliasRoutingConfiguration {
    AliasRoutingConfiguration::builder()
        .additional_version_weights(version, weight)
        .build()
}

#[test]
fn an_update_settles_under_another_revision_and_refuses_others_meanwhile() {
    let aws = Aws::start();
    run(async {
        let client = lambda(&aws);
        create(&client, "payments", ONE).await;
        let update = || {
            client
                .update_function_code()
                .function_name("payments")
                .zip_file(Blob::new(package(TWO)))
        };
        assert_eq!(
            refusal(update().revision_id("stale").send().await),
            "412 PreconditionFailedException"
        );
        let tried = update().dry_run(true).send().await.expect("a dry run");
        let answered = update().send().await.expect("an update");
        assert_eq!(tried.code_sha256(), answered.code_sha256());
        assert_eq!(
            refusal(update().send().await),
            "409 ResourceConflictException"
        );
        let early = client.publish_version().function_name("payments");
        assert_eq!(refusal(early.send().await), "409 ResourceConflictException");
        settled(&client, "payments").await;
        let after = client
            .get_function_configuration()
            .function_name("payments");
        let after = after.send().await.expect("a function");
        assert_eq!(after.code_sha256(), answered.code_sha256());
        assert_ne!(after.revision_id(), answered.revision_id());
    });
}

#[test]
fn a_version_is_guarded_by_its_digest_and_published_once() {
    let aws = Aws::start();
    run(async {
        let client = lambda(&aws);
        create(&client, "payments", ONE).await;
        let guarded = client
            .publish_version()
            .function_name("payments")
            .code_sha256("other");
        assert_eq!(
            refusal(guarded.send().await),
            "400 InvalidParameterValueException"
        );
        assert_eq!(publish(&client, "payments").await, "1");
        assert_eq!(publish(&client, "payments").await, "1");
        assert_eq!(release(&client, "payments", TWO).await, "2");
        assert_eq!(release(&client, "payments", TWO).await, "2");
        let listed = client.list_versions_by_function().function_name("payments");
        let listed = listed.send().await.expect("versions");
        let names: Vec<_> = listed
            .versions()
            .iter()
            .filter_map(|found| found.version())
            .collect();
        assert_eq!(names, ["$LATEST", "1", "2"]);
        assert!(
            listed
                .versions()
                .iter()
                .all(|found| found.state().is_none())
        );
    });
}

#[test]
fn lists_come_in_pages_of_fifty_without_states() {
    let aws = Aws::start();
    aws.functions(json!({ "prefix": "f-", "count": 120, "alias": "live" }));
    run(async {
        let client = lambda(&aws);
        let mut pages = client.list_functions().into_paginator().send();
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            assert!(page.functions().iter().all(|found| found.state().is_none()));
            sizes.push(page.functions().len());
        }
        assert_eq!(sizes, [50, 50, 20]);
        let found = client
            .get_function()
            .function_name("f-0007")
            .qualifier("live");
        let found = found.send().await.expect("a function");
        let shown = found.configuration().expect("its configuration");
        assert_eq!(shown.version(), Some("1"));
        assert_eq!(shown.state(), Some(&State::Active));
    });
    assert_eq!(
        aws.calls().last().expect("a call").parameter("Qualifier"),
        Some("live")
    );
}

#[test]
fn an_alias_is_compared_and_swapped() {
    let aws = Aws::start();
    aws.functions(json!({ "name": "payments", "versions": 3, "alias": "live" }));
    run(async {
        let client = lambda(&aws);
        let update = || client.update_alias().function_name("payments").name("live");
        let first = client.get_alias().function_name("payments").name("live");
        let first = first.send().await.expect("an alias");
        let split = update()
            .function_version("2")
            .routing_config(weights("3", 0.25))
            .revision_id(first.revision_id().expect("a revision"))
            .send()
            .await
            .expect("a split");
        assert_ne!(split.revision_id(), first.revision_id());
        let again = update().revision_id(first.revision_id().expect("a revision"));
        assert_eq!(
            refusal(again.send().await),
            "412 PreconditionFailedException"
        );
        let kept = update()
            .description("kept")
            .send()
            .await
            .expect("an update");
        assert_eq!(kept.routing_config(), split.routing_config());
        let version = client
            .delete_function()
            .function_name("payments")
            .qualifier("3");
        assert_eq!(
            refusal(version.send().await),
            "409 ResourceConflictException"
        );
        let cleared = update().routing_config(AliasRoutingConfiguration::builder().build());
        let cleared = cleared.send().await.expect("an update");
        assert_eq!(cleared.routing_config(), None);
        let twice = client
            .create_alias()
            .function_name("payments")
            .name("live")
            .function_version("1");
        assert_eq!(refusal(twice.send().await), "409 ResourceConflictException");
    });
}

#[test]
fn impossible_weights_are_refused() {
    let aws = Aws::start();
    aws.functions(json!({ "name": "payments", "versions": 2, "alias": "live" }));
    aws.change(json!({ "kind": "configuration", "function": "payments", "configuration": { "Role": "arn:aws:iam::123456789012:role/other" } }));
    aws.change(json!({ "kind": "publish", "function": "payments" }));
    let cases = [
        ("2", "2", 0.5, "400 InvalidParameterValueException"),
        ("$LATEST", "1", 0.5, "400 InvalidParameterValueException"),
        ("2", "1", 1.5, "400 ValidationException"),
        ("2", "live", 0.5, "400 ValidationException"),
        ("2", "9", 0.5, "404 ResourceNotFoundException"),
        ("9", "1", 0.5, "404 ResourceNotFoundException"),
        ("2", "3", 0.5, "400 InvalidParameterValueException"),
    ];
    run(async {
        let client = lambda(&aws);
        for (main, other, weight, expected) in cases {
            let update = client
                .update_alias()
                .function_name("payments")
                .name("live")
                .function_version(main)
                .routing_config(weights(other, weight));
            assert_eq!(
                refusal(update.send().await),
                expected,
                "{main} and {other} at {weight}"
            );
        }
    });
}

#[test]
fn provisioned_concurrency_moves_with_its_alias_and_shows_weights_meanwhile() {
    let aws = Aws::start();
    aws.functions(json!({ "name": "payments", "versions": 2, "alias": "live" }));
    aws.settings(json!({ "provision_ms": 60_000 }));
    run(async {
        let client = lambda(&aws);
        let put = || {
            client
                .put_provisioned_concurrency_config()
                .function_name("payments")
                .qualifier("live")
                .provisioned_concurrent_executions(5)
        };
        let update = |version: &str| {
            client
                .update_alias()
                .function_name("payments")
                .name("live")
                .function_version(version)
        };
        update("2")
            .routing_config(weights("1", 0.5))
            .send()
            .await
            .expect("a split");
        assert_eq!(
            refusal(put().send().await),
            "400 InvalidParameterValueException"
        );
        let none = AliasRoutingConfiguration::builder().build();
        update("2")
            .routing_config(none)
            .send()
            .await
            .expect("an update");
        let status = put().send().await.expect("provisioned").status().cloned();
        assert_eq!(status, Some(ProvisionedConcurrencyStatusEnum::InProgress));
        let moved = update("1").send().await.expect("an update");
        let injected = moved
            .routing_config()
            .and_then(|routing| routing.additional_version_weights());
        assert_eq!(injected.and_then(|weights| weights.get("2")), Some(&1.0));
    });
    let calls = aws.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.service == "lambda" && call.account == "123456789012")
    );
}
