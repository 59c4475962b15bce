//! An alias that AWS is busy with, and one whose `RevisionId` moves while it stays what it is: the write is tried again,
//! never over what somebody else wrote.

use serde_json::{Value, json};

use super::client::Aws;
use super::{There, alias, all, calls, commit, function, name, write};
use crate::platform::{Error, Platform};

/// The answers of `UpdateAlias` that are tried again.
fn answers() -> [Value; 2] {
    [
        json!({ "status": 409, "code": "ResourceConflictException",
            "message": "The operation cannot be performed at this time. An update is in progress for resource" }),
        json!({ "status": 412, "code": "PreconditionFailedException",
            "message": "The Revision Id provided does not match the latest Revision Id." }),
    ]
}

#[tokio::test]
async fn a_write_that_aws_is_too_busy_for_is_tried_again() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("busy");
    function(&aws, "busy", 2);
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    for (answer, to) in answers().into_iter().zip([2, 1]) {
        let token = platform.observe(&service).await.unwrap().token;
        aws.rule(
            json!({ "operation": "UpdateAlias", "times": 5, "do": "answer", "answer": answer }),
        );
        aws.forget_calls();
        platform
            .commit(&service, &token, &commit(all(to), "", "ana"), &|_| {})
            .await
            .unwrap();
        // The alias is read before each try, and what is provisioned after the last one.
        let mut wanted = ["lambda:UpdateAlias", "lambda:GetAlias"].repeat(5);
        wanted.extend([
            "lambda:UpdateAlias",
            "lambda:ListProvisionedConcurrencyConfigs",
        ]);
        assert_eq!(calls(&aws), wanted);
        assert_eq!(
            alias(&aws, "busy")["FunctionVersion"],
            json!(to.to_string())
        );
    }
}

#[tokio::test]
async fn an_alias_that_cannot_be_made_just_now_is_made_later() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("busy");
    function(&aws, "busy", 1);
    let [busy, _] = answers();
    aws.rule(json!({ "operation": "CreateAlias", "times": 2, "do": "answer", "answer": busy }));
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    assert_eq!(alias(&aws, "busy")["FunctionVersion"], json!("1"));
}

/// Whatever AWS answers, what somebody wrote meanwhile stays, and they are named.
#[tokio::test]
async fn what_somebody_wrote_meanwhile_is_never_written_over() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("busy");
    function(&aws, "busy", 3);
    write(&platform, &service, &commit(all(1), "", "setup")).await;
    for (number, answer) in answers().into_iter().enumerate() {
        let token = platform.observe(&service).await.unwrap().token;
        aws.rule(
            json!({ "operation": "UpdateAlias", "times": 0, "do": "answer", "answer": answer }),
        );
        // Just before the alias is read for the third try.
        let bob = format!("|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0{number} h=3.1 by=bob on ci");
        aws.rule(json!({
            "operation": "GetAlias", "nth": 3, "do": "change",
            "change": { "kind": "alias", "function": "busy", "alias": "live", "version": "3", "description": bob },
        }));
        let lost = platform
            .commit(&service, &token, &commit(all(2), "", "ana"), &|_| {})
            .await;
        aws.forget_rules();
        match lost {
            Err(Error::Conflict {
                winner: Some(winner),
            }) => assert_eq!(winner.actor.name, "bob"),
            other => panic!("{other:?}"),
        }
        assert_eq!(alias(&aws, "busy")["Description"], json!(bob));
    }
    // Weights alone too.
    let token = platform.observe(&service).await.unwrap().token;
    let [busy, _] = answers();
    aws.rule(json!({ "operation": "UpdateAlias", "times": 0, "do": "answer", "answer": busy }));
    aws.rule(json!({
        "operation": "GetAlias", "nth": 2, "do": "change",
        "change": { "kind": "alias", "function": "busy", "alias": "live", "weights": { "2": 0.5 } },
    }));
    let lost = platform
        .commit(&service, &token, &commit(all(2), "", "ana"), &|_| {})
        .await;
    assert!(
        matches!(lost, Err(Error::Conflict { winner: None })),
        "{lost:?}"
    );
}

/// Permissions that others give move the `RevisionId`; however often, nobody has changed the traffic.
#[tokio::test]
async fn a_revision_id_that_moves_again_and_again_is_no_lost_race() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    let service = name("busy");
    function(&aws, "busy", 2);
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    let token = platform.observe(&service).await.unwrap().token;
    aws.rule(json!({
        "operation": "UpdateAlias", "times": 6, "do": "change",
        "change": { "kind": "alias", "function": "busy", "alias": "live" },
    }));
    platform
        .commit(&service, &token, &commit(all(2), "", "ana"), &|_| {})
        .await
        .unwrap();
    assert_eq!(alias(&aws, "busy")["FunctionVersion"], json!("2"));
}
