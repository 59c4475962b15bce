//! Waiting until AWS has applied what was written.
//!
//! Reads only, by `GetFunction`, whose quota is large; the reason for the wait is told. Time counts, not attempts.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::observed::{Condition, Observed};
use super::race;
use super::work::Work;
use crate::platform::{Error, Result};

/// The longest that a change or a creation may take: one that needs network interfaces in a VPC takes minutes.
pub(super) const CHANGE: Duration = Duration::from_mins(15);
/// The longest that a version with a snapshot may take (the SDKs' own waiter gives up after 26 minutes).
pub(super) const SNAPSHOT: Duration = Duration::from_mins(30);

/// Pauses between two looks: short at first, because most changes take less than a second.
#[derive(Debug)]
pub(in crate::platform::lambda) struct Pause {
    next: Duration,
    until: Instant,
    limit: Duration,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    /// Until `limit` has passed from now on.
    pub(in crate::platform::lambda) fn within(limit: Duration) -> Self {
        Self {
            next: Self::FIRST,
            until: Instant::now() + limit,
            limit,
        }
    }

    /// Waits a little longer than before; an error when the time is over.
    pub(in crate::platform::lambda) async fn wait(&mut self) -> Result<()> {
        if Instant::now() >= self.until {
            return Err(Error::Timeout(self.limit));
        }
        sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(Self::LONGEST);
        Ok(())
    }
}

/// `$LATEST` once nothing is going on with it.
pub(super) async fn latest(work: &Work<'_>) -> Result<Observed> {
    let found = work.read().await?;
    let found = found.ok_or_else(|| race::deleted(work))?;
    from(work, found).await
}

/// The same, beginning with what was just read.
pub(super) async fn from(work: &Work<'_>, found: Observed) -> Result<Observed> {
    let again = || async {
        let found = work.read().await?;
        found.ok_or_else(|| race::deleted(work))
    };
    until_idle(work, found, CHANGE, again).await
}

/// A version once it can be invoked or cannot ever be.
pub(super) async fn version<F>(
    work: &Work<'_>,
    found: Observed,
    again: impl Fn() -> F + Send + Sync,
) -> Result<Observed>
where
    F: Future<Output = Result<Observed>> + Send,
{
    let limit = if found.takes_snapshots {
        SNAPSHOT
    } else {
        CHANGE
    };
    until_idle(work, found, limit, again).await
}

async fn until_idle<F>(
    work: &Work<'_>,
    mut found: Observed,
    limit: Duration,
    again: impl Fn() -> F + Send + Sync,
) -> Result<Observed>
where
    F: Future<Output = Result<Observed>> + Send,
{
    let mut pause = Pause::within(limit);
    let mut told = None;
    while let Condition::Pending(why) | Condition::Updating(why) = &found.condition {
        if told.as_ref() != Some(why) {
            work.tell(match (why.is_empty(), found.takes_snapshots) {
                (true, true) => "AWS takes the snapshot that the version starts from".to_owned(),
                (true, false) => "AWS applies the change".to_owned(),
                (false, _) => why.clone(),
            });
            told = Some(why.clone());
        }
        pause.wait().await?;
        found = again().await?;
    }
    Ok(found)
}
