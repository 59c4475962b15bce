//! The one error that reaches a user, and the exit code that goes with it.
//!
//! Every inner error becomes an [`Error`] in a submodule of this one (`impl From<…>`), so that all wording
//! is in one place. The wording rules are in `docs/style.md`; each id has a page in `docs/errors/`.

mod audit;
mod aws;
mod config;
mod fs;
mod function;
mod git;
mod package;
mod platform;
pub(crate) mod shell;
mod sources;
mod store;
mod template;

pub(crate) use config::gone_service;
pub(crate) use function::own_lines;
pub(crate) use git::{no_large_files, not_fetched, not_in_repository};
pub(crate) use template::answers;

use serde::Serialize;

/// What kind of failure it is; decides the exit code. The table is `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It failed; what served before still serves.
    Failed,
    /// A wrong flag or value, or input needed and no terminal.
    Usage,
    /// It ran, and the verdict is bad: degraded, aborted, tampered.
    Unhealthy,
    /// No, expired or insufficient credentials.
    Credentials,
    /// A file of configuration is missing or wrong.
    Config,
    /// Somebody else got there first; trying again can help.
    Conflict,
    /// Not allowed: wrong account, policy, protection. Trying again cannot help.
    Refused,
    /// Nothing failed, and it is not finished (only `status` and `wait`).
    Pending,
    /// There are differences (only with `--exit-code`).
    Differs,
    /// A bug in squad.
    Internal,
    /// `--timeout` ran out.
    Timeout,
    /// Ctrl-C.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of its exit code: the table of `docs/exit-codes.md`.
    pub(crate) const ALL: [Self; 12] = [
        Self::Failed,
        Self::Usage,
        Self::Unhealthy,
        Self::Credentials,
        Self::Config,
        Self::Conflict,
        Self::Refused,
        Self::Pending,
        Self::Differs,
        Self::Internal,
        Self::Timeout,
        Self::Interrupted,
    ];

    /// The process's exit code.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unhealthy => 3,
            Self::Credentials => 4,
            Self::Config => 5,
            Self::Conflict => 6,
            Self::Refused => 7,
            Self::Pending => 8,
            Self::Differs => 10,
            Self::Internal => 70,
            Self::Timeout => 124,
            Self::Interrupted => 130,
        }
    }

    /// When a command ends this way, in one sentence: the table of `docs/exit-codes.md`.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "the operation failed, and what served before still serves",
            Self::Usage => "a flag or value is wrong, or input is needed and there is no terminal",
            Self::Unhealthy => {
                "it ran and the verdict is bad: production is degraded, a rollout was aborted, a log was tampered with"
            }
            Self::Credentials => "there are no credentials, or they have expired or do not suffice",
            Self::Config => "a file of configuration is missing or has mistakes",
            Self::Conflict => "somebody else got there first or is at work; trying again can help",
            Self::Refused => {
                "it is not allowed: wrong account or cluster, policy, protection; trying again cannot help"
            }
            Self::Pending => "nothing failed and it is not finished; only from `status` and `wait`",
            Self::Differs => "there are differences; only under `--exit-code`",
            Self::Internal => "a bug in squad",
            Self::Timeout => "the time given with `--timeout` ran out",
            Self::Interrupted => "interrupted with Ctrl-C, or asked to end (SIGTERM, SIGHUP)",
        }
    }
}

/// What is live after a mutation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LiveState {
    /// The revision that serves, when one serves everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<String>,
    /// Percent of the traffic that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<u8>,
    /// Who takes which part of it, when several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) split: Option<Box<crate::domain::traffic::Split>>,
    /// Requests that ended while the command was at work, where somebody counted them; never 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests: Option<u64>,
    /// How many of these failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_requests: Option<u64>,
    /// The same as one line for people.
    #[serde(skip)]
    pub(crate) text: String,
}

impl LiveState {
    /// Adds the requests that ended meanwhile, and how many of these failed.
    pub(crate) fn meanwhile(mut self, requests: u64, failed: u64) -> Self {
        let plural = if requests == 1 { "" } else { "s" };
        self.text = format!(
            "{}; of {requests} request{plural} meanwhile {failed} failed",
            self.text
        );
        self.requests = Some(requests);
        self.failed_requests = Some(failed);
        self
    }
}

/// An error in the user's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// Decides the exit code.
    pub(crate) kind: Kind,
    /// Stable; the name of its page in `docs/errors/`.
    pub(crate) id: &'static str,
    /// `cannot <what was asked>: <why>`, one line, no full stop.
    pub(crate) message: String,
    /// Indented lines right below the message: the list of mistakes, the last lines of a log.
    pub(crate) details: Vec<String>,
    /// Lower facts that are not already said.
    pub(crate) causes: Vec<String>,
    /// What is live now; for every failed mutation.
    pub(crate) live: Option<LiveState>,
    /// Complete commands in backticks, at most two.
    pub(crate) hints: Vec<String>,
    /// Whether the same command can succeed when it is run again.
    pub(crate) retryable: bool,
}

/// What every use case returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind, with its stable id and its one line.
    pub(crate) fn new(kind: Kind, id: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            id,
            message: message.into(),
            details: Vec::new(),
            causes: Vec::new(),
            live: None,
            hints: Vec::new(),
            retryable: kind == Kind::Conflict,
        }
    }

    /// A bug in squad: something that was proven impossible happened.
    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::Internal,
            "internal",
            format!("internal error: {message}"),
        )
        .hint("this is a bug in squad; please report it with this line")
    }

    /// Adds a lower fact.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds an indented line below the message.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Adds a next command.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what is live now.
    pub(crate) fn live(mut self, live: LiveState) -> Self {
        self.live = Some(live);
        self
    }

    /// Adds a clause to what is live now.
    pub(crate) fn also_live(mut self, clause: &str) -> Self {
        if let Some(live) = &mut self.live {
            live.text = format!("{}; {clause}", live.text);
        }
        self
    }

    /// Says that the same command can succeed when it is run again.
    pub(crate) fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Puts what was asked for before the reason: `cannot deploy …: <reason>`.
    pub(crate) fn context(mut self, asked: &str) -> Self {
        self.message = format!("{asked}: {}", self.message);
        self
    }

    /// The address of the error's page.
    pub(crate) fn docs(&self) -> String {
        format!("{DOCS}/errors/{}.md", self.id)
    }

    /// The wire form (`squad.error/v1`): one line of JSON on stderr.
    pub(crate) fn wire(&self) -> Wire<'_> {
        Wire {
            schema: "squad.error/v1",
            id: self.id,
            exit_code: self.kind.exit_code(),
            message: &self.message,
            details: &self.details,
            causes: &self.causes,
            live: self.live.as_ref(),
            retryable: self.retryable,
            hints: &self.hints,
            docs: self.docs(),
        }
    }

    /// The same as a part of other JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.wire()).unwrap_or_default()
    }
}

/// An error as JSON, its schema first.
#[derive(Debug, Serialize)]
pub(crate) struct Wire<'a> {
    schema: &'static str,
    id: &'a str,
    exit_code: u8,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
    causes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<&'a LiveState>,
    retryable: bool,
    hints: &'a [String],
    docs: String,
}

/// Where the documentation is.
pub(crate) const DOCS: &str = "https://github.com/squad-cli/squad/blob/main/docs";
