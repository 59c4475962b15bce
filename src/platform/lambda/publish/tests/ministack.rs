//! Functions that really run: ministack (PyPI), a second implementation of the API that nobody here wrote.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::OnceLock;

use aws_sdk_lambda::primitives::Blob;

use super::bench::{Deploy, FUNCTION, client, revision};
use crate::clients::process::command;
use crate::platform::Error;
use crate::platform::contract::note;

/// The version whose behaviour these tests rely on.
const MINISTACK: &str = "ministack==1.5.33";

/// The program, installed once below the cache of the tests; none where it cannot be had.
fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = PROGRAM.get_or_init(|| {
        let home = crate::env::Env::read().directories()?.cache;
        let venv = home
            .parent()?
            .join("squad-tests")
            .join(MINISTACK.replace("==", "-"));
        let program = venv.join("bin/ministack");
        if program.is_file() {
            return Some(program);
        }
        let made = command("python3").args(["-m", "venv"]).arg(&venv).status();
        let pip = venv.join("bin/python");
        let installed = command(&pip)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                MINISTACK,
            ])
            .status();
        (made.is_ok_and(|made| made.success()) && installed.is_ok_and(|done| done.success()))
            .then_some(program)
    });
    made.as_ref()
}

/// A running ministack; it ends with this value.
pub(in crate::platform::lambda) struct Ministack {
    child: Child,
    /// `http://127.0.0.1:<port>`.
    pub(in crate::platform::lambda) address: String,
    _home: tempfile::TempDir,
}

impl Ministack {
    /// None where it cannot be had: then `test` is named as skipped.
    pub(in crate::platform::lambda) fn start(test: &str) -> Option<Self> {
        let Some(program) = program() else {
            note(&format!("skipped: {test}: {MINISTACK} cannot be installed"));
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let home = tempfile::tempdir().unwrap();
        let mut child = command(program)
            .env("GATEWAY_PORT", port.to_string())
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(
            lines
                .by_ref()
                .any(|line| line.is_ok_and(|line| line.contains("Running on http"))),
            "ministack did not start"
        );
        // Its log is read to the end, so that it never waits for a reader.
        drop(std::thread::spawn(move || lines.for_each(drop)));
        Some(Self {
            child,
            address: format!("http://127.0.0.1:{port}"),
            _home: home,
        })
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

impl Drop for Ministack {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_function_runs_after_each_publish() {
    let Some(aws) = Ministack::start("a_python_function_runs_after_each_publish") else {
        return;
    };
    let mut deploy = Deploy::of("one");
    deploy.wanted.architecture = "x86_64".into();
    deploy.smoke = Some("{}".into());
    assert_eq!(revision(deploy.run(&aws.address).await), (1, false));
    assert_eq!(aws.answer(1).await, "\"one\"");
    assert_eq!(revision(deploy.run(&aws.address).await), (1, true));
    let mut next = deploy.clone();
    (next.source, next.digest, next.wanted.memory) = ("two", "sha256:two".into(), 1024);
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
