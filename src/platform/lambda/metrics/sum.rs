//! From points to counts. Pure.

use jiff::Timestamp;

use super::query::{Of, Points, What};
use super::{MINUTE, Span};
use crate::domain::counts::{CountSeries, MinuteCounts, REST};
use crate::domain::release::RevisionNumber;

/// A version that takes all the traffic, and since when.
type Sole = Option<(RevisionNumber, Timestamp)>;

/// Whose points count for a version in a minute. Where an alias has no weights, AWS may tell nothing by version: then all
/// that was counted of the alias is the sole version's.
fn source(version: RevisionNumber, sole: Sole, minute: Timestamp) -> Of {
    match sole {
        Some((sole, since)) if sole == version && minute >= since => Of::Alias,
        _ => Of::Version(version),
    }
}

/// The last minute in which AWS told anything by version.
pub(super) fn last_told(points: &Points, versions: &[RevisionNumber]) -> Option<Timestamp> {
    versions
        .iter()
        .filter_map(|version| points.minutes(Of::Version(*version)).last().copied())
        .max()
}

/// What a version counted in a minute.
fn row(points: &Points, version: RevisionNumber, sole: Sole, minute: Timestamp) -> CountSeries {
    let of = source(version, sole, minute);
    let at = |what| points.at(of, what, minute);
    let (invocations, throttles) = (at(What::Invocations), at(What::Throttles));
    // An answer that Lambda refused to give is a bad one, and no invocation.
    let failed = at(What::Errors).min(invocations);
    let errors = failed + throttles;
    // One that ran out of time is among the errors alone: it was not asked for as a slow one. CloudWatch does not tell of one
    // that failed by itself whether it was slow as well; then it counts as both, in both arms alike: a change from such failures to quick ones counts
    // as fewer bad requests than it is.
    let slow = at(What::Slow).min(invocations - failed);
    CountSeries {
        route: REST.to_owned(),
        method: String::new(),
        revision: version,
        requests: invocations + throttles,
        bad: errors + slow,
        errors,
        slow,
        forced: false,
    }
}

/// All minutes in which anything was counted of a version, or of the alias.
fn minutes(points: &Points, versions: &[RevisionNumber]) -> Vec<Timestamp> {
    let mut minutes = points.minutes(Of::Alias);
    for version in versions {
        minutes.extend(points.minutes(Of::Version(*version)));
    }
    minutes.sort_unstable();
    minutes.dedup();
    minutes
}

/// Everything of each version that counted anything.
pub(super) fn by_version(
    points: &Points,
    versions: &[RevisionNumber],
    sole: Sole,
) -> Vec<CountSeries> {
    let minutes = minutes(points, versions);
    versions
        .iter()
        .filter_map(|version| {
            minutes
                .iter()
                .map(|minute| row(points, *version, sole, *minute))
                .reduce(|sum, one| CountSeries {
                    requests: sum.requests + one.requests,
                    bad: sum.bad + one.bad,
                    errors: sum.errors + one.errors,
                    slow: sum.slow + one.slow,
                    ..sum
                })
                .filter(|sum| sum.requests > 0)
        })
        .collect()
}

/// Minute by minute from the first in which anything was counted; one without anything in between is one of 0.
pub(super) fn by_minute(
    points: &Points,
    versions: &[RevisionNumber],
    sole: Sole,
    span: Span,
) -> Vec<MinuteCounts> {
    let Some(first) = minutes(points, versions).first().copied() else {
        return Vec::new();
    };
    let end = span.to.as_second();
    (first.as_second()..end)
        .step_by(usize::try_from(MINUTE).unwrap_or(60))
        .filter_map(|second| Timestamp::from_second(second).ok())
        .map(|at| MinuteCounts {
            at,
            seconds: 60,
            series: versions
                .iter()
                .map(|version| row(points, *version, sole, at))
                .filter(|row| row.requests > 0)
                .collect(),
        })
        .collect()
}

/// The beginning of the last minute in which each version was called.
pub(super) fn last_requests(
    points: &Points,
    versions: &[RevisionNumber],
) -> Vec<(RevisionNumber, Timestamp)> {
    versions
        .iter()
        .filter_map(|version| {
            let points = points.0.get(&(Of::Version(*version), What::Invocations))?;
            let (at, _) = points.iter().rev().find(|(_, count)| **count > 0)?;
            Some((*version, *at))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_000_020 + minute * MINUTE).unwrap()
    }

    fn points(rows: &[(Of, What, i64, u64)]) -> Points {
        let mut points = Points::default();
        for (of, what, minute, count) in rows {
            points
                .0
                .entry((*of, *what))
                .or_default()
                .insert(at(*minute), *count);
        }
        points
    }

    const ONE: RevisionNumber = RevisionNumber(41);
    const TWO: RevisionNumber = RevisionNumber(42);

    #[test]
    fn a_throttle_is_a_bad_request_and_a_slow_failure_is_bad_once() {
        let points = points(&[
            (Of::Version(TWO), What::Invocations, 0, 10),
            (Of::Version(TWO), What::Errors, 0, 4),
            (Of::Version(TWO), What::Slow, 0, 9),
            (Of::Version(TWO), What::Throttles, 0, 3),
        ]);
        let rows = by_version(&points, &[ONE, TWO], None);
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (row.revision, row.requests, row.errors, row.slow, row.bad),
            (TWO, 13, 7, 6, 13)
        );
    }

    #[test]
    fn before_weights_the_alias_counts_for_the_sole_version() {
        let points = points(&[
            (Of::Alias, What::Invocations, 0, 5),
            (Of::Alias, What::Invocations, 1, 7),
            (Of::Alias, What::Errors, 1, 1),
            (Of::Alias, What::Invocations, 2, 100),
            (Of::Version(ONE), What::Invocations, 2, 95),
            (Of::Version(TWO), What::Invocations, 2, 5),
        ]);
        let span = Span {
            from: at(-5),
            to: at(4),
        };
        let totals = |sole| {
            by_minute(&points, &[ONE, TWO], sole, span)
                .iter()
                .map(|minute| {
                    minute
                        .series
                        .iter()
                        .map(|one| (one.revision.0, one.requests, one.bad))
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        // It is the sole one since the last minute: what was before is told by version, or nobody's.
        assert_eq!(
            totals(Some((TWO, at(3)))),
            [vec![], vec![], vec![(41, 95, 0), (42, 5, 0)], vec![]]
        );
        assert_eq!(totals(Some((ONE, at(1))))[..2], [vec![], vec![(41, 7, 1)]]);
        assert_eq!(last_told(&points, &[ONE, TWO]), Some(at(2)));
        assert_eq!(
            totals(None),
            [vec![], vec![], vec![(41, 95, 0), (42, 5, 0)], vec![]]
        );
        assert_eq!(
            last_requests(&points, &[ONE, TWO]),
            [(ONE, at(2)), (TWO, at(2))]
        );
    }

    #[test]
    fn nothing_counted_is_no_minute() {
        let span = Span {
            from: at(0),
            to: at(9),
        };
        assert_eq!(by_minute(&Points::default(), &[ONE], None, span), []);
        assert_eq!(by_version(&Points::default(), &[ONE], None), []);
    }
}
