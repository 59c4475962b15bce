//! Who calls a function, as other tools set it up: queues, topics, addresses and APIs.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::Cloud;
use crate::support::aws::{ACCOUNT, KEY, REGION};

/// The function of these tests, as callers name it.
pub(super) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:receipts";
/// A queue.
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:paid";
/// A topic.
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:paid";

/// What other tools set up, as a request of theirs.
pub(super) fn others(cloud: &Cloud, path: &str, body: &Value) {
    by_others(cloud, "POST", path, body);
}

pub(super) fn by_others(cloud: &Cloud, method: &str, path: &str, body: &Value) {
    let endpoint = cloud.aws.endpoint();
    let address = endpoint.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential={KEY}/20261126/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// A queue whose events go to `target`: the function, or its alias.
pub(crate) fn queue(cloud: &Cloud, target: &str) {
    others(
        cloud,
        "/2015-03-31/event-source-mappings/",
        &json!({ "FunctionName": target, "EventSourceArn": QUEUE, "BatchSize": 5 }),
    );
}

/// A topic that may call it; `qualifier` is empty, or `?Qualifier=live`.
pub(crate) fn topic(cloud: &Cloud, qualifier: &str) {
    others(
        cloud,
        &format!("/2015-03-31/functions/receipts/policy{qualifier}"),
        &json!({ "StatementId": "topic", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
            "SourceArn": TOPIC }),
    );
}

/// An address of it; `qualifier` as for [`topic`].
pub(super) fn address(cloud: &Cloud, qualifier: &str) {
    others(
        cloud,
        &format!("/2021-10-31/functions/receipts/url{qualifier}"),
        &json!({ "AuthType": "AWS_IAM" }),
    );
}

/// Settings for asynchronous invocations; `qualifier` as for [`topic`].
pub(super) fn asynchronous(cloud: &Cloud, qualifier: &str, retries: u64) {
    by_others(
        cloud,
        "PUT",
        &format!("/2019-09-25/functions/receipts/event-invoke-config{qualifier}"),
        &json!({ "MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": { "OnFailure": { "Destination": "arn:aws:sqs:eu-west-1:123456789012:failed" } } }),
    );
}

/// An API, as others made it and deployed it.
pub(super) fn api(cloud: &Cloud, wanted: Value) {
    cloud.aws.control("POST", "apis", &wanted);
}

/// Somebody deploys an API as it is now.
pub(super) fn deploy_api(cloud: &Cloud, id: &str) {
    api(cloud, json!({ "id": id, "deploy": true }));
}

/// The address as most tools write it.
pub(super) fn long(arn: &str) -> String {
    format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations")
}

/// What the first integration of an API calls now.
pub(super) fn target(cloud: &Cloud, id: &str) -> String {
    let apis = cloud.aws.control("GET", "apis", &Value::Null);
    let one = &apis[id]["integrations"][0];
    let uri = if one.is_object() { &one["uri"] } else { one };
    uri.as_str().unwrap().to_owned()
}

/// The function lets an API call it.
pub(super) fn permit(cloud: &Cloud, sid: &str, api: &str) {
    others(
        cloud,
        "/2015-03-31/functions/receipts/policy",
        &json!({ "StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
            "SourceArn": format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/*/receipts") }),
    );
}

/// Somebody removes a permission of the function as a whole.
pub(super) fn forbid(cloud: &Cloud, sid: &str) {
    let path = format!("/2015-03-31/functions/receipts/policy/{sid}");
    by_others(cloud, "DELETE", &path, &json!({}));
}

/// A function behind an HTTP API that deploys by itself, with a permission that names it.
pub(super) fn behind_an_api() -> Cloud {
    let cloud = Cloud::with_function(2);
    api(
        &cloud,
        json!({ "id": "a1b2c3", "name": "shop", "integrations": [long(FUNCTION), "https://example.com/"] }),
    );
    permit(&cloud, "api", "a1b2c3");
    cloud.aws.forget_calls();
    cloud
}

/// A function behind an API that somebody has to deploy, with a permission that names it: `rest`, or an HTTP API.
pub(super) fn behind_a_stage(kind: &str) -> Cloud {
    let cloud = Cloud::with_function(2);
    api(
        &cloud,
        json!({ "id": "older", "name": "older", "kind": kind, "auto_deploy": false, "integrations": [long(FUNCTION)] }),
    );
    permit(&cloud, "api", "older");
    cloud.aws.forget_calls();
    cloud
}

/// A function with a queue, a topic, an address and an API that call past its alias, and settings for asynchronous
/// invocations that the alias has not.
pub(super) fn with_callers() -> Cloud {
    let cloud = Cloud::with_function(2);
    queue(&cloud, "receipts");
    topic(&cloud, "");
    address(&cloud, "");
    asynchronous(&cloud, "", 1);
    permit(&cloud, "api", "a1b2c3");
    api(
        &cloud,
        json!({ "id": "a1b2c3", "name": "shop", "integrations": [FUNCTION] }),
    );
    cloud.aws.forget_calls();
    cloud
}

/// How many callers of [`with_callers`] pass by the alias and can be moved.
pub(super) const MOVABLE: usize = 6;
