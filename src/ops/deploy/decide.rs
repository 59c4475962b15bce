//! What a deploy does, by what is live: by what serves alone where that shows that nothing changes, else by everything that
//! is there.

use super::{Options, commits, shared};
use crate::clients::git::Repository;
use crate::domain::live::{Lag, Live, Revision};
use crate::domain::plan::{self, Change, Deploy, Difference, Refusal, Wanted};
use crate::error::{Error, Kind, Result};
use crate::ops::live_state;
use crate::platform::{self, Platform, Serving};

/// The decision, and what it was made by.
pub(super) struct Decided {
    /// What is live; where nothing changes, maybe without the revisions that take no traffic.
    pub(super) live: Live,
    /// Its commit.
    pub(super) live_commit: Option<String>,
    /// What will be done.
    pub(super) decision: Deploy,
    /// What differs of the settings that belong to the traffic.
    pub(super) of_traffic: Vec<Difference>,
}

/// What the platform told before anything was decided.
pub(super) struct Told {
    /// What serves.
    pub(super) serving: Serving,
    /// What differs of the settings that belong to the traffic.
    pub(super) of_traffic: platform::Result<Vec<Difference>>,
}

/// Decides. Says of what is wanted whether it is older than what is live.
pub(super) async fn decide(
    platform: &dyn Platform,
    options: &Options,
    told: Told,
    wanted: &mut Wanted,
    repository: Option<&Repository>,
) -> Result<Decided> {
    let name = &options.service.name;
    let asked = format!("cannot deploy `{name}`");
    let failed = |error: platform::Error| Error::from(error).context(&asked);
    let Told {
        serving,
        of_traffic,
    } = told;
    // What the platform gave up moving is asked for again, whatever the file says; that is known once what serves is read.
    let has_failed = |lag: &Lag| lag.failed.is_some();
    let of_traffic = if serving.live.lag.as_ref().is_some_and(has_failed) {
        platform.differences_of_traffic(&options.service).await
    } else {
        of_traffic
    };
    let mut live_commit = commit_of(&serving.live);
    wanted.is_older = commits::is_older(repository, live_commit.as_deref(), &wanted.provenance);
    let decision = plan::deploy(&serving.live, &options.environment, wanted, options.allowed);
    let live = if !serving.is_all && changes_nothing(&decision, &of_traffic) {
        serving.live
    } else {
        let mut live = platform.observe_rest(name, serving).await.map_err(failed)?;
        if commit_of(&live) != live_commit {
            live_commit = commit_of(&live);
            wanted.is_older =
                commits::is_older(repository, live_commit.as_deref(), &wanted.provenance);
        }
        complete(platform, options, &mut live, &wanted.digest)
            .await
            .map_err(|error| error.context(&asked))?;
        live
    };
    let decision =
        plan::deploy(&live, &options.environment, wanted, options.allowed).map_err(|refusal| {
            refuse(&asked, &refusal, options, &live).live(live_state(name, Some(&live)))
        })?;
    let (decision, of_traffic) = with_traffic(decision, of_traffic).map_err(failed)?;
    Ok(Decided {
        live,
        live_commit,
        decision,
        of_traffic,
    })
}

/// Whether a decision is that nothing changes, in which no revision has a say but the one that serves.
fn changes_nothing(
    decision: &Result<Deploy, Refusal>,
    of_traffic: &platform::Result<Vec<Difference>>,
) -> bool {
    match decision {
        Ok(Deploy::Superseded { .. }) => true,
        Ok(Deploy::UpToDate { .. }) => of_traffic.as_ref().is_ok_and(Vec::is_empty),
        Ok(Deploy::Change(_)) | Err(_) => false,
    }
}

/// The commit that takes all traffic.
fn commit_of(live: &Live) -> Option<String> {
    live.sole()
        .and_then(|revision| revision.provenance.commit.clone())
}

/// The decision, and what differs of the settings that belong to the traffic: where only they do, the revision that is live
/// takes the traffic once more, with them.
fn with_traffic(
    decision: Deploy,
    of_traffic: platform::Result<Vec<Difference>>,
) -> platform::Result<(Deploy, Vec<Difference>)> {
    if matches!(decision, Deploy::Superseded { .. }) {
        return Ok((decision, Vec::new()));
    }
    let differences = of_traffic?;
    let decision = match decision {
        Deploy::UpToDate { revision } if !differences.is_empty() => Deploy::Change(Change {
            previous: Some(revision),
            existing: Some(revision),
            configuration: Vec::new(),
            gradual: false,
        }),
        decision => decision,
    };
    Ok((decision, differences))
}

/// Adds the configuration of what is live, where it is to be compared with another one, and whether a release was left of
/// which there is no revision any more.
async fn complete(
    platform: &dyn Platform,
    options: &Options,
    live: &mut Live,
    digest: &str,
) -> Result<()> {
    let is_there = |one: &Revision| plan::is_same(&one.digest, digest);
    if !live.revisions.is_empty() && !live.revisions.iter().any(is_there) {
        let left = platform.left(&options.service.name, digest).await?;
        live.left_releases.extend(left);
    }
    let Some(number) = live
        .sole()
        .filter(|revision| !plan::is_same(&revision.digest, digest))
        .map(|revision| revision.number)
    else {
        return Ok(());
    };
    let configuration = platform
        .configuration(&options.service.name, number)
        .await?;
    let known = live.revisions.iter_mut().find(|one| one.number == number);
    if let (Some(revision), Some(configuration)) = (known, configuration) {
        revision.service = Some(Box::new(configuration));
    }
    Ok(())
}

/// A refusal in words.
fn refuse(asked: &str, refusal: &Refusal, options: &Options, live: &Live) -> Error {
    let target = options.environment.name.as_str();
    let command = options.command();
    match refusal {
        Refusal::LeftBefore { revision } => Error::new(
            Kind::Refused,
            "release-left",
            format!("{asked}: a rollback or an abort left this very release (revision {revision})"),
        )
        .hint(format!(
            "change something; or, if the cause was elsewhere: `{command} --again --reason \"…\"`"
        )),
        Refusal::Dirty => Error::new(
            Kind::Refused,
            "dirty-tree",
            format!("{asked}: `{target}` is protected, and the work tree has changes that are not committed"),
        )
        .hint("commit them first; `git status` lists them")
        .hint(format!("or, if it cannot wait: `{command} --allow-dirty --reason \"…\"`")),
        Refusal::RolloutLive { state } => crate::ops::rollout::live_error(
            asked,
            &options.service.name,
            state,
            &options.environment.flag(),
        ),
        Refusal::Shared { back } => shared::refused(asked, options, live, *back),
        Refusal::ReasonMissing { flag } => Error::new(
            Kind::Usage,
            "reason-missing",
            format!("{asked}: `{flag}` needs a reason"),
        )
        .hint(format!("say why, for the audit log: `{command} {flag} --reason \"…\"`")),
        Refusal::NoTarget { .. } | Refusal::NothingLive | Refusal::UnknownRevision { .. } => {
            Error::internal("a deploy was refused as a rollback")
        }
    }
}
