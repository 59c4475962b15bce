//! The platform against the stand-in for AWS: the contract, and what happens to it when others are at work.
//!
//! The SDK reads its settings from the environment, so that each of these runs in a process of its own: the same test
//! binary once more, with the stand-in's address.

#[path = "../../../../tests/aws/client.rs"]
#[allow(dead_code, reason = "the journeys use the rest of it")]
mod client;
mod contract;
mod race;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Lambda, Settings, store};
use crate::clients::aws::{self, Session};
use crate::clients::process;
use crate::domain::environment::{Environment, PlatformKind};
use crate::env::Env;
use client::{ACCOUNT, Aws, REGION};

/// Runs an ignored test of this binary in a process of its own, with a stand-in of its own as AWS.
fn run(test: &str) {
    let aws = Aws::start();
    let home = tempfile::tempdir().unwrap();
    let mut command = process::command(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", test])
        .env("HOME", home.path())
        .envs(aws.environment());
    let output = command.output().unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// In the process of its own: an environment there.
struct There {
    directory: tempfile::TempDir,
    environment: Environment,
}

impl There {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            environment: Environment {
                org: None,
                name: "cloud".parse().unwrap(),
                platform: PlatformKind::Lambda,
                account: Some(ACCOUNT.to_owned()),
                region: Some(REGION.to_owned()),
                audit: Some(directory.path().join("store").display().to_string()),
                ..Environment::builtin_local()
            },
            directory,
        }
    }

    /// The platform, as another process would have it.
    fn platform(&self) -> Arc<Lambda> {
        let env = Env::read();
        let session = Session::new(aws::Settings::of(&self.environment, &env, None));
        Arc::new(Lambda::new(Settings {
            objects: store(&self.environment, self.directory.path(), &session).unwrap(),
            session,
            targets: super::Targets::new(),
        }))
    }
}

/// Something said to the stand-in.
fn control(method: &str, path: &str, body: &Value) -> Value {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let address = endpoint.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} /_control/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// A function with so many versions and no alias.
fn function(name: &str, versions: u64) {
    control(
        "POST",
        "functions",
        &json!({ "name": name, "versions": versions }),
    );
}

/// The calls since the record was cleared, in order.
fn calls() -> Vec<String> {
    control("GET", "calls", &json!({}))["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            format!(
                "{}:{}",
                call["service"].as_str().unwrap(),
                call["operation"].as_str().unwrap()
            )
        })
        .collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}
