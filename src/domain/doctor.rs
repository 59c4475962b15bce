//! What a look for trouble finds: checks, what each found, and who calls a service past its traffic.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// What, in a few words: `git`, `code storage`, `callers of receipts`.
    pub(crate) what: String,
    /// What was found.
    pub(crate) outcome: Outcome,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well; a detail such as a version.
    Fine(String),
    /// Something is wrong.
    Wrong(Vec<Finding>),
    /// It could not be looked at, and why: nobody may take silence for health.
    Unknown(String),
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What.
    pub(crate) what: String,
    /// Why it matters.
    pub(crate) why: String,
    /// The next command, or what a person has to do.
    pub(crate) next: String,
}

impl Check {
    /// One that found nothing wrong.
    pub(crate) fn fine(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            outcome: Outcome::Fine(detail.into()),
        }
    }

    /// One that could not be done.
    pub(crate) fn unknown(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            outcome: Outcome::Unknown(why.into()),
        }
    }

    /// One that found something.
    pub(crate) fn wrong(what: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self {
            what: what.into(),
            outcome: Outcome::Wrong(findings),
        }
    }
}

/// Who calls a service, as far as the platform tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Callers {
    /// Where callers are to point: the address whose traffic squad moves. None where there is none yet.
    pub(crate) address: Option<String>,
    /// Everybody who was found.
    pub(crate) found: Vec<Caller>,
    /// What could not be read, in words.
    pub(crate) unread: Vec<String>,
}

/// One caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Unique among the callers of the service.
    pub(crate) id: String,
    /// In words: `the events of arn:aws:sqs:…`.
    pub(crate) who: String,
    /// It is no caller, but how the asynchronous invocations of all of them are delivered.
    pub(crate) is_settings: bool,
    /// It calls past the traffic that squad moves: every unfinished change reaches it, and no rollback does.
    pub(crate) is_past: bool,
    /// What taking squad's move of it back will need; none where squad cannot move it, nor do its part of that.
    pub(crate) undo: Option<Moved>,
    /// What a person has to do beside that; none when nothing.
    pub(crate) left_to_do: Option<String>,
}

impl Caller {
    /// squad can move it, or do its part of that.
    pub(crate) fn can_be_moved(&self) -> bool {
        self.undo.is_some()
    }
}

/// One caller that was moved, with all that taking it back needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Moved {
    /// The platform itself calls, for a source of events.
    Source {
        /// Its id.
        id: String,
        /// What it called before.
        before: String,
    },
    /// Somebody got the permission to call the new address too.
    Permission {
        /// Its id.
        id: String,
        /// Names what it lets it do; empty in the log of before.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        grant: String,
    },
    /// The new address got a URL of its own.
    Address {
        /// The URL; empty where the move was never seen to its end.
        url: String,
    },
    /// A gateway in front of the service has one of its integrations call the new address.
    Integration {
        /// Its id.
        id: String,
        /// What it called before.
        before: String,
        /// What it calls since.
        after: String,
    },
    /// The new address delivers asynchronous invocations as the old one does.
    Settings(Asynchronous),
}

/// How invocations are delivered that nobody waits for; what is none is as the platform has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asynchronous {
    /// How often one that failed is tried again.
    pub(crate) retries: Option<i32>,
    /// How old one gets before it is dropped.
    pub(crate) seconds: Option<i32>,
    /// Where a record of one that succeeded goes.
    pub(crate) on_success: Option<String>,
    /// Where a record of one that failed goes.
    pub(crate) on_failure: Option<String>,
}

impl fmt::Display for Asynchronous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retries = self.retries.map(|count| match count {
            1 => "1 retry".to_owned(),
            count => format!("{count} retries"),
        });
        let seconds = self
            .seconds
            .map(|seconds| format!("dropped after {seconds} s"));
        let to =
            |what: &str, arn: &Option<String>| arn.as_ref().map(|arn| format!("{what} to {arn}"));
        let parts: Vec<_> = [
            retries,
            seconds,
            to("successes", &self.on_success),
            to("failures", &self.on_failure),
        ]
        .into_iter()
        .flatten()
        .collect();
        write!(f, "the settings for asynchronous invocations")?;
        if !parts.is_empty() {
            write!(f, " ({})", parts.join(", "))?;
        }
        Ok(())
    }
}
