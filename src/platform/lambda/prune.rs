//! Deleting old versions that nothing refers to.
//!
//! Only what squad published: a version of somebody else may be called by its number from places that nobody can list.

use std::collections::BTreeSet;

use super::alias::{Alias, number};
use super::read::found;
use super::seen::Seen;
use super::{Lambda, Target};
use crate::clients::aws::{self, Called, Why};
use crate::domain::alias::{self, Description};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::domain::version::VersionNote;
use crate::platform::{Error, Result, Room};

/// Versions of squad that are kept whatever refers to them, the newest.
const KEPT: usize = 5;

/// What refers to versions now.
struct References {
    /// The versions that any alias, any weight, any live rollout or any provisioned concurrency refers to.
    used: BTreeSet<RevisionNumber>,
    /// The service's own alias.
    own: Option<Alias>,
}

impl Lambda {
    /// Deletes what is old and unused; which versions it was. What was observed last of the service says what is old, and
    /// what is used is asked for now; AWS itself refuses to delete a version that an alias came to refer to since.
    pub(super) async fn prune_versions(
        &self,
        service: &ServiceName,
    ) -> Result<Vec<RevisionNumber>> {
        let mut seen = match self.last_seen(service) {
            Some(seen) => seen,
            None => self.see(service).await?,
        };
        let old = old(&seen);
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let (now, known) = tokio::try_join!(self.references(&seen), self.left_objects(service))?;
        self.forget(service);
        // Somebody may have gone back to another one since it was seen.
        let unused = not_used(old, &now);
        seen.alias = now.own;
        let mut pruned = Vec::new();
        for number in unused {
            if self.is_called(&seen.target.function, number).await? {
                continue;
            }
            self.note_gone(service, &seen, number, &known).await?;
            match self.delete_version(&seen.target.function, number).await {
                Ok(()) => pruned.push(number),
                // It came into use a moment ago: kept.
                Err(error)
                    if matches!(&*error.why, Why::InProgress | Why::Exists | Why::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(pruned)
    }

    /// How full the account's storage for code is, and what of this function [`Self::prune_versions`] would delete.
    pub(super) async fn room_for_code(&self, service: &ServiceName) -> Option<Room> {
        let seen = self.last_seen(service)?;
        let client = self.session().lambda().await;
        let settings = client
            .get_account_settings()
            .send()
            .await
            .called("lambda:GetAccountSettings", "")
            .ok()?;
        let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        let limit = settings.account_limit()?.total_code_size();
        let used = settings.account_usage()?.total_code_size();
        let mut old = self.unused(&seen).await.unwrap_or_default();
        let function = &seen.target.function;
        for number in std::mem::take(&mut old) {
            if matches!(self.is_called(function, number).await, Ok(false)) {
                old.push(number);
            }
        }
        let size = |number| Some(seen.versions.get(number)?.code_size());
        Some(Room {
            used: bytes(used),
            limit: bytes(limit),
            of_old: bytes(old.iter().filter_map(size).sum()),
            old,
            delete: format!("aws lambda delete-function --function-name {function} --qualifier"),
        })
    }

    /// What is old, and used by nothing that a list tells.
    async fn unused(&self, seen: &Seen) -> Result<Vec<RevisionNumber>> {
        let old = old(seen);
        if old.is_empty() {
            return Ok(old);
        }
        let now = self.references(seen).await?;
        Ok(not_used(old, &now))
    }

    /// Deletes one version that nothing refers to.
    pub(super) async fn retire_version(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<()> {
        let seen = self.see(service).await?;
        if !seen.versions.contains_key(&revision) {
            return Err(Error::NoRevision(revision));
        }
        if let Some(alias) = &seen.alias
            && State::kept(&alias.note().state).contains(&revision)
        {
            return Err(Error::Invalid(format!(
                "a live rollout needs revision {revision}"
            )));
        }
        let function = &seen.target.function;
        let now = self.references(&seen).await?;
        if now.used.contains(&revision) || self.is_called(function, revision).await? {
            return Err(Error::HasTraffic(revision));
        }
        let known = self.left_objects(service).await?;
        let seen = Seen {
            alias: now.own,
            ..seen
        };
        self.note_gone(service, &seen, revision, &known).await?;
        self.forget(service);
        match self.delete_version(&seen.target.function, revision).await {
            Ok(()) => Ok(()),
            Err(error) if matches!(&*error.why, Why::InProgress | Why::Exists) => {
                Err(Error::HasTraffic(revision))
            }
            Err(error) if matches!(&*error.why, Why::NotFound) => Err(Error::NoRevision(revision)),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete_version(&self, function: &str, revision: RevisionNumber) -> aws::Result<()> {
        let client = self.session().lambda().await;
        client
            .delete_function()
            .function_name(function)
            .qualifier(revision.to_string())
            .send()
            .await
            .called("lambda:DeleteFunction", function)
            .map(drop)
    }

    async fn references(&self, seen: &Seen) -> Result<References> {
        let (mut references, provisioned) = tokio::try_join!(
            self.aliases(&seen.target),
            self.provisioned_versions(&seen.target)
        )?;
        references.used.extend(provisioned);
        Ok(references)
    }

    async fn aliases(&self, target: &Target) -> aws::Result<References> {
        let function = target.function.as_str();
        let client = self.session().lambda().await;
        let (mut used, mut own) = (BTreeSet::new(), None);
        let mut marker = None;
        loop {
            let page = client
                .list_aliases()
                .function_name(function)
                .set_marker(marker)
                .send()
                .await
                .called("lambda:ListAliases", function)?;
            for found in page.aliases() {
                let weights = found
                    .routing_config()
                    .and_then(|routing| routing.additional_version_weights());
                used.extend(found.function_version().and_then(number));
                used.extend(
                    weights
                        .into_iter()
                        .flat_map(|weights| weights.keys())
                        .filter_map(|version| number(version)),
                );
                let is_own = found.name() == Some(target.alias.as_str());
                if let Description::Ours(note) =
                    alias::parse(found.description().unwrap_or_default())
                {
                    used.extend(State::kept(&note.state));
                    // What a rollback of another environment's alias goes back to, and what it must not.
                    if !is_own {
                        used.extend(note.served);
                        used.extend(note.left);
                    }
                }
                if is_own {
                    own = Some(Alias::made(
                        found.alias_arn(),
                        found.revision_id(),
                        found.description(),
                        found.function_version(),
                        weights,
                    ));
                }
            }
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(References { used, own });
            }
        }
    }

    /// Whether anybody calls a version by its number: an event source mapping, or a permission on it.
    async fn is_called(&self, function: &str, revision: RevisionNumber) -> aws::Result<bool> {
        let client = self.session().lambda().await;
        let mappings = async {
            let answer = client
                .list_event_source_mappings()
                .function_name(format!("{function}:{revision}"))
                .send()
                .await
                .called("lambda:ListEventSourceMappings", function);
            Ok(found(answer)?.is_some_and(|page| !page.event_source_mappings().is_empty()))
        };
        let policy = async {
            let answer = client
                .get_policy()
                .function_name(function)
                .qualifier(revision.to_string())
                .send()
                .await
                .called("lambda:GetPolicy", function);
            Ok(found(answer)?.is_some())
        };
        let (mapped, permitted) = tokio::try_join!(mappings, policy)?;
        Ok(mapped || permitted)
    }
}

/// Those that nothing refers to, and no rollback goes back to.
fn not_used(mut old: Vec<RevisionNumber>, now: &References) -> Vec<RevisionNumber> {
    let served = now.own.as_ref().map(|own| own.note().served);
    let served = served.unwrap_or_default();
    old.retain(|number| !now.used.contains(number) && !served.contains(number));
    old
}

/// What squad published, is not among the newest, and is no target of a rollback; oldest first.
fn old(seen: &Seen) -> Vec<RevisionNumber> {
    let served = seen
        .alias
        .as_ref()
        .map(|alias| alias.note().served)
        .unwrap_or_default();
    let ours: Vec<_> = seen
        .versions
        .iter()
        .filter(|(_, version)| version.description().and_then(VersionNote::parse).is_some())
        .map(|(number, _)| *number)
        .collect();
    let count = ours.len().saturating_sub(KEPT);
    ours.into_iter()
        .take(count)
        .filter(|number| !served.contains(number))
        .collect()
}
