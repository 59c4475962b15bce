//! The abort: one write that needs no metrics, no lease, no plan and no audit store; verified afterwards, by reading it
//! again and by the requests that the canary still gets.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::lost::each_time;
use super::{Rollout, Tools, change, objects};
use crate::domain::audit::event::RolloutStep;
use crate::domain::live::{Health, Live};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::log::Decision;
use crate::domain::rollout::machine::aborting;
use crate::domain::rollout::{Command, Entry, Move, Phase, State, What, Why};
use crate::domain::traffic::Split;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, Recorded, ResultWord};
use crate::ops::deploy::apply::millis;
use crate::ops::{Event, lag, live_state, warnings};
use crate::platform::{self, Commit};

/// How often a write that loses to another one is tried again.
const ATTEMPTS: u32 = 50;
/// How long the canary may still get requests after the traffic has left it.
pub(super) const QUIET_WITHIN: Duration = Duration::from_secs(10);
/// How often the counters are asked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How an abort ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aborted {
    /// The rollout; none where nothing was live.
    pub(crate) id: Option<String>,
    /// The operation of the audit log; none where nothing had to be done.
    pub(crate) operation: Option<String>,
    /// What serves all requests.
    pub(crate) revision: RevisionNumber,
    /// What was left.
    pub(crate) left: Option<RevisionNumber>,
    /// When the traffic was changed.
    pub(crate) at: Timestamp,
    /// When the revision that was left got its last request; none when it never had one, or nobody can tell.
    pub(crate) last_request: Option<Timestamp>,
    /// The requests were watched as well; on a platform whose numbers come later it is the traffic that was read again.
    pub(crate) was_watched: bool,
    /// Milliseconds until the traffic had changed.
    pub(crate) milliseconds: u64,
    /// Events that are on this machine only.
    pub(crate) pending_events: usize,
}

/// Ends the live rollout of a service with all traffic on its safe side. Idempotent: where none is live, nothing is
/// written. `command` is an abort or a supersession; `why` is what the judge found and the generation of who drives: a
/// driver that was taken over meanwhile aborts nothing. `seen` is what was just observed, where it was: a brake looks
/// once before its write, and the write's own comparison finds what changed since.
pub(crate) async fn abort(
    tools: &Tools<'_>,
    service: &ServiceName,
    command: Command,
    why: Option<(Why, u32)>,
    reason: Option<String>,
    seen: Option<Live>,
) -> Result<Option<Aborted>> {
    let asked = format!("cannot abort the rollout of `{service}`");
    let started = tools.clock.monotonic();
    let live = match seen {
        Some(live) => live,
        None => tools
            .platform
            .observe(service)
            .await
            .map_err(|error| Error::from(error).context(&asked))?,
    };
    let Some(state) = State::live(&live.state) else {
        return Ok(None);
    };
    if let Some((_, generation)) = why
        && state.generation > generation
    {
        return Err(Error::overtaken(service, live.last_commit.as_ref(), &live).context(&asked));
    }
    let why = why.map(|(why, _)| why);
    let wanted = target(&state, &live, command, why.as_ref());
    let intent = Intent {
        kind: audit::Kind::Rollout(RolloutStep::Abort),
        service: service.clone(),
        reason: reason.clone(),
        before: described(&state, &live),
        after: json!({ "rollout": state.id, "phase": "aborted", "revision": safe(&wanted).to_string() }),
        provenance: live
            .revision(state.canary)
            .map(|revision| revision.provenance.clone()),
        digest: live
            .revision(state.canary)
            .map(|revision| revision.digest.clone()),
    };
    let operation = tools
        .journal
        .begin_brake(tools.clock, intent)
        .await
        .map_err(|error| error.context(&asked).live(live_state(service, Some(&live))))?;
    let id = operation.id().to_owned();
    let asked_for = Asked {
        command,
        why,
        reason,
    };
    let result = stop(tools, service, asked_for, &id, started, live).await;
    let (result, live) = match result {
        Ok((aborted, live)) => (Ok(aborted), Some(live)),
        Err(error) => (Err(error), tools.platform.observe(service).await.ok()),
    };
    let outcome = audit::Outcome {
        result: if result.is_ok() {
            ResultWord::Succeeded
        } else {
            ResultWord::Failed
        },
        after: live
            .as_ref()
            .map(crate::ops::deploy::described)
            .unwrap_or_default(),
        message: result.as_ref().err().map(|error| error.message.clone()),
        error_id: result.as_ref().err().map(|error| error.id.to_owned()),
    };
    let recorded = tools.journal.finish(tools.clock, operation, outcome).await;
    let mut aborted = result.map_err(|error| {
        error
            .context(&asked)
            .live(live_state(service, live.as_ref()))
    })?;
    aborted.operation = Some(id);
    let recorded = recorded.map_err(|error| Error {
        message: format!(
            "the rollout of `{service}` was aborted, but {}",
            error.message
        ),
        ..error.live(live_state(service, live.as_ref()))
    })?;
    if let Recorded::Pending { events } = recorded {
        aborted.pending_events = events;
    }
    Ok(Some(aborted))
}

fn target(state: &State, live: &Live, command: Command, why: Option<&Why>) -> Move {
    let mut wanted = target_of(state, command, why);
    // Somebody has taken all traffic back to stable, which serves it well: a stop button takes it nowhere else.
    if state.phase == Phase::Drifted
        && live
            .sole()
            .is_some_and(|one| one.number == state.stable && one.health == Health::Ok)
    {
        wanted.state.stays = false;
    }
    wanted
}

fn target_of(state: &State, command: Command, why: Option<&Why>) -> Move {
    match why {
        // By the judge: the same driver goes on, so the generation stays.
        Some(why) if state.phase != Phase::Aborting => Move {
            state: State {
                stays: state.is_safe_on_canary(),
                ..state.to(Phase::Aborting)
            },
            why: why.clone(),
        },
        _ if state.phase == Phase::Aborting => Move {
            state: state.clone(),
            why: why.cloned().unwrap_or(Why::ByHand(command)),
        },
        _ => aborting(state, command),
    }
}

/// Where all traffic goes.
fn safe(wanted: &Move) -> RevisionNumber {
    if wanted.state.stays {
        wanted.state.canary
    } else {
        wanted.state.stable
    }
}

fn described(state: &State, live: &Live) -> serde_json::Value {
    json!({
        "rollout": state.id,
        "phase": state.phase.as_str(),
        "stable": state.stable.to_string(),
        "canary": state.canary.to_string(),
        "split": live.split,
    })
}

/// Who asks for an abort, and why.
struct Asked {
    command: Command,
    why: Option<Why>,
    reason: Option<String>,
}

/// The phase that an abort ends in.
fn end_of(command: Command) -> Phase {
    if command == Command::Supersede {
        Phase::Superseded
    } else {
        Phase::Aborted
    }
}

/// The write, and what has to be true after it; with what was observed at its end.
async fn stop(
    tools: &Tools<'_>,
    service: &ServiceName,
    asked: Asked,
    operation: &str,
    started: Duration,
    seen: Live,
) -> Result<(Aborted, Live)> {
    let Asked {
        command,
        why,
        reason,
    } = asked;
    let (before, wanted) = leave(tools, service, command, why.as_ref(), operation, seen).await?;
    let at = tools.clock.now();
    let revision = safe(&wanted);
    let left = (!wanted.state.stays).then_some(wanted.state.canary);
    let milliseconds = millis(tools.clock, started);
    let done = Event::Done {
        what: "aborted",
        detail: format!("all traffic on revision {revision}"),
        milliseconds,
    };
    let was_watched = tools.platform.capabilities().counts_at_once;
    let (last_request, live) = if was_watched {
        tools.reporter.report(done);
        // For people and for the report; the traffic has changed already, so that it may fail.
        drop(note(tools, service, &before, &wanted, None, reason).await);
        let last_request = quiet(tools, service, left, at).await?;
        let live = close(tools, service, &wanted, command, operation).await?;
        (last_request, live)
    } else {
        let end = Some(end_of(command));
        let live = verified(tools, service, &wanted).await;
        if live.is_ok() {
            tools.reporter.report(done);
        }
        drop(note(tools, service, &before, &wanted, end, reason).await);
        let live = live?;
        (None, live)
    };
    let aborted = Aborted {
        id: Some(wanted.state.id.clone()),
        operation: None,
        revision,
        left,
        at,
        last_request,
        was_watched,
        milliseconds,
        pending_events: 0,
    };
    Ok((aborted, live))
}

/// Writes all traffic to the safe side; whoever writes in between is overwritten, as long as it is the same rollout. Where
/// requests are counted as they come, the end waits until the canary gets none any more; elsewhere the same write says that
/// the rollout is over, because there is nothing more to wait for.
async fn leave(
    tools: &Tools<'_>,
    service: &ServiceName,
    command: Command,
    why: Option<&Why>,
    operation: &str,
    seen: Live,
) -> Result<(State, Move)> {
    let mut seen = Some(seen);
    for _ in 0..ATTEMPTS {
        let live = match seen.take() {
            Some(live) => live,
            None => tools.platform.observe(service).await?,
        };
        let Some(state) = State::live(&live.state) else {
            return Err(Error::overtaken(service, live.last_commit.as_ref(), &live));
        };
        let wanted = target(&state, &live, command, why);
        let revision = safe(&wanted);
        let routes = live
            .revision(revision)
            .and_then(|one| one.service.as_ref())
            .map(|service| service.routes.clone())
            .unwrap_or_default();
        let commit = Commit {
            split: Split::all(&routes, revision),
            state: if tools.platform.capabilities().counts_at_once {
                wanted.state.encode()
            } else {
                wanted.state.to(end_of(command)).encode()
            },
            leaves: (!wanted.state.stays && command != Command::Supersede)
                .then_some(wanted.state.canary),
            actor: tools.journal.actor().clone(),
            operation: operation.to_owned(),
        };
        match tools
            .platform
            .commit(service, &live.token, &commit, &warnings(tools.reporter))
            .await
        {
            Ok(_) => return Ok((state, wanted)),
            Err(platform::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(each_time(
        service,
        ATTEMPTS,
        &tools.platform.observe(service).await?,
    ))
}

/// Where the traffic was before an abort; none where the log tells of it already. Whoever began the abort may have died
/// before it was noted: then the state says that it aborts, and the log what was before.
pub(super) fn came_from(entries: &[Entry], before: &State) -> Option<(Phase, Vec<u8>)> {
    match newest(entries) {
        Some(newest) if [newest.from.0, newest.to.0].contains(&Phase::Aborting) => None,
        _ if before.phase != Phase::Aborting => Some((before.phase, before.positions.clone())),
        None => Some((Phase::Planned, vec![0; before.positions.len()])),
        Some(newest) if newest.to.1 == before.positions => Some(newest.to.clone()),
        // It was noted and never came into force.
        Some(newest) => Some(newest.from.clone()),
    }
}

/// Notes the decision in the rollout's log, and where it has come to its end, that too; whoever writes there as well goes
/// first.
async fn note(
    tools: &Tools<'_>,
    service: &ServiceName,
    before: &State,
    wanted: &Move,
    end: Option<Phase>,
    reason: Option<String>,
) -> Result<()> {
    let judgements = match super::read(tools.platform, service).await {
        Ok(Some(Rollout { plan, replay, .. })) => {
            let evidence = replay.evidence();
            plan.units
                .iter()
                .zip(evidence.units)
                .zip(&before.positions)
                .filter(|(_, position)| **position > 0)
                .map(|((unit, evidence), _)| (unit.name.clone(), evidence.judgement))
                .collect()
        }
        _ => Vec::new(),
    };
    for _ in 0..ATTEMPTS {
        let entries = objects::entries(tools.platform, service, &before.id, 0).await?;
        let state = &wanted.state;
        let decision = match (came_from(&entries, before), end) {
            (Some(from), _) => Decision {
                from,
                to: (state.phase, state.positions.clone()),
                why: wanted.why.clone(),
                judgements: Vec::clone(&judgements),
                reason: reason.clone(),
            },
            (None, Some(end)) if newest(&entries).is_some_and(|one| one.to.0 != end) => Decision {
                from: (state.phase, state.positions.clone()),
                to: (end, state.positions.clone()),
                why: Why::Verified,
                judgements: Vec::clone(&judgements),
                reason: None,
            },
            (None, _) => break,
        };
        let entry = Entry {
            sequence: entries.last().map_or(0, |entry| entry.sequence + 1),
            at: tools.clock.now(),
            generation: state.generation,
            actor: tools.journal.actor().clone(),
            what: What::Decision(Box::new(decision)),
        };
        if objects::append(tools.platform, service, &before.id, &entry).await? && end.is_none() {
            break;
        }
    }
    Ok(())
}

/// Notes an abort that came into force and is not in the rollout's log to its end, because whoever wrote it died right
/// after: with the reason that the evidence gives, or that a person asked for it.
pub(crate) async fn complete(tools: &Tools<'_>, service: &ServiceName, over: &State) -> Result<()> {
    let command = match over.phase {
        Phase::Aborted => Command::Abort,
        Phase::Superseded => Command::Supersede,
        _ => return Ok(()),
    };
    let entries = objects::entries(tools.platform, service, &over.id, 0).await?;
    if newest(&entries).is_some_and(|one| one.to.0 == over.phase) {
        return Ok(());
    }
    let wanted = State {
        stays: over.stays,
        ..over.to(Phase::Aborting)
    };
    let before = match came_from(&entries, &wanted) {
        Some((phase, positions)) => State {
            phase,
            positions,
            ..over.clone()
        },
        None => wanted.clone(),
    };
    let driven = entries.last().map_or(1, |entry| entry.generation);
    let mut why = Why::ByHand(command);
    if over.generation <= driven
        && let Some(rollout) = super::read(tools.platform, service).await?
        && let Some(found) = super::drive::why_aborting(&rollout, &before)
    {
        why = found;
    }
    let wanted = Move { state: wanted, why };
    note(tools, service, &before, &wanted, Some(over.phase), None).await
}

/// The newest decision of a rollout's log.
fn newest(entries: &[Entry]) -> Option<&Decision> {
    entries.iter().rev().find_map(|entry| match &entry.what {
        What::Decision(decision) => Some(&**decision),
        What::Look(_) => None,
    })
}

/// Waits until the revision that was left gets no request any more, and returns when it got its last one.
async fn quiet(
    tools: &Tools<'_>,
    service: &ServiceName,
    left: Option<RevisionNumber>,
    at: Timestamp,
) -> Result<Option<Timestamp>> {
    // Where the numbers come later, the traffic that is read again is what there is to observe.
    let Some(left) = left.filter(|_| tools.platform.capabilities().counts_at_once) else {
        return Ok(None);
    };
    let until = tools.clock.monotonic() + QUIET_WITHIN;
    loop {
        // Without counters there is nothing to observe; the traffic itself was read again by then.
        let Ok(counts) = tools.platform.counts(service).await else {
            return Ok(None);
        };
        let last = counts.last_request_to(left);
        // The platform's clock says when it read the counters: one round after the change is enough.
        let is_quiet = last.is_none_or(|last| last <= at.max(counts.at) && last <= at + GRACE);
        if is_quiet && counts.at >= at {
            return Ok(last);
        }
        if tools.clock.monotonic() >= until {
            return Err(Error::new(
                Kind::Unhealthy,
                "abort-not-verified",
                format!(
                    "the traffic was changed, but revision {left} still gets requests after {} s",
                    QUIET_WITHIN.as_secs()
                ),
            )
            .hint(format!("look again: `squad rollout status {service}`")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Requests that were on their way when the traffic changed still count as before it.
const GRACE: jiff::SignedDuration = jiff::SignedDuration::from_millis(250);

/// Reads the traffic again, which has come to its end with the write.
async fn verified(tools: &Tools<'_>, service: &ServiceName, wanted: &Move) -> Result<Live> {
    let live = tools.platform.observe(service).await?;
    let same = State::parse(&live.state).is_some_and(|state| state.id == wanted.state.id);
    if !same {
        return Err(Error::overtaken(service, live.last_commit.as_ref(), &live));
    }
    let split = live.split.as_ref();
    if split.and_then(Split::sole) == Some(safe(wanted)) {
        let Tools {
            platform,
            clock,
            reporter,
            ..
        } = tools;
        lag::arrived(*platform, *clock, *reporter, service, live, QUIET_WITHIN).await
    } else {
        Err(changed_after())
    }
}

/// The abort was in force, and is not any more.
fn changed_after() -> Error {
    Error::new(
        Kind::Unhealthy,
        "abort-not-verified",
        "the traffic was changed by somebody else right after",
    )
}

/// Reads the traffic again and writes the end of the rollout.
async fn close(
    tools: &Tools<'_>,
    service: &ServiceName,
    wanted: &Move,
    command: Command,
    operation: &str,
) -> Result<Live> {
    let end = end_of(command);
    for _ in 0..ATTEMPTS {
        let live = tools.platform.observe(service).await?;
        let Some(state) = State::parse(&live.state).filter(|state| state.id == wanted.state.id)
        else {
            return Err(Error::overtaken(service, live.last_commit.as_ref(), &live));
        };
        if !state.is_live() {
            return Ok(live);
        }
        let split = live
            .split
            .clone()
            .filter(|split| split.sole() == Some(safe(wanted)) && state.phase == Phase::Aborting);
        let Some(split) = split else {
            return Err(changed_after());
        };
        // First, as every decision that changes no traffic: whoever dies in between is followed by one that finds it noted.
        // For people and for the report, so that it may fail.
        drop(note_end(tools, service, &state, end).await);
        let commit = Commit {
            split,
            state: state.to(end).encode(),
            leaves: None,
            actor: tools.journal.actor().clone(),
            operation: operation.to_owned(),
        };
        match tools
            .platform
            .commit(service, &live.token, &commit, &warnings(tools.reporter))
            .await
        {
            // Read once more: the answer is what there is now.
            Ok(_) | Err(platform::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(each_time(
        service,
        ATTEMPTS,
        &tools.platform.observe(service).await?,
    ))
}

async fn note_end(
    tools: &Tools<'_>,
    service: &ServiceName,
    state: &State,
    end: Phase,
) -> Result<()> {
    let after = Move {
        state: state.to(end),
        why: Why::Verified,
    };
    let Some(mut rollout) = super::read(tools.platform, service).await? else {
        return Ok(());
    };
    rollout.state = state.clone();
    change::note(tools, &mut rollout, &after, None).await?;
    Ok(())
}
