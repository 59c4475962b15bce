//! The list of calls, in the order in which they came.

use serde::Serialize;
use serde_json::{Map, Value};

/// One call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    /// From 1, since the last reset.
    pub(crate) sequence: u64,
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    /// Names, qualifiers, revisions: what tells calls of one operation apart. No code, no environment.
    pub(crate) parameters: Map<String, Value>,
    /// None while it runs, and where no answer went out.
    pub(crate) status: Option<u16>,
    /// The error's code.
    pub(crate) error: Option<String>,
    /// What the control API or chance did to it.
    pub(crate) fault: Option<String>,
    /// Whether the service saw it.
    pub(crate) applied: bool,
    /// Milliseconds since 1970.
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) request_id: String,
    /// The whole request as text (bodies up to 1 MiB).
    pub(crate) request: String,
}

/// All calls.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<Call>,
    last: u64,
}

impl Record {
    /// The next number; numbers go on after `clear`.
    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn find(&mut self, sequence: u64) -> Option<&mut Call> {
        self.calls
            .iter_mut()
            .rev()
            .find(|call| call.sequence == sequence)
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
