//! The decisions as a part of the page: when, what, why, who, and the numbers of that moment.

use super::chart;
use super::markup::Markup;
use super::numbers::{self, Pair};
use super::plain;
use super::story::{Decided, Event, Story};
use crate::domain::analysis::{Judgement, Verdict};
use crate::domain::rollout::{Phase, Why};
use crate::ops::rollout::words;

/// The most rows of numbers in one page; beyond it a decision shows only the routes that it was about.
const MOST_ROWS: usize = 600;

/// Writes the list.
pub(super) fn list(page: &mut Markup, story: &Story<'_>) {
    let rows: usize = story
        .decisions()
        .filter(|decided| decided.repeats.is_none())
        .map(|decided| decided.decision.judgements.len())
        .sum();
    let is_short = rows > MOST_ROWS;
    if is_short {
        page.leaf(
            "p",
            &[("class", "note")],
            "There are too many numbers for one page: each decision shows those of the routes that it was about. All of them are in the log, and in the report as JSON.",
        );
    }
    page.element("ol", &[("class", "decisions")], |page| {
        for event in &story.events {
            match event {
                Event::Decided(decided) => one(page, story, decided, is_short),
                Event::TakenOver { at, seconds, actor } => {
                    page.element("li", &[("class", "quiet")], |page| {
                        when(page, *at, *seconds);
                        page.leaf("p", &[("class", "what")], "Taken over");
                        let text = format!("{actor} drives from here on");
                        page.leaf("p", &[("class", "why")], &text);
                    });
                }
            }
        }
    });
}

fn one(page: &mut Markup, story: &Story<'_>, decided: &Decided<'_>, is_short: bool) {
    let decision = decided.decision;
    let class = match (&decision.why, decision.to.0) {
        _ if !decided.is_in_force => "void",
        (Why::Verified | Why::Started, _) => "quiet",
        (_, Phase::Aborting) => "alarm",
        (_, Phase::Paused | Phase::Drifted) => "open",
        _ => "step",
    };
    page.element("li", &[("class", class)], |page| {
        page.leaf("span", &[("class", "count")], &decided.number.to_string());
        when(page, decided.at, decided.seconds);
        page.element("p", &[("class", "what")], |page| {
            page.leaf("b", &[], &plain::change(story, decided));
            if !decided.is_in_force {
                page.text(" – never came into force");
            }
        });
        page.element("p", &[("class", "why")], |page| {
            page.text(&format!("{}, ", plain::why(story, decided)));
            page.leaf("span", &[("class", "who")], &decided.actor.to_string());
        });
        if let Some(reason) = &decision.reason {
            page.leaf("blockquote", &[], reason);
        }
        match decided.repeats {
            Some(number) if decided.has_numbers() => {
                let text = format!("The numbers are those of decision {number}.");
                page.leaf("p", &[("class", "note")], &text);
            }
            None if decided.has_numbers() => table(page, story, decided, is_short),
            // Before anything was counted there is nothing to show.
            _ => {}
        }
    });
}

fn when(page: &mut Markup, at: jiff::Timestamp, seconds: f64) {
    page.element("p", &[("class", "when")], |page| {
        let exact = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let short = at.strftime("%-d %b %H:%M:%S").to_string();
        page.leaf("time", &[("datetime", &exact)], &short);
        page.leaf("small", &[], &numbers::since_start(seconds));
    });
}

/// The numbers that a decision rests on.
fn table(page: &mut Markup, story: &Story<'_>, decided: &Decided<'_>, is_short: bool) {
    let about: &[String] = match &decided.decision.why {
        Why::Passed(names) => names,
        Why::Failed { unit, .. } | Why::NoVerdict { unit, .. } => std::slice::from_ref(unit),
        _ => &[],
    };
    let rows: Vec<_> = decided
        .decision
        .judgements
        .iter()
        .filter(|(name, _)| !is_short || about.contains(name))
        .collect();
    if rows.is_empty() {
        return;
    }
    page.element("div", &[("class", "wide")], |page| {
        page.element("table", &[], |page| {
            page.element("thead", &[], header);
            page.element("tbody", &[], |page| {
                for (name, judgement) in rows {
                    row(page, story, name, judgement);
                }
            });
        });
    });
}

fn header(page: &mut Markup) {
    page.element("tr", &[], |page| {
        for (text, class) in [
            ("Route", ""),
            ("New: bad of requests", "number"),
            ("Old: bad of requests", "number"),
            ("New/old", "number"),
            ("Rise at most", "number"),
            ("E-value", "number"),
            ("Verdict", "verdict"),
        ] {
            page.leaf("th", &[("scope", "col"), ("class", class)], text);
        }
    });
}

fn row(page: &mut Markup, story: &Story<'_>, name: &str, judgement: &Judgement) {
    let spoken = story
        .plan
        .units
        .iter()
        .find(|unit| unit.name == name)
        .map_or_else(|| name.to_owned(), crate::domain::rollout::Unit::spoken);
    page.element("tr", &[], |page| {
        page.leaf("th", &[("scope", "row")], &spoken);
        for pair in [
            numbers::counted(judgement.canary),
            numbers::counted(judgement.stable),
            numbers::ratio(judgement),
            numbers::rise(judgement),
        ] {
            cell(page, &pair);
        }
        page.element("td", &[("class", "number")], |page| {
            two(page, &numbers::evidence(judgement));
            bar(page, judgement);
        });
        verdict(page, judgement);
    });
}

/// A cell with a number, and below it what belongs to it.
pub(super) fn cell(page: &mut Markup, pair: &Pair) {
    page.element("td", &[("class", "number")], |page| two(page, pair));
}

fn two(page: &mut Markup, pair: &Pair) {
    page.text(&pair.main);
    if !pair.small.is_empty() {
        page.text(" ");
        page.leaf("small", &[], &pair.small);
    }
}

/// The cell of a verdict: its word, and what is missing where it cannot be told.
pub(super) fn verdict(page: &mut Markup, judgement: &Judgement) {
    let class = match &judgement.verdict {
        Verdict::Pass => "verdict pass",
        Verdict::Fail(_) => "verdict fail",
        Verdict::Inconclusive(_) => "verdict open",
    };
    page.element("td", &[("class", class)], |page| {
        page.leaf("b", &[], &numbers::verdict(judgement));
        if let Verdict::Inconclusive(reason) = &judgement.verdict {
            page.text(&format!(" {}", words::inconclusive(reason)));
        }
    });
}

/// The e-value on its way to what it has to reach, on a logarithmic scale.
fn bar(page: &mut Markup, judgement: &Judgement) {
    let share = numbers::progress(judgement);
    let attributes = [
        ("class", "bar"),
        ("viewBox", "0 0 100 6"),
        ("aria-hidden", "true"),
    ];
    page.element("svg", &attributes, |svg| {
        svg.shape(
            "rect",
            &[
                ("class", "rail"),
                ("width", "100"),
                ("height", "6"),
                ("rx", "3"),
            ],
        );
        let width = chart::at(share * 100.0);
        if share > 0.0 {
            svg.shape(
                "rect",
                &[
                    ("class", "fill"),
                    ("width", &width),
                    ("height", "6"),
                    ("rx", "3"),
                ],
            );
        }
    });
}
