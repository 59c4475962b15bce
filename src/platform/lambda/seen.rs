//! Reading a function: its alias, its versions, and how the one that serves is.
//!
//! Reads only. What is independent is asked at once; a look at a service costs two calls, the guard's one, and one for each
//! fifty versions where those count.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;

use super::alias::{Alias, number};
use super::mark::is_marked;
use super::read;
use super::{Lambda, Target};
use crate::clients::aws;
use crate::domain::alias::Traffic;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::domain::version::VersionNote;
use crate::platform::Result;

/// A function, as it was read.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Which one.
    pub(super) target: Target,
    /// None where there is no alias of that name.
    pub(super) alias: Option<Alias>,
    /// The published versions. Empty where there is no function.
    pub(super) versions: BTreeMap<RevisionNumber, FunctionConfiguration>,
    /// How those are that take traffic, by `GetFunction`, which alone tells.
    pub(super) states: BTreeMap<RevisionNumber, FunctionConfiguration>,
    /// `$LATEST`, where there is no alias, and none of squad's versions has its code: nothing of it is kept.
    pub(super) unkept: Option<FunctionConfiguration>,
    /// The function has the tag of a live rollout: then the store has nothing to say about it. False also where the tags could
    /// not be read.
    pub(super) is_marked: bool,
}

impl Seen {
    /// The traffic: while AWS moves provisioned concurrency it sets weights of its own, and the traffic is what was
    /// written.
    pub(super) fn traffic(&self) -> Option<Traffic> {
        self.alias.as_ref()?.traffic
    }

    /// What a version was published with, where squad published it.
    pub(super) fn published(&self, number: RevisionNumber) -> Option<VersionNote> {
        let description = self.versions.get(&number)?.description()?;
        VersionNote::parse(description)
    }

    /// Whether squad made any of the versions, and the description of the alias, which was read, is not squad's: what squad
    /// knew is not there.
    pub(super) fn is_without_note(&self) -> bool {
        let is_ours = |alias: &Alias| alias.is_ours() || alias.revision_id.is_empty();
        self.alias.as_ref().is_some_and(|alias| !is_ours(alias))
            && self
                .versions
                .keys()
                .any(|number| self.published(*number).is_some())
    }

    /// Whether squad's note was there most likely: squad made what serves, or knows of versions that were left.
    pub(super) fn had_note(&self) -> bool {
        let serving = match self.traffic() {
            Some(Traffic::All(sole)) => vec![sole],
            Some(Traffic::Shared { primary, other, .. }) => vec![primary, other],
            None => Vec::new(),
        };
        let left = self.alias.as_ref().and_then(|alias| alias.left.as_ref());
        self.is_without_note()
            && (serving.iter().any(|one| self.published(*one).is_some())
                || left.is_some_and(|left| !left.is_empty()))
    }
}

/// What becomes of the list of versions in a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    /// It is read.
    Read,
    /// It may not be read.
    NotAllowed,
}

impl Lambda {
    /// Reads a service's function. Where none has its name, its tag is asked for once.
    pub(super) async fn see(&self, service: &ServiceName) -> Result<Seen> {
        self.locate(service).await;
        let seen = Box::pin(self.see_target(service, List::Read)).await?;
        self.or_tagged(service, seen).await
    }

    /// The same of a function whose alias was read just before.
    pub(super) async fn see_rest(&self, service: &ServiceName, seen: Seen) -> Result<Seen> {
        let versions = self.read_versions(&seen.target.function).await?;
        let seen = self.completed(service, seen, versions, List::Read).await?;
        self.or_tagged(service, seen).await
    }

    async fn or_tagged(&self, service: &ServiceName, seen: Seen) -> Result<Seen> {
        if !seen.versions.is_empty() || self.targets.is_known(service) {
            return Ok(seen);
        }
        match self.tagged(service).await? {
            Some(function) if function != seen.target.function => {
                self.targets.learn_function(service, &function);
                Box::pin(self.see_target(service, List::Read)).await
            }
            _ => Ok(seen),
        }
    }

    /// The same for who may not list versions: of these, those that the alias and its note name. Enough to be shown, and
    /// never to decide by.
    pub(super) async fn see_without_list(&self, service: &ServiceName) -> Result<Seen> {
        Box::pin(self.see_target(service, List::NotAllowed)).await
    }

    /// What all traffic leads to after a write of the alias: AWS's answer to the write said how the alias is then, so it is
    /// only asked which version that is and how it is. None where the two do not agree, or nothing is known of a write.
    pub(super) async fn see_committed(&self, service: &ServiceName) -> Result<Option<Seen>> {
        let Some(mut seen) = self.last_seen(service) else {
            return Ok(None);
        };
        let Some(Traffic::All(sole)) = seen.traffic() else {
            return Ok(None);
        };
        let serving = self
            .read_function(&seen.target.function, &seen.target.alias)
            .await?
            .and_then(|found| found.configuration);
        let Some(serving) =
            serving.filter(|serving| serving.version().and_then(number) == Some(sole))
        else {
            return Ok(None);
        };
        seen.versions.insert(sole, serving.clone());
        seen.states.insert(sole, serving);
        Ok(Some(seen))
    }

    async fn see_target(&self, service: &ServiceName, list: List) -> Result<Seen> {
        let target = self.target(service);
        let versions = async {
            match list {
                List::Read => Ok(self.read_versions(&target.function).await?),
                List::NotAllowed => Ok(BTreeMap::new()),
            }
        };
        let (seen, versions) = tokio::try_join!(self.see_alias(service), versions)?;
        self.completed(service, seen, versions, list).await
    }

    /// The alias as it is written, and the version that it leads to, with the guard: three calls beside each other.
    pub(super) async fn see_alias(&self, service: &ServiceName) -> Result<Seen> {
        let target = self.target(service);
        let guard = async { self.session().guard().await.map(drop) };
        let (alias, serving, ()) = tokio::try_join!(
            self.read_alias(&target),
            self.read_function(&target.function, &target.alias),
            guard,
        )?;
        let mut seen = Seen {
            target,
            alias,
            versions: BTreeMap::new(),
            states: BTreeMap::new(),
            unkept: None,
            is_marked: serving.as_ref().is_some_and(is_marked),
        };
        if let Some(configuration) = serving.and_then(|found| found.configuration)
            && let Some(number) = configuration.version().and_then(number)
        {
            seen.versions.insert(number, configuration.clone());
            seen.states.insert(number, configuration);
        }
        Ok(seen)
    }

    /// What [`Self::see_alias`] saw, with the list of versions and all that follows from it.
    async fn completed(
        &self,
        service: &ServiceName,
        mut seen: Seen,
        versions: BTreeMap<RevisionNumber, FunctionConfiguration>,
        list: List,
    ) -> Result<Seen> {
        // What serves may have been published after the list was made.
        seen.versions.extend(versions);
        if let Some(alias) = seen.alias.take() {
            seen.alias = self.steady(&seen.target, alias).await?;
        }
        if seen.alias.is_none() && list == List::Read {
            seen.unkept = self.see_unkept(service, &seen).await?;
        }
        self.see_others(&mut seen, list).await?;
        self.recall(service, &mut seen).await;
        Ok(seen)
    }

    /// `$LATEST` of a function without the alias, unless a version that squad published keeps its code, or squad sent it and was
    /// cut off.
    async fn see_unkept(
        &self,
        service: &ServiceName,
        seen: &Seen,
    ) -> Result<Option<FunctionConfiguration>> {
        let client = self.session().lambda().await;
        let found = read::function(&client, &seen.target.function, None).await?;
        let Some(latest) = found.and_then(|found| found.configuration) else {
            return Ok(None);
        };
        let mut of_squad = (seen.versions.iter())
            .filter(|(number, _)| seen.published(**number).is_some())
            .map(|(_, version)| version);
        if of_squad.any(|version| version.code_sha256() == latest.code_sha256()) {
            return Ok(None);
        }
        let digest = latest.code_sha256().unwrap_or_default();
        // A version of anybody: what squad sent was published, or others were at work.
        let is_own = seen.versions.is_empty() && self.is_sent(service, &seen.target, digest).await;
        Ok((!is_own).then_some(latest))
    }

    /// The alias; none where there is none, or no function.
    pub(super) async fn read_alias(&self, target: &Target) -> aws::Result<Option<Alias>> {
        let client = self.session().lambda().await;
        read::alias(&client, &target.function, &target.alias).await
    }

    /// What a qualifier (a version, an alias) leads to; none where there is no such thing.
    pub(super) async fn read_function(
        &self,
        function: &str,
        qualifier: &str,
    ) -> aws::Result<Option<GetFunctionOutput>> {
        let client = self.session().lambda().await;
        read::function(&client, function, Some(qualifier)).await
    }

    async fn read_versions(
        &self,
        function: &str,
    ) -> aws::Result<BTreeMap<RevisionNumber, FunctionConfiguration>> {
        let client = self.session().lambda().await;
        read::versions(&client, function).await
    }

    /// The alias as it is meant. While provisioned concurrency moves to the version that the alias points at, AWS itself
    /// sets weights on it: then what we wrote is what is meant, and no drift. Where it cannot be allocated there, they stay.
    /// What has stopped moving since the alias was read is read once more.
    pub(super) async fn steady(&self, target: &Target, alias: Alias) -> Result<Option<Alias>> {
        if !alias.may_be_moving() {
            return Ok(Some(alias));
        }
        match self.provisioned(target).await? {
            None => Ok(Some(alias)),
            Some(provisioned) if provisioned.is_moving => Ok(Some(alias.into_noted(None))),
            Some(provisioned) => {
                let alias = self.read_alias(target).await?;
                Ok(match (alias, provisioned.failed) {
                    (Some(alias), Some(why))
                        if alias.may_be_moving() && alias.is_where_it_was() =>
                    {
                        Some(alias.into_noted(Some(why)))
                    }
                    (alias, _) => alias,
                })
            }
        }
    }

    /// How the other revisions are that traffic goes to, or that a live rollout waits for.
    async fn see_others(&self, seen: &mut Seen, list: List) -> Result<()> {
        let mut wanted = match seen.traffic() {
            Some(Traffic::Shared { primary, other, .. }) => vec![primary, other],
            Some(Traffic::All(sole)) => vec![sole],
            None => Vec::new(),
        };
        if let Some(alias) = &seen.alias {
            wanted.extend(State::kept(&alias.note().state));
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|number| {
            let may_be_there = list == List::NotAllowed || seen.versions.contains_key(number);
            may_be_there && !seen.states.contains_key(number)
        });
        let function = &seen.target.function;
        let reads = wanted.iter().map(|number| async move {
            let found = self.read_function(function, &number.to_string()).await?;
            Ok::<_, aws::Error>((*number, found))
        });
        for read in futures_util::future::join_all(reads).await {
            let (number, found) = read?;
            match found.and_then(|found| found.configuration) {
                Some(configuration) => {
                    seen.versions
                        .entry(number)
                        .or_insert_with(|| configuration.clone());
                    seen.states.insert(number, configuration);
                }
                None => drop(seen.versions.remove(&number)),
            }
        }
        Ok(())
    }
}
