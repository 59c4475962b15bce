//! The block of `squad rollout status`: a table where the screen is wide enough, else a few lines for each unit. No line is
//! wider than the screen, and no colour is needed. Its parts are in `units` and `spark`.

use super::screen::{headline, plain, shown, watching};
use super::spark::sparklines;
use super::units::{Row, row, stacked, table};
use super::{fold, span};
use crate::domain::rollout::Phase;
use crate::ops::rollout::snapshot::{Driver, Snapshot};
use crate::ops::rollout::words;
use crate::output::{Output, Style, sanitize};

/// The whole block, for a screen of so many columns; each line ends with a line feed.
pub(crate) fn block(output: &Output, snapshot: &Snapshot, width: usize) -> String {
    let mut lines: Vec<String> = folded(output, &headline(snapshot), 0, width)
        .into_iter()
        .map(|line| output.paint_out(Style::Bold, &line))
        .collect();
    let plan = &snapshot.plan;
    let mut say = |text: &str| lines.extend(folded(output, text, 2, width));
    say(&format!(
        "started {} by {}",
        plan.started_at.strftime("%-d %b %H:%M UTC"),
        sanitize(&plan.actor.to_string())
    ));
    if let Some(reason) = &plan.reason {
        say(&format!("because: {}", sanitize(reason)));
    }
    if let Some(why) = &snapshot.why {
        say(&format!("last: {}", sanitize(&words::why(plan, why))));
    }
    if let Some(drifted) = &snapshot.drifted {
        say(&format!(
            "others changed the traffic: {drifted}; the weights here are those that squad set"
        ));
    }
    if let Some(missing) = &snapshot.missing {
        say(&format!(
            "the counters cannot be read: {}",
            sanitize(missing)
        ));
    }
    lines.push(String::new());
    let rows: Vec<Row> = snapshot
        .units
        .iter()
        .map(|unit| row(output, snapshot, unit))
        .collect();
    match table(output, &rows, width) {
        Some(table) => {
            lines.extend(table);
            lines.push(String::new());
            lines.extend(sparklines(output, snapshot, width));
            for unit in snapshot
                .units
                .iter()
                .filter(|unit| shown(snapshot, unit).is_some())
            {
                lines.extend(folded(output, &plain(snapshot, unit), 2, width));
            }
        }
        None => {
            for (row, unit) in rows.iter().zip(&snapshot.units) {
                lines.extend(stacked(output, snapshot, row, unit, width));
            }
            lines.extend(sparklines(output, snapshot, width));
        }
    }
    for text in ending(snapshot) {
        lines.extend(folded(output, &text, 2, width));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Folded, in the characters that the locale has.
pub(super) fn folded(output: &Output, text: &str, indent: usize, width: usize) -> Vec<String> {
    fold(&spelled(output, text), indent, Some(width))
}

/// The signs of this program in ASCII where the locale is not UTF-8.
pub(super) fn spelled(output: &Output, text: &str) -> String {
    if output.unicode() {
        return text.to_owned();
    }
    text.replace('→', "->").replace('·', "-").replace('≤', "<=")
}

/// What comes next, and what a person can do.
fn ending(snapshot: &Snapshot) -> Vec<String> {
    if !snapshot.state.is_live() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let service = &snapshot.service;
    let flag = if snapshot.environment == "local" {
        String::new()
    } else {
        format!(" --env {}", snapshot.environment)
    };
    let next = next(snapshot);
    let stop = format!("stop: `squad stop {service}{flag}`");
    lines.push(if next.is_empty() {
        stop
    } else {
        format!("next: {next} · {stop}")
    });
    match snapshot.state.phase {
        Phase::Paused => lines.push(format!(
            "go on: `squad rollout resume {service}{flag}`, then `squad rollout drive {service}{flag}`"
        )),
        Phase::Drifted => lines.push(format!(
            "put the wanted traffic back: `squad rollout rebase {service}{flag}`"
        )),
        _ if snapshot.driver.is_absent() => {
            let why = match &snapshot.driver {
                Driver::Asleep { .. } => "its driver is stopped or stuck",
                _ => "nobody drives it",
            };
            lines.push(format!(
                "{why}, so it stays as it is; take it up: `squad rollout drive {service}{flag}`"
            ));
        }
        _ => {}
    }
    lines
}

/// The next weight and when, where that can be told.
fn next(snapshot: &Snapshot) -> String {
    match snapshot.state.phase {
        _ if snapshot.drifted.is_some() => return "somebody has to decide".to_owned(),
        Phase::Holding => {}
        Phase::Finalising => return watching(snapshot),
        Phase::Paused | Phase::Drifted => return "somebody has to decide".to_owned(),
        _ => return String::new(),
    }
    let soonest = snapshot
        .units
        .iter()
        .filter(|unit| unit.position > 0)
        .filter(|unit| usize::from(unit.position) < unit.steps)
        .filter_map(|unit| Some((unit.eta_seconds?, unit.next_weight)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    match soonest {
        Some((left, weight)) if left > 0.0 => format!("{weight} % in about {}", span(left)),
        Some((_, weight)) => format!("{weight} % with the next pass"),
        None => String::new(),
    }
}
