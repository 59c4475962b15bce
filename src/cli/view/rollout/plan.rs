//! The plan of a rollout, before it starts.

use jiff::Timestamp;

use super::{grouped, seconds, span};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::rollout::gate::UnitGate;
use crate::ops::rollout::lint::{self, StepForecast, UnitForecast};
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
    if let Some(foreign) = &planned.live.foreign {
        lines.push(format!("  {}", sanitize(&foreign.told())));
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
        lines.extend(step_lines(forecast, plan.max_hold_seconds));
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
    lines.extend(total_line(planned));
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

/// How long all of it takes. Nobody knows the traffic of new routes.
fn total_line(planned: &Planned) -> Option<String> {
    let units = &planned.plan.units;
    if !units
        .iter()
        .any(|unit| unit.gate.is_none() && !unit.steps.is_empty())
    {
        return None;
    }
    let total = lint::total(&planned.plan, &planned.forecasts);
    let aside = if units.iter().any(|unit| unit.gate.is_some()) {
        ", the new routes aside"
    } else {
        ""
    };
    Some(match total.expected_seconds {
        Some(expected) => format!(
            "  all steps, one after the other: {}{aside}",
            about(expected, total.late_seconds)
        ),
        None => format!("  all steps, one after the other: no end in sight at this traffic{aside}"),
    })
}

/// `about 12 min (unlucky: 20 min)`.
fn about(expected: f64, late: Option<f64>) -> String {
    let (expected, late) = (span(expected), late.map(span));
    match late {
        Some(late) if late == expected => format!("about {expected}"),
        Some(late) => format!("about {expected} (unlucky: {late})"),
        None => format!("about {expected} (unlucky: no end)"),
    }
}

/// Nothing is told of times: nobody knows the traffic of a route that is not open yet.
fn gate_lines(gate: &UnitGate, forecast: &UnitForecast) -> Vec<String> {
    forecast
        .steps
        .iter()
        .map(|step| {
            format!(
                "    {}  hold {}; {}, and what fails within {}",
                sanitize(&gate.spoken(step.weight)),
                span(seconds(step.hold_seconds)),
                told(step),
                span(step.unseen_seconds),
            )
        })
        .collect()
}

/// By how many requests it is told, and what a bad canary does until then.
fn told(step: &StepForecast) -> String {
    let harm = step.forecast.delta * 100.0;
    let needed = step
        .forecast
        .expected_requests
        .map_or_else(String::new, |requests| {
            let plural = if requests == 1 { "" } else { "s" };
            let requests = grouped(requests);
            format!("{requests} request{plural} to rule out a harm of {harm:.1} points; ")
        });
    format!(
        "{needed}at worst {} harmed first",
        grouped(whole(step.forecast.harmed_before_detection))
    )
}

fn step_lines(forecast: &UnitForecast, max_hold_seconds: u64) -> Vec<String> {
    let mut lines: Vec<String> = forecast
        .steps
        .iter()
        .map(|step| {
            let eta = match step.forecast.expected_seconds {
                Some(expected) => about(expected, step.forecast.late_seconds),
                None => "no end in sight at this traffic".to_owned(),
            };
            format!(
                "    {:>3} %  hold {:>6}, {eta}; {}",
                step.weight,
                span(seconds(step.hold_seconds)),
                told(step),
            )
        })
        .collect();
    if forecast.steps.iter().any(|step| step.is_too_long) {
        let advice = match &forecast.proposal {
            Some(weights) => {
                let weights: Vec<String> = weights.iter().map(ToString::to_string).collect();
                format!("larger steps would do: `--steps {}`", weights.join(","))
            }
            None => format!(
                "{}, send it probes, or deploy at once with smoke checks and a watch",
                longer(forecast)
            ),
        };
        let hold = seconds(max_hold_seconds);
        let will = if forecast
            .steps
            .iter()
            .any(|step| step.is_too_long && is_longer(step.forecast.expected_seconds, hold))
        {
            "takes"
        } else {
            "may take"
        };
        lines.push(format!(
            "    at this traffic a step {will} longer than {}, and then it pauses; {advice}",
            span(hold)
        ));
    }
    lines
}

fn is_longer(needed: Option<f64>, hold: f64) -> bool {
    needed.is_none_or(|needed| needed > hold)
}

/// How long a hold would do, where one does.
fn longer(forecast: &UnitForecast) -> String {
    let longest = forecast.steps.iter().try_fold(0.0_f64, |longest, step| {
        Some(longest.max(step.forecast.late_seconds?))
    });
    match longest.map(|seconds| whole(seconds / 60.0)) {
        Some(minutes) if minutes < 90 => format!("hold longer (`max_hold = \"{minutes}m\"`)"),
        Some(minutes) => {
            let hours = minutes.div_ceil(60);
            format!("hold longer (`max_hold = \"{hours}h\"`)")
        }
        None => "hold longer (`max_hold`)".to_owned(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and it is a count for people"
)]
fn whole(value: f64) -> u64 {
    value.ceil() as u64
}
