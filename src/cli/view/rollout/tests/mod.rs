//! Tests of what people see of a rollout, on rollouts that are made by hand here: requests, verdicts and numbers, so that
//! nothing here changes when the judge does.
#![expect(
    clippy::string_slice,
    clippy::needless_raw_string_hashes,
    reason = "a small reader of tags and escape sequences; expectations that are written by the tests"
)]

mod block;
mod gated;
mod page;
mod text;

use jiff::{Span, Timestamp};

use super::one_line;
use super::wire::SnapshotWire;
use crate::domain::analysis::{
    FailReason, Interval, Judgement, Reason, Tally, Verdict, delta, minimum_requests,
};
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::rollout::log::{Decision, Look};
use crate::domain::rollout::{Command, Entry, Phase, Plan, Unit, What, Why};
use crate::domain::rollout::{Replay, State};
use crate::domain::route::PathTemplate;
use crate::domain::service::{Analysis, RolloutStep, Route};
use crate::domain::traffic::Split;
use crate::ops::rollout::list::Row;
use crate::ops::rollout::snapshot::{Driver, Snapshot, UnitSnapshot, eta};

const STABLE: RevisionNumber = RevisionNumber(41);
const CANARY: RevisionNumber = RevisionNumber(42);

fn actor(name: &str, host: &str) -> Actor {
    Actor {
        name: name.to_owned(),
        host: host.to_owned(),
        key: None,
    }
}

fn unit(name: &str, method: &str, path: &str, rate: f64) -> Unit {
    let step = |weight, hold_seconds| RolloutStep {
        weight,
        hold_seconds,
    };
    Unit {
        name: name.to_owned(),
        routes: vec![Route {
            name: name.parse().unwrap(),
            method: method.to_owned(),
            path: PathTemplate(path.to_owned()),
        }],
        is_rest: false,
        steps: vec![step(5, 300), step(25, 600), step(50, 600)],
        design_effect: 1.0,
        requests_per_second: rate,
        bad_share: 0.003,
        gate: None,
    }
}

/// The rate of the plan is that of before; what counts is what comes now.
#[test]
fn a_verdict_has_no_time_while_no_request_comes() {
    let mut log = Log::new(plan());
    log.begin();
    log.looks(2, 30, &[]);
    let plan = log.plan.clone();
    let left = |log: &Log| {
        let state = log.snapshot().state;
        let seen = Replay::of(&plan, &log.entries, &state).evidence();
        let (unit, seen) = (&plan.units[0], &seen.units[0]);
        assert!(matches!(seen.judgement.verdict, Verdict::Inconclusive(_)));
        eta(&plan, unit, 1, seen)
    };
    let usual = left(&log).expect("told");
    assert!(usual > 0.0);
    for unit in &mut log.plan.units {
        unit.requests_per_second /= 2.0;
    }
    log.looks(4, 30, &[]);
    let slower = left(&log).expect("told");
    assert!(slower > usual - 120.0, "{slower} {usual}");
    for unit in &mut log.plan.units {
        unit.requests_per_second = 0.0;
    }
    log.looks(6, 30, &[]);
    assert_eq!(left(&log), None);
}

/// What the watch counts is told, not what was compared before it.
#[test]
fn while_it_watches_the_numbers_are_those_of_the_watch() {
    let mut log = Log::new(plan());
    log.begin();
    log.decide(
        Phase::Promoting,
        &[1, 1, 0],
        Why::ByHand(Command::PromoteFull),
        None,
    );
    log.decide(Phase::Finalising, &[1, 1, 0], Why::Verified, None);
    log.looks(2, 30, &[]);
    let snapshot = log.snapshot();
    let told = one_line(&snapshot);
    assert!(told.contains("refund 100 %: 240 handled"), "{told}");
    for width in [160, 60] {
        let told = block::shown(&snapshot, width);
        assert!(
            !told.contains("; 0 handled, 0 failed or slow, no requests"),
            "{told}"
        );
        assert!(told.contains("240"), "{told}");
    }
    let json = serde_json::to_value(SnapshotWire::new(&snapshot)).unwrap();
    assert_eq!(json["units"][0]["watch"]["canary"]["requests"], 240);
    assert_eq!(json["units"][0]["warmup"]["requests"], 6);
}

fn rest() -> Unit {
    Unit {
        name: "rest".to_owned(),
        routes: Vec::new(),
        is_rest: true,
        steps: Vec::new(),
        requests_per_second: 0.0,
        ..unit("rest", "GET", "/", 0.0)
    }
}

/// Two routes and a rest that has no requests.
fn plan() -> Plan {
    Plan {
        version: 1,
        id: "01KB3R5Y7TQ4V0ZJ3N8M6W2XCE".to_owned(),
        service: "payments".parse().unwrap(),
        stable: STABLE,
        canary: CANARY,
        units: vec![
            unit("refund", "POST", "/charges/{id}/refund", 4.0),
            unit("get-charge", "GET", "/charges/{id}", 30.0),
            rest(),
        ],
        gated: Vec::new(),
        canary_routes: Vec::new(),
        base: Split::all(&[], STABLE),
        analysis: Analysis {
            slow_milliseconds: Some(500),
            ..Analysis::default()
        },
        max_hold_seconds: 12 * 3600,
        watch_seconds: 1800,
        interval_seconds: 30,
        warmup_seconds: 30,
        late_seconds: 0,
        max_unattended_weight: 10,
        actor: actor("ana@acme.example", "laptop"),
        started_at: "2026-11-24T14:41:00Z".parse().unwrap(),
        reason: Some("limit refunds for each customer (#812)".to_owned()),
    }
}

/// A verdict by a rule of thumb, with numbers that follow from the counts.
fn judgement(plan: &Plan, unit: &Unit, total: Interval, next_weight: u8) -> Judgement {
    let settings = plan.settings(unit);
    let delta = delta(settings.harm, next_weight);
    let share = |tally: Tally| tally.share().unwrap_or_default();
    let (canary, stable) = (share(total.canary), share(total.stable));
    let ratio = (stable > 0.0).then(|| canary / stable);
    let need = minimum_requests(delta);
    let have = total.canary.requests;
    let is_worse = ratio.is_some_and(|ratio| ratio > 5.0) && total.canary.bad > 5;
    Judgement {
        verdict: if is_worse {
            Verdict::Fail(FailReason::WorseThanStable)
        } else if have == 0 {
            Verdict::Inconclusive(Reason::NoData)
        } else if have < need {
            Verdict::Inconclusive(Reason::TooFewRequests { have, need })
        } else {
            Verdict::Pass
        },
        canary: total.canary,
        stable: total.stable,
        ratio,
        ratio_upper: ratio
            .map(|ratio| ratio * 2.0 + 0.5)
            .filter(|_| have >= need),
        difference_upper: Some((canary - stable).max(0.0) + delta / 2.0),
        log_e: if is_worse { 6.0 } else { -0.5 },
        log_threshold: 200.0_f64.ln(),
        minimum_requests: need,
        delta,
    }
}

/// A log in the making, and what was judged so far.
struct Log {
    plan: Plan,
    entries: Vec<Entry>,
    at: Timestamp,
    generation: u32,
    who: Actor,
    state: (Phase, Vec<u8>),
    totals: Vec<Interval>,
    seed: u64,
}

impl Log {
    fn new(plan: Plan) -> Self {
        Self {
            at: plan.started_at,
            generation: 1,
            who: plan.actor.clone(),
            state: (Phase::Planned, vec![0; plan.units.len()]),
            totals: vec![Interval::default(); plan.units.len()],
            entries: Vec::new(),
            seed: 0x2545_F491_4F6C_DD1D,
            plan,
        }
    }

    fn push(&mut self, what: What) {
        self.entries.push(Entry {
            sequence: u64::try_from(self.entries.len()).unwrap(),
            at: self.at,
            generation: self.generation,
            actor: self.who.clone(),
            what,
        });
    }

    /// The same number of bad requests on every machine: a xorshift decides on each request.
    fn bad(&mut self, requests: u64, share: f64) -> u64 {
        let mut bad = 0;
        for _ in 0..requests {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            #[expect(clippy::cast_precision_loss, reason = "a draw from 0 to 1")]
            let draw = (self.seed >> 11) as f64 / (1_u64 << 53) as f64;
            bad += u64::from(draw < share);
        }
        bad
    }

    /// So many looks of so many seconds each; the canary fails with `worse`, stable as usual.
    fn looks(&mut self, count: usize, seconds: u32, worse: &[f64]) {
        self.some_looks(count, seconds, worse, false);
    }

    fn some_looks(&mut self, count: usize, seconds: u32, worse: &[f64], warmup: bool) {
        let (is_served, promoted) = (
            self.state.1.iter().any(|position| *position > 0),
            matches!(self.state.0, Phase::Promoting | Phase::Finalising),
        );
        for _ in 0..count {
            self.at += Span::new().seconds(i64::from(seconds));
            let units: Vec<Unit> = self.plan.units.clone();
            let mut intervals = Vec::new();
            for (index, unit) in units.iter().enumerate() {
                let weight = if promoted {
                    100
                } else {
                    unit.weight(self.state.1[index])
                };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a number of requests"
                )]
                let all = (unit.requests_per_second * f64::from(seconds)) as u64;
                let requests = all * u64::from(weight) / 100;
                // A new route has no requests of stable, and its own ones go by who calls.
                let is_gated = unit.gate.is_some();
                let rest = if is_gated { 0 } else { all - requests };
                let interval = Interval {
                    canary: Tally {
                        requests,
                        bad: self.bad(requests, worse.get(index).copied().unwrap_or(0.003)),
                    },
                    stable: Tally {
                        requests: rest,
                        bad: self.bad(rest, unit.bad_share),
                    },
                };
                if self.state.1[index] > 0 && !promoted && !warmup {
                    let total = &mut self.totals[index];
                    total.canary = total.canary.plus(interval.canary);
                    total.stable = total.stable.plus(interval.stable);
                }
                intervals.push(interval);
            }
            self.look(Look {
                seconds: f64::from(seconds),
                counts: None,
                units: if is_served { intervals } else { Vec::new() },
                reset: false,
                warmup,
                missing: None,
            });
        }
    }

    fn look(&mut self, look: Look) {
        self.push(What::Look(Box::new(look)));
    }

    /// Looks that could read nothing.
    fn missing(&mut self, count: usize, seconds: u32, why: &str) {
        for _ in 0..count {
            self.at += Span::new().seconds(i64::from(seconds));
            self.look(Look {
                seconds: f64::from(seconds),
                counts: None,
                units: Vec::new(),
                reset: false,
                warmup: false,
                missing: Some(why.to_owned()),
            });
        }
    }

    fn decide(&mut self, phase: Phase, positions: &[u8], why: Why, reason: Option<&str>) {
        let judgements = (0..self.plan.units.len())
            .filter(|index| self.state.1[*index] > 0)
            .map(|index| (self.plan.units[index].name.clone(), self.judged(index)))
            .collect();
        let to = (phase, positions.to_vec());
        self.push(What::Decision(Box::new(Decision {
            from: self.state.clone(),
            to: to.clone(),
            why,
            judgements,
            reason: reason.map(str::to_owned),
        })));
        self.state = to;
    }

    fn judged(&self, index: usize) -> Judgement {
        let unit = &self.plan.units[index];
        let next = unit.next_weight(self.state.1[index]);
        judgement(&self.plan, unit, self.totals[index], next)
    }

    /// New weights, and that they are in force.
    fn shift(&mut self, positions: &[u8], why: Why) {
        self.decide(Phase::Shifting, positions, why, None);
        self.decide(Phase::Holding, positions, Why::Verified, None);
    }

    /// Up to the first weight: started, ready, 5 %.
    fn begin(&mut self) {
        self.decide(Phase::Preparing, &[0, 0, 0], Why::Started, None);
        self.looks(1, 8, &[]);
        self.shift(&[1, 1, 0], Why::Ready);
        self.some_looks(1, 30, &[], true);
    }

    /// The rollout as it is now, driven by whoever wrote last.
    fn snapshot(&self) -> Snapshot {
        let plan = &self.plan;
        let mut state = State::planned(
            plan.id.clone(),
            plan.units.len(),
            STABLE,
            CANARY,
            "ab12cd34".to_owned(),
        );
        state.phase = self.state.0;
        state.positions.clone_from(&self.state.1);
        let replay = Replay::of(plan, &self.entries, &state);
        let evidence = replay.evidence();
        let is_promoted = matches!(
            state.phase,
            Phase::Promoting | Phase::Finalising | Phase::Succeeded
        );
        let units = plan.units.iter().enumerate().map(|(index, unit)| {
            let position = state.positions[index];
            let seen = &evidence.units[index];
            let hold = super::seconds(unit.hold(position));
            UnitSnapshot {
                name: unit.name.clone(),
                spoken: unit.spoken(),
                weight: match state.phase {
                    _ if is_promoted => 100,
                    Phase::Aborted => 0,
                    _ => unit.weight(position),
                },
                next_weight: unit.next_weight(position),
                position,
                steps: unit.steps.len(),
                gate: unit.gate.clone(),
                held_seconds: seen.held_seconds,
                hold_seconds: unit.hold(position),
                eta_seconds: (position > 0).then(|| (hold - seen.held_seconds).max(0.0)),
                judgement: (position > 0).then(|| {
                    let mut judgement = self.judged(index);
                    if evidence.missing.is_some() {
                        judgement.verdict = Verdict::Inconclusive(Reason::NoData);
                    }
                    judgement
                }),
                total: self.totals[index],
                warmup: seen.warmup,
                watch: seen.watch.clone(),
            }
        });
        let shares = self.entries.iter().filter_map(|entry| match &entry.what {
            What::Look(look) if !look.units.is_empty() => {
                let sum = look
                    .units
                    .iter()
                    .fold(Interval::default(), |sum, one| Interval {
                        canary: sum.canary.plus(one.canary),
                        stable: sum.stable.plus(one.stable),
                    });
                Some((sum.canary.share(), sum.stable.share()))
            }
            _ => None,
        });
        Snapshot {
            service: plan.service.clone(),
            environment: "prod".to_owned(),
            units: units.collect(),
            watch: evidence.watch,
            phase_seconds: evidence.phase_seconds,
            drifted: None,
            missing: evidence.missing,
            is_warming_up: replay.is_warming_up(),
            why: self.row().why,
            driver: if state.is_live() {
                Driver::Alive(self.who.clone())
            } else {
                Driver::Over
            },
            shares: shares.collect(),
            plan: plan.clone(),
            state,
        }
    }

    fn row(&self) -> Row {
        let why = self
            .entries
            .iter()
            .rev()
            .find_map(|entry| match &entry.what {
                What::Decision(decision) if decision.why != Why::Verified => {
                    Some(decision.why.clone())
                }
                _ => None,
            });
        Row {
            plan: self.plan.clone(),
            phase: Some(self.state.0),
            why,
            ended_at: self.entries.last().map(|entry| entry.at),
        }
    }
}

/// A healthy rollout from its start to the end of its watch, with everything that can happen on the way: counters that
/// cannot be read, a supervisor that was started again, a pause, a new driver, and a decision that came too late.
fn promoted() -> Log {
    let mut log = Log::new(plan());
    log.begin();
    log.looks(13, 30, &[]);
    let passed = |names: &[&str]| Why::Passed(names.iter().map(ToString::to_string).collect());
    log.shift(&[1, 2, 0], passed(&["get-charge"]));
    log.looks(10, 30, &[]);
    log.missing(4, 30, "no answer within 10 s");
    log.looks(6, 30, &[]);
    // Whoever noted this lost to a pause.
    let before = log.state.clone();
    log.decide(Phase::Shifting, &[2, 2, 0], passed(&["refund"]), None);
    log.state = before;
    log.who = actor("rui@acme.example", "desk");
    log.decide(
        Phase::Paused,
        &[1, 2, 0],
        Why::ByHand(Command::Pause),
        Some("lunch, back at 15:10"),
    );
    log.looks(6, 30, &[]);
    log.decide(
        Phase::Holding,
        &[1, 2, 0],
        Why::ByHand(Command::Resume),
        None,
    );
    log.who = actor("ci run 991", "runner-7");
    log.generation = 2;
    log.looks(3, 30, &[]);
    log.shift(&[2, 3, 0], passed(&["refund", "get-charge"]));
    log.looks(9, 30, &[]);
    let reset = log.entries.len();
    log.looks(11, 30, &[]);
    if let What::Look(look) = &mut log.entries[reset].what {
        look.reset = true;
    }
    log.shift(&[3, 3, 0], passed(&["refund"]));
    log.looks(20, 30, &[]);
    log.decide(Phase::Promoting, &[3, 3, 0], Why::AllPassed, None);
    log.decide(Phase::Finalising, &[3, 3, 0], Why::Verified, None);
    log.looks(60, 30, &[]);
    log.decide(Phase::Succeeded, &[3, 3, 0], Why::WatchOver, None);
    log
}

/// Every fourth refund fails on the new revision.
fn aborted() -> Log {
    let mut log = Log::new(plan());
    log.begin();
    log.looks(13, 30, &[]);
    log.shift(&[1, 2, 0], Why::Passed(vec!["get-charge".to_owned()]));
    log.looks(11, 30, &[0.25]);
    log.decide(
        Phase::Aborting,
        &[1, 2, 0],
        Why::Failed {
            unit: "refund".to_owned(),
            reason: FailReason::WorseThanStable,
        },
        None,
    );
    log.decide(Phase::Aborted, &[1, 2, 0], Why::Verified, None);
    log
}

/// In the middle of the second step.
fn holding() -> Log {
    let mut log = Log::new(plan());
    log.begin();
    log.looks(13, 30, &[]);
    log.shift(&[1, 2, 0], Why::Passed(vec!["get-charge".to_owned()]));
    log.looks(8, 30, &[]);
    log
}
