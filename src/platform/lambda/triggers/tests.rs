//! Callers of a function on the stand-in: found, moved, taken back.

use aws_sdk_lambda::types::FunctionUrlAuthType;
use serde_json::json;

use super::permission::permitted;
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

/// Whatever somebody else made in its place since is not squad's to take away.
#[tokio::test]
async fn what_others_made_since_is_not_taken_back() {
    let aws = StandIn::start();
    let client = function(&aws).await;
    let place = Place {
        client: &client,
        function: FUNCTION,
        alias: "live",
    };
    let mut moved = Vec::new();
    for trigger in &list(place, Search::Everywhere).await.0 {
        moved.push(adopt(place, trigger).await.unwrap().unwrap());
    }
    let removed = client.delete_function_url_config();
    let removed = removed.function_name(FUNCTION).qualifier("live");
    removed.send().await.unwrap();
    let made = client.create_function_url_config().function_name(FUNCTION);
    let made = made
        .qualifier("live")
        .auth_type(FunctionUrlAuthType::AwsIam);
    let theirs = made.send().await.unwrap().function_url;
    let removed = client.remove_permission().function_name(FUNCTION);
    let removed = removed.qualifier("live").statement_id("topic");
    removed.send().await.unwrap();
    let made = client.add_permission().function_name(FUNCTION);
    let made = made.qualifier("live").statement_id("topic");
    let made = made
        .action("lambda:InvokeFunction")
        .principal("s3.amazonaws.com");
    made.send().await.unwrap();
    let said = async |moved: &Moved| match undo(place, moved).await {
        Ok(()) => "taken back".to_owned(),
        Err(error) => error.to_string(),
    };
    for one in &moved {
        let wanted = match one {
            Moved::Address { .. } => {
                format!("the alias has the address {theirs} now, which squad did not make")
            }
            Moved::Permission { .. } => format!(
                "somebody has given the alias `live` of `{FUNCTION}` another permission under the id `topic` since"
            ),
            _ => "taken back".to_owned(),
        };
        assert_eq!(said(one).await, wanted);
    }
    // The log of before does not tell what was granted; the function's own permission does.
    let of_before = Moved::Permission {
        id: String::from("topic"),
        grant: String::new(),
    };
    assert!(undo(place, &of_before).await.is_err());
    // An address whose making was never seen to its end is one that is set as the function's own is.
    let never_seen = Moved::Address { url: String::new() };
    let changed = client.update_function_url_config().function_name(FUNCTION);
    let changed = changed
        .qualifier("live")
        .auth_type(FunctionUrlAuthType::None);
    changed.send().await.unwrap();
    assert!(undo(place, &never_seen).await.is_err());
    let (now, _) = list(place, Search::Everywhere).await;
    assert!(words(&now).contains(&"address Alias false".to_owned()));
    assert!(words(&now).contains(&"permission Alias false".to_owned()));
}

/// Between the look and the move somebody else gave the alias an address: it is theirs, and no undo takes it away.
#[tokio::test]
async fn an_address_that_somebody_else_made_first_is_not_ours() {
    let aws = StandIn::start();
    let client = function(&aws).await;
    let place = Place {
        client: &client,
        function: FUNCTION,
        alias: "live",
    };
    let (found, _) = list(place, Search::Everywhere).await;
    let address = found
        .iter()
        .find(|one| matches!(one.way, Way::Address { .. }));
    let made = client.create_function_url_config().function_name(FUNCTION);
    let made = made
        .qualifier("live")
        .auth_type(FunctionUrlAuthType::AwsIam);
    made.send().await.unwrap();
    assert_eq!(adopt(place, address.unwrap()).await.unwrap(), None);
}

/// A lost answer is no other's address.
#[tokio::test]
async fn an_address_whose_answer_got_lost_is_ours() {
    let aws = StandIn::start();
    let client = function(&aws).await;
    let place = Place {
        client: &client,
        function: FUNCTION,
        alias: "live",
    };
    let (found, _) = list(place, Search::Everywhere).await;
    let address = found
        .iter()
        .find(|one| matches!(one.way, Way::Address { .. }));
    aws.rule(json!({ "operation": "CreateFunctionUrlConfig", "do": "reset-after" }));
    let moved = adopt(place, address.unwrap()).await.unwrap().unwrap();
    undo(place, &moved).await.unwrap();
    let (now, _) = list(place, Search::Everywhere).await;
    assert!(!words(&now).contains(&"address Alias false".to_owned()));
}

/// A permission that says more than squad can copy is a person's to give.
#[test]
fn a_permission_that_is_not_understood_is_moved_by_hand() {
    let statement = |sid: &str, resource: &str| {
        let text = format!(
            r#"{{"Statement": [{{"Sid": "{sid}", "Effect": "Allow", "Principal": {{"AWS": ["1", "2"]}},
                "Action": "lambda:InvokeFunction", "Resource": "{resource}"}}]}}"#
        );
        policy::parse(&text)
    };
    let before = permitted(statement("both", "function"), &[]);
    assert_eq!(words(&before), ["permission Latest false"]);
    assert_eq!(
        before[0].left_to_do("arn:live").unwrap(),
        "give the alias the permission `both` of the function, which squad cannot copy (no single principal), and point 1, 2 \
         at `arn:live`"
    );
    let after = permitted(statement("both", "function"), &statement("other", "alias"));
    assert_eq!(
        after[0].left_to_do("arn:live").unwrap(),
        "point 1, 2 at `arn:live`"
    );
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
