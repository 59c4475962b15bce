//! The page from its head to its foot.

use super::super::{grouped, span};
use super::decisions;
use super::markup::Markup;
use super::plain::{self, Tone};
use super::plan;
use super::shares;
use super::story::Story;
use super::totals;
use super::traffic;
use crate::domain::analysis::Verdict;
use crate::domain::environment::Environment;

/// Nothing is loaded and nothing runs; the one style sheet is in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// What the charts of bad requests show.
const BAD_REQUESTS: &str = "Of all requests of a route, how many in a hundred were bad, in the new and in the old revision at the same times. Where there are more looks than can be drawn, or few requests in each, several of them are one point: the line is the bad share of all its requests, and the shade reaches up to its worst look.";

/// The whole document.
pub(super) fn page(story: &Story<'_>, environment: &Environment) -> String {
    let mut page = Markup::default();
    page.doctype();
    page.element("html", &[("lang", "en")], |page| {
        page.element("head", &[], |page| head(page, story));
        page.element("body", &[], |page| {
            page.element("main", &[], |page| {
                opening(page, story, environment);
                section(page, "Traffic", |page| traffic::chart(page, story));
                section(page, "Bad requests", |page| {
                    page.leaf("p", &[], BAD_REQUESTS);
                    for (index, one) in story.units.iter().enumerate() {
                        shares::chart(page, story, one, index);
                    }
                });
                section(page, "Totals", |page| totals::section(page, story));
                section(page, "Decisions", |page| decisions::list(page, story));
                section(page, "Plan", |page| plan::section(page, story));
                section(page, "How to read this", |page| notes(page, story));
            });
        });
    });
    page.finish()
}

fn head(page: &mut Markup, story: &Story<'_>) {
    page.void("meta", &[("charset", "utf-8")]);
    page.void(
        "meta",
        &[
            ("http-equiv", "Content-Security-Policy"),
            ("content", POLICY),
        ],
    );
    page.void(
        "meta",
        &[
            ("name", "viewport"),
            ("content", "width=device-width, initial-scale=1"),
        ],
    );
    page.void(
        "meta",
        &[("name", "color-scheme"), ("content", "light dark")],
    );
    page.void("meta", &[("name", "generator"), ("content", "squad")]);
    // Else a browser asks the server for a picture of the page, which is forbidden and noisy.
    page.void("link", &[("rel", "icon"), ("href", "data:,")]);
    let plan = story.plan;
    let title = format!(
        "{} {} → {}: {}",
        plan.service,
        plan.stable,
        plan.canary,
        plain::phase(story)
    );
    page.leaf("title", &[], &title);
    page.style(include_str!("page.css"));
}

fn section(page: &mut Markup, title: &'static str, inside: impl FnOnce(&mut Markup)) {
    page.element("section", &[], |page| {
        page.leaf("h2", &[], title);
        inside(page);
    });
}

/// The headline, how each unit did in one sentence, and who did it when.
fn opening(page: &mut Markup, story: &Story<'_>, environment: &Environment) {
    let (plan, tone) = (story.plan, plain::tone(story));
    let (class, mark) = match tone {
        Tone::Good => ("state good", "✔"),
        Tone::Bad => ("state bad", "✖"),
        Tone::Open => ("state open", "!"),
        Tone::Going => ("state going", "…"),
    };
    page.element("header", &[], |page| {
        page.element("p", &[("class", "kicker")], |page| {
            page.leaf(
                "span",
                &[("class", class)],
                &format!("{mark} {}", plain::phase(story)),
            );
            page.text(&format!(
                " {} · revision {} → {} · {}",
                plan.service,
                plan.stable,
                plan.canary,
                environment.spoken()
            ));
        });
        page.leaf("h1", &[], &plain::title(story));
        page.leaf("p", &[("class", "lead")], &plain::lead(story));
    });
    page.element("ul", &[("class", "units")], |page| {
        for one in &story.units {
            let class = match one.judgement.as_ref().map(|judgement| &judgement.verdict) {
                Some(Verdict::Pass) => "well",
                Some(Verdict::Fail(_)) => "worse",
                Some(Verdict::Inconclusive(_)) => "untold",
                None => "",
            };
            page.leaf("li", &[("class", class)], &plain::unit(story, one));
        }
    });
    page.element("dl", &[("class", "facts")], |page| {
        for (name, text) in facts(story) {
            page.element("div", &[], |page| {
                page.leaf("dt", &[], name);
                page.leaf("dd", &[], &text);
            });
        }
    });
}

fn facts(story: &Story<'_>) -> Vec<(&'static str, String)> {
    let plan = story.plan;
    let mut facts = vec![(
        "Started",
        format!(
            "{} by {}",
            plan.started_at.strftime("%-d %b %Y, %H:%M:%S UTC"),
            plan.actor
        ),
    )];
    if let Some(reason) = &plan.reason {
        facts.push(("Because", reason.clone()));
    }
    let newest = story
        .last_at
        .strftime("%-d %b %Y, %H:%M:%S UTC")
        .to_string();
    facts.push(if story.is_live() {
        ("As of", format!("{newest}; it goes on"))
    } else {
        (
            "Ended",
            format!("{newest}, {} after the first look", span(story.seconds)),
        )
    });
    let actors: Vec<String> = story.actors.iter().map(ToString::to_string).collect();
    if !actors.is_empty() {
        facts.push(("Took part", actors.join(", ")));
    }
    facts
}

/// The words of the page, and where all of it comes from.
fn notes(page: &mut Markup, story: &Story<'_>) {
    let plan = story.plan;
    let threshold = grouped(u64::from(plan.judged()) * 100);
    page.element("dl", &[], |page| {
        for (name, text) in [
            (
                "New/old",
                "The bad share of the new revision over that of the old one at the same times. “At most” holds at every look: it is wrong in at most 5 of 100 rollouts.".to_owned(),
            ),
            (
                "Rise",
                "By how many percentage points the bad share can have risen at most, and how much would still be acceptable before going on to the next weight. A step passes when the first is not above the second (or when new/old is at most the tolerance), with enough requests seen.".to_owned(),
            ),
            (
                "E-value",
                format!("How strongly the numbers speak against the new revision. Of a healthy one it stays small; at {threshold} the rollout goes back by itself, which happens to a healthy one in at most 1 of 100 rollouts. The bar is logarithmic."),
            ),
            (
                "Cannot be told",
                "Not enough was seen. That never counts as success: the weights stay, and in the end somebody is asked.".to_owned(),
            ),
            (
                "Time",
                "Charts and “+12 min” count the time that the looks cover from the first one on. Clock times are UTC, as the clocks of those who acted had them.".to_owned(),
            ),
        ] {
            page.leaf("dt", &[], name);
            page.leaf("dd", &[], &text);
        }
    });
    page.element("p", &[("class", "note")], |page| {
        page.text("Rollout ");
        page.leaf("code", &[], &plan.id);
        page.text(", made from its plan and its log, ");
        page.leaf(
            "code",
            &[],
            &format!("rollout/{}/{}/", plan.service, plan.id),
        );
        page.text(&format!(
            " ({} looks, {} decisions). The same log yields the same page, byte for byte.",
            grouped(count(story.looks.len())),
            grouped(count(story.decisions().count()))
        ));
    });
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
