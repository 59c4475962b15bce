//! The story in plain words, for people who do not know statistics.

use super::super::screen::{NEW_ROUTE_FAILS, NEW_ROUTE_PASSES, NOT_YET_HERE, UNREADABLE, warmed};
use super::super::{bad_word, goes, grouped, requests, seconds, span};
use super::numbers::share;
use super::story::{Decided, Story, UnitStory};
use crate::domain::analysis::{Reason, Tally, Verdict};
use crate::domain::rollout::{Command, Phase, Why};
use crate::ops::rollout::words;
use crate::output::sanitize;

/// How many routes one sentence names.
const NAMED: usize = 3;

/// How it stands, as a colour and a mark say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// It ended well.
    Good,
    /// The new version went back.
    Bad,
    /// Somebody has to decide, or somebody else did.
    Open,
    /// It goes on by itself.
    Going,
}

/// How a rollout stands.
pub(super) fn tone(story: &Story<'_>) -> Tone {
    match story.phase {
        Some(Phase::Succeeded) => Tone::Good,
        Some(Phase::Aborting | Phase::Aborted) => Tone::Bad,
        Some(Phase::Paused | Phase::Drifted | Phase::Superseded) | None => Tone::Open,
        Some(_) => Tone::Going,
    }
}

/// The word for where it is.
pub(super) fn phase(story: &Story<'_>) -> &'static str {
    story.phase.map_or("changed outside squad", words::phase)
}

/// The first thing that anybody wants to know.
pub(super) fn title(story: &Story<'_>) -> String {
    let service = &story.plan.service;
    match story.phase {
        Some(Phase::Planned | Phase::Preparing) => {
            format!("The new version of {service} is getting ready")
        }
        Some(Phase::Shifting | Phase::Holding) => {
            format!("The new version of {service} is being tried out")
        }
        Some(Phase::Paused) => format!("The rollout of {service} is paused"),
        Some(Phase::Promoting | Phase::Finalising) => {
            format!("The new version of {service} serves everybody and is being watched")
        }
        Some(Phase::Succeeded) => format!("The new version of {service} serves everybody"),
        Some(Phase::Aborting | Phase::Aborted) if story.stays => {
            format!("The rollout of {service} was stopped at its end")
        }
        Some(Phase::Aborting) => format!("The new version of {service} is going back"),
        Some(Phase::Aborted) => format!("The new version of {service} was sent back"),
        Some(Phase::Superseded) => format!("The rollout of {service} gave way to another one"),
        Some(Phase::Drifted) | None => {
            format!("The traffic of {service} was changed outside squad")
        }
    }
}

/// What serves now, and why.
pub(super) fn lead(story: &Story<'_>) -> String {
    let (stable, canary) = (story.plan.stable, story.plan.canary);
    let why = match story.why {
        None => String::new(),
        Some(Why::ByHand(command)) => format!(" {}", by_hand(story, *command)),
        Some(why) => format!(" Why: {}.", words::why(story.plan, why)),
    };
    let length = span(story.seconds);
    match story.phase {
        Some(Phase::Planned | Phase::Preparing) => {
            format!(
                "No request goes to revision {canary} yet; revision {stable} serves all of them."
            )
        }
        Some(Phase::Shifting | Phase::Holding) => format!(
            "A part of the requests goes to revision {canary}, the others to revision {stable}, and both are compared all the time. If the new one turns out worse, it goes back by itself."
        ),
        Some(Phase::Paused) => format!(
            "The weights stay as they are until somebody decides; a new version that turns bad still goes back by itself.{why}"
        ),
        Some(Phase::Promoting | Phase::Finalising) => format!(
            "Revision {canary} serves all requests. If it turns bad within {}, revision {stable} takes them back.",
            span(seconds(story.plan.watch_seconds))
        ),
        Some(Phase::Succeeded) => format!(
            "Revision {canary} serves all requests, in place of revision {stable}. From the first look to the end of the watch it took {length}."
        ),
        Some(Phase::Aborting | Phase::Aborted) if story.stays => format!(
            "All requests were moving to revision {canary} already, so that is where they stay.{why}"
        ),
        Some(Phase::Aborting | Phase::Aborted | Phase::Superseded) => {
            format!(
                "Revision {stable} serves all requests again, {length} after the first look.{why}"
            )
        }
        Some(Phase::Drifted) | None => format!(
            "Somebody changed the weights by other means, so nobody here knows which of the revisions {stable} and {canary} serves what.{}",
            if story.is_live() {
                " A person has to put them back, or to give up."
            } else {
                ""
            }
        ),
    }
}

/// Who asked, and in what words.
fn by_hand(story: &Story<'_>, command: Command) -> String {
    let asked = story
        .decisions()
        .filter(|decided| decided.decision.why == Why::ByHand(command))
        .last();
    let Some(decided) = asked else {
        return String::new();
    };
    let what = words::why(story.plan, &decided.decision.why);
    let who = sanitize(&decided.actor.to_string());
    match &decided.decision.reason {
        Some(reason) => format!("It was {what}, by {who}: “{}”.", sanitize(reason)),
        None => format!("It was {what}, by {who}."),
    }
}

/// `Up to 1 in 4 requests of POST /refund went to the new version; 412 handled, 3 failed, about as many as before.`
pub(super) fn unit(story: &Story<'_>, one: &UnitStory<'_>) -> String {
    let bad = bad_word(story.plan.analysis.slow_milliseconds);
    let spoken = one.unit.spoken();
    let after = if one.promoted.requests > 0 {
        format!(
            " Since it serves all of them: {}.",
            handled(one.promoted, bad)
        )
    } else {
        String::new()
    };
    if one.highest == 0 {
        let moved = match (story.phase, one.unit.steps.is_empty()) {
            (Some(Phase::Promoting | Phase::Finalising | Phase::Succeeded), true) => {
                "followed with the promotion, without steps of their own"
            }
            (Some(Phase::Promoting | Phase::Finalising | Phase::Succeeded), false) => {
                "went to the new version all at once"
            }
            (Some(phase), _) if !phase.is_terminal() => "stay on the old version so far",
            _ => "stayed on the old version",
        };
        return format!("{} {moved}.{after}", capital(&requests(100, &spoken)));
    }
    let canary = one.judged.canary;
    let is_shared = matches!(
        story.phase,
        Some(Phase::Shifting | Phase::Holding | Phase::Paused)
    );
    let moved = if is_shared {
        let weight = one.weight.unwrap_or(0);
        match one.unit.gate.as_ref().filter(|_| weight > 0) {
            Some(gate) => {
                let callers = sanitize(&gate.spoken(weight));
                format!("{spoken} goes to the new version for {callers} now")
            }
            None => {
                let part = capital(&requests(weight, &spoken));
                format!("{part} {} to the new version now", goes(weight))
            }
        }
    } else if let Some(gate) = &one.unit.gate {
        let callers = sanitize(&gate.spoken(one.highest));
        format!("{spoken} went to the new version for {callers}")
    } else {
        let first = one.unit.weight(1);
        let most = if first < one.highest { "Up to " } else { "" };
        let part = requests(one.highest, &spoken);
        format!("{most}{part} went to the new version")
    };
    if canary.requests == 0 {
        let yet = if is_shared { " yet" } else { "" };
        return format!(
            "{moved}, but none was judged there{yet}, so nothing can be told{}.{after}",
            warmed(one.warmup, bad)
        );
    }
    format!(
        "{moved}: {}, {}{}.{after}",
        handled(canary, bad),
        compared(story, one),
        warmed(one.warmup, bad)
    )
}

/// `412 handled, 3 failed (0.73 %)`.
fn handled(tally: Tally, bad: &str) -> String {
    format!(
        "{} handled, {} {bad} ({})",
        grouped(tally.requests),
        grouped(tally.bad),
        share(tally)
    )
}

fn compared(story: &Story<'_>, one: &UnitStory<'_>) -> String {
    let stable = one.judged.stable;
    let before = if stable.requests == 0 {
        String::new()
    } else {
        format!(
            " (old version: {} of {})",
            share(stable),
            grouped(stable.requests)
        )
    };
    let how = match one.judgement.as_ref().map(|judgement| &judgement.verdict) {
        Some(Verdict::Pass) if one.unit.gate.is_some() => NEW_ROUTE_PASSES.to_owned(),
        Some(Verdict::Fail(_)) if one.unit.gate.is_some() => NEW_ROUTE_FAILS.to_owned(),
        Some(Verdict::Pass) => "about as many as before".to_owned(),
        Some(Verdict::Fail(_)) => "more than before".to_owned(),
        // There may have been requests: nobody could count them.
        Some(Verdict::Inconclusive(Reason::NoData)) if story.is_silent() => UNREADABLE.to_owned(),
        Some(Verdict::Inconclusive(Reason::NoData)) if one.judged.canary.requests > 0 => {
            NOT_YET_HERE.to_owned()
        }
        Some(Verdict::Inconclusive(reason)) => words::inconclusive(reason),
        None => "not judged yet".to_owned(),
    };
    format!("{how}{before}")
}

/// What a decision changed: `5 → 25 %: POST /refund`, or the phase that it led to.
pub(super) fn change(story: &Story<'_>, decided: &Decided<'_>) -> String {
    let decision = decided.decision;
    let phase = decision.to.0;
    match phase {
        Phase::Promoting => {
            return format!("all requests to revision {}", story.plan.canary);
        }
        Phase::Aborting => {
            let to = if decision.from.0 == Phase::Promoting {
                story.plan.canary
            } else {
                story.plan.stable
            };
            return format!("all requests to revision {to}");
        }
        _ => {}
    }
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (index, unit) in story.plan.units.iter().enumerate() {
        let weight = |positions: &[u8]| unit.weight(positions.get(index).copied().unwrap_or(0));
        let (from, to) = (weight(&decision.from.1), weight(&decision.to.1));
        if from == to {
            continue;
        }
        let change = match &unit.gate {
            Some(gate) => format!("open to {}", sanitize(&gate.spoken(to))),
            None => format!("{from} → {to} %"),
        };
        match groups.iter_mut().find(|(known, _)| *known == change) {
            Some((_, names)) => names.push(unit.spoken()),
            None => groups.push((change, vec![unit.spoken()])),
        }
    }
    if groups.is_empty() {
        return words::phase(phase).to_owned();
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|(change, names)| format!("{change}: {}", listed(names)))
        .collect();
    groups.join("; ")
}

/// Names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}

/// Why a decision was made; what only confirms a write says so.
pub(super) fn why(story: &Story<'_>, decided: &Decided<'_>) -> String {
    match (&decided.decision.why, decided.decision.to.0) {
        (Why::Verified, Phase::Holding) => "the new weights are in force".to_owned(),
        (Why::Verified, Phase::Finalising | Phase::Aborted | Phase::Superseded) => {
            "all traffic is there, read again".to_owned()
        }
        (why, _) => words::why(story.plan, why),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
