//! Which step comes next: a function of the plan, the state, and what was seen. It reads no clock and touches nothing
//! (research: the table of states of progressive delivery tools; DESIGN §6).
//!
//! Two rules hold everywhere: only a pass goes forwards, and only a fail or a person goes back.

use serde::{Deserialize, Serialize};

use super::log::{Evidence, UnitEvidence};
use super::plan::{PREPARE_SECONDS, Plan};
use super::state::{Phase, State};
use crate::domain::analysis::{FailReason, Reason, Verdict};
use crate::domain::live::Health;

/// Traffic that does not follow its weights within this time, in seconds, is a person's matter.
const FOLLOW_SECONDS: u64 = 120;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Stay where it is.
    Pause,
    /// Go on.
    Resume,
    /// Go to the next step without a verdict.
    Promote,
    /// All traffic to the canary, now.
    PromoteFull,
    /// No watch any more: nothing goes back by itself.
    EndWatch,
    /// All traffic to the safe side, now.
    Abort,
    /// The same, because another rollout takes its place.
    Supersede,
    /// Put the wanted traffic back after somebody else changed it, and judge afresh.
    Rebase,
}

/// Why a state was left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// It was started.
    Started,
    /// The canary is ready.
    Ready,
    /// What was written is in force.
    Verified,
    /// These units passed their step.
    Passed(Vec<String>),
    /// All units passed their last step.
    AllPassed,
    /// The judge says that this unit is worse.
    Failed {
        /// The unit.
        unit: String,
        /// How.
        reason: FailReason,
    },
    /// The canary does not run.
    CanaryDown,
    /// The canary did not become ready in time.
    NotReady,
    /// No verdict for too long.
    NoVerdict {
        /// The unit.
        unit: String,
        /// What is missing.
        reason: Reason,
    },
    /// The watch after the promotion found it worse.
    WatchFailed {
        /// How.
        reason: FailReason,
    },
    /// The watch is over.
    WatchOver,
    /// Somebody else changed the traffic.
    Drifted,
    /// A person asked.
    ByHand(Command),
}

/// What is seen at one look.
#[derive(Debug, Clone)]
pub(crate) struct Sight<'a> {
    /// The state beside the traffic.
    pub(crate) state: &'a State,
    /// The traffic is what the plan and the state say.
    pub(crate) is_as_wanted: bool,
    /// How the canary is.
    pub(crate) canary: Health,
    /// What the looks add up to.
    pub(crate) evidence: &'a Evidence,
    /// Whoever drives stays: a person at a terminal, or a CI run that waits.
    pub(crate) is_attended: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    /// Commit this state with its traffic.
    Move(Box<Move>),
    /// Look again later.
    Wait(Waiting),
    /// It is over.
    End,
}

/// A state to commit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Move {
    /// The state; [`Plan::split`] says its traffic, but for a drift, which leaves the traffic as it is.
    pub(crate) state: State,
    /// Why.
    pub(crate) why: Why,
}

impl Move {
    /// It goes forwards: more traffic for the canary. Then it has to be recorded before it is done.
    pub(crate) fn is_forward(&self) -> bool {
        !matches!(
            self.state.phase,
            Phase::Paused | Phase::Aborting | Phase::Aborted | Phase::Superseded | Phase::Drifted
        )
    }
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Waiting {
    /// The canary to become ready.
    Canary,
    /// The new traffic to be in force.
    Traffic,
    /// More evidence, or the end of the hold.
    Evidence,
    /// A driver that stays: the next weight is more than nobody may attend.
    Attendance {
        /// The weight in percent.
        weight: u8,
    },
    /// A person: paused or drifted.
    Person,
    /// The end of the watch.
    Watch,
}

/// Why a command does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The rollout is over.
    Over(Phase),
    /// Not from this phase.
    Phase(Phase),
}

/// What comes next.
pub(crate) fn next(plan: &Plan, sight: &Sight<'_>) -> Next {
    let state = sight.state;
    let drifts = !sight.is_as_wanted
        && !matches!(state.phase, Phase::Aborting | Phase::Drifted)
        && state.is_live();
    if drifts {
        return to(state.to(Phase::Drifted), Why::Drifted);
    }
    match state.phase {
        Phase::Planned => to(state.to(Phase::Preparing), Why::Started),
        Phase::Preparing => prepare(plan, sight),
        Phase::Shifting => to(state.to(Phase::Holding), Why::Verified),
        Phase::Holding => hold(plan, sight),
        Phase::Paused => {
            failure(plan, sight).map_or(Next::Wait(Waiting::Person), |why| abort(state, why))
        }
        Phase::Promoting => to(state.to(Phase::Finalising), Why::Verified),
        Phase::Finalising => finalise(plan, sight),
        Phase::Aborting if sight.is_as_wanted => to(state.to(Phase::Aborted), Why::Verified),
        // Whatever was put there meanwhile: an abort is put back until it stands.
        Phase::Aborting => to(state.clone(), Why::Drifted),
        Phase::Drifted => Next::Wait(Waiting::Person),
        Phase::Succeeded | Phase::Aborted | Phase::Superseded => Next::End,
    }
}

fn to(state: State, why: Why) -> Next {
    Next::Move(Box::new(Move { state, why }))
}

fn abort(state: &State, why: Why) -> Next {
    to(state.to(Phase::Aborting), why)
}

fn prepare(plan: &Plan, sight: &Sight<'_>) -> Next {
    match sight.canary {
        Health::Ok => {
            let mut state = sight.state.to(Phase::Shifting);
            let mut passed = Vec::new();
            for (position, unit) in state.positions.iter_mut().zip(&plan.units) {
                if !unit.is_rest && !unit.steps.is_empty() && *position == 0 {
                    *position = 1;
                    passed.push(unit.name.clone());
                }
            }
            if passed.is_empty() {
                start_rest(plan, &mut state);
            }
            allowed(plan, sight, state, Why::Ready)
        }
        Health::Failed => abort(sight.state, Why::CanaryDown),
        _ if sight.evidence.phase_seconds >= seconds(PREPARE_SECONDS) => {
            abort(sight.state, Why::NotReady)
        }
        _ => Next::Wait(Waiting::Canary),
    }
}

/// The rest begins; false when it has no step of its own.
fn start_rest(plan: &Plan, state: &mut State) -> bool {
    for (position, unit) in state.positions.iter_mut().zip(&plan.units) {
        if unit.is_rest && !unit.steps.is_empty() && *position == 0 {
            *position = 1;
            return true;
        }
    }
    false
}

/// A move that raises weights, unless nobody attends and it is too much for that.
fn allowed(plan: &Plan, sight: &Sight<'_>, state: State, why: Why) -> Next {
    let highest = plan
        .units
        .iter()
        .zip(state.positions.iter().zip(&sight.state.positions))
        .filter(|(_, (after, before))| after > before)
        .map(|(unit, (after, _))| unit.weight(*after))
        .max()
        .unwrap_or(0);
    let weight = if state.phase == Phase::Promoting {
        100
    } else {
        highest
    };
    if !sight.is_attended && weight > plan.max_unattended_weight {
        return Next::Wait(Waiting::Attendance { weight });
    }
    to(state, why)
}

/// What speaks for going back.
fn failure(plan: &Plan, sight: &Sight<'_>) -> Option<Why> {
    if sight.canary == Health::Failed && sight.state.positions.iter().any(|one| *one > 0) {
        return Some(Why::CanaryDown);
    }
    running(plan, sight).find_map(|(index, evidence)| match evidence.judgement.verdict {
        Verdict::Fail(reason) => Some(Why::Failed {
            unit: plan.units.get(index)?.name.clone(),
            reason,
        }),
        _ => None,
    })
}

/// The units whose canary has traffic, with their evidence.
fn running<'a>(
    plan: &'a Plan,
    sight: &'a Sight<'_>,
) -> impl Iterator<Item = (usize, &'a UnitEvidence)> {
    let positions = &sight.state.positions;
    plan.units
        .iter()
        .zip(&sight.evidence.units)
        .enumerate()
        .filter(|(index, _)| positions.get(*index).is_some_and(|position| *position > 0))
        .map(|(index, (_, evidence))| (index, evidence))
}

fn hold(plan: &Plan, sight: &Sight<'_>) -> Next {
    if let Some(why) = failure(plan, sight) {
        return abort(sight.state, why);
    }
    let mut state = sight.state.to(Phase::Shifting);
    let mut passed = Vec::new();
    let mut stuck = None;
    let mut all_listed = true;
    let mut all = true;
    for (index, unit) in plan.units.iter().enumerate() {
        let Some(position) = state.positions.get_mut(index) else {
            continue;
        };
        if unit.steps.is_empty() {
            continue;
        }
        let Some(evidence) = sight.evidence.units.get(index).filter(|_| *position > 0) else {
            all = false;
            all_listed &= unit.is_rest;
            continue;
        };
        let ready = evidence.held_seconds >= seconds(unit.hold(*position) + plan.late_seconds)
            && evidence.judgement.verdict == Verdict::Pass;
        if ready && !unit.is_last(*position) {
            *position += 1;
            passed.push(unit.name.clone());
        }
        if !ready {
            all = false;
            all_listed &= unit.is_rest;
        }
        if let (false, Verdict::Inconclusive(reason)) = (ready, &evidence.judgement.verdict)
            && evidence.waited_seconds >= seconds(longest(plan, reason) + plan.late_seconds)
            && stuck.is_none()
        {
            stuck = Some(Why::NoVerdict {
                unit: unit.name.clone(),
                reason: *reason,
            });
        }
    }
    if !passed.is_empty() {
        return allowed(plan, sight, state, Why::Passed(passed));
    }
    if all {
        return allowed(
            plan,
            sight,
            sight.state.to(Phase::Promoting),
            Why::AllPassed,
        );
    }
    if all_listed && start_rest(plan, &mut state) {
        return allowed(plan, sight, state, Why::Passed(Vec::new()));
    }
    match stuck {
        Some(why) => to(sight.state.to(Phase::Paused), why),
        None => Next::Wait(Waiting::Evidence),
    }
}

/// Seconds after which what has no verdict is a person's matter.
fn longest(plan: &Plan, reason: &Reason) -> u64 {
    match reason {
        Reason::SplitNotFollowed { .. } => plan.max_hold_seconds.min(FOLLOW_SECONDS),
        _ => plan.max_hold_seconds,
    }
}

fn finalise(plan: &Plan, sight: &Sight<'_>) -> Next {
    if sight.canary == Health::Failed {
        return abort(sight.state, Why::CanaryDown);
    }
    if let Some(Verdict::Fail(reason)) = sight.evidence.watch.as_ref().map(|one| &one.verdict) {
        let reason = *reason;
        return abort(sight.state, Why::WatchFailed { reason });
    }
    let is_over = sight.evidence.phase_seconds >= seconds(plan.watch_seconds + plan.late_seconds);
    // While the counters cannot be read nothing is watched: no data is never success. As soon as they can be read again
    // they tell of all the time in between.
    if is_over && sight.evidence.missing.is_none() {
        return to(sight.state.to(Phase::Succeeded), Why::WatchOver);
    }
    Next::Wait(Waiting::Watch)
}

/// What a command does: a state to commit, or nothing where it is so already.
pub(crate) fn command(
    plan: &Plan,
    state: &State,
    command: Command,
) -> Result<Option<Move>, Refused> {
    if state.phase.is_terminal() {
        return match command {
            Command::Abort | Command::Supersede => Ok(None),
            _ => Err(Refused::Over(state.phase)),
        };
    }
    let refused = Err(Refused::Phase(state.phase));
    let moved = |state: State| {
        Ok(Some(Move {
            state,
            why: Why::ByHand(command),
        }))
    };
    match (command, state.phase) {
        // It is so already.
        (Command::Abort | Command::Supersede, Phase::Aborting)
        | (Command::Pause, Phase::Paused)
        | (Command::Resume, Phase::Holding | Phase::Shifting | Phase::Preparing | Phase::Planned)
        | (Command::Promote | Command::PromoteFull, Phase::Promoting | Phase::Finalising) => {
            Ok(None)
        }
        (Command::Abort | Command::Supersede, _) => Ok(Some(aborting(state, command))),
        (Command::Pause, Phase::Shifting | Phase::Holding) => moved(state.to(Phase::Paused)),
        (Command::Resume, Phase::Paused) => moved(state.to(Phase::Holding)),
        (Command::Promote, Phase::Holding | Phase::Paused) => moved(promoted(plan, state)),
        // Asked for by its own name alone: a promotion that is asked for twice must not take the way back along.
        (Command::EndWatch, Phase::Finalising) => moved(state.to(Phase::Succeeded)),
        (Command::PromoteFull, Phase::Shifting | Phase::Holding | Phase::Paused) => {
            moved(state.to(Phase::Promoting))
        }
        (Command::Rebase, Phase::Drifted) => moved(rebased(state)),
        _ => refused,
    }
}

/// An abort of a live rollout, by hand. Needs no plan: the safe side follows from the state alone.
pub(crate) fn aborting(state: &State, command: Command) -> Move {
    Move {
        state: State {
            generation: state.generation.saturating_add(1),
            stays: state.is_safe_on_canary(),
            ..state.to(Phase::Aborting)
        },
        why: Why::ByHand(command),
    }
}

/// Back from a drift: to where it was. All positions 0 means that nothing had begun. A promotion is written again, and
/// watched afresh.
fn rebased(state: &State) -> State {
    if matches!(state.meant(), Phase::Promoting | Phase::Finalising) {
        state.to(Phase::Promoting)
    } else if state.positions.iter().all(|position| *position == 0) {
        state.to(Phase::Preparing)
    } else {
        state.to(Phase::Shifting)
    }
}

/// One step on for every unit, whatever the verdicts; after the last step of all, the promotion.
fn promoted(plan: &Plan, state: &State) -> State {
    let mut after = state.to(Phase::Shifting);
    let mut raised = false;
    for (position, unit) in after.positions.iter_mut().zip(&plan.units) {
        if !unit.is_rest && *position > 0 && !unit.is_last(*position) {
            *position += 1;
            raised = true;
        }
    }
    if raised {
        return after;
    }
    for (position, unit) in after.positions.iter_mut().zip(&plan.units) {
        if unit.is_rest && !unit.steps.is_empty() && !unit.is_last(*position) {
            *position += 1;
            raised = true;
        }
    }
    if raised {
        after
    } else {
        state.to(Phase::Promoting)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of seconds, far below 2^52"
)]
fn seconds(whole: u64) -> f64 {
    whole as f64
}
