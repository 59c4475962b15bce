//! Waiting until provisioned concurrency is where the traffic is.
//!
//! Reads only. An alias that has none costs one call.

use std::time::Duration;

use super::seen::Alias;
use super::{Lambda, Target};
use crate::domain::alias::Traffic;
use crate::platform::{Error, Result};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked at whether AWS has taken its own weights away, once nothing moves any more.
const LAST_LOOKS: u32 = 5;

/// What it means that what was provisioned could not be allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The commit tells it.
    IsTold,
    /// It is asked for anew.
    IsMendedNext,
}

impl Lambda {
    /// Returns once the alias has no weights but those that were written, and what is provisioned is ready. As long as
    /// AWS takes; whoever called has a limit of time. The answer is the alias as it is then, with the `RevisionId` that it
    /// got when the move ended; what was written, where somebody else has changed it since, so that the next commit finds
    /// out.
    pub(super) async fn settled(
        &self,
        target: &Target,
        written: Alias,
        wanted: Traffic,
        failure: Failure,
    ) -> Result<Alias> {
        let mut last_looks = 0;
        loop {
            let Some(provisioned) = self.provisioned_of_all(target).await? else {
                return Ok(written);
            };
            if let Some(why) = provisioned.failed {
                if failure == Failure::IsMendedNext {
                    return Ok(written);
                }
                return Err(Error::Invalid(format!(
                    "the traffic has changed, and provisioned concurrency could not be allocated for it: {why}"
                )));
            }
            if !provisioned.is_moving {
                match self.read_alias(target).await? {
                    Some(alias) if alias.description != written.description => return Ok(written),
                    Some(alias) if alias.traffic == Some(wanted) => return Ok(alias),
                    Some(_) if last_looks < LAST_LOOKS => last_looks += 1,
                    // Weights that somebody set meanwhile are for the next look to find.
                    Some(_) | None => return Ok(written),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
