//! The plan of a rollout, before it starts.

use jiff::Timestamp;

use super::{grouped, seconds, span};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::rollout::gate::UnitGate;
use crate::ops::rollout::lint::UnitForecast;
use crate::ops::rollout::start::Planned;
use crate::output::sanitize;

/// First what it means for people, then each step with what the judge will need.
pub(crate) fn plan_lines(
    planned: &Planned,
    environment: &Environment,
    now: Timestamp,
) -> Vec<String> {
    let plan = &planned.plan;
    let place = match environment.platform {
        PlatformKind::Local => format!("{} (this machine)", environment.name),
        _ => environment.spoken(),
    };
    let mut lines = vec![
        format!(
            "{} → {place}: revision {} → {}, gradually",
            plan.service, plan.stable, plan.canary
        ),
        String::new(),
    ];
    if let Some(canary) = planned.live.revision(plan.canary) {
        let when = crate::cli::time::relative(canary.published_at, now);
        let subject = canary
            .provenance
            .subject
            .as_deref()
            .unwrap_or("no commit subject");
        lines.push(format!(
            "  revision {}: {} ({}, {when})",
            plan.canary,
            sanitize(subject),
            sanitize(&canary.actor.name)
        ));
    }
    if let Some(state) = &planned.supersedes {
        lines.push(format!(
            "  first: the rollout {} → {} that is live is aborted",
            state.stable, state.canary
        ));
    }
    for (unit, forecast) in plan
        .units
        .iter()
        .filter(|unit| !unit.steps.is_empty())
        .zip(&planned.forecasts)
    {
        lines.push(match &unit.gate {
            Some(gate) => format!(
                "  {}  new: who is let through is told by the header `{}`; to all others revision {} answers as now",
                unit.spoken(),
                gate.identity,
                plan.stable
            ),
            None => format!(
                "  {}  {:.1} requests/s, {:.2} % bad on revision {}",
                unit.spoken(),
                unit.requests_per_second,
                unit.bad_share * 100.0,
                plan.stable
            ),
        });
        if let Some(gate) = &unit.gate {
            lines.extend(gate_lines(gate, forecast));
            continue;
        }
        lines.extend(step_lines(forecast));
    }
    if plan.units.last().is_some_and(|rest| rest.steps.is_empty()) {
        lines.push(
            "  everything else: no requests lately, so it follows with the promotion".to_owned(),
        );
    }
    for route in &plan.gated {
        lines.push(format!(
            "  {} {}: new, opens with the promotion; until then `x-squad-canary: {}={}` reaches it",
            route.method, route.path.0, plan.service, plan.canary
        ));
    }
    lines.push(format!(
        "  a request is bad when it fails{}; going on may turn at most {} % of all requests bad",
        plan.analysis
            .slow_milliseconds
            .map_or_else(String::new, |slow| format!(" or takes more than {slow} ms")),
        plan.analysis.harm
    ));
    lines.push(format!(
        "  no verdict after {}: it pauses; after the promotion it watches for {}",
        span(seconds(plan.max_hold_seconds)),
        span(seconds(plan.watch_seconds))
    ));
    lines.push(format!(
        "  undo at any time: `squad stop {}{}` (about 1 s)",
        plan.service,
        environment.flag()
    ));
    lines.push(String::new());
    lines
}

/// Nothing is told of times: nobody knows the traffic of a route that is not open yet.
fn gate_lines(gate: &UnitGate, forecast: &UnitForecast) -> Vec<String> {
    forecast
        .steps
        .iter()
        .map(|step| {
            format!(
                "    {}  hold {}; {} requests show a harm of {:.1} points; at worst {} harmed first",
                sanitize(&gate.spoken(step.weight)),
                span(seconds(step.hold_seconds)),
                grouped(step.forecast.minimum_requests),
                step.forecast.delta * 100.0,
                grouped(whole(step.forecast.harmed_before_detection)),
            )
        })
        .collect()
}

fn step_lines(forecast: &UnitForecast) -> Vec<String> {
    let mut lines: Vec<String> = forecast
        .steps
        .iter()
        .map(|step| {
            let eta = match step.forecast.expected_seconds {
                Some(needed) => format!("about {}", span(needed.max(seconds(step.hold_seconds)))),
                None => "no end in sight at this traffic".to_owned(),
            };
            format!(
                "    {:>3} %  hold {:>6}, {eta}; {} requests show a harm of {:.1} points; at worst {} harmed first",
                step.weight,
                span(seconds(step.hold_seconds)),
                grouped(step.forecast.minimum_requests),
                step.forecast.delta * 100.0,
                grouped(whole(step.forecast.harmed_before_detection)),
            )
        })
        .collect();
    if forecast.steps.iter().any(|step| step.is_too_long) {
        let advice = match &forecast.proposal {
            Some(weights) => {
                let weights: Vec<String> = weights.iter().map(ToString::to_string).collect();
                format!("larger steps would do: `--steps {}`", weights.join(","))
            }
            None => "hold longer (`max_hold`), send it probes, or deploy at once with smoke checks and a watch".to_owned(),
        };
        lines.push(format!(
            "    at this traffic a step takes longer than it may, and will pause; {advice}"
        ));
    }
    lines
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and it is a count for people"
)]
fn whole(value: f64) -> u64 {
    value.ceil() as u64
}
