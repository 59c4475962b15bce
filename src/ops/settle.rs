//! What every command does first for the record: appends what waits in the outbox, and closes the operations of
//! this machine whose process died.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::live::Live;
use crate::error::Result;
use crate::ops::audit::{Journal, OpenOperation};
use crate::ops::deploy::described;
use crate::platform::Platform;

/// What was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Events that still wait on this machine.
    pub(crate) pending: usize,
    /// Operations closed as `unknown`.
    pub(crate) closed: Closed,
}

/// Operations closed as `unknown`, by what live state shows of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// All of them.
    pub(crate) all: u64,
    /// What they were about is there.
    pub(crate) applied: u64,
    /// It is not.
    pub(crate) not_applied: u64,
}

/// Appends and closes what it can.
pub(crate) async fn settle(
    platform: &dyn Platform,
    journal: &Journal,
    clock: &dyn Clock,
) -> Result<Settled> {
    Ok(Settled {
        closed: close(platform, journal, clock).await?,
        pending: journal.flush(clock).await?,
    })
}

/// Closes the operations that were begun on this machine and whose process is gone, with what is observed of their services
/// now, and whether that shows that they were applied.
pub(crate) async fn close(
    platform: &dyn Platform,
    journal: &Journal,
    clock: &dyn Clock,
) -> Result<Closed> {
    let mut closed = Closed::default();
    for operation in journal.abandoned().await? {
        let live = platform.observe(operation.service()).await?;
        let applied = is_applied(&operation, &live);
        let (observed, shown) = match applied {
            Some(applied) => (
                json!({ "live": described(&live), "applied": applied }),
                if applied {
                    "; live state shows that it was applied"
                } else {
                    "; live state does not show that it was applied"
                },
            ),
            None => (json!({ "live": described(&live) }), ""),
        };
        journal
            .close_unknown(clock, operation, observed, shown)
            .await?;
        closed.all += 1;
        closed.applied += u64::from(applied == Some(true));
        closed.not_applied += u64::from(applied == Some(false));
    }
    Ok(closed)
}

/// Whether live state shows that an operation was applied: what has the traffic was set by it, or, where it was only to publish,
/// its revision is there. None for what leaves no such trace.
fn is_applied(operation: &OpenOperation, live: &Live) -> Option<bool> {
    let intent = operation.intent();
    let noun = intent.short_kind().split('.').next().unwrap_or_default();
    if !matches!(noun, "deploy" | "rollback" | "rollout") {
        return None;
    }
    let change = intent.change()?;
    if change.after.get("gradual").is_some() {
        let digest = change.digest?;
        return Some(live.revisions.iter().any(|one| one.digest == digest));
    }
    let last = live.last_commit.as_ref();
    Some(last.is_some_and(|commit| commit.operation == operation.id()))
}
