//! Reading a function: its alias, its versions, and how the one that serves is.
//!
//! Reads only. What is independent is asked at once; a look at a service costs two calls, the guard's one, and one for each
//! fifty versions where those count.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;

use super::read;
use super::{Lambda, Target};
use crate::clients::aws;
use crate::domain::alias::{self, Description, Note, Traffic};
use crate::domain::live::Lag;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::domain::version::VersionNote;
use crate::platform::Result;

/// An alias, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alias {
    /// Names this very state.
    pub(super) revision_id: String,
    /// Its ARN.
    pub(super) arn: String,
    /// What it says about itself.
    pub(super) description: Description,
    /// Who takes what; none where it points at `$LATEST`, or says what cannot be.
    pub(super) traffic: Option<Traffic>,
    /// The version that it points at, whatever the weights say.
    pub(super) primary: Option<RevisionNumber>,
    /// It points at `$LATEST`: each change of the function is live at once.
    pub(super) is_on_latest: bool,
    /// Where AWS keeps the traffic until what is provisioned has moved, when that is not where it was written to.
    pub(super) lag: Option<Lag>,
    /// Versions that were left, by the environment's store, where the description is not squad's; none where nobody asked, or
    /// no answer came.
    pub(super) left: Option<Vec<RevisionNumber>>,
}

/// What an alias of others may point at (Lambda guide, "Lambda function aliases": a version, or the unpublished one).
pub(super) const LATEST: &str = "$LATEST";

impl Alias {
    /// Our note; where the description is none or somebody else's, only with what the store knows of it.
    pub(super) fn note(&self) -> Note {
        match &self.description {
            Description::Ours(note) => note.clone(),
            Description::Empty | Description::Foreign(_) => Note {
                left: self.left.clone().unwrap_or_default(),
                ..Note::default()
            },
        }
    }

    /// The note that the next commit goes on from: what serves now comes first of what served, also where others pointed the
    /// alias there, so that a rollback finds it. Of two that others made share the traffic, the heavier one comes first; the
    /// canary of a rollout of squad has not served before it has everything.
    pub(super) fn note_of_now(&self) -> Note {
        let mut note = self.note();
        let serving = match self.traffic {
            Some(Traffic::All(sole)) => vec![sole],
            Some(Traffic::Shared {
                primary,
                other,
                weight,
            }) if !self.is_as_noted() && State::live(&note.state).is_none() => {
                if weight > 50 {
                    vec![other, primary]
                } else {
                    vec![primary, other]
                }
            }
            Some(Traffic::Shared { .. }) | None => Vec::new(),
        };
        note.served.retain(|one| !serving.contains(one));
        note.served.splice(0..0, serving);
        note
    }

    /// Whether its description is squad's.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.description, Description::Ours(_))
    }

    /// Whether the traffic is what our note says was written with it.
    pub(super) fn is_as_noted(&self) -> bool {
        let noted = self.note().traffic();
        noted.is_some() && noted == self.traffic
    }

    /// Whether its weights may be AWS's: it points where we wrote, and they are other ones.
    fn may_be_moving(&self) -> bool {
        match self.note().traffic() {
            Some(noted) => Some(noted) != self.traffic && self.primary == Some(noted.primary()),
            None => false,
        }
    }

    /// With the traffic that our note says, and where AWS keeps it meanwhile.
    fn into_noted(self, failed: Option<String>) -> Self {
        match self.note().traffic() {
            Some(noted) => self.with_written(noted, failed),
            None => self,
        }
    }

    /// With the traffic that was written; what the weights say instead are AWS's own.
    pub(super) fn with_written(self, written: Traffic, failed: Option<String>) -> Self {
        let to = written.primary();
        let there = match self.traffic {
            Some(traffic) if traffic == written => None,
            Some(Traffic::All(sole)) => Some((sole, 100)),
            Some(Traffic::Shared { other, weight, .. }) => Some((other, weight)),
            None => None,
        };
        Self {
            traffic: Some(written),
            lag: there
                .filter(|(revision, _)| *revision != to)
                .map(|(revision, weight)| Lag {
                    revision,
                    weight,
                    to,
                    failed,
                }),
            ..self
        }
    }

    /// Whether AWS has given up moving what is provisioned, and keeps the traffic where it was.
    pub(super) fn is_stuck(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.failed.is_some())
    }

    /// Whether its weights send everything to a version that served before: those that AWS sets.
    fn is_where_it_was(&self) -> bool {
        match self.traffic {
            Some(Traffic::All(sole)) => {
                let note = self.note();
                self.primary != Some(sole)
                    && (note.served.contains(&sole) || note.left.contains(&sole))
            }
            Some(Traffic::Shared { .. }) | None => false,
        }
    }

    /// From an answer of `GetAlias`.
    pub(super) fn of(found: &GetAliasOutput) -> Self {
        Self::made(
            found.alias_arn(),
            found.revision_id(),
            found.description(),
            found.function_version(),
            found
                .routing_config()
                .and_then(|routing| routing.additional_version_weights()),
        )
    }

    /// From the parts of any answer that holds an alias.
    pub(super) fn made(
        arn: Option<&str>,
        revision_id: Option<&str>,
        description: Option<&str>,
        version: Option<&str>,
        weights: Option<&std::collections::HashMap<String, f64>>,
    ) -> Self {
        let description = alias::parse(description.unwrap_or_default());
        let written = match &description {
            Description::Ours(note) => note.traffic(),
            Description::Empty | Description::Foreign(_) => None,
        };
        Self {
            revision_id: revision_id.unwrap_or_default().to_owned(),
            arn: arn.unwrap_or_default().to_owned(),
            description,
            traffic: traffic(version, weights, written),
            primary: version.and_then(number),
            is_on_latest: version == Some(LATEST),
            lag: None,
            left: None,
        }
    }

    /// Whether it says and does the same as another state of it. AWS gives an alias another `RevisionId` also when
    /// provisioned concurrency has moved, and with every permission on it: that is nobody's commit.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (
            &self.description,
            self.traffic,
            self.primary,
            self.is_on_latest,
        ) == (
            &other.description,
            other.traffic,
            other.primary,
            other.is_on_latest,
        )
    }
}

/// The traffic of an alias. Weights are fractions at AWS; whatever is not a whole percentage was not written by squad,
/// is never rounded to all or nothing, and never to the weight that was `written`.
fn traffic(
    version: Option<&str>,
    weights: Option<&std::collections::HashMap<String, f64>>,
    written: Option<Traffic>,
) -> Option<Traffic> {
    let primary = number(version?)?;
    let mut others = weights
        .into_iter()
        .flatten()
        .filter(|(_, weight)| **weight > 0.0);
    let Some((other, weight)) = others.next() else {
        return Some(Traffic::All(primary));
    };
    let other = number(other)?;
    if *weight >= 1.0 {
        return Some(Traffic::All(other));
    }
    let percent = weight * 100.0;
    let shared = |percent: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 99 by the clamp"
        )]
        let weight = percent.clamp(1.0, 99.0) as u8;
        Some(Traffic::Shared {
            primary,
            other,
            weight,
        })
    };
    let rounded = percent.round().clamp(1.0, 99.0);
    let nearest = shared(rounded);
    let is_whole = (percent - rounded).abs() < WHOLE;
    if is_whole || nearest != written {
        return nearest;
    }
    // The next one on the side where it lies; at the ends, the only other one.
    let beside = if percent > rounded { 1.0 } else { -1.0 };
    match shared(rounded + beside) {
        other if other != written => other,
        _ => shared(rounded - beside),
    }
}

/// What a fraction may be off from a whole percentage and be that one.
const WHOLE: f64 = 1e-6;

/// The number of a published version.
pub(super) fn number(version: &str) -> Option<RevisionNumber> {
    version.parse().ok().map(RevisionNumber)
}

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
            seen.unkept = self.see_unkept(&seen).await?;
        }
        self.see_others(&mut seen, list).await?;
        self.recall(service, &mut seen).await;
        Ok(seen)
    }

    /// `$LATEST` of a function without the alias, unless a version that squad published keeps its code.
    async fn see_unkept(&self, seen: &Seen) -> Result<Option<FunctionConfiguration>> {
        let client = self.session().lambda().await;
        let found = read::function(&client, &seen.target.function, None).await?;
        let found = found.and_then(|found| found.configuration);
        Ok(found.filter(|latest| {
            let mut of_squad = (seen.versions.iter())
                .filter(|(number, _)| seen.published(**number).is_some())
                .map(|(_, version)| version);
            !of_squad.any(|version| version.code_sha256() == latest.code_sha256())
        }))
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn weights_are_never_rounded_to_all_or_nothing() {
        let all = |n| Some(Traffic::All(RevisionNumber(n)));
        let shared = |weight| {
            Some(Traffic::Shared {
                primary: RevisionNumber(41),
                other: RevisionNumber(42),
                weight,
            })
        };
        for (version, weights, wanted) in [
            ("41", None, all(41)),
            ("41", Some(0.05), shared(5)),
            ("41", Some(0.07), shared(7)),
            ("41", Some(0.29), shared(29)),
            ("41", Some(0.001), shared(1)),
            ("41", Some(0.999), shared(99)),
            ("41", Some(1.0), all(42)),
            ("41", Some(0.0), all(41)),
            ("$LATEST", None, None),
        ] {
            let weights = weights.map(|weight| HashMap::from([("42".to_owned(), weight)]));
            assert_eq!(traffic(Some(version), weights.as_ref(), None), wanted);
        }
        assert_eq!(traffic(Some("41"), Some(&HashMap::new()), None), all(41));
    }

    #[test]
    fn what_others_made_share_the_traffic_has_served() {
        let rollout = "squad/1 id=01K8 g=2 ph=holding u=1 s=3 c=4 p=ab12cd34 |o=01K h=3.2";
        for (description, weight, wanted) in [
            ("", 0.2, vec![3, 4]),
            ("canary by sam", 0.8, vec![4, 3]),
            ("|o=01K h=2.1 x=1", 0.2, vec![3, 4, 2, 1]),
            ("|o=01K h=4.3.2", 0.5, vec![3, 4, 2]),
            // What squad wrote itself, and what others changed of it while the rollout is live.
            ("|o=01K w=3.4.20 h=3.2", 0.2, vec![3, 2]),
            (rollout, 0.3, vec![3, 2]),
        ] {
            let weights = HashMap::from([("4".to_owned(), weight)]);
            let alias = Alias::made(None, None, Some(description), Some("3"), Some(&weights));
            let wanted: Vec<_> = wanted.into_iter().map(RevisionNumber).collect();
            assert_eq!(alias.note_of_now().served, wanted, "{description}");
        }
    }

    #[test]
    fn a_weight_of_others_is_never_taken_for_the_one_that_was_written() {
        let shared = |weight| {
            Some(Traffic::Shared {
                primary: RevisionNumber(41),
                other: RevisionNumber(42),
                weight,
            })
        };
        for (written, found, wanted) in [
            (5, 0.05, 5),
            (7, 0.07, 7),
            (29, 0.29, 29),
            (5, 0.0549, 6),
            (5, 0.0451, 4),
            (5, 0.0649, 6),
            (1, 0.006, 2),
            (1, 0.001, 2),
            (99, 0.999, 98),
            (99, 0.994, 98),
        ] {
            let weights = HashMap::from([("42".to_owned(), found)]);
            assert_eq!(
                traffic(Some("41"), Some(&weights), shared(written)),
                shared(wanted),
                "{found}"
            );
        }
    }
}
