//! The page.

use super::{Log, aborted, actor, holding, plan, promoted, unit};
use crate::cli::view::rollout::html;
use crate::domain::environment::Environment;
use crate::domain::rollout::{Command, Phase, Why};
use crate::domain::service::RolloutStep;

pub(super) fn page(log: &Log) -> String {
    html(&log.row(), &log.entries, &Environment::builtin_local())
}

/// Elements that have no end tag in HTML.
const VOID: [&str; 2] = ["meta", "link"];

/// Checks that every tag is closed in its order and every attribute quoted, and returns the text between the tags, with
/// the names of the elements that it is in.
fn read(page: &str) -> Vec<(Vec<String>, String)> {
    let mut open: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>\n").expect("a doctype");
    while let Some(start) = rest.find('<') {
        let (text, from) = rest.split_at(start);
        assert!(!text.contains('>'), "{text}");
        if !text.trim().is_empty() {
            texts.push((open.clone(), text.to_owned()));
        }
        let end = from.find('>').expect("a tag ends");
        let tag = &from[1..end];
        rest = &from[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "after {texts:?}");
            continue;
        }
        let (tag, is_closed) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        assert!(!tag.contains('\''), "{tag}");
        let name = tag.split(' ').next().expect("a name").to_owned();
        if name == "style" {
            let end = rest.find("</style>").expect("the sheet ends");
            rest = &rest[end..];
        }
        if !is_closed && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    texts
}

/// All text of the page, one piece on each line.
fn text(page: &str) -> String {
    let pieces: Vec<String> = read(page).into_iter().map(|(_, text)| text).collect();
    pieces
        .join("\n")
        .replace("&gt;", ">")
        .replace("&lt;", "<")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        .replace("\u{a0}%", " %")
}

#[track_caller]
pub(super) fn says(page: &str, wanted: &[&str]) {
    let text = text(page);
    for one in wanted {
        assert!(text.contains(one), "`{one}` is not in:\n{text}");
    }
}

#[test]
fn a_promoted_rollout_is_told_from_start_to_end() {
    let page = page(&promoted());
    says(
        &page,
        &[
            "✔ succeeded",
            "The new version of payments serves everybody",
            "Up to 1 in 2 requests of POST /charges/{id}/refund went to the new version: ",
            "about as many as before (old version: ",
            "All other requests followed with the promotion",
            // The decisions, with who and why.
            "0 → 5 %: POST /charges/{id}/refund, GET /charges/{id}",
            "as healthy as revision 41: GET /charges/{id}, ",
            "lunch, back at 15:10",
            "rui@acme.example on desk",
            "ci run 991 on runner-7 drives from here on",
            "never came into force",
            "all requests to revision 42",
            // The plan, and where it comes from.
            "5 % for 5 min, 25 % for 10 min, 50 % for 10 min",
            "1.25: the bad share of the new revision may be so many times that of the old one.",
            "12.0 h: without a verdict for so long, it pauses.",
            "01KB3R5Y7TQ4V0ZJ3N8M6W2XCE",
            "rollout/payments/01KB3R5Y7TQ4V0ZJ3N8M6W2XCE/",
            // The marks in the charts.
            "no data",
            "counters began anew",
            "warm-up, not judged",
        ],
    );
}

#[test]
fn an_aborted_rollout_says_which_route_was_worse() {
    let page = page(&aborted());
    says(
        &page,
        &[
            "✖ aborted",
            "The new version of payments was sent back",
            "Why: POST /charges/{id}/refund: worse than revision 41.",
            "1 in 20 requests of POST /charges/{id}/refund went to the new version: ",
            "more than before (old version: 0.26 % of 2,736); ",
            "all requests to revision 41",
            "fail",
        ],
    );
}

#[test]
fn a_live_rollout_is_told_as_of_its_newest_entry() {
    let page = page(&holding());
    says(
        &page,
        &[
            "… holding",
            "24 Nov 2026, 14:52:08 UTC; it goes on",
            "1 in 20 requests of POST /charges/{id}/refund goes to the new version now: ",
            "1 in 4 requests of GET /charges/{id} goes to the new version now: ",
            "All other requests stay on the old version so far.",
        ],
    );
}

#[test]
fn every_phase_and_an_empty_log_have_a_page() {
    let mut log = holding();
    for phase in Phase::ALL {
        log.state.0 = phase;
        let _text = read(&page(&log));
    }
    let mut row = log.row();
    row.phase = None;
    let environment = Environment::builtin_local();
    says(
        &html(&row, &log.entries, &environment),
        &["! changed outside squad"],
    );
    let mut early = Log::new(plan());
    early.begin();
    says(
        &page(&early),
        &["goes to the new version now, but none was judged there yet, so nothing can be told"],
    );
    let empty = Log::new(plan());
    says(
        &page(&empty),
        &[
            "… planned",
            "No requests were counted here.",
            "0 looks, 0 decisions",
        ],
    );
}

#[test]
fn what_people_and_routes_say_stays_text() {
    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>&lt;\u{202e}\u{1b}[2J";
    let mut plan = plan();
    plan.reason = Some(EVIL.to_owned());
    plan.actor = actor(EVIL, EVIL);
    plan.units[0] = unit("refund", "POST", "/a/<script>alert(2)</script>\"/{id}", 4.0);
    plan.gated = plan.units[0].routes.clone();
    let mut log = Log::new(plan);
    log.begin();
    log.who = actor(EVIL, EVIL);
    log.generation = 2;
    log.missing(1, 30, EVIL);
    let by_hand = Why::ByHand(Command::Abort);
    log.decide(Phase::Aborting, &[1, 1, 0], by_hand, Some(EVIL));
    let page = page(&log);
    // The texts that were put in come out again, and no element of them.
    says(
        &page,
        &["<script>alert(1)</script>\"'><img src=x onerror=y>&lt;"],
    );
    for element in ["<script", "<img", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(element), "{element} in {page}");
    }
}

#[test]
fn it_needs_nothing_from_elsewhere_and_runs_nothing() {
    let page = page(&promoted());
    assert!(page.contains(
        "content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; img-src data:;"
    ));
    for word in [
        "<script", "http:", "https:", "@import", "url(", " on", "<iframe", "src=",
    ] {
        let found = page.match_indices(word).any(|(at, _)| {
            // ` on` only as the beginning of an attribute: inside of a tag, before `=`.
            let before = &page[..at];
            let in_tag = before.rfind('<') > before.rfind('>');
            word != " on" || in_tag && page[at..].find('=') < page[at..].find('"')
        });
        assert!(!found, "{word}");
    }
}

#[test]
fn the_same_log_yields_the_same_bytes() {
    assert_eq!(page(&promoted()), page(&promoted()));
}

#[test]
fn ten_thousand_looks_stay_small_and_the_page_says_that_they_are_drawn_together() {
    let mut log = Log::new(plan());
    log.begin();
    log.looks(10_000, 5, &[]);
    let page = page(&log);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    says(
        &page,
        &[
            "the line is the bad share of all its requests, and the shade reaches up to its worst look.",
            "A point is about 7 min, at most 84 looks.",
            "Worst single look: new ",
        ],
    );
}

#[test]
fn the_most_routes_in_the_longest_log_stay_small() {
    let mut many = plan();
    let rest = many.units.pop().unwrap();
    many.units = (0..63)
        .map(|index| {
            unit(
                &format!("route-{index}"),
                "GET",
                &format!("/things/{index}/{{id}}"),
                1.0,
            )
        })
        .collect();
    for unit in &mut many.units {
        unit.steps = (1..=35)
            .map(|weight| RolloutStep {
                weight: weight * 2,
                hold_seconds: 60,
            })
            .collect();
    }
    many.units.push(rest);
    let mut log = Log::new(many);
    let positions = |position: u8| {
        let mut positions = vec![position; 63];
        positions.push(0);
        positions
    };
    log.decide(Phase::Preparing, &positions(0), Why::Started, None);
    log.shift(&positions(1), Why::Ready);
    for step in 2..=35 {
        log.looks(290, 10, &[]);
        let name = format!("route-{step}");
        log.shift(&positions(step), Why::Passed(vec![name]));
    }
    let page = page(&log);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    says(&page, &["There are too many numbers for one page"]);
}
