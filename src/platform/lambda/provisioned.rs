//! Provisioned concurrency: the execution environments that an alias keeps ready.
//!
//! It belongs to the alias and to no version: AWS moves it when the alias moves (Lambda guide, "Configuring provisioned
//! concurrency for a function"). Only what `squad.toml` asks for is changed, after the traffic, because AWS takes none for an
//! alias whose weights it is moving.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use aws_sdk_lambda::types::ProvisionedConcurrencyStatusEnum as Status;

use super::alias::number;
use super::publish::Pause;
use super::read::found;
use super::seen::Seen;
use super::{Lambda, Target};
use crate::clients::aws::{self, Called, Why};
use crate::domain::alias::Traffic;
use crate::domain::name::ServiceName;
use crate::domain::plan::Difference;
use crate::domain::release::RevisionNumber;
use crate::domain::service::Service;
use crate::platform::Result;

/// How long AWS may be busy with a move of before.
const FREE_WITHIN: Duration = Duration::from_mins(5);

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provisioned {
    /// Execution environments that were asked for.
    pub(super) requested: u32,
    /// It is being allocated.
    pub(super) is_moving: bool,
    /// Why it could not be allocated.
    pub(super) failed: Option<String>,
}

impl Provisioned {
    fn new(requested: Option<i32>, status: Option<&Status>, reason: Option<String>) -> Self {
        Self {
            requested: requested
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            is_moving: status == Some(&Status::InProgress),
            failed: (status == Some(&Status::Failed)).then(|| reason.unwrap_or_default()),
        }
    }
}

impl Lambda {
    /// That of the alias; none where none is configured.
    pub(super) async fn provisioned(&self, target: &Target) -> aws::Result<Option<Provisioned>> {
        let client = self.session().lambda().await;
        let answer = client
            .get_provisioned_concurrency_config()
            .function_name(&target.function)
            .qualifier(&target.alias)
            .send()
            .await
            .called("lambda:GetProvisionedConcurrencyConfig", &target.function);
        Ok(found(answer)?.map(|found| {
            Provisioned::new(
                found.requested_provisioned_concurrent_executions,
                found.status.as_ref(),
                found.status_reason,
            )
        }))
    }

    /// The same by the list of all that the function has, which tells also what the tidying of versions has to know. Who may
    /// not list is told of the alias alone.
    pub(super) async fn provisioned_of_all(
        &self,
        target: &Target,
    ) -> aws::Result<Option<Provisioned>> {
        match self.list_provisioned(target).await {
            Ok((alias, versions)) => {
                let mut known = self
                    .provisioned_versions
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                known.insert(target.function.clone(), versions);
                Ok(alias)
            }
            Err(error) if matches!(&*error.why, Why::Denied { .. }) => {
                self.provisioned(target).await
            }
            Err(error) => Err(error),
        }
    }

    /// The versions that have some of their own; what a commit has just listed is not listed again.
    pub(super) async fn provisioned_versions(
        &self,
        target: &Target,
    ) -> aws::Result<BTreeSet<RevisionNumber>> {
        let known = {
            let mut known = self
                .provisioned_versions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            known.remove(&target.function)
        };
        match known {
            Some(versions) => Ok(versions),
            None => Ok(self.list_provisioned(target).await?.1),
        }
    }

    /// That of the alias, and the versions that have some of their own.
    async fn list_provisioned(
        &self,
        target: &Target,
    ) -> aws::Result<(Option<Provisioned>, BTreeSet<RevisionNumber>)> {
        let client = self.session().lambda().await;
        let (mut alias, mut versions) = (None, BTreeSet::new());
        let mut marker = None;
        loop {
            let page = client
                .list_provisioned_concurrency_configs()
                .function_name(&target.function)
                .set_marker(marker)
                .send()
                .await
                .called("lambda:ListProvisionedConcurrencyConfigs", &target.function);
            // That there is nothing to list is none, also where it is said with a 404.
            let Some(page) = found(page)? else {
                return Ok((alias, versions));
            };
            for config in page.provisioned_concurrency_configs.unwrap_or_default() {
                let arn = config.function_arn().unwrap_or_default();
                let qualifier = arn.rsplit(':').next().unwrap_or_default();
                versions.extend(number(qualifier));
                if qualifier == target.alias {
                    alias = Some(Provisioned::new(
                        config.requested_provisioned_concurrent_executions,
                        config.status.as_ref(),
                        config.status_reason,
                    ));
                }
            }
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok((alias, versions));
            }
        }
    }

    /// Takes what a service's `squad.toml` asks for, for the commits of this process.
    pub(super) fn learn_provisioned(&self, service: &Service) {
        let wanted = wanted(service);
        let mut known = self
            .provisioned_wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(service.name.clone(), wanted);
    }

    /// What the alias is to keep ready with this traffic; none where it stays as it is. Who takes a rollout over has no
    /// `squad.toml`: then it is what the revision was published with that all traffic moves to. A store that does not answer
    /// keeps nobody from moving the traffic; the next deploy makes up for it.
    pub(super) async fn provisioned_wanted(
        &self,
        service: &ServiceName,
        seen: &Seen,
        traffic: Traffic,
    ) -> Option<u32> {
        let Traffic::All(sole) = traffic else {
            return None;
        };
        let learned = {
            let known = self
                .provisioned_wanted
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            known.get(service).copied()
        };
        match learned {
            // As much as it has, once more.
            Some(None) if is_stuck(seen) => {
                let there = self.provisioned(&seen.target).await.ok()??;
                Some(there.requested)
            }
            Some(wanted) => wanted,
            None if seen.traffic() == Some(traffic) => None,
            None => {
                let configured = self.configured(service, seen, sole).await;
                wanted(&configured.ok()??)
            }
        }
    }

    /// Brings the alias to it; true where something had to change.
    pub(super) async fn provide(&self, target: &Target, wanted: u32) -> Result<bool> {
        let mut pause = Pause::within(FREE_WITHIN);
        loop {
            let there = self.provisioned(target).await?;
            if there.as_ref().map_or(0, |there| there.requested) == wanted
                && there.is_none_or(|there| there.failed.is_none())
            {
                return Ok(false);
            }
            match self.put_provisioned(target, wanted).await {
                Ok(()) => return Ok(true),
                // A move of before goes on, or the answer got lost.
                Err(error) if *error.why == Why::InProgress || error.why.is_ambiguous() => {
                    pause.wait().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn put_provisioned(&self, target: &Target, wanted: u32) -> aws::Result<()> {
        let client = self.session().lambda().await;
        if wanted == 0 {
            return client
                .delete_provisioned_concurrency_config()
                .function_name(&target.function)
                .qualifier(&target.alias)
                .send()
                .await
                .called(
                    "lambda:DeleteProvisionedConcurrencyConfig",
                    &target.function,
                )
                .map(drop);
        }
        client
            .put_provisioned_concurrency_config()
            .function_name(&target.function)
            .qualifier(&target.alias)
            .provisioned_concurrent_executions(i32::try_from(wanted).unwrap_or(i32::MAX))
            .send()
            .await
            .called("lambda:PutProvisionedConcurrencyConfig", &target.function)
            .map(drop)
    }

    /// What the alias keeps ready and what it is to keep ready, where that differs.
    pub(super) async fn provisioned_difference(
        &self,
        service: &Service,
    ) -> Result<Option<Difference>> {
        self.targets.learn(service);
        self.learn_provisioned(service);
        let is_stuck = self
            .last_seen(&service.name)
            .is_some_and(|seen| is_stuck(&seen));
        if wanted(service).is_none() && !is_stuck {
            return Ok(None);
        }
        let there = self.provisioned(&self.target(&service.name)).await?;
        let kept = there.as_ref().map_or(0, |there| there.requested);
        let wanted = wanted(service).unwrap_or(kept);
        let before = there.as_ref().map_or(0, |there| there.requested);
        let failed = there.is_some_and(|there| there.failed.is_some());
        Ok((before != wanted || failed).then(|| Difference {
            key: "function.provisioned_concurrency".to_owned(),
            before: Some(if failed {
                format!("{before}, which AWS could not allocate")
            } else {
                before.to_string()
            }),
            after: Some(wanted.to_string()),
        }))
    }
}

/// Whether AWS has given up moving what is provisioned to what the alias points at.
fn is_stuck(seen: &Seen) -> bool {
    seen.alias
        .as_ref()
        .is_some_and(super::alias::Alias::is_stuck)
}

fn wanted(service: &Service) -> Option<u32> {
    service.function.as_ref()?.provisioned_concurrency
}
