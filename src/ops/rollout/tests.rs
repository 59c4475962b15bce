//! Drivers that race or die, on a real supervisor: of two that saw the same, one writes, and what one saw before it died
//! is what the next one records.

mod counters;
mod driver;
mod verified;

use std::sync::Arc;

use jiff::Timestamp;

use super::change::{self, Carried};
use super::drive::{Ended, Options, drive};
use super::{Rollout, Tools, brake, objects, read};
use crate::clock::SystemClock;
use crate::domain::analysis::{FailReason, Interval, Tally};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::log::Look;
use crate::domain::rollout::plan::{Given, Known, Wish, plan};
use crate::domain::rollout::{Command, Entry, Move, Phase, State, What, Why};
use crate::domain::service::Analysis;
use crate::domain::traffic::Split;
use crate::ops::audit::{Journal, Settings, Store};
use crate::ops::{Cancel, Event, Reporter};
use crate::platform::local::tests::Home;
use crate::platform::{Commit, Platform};

/// Races, over all rollouts.
const RACES: u32 = 1000;
/// Races of an abort, each in a rollout of its own.
const ABORTS: u32 = 60;
/// Races of each rollout: every race reads its whole log.
const OF_EACH: u32 = 20;

/// Hears nothing.
struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

/// One of the two machines.
struct Machine {
    journal: Journal,
    clock: SystemClock,
    platform: Arc<dyn Platform>,
}

impl Machine {
    fn new(home: &Home, name: &str) -> Self {
        let state = home.directory().join(name);
        let journal = Journal::open(Settings {
            session: None,
            store: Store::Directory(home.directory().join("audit")),
            log: "local".to_owned(),
            state,
            actor: actor(name),
            environment: Environment::builtin_local(),
        });
        Self {
            journal: journal.unwrap(),
            clock: SystemClock::new(),
            platform: home.connected(),
        }
    }

    fn tools(&self) -> Tools<'_> {
        Tools {
            platform: &*self.platform,
            journal: &self.journal,
            clock: &self.clock,
            reporter: &Silent,
        }
    }
}

fn actor(host: &str) -> crate::domain::release::Actor {
    crate::domain::release::Actor {
        name: "ana@example.com".to_owned(),
        host: host.to_owned(),
        key: None,
    }
}

/// What a machine does with what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// The next move, noted in the log and committed.
    Next,
    /// The traffic and its state as they are, with the next generation.
    TakeOver,
}

impl Deed {
    /// Whether it came into force.
    async fn done(self, machine: &Machine, mut seen: Rollout) -> bool {
        let tools = machine.tools();
        match self {
            Self::Next => {
                let phase = match seen.state.phase {
                    Phase::Holding => Phase::Promoting,
                    Phase::Promoting => Phase::Finalising,
                    _ => Phase::Holding,
                };
                let to = Move {
                    state: seen.state.to(phase),
                    why: Why::Verified,
                };
                let carried = change::carry_out(&tools, &mut seen, &to, None).await;
                matches!(carried.unwrap(), Carried::Done)
            }
            Self::TakeOver => {
                let state = State {
                    generation: seen.state.generation + 1,
                    ..seen.state.clone()
                };
                let split = seen.live.split.clone().unwrap();
                let to = Move {
                    state,
                    why: Why::Verified,
                };
                change::commit(&tools, &mut seen, &to, split, None)
                    .await
                    .unwrap()
            }
        }
    }
}

/// A service with two revisions and a rollout from one to the other.
async fn start(home: &Home, platform: &dyn Platform, service: &ServiceName) {
    start_with(home, platform, service, Analysis::default(), None).await;
}

/// The same with what it is judged by, and so many seconds for each step.
async fn start_with(
    home: &Home,
    platform: &dyn Platform,
    service: &ServiceName,
    analysis: Analysis,
    hold_seconds: Option<u64>,
) {
    let live = platform.observe(service).await.unwrap();
    let mut release = home.release(service.as_str(), "a").service;
    release.analysis = analysis;
    let (stable, canary) = (RevisionNumber(1), RevisionNumber(2));
    let given = Given {
        id: ulid::Ulid::generate().to_string(),
        stable: (stable, &release),
        canary: (canary, &release),
        base: Split::all(&[], stable),
        actor: actor("here"),
        at: Timestamp::UNIX_EPOCH,
        reason: None,
    };
    let wish = Wish {
        routes: Vec::new(),
        gates: Vec::new(),
        steps: None,
        hold_seconds,
        max_unattended_weight: 10,
    };
    let known = Known {
        requests_per_second: 5.0,
        bad_share: 0.005,
        design_effect: 1.0,
    };
    let plan = plan(&given, &wish, |_, _| Some(known)).unwrap();
    let (bytes, digest) = objects::plan_bytes(&plan).unwrap();
    objects::create_plan(platform, &plan, &bytes).await.unwrap();
    let state = State::planned(plan.id.clone(), plan.units.len(), stable, canary, digest);
    let commit = Commit {
        split: plan.split(&state),
        state: state.encode(),
        leaves: None,
        actor: actor("here"),
        operation: ulid::Ulid::generate().to_string(),
    };
    platform
        .commit(service, &live.token, &commit, &|_| {})
        .await
        .unwrap();
}

/// The log has one entry for each sequence, and neither generations nor the order of decisions ever go back.
fn check(entries: &[Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.sequence, index as u64);
    }
    assert!(entries.is_sorted_by_key(|entry| entry.generation));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_drivers_that_saw_the_same_exactly_one_writes() {
    let home = Home::new();
    let machines = [Machine::new(&home, "first"), Machine::new(&home, "second")];
    let service = ServiceName::new("payments").unwrap();
    let platform = home.connected();
    for digest in ["a", "b"] {
        let release = home.release(service.as_str(), digest);
        platform.publish(&release, &|_| {}).await.unwrap();
    }
    let (mut won, mut noted) = ([0, 0], 0);
    for race in 0..RACES {
        if race % OF_EACH == 0 {
            start(&home, &*platform, &service).await;
        }
        let seen = read(&*platform, &service).await.unwrap().unwrap();
        // Both go on; both take over; one goes on while the other takes over.
        let deeds = match race % 4 {
            0 => [Deed::Next, Deed::Next],
            1 => [Deed::TakeOver, Deed::TakeOver],
            2 => [Deed::Next, Deed::TakeOver],
            _ => [Deed::TakeOver, Deed::Next],
        };
        let [first, second] = &machines;
        let (one, two) = tokio::join!(
            deeds[0].done(first, seen.clone()),
            deeds[1].done(second, seen.clone())
        );
        assert!(one != two, "race {race}, {deeds:?}: {one} and {two}");
        won[usize::from(two)] += 1;
        let after = read(&*platform, &service).await.unwrap().unwrap();
        let winner = if one { deeds[0] } else { deeds[1] };
        let generation = seen.state.generation + u32::from(winner == Deed::TakeOver);
        assert_eq!(after.state.generation, generation, "race {race}, {deeds:?}");
        assert_eq!(
            after.state.phase == seen.state.phase,
            winner == Deed::TakeOver,
            "race {race}, {deeds:?}"
        );
        assert!(after.is_as_wanted());
        assert!(after.entries.len() <= seen.entries.len() + 1);
        noted += u32::from(after.entries.len() > seen.entries.len());
        check(&after.entries);
    }
    eprintln!("{RACES} races: {won:?} won, {noted} entries");
    assert!(won.iter().all(|times| *times > RACES / 20), "{won:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_wins_every_race_with_whoever_drives_or_takes_over() {
    let home = Home::new();
    let machines = [Machine::new(&home, "first"), Machine::new(&home, "second")];
    let [driver, person] = &machines;
    let service = ServiceName::new("payments").unwrap();
    let platform = home.connected();
    for digest in ["a", "b"] {
        let release = home.release(service.as_str(), digest);
        platform.publish(&release, &|_| {}).await.unwrap();
    }
    let mut ahead = 0;
    let stable = RevisionNumber(1);
    for race in 0..ABORTS {
        // It may have been left by the race before.
        platform.prepare(&service, stable, &|_| {}).await.unwrap();
        start(&home, &*platform, &service).await;
        let mut seen = read(&*platform, &service).await.unwrap().unwrap();
        // Holding, promoting, finalising: whatever the abort meets.
        for _ in 0..=race % 3 {
            assert!(Deed::Next.done(driver, seen).await);
            seen = read(&*platform, &service).await.unwrap().unwrap();
        }
        let deed = if race % 2 == 0 {
            Deed::Next
        } else {
            Deed::TakeOver
        };
        let tools = person.tools();
        let (was_written, aborted) = tokio::join!(
            deed.done(driver, seen.clone()),
            brake::abort(&tools, &service, Command::Abort, None, None, None)
        );
        ahead += u32::from(was_written);
        let aborted = aborted.unwrap().unwrap();
        let after = read(&*platform, &service).await.unwrap().unwrap();
        let state = &after.state;
        assert_eq!(state.phase, Phase::Aborted, "race {race}");
        assert!(after.is_as_wanted(), "race {race}");
        let sole = after.live.split.as_ref().and_then(Split::sole);
        assert_eq!(sole, Some(aborted.revision), "race {race}");
        // The safe side is that of the phase that the abort was written over.
        let promoting = match (deed, was_written) {
            (Deed::Next, true) => seen.state.phase == Phase::Holding,
            _ => seen.state.phase == Phase::Promoting,
        };
        assert_eq!(state.stays, promoting, "race {race}, {:?}", seen.state);
        assert_eq!(sole, Some(RevisionNumber(if promoting { 2 } else { 1 })));
        assert!(state.generation > seen.state.generation, "race {race}");
        check(&after.entries);
    }
    eprintln!("{ABORTS} aborts: {ahead} times the other one was first");
}

/// A rollout at its first step whose log tells that the canary is worse.
async fn told_as_worse(home: &Home, machine: &Machine, service: &ServiceName) -> Rollout {
    for digest in ["a", "b"] {
        let release = home.release(service.as_str(), digest);
        machine.platform.publish(&release, &|_| {}).await.unwrap();
    }
    start(home, &*machine.platform, service).await;
    let tools = machine.tools();
    let mut seen = read(tools.platform, service).await.unwrap().unwrap();
    let canary = seen.state.canary;
    tools
        .platform
        .prepare(service, canary, &|_| {})
        .await
        .unwrap();
    let holding = Move {
        state: State {
            positions: vec![1; seen.plan.units.len()],
            ..seen.state.to(Phase::Holding)
        },
        why: Why::Verified,
    };
    let carried = change::carry_out(&tools, &mut seen, &holding, None).await;
    assert!(matches!(carried.unwrap(), Carried::Done));
    let tally = |requests, bad| Tally { requests, bad };
    let entry = Entry {
        sequence: seen.replay.next_sequence(),
        at: Timestamp::UNIX_EPOCH,
        generation: seen.state.generation,
        actor: actor("first"),
        what: What::Look(Box::new(Look {
            seconds: 10.0,
            counts: None,
            units: vec![Interval {
                canary: tally(400, 300),
                stable: tally(4000, 20),
            }],
            reset: false,
            warmup: false,
            missing: None,
        })),
    };
    assert!(change::append(&tools, &mut seen, entry).await.unwrap());
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_is_recorded_for_the_reason_that_was_seen_before_the_driver_died() {
    // It died before it wrote the abort, or right after and before it was noted.
    for is_written in [false, true] {
        let home = Home::new();
        let machine = Machine::new(&home, "first");
        let service = ServiceName::new("payments").unwrap();
        let mut seen = told_as_worse(&home, &machine, &service).await;
        let tools = machine.tools();
        if is_written {
            let to = Move {
                state: seen.state.to(Phase::Aborting),
                why: Why::Verified,
            };
            let split = seen.plan.split(&to.state);
            let written = change::commit(&tools, &mut seen, &to, split, None).await;
            assert!(written.unwrap());
        }
        let (_switch, cancel) = Cancel::new();
        let options = Options {
            service: service.clone(),
            flag: String::new(),
            stays: true,
            waits_for_people: false,
        };
        let ended = drive(&tools, &options, &cancel, &mut |_, _| {}).await;
        let why = Why::Failed {
            unit: "rest".to_owned(),
            reason: FailReason::WorseThanStable,
        };
        match ended.unwrap() {
            Ended::Over(state, told) => {
                assert_eq!(
                    (state.phase, told),
                    (Phase::Aborted, Some(why.clone())),
                    "written: {is_written}"
                );
            }
            other => panic!("{other:?}"),
        }
        let after = read(tools.platform, &service).await.unwrap().unwrap();
        check(&after.entries);
        let next = &after.entries[seen.entries.len()].what;
        assert!(
            matches!(next, What::Decision(decision) if decision.why == why),
            "written: {is_written}, {next:?}"
        );
    }
}
