//! Every sequence of commands and looks, against a reference model that knows nothing but phases: no sequence reaches an
//! undefined state, and each is answered as the model says.

use std::collections::BTreeSet;

use super::*;
use crate::domain::live::Health;
use crate::domain::rollout::machine::{Command, Next, Sight, command, next};
use crate::domain::rollout::state::Phase;

const COMMANDS: [Command; 7] = [
    Command::Pause,
    Command::Resume,
    Command::Promote,
    Command::PromoteFull,
    Command::Abort,
    Command::Supersede,
    Command::Rebase,
];

/// What a look sees.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Pass,
    Fail,
    Nothing,
    TooLong,
    Foreign,
    Down,
}

const SEEN: [Seen; 6] = [
    Seen::Pass,
    Seen::Fail,
    Seen::Nothing,
    Seen::TooLong,
    Seen::Foreign,
    Seen::Down,
];

/// Where the reference model goes from a phase by a command; none = refused. The table of the states, written a second
/// time, by hand.
fn by_command(phase: Phase, command: Command) -> Option<&'static [Phase]> {
    use Command::{Abort, Pause, Promote, PromoteFull, Rebase, Resume, Supersede};
    use Phase::{
        Aborted, Aborting, Drifted, Finalising, Holding, Paused, Planned, Preparing, Promoting,
        Shifting, Succeeded, Superseded,
    };
    Some(match (phase, command) {
        (Succeeded, Abort | Supersede) => &[Succeeded],
        (Aborted, Abort | Supersede) => &[Aborted],
        (Superseded, Abort | Supersede) => &[Superseded],
        (Succeeded | Aborted | Superseded, _) => return None,
        (_, Abort | Supersede) => &[Aborting],
        (Shifting | Holding | Paused, Pause) => &[Paused],
        (Planned, Resume) => &[Planned],
        (Preparing, Resume) => &[Preparing],
        (Shifting, Resume) => &[Shifting],
        (Holding | Paused, Resume) => &[Holding],
        (Holding | Paused, Promote) => &[Shifting, Promoting],
        (Shifting | Holding | Paused | Promoting, PromoteFull) | (Promoting, Promote) => {
            &[Promoting]
        }
        (Finalising, Promote | PromoteFull) => &[Finalising],
        (Drifted, Rebase) => &[Shifting, Preparing],
        _ => return None,
    })
}

/// Where a look may lead.
#[expect(clippy::match_same_arms, reason = "a table reads best row by row")]
fn by_look(phase: Phase, seen: Seen) -> &'static [Phase] {
    use Phase::{
        Aborted, Aborting, Drifted, Finalising, Holding, Paused, Planned, Preparing, Promoting,
        Shifting, Succeeded, Superseded,
    };
    match (phase, seen) {
        (Succeeded, _) => &[Succeeded],
        (Aborted, _) => &[Aborted],
        (Superseded, _) => &[Superseded],
        (Aborting, Seen::Foreign) => &[Aborting],
        (Aborting, _) => &[Aborted],
        (_, Seen::Foreign) | (Drifted, _) => &[Drifted],
        (Planned, _) => &[Preparing],
        (Preparing, Seen::Down) => &[Aborting],
        (Preparing, _) => &[Shifting],
        (Shifting, _) => &[Holding],
        (Holding, Seen::Pass) => &[Shifting, Promoting, Holding],
        (Holding, Seen::Fail) => &[Aborting, Holding],
        (Holding, Seen::Down) => &[Aborting],
        (Holding, Seen::Nothing) => &[Holding],
        (Holding, Seen::TooLong) => &[Paused],
        (Paused, Seen::Fail | Seen::Down) => &[Aborting],
        (Paused, _) => &[Paused],
        (Promoting, _) => &[Finalising],
        (Finalising, Seen::Fail | Seen::Down) => &[Aborting],
        (Finalising, Seen::TooLong) => &[Succeeded],
        (Finalising, _) => &[Finalising],
    }
}

fn seen_as(plan: &Plan, seen: Seen) -> (Evidence, bool, Health) {
    let pass = judged(plan, 100_000, 500, 50);
    let fail = judged(plan, 1000, 300, 50);
    let nothing = Judge::new(plan.settings(&plan.units[0])).judge(50);
    let (judgement, held) = match seen {
        Seen::Pass | Seen::Foreign | Seen::Down => (&pass, 60.0),
        Seen::Fail => (&fail, 60.0),
        Seen::Nothing => (&nothing, 60.0),
        Seen::TooLong => (&nothing, 1e9),
    };
    let mut evidence = evidence(plan, held, judgement);
    if matches!(seen, Seen::Fail) {
        evidence.watch = Some(fail.clone());
    }
    let health = if matches!(seen, Seen::Down) {
        Health::Failed
    } else {
        Health::Ok
    };
    (evidence, !matches!(seen, Seen::Foreign), health)
}

/// All states that can be reached at all: a breadth-first walk over commands and looks, until nothing new is found.
#[test]
fn no_sequence_of_commands_and_looks_reaches_an_undefined_state() {
    let plan = two_units_and_rest();
    let looks: Vec<_> = SEEN
        .iter()
        .map(|seen| (*seen, seen_as(&plan, *seen)))
        .collect();
    let first = state(&plan);
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![first];
    let key = |state: &State| {
        State {
            generation: 0,
            ..state.clone()
        }
        .encode()
    };
    while let Some(state) = open.pop() {
        if !known.insert(key(&state)) {
            continue;
        }
        assert_eq!(State::parse(&state.encode()).as_ref(), Some(&state));
        let split = plan.split(&state);
        assert!(
            split
                .revisions()
                .iter()
                .all(|one| [STABLE, CANARY].contains(one))
        );
        for wanted in COMMANDS {
            match (
                command(&plan, &state, wanted),
                by_command(state.phase, wanted),
            ) {
                (Err(_), None) => {}
                (Ok(None), Some(phases)) => {
                    assert!(phases.contains(&state.phase), "{state:?} {wanted:?}");
                }
                (Ok(Some(to)), Some(phases)) => {
                    assert!(
                        phases.contains(&to.state.phase),
                        "{state:?} {wanted:?} {to:?}"
                    );
                    open.push(to.state);
                }
                (got, wanted_by_model) => {
                    panic!("{state:?} {wanted:?}: {got:?}, the model says {wanted_by_model:?}")
                }
            }
        }
        for (seen, (evidence, as_wanted, health)) in &looks {
            let sight = Sight {
                state: &state,
                is_as_wanted: *as_wanted,
                canary: *health,
                evidence,
                is_attended: true,
            };
            let phases = by_look(state.phase, *seen);
            let after = match next(&plan, &sight) {
                Next::Move(to) => to.state,
                Next::Wait(_) | Next::End => state.clone(),
            };
            assert!(
                phases.contains(&after.phase),
                "{state:?} {seen:?} → {after:?}"
            );
            open.push(after);
        }
    }
    // Every phase but the one that only a supersession writes is reached; and the walk is not trivial.
    let reached: BTreeSet<_> = known
        .iter()
        .filter_map(|text| State::parse(text))
        .map(|state| state.phase.as_str())
        .collect();
    let wanted: BTreeSet<_> = Phase::ALL
        .iter()
        .map(|phase| phase.as_str())
        .filter(|phase| *phase != "superseded")
        .collect();
    assert_eq!(reached, wanted);
    assert!(known.len() > 40, "{}", known.len());
}
