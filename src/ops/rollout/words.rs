//! What a rollout does and why, in words for people: for progress lines, reports and views alike.

use crate::domain::analysis::{FailReason, Reason};
use crate::domain::rollout::{Command, Phase, Plan, State, Why};

/// `1 in 20 requests of POST /charges goes to 42, 1 in 4 of everything else`.
pub(crate) fn weights(plan: &Plan, state: &State) -> String {
    let parts: Vec<String> = plan
        .units
        .iter()
        .zip(&state.positions)
        .filter_map(|(unit, position)| {
            let weight = unit.weight(*position);
            (weight > 0).then(|| match &unit.gate {
                Some(gate) => format!("{} for {}", unit.spoken(), gate.spoken(weight)),
                None => format!("{} of {}", share(weight), unit.spoken()),
            })
        })
        .collect();
    match parts.as_slice() {
        [] => format!("no request goes to revision {}", plan.canary),
        parts => format!("{} to revision {}", parts.join(", "), plan.canary),
    }
}

/// A percentage the way people say it: `1 in 20` for 5, `3 in 10` for 30, else `7 %`.
pub(crate) fn share(weight: u8) -> String {
    match weight {
        100 => "all".to_owned(),
        weight if weight > 0 && 100 % weight == 0 => format!("1 in {}", 100 / weight),
        weight if weight > 0 && weight % 10 == 0 => format!("{} in 10", weight / 10),
        weight => format!("{weight} %"),
    }
}

/// Why a state was left, in one line.
pub(crate) fn why(plan: &Plan, why: &Why) -> String {
    let unit = |name: &str| {
        plan.units
            .iter()
            .find(|unit| unit.name == name)
            .map_or_else(|| name.to_owned(), crate::domain::rollout::Unit::spoken)
    };
    match why {
        Why::Started => "started".to_owned(),
        Why::Ready => format!("revision {} is ready", plan.canary),
        Why::Verified => "verified".to_owned(),
        Why::Passed(names) if names.is_empty() => "the listed routes have passed".to_owned(),
        Why::Passed(names) => passed(plan, names),
        Why::AllPassed => format!("all passed: as healthy as revision {}", plan.stable),
        Why::Failed { unit: name, reason } => format!("{}: {}", unit(name), fail(*reason, plan)),
        Why::CanaryDown => format!("revision {} does not run", plan.canary),
        Why::NotReady => format!("revision {} did not become ready in time", plan.canary),
        Why::NoVerdict { unit: name, reason } => {
            format!("{}: {}", unit(name), inconclusive(reason))
        }
        Why::WatchFailed { reason } => {
            format!("after the promotion: {}", fail(*reason, plan))
        }
        Why::WatchOver => format!(
            "revision {} serves all requests, and the watch is over",
            plan.canary
        ),
        Why::Drifted => "the traffic was changed outside squad".to_owned(),
        Why::ByHand(command) => by_hand(*command).to_owned(),
    }
}

/// Which units passed: those that were compared, and new routes, which nothing was there to compare with.
fn passed(plan: &Plan, names: &[String]) -> String {
    let spoken = |is_gated: bool| -> Vec<String> {
        let units = plan.units.iter().filter(|unit| names.contains(&unit.name));
        units
            .filter(|unit| unit.gate.is_some() == is_gated)
            .map(crate::domain::rollout::Unit::spoken)
            .collect()
    };
    let parts = [
        (
            format!("as healthy as revision {}", plan.stable),
            spoken(false),
        ),
        ("healthy enough for a new route".to_owned(), spoken(true)),
    ];
    parts
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(how, names)| format!("{how}: {}", names.join(", ")))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What a person asked.
fn by_hand(command: Command) -> &'static str {
    match command {
        Command::Pause => "paused by hand",
        Command::Resume => "resumed by hand",
        Command::Promote => "sent on by hand",
        Command::PromoteFull => "promoted by hand",
        Command::EndWatch => "the watch was ended by hand",
        Command::Abort => "aborted by hand",
        Command::Supersede => "superseded by another rollout",
        Command::Rebase => "the wanted traffic was put back by hand",
    }
}

/// What the judge found.
pub(crate) fn fail(reason: FailReason, plan: &Plan) -> String {
    match reason {
        FailReason::WorseThanStable => format!("worse than revision {}", plan.stable),
        FailReason::AboveAbsolute => "more bad requests than any service may have".to_owned(),
        FailReason::FirstRequestsFailed => "the first requests all failed".to_owned(),
    }
}

/// Why there is no verdict.
pub(crate) fn inconclusive(reason: &Reason) -> String {
    match reason {
        Reason::NoData => "no requests, so there is nothing to tell by".to_owned(),
        Reason::TooFewRequests { have, need } => {
            format!("not enough traffic to tell: {have} of {need} requests")
        }
        Reason::NotYetTold => "not enough traffic to tell yet".to_owned(),
        Reason::OneArmWithoutTraffic => "only one of the two revisions gets requests".to_owned(),
        Reason::SplitNotFollowed { set, observed } => format!(
            "{observed} % of the requests reach the new version, and {set} % should: something else than squad decides where they go"
        ),
        Reason::EnvironmentUnhealthy => {
            "what served before has far more bad requests than usual itself".to_owned()
        }
    }
}

/// A phase for people.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "planned",
        Phase::Preparing => "getting ready",
        Phase::Shifting => "shifting",
        Phase::Holding => "holding",
        Phase::Paused => "paused",
        Phase::Promoting => "promoting",
        Phase::Finalising => "watching after the promotion",
        Phase::Aborting => "aborting",
        Phase::Drifted => "changed outside squad",
        Phase::Succeeded => "succeeded",
        Phase::Aborted => "aborted",
        Phase::Superseded => "superseded",
    }
}
