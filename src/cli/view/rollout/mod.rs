//! How rollouts are shown.

mod block;
mod fold;
mod plan;
mod report;
mod screen;
mod spark;
mod units;
mod wire;

#[cfg(test)]
mod tests;

use fold::fold;

pub(crate) use plan::plan_lines;
pub(crate) use report::{html, report_lines};
pub(crate) use screen::{Screen, going, one_line};
pub(crate) use wire::{EndWire, ListWire, PlanWire, ReportWire, SnapshotWire, StartedWire};

use jiff::Timestamp;

use crate::cli::time::relative;
pub(super) use crate::cli::view::number::grouped;
use crate::domain::rollout::Phase;
use crate::ops::rollout::list::Row;
use crate::ops::rollout::words;
use crate::output::sanitize;
use crate::output::table::{Align, render};

/// The table of `squad rollout list`.
pub(crate) fn list_table(rows: &[Row], now: Timestamp, width: Option<usize>) -> String {
    let header = [
        ("ROLLOUT", Align::Left),
        ("SERVICE", Align::Left),
        ("REVISIONS", Align::Left),
        ("STARTED", Align::Left),
        ("BY", Align::Left),
        ("STATE", Align::Left),
    ];
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let phase = row
                .phase
                .map_or("changed outside squad", words::phase)
                .to_owned();
            let state = match &row.why {
                Some(why) if row.phase.is_some_and(Phase::is_terminal) => {
                    format!("{phase}: {}", words::why(&row.plan, why))
                }
                _ => phase,
            };
            vec![
                row.plan.id.clone(),
                row.plan.service.to_string(),
                format!("{} → {}", row.plan.stable, row.plan.canary),
                relative(row.plan.started_at, now),
                sanitize(&row.plan.actor.name),
                state,
            ]
        })
        .collect();
    render(&header, &cells, width)
}

/// Seconds as people say them: `45 s`, `12 min`, `3 h`.
pub(super) fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 90.0 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// The share of a unit's requests with a weight: `1 in 20 requests of POST /refund`, `1 in 20 of all other requests`.
/// `unit` is how the unit is spoken of.
pub(super) fn requests(weight: u8, unit: &str) -> String {
    let unit = sanitize(unit);
    let is_rest = unit == EVERYTHING_ELSE;
    match weight {
        0 if is_rest => "no other request".to_owned(),
        0 => format!("no request of {unit}"),
        100 if is_rest => "all other requests".to_owned(),
        100 => format!("all requests of {unit}"),
        weight => {
            let share = words::share(weight);
            match (is_rest, share.contains(" in ")) {
                (true, _) => format!("{share} of all other requests"),
                (false, true) => format!("{share} requests of {unit}"),
                (false, false) => format!("{share} of the requests of {unit}"),
            }
        }
    }
}

/// How the last unit is spoken of.
const EVERYTHING_ELSE: &str = "everything else";

/// The verb that belongs to it: one request goes, more of them go.
pub(super) fn goes(weight: u8) -> &'static str {
    if weight == 0 || words::share(weight).starts_with("1 in ") {
        "goes"
    } else {
        "go"
    }
}

/// What a bad request did: `failed`, or `failed or slow` where slowness is judged.
pub(super) fn bad_word(slow_milliseconds: Option<u64>) -> &'static str {
    if slow_milliseconds.is_some() {
        "failed or slow"
    } else {
        "failed"
    }
}

/// A number of seconds as a real number.
#[expect(
    clippy::cast_precision_loss,
    reason = "a number of seconds, far below 2^52"
)]
pub(super) fn seconds(whole: u64) -> f64 {
    whole as f64
}
