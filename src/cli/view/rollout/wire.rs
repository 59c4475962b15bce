//! Rollouts as JSON; it only grows.

use jiff::Timestamp;
use serde::Serialize;

use super::screen::verdict;
use crate::domain::analysis::{FailReason, Judgement, Reason, Tally, Verdict};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::rollout::gate::UnitGate;
use crate::domain::rollout::{Entry, Plan, State, Why};
use crate::ops::rollout::lint;
use crate::ops::rollout::list::Row;
use crate::ops::rollout::snapshot::{Driver, Snapshot};
use crate::ops::rollout::start::{Planned, Subject};
use crate::ops::rollout::words;

/// `squad.rollout.end/v1`: how driving or waiting ended.
#[derive(Debug, Serialize)]
pub(crate) struct EndWire {
    schema: &'static str,
    service: String,
    env: String,
    rollout: String,
    phase: &'static str,
    stable: String,
    canary: String,
    exit_code: u8,
}

impl EndWire {
    /// Of a state.
    pub(crate) fn new(
        service: &ServiceName,
        environment: &Environment,
        state: &State,
        exit_code: u8,
    ) -> Self {
        Self {
            schema: "squad.rollout.end/v1",
            service: service.to_string(),
            env: environment.name.to_string(),
            rollout: state.id.clone(),
            phase: state.phase.as_str(),
            stable: state.stable.to_string(),
            canary: state.canary.to_string(),
            exit_code,
        }
    }
}

/// `squad.rollout.started/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct StartedWire {
    schema: &'static str,
    service: String,
    env: String,
    rollout: String,
}

impl StartedWire {
    /// Of a rollout that goes on by itself.
    pub(crate) fn new(service: &ServiceName, environment: &Environment, id: &str) -> Self {
        Self {
            schema: "squad.rollout.started/v1",
            service: service.to_string(),
            env: environment.name.to_string(),
            rollout: id.to_owned(),
        }
    }
}

/// `squad.rollout.plan/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct PlanWire<'a> {
    schema: &'static str,
    env: String,
    /// What it is made for where nothing newer is published: `sources` or `live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'static str>,
    plan: &'a Plan,
    forecasts: Vec<UnitForecastWire<'a>>,
    /// Seconds of all steps, the routes beside each other and then the rest; absent when there is no end in sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_seconds: Option<f64>,
    /// The same when each step is as slow as one of twenty is.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnitForecastWire<'a> {
    unit: &'a str,
    steps: Vec<StepForecastWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed_steps: Option<&'a [u8]>,
}

#[derive(Debug, Serialize)]
struct StepForecastWire {
    weight: u8,
    hold_seconds: u64,
    delta: f64,
    minimum_requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_seconds: Option<f64>,
    /// Nineteen of twenty healthy revisions are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_seconds: Option<f64>,
    /// The requests that `expected_seconds` waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_requests: Option<u64>,
    harmed_before_detection: f64,
    /// Seconds at most in which nothing is judged, besides those by which a harm is found.
    unseen_seconds: f64,
    too_long: bool,
}

impl<'a> PlanWire<'a> {
    /// Of a plan.
    pub(crate) fn new(planned: &'a Planned, environment: &Environment) -> Self {
        let total = lint::total(&planned.plan, &planned.forecasts);
        Self {
            expected_seconds: total.expected_seconds,
            late_seconds: total.late_seconds,
            schema: "squad.rollout.plan/v1",
            env: environment.name.to_string(),
            about: None,
            plan: &planned.plan,
            forecasts: planned
                .forecasts
                .iter()
                .map(|unit| UnitForecastWire {
                    unit: &unit.name,
                    steps: unit
                        .steps
                        .iter()
                        .map(|step| StepForecastWire {
                            weight: step.weight,
                            hold_seconds: step.hold_seconds,
                            delta: step.forecast.delta,
                            minimum_requests: step.forecast.minimum_requests,
                            expected_seconds: step.forecast.expected_seconds,
                            late_seconds: step.forecast.late_seconds,
                            expected_requests: step.forecast.expected_requests,
                            harmed_before_detection: step.forecast.harmed_before_detection,
                            unseen_seconds: step.unseen_seconds,
                            too_long: step.is_too_long,
                        })
                        .collect(),
                    proposed_steps: unit.proposal.as_deref(),
                })
                .collect(),
            supersedes: planned.supersedes.as_ref().map(|state| state.id.clone()),
        }
    }

    /// The same with what it is made for.
    pub(crate) fn about(mut self, subject: Subject) -> Self {
        self.about = match subject {
            Subject::Revision => None,
            Subject::Sources => Some("sources"),
            Subject::Live => Some("live"),
        };
        self
    }
}

/// `squad.rollout/v1`: a rollout at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct SnapshotWire {
    schema: &'static str,
    service: String,
    env: String,
    rollout: String,
    generation: u32,
    phase: &'static str,
    stable: String,
    canary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Absent when it is over or nobody drives.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    /// Whose process is there and has not looked for so long that it counts as gone: it is stopped, or stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    asleep: Option<String>,
    /// Nobody drives a rollout that is live.
    unattended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unattended_since: Option<String>,
    phase_seconds: f64,
    units: Vec<UnitWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<JudgementWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters_missing: Option<String>,
    /// Who takes the traffic, where others changed it; the weights are what squad set.
    #[serde(skip_serializing_if = "Option::is_none")]
    drifted: Option<String>,
    /// The platform has not answered since then; all of this is from before.
    #[serde(skip_serializing_if = "Option::is_none")]
    unanswered_since: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnitWire {
    unit: String,
    routes: String,
    weight: u8,
    next_weight: u8,
    step: u8,
    steps: usize,
    held_seconds: f64,
    hold_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<f64>,
    /// Who is let through, where only the canary has the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<UnitGate>,
    canary: Tally,
    stable: Tally,
    /// What the canary did while it warmed up: in no other number.
    warmup: Tally,
    #[serde(skip_serializing_if = "Option::is_none")]
    judgement: Option<JudgementWire>,
    /// How the watch sees it, after the promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<JudgementWire>,
}

#[derive(Debug, Serialize)]
struct JudgementWire {
    /// `pass`, `fail` or `inconclusive`.
    verdict: &'static str,
    /// Why, as one word; absent for a pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    canary: Tally,
    stable: Tally,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_upper: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference_upper: Option<f64>,
    /// The natural logarithm of the e-value; the rollout is aborted where it reaches `log_threshold`.
    log_e: f64,
    log_threshold: f64,
    minimum_requests: u64,
    delta: f64,
}

impl JudgementWire {
    fn new(judgement: &Judgement) -> Self {
        Self {
            verdict: verdict(&judgement.verdict),
            reason: reason(&judgement.verdict),
            canary: judgement.canary,
            stable: judgement.stable,
            ratio: judgement.ratio,
            ratio_upper: judgement.ratio_upper,
            difference_upper: judgement.difference_upper,
            log_e: judgement.log_e,
            log_threshold: judgement.log_threshold,
            minimum_requests: judgement.minimum_requests,
            delta: judgement.delta,
        }
    }
}

/// Why a verdict is no pass, in a word that stays.
fn reason(verdict: &Verdict) -> Option<&'static str> {
    Some(match verdict {
        Verdict::Pass => return None,
        Verdict::Fail(FailReason::WorseThanStable) => "worse_than_stable",
        Verdict::Fail(FailReason::AboveAbsolute) => "above_absolute",
        Verdict::Fail(FailReason::FirstRequestsFailed) => "first_requests_failed",
        Verdict::Inconclusive(Reason::NoData) => "no_data",
        Verdict::Inconclusive(Reason::TooFewRequests { .. }) => "too_few_requests",
        Verdict::Inconclusive(Reason::NotYetTold) => "not_yet_told",
        Verdict::Inconclusive(Reason::OneArmWithoutTraffic) => "one_arm_without_traffic",
        Verdict::Inconclusive(Reason::EnvironmentUnhealthy) => "environment_unhealthy",
        Verdict::Inconclusive(Reason::SplitNotFollowed { .. }) => "split_not_followed",
    })
}

impl SnapshotWire {
    /// The same, when nothing newer is known because the platform does not answer.
    pub(crate) fn unanswered(mut self, since: Timestamp) -> Self {
        self.unanswered_since = Some(since.to_string());
        self
    }

    /// Of a rollout.
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let state = &snapshot.state;
        let since = snapshot.driver.absent_since();
        Self {
            schema: "squad.rollout/v1",
            service: snapshot.service.to_string(),
            env: snapshot.environment.clone(),
            rollout: state.id.clone(),
            generation: state.generation,
            phase: state.phase.as_str(),
            stable: state.stable.to_string(),
            canary: state.canary.to_string(),
            why: snapshot
                .why
                .as_ref()
                .map(|why| words::why(&snapshot.plan, why)),
            driver: match &snapshot.driver {
                Driver::Alive(actor) => Some(actor.to_string()),
                _ => None,
            },
            asleep: match &snapshot.driver {
                Driver::Asleep { actor, .. } => Some(actor.to_string()),
                _ => None,
            },
            unattended: snapshot.driver.is_absent(),
            unattended_since: since.map(|since| since.to_string()),
            phase_seconds: snapshot.phase_seconds,
            units: snapshot
                .units
                .iter()
                .map(|unit| UnitWire {
                    unit: unit.name.clone(),
                    routes: unit.spoken.clone(),
                    weight: unit.weight,
                    next_weight: unit.next_weight,
                    step: unit.position,
                    steps: unit.steps,
                    held_seconds: unit.held_seconds,
                    hold_seconds: unit.hold_seconds,
                    eta_seconds: unit.eta_seconds,
                    gate: unit.gate.clone(),
                    canary: unit.total.canary,
                    stable: unit.total.stable,
                    warmup: unit.warmup,
                    judgement: unit.judgement.as_ref().map(JudgementWire::new),
                    watch: unit.watch.as_ref().map(JudgementWire::new),
                })
                .collect(),
            watch: snapshot.watch.as_ref().map(JudgementWire::new),
            counters_missing: snapshot.missing.clone(),
            drifted: snapshot.drifted.clone(),
            unanswered_since: None,
        }
    }
}

/// `squad.rollout.list/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct ListWire {
    schema: &'static str,
    env: String,
    rollouts: Vec<RowWire>,
}

#[derive(Debug, Serialize)]
struct RowWire {
    rollout: String,
    service: String,
    stable: String,
    canary: String,
    started_at: String,
    by: String,
    /// Absent when its traffic was changed outside squad before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl RowWire {
    fn new(row: &Row) -> Self {
        Self {
            rollout: row.plan.id.clone(),
            service: row.plan.service.to_string(),
            stable: row.plan.stable.to_string(),
            canary: row.plan.canary.to_string(),
            started_at: row.plan.started_at.to_string(),
            by: row.plan.actor.to_string(),
            phase: row.phase.map(crate::domain::rollout::Phase::as_str),
            why: row.why.as_ref().map(|why: &Why| words::why(&row.plan, why)),
            reason: row.plan.reason.clone(),
        }
    }
}

impl ListWire {
    /// Of rows in their order.
    pub(crate) fn new(rows: &[Row], environment: &Environment) -> Self {
        Self {
            schema: "squad.rollout.list/v1",
            env: environment.name.to_string(),
            rollouts: rows.iter().map(RowWire::new).collect(),
        }
    }
}

/// `squad.rollout.report/v1`: the plan and the whole log.
#[derive(Debug, Serialize)]
pub(crate) struct ReportWire<'a> {
    schema: &'static str,
    env: String,
    #[serde(flatten)]
    row: RowWire,
    plan: &'a Plan,
    log: &'a [Entry],
}

impl<'a> ReportWire<'a> {
    /// Of one rollout.
    pub(crate) fn new(row: &'a Row, entries: &'a [Entry], environment: &Environment) -> Self {
        Self {
            schema: "squad.rollout.report/v1",
            env: environment.name.to_string(),
            row: RowWire::new(row),
            plan: &row.plan,
            log: entries,
        }
    }
}
