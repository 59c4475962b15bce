//! Starting other programs: argv only, never a shell, and an error that names the program.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is not installed, or not on `PATH`.
    #[error("`{0}` is not installed")]
    NotFound(String),
    /// It could not be started or talked to.
    #[error("cannot run `{program}`: {source}")]
    Io {
        /// Its name.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{program}` failed with {status}: {stderr}")]
    Failed {
        /// Its name and first arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last, trimmed.
        stderr: String,
    },
}

/// A command that reads nothing from the terminal.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs"
)]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The same for the asynchronous runtime.
pub(crate) fn command_async(program: impl AsRef<OsStr>) -> tokio::process::Command {
    tokio::process::Command::from(command(program))
}

/// A child that leads a process group of its own, together with all that it started: they end with this value, unless
/// it is released.
#[derive(Debug)]
pub(crate) struct Group(Option<rustix::process::Pid>);

impl Group {
    /// The group of a child that was started with `process_group(0)`.
    pub(crate) fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(rustix::process::Pid::from_raw))
    }

    /// The child ended by itself.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // Nobody is left to be killed when this fails.
            _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

/// Runs it to its end with this standard input, and returns what it wrote to standard output.
pub(crate) fn output_of_input(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Error> {
    let (reader, mut writer) = io::pipe().map_err(|source| Error::Io {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    command.stdin(reader);
    std::thread::scope(|scope| {
        // A program that ends before it has read everything says why itself.
        scope.spawn(move || io::Write::write_all(&mut writer, input).ok());
        let result = output(command);
        // The command holds the reading end: as long as it is open, the writer could wait for ever.
        command.stdin(Stdio::null());
        result
    })
}

/// Runs it to its end and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound(program.clone()),
        _ => Error::Io {
            program: program.clone(),
            source,
        },
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let first = command
        .get_args()
        .next()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default();
    Err(Error::Failed {
        program: format!("{program} {first}").trim_end().to_owned(),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
