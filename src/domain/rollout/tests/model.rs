//! Every sequence of commands and looks, against a reference model that knows nothing but phases: no sequence reaches an
//! undefined state, and each is answered as the model says.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::properties::{Draws, config};
use super::*;
use crate::domain::live::Health;
use crate::domain::rollout::machine::{Command, Next, Sight, Waiting, command, next};
use crate::domain::rollout::state::{LONGEST, Phase};

const COMMANDS: [Command; 8] = [
    Command::Pause,
    Command::Resume,
    Command::Promote,
    Command::PromoteFull,
    Command::EndWatch,
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
    use Command::{Abort, EndWatch, Pause, Promote, PromoteFull, Rebase, Resume, Supersede};
    use Phase::{
        Aborted, Aborting, Drifted, Finalising, Holding, Paused, Planned, Preparing, Promoting,
        Shifting, Succeeded, Superseded,
    };
    Some(match (phase, command) {
        (Succeeded, Abort | Supersede) | (Finalising, EndWatch) => &[Succeeded],
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
        (Drifted, Rebase) => &[Shifting, Preparing, Promoting],
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

/// A person asks, or a driver looks.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Asks(Command),
    /// Whoever drives stays, or not.
    Looks(Seen, bool),
}

/// Each look with its evidence, made once: a walk takes many of them.
struct Looks(Vec<(Evidence, bool, Health)>);

impl Looks {
    fn of(plan: &Plan) -> Self {
        Self(SEEN.iter().map(|seen| seen_as(plan, *seen)).collect())
    }

    /// For plans of at most four units: what a verdict says is the same for each of them.
    fn of_any_plan() -> Self {
        let mut looks = Self::of(&two_units_and_rest());
        for (evidence, _, _) in &mut looks.0 {
            let one = evidence.units[0].clone();
            evidence.units.push(one);
        }
        looks
    }
}

/// What a deed leads to, checked against the model. None where the command is refused.
fn done(plan: &Plan, state: &State, deed: Deed, looks: &Looks) -> Option<State> {
    match deed {
        Deed::Asks(wanted) => {
            match (
                command(plan, state, wanted),
                by_command(state.phase, wanted),
            ) {
                (Err(_), None) => None,
                (Ok(None), Some(phases)) => {
                    assert!(phases.contains(&state.phase), "{state:?} {wanted:?}");
                    Some(state.clone())
                }
                (Ok(Some(to)), Some(phases)) => {
                    assert!(
                        phases.contains(&to.state.phase),
                        "{state:?} {wanted:?} {to:?}"
                    );
                    if wanted == Command::Rebase {
                        assert_eq!(plan.split(&to.state), plan.split(state), "{state:?}");
                    }
                    Some(to.state)
                }
                (got, wanted_by_model) => {
                    panic!("{state:?} {wanted:?}: {got:?}, the model says {wanted_by_model:?}")
                }
            }
        }
        Deed::Looks(seen, is_attended) => {
            let (evidence, is_as_wanted, canary) = &looks.0[seen as usize];
            let sight = Sight {
                state,
                is_as_wanted: *is_as_wanted,
                canary: *canary,
                evidence,
                is_attended,
            };
            let after = match next(plan, &sight) {
                Next::Move(to) => to.state,
                // Nobody may be needed to attend; somebody who does is never waited for.
                Next::Wait(Waiting::Attendance { weight }) => {
                    assert!(!is_attended && weight > plan.max_unattended_weight);
                    return Some(state.clone());
                }
                Next::Wait(_) | Next::End => state.clone(),
            };
            assert!(
                by_look(state.phase, seen).contains(&after.phase),
                "{state:?} {seen:?} → {after:?}"
            );
            Some(after)
        }
    }
}

/// What holds in every state: it can be stored and read again, and its traffic goes to the two revisions alone.
fn assert_defined(plan: &Plan, state: &State) {
    assert_eq!(State::parse(&state.encode()).as_ref(), Some(state));
    assert!(state.encode().len() <= LONGEST);
    let split = plan.split(state);
    let weights = split.routes.iter().map(|row| &row.weights);
    for weights in weights.chain([&split.rest]) {
        let sum: u32 = weights.iter().map(|(_, weight)| u32::from(weight)).sum();
        assert_eq!(sum, 100, "{state:?}");
    }
    let known = [STABLE, CANARY];
    assert!(split.revisions().iter().all(|one| known.contains(one)));
}

/// All states that can be reached at all: a breadth-first walk over commands and looks, until nothing new is found.
#[test]
fn no_sequence_of_commands_and_looks_reaches_an_undefined_state() {
    let plan = two_units_and_rest();
    let looks = Looks::of(&plan);
    let asked = COMMANDS.map(Deed::Asks);
    let looked = SEEN.iter().flat_map(|seen| {
        let looks = |is_attended| Deed::Looks(*seen, is_attended);
        [looks(true), looks(false)]
    });
    let deeds: Vec<Deed> = asked.into_iter().chain(looked).collect();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![state(&plan)];
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
        assert_defined(&plan, &state);
        for deed in &deeds {
            open.extend(done(&plan, &state, *deed, &looks));
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

/// Looks that pass come oftener than all else, so that a walk gets far, and mostly somebody stays.
fn any_deed(draws: &mut Draws) -> Deed {
    let draw = usize::try_from(draws.below(40)).unwrap();
    match COMMANDS.get(draw) {
        Some(command) => Deed::Asks(*command),
        None => {
            let seen = SEEN.get(draw - COMMANDS.len()).unwrap_or(&Seen::Pass);
            Deed::Looks(*seen, draws.below(4) > 0)
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// The same of any plan, gates included: a walk of commands and looks, its end checked, and the way back from there.
    #[test]
    fn no_walk_over_any_plan_reaches_an_undefined_state(seed in any::<u64>()) {
        /// The verdicts say what they say for every plan; most of a walk would be making them.
        static LOOKS: OnceLock<Looks> = OnceLock::new();
        let looks = LOOKS.get_or_init(Looks::of_any_plan);
        let mut draws = Draws::of(seed);
        let plan = draws.plan();
        let mut now = state(&plan);
        // The model's own memory of where it was before somebody else changed the traffic.
        let mut before_drift = now.phase;
        for _ in 0..=draws.below(24) {
            if let Some(after) = done(&plan, &now, any_deed(&mut draws), looks) {
                assert!(after.generation >= now.generation && after.id == now.id);
                now = after;
            }
            if now.phase != Phase::Drifted {
                before_drift = now.phase;
            }
        }
        assert_defined(&plan, &now);
        if now.is_live() {
            let is_promoting = before_drift == Phase::Promoting || now.stays;
            let safe = if is_promoting { CANARY } else { STABLE };
            let back = done(&plan, &now, Deed::Asks(Command::Abort), looks).unwrap();
            let over = done(&plan, &back, Deed::Looks(Seen::Nothing, false), looks).unwrap();
            assert_eq!((over.phase, plan.split(&over).sole()), (Phase::Aborted, Some(safe)));
        }
    }
}
