//! Waiting until provisioned concurrency is where the traffic is.
//!
//! Reads only. An alias that has none costs one call.

use std::time::Duration;

use super::alias::Alias;
use super::{Lambda, Target};
use crate::domain::alias::Traffic;
use crate::platform::{Error, Result};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked at whether AWS has taken its own weights away, once nothing moves any more.
const LAST_LOOKS: u32 = 5;

/// An alias after the wait.
#[derive(Debug)]
pub(super) struct Settled {
    /// As it is then, with the `RevisionId` that it got when the move ended; what was written, where somebody else has changed
    /// it since, so that the next commit finds out.
    pub(super) alias: Alias,
    /// Why what is provisioned could not be allocated; none where it is ready, or nothing is provisioned.
    failed: Option<String>,
}

impl Lambda {
    /// Returns once the alias has no weights but those that were written, and what is provisioned is ready. As long as
    /// AWS takes; whoever called has a limit of time.
    pub(super) async fn settled(
        &self,
        target: &Target,
        written: Alias,
        wanted: Traffic,
    ) -> Result<Settled> {
        let settled = |alias| {
            Ok(Settled {
                alias,
                failed: None,
            })
        };
        let mut last_looks = 0;
        loop {
            let Some(provisioned) = self.provisioned_of_all(target).await? else {
                return settled(written);
            };
            if provisioned.failed.is_some() {
                return Ok(Settled {
                    alias: written,
                    failed: provisioned.failed,
                });
            }
            if !provisioned.is_moving {
                match self.read_alias(target).await? {
                    Some(alias) if alias.description != written.description => {
                        return settled(written);
                    }
                    Some(alias) if alias.traffic == Some(wanted) => return settled(alias),
                    Some(_) if last_looks < LAST_LOOKS => last_looks += 1,
                    // Weights that somebody set meanwhile are for the next look to find.
                    Some(_) | None => return settled(written),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The alias, if all that was to be provisioned is.
    pub(super) async fn allocated(
        &self,
        target: &Target,
        wanted: Traffic,
        settled: Settled,
    ) -> Result<Alias> {
        match settled.failed {
            None => Ok(settled.alias),
            Some(why) => Err(self.not_provisioned(target, wanted, why).await),
        }
    }

    /// The error of what could not be allocated, with where the weights send the traffic then.
    async fn not_provisioned(&self, target: &Target, wanted: Traffic, why: String) -> Error {
        let to = wanted.primary();
        let there = self.read_alias(target).await.ok().flatten();
        let alias = there.map(|alias| alias.with_written(wanted, Some(why.clone())));
        if let Some(alias) = &alias {
            self.remember_alias(target, alias);
        }
        Error::NotProvisioned(match alias.and_then(|alias| alias.lag) {
            Some(lag) => format!("the alias is on {to}, and {}", lag.told()),
            None => format!(
                "the traffic has changed, and provisioned concurrency could not be allocated for it: {why}"
            ),
        })
    }
}
