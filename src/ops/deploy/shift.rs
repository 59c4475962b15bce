//! The part of a deploy that changes what is there: publish, set the port, and commit the traffic.

use serde_json::json;

use super::apply::{Attempt, Tools, millis};
use super::build::Built;
use super::package::Packing;
use super::publish::publish;
use super::{Options, Plan, port};
use crate::domain::live::{LastCommit, Live, Token};
use crate::domain::plan::{Change, is_same};
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
use crate::error::{Error, Result};
use crate::ops::{Event, warnings};
use crate::platform::{self, Commit, Published};

/// The revision that has the traffic now, and what was observed of it.
pub(super) struct Shifted {
    /// The revision.
    pub(super) revision: RevisionNumber,
    /// With its traffic.
    pub(super) live: Live,
    /// Who gave it the traffic, where that was somebody else who deployed the very same meanwhile.
    pub(super) done_by: Option<LastCommit>,
}

/// Publishes what the plan wants and gives it the traffic, unless a rollout does that later.
pub(super) async fn publish_and_commit(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    artifact: (Option<&Built>, Option<Packing>),
    attempt: &Attempt,
) -> Result<Shifted> {
    let published = published(tools, options, plan, change, artifact, attempt).await?;
    if change.gradual {
        // The traffic stays as it is; the rollout that follows changes it.
        return Ok(Shifted {
            revision: published.revision,
            live: tools.platform.observe(&options.service.name).await?,
            done_by: None,
        });
    }
    commit(tools, options, plan, &published, attempt).await
}

/// The revision, ready and without traffic, and the port that the service is to have.
async fn published(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
    (built, mut packing): (Option<&Built>, Option<Packing>),
    attempt: &Attempt,
) -> Result<Published> {
    // Where nothing is live yet, no port is chosen that nobody will use. Else it changes when the revision is ready:
    // a deploy that fails before leaves the port as it was.
    let mut new_port = plan.port;
    if let Some(first) = new_port.take_if(|port| port.from.is_none()) {
        port::set(tools, options, first).await?;
    }
    let published = publish(tools, options, plan, change, (built, &mut packing), attempt).await;
    let Some(port) = new_port else {
        return published;
    };
    match published {
        Ok(published) => {
            port::set(tools, options, port).await?;
            Ok(published)
        }
        // Somebody else has the port of before: the new one is the way out.
        Err(error) if error.id == "port-taken" => {
            port::set(tools, options, port).await?;
            publish(tools, options, plan, change, (built, &mut packing), attempt).await
        }
        Err(error) => Err(error),
    }
}

/// All traffic to what was published, in one write that nobody else's can be lost under.
async fn commit(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    published: &Published,
    attempt: &Attempt,
) -> Result<Shifted> {
    let name = &options.service.name;
    let commit = Commit {
        split: Split::all(&options.service.routes, published.revision),
        state: String::new(),
        leaves: None,
        actor: tools.journal.actor().clone(),
        operation: attempt.id.clone(),
    };
    let started = tools.clock.monotonic();
    // Of the traffic that the plan was made for: whoever changed it since the person saw the plan wins.
    let token = match guard_traffic(tools, options, plan, published).await? {
        Guarded::Free(token) => token,
        Guarded::Done(live) => return already(tools, plan, *live, None),
    };
    match tools
        .platform
        .commit(name, &token, &commit, &warnings(tools.reporter))
        .await
    {
        Ok(_) => {}
        Err(platform::Error::Conflict { winner }) => {
            let live = tools.platform.observe(name).await?;
            return already(tools, plan, live, winner);
        }
        // It was there a moment ago: this deploy published it.
        Err(platform::Error::NoRevision(number)) => {
            return Err(platform::Error::Overtaken(format!(
                "somebody removed revision {number} of `{name}` while this deploy ran"
            ))
            .into());
        }
        Err(error) => return Err(error.into()),
    }
    let live = tools.platform.observe_committed(name).await?;
    match live.sole() {
        Some(revision) if serves_wanted(&live, plan) => {
            tools.reporter.report(Event::Done {
                what: "live",
                detail: format!("all traffic on revision {}", revision.number),
                milliseconds: millis(tools.clock, started),
            });
            Ok(Shifted {
                revision: revision.number,
                live,
                done_by: None,
            })
        }
        _ => Err(Error::overtaken(name, live.last_commit.as_ref(), &live)),
    }
}

/// Somebody else's write came first. Where it was of the very same, what was asked for is true, and this deploy has changed
/// nothing; else it has lost.
fn already(
    tools: &Tools<'_>,
    plan: &Plan,
    live: Live,
    winner: Option<LastCommit>,
) -> Result<Shifted> {
    let by = winner.or_else(|| live.last_commit.clone());
    let Some(revision) = live.sole().filter(|_| serves_wanted(&live, plan)) else {
        return Err(Error::overtaken(
            &plan.wanted.service.name,
            by.as_ref(),
            &live,
        ));
    };
    let revision = revision.number;
    let who = by.as_ref().map_or_else(
        || "somebody else".to_owned(),
        |by| format!("{} (operation {})", by.actor.name, by.operation),
    );
    tools.reporter.report(Event::Done {
        what: "unchanged",
        detail: format!("revision {revision} got all traffic meanwhile, by {who}"),
        milliseconds: 0,
    });
    Ok(Shifted {
        revision,
        live,
        done_by: by,
    })
}

/// What is live then, for the record: with who did it, where that was not this deploy.
pub(super) fn described(shifted: &Shifted) -> serde_json::Value {
    let mut after = super::described(&shifted.live);
    if let (Some(members), Some(by)) = (after.as_object_mut(), &shifted.done_by) {
        members.insert("done_by".to_owned(), json!(by.operation));
    }
    after
}

/// Whether what is wanted has all traffic; a rebuild of a release is that release.
fn serves_wanted(live: &Live, plan: &Plan) -> bool {
    live.sole()
        .is_some_and(|revision| is_same(&revision.digest, &plan.wanted.digest))
}

/// What the traffic is before a commit.
enum Guarded {
    /// What the plan was made for, or what a commit finds out about: its token.
    Free(Token),
    /// Somebody else has given it to the very same meanwhile.
    Done(Box<Live>),
}

/// The token for the commit: the plan's, or, where a publish moves it so that the plan's own cannot tell, the one of the traffic
/// now; then refuses when that is not what the plan was made for.
async fn guard_traffic(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    published: &Published,
) -> Result<Guarded> {
    if tools.platform.publish_keeps_token() {
        let moved = Some(&published.token).filter(|token| !token.0.is_empty());
        return Ok(Guarded::Free(moved.unwrap_or(&plan.live.token).clone()));
    }
    let live = tools.platform.observe(&options.service.name).await?;
    let same = live.split == plan.live.split && live.last_commit == plan.live.last_commit;
    if same {
        Ok(Guarded::Free(live.token))
    } else if serves_wanted(&live, plan) {
        Ok(Guarded::Done(Box::new(live)))
    } else {
        Err(Error::overtaken(
            &options.service.name,
            live.last_commit.as_ref(),
            &live,
        ))
    }
}
