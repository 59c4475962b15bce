//! Counts and latency histograms for each route, verb and revision: for the judge, and as Prometheus text
//! (text exposition format 0.0.4).
//!
//! Counting costs a few atomic additions; nothing here locks on the way of a request.

mod history;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::domain::counts::{CountSeries, Counts};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;

pub(crate) use history::MINUTE;
use history::{Minutes, Past};

/// Upper bounds of the histogram's buckets, in milliseconds; the last bucket has none.
const BOUNDS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000,
];

/// What a series is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The service.
    pub(crate) service: ServiceName,
    /// The route's name, or `rest`.
    pub(crate) route: String,
    /// The route's method; empty for the rest.
    pub(crate) method: String,
    /// The revision.
    pub(crate) revision: RevisionNumber,
    /// The request named the revision itself: not to be judged.
    pub(crate) forced: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// An answer with this status went out whole.
    Answered(u16),
    /// The proxy itself had to answer (502, 503, 504), or the answer broke off.
    Failed,
    /// The client went away before the answer was whole: not the service's fault.
    ClientClosed,
}

/// The numbers of one series; they only grow.
///
/// A request adds to exactly one of `classes`, `slow`, `failed` and `client_closed`, so that in the difference of
/// any two readings there are never more bad events than requests.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Answers in time, and all 5xx, by class.
    classes: [AtomicU64; 5],
    /// Answers 1xx to 4xx that took too long, by class.
    slow: [AtomicU64; 4],
    failed: AtomicU64,
    client_closed: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    /// Monotonic microseconds, and 1, at which the last request was handed over; 0 for never.
    handed: AtomicU64,
    past: Mutex<Past>,
}

/// The numbers of one series at one moment, those of clients that went away left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Requests that ended.
    requests: u64,
    /// Answers 5xx, and requests that the proxy had to answer.
    errors: u64,
    /// Requests that took longer than the service's `slow`, errors left out.
    slow: u64,
}

impl Series {
    /// Counts one request. `latency` is the time to the head of the answer; `slow` the service's threshold.
    pub(crate) fn record(&self, end: End, latency: Duration, slow: Option<Duration>) {
        let add = |counter: &AtomicU64| _ = counter.fetch_add(1, Ordering::Relaxed);
        match end {
            End::ClientClosed => return add(&self.client_closed),
            End::Failed => add(&self.failed),
            End::Answered(status) => {
                let class = usize::from((status / 100).clamp(1, 5) - 1);
                let is_slow = slow.is_some_and(|slow| latency > slow);
                let counter = self.slow.get(class).filter(|_| is_slow);
                if let Some(counter) = counter.or_else(|| self.classes.get(class)) {
                    add(counter);
                }
            }
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        let bucket = BOUNDS.partition_point(|bound| bound * 1000 < micros);
        if let Some(counter) = self.buckets.get(bucket) {
            add(counter);
        }
    }

    /// Notes that a request is handed over at a monotonic time.
    pub(crate) fn handed(&self, at: Duration) {
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX - 1);
        self.handed.fetch_max(micros + 1, Ordering::Relaxed);
    }

    /// The monotonic time of the last request that was handed over.
    fn last_handed(&self) -> Option<Duration> {
        let micros = self.handed.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(micros))
    }

    /// The numbers now.
    fn sum(&self) -> Sum {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [first, second, third, fourth, fifth] = &self.classes;
        let good: u64 = [first, second, third, fourth].into_iter().map(get).sum();
        let errors = get(fifth) + get(&self.failed);
        let slow = self.slow.iter().map(get).sum();
        Sum {
            requests: good + errors + slow,
            errors,
            slow,
        }
    }
}

impl Sum {
    /// What was added since an earlier sum of the same series.
    fn minus(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: self.errors.saturating_sub(earlier.errors),
            slow: self.slow.saturating_sub(earlier.slow),
        }
    }

    fn of(self, key: &Key) -> CountSeries {
        CountSeries {
            route: key.route.clone(),
            method: key.method.clone(),
            revision: key.revision,
            requests: self.requests,
            bad: self.errors + self.slow,
            errors: self.errors,
            slow: self.slow,
            forced: key.forced,
        }
    }
}

/// All series of one environment, and its last two hours by the minute.
pub(crate) struct Metrics {
    clock: Box<dyn Clock>,
    /// Names this beginning at 0.
    epoch: String,
    series: RwLock<BTreeMap<Key, Arc<Series>>>,
    minutes: Mutex<Minutes>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Box::new(SystemClock::new()))
    }
}

impl Metrics {
    /// Begins at 0, now.
    pub(crate) fn new(clock: Box<dyn Clock>) -> Self {
        Self {
            minutes: Mutex::new(Minutes::beginning(&*clock)),
            clock,
            epoch: ulid::Ulid::generate().to_string(),
            series: RwLock::default(),
        }
    }

    /// The monotonic time, for [`Series::handed`].
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The series of a key, made if it is new. For when traffic changes, not for each request.
    pub(crate) fn series(&self, key: Key) -> Arc<Series> {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(series.entry(key).or_default())
    }

    /// A reading of all counters of one service.
    pub(crate) fn counts(&self, service: &ServiceName) -> Counts {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let (at, now) = (self.clock.now(), self.clock.monotonic());
        let mut last = BTreeMap::<RevisionNumber, Duration>::new();
        let mut rows = Vec::new();
        for (key, series) in of_service(&series, service) {
            rows.push(series.sum().of(key));
            if let Some(handed) = series.last_handed().filter(|_| !key.forced) {
                let latest = last.entry(key.revision).or_default();
                *latest = handed.max(*latest);
            }
        }
        // By how long ago it was: a clock that was set meanwhile does not matter.
        let last_request = last
            .into_iter()
            .map(|(revision, handed)| {
                let ago = now.saturating_sub(handed);
                (revision, at.checked_sub(ago).unwrap_or(at))
            })
            .collect();
        Counts {
            at,
            epoch: self.epoch.clone(),
            series: rows,
            last_request,
        }
    }

    /// Forgets a service, or one revision of it.
    pub(crate) fn forget(&self, service: &ServiceName, revision: Option<RevisionNumber>) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|key, _| {
            key.service != *service || revision.is_some_and(|revision| key.revision != revision)
        });
    }
}

/// The series of one service, in order of their keys.
fn of_service<'a>(
    series: &'a BTreeMap<Key, Arc<Series>>,
    service: &'a ServiceName,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Series>)> {
    series
        .iter()
        .filter(move |(key, _)| key.service == *service)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) fn key(revision: u64) -> Key {
        Key {
            service: "payments".parse().unwrap(),
            route: "get-charge".to_owned(),
            method: "GET".to_owned(),
            revision: RevisionNumber(revision),
            forced: false,
        }
    }

    #[test]
    fn requests_are_counted_by_how_they_end() {
        let metrics = Metrics::default();
        let series = metrics.series(key(1));
        let slow = Some(Duration::from_millis(500));
        series.record(End::Answered(200), Duration::from_millis(1), slow);
        series.record(End::Answered(404), Duration::from_millis(600), slow);
        series.record(End::Answered(503), Duration::from_millis(700), slow);
        series.record(End::Failed, Duration::from_secs(90), slow);
        series.record(End::ClientClosed, Duration::from_secs(1), slow);
        assert_eq!(
            series.sum(),
            Sum {
                requests: 4,
                errors: 2,
                slow: 1
            }
        );
        let filled: Vec<_> = series
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        // Up to 1 ms, up to 1 s, and more than a minute.
        assert_eq!(filled, [1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!(closed(&metrics, &key(1).service), 1);
        metrics.forget(&key(1).service, Some(RevisionNumber(2)));
        assert_eq!(metrics.counts(&key(1).service).series.len(), 1);
        metrics.forget(&key(1).service, None);
        assert!(metrics.counts(&key(1).service).series.is_empty());
    }

    /// Requests whose clients went away.
    pub(crate) fn closed(metrics: &Metrics, service: &ServiceName) -> u64 {
        let series = metrics.series.read().unwrap();
        of_service(&series, service)
            .map(|(_, series)| series.client_closed.load(Ordering::Relaxed))
            .sum()
    }

    #[test]
    fn the_last_request_is_that_of_the_revision_and_not_a_forced_one() {
        let metrics = Metrics::default();
        let forced = Key {
            forced: true,
            ..key(2)
        };
        for (key, second) in [
            (key(1), 3),
            (key(1), 2),
            (key(2), 1),
            (forced, 9),
            (key(3), 0),
        ] {
            let series = metrics.series(key);
            if second > 0 {
                series.handed(Duration::from_secs(second));
            }
        }
        let counts = metrics.counts(&key(1).service);
        assert_eq!(counts.series.len(), 4);
        let last: Vec<u64> = counts.last_request.iter().map(|(one, _)| one.0).collect();
        assert_eq!(last, [1, 2]);
        let apart = counts.last_request_to(RevisionNumber(1)).unwrap()
            - counts.last_request_to(RevisionNumber(2)).unwrap();
        // Both lie ahead of this clock, which has only just begun.
        assert!(apart.abs().get_seconds() <= 2, "{counts:?}");
    }
}
