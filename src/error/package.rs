//! The words for errors of packages for Lambda.

use super::{Error, Kind};
use crate::clients::{package, wheels, zip};

const INVALID: &str = "package-invalid";
const PYTHON: &str = "python-packages";

impl From<package::Error> for Error {
    fn from(error: package::Error) -> Self {
        match error {
            package::Error::Wheels(error) => error.into(),
            package::Error::Zip(error) => error.into(),
            package::Error::PackedTwice { .. } => {
                Self::new(Kind::Failed, INVALID, error.to_string()).hint(
                    "squad adds the packages of `python_lock` by itself: take them out of what `command` under [build] makes",
                )
            }
        }
    }
}

impl From<zip::Error> for Error {
    fn from(error: zip::Error) -> Self {
        let text = error.to_string();
        match error {
            zip::Error::File(error) => error.into(),
            zip::Error::TooLarge { bytes, largest } => {
                let limit = zip::UNPACKED_LIMIT;
                let mut error = Self::new(
                    Kind::Failed,
                    "package-too-large",
                    format!("the package has {bytes} bytes unpacked, and Lambda takes at most {limit}"),
                );
                error.details = largest
                    .iter()
                    .map(|file| format!("{:>11} {}", file.bytes, file.name))
                    .collect();
                error.hint("leave out what it does not need; these are its largest files")
            }
            zip::Error::Changed { .. } => Self::new(Kind::Failed, INVALID, text)
                .retryable()
                .hint("wait until nothing writes to the artifact, then deploy again"),
            zip::Error::Link { .. } => Self::new(Kind::Failed, INVALID, text)
                .hint("let it lead to a file of the artifact, or put a copy in its place"),
            zip::Error::Unfit { .. } | zip::Error::Collision { .. } => {
                Self::new(Kind::Failed, INVALID, text)
                    .hint("correct what the build leaves in the artifact")
            }
            zip::Error::Archive { .. } | zip::Error::Empty { .. } => {
                Self::new(Kind::Failed, INVALID, text)
                    .hint("`artifact` under [build] in squad.toml is a directory or a zip: see what the build leaves there")
            }
            zip::Error::Write(_) => Self::internal(text),
        }
    }
}

impl From<wheels::Error> for Error {
    fn from(error: wheels::Error) -> Self {
        let text = error.to_string();
        match error {
            wheels::Error::File(error) => error.into(),
            wheels::Error::NoPython(reason) => Self::new(
                Kind::Failed,
                "python-missing",
                "there is no Python with pip that can fetch packages",
            )
            .cause(reason)
            .hint("install Python 3.11 or newer with pip"),
            wheels::Error::Runtime(_) => Self::new(Kind::Failed, PYTHON, text)
                .hint("set `runtime` under [function] to one such as \"python3.13\""),
            wheels::Error::Fetch {
                output,
                runtime,
                architecture,
                ..
            } => {
                let mut error = Self::new(Kind::Failed, PYTHON, text);
                error.details = output;
                error.hint(format!(
                    "check that this machine reaches the package index, and that each package has a wheel for {runtime} on {architecture}: nothing is built from source"
                ))
            }
            wheels::Error::Incomplete { missing, .. } => {
                let mut error = Self::new(Kind::Failed, PYTHON, text);
                error.details = missing;
                error.hint("make the lock file again, with everything that its packages need")
            }
            wheels::Error::Lock { .. } | wheels::Error::Wheel { .. } => {
                Self::new(Kind::Failed, PYTHON, text).hint(
                    "make the lock file again, with hashes: `uv pip compile --generate-hashes`",
                )
            }
        }
    }
}
