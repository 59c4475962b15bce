//! What can be judged at all: runs each question of the judge on stable's history, and says what each step will take.

use std::time::Duration;

use crate::domain::analysis::{self, Forecast, Tally};
use crate::domain::counts::MinuteCounts;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::log::belongs;
use crate::domain::rollout::plan::Known;
use crate::domain::rollout::{Plan, Unit};
use crate::domain::route::same_paths;
use crate::domain::service::Route;
use crate::error::{Error, Kind, Result};
use crate::platform::Platform;

/// How far back stable's history is asked for.
pub(crate) const BACK: Duration = Duration::from_hours(2);

/// What stable's history says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    minutes: Vec<MinuteCounts>,
    stable: RevisionNumber,
}

impl History {
    /// Reads it.
    pub(crate) async fn read(
        platform: &dyn Platform,
        service: &ServiceName,
        stable: RevisionNumber,
    ) -> Result<Self> {
        Ok(Self {
            minutes: platform.history(service, BACK).await?,
            stable,
        })
    }

    /// The requests of some rows, minute by minute; `is_rest` adds what matches no row.
    fn tallies(&self, routes: &[Route], is_rest: bool) -> Vec<Tally> {
        let unit = Unit {
            name: String::new(),
            routes: routes.to_vec(),
            is_rest,
            steps: Vec::new(),
            design_effect: 1.0,
            requests_per_second: 0.0,
            bad_share: 0.0,
            gate: None,
        };
        self.minutes
            .iter()
            .map(|minute| {
                minute
                    .series
                    .iter()
                    .filter(|series| series.revision == self.stable && !series.forced)
                    .filter(|series| belongs(&unit, &series.route, &[]))
                    .map(|series| Tally {
                        requests: series.requests,
                        bad: series.bad,
                    })
                    .fold(Tally::default(), Tally::plus)
            })
            .collect()
    }

    /// What is known of some rows; none where there was no request.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of requests, far below 2^52"
    )]
    pub(crate) fn known(&self, routes: &[Route], is_rest: bool) -> Option<Known> {
        let tallies = self.tallies(routes, is_rest);
        let requests: u64 = tallies.iter().map(|one| one.requests).sum();
        let bad: u64 = tallies.iter().map(|one| one.bad).sum();
        if requests == 0 {
            return None;
        }
        let first = tallies.iter().position(|one| one.requests > 0)?;
        let minutes = self.minutes.get(first..)?;
        let seconds: f64 = minutes.iter().map(|minute| f64::from(minute.seconds)).sum();
        Some(Known {
            requests_per_second: requests as f64 / seconds.max(1.0),
            bad_share: bad as f64 / requests as f64,
            // The running minute is shorter than the others, which would look like a change of the traffic.
            design_effect: analysis::design_effect(
                &minutes
                    .iter()
                    .zip(tallies.get(first..)?)
                    .filter(|(minute, _)| minute.seconds >= 60)
                    .map(|(_, tally)| *tally)
                    .collect::<Vec<_>>(),
            ),
        })
    }
}

/// One step of one unit, told before the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepForecast {
    /// Percent.
    pub(crate) weight: u8,
    /// Seconds to hold at least.
    pub(crate) hold_seconds: u64,
    /// What the judge will need.
    pub(crate) forecast: Forecast,
    /// It will most likely take longer than a step may.
    pub(crate) is_too_long: bool,
}

/// What is told of one unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitForecast {
    /// Its name.
    pub(crate) name: String,
    /// In order.
    pub(crate) steps: Vec<StepForecast>,
    /// Weights that would do at this traffic, where the present ones take too long.
    pub(crate) proposal: Option<Vec<u8>>,
}

fn later(forecast: Forecast, seconds: f64) -> Forecast {
    Forecast {
        expected_seconds: forecast.expected_seconds.map(|expected| expected + seconds),
        ..forecast
    }
}

/// What each step will take at the present traffic.
#[expect(
    clippy::cast_precision_loss,
    reason = "a number of seconds, far below 2^52"
)]
pub(crate) fn forecasts(plan: &Plan) -> Vec<UnitForecast> {
    plan.units
        .iter()
        .filter(|unit| !unit.steps.is_empty())
        .map(|unit| {
            let settings = plan.settings(unit);
            let wanted: Vec<analysis::Step> = unit
                .steps
                .iter()
                .map(|step| analysis::Step {
                    weight: step.weight,
                    hold: step.hold_seconds as f64,
                })
                .collect();
            let late = plan.late_seconds as f64;
            let longest = plan.max_hold_seconds as f64 + late;
            let steps: Vec<_> = analysis::forecast_steps(
                &settings,
                unit.requests_per_second,
                unit.bad_share,
                &wanted,
            )
            .into_iter()
            .zip(&unit.steps)
            // What is counted in a step can be read so much later.
            .map(|(forecast, step)| (later(forecast, late), step))
            .map(|(forecast, step)| StepForecast {
                weight: step.weight,
                hold_seconds: step.hold_seconds,
                // Nobody knows the traffic of a route that is not open yet.
                is_too_long: unit.gate.is_none()
                    && forecast
                        .expected_seconds
                        .is_none_or(|seconds| seconds > longest),
                forecast,
            })
            .collect();
            let weights: Vec<u8> = unit.steps.iter().map(|step| step.weight).collect();
            let proposal = steps
                .iter()
                .any(|step| step.is_too_long)
                .then(|| {
                    analysis::propose_steps(
                        &settings,
                        unit.requests_per_second,
                        unit.bad_share,
                        longest,
                    )
                })
                .filter(|proposal| !proposal.is_empty() && *proposal != weights);
            UnitForecast {
                name: unit.name.clone(),
                steps,
                proposal,
            }
        })
        .collect()
}

/// Refuses a plan with a unit that has no history: its question returns nothing, so that nothing could ever be told.
/// `counted` are the routes whose requests are counted by themselves: those that are listed for what serves.
pub(crate) fn check(
    asked: &str,
    plan: &Plan,
    live: &Live,
    options: &super::start::Options,
    counted: &[Route],
) -> Result<()> {
    let flag = &options.flag;
    let listed = || {
        let units = plan.units.iter();
        units.filter(|unit| !unit.is_rest && unit.gate.is_none())
    };
    let silent: Vec<&Unit> = listed()
        .filter(|unit| unit.requests_per_second <= 0.0)
        .collect();
    let hours = BACK.as_secs() / 3600;
    if silent.is_empty() && plan.has_steps() {
        return Ok(());
    }
    let is_counted = |unit: &&Unit| {
        let is_listed = |route: &Route| {
            let same =
                |one: &Route| one.method == route.method && same_paths(&one.path, &route.path);
            counted.iter().any(same)
        };
        unit.routes.iter().all(is_listed)
    };
    let uncounted: Vec<String> = silent
        .iter()
        .filter(|unit| !is_counted(unit))
        .map(|unit| format!("`{}`", unit.spoken()))
        .collect();
    let (is, its) = match uncounted.len() {
        1 => ("is", "its"),
        _ => ("are", "their"),
    };
    let is_only_unlisted = !uncounted.is_empty() && uncounted.len() == silent.len();
    let mut error = Error::new(
        Kind::Refused,
        "no-history",
        if is_only_unlisted {
            format!(
                "{asked}: {} {is} not listed in squad.toml, so {its} requests are counted with everything else, and nothing could be told about them",
                uncounted.join(", ")
            )
        } else if silent.is_empty() {
            format!(
                "{asked}: revision {} had no request in the last {hours} hours, so there is nothing to compare with",
                plan.stable
            )
        } else {
            format!(
                "{asked}: {} of {} routes had no request on revision {} in the last {hours} hours, so nothing could be told about them",
                silent.len(),
                listed().count(),
                plan.stable
            )
        },
    );
    for unit in silent.iter().filter(|_| !is_only_unlisted) {
        let unlisted = if is_counted(unit) {
            ""
        } else {
            ", not listed in squad.toml"
        };
        error = error.detail(format!("{}  {}{unlisted}", unit.name, unit.spoken()));
    }
    let service = &plan.service;
    let others: String = listed()
        .filter(|unit| unit.requests_per_second > 0.0)
        .map(|unit| {
            let weights: Vec<String> = unit
                .steps
                .iter()
                .map(|step| step.weight.to_string())
                .collect();
            format!(" --route '{}={}'", unit.spoken(), weights.join(","))
        })
        .collect();
    if !others.is_empty() {
        error = error.hint(format!(
            "move what has traffic; the others go with everything else: `squad rollout start {service}{flag}{others}`"
        ));
    }
    if !uncounted.is_empty() {
        error = error.hint(format!(
            "list {} under `[[route]]` in squad.toml and deploy that first: `squad deploy {service}{flag}`; from then on {its} requests are counted",
            uncounted.join(", ")
        ));
    }
    error = error.live(crate::ops::live_state(service, Some(live)));
    if is_only_unlisted {
        return Err(error);
    }
    Err(error.hint(format!(
        "send it requests first; or all at once: `squad deploy {service}{flag}{}`",
        if options.protected {
            " --all-at-once --reason \"…\""
        } else {
            ""
        }
    )))
}
