//! `squad doctor` finds who calls past the alias; `squad deploy --adopt-alias` moves them, and back.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use crate::support::aws::{KEY, REGION};

/// What other tools set up, as a request of theirs.
fn others(cloud: &Cloud, path: &str, body: &Value) {
    let endpoint = cloud.aws.endpoint();
    let address = endpoint.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential={KEY}/20261126/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let cloud = Cloud::with_function(2);
    cloud
        .squad(&["doctor", "receipts"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .aws
        .functions(json!({ "name": "bare", "versions": 1 }));
    cloud
        .squad(&["doctor", "bare", "-o", "json"])
        .failure(3)
        .assert(str![[r#""#]]);
    cloud
        .aws
        .keys(json!({ (KEY): { "account": "999999999999" } }));
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#""#]]);
}

#[test]
fn callers_are_moved_and_taken_back() {
    let cloud = Cloud::with_function(2);
    others(
        &cloud,
        "/2015-03-31/event-source-mappings/",
        &json!({ "FunctionName": "receipts", "EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:paid" }),
    );
    others(
        &cloud,
        "/2015-03-31/functions/receipts/policy",
        &json!({ "StatementId": "topic", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
            "SourceArn": "arn:aws:sns:eu-west-1:123456789012:paid" }),
    );
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#""#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--yes"])
        .success()
        .assert(str![[r#""#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--yes"])
        .success()
        .assert(str![[r#""#]]);
    cloud.squad(&["doctor", "receipts"]).success();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo", "--yes"])
        .success()
        .assert(str![[r#""#]]);
    cloud.squad(&["doctor", "receipts"]).failure(3);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo", "--yes"])
        .success()
        .assert(str![[r#""#]]);
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}
