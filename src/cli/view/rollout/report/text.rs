//! The story as lines: how it stands, how each unit did, and the decisions with their numbers.

use super::super::fold::{fold, glued, unglued};
use super::numbers;
use super::plain;
use super::story::{Decided, Event, Story};
use crate::output::sanitize;
use crate::output::table::{Align, render};

/// Columns before what belongs to a moment.
const INDENT: usize = 10;

/// The lines, for a terminal of so many columns.
pub(super) fn lines(story: &Story<'_>, width: Option<usize>) -> Vec<String> {
    let plan = story.plan;
    let mut lines = Vec::new();
    let mut say = |text: &str, indent: usize| lines.extend(fold(text, indent, width));
    say(
        &format!(
            "{} {} → {}: {}",
            plan.service,
            plan.stable,
            plan.canary,
            plain::phase(story)
        ),
        0,
    );
    say(
        &format!(
            "rollout {}, started {} by {}",
            plan.id,
            plan.started_at.strftime("%F %T UTC"),
            sanitize(&plan.actor.to_string())
        ),
        2,
    );
    if let Some(reason) = &plan.reason {
        say(&format!("because: {}", sanitize(reason)), 2);
    }
    say(&plain::lead(story), 2);
    lines.push(String::new());
    for one in &story.units {
        lines.extend(fold(&plain::unit(story, one), 2, width));
    }
    let mut day = None;
    for event in &story.events {
        let at = match event {
            Event::Decided(decided) => decided.at,
            Event::TakenOver { at, .. } => *at,
        };
        let date = at.strftime("%F").to_string();
        if day.as_ref() != Some(&date) {
            lines.push(String::new());
            lines.push(format!("{date} (UTC)"));
            day = Some(date);
        }
        let head = match event {
            Event::Decided(decided) => plain::change(story, decided),
            Event::TakenOver { actor, .. } => {
                format!("taken over by {}", sanitize(&actor.to_string()))
            }
        };
        lines.extend(moment(
            &format!("{}  {}", at.strftime("%T"), sanitize(&head)),
            width,
        ));
        if let Event::Decided(decided) = event {
            lines.extend(detail(story, decided, width));
        }
    }
    lines
}

/// A line with its time; what does not fit goes below the words, not below the time.
fn moment(text: &str, width: Option<usize>) -> Vec<String> {
    let mut lines = fold(text.get(INDENT..).unwrap_or_default(), INDENT, width);
    if let Some(first) = lines.first_mut() {
        let words = first.trim_start().to_owned();
        *first = format!("{}{words}", text.get(..INDENT).unwrap_or_default());
    }
    lines
}

fn detail(story: &Story<'_>, decided: &Decided<'_>, width: Option<usize>) -> Vec<String> {
    let decision = decided.decision;
    let mut text = format!(
        "{}, {}",
        sanitize(&plain::why(story, decided)),
        sanitize(&decided.actor.to_string())
    );
    if let Some(reason) = &decision.reason {
        text.push_str(&format!(": “{}”", sanitize(reason)));
    }
    if !decided.is_in_force {
        text.push_str("; it never came into force");
    }
    let mut lines = fold(&text, INDENT, width);
    if decided.repeats.is_none() && decided.has_numbers() {
        let room = width.map(|width| width.saturating_sub(INDENT));
        let table = table(story, decided, room);
        lines.extend(table.lines().map(|line| format!("{:INDENT$}{line}", "")));
    }
    lines
}

fn table(story: &Story<'_>, decided: &Decided<'_>, width: Option<usize>) -> String {
    let header = [
        ("ROUTE", Align::Left),
        ("NEW: BAD", Align::Right),
        ("OLD: BAD", Align::Right),
        ("NEW/OLD", Align::Right),
        ("RISE AT MOST", Align::Right),
        ("E-VALUE", Align::Right),
        ("VERDICT", Align::Left),
    ];
    let rows: Vec<Vec<String>> = decided
        .decision
        .judgements
        .iter()
        .map(|(name, judgement)| {
            let unit = story.plan.units.iter().find(|unit| unit.name == *name);
            let spoken = unit.map_or_else(|| name.clone(), crate::domain::rollout::Unit::spoken);
            let cells = [
                sanitize(&spoken),
                numbers::counted(judgement.canary).in_line(),
                numbers::counted(judgement.stable).in_line(),
                numbers::ratio(judgement).in_line(),
                numbers::rise(judgement).in_line(),
                format!(
                    "{} {}",
                    numbers::evidence(judgement).main,
                    numbers::evidence(judgement).small
                ),
                numbers::verdict(judgement),
            ];
            cells.iter().map(|cell| glued(cell)).collect()
        })
        .collect();
    unglued(&render(&header, &rows, width))
}
