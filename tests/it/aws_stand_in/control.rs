//! What the control API does to calls.

use std::time::Duration;

use serde_json::json;

use super::{lambda, refusal, run};
use crate::support::Aws;
use crate::support::aws::Release;

const LONG: Duration = Duration::from_mins(1);

fn description(aws: &Aws) -> String {
    let function = aws.function("payments");
    function["aliases"]["live"]["Description"]
        .as_str()
        .expect("a description")
        .to_owned()
}

/// Describes the alias; whether an answer came.
async fn describe(client: &aws_sdk_lambda::Client, text: &str) -> Result<String, String> {
    let update = client
        .update_alias()
        .function_name("payments")
        .name("live")
        .description(text);
    match update.send().await {
        Ok(alias) => Ok(alias.description().expect("a description").to_owned()),
        Err(error) => Err(error
            .raw_response()
            .map_or("no answer".to_owned(), |response| {
                response.status().to_string()
            })),
    }
}

fn aws() -> Aws {
    let aws = Aws::start();
    aws.functions(json!({ "name": "payments", "versions": 2, "alias": "live" }));
    aws
}

#[test]
fn a_call_whose_client_dies_while_it_is_held_is_not_applied_unless_it_was_on_its_way() {
    let aws = aws();
    for (how, expected) in [(Release::Continue, ""), (Release::Apply, "Apply")] {
        aws.rule(json!({ "service": "lambda", "writes": true, "do": "hold-before" }));
        run(async {
            let client = lambda(&aws);
            let text = format!("{how:?}");
            let call = tokio::spawn(async move { describe(&client, &text).await });
            let aws = &aws;
            tokio::task::yield_now().await;
            let held = loop {
                let held = aws.held();
                if !held.is_empty() {
                    break held;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            assert_eq!(
                (held[0].operation.as_str(), held[0].point.as_str()),
                ("UpdateAlias", "before")
            );
            call.abort();
            assert!(call.await.expect_err("aborted").is_cancelled());
        });
        assert!(aws.wait_gone(LONG)[0].gone);
        aws.release(how);
        while aws.calls().iter().any(|call| call.ended.is_none()) {}
        assert_eq!(description(&aws), expected);
    }
}

#[test]
fn a_connection_is_reset_before_or_after_the_write() {
    let aws = aws();
    aws.rule(json!([
        { "operation": "UpdateAlias", "nth": 1, "do": "reset-before" },
        { "operation": "UpdateAlias", "nth": 2, "do": "reset-after" },
        { "operation": "UpdateAlias", "nth": 3, "do": "answer", "answer": { "status": 503, "code": "ServiceUnavailable" } },
        { "operation": "UpdateAlias", "nth": 4, "do": "answer-after", "answer": { "status": 500, "code": "ServiceException" } },
        { "operation": "UpdateAlias", "nth": 5, "do": "change", "change": { "kind": "alias", "function": "payments", "version": "1", "description": "theirs" } },
    ]));
    run(async {
        let client = lambda(&aws);
        let silent = || Err("no answer".to_owned());
        assert_eq!(
            (describe(&client, "one").await, description(&aws)),
            (silent(), String::new())
        );
        assert_eq!(
            (describe(&client, "two").await, description(&aws)),
            (silent(), "two".to_owned())
        );
        assert_eq!(
            (describe(&client, "three").await, description(&aws)),
            (Err("503".to_owned()), "two".to_owned())
        );
        assert_eq!(
            (describe(&client, "four").await, description(&aws)),
            (Err("500".to_owned()), "four".to_owned())
        );
        let alias = client
            .get_alias()
            .function_name("payments")
            .name("live")
            .send()
            .await;
        let revision = alias
            .expect("an alias")
            .revision_id()
            .expect("a revision")
            .to_owned();
        let update = client.update_alias().function_name("payments").name("live");
        let lost = update
            .description("five")
            .revision_id(revision)
            .send()
            .await;
        assert_eq!(refusal(lost), "412 PreconditionFailedException");
        assert_eq!(description(&aws), "theirs");
    });
    let faults: Vec<_> = aws
        .calls()
        .into_iter()
        .map(|call| call.fault.unwrap_or_default())
        .collect();
    assert_eq!(
        faults,
        [
            "reset-before",
            "reset-after",
            "answer",
            "answer-after",
            "",
            "change"
        ]
    );
}

#[test]
fn chance_strikes_at_its_rate_and_alike_for_a_seed() {
    let aws = aws();
    let strikes = |seed: u64| {
        aws.settings(json!({ "faults": { "rate": 0.2, "seed": seed } }));
        aws.forget_calls();
        run(async {
            let client = lambda(&aws);
            for _ in 0..200 {
                // What comes back is not the point.
                drop(describe(&client, "x").await);
            }
        });
        let calls = aws.calls();
        calls.into_iter().map(|call| call.fault).collect::<Vec<_>>()
    };
    let (first, _, again) = (strikes(7), strikes(8), strikes(7));
    assert_eq!(first, again);
    let struck = first.iter().flatten().count();
    assert!((20..=60).contains(&struck), "{struck}");
}

#[test]
fn quotas_are_those_of_the_service() {
    let aws = aws();
    aws.settings(json!({ "quotas": true, "quota_retry_after": 1 }));
    run(async {
        let client = lambda(&aws);
        let mut passed = 0;
        let refused = loop {
            match client
                .get_alias()
                .function_name("payments")
                .name("live")
                .send()
                .await
            {
                Ok(_) => passed += 1,
                Err(error) => break error,
            }
        };
        assert!((15..=20).contains(&passed), "{passed}");
        let response = refused.raw_response().expect("an answer");
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.headers().get("retry-after"), Some("1"));
        assert!(
            refused
                .as_service_error()
                .expect("an error")
                .is_too_many_requests_exception()
        );
        // GetFunction has a bucket of its own.
        client
            .get_function()
            .function_name("payments")
            .send()
            .await
            .expect("a function");
    });
}

#[test]
fn keys_belong_to_accounts_and_expire() {
    let aws = aws();
    run(async {
        let client = lambda(&aws);
        aws.keys(json!({ (super::KEY): { "account": "999999999999" } }));
        let elsewhere = client.get_function().function_name("payments").send().await;
        assert_eq!(refusal(elsewhere), "404 ResourceNotFoundException");
        aws.keys(json!({ (super::KEY): { "expired": true } }));
        let expired = client.get_function().function_name("payments").send().await;
        assert_eq!(refusal(expired), "403 ExpiredTokenException");
        aws.keys(json!({ (super::KEY): { "account": "123456789012", "expired": false } }));
        aws.settings(json!({ "denied": ["lambda:UpdateAlias"] }));
        assert_eq!(describe(&client, "x").await, Err("403".to_owned()));
    });
}
