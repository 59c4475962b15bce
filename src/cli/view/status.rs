//! How `squad status` is shown.

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::status::Age;
use crate::cli::time::relative;
use crate::domain::environment::PlatformKind;
use crate::domain::live::Health;
use crate::domain::rollout::State;
use crate::ops::rollout::snapshot::Driver;
use crate::ops::rollout::words;
use crate::ops::status::Row;
use crate::output::sanitize;
use crate::output::table::{Align, render};

/// How what is no revision is: it may be well, and nobody can tell what it is tomorrow.
const UNPUBLISHED: &str = "no revision: each upload is live at once";

/// `squad.status/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Wire {
    schema: &'static str,
    /// Whether it is what this machine found the last time; absent where nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_cache: Option<bool>,
    /// Seconds since the look began; absent where nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    services: Vec<WireRow>,
}

#[derive(Debug, Serialize)]
struct WireRow {
    service: String,
    env: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Revision → percent of the requests that match no listed route.
    traffic: std::collections::BTreeMap<String, u8>,
    /// What takes the traffic where it is no revision: `$LATEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unpublished: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// `unknown` where it could not be read.
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The command that shows more of the problem, where it does not name one itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// What of it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dirty: bool,
    /// The rollout that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<WireRollout>,
    /// The command that changes it right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    going_on: Option<WireGoingOn>,
    revisions: Vec<WireRevision>,
}

#[derive(Debug, Serialize)]
struct WireRollout {
    id: String,
    phase: &'static str,
    stable: String,
    canary: String,
    /// The highest percentage of any route that goes to the canary.
    weight: u8,
    /// Absent when nobody drives, or nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    /// Whether nobody drives; absent when nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    unattended: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WireGoingOn {
    /// `deploy` or `rollback`.
    kind: String,
    since: String,
}

#[derive(Debug, Serialize)]
struct WireRevision {
    revision: String,
    digest: String,
    published_at: String,
    health: &'static str,
    left: bool,
}

impl Wire {
    /// For rows in their order.
    pub(crate) fn new(rows: &[Row]) -> Self {
        Self {
            schema: "squad.status/v1",
            from_cache: None,
            age_seconds: None,
            services: rows.iter().map(wire_row).collect(),
        }
    }
}

impl Wire {
    /// With its age.
    pub(crate) fn aged(mut self, age: Age, now: Timestamp) -> Self {
        let seconds = now.duration_since(age.at).as_secs();
        self.from_cache = Some(age.from_cache);
        self.age_seconds = Some(u64::try_from(seconds).unwrap_or(0));
        self
    }
}

fn wire_row(row: &Row) -> WireRow {
    let live = row.live.sole();
    WireRow {
        service: row.service.to_string(),
        env: row.environment.name.to_string(),
        kind: row.live.kind.map(crate::domain::service::Kind::as_str),
        traffic: row
            .live
            .split
            .iter()
            .flat_map(|split| split.rest.iter())
            .map(|(revision, weight)| (revision.to_string(), weight))
            .collect(),
        unpublished: row.live.unpublished.clone(),
        since: row
            .live
            .last_commit
            .as_ref()
            .map(|commit| commit.at.to_string()),
        by: row
            .live
            .last_commit
            .as_ref()
            .map(|commit| commit.actor.to_string()),
        health: if row.unreadable.is_some() {
            "unknown"
        } else {
            row.health().as_str()
        },
        problem: row.problem().map(str::to_owned),
        next: row.next(),
        unknown: row.unknown.clone(),
        address: row.live.address.clone(),
        commit: live.and_then(|revision| revision.provenance.commit.clone()),
        dirty: live.is_some_and(|revision| revision.provenance.dirty),
        rollout: State::live(&row.live.state).map(|state| WireRollout {
            phase: state.phase.as_str(),
            stable: state.stable.to_string(),
            canary: state.canary.to_string(),
            weight: weight(row, &state).0,
            driver: match &row.driver {
                Some(Driver::Alive(actor)) => Some(actor.to_string()),
                _ => None,
            },
            unattended: row.driver.as_ref().map(Driver::is_absent),
            id: state.id,
        }),
        going_on: row.going_on.as_ref().map(|one| WireGoingOn {
            kind: one.kind.clone(),
            since: one.since.to_string(),
        }),
        revisions: row
            .live
            .revisions
            .iter()
            .map(|revision| WireRevision {
                revision: revision.number.to_string(),
                digest: revision.digest.clone(),
                published_at: revision.published_at.to_string(),
                health: revision.health.as_str(),
                left: revision.left,
            })
            .collect(),
    }
}

/// The table for people.
pub(crate) fn table(rows: &[Row], now: Timestamp, width: Option<usize>) -> String {
    let mut cells: Vec<_> = rows.iter().map(|row| cells(row, now)).collect();
    let mut header = vec![
        ("SERVICE", Align::Left),
        ("ENV", Align::Left),
        ("LIVE", Align::Left),
        ("SINCE", Align::Left),
        ("HEALTH", Align::Left),
    ];
    // Columns of their own only while there is something to say.
    if rows.iter().any(|row| url(row).is_some()) {
        header.push(("ADDRESS", Align::Left));
        for (cells, row) in cells.iter_mut().zip(rows) {
            cells.push(url(row).unwrap_or("-").to_owned());
        }
    }
    if rows
        .iter()
        .any(|row| State::live(&row.live.state).is_some())
    {
        header.push(("ROLLOUT", Align::Left));
        for (cells, row) in cells.iter_mut().zip(rows) {
            cells.push(rollout(row));
        }
    }
    if rows.iter().any(|row| row.going_on.is_some()) {
        header.push(("GOING ON", Align::Left));
        for (cells, row) in cells.iter_mut().zip(rows) {
            cells.push(row.going_on.as_ref().map_or_else(
                || "-".to_owned(),
                |one| format!("{}, began {}", one.kind, relative(one.since, now)),
            ));
        }
    }
    render(&header, &cells, width)
}

/// The highest weight of the canary in percent, and how many rows of the table it has any of.
fn weight(row: &Row, state: &State) -> (u8, usize) {
    let Some(split) = &row.live.split else {
        return (0, 0);
    };
    let weights: Vec<u8> = split
        .routes
        .iter()
        .map(|route| &route.weights)
        .chain([&split.rest])
        .filter_map(|weights| {
            weights
                .iter()
                .find(|(revision, _)| *revision == state.canary)
                .map(|(_, weight)| weight)
        })
        .collect();
    (weights.iter().copied().max().unwrap_or(0), weights.len())
}

/// `42 at 25 % on 2 routes, holding, driven by ci run 991`.
fn rollout(row: &Row) -> String {
    let Some(state) = State::live(&row.live.state) else {
        return "-".to_owned();
    };
    let (weight, routes) = weight(row, &state);
    let plural = if routes == 1 { "route" } else { "routes" };
    let at = if weight == 0 {
        String::new()
    } else if row.environment.platform == PlatformKind::Lambda {
        // An alias has no routes.
        format!(" at {weight} %")
    } else {
        format!(" at {weight} % on {routes} {plural}")
    };
    let driver = match &row.driver {
        Some(Driver::Alive(actor)) => format!(", driven by {}", sanitize(&actor.to_string())),
        Some(driver) if driver.is_absent() => match driver.absent_since() {
            Some(since) => format!(", unattended since {}", since.strftime("%H:%M:%S UTC")),
            None => ", unattended".to_owned(),
        },
        Some(_) | None => String::new(),
    };
    format!(
        "{}{at}, {}{driver}",
        state.canary,
        words::phase(state.phase)
    )
}

/// How what works well is while something of its traffic is not squad's: what takes all of it by squad's own words, or not,
/// works as it did; a split of which nothing tells is nobody's.
fn outside(row: &Row) -> &'static str {
    if row.live.lag.is_some() {
        // What is to take the traffic is being made ready.
        "starting"
    } else if row.live.foreign.is_some() && row.live.sole().is_some() {
        "ok"
    } else {
        "drifted"
    }
}

/// The address, where it is one that a person can open. That of a function is its ARN, which says nothing that the name
/// does not, and takes the width from what does.
fn url(row: &Row) -> Option<&str> {
    let address = row.live.address.as_deref();
    address.filter(|address| address.contains("://"))
}

fn cells(row: &Row, now: Timestamp) -> Vec<String> {
    let live = match (&row.live.split, row.live.sole()) {
        (_, Some(revision)) => {
            let dirty = if revision.provenance.dirty {
                " (dirty)"
            } else {
                ""
            };
            format!("{}{dirty}", revision.number)
        }
        (Some(split), None) => split
            .rest
            .iter()
            .map(|(revision, weight)| format!("{revision} {weight} %"))
            .collect::<Vec<_>>()
            .join(", "),
        (None, None) => row.live.unpublished.as_deref().unwrap_or("-").to_owned(),
    };
    // A look at a fleet knows when a revision was published, and not when it got its traffic.
    let since = match (&row.live.last_commit, row.live.sole()) {
        (Some(commit), _) => relative(commit.at, now),
        (None, Some(revision)) => format!("made {}", relative(revision.published_at, now)),
        (None, None) => "-".to_owned(),
    };
    let health = match (row.health(), row.problem()) {
        (_, Some(problem)) if row.unreadable.is_some() => {
            format!("cannot be read  {}", sanitize(problem))
        }
        _ if row.live.unpublished.is_some() => UNPUBLISHED.to_owned(),
        _ if row.live.revisions.is_empty() => "-".to_owned(),
        (Health::Ok, Some(problem)) => format!("{}  {}", outside(row), sanitize(problem)),
        (health, Some(problem)) => format!("{}  {}", health.as_str(), sanitize(problem)),
        (health, None) => health.as_str().to_owned(),
    };
    vec![
        row.service.to_string(),
        row.environment.name.to_string(),
        live,
        since,
        health,
    ]
}
