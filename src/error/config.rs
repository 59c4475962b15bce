//! The words for errors of `config`.

use super::{Error, Kind};
use crate::clients::{git_remote, process};
use crate::config;

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        match error {
            config::Error::Mistakes(mistakes) => of_mistakes(&mistakes),
            config::Error::NoService(directory) => Self::new(
                Kind::Config,
                "no-service",
                format!(
                    "cannot find a service: there is no squad.toml in `{}` or above",
                    directory.display()
                ),
            )
            .hint("make one with `squad new`, or go to a service's directory"),
            config::Error::SeveralServices(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                Self::new(
                    Kind::Usage,
                    "service-ambiguous",
                    format!(
                        "cannot tell which service is meant: this workspace has {}",
                        shortened(&names)
                    ),
                )
                .hint("name one, or go to its directory")
            }
            config::Error::UnknownService {
                name,
                known,
                nearest,
                repository,
            } => {
                let mut error = Self::new(
                    Kind::Config,
                    "service-unknown",
                    format!("cannot find the service `{name}` in these files{}", meant(nearest)),
                );
                if !known.is_empty() {
                    let known: Vec<String> =
                        known.iter().map(|name| format!("`{name}`")).collect();
                    error = error.cause(format!("there is {}", shortened(&known)));
                }
                if let Some(repository) = repository {
                    error = error.hint(format!(
                        "the org says that it lives in {repository}: `git clone {}`",
                        address(&repository)
                    ));
                }
                error
            }
            config::Error::UnknownEnvironment {
                name,
                known,
                nearest,
                org,
                missing_org,
            } => unknown_environment(&name, &known, nearest, org.as_ref(), missing_org.as_ref()),
            config::Error::Uncommitted { name, file } => Self::new(
                Kind::Refused,
                "environment-uncommitted",
                format!(
                    "cannot use `{name}`: it is protected, and no commit of `{}` says so yet",
                    file.display()
                ),
            )
            .hint("commit the org's file and run the same command again"),
            config::Error::UnknownOrg {
                name,
                by,
                known,
                nearest,
            } => unknown_org(&name, &by, &known, nearest),
            config::Error::OtherOrg {
                service,
                wanted,
                place,
                selected,
                by,
            } => Self::new(
                Kind::Refused,
                "other-org",
                format!(
                    "cannot use `{service}` with the org `{selected}`: it belongs to `{wanted}` ({place})"
                ),
            )
            .cause(format!("`{selected}` was chosen by {by}"))
            .hint("leave `--org` and SQUAD_ORG out: the service's file names its org"),
            config::Error::NoOrgFile { path, alias } => {
                let named = alias
                    .as_ref()
                    .map_or(String::new(), |alias| format!(" of the org `{alias}`"));
                let error = Self::new(
                    Kind::Config,
                    "org-file-missing",
                    format!("cannot read the file{named}: there is no `{}`", path.display()),
                );
                match alias {
                    Some(alias) => error.hint(format!(
                        "say where it is now: `squad org add <directory or git url> --name {alias}`"
                    )),
                    None => error,
                }
            }
            config::Error::NotFetched { url } => Self::new(
                Kind::Config,
                "org-not-fetched",
                format!("cannot read the org at `{url}`: it was never fetched to this machine"),
            )
            .hint("fetch it with `squad org refresh`")
            .retryable(),
            config::Error::Variable { variable, reason } => Self::new(
                Kind::Usage,
                "variable-invalid",
                format!("cannot use the variable {variable}: {reason}"),
            ),
            config::Error::File(error) => error.into(),
        }
    }
}

impl From<git_remote::Error> for Error {
    fn from(error: git_remote::Error) -> Self {
        let cannot = "cannot fetch the org's repository";
        match error {
            git_remote::Error::Address(why) => Self::new(Kind::Config, "org-address", why),
            git_remote::Error::Git(process::Error::Failed { stderr, .. }) => {
                let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
                let last = last.unwrap_or("git gave no reason");
                let last = last.trim_start_matches("fatal: ").to_owned();
                if NO_CREDENTIALS.iter().any(|words| stderr.contains(words)) {
                    return Self::new(
                        Kind::Credentials,
                        "org-credentials",
                        format!("{cannot}: it does not let this machine in"),
                    )
                    .cause(last)
                    .hint("try what git does: `git ls-remote <url>`");
                }
                Self::new(
                    Kind::Failed,
                    "org-fetch-failed",
                    format!("{cannot}: {last}"),
                )
                .retryable()
            }
            git_remote::Error::Git(error) => error.into(),
            git_remote::Error::Timeout(time) => Self::new(
                Kind::Failed,
                "org-fetch-failed",
                format!("{cannot}: no answer within {} s", time.as_secs()),
            )
            .retryable(),
            git_remote::Error::Answer(why) => {
                Self::new(Kind::Failed, "org-fetch-failed", format!("{cannot}: {why}"))
            }
        }
    }
}

/// What git and SSH say when they are not let in.
const NO_CREDENTIALS: [&str; 6] = [
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "Permission denied (",
    "terminal prompts disabled",
    "Host key verification failed",
];

/// All mistakes in one error: each with its file, line and column, the line itself, and a caret.
fn of_mistakes(mistakes: &[config::Mistake]) -> Error {
    let mut files: Vec<&str> = mistakes
        .iter()
        .map(|mistake| mistake.place.file.shown.as_str())
        .collect();
    files.dedup();
    let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    let message = match (mistakes.len(), files.as_slice()) {
        (1, [file]) => format!("{file} has a mistake"),
        (count, [file]) => format!("{file} has {count} mistakes"),
        (count, files) => format!("{} have {count} mistakes", shortened(files)),
    };
    let mut error = Error::new(Kind::Config, "config-invalid", message);
    for mistake in mistakes {
        error = error.detail(mistake.headline());
        for line in mistake.excerpt() {
            error = error.detail(line);
        }
    }
    error
}

fn unknown_environment(
    name: &crate::domain::name::EnvironmentName,
    known: &[crate::domain::name::EnvironmentName],
    nearest: Option<String>,
    org: Option<&crate::domain::name::OrgName>,
    missing_org: Option<&crate::domain::name::OrgName>,
) -> Error {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let (why, hint) = match (org, missing_org) {
        (Some(org), _) => (
            format!("the org `{org}` has {}", shortened(&known)),
            "list them with `squad env list`".to_owned(),
        ),
        (None, Some(org)) => (
            format!("the service belongs to the org `{org}`, which this machine does not know"),
            format!("add it with `squad org add <directory or git url> --name {org}`"),
        ),
        (None, None) => (
            "no org is in use, so there is only `local`".to_owned(),
            "add your org with `squad org add <directory or git url>`".to_owned(),
        ),
    };
    Error::new(
        Kind::Config,
        "environment-unknown",
        format!("cannot find the environment `{name}`{}", meant(nearest)),
    )
    .cause(why)
    .hint(hint)
}

fn unknown_org(name: &str, by: &str, known: &[String], nearest: Option<String>) -> Error {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let why = if known.is_empty() {
        "this machine knows no org yet".to_owned()
    } else {
        format!("this machine knows {}", shortened(&known))
    };
    Error::new(
        Kind::Config,
        "org-unknown",
        format!("cannot find the org `{name}` ({by}){}", meant(nearest)),
    )
    .cause(why)
    .hint("add it with `squad org add <directory or git url>`")
}

/// `; did you mean …?`
fn meant(nearest: Option<String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// At most eight of a list, and how many more there are.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What `git clone` takes: `acme/payments` means GitHub.
fn address(repository: &str) -> String {
    if repository.contains("://") || repository.contains('@') {
        repository.to_owned()
    } else {
        format!("https://github.com/{repository}")
    }
}
