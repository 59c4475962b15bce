//! A whole rollout as the state machine does it: steps with holds, looks each minute.

use crate::analysis::{DEFAULT_MAX_HOLD_SECONDS, Judge, Settings, Verdict};
use crate::random::Random;
use crate::stream::Traffic;

/// Seconds after which an inconclusive step pauses and needs a person.
pub(crate) const MAX_HOLD: f64 = DEFAULT_MAX_HOLD_SECONDS;

/// Minutes that each step is held at least.
const HOLD: u32 = 5;

/// How a rollout ended, with the minute.
pub(crate) enum End {
    Promoted(u32),
    Aborted(u32),
    Paused(u32),
}

impl End {
    /// The minute of promotion; infinite without one.
    pub(crate) fn promoted(&self) -> f64 {
        match self {
            Self::Promoted(minute) => f64::from(*minute),
            _ => f64::INFINITY,
        }
    }
}

/// One rollout with nobody's help.
pub(crate) fn climb(
    traffic: &Traffic,
    steps: &[u8],
    settings: &Settings,
    random: &mut Random,
) -> End {
    let mut judge = Judge::new(settings.clone());
    let mut minute = 0;
    for (place, weight) in steps.iter().enumerate() {
        judge.begin_step();
        let next = steps.get(place + 1).copied().unwrap_or(100);
        let start = minute;
        loop {
            judge.observe(traffic.minute(random, minute, *weight));
            minute += 1;
            match judge.judge(next).verdict {
                Verdict::Fail(_) => return End::Aborted(minute),
                Verdict::Pass if minute - start >= HOLD => break,
                _ if f64::from(minute - start) * 60.0 >= MAX_HOLD => return End::Paused(minute),
                _ => {}
            }
        }
    }
    End::Promoted(minute)
}

/// Whether a canary passes one step, judged on its own.
pub(crate) fn passes(
    traffic: &Traffic,
    weight: u8,
    next: u8,
    settings: &Settings,
    random: &mut Random,
) -> bool {
    let mut judge = Judge::new(settings.clone());
    for minute in 0..(MAX_HOLD / 60.0) as u32 {
        judge.observe(traffic.minute(random, minute, weight));
        match judge.judge(next).verdict {
            Verdict::Fail(_) => return false,
            Verdict::Pass if minute + 1 >= HOLD => return true,
            _ => {}
        }
    }
    false
}
