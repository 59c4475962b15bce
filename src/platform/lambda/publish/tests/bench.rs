//! The stand-in, what it is told, and what is published on it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};

use crate::domain::version::VersionNote;
use crate::platform::lambda::SERVICE_TAG;
use crate::platform::lambda::publish::wanted::{Code, Fresh, Wanted};
use crate::platform::lambda::publish::work::Work;
use crate::platform::{Published, Result};

/// The function that the tests deploy.
pub(in crate::platform::lambda) const FUNCTION: &str = "receipts";

/// A running stand-in; it ends with this value.
pub(in crate::platform::lambda) struct StandIn {
    child: Child,
    pub(in crate::platform::lambda) address: String,
}

impl StandIn {
    pub(in crate::platform::lambda) fn start() -> Self {
        let deps = std::env::current_exe().unwrap();
        let target = deps.parent().unwrap().parent().unwrap();
        let program = target.join("examples/aws-stand-in");
        let mut child = crate::clients::process::command(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "`cargo build --example aws-stand-in` first: {}: {error}",
                    program.display()
                )
            });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening ").unwrap().to_owned();
        let stand_in = Self { child, address };
        // What AWS needs time for is not what most tests are about.
        stand_in.set(json!({ "settle_ms": 0, "snap_start_ms": 0 }));
        stand_in
    }

    /// One request to the control API.
    pub(in crate::platform::lambda) fn control(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Value {
        let host = self.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let body = body.to_string();
        write!(
            stream,
            "{method} /_control/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200"),
            "{method} {path}: {answer}"
        );
        serde_json::from_str(body).unwrap()
    }

    pub(in crate::platform::lambda) fn set(&self, settings: Value) {
        self.control("PUT", "settings", &settings);
    }

    pub(in crate::platform::lambda) fn rule(&self, rule: Value) {
        self.control("POST", "rules", &rule);
    }

    pub(in crate::platform::lambda) fn change(&self, change: Value) {
        self.control("POST", "change", &change);
    }

    pub(in crate::platform::lambda) fn function(&self) -> Value {
        self.control("GET", &format!("functions/{FUNCTION}"), &Value::Null)
    }

    /// The numbers of the published versions and what they say of themselves, by digest.
    pub(in crate::platform::lambda) fn versions(&self) -> Vec<(String, String)> {
        let function = self.function();
        let versions = function["versions"].as_array().unwrap();
        versions
            .iter()
            .map(|version| {
                let note = VersionNote::parse(version["Description"].as_str().unwrap_or_default());
                (
                    version["Version"].as_str().unwrap().to_owned(),
                    note.map(|note| note.digest).unwrap_or_default(),
                )
            })
            .collect()
    }

    /// The calls since the last time, such as `GetFunction`, `GetFunction 1`, `PublishVersion!412`.
    pub(in crate::platform::lambda) fn calls(&self) -> Vec<String> {
        let answer = self.control("GET", "calls", &Value::Null);
        self.control("DELETE", "calls", &Value::Null);
        answer["calls"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|call| call["service"] == "lambda")
            .map(|call| {
                let mut text = call["operation"].as_str().unwrap().to_owned();
                if let Some(qualifier) = call["parameters"]["Qualifier"].as_str() {
                    text.push_str(&format!(" {qualifier}"));
                }
                match call["status"].as_u64() {
                    Some(200..=299) => {}
                    Some(status) => text.push_str(&format!(" !{status}")),
                    None => text.push_str(" !cut"),
                }
                text
            })
            .collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client of a server, with as many attempts as a deploy's.
pub(in crate::platform::lambda) fn client(address: &str) -> Client {
    client_with(
        address,
        RetryConfig::adaptive()
            .with_max_attempts(8)
            .with_initial_backoff(Duration::from_millis(10)),
    )
}

fn client_with(address: &str, retries: RetryConfig) -> Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .endpoint_url(address)
        .credentials_provider(Credentials::new(
            "AKIASTANDIN",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(retries);
    Client::from_conf(config.build())
}

/// What is deployed: changed by the tests.
#[derive(Clone)]
pub(in crate::platform::lambda) struct Deploy {
    pub(in crate::platform::lambda) wanted: Wanted,
    pub(in crate::platform::lambda) source: &'static str,
    pub(in crate::platform::lambda) digest: String,
    pub(in crate::platform::lambda) by: &'static str,
    pub(in crate::platform::lambda) smoke: Option<String>,
}

impl Deploy {
    /// Release `name`, whose code answers with that name. Where its runtime is Node.js, `source` is all of the code.
    pub(in crate::platform::lambda) fn of(name: &'static str) -> Self {
        Self {
            wanted: Wanted {
                runtime: Some("python3.11".into()),
                handler: Some("app.handler".into()),
                role: Some("arn:aws:iam::123456789012:role/receipts".into()),
                memory: Some(512),
                timeout: Some(30),
                architecture: Some("arm64".into()),
                fresh: Fresh::default(),
                layers: None,
                set: [("LOG_LEVEL", "info"), ("TOKEN_OF_TEST", "hunter2-value")]
                    .into_iter()
                    .collect(),
                removed: Vec::new(),
            },
            source: name,
            digest: format!("sha256:{name}"),
            by: "ana on laptop",
            smoke: None,
        }
    }

    fn tree(&self) -> String {
        let letters = self.source.chars().filter(char::is_ascii_alphanumeric);
        format!("tree-of-{}", letters.collect::<String>())
    }

    pub(in crate::platform::lambda) fn code(&self) -> Code {
        let runtime = self.wanted.runtime.as_deref().unwrap_or_default();
        let bytes = if runtime.starts_with("nodejs") {
            zip_of("app.js", self.source)
        } else {
            zip(&format!(
                "def handler(event, context):\n    return '{}'\n",
                self.source
            ))
        };
        Code::Zip {
            sha256: sha256(&bytes),
            tree: self.tree(),
            bytes: bytes.into(),
        }
    }

    /// Publishes it, with the progress that was told.
    pub(in crate::platform::lambda) async fn run(&self, address: &str) -> Result<Published> {
        let client = client(address);
        // Running a function twice is not the same as running it once.
        let invoker = client_with(address, RetryConfig::disabled());
        Box::pin(super::super::publish(&Work {
            client: &client,
            invoker: &invoker,
            function: FUNCTION,
            alias: "live",
            on_latest: None,
            is_unkept: false,
            pinned: std::sync::OnceLock::new(),
            wanted: self.wanted.clone(),
            code: self.code(),
            uploaded: None,
            note: VersionNote {
                digest: self.digest.clone(),
                tree: self.tree(),
                commit: "0123456789ab".into(),
                by: self.by.into(),
            },
            tags: [(SERVICE_TAG.to_owned(), FUNCTION.to_owned())].into(),
            smoke: self.smoke.clone(),
            kept: std::sync::Mutex::default(),
            progress: &|_| {},
        }))
        .await
    }
}

pub(in crate::platform::lambda) fn zip(source: &str) -> Vec<u8> {
    zip_of("app.py", source)
}

fn zip_of(file: &str, source: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(file, zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(in crate::platform::lambda) fn sha256(bytes: &[u8]) -> String {
    use base64::Engine;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    base64::engine::general_purpose::STANDARD.encode(digest.as_ref())
}

/// Like [`Result::unwrap`], for numbers.
pub(in crate::platform::lambda) fn revision(published: Result<Published>) -> (u64, bool) {
    let published = published.unwrap();
    (published.revision.0, published.existed)
}

/// Publishes an image.
pub(in crate::platform::lambda) async fn image(
    aws: &StandIn,
    reference: &str,
) -> Result<Published> {
    let mut wanted = Deploy::of("a").wanted;
    (wanted.runtime, wanted.handler) = (None, None);
    let client = client(&aws.address);
    Box::pin(super::super::publish(&Work {
        client: &client,
        invoker: &client,
        function: FUNCTION,
        alias: "live",
        on_latest: None,
        is_unkept: false,
        pinned: std::sync::OnceLock::new(),
        wanted,
        code: Code::Image {
            reference: reference.to_owned(),
        },
        uploaded: None,
        note: VersionNote {
            digest: format!("sha256:of-{reference}"),
            tree: String::new(),
            commit: String::new(),
            by: "ana on laptop".into(),
        },
        tags: [(SERVICE_TAG.to_owned(), FUNCTION.to_owned())].into(),
        smoke: None,
        kept: std::sync::Mutex::default(),
        progress: &|_| {},
    }))
    .await
}
