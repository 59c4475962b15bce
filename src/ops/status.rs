//! `squad status`: what is live, where, since when, and how it is.

use std::sync::{Mutex, PoisonError};

use crate::domain::environment::Environment;
use crate::domain::fleet::{Found, Seen, Unreadable};
use crate::domain::live::{Health, Live};
use crate::domain::name::ServiceName;
use crate::error::Result;
use crate::ops::going_on::GoingOn;
use crate::ops::rollout::snapshot::Driver;
use crate::platform::{Look, Platform, Sight};

/// One service in one environment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The service.
    pub(crate) service: ServiceName,
    /// The environment.
    pub(crate) environment: Environment,
    /// What the platform observed.
    pub(crate) live: Live,
    /// Why nothing could be observed; what is in `live` then means nothing.
    pub(crate) unreadable: Option<Unreadable>,
    /// What of it could not be read, in a sentence.
    pub(crate) unknown: Option<String>,
    /// The command that changes it right now, if one does.
    pub(crate) going_on: Option<GoingOn>,
    /// Who drives the rollout that is live; none where none is, or nobody has looked.
    pub(crate) driver: Option<Driver>,
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
        if let Some(unreadable) = &self.unreadable {
            return Some(&unreadable.why);
        }
        let split = self.live.split.as_ref()?;
        split
            .revisions()
            .into_iter()
            .filter_map(|number| self.live.revision(number))
            .find_map(|revision| revision.problem.as_deref())
    }
}

impl Row {
    /// The command that shows more of what is wrong; none where nothing is, or where the problem itself names one.
    pub(crate) fn next(&self) -> Option<String> {
        let ill = matches!(self.health(), Health::Failed | Health::Degraded);
        let is_told = self.problem().is_some_and(|problem| problem.contains('`'));
        (ill && !is_told && self.unreadable.is_none())
            .then(|| format!("squad logs {}{}", self.service, self.environment.flag()))
    }
}

/// How far a look is: what was read so far, of how many services; none while that is not known.
pub(crate) type OnProgress<'a> = &'a (dyn Fn(&[Seen], Option<usize>) + Send + Sync);

/// What a look found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looked {
    /// The services, in any order.
    pub(crate) seen: Vec<Seen>,
    /// How many are of other environments, which share the account.
    pub(crate) elsewhere: usize,
}

/// Looks at the services that are asked for.
pub(crate) async fn look(
    platform: &dyn Platform,
    look: &Look<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Looked> {
    let looked = Mutex::new((Looked::default(), None));
    on_progress(&[], None);
    platform
        .look(look, &|sight| {
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            match sight {
                Sight::Total(total) => looked.1 = Some(total),
                Sight::Seen(one) => looked.0.seen.push(*one),
                Sight::Elsewhere => {
                    looked.0.elsewhere += 1;
                    looked.1 = looked.1.map(|total| total.saturating_sub(1));
                }
            }
            on_progress(&looked.0.seen, looked.1);
        })
        .await?;
    let (looked, _) = looked.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(looked)
}

/// The rows of what was seen, sorted; `going_on` are the commands at work. A service whose first deploy is under way
/// has a row as well.
pub(crate) fn rows(
    seen: Vec<Seen>,
    environment: &Environment,
    only: Option<&[ServiceName]>,
    going_on: &[GoingOn],
) -> Vec<Row> {
    let at_work = |service: &ServiceName| {
        going_on
            .iter()
            .find(|one| one.services.contains(service))
            .cloned()
    };
    let mut rows: Vec<_> = seen
        .into_iter()
        .map(|one| row(one, environment, &at_work))
        .collect();
    for service in going_on.iter().flat_map(|one| &one.services) {
        let is_asked_for = only.is_none_or(|only| only.contains(service));
        if is_asked_for && rows.iter().all(|row| row.service != *service) {
            let found = Found::Live(Box::new(Live::nothing()));
            let service = service.clone();
            let seen = Seen {
                service,
                found,
                unknown: None,
            };
            rows.push(row(seen, environment, &at_work));
        }
    }
    rows.sort_by(|one, other| one.service.cmp(&other.service));
    rows
}

fn row(
    seen: Seen,
    environment: &Environment,
    at_work: &dyn Fn(&ServiceName) -> Option<GoingOn>,
) -> Row {
    let (live, unreadable) = match seen.found {
        Found::Live(live) => (*live, None),
        Found::Unreadable(unreadable) => (Live::nothing(), Some(unreadable)),
    };
    Row {
        going_on: at_work(&seen.service),
        service: seen.service,
        environment: environment.clone(),
        live,
        unreadable,
        driver: None,
        unknown: seen.unknown,
    }
}
