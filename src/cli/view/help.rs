//! The wire forms of `squad help`.

use serde::Serialize;

/// `squad.topics/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Topics {
    schema: &'static str,
    /// In order of their names.
    pub(crate) topics: Vec<Topic>,
}

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct Topic {
    /// What to give to `squad help`.
    pub(crate) name: String,
    /// What it is about.
    pub(crate) about: String,
}

/// `squad.exit-codes/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct ExitCodes {
    schema: &'static str,
    /// In order of their numbers.
    pub(crate) codes: Vec<Code>,
}

/// One exit code.
#[derive(Debug, Serialize)]
pub(crate) struct Code {
    /// The number.
    pub(crate) code: u8,
    /// One word.
    pub(crate) name: String,
    /// When a command ends this way.
    pub(crate) meaning: String,
}

/// `squad.environment-variables/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Variables {
    schema: &'static str,
    /// In the order of importance.
    pub(crate) variables: Vec<Variable>,
}

/// One environment variable.
#[derive(Debug, Serialize)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: String,
    /// What it does.
    pub(crate) meaning: String,
}

impl Topics {
    pub(crate) fn new(topics: Vec<Topic>) -> Self {
        Self {
            schema: "squad.topics/v1",
            topics,
        }
    }
}

impl ExitCodes {
    pub(crate) fn new(codes: Vec<Code>) -> Self {
        Self {
            schema: "squad.exit-codes/v1",
            codes,
        }
    }
}

impl Variables {
    pub(crate) fn new(variables: Vec<Variable>) -> Self {
        Self {
            schema: "squad.environment-variables/v1",
            variables,
        }
    }
}
