//! Watching a rollout on a platform that does not answer for a while: that is no verdict and no end, as it is none for who
//! drives.

use std::time::Duration;

use jiff::Timestamp;

use crate::cli::context::Context;
use crate::error::{Error, Result};
use crate::ops::rollout::{Rollout, drive};

/// How long a platform may be silent before it is said.
const SILENCE: Duration = Duration::from_secs(2);

/// What one reading came to.
#[derive(Debug)]
pub(super) enum Reading {
    /// The rollout.
    Answered(Box<Rollout>),
    /// The platform could not be asked; later it may.
    Silent,
    /// The time is over.
    TimeIsOver,
}

/// Reads until a time is over, and knows since when there is no answer.
pub(super) struct Patience<'a> {
    context: &'a Context,
    /// Monotonic; none without a limit.
    until: Option<Duration>,
    /// When the newest answer came, or the waiting began: by the clock that never jumps, and by that of people.
    answered: (Duration, Timestamp),
    /// It was said that there is none.
    is_told: bool,
}

impl<'a> Patience<'a> {
    /// From now on, for so long at most.
    pub(super) fn new(context: &'a Context, timeout: Option<Duration>) -> Self {
        let now = context.clock().monotonic();
        Self {
            context,
            until: timeout.map(|timeout| now + timeout),
            answered: (now, context.now()),
            is_told: false,
        }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        let now = self.context.clock().monotonic();
        self.until.is_some_and(|until| now >= until)
    }

    /// Since when there is no answer, where that is longer than an answer may take.
    pub(super) fn silent_since(&self) -> Option<Timestamp> {
        let now = self.context.clock().monotonic();
        let is_silent = self.is_told || now.saturating_sub(self.answered.0) >= SILENCE;
        is_silent.then_some(self.answered.1)
    }

    /// What is left of `pause` before the time is over.
    pub(super) fn pause(&self, pause: Duration) -> Duration {
        let now = self.context.clock().monotonic();
        match self.until {
            Some(until) => pause.min(until.saturating_sub(now)),
            None => pause,
        }
    }

    /// One reading. `tell` hears once that there is no answer, and since when.
    pub(super) async fn read(
        &mut self,
        reading: impl Future<Output = Result<Rollout>>,
        mut tell: impl FnMut(Timestamp, Option<&Error>),
    ) -> Result<Reading> {
        let mut reading = std::pin::pin!(reading);
        // The pause since the last answer is nobody's silence.
        if !self.is_told {
            self.answered = (self.context.clock().monotonic(), self.context.now());
        }
        loop {
            if self.is_over() {
                return Ok(Reading::TimeIsOver);
            }
            let now = self.context.clock().monotonic();
            let silence = (self.answered.0 + SILENCE).saturating_sub(now);
            let next = if self.is_told { SILENCE } else { silence };
            tokio::select! {
                read = &mut reading => match read {
                    Ok(rollout) => {
                        self.answered = (self.context.clock().monotonic(), self.context.now());
                        self.is_told = false;
                        return Ok(Reading::Answered(Box::new(rollout)));
                    }
                    Err(error) if drive::is_silence(&error) => {
                        self.tell(Some(&error), &mut tell);
                        return Ok(Reading::Silent);
                    }
                    Err(error) => return Err(error),
                },
                () = tokio::time::sleep(self.pause(next)) => {
                    if !self.is_over() {
                        self.tell(None, &mut tell);
                    }
                }
            }
        }
    }

    fn tell(&mut self, why: Option<&Error>, tell: &mut impl FnMut(Timestamp, Option<&Error>)) {
        if !std::mem::replace(&mut self.is_told, true) {
            tell(self.answered.1, why);
        }
    }
}

/// Since when there is no answer, in words.
pub(super) fn no_answer(since: Timestamp) -> String {
    format!(
        "no answer of the platform since {}; the rollout goes on without it",
        since.strftime("%H:%M:%S UTC")
    )
}
