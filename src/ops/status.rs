//! `squad status`: what is live, where, since when, and how it is.

use crate::domain::environment::Environment;
use crate::domain::live::{Health, Live};
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::ops::going_on::GoingOn;
use crate::platform::Platform;

/// One service in one environment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The service.
    pub(crate) service: ServiceName,
    /// The environment.
    pub(crate) environment: Environment,
    /// What the platform observed.
    pub(crate) live: Live,
    /// The command that changes it right now, if one does.
    pub(crate) going_on: Option<GoingOn>,
}

impl Row {
    /// The health of what serves: the worst of the revisions with traffic.
    pub(crate) fn health(&self) -> Health {
        let Some(split) = &self.live.split else {
            return Health::Stopped;
        };
        let order = |health: &Health| match health {
            Health::Ok => 0,
            Health::Stopped => 1,
            Health::Starting => 2,
            Health::Degraded => 3,
            Health::Failed => 4,
        };
        split
            .revisions()
            .into_iter()
            .filter_map(|number| self.live.revision(number))
            .map(|revision| revision.health)
            .max_by_key(order)
            .unwrap_or(Health::Stopped)
    }

    /// What is wrong with what serves, in a few words.
    pub(crate) fn problem(&self) -> Option<&str> {
        let split = self.live.split.as_ref()?;
        split
            .revisions()
            .into_iter()
            .filter_map(|number| self.live.revision(number))
            .find_map(|revision| revision.problem.as_deref())
    }
}

/// Observes the named services, or every service that was ever published there; `going_on` are the commands at work.
/// A service whose first deploy is under way has a row as well.
pub(crate) async fn status(
    platform: &dyn Platform,
    environment: &Environment,
    only: Option<&[ServiceName]>,
    going_on: &[GoingOn],
) -> Result<Vec<Row>> {
    let at_work = |service: &ServiceName| going_on.iter().any(|one| one.services.contains(service));
    let names = match only {
        // Those that were named are looked at and not looked for: that costs nothing where there are many.
        Some(only) => only.to_vec(),
        None => {
            let mut names = platform.services().await?;
            names.extend(going_on.iter().flat_map(|one| one.services.clone()));
            names.sort_unstable();
            names.dedup();
            names
        }
    };
    let mut rows = Vec::with_capacity(names.len());
    for service in names {
        let live = platform.observe(&service).await?;
        if only.is_some() && live.revisions.is_empty() && !at_work(&service) {
            continue;
        }
        let going_on = going_on
            .iter()
            .find(|one| one.services.contains(&service))
            .cloned();
        rows.push(Row {
            going_on,
            service,
            environment: environment.clone(),
            live,
        });
    }
    Ok(rows)
}
