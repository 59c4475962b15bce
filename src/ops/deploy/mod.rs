//! `squad deploy`: plan (observe, digest, decide), then apply (build, record, publish, commit, verify).
//!
//! Planning changes nothing. Applying records its intent before the environment changes, and its outcome after.

pub(crate) mod apply;
pub(crate) mod build;
mod changed;
mod commits;
mod decide;
pub(crate) mod fleet;
mod gradual;
mod leavings;
mod meanwhile;
mod overdue;
pub(crate) mod package;
pub(crate) mod port;
mod printed;
mod prune;
mod publish;
mod shared;
mod shift;
mod sources;
mod storage;

use std::path::PathBuf;

use serde_json::json;

use crate::clients::git::Repository;
use crate::clients::guard::Guard;
use crate::clients::source::{Contents, Files};
use crate::domain::doctor::Callers;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::live::Live;
use crate::domain::plan::{Allowed, Deploy, Difference, Wanted};
use crate::domain::release::RevisionNumber;
use crate::domain::service::Service;
use crate::error::{Error, Result};
use crate::ops::live_state;
use crate::platform::{Platform, Search};

pub(crate) use commits::Listed;
pub(crate) use gradual::check as check_gradual;
pub(crate) use leavings::Written;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The service, effective for the environment.
    pub(crate) service: Service,
    /// The directory of its `squad.toml`, absolute.
    pub(crate) directory: PathBuf,
    /// Where to.
    pub(crate) environment: Environment,
    /// `--artifact`: a directory that is deployed as it is; nothing is built.
    pub(crate) artifact: Option<PathBuf>,
    /// `--rebuild`: build although the digest is known.
    pub(crate) rebuild: bool,
    /// `--port`: the port that the service keeps on this machine from now on.
    pub(crate) port: Option<u16>,
    /// What the person allowed.
    pub(crate) allowed: Allowed,
    /// `--reason`.
    pub(crate) reason: Option<String>,
    /// Number of the pull request and name of the pipeline's run, when CI tells.
    pub(crate) pipeline: Pipeline,
    /// The repository that the org's file names for the service.
    pub(crate) repository: Option<String>,
    /// The sources were fetched for this deploy, from here.
    pub(crate) fetched: Option<Fetched>,
    /// squad's state directory.
    pub(crate) state: PathBuf,
    /// squad's cache directory.
    pub(crate) cache: PathBuf,
    /// What ends builds when this process is killed.
    pub(crate) guard: Guard,
}

impl Options {
    /// The command that asks for this again, as a person would type it anywhere on this machine.
    pub(crate) fn command(&self) -> String {
        format!(
            "squad deploy {}{}",
            self.service.name,
            self.environment.flag()
        )
    }
}

/// Where sources come from that were fetched for one deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The repository as people know it, without credentials.
    pub(crate) repository: String,
    /// Its main branch; none where its HEAD is on none.
    pub(crate) branch: Option<String>,
    /// Full commit id.
    pub(crate) commit: String,
}

/// What CI says about the run that deploys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pipeline {
    /// Number of the pull request.
    pub(crate) pull_request: Option<String>,
    /// Name or address of the run.
    pub(crate) run: Option<String>,
    /// The branch that is built, where the work tree is on none.
    pub(crate) branch: Option<String>,
}

/// A plan, and all that applying it needs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What is live now.
    pub(crate) live: Live,
    /// What is to be live.
    pub(crate) wanted: Wanted,
    /// What will be done.
    pub(crate) decision: Deploy,
    /// What becomes of the service's port.
    pub(crate) port: Option<port::PortChange>,
    /// Commits that go out; none when git cannot tell.
    pub(crate) changes: Listed,
    /// Commits that are live, and are not in what goes out.
    pub(crate) going_away: Listed,
    /// The commit that is live, where it is not in this clone: what goes away is not known.
    pub(crate) unknown_live_commit: Option<String>,
    /// More changes than what the configuration says.
    pub(crate) sources_change: bool,
    /// The files that the digest was taken over.
    pub(crate) files: Files,
    /// What they held then.
    pub(crate) contents: Contents,
    /// The repository of the sources, when they are in one.
    pub(crate) repository: Option<Repository>,
    /// Files that the last build wrote and that count as sources, as the service's directory names them.
    pub(crate) build_wrote: Vec<Written>,
    /// The revision that has the very same code with other settings of others: nothing has to be built.
    pub(crate) code_of: Option<RevisionNumber>,
    /// Who calls past the traffic that it changes; see [`callers_past`].
    pub(crate) callers: Callers,
}

impl Plan {
    /// Whether applying it changes anything.
    pub(crate) fn changes_something(&self) -> bool {
        self.port.is_some() || matches!(self.decision, Deploy::Change(_))
    }

    /// An error before anything was begun, in the words of the plan.
    pub(crate) fn not_begun(&self, options: &Options, error: Error) -> Error {
        let name = &options.service.name;
        error
            .context(&format!("cannot deploy `{name}`"))
            .live(live_state(name, Some(&self.live)))
    }
}

/// Observes, takes the digest of the sources, and decides.
pub(crate) async fn plan(platform: &dyn Platform, options: &Options) -> Result<Plan> {
    let name = &options.service.name;
    let asked = format!("cannot deploy `{name}`");
    package::check_secrets(options)?;
    let gathered = {
        let options = options.clone();
        tokio::task::spawn_blocking(move || sources::gather(&options))
    };
    // One round: what a tag means has nothing to do with what is live. That the account is the wrong one says more than
    // what its registry answers.
    let (serving, pinned, of_traffic) = tokio::join!(
        platform.observe_serving(name),
        build::pinned(platform, options),
        platform.differences_of_traffic(&options.service),
    );
    let serving = serving.map_err(|error| Error::from(error).context(&asked))?;
    let pinned = pinned.map_err(|error| error.context(&asked))?;
    let options = pinned.as_ref().unwrap_or(options);
    let gathered = gathered
        .await
        .map_err(Error::internal)?
        .map_err(|error| error.context(&asked))?;
    let digest = gathered.digest(options)?;
    let sources::Gathered {
        sources,
        provenance,
        files,
        contents,
        repository,
    } = gathered;
    let mut wanted = Wanted {
        service: options.service.clone(),
        digest,
        provenance,
        is_older: false,
    };
    let told = decide::Told {
        serving,
        of_traffic,
    };
    let repository_of = repository.as_ref();
    let decided = Box::pin(decide::decide(
        platform,
        options,
        told,
        &mut wanted,
        repository_of,
    ));
    let decide::Decided {
        live,
        live_commit,
        decision,
        of_traffic,
    } = decided.await?;
    let port = port::change(options, &live).map_err(|error| error.context(&asked))?;
    let mut plan = Plan {
        live,
        wanted,
        decision,
        port,
        changes: Listed::default(),
        going_away: Listed::default(),
        unknown_live_commit: None,
        sources_change: true,
        files,
        contents,
        repository,
        build_wrote: Vec::new(),
        code_of: None,
        callers: Callers::default(),
    };
    if let Deploy::Change(change) = &mut plan.decision {
        // A version that never served may have failed its smoke test: the publish finds it, and calls it once more.
        if options.environment.platform == PlatformKind::Lambda {
            let live = &plan.live;
            change.existing = change.existing.filter(|existing| {
                live.revision(*existing)
                    .is_some_and(|revision| revision.last_served_at.is_some())
            });
        }
        if let Some(existing) = change.existing.filter(|one| change.previous != Some(*one))
            && !platform
                .is_current(&options.service, existing)
                .await
                .map_err(|error| Error::from(error).context(&asked))?
        {
            change.existing = None;
            plan.code_of = Some(existing);
        }
        if change.existing.is_none()
            && plan.code_of.is_none()
            && !options.service.build.command.is_empty()
        {
            plan.build_wrote = leavings::noted(options, plan.repository.as_ref(), &plan.files);
        }
        let commits = commits::ask(
            plan.repository.clone(),
            plan.wanted.provenance.commit.clone(),
            live_commit,
            sources::roots(options),
        );
        // What the platform really has counts, not what the live revision was published with.
        if change.existing.is_none()
            && let Some(differences) = platform
                .differences(&options.service)
                .await
                .map_err(|error| Error::from(error).context(&asked))?
        {
            change.configuration = differences;
        }
        let is_told = |one: &Difference| of_traffic.iter().any(|other| other.key == one.key);
        change.configuration.retain(|one| !is_told(one));
        change.configuration.extend(of_traffic);
        let commits = commits.await.map_err(Error::internal)?;
        plan.wanted.provenance.subject = commits.subject;
        plan.changes = commits.changes;
        plan.going_away = commits.going_away;
        plan.unknown_live_commit = commits.unknown_live;
        if let Some(live) = plan
            .live
            .sole()
            .filter(|_| !change.configuration.is_empty())
        {
            let (live, options) = (live.clone(), options.clone());
            let repository = plan.repository.clone();
            let differ = tokio::task::spawn_blocking(move || {
                sources::differ(&live, &sources, repository.as_ref(), &options)
            });
            plan.sources_change = differ.await.map_err(Error::internal)?;
        }
    }
    Ok(plan)
}

/// How long a plan waits for who calls: it is advice, and an account that is throttled must not hold a deploy up for it.
const CALLERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(8);

/// Who calls past the traffic that a plan changes, if it changes any: neither a check before it nor a rollback has an effect
/// for them. What cannot be read is part of the answer, and no reason against the plan.
pub(crate) async fn callers_past(
    platform: &dyn Platform,
    options: &Options,
    plan: &Plan,
) -> Callers {
    let is_there = !plan.live.revisions.is_empty() || plan.live.unkept.is_some();
    if !matches!(plan.decision, Deploy::Change(_)) || !is_there {
        return Callers::default();
    }
    let unread = |why| Callers {
        unread: vec![why],
        ..Callers::default()
    };
    let found = platform.callers(&options.service.name, Search::Named);
    let mut callers = match tokio::time::timeout(CALLERS_WITHIN, found).await {
        Ok(Ok(callers)) => callers.unwrap_or_default(),
        Ok(Err(error)) => unread(Error::from(error).message),
        Err(_) => unread(format!(
            "who calls past the alias: no answer within {} s",
            CALLERS_WITHIN.as_secs()
        )),
    };
    callers.found.retain(|caller| caller.is_past);
    callers
}

/// What the audit log says of the state before and after.
pub(crate) fn described(live: &Live) -> serde_json::Value {
    match (live.sole(), &live.split) {
        (Some(revision), _) => {
            json!({ "revision": revision.number.to_string(), "digest": revision.digest })
        }
        (None, Some(split)) => json!({ "split": split }),
        (None, None) => json!({}),
    }
}

/// The outcome of applying a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The operation (ULID); none when nothing had to be done.
    pub(crate) operation: Option<String>,
    /// What serves now.
    pub(crate) revision: RevisionNumber,
    /// What served before.
    pub(crate) previous: Option<RevisionNumber>,
    /// Where it can be reached.
    pub(crate) address: Option<String>,
    /// Milliseconds from the start of applying.
    pub(crate) milliseconds: u64,
    /// Events of this operation that are on this machine only.
    pub(crate) pending_events: usize,
    /// Why old revisions were not removed; none where they were, or there were none.
    pub(crate) not_pruned: Option<String>,
    /// The operation that did it, where somebody else deployed the very same meanwhile: then this one changed nothing.
    pub(crate) done_by: Option<String>,
}

#[cfg(test)]
mod tests;
