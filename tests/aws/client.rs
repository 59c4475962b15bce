//! For tests: starts `aws-stand-in` (`tests/aws/`), and speaks its control API.
//!
//! Included with `#[path]` by `tests/it/support/aws.rs` and by tests in `src/`; it uses only the standard library and
//! `serde_json`, and nothing of whoever includes it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The account that every key belongs to that was not given another one.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region of tests.
pub(crate) const REGION: &str = "eu-west-1";
/// The access key of tests.
pub(crate) const KEY: &str = "AKIASTANDIN000000001";

/// A running stand-in; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub(crate) struct Aws {
    child: Child,
    address: String,
}

/// A recorded call.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Call {
    /// From 1, in the order in which calls came.
    pub(crate) sequence: u64,
    /// As in the credential scope: `lambda`, `sts`, `monitoring`, `logs`, `tagging`, `s3`.
    pub(crate) service: String,
    /// As in the API reference.
    pub(crate) operation: String,
    /// Of the key.
    pub(crate) account: String,
    /// Of the credential scope.
    pub(crate) region: String,
    /// `FunctionName`, `Qualifier`, `Name`, `RevisionId` and others: no code, no environment.
    pub(crate) parameters: Map<String, Value>,
    /// None while it runs, and where no answer went out.
    pub(crate) status: Option<u16>,
    /// The error's code.
    pub(crate) error: Option<String>,
    /// What the control API or chance did to it.
    pub(crate) fault: Option<String>,
    /// Whether the service saw it.
    pub(crate) applied: bool,
    /// Milliseconds since 1970.
    pub(crate) began: u64,
    /// None while it runs.
    pub(crate) ended: Option<u64>,
    /// The whole request as text, headers and body.
    pub(crate) request: String,
}

impl Call {
    /// `lambda.UpdateAlias`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.service, self.operation)
    }

    /// A parameter as text.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str)
    }
}

/// A call that waits for its release.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Held {
    /// Of the call.
    pub(crate) sequence: u64,
    /// Of the call.
    pub(crate) service: String,
    /// Of the call.
    pub(crate) operation: String,
    /// `before` or `after` it is applied.
    pub(crate) point: String,
    /// Its client has hung up.
    pub(crate) gone: bool,
}

/// How a held call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// As if nothing had been; what nobody waits for any more is not applied.
    Continue,
    /// It is applied although nobody waits for it, as a request that was on its way.
    Apply,
    /// It is not applied, and the connection is reset.
    Drop,
}

fn newest(directory: &Path) -> Option<std::time::SystemTime> {
    let mut newest = None;
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).ok()? {
            let path = entry.ok()?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path
                .file_name()
                .is_some_and(|name| name != "client.rs" && name != "README.md")
            {
                newest = newest.max(path.metadata().and_then(|found| found.modified()).ok());
            }
        }
    }
    newest
}

/// The binary, built when it is not there or older than its sources.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Test binaries lie in `<profile>/deps`, examples in `<profile>/examples`.
        let own = std::env::current_exe().expect("a test binary");
        let profile = own
            .parent()
            .and_then(Path::parent)
            .expect("below a profile");
        let path = profile.join("examples/aws-stand-in");
        let modified = path.metadata().and_then(|found| found.modified()).ok();
        if modified.is_none() || modified < newest(&root.join("tests/aws")) {
            let mut command = Command::new(env!("CARGO"));
            command
                .args(["build", "--quiet", "--locked", "--example", "aws-stand-in"])
                .current_dir(root);
            if profile.ends_with("release") {
                command.arg("--release");
            }
            let built = command.status().expect("cargo");
            assert!(built.success(), "tests/aws does not build");
        }
        path
    })
}

impl Aws {
    /// A fresh one, with settings as they are.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(binary())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stand-in starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its address");
        let address = line
            .trim()
            .strip_prefix("listening http://")
            .unwrap_or_else(|| panic!("the stand-in said {line:?}"))
            .to_owned();
        Self { child, address }
    }

    /// `http://127.0.0.1:<port>`, for all services.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables with which the binary, or an SDK, finds it and nothing else.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", "stand-in-secret-key"),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// One exchange; a refusal of the control API fails the test.
    #[track_caller]
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.exchange(method, &format!("/_control/{path}"), body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .expect("it takes requests");
        stream
            .write_all(body.as_bytes())
            .expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// All as at the start.
    #[track_caller]
    pub(crate) fn reset(&self) {
        self.control("POST", "reset", &Value::Null);
    }

    /// All calls so far, in order.
    #[track_caller]
    pub(crate) fn calls(&self) -> Vec<Call> {
        let found = self.control("GET", "calls", &Value::Null);
        serde_json::from_value(found["calls"].clone()).expect("calls")
    }

    /// The names of all calls so far, such as `lambda.GetFunction`.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().iter().map(Call::name).collect()
    }

    /// Forgets the calls so far; numbers go on.
    #[track_caller]
    pub(crate) fn forget_calls(&self) {
        self.control("DELETE", "calls", &Value::Null);
    }

    /// Merges settings (`tests/aws/settings.rs`).
    #[track_caller]
    pub(crate) fn settings(&self, settings: Value) {
        self.control("PUT", "settings", &settings);
    }

    /// Adds a rule (`tests/aws/faults.rs`), or several as a list.
    #[track_caller]
    pub(crate) fn rule(&self, rule: Value) {
        self.control("POST", "rules", &rule);
    }

    /// Forgets all rules.
    #[track_caller]
    pub(crate) fn forget_rules(&self) {
        self.control("DELETE", "rules", &Value::Null);
    }

    /// The calls that wait now.
    #[track_caller]
    pub(crate) fn held(&self) -> Vec<Held> {
        self.wait_held(Duration::ZERO)
    }

    /// Waits for a call that is held, at most so long; none then.
    #[track_caller]
    pub(crate) fn wait_held(&self, most: Duration) -> Vec<Held> {
        self.ask_held(&format!("held?wait_ms={}", most.as_millis()))
    }

    /// Waits until the client of a held call has hung up.
    #[track_caller]
    pub(crate) fn wait_gone(&self, most: Duration) -> Vec<Held> {
        self.ask_held(&format!("held?gone=true&wait_ms={}", most.as_millis()))
    }

    fn ask_held(&self, path: &str) -> Vec<Held> {
        let found = self.control("GET", path, &Value::Null);
        serde_json::from_value(found["held"].clone()).expect("held calls")
    }

    /// Lets all held calls go on.
    #[track_caller]
    pub(crate) fn release(&self, how: Release) {
        let how = match how {
            Release::Continue => "continue",
            Release::Apply => "apply",
            Release::Drop => "drop",
        };
        self.control("POST", "release", &json!({ "how": how }));
    }

    /// Makes functions that are Active at once (`tests/aws/change.rs`).
    #[track_caller]
    pub(crate) fn functions(&self, wanted: Value) {
        self.control("POST", "functions", &wanted);
    }

    /// All that is known of a function, without a recorded call.
    #[track_caller]
    pub(crate) fn function(&self, name: &str) -> Value {
        self.control("GET", &format!("functions/{name}"), &Value::Null)
    }

    /// Somebody else changes something (`tests/aws/change.rs`).
    #[track_caller]
    pub(crate) fn change(&self, change: Value) {
        self.control("POST", "change", &change);
    }

    /// Says whose keys are whose, and which have expired.
    #[track_caller]
    pub(crate) fn keys(&self, keys: Value) {
        self.control("POST", "keys", &keys);
    }

    /// Adds metric points of a function (`tests/aws/README.md`).
    #[track_caller]
    pub(crate) fn metrics(&self, points: Value) {
        self.control("POST", "metrics", &points);
    }

    /// Adds log events.
    #[track_caller]
    pub(crate) fn logs(&self, events: Value) {
        self.control("POST", "logs", &events);
    }

    /// Makes an S3 bucket.
    #[track_caller]
    pub(crate) fn bucket(&self, name: &str, versioned: bool) {
        self.control(
            "POST",
            "buckets",
            &json!({ "name": name, "versioned": versioned }),
        );
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // It ends when its standard input is closed; a test must not wait for it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
