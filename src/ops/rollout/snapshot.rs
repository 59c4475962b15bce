//! A rollout as people and programs look at it: everything about it at one moment.

use jiff::Timestamp;

use super::drive::lease_seconds;
use super::{Rollout, drive, objects};
use crate::domain::analysis::{Interval, Judgement, Tally, Verdict};
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::release::Actor;
use crate::domain::rollout::gate::UnitGate;
use crate::domain::rollout::{Entry, Evidence, Plan, State, What, Why};
use crate::error::Result;
use crate::ops::going_on::GoingOn;
use crate::platform::Platform;

/// Who drives a rollout.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Driver {
    /// It is over: nobody has to.
    Over,
    /// A process that gave a sign of life a moment ago.
    Alive(Actor),
    /// A process of this machine that is still there and gives no sign of life: it is stopped, or stuck. Nobody drives.
    Asleep {
        /// Who started it.
        actor: Actor,
        /// Its newest sign of life.
        since: Timestamp,
    },
    /// Nobody: it stays as it is.
    Nobody {
        /// The newest sign of life; none where there never was one.
        since: Option<Timestamp>,
    },
}

impl Driver {
    /// Whether a live rollout stays as it is until somebody takes it up.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Asleep { .. } | Self::Nobody { .. })
    }

    /// Since when nobody drives, where that is known.
    pub(crate) fn absent_since(&self) -> Option<Timestamp> {
        match self {
            Self::Asleep { since, .. } => Some(*since),
            Self::Nobody { since } => *since,
            Self::Over | Self::Alive(_) => None,
        }
    }
}

/// One unit at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitSnapshot {
    /// The route's name, or `rest`.
    pub(crate) name: String,
    /// `POST /charges/{id}/refund`, or `everything else`.
    pub(crate) spoken: String,
    /// The canary's present weight in percent.
    pub(crate) weight: u8,
    /// The weight that a pass leads to, in percent.
    pub(crate) next_weight: u8,
    /// 1 for the first step; 0 before it.
    pub(crate) position: u8,
    /// How many steps it has; 0 = it moves with the promotion.
    pub(crate) steps: usize,
    /// Who is let through, where only the canary has the route.
    pub(crate) gate: Option<UnitGate>,
    /// Seconds at the present weight.
    pub(crate) held_seconds: f64,
    /// Seconds that it stays there at least.
    pub(crate) hold_seconds: u64,
    /// Seconds until a verdict at the traffic of the newest looks, where that can be told: never without requests, and not
    /// when it should have been told already.
    pub(crate) eta_seconds: Option<f64>,
    /// The verdict and its numbers; none before the canary had any traffic there.
    pub(crate) judgement: Option<Judgement>,
    /// Requests and bad events so far, warm-up left out.
    pub(crate) total: Interval,
    /// What the canary did while it warmed up: not judged.
    pub(crate) warmup: Tally,
    /// How the watch sees it; none before the promotion.
    pub(crate) watch: Option<Judgement>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    /// Whose traffic.
    pub(crate) service: ServiceName,
    /// The environment's name.
    pub(crate) environment: String,
    /// The state beside the traffic.
    pub(crate) state: State,
    /// The plan.
    pub(crate) plan: Plan,
    /// The units in the plan's order.
    pub(crate) units: Vec<UnitSnapshot>,
    /// The verdict of the watch after the promotion.
    pub(crate) watch: Option<Judgement>,
    /// Seconds in the present phase.
    pub(crate) phase_seconds: f64,
    /// Why it is where it is.
    pub(crate) why: Option<Why>,
    /// Who drives.
    pub(crate) driver: Driver,
    /// Bad shares (0–1) of both arms over all units, canary first, look by look; none where an arm had no request.
    pub(crate) shares: Vec<(Option<f64>, Option<f64>)>,
    /// Who takes the traffic, in words, where others changed it: the units' weights are what squad set.
    pub(crate) drifted: Option<String>,
    /// Why the newest look could not read the counters.
    pub(crate) missing: Option<String>,
    /// The canary's first traffic is not judged yet.
    pub(crate) is_warming_up: bool,
}

impl Snapshot {
    /// Of a rollout that was read. `going_on` are the commands at work on this machine.
    pub(crate) fn of(
        rollout: &Rollout,
        environment: &str,
        going_on: &[GoingOn],
        host: &str,
        now: Timestamp,
    ) -> Self {
        let evidence = rollout.replay.evidence();
        Self {
            service: rollout.plan.service.clone(),
            environment: environment.to_owned(),
            units: units(rollout, &evidence),
            watch: evidence.watch,
            phase_seconds: evidence.phase_seconds,
            drifted: (rollout.state.is_live() && !rollout.is_as_wanted())
                .then(|| rollout.live.traffic_in_words(&rollout.plan.service)),
            missing: evidence.missing,
            is_warming_up: rollout.replay.is_warming_up(),
            why: drive::last_why(rollout),
            driver: driver(rollout, going_on, host, now),
            shares: shares(rollout),
            state: rollout.state.clone(),
            plan: rollout.plan.clone(),
        }
    }
}

fn units(rollout: &Rollout, evidence: &Evidence) -> Vec<UnitSnapshot> {
    let plan = &rollout.plan;
    let state = &rollout.state;
    plan.units
        .iter()
        .zip(&evidence.units)
        .zip(state.positions.iter().zip(rollout.replay.totals()))
        .map(|((unit, seen), (position, total))| UnitSnapshot {
            name: unit.name.clone(),
            spoken: unit.spoken(),
            weight: unit.weight_in(state.meant(), *position, state.stays),
            next_weight: unit.next_weight(*position),
            position: *position,
            steps: unit.steps.len(),
            gate: unit.gate.clone(),
            held_seconds: seen.held_seconds,
            hold_seconds: unit.hold(*position),
            eta_seconds: eta(plan, unit, *position, seen),
            judgement: (*position > 0).then(|| seen.judgement.clone()),
            total: *total,
            warmup: seen.warmup,
            watch: seen.watch.clone(),
        })
        .collect()
}

/// What is left of the larger of the hold and of what the judge will most likely need.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of seconds and of requests, far below 2^52"
)]
pub(crate) fn eta(
    plan: &Plan,
    unit: &crate::domain::rollout::Unit,
    position: u8,
    seen: &crate::domain::rollout::log::UnitEvidence,
) -> Option<f64> {
    if position == 0 {
        return None;
    }
    let weight = unit.weight(position);
    let (hold, late) = (unit.hold(position) as f64, plan.late_seconds as f64);
    let hold = (hold + late - seen.held_seconds).max(0.0);
    let judged = &seen.judgement;
    match judged.verdict {
        Verdict::Pass => return Some(hold),
        Verdict::Fail(_) => return None,
        Verdict::Inconclusive(_) => {}
    }
    // Nobody knows the traffic of a new route before it opens, and that of others only until a look tells better.
    let share = f64::from(weight.clamp(1, 99)) / 100.0;
    let before = || {
        unit.gate
            .is_none()
            .then_some(unit.requests_per_second * share)
    };
    let came = seen.canary_per_second.or_else(before);
    let came = came.filter(|came| *came > 0.0)?;
    let usual = if unit.gate.is_none() {
        judged.stable.share().unwrap_or(unit.bad_share)
    } else {
        judged.canary.share().unwrap_or_default()
    };
    let needed = crate::domain::analysis::forecast(
        &plan.settings(unit),
        came / share,
        usual,
        weight,
        unit.next_weight(position),
    )
    .expected_requests?;
    // What should have been told already is told nobody knows when.
    let left = needed.checked_sub(judged.canary.requests)?;
    (left > 0).then(|| (left as f64 / came + late).max(hold))
}

/// Who gave the newest sign of life. A process of this machine that has ended is seen by its mark, at once; one that is
/// stopped, and every one elsewhere, by its looks.
fn driver(rollout: &Rollout, going_on: &[GoingOn], host: &str, now: Timestamp) -> Driver {
    if !rollout.state.is_live() {
        return Driver::Over;
    }
    let mut newest = rollout.entries.iter().rev();
    let last = newest.find(|entry| matches!(entry.what, What::Look(_)));
    told_by(&rollout.state, &rollout.plan, last, going_on, host, now)
}

/// The same for whoever has not read the whole rollout; none where none is live.
pub(crate) async fn driver_of(
    platform: &dyn Platform,
    live: &Live,
    service: &ServiceName,
    going_on: &[GoingOn],
    host: &str,
    now: Timestamp,
) -> Result<Option<Driver>> {
    let Some(state) = State::live(&live.state) else {
        return Ok(None);
    };
    let plan = objects::plan(platform, service, &state).await?;
    let last = objects::newest_look(platform, service, &state.id).await?;
    let last = last.as_ref();
    Ok(Some(told_by(&state, &plan, last, going_on, host, now)))
}

pub(super) fn told_by(
    state: &State,
    plan: &Plan,
    last: Option<&Entry>,
    going_on: &[GoingOn],
    host: &str,
    now: Timestamp,
) -> Driver {
    let lease = i64::try_from(lease_seconds(plan)).unwrap_or(i64::MAX);
    let is_fresh = |at: Timestamp| now.duration_since(at).as_secs() <= lease;
    let here = going_on
        .iter()
        .filter(|one| one.kind == DRIVING && one.services.contains(&plan.service))
        .map(|one| one.since)
        .max();
    if let Some(began) = here {
        let actor = last.map_or_else(|| plan.actor.clone(), |entry| entry.actor.clone());
        // That the process is there is not enough: it may be stopped. Until its first look it has begun, at least.
        let since = last.map_or(began, |entry| entry.at.max(began));
        return if is_fresh(since) {
            Driver::Alive(actor)
        } else {
            Driver::Asleep { actor, since }
        };
    }
    match last {
        Some(entry)
            if entry.actor.host != host
                && is_fresh(entry.at)
                && entry.generation == state.generation =>
        {
            Driver::Alive(entry.actor.clone())
        }
        last => Driver::Nobody {
            since: last.map(|entry| entry.at),
        },
    }
}

/// The kind of the mark that a driving process leaves on its machine.
pub(crate) const DRIVING: &str = "rollout";

fn shares(rollout: &Rollout) -> Vec<(Option<f64>, Option<f64>)> {
    rollout
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Look(look) if !look.units.is_empty() => {
                let sum = look
                    .units
                    .iter()
                    .fold(Interval::default(), |sum, unit| Interval {
                        canary: sum.canary.plus(unit.canary),
                        stable: sum.stable.plus(unit.stable),
                    });
                Some((sum.canary.share(), sum.stable.share()))
            }
            _ => None,
        })
        .collect()
}
