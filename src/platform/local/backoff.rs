//! When a process that ended is started again, and when it counts as failed. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::diagnosis::{Exit, Seen};

/// The first pause before a start; it doubles.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause before a start.
const LONGEST: Duration = Duration::from_secs(10);
/// A process that ran so long starts with a clean record.
const FORGIVEN: Duration = Duration::from_secs(30);
/// So many ends make a failure: of a first start in a row, later within the time that a start may take.
const ENDS: usize = 3;

/// The record of one process.
#[derive(Debug)]
pub(super) struct Backoff {
    /// Ends, with the monotonic time of each.
    ends: VecDeque<(Duration, Exit)>,
    next: Duration,
    /// It was ready at least once.
    was_ready: bool,
    /// The time that a start may take.
    window: Duration,
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
    /// A clean record.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            ends: VecDeque::new(),
            next: FIRST,
            was_ready: false,
            window,
        }
    }

    /// How often it ended lately.
    pub(super) fn times(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// It became ready.
    pub(super) fn ready(&mut self) {
        if !self.was_ready {
            self.ends.clear();
            self.next = FIRST;
        }
        self.was_ready = true;
    }

    /// It ended at `now`.
    pub(super) fn ended(&mut self, now: Duration, exit: Exit) -> Next {
        if self.was_ready && exit.after >= FORGIVEN {
            self.ends.clear();
            self.next = FIRST;
        }
        self.ends.push_back((now, exit));
        while self.ends.len() > ENDS {
            self.ends.pop_front();
        }
        let many = self.ends.len() == ENDS;
        let exits = || self.ends.iter().map(|(_, exit)| *exit).collect();
        let failed = if self.was_ready {
            let first = self.ends.front().map_or(now, |(at, _)| *at);
            (many && now.saturating_sub(first) <= self.window).then(|| Seen::Crashed(exits()))
        } else {
            many.then(|| Seen::Exited(exits()))
        };
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
            let next = backoff.ended(seconds(try_), exit(0));
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
            .map(|n| backoff.ended(seconds(n * 10), exit(1)).after.as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        let next = backoff.ended(seconds(1000), exit(30));
        assert_eq!(next.after, FIRST);
        assert_eq!(backoff.times(), 1);
    }

    #[test]
    fn three_ends_within_the_window_are_a_crash_loop_and_slower_ones_are_not() {
        for (gap, looping) in [(10, true), (40, false)] {
            let mut backoff = Backoff::new(seconds(60));
            backoff.ready();
            let failed: Vec<bool> = (1..=3)
                .map(|n| backoff.ended(seconds(n * gap), exit(5)).failed.is_some())
                .collect();
            assert_eq!(failed, [false, false, looping], "{gap}");
        }
    }
}
