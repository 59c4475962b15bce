//! The live view of a rollout, and the same as plain lines.

use super::block::block;
use super::wire::SnapshotWire;
use super::{bad_word, goes, grouped, requests, seconds, span};
use jiff::Timestamp;

use crate::cli::context::Context;
use crate::domain::analysis::{Judgement, Reason, Tally, Verdict};
use crate::domain::rollout::{Phase, Waiting};
use crate::ops::rollout::snapshot::{Driver, Snapshot, UnitSnapshot};
use crate::ops::rollout::words;
use crate::output::canvas::Canvas;
use crate::output::sanitize;

/// Why nothing is told while the counters are silent.
pub(super) const UNREADABLE: &str = "not known while the counters cannot be read";
/// There were requests, but none since the weight was raised.
pub(super) const NOT_YET_HERE: &str = "none at this weight yet";
/// How a new route does, which nothing was there before to be compared with.
pub(super) const NEW_ROUTE_PASSES: &str = "few enough for a new route";
/// The opposite.
pub(super) const NEW_ROUTE_FAILS: &str = "too many for a new route";

/// What is on the screen.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    last: Option<String>,
    canvas: Canvas,
}

impl Screen {
    /// Shows a rollout: the whole block, or while following without a terminal that can draw one line where something changed.
    pub(crate) fn show(&mut self, context: &Context, snapshot: &Snapshot, watch: bool) {
        if context.output.is_json() {
            context.output.json(&SnapshotWire::new(snapshot));
            return;
        }
        if watch && !context.output.can_redraw() {
            let line = one_line(snapshot);
            if self.last.as_ref() != Some(&line) {
                context.output.out(&line);
                self.last = Some(line);
            }
            return;
        }
        let size = context.output.size();
        let text = block(&context.output, snapshot, size.0);
        if watch {
            let redraw = self.redraw(&text, size);
            context.output.drawn(&redraw);
        } else {
            context.output.out(text.trim_end());
        }
    }

    /// Nothing new is known since then, because the platform does not answer: what was shown stays, with that below it.
    pub(crate) fn silent(
        &mut self,
        context: &Context,
        snapshot: Option<&Snapshot>,
        since: Timestamp,
        line: &str,
    ) {
        match snapshot {
            Some(snapshot) if context.output.is_json() => {
                let wire = SnapshotWire::new(snapshot).unanswered(since);
                context.output.json(&wire);
            }
            Some(snapshot) if context.output.can_redraw() => {
                let size = context.output.size();
                let text = block(&context.output, snapshot, size.0);
                let redraw = self.redraw(&format!("{}\n\n  {line}\n", text.trim_end()), size);
                context.output.drawn(&redraw);
            }
            _ => {
                context.output.status(line);
                self.last = None;
            }
        }
    }

    /// Draws over what was drawn before.
    pub(super) fn redraw(&mut self, text: &str, size: (usize, usize)) -> String {
        self.canvas.draw(text, size)
    }

    /// The person leaves: the `^C` that the terminal has written is wiped away.
    pub(crate) fn leave(&self, context: &Context) {
        context.output.drawn(self.canvas.leave());
    }
}

/// `payments 41 → 42 · local · holding at 25 %, step 2 of 3 · driven by ana on laptop`.
pub(super) fn headline(snapshot: &Snapshot) -> String {
    let state = &snapshot.state;
    let mut parts = vec![
        format!("{} {} → {}", snapshot.service, state.stable, state.canary),
        snapshot.environment.clone(),
    ];
    // A weight says more than a gate: that counts only where there is nothing else.
    let furthest = |is_gated: bool| {
        let units = snapshot.units.iter();
        units
            .filter(|unit| unit.position > 0 && unit.gate.is_some() == is_gated)
            .max_by_key(|unit| unit.position)
    };
    parts.push(match (state.phase, furthest(false).or(furthest(true))) {
        _ if snapshot.drifted.is_some() => words::phase(Phase::Drifted).to_owned(),
        (Phase::Shifting | Phase::Holding | Phase::Paused, Some(unit)) => {
            let phase = words::phase(state.phase);
            let step = format!("step {} of {}", unit.position, unit.steps);
            match (gated(snapshot, unit), lowest(snapshot)) {
                (Some(callers), _) => format!("{phase} open to {callers}, {step}"),
                // The step of one of them would be taken for that of all.
                (None, Some(lowest)) if lowest < unit.weight => {
                    format!("{phase} at {lowest} to {} %", unit.weight)
                }
                (None, _) => format!("{phase} at {} %, {step}", unit.weight),
            }
        }
        _ => words::phase(state.phase).to_owned(),
    });
    match &snapshot.driver {
        Driver::Over => {}
        Driver::Alive(actor) => parts.push(format!("driven by {}", sanitize(&actor.to_string()))),
        Driver::Asleep { actor, since } => parts.push(format!(
            "unattended: {} has not looked since {}",
            sanitize(&actor.to_string()),
            since.strftime("%H:%M:%S UTC")
        )),
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

/// The lowest weight in percent of what has steps and is split.
fn lowest(snapshot: &Snapshot) -> Option<u8> {
    let units = snapshot.units.iter();
    units
        .filter(|unit| unit.steps > 0 && unit.gate.is_none())
        .map(|unit| unit.weight)
        .min()
}

/// Everything in one line, for logs.
pub(crate) fn one_line(snapshot: &Snapshot) -> String {
    let mut line = headline(snapshot);
    let units = snapshot.units.iter();
    for unit in units.filter(|unit| shown(snapshot, unit).is_some()) {
        let canary = counted(snapshot, unit);
        let part = gated(snapshot, unit).map_or_else(
            || format!("{} %", unit.weight),
            |callers| format!("for {callers}"),
        );
        line.push_str(&format!(
            " · {} {part}: {} handled, {} bad",
            unit.name,
            grouped(canary.requests),
            grouped(canary.bad)
        ));
        if let Some(judgement) = shown(snapshot, unit) {
            line.push_str(&format!(", {}", verdict(&judgement.verdict)));
        }
    }
    if let Some(drifted) = &snapshot.drifted {
        line.push_str(&format!(" · others changed the traffic: {drifted}"));
    }
    if let Some(missing) = &snapshot.missing {
        line.push_str(&format!(
            " · the counters cannot be read: {}",
            sanitize(missing)
        ));
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

/// `revision 42 serves all requests; it can still go back for 28 min`.
pub(super) fn watching(snapshot: &Snapshot) -> String {
    let left = (seconds(snapshot.plan.watch_seconds) - snapshot.phase_seconds).max(0.0);
    format!(
        "revision {} serves all requests; it can still go back for {}",
        snapshot.state.canary,
        span(left)
    )
}

/// How each unit goes, or why that cannot be told.
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

/// One unit for somebody who does not know statistics: `1 in 20 requests of POST /refund goes to 42; 118 handled, 0
/// failed, about as many as before`.
pub(super) fn plain(snapshot: &Snapshot, unit: &UnitSnapshot) -> String {
    let canary = counted(snapshot, unit);
    let bad = bad_word(snapshot.plan.analysis.slow_milliseconds);
    let (since, warmed) = match watched(snapshot, unit) {
        Some(_) => (" since the promotion", String::new()),
        None => ("", warmed(unit.warmup, bad)),
    };
    let (part, goes) = match gated(snapshot, unit) {
        Some(callers) => (format!("{} for {callers}", sanitize(&unit.spoken)), "goes"),
        None => (requests(unit.weight, &unit.spoken), goes(unit.weight)),
    };
    let goes = if snapshot.drifted.is_some() {
        "was to go"
    } else {
        goes
    };
    format!(
        "{part} {goes} to the new version; {} handled, {} {bad}{since}, {}{warmed}",
        grouped(canary.requests),
        grouped(canary.bad),
        compared(snapshot, unit)
    )
}

/// `; 40 more handled, 2 failed while it warmed up, not judged`.
pub(super) fn warmed(warmup: Tally, bad: &str) -> String {
    if warmup.requests == 0 {
        return String::new();
    }
    format!(
        "; {} more handled, {} {bad} while it warmed up, not judged",
        grouped(warmup.requests),
        grouped(warmup.bad)
    )
}

/// How the watch sees a unit, while or after all requests go to the new revision.
pub(super) fn watched<'a>(snapshot: &Snapshot, unit: &'a UnitSnapshot) -> Option<&'a Judgement> {
    let phase = snapshot.state.phase;
    let is_promoted = matches!(
        phase,
        Phase::Promoting | Phase::Finalising | Phase::Succeeded
    );
    unit.watch.as_ref().filter(|_| is_promoted)
}

/// The verdict that matters now: of the watch after the promotion, else of the comparison.
pub(super) fn shown<'a>(snapshot: &Snapshot, unit: &'a UnitSnapshot) -> Option<&'a Judgement> {
    watched(snapshot, unit).or(unit.judgement.as_ref())
}

/// What the new revision did: since the promotion, or of what was compared before.
fn counted(snapshot: &Snapshot, unit: &UnitSnapshot) -> Tally {
    watched(snapshot, unit).map_or(unit.total.canary, |watch| watch.canary)
}

/// Who passes the gate of a unit; none for one that is split, and for a gate that is shut or gone.
pub(super) fn gated(snapshot: &Snapshot, unit: &UnitSnapshot) -> Option<String> {
    let phase = snapshot.state.phase;
    let is_open = matches!(phase, Phase::Shifting | Phase::Holding | Phase::Paused);
    let gate = unit.gate.as_ref().filter(|_| is_open && unit.weight > 0)?;
    Some(sanitize(&gate.spoken(unit.weight)))
}

fn compared(snapshot: &Snapshot, unit: &UnitSnapshot) -> String {
    let canary = counted(snapshot, unit);
    match shown(snapshot, unit).map(|judgement| &judgement.verdict) {
        Some(Verdict::Pass) if unit.gate.is_some() => NEW_ROUTE_PASSES.to_owned(),
        Some(Verdict::Fail(_)) if unit.gate.is_some() => NEW_ROUTE_FAILS.to_owned(),
        Some(Verdict::Pass) => "about as many as before".to_owned(),
        Some(Verdict::Fail(_)) => "more than before".to_owned(),
        // There may have been requests: nobody could count them.
        Some(Verdict::Inconclusive(Reason::NoData)) if snapshot.missing.is_some() => {
            UNREADABLE.to_owned()
        }
        Some(Verdict::Inconclusive(Reason::NoData)) if snapshot.is_warming_up => {
            "warming up, so not counted yet".to_owned()
        }
        Some(Verdict::Inconclusive(Reason::NoData)) if canary.requests > 0 => {
            NOT_YET_HERE.to_owned()
        }
        Some(Verdict::Inconclusive(reason)) => words::inconclusive(reason),
        None => "nothing yet".to_owned(),
    }
}
