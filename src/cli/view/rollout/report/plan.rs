//! The plan as a part of the page: the steps of each unit, and what it was judged by.

use super::super::{grouped, seconds, span};
use super::markup::Markup;
use super::numbers::percent;
use super::story::Story;
use crate::domain::rollout::Unit;

/// Writes it.
pub(super) fn section(page: &mut Markup, story: &Story<'_>) {
    let plan = story.plan;
    page.element("div", &[("class", "wide")], |page| {
        page.element("table", &[], |page| {
            page.element("thead", &[], |page| {
                page.element("tr", &[], |page| {
                    for (text, class) in [
                        ("Route", ""),
                        ("Steps", ""),
                        ("Requests/s before", "number"),
                        ("Bad before", "number"),
                        ("Failures come", ""),
                    ] {
                        page.leaf("th", &[("scope", "col"), ("class", class)], text);
                    }
                });
            });
            page.element("tbody", &[], |page| {
                for unit in &plan.units {
                    row(page, unit);
                }
            });
        });
    });
    page.element("dl", &[], |page| {
        for (name, text) in facts(story) {
            page.leaf("dt", &[], name);
            page.leaf("dd", &[], &text);
        }
    });
}

fn row(page: &mut Markup, unit: &Unit) {
    let steps: Vec<String> = unit
        .steps
        .iter()
        .map(|step| {
            let hold = span(seconds(step.hold_seconds));
            match &unit.gate {
                Some(gate) => format!("{} for {hold}", gate.spoken(step.weight)),
                None => format!("{} % for {hold}", step.weight),
            }
        })
        .collect();
    let steps = if steps.is_empty() {
        "none: moves with the promotion".to_owned()
    } else {
        steps.join(", ")
    };
    let failures = if unit.design_effect > 1.05 {
        format!("about {:.1} together", unit.design_effect)
    } else {
        "one by one".to_owned()
    };
    let has_traffic = unit.requests_per_second > 0.0;
    page.element("tr", &[], |page| {
        page.leaf("th", &[("scope", "row")], &unit.spoken());
        page.leaf("td", &[], &steps);
        let rate = format!("{:.1}", unit.requests_per_second);
        page.leaf("td", &[("class", "number")], &rate);
        let share = if has_traffic {
            percent(unit.bad_share)
        } else {
            "–".to_owned()
        };
        page.leaf("td", &[("class", "number")], &share);
        page.leaf("td", &[], if has_traffic { &failures } else { "–" });
    });
}

fn facts(story: &Story<'_>) -> Vec<(&'static str, String)> {
    let plan = story.plan;
    let bad = match plan.analysis.slow_milliseconds {
        Some(slow) => format!(
            "It fails (5xx, or no answer), or takes longer than {} ms.",
            grouped(slow)
        ),
        None => "It fails: 5xx, or no answer.".to_owned(),
    };
    let mut facts = vec![
        ("A request is bad when", bad),
        (
            "Tolerance",
            format!(
                "{}: the bad share of the new revision may be so many times that of the old one.",
                plan.analysis.tolerance
            ),
        ),
        (
            "Harm",
            format!(
                "{} points: of all requests of a route, so many in a hundred may turn bad by going on.",
                plan.analysis.harm
            ),
        ),
        (
            "Longest hold",
            format!(
                "{}: without a verdict for so long, it pauses.",
                span(seconds(plan.max_hold_seconds))
            ),
        ),
        (
            "Watch",
            format!(
                "{} after the promotion, in which it can still go back by itself.",
                span(seconds(plan.watch_seconds))
            ),
        ),
        (
            "Looks",
            format!(
                "Every {}; the first {} of the new revision's traffic are not judged.",
                span(seconds(plan.interval_seconds)),
                span(seconds(plan.warmup_seconds))
            ),
        ),
        (
            "Unattended",
            format!(
                "Up to {} % without a driver that stays.",
                plan.max_unattended_weight
            ),
        ),
    ];
    if !plan.gated.is_empty() {
        let routes: Vec<String> = plan
            .gated
            .iter()
            .map(|route| format!("{} {}", route.method, route.path.0))
            .collect();
        facts.push((
            "New routes",
            format!("{}: they open with the promotion.", routes.join(", ")),
        ));
    }
    facts
}
