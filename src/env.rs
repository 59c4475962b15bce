//! Every environment variable that `squad` reads, as documented constants, read once at the start.
//!
//! Nothing else may read the environment. `docs/environment.md` lists the same variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The org to use: a name, a directory or a git URL. Like `--org`.
pub(crate) const SQUAD_ORG: &str = "SQUAD_ORG";
/// The environment to use. Like `--env`.
pub(crate) const SQUAD_ENV: &str = "SQUAD_ENV";
/// Log filter for diagnosis, such as `debug`; written to stderr.
pub(crate) const SQUAD_LOG: &str = "SQUAD_LOG";
/// Set and not empty: no colour (no-color.org).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Set and not `0`: colour although the stream is not a terminal.
pub(crate) const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";
/// Terminal type; `dumb` = no colour, no cursor movement.
pub(crate) const TERM: &str = "TERM";
/// Width of the terminal in columns, when it cannot be asked.
pub(crate) const COLUMNS: &str = "COLUMNS";
/// Set in continuous integration: no prompts, no moving progress.
pub(crate) const CI: &str = "CI";
/// Set by some CI systems instead of `CI`.
pub(crate) const BUILD_NUMBER: &str = "BUILD_NUMBER";
/// Set by some CI systems instead of `CI`.
pub(crate) const RUN_ID: &str = "RUN_ID";
/// GitHub Actions: `true` in a job.
pub(crate) const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";
/// GitHub Actions: what was checked out; `refs/pull/<number>/merge` for a pull request.
pub(crate) const GITHUB_REF: &str = "GITHUB_REF";
/// GitHub Actions: the branch of a pull request; empty elsewhere.
pub(crate) const GITHUB_HEAD_REF: &str = "GITHUB_HEAD_REF";
/// GitHub Actions: the repository, `owner/name`.
pub(crate) const GITHUB_REPOSITORY: &str = "GITHUB_REPOSITORY";
/// GitHub Actions: the number of the run.
pub(crate) const GITHUB_RUN_ID: &str = "GITHUB_RUN_ID";
/// GitLab CI: the number of the merge request.
pub(crate) const CI_MERGE_REQUEST_IID: &str = "CI_MERGE_REQUEST_IID";
/// GitLab CI: the branch of a merge request.
pub(crate) const CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: &str = "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME";
/// GitLab CI: the branch that is built.
pub(crate) const CI_COMMIT_BRANCH: &str = "CI_COMMIT_BRANCH";
/// GitLab CI: the number of the pipeline.
pub(crate) const CI_PIPELINE_ID: &str = "CI_PIPELINE_ID";
/// Jenkins: the number of the pull request.
pub(crate) const CHANGE_ID: &str = "CHANGE_ID";
/// Jenkins: the branch of a pull request.
pub(crate) const CHANGE_BRANCH: &str = "CHANGE_BRANCH";
/// Jenkins: the branch that is built.
pub(crate) const BRANCH_NAME: &str = "BRANCH_NAME";
/// Jenkins: the name of the run.
pub(crate) const BUILD_TAG: &str = "BUILD_TAG";
/// The login name.
pub(crate) const USER: &str = "USER";
/// The person's home directory.
pub(crate) const HOME: &str = "HOME";

/// The profile of the AWS configuration files to take credentials from.
pub(crate) const AWS_PROFILE: &str = "AWS_PROFILE";
/// The file with a pipeline's own token.
pub(crate) const AWS_WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The AWS configuration file.
pub(crate) const AWS_CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// The AWS credentials file.
pub(crate) const AWS_SHARED_CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// AWS credentials: the id of the key.
pub(crate) const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// AWS credentials: the secret of the key.
pub(crate) const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// AWS credentials: what belongs to a key that ends.
pub(crate) const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// Another address for every AWS service.
pub(crate) const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Another address for S3.
pub(crate) const AWS_ENDPOINT_URL_S3: &str = "AWS_ENDPOINT_URL_S3";

/// Every variable that is read and what it does, for `squad help environment` and `docs/environment.md`.
pub(crate) const ALL: &[(&str, &str)] = &[
    (
        SQUAD_ORG,
        "the org to use: a name, a directory or a git URL; like `--org`",
    ),
    (SQUAD_ENV, "the environment to use; like `--env`"),
    (
        SQUAD_LOG,
        "log filter for diagnosis, such as `debug`; written to standard error",
    ),
    (NO_COLOR, "set and not empty: no colour"),
    (
        CLICOLOR_FORCE,
        "set and not `0`: colour although the stream is not a terminal",
    ),
    (
        TERM,
        "type of the terminal; `dumb` = no colour and no cursor movement",
    ),
    (
        COLUMNS,
        "width of the terminal in columns, before the terminal's own answer",
    ),
    (CI, "set and not empty: no prompts and no moving progress"),
    (BUILD_NUMBER, "like `CI`, set by some systems instead of it"),
    (RUN_ID, "like `CI`, set by some systems instead of it"),
    (
        GITHUB_ACTIONS,
        "`true`: an error is also an `::error::` line, which GitHub Actions shows beside the job",
    ),
    (
        GITHUB_REF,
        "recorded with a deploy: the pull request or the branch, on GitHub Actions",
    ),
    (
        GITHUB_HEAD_REF,
        "recorded with a deploy: the branch of a pull request, on GitHub Actions",
    ),
    (
        GITHUB_REPOSITORY,
        "recorded with a deploy: the repository, on GitHub Actions",
    ),
    (
        GITHUB_RUN_ID,
        "recorded with a deploy: the run, on GitHub Actions",
    ),
    (
        CI_MERGE_REQUEST_IID,
        "recorded with a deploy: the merge request, on GitLab CI",
    ),
    (
        CI_MERGE_REQUEST_SOURCE_BRANCH_NAME,
        "recorded with a deploy: the branch of a merge request, on GitLab CI",
    ),
    (
        CI_COMMIT_BRANCH,
        "recorded with a deploy: the branch, on GitLab CI",
    ),
    (
        CI_PIPELINE_ID,
        "recorded with a deploy: the pipeline, on GitLab CI",
    ),
    (
        CHANGE_ID,
        "recorded with a deploy: the pull request, on Jenkins",
    ),
    (
        CHANGE_BRANCH,
        "recorded with a deploy: the branch of a pull request, on Jenkins",
    ),
    (
        BRANCH_NAME,
        "recorded with a deploy: the branch, on Jenkins",
    ),
    (BUILD_TAG, "recorded with a deploy: the run, on Jenkins"),
    (USER, "who acts, where git has no name"),
    (
        HOME,
        "the home directory, for the four below when they are not set",
    ),
    (
        "XDG_CONFIG_HOME",
        "configuration and the list of orgs are in `squad` below it; default `~/.config`",
    ),
    (
        "XDG_STATE_HOME",
        "journals, logs, the audit log and keys are in `squad` below it; default `~/.local/state`",
    ),
    (
        "XDG_CACHE_HOME",
        "what can be made again is in `squad` below it; default `~/.cache`",
    ),
    (
        "XDG_RUNTIME_DIR",
        "sockets are in `squad` below it; default, and where its path is too long for a socket (81 bytes with `/squad`): `/tmp/squad-<uid>`",
    ),
    (
        AWS_PROFILE,
        "the profile to take AWS credentials from; the region is always that of org.toml",
    ),
    (
        AWS_CONFIG_FILE,
        "the AWS configuration file; default `~/.aws/config`",
    ),
    (
        AWS_SHARED_CREDENTIALS_FILE,
        "the AWS credentials file; default `~/.aws/credentials`",
    ),
    (
        AWS_ACCESS_KEY_ID,
        "credentials of AWS, before any profile: the id of the key",
    ),
    (AWS_SECRET_ACCESS_KEY, "the secret of that key"),
    (AWS_SESSION_TOKEN, "what belongs to a key that ends"),
    (
        AWS_WEB_IDENTITY_TOKEN_FILE,
        "with AWS_ROLE_ARN: credentials from a pipeline's token",
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "credentials of a container, with its companions; set by AWS",
    ),
    (
        "AWS_EC2_METADATA_DISABLED",
        "`true`: an instance's role is not looked for",
    ),
    (
        AWS_ENDPOINT_URL,
        "another address for every AWS service; `AWS_ENDPOINT_URL_<SERVICE>` for one",
    ),
    (
        AWS_ENDPOINT_URL_S3,
        "another address for S3; buckets are then named in the path",
    ),
    (
        "LC_ALL",
        "the locale; without UTF-8 in it (or in the two below) squad's own words are ASCII",
    ),
    ("LC_CTYPE", "the locale, where `LC_ALL` is not set"),
    ("LANG", "the locale, where neither of the two above is set"),
];

/// The environment as it was when the process started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Env {
    variables: BTreeMap<String, OsString>,
}

/// Where `squad` keeps its files (XDG Base Directory Specification 0.8), each ending in `squad`.
#[derive(Debug, Clone)]
pub(crate) struct Directories {
    /// The person's configuration and the list of orgs.
    pub(crate) config: PathBuf,
    /// What must survive: journals, logs, the audit log, keys.
    pub(crate) state: PathBuf,
    /// What can be made again.
    pub(crate) cache: PathBuf,
    /// Sockets; short-lived. 0700.
    pub(crate) runtime: PathBuf,
}

/// The longest path of a directory for sockets, in bytes: with `/<16 hex digits>.sock` behind it and the zero at its end it fits
/// into the 104 bytes that a socket's path has on macOS (unix(4)); on Linux they are 108 (unix(7)).
const LONGEST_RUNTIME: usize = 104 - 1 - 22;

impl Env {
    /// Reads the process's environment. Names that are not UTF-8 are passed over.
    pub(crate) fn read() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        Self { variables }
    }

    /// An environment of exactly these variables: for tests.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let variables = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        Self { variables }
    }

    /// The value, if it is set, not empty, and UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)?
            .to_str()
            .filter(|value| !value.is_empty())
    }

    /// An absolute path, if the variable holds one (XDG: relative ones are to be ignored).
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = Path::new(self.variables.get(name)?);
        path.is_absolute().then(|| path.to_owned())
    }

    /// Whether a CI system runs this process.
    pub(crate) fn is_ci(&self) -> bool {
        [CI, BUILD_NUMBER, RUN_ID]
            .iter()
            .any(|name| self.get(name).is_some())
    }

    /// The directories; none when there is neither `HOME` nor the XDG variables.
    pub(crate) fn directories(&self) -> Option<Directories> {
        let home = self.path(HOME);
        let base = |variable: &str, default: &str| {
            self.path(variable)
                .or_else(|| home.as_ref().map(|home| home.join(default)))
                .map(|path| path.join("squad"))
        };
        Some(Directories {
            config: base("XDG_CONFIG_HOME", ".config")?,
            state: base("XDG_STATE_HOME", ".local/state")?,
            cache: base("XDG_CACHE_HOME", ".cache")?,
            runtime: self
                .path("XDG_RUNTIME_DIR")
                .map(|path| path.join("squad"))
                .filter(|path| path.as_os_str().len() <= LONGEST_RUNTIME)
                .unwrap_or_else(|| {
                    PathBuf::from(format!("/tmp/squad-{}", rustix::process::getuid().as_raw()))
                }),
        })
    }

    /// Everything, as it is to be handed to child processes.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }
}
