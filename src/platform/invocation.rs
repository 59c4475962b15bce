//! The answer of a function that was called.
//!
//! Pure: nothing here calls anything.

use crate::domain::release::RevisionNumber;

/// Errors of a code that could not be loaded (AWS Lambda Developer Guide, "Troubleshoot invocation issues in Lambda"). Other
/// `Runtime.…` errors come from a function that was loaded and ran.
pub(crate) const INIT_ERRORS: [&str; 5] = [
    "Runtime.HandlerNotFound",
    "Runtime.ImportModuleError",
    "Runtime.InvalidEntrypoint",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
];

/// What Node.js reports as the type of something that was thrown and is no `Error`: the JavaScript type of it, or `handled`
/// where not even a text can be made of it (the runtime's own source, `toRapidResponse`).
pub(crate) const THROWN: [&str; 8] = [
    "bigint", "boolean", "function", "handled", "number", "object", "string", "symbol",
];

/// The answer of one invocation of a function.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Invocation {
    /// The revision that ran; none where the traffic goes to what is no revision.
    pub(crate) revision: Option<RevisionNumber>,
    /// The JSON that it returned, or the JSON of the error (`errorMessage`, `errorType`, …).
    pub(crate) payload: String,
    /// `Unhandled` and the like when it failed; none when it succeeded.
    pub(crate) error: Option<String>,
    /// Milliseconds.
    pub(crate) duration_milliseconds: u64,
    /// AWS request id (UUID).
    pub(crate) request_id: String,
    /// What it wrote meanwhile, at most the last 4 KiB.
    pub(crate) log_tail: Vec<String>,
}

impl Invocation {
    /// What ran, in words: `revision 3`.
    pub(crate) fn ran(&self) -> String {
        self.revision.map_or_else(
            || "what is no revision".to_owned(),
            |revision| format!("revision {revision}"),
        )
    }
}
