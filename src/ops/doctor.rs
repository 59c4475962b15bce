//! `squad doctor`: what is wrong with this machine, with an environment, and with how its services are called.
//!
//! Looks only. A check that cannot be done says so, and does not stop the others.

use std::path::Path;
use std::process::Command;

use futures_util::StreamExt;

use crate::clients::process;
use crate::domain::doctor::{Callers, Check, Finding, Outcome};
use crate::domain::environment::Environment;
use crate::domain::live::Health;
use crate::domain::name::ServiceName;
use crate::error::{Error, Kind, Result};
use crate::fs;
use crate::ops::status::{self, Row};
use crate::platform::{Look, Platform, Search};

/// Services that are looked at beside each other; the platform's own pace comes on top.
const AT_ONCE: usize = 8;

/// What is read again where it is gone.
const CACHE: &str = "cache directory";

/// The check of the directory that everything is kept in.
const STATE: &str = "state directory";

/// Whether the state directory belongs to another user.
pub(crate) fn is_anothers(state: &Path) -> bool {
    fs::is_of_another_user(state)
}

/// A cache directory of another user; none where it can be used.
pub(crate) fn cache_directory(cache: &Path) -> Option<Check> {
    let shown = cache.display();
    fs::is_of_another_user(cache).then(|| {
        Check::wrong(
            CACHE,
            vec![Finding {
                what: format!("`{shown}` belongs to another user"),
                why: "squad would leave there what they cannot use any more, so every command but a brake refuses it"
                    .to_owned(),
                next: format!(
                    "use squad as that user, give it back with `sudo chown -R \"$USER\" {shown}`, or set XDG_CACHE_HOME"
                ),
            }],
        )
    })
}

/// What is not looked at where the configuration would have to be fetched into such a cache.
pub(crate) fn behind_the_cache() -> Vec<Check> {
    let why = "the org's file would be fetched into the cache directory";
    ["configuration", "audit log", "services"]
        .map(|what| Check::unknown(what, why))
        .into()
}

/// What is not looked at where the state directory cannot be used.
pub(crate) fn behind_the_state() -> Vec<Check> {
    let why = "it lies behind the state directory";
    ["configuration", "audit log", "services"]
        .map(|what| Check::unknown(what, why))
        .into()
}

/// The machine: programs that commands need, and the directory that everything is kept in.
pub(crate) fn machine(state: &Path) -> Vec<Check> {
    vec![
        program(
            "git",
            "without it nothing knows which commit is deployed, and an org in git cannot be read",
            "install git",
        ),
        program(
            "python3",
            "services and functions in Python cannot be built or run on this machine",
            "install Python 3 with `venv`",
        ),
        state_directory(state),
    ]
}

fn program(name: &'static str, why: &str, next: &str) -> Check {
    let mut command: Command = process::command(name);
    command.arg("--version");
    match process::output(&mut command) {
        Ok(said) => Check::fine(name, String::from_utf8_lossy(&said).trim().to_owned()),
        Err(error) => Check::wrong(
            name,
            vec![Finding {
                what: error.to_string(),
                why: why.to_owned(),
                next: next.to_owned(),
            }],
        ),
    }
}

/// Whether a file can be kept so that it survives. In a directory of another user nothing is tried.
fn state_directory(state: &Path) -> Check {
    let what = STATE;
    if fs::is_of_another_user(state) {
        let shown = state.display();
        return Check::wrong(
            what,
            vec![Finding {
                what: format!("`{shown}` belongs to another user"),
                why: "squad's keys and records would be theirs, so every command refuses it"
                    .to_owned(),
                next: format!(
                    "use squad as that user, give it back with `sudo chown -R \"$USER\" {shown}`, or set XDG_STATE_HOME"
                ),
            }],
        );
    }
    let probe = state.join(".doctor");
    let kept = fs::create_private_dir(state).and_then(|()| fs::write_durably(&probe, b"", 0o600));
    drop(std::fs::remove_file(&probe));
    match kept {
        Ok(()) => Check::fine(what, state.display().to_string()),
        Err(error) => Check::wrong(
            what,
            vec![Finding {
                what: error.to_string(),
                why: "journals, keys and the record of changes are kept there, and nothing is changed without a record"
                    .to_owned(),
                next: "give it back to your user, free some room, or set XDG_STATE_HOME".to_owned(),
            }],
        ),
    }
}

/// The record of an environment: what of it is on this machine only, and why.
pub(crate) fn record(pending: Result<(usize, Option<Error>)>, environment: &Environment) -> Check {
    let what = "audit log";
    match pending {
        Ok((0, _)) => Check::fine(what, "every event is in the store"),
        Ok((events, why)) => {
            let reason = why
                .as_ref()
                .map_or_else(String::new, |why| format!(": {}", why.message));
            let next = why.and_then(|why| why.hints.into_iter().next());
            Check::wrong(
                what,
                vec![Finding {
                    what: match events {
                        1 => format!("1 event is on this machine only{reason}"),
                        _ => format!("{events} events are on this machine only{reason}"),
                    },
                    why: "nobody else sees what was done, and no change goes forwards until the log has all of it".to_owned(),
                    next: next.unwrap_or_else(|| {
                        format!("when the store answers again: `squad audit verify{}`", environment.flag())
                    }),
                }],
            )
        }
        Err(error) => {
            let next = error.hints.first().cloned();
            Check::wrong(
                what,
                vec![Finding {
                    what: error.message.clone(),
                    why: "without a record that can be read and written, nothing goes forwards"
                        .to_owned(),
                    next: next.unwrap_or_else(|| format!("see {}", error.docs())),
                }],
            )
        }
    }
}

/// What concerns no single service.
#[derive(Debug)]
pub(crate) struct Access {
    /// Credentials that cannot be used are the one finding that there is then.
    pub(crate) checks: Vec<Check>,
    /// The exit code of every command here: this is another account or region than the environment's.
    pub(crate) refused: Option<u8>,
}

/// Looks at it.
pub(crate) async fn environment(platform: &dyn Platform, environment: &Environment) -> Access {
    match platform.examine().await {
        Ok(checks) => Access {
            checks,
            refused: None,
        },
        Err(error) => {
            let error = Error::from(error);
            let next = error.hints.first().cloned();
            let finding = Finding {
                what: error.message.clone(),
                why: format!("squad cannot reach {}", environment.spoken()),
                next: next.unwrap_or_else(|| format!("see {}", error.docs())),
            };
            Access {
                checks: vec![Check::wrong("access", vec![finding])],
                refused: (error.kind == Kind::Refused).then(|| error.kind.exit_code()),
            }
        }
    }
}

/// How the services that are live are. Those of which nothing is live have no check.
pub(crate) async fn health(
    platform: &dyn Platform,
    environment: &Environment,
    services: &[ServiceName],
) -> Vec<Check> {
    let look = Look {
        only: Some(services),
        ..Look::default()
    };
    match status::look(platform, &look, &|_, _| {}).await {
        Ok(looked) => status::rows(looked.seen, environment, Some(services), &[])
            .iter()
            .filter_map(|row| healthy(row, &environment.flag()))
            .collect(),
        Err(error) => vec![Check::unknown("health", error.message)],
    }
}

fn healthy(row: &Row, flag: &str) -> Option<Check> {
    let service = row.service.as_str();
    if let Some(unreadable) = &row.unreadable {
        return Some(Check::unknown(service, unreadable.why.clone()));
    }
    let split = row.live.split.as_ref()?;
    let who = match split.sole() {
        Some(revision) => format!("revision {revision} is live and"),
        None => "several revisions are live and the worst is".to_owned(),
    };
    let health = row.health();
    let word = health.as_str();
    let why = match health {
        Health::Ok => return Some(Check::fine(service, format!("{who} {word}"))),
        Health::Starting | Health::Stopped => {
            return Some(Check::unknown(service, format!("{who} {word}")));
        }
        Health::Degraded => "it serves, but not as it should",
        Health::Failed => "it cannot serve: who calls it gets errors",
    };
    let problem = row
        .problem()
        .map_or_else(String::new, |problem| format!(": {problem}"));
    Some(Check::wrong(
        service,
        vec![Finding {
            what: format!("{who} {word}{problem}"),
            why: why.to_owned(),
            next: format!(
                "look at the log with `squad logs {service}{flag}`, or go back with `squad rollback {service}{flag}`"
            ),
        }],
    ))
}

/// What is said of the services where nothing of the platform runs: to look at them would start it.
pub(crate) fn at_rest(environment: &Environment) -> Check {
    Check::unknown(
        "services",
        format!(
            "the supervisor does not run, and with it no service; `squad local start{}` starts them",
            environment.flag()
        ),
    )
}

/// Whether a service that was named is there at all: a name that was mistyped is not fine. None where it is.
pub(crate) async fn presence(
    platform: &dyn Platform,
    environment: &Environment,
    service: &ServiceName,
) -> Option<Check> {
    let live = platform.observe(service).await;
    match live.map_err(Error::from) {
        Ok(live) if live.revisions.is_empty() => Some(Check::unknown(
            service.as_str(),
            format!("it was never deployed to {}", environment.name),
        )),
        Ok(_) => None,
        Err(error) => Some(Check::unknown(service.as_str(), error.message)),
    }
}

/// How each service is called; in order of the names.
pub(crate) async fn services(
    platform: &dyn Platform,
    environment: &Environment,
    services: &[ServiceName],
    on_check: &(dyn Fn(usize) + Send + Sync),
) -> Vec<Check> {
    let looks = services.iter().map(|service| async move {
        let found = platform.callers(service, Search::Everywhere).await;
        (service, found.map_err(Error::from))
    });
    let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
    let mut found = Vec::new();
    while let Some(one) = looks.next().await {
        found.push(one);
        on_check(found.len());
    }
    drop(looks);
    found.sort_by(|one, other| one.0.cmp(other.0));
    found
        .into_iter()
        .filter_map(|(service, found)| {
            let what = format!("callers of {service}");
            match found {
                Ok(None) => None,
                Ok(Some(callers)) => Some(judged(what, service, environment, &callers)),
                Err(error) => Some(Check::unknown(what, error.message)),
            }
        })
        .collect()
}

fn judged(
    what: String,
    service: &ServiceName,
    environment: &Environment,
    callers: &Callers,
) -> Check {
    let flag = environment.flag();
    let mut findings = Vec::new();
    if callers.address.is_none() {
        findings.push(Finding {
            what: format!("`{service}` has no alias"),
            why: "every caller reaches `$LATEST`: each unfinished change at once, with no way back"
                .to_owned(),
            next: format!(
                "`squad deploy {service}{flag} --adopt-alias` makes it on what `$LATEST` is now, and moves the callers there"
            ),
        });
    }
    for caller in callers.found.iter().filter(|caller| caller.is_past) {
        let next = match (&callers.address, caller.can_be_moved(), &caller.left_to_do) {
            (_, true, _) => format!("`squad deploy {service}{flag} --adopt-alias`"),
            // Where to they are to be pointed is known when the alias is there.
            (None, false, _) => {
                format!(
                    "`squad deploy {service}{flag} --adopt-alias`, which says what is left to do by hand"
                )
            }
            (Some(_), false, Some(left)) => left.clone(),
            (Some(_), false, None) => continue,
        };
        let (what, why) = if caller.is_settings {
            (
                format!("{} are those of `$LATEST` alone", caller.who),
                "what calls the alias gets the platform's own retries, and no record of what failed goes anywhere",
            )
        } else {
            (
                format!("{} call `$LATEST`", caller.who),
                "no rollout, no rollback and no check before a deploy has any effect for them",
            )
        };
        findings.push(Finding {
            what,
            why: why.to_owned(),
            next,
        });
    }
    if !findings.is_empty() {
        return Check::wrong(what, findings);
    }
    if callers.unread.is_empty() {
        let found = callers.found.iter();
        let count = found.filter(|caller| !caller.is_settings).count();
        Check::fine(what, format!("{count}, none past the alias"))
    } else {
        Check::unknown(what, callers.unread.join("; "))
    }
}

/// 3 when something is wrong, else 0.
pub(crate) fn exit_code(checks: &[Check]) -> u8 {
    let is_wrong = |check: &Check| matches!(check.outcome, Outcome::Wrong(_));
    if checks.iter().any(is_wrong) {
        Kind::Unhealthy.exit_code()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::{Caller, Moved};

    fn caller(can_be_moved: bool, left: Option<&str>) -> Caller {
        Caller {
            id: "1".into(),
            who: "the events of arn:aws:sqs:eu-west-1:123456789012:paid".into(),
            is_settings: false,
            is_past: true,
            undo: can_be_moved.then(|| Moved::Permission {
                id: "topic".into(),
                grant: String::new(),
            }),
            left_to_do: left.map(str::to_owned),
        }
    }

    #[test]
    fn what_calls_past_the_alias_is_found_with_what_to_do() {
        let judge = |callers: &Callers| {
            let name = "receipts".parse().unwrap();
            match judged("x".into(), &name, &Environment::builtin_local(), callers).outcome {
                Outcome::Wrong(findings) => findings.into_iter().map(|one| one.next).collect(),
                Outcome::Fine(detail) | Outcome::Unknown(detail) => vec![detail],
            }
        };
        let mut callers = Callers {
            address: Some("arn".into()),
            ..Callers::default()
        };
        assert_eq!(judge(&callers), ["0, none past the alias"]);
        callers.unread = vec!["lambda:GetPolicy: not allowed".into()];
        assert_eq!(judge(&callers), ["lambda:GetPolicy: not allowed"]);
        callers.found = vec![caller(true, None), caller(false, Some("point it at `arn`"))];
        assert_eq!(
            judge(&callers),
            ["`squad deploy receipts --adopt-alias`", "point it at `arn`"]
        );
        callers.address = None;
        callers.found.truncate(1);
        assert_eq!(
            judge(&callers),
            [
                "`squad deploy receipts --adopt-alias` makes it on what `$LATEST` is now, and moves the callers there",
                "`squad deploy receipts --adopt-alias`"
            ]
        );
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_found() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(
            state_directory(&file.join("state")).outcome,
            Outcome::Wrong(_)
        ));
        assert_eq!(exit_code(&[state_directory(home.path())]), 0);
        assert_eq!(exit_code(&[state_directory(&file)]), 3);
    }
}
