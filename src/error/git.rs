//! The words for errors of git and other programs.

use std::path::Path;

use super::config::{NO_CREDENTIALS, meant, quoted, shortened, telling};
use super::{Error, Kind};
use crate::clients::{git_checkout, git_remote, process};
use crate::domain::name::ServiceName;
use crate::domain::repository::without_secrets;

/// The repository of a service, `shown` to people, could not be brought here from `address`.
pub(crate) fn not_fetched(shown: &str, address: &str, error: git_checkout::Error) -> Error {
    let failed = |why: &str| {
        Error::new(
            Kind::Failed,
            "repository-not-fetched",
            format!("cannot fetch {shown}: {why}"),
        )
    };
    let try_git = format!(
        "try what git does: `git ls-remote {}`",
        without_secrets(address)
    );
    let error = match error {
        git_checkout::Error::NoCommit => {
            return failed("its main branch has no commit").hint(
                "push one, or choose the branch that has them as the default branch of the repository",
            );
        }
        git_checkout::Error::Gone(commit) => {
            let commit = commit.get(..7).unwrap_or(&commit);
            return failed(&format!("commit {commit} is not there any more"))
                .hint("deploy the newest commit by the service's name alone");
        }
        git_checkout::Error::Here(git_remote::Error::Timeout(time)) => {
            return failed(&format!(
                "it was not checked out within {} s",
                time.as_secs()
            ))
            .retryable()
            .hint("give it longer with `--timeout`");
        }
        git_checkout::Error::Here(git_remote::Error::Git(process::Error::Failed {
            stderr,
            ..
        })) => {
            let why = format!("what came cannot be checked out: {}", telling(&stderr));
            return failed(&why).retryable();
        }
        git_checkout::Error::Remote(error) | git_checkout::Error::Here(error) => error,
        git_checkout::Error::File(error) => return error.into(),
    };
    match error {
        git_remote::Error::Address(why) => Error::new(Kind::Config, "repository-address", why)
            .hint("correct `repository` of the service in the org's file"),
        git_remote::Error::Git(process::Error::Failed { stderr, .. }) => {
            let last = telling(&stderr).to_owned();
            if NO_CREDENTIALS.iter().any(|words| stderr.contains(words)) {
                return Error::new(
                    Kind::Credentials,
                    "repository-credentials",
                    format!("cannot fetch {shown}: it does not let this machine in"),
                )
                .cause(last)
                .hint(try_git);
            }
            failed(&last).retryable().hint(try_git)
        }
        git_remote::Error::Git(error) => error.into(),
        git_remote::Error::Timeout(time) => {
            failed(&format!("no answer within {} s", time.as_secs()))
                .retryable()
                .hint(try_git)
        }
        git_remote::Error::Answer(why) => failed(&why),
    }
}

/// Files of a service are kept in Git LFS, and git here does not know it; `file` is one of them.
pub(crate) fn no_large_files(shown: &str, file: &Path) -> Error {
    Error::new(
        Kind::Failed,
        "program-missing",
        format!(
            "{shown} keeps files in Git LFS (`{}`), and `git-lfs` is not set up here",
            file.display()
        ),
    )
    .hint("install `git-lfs`, run `git lfs install`, then run the same command again")
}

/// The repository, at a commit in words, has no service of this name.
pub(crate) fn not_in_repository(
    name: &ServiceName,
    (shown, commit): (&str, &str),
    known: &[ServiceName],
    nearest: Option<String>,
) -> Error {
    let error = Error::new(
        Kind::Config,
        "service-not-in-repository",
        format!(
            "there is no service `{name}` in {shown} ({commit}){}",
            meant(nearest)
        ),
    );
    let error = if known.is_empty() {
        error.cause("at the top of the repository there is no squad.toml with a service")
    } else {
        error.cause(format!("there is {}", shortened(&quoted(known))))
    };
    error.hint(format!(
        "correct the name, or `repository` of `[service.{name}]` in the org's file"
    ))
}

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
