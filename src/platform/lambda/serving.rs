//! What serves, without the list of versions: AWS tells fifty at a time, one page after the other, of the quota that all
//! writes share, and whoever has nothing to do needs none of them.
//!
//! Reads only, and less than `seen` only where the alias alone says all of the traffic.

use std::sync::PoisonError;

use super::alias::Alias;
use super::seen::Seen;
use super::{Lambda, observe};
use crate::domain::alias::Traffic;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::rollout::State;
use crate::platform::{Result, Serving};

impl Lambda {
    /// What the alias leads to, and all the rest where that is not enough.
    pub(super) async fn look_at_serving(&self, service: &ServiceName) -> Result<Serving> {
        self.locate(service).await;
        let seen = Box::pin(self.see_alias(service)).await?;
        let is_all = !is_told_by_alias(&seen);
        let seen = if is_all {
            let seen = Box::pin(self.see_rest(service, seen)).await?;
            self.remember(service, &seen);
            seen
        } else {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.insert(service.clone(), seen.clone());
            seen
        };
        Ok(Serving {
            live: observe::live(service, &seen),
            is_all,
        })
    }

    /// The rest of what was begun with: the alias is not read again, because what is decided by it is fenced by it.
    pub(super) async fn look_at_rest(
        &self,
        service: &ServiceName,
        serving: Serving,
    ) -> Result<Live> {
        if serving.is_all {
            return Ok(serving.live);
        }
        let begun = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.remove(service)
        };
        let is_same = |seen: &Seen| {
            let alias = seen.alias.as_ref();
            alias.is_some_and(|alias| alias.revision_id == serving.live.token.0)
        };
        let seen = match begun.filter(is_same) {
            Some(seen) => Box::pin(self.see_rest(service, seen)).await?,
            None => self.see(service).await?,
        };
        self.remember(service, &seen);
        Ok(observe::live(service, &seen))
    }
}

/// Whether the alias does what squad wrote there last, gives all traffic to one version, which was read, and no rollout is
/// live: then no other version has a say in what serves. Anything else is looked at as a whole.
fn is_told_by_alias(seen: &Seen) -> bool {
    let Some(alias) = seen.alias.as_ref().filter(|alias| alias.is_as_noted()) else {
        return false;
    };
    is_sole_read(alias, seen) && State::kept(&alias.note().state).is_empty()
}

fn is_sole_read(alias: &Alias, seen: &Seen) -> bool {
    matches!(alias.traffic, Some(Traffic::All(sole)) if seen.states.contains_key(&sole))
}
