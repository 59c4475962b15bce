//! The units of a rollout in the block of `squad rollout status`: as a table, or each as a few lines.

use super::block::{folded, spelled};
use super::screen::{gated, plain, shown, watched};
use super::{fold, grouped, seconds, span};
use crate::domain::analysis::{Judgement, Verdict};
use crate::domain::rollout::Phase;
use crate::domain::rollout::gate::{By, UnitGate};
use crate::ops::rollout::snapshot::{Snapshot, UnitSnapshot};
use crate::output::{Output, Style, sanitize};
use console::measure_text_width;

/// Cells of the bar towards the decision.
const BAR: usize = 10;
/// One row of numbers, before it is laid out.
pub(super) struct Row {
    name: String,
    weight: String,
    /// Requests and bad ones: new, old.
    counted: [String; 4],
    ratio: String,
    against: String,
    verdict: &'static str,
    style: Style,
    time: String,
}

/// The numbers of one unit.
pub(super) fn row(output: &Output, snapshot: &Snapshot, unit: &UnitSnapshot) -> Row {
    let judgement = shown(snapshot, unit);
    let (canary, stable) = match watched(snapshot, unit) {
        Some(watch) => (watch.canary, watch.stable),
        None => (unit.total.canary, unit.total.stable),
    };
    let count = |requests: u64, number: u64| {
        if requests == 0 {
            "-".to_owned()
        } else {
            grouped(number)
        }
    };
    let (verdict, style) = match judgement.map(|judgement| &judgement.verdict) {
        Some(Verdict::Pass) => ("pass", Style::Done),
        Some(Verdict::Fail(_)) => ("fail", Style::Error),
        Some(Verdict::Inconclusive(_)) => ("not told yet", Style::Dim),
        None => ("-", Style::Dim),
    };
    Row {
        name: sanitize(&unit.spoken),
        weight: match (&unit.gate, gated(snapshot, unit)) {
            (
                Some(UnitGate {
                    by: By::Consumers(_),
                    ..
                }),
                Some(_),
            ) => "named".to_owned(),
            _ => format!("{} %", unit.weight),
        },
        counted: [
            count(canary.requests, canary.requests),
            count(canary.requests, canary.bad),
            count(stable.requests, stable.requests),
            count(stable.requests, stable.bad),
        ],
        ratio: spelled(output, &ratio(judgement)),
        against: judgement.map_or_else(|| "-".to_owned(), |judgement| bar(output, judgement)),
        verdict,
        style,
        time: time(snapshot, unit),
    }
}

/// `1.1 (≤ 2.3)`.
fn ratio(judgement: Option<&Judgement>) -> String {
    let Some(judgement) = judgement else {
        return "-".to_owned();
    };
    match (judgement.ratio, judgement.ratio_upper) {
        (Some(ratio), Some(upper)) => format!("{ratio:.1} (≤ {upper:.1})"),
        (Some(ratio), None) => format!("{ratio:.1}"),
        (None, Some(upper)) => format!("≤ {upper:.1}"),
        (None, None) => "-".to_owned(),
    }
}

/// How long it has been there, and how long it takes.
fn time(snapshot: &Snapshot, unit: &UnitSnapshot) -> String {
    if unit.steps == 0 {
        return if unit.weight == 0 && snapshot.state.is_live() {
            "with the promotion".to_owned()
        } else {
            "-".to_owned()
        };
    }
    match snapshot.state.phase {
        Phase::Shifting | Phase::Holding | Phase::Paused => {}
        _ => return "-".to_owned(),
    }
    let Some(judgement) = &unit.judgement else {
        return "after the routes above".to_owned();
    };
    let held = unit.held_seconds;
    let whole = unit
        .eta_seconds
        .map_or(seconds(unit.hold_seconds), |left| left + held);
    match (&judgement.verdict, unit.eta_seconds) {
        (Verdict::Fail(_), _) => "goes back".to_owned(),
        (Verdict::Pass, _) if held >= seconds(unit.hold_seconds) => "ready".to_owned(),
        (_, Some(left)) if left > 0.0 => format!("{} of about {}", span(held), span(whole)),
        (Verdict::Pass, _) => format!("{} of {}", span(held), span(seconds(unit.hold_seconds))),
        // The traffic of a new route is not known before somebody has called it.
        (Verdict::Inconclusive(_), None)
            if unit.gate.is_some() && unit.total.canary.requests == 0 =>
        {
            format!("{}, no caller counted yet", span(held))
        }
        (Verdict::Inconclusive(_), _) => format!("{}, no end known", span(held)),
    }
}

/// The evidence against the canary on its way to what makes it go back, on a logarithmic scale.
fn bar(output: &Output, judgement: &Judgement) -> String {
    let share = judgement.log_e / judgement.log_threshold;
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a few cells"
    )]
    let filled = (share * BAR as f64).round() as usize;
    let (full, empty) = if output.unicode() {
        ("█", "░")
    } else {
        ("#", ".")
    };
    format!("{}{}", full.repeat(filled), empty.repeat(BAR - filled))
}

/// The names of the columns, first where there is room for whole words, then shorter.
const HEADERS: [[&str; 10]; 2] = [
    [
        "",
        "weight",
        "new: requests",
        "bad",
        "old: requests",
        "bad",
        "new/old",
        "against it",
        VERDICT,
        "at this weight",
    ],
    [
        "",
        "weight",
        "new",
        "bad",
        "old",
        "bad",
        "new/old",
        "against it",
        VERDICT,
        "at this weight",
    ],
];
/// The column that is coloured.
const VERDICT: &str = "verdict";
/// The columns of numbers, with their text at the right.
const NUMBERS: std::ops::RangeInclusive<usize> = 1..=6;

/// The rows as a table below its header; none where it does not fit.
pub(super) fn table(output: &Output, rows: &[Row], width: usize) -> Option<Vec<String>> {
    let cells: Vec<[&str; 10]> = rows
        .iter()
        .map(|row| {
            let [new, new_bad, old, old_bad] = &row.counted;
            [
                &row.name,
                &row.weight,
                new,
                new_bad,
                old,
                old_bad,
                &row.ratio,
                &row.against,
                row.verdict,
                &row.time,
            ]
        })
        .collect();
    HEADERS
        .iter()
        .find_map(|header| laid_out(output, rows, &cells, header, width))
}

fn laid_out(
    output: &Output,
    rows: &[Row],
    cells: &[[&str; 10]],
    header: &[&str; 10],
    width: usize,
) -> Option<Vec<String>> {
    let mut widths = header.map(measure_text_width);
    for row in cells {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(measure_text_width(cell));
        }
    }
    if widths.iter().map(|width| width + 2).sum::<usize>() > width {
        return None;
    }
    let lay = |cells: &[&str; 10], style: Option<Style>| {
        let mut line = String::new();
        for (((cell, most), name), index) in cells.iter().zip(widths).zip(header).zip(0_usize..) {
            let room = " ".repeat(most - measure_text_width(cell));
            let cell = match style {
                Some(style) if *name == VERDICT => output.paint_out(style, cell),
                None => output.paint_out(Style::Dim, cell),
                Some(_) => (*cell).to_owned(),
            };
            let gap = if index == 0 { "" } else { "  " };
            if NUMBERS.contains(&index) {
                line.push_str(&format!("{gap}{room}{cell}"));
            } else {
                line.push_str(&format!("{gap}{cell}{room}"));
            }
        }
        format!("  {}", line.trim_end())
    };
    let mut lines = vec![lay(header, None)];
    for (cells, row) in cells.iter().zip(rows) {
        lines.push(lay(cells, Some(row.style)));
    }
    Some(lines)
}

/// A unit on a narrow screen.
pub(super) fn stacked(
    output: &Output,
    snapshot: &Snapshot,
    row: &Row,
    unit: &UnitSnapshot,
    width: usize,
) -> Vec<String> {
    let place = gated(snapshot, unit).map_or_else(
        || format!("at {}", row.weight),
        |callers| format!("for {callers}"),
    );
    let mut lines = folded(output, &format!("{} {place}", row.name), 2, width);
    if shown(snapshot, unit).is_none() {
        let text = match row.time.as_str() {
            "-" => "no verdict",
            time => time,
        };
        lines.extend(folded(output, text, 4, width));
        lines.push(String::new());
        return lines;
    }
    let [new, new_bad, old, old_bad] = &row.counted;
    let arm = |name: &str, requests: &str, bad: &str| {
        if requests == "-" {
            format!("{name}: no requests")
        } else {
            format!("{name}: {bad} bad of {requests}")
        }
    };
    let mut parts = vec![
        format!("{}, {}", arm("new", new, new_bad), arm("old", old, old_bad)),
        format!("new/old {}", row.ratio),
    ];
    parts.push(format!("against it {}", row.against));
    parts.push(if row.time == "-" {
        row.verdict.to_owned()
    } else {
        format!("{}, {}", row.verdict, row.time)
    });
    lines.extend(joined(output, &parts, 4, width));
    lines.extend(folded(output, &plain(snapshot, unit), 4, width));
    lines.push(String::new());
    lines
}

/// Parts beside each other as long as they fit, and never broken in the middle where they fit a line of their own.
fn joined(output: &Output, parts: &[String], indent: usize, width: usize) -> Vec<String> {
    let dot = spelled(output, " · ");
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let fits = lines.last().is_some_and(|line| {
            measure_text_width(line) + measure_text_width(&dot) + measure_text_width(part) <= width
        });
        match lines.last_mut().filter(|_| fits) {
            Some(line) => line.push_str(&format!("{dot}{part}")),
            None => lines.extend(fold(part, indent, Some(width))),
        }
    }
    lines
}
