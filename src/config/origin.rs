//! Where an effective value comes from.

use std::fmt;

use super::place::{Place, Role};
use crate::domain::name::OrgName;

/// Where an effective value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said it.
    BuiltIn,
    /// A flag, such as `--env`.
    Flag(&'static str),
    /// A variable, such as `SQUAD_ENV`.
    Variable(&'static str),
    /// A command that chose it earlier, such as `squad org use`.
    Command(&'static str),
    /// A line of a file.
    File {
        /// As people see it.
        path: String,
        /// From 1.
        line: usize,
        /// The org whose file it is.
        org: Option<OrgName>,
    },
}

impl Origin {
    /// The origin of a value that is written in a place.
    pub(crate) fn of(place: Option<&Place>, org: Option<&OrgName>) -> Self {
        match place {
            Some(place) => Self::File {
                path: place.file.shown.clone(),
                line: place.line(),
                org: org.filter(|_| place.file.role == Role::Org).cloned(),
            },
            None => Self::BuiltIn,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Command(name) => write!(f, "`{name}`"),
            Self::File {
                path,
                line,
                org: Some(org),
            } => write!(f, "org {org} ({path}:{line})"),
            Self::File {
                path,
                line,
                org: None,
            } => write!(f, "{path}:{line}"),
        }
    }
}

/// One effective value, for people and for programs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    /// Such as `run.grace`.
    pub(crate) key: String,
    /// As TOML on one line.
    pub(crate) shown: String,
    /// As JSON.
    pub(crate) json: serde_json::Value,
    /// Where it comes from.
    pub(crate) origin: Origin,
}
