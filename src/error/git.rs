//! The words for errors of git and other programs.

use super::{Error, Kind};
use crate::clients::process;

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::NotFound(program) => Self::new(
                Kind::Failed,
                "program-missing",
                format!("cannot run `{program}`: it is not installed, or not on PATH"),
            ),
            process::Error::Io { program, source } => Self::new(
                Kind::Failed,
                "program-failed",
                format!("cannot run `{program}`: {source}"),
            ),
            process::Error::Failed {
                program,
                status,
                stderr,
            } => {
                let mut error = Self::new(
                    Kind::Failed,
                    "program-failed",
                    match status.code() {
                        Some(code) => format!("`{program}` failed with exit code {code}"),
                        None => format!("`{program}` failed with {status}"),
                    },
                );
                if let Some(last) = stderr.lines().last() {
                    error = error.cause(last.to_owned());
                }
                error
            }
        }
    }
}
