//! What a platform counted: requests and bad events for each route, verb and revision, and the difference of two
//! readings.
//!
//! A reading is cumulative. Counters begin again at 0 when whatever counts is started again, so two readings are
//! only ever compared through [`since`], which notices that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::release::RevisionNumber;

/// The name under which every request is counted that matches no listed route.
pub(crate) const REST: &str = "rest";

/// The numbers of one route, verb and revision; those of forced requests apart. Cumulative in [`Counts`], what was
/// added in [`Interval`] and [`MinuteCounts`]. Requests whose client went away are in none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CountSeries {
    /// The route's name, or [`REST`].
    pub(crate) route: String,
    /// The route's verb; empty for the rest.
    pub(crate) method: String,
    /// Who answered.
    pub(crate) revision: RevisionNumber,
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Bad events: `errors` + `slow`, never more than `requests`.
    pub(crate) bad: u64,
    /// Answers 5xx, answers that broke off, and requests that nobody answered.
    pub(crate) errors: u64,
    /// Answers slower than the service's `slow`, errors left out.
    pub(crate) slow: u64,
    /// The request named its revision itself: no rollout is judged by it.
    pub(crate) forced: bool,
}

/// A reading of all counters of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// When it was read.
    pub(crate) at: Timestamp,
    /// Another one whenever the counters began again at 0.
    pub(crate) epoch: String,
    /// In ascending order of route, verb, revision and `forced`; each of these at most once.
    pub(crate) series: Vec<CountSeries>,
    /// When the last request that was not forced was handed to a revision, by the same clock as `at`; ascending, and
    /// without those that got none in this epoch.
    pub(crate) last_request: Vec<(RevisionNumber, Timestamp)>,
}

/// What was counted in one minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MinuteCounts {
    /// When it began.
    pub(crate) at: Timestamp,
    /// How long it was, in seconds: 60, and less for the one that is running.
    pub(crate) seconds: u32,
    /// What was added; a series in which nothing ended is left out.
    pub(crate) series: Vec<CountSeries>,
}

/// What was counted between two readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// When the earlier reading was taken.
    pub(crate) from: Timestamp,
    /// When the later one was.
    pub(crate) to: Timestamp,
    /// Counters began again in between: what they counted before that and after the earlier reading is lost, so
    /// there were at least as many events as `series` says.
    pub(crate) reset: bool,
    /// What was added, with a row for each row of the later reading.
    pub(crate) series: Vec<CountSeries>,
}

/// What tells two series apart.
type Key<'a> = (&'a str, &'a str, RevisionNumber, bool);

impl CountSeries {
    fn key(&self) -> Key<'_> {
        (&self.route, &self.method, self.revision, self.forced)
    }

    /// What was added since `earlier`; none where a counter fell, which only a new beginning explains.
    ///
    /// `slow` alone may fall: of a request that was counted as slow it became known later that it had failed as well
    /// (`CloudWatch`), and it stays one bad event.
    fn minus(&self, earlier: &Self) -> Option<Self> {
        let requests = self.requests.checked_sub(earlier.requests)?;
        let bad = self.bad.checked_sub(earlier.bad)?;
        let errors = self.errors.checked_sub(earlier.errors)?.min(bad);
        Some(Self {
            requests,
            bad,
            errors,
            slow: bad - errors,
            ..self.clone()
        })
    }
}

impl Counts {
    /// When the last request that was not forced was handed to a revision, if one was in this epoch.
    pub(crate) fn last_request_to(&self, revision: RevisionNumber) -> Option<Timestamp> {
        self.last_request
            .iter()
            .find(|(number, _)| *number == revision)
            .map(|(_, at)| *at)
    }
}

/// What was counted between two readings of one service.
///
/// With another epoch every counter counts from 0, as Prometheus' `increase` does; so does a single series of which
/// a counter fell (a revision's counters that were forgotten). A series that is new began at 0.
pub(crate) fn since(previous: &Counts, now: &Counts) -> Interval {
    let mut reset = previous.epoch != now.epoch;
    let earlier: BTreeMap<Key<'_>, &CountSeries> = if reset {
        BTreeMap::new()
    } else {
        previous
            .series
            .iter()
            .map(|series| (series.key(), series))
            .collect()
    };
    let series = now
        .series
        .iter()
        .map(|series| match earlier.get(&series.key()) {
            None => series.clone(),
            Some(earlier) => series.minus(earlier).unwrap_or_else(|| {
                reset = true;
                series.clone()
            }),
        })
        .collect();
    Interval {
        from: previous.at,
        to: now.at,
        reset,
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(route: &str, revision: u64, requests: u64, errors: u64, slow: u64) -> CountSeries {
        CountSeries {
            route: route.to_owned(),
            method: "GET".to_owned(),
            revision: RevisionNumber(revision),
            requests,
            bad: errors + slow,
            errors,
            slow,
            forced: false,
        }
    }

    fn counts(second: i64, epoch: &str, series: Vec<CountSeries>) -> Counts {
        Counts {
            at: Timestamp::from_second(second).unwrap(),
            epoch: epoch.to_owned(),
            series,
            last_request: Vec::new(),
        }
    }

    /// Everything before, everything after, what came in between, and whether it was a new beginning.
    #[test]
    fn two_readings_make_an_interval() {
        let old = || vec![series("a", 1, 10, 2, 1), series("a", 2, 5, 0, 0)];
        for (what, epoch, after, wanted, reset) in [
            ("nothing happened", "x", old(), vec![(0, 0), (0, 0)], false),
            (
                "both counted",
                "x",
                vec![series("a", 1, 14, 3, 1), series("a", 2, 6, 0, 1)],
                vec![(4, 1), (1, 1)],
                false,
            ),
            (
                "a series came and one went",
                "x",
                vec![series("a", 1, 11, 2, 1), series("a", 3, 7, 7, 0)],
                vec![(1, 0), (7, 7)],
                false,
            ),
            (
                "a new beginning with more than before",
                "y",
                vec![series("a", 1, 20, 3, 1)],
                vec![(20, 4)],
                true,
            ),
            (
                "one series fell, the other one went on",
                "x",
                vec![series("a", 1, 3, 1, 0), series("a", 2, 9, 0, 0)],
                vec![(3, 1), (4, 0)],
                true,
            ),
            (
                "only the bad ones fell",
                "x",
                vec![series("a", 1, 12, 1, 1)],
                vec![(12, 2)],
                true,
            ),
            (
                "a slow one is known to have failed",
                "x",
                vec![series("a", 1, 10, 3, 0), series("a", 2, 5, 0, 0)],
                vec![(0, 0), (0, 0)],
                false,
            ),
            (
                "the same, and another one failed",
                "x",
                vec![series("a", 1, 11, 4, 0)],
                vec![(1, 1)],
                false,
            ),
            ("nobody counts any more", "x", vec![], vec![], false),
        ] {
            let interval = since(&counts(10, "x", old()), &counts(20, epoch, after));
            let got: Vec<_> = interval
                .series
                .iter()
                .map(|one| (one.requests, one.bad))
                .collect();
            assert_eq!((got, interval.reset), (wanted, reset), "{what}");
            assert_eq!(interval.to.as_second() - interval.from.as_second(), 10);
        }
    }

    #[test]
    fn forced_requests_are_a_series_of_their_own() {
        let mut forced = series("a", 1, 100, 100, 0);
        forced.forced = true;
        let before = counts(0, "x", vec![series("a", 1, 1, 0, 0)]);
        let after = counts(1, "x", vec![series("a", 1, 2, 0, 0), forced.clone()]);
        let interval = since(&before, &after);
        assert_eq!(interval.series, [series("a", 1, 1, 0, 0), forced]);
    }

    #[test]
    fn intervals_add_up_to_the_whole() {
        let first = counts(0, "x", vec![]);
        let second = counts(1, "x", vec![series("a", 1, 4, 1, 0)]);
        let third = counts(2, "x", vec![series("a", 1, 9, 1, 3)]);
        let added: u64 = [since(&first, &second), since(&second, &third)]
            .iter()
            .flat_map(|interval| &interval.series)
            .map(|series| series.bad)
            .sum();
        assert_eq!(added, since(&first, &third).series[0].bad);
    }
}
