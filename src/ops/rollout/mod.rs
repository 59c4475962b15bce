//! Gradual rollouts: start, drive, and the commands of people. The rules are `domain::rollout`; here they meet a platform,
//! the log of the rollout, and the audit log.
//!
//! The traffic and its state are the truth. Whoever writes holds the token of what it saw, and the generation in the state:
//! a driver that slept while another took over loses at its first write.

pub(crate) mod brake;
pub(crate) mod change;
pub(crate) mod command;
pub(crate) mod drive;
pub(crate) mod lint;
pub(crate) mod list;
mod lost;
pub(crate) mod objects;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod words;

use crate::clock::Clock;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::rollout::{Entry, Plan, Replay, State};
use crate::error::{Error, Kind, Result};
use crate::ops::audit::Journal;
use crate::ops::{Reporter, live_state};
use crate::platform::Platform;

/// What every part of a rollout needs.
pub(crate) struct Tools<'a> {
    /// Where it runs.
    pub(crate) platform: &'a dyn Platform,
    /// Where it is recorded.
    pub(crate) journal: &'a Journal,
    /// What time it is.
    pub(crate) clock: &'a dyn Clock,
    /// Who is told.
    pub(crate) reporter: &'a dyn Reporter,
}

/// One rollout, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Rollout {
    /// The service as the platform observes it.
    pub(crate) live: Live,
    /// The state beside the traffic.
    pub(crate) state: State,
    /// Its plan.
    pub(crate) plan: Plan,
    /// Its log, in order.
    pub(crate) entries: Vec<Entry>,
    /// What the log adds up to.
    pub(crate) replay: Replay,
}

impl Rollout {
    /// Whether the traffic is what plan and state say.
    pub(crate) fn is_as_wanted(&self) -> bool {
        self.live
            .split
            .as_ref()
            .is_some_and(|split| split.means_same(&self.plan.split(&self.state)))
    }
}

/// Reads the newest rollout of a service: the one its traffic tells of, over or not. None when there is none.
pub(crate) async fn read(
    platform: &dyn Platform,
    service: &ServiceName,
) -> Result<Option<Rollout>> {
    read_on(platform, service, None).await
}

/// The same for whoever has read it before: plan and entries are made once and never changed, so that only what came since
/// is asked for.
async fn read_on(
    platform: &dyn Platform,
    service: &ServiceName,
    before: Option<&Rollout>,
) -> Result<Option<Rollout>> {
    let mut known = before.map(|before| {
        let Rollout { plan, entries, .. } = before;
        (before.state.clone(), plan.clone(), entries.clone())
    });
    // The state may move while the objects are read: then they are read again, so that all of it fits together.
    for _ in 0..5 {
        let live = platform.observe(service).await?;
        let Some(state) = State::parse(&live.state) else {
            return Ok(None);
        };
        let same = known
            .take()
            .filter(|(known, _, _)| (&known.id, &known.plan) == (&state.id, &state.plan));
        let (plan, mut entries) = match same {
            Some((_, plan, entries)) => (plan, entries),
            None => (objects::plan(platform, service, &state).await?, Vec::new()),
        };
        let next = entries.last().map_or(0, |entry: &Entry| entry.sequence + 1);
        entries.extend(objects::entries(platform, service, &state.id, next).await?);
        let again = platform.observe(service).await?;
        if again.state != live.state {
            known = Some((state, plan, entries));
            continue;
        }
        let replay = Replay::of(&plan, &entries, &state);
        return Ok(Some(Rollout {
            live: again,
            state,
            plan,
            entries,
            replay,
        }));
    }
    Err(Error::new(
        Kind::Conflict,
        "conflict",
        format!("the rollout of `{service}` changes faster than it can be read"),
    ))
}

/// The same, where there has to be one.
pub(crate) async fn read_some(
    platform: &dyn Platform,
    service: &ServiceName,
    flag: &str,
) -> Result<Rollout> {
    read_some_on(platform, service, flag, None).await
}

/// The same for whoever has read it before: only what came since is asked for.
pub(crate) async fn read_some_on(
    platform: &dyn Platform,
    service: &ServiceName,
    flag: &str,
    before: Option<&Rollout>,
) -> Result<Rollout> {
    match read_on(platform, service, before).await? {
        Some(rollout) => Ok(rollout),
        None => {
            let live = platform.observe(service).await.ok();
            let error = none(service, flag).live(live_state(service, live.as_ref()));
            Err(match live {
                Some(live) => lost::with_foreign(error, service, flag, &live),
                None => error,
            })
        }
    }
}

fn none(service: &ServiceName, flag: &str) -> Error {
    Error::new(
        Kind::Refused,
        "no-rollout",
        format!("`{service}` has no rollout"),
    )
    .hint(format!("start one: `squad rollout start {service}{flag}`"))
}

/// Why a command does not fit the phase that a rollout is in.
pub(crate) fn refused(
    asked: &str,
    rollout: &Rollout,
    refusal: crate::domain::rollout::Refused,
    flag: &str,
) -> Error {
    use crate::domain::rollout::{Phase, Refused};
    let service = &rollout.plan.service;
    let phase = match refusal {
        Refused::Over(phase) | Refused::Phase(phase) => phase,
    };
    let error = Error::new(
        Kind::Refused,
        "rollout-phase",
        format!("{asked}: the rollout is {}", phase.as_str()),
    )
    .live(live_state(service, Some(&rollout.live)));
    match phase {
        Phase::Drifted => error.hint(format!(
            "put the wanted traffic back with `squad rollout rebase {service}{flag}`, or give up with `squad stop {service}{flag}`"
        )),
        _ if phase.is_terminal() => error.hint(format!(
            "start another one: `squad rollout start {service}{flag}`"
        )),
        _ => error.hint(format!("see where it is: `squad rollout status {service}{flag}`")),
    }
}

/// Refuses when the traffic is not plain: another command's work would be lost.
pub(crate) fn refuse_live(
    asked: &str,
    service: &ServiceName,
    live: &Live,
    flag: &str,
) -> Result<()> {
    match State::live(&live.state) {
        None => Ok(()),
        Some(state) => {
            Err(live_error(asked, service, &state, flag).live(live_state(service, Some(live))))
        }
    }
}

/// A rollout is live, and what was asked would change its traffic beside it.
pub(crate) fn live_error(asked: &str, service: &ServiceName, state: &State, flag: &str) -> Error {
    Error::new(
        Kind::Refused,
        "rollout-live",
        format!(
            "{asked}: a rollout is live, {} → {} ({})",
            state.stable,
            state.canary,
            state.phase.as_str()
        ),
    )
    .hint(format!("stop it first: `squad stop {service}{flag}`"))
    .hint(format!(
        "or see where it is: `squad rollout status {service}{flag}`"
    ))
}

#[cfg(test)]
mod tests;
