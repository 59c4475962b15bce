//! What every command does first for the record: appends what waits in the outbox, and closes the operations of
//! this machine whose process died.

use serde_json::json;

use crate::clock::Clock;
use crate::error::Result;
use crate::ops::audit::Journal;
use crate::ops::deploy::described;
use crate::platform::Platform;

/// What was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Events that still wait on this machine.
    pub(crate) pending: usize,
    /// Operations closed as `unknown`.
    pub(crate) closed: usize,
}

/// Appends and closes what it can. An operation is closed with what is observed of its service now.
pub(crate) async fn settle(
    platform: &dyn Platform,
    journal: &Journal,
    clock: &dyn Clock,
) -> Result<Settled> {
    let mut settled = Settled::default();
    for operation in journal.abandoned().await? {
        let live = platform.observe(operation.service()).await?;
        let observed = json!({ "live": described(&live) });
        journal.close_unknown(clock, operation, observed).await?;
        settled.closed += 1;
    }
    settled.pending = journal.flush(clock).await?;
    Ok(settled)
}
