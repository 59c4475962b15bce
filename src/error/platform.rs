//! The words for errors of platforms, and for each reason why a revision does not serve.

use std::path::Path;

use super::{Error, Kind};
use crate::domain::live::{LastCommit, Live};
use crate::domain::name::ServiceName;
use crate::fs;
use crate::platform::{self, Diagnosis};

/// The ways out where there is no journal that can be used.
const JOURNAL: &str =
    "restore the file from a backup, or start anew with `squad local prune --reset-journal`";

impl From<platform::Error> for Error {
    fn from(error: platform::Error) -> Self {
        use platform::Error as From;
        let message = error.to_string();
        match error {
            From::Conflict { winner } => conflict(winner.as_ref()),
            From::NoRevision(_) => Self::new(Kind::Usage, "no-such-revision", message)
                .hint("`squad status -o json` lists the revisions that are there"),
            From::HasTraffic(_) => Self::new(Kind::Refused, "revision-has-traffic", message)
                .hint("`squad status` shows who takes what"),
            From::DoesNotStart {
                revision,
                diagnosis,
            } => does_not_start(&format!("revision {revision} does not start"), &diagnosis),
            From::Unsplittable(_) => Self::new(Kind::Refused, "rollout-unsupported", message)
                .hint("deploy all at once instead: `squad deploy --all-at-once --reason \"…\"`"),
            From::Invalid(_) => Self::new(Kind::Failed, "platform", message),
            From::NotApplied { hint, .. } => {
                let error = Self::new(Kind::Failed, "platform", message);
                match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
            From::NotProvisioned(_) => Self::new(Kind::Unhealthy, "not-provisioned", message)
                .retryable()
                .hint("ask for it again: `squad deploy`")
                .hint("or go back to what served before: `squad rollback`"),
            From::UnclearTarget { .. } => Self::new(Kind::Refused, "function-unclear", message)
                .hint("run the same command in the service's repository, where `squad.toml` names the function"),
            From::PortTaken { owner, .. } => {
                let another = "let the service have another port: `squad deploy --port PORT`";
                let error = Self::new(Kind::Failed, "port-taken", message).retryable();
                // Another service of squad keeps its port: there is no process to end.
                if owner.is_some_and(|owner| owner.starts_with("the service")) {
                    error.hint(another)
                } else {
                    error
                        .hint("end that process, and run the same command again")
                        .hint(format!("or {another}"))
                }
            }
            From::Timeout(_) => Self::new(Kind::Timeout, "timeout", message)
                .hint("what was begun goes on; `squad status` shows how far it is"),
            From::CorruptJournal { .. } => {
                Self::new(Kind::Failed, "journal-damaged", message).hint(JOURNAL)
            }
            From::LostJournal { .. } => {
                Self::new(Kind::Failed, "journal-missing", message).hint(JOURNAL)
            }
            From::Unreachable(_) => Self::new(Kind::Failed, "local-unreachable", message)
                .hint("`squad local status` shows how it is, `squad local start --foreground` why it does not start")
                .retryable(),
            From::NotStarted { state, source } => not_started(&state, source),
            From::ForeignOwner(_) => Self::new(Kind::Refused, "foreign-owner", message)
                .hint("use squad as the user that it belongs to, or set XDG_STATE_HOME and XDG_RUNTIME_DIR to directories of your own"),
            From::Overtaken(_) => Self::new(Kind::Conflict, "conflict", message)
                .hint("look at what is live now with `squad status`, then run the same command again"),
            From::Unsupported(_) => Self::new(Kind::Refused, "unsupported", message),
            From::NotThere { .. } => Self::new(Kind::Refused, "unsupported", message)
                .hint("`local` and `lambda` work today; `squad env list` shows the platform of each environment"),
            From::File(error) => error.into(),
            From::Aws(error) => error.into(),
        }
    }
}

/// The local platform's directory cannot be used: which one, why, and where else it could be.
fn not_started(state: &Path, source: fs::Error) -> Error {
    let mut error = Error::from(source);
    error.message = format!(
        "cannot start the local platform, which keeps its state in `{}`: {}",
        state.display(),
        error.message
    );
    error.hint("or keep the state elsewhere, where nothing is deployed yet: set XDG_STATE_HOME to a directory that you can write to")
}

/// Somebody else was first.
fn conflict(winner: Option<&LastCommit>) -> Error {
    let message = match winner {
        Some(winner) => format!(
            "{} changed the traffic first, at {} (operation {})",
            winner.actor,
            winner.at.strftime("%H:%M:%S UTC"),
            winner.operation
        ),
        None => "something else changed what is live first".to_owned(),
    };
    Error::new(Kind::Conflict, "conflict", message)
        .hint("look at what is live now with `squad status`, then run the same command again")
}

/// A diagnosis, with its evidence as details.
fn does_not_start(message: &str, diagnosis: &Diagnosis) -> Error {
    Error::new(Kind::Failed, id_of(diagnosis), message).diagnosed(diagnosis)
}

impl Error {
    /// Somebody else changed the traffic first: who won or, where nothing tells that, what is there by now.
    pub(crate) fn overtaken(
        service: &ServiceName,
        winner: Option<&LastCommit>,
        live: &Live,
    ) -> Self {
        let mut error = conflict(winner);
        if winner.is_some() {
            return error;
        }
        error.message = format!(
            "{}: by now {}",
            error.message,
            live.traffic_in_words(service)
        );
        if let Some(foreign) = &live.foreign {
            error = error.detail(foreign.told());
        }
        if !live.token.0.is_empty() {
            error = error.detail(format!(
                "the state that is there is called `{}`",
                live.token.0
            ));
        }
        error
    }

    /// Adds why a revision does not serve: the cause, the evidence as details, and what to do.
    pub(crate) fn diagnosed(self, diagnosis: &Diagnosis) -> Self {
        let mut error = self.cause(diagnosis.cause.as_ref().unwrap_or(&diagnosis.summary));
        for line in &diagnosis.evidence {
            error = error.detail(printable(line));
        }
        match &diagnosis.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// The page of a diagnosis.
fn id_of(diagnosis: &Diagnosis) -> &'static str {
    match diagnosis.id.as_str() {
        "process-exited" => "process-exited",
        "killed-by-signal" => "killed-by-signal",
        "command-not-found" => "command-not-found",
        "artifact-gone" => "artifact-gone",
        "secret-unreadable" => "secret-unreadable",
        "port-not-opened" => "port-not-opened",
        "never-ready" => "never-ready",
        "crash-loop" => "crash-loop",
        "init-error" => "init-error",
        _ => "revision-does-not-start",
    }
}

/// A line of a log without what could move a terminal's cursor.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::release::{Actor, RevisionNumber};

    #[test]
    fn a_conflict_names_who_won() {
        let error = Error::from(platform::Error::Conflict {
            winner: Some(LastCommit {
                actor: Actor {
                    name: "ana".into(),
                    host: "laptop".into(),
                    key: None,
                },
                at: "2025-01-02T03:04:05Z".parse().unwrap(),
                operation: "01K8ZC".into(),
            }),
        });
        assert_eq!(error.kind.exit_code(), 6);
        assert!(error.retryable);
        assert_eq!(
            error.message,
            "ana on laptop changed the traffic first, at 03:04:05 UTC (operation 01K8ZC)"
        );
    }

    #[test]
    fn a_revision_that_does_not_start_shows_cause_evidence_and_what_to_do() {
        let diagnosis = Diagnosis {
            id: "process-exited".into(),
            summary: "process ended with exit code 1, 0.4 s after it started, 3 times".into(),
            cause: Some("it needs the variable X, which `squad.toml` does not set".into()),
            evidence: vec!["KeyError: 'X'\u{1b}[2J".into()],
            hint: Some("set it under [run.env] in squad.toml".into()),
        };
        let error = Error::from(platform::Error::DoesNotStart {
            revision: RevisionNumber(43),
            diagnosis: Box::new(diagnosis.clone()),
        });
        assert_eq!(error.id, "process-exited");
        assert_eq!(error.message, "revision 43 does not start");
        assert_eq!(error.details, ["KeyError: 'X'\u{fffd}[2J"]);
        assert_eq!(
            error.causes,
            ["it needs the variable X, which `squad.toml` does not set"]
        );
        assert_eq!(error.hints, ["set it under [run.env] in squad.toml"]);
        let without = Diagnosis {
            cause: None,
            ..diagnosis
        };
        assert_eq!(does_not_start("", &without).causes, [without.summary]);
    }
}
