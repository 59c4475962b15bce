//! The block of `squad rollout status`: a table where the screen is wide enough, else a few lines for each unit. No line is
//! wider than the screen, and no colour is needed.

use super::screen::{headline, plain, watching};
use super::{fold, grouped, seconds, span};
use crate::domain::analysis::{Judgement, Verdict};
use crate::domain::rollout::Phase;
use crate::ops::rollout::snapshot::{Driver, Snapshot, UnitSnapshot};
use crate::ops::rollout::words;
use crate::output::{Output, Style, sanitize};
use console::measure_text_width;

/// Cells of the bar towards the decision.
const BAR: usize = 10;
/// The most looks that one sparkline shows.
const SPARKS: usize = 60;

/// One row of numbers, before it is laid out.
struct Row {
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
            for unit in snapshot.units.iter().filter(|unit| unit.position > 0) {
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
fn folded(output: &Output, text: &str, indent: usize, width: usize) -> Vec<String> {
    fold(&spelled(output, text), indent, Some(width))
}

/// The signs of this program in ASCII where the locale is not UTF-8.
fn spelled(output: &Output, text: &str) -> String {
    if output.unicode() {
        return text.to_owned();
    }
    text.replace('→', "->").replace('·', "-").replace('≤', "<=")
}

fn row(output: &Output, snapshot: &Snapshot, unit: &UnitSnapshot) -> Row {
    let (canary, stable) = (unit.total.canary, unit.total.stable);
    let count = |requests: u64, number: u64| {
        if requests == 0 {
            "-".to_owned()
        } else {
            grouped(number)
        }
    };
    let judgement = unit.judgement.as_ref();
    let (verdict, style) = match judgement.map(|judgement| &judgement.verdict) {
        Some(Verdict::Pass) => ("pass", Style::Done),
        Some(Verdict::Fail(_)) => ("fail", Style::Error),
        Some(Verdict::Inconclusive(_)) => ("not told yet", Style::Dim),
        None => ("-", Style::Dim),
    };
    Row {
        name: sanitize(&unit.spoken),
        weight: format!("{} %", unit.weight),
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
        return "with the promotion".to_owned();
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

/// The names of the columns, and whether their text is at the right.
const HEADER: [(&str, bool); 10] = [
    ("", false),
    ("weight", true),
    ("new: requests", true),
    ("bad", true),
    ("old: requests", true),
    ("bad", true),
    ("new/old", true),
    ("against it", false),
    ("verdict", false),
    ("at this weight", false),
];

/// The rows as a table below its header; none where it does not fit.
fn table(output: &Output, rows: &[Row], width: usize) -> Option<Vec<String>> {
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
    let mut widths = HEADER.map(|(name, _)| measure_text_width(name));
    for row in &cells {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(measure_text_width(cell));
        }
    }
    if widths.iter().map(|width| width + 2).sum::<usize>() > width {
        return None;
    }
    let lay = |cells: &[&str; 10], style: Option<Style>| {
        let mut line = String::new();
        for (((cell, most), (name, is_right)), index) in
            cells.iter().zip(widths).zip(HEADER).zip(0_usize..)
        {
            let room = " ".repeat(most - measure_text_width(cell));
            let cell = match style {
                Some(style) if name == "verdict" => output.paint_out(style, cell),
                None => output.paint_out(Style::Dim, cell),
                Some(_) => (*cell).to_owned(),
            };
            let gap = if index == 0 { "" } else { "  " };
            if is_right {
                line.push_str(&format!("{gap}{room}{cell}"));
            } else {
                line.push_str(&format!("{gap}{cell}{room}"));
            }
        }
        format!("  {}", line.trim_end())
    };
    let names = HEADER.map(|(name, _)| name);
    let mut lines = vec![lay(&names, None)];
    for (cells, row) in cells.iter().zip(rows) {
        lines.push(lay(cells, Some(row.style)));
    }
    Some(lines)
}

/// A unit on a narrow screen.
fn stacked(
    output: &Output,
    snapshot: &Snapshot,
    row: &Row,
    unit: &UnitSnapshot,
    width: usize,
) -> Vec<String> {
    let mut lines = folded(output, &format!("{} at {}", row.name, row.weight), 2, width);
    if unit.judgement.is_none() {
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

/// The bad share of both arms over the newest looks, beside each other or below each other.
fn sparklines(output: &Output, snapshot: &Snapshot, width: usize) -> Vec<String> {
    let (canary, stable): (Vec<_>, Vec<_>) = snapshot.shares.iter().copied().unzip();
    let most = SPARKS.min(width.saturating_sub(8)).max(8);
    let newest = |shares: &[Option<f64>]| -> Vec<Option<f64>> {
        let from = shares.len().saturating_sub(most);
        shares.iter().skip(from).copied().collect()
    };
    let (canary, stable) = (newest(&canary), newest(&stable));
    let shares = || canary.iter().chain(&stable).flatten();
    if shares().next().is_none() {
        return Vec::new();
    }
    let highest = shares().fold(0.0_f64, |a, b| a.max(*b));
    let parts = [
        format!(
            "bad share, last {} looks, up to {:.1} %",
            canary.len(),
            highest * 100.0
        ),
        format!("new {}", sparkline(output, &canary, highest)),
        format!("old {}", sparkline(output, &stable, highest)),
    ];
    let one = format!("  {}", parts.join("   "));
    if measure_text_width(&one) <= width {
        return vec![one];
    }
    parts.iter().map(|part| format!("  {part}")).collect()
}

/// Shares, each as one of eight heights; a gap where there was no request.
fn sparkline(output: &Output, shares: &[Option<f64>], highest: f64) -> String {
    let heights: [char; 8] = if output.unicode() {
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        ['_', '.', ':', '-', '=', '+', '*', '#']
    };
    shares
        .iter()
        .map(|share| match share {
            None => ' ',
            Some(share) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "one of eight heights"
                )]
                let height = if highest > 0.0 {
                    (share / highest * 7.0).round() as usize
                } else {
                    0
                };
                heights.get(height).copied().unwrap_or(' ')
            }
        })
        .collect()
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
        _ if matches!(snapshot.driver, Driver::Nobody { .. }) => lines.push(format!(
            "nobody drives it, so it stays as it is; take it up: `squad rollout drive {service}{flag}`"
        )),
        _ => {}
    }
    lines
}

/// The next weight and when, where that can be told.
fn next(snapshot: &Snapshot) -> String {
    match snapshot.state.phase {
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
