//! S3 through `object_store`, STS, tags.

use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};
use serde_json::json;

use super::{
    BehaviorVersion, KEY, REGION, Region, RetryConfig, client, create, credentials, lambda,
    package, refusal, run, settled,
};
use crate::support::Aws;

fn store(aws: &Aws) -> object_store::aws::AmazonS3 {
    AmazonS3Builder::new()
        .with_bucket_name("audit")
        .with_region(REGION)
        .with_access_key_id(KEY)
        .with_secret_access_key("secret")
        .with_endpoint(aws.endpoint())
        .with_allow_http(true)
        .build()
        .expect("a store")
}

#[test]
fn objects_are_created_once_and_replaced_by_who_knows_them() {
    let aws = Aws::start();
    aws.bucket("audit", false);
    run(async {
        let store = store(&aws);
        let path = Path::from("a b/1+ö.json");
        let put = |text: &'static str, mode: PutMode| {
            store.put_opts(&path, PutPayload::from(text), mode.into())
        };
        let first = put("one", PutMode::Create).await.expect("created");
        let twice = put("two", PutMode::Create).await.expect_err("refused");
        assert!(
            matches!(twice, object_store::Error::AlreadyExists { .. }),
            "{twice}"
        );
        let known = UpdateVersion {
            e_tag: first.e_tag,
            version: None,
        };
        put("two", PutMode::Update(known.clone()))
            .await
            .expect("replaced");
        let stale = put("three", PutMode::Update(known))
            .await
            .expect_err("refused");
        assert!(
            matches!(stale, object_store::Error::Precondition { .. }),
            "{stale}"
        );
        let found = store
            .get(&path)
            .await
            .expect("there")
            .bytes()
            .await
            .expect("bytes");
        assert_eq!(found.as_ref(), b"two");
        assert_eq!(
            store.get_range(&path, 1..3).await.expect("a part").as_ref(),
            b"wo"
        );
        assert_eq!(store.head(&path).await.expect("there").size, 3);
        store.delete(&path).await.expect("deleted");
        let gone = store.get(&path).await.expect_err("gone");
        assert!(
            matches!(gone, object_store::Error::NotFound { .. }),
            "{gone}"
        );
    });
}

#[test]
fn lists_go_on_after_a_thousand_keys() {
    let aws = Aws::start();
    aws.bucket("audit", false);
    run(async {
        let store = store(&aws);
        for number in 0..1005 {
            let path = Path::from(format!("log/{:02}/{number:05}", number % 3));
            store.put(&path, PutPayload::from("x")).await.expect("put");
        }
        let all: Vec<_> = store
            .list(Some(&Path::from("log")))
            .try_collect()
            .await
            .expect("a list");
        assert_eq!(all.len(), 1005);
        let folders = store
            .list_with_delimiter(Some(&Path::from("log")))
            .await
            .expect("a list");
        assert_eq!(folders.common_prefixes.len(), 3);
        let large = Path::from("large");
        let mut upload = store.put_multipart(&large).await.expect("an upload");
        upload
            .put_part(PutPayload::from(vec![1; 6 << 20]))
            .await
            .expect("a part");
        upload
            .put_part(PutPayload::from(vec![2; 10]))
            .await
            .expect("a part");
        upload.complete().await.expect("completed");
        assert_eq!(
            store.head(&large).await.expect("there").size,
            (6 << 20) + 10
        );
    });
}

#[test]
fn code_comes_from_one_version_of_an_object() {
    let aws = Aws::start();
    aws.bucket("audit", true);
    run(async {
        let (store, client) = (store(&aws), lambda(&aws));
        create(
            &client,
            "payments",
            "def handler(event, context):\n    return 1\n",
        )
        .await;
        let path = Path::from("code.zip");
        let put = |data: Vec<u8>| store.put(&path, PutPayload::from(data));
        let wanted = put(package("wanted = 1\n"))
            .await
            .expect("put")
            .version
            .expect("a version");
        put(package("other = 1\n")).await.expect("put");
        let update = || {
            client
                .update_function_code()
                .function_name("payments")
                .s3_bucket("audit")
                .s3_key("code.zip")
        };
        let current = update().send().await.expect("updated");
        settled(&client, "payments").await;
        let exact = update()
            .s3_object_version(wanted)
            .send()
            .await
            .expect("updated");
        assert_ne!(current.code_sha256(), exact.code_sha256());
        settled(&client, "payments").await;
        let missing = update().s3_key("other.zip").send().await;
        assert_eq!(refusal(missing), "400 InvalidParameterValueException");
    });
}

#[test]
fn a_role_is_assumed_and_functions_are_found_by_tag() {
    let aws = Aws::start();
    aws.functions(json!({ "prefix": "a-", "count": 130, "tags": { "squad": "payments" } }));
    aws.functions(json!({ "prefix": "b-", "count": 3, "tags": { "squad": "other" } }));
    run(async {
        let sts = client!(aws_sdk_sts, aws);
        let me = sts.get_caller_identity().send().await.expect("an identity");
        assert_eq!(me.arn(), Some("arn:aws:iam::123456789012:user/stand-in"));
        let role = sts
            .assume_role()
            .role_arn("arn:aws:iam::222222222222:role/deploy")
            .role_session_name("ci");
        let role = role.send().await.expect("a role");
        let given = role.credentials().expect("credentials");
        let other = sts.get_caller_identity().customize().config_override(
            aws_sdk_sts::Config::builder().credentials_provider(
                aws_credential_types::Credentials::new(
                    given.access_key_id(),
                    given.secret_access_key(),
                    Some(given.session_token().to_owned()),
                    None,
                    "test",
                ),
            ),
        );
        let me = other.send().await.expect("an identity");
        assert_eq!(me.account(), Some("222222222222"));
        let tagging = client!(aws_sdk_resourcegroupstagging, aws);
        let filter = aws_sdk_resourcegroupstagging::types::TagFilter::builder()
            .key("squad")
            .values("payments");
        let mut pages = tagging
            .get_resources()
            .resource_type_filters("lambda:function")
            .tag_filters(filter.build())
            .resources_per_page(100)
            .into_paginator()
            .send();
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await {
            sizes.push(page.expect("a page").resource_tag_mapping_list().len());
        }
        assert_eq!(sizes, [100, 30]);
    });
}
