//! The stand-in for AWS answers the real SDKs as `tests/aws/README.md` says.

#![allow(
    clippy::doc_markdown,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "names of AWS's operations; counts that CloudWatch has as floats"
)]

mod control;
mod lambda;
mod observed;
mod stores;

use std::future::Future;
use std::io::{Cursor, Write};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_lambda::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};

use crate::support::Aws;
use crate::support::aws::{KEY, REGION};

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/payments";

/// Runs one test's calls.
fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn credentials() -> Credentials {
    Credentials::new(KEY, "secret", None, None, "test")
}

/// A client of one SDK, without retries, so that every answer is seen.
macro_rules! client {
    ($sdk:ident, $aws:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new(REGION))
                .credentials_provider(credentials())
                .endpoint_url($aws.endpoint())
                .retry_config(RetryConfig::disabled())
                .build(),
        )
    };
}
use client;

fn lambda(aws: &Aws) -> aws_sdk_lambda::Client {
    client!(aws_sdk_lambda, aws)
}

/// A package with one file.
fn package(source: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.py", zip::write::SimpleFileOptions::default())
        .expect("a zip");
    zip.write_all(source.as_bytes()).expect("a zip");
    zip.finish().expect("a zip").into_inner()
}

/// A function with this source, Active.
async fn create(client: &aws_sdk_lambda::Client, name: &str, source: &str) {
    client
        .create_function()
        .function_name(name)
        .role(ROLE)
        .runtime(Runtime::Python312)
        .handler("app.handler")
        .code(
            FunctionCode::builder()
                .zip_file(Blob::new(package(source)))
                .build(),
        )
        .send()
        .await
        .expect("created");
    settled(client, name).await;
}

/// Waits until nothing is under way any more.
async fn settled(client: &aws_sdk_lambda::Client, name: &str) {
    loop {
        let found = client
            .get_function()
            .function_name(name)
            .send()
            .await
            .expect("a function");
        let shown = found.configuration().expect("its configuration");
        let busy = shown.state() == Some(&aws_sdk_lambda::types::State::Pending)
            || shown.last_update_status()
                == Some(&aws_sdk_lambda::types::LastUpdateStatus::InProgress);
        if !busy {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Updates the code, waits, and publishes; the version's number.
async fn release(client: &aws_sdk_lambda::Client, name: &str, source: &str) -> String {
    client
        .update_function_code()
        .function_name(name)
        .zip_file(Blob::new(package(source)))
        .send()
        .await
        .expect("updated");
    settled(client, name).await;
    publish(client, name).await
}

/// Publishes, and waits until the version is Active.
async fn publish(client: &aws_sdk_lambda::Client, name: &str) -> String {
    let version = client
        .publish_version()
        .function_name(name)
        .send()
        .await
        .expect("published");
    let number = version.version().expect("a number").to_owned();
    loop {
        let found = client
            .get_function_configuration()
            .function_name(name)
            .qualifier(&number)
            .send()
            .await
            .expect("a version");
        if found.state() == Some(&aws_sdk_lambda::types::State::Active) {
            return number;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The error's code and the status, as one line.
fn refusal<T, E>(result: Result<T, aws_sdk_lambda::error::SdkError<E>>) -> String
where
    E: aws_sdk_lambda::error::ProvideErrorMetadata + std::fmt::Debug,
    T: std::fmt::Debug,
{
    let error = result.expect_err("refused");
    let status = error
        .raw_response()
        .map_or(0, |response| response.status().as_u16());
    let service = error.as_service_error();
    format!(
        "{status} {}",
        service.and_then(|error| error.code()).unwrap_or("?")
    )
}
