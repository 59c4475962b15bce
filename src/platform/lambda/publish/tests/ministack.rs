//! Functions that really run: ministack (PyPI), a second implementation of the API that nobody here wrote.

#[path = "../../../../../tests/aws/ministack.rs"]
#[allow(dead_code, reason = "the journeys use the rest of it")]
#[allow(
    clippy::disallowed_methods,
    reason = "it is included by those who have nothing of this crate"
)]
mod server;

use std::ops::Deref;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    DeadLetterConfig, EphemeralStorage, LayerVersionContentInput, TracingConfig, TracingMode,
    VpcConfig,
};

use super::bench::{Deploy, FUNCTION, client, revision};
use crate::clients::process::command;
use crate::platform::Error;
use crate::platform::contract::note;
pub(in crate::platform::lambda) use server::ACCOUNT;

/// A running ministack; it ends with this value.
pub(in crate::platform::lambda) struct Ministack(server::Ministack);

impl Deref for Ministack {
    type Target = server::Ministack;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Ministack {
    /// None where it cannot be had: then `test` is named as skipped.
    pub(in crate::platform::lambda) fn start(test: &str) -> Option<Self> {
        match server::Ministack::start() {
            Ok(server) => Some(Self(server)),
            Err(reason) => {
                note(&format!("skipped: {test}: {reason}"));
                None
            }
        }
    }

    /// What version `number` answers.
    async fn answer(&self, number: u64) -> String {
        let client = client(&self.address);
        let answer = client
            .invoke()
            .function_name(FUNCTION)
            .qualifier(number.to_string())
            .payload(Blob::new("{}"))
            .send()
            .await
            .unwrap();
        String::from_utf8(answer.payload().unwrap().as_ref().to_vec()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_function_runs_after_each_publish() {
    let Some(aws) = Ministack::start("a_python_function_runs_after_each_publish") else {
        return;
    };
    let mut deploy = Deploy::of("one");
    deploy.wanted.architecture = Some("x86_64".into());
    deploy.smoke = Some("{}".into());
    assert_eq!(revision(deploy.run(&aws.address).await), (1, false));
    assert_eq!(aws.answer(1).await, "\"one\"");
    assert_eq!(revision(deploy.run(&aws.address).await), (1, true));
    let mut next = deploy.clone();
    (next.source, next.digest, next.wanted.memory) = ("two", "sha256:two".into(), Some(1024));
    assert_eq!(revision(next.run(&aws.address).await), (2, false));
    assert_eq!(aws.answer(2).await, "\"two\"");
    assert_eq!(aws.answer(1).await, "\"one\"");

    // Python: the quote ends the text, and what follows raises.
    let mut broken = deploy.clone();
    (broken.source, broken.digest) = ("' + missing + '", "sha256:broken".into());
    match broken.run(&aws.address).await {
        Err(Error::DoesNotStart {
            revision,
            diagnosis,
        }) => {
            assert_eq!(revision.0, 3);
            assert!(
                diagnosis.summary.ends_with("name 'missing' is not defined"),
                "{diagnosis:?}"
            );
            assert_eq!(diagnosis.id, "function-error");
        }
        other => panic!("{other:?}"),
    }
}

/// ministack runs the handler by a program of its own, which tells messages and no types: AWS's whole form is in
/// `tests/it/lambda/node.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_function_that_throws_is_told_with_its_message() {
    let test = "a_node_function_that_throws_is_told_with_its_message";
    let Some(aws) = Ministack::start(test) else {
        return;
    };
    if command("node").arg("--version").output().is_err() {
        note(&format!("skipped: {test}: `node` is not installed"));
        return;
    }
    let mut deploy = Deploy::of("exports.handler = async () => \"one\";");
    deploy.wanted.architecture = Some("x86_64".into());
    deploy.wanted.runtime = Some("nodejs20.x".into());
    deploy.digest = "sha256:node".into();
    deploy.smoke = Some("{}".into());
    assert_eq!(revision(deploy.run(&aws.address).await), (1, false));
    assert_eq!(aws.answer(1).await, "\"one\"");
    for (number, source) in [
        (
            2,
            "exports.handler = () => { throw new TypeError(\"no such receipt\"); };",
        ),
        (
            3,
            "exports.handler = async () => { throw new Error(\"no such receipt\"); };",
        ),
        (
            4,
            "exports.handler = () => Promise.reject(\"no such receipt\");",
        ),
        (5, "throw new Error(\"no such receipt\");"),
    ] {
        let mut broken = deploy.clone();
        (broken.source, broken.digest) = (source, format!("sha256:broken-{number}"));
        match broken.run(&aws.address).await {
            Err(Error::DoesNotStart {
                revision,
                diagnosis,
            }) => {
                assert_eq!(revision.0, number, "{source}");
                assert!(
                    diagnosis.summary.contains("no such receipt"),
                    "{source}: {diagnosis:?}"
                );
                assert_eq!(diagnosis.id, "function-error", "{source}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

/// Of a second implementation of the API: what squad does not name it leaves as others set it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_set_up_stays() {
    let Some(aws) = Ministack::start("what_others_set_up_stays") else {
        return;
    };
    let mut deploy = Deploy::of("one");
    deploy.wanted.architecture = Some("x86_64".into());
    assert_eq!(revision(deploy.run(&aws.address).await), (1, false));
    let client = client(&aws.address);
    // An archive without files.
    let archive = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    let content = LayerVersionContentInput::builder().zip_file(Blob::new(archive));
    let layer = client
        .publish_layer_version()
        .layer_name("tracer")
        .content(content.build())
        .send()
        .await
        .unwrap();
    let queue = DeadLetterConfig::builder().target_arn("arn:aws:sqs:eu-west-1:000000000000:dead");
    let network = VpcConfig::builder()
        .subnet_ids("subnet-0a")
        .security_group_ids("sg-01");
    client
        .update_function_configuration()
        .function_name(FUNCTION)
        .layers(layer.layer_version_arn().unwrap())
        .dead_letter_config(queue.build())
        .vpc_config(network.build())
        .tracing_config(TracingConfig::builder().mode(TracingMode::Active).build())
        .ephemeral_storage(EphemeralStorage::builder().size(2048).build().unwrap())
        .kms_key_arn("arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555")
        .send()
        .await
        .unwrap();
    let seen = async || {
        let asked = client.get_function_configuration().function_name(FUNCTION);
        let found = asked.send().await.unwrap();
        let set = (
            found.layers().to_vec(),
            found.dead_letter_config().cloned(),
            found.vpc_config().cloned(),
            found.tracing_config().cloned(),
            found.ephemeral_storage().cloned(),
            found.kms_key_arn().map(str::to_owned),
        );
        (set, found.memory_size())
    };
    let (before, _) = seen().await;
    assert!(!before.0.is_empty() && before.1.is_some() && before.2.is_some());
    assert!(before.3.is_some() && before.4.is_some() && before.5.is_some());
    (deploy.source, deploy.digest, deploy.wanted.memory) = ("two", "sha256:two".into(), Some(1024));
    assert_eq!(revision(deploy.run(&aws.address).await), (2, false));
    let (after, memory) = seen().await;
    assert_eq!(after, before);
    assert_eq!(memory, Some(1024));
}
