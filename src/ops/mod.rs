//! Use cases: plain `Options` in, a typed `Outcome` out. No printing, no prompting, no environment.

pub(crate) mod audit;

/// Something that a use case did or waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A step began; `what` is a word such as `build`.
    Began {
        /// The step.
        what: &'static str,
        /// What it is about.
        detail: String,
    },
    /// A sign of life of the step that is under way.
    Going {
        /// The step.
        what: &'static str,
        /// How far it is.
        detail: String,
    },
    /// A step succeeded; `what` is a participle such as `built`.
    Done {
        /// The step.
        what: &'static str,
        /// Its result.
        detail: String,
        /// Milliseconds it took.
        milliseconds: u64,
    },
    /// A step failed; the error follows as the operation's result.
    Failed {
        /// The step.
        what: &'static str,
        /// Why, in one line.
        detail: String,
    },
    /// One line that a child process (a build) wrote.
    Output(String),
    /// Something that the person should know, and that does not stop the operation.
    Warning(String),
}

/// Takes the events of a use case: a terminal with moving progress, or plain lines.
pub(crate) trait Reporter: Send + Sync {
    /// One event, in the order in which they happen.
    fn report(&self, event: Event);
}
