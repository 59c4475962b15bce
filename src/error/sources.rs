//! The words for errors of sources and Python environments.

use super::{Error, Kind};
use crate::clients::{python, source};

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Self {
        match error {
            source::Error::Git(error) => error.into(),
            source::Error::File(error) => error.into(),
            source::Error::NoFile { .. } => {
                Self::new(Kind::Failed, "source-not-a-file", error.to_string())
                    .hint("remove it, or leave it out with .gitignore")
            }
            source::Error::LinkOutside { .. } => {
                Self::new(Kind::Failed, "link-outside", error.to_string()).hint(
                    "put a copy of the file in its place, or leave the link out with .gitignore",
                )
            }
            source::Error::NoSubmodule { .. } => {
                Self::new(Kind::Failed, "submodule-missing", error.to_string())
                    .hint("bring them here: `git submodule update --init --recursive`")
                    .hint("or say that nothing here needs them: `update = none` in .gitmodules")
            }
            source::Error::Walk { path, reason } => Self::new(
                Kind::Failed,
                "file",
                format!("cannot list the files of `{}`: {reason}", path.display()),
            ),
        }
    }
}

impl From<python::Error> for Error {
    fn from(error: python::Error) -> Self {
        match error {
            python::Error::NoPython(reason) => Self::new(
                Kind::Failed,
                "python-missing",
                "there is no Python that can make an environment",
            )
            .cause(reason)
            .hint("install Python 3.11 or newer with its `venv` module"),
            python::Error::Install { lock, output } => {
                let mut error = Self::new(
                    Kind::Failed,
                    "python-packages",
                    format!("pip cannot install `{}`", lock.display()),
                );
                error.details = output;
                error.hint("check the lock file, and that this machine reaches the package index")
            }
            python::Error::File(error) => error.into(),
        }
    }
}
