//! Starts the process of a supervisor, and hears from it whether it serves.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use crate::clients::process;
use crate::fs::{self, at};
use crate::platform::{Error, Result};

use super::Settings;
use super::wire::Failure;

/// The log of the supervisor is rotated when it is longer, in bytes.
const LONGEST_LOG: u64 = 1 << 20;

/// Starts a supervisor and waits for the one line with which it says that it serves, or why it cannot.
pub(super) fn spawn(settings: &Settings, log: &Path) -> Result<()> {
    let stderr = open_log(log)?;
    let mut child = process::command(&settings.executable)
        .arg0("squad")
        .args(["local", "supervise", "--name"])
        .arg(&settings.name)
        .arg("--directory")
        .arg(&settings.state)
        .arg("--runtime")
        .arg(&settings.runtime)
        .current_dir("/")
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| {
            Error::Unreachable(format!("`{}`: {error}", settings.executable.display()))
        })?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // What cannot be read is as good as nothing said.
        drop(BufReader::new(stdout).read_line(&mut line));
    }
    match serde_json::from_str::<Option<Failure>>(&line) {
        Ok(None) => Ok(()),
        Ok(Some(failure)) => {
            drop(child.wait());
            Err(failure.into())
        }
        Err(_) => {
            drop(child.wait());
            Err(Error::Unreachable(format!(
                "it ended before it was ready; its log is `{}`",
                log.display()
            )))
        }
    }
}

/// Opens the supervisor's own log for appending; a long one is put aside first.
#[expect(
    clippy::disallowed_methods,
    reason = "a log that is rotated needs not survive a loss of power"
)]
fn open_log(path: &Path) -> Result<std::fs::File, fs::Error> {
    use std::os::unix::fs::OpenOptionsExt;
    if path
        .metadata()
        .is_ok_and(|metadata| metadata.len() > LONGEST_LOG)
    {
        std::fs::rename(path, path.with_extension("log.1")).map_err(at("rename", path))?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(at("open", path))
}
