//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// The shortest time after which a test gives up: a machine that others keep busy takes its time, and waiting for what comes
/// costs nothing.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until the condition yields something; panics with `what` when the time is up, but not before [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let timeout = timeout.max(PATIENCE);
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {timeout:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
