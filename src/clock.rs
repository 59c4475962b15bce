//! The time, as something that is handed in: rules about time take a [`Clock`], so that tests need no sleep.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What time it is, and waiting.
pub(crate) trait Clock: Send + Sync {
    /// The wall-clock time; a claim of this machine, it may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point in this process; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting monotonic time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
