//! The rollouts that services had.

use jiff::Timestamp;

use super::{drive, objects};
use crate::domain::name::ServiceName;
use crate::domain::rollout::{Entry, Phase, Plan, State, What, Why};
use crate::error::Result;
use crate::platform::Platform;

/// One rollout, over or live.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its plan.
    pub(crate) plan: Plan,
    /// Where it is: by the traffic while it is there, else by its log. None when its log ends before its end: the
    /// traffic was changed outside squad.
    pub(crate) phase: Option<Phase>,
    /// Why.
    pub(crate) why: Option<Why>,
    /// The newest entry of its log.
    pub(crate) ended_at: Option<Timestamp>,
}

/// The newest rollouts of each service, newest first.
pub(crate) async fn list(
    platform: &dyn Platform,
    services: &[ServiceName],
    limit: usize,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for service in services {
        let live = platform.observe(service).await?;
        let state = State::parse(&live.state);
        for id in objects::ids(platform, service)
            .await?
            .into_iter()
            .take(limit)
        {
            let Some(plan) = objects::old_plan(platform, service, &id).await? else {
                continue;
            };
            let entries = objects::entries(platform, service, &id, 0).await?;
            let told = state.as_ref().filter(|state| state.id == id);
            // A plan that never got as far as the traffic was never a rollout.
            if told.is_none() && entries.is_empty() {
                continue;
            }
            rows.push(Row {
                phase: told.map_or_else(|| end_of(&entries), |state| Some(state.phase)),
                why: drive::newest_why(&entries),
                ended_at: entries.last().map(|entry| entry.at),
                plan,
            });
        }
    }
    rows.sort_by(|a, b| b.plan.id.cmp(&a.plan.id));
    Ok(rows)
}

/// The terminal phase that a log ends with.
fn end_of(entries: &[Entry]) -> Option<Phase> {
    entries
        .iter()
        .rev()
        .find_map(|entry| match &entry.what {
            What::Decision(decision) => Some(decision.to.0),
            What::Look(_) => None,
        })
        .filter(|phase| phase.is_terminal())
}
