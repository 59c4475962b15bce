//! The last two hours by the minute, in memory only: what a plan is made from, and what tells how much bad events
//! clump.
//!
//! A minute in which a series counted nothing takes no room, so that what nobody uses costs nothing: at most 16 bytes
//! for each series and minute.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::{Metrics, Sum, of_service};
use crate::clock::Clock;
use crate::domain::counts::MinuteCounts;
use crate::domain::name::ServiceName;

/// How many whole minutes are kept.
const KEPT: usize = 120;
/// How long a minute is.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// The past of one series.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// At the beginning of the running minute.
    then: Sum,
    /// The minutes in which something ended, oldest first.
    minutes: VecDeque<Added>,
}

/// What one series counted in one minute.
#[derive(Debug, Clone, Copy)]
struct Added {
    minute: u32,
    requests: u32,
    errors: u32,
    slow: u32,
}

/// When minutes began.
#[derive(Debug)]
pub(super) struct Minutes {
    running: Began,
    /// Oldest first, each with its length.
    past: VecDeque<(Began, Duration)>,
}

#[derive(Debug, Clone, Copy)]
struct Began {
    minute: u32,
    at: Timestamp,
    monotonic: Duration,
}

impl Minutes {
    /// The first minute begins now.
    pub(super) fn beginning(clock: &dyn Clock) -> Self {
        Self {
            running: Began {
                minute: 0,
                at: clock.now(),
                monotonic: clock.monotonic(),
            },
            past: VecDeque::new(),
        }
    }
}

impl Added {
    fn new(minute: u32, sum: Sum) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            minute,
            requests: small(sum.requests),
            errors: small(sum.errors),
            slow: small(sum.slow),
        }
    }

    fn sum(self) -> Sum {
        Sum {
            requests: self.requests.into(),
            errors: self.errors.into(),
            slow: self.slow.into(),
        }
    }
}

impl Metrics {
    /// Ends the running minute and begins the next one.
    pub(crate) fn next_minute(&self) {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = minutes.running;
        let length = self.clock.monotonic().saturating_sub(ended.monotonic);
        minutes.past.push_back((ended, length));
        if minutes.past.len() > KEPT {
            minutes.past.pop_front();
        }
        let oldest = minutes.past.front().map_or(0, |(began, _)| began.minute);
        for series in series.values() {
            let sum = series.sum();
            let mut past = series.past.lock().unwrap_or_else(PoisonError::into_inner);
            let added = sum.minus(past.then);
            past.then = sum;
            if added.requests > 0 {
                past.minutes.push_back(Added::new(ended.minute, added));
            }
            while past.minutes.front().is_some_and(|one| one.minute < oldest) {
                past.minutes.pop_front();
            }
        }
        minutes.running = Began {
            minute: ended.minute.wrapping_add(1),
            at: self.clock.now(),
            monotonic: self.clock.monotonic(),
        };
    }

    /// What one service counted in the minutes that ended within `since`, oldest first, and in the one that runs.
    pub(crate) fn history(&self, service: &ServiceName, since: Duration) -> Vec<MinuteCounts> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        let from = now.saturating_sub(since);
        let running = minutes.running;
        let lengths = minutes.past.iter().copied();
        let mut history: Vec<(u32, MinuteCounts)> = lengths
            .filter(|(began, length)| began.monotonic + *length > from)
            .chain([(running, now.saturating_sub(running.monotonic))])
            .map(|(began, length)| {
                let minute = MinuteCounts {
                    at: began.at,
                    seconds: u32::try_from(length.as_secs()).unwrap_or(u32::MAX),
                    series: Vec::new(),
                };
                (began.minute, minute)
            })
            .collect();
        for (key, series) in of_service(&series, service) {
            let past = series.past.lock().unwrap_or_else(PoisonError::into_inner);
            let present = Added::new(running.minute, series.sum().minus(past.then));
            for added in past.minutes.iter().copied().chain([present]) {
                let minute = history
                    .binary_search_by_key(&added.minute, |(minute, _)| *minute)
                    .ok()
                    .and_then(|at| history.get_mut(at));
                if let Some((_, minute)) = minute.filter(|_| added.requests > 0) {
                    minute.series.push(added.sum().of(key));
                }
            }
        }
        history.into_iter().map(|(_, minute)| minute).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::End;
    use super::super::tests::key;
    use super::*;

    /// A clock that stands still until it is told to go on.
    #[derive(Clone, Default)]
    struct Still(Arc<Mutex<Duration>>);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + self.monotonic()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    impl Still {
        fn go_on(&self, seconds: u64) {
            *self.0.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    /// When a minute began, its seconds, and requests and bad ones of each series.
    type Minute = (i64, u32, Vec<(u64, u64)>);

    fn counted(metrics: &Metrics, since: Duration) -> Vec<Minute> {
        metrics
            .history(&key(1).service, since)
            .into_iter()
            .map(|minute| {
                let series = minute.series.iter().map(|one| (one.requests, one.bad));
                (minute.at.as_second(), minute.seconds, series.collect())
            })
            .collect()
    }

    #[test]
    fn each_minute_has_what_was_added_in_it() {
        let clock = Still::default();
        let metrics = Metrics::new(Box::new(clock.clone()));
        let series = metrics.series(key(1));
        let request = |status| series.record(End::Answered(status), Duration::ZERO, None);
        request(200);
        request(500);
        clock.go_on(60);
        metrics.next_minute();
        clock.go_on(60);
        metrics.next_minute();
        request(200);
        clock.go_on(20);
        let hour = Duration::from_hours(1);
        assert_eq!(
            counted(&metrics, hour),
            [
                (0, 60, vec![(2, 1)]),
                (60, 60, vec![]),
                (120, 20, vec![(1, 0)])
            ]
        );
        // Of the last 30 s: the minute that reaches into them, and the running one.
        assert_eq!(counted(&metrics, Duration::from_secs(30)).len(), 2);
        assert_eq!(counted(&metrics, Duration::ZERO).len(), 1);
    }

    #[test]
    fn two_hours_are_kept_and_no_more() {
        let clock = Still::default();
        let metrics = Metrics::new(Box::new(clock.clone()));
        let series = metrics.series(key(1));
        for _ in 0..300 {
            series.record(End::Answered(200), Duration::ZERO, None);
            clock.go_on(60);
            metrics.next_minute();
        }
        let history = counted(&metrics, Duration::from_hours(24));
        assert_eq!(history.len(), KEPT + 1);
        assert_eq!(history[0], (180 * 60, 60, vec![(1, 0)]));
        assert_eq!(series.past.lock().unwrap().minutes.len(), KEPT);
    }
}
