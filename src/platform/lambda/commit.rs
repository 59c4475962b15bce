//! The one write that changes traffic and state: `UpdateAlias` with weights, description and `RevisionId`.
//!
//! It never writes without naming what it saw. An answer that got lost is told apart from a lost race by reading once
//! more what is there. Sent again is only what AWS refused although nobody changed anything but the `RevisionId`: a brake
//! waits for nothing else. Hence this loop is not one of those of [`super::publish`].

use std::collections::HashMap;

use aws_sdk_lambda::types::AliasRoutingConfiguration;

use super::alias::Alias;
use super::mark::is_live;
use super::publish::Pause;
use super::seen::Seen;
use super::sharing::{check_versions, expressible, numbers};
use super::{Lambda, Target, observe};
use crate::clients::aws::{self, Called, Why};
use crate::domain::alias::{Description, Note, Traffic, Written};
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{Commit, Error, OnProgress, Progress, Result};

/// How long a write is tried again while AWS is busy with the alias, or only its `RevisionId` moves. Whoever called has a limit
/// of time of their own; a brake has none, and an alias that is busy for longer is one that AWS has to be asked about.
const BUSY_WITHIN: std::time::Duration = std::time::Duration::from_mins(10);
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
        progress: OnProgress<'_>,
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
        if commit.leaves.is_none() {
            self.check_recalled(service, &seen, traffic).await?;
        }
        let before = present.map(Alias::note_of_now).unwrap_or_default();
        self.keep_foreign(service, present, commit).await?;
        let note = before.after(&written);
        let warning = self.mark_rollout(service, &seen, &before, &note).await;
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
                is_marked: is_live(&note)
                    && (seen.is_marked || !is_live(&before) && warning.is_none()),
                ..seen.clone()
            },
        );
        if let Some(text) = warning {
            progress(Progress::Warning { text });
        }
        self.note_left(service, &seen, [&before, &note], commit.leaves)
            .await;
        if is_live(&before)
            || present.is_some_and(|alias| matches!(alias.description, Description::Foreign(_)))
        {
            self.unmark_rollout(service, &seen, &note).await;
        }
        if commit.leaves.is_some() {
            // A brake waits for nothing that is provisioned.
            return Ok(Token(after.revision_id));
        }
        let after = self
            .provisioned_after(service, &seen, after, traffic)
            .await?;
        self.remember_alias(&seen.target, &after);
        Ok(Token(after.revision_id))
    }

    /// The alias once what the service asks to be kept ready is, for the traffic that was just written.
    async fn provisioned_after(
        &self,
        service: &ServiceName,
        seen: &Seen,
        after: Alias,
        traffic: Traffic,
    ) -> Result<Alias> {
        let wanted = self.provisioned_wanted(service, seen, traffic).await;
        let settled = self.settled(&seen.target, after, traffic).await?;
        match wanted {
            None => self.allocated(&seen.target, traffic, settled).await,
            // What could not be allocated before is asked for anew.
            Some(wanted) if self.provide(&seen.target, wanted).await? => {
                let anew = self.settled(&seen.target, settled.alias, traffic).await?;
                self.allocated(&seen.target, traffic, anew).await
            }
            Some(_) => Ok(settled.alias),
        }
    }

    async fn create_alias(
        &self,
        target: &Target,
        note: &Note,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let mut pause = Pause::within(BUSY_WITHIN);
        loop {
            let error = match self.send_create(target, note, written).await {
                Ok(alias) => return Ok(alias),
                Err(error) => error,
            };
            // AWS has one error for both.
            if matches!(&*error.why, Why::Exists | Why::InProgress)
                && matches!(self.present(target).await, Ok(None))
                && pause.wait().await.is_ok()
            {
                continue;
            }
            return self.explain(target, error, None, written).await;
        }
    }

    async fn send_create(
        &self,
        target: &Target,
        note: &Note,
        written: &Written<'_>,
    ) -> aws::Result<Alias> {
        let (primary, weights) = parts(written.traffic);
        let client = self.session().lambda().await;
        let made = client
            .create_alias()
            .function_name(&target.function)
            .name(&target.alias)
            .function_version(primary.to_string())
            .set_routing_config((!weights.is_empty()).then(|| routing(weights)))
            .description(note.encode())
            .send()
            .await
            .called("lambda:CreateAlias", &target.function)?;
        Ok(Alias::made(
            made.alias_arn(),
            made.revision_id(),
            made.description(),
            made.function_version(),
            made.routing_config()
                .and_then(|routing| routing.additional_version_weights()),
        ))
    }

    /// Sends the write until it is in force or lost. AWS may be busy with the alias, and moves its `RevisionId` with each
    /// permission and each move of what is provisioned: then the alias is read, and as long as it is what was seen, the write
    /// is sent again with the `RevisionId` that it has. A change that somebody made is never written over.
    async fn update_alias(
        &self,
        target: &Target,
        present: &Alias,
        note: &Note,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let mut present = present.clone();
        let mut pause = Pause::within(BUSY_WITHIN);
        loop {
            let error = match self
                .send_update(target, &present.revision_id, note, written)
                .await
            {
                Ok(alias) => return Ok(alias),
                Err(error) => error,
            };
            if matches!(&*error.why, Why::Lost | Why::InProgress)
                && let Ok(Some(alias)) = self.present(target).await
                && alias.is_same(&present)
                && pause.wait().await.is_ok()
            {
                present = alias;
                continue;
            }
            return self.explain(target, error, Some(&present), written).await;
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
        Ok(alias.with_written(written.traffic, None))
    }

    /// What a failed write comes to: it is in force after all, somebody else was first, or it failed.
    async fn explain(
        &self,
        target: &Target,
        error: aws::Error,
        present: Option<&Alias>,
        written: &Written<'_>,
    ) -> Result<Alias> {
        let is_race = matches!(&*error.why, Why::Exists | Why::InProgress);
        let is_gone = matches!(&*error.why, Why::NotFound);
        if !is_race && !is_gone && !error.why.needs_a_look() {
            return Err(error.into());
        }
        // What failed first is what is to be told.
        let Ok(there) = self.present(target).await else {
            return Err(error.into());
        };
        let lost = match there {
            Some(alias) if is_of(&alias, written) => return Ok(alias),
            // Another `RevisionId` alone is nobody's commit.
            Some(alias) if !present.is_some_and(|present| alias.is_same(present)) => {
                self.remember_alias(target, &alias);
                Lost::Other(Box::new(alias))
            }
            None if present.is_some() => Lost::Nothing,
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
