//! The one write that changes traffic and state: `UpdateAlias` with weights, description and `RevisionId`.
//!
//! It never writes without naming what it saw. An answer that got lost is told apart from a lost race by reading once
//! more what is there.

use std::collections::HashMap;

use aws_sdk_lambda::types::{AliasRoutingConfiguration, FunctionConfiguration};

use super::seen::{Alias, Seen};
use super::settle::Failure;
use super::{Lambda, ROLLOUT_TAG, Target, observe};
use crate::clients::aws::{self, Called, Why};
use crate::domain::alias::{Description, Note, Traffic, Written};
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::domain::rollout::state::LONGEST;
use crate::domain::traffic::{Split, Weights};
use crate::platform::{Commit, Error, Result};

/// How often a write is sent with the `RevisionId` that AWS gave the same state meanwhile.
const TRIES: u32 = 4;
/// How long the store may take to keep what the alias said before.
const KEPT_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a call on an alias did not happen, with what is there instead.
enum Lost {
    /// There is none.
    Nothing,
    /// This.
    Other(Box<Alias>),
}

impl Lambda {
    /// Writes a commit; the token of what is there then.
    pub(super) async fn write(
        &self,
        service: &ServiceName,
        token: &Token,
        commit: &Commit,
    ) -> Result<Token> {
        let traffic = expressible(&commit.split, &commit.state)?;
        let written = Written {
            state: &commit.state,
            traffic,
            leaves: commit.leaves,
            operation: &commit.operation,
            actor: &commit.actor,
        };
        self.session().guard().await?;
        let seen = match self.remembered(service, token) {
            Some(seen) => seen,
            None => {
                let seen = self.see(service).await?;
                self.remember(service, &seen);
                seen
            }
        };
        let present = seen.alias.as_ref();
        if present.map_or("", |alias| alias.revision_id.as_str()) != token.0 {
            return outcome(present, &written);
        }
        self.check_located(service, &seen).await?;
        self.keep_guess(service).await;
        check_versions(&seen, traffic)?;
        let before = present.map(Alias::note_of_now).unwrap_or_default();
        self.keep_foreign(service, present, commit).await?;
        let note = before.after(&written);
        self.mark_rollout(&seen, &before, &note).await;
        let after = match present {
            None => self.create_alias(&seen.target, &note, &written).await,
            Some(alias) => {
                self.update_alias(&seen.target, alias, &note, &written)
                    .await
            }
        }?;
        self.remember(
            service,
            &Seen {
                alias: Some(after.clone()),
                ..seen.clone()
            },
        );
        if is_live(&before)
            || present.is_some_and(|alias| matches!(alias.description, Description::Foreign(_)))
        {
            self.unmark_rollout(&seen, &note).await;
        }
        if commit.leaves.is_some() {
            return Ok(Token(after.revision_id));
        }
        let asks = matches!(traffic, Traffic::All(_)) && self.asks_for_provisioned(service);
        let failure = if asks {
            Failure::IsMendedNext
        } else {
            Failure::IsTold
        };
        let mut after = self.settled(&seen.target, after, traffic, failure).await?;
        if asks && self.provide(service, &seen.target).await? {
            after = self
                .settled(&seen.target, after, traffic, Failure::IsTold)
                .await?;
        }
        self.remember_alias(&seen.target, &after);
        Ok(Token(after.revision_id))
    }

    async fn create_alias(
        &self,
        target: &Target,
        note: &Note,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let (primary, weights) = parts(written.traffic);
        let client = self.session().lambda().await;
        let answer = client
            .create_alias()
            .function_name(&target.function)
            .name(&target.alias)
            .function_version(primary.to_string())
            .set_routing_config((!weights.is_empty()).then(|| routing(weights)))
            .description(note.encode())
            .send()
            .await
            .called("lambda:CreateAlias", &target.function);
        match answer {
            Ok(made) => Ok(Alias::made(
                made.alias_arn(),
                made.revision_id(),
                made.description(),
                made.function_version(),
                made.routing_config()
                    .and_then(|routing| routing.additional_version_weights()),
            )),
            Err(error) => self.explain(target, error, "", written).await,
        }
    }

    async fn update_alias(
        &self,
        target: &Target,
        present: &Alias,
        note: &Note,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let mut token = present.revision_id.clone();
        let mut tries = 0;
        loop {
            let error = match self.send_update(target, &token, note, written).await {
                Ok(alias) => return Ok(alias),
                Err(error) => error,
            };
            tries += 1;
            if tries < TRIES
                && matches!(&*error.why, Why::Lost)
                && let Ok(Some(alias)) = self.present(target).await
                && alias.revision_id != token
                && alias.is_same(present)
            {
                // Another `RevisionId`, and nobody's commit.
                token = alias.revision_id;
                continue;
            }
            return self.explain(target, error, &token, written).await;
        }
    }

    async fn send_update(
        &self,
        target: &Target,
        token: &str,
        note: &Note,
        written: &Written<'_>,
    ) -> aws::Result<Alias> {
        let (primary, weights) = parts(written.traffic);
        let client = self.session().lambda().await;
        let made = client
            .update_alias()
            .function_name(&target.function)
            .name(&target.alias)
            .function_version(primary.to_string())
            // Always, also empty: what is left out is kept, and would go on sharing the traffic.
            .routing_config(routing(weights))
            .description(note.encode())
            .revision_id(token)
            .send()
            .await
            .called("lambda:UpdateAlias", &target.function)?;
        let alias = Alias::made(
            made.alias_arn(),
            made.revision_id(),
            made.description(),
            made.function_version(),
            made.routing_config()
                .and_then(|routing| routing.additional_version_weights()),
        );
        // The answer may show the weights that AWS sets while it moves what is provisioned.
        Ok(Alias {
            traffic: Some(written.traffic),
            ..alias
        })
    }

    /// What a failed write comes to: it is in force after all, somebody else was first, or it failed.
    async fn explain(
        &self,
        target: &Target,
        error: aws::Error,
        token: &str,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let is_race = matches!(&*error.why, Why::Lost | Why::Exists | Why::InProgress);
        let is_gone = matches!(&*error.why, Why::NotFound);
        if !is_race && !is_gone && !error.why.is_ambiguous() {
            return Err(error.into());
        }
        // What failed first is what is to be told.
        let Ok(there) = self.present(target).await else {
            return Err(error.into());
        };
        let lost = match there {
            Some(alias) if is_of(&alias, written) => return Ok(alias),
            Some(alias) if alias.revision_id != token => {
                self.remember_alias(target, &alias);
                Lost::Other(Box::new(alias))
            }
            None if !token.is_empty() => Lost::Nothing,
            Some(_) | None if is_gone => return Err(self.which_is_gone(target, written).await),
            Some(_) | None => return Err(error.into()),
        };
        Err(Error::Conflict {
            winner: match lost {
                Lost::Other(alias) => winner(&alias),
                Lost::Nothing => None,
            },
        })
    }

    /// The alias as it is meant now.
    async fn present(&self, target: &Target) -> Result<Option<Alias>> {
        match self.read_alias(target).await? {
            Some(alias) => self.steady(target, alias).await,
            None => Ok(None),
        }
    }

    /// The alias is as it was, and something that was named is not there: which version it is.
    async fn which_is_gone(&self, target: &Target, written: &Written<'_>) -> Error {
        for number in numbers(written.traffic) {
            match self
                .read_function(&target.function, &number.to_string())
                .await
            {
                Ok(None) => return Error::NoRevision(number),
                Ok(Some(_)) => {}
                Err(error) => return error.into(),
            }
        }
        Error::Conflict { winner: None }
    }

    /// Keeps a description of somebody else in the environment's store before it is replaced.
    async fn keep_foreign(
        &self,
        service: &ServiceName,
        present: Option<&Alias>,
        commit: &Commit,
    ) -> Result<()> {
        let Some(Description::Foreign(text)) = present.map(|alias| &alias.description) else {
            return Ok(());
        };
        let operation: String = commit
            .operation
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let path = format!("alias/{service}/{operation}");
        let kept = tokio::time::timeout(KEPT_WITHIN, self.store_object(&path, text.as_bytes()));
        match kept.await {
            Ok(Ok(_)) => Ok(()),
            // A brake never waits for the store: the operation's record says which alias was there.
            _ if commit.leaves.is_some() => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Timeout(KEPT_WITHIN)),
        }
    }

    /// Says in a tag that a rollout is live, before it is: a hint for those who look at many functions at once, never
    /// what anything is decided by.
    async fn mark_rollout(&self, seen: &Seen, before: &Note, after: &Note) {
        if is_live(before) || !is_live(after) {
            return;
        }
        let client = self.session().lambda().await;
        drop(
            client
                .tag_resource()
                .resource(self.function_arn(&seen.target.function))
                .tags(ROLLOUT_TAG, "live")
                .send()
                .await,
        );
    }

    /// Takes the hint away once no rollout is live any more. Whether one was cannot be told where somebody else wrote over
    /// what the alias said.
    async fn unmark_rollout(&self, seen: &Seen, after: &Note) {
        if is_live(after) {
            return;
        }
        let client = self.session().lambda().await;
        drop(
            client
                .untag_resource()
                .resource(self.function_arn(&seen.target.function))
                .tag_keys(ROLLOUT_TAG)
                .send()
                .await,
        );
    }
}

/// Whether a rollout is live.
fn is_live(note: &Note) -> bool {
    !State::kept(&note.state).is_empty()
}

/// Who wrote an alias, when that is known.
fn winner(alias: &Alias) -> Option<crate::domain::live::LastCommit> {
    alias
        .is_as_noted()
        .then(|| observe::last_commit(&alias.note()))
        .flatten()
}

/// The token named another state than the present one: it may be this very commit that made it.
fn outcome(present: Option<&Alias>, written: &Written<'_>) -> Result<Token> {
    match present {
        Some(alias) if is_of(alias, written) => Ok(Token(alias.revision_id.clone())),
        present => Err(Error::Conflict {
            winner: present.and_then(winner),
        }),
    }
}

fn is_of(alias: &Alias, written: &Written<'_>) -> bool {
    alias.is_as_noted() && alias.note().is_of(written)
}

/// The versions that a traffic names.
fn numbers(traffic: Traffic) -> Vec<RevisionNumber> {
    match traffic {
        Traffic::All(sole) => vec![sole],
        Traffic::Shared { primary, other, .. } => vec![primary, other],
    }
}

/// The alias's own version, and the additional one with its weight.
fn parts(traffic: Traffic) -> (RevisionNumber, HashMap<String, f64>) {
    match traffic {
        Traffic::All(sole) => (sole, HashMap::new()),
        Traffic::Shared {
            primary,
            other,
            weight,
        } => (
            primary,
            HashMap::from([(other.to_string(), f64::from(weight) / 100.0)]),
        ),
    }
}

pub(super) fn routing(weights: HashMap<String, f64>) -> AliasRoutingConfiguration {
    AliasRoutingConfiguration::builder()
        .set_additional_version_weights(Some(weights))
        .build()
}

/// A split as an alias can express it: one weight for all requests, two versions at most.
fn expressible(split: &Split, state: &str) -> Result<Traffic> {
    if !state.bytes().all(|byte| matches!(byte, b' '..=b'~')) || state.contains("|o=") {
        return Err(Error::Invalid(
            "the state of a rollout is printable ASCII".to_owned(),
        ));
    }
    if state.len() > LONGEST {
        return Err(Error::Invalid(format!(
            "the state of a rollout has at most {LONGEST} bytes"
        )));
    }
    if split.routes.iter().any(|row| row.weights != split.rest) {
        return Err(Error::Invalid(
            "a Lambda alias has one weight for all requests, so routes cannot have weights of their own"
                .to_owned(),
        ));
    }
    if split.gates().next().is_some() {
        return Err(Error::Invalid(
            "a Lambda alias does not see who calls, so no route can be gated".to_owned(),
        ));
    }
    shared(&split.rest)
}

fn shared(weights: &Weights) -> Result<Traffic> {
    let mut rows: Vec<_> = weights.iter().collect();
    // The heavier one is the alias's own; of two equal ones the older.
    rows.sort_by_key(|(number, weight)| (std::cmp::Reverse(*weight), *number));
    match rows.as_slice() {
        [(sole, _)] => Ok(Traffic::All(*sole)),
        [(primary, _), (other, weight)] => Ok(Traffic::Shared {
            primary: *primary,
            other: *other,
            weight: *weight,
        }),
        rows => Err(Error::Invalid(format!(
            "a Lambda alias can share its traffic between two versions, and {} were named",
            rows.len()
        ))),
    }
}

/// Refuses what AWS would refuse later and in worse words: versions that are not there, and two that do not fit.
fn check_versions(seen: &Seen, traffic: Traffic) -> Result<()> {
    for number in numbers(traffic) {
        let Some(version) = seen.versions.get(&number) else {
            // It may have been published since: then AWS says whether it is there.
            continue;
        };
        let state = seen.states.get(&number).unwrap_or(version);
        if observe::health(state).0 == crate::domain::live::Health::Failed {
            return Err(Error::Invalid(format!(
                "revision {number} cannot run: {}",
                super::words::of_state(state)
            )));
        }
    }
    if let Traffic::Shared { primary, other, .. } = traffic
        && let (Some(one), Some(two)) = (seen.versions.get(&primary), seen.versions.get(&other))
    {
        check_pair(primary, one, other, two)?;
    }
    Ok(())
}

/// The same before a rollout begins, for the two that it will share the traffic between.
pub(super) fn check_sharing(
    seen: &Seen,
    stable: RevisionNumber,
    canary: RevisionNumber,
) -> Result<()> {
    let weight = 50;
    check_versions(
        seen,
        Traffic::Shared {
            primary: stable,
            other: canary,
            weight,
        },
    )
}

/// AWS Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias": both versions have the same
/// execution role, and the same dead-letter queue or none.
fn check_pair(
    primary: RevisionNumber,
    one: &FunctionConfiguration,
    other: RevisionNumber,
    two: &FunctionConfiguration,
) -> Result<()> {
    let queue = |version: &FunctionConfiguration| {
        version
            .dead_letter_config()
            .and_then(|config| config.target_arn())
            .filter(|arn| !arn.is_empty())
            .map(str::to_owned)
    };
    let differs = if one.role() != two.role() {
        "execution roles"
    } else if queue(one) != queue(two) {
        "dead-letter queues"
    } else {
        return Ok(());
    };
    Err(Error::Unsplittable(format!(
        "revisions {primary} and {other} have different {differs}, and a Lambda alias shares its traffic only between versions that have the same"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::traffic::RouteSplit;

    fn weights(rows: &[(u64, u8)]) -> Weights {
        Weights::new(
            rows.iter()
                .map(|(number, weight)| (RevisionNumber(*number), *weight))
                .collect(),
        )
        .unwrap()
    }

    fn split(rows: &[(u64, u8)]) -> Split {
        Split {
            routes: Vec::new(),
            rest: weights(rows),
        }
    }

    #[test]
    fn a_split_is_what_an_alias_can_express() {
        let traffic = |primary, other, weight| Traffic::Shared {
            primary: RevisionNumber(primary),
            other: RevisionNumber(other),
            weight,
        };
        for (rows, wanted) in [
            (vec![(41, 100)], Traffic::All(RevisionNumber(41))),
            (vec![(41, 95), (42, 5)], traffic(41, 42, 5)),
            (vec![(41, 25), (42, 75)], traffic(42, 41, 25)),
            (vec![(41, 50), (42, 50)], traffic(41, 42, 50)),
        ] {
            assert_eq!(expressible(&split(&rows), "").unwrap(), wanted);
        }
        assert_eq!(
            expressible(&split(&[(1, 90), (2, 5), (3, 5)]), "")
                .unwrap_err()
                .to_string(),
            "a Lambda alias can share its traffic between two versions, and 3 were named"
        );
        for state in ["ä", "a\nb", &"x".repeat(201), "a |o=b"] {
            assert!(expressible(&split(&[(1, 100)]), state).is_err(), "{state}");
        }
    }

    #[test]
    fn routes_may_be_listed_and_move_only_together() {
        let row = |rows: &[(u64, u8)]| RouteSplit {
            route: crate::domain::service::Route {
                name: "get-item".parse().unwrap(),
                method: "GET".into(),
                path: crate::domain::route::PathTemplate("/items/{id}".into()),
            },
            weights: weights(rows),
            gate: None,
        };
        let together = Split {
            routes: vec![row(&[(1, 100)])],
            ..split(&[(1, 100)])
        };
        assert_eq!(
            expressible(&together, "").unwrap(),
            Traffic::All(RevisionNumber(1))
        );
        let apart = Split {
            routes: vec![row(&[(1, 90), (2, 10)])],
            ..split(&[(1, 100)])
        };
        assert!(
            expressible(&apart, "")
                .unwrap_err()
                .to_string()
                .contains("routes")
        );
    }

    #[test]
    fn versions_that_differ_in_role_or_queue_share_no_traffic() {
        use aws_sdk_lambda::types::DeadLetterConfig;
        let version = |role: &str, queue: Option<&str>| {
            FunctionConfiguration::builder()
                .role(role)
                .set_dead_letter_config(
                    queue.map(|arn| DeadLetterConfig::builder().target_arn(arn).build()),
                )
                .build()
        };
        let check = |one, two| {
            check_pair(RevisionNumber(1), &one, RevisionNumber(2), &two)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(version("r", None), version("r", Some(""))), Ok(()));
        assert_eq!(
            check(version("r", Some("q")), version("r", Some("q"))),
            Ok(())
        );
        assert_eq!(
            check(version("r", None), version("s", None)).unwrap_err(),
            "revisions 1 and 2 have different execution roles, and a Lambda alias shares its traffic only between versions that have the same"
        );
        assert!(
            check(version("r", Some("q")), version("r", None))
                .unwrap_err()
                .contains("dead-letter queues")
        );
    }
}
