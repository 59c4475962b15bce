//! The environment of a process: clean, then what the service says, then its secrets.
//!
//! A secret's value is read when the process starts and goes nowhere else: not into the journal, not into an
//! error, and not into the log, where it is masked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::release::{Release, RevisionNumber};
use crate::domain::service::{Kind, Service, Variable};
use crate::fs;
use crate::platform::{Error, Result};

/// Where a process is to listen: on loopback, where the proxy alone reaches it.
const HOST: &str = "127.0.0.1";
/// The variables of the supervisor that a process gets.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// A `PATH` for a supervisor that has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Shorter values are not masked in the log: they would mask half of it.
const SHORTEST_MASKED: usize = 6;

/// The environment of one process, and what must not show in its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ProcessEnvironment {
    /// All variables.
    pub(super) variables: BTreeMap<String, String>,
    /// Values of secrets.
    pub(super) secrets: Vec<String>,
}

/// Which secret cannot be read, without its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret {variable} cannot be read from `{reference}`: {reason}")]
pub(super) struct UnreadableSecret {
    /// The variable that is to hold it.
    pub(super) variable: String,
    /// Where it should be.
    pub(super) reference: String,
    /// Why not.
    pub(super) reason: String,
}

/// The variables that processes may get; the others of whoever started the supervisor are forgotten.
pub(super) fn passed_on(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables
        .iter()
        .filter(|(name, _)| PASSED_ON.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Refuses a service with secrets that only another platform can read; looks at no secret.
///
/// # Errors
/// [`Error::Unsupported`] for the first of them.
pub(crate) fn check_secrets(service: &Service) -> Result<()> {
    for (name, variable) in &service.run.env {
        let Variable::Secret(reference) = variable else {
            continue;
        };
        let scheme = reference.split_once(':').map_or("", |(scheme, _)| scheme);
        let place = match scheme {
            "file" => continue,
            "ssm" | "secretsmanager" => "on AWS",
            "k8s" => "on Kubernetes",
            _ => "nowhere that squad knows",
        };
        return Err(Error::Unsupported(format!(
            "the variable {name} is a secret in `{reference}`, which works {place}; on this machine only `file:` does"
        )));
    }
    Ok(())
}

/// The environment for one process of a revision.
pub(super) fn of_process(
    base: &BTreeMap<String, String>,
    release: &Release,
    environment: &str,
    revision: RevisionNumber,
    own: &[(String, String)],
) -> Result<ProcessEnvironment, UnreadableSecret> {
    let mut made = ProcessEnvironment::default();
    let variables = &mut made.variables;
    for name in PASSED_ON {
        if let Some(value) = base.get(name) {
            variables.insert(name.to_owned(), value.clone());
        }
    }
    let path = variables
        .entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    if let Some(python) = &release.python_environment {
        *path = format!("{}:{path}", python.join("bin").display());
        variables.insert("VIRTUAL_ENV".to_owned(), python.display().to_string());
    }
    if release.service.kind == Kind::Http {
        // Before what the service says: to some a host is the name that the world knows them by.
        variables.insert("HOST".to_owned(), HOST.to_owned());
    }
    for (name, value) in [
        ("SQUAD_SERVICE", release.service.name.to_string()),
        ("SQUAD_ENV", environment.to_owned()),
        ("SQUAD_REVISION", revision.to_string()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    for (name, variable) in &release.service.run.env {
        let value = match variable {
            Variable::Value(value) => value.clone(),
            Variable::Secret(reference) => {
                let value = read_secret(base.get("HOME"), reference).map_err(|reason| {
                    UnreadableSecret {
                        variable: name.clone(),
                        reference: reference.clone(),
                        reason,
                    }
                })?;
                // A log has lines, so a secret of several lines shows line by line.
                let lines = value.lines().filter(|line| line.len() >= SHORTEST_MASKED);
                made.secrets.extend(lines.map(str::to_owned));
                value
            }
        };
        made.variables.insert(name.clone(), value);
    }
    // Last: where it listens is not the service's to say.
    for (name, value) in own {
        made.variables.insert(name.clone(), value.clone());
    }
    Ok(made)
}

/// Reads `file:<path>`: absolute, or below the home directory with `~/`. One line end at its end is dropped.
fn read_secret(home: Option<&String>, reference: &str) -> Result<String, String> {
    let path = reference.strip_prefix("file:").unwrap_or(reference);
    let path = match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        (Some(_), None) => return Err("HOME is not set".to_owned()),
        (None, _) => PathBuf::from(path),
    };
    if !path.is_absolute() {
        return Err("the path is neither absolute nor below `~/`".to_owned());
    }
    let mut value = fs::read_to_string(&path).map_err(|error| match error.source.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it is not readable".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not text".to_owned(),
        kind => kind.to_string(),
    })?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    if value.contains('\0') {
        return Err("it holds a NUL byte".to_owned());
    }
    Ok(value)
}

/// A line of a log without the values of secrets.
pub(super) fn masked(line: &str, secrets: &[String]) -> String {
    let mut line = line.to_owned();
    for secret in secrets {
        if line.contains(secret.as_str()) {
            line = line.replace(secret.as_str(), "***");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::local::state::tests::release;

    fn base(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_process_gets_what_it_is_given_and_nothing_else() {
        let mut release = release("shop", "sha256:1");
        release.python_environment = Some("/cache/env".into());
        release
            .service
            .run
            .env
            .insert("LOG_LEVEL".into(), Variable::Value("debug".into()));
        let made = of_process(
            &base(&[
                ("PATH", "/bin"),
                ("AWS_SECRET_ACCESS_KEY", "x"),
                ("TZ", "UTC"),
            ]),
            &release,
            "local",
            RevisionNumber(3),
            &[("PORT".into(), "4711".into())],
        )
        .unwrap();
        let wanted = base(&[
            ("HOST", "127.0.0.1"),
            ("LOG_LEVEL", "debug"),
            ("PATH", "/cache/env/bin:/bin"),
            ("PORT", "4711"),
            ("SQUAD_ENV", "local"),
            ("SQUAD_REVISION", "3"),
            ("SQUAD_SERVICE", "shop"),
            ("TZ", "UTC"),
            ("VIRTUAL_ENV", "/cache/env"),
        ]);
        assert_eq!(made.variables, wanted);
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_masked_in_the_log() {
        let home = tempfile::tempdir().unwrap();
        fs::write_durably(&home.path().join("password"), b"hunter22\n", 0o600).unwrap();
        let mut release = release("shop", "sha256:1");
        let mut with = |reference: &str| {
            release
                .service
                .run
                .env
                .insert("PASSWORD".into(), Variable::Secret(reference.into()));
            let base = base(&[("HOME", home.path().to_str().unwrap())]);
            of_process(&base, &release, "local", RevisionNumber(1), &[])
        };
        let made = with("file:~/password").unwrap();
        assert_eq!(made.variables["PASSWORD"], "hunter22");
        assert_eq!(
            masked("login with hunter22 failed", &made.secrets),
            "login with *** failed"
        );
        assert_eq!(
            with("file:~/nothing").unwrap_err().to_string(),
            "the secret PASSWORD cannot be read from `file:~/nothing`: there is no such file"
        );
        assert_eq!(
            with("file:password").unwrap_err().reason,
            "the path is neither absolute nor below `~/`"
        );
    }

    #[test]
    fn a_secret_of_another_platform_is_refused_by_name() {
        let mut release = release("shop", "sha256:1");
        for (reference, wanted) in [
            ("file:/x", None),
            ("ssm:/shop/db", Some("on AWS")),
            ("k8s:shop/db", Some("on Kubernetes")),
            ("vault:x", Some("nowhere")),
        ] {
            release
                .service
                .run
                .env
                .insert("PASSWORD".into(), Variable::Secret(reference.into()));
            match (check_secrets(&release.service), wanted) {
                (Ok(()), None) => {}
                (Err(error), Some(wanted)) => {
                    let text = error.to_string();
                    assert!(text.contains("PASSWORD") && text.contains(wanted), "{text}");
                }
                (result, _) => panic!("{reference}: {result:?}"),
            }
        }
    }
}
