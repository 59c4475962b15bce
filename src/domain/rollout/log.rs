//! The log of a rollout: looks and decisions, one create-only object each, in one order. Replaying it yields the evidence,
//! the same on every machine.
//!
//! Time is what the looks cover, not what a clock says: a clock that jumps can neither end a hold nor stretch one.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::machine::Why;
use super::observed::Observed;
use super::plan::{Plan, Unit};
use super::state::{Phase, State};
use crate::domain::analysis::{Interval, Judge, Judgement, Reason, Tally, Verdict, Watch};
use crate::domain::counts::{CountSeries, Counts};
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::service::Route;

/// The newest looks that tell how much traffic there is at present.
const PACE_LOOKS: usize = 5;

/// One object `rollout/<service>/<id>/log/<sequence>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// 0, 1, 2 …
    pub(crate) sequence: u64,
    /// When, as the writer's clock claims; for people.
    pub(crate) at: Timestamp,
    /// The generation of who wrote it.
    pub(crate) generation: u32,
    /// Who wrote it.
    pub(crate) actor: Actor,
    /// What happened.
    pub(crate) what: What,
}

impl Entry {
    /// The decision that it tells of.
    fn decision(&self) -> Option<&Decision> {
        match &self.what {
            What::Decision(decision) => Some(decision),
            What::Look(_) => None,
        }
    }
}

/// What an entry tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The counters were read.
    Look(Box<Look>),
    /// A state was decided on; it counts once the traffic tells it.
    Decision(Box<Decision>),
}

/// One reading of the counters, and what became of them since the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Seconds that it covers, from the look before.
    pub(crate) seconds: f64,
    /// What the counters said; none where they could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) counts: Option<Counts>,
    /// For each unit of the plan, the requests since the look before; empty where nothing could be read.
    pub(crate) units: Vec<Interval>,
    /// The counters began anew in between: what was counted and not read is lost.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) reset: bool,
    /// The canary was warming up: not judged.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) warmup: bool,
    /// Why the counters could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) missing: Option<String>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// The state before: its phase and positions.
    pub(crate) from: (Phase, Vec<u8>),
    /// The state after.
    pub(crate) to: (Phase, Vec<u8>),
    /// Why.
    pub(crate) why: Why,
    /// The verdicts at that time, one for each unit that was judged; empty where none was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) judgements: Vec<(String, Judgement)>,
    /// Why, in a person's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
}

/// What is known of one unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitEvidence {
    /// Seconds at its present weight.
    pub(crate) held_seconds: f64,
    /// Seconds since its weight changed or somebody resumed: what counts towards the longest hold.
    pub(crate) waited_seconds: f64,
    /// The verdict for going on to its next weight.
    pub(crate) judgement: Judgement,
    /// Requests of the canary each second in the newest looks at its present weight; none before the first look that
    /// counts.
    pub(crate) canary_per_second: Option<f64>,
    /// What the canary did while it warmed up: not judged.
    pub(crate) warmup: Tally,
    /// How the watch sees it; none before the promotion.
    pub(crate) watch: Option<Judgement>,
}

/// What is known of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evidence {
    /// One for each unit, in the plan's order.
    pub(crate) units: Vec<UnitEvidence>,
    /// Seconds in the present phase.
    pub(crate) phase_seconds: f64,
    /// The verdict of the watch; none before the promotion.
    pub(crate) watch: Option<Judgement>,
    /// Why the newest look could not read the counters.
    pub(crate) missing: Option<String>,
}

/// What looks and decisions add up to.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    plan: Plan,
    judges: Vec<Judge>,
    held: Vec<f64>,
    waited: Vec<f64>,
    totals: Vec<Interval>,
    /// What the canary did while it warmed up.
    warmups: Vec<Tally>,
    /// Requests of the canary in the newest looks at the present weight, and the seconds in which they came.
    paces: Vec<VecDeque<(f64, f64)>>,
    /// Where the requests went at the present weight.
    observed: Vec<Observed>,
    watches: Vec<Watch>,
    served_seconds: f64,
    phase_seconds: f64,
    last: Option<Counts>,
    missing: Option<String>,
    /// The newest decision, until the traffic tells it.
    open: Option<Decision>,
    now: (Phase, Vec<u8>),
    next_sequence: u64,
}

impl Replay {
    /// Of a rollout that was just planned.
    pub(crate) fn new(plan: &Plan) -> Self {
        let units = plan.units.len();
        Self {
            judges: judges(plan),
            held: vec![0.0; units],
            waited: vec![0.0; units],
            totals: vec![Interval::default(); units],
            warmups: vec![Tally::default(); units],
            paces: vec![VecDeque::new(); units],
            observed: vec![Observed::default(); units],
            watches: Vec::new(),
            served_seconds: 0.0,
            phase_seconds: 0.0,
            last: None,
            missing: None,
            open: None,
            now: (Phase::Planned, vec![0; units]),
            next_sequence: 0,
            plan: plan.clone(),
        }
    }

    /// Of all entries, in their order, with the state that the traffic tells now.
    pub(crate) fn of(plan: &Plan, entries: &[Entry], state: &State) -> Self {
        let mut replay = Self::new(plan);
        let now = (state.phase, state.positions.clone());
        for (index, entry) in entries.iter().enumerate() {
            replay.next_sequence = entry.sequence + 1;
            match &entry.what {
                What::Look(look) => replay.look(look),
                What::Decision(decision) => {
                    // It came into force exactly if the next one starts from where it led, or the traffic tells it.
                    let later = entries.iter().skip(index + 1).find_map(Entry::decision);
                    let is_in_force = match later {
                        Some(later) => later.from == decision.to,
                        None => decision.to == now || goes_back_from(&now, &decision.to),
                    };
                    if is_in_force {
                        replay.enter(decision);
                    } else if later.is_none() {
                        replay.open = Some((**decision).clone());
                    }
                }
            }
        }
        replay.now = now;
        replay
    }

    /// The sequence of the next entry.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The newest reading.
    pub(crate) fn last_counts(&self) -> Option<&Counts> {
        self.last.as_ref()
    }

    /// Whether the canary's first traffic is still warming it up.
    pub(crate) fn is_warming_up(&self) -> bool {
        let warmup = real(self.plan.warmup_seconds + self.plan.late_seconds);
        self.served_seconds < warmup
    }

    /// Takes an entry that this process has just written.
    pub(crate) fn push(&mut self, entry: &Entry) {
        self.next_sequence = entry.sequence + 1;
        match &entry.what {
            What::Look(look) => self.look(look),
            What::Decision(decision) => self.open = Some((**decision).clone()),
        }
    }

    /// Says what the traffic tells now: whether the decision that was just written came into force.
    pub(crate) fn settle(&mut self, state: &State) {
        let now = (state.phase, state.positions.clone());
        if let Some(open) = self.open.take_if(|open| open.to == now) {
            self.enter(&open);
        }
        self.now = now;
    }

    /// Whether a decision was noted that the traffic does not tell: whoever noted it died in between.
    pub(crate) fn has_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether this very decision is the newest entry and waits to be written to the traffic: then it is not written to
    /// the log again.
    pub(crate) fn is_open(&self, from: &State, to: &State, why: &Why) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.from == (from.phase, from.positions.clone())
                && open.to == (to.phase, to.positions.clone())
                && open.why == *why
        })
    }

    fn enter(&mut self, decision: &Decision) {
        let fresh = matches!(decision.why, Why::ByHand(super::Command::Rebase));
        if fresh {
            self.judges = judges(&self.plan);
        }
        let resumed = decision.from.0 == Phase::Paused;
        for (index, waited) in self.waited.iter_mut().enumerate() {
            let raised = decision.from.1.get(index) != decision.to.1.get(index);
            if let Some(held) = self.held.get_mut(index).filter(|_| raised || fresh) {
                *held = 0.0;
            }
            if raised || resumed || fresh {
                *waited = 0.0;
            }
            if let Some(judge) = self.judges.get_mut(index).filter(|_| raised) {
                judge.begin_step();
            }
            if let Some(observed) = self.observed.get_mut(index).filter(|_| raised || fresh) {
                *observed = Observed::default();
            }
            if let Some(pace) = self.paces.get_mut(index).filter(|_| raised) {
                // Until a look tells better, so many more as the weight is higher.
                let weight = |positions: &[u8]| {
                    let position = positions.get(index).copied().unwrap_or(0);
                    let unit = self.plan.units.get(index);
                    f64::from(unit.map_or(0, |unit| unit.weight(position)))
                };
                let (before, after) = (weight(&decision.from.1), weight(&decision.to.1));
                pace.retain(|_| before > 0.0);
                for (requests, _) in pace.iter_mut() {
                    *requests *= after / before;
                }
            }
        }
        if decision.from.0 != decision.to.0 {
            self.phase_seconds = 0.0;
        }
        if decision.to.0 == Phase::Promoting {
            self.watches = self
                .plan
                .units
                .iter()
                .zip(&self.totals)
                .map(|(unit, total)| Watch::new(self.plan.settings(unit), total.stable))
                .collect();
        }
        self.now.clone_from(&decision.to);
    }

    fn look(&mut self, look: &Look) {
        let (phase, positions) = self.now.clone();
        self.phase_seconds += look.seconds;
        self.missing.clone_from(&look.missing);
        if look.counts.is_some() {
            self.last.clone_from(&look.counts);
        }
        if positions.iter().any(|position| *position > 0) {
            self.served_seconds += look.seconds;
        }
        if !matches!(phase, Phase::Shifting | Phase::Holding | Phase::Paused) {
            if matches!(phase, Phase::Promoting | Phase::Finalising) {
                for (watch, interval) in self.watches.iter_mut().zip(&look.units) {
                    watch.observe(interval.canary);
                }
            }
            return;
        }
        for (held, waited) in self.held.iter_mut().zip(&mut self.waited) {
            *held += look.seconds;
            *waited += look.seconds;
        }
        if look.warmup {
            for (index, interval) in look.units.iter().enumerate() {
                let is_served = positions.get(index).is_some_and(|position| *position > 0);
                if let Some(warmup) = self.warmups.get_mut(index).filter(|_| is_served) {
                    *warmup = warmup.plus(interval.canary);
                }
            }
            return;
        }
        for (index, interval) in look.units.iter().enumerate() {
            if positions.get(index).is_none_or(|position| *position == 0) {
                continue;
            }
            if let Some(judge) = self.judges.get_mut(index) {
                judge.observe(*interval);
            }
            self.observe_split(index, look, *interval);
            if let Some(total) = self.totals.get_mut(index) {
                total.canary = total.canary.plus(interval.canary);
                total.stable = total.stable.plus(interval.stable);
            }
            if let Some(pace) = self.paces.get_mut(index) {
                pace.push_back((real(interval.canary.requests), look.seconds));
                if pace.len() > PACE_LOOKS {
                    pace.pop_front();
                }
            }
        }
    }

    /// Notes where requests went that certainly all came at the present weight: those of the first look after it changed,
    /// and of as long as the platform's numbers come late, may be of the one before.
    fn observe_split(&mut self, index: usize, look: &Look, interval: Interval) {
        let (Some(observed), Some(unit)) =
            (self.observed.get_mut(index), self.plan.units.get(index))
        else {
            return;
        };
        let position = self.now.1.get(index).copied().unwrap_or(0);
        let before = self.held.get(index).copied().unwrap_or(0.0) - look.seconds;
        // A gate is no share of the requests.
        if before > real(self.plan.late_seconds) && !look.reset && unit.gate.is_none() {
            observed.observe(interval, unit.weight(position));
        }
    }

    /// What is known now.
    pub(crate) fn evidence(&self) -> Evidence {
        let units = self
            .plan
            .units
            .iter()
            .zip(&self.judges)
            .enumerate()
            .map(|(index, (unit, judge))| {
                let position = self.now.1.get(index).copied().unwrap_or(0);
                let mut judgement = judge.judge(unit.next_weight(position));
                // What was as healthy as it should be is not known to be so any more: no data is never success.
                if self.missing.is_some() && judgement.verdict == Verdict::Pass {
                    judgement.verdict = Verdict::Inconclusive(Reason::NoData);
                }
                let off = self.observed.get(index).and_then(Observed::off);
                if let Some(observed) = off
                    && is_open_to_doubt(&judgement.verdict)
                {
                    let set = unit.weight(position);
                    let reason = Reason::SplitNotFollowed { set, observed };
                    judgement.verdict = Verdict::Inconclusive(reason);
                }
                let looks = self.paces.get(index).into_iter().flatten();
                let (came, seconds) =
                    looks.fold((0.0, 0.0), |sum, look| (sum.0 + look.0, sum.1 + look.1));
                UnitEvidence {
                    canary_per_second: (seconds > 0.0).then(|| came / seconds),
                    warmup: self.warmups.get(index).copied().unwrap_or_default(),
                    watch: self.watches.get(index).map(Watch::judge),
                    held_seconds: self.held.get(index).copied().unwrap_or(0.0),
                    waited_seconds: self.waited.get(index).copied().unwrap_or(0.0),
                    judgement,
                }
            })
            .collect();
        Evidence {
            units,
            phase_seconds: self.phase_seconds,
            watch: self.watch(),
            missing: self.missing.clone(),
        }
    }

    /// The worst verdict of the watches: a fail, else what is not told, else a pass.
    fn watch(&self) -> Option<Judgement> {
        let order = |judgement: &Judgement| match judgement.verdict {
            Verdict::Fail(_) => 0,
            Verdict::Inconclusive(_) => 1,
            Verdict::Pass => 2,
        };
        self.watches.iter().map(Watch::judge).min_by_key(order)
    }

    /// Requests and bad events of each unit so far, warm-up left out.
    pub(crate) fn totals(&self) -> &[Interval] {
        &self.totals
    }
}

/// Whether a verdict rests on the split being what was set, and says nothing worse.
fn is_open_to_doubt(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Pass => true,
        Verdict::Fail(_) => false,
        Verdict::Inconclusive(reason) => {
            matches!(reason, Reason::TooFewRequests { .. } | Reason::NotYetTold)
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of requests or seconds, far below 2^52"
)]
pub(super) fn real(number: u64) -> f64 {
    number as f64
}

fn judges(plan: &Plan) -> Vec<Judge> {
    plan.units
        .iter()
        .map(|unit| Judge::new(plan.settings(unit)))
        .collect()
}

/// Whether the traffic goes back, or went back, from a state: an abort is written before it is noted, and whoever wrote it
/// may have died in between.
fn goes_back_from(now: &(Phase, Vec<u8>), noted: &(Phase, Vec<u8>)) -> bool {
    let is_back = |phase| matches!(phase, Phase::Aborting | Phase::Aborted | Phase::Superseded);
    is_back(now.0) && !is_back(noted.0) && now.1 == noted.1
}

/// The requests of each unit in a reading of deltas, those that a tester forced left out. What stable answers on a route
/// that it does not have is nothing to compare with, and not counted.
pub(crate) fn intervals(plan: &Plan, added: &[CountSeries]) -> Vec<Interval> {
    plan.units
        .iter()
        .map(|unit| {
            let mut interval = Interval::default();
            let of_unit = added
                .iter()
                .filter(|series| !series.forced && belongs(unit, &series.route, plan.new_routes()));
            for series in of_unit {
                let tally = Tally {
                    requests: series.requests,
                    bad: series.bad,
                };
                if series.revision == plan.canary {
                    interval.canary = interval.canary.plus(tally);
                } else if series.revision == plan.stable && unit.gate.is_none() {
                    interval.stable = interval.stable.plus(tally);
                }
            }
            interval
        })
        .collect()
}

/// A reading without the revisions that do not matter, and without what nothing is told by.
pub(crate) fn only(counts: Counts, revisions: &[RevisionNumber]) -> Counts {
    Counts {
        series: counts
            .series
            .into_iter()
            .filter(|series| !series.forced && revisions.contains(&series.revision))
            .collect(),
        last_request: Vec::new(),
        ..counts
    }
}

/// Whether a series' row is one of the unit's.
pub(crate) fn belongs<'a>(
    unit: &Unit,
    row: &str,
    gated: impl IntoIterator<Item = &'a Route>,
) -> bool {
    let listed = unit.routes.iter().any(|route| route.name.as_str() == row);
    let is_gated = || {
        let mut gated = gated.into_iter();
        gated.any(|route| route.name.as_str() == row)
    };
    listed || (unit.is_rest && row == super::plan::REST && !is_gated())
}
