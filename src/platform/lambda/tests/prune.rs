//! Which versions are deleted: only what squad published, and nothing that anything refers to.

use serde_json::json;

use super::client::{Aws, Call};
use super::{There, all, commit, name, write};
use crate::domain::release::RevisionNumber;
use crate::platform::Platform;
use crate::platform::lambda::Lambda;

const FUNCTION: &str = "pruned";

/// Fifteen versions: 1 and 2 of others, the rest squad's.
fn versions(aws: &Aws) {
    aws.functions(json!({ "name": FUNCTION, "versions": 0 }));
    for number in 1..=15 {
        let description = match number {
            1 => String::new(),
            2 => "squad/9 of a later squad".to_owned(),
            _ => format!("squad/1 d=sha256:{number:064x} by=ana on laptop"),
        };
        aws.change(json!({ "kind": "publish", "function": FUNCTION, "description": description }));
    }
}

/// What others made: an alias with a weight, one with a rollout of squad's under way, and provisioned concurrency of
/// a version.
async fn others(platform: &Lambda) {
    let client = platform.session().lambda().await;
    let alias = |name: &str, version: &str| {
        client
            .create_alias()
            .function_name(FUNCTION)
            .name(name)
            .function_version(version)
    };
    let weights = aws_sdk_lambda::types::AliasRoutingConfiguration::builder()
        .additional_version_weights("4", 0.1)
        .build();
    let beta = alias("beta", "3").routing_config(weights);
    beta.send().await.unwrap();
    let second = alias("second", "15")
        .description("squad/1 id=01K8ZC ph=holding s=6 c=7 |o=01K8ZCXQ3V5R8M2T6W9Y0A1B2C h=15");
    second.send().await.unwrap();
    client
        .put_provisioned_concurrency_config()
        .function_name(FUNCTION)
        .qualifier("5")
        .provisioned_concurrent_executions(1)
        .send()
        .await
        .unwrap();
}

fn there_now(aws: &Aws) -> Vec<u64> {
    aws.function(FUNCTION)["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["Version"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn deletions(aws: &Aws) -> Vec<String> {
    let calls = aws.calls();
    let deletions = calls
        .iter()
        .filter(|call| call.operation == "DeleteFunction");
    deletions
        .map(|call: &Call| call.parameter("Qualifier").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn only_what_squad_published_and_nothing_refers_to_is_deleted() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    others(&platform).await;
    // 9 is what a rollback goes back to, and 11 to 15 are the newest.
    write(&platform, &service, &commit(all(9), "", "ana")).await;
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned, [RevisionNumber(8), RevisionNumber(10)]);
    assert_eq!(deletions(&aws), ["8", "10"]);
    assert_eq!(
        there_now(&aws),
        [1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15]
    );
    assert_eq!(platform.prune(&service).await.unwrap(), []);
    assert_eq!(deletions(&aws).len(), 2);
}

/// An account that never had provisioned concurrency may say so with a 404: that is none, and no failure.
#[tokio::test]
async fn no_list_of_provisioned_concurrency_is_none() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    let none = json!({ "status": 404, "code": "ProvisionedConcurrencyConfigNotFoundException",
        "message": "No Provisioned Concurrency Config found for this function" });
    aws.rule(json!({ "operation": "ListProvisionedConcurrencyConfigs", "times": 0, "do": "answer", "answer": none }));
    platform.retire(&service, RevisionNumber(10)).await.unwrap();
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned, (3..=9).map(RevisionNumber).collect::<Vec<_>>());
}

/// Between the look and the deletion somebody points an alias at it: AWS refuses, and the rest goes on.
#[tokio::test]
async fn what_comes_into_use_meanwhile_is_kept() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    others(&platform).await;
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    aws.rule(
        json!({ "operation": "DeleteFunction", "do": "change", "change": {
        "kind": "alias", "function": FUNCTION, "alias": "beta", "version": "8", "weights": {} } }),
    );
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned, [RevisionNumber(9), RevisionNumber(10)]);
    assert!(there_now(&aws).contains(&8));
}

/// Whoever rolled back since the look has another note in the alias: what it goes back to stays, and what it left is known.
#[tokio::test]
async fn what_the_alias_says_now_counts() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    let digest = |number: u64| format!("sha256:{number:064x}");
    let note = |served: &str, left: &str| {
        json!({ "kind": "alias", "function": FUNCTION, "alias": "live", "version": "15",
            "description": format!("|o=01K8ZCXQ3V5R8M2T6W9Y0A1B2C h={served} x={left} by=bob on ci") })
    };
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    aws.rule(json!({ "operation": "ListAliases", "do": "change", "change": note("15.8", "9") }));
    let pruned = platform.prune(&service).await.unwrap();
    let numbers: Vec<_> = pruned.iter().map(|number| number.0).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7, 9, 10]);
    for (number, left) in [(8, None), (9, Some(9)), (4, None), (5, None)] {
        let known = platform.left(&service, &digest(number)).await.unwrap();
        assert_eq!(known.map(|left| left.revision.0), left, "{number}");
    }
}

/// A live rollout's stable revision has no traffic while the canary has all of it.
#[tokio::test]
async fn what_a_live_rollout_needs_is_kept_until_it_is_over() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    let rollout = |phase: &str| format!("squad/1 id=01K8ZC g=1 ph={phase} s=3 c=4 p=ab12cd34");
    write(
        &platform,
        &service,
        &commit(all(15), &rollout("watching"), "ana"),
    )
    .await;
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned, (5..=10).map(RevisionNumber).collect::<Vec<_>>());
    write(
        &platform,
        &service,
        &commit(all(15), &rollout("succeeded"), "ana"),
    )
    .await;
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned, [RevisionNumber(3), RevisionNumber(4)]);
}

/// The alias tells the numbers of versions that were left; of what is deleted an object tells the release.
#[tokio::test]
async fn what_was_left_is_known_after_it_is_deleted_until_it_served_again() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    let digest = |number: u64| format!("sha256:{number:064x}");
    let publish = |digest: &str| {
        let description = format!("squad/1 d={digest} by=ana on laptop");
        aws.change(json!({ "kind": "publish", "function": FUNCTION, "description": description }));
    };
    write(&platform, &service, &commit(all(7), "", "ana")).await;
    let mut leaves = commit(all(15), "", "ana");
    leaves.leaves = Some(RevisionNumber(7));
    write(&platform, &service, &leaves).await;
    for served in [11, 12, 13, 14, 15] {
        write(&platform, &service, &commit(all(served), "", "ana")).await;
    }
    let left = platform.left(&service, &digest(7)).await.unwrap();
    assert_eq!(left.map(|left| left.revision), Some(RevisionNumber(7)));
    // Killed between the object and the deletion: nothing is lost, and the next one does both.
    aws.rule(
        json!({ "operation": "DeleteFunction", "function": FUNCTION, "nth": 5, "do": "answer",
        "answer": { "status": 403, "code": "AccessDeniedException", "message": "no" } }),
    );
    platform.prune(&service).await.unwrap_err();
    assert!(there_now(&aws).contains(&7));
    let pruned = platform.prune(&service).await.unwrap();
    assert_eq!(pruned.first(), Some(&RevisionNumber(7)));
    let left = platform.left(&service, &digest(7)).await.unwrap();
    assert_eq!(left.map(|left| left.revision), Some(RevisionNumber(7)));
    assert_eq!(platform.left(&service, &digest(8)).await.unwrap(), None);

    // Deployed again, it served, and went the way of all old versions.
    publish(&digest(7));
    write(&platform, &service, &commit(all(16), "", "ana")).await;
    for number in 17..=22 {
        publish(&digest(number));
        write(&platform, &service, &commit(all(number), "", "ana")).await;
    }
    platform.prune(&service).await.unwrap();
    assert!(!there_now(&aws).contains(&16));
    assert_eq!(platform.left(&service, &digest(7)).await.unwrap(), None);
}

/// Another alias of the function is another environment's: what its rollback goes back to stays, and what it left.
#[tokio::test]
async fn what_a_rollback_of_another_alias_needs_is_kept() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    let client = platform.session().lambda().await;
    let other = client
        .create_alias()
        .function_name(FUNCTION)
        .name("staging")
        .function_version("15")
        .description("|o=01K8ZCXQ3V5R8M2T6W9Y0A1B2C h=15.4 x=6");
    other.send().await.unwrap();
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    let pruned = platform.prune(&service).await.unwrap();
    let numbers: Vec<_> = pruned.iter().map(|number| number.0).collect();
    assert_eq!(numbers, [3, 5, 7, 8, 9, 10]);
}

/// Who calls a version by its number calls nothing once it is deleted: AWS does not refuse that.
#[tokio::test]
async fn what_somebody_calls_by_its_number_is_kept() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name(FUNCTION);
    versions(&aws);
    write(&platform, &service, &commit(all(15), "", "ana")).await;
    let client = platform.session().lambda().await;
    let mapping = client
        .create_event_source_mapping()
        .function_name(format!("{FUNCTION}:4"))
        .event_source_arn("arn:aws:sqs:eu-west-1:123456789012:paid");
    mapping.send().await.unwrap();
    let permission = client
        .add_permission()
        .function_name(FUNCTION)
        .qualifier("6")
        .statement_id("api")
        .action("lambda:InvokeFunction")
        .principal("apigateway.amazonaws.com");
    permission.send().await.unwrap();
    let pruned = platform.prune(&service).await.unwrap();
    let numbers: Vec<_> = pruned.iter().map(|number| number.0).collect();
    assert_eq!(numbers, [3, 5, 7, 8, 9, 10]);
    for number in [4, 6] {
        let refused = platform.retire(&service, RevisionNumber(number)).await;
        assert!(refused.is_err(), "{number} was deleted");
    }
}
