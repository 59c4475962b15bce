//! The platform against the stand-in for AWS: the contract, and what happens to it when others are at work.
//!
//! The SDK reads its settings from the environment, so that each of these runs in a process of its own: the same test
//! binary once more, with the stand-in's address.

mod contract;
mod race;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::{Lambda, Settings, store};
use crate::clients::aws::{self, Session};
use crate::clients::process;
use crate::domain::environment::{Environment, PlatformKind};
use crate::env::Env;

/// The account of the stand-in's credentials.
const ACCOUNT: &str = "123456789012";
/// Its region.
const REGION: &str = "eu-west-1";

/// The example beside the test binary, built when it is not there.
fn executable() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap();
            let target = test.parent().unwrap().parent().unwrap();
            let mut build = process::command(env!("CARGO"));
            build.args(["build", "--quiet", "--offline", "--example", "aws-stand-in"]);
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            process::output(&mut build).unwrap();
            target.join("examples/aws-stand-in")
        })
        .clone()
}

/// A stand-in of this test's own; it ends with this value.
struct StandIn {
    child: Child,
    address: String,
}

impl StandIn {
    fn start() -> Self {
        let mut command = process::command(executable());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { child, address }
    }

    /// Runs an ignored test of this binary in a process of its own, with this stand-in as AWS.
    fn run(&self, test: &str) {
        let home = tempfile::tempdir().unwrap();
        let mut command = process::command(std::env::current_exe().unwrap());
        command
            .args(["--exact", "--ignored", "--nocapture", test])
            .env("HOME", home.path())
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_ACCESS_KEY_ID", "AKIASTANDIN")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        let output = command.output().unwrap();
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
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
    let address = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let mut command = process::command("curl");
    command.args(["-sS", "-X", method, "--data-binary", "@-"]);
    command.arg(format!("{address}/_control/{path}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), body).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
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
