//! The brake of a rollout, call by call: where the tag tells that one is live, the store is asked for nothing.

use serde_json::json;

use super::client::Aws;
use super::{There, all, calls, commit, function, name, shared, write};
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::{Phase, State};
use crate::platform::{Commit, Platform};

/// A rollout of version 2 beside 1, and the calls of its abort by another process, after that has looked.
async fn aborted(may_tag: bool) -> Vec<String> {
    let aws = Aws::start();
    aws.bucket("acme-audit", true);
    let mut there = There::new(&aws);
    there.environment.audit = Some("s3://acme-audit/squad".to_owned());
    let (platform, service) = (there.platform(), name("marked"));
    function(&aws, "marked", 2);
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    if !may_tag {
        aws.settings(json!({ "denied": ["lambda:TagResource"] }));
    }
    let one = RevisionNumber(1);
    let id = ulid::Ulid::generate().to_string();
    let mut state = State::planned(id, 1, one, RevisionNumber(2), "0a1b2c3d".into());
    state.phase = Phase::Holding;
    let begun = commit(shared(1, 2, 10), &state.encode(), "ana");
    write(&platform, &service, &begun).await;

    let platform = there.platform();
    let token = platform.observe(&service).await.unwrap().token;
    state.phase = Phase::Aborted;
    let back = Commit {
        leaves: Some(RevisionNumber(2)),
        ..commit(all(1), &state.encode(), "bob")
    };
    aws.forget_calls();
    platform
        .commit(&service, &token, &back, &|_| {})
        .await
        .unwrap();
    let mut calls = calls(&aws);
    // What follows the write goes out beside each other.
    calls[1..].sort_unstable();
    calls
}

#[tokio::test]
async fn a_brake_lists_the_store_only_where_the_tag_does_not_tell() {
    assert_eq!(
        aborted(true).await,
        ["lambda:UpdateAlias", "lambda:UntagResource"]
    );
    assert_eq!(
        aborted(false).await,
        [
            "lambda:UpdateAlias",
            "lambda:UntagResource",
            "s3:ListObjectsV2",
            "s3:PutObject",
        ]
    );
}
