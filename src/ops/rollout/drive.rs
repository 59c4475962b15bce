//! The driver: looks, asks the rules what comes next, carries it out, until the rollout is over.
//!
//! It may die at any point: nothing is only in its memory. It may also sleep at any point while another one takes over:
//! then it finds a higher generation, or a state or an entry that it did not write, and writes nothing.

use std::time::Duration;

use super::change::{self, Carried};
use super::{Rollout, Tools, brake, lost, read_on, read_some};
use crate::domain::audit::event::RolloutStep;
use crate::domain::counts;
use crate::domain::live::{Health, Live};
use crate::domain::name::ServiceName;
use crate::domain::rollout::log::{self, Look};
use crate::domain::rollout::{
    Command, Entry, Move, Next, Phase, Plan, Sight, State, Waiting, What, Why,
};
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, ResultWord};
use crate::ops::{Cancel, live_state};
use crate::platform;

/// How often the traffic is looked at between two readings of the counters; less often where those are far apart, because
/// the platform answers only so many questions.
const GLANCE: Duration = Duration::from_secs(1);
/// Glances between two readings at most, where a glance is longer than [`GLANCE`].
const MOST_GLANCES: u32 = 12;
/// The longest that one reading of the counters may take.
const COUNTS_LIMIT: Duration = Duration::from_secs(10);

/// What is asked of a driver.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whose rollout.
    pub(crate) service: ServiceName,
    /// What a command needs behind it to mean this environment.
    pub(crate) flag: String,
    /// It stays until the end; otherwise it looks once, and may not go beyond what nobody attends.
    pub(crate) stays: bool,
    /// A paused rollout is waited for; otherwise the driver leaves it to whoever decides.
    pub(crate) waits_for_people: bool,
}

/// Told after each round, for a view.
pub(crate) type OnRound<'a> = &'a mut (dyn FnMut(&Rollout, &Waiting) + Send);

/// How driving ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// The rollout is over.
    Over(Box<State>, Option<Why>),
    /// Somebody has to decide.
    NeedsPerson(Box<State>, Option<Why>),
    /// One look was asked for, and it is done.
    Looked(Box<State>),
    /// The person at the terminal left; the rollout stays as it is.
    Left(Box<State>),
}

/// A driver of one rollout.
struct Driver<'a> {
    tools: &'a Tools<'a>,
    options: &'a Options,
    rollout: Rollout,
    /// The generation that this driver may write with.
    generation: u32,
    /// Monotonic time of the newest look of this process; none before its first.
    looked: Option<Duration>,
    /// Monotonic time at which this process last knew that it was the one to write.
    fresh: Duration,
    /// Monotonic time at which it first saw an abort that somebody else had begun.
    ending_seen: Option<Duration>,
}

/// Takes over the live rollout of a service and drives it. `on_round` is told after each round.
pub(crate) async fn drive(
    tools: &Tools<'_>,
    options: &Options,
    cancel: &Cancel,
    on_round: OnRound<'_>,
) -> Result<Ended> {
    let rollout = read_some(tools.platform, &options.service, &options.flag).await?;
    if !rollout.state.is_live() {
        // For people and for the report: that it fails changes nothing.
        drop(brake::complete(tools, &options.service, &rollout.state).await);
        let why = last_why(&rollout);
        return Ok(Ended::Over(Box::new(rollout.state), why));
    }
    let mut driver = Driver {
        generation: rollout.state.generation,
        fresh: tools.clock.monotonic(),
        ending_seen: None,
        tools,
        options,
        rollout,
        looked: None,
    };
    if !driver.entered_first() {
        driver.take_over().await?;
    }
    let ended = driver.run(cancel, on_round).await;
    match ended {
        // A write that found nothing there says no more than that somebody was first.
        Err(error) if error.kind == Kind::Conflict => match driver.observe().await {
            Ok(live) if live.revisions.is_empty() || live.foreign.is_some() => {
                Err(driver.lost(&live))
            }
            _ => Err(error),
        },
        ended => ended,
    }
}

/// The newest reason in a rollout's log that says more than that a write is in force.
pub(crate) fn last_why(rollout: &Rollout) -> Option<Why> {
    newest_why(&rollout.entries)
}

/// The same of a log alone.
pub(crate) fn newest_why(entries: &[Entry]) -> Option<Why> {
    entries.iter().rev().find_map(|entry| match &entry.what {
        What::Decision(decision) if decision.why != Why::Verified => Some(decision.why.clone()),
        _ => None,
    })
}

/// Whether nothing is known because the platform does not answer: later it may.
pub(crate) fn is_silence(error: &Error) -> bool {
    error.id == "local-unreachable" || error.retryable && error.kind != Kind::Conflict
}

/// The pause between two looks at the traffic.
fn glance(interval: Duration) -> Duration {
    interval.min(GLANCE.max(interval / MOST_GLANCES))
}

/// Seconds without a word from a driver after which it counts as gone: longer than one that waits for the counters as long
/// as it does at most, and for its next look.
pub(crate) fn lease_seconds(plan: &Plan) -> u64 {
    let interval = plan.interval_seconds;
    (interval * 3 + 5).max(interval + COUNTS_LIMIT.as_secs() + 5)
}

impl Driver<'_> {
    /// Whether nobody has driven it yet: a rollout that was just started has no driver to take over from.
    fn entered_first(&self) -> bool {
        self.rollout.state.phase == Phase::Planned && self.rollout.entries.is_empty()
    }

    /// Makes this process the driver: one write with the next generation and nothing else changed.
    async fn take_over(&mut self) -> Result<()> {
        for _ in 0..20 {
            let state = State {
                generation: self.rollout.state.generation.saturating_add(1),
                ..self.rollout.state.clone()
            };
            let intent = change::intent(&self.rollout, RolloutStep::TakeOver, &state, None);
            // It changes no traffic, and whoever drives must be able to brake: it does not wait for the log.
            let operation = self
                .tools
                .journal
                .begin_brake(self.tools.clock, intent)
                .await?;
            let id = operation.id().to_owned();
            let split = self
                .rollout
                .live
                .split
                .clone()
                .unwrap_or_else(|| self.rollout.plan.split(&self.rollout.state));
            let to = Move {
                state,
                why: Why::Verified,
            };
            let done = change::commit(self.tools, &mut self.rollout, &to, split, Some(&id)).await;
            let outcome = audit::Outcome {
                result: if matches!(done, Ok(true)) {
                    ResultWord::Succeeded
                } else {
                    ResultWord::Failed
                },
                after: change::described(&self.rollout.plan, &self.rollout.state),
                message: None,
                error_id: None,
            };
            self.tools
                .journal
                .finish(self.tools.clock, operation, outcome)
                .await?;
            if done? {
                self.generation = self.rollout.state.generation;
                self.fresh = self.tools.clock.monotonic();
                return Ok(());
            }
            self.read_again().await?;
            if !self.rollout.state.is_live() {
                return Ok(());
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "conflict",
            format!("others drive the rollout of `{}`", self.options.service),
        ))
    }

    async fn read_again(&mut self) -> Result<()> {
        let service = &self.options.service;
        let again = read_on(self.tools.platform, service, Some(&self.rollout)).await?;
        match again {
            Some(rollout) => {
                self.rollout = rollout;
                Ok(())
            }
            // It was there: whoever took it away in the middle of a round is told as between two.
            None => Err(self.lost(&self.observe().await?)),
        }
    }

    async fn run(&mut self, cancel: &Cancel, on_round: OnRound<'_>) -> Result<Ended> {
        let mut silent_since = None;
        loop {
            let waiting = match self.round().await {
                Ok(Round::Ended(ended)) => return Ok(ended),
                Ok(Round::Moved) => {
                    on_round(&self.rollout, &Waiting::Traffic);
                    continue;
                }
                Ok(Round::Waits(waiting)) => {
                    silent_since = None;
                    waiting
                }
                // A platform that does not answer for a while is no verdict and no end.
                Err(error) if is_silence(&error) => {
                    let now = self.tools.clock.monotonic();
                    let since = *silent_since.get_or_insert(now);
                    if now.saturating_sub(since)
                        > Duration::from_secs(self.rollout.plan.max_hold_seconds)
                    {
                        return Err(error);
                    }
                    Waiting::Traffic
                }
                Err(error) => return Err(error),
            };
            on_round(&self.rollout, &waiting);
            if let Some(ended) = self.leaves(&waiting) {
                return Ok(ended);
            }
            let interval = Duration::from_secs(self.rollout.plan.interval_seconds);
            tokio::select! {
                () = tokio::time::sleep(glance(interval)) => {}
                () = cancel.cancelled() => return Ok(Ended::Left(Box::new(self.rollout.state.clone()))),
            }
        }
    }

    /// Whether this driver does not wait for what is waited for.
    fn leaves(&self, waiting: &Waiting) -> Option<Ended> {
        let state = || Box::new(self.rollout.state.clone());
        match waiting {
            Waiting::Person if !self.options.waits_for_people => {
                Some(Ended::NeedsPerson(state(), last_why(&self.rollout)))
            }
            _ if !self.options.stays => Some(Ended::Looked(state())),
            _ => None,
        }
    }

    async fn round(&mut self) -> Result<Round> {
        self.check_turn().await?;
        if !self.rollout.state.is_live() {
            let why = last_why(&self.rollout);
            return Ok(Round::Ended(Ended::Over(
                Box::new(self.rollout.state.clone()),
                why,
            )));
        }
        if self.is_time_to_look() && !self.look().await? {
            self.read_again().await?;
            return Ok(Round::Moved);
        }
        match self.next(&self.rollout.state, self.rollout.is_as_wanted()) {
            Next::End => Ok(Round::Moved),
            Next::Wait(waiting) => Ok(Round::Waits(waiting)),
            Next::Move(to) if matches!(to.state.phase, Phase::Aborting | Phase::Aborted) => {
                if self.is_being_ended() {
                    return Ok(Round::Waits(Waiting::Traffic));
                }
                self.abort(*to).await
            }
            Next::Move(to) => self.carry_out(&to).await,
        }
    }

    /// Whether whoever aborted this rollout is most likely still seeing to its end: it verifies for so long at most, knows
    /// whether it was superseded, and its abort is in the record already. After that the driver does it.
    fn is_being_ended(&mut self) -> bool {
        let state = &self.rollout.state;
        if state.phase != Phase::Aborting || state.generation <= self.generation {
            return false;
        }
        let now = self.tools.clock.monotonic();
        let since = *self.ending_seen.get_or_insert(now);
        now.saturating_sub(since) < 2 * brake::QUIET_WITHIN
    }

    /// What the rules say of a state on the evidence of the log.
    fn next(&self, state: &State, is_as_wanted: bool) -> Next {
        next(&self.rollout, state, is_as_wanted, self.options.stays)
    }

    /// Reads the traffic, and makes sure that this process is still the one that writes.
    async fn check_turn(&mut self) -> Result<()> {
        let now = self.tools.clock.monotonic();
        let lease = Duration::from_secs(lease_seconds(&self.rollout.plan));
        let slept = now.saturating_sub(self.fresh) > lease;
        let live = self.observe().await?;
        let state = State::parse(&live.state).filter(|state| state.id == self.rollout.state.id);
        let Some(state) = state else {
            return Err(self.lost(&live));
        };
        // An abort by hand has the next generation and ends the rollout: that is for everybody to see to its end.
        let is_ending = matches!(state.phase, Phase::Aborting) || state.phase.is_terminal();
        if state.generation > self.generation && !is_ending {
            return Err(self.taken_over(&live));
        }
        if state == self.rollout.state {
            self.rollout.live = live;
        } else {
            self.read_again().await?;
        }
        if slept && state.is_live() && !is_ending {
            // The lease is over: nothing is written with the old generation any more.
            self.read_again().await?;
            if self.rollout.state.generation > self.generation {
                return Err(self.taken_over(&self.rollout.live));
            }
            self.take_over().await?;
        }
        self.fresh = self.tools.clock.monotonic();
        Ok(())
    }

    /// The traffic now; a platform that does not answer is no reason to hang.
    async fn observe(&self) -> Result<Live> {
        let observed = self.tools.platform.observe(&self.options.service);
        match tokio::time::timeout(COUNTS_LIMIT, observed).await {
            Ok(live) => Ok(live?),
            Err(_) => Err(platform::Error::Unreachable(format!(
                "no answer within {} s",
                COUNTS_LIMIT.as_secs()
            ))
            .into()),
        }
    }

    fn lost(&self, live: &Live) -> Error {
        let Options { service, flag, .. } = self.options;
        lost::lost(service, flag, self.rollout.state.canary, live)
    }

    fn taken_over(&self, live: &Live) -> Error {
        let who = live.last_commit.as_ref().map_or_else(
            || "somebody else".to_owned(),
            |commit| commit.actor.to_string(),
        );
        Error::new(
            Kind::Conflict,
            "rollout-taken-over",
            format!(
                "the rollout of `{}` is driven by {who} now; this process has stopped",
                self.options.service
            ),
        )
        .live(live_state(&self.options.service, Some(live)))
        .hint(format!(
            "follow it: `squad rollout status {}{} --watch`",
            self.options.service, self.options.flag
        ))
    }

    fn is_time_to_look(&self) -> bool {
        let Some(looked) = self.looked else {
            return true;
        };
        let since = self.tools.clock.monotonic().saturating_sub(looked);
        since >= Duration::from_secs(self.rollout.plan.interval_seconds)
    }

    /// Reads the counters and notes what they say; false when another process wrote first.
    async fn look(&mut self) -> Result<bool> {
        // A decision that was noted and never came into force is carried out first, on the evidence that it was made on.
        // So is an abort that whoever drove before had seen the reason for, or had written and not noted yet: one more
        // look could give it another reason.
        if self.looked.is_none() && (self.rollout.replay.has_open() || self.is_aborting()) {
            self.looked = Some(self.tools.clock.monotonic());
            return Ok(true);
        }
        let counts = tokio::time::timeout(
            COUNTS_LIMIT,
            self.tools.platform.counts(&self.options.service),
        )
        .await;
        let now = self.tools.clock.monotonic();
        let monotonic = self
            .looked
            .map(|looked| now.saturating_sub(looked).as_secs_f64());
        let look = match counts {
            Ok(Ok(counts)) => self.reading(counts, monotonic),
            Ok(Err(error)) => missing(monotonic, error.to_string()),
            Err(_) => missing(
                monotonic,
                format!("no answer within {} s", COUNTS_LIMIT.as_secs()),
            ),
        };
        let entry = Entry {
            sequence: self.rollout.replay.next_sequence(),
            at: self.tools.clock.now(),
            generation: self.generation,
            actor: self.tools.journal.actor().clone(),
            what: What::Look(Box::new(look)),
        };
        self.looked = Some(now);
        change::append(self.tools, &mut self.rollout, entry).await
    }

    /// Whether an abort is what the log, as it is, leads to.
    fn is_aborting(&self) -> bool {
        let next = self.next(&self.rollout.state, self.rollout.is_as_wanted());
        matches!(next, Next::Move(to) if matches!(to.state.phase, Phase::Aborting | Phase::Aborted))
    }

    fn reading(&self, counts: counts::Counts, monotonic: Option<f64>) -> Look {
        let plan = &self.rollout.plan;
        let counts = log::only(counts, &[plan.stable, plan.canary]);
        let Some(before) = self.rollout.replay.last_counts() else {
            return Look {
                seconds: 0.0,
                units: Vec::new(),
                reset: false,
                warmup: false,
                missing: None,
                counts: Some(counts),
            };
        };
        let since = counts::since(before, &counts);
        // This process's own clock where it made both readings; else the platform's, which may have jumped.
        let apart = counts.at.duration_since(before.at).as_secs_f64().max(0.0);
        Look {
            seconds: monotonic.unwrap_or(apart),
            units: log::intervals(plan, &since.series),
            reset: since.reset,
            warmup: self.rollout.replay.is_warming_up(),
            missing: None,
            counts: Some(counts),
        }
    }

    async fn carry_out(&mut self, to: &Move) -> Result<Round> {
        match change::carry_out(self.tools, &mut self.rollout, to, None).await? {
            Carried::Done => {
                self.tell(to);
                Ok(Round::Moved)
            }
            Carried::Overtaken => {
                self.read_again().await?;
                Ok(Round::Moved)
            }
            Carried::Unrecorded(error) => {
                self.tools.reporter.report(crate::ops::Event::Going {
                    what: "waiting",
                    detail: format!(
                        "nothing goes forward while it cannot be recorded: {}",
                        error.message
                    ),
                });
                Ok(Round::Waits(Waiting::Evidence))
            }
        }
    }

    fn tell(&self, to: &Move) {
        let plan = &self.rollout.plan;
        let detail = match to.state.phase {
            Phase::Shifting => super::words::weights(plan, &to.state),
            Phase::Promoting => format!("all requests go to revision {}", plan.canary),
            Phase::Finalising => format!(
                "watching revision {} for {} s",
                plan.canary, plan.watch_seconds
            ),
            Phase::Paused | Phase::Drifted | Phase::Succeeded => super::words::why(plan, &to.why),
            _ => return,
        };
        self.tools.reporter.report(crate::ops::Event::Done {
            what: to.state.phase.as_str(),
            detail,
            milliseconds: 0,
        });
    }

    /// Why the judge aborts, where another driver began with it and died before it was noted: the same evidence gives the
    /// same verdict. None where it is noted, or where a person began.
    fn why_aborting(&self) -> Option<Why> {
        let (phase, positions) = brake::came_from(&self.rollout.entries, &self.rollout.state)?;
        let before = State {
            phase,
            positions,
            ..self.rollout.state.clone()
        };
        why_aborting(&self.rollout, &before)
    }

    async fn abort(&mut self, to: Move) -> Result<Round> {
        let why = match to.why {
            Why::Verified | Why::Drifted => self.why_aborting(),
            why => Some(why),
        };
        if let Some(why) = &why {
            let mut detail = super::words::why(&self.rollout.plan, why);
            if *why == Why::CanaryDown {
                let canary = self.rollout.plan.canary;
                let found = self.tools.platform.diagnose(&self.options.service, canary);
                if let Ok(Some(diagnosis)) = found.await {
                    detail = format!("{detail}: {}", diagnosis.cause.unwrap_or(diagnosis.summary));
                }
            }
            self.tools.reporter.report(crate::ops::Event::Failed {
                what: "judged",
                detail,
            });
        }
        let why = why.map(|why| (why, self.generation));
        brake::abort(
            self.tools,
            &self.options.service,
            Command::Abort,
            why,
            None,
            None,
        )
        .await?;
        self.read_again().await?;
        Ok(Round::Moved)
    }
}

/// What the rules say of a state on the evidence of a rollout's log.
fn next(rollout: &Rollout, state: &State, is_as_wanted: bool, is_attended: bool) -> Next {
    let evidence = rollout.replay.evidence();
    let canary = rollout.live.revision(rollout.plan.canary);
    let sight = Sight {
        state,
        is_as_wanted,
        canary: canary.map_or(Health::Failed, |revision| revision.health),
        evidence: &evidence,
        is_attended,
    };
    crate::domain::rollout::machine::next(&rollout.plan, &sight)
}

/// Why the judge aborts from a state; none where it does not.
pub(super) fn why_aborting(rollout: &Rollout, before: &State) -> Option<Why> {
    match next(rollout, before, true, true) {
        Next::Move(to) if to.state.phase == Phase::Aborting => Some(to.why),
        _ => None,
    }
}

enum Round {
    Moved,
    Waits(Waiting),
    Ended(Ended),
}

fn missing(monotonic: Option<f64>, why: String) -> Look {
    Look {
        seconds: monotonic.unwrap_or(0.0),
        counts: None,
        units: Vec::new(),
        reset: false,
        warmup: false,
        missing: Some(why),
    }
}
