//! The live view of a rollout, and the same as plain lines.

use super::wire::SnapshotWire;
use super::{grouped, span};
use crate::cli::context::Context;
use crate::domain::analysis::{Judgement, Verdict};
use crate::domain::rollout::{Phase, Waiting};
use crate::ops::rollout::snapshot::{Driver, Snapshot, UnitSnapshot};
use crate::ops::rollout::words;
use crate::output::table::{Align, render};
use crate::output::{Output, sanitize};

/// Cells of the bar towards the decision.
const BAR: usize = 20;
/// Looks that the sparkline shows.
const SPARKS: usize = 40;

/// What is on the screen.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    last: Option<String>,
}

impl Screen {
    /// Shows a rollout: the whole block, or while following without a terminal one line where something changed.
    pub(crate) fn show(&mut self, context: &Context, snapshot: &Snapshot, watch: bool) {
        if context.output.is_json() {
            context.output.json(&SnapshotWire::new(snapshot));
            return;
        }
        if watch && !context.output.is_terminal() {
            let line = one_line(snapshot);
            if self.last.as_ref() != Some(&line) {
                context.output.out(&line);
                self.last = Some(line);
            }
            return;
        }
        let text = block(&context.output, snapshot, context.output.width());
        if watch {
            // Home, each line to its end, then what is below: nothing flickers.
            let mut screen = String::from("\x1b[H");
            for line in text.lines() {
                screen.push_str(line);
                screen.push_str("\x1b[K\n");
            }
            screen.push_str("\x1b[J");
            if self.last.is_none() {
                context.output.raw(b"\x1b[2J");
            }
            context.output.raw(screen.as_bytes());
            self.last = Some(text);
        } else {
            context.output.out(text.trim_end());
        }
    }
}

/// `payments 41 → 42 · local · holding, step 2 of 3 · driven by ana on laptop`.
fn headline(snapshot: &Snapshot) -> String {
    let state = &snapshot.state;
    let mut parts = vec![
        format!("{} {} → {}", snapshot.service, state.stable, state.canary),
        snapshot.environment.clone(),
    ];
    let furthest = snapshot.units.iter().max_by_key(|unit| unit.position);
    parts.push(match (state.phase, furthest) {
        (Phase::Shifting | Phase::Holding | Phase::Paused, Some(unit)) if unit.position > 0 => {
            format!(
                "{} at {} %, step {} of {}",
                words::phase(state.phase),
                unit.weight,
                unit.position,
                unit.steps
            )
        }
        _ => words::phase(state.phase).to_owned(),
    });
    match &snapshot.driver {
        Driver::Over => {}
        Driver::Alive(actor) => parts.push(format!("driven by {}", sanitize(&actor.to_string()))),
        Driver::Nobody { since: Some(since) } => {
            parts.push(format!(
                "unattended since {}",
                since.strftime("%H:%M:%S UTC")
            ));
        }
        Driver::Nobody { since: None } => parts.push("unattended".to_owned()),
    }
    parts.join(" · ")
}

/// Everything in one line, for logs.
pub(crate) fn one_line(snapshot: &Snapshot) -> String {
    let mut line = headline(snapshot);
    for unit in snapshot.units.iter().filter(|unit| unit.position > 0) {
        line.push_str(&format!(
            " · {} {} %: {} handled, {} bad",
            unit.name,
            unit.weight,
            grouped(unit.total.canary.requests),
            grouped(unit.total.canary.bad)
        ));
        if let Some(judgement) = &unit.judgement {
            line.push_str(&format!(", {}", verdict(&judgement.verdict)));
        }
    }
    line
}

/// The word of a verdict, in JSON and for people.
pub(super) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Inconclusive(_) => "inconclusive",
    }
}

/// What a driver says while it waits: the step, and how it goes in plain words.
pub(crate) fn going(snapshot: &Snapshot, waiting: &Waiting) -> (&'static str, String) {
    let state = &snapshot.state;
    match waiting {
        Waiting::Canary => (
            "preparing",
            format!("revision {} is not ready yet", state.canary),
        ),
        Waiting::Traffic => (
            "shifting",
            "the new weights are not in force yet".to_owned(),
        ),
        Waiting::Person => (
            "waiting",
            format!("{}; somebody has to decide", words::phase(state.phase)),
        ),
        Waiting::Attendance { weight } => (
            "waiting",
            format!("{weight} % is more than nobody may attend; drive it without --once"),
        ),
        Waiting::Watch => ("watching", watching(snapshot)),
        Waiting::Evidence => ("holding", holding(snapshot)),
    }
}

fn watching(snapshot: &Snapshot) -> String {
    let left = snapshot.plan.watch_seconds;
    #[expect(clippy::cast_precision_loss, reason = "seconds of one watch")]
    let left = (left as f64 - snapshot.phase_seconds).max(0.0);
    format!(
        "revision {} serves all requests; it can still go back for {}",
        snapshot.state.canary,
        span(left)
    )
}

/// `1 in 20 requests goes to 42; 118 handled, 0 bad, about as many as before`.
fn holding(snapshot: &Snapshot) -> String {
    if let Some(missing) = &snapshot.missing {
        return format!("the counters cannot be read: {}", sanitize(missing));
    }
    let parts: Vec<String> = snapshot
        .units
        .iter()
        .filter(|unit| unit.position > 0)
        .map(|unit| plain(snapshot, unit))
        .collect();
    parts.join(" · ")
}

/// One unit for somebody who does not know statistics.
pub(super) fn plain(snapshot: &Snapshot, unit: &UnitSnapshot) -> String {
    let canary = unit.total.canary;
    format!(
        "{} of {} goes to {}; {} handled, {} bad, {}",
        words::share(unit.weight),
        unit.spoken,
        snapshot.state.canary,
        grouped(canary.requests),
        grouped(canary.bad),
        compared(unit)
    )
}

fn compared(unit: &UnitSnapshot) -> String {
    match unit.judgement.as_ref().map(|one| (one.verdict, one)) {
        Some((Verdict::Pass, _)) => "about as many as before".to_owned(),
        Some((Verdict::Fail(_), _)) => "more than before".to_owned(),
        Some((Verdict::Inconclusive(reason), _)) => words::inconclusive(&reason),
        None => "nothing yet".to_owned(),
    }
}

/// The whole block for a terminal.
pub(crate) fn block(output: &Output, snapshot: &Snapshot, width: usize) -> String {
    let mut text = format!("{}\n", headline(snapshot));
    if let Some(why) = &snapshot.why {
        text.push_str(&format!("  {}\n", words::why(&snapshot.plan, why)));
    }
    text.push_str(&units_table(output, snapshot, width));
    text.push('\n');
    let (canary, stable): (Vec<_>, Vec<_>) = snapshot.shares.iter().copied().unzip();
    if !canary.is_empty() {
        let highest = canary
            .iter()
            .chain(&stable)
            .flatten()
            .fold(0.0_f64, |a, b| a.max(*b));
        text.push_str(&format!(
            "  bad share   new {}   old {}   (highest {:.1} %)\n",
            sparkline(output, &canary, highest),
            sparkline(output, &stable, highest),
            highest * 100.0
        ));
    }
    for unit in snapshot.units.iter().filter(|unit| unit.position > 0) {
        text.push_str(&format!("  {}\n", plain(snapshot, unit)));
    }
    if let Some(missing) = &snapshot.missing {
        text.push_str(&format!(
            "  the counters cannot be read: {}\n",
            sanitize(missing)
        ));
    }
    if snapshot.state.is_live() {
        let flag = if snapshot.environment == "local" {
            String::new()
        } else {
            format!(" --env {}", snapshot.environment)
        };
        text.push_str(&format!("  stop: `squad stop {}{flag}`", snapshot.service));
        if matches!(snapshot.driver, Driver::Nobody { .. }) {
            text.push_str(&format!(
                " · take it up: `squad rollout drive {}{flag}`",
                snapshot.service
            ));
        }
        text.push('\n');
    }
    text
}

fn units_table(output: &Output, snapshot: &Snapshot, width: usize) -> String {
    let header = [
        ("", Align::Left),
        ("WEIGHT", Align::Right),
        ("NEW: REQUESTS", Align::Right),
        ("BAD", Align::Right),
        ("OLD: REQUESTS", Align::Right),
        ("BAD", Align::Right),
        ("NEW/OLD", Align::Right),
        ("DECISION", Align::Left),
    ];
    let rows: Vec<_> = snapshot
        .units
        .iter()
        .map(|unit| {
            let total = unit.total;
            vec![
                unit.spoken.clone(),
                format!("{} %", unit.weight),
                grouped(total.canary.requests),
                grouped(total.canary.bad),
                grouped(total.stable.requests),
                grouped(total.stable.bad),
                ratio(unit.judgement.as_ref()),
                decision(output, unit),
            ]
        })
        .collect();
    render(&header, &rows, Some(width))
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

/// The verdict, how far the evidence is towards a failure, and what is left.
fn decision(output: &Output, unit: &UnitSnapshot) -> String {
    if unit.steps == 0 {
        return "with the promotion".to_owned();
    }
    let Some(judgement) = &unit.judgement else {
        return "after the routes above".to_owned();
    };
    let bar = bar(output, judgement);
    match judgement.verdict {
        Verdict::Pass => {
            let left = unit.eta_seconds.filter(|left| *left > 0.0);
            let left =
                left.map_or_else(|| "ready".to_owned(), |left| format!("{} left", span(left)));
            format!("pass {bar} {left}")
        }
        Verdict::Fail(_) => format!("fail {bar}"),
        Verdict::Inconclusive(_) => {
            let left = unit
                .eta_seconds
                .map_or_else(String::new, |left| format!(" about {} left", span(left)));
            format!("not told yet {bar}{left}")
        }
    }
}

/// The e-value on its way to the threshold, on a logarithmic scale.
fn bar(output: &Output, judgement: &Judgement) -> String {
    let share = (judgement.log_e / judgement.log_threshold).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 20 cells"
    )]
    let filled = (share * BAR as f64).round() as usize;
    let (full, empty) = if output.unicode() {
        ("█", "░")
    } else {
        ("#", ".")
    };
    format!("{}{}", full.repeat(filled), empty.repeat(BAR - filled))
}

/// The newest shares, each as one of eight heights.
fn sparkline(output: &Output, shares: &[Option<f64>], highest: f64) -> String {
    let heights: [char; 8] = if output.unicode() {
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        ['_', '.', ':', '-', '=', '+', '*', '#']
    };
    let from = shares.len().saturating_sub(SPARKS);
    shares
        .iter()
        .skip(from)
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
                heights.get(height).copied().unwrap_or('█')
            }
        })
        .collect()
}
