//! Callers of a function on the stand-in: found, moved, taken back.

use aws_sdk_lambda::types::FunctionUrlAuthType;
use serde_json::json;

use super::*;
use crate::platform::lambda::publish::tests::bench::{FUNCTION, StandIn, client};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:paid";

/// A function with an alias, a queue, a topic and an address, none of which knows the alias.
async fn function(aws: &StandIn) -> Client {
    aws.control(
        "POST",
        "functions",
        &json!({ "name": FUNCTION, "versions": 1, "alias": "live" }),
    );
    let client = client(&aws.address);
    client
        .create_event_source_mapping()
        .function_name(FUNCTION)
        .event_source_arn(QUEUE)
        .send()
        .await
        .unwrap();
    client
        .add_permission()
        .function_name(FUNCTION)
        .statement_id("topic")
        .action("lambda:InvokeFunction")
        .principal("sns.amazonaws.com")
        .source_arn(TOPIC)
        .send()
        .await
        .unwrap();
    client
        .create_function_url_config()
        .function_name(FUNCTION)
        .auth_type(FunctionUrlAuthType::AwsIam)
        .send()
        .await
        .unwrap();
    client
}

fn words(triggers: &[Trigger]) -> Vec<String> {
    let mut words: Vec<_> = triggers
        .iter()
        .map(|one| {
            let kind = match &one.way {
                Way::Mapping => "mapping",
                Way::Permission { .. } => "permission",
                Way::Address { .. } => "address",
                Way::Api { .. } => "api",
                Way::Settings(_) => "settings",
            };
            format!("{kind} {:?} {}", one.reached, one.can_be_adopted())
        })
        .collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn every_caller_is_moved_one_by_one_and_can_be_taken_back() {
    let aws = StandIn::start();
    let client = function(&aws).await;
    let place = Place {
        client: &client,
        function: FUNCTION,
        alias: "live",
    };
    let (before, unread) = list(place, Search::Everywhere).await;
    assert_eq!(unread, [""; 0]);
    let all_past = [
        "address Latest true",
        "mapping Latest true",
        "permission Latest true",
    ];
    assert_eq!(words(&before), all_past);

    let mut moved = Vec::new();
    for trigger in &before {
        moved.push(adopt(place, trigger).await.unwrap().unwrap());
        // Once more, as after a crash.
        adopt(place, trigger).await.unwrap();
    }
    let (after, _) = list(place, Search::Everywhere).await;
    assert_eq!(
        words(&after),
        [
            "address Alias false",
            "address Latest false",
            "mapping Alias false",
            "permission Alias false",
            "permission Latest false",
        ]
    );
    let left: Vec<_> = after
        .iter()
        .filter_map(|one| one.left_to_do("arn:aws:lambda:…:receipts:live"))
        .filter(|text| text.starts_with("point"))
        .collect();
    assert_eq!(
        left,
        [format!(
            "point sns.amazonaws.com ({TOPIC}) at `arn:aws:lambda:…:receipts:live`"
        )]
    );

    for one in &moved {
        undo(place, one).await.unwrap();
        undo(place, one).await.unwrap();
    }
    assert_eq!(words(&list(place, Search::Everywhere).await.0), all_past);
}

#[tokio::test]
async fn what_may_not_be_read_is_said() {
    let aws = StandIn::start();
    let client = function(&aws).await;
    aws.set(json!({ "denied": ["lambda:GetPolicy"] }));
    let place = Place {
        client: &client,
        function: FUNCTION,
        alias: "live",
    };
    let (found, unread) = list(place, Search::Everywhere).await;
    assert_eq!(
        words(&found),
        ["address Latest true", "mapping Latest true"]
    );
    assert_eq!(unread.len(), 1);
    assert!(unread[0].contains("lambda:GetPolicy"), "{unread:?}");
}

#[test]
fn an_arn_says_what_it_reaches() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:receipts";
    for (qualifier, reached) in [
        ("", Reached::Latest),
        (":$LATEST", Reached::Latest),
        (":live", Reached::Alias),
        (":7", Reached::Other("7".into())),
    ] {
        assert_eq!(Reached::of(&format!("{arn}{qualifier}"), "live"), reached);
    }
}
