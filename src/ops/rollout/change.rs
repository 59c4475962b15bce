//! Carrying out one decision: note it in the rollout's log, record it, commit it, record how it ended.
//!
//! What goes forwards is recorded before it is done, and not done where that fails. What goes back is done in `brake`.

use serde_json::{Value, json};

use super::{Rollout, Tools, objects};
use crate::domain::audit::event::RolloutStep;
use crate::domain::live::LastCommit;
use crate::domain::rollout::log::Decision;
use crate::domain::rollout::{Entry, Move, Phase, Plan, State, What, Why};
use crate::error::{Error, Result};
use crate::ops::audit::{self, Intent, ResultWord};
use crate::ops::warnings;
use crate::platform::{self, Commit};

/// How carrying out went.
#[derive(Debug)]
pub(crate) enum Carried {
    /// It is in force.
    Done,
    /// Somebody else changed the state or the log first: read again.
    Overtaken,
    /// The audit log cannot be written, so nothing may go forwards.
    Unrecorded(Box<Error>),
}

/// The word of the audit log for a move; none where no traffic changes and no person acted.
fn step(from: &State, to: &Move) -> Option<RolloutStep> {
    use crate::domain::rollout::Command;
    if let Why::ByHand(command) = to.why {
        return Some(match command {
            Command::Pause => RolloutStep::Pause,
            Command::Resume => RolloutStep::Resume,
            Command::Abort | Command::Supersede => RolloutStep::Abort,
            Command::Rebase => RolloutStep::Rebase,
            Command::Promote | Command::PromoteFull if to.state.phase == Phase::Promoting => {
                RolloutStep::Promote
            }
            Command::EndWatch => RolloutStep::Finish,
            Command::Promote | Command::PromoteFull => RolloutStep::Shift,
        });
    }
    match (from.phase, to.state.phase) {
        (_, Phase::Shifting) => Some(RolloutStep::Shift),
        (_, Phase::Promoting) => Some(RolloutStep::Promote),
        (_, Phase::Paused) => Some(RolloutStep::Pause),
        (_, Phase::Succeeded) => Some(RolloutStep::Finish),
        _ => None,
    }
}

/// What the audit log says of a state: the rollout, its phase, and the canary's weight of each unit.
pub(crate) fn described(plan: &Plan, state: &State) -> Value {
    let weights: serde_json::Map<String, Value> = plan
        .units
        .iter()
        .zip(&state.positions)
        .map(|(unit, position)| {
            let weight = unit.weight_in(state.meant(), *position, state.stays);
            (unit.name.clone(), Value::from(weight))
        })
        .collect();
    json!({
        "rollout": state.id,
        "phase": state.phase.as_str(),
        "stable": state.stable.to_string(),
        "canary": state.canary.to_string(),
        "weights": weights,
    })
}

/// The intent of a step of a rollout.
pub(crate) fn intent(
    rollout: &Rollout,
    step: RolloutStep,
    after: &State,
    reason: Option<String>,
) -> Intent {
    let canary = rollout.live.revision(rollout.plan.canary);
    Intent {
        kind: audit::Kind::Rollout(step),
        service: rollout.plan.service.clone(),
        reason,
        before: described(&rollout.plan, &rollout.state),
        after: described(&rollout.plan, after),
        provenance: canary.map(|revision| revision.provenance.clone()),
        digest: canary.map(|revision| revision.digest.clone()),
    }
}

/// Notes a decision in the rollout's log, unless it is its newest entry already. False when somebody else wrote first.
pub(crate) async fn note(
    tools: &Tools<'_>,
    rollout: &mut Rollout,
    to: &Move,
    reason: Option<&str>,
) -> Result<bool> {
    if rollout.replay.is_open(&rollout.state, &to.state, &to.why) {
        return Ok(true);
    }
    let evidence = rollout.replay.evidence();
    let judgements = rollout
        .plan
        .units
        .iter()
        .zip(&evidence.units)
        .zip(&rollout.state.positions)
        .filter(|(_, position)| **position > 0)
        .map(|((unit, evidence), _)| (unit.name.clone(), evidence.judgement.clone()))
        .collect();
    let entry = Entry {
        sequence: rollout.replay.next_sequence(),
        at: tools.clock.now(),
        generation: to.state.generation,
        actor: tools.journal.actor().clone(),
        what: What::Decision(Box::new(Decision {
            from: (rollout.state.phase, rollout.state.positions.clone()),
            to: (to.state.phase, to.state.positions.clone()),
            why: to.why.clone(),
            judgements,
            reason: reason.map(str::to_owned),
        })),
    };
    append(tools, rollout, entry).await
}

/// Appends an entry and takes it into the rollout; false when somebody else wrote first.
pub(crate) async fn append(tools: &Tools<'_>, rollout: &mut Rollout, entry: Entry) -> Result<bool> {
    let made = objects::append(
        tools.platform,
        &rollout.plan.service,
        &rollout.state.id,
        &entry,
    )
    .await?;
    if made {
        rollout.replay.push(&entry);
        rollout.entries.push(entry);
    }
    Ok(made)
}

/// Carries out a move that is no abort.
pub(crate) async fn carry_out(
    tools: &Tools<'_>,
    rollout: &mut Rollout,
    to: &Move,
    reason: Option<&str>,
) -> Result<Carried> {
    let operation = match step(&rollout.state, to) {
        None => None,
        Some(step) => {
            let intent = intent(rollout, step, &to.state, reason.map(str::to_owned));
            let begun = if to.is_forward() {
                tools.journal.begin(tools.clock, intent).await
            } else {
                tools.journal.begin_brake(tools.clock, intent).await
            };
            match begun {
                Ok(operation) => Some(operation),
                Err(error) if to.is_forward() => return Ok(Carried::Unrecorded(Box::new(error))),
                Err(error) => return Err(error),
            }
        }
    };
    let id = operation.as_ref().map(|one| one.id().to_owned());
    let result = write(tools, rollout, to, reason, id.as_deref()).await;
    if let Some(operation) = operation {
        let (word, message) = match &result {
            Ok(true) => (ResultWord::Succeeded, None),
            Ok(false) => (
                ResultWord::Failed,
                Some("another change got there first".to_owned()),
            ),
            Err(error) => (ResultWord::Failed, Some(error.message.clone())),
        };
        let outcome = audit::Outcome {
            result: word,
            after: described(&rollout.plan, &rollout.state),
            message,
            error_id: result.as_ref().err().map(|error| error.id.to_owned()),
        };
        tools
            .journal
            .finish(tools.clock, operation, outcome)
            .await?;
    }
    Ok(if result? {
        Carried::Done
    } else {
        Carried::Overtaken
    })
}

async fn write(
    tools: &Tools<'_>,
    rollout: &mut Rollout,
    to: &Move,
    reason: Option<&str>,
    operation: Option<&str>,
) -> Result<bool> {
    // What a drift found stays as it is: only the state is written beside it.
    let split = match (to.state.phase, &rollout.live.split) {
        (Phase::Drifted, Some(split)) => split.clone(),
        _ => rollout.plan.split(&to.state),
    };
    Ok(note(tools, rollout, to, reason).await?
        && commit(tools, rollout, to, split, operation).await?)
}

/// Commits a state with a split; false when another commit got there first.
pub(crate) async fn commit(
    tools: &Tools<'_>,
    rollout: &mut Rollout,
    to: &Move,
    split: crate::domain::traffic::Split,
    operation: Option<&str>,
) -> Result<bool> {
    let service = rollout.plan.service.clone();
    let commit = Commit {
        split,
        state: to.state.encode(),
        leaves: None,
        actor: tools.journal.actor().clone(),
        operation: operation.map_or_else(|| ulid::Ulid::generate().to_string(), str::to_owned),
    };
    let written = tools
        .platform
        .commit(
            &service,
            &rollout.live.token,
            &commit,
            &warnings(tools.reporter),
        )
        .await;
    let written = match written {
        Err(platform::Error::Conflict { winner }) if is_ours(&commit, winner.as_ref()) => {
            let live = tools.platform.observe(&service).await?;
            if !is_ours(&commit, live.last_commit.as_ref()) {
                return Ok(false);
            }
            Ok(live.token)
        }
        written => written,
    };
    match written {
        Ok(token) => {
            rollout.live.token = token;
            rollout.live.split = Some(commit.split);
            rollout.live.state = commit.state;
            rollout.state = to.state.clone();
            rollout.replay.settle(&rollout.state);
            Ok(true)
        }
        Err(platform::Error::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the commit that got there first is this very one: it was done, and the answer was lost with the platform, so
/// that it was sent again.
pub(super) fn is_ours(commit: &Commit, winner: Option<&LastCommit>) -> bool {
    winner.is_some_and(|winner| winner.operation == commit.operation)
}
