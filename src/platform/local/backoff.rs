//! When a process that ended is started again, and when it counts as failed. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::diagnosis::{Exit, Seen};

/// The first pause before a start; it doubles.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause before a start.
const LONGEST: Duration = Duration::from_secs(10);
/// A process that ran so much longer than a start may take has a clean record.
const FORGIVEN: Duration = Duration::from_secs(30);
/// So many ends in a row make a failure. How far apart they are does not matter: the pauses between them grow, so
/// that a process that ends after a while would never be found by a window of time.
const ENDS: usize = 3;

/// The record of one process.
#[derive(Debug)]
pub(super) struct Backoff {
    /// The last ends in a row.
    ends: VecDeque<Exit>,
    next: Duration,
    /// It was ready at least once.
    was_ready: bool,
    /// A run of this length ends the row.
    forgiven: Duration,
}

/// What to do after an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The pause before the next start.
    pub(super) after: Duration,
    /// It counts as failed, and why.
    pub(super) failed: Option<Seen>,
}

impl Backoff {
    /// A clean record; `start` is the time that a start may take.
    pub(super) fn new(start: Duration) -> Self {
        Self {
            ends: VecDeque::new(),
            next: FIRST,
            was_ready: false,
            forgiven: start.saturating_add(FORGIVEN),
        }
    }

    /// How often it ended lately.
    pub(super) fn times(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// A run of this length ends the row.
    pub(super) fn forgiven(&self) -> Duration {
        self.forgiven
    }

    /// It became ready.
    pub(super) fn ready(&mut self) {
        if !self.was_ready {
            self.ends.clear();
            self.next = FIRST;
        }
        self.was_ready = true;
    }

    /// It ended.
    pub(super) fn ended(&mut self, exit: Exit) -> Next {
        if self.was_ready && exit.after >= self.forgiven {
            self.ends.clear();
            self.next = FIRST;
        }
        self.ends.push_back(exit);
        while self.ends.len() > ENDS {
            self.ends.pop_front();
        }
        let failed = (self.ends.len() == ENDS).then(|| {
            let exits = self.ends.iter().copied().collect();
            if self.was_ready {
                Seen::Crashed(exits)
            } else {
                Seen::Exited(exits)
            }
        });
        let after = self.next;
        self.next = (self.next * 2).min(LONGEST);
        Next { after, failed }
    }

    /// It failed in another way than by ending: the next start waits longer all the same.
    pub(super) fn not_ready(&mut self) -> Duration {
        let after = self.next;
        self.next = (self.next * 2).min(LONGEST);
        after
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnosis::How;
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn exit(after: u64) -> Exit {
        Exit {
            how: How::Code(1),
            after: seconds(after),
        }
    }

    #[test]
    fn a_first_start_is_tried_three_times_and_quickly() {
        let mut backoff = Backoff::new(seconds(60));
        let mut waited = Duration::ZERO;
        for try_ in 1..=3 {
            let next = backoff.ended(exit(0));
            if try_ < 3 {
                assert_eq!(next.failed, None);
                waited += next.after;
            } else {
                assert_eq!(next.failed, Some(Seen::Exited(vec![exit(0); 3])));
            }
        }
        assert_eq!(waited, Duration::from_millis(600));
    }

    #[test]
    fn the_pause_doubles_to_ten_seconds_and_a_long_run_is_forgiven() {
        let mut backoff = Backoff::new(seconds(1));
        backoff.ready();
        let pauses: Vec<u128> = (0..8)
            .map(|_| backoff.ended(exit(1)).after.as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        let next = backoff.ended(exit(31));
        assert_eq!(next.after, FIRST);
        assert_eq!(backoff.times(), 1);
    }

    #[test]
    fn three_short_lives_in_a_row_are_a_crash_loop_however_far_apart() {
        for (lived, looping) in [(0, true), (34, true), (35, false)] {
            let mut backoff = Backoff::new(seconds(5));
            backoff.ready();
            let failed: Vec<bool> = (1..=4)
                .map(|_| backoff.ended(exit(lived)).failed.is_some())
                .collect();
            assert_eq!(failed, [false, false, looping, looping], "{lived}");
        }
    }

    #[test]
    fn a_long_run_between_two_short_ones_begins_a_new_row() {
        let mut backoff = Backoff::new(seconds(5));
        backoff.ready();
        let failed: Vec<bool> = [1, 1, 60, 1, 1]
            .map(|lived| backoff.ended(exit(lived)).failed.is_some())
            .into();
        assert_eq!(failed, [false, false, false, false, true]);
    }
}
