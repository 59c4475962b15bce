//! Waking a version that nobody called for weeks.
//!
//! AWS takes the resources of such a version away. "When you try to invoke a function that is inactive, the invocation
//! fails and Lambda sets the function to pending state until the function resources are recreated" (AWS Lambda Developer
//! Guide, "Lambda function states"). So one call wakes it before it takes traffic, and none of the function's code runs.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;

use crate::clients::aws::{self, Called, Why};

/// How often a version is woken that falls asleep again: AWS sets one back to inactive that it cannot bring up.
pub(super) const TIMES: u32 = 3;

/// What AWS is doing then, for people.
pub(super) const TOLD: &str = "nobody called this version for a long time: AWS brings it back";

/// Calls an inactive version, which AWS refuses and by which it wakes. `invoker` tries once only. An error where AWS does
/// not let us call it at all.
pub(super) async fn wake(invoker: &Client, function: &str, version: &str) -> aws::Result<()> {
    let answer = invoker
        .invoke()
        .function_name(function)
        .qualifier(version)
        .payload(Blob::new(b"{}"))
        .send()
        .await
        .called("lambda:InvokeFunction", function);
    match answer {
        // Somebody else woke it a moment ago.
        Ok(_) => Ok(()),
        Err(error) => match &*error.why {
            Why::Denied { .. } | Why::Credentials(_) | Why::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}
