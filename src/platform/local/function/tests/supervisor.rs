//! A small supervisor for tests: starts a real process for each slot, reports its end, starts it again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use super::super::*;
use crate::clients::process::{command, command_async};

/// The version whose behaviour these tests rely on.
const CLIENT: &str = "awslambdaric==4.2.2";

/// A Python with `awslambdaric`, made once for the whole run; none where it cannot be had.
pub(super) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let made = PYTHON.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let venv = directory.path().join("venv");
        let made = command("python3").args(["-m", "venv"]).arg(&venv).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return None;
        }
        let python = venv.join("bin/python");
        let installed = command(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                CLIENT,
            ])
            .output();
        installed
            .is_ok_and(|installed| installed.status.success())
            .then_some((directory, python))
    });
    made.as_ref().map(|(_, python)| python.as_path())
}

/// Restarts are asked for here, and done by the tasks of [`start`].
#[derive(Debug)]
pub(super) struct Control {
    kill: Vec<mpsc::UnboundedSender<String>>,
}

impl ProcessControl for Control {
    fn restart(&self, slot: usize, why: &str) {
        drop(self.kill[slot].send(why.to_owned()));
    }
}

/// A pool whose processes run.
pub(super) struct Running {
    pub(super) pool: Arc<FunctionPool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The settings of a test's function.
pub(super) fn settings(concurrency: usize, timeout: Duration) -> Settings {
    Settings {
        service: ServiceName::new("receipts").unwrap(),
        revision: RevisionNumber(3),
        handler: "app.handler".into(),
        timeout,
        memory_mb: 512,
        concurrency,
        function_name: "acme-receipts".into(),
    }
}

/// Starts the processes of a function whose code is `source`; none where Python cannot be had.
pub(super) async fn start(
    name: &str,
    source: &str,
    concurrency: usize,
    timeout: Duration,
) -> Option<Running> {
    let Some(python) = tokio::task::spawn_blocking(python).await.unwrap() else {
        eprintln!("skipped: {name}: {CLIENT} cannot be installed");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    crate::fs::write_durably(&directory.path().join("app.py"), source.as_bytes(), 0o644).unwrap();
    let (kill, mut killed): (Vec<_>, Vec<_>) = std::iter::repeat_with(mpsc::unbounded_channel)
        .take(concurrency)
        .unzip();
    let control = Arc::new(Control { kill });
    let pool = FunctionPool::bind(settings(concurrency, timeout), control)
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for (slot, killed) in killed.drain(..).enumerate() {
        let weak = Arc::downgrade(&pool);
        tasks.push(tokio::spawn(run(
            weak,
            slot,
            python.to_owned(),
            directory.path().to_owned(),
            killed,
        )));
    }
    Some(Running {
        pool,
        tasks,
        _directory: directory,
    })
}

async fn run(
    pool: Weak<FunctionPool>,
    slot: usize,
    python: PathBuf,
    directory: PathBuf,
    mut killed: mpsc::UnboundedReceiver<String>,
) {
    while let Some(environment) = pool.upgrade().map(|pool| pool.process_environment(slot)) {
        pool.upgrade().unwrap().process_starting(slot);
        let mut child = command_async(&python)
            .args(["-m", "awslambdaric", "app.handler"])
            .env_clear()
            .envs(environment)
            .env("LAMBDA_TASK_ROOT", &directory)
            .current_dir(&directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = pool.clone();
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(pool) = log.upgrade() {
                    pool.log_line(slot, &line);
                }
            }
        });
        let status = tokio::select! {
            status = child.wait() => status.unwrap(),
            _ = killed.recv() => {
                child.kill().await.unwrap();
                child.wait().await.unwrap()
            }
        };
        reader.await.unwrap();
        let how = status
            .code()
            .map_or("signal: killed".to_owned(), |code| match code {
                0 => String::new(),
                code => format!("exit status {code}"),
            });
        if let Some(pool) = pool.upgrade() {
            pool.process_ended(slot, how);
        }
    }
}
