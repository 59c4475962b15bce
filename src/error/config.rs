//! The words for errors of `config`.

use std::path::Path;

use super::{Error, Kind};
use crate::clients::{git_remote, process};
use crate::config;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName};
use crate::domain::repository;

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        match error {
            config::Error::Mistakes(mistakes) => of_mistakes(&mistakes),
            config::Error::NoService(directory) => no_service(&directory),
            config::Error::SeveralServices(names) => several_services(&names),
            config::Error::UnknownService(unknown) => unknown_service(*unknown),
            config::Error::UnknownEnvironment {
                name,
                known,
                nearest,
                org,
                missing_org,
                by,
            } => {
                let meant = by.map_or_else(String::new, |by| format!(" ({by})")) + &meant(nearest);
                unknown_environment(&name, &known, &meant, org.as_ref(), missing_org.as_ref())
            }
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
            config::Error::NoOrgFile { path, alias } => no_org_file(&path, alias.as_ref()),
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

fn no_service(directory: &Path) -> Error {
    Error::new(
        Kind::Config,
        "no-service",
        format!(
            "cannot find a service: there is no squad.toml in `{}` or above",
            directory.display()
        ),
    )
    .hint("make one with `squad new`, or go to a service's directory")
}

fn several_services(names: &[ServiceName]) -> Error {
    Error::new(
        Kind::Usage,
        "service-ambiguous",
        format!(
            "cannot tell which service is meant: this workspace has {}",
            shortened(&quoted(names))
        ),
    )
    .hint("name one, or go to its directory")
}

/// A service that is not where it was deployed from any more.
pub(crate) fn gone_service(name: &ServiceName, directory: &Path) -> Error {
    Error::new(
        Kind::Config,
        "service-unknown",
        format!(
            "cannot find the service `{name}`: it was last deployed from `{}`, and is not there any more",
            directory.display()
        ),
    )
    .hint("go to the directory where its squad.toml is now, then run the same command again")
}

fn unknown_service(unknown: config::UnknownService) -> Error {
    let config::UnknownService {
        name,
        known,
        nearest,
        repository,
        place,
    } = unknown;
    let why = match (known.is_empty(), place) {
        (true, None) => ": there is no squad.toml here or above".to_owned(),
        (true, Some(place)) => {
            format!(": it was never deployed to {place}, and there is no squad.toml here or above")
        }
        (false, None) => " in these files".to_owned(),
        (false, Some(place)) => {
            format!(": it is not in these files, and was never deployed to {place}")
        }
    };
    let message = format!("cannot find the service `{name}`{why}{}", meant(nearest));
    let mut error = Error::new(Kind::Config, "service-unknown", message);
    if !known.is_empty() {
        error = error.cause(format!("there is {}", shortened(&quoted(&known))));
    }
    if let Some(repository) = repository {
        error = error.hint(format!(
            "the org says that it lives in {repository}: `git clone {}`",
            repository::address(&repository)
        ));
    }
    error
}

fn no_org_file(path: &Path, alias: Option<&OrgName>) -> Error {
    let named = alias.map_or(String::new(), |alias| format!(" of the org `{alias}`"));
    let error = Error::new(
        Kind::Config,
        "org-file-missing",
        format!(
            "cannot read the file{named}: there is no `{}`",
            path.display()
        ),
    );
    match alias {
        Some(alias) => error.hint(format!(
            "say where it is now: `squad org add DIRECTORY_OR_URL --name {alias}`"
        ))
        .hint(format!(
            "or take it from the list, `squad org remove {alias}`; `squad local stop --all` ends what runs on this machine"
        )),
        None => error,
    }
}

/// Names in backticks.
pub(super) fn quoted<T: std::fmt::Display>(names: &[T]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

impl From<git_remote::Error> for Error {
    fn from(error: git_remote::Error) -> Self {
        let cannot = "cannot fetch the org's repository";
        match error {
            git_remote::Error::Address(why) => Self::new(Kind::Config, "org-address", why),
            git_remote::Error::Git(process::Error::Failed { stderr, .. }) => {
                let last = telling(&stderr).to_owned();
                if NO_CREDENTIALS.iter().any(|words| stderr.contains(words)) {
                    return Self::new(
                        Kind::Credentials,
                        "org-credentials",
                        format!("{cannot}: it does not let this machine in"),
                    )
                    .cause(last)
                    .hint(TRY_GIT);
                }
                Self::new(
                    Kind::Failed,
                    "org-fetch-failed",
                    format!("{cannot}: {last}"),
                )
                .retryable()
                .hint(TRY_GIT)
            }
            git_remote::Error::Git(error) => error.into(),
            git_remote::Error::Timeout(time) => Self::new(
                Kind::Failed,
                "org-fetch-failed",
                format!("{cannot}: no answer within {} s", time.as_secs()),
            )
            .retryable()
            .hint("is the address right, and does this machine need a proxy? `git ls-remote URL` shows what git sees"),
            git_remote::Error::Answer(why) => {
                Self::new(Kind::Failed, "org-fetch-failed", format!("{cannot}: {why}"))
            }
        }
    }
}

const TRY_GIT: &str = "try what git does: `git ls-remote URL`";

/// The line of git's errors that says why: the last one that is not about what people should check then.
pub(super) fn telling(stderr: &str) -> &str {
    const GENERAL: [&str; 4] = [
        "fatal: Could not read from remote repository",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
        "fatal: the remote end hung up",
    ];
    let lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let own = |line: &&str| !GENERAL.iter().any(|general| line.starts_with(general));
    let told = lines
        .clone()
        .rfind(own)
        .or_else(|| lines.clone().next_back());
    told.unwrap_or("git gave no reason")
        .trim_start_matches("fatal: ")
}

/// What git and SSH say when they are not let in.
pub(super) const NO_CREDENTIALS: [&str; 6] = [
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
    name: &EnvironmentName,
    known: &[EnvironmentName],
    meant: &str,
    org: Option<&OrgName>,
    missing_org: Option<&OrgName>,
) -> Error {
    let known = quoted(known);
    let (why, hint) = match (org, missing_org) {
        (Some(org), _) => (
            format!("the org `{org}` has {}", shortened(&known)),
            "list them with `squad env list`".to_owned(),
        ),
        (None, Some(org)) => (
            format!("the service belongs to the org `{org}`, which this machine does not know"),
            format!("add it with `squad org add DIRECTORY_OR_URL --name {org}`"),
        ),
        (None, None) => (
            "no org is in use, so there is only `local`".to_owned(),
            "add your org with `squad org add DIRECTORY_OR_URL`".to_owned(),
        ),
    };
    Error::new(
        Kind::Config,
        "environment-unknown",
        format!("cannot find the environment `{name}`{meant}"),
    )
    .cause(why)
    .hint(hint)
}

fn unknown_org(name: &str, by: &str, known: &[String], nearest: Option<String>) -> Error {
    let known = quoted(known);
    let why = if name.contains('/') {
        "there is no such directory, and it is no address that git knows".to_owned()
    } else if known.is_empty() {
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
    .hint("add it with `squad org add DIRECTORY_OR_URL`")
}

/// `; did you mean …?`
pub(super) fn meant(nearest: Option<String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// At most eight of a list, and how many more there are.
pub(super) fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> EnvironmentName {
        EnvironmentName::new(name).unwrap()
    }

    #[test]
    fn says_what_there_is_and_what_was_meant() {
        let error = Error::from(config::Error::UnknownEnvironment {
            name: environment("prdo"),
            known: vec![environment("prod"), environment("local")],
            nearest: Some("prod".to_owned()),
            org: Some(OrgName::new("acme").unwrap()),
            missing_org: None,
            by: None,
        });
        assert_eq!(
            error.message,
            "cannot find the environment `prdo`; did you mean `prod`?"
        );
        assert_eq!(error.causes, ["the org `acme` has `prod`, `local`"]);
        assert_eq!(
            (error.id, error.kind.exit_code()),
            ("environment-unknown", 5)
        );
    }

    #[test]
    fn a_service_elsewhere_comes_with_its_repository() {
        let error = Error::from(config::Error::UnknownService(Box::new(
            config::UnknownService {
                name: ServiceName::new("payments").unwrap(),
                known: Vec::new(),
                nearest: None,
                repository: Some("acme/payments".to_owned()),
                place: None,
            },
        )));
        assert_eq!(
            error.hints,
            [
                "the org says that it lives in acme/payments: `git clone https://github.com/acme/payments`"
            ]
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|number| format!("`s{number}`")).collect();
        assert!(shortened(&names).ends_with("`s7` and 12 more"));
    }

    #[test]
    fn no_service_names_the_way_out() {
        let error = Error::from(config::Error::NoService("/a".into()));
        assert_eq!((error.id, error.kind.exit_code()), ("no-service", 5));
        assert!(error.hints.iter().any(|hint| hint.contains("`squad new`")));
    }
}
