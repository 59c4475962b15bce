//! Waiting until provisioned concurrency is where the traffic is.
//!
//! Reads only. An alias that has none costs one call.

use std::time::Duration;

use super::{Lambda, Target};
use crate::domain::alias::Traffic;
use crate::platform::{Error, Result};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Lambda {
    /// Returns once the alias has no weights but those that were written, and what is provisioned is ready. As long as
    /// AWS takes; whoever called has a limit of time.
    pub(super) async fn settled(&self, target: &Target, wanted: Traffic) -> Result<()> {
        loop {
            let Some(provisioned) = self.provisioned(target).await? else {
                return Ok(());
            };
            if let Some(why) = provisioned.failed {
                return Err(Error::Invalid(format!(
                    "the traffic has changed, and provisioned concurrency could not be allocated for it: {why}"
                )));
            }
            if !provisioned.is_moving {
                let alias = self.read_alias(target).await?;
                // Weights that somebody set meanwhile are for the next look to find.
                if alias.is_none_or(|alias| alias.traffic == Some(wanted) || !alias.is_ours()) {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
