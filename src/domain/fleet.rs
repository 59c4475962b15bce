//! A fleet: all services of an environment, as one look found them.
//!
//! A look at hundreds of services must cost little, so it may know less of each than an observation of that one: what is
//! there is true, and what is missing was not asked.

use serde::{Deserialize, Serialize};

use super::live::Live;
use super::name::ServiceName;

/// One service, as a look found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Which one.
    pub(crate) service: ServiceName,
    /// How it is, or why that cannot be told.
    pub(crate) found: Found,
    /// What of it could not be read although it was asked for, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) unknown: Option<String>,
}

/// What a look found of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found {
    /// How it is.
    Live(Box<Live>),
    /// It cannot be read, and a fleet never hides one of its services.
    Unreadable(Unreadable),
}

/// Why a service cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    /// In a few words, such as `there is no alias live`.
    pub(crate) why: String,
}

impl Seen {
    /// The same without what must not stay on a disk: the configuration of a revision may hold values of variables.
    pub(crate) fn without_configuration(mut self) -> Self {
        if let Found::Live(live) = &mut self.found {
            for revision in &mut live.revisions {
                revision.service = None;
            }
        }
        self
    }
}
