//! What the log of a rollout tells, put in order once for every form of the report.
//!
//! Time here is what the looks cover, as everywhere in a rollout: a clock that jumped bends no chart.

use jiff::Timestamp;

use crate::domain::analysis::{Interval, Judgement, Tally};
use crate::domain::release::Actor;
use crate::domain::rollout::log::{Decision, Look};
use crate::domain::rollout::{Command, Entry, Phase, Plan, Replay, State, Unit, What, Why};
use crate::ops::rollout::list::Row;

/// A whole rollout.
pub(super) struct Story<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// Where it is; none when its traffic was changed outside squad before its end.
    pub(super) phase: Option<Phase>,
    /// Why it is there.
    pub(super) why: Option<&'a Why>,
    /// It was aborted with all traffic on the canary.
    pub(super) stays: bool,
    /// The newest drift found the promotion being written.
    drifted_while_promoting: bool,
    /// Seconds that the looks cover.
    pub(super) seconds: f64,
    /// In order.
    pub(super) looks: Vec<Seen<'a>>,
    /// In order.
    pub(super) events: Vec<Event<'a>>,
    /// Each state that came into force, the first one at 0.
    pub(super) shifts: Vec<Shift>,
    /// In the plan's order.
    pub(super) units: Vec<UnitStory<'a>>,
    /// Who wrote entries, in the order of the first one of each.
    pub(super) actors: Vec<&'a Actor>,
    /// When the newest entry was written.
    pub(super) last_at: Timestamp,
}

/// One look, and the time that it covers, in seconds since the first one.
pub(super) struct Seen<'a> {
    /// From here.
    pub(super) from: f64,
    /// To here.
    pub(super) to: f64,
    /// What was seen.
    pub(super) look: &'a Look,
}

/// Something that somebody did.
pub(super) enum Event<'a> {
    /// A decision.
    Decided(Decided<'a>),
    /// Another process became the driver.
    TakenOver {
        /// When, as its clock claims.
        at: Timestamp,
        /// The same in seconds that the looks cover.
        seconds: f64,
        /// Who.
        actor: &'a Actor,
    },
}

/// One decision with its place in the order.
pub(super) struct Decided<'a> {
    /// 1, 2, 3 …
    pub(super) number: usize,
    /// When, as the writer's clock claims.
    pub(super) at: Timestamp,
    /// The same in seconds that the looks cover.
    pub(super) seconds: f64,
    /// Who.
    pub(super) actor: &'a Actor,
    /// What and why.
    pub(super) decision: &'a Decision,
    /// The traffic told it afterwards. Otherwise whoever noted it died, or lost to somebody else.
    pub(super) is_in_force: bool,
    /// Its numbers are those of an earlier one: nothing was counted in between.
    pub(super) repeats: Option<usize>,
}

/// A state that came into force.
pub(super) struct Shift {
    /// Seconds that the looks covered before.
    pub(super) at: f64,
    /// The canary's weight of each unit in percent; none while somebody else decides on it.
    pub(super) weights: Vec<Option<u8>>,
}

/// One unit from the start to the end.
pub(super) struct UnitStory<'a> {
    /// The plan of it.
    pub(super) unit: &'a Unit,
    /// What was judged: beside each other, the warm-up left out.
    pub(super) judged: Interval,
    /// What the canary did while it warmed up: not judged.
    pub(super) warmup: Tally,
    /// What the canary did after the promotion.
    pub(super) promoted: Tally,
    /// The canary's highest weight in percent before a promotion.
    pub(super) highest: u8,
    /// The canary's newest known weight in percent; none while somebody else decides on it.
    pub(super) weight: Option<u8>,
    /// The newest verdict with its numbers.
    pub(super) judgement: Option<Judgement>,
}

impl<'a> Story<'a> {
    /// Of a rollout and its log.
    pub(super) fn of(row: &'a Row, entries: &'a [Entry]) -> Self {
        let plan = &row.plan;
        let zero = vec![0; plan.units.len()];
        let first = Shift {
            at: 0.0,
            weights: weights(plan, Phase::Planned, &zero, false),
        };
        let mut story = Self {
            plan,
            phase: row.phase,
            why: row.why.as_ref(),
            stays: false,
            drifted_while_promoting: false,
            seconds: 0.0,
            looks: Vec::new(),
            events: Vec::new(),
            shifts: vec![first],
            units: plan.units.iter().map(UnitStory::new).collect(),
            actors: Vec::new(),
            last_at: entries.last().map_or(plan.started_at, |entry| entry.at),
        };
        let mut state = (Phase::Planned, zero);
        let mut generation = 1;
        for (index, entry) in entries.iter().enumerate() {
            if !story.actors.contains(&&entry.actor) {
                story.actors.push(&entry.actor);
            }
            let has_aborted = matches!(&entry.what, What::Decision(one) if is_brake(&one.why));
            // An abort by hand has a generation of its own too; nobody takes over by it.
            if entry.generation > generation && !has_aborted {
                story.events.push(Event::TakenOver {
                    at: entry.at,
                    seconds: story.seconds,
                    actor: &entry.actor,
                });
            }
            generation = generation.max(entry.generation);
            match &entry.what {
                What::Look(look) => story.look(look, &state),
                What::Decision(decision) => {
                    let later = entries.get(index + 1..).unwrap_or_default();
                    let is_in_force = is_in_force(decision, later, row.phase);
                    story.decided(entry, decision, is_in_force);
                    if is_in_force {
                        story.shift(decision);
                        state.clone_from(&decision.to);
                    }
                }
            }
        }
        story.judge(entries, &state);
        story
    }

    /// Whether anything can still change.
    pub(super) fn is_live(&self) -> bool {
        self.phase.is_some_and(|phase| !phase.is_terminal())
    }

    /// Whether the newest look could not read the counters.
    pub(super) fn is_silent(&self) -> bool {
        let last = self.looks.last();
        last.is_some_and(|seen| seen.look.missing.is_some())
    }

    /// The decisions alone.
    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decided<'a>> {
        self.events.iter().filter_map(|event| match event {
            Event::Decided(decided) => Some(decided),
            Event::TakenOver { .. } => None,
        })
    }

    /// Time in a state with its weights, up to the next one.
    pub(super) fn spans(&self) -> impl Iterator<Item = (f64, f64, &Shift)> {
        let ends = self.shifts.iter().skip(1).map(|shift| shift.at);
        self.shifts
            .iter()
            .zip(ends.chain([self.seconds]))
            .map(|(shift, end)| (shift.at, end, shift))
    }

    fn look(&mut self, look: &'a Look, state: &(Phase, Vec<u8>)) {
        let seconds = if look.seconds.is_finite() {
            look.seconds.max(0.0)
        } else {
            0.0
        };
        let from = self.seconds;
        self.seconds += seconds;
        self.looks.push(Seen {
            from,
            to: self.seconds,
            look,
        });
        let (phase, positions) = state;
        for (index, (unit, interval)) in self.units.iter_mut().zip(&look.units).enumerate() {
            let has_traffic = positions.get(index).is_some_and(|position| *position > 0);
            match phase {
                Phase::Shifting | Phase::Holding | Phase::Paused if has_traffic && look.warmup => {
                    unit.warmup = unit.warmup.plus(interval.canary);
                }
                Phase::Shifting | Phase::Holding | Phase::Paused if has_traffic => {
                    unit.judged.canary = unit.judged.canary.plus(interval.canary);
                    unit.judged.stable = unit.judged.stable.plus(interval.stable);
                }
                Phase::Promoting | Phase::Finalising => {
                    unit.promoted = unit.promoted.plus(interval.canary);
                }
                _ => {}
            }
        }
    }

    fn decided(&mut self, entry: &'a Entry, decision: &'a Decision, is_in_force: bool) {
        let last = self.decisions().last();
        let repeats = last
            .filter(|last| {
                !decision.judgements.is_empty()
                    && same(&last.decision.judgements, &decision.judgements)
            })
            .map(|last| last.repeats.unwrap_or(last.number));
        let number = last.map_or(1, |last| last.number + 1);
        self.events.push(Event::Decided(Decided {
            number,
            at: entry.at,
            seconds: self.seconds,
            actor: &entry.actor,
            decision,
            is_in_force,
            repeats,
        }));
    }

    fn shift(&mut self, decision: &Decision) {
        let (phase, positions) = &decision.to;
        match (decision.from.0, *phase) {
            (Phase::Aborting, Phase::Aborting) => {}
            // From a drift the safe side is that of the phase before it.
            (Phase::Drifted, Phase::Aborting) => self.stays = self.drifted_while_promoting,
            (from, Phase::Aborting) => self.stays = from == Phase::Promoting,
            (from, Phase::Drifted) => self.drifted_while_promoting = from == Phase::Promoting,
            _ => {}
        }
        let weights = weights(self.plan, *phase, positions, self.stays);
        let is_shared = matches!(phase, Phase::Shifting | Phase::Holding | Phase::Paused);
        for (unit, weight) in self.units.iter_mut().zip(&weights) {
            unit.weight = *weight;
            if is_shared {
                unit.highest = unit.highest.max(weight.unwrap_or(0));
            }
        }
        if self
            .shifts
            .last()
            .is_some_and(|last| last.weights != weights)
        {
            self.shifts.push(Shift {
                at: self.seconds,
                weights,
            });
        }
    }

    /// The newest verdicts: of the evidence while it is collected, else of the decision that ended it.
    fn judge(&mut self, entries: &[Entry], state: &(Phase, Vec<u8>)) {
        let is_judging = matches!(state.0, Phase::Shifting | Phase::Holding | Phase::Paused);
        if is_judging {
            let mut now = State::planned(
                self.plan.id.clone(),
                self.plan.units.len(),
                self.plan.stable,
                self.plan.canary,
                String::new(),
            );
            now.phase = state.0;
            now.positions.clone_from(&state.1);
            let evidence = Replay::of(self.plan, entries, &now).evidence();
            for ((unit, seen), position) in self.units.iter_mut().zip(evidence.units).zip(&state.1)
            {
                unit.judgement = (*position > 0).then_some(seen.judgement);
            }
            return;
        }
        let newest = |name: &str| {
            entries.iter().rev().find_map(|entry| match &entry.what {
                What::Decision(decision) => decision
                    .judgements
                    .iter()
                    .find(|(unit, _)| unit == name)
                    .map(|(_, judgement)| judgement.clone()),
                What::Look(_) => None,
            })
        };
        for unit in &mut self.units {
            unit.judgement = newest(&unit.unit.name);
        }
    }
}

impl Decided<'_> {
    /// Whether any request was judged before it.
    pub(super) fn has_numbers(&self) -> bool {
        let judgements = &self.decision.judgements;
        judgements
            .iter()
            .any(|(_, judgement)| judgement.canary.requests > 0 || judgement.stable.requests > 0)
    }
}

impl<'a> UnitStory<'a> {
    fn new(unit: &'a Unit) -> Self {
        Self {
            unit,
            judged: Interval::default(),
            warmup: Tally::default(),
            promoted: Tally::default(),
            highest: 0,
            weight: Some(0),
            judgement: None,
        }
    }
}

fn is_brake(why: &Why) -> bool {
    matches!(why, Why::ByHand(Command::Abort | Command::Supersede))
}

/// Whether the same requests were counted.
fn same(one: &[(String, Judgement)], other: &[(String, Judgement)]) -> bool {
    let counted = |judgements: &[(String, Judgement)]| -> Vec<(Tally, Tally)> {
        judgements
            .iter()
            .map(|(_, judgement)| (judgement.canary, judgement.stable))
            .collect()
    };
    counted(one) == counted(other)
}

/// A decision came into force exactly if the next one starts from where it led, or if it is the last one and the rollout
/// is there now.
fn is_in_force(decision: &Decision, later: &[Entry], phase: Option<Phase>) -> bool {
    let next = later.iter().find_map(|entry| match &entry.what {
        What::Decision(decision) => Some(decision),
        What::Look(_) => None,
    });
    let led = decision.to.0;
    match next {
        Some(next) => next.from == decision.to,
        // The note of the very end may be missing: it is made after the traffic has changed.
        None => phase.is_none_or(|phase| {
            phase == led
                || led == Phase::Aborting && matches!(phase, Phase::Aborted | Phase::Superseded)
        }),
    }
}

/// The canary's weight of each unit in a state; none where somebody else decided on it.
fn weights(plan: &Plan, phase: Phase, positions: &[u8], stays: bool) -> Vec<Option<u8>> {
    plan.units
        .iter()
        .enumerate()
        .map(|(index, unit)| {
            let position = positions.get(index).copied().unwrap_or(0);
            (phase != Phase::Drifted).then(|| unit.weight_in(phase, position, stays))
        })
        .collect()
}
