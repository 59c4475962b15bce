//! A session behind the stand-in for AWS (`tests/aws/`).

#[path = "../../../tests/aws/client.rs"]
#[allow(
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    unreachable_pub,
    reason = "shared with the tests of the binary, and linted there"
)]
mod client;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use client::{ACCOUNT, Aws, REGION};

use super::*;
use crate::domain::environment::{Environment, PlatformKind};

fn session(aws: &Aws, account: &str) -> Session {
    let environment = Environment {
        platform: PlatformKind::Lambda,
        account: Some(account.into()),
        region: Some(REGION.into()),
        ..Environment::builtin_local()
    };
    Session::with_variables(&environment, &aws.environment())
}

async fn read_alias(session: &Session) -> Result<()> {
    read_alias_by(&session.lambda().await).await
}

async fn read_alias_by(client: &aws_sdk_lambda::Client) -> Result<()> {
    let alias = client.get_alias().function_name("pay").name("live");
    alias
        .send()
        .await
        .called("lambda:GetAlias", "pay")
        .map(drop)
}

fn answer(status: u16, code: &str, times: u64) -> Value {
    json!({
        "service": "lambda", "operation": "GetAlias", "times": times, "do": "answer",
        "answer": {"status": status, "code": code, "message": "no"},
    })
}

#[tokio::test]
async fn what_aws_refused_or_failed_at_is_tried_again_and_what_somebody_else_won_is_not() {
    let aws = Aws::start();
    let session = session(&aws, ACCOUNT);
    for (status, code, why, calls) in [
        (409, "ResourceConflictException", Why::InProgress, 1),
        (412, "PreconditionFailedException", Why::Lost, 1),
        (
            403,
            "AccessDeniedException",
            Why::Denied {
                principal: None,
                action: "lambda:GetAlias".into(),
                resource: None,
                explicit: false,
            },
            1,
        ),
        (503, "ServiceException", Why::NotFound, 2),
        (429, "TooManyRequestsException", Why::NotFound, 2),
    ] {
        aws.forget_calls();
        aws.forget_rules();
        aws.rule(answer(status, code, 1));
        let error = read_alias(&session).await.unwrap_err();
        assert_eq!(*error.why, why, "{error}");
        assert_eq!(aws.calls().len(), calls, "{code}");
        assert!(error.request_id.is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn a_call_waits_as_long_as_aws_asks_for() {
    let aws = Aws::start();
    let session = session(&aws, ACCOUNT);
    let mut rule = answer(429, "TooManyRequestsException", 1);
    rule["answer"]["retry_after"] = json!(1);
    aws.rule(rule);
    let began = Instant::now();
    let error = read_alias(&session).await.unwrap_err();
    assert_eq!(*error.why, Why::NotFound);
    let waited = began.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(3)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(aws.calls().len(), 2);
}

#[tokio::test]
async fn the_account_is_compared_once_and_another_one_is_refused() {
    let aws = Aws::start();
    let right = session(&aws, ACCOUNT);
    assert_eq!(right.guard().await.unwrap().account, ACCOUNT);
    right.guard().await.unwrap();
    assert_eq!(aws.names(), ["sts.GetCallerIdentity"]);
    assert_eq!(right.source().await, Some(Source::Environment));
    let wrong = session(&aws, "210987654321").guard().await.unwrap_err();
    assert_eq!(
        *wrong.why,
        Why::WrongAccount {
            pinned: "210987654321".into(),
            found: ACCOUNT.into(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/stand-in"),
            source: Some(Source::Environment),
            environment: "local".into(),
        }
    );
}

#[tokio::test]
async fn a_lost_connection_says_whether_the_request_may_have_arrived() {
    let aws = Aws::start();
    let once = session(&aws, ACCOUNT)
        .lambda_to_invoke(Duration::from_secs(5))
        .await;
    aws.rule(json!({"service": "lambda", "do": "reset-after", "times": 0}));
    let error = read_alias_by(&once).await.unwrap_err();
    assert!(error.why.is_ambiguous(), "{error:?}");
    drop(aws);
    let error = read_alias_by(&once).await.unwrap_err();
    assert_eq!(*error.why, Why::Unreachable { sent: false }, "{error:?}");
}
