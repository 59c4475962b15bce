//! While AWS moves provisioned concurrency it sets weights on the alias and gives it another `RevisionId`: neither is
//! drift, nor somebody else's commit.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Aws;
use super::{There, alias, all, commit, function, name, shared, write};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::lambda::Lambda;
use crate::platform::{Commit, Error, Platform};

/// A function with three versions, all traffic on the first, and provisioned concurrency that is ready.
async fn provisioned(aws: &Aws, platform: &Lambda, service: &ServiceName, move_ms: u64) {
    function(aws, service.as_str(), 3);
    write(platform, service, &commit(all(1), "", "setup")).await;
    aws.settings(json!({ "provision_ms": 0 }));
    let client = platform.session().lambda().await;
    client
        .put_provisioned_concurrency_config()
        .function_name(service.as_str())
        .qualifier("live")
        .provisioned_concurrent_executions(2)
        .send()
        .await
        .unwrap();
    aws.settings(json!({ "provision_ms": move_ms }));
}

/// Waits until the alias is so.
async fn until(aws: &Aws, function: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let alias = alias(aws, function);
        if is_so(&alias) {
            return alias;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never so: {}", alias(aws, function));
}

/// The weight that AWS sets: everything still goes to the version before.
fn moves_to(version: &str) -> impl Fn(&Value) -> bool {
    move |alias| alias["FunctionVersion"] == version && alias["RoutingConfig"].is_object()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_that_aws_sets_are_no_drift_and_are_waited_for() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (platform, other) = (there.platform(), there.platform());
    let service = name("warm");
    provisioned(&aws, &platform, &service, 1500).await;
    let deploy = commit(all(2), "", "ana");
    let writing = {
        let (platform, service, deploy) = (Arc::clone(&platform), service.clone(), deploy.clone());
        tokio::spawn(async move { write(&platform, &service, &deploy).await })
    };
    let moving = until(&aws, "warm", moves_to("2")).await;
    assert_eq!(
        moving["RoutingConfig"],
        json!({ "AdditionalVersionWeights": { "1": 1.0 } })
    );
    let live = other.observe(&service).await.unwrap();
    assert_eq!(live.split, Some(all(2)));
    assert_eq!(
        live.last_commit.as_ref().unwrap().operation,
        deploy.operation
    );
    let said = "AWS still sends 100 % to 1 until what is provisioned on 2 is ready";
    assert_eq!(
        live.revision(RevisionNumber(2)).unwrap().problem.as_deref(),
        Some(said)
    );
    assert_eq!(live.lag.unwrap().told(), said);
    assert!(!writing.is_finished(), "it did not wait");

    let token = writing.await.unwrap();
    let after = alias(&aws, "warm");
    assert_eq!(after["RoutingConfig"], Value::Null);
    // The token is that of the alias as it is now, so that the next commit needs no second try.
    assert_eq!(json!(token.0), after["RevisionId"]);
    assert_ne!(moving["RevisionId"], after["RevisionId"]);
    aws.forget_calls();
    platform
        .commit(&service, &token, &commit(all(2), "v1 r1", "ana"), &|_| {})
        .await
        .unwrap();
    let updates = aws
        .names()
        .iter()
        .filter(|name| *name == "lambda.UpdateAlias")
        .count();
    assert_eq!(updates, 1);

    // Weights of somebody else are drift here too.
    aws.change(json!({ "kind": "alias", "function": "warm", "weights": { "3": 0.5 } }));
    let live = platform.observe(&service).await.unwrap();
    assert_eq!(
        (live.split, live.last_commit),
        (Some(shared(2, 3, 50)), None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_does_not_wait_and_the_revision_id_that_aws_changed_is_no_lost_race() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("warm");
    provisioned(&aws, &platform, &service, 700).await;
    let back = |to: u64, from: u64| Commit {
        leaves: Some(RevisionNumber(from)),
        ..commit(all(to), "", "ana")
    };
    let token = platform.observe(&service).await.unwrap().token;
    let token = platform
        .commit(&service, &token, &back(2, 1), &|_| {})
        .await
        .unwrap();
    assert!(moves_to("2")(&alias(&aws, "warm")), "it waited");
    until(&aws, "warm", |alias| alias["RevisionId"] != json!(token.0)).await;
    let after = platform
        .commit(&service, &token, &back(1, 2), &|_| {})
        .await
        .unwrap();
    let now = alias(&aws, "warm");
    assert_eq!(
        (&now["FunctionVersion"], &now["RevisionId"]),
        (&json!("1"), &json!(after.0))
    );

    // A commit of somebody else is one, whatever AWS does.
    until(&aws, "warm", |alias| alias["RevisionId"] != json!(after.0)).await;
    let bob = There::new(&aws).platform();
    write(
        &bob,
        &service,
        &Commit {
            leaves: Some(RevisionNumber(1)),
            ..commit(all(3), "", "bob")
        },
    )
    .await;
    match platform
        .commit(&service, &after, &back(2, 1), &|_| {})
        .await
    {
        Err(Error::Conflict {
            winner: Some(winner),
        }) => assert_eq!(winner.actor.name, "bob"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_got_lost_while_aws_moves_is_no_lost_race() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("warm");
    provisioned(&aws, &platform, &service, 5000).await;
    let token = platform.observe(&service).await.unwrap().token;
    aws.rule(json!({ "operation": "UpdateAlias", "do": "reset-after" }));
    let wanted = Commit {
        leaves: Some(RevisionNumber(1)),
        ..commit(all(2), "", "ana")
    };
    let after = platform
        .commit(&service, &token, &wanted, &|_| {})
        .await
        .unwrap();
    let now = alias(&aws, "warm");
    assert!(moves_to("2")(&now), "{now}");
    assert_eq!(json!(after.0), now["RevisionId"]);
}

#[tokio::test]
async fn what_cannot_be_provisioned_is_told_and_the_traffic_has_changed() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("warm");
    provisioned(&aws, &platform, &service, 0).await;
    aws.settings(json!({ "fail_provisioning": "no capacity in this zone" }));
    let token = platform.observe(&service).await.unwrap().token;
    let failed = platform
        .commit(&service, &token, &commit(all(2), "", "ana"), &|_| {})
        .await;
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the alias is on 2, and AWS still sends 100 % to 1, because provisioned concurrency could not be allocated on 2: no capacity in this zone"
    );
    let live = platform.observe(&service).await.unwrap();
    assert_eq!(live.split, Some(all(2)));
    let two = live.revision(RevisionNumber(2)).unwrap();
    assert_eq!(two.health, crate::domain::live::Health::Degraded);
    let told = two.problem.clone().unwrap();
    assert!(
        told.starts_with("AWS still sends 100 % to 1, because "),
        "{told}"
    );
}

/// The stable version stays the alias's own at every weight, so that neither a step nor an abort moves what is provisioned.
#[tokio::test]
async fn no_step_and_no_abort_of_a_rollout_moves_what_is_provisioned() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("warm");
    provisioned(&aws, &platform, &service, 60_000).await;
    for weight in [10, 60, 99] {
        write(
            &platform,
            &service,
            &commit(shared(1, 2, weight), "", "ana"),
        )
        .await;
        let now = alias(&aws, "warm");
        assert_eq!(now["FunctionVersion"], json!("1"));
        assert_eq!(
            now["RoutingConfig"]["AdditionalVersionWeights"],
            json!({ "2": f64::from(weight) / 100.0 })
        );
    }
    let back = Commit {
        leaves: Some(RevisionNumber(2)),
        ..commit(all(1), "", "ana")
    };
    write(&platform, &service, &back).await;
    assert_eq!(alias(&aws, "warm")["RoutingConfig"], Value::Null);
    assert_eq!(platform.observe(&service).await.unwrap().lag, None);
}
