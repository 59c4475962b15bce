//! The table of units with their totals as a part of the page.

use super::decisions;
use super::markup::Markup;
use super::numbers::{counted, evidence, ratio};
use super::story::{Story, UnitStory};
use crate::domain::analysis::{Interval, Tally};
use crate::output::sanitize;

/// A row for each unit, and their sum.
pub(super) fn section(page: &mut Markup, story: &Story<'_>) {
    let (stable, canary) = (story.plan.stable, story.plan.canary);
    page.element("div", &[("class", "wide")], |page| {
        page.element("table", &[], |page| {
            page.element("thead", &[], |page| {
                page.element("tr", &[], |page| {
                    page.leaf("th", &[("scope", "col")], "Route");
                    for text in [
                        "Highest weight".to_owned(),
                        format!("New ({canary}): bad of requests"),
                        format!("Old ({stable}): bad of requests"),
                        "New/old".to_owned(),
                        "E-value".to_owned(),
                    ] {
                        page.leaf("th", &[("scope", "col"), ("class", "number")], &text);
                    }
                    page.leaf("th", &[("scope", "col"), ("class", "verdict")], "Verdict");
                    page.leaf(
                        "th",
                        &[("scope", "col"), ("class", "number")],
                        "New, after promotion",
                    );
                });
            });
            page.element("tbody", &[], |page| {
                for one in &story.units {
                    unit_row(page, one);
                }
            });
            page.element("tfoot", &[], |page| sum_row(page, story));
        });
    });
    page.leaf(
        "p",
        &[("class", "note")],
        "Only requests that were judged: both revisions at the same times, without the warm-up and without those that a tester sent to one of them by name. The others are in the last column.",
    );
}

fn unit_row(page: &mut Markup, one: &UnitStory<'_>) {
    page.element("tr", &[], |page| {
        page.leaf("th", &[("scope", "row")], &one.unit.spoken());
        let highest = match &one.unit.gate {
            Some(gate) => sanitize(&gate.spoken(one.highest)),
            None => format!("{} %", one.highest),
        };
        number(page, &highest);
        decisions::cell(page, &counted(one.judged.canary));
        decisions::cell(page, &counted(one.judged.stable));
        match &one.judgement {
            Some(judgement) => {
                decisions::cell(page, &ratio(judgement));
                decisions::cell(page, &evidence(judgement));
                decisions::verdict(page, judgement);
            }
            None => {
                number(page, "–");
                number(page, "–");
                page.leaf("td", &[("class", "verdict")], "not judged");
            }
        }
        after(page, one.promoted);
    });
}

fn sum_row(page: &mut Markup, story: &Story<'_>) {
    let mut judged = Interval::default();
    let mut promoted = Tally::default();
    for one in &story.units {
        judged.canary = judged.canary.plus(one.judged.canary);
        judged.stable = judged.stable.plus(one.judged.stable);
        promoted = promoted.plus(one.promoted);
    }
    page.element("tr", &[], |page| {
        page.leaf("th", &[("scope", "row")], "All together");
        number(page, "");
        decisions::cell(page, &counted(judged.canary));
        decisions::cell(page, &counted(judged.stable));
        for _ in 0..3 {
            number(page, "");
        }
        after(page, promoted);
    });
}

/// What the canary did once it served everything.
fn after(page: &mut Markup, tally: Tally) {
    if tally.requests == 0 {
        number(page, "–");
    } else {
        decisions::cell(page, &counted(tally));
    }
}

fn number(page: &mut Markup, text: &str) {
    page.leaf("td", &[("class", "number")], text);
}
