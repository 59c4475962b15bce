//! The looks of one unit as points of a chart: as they are, or where there are too many for the screen or too few requests in
//! each, several of them together. Nothing is smoothed: a point is the share of all requests of its looks, and the worst of
//! them is kept beside it.

use super::story::{Seen, Story};
use crate::domain::analysis::{Interval, Tally};

/// Numbers of points of a line that are tried, so that a point has enough requests to say something.
const TRIED: [usize; 4] = [120, 60, 30, 15];
/// With more units than this the first of them is left out, so that the page stays small.
const MANY: usize = 16;
/// So many requests of the canary in the median point are enough.
const ENOUGH: u64 = 20;

/// Some looks that follow each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    /// Seconds that the looks before cover.
    pub(super) from: f64,
    /// Seconds to the end of its last look.
    pub(super) to: f64,
    /// How many looks.
    pub(super) looks: usize,
    /// All requests of them.
    pub(super) counted: Interval,
    /// The highest bad share of one of its looks: canary, stable.
    pub(super) worst: (Option<f64>, Option<f64>),
    /// In one of them the counters could not be read.
    pub(super) missing: bool,
    /// Before one of them the counters began anew.
    pub(super) reset: bool,
    /// In one of them the canary was warming up.
    pub(super) warmup: bool,
}

/// One unit's points in order.
#[derive(Debug)]
pub(super) struct Series {
    /// The points.
    pub(super) points: Vec<Point>,
    /// Each of them is several looks, most of the time.
    pub(super) is_grouped: bool,
    /// How many seconds one of them covers, when grouped.
    pub(super) seconds: f64,
    /// The worst single look of the canary and of stable.
    pub(super) worst: [Option<Worst>; 2],
}

/// A single look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worst {
    /// Its end in seconds.
    pub(super) at: f64,
    /// What it counted.
    pub(super) counted: Tally,
}

impl Series {
    /// The points of the unit with this index.
    pub(super) fn of(story: &Story<'_>, index: usize) -> Self {
        let looks = story.looks.len();
        let mut found = None;
        let skipped = usize::from(story.units.len() > MANY);
        for most in TRIED.into_iter().skip(skipped) {
            let points = if looks <= most {
                story
                    .looks
                    .iter()
                    .map(|seen| point(&[seen], index))
                    .collect()
            } else {
                grouped(story, index, most)
            };
            let is_enough = median(&points).is_none_or(|requests| requests >= ENOUGH);
            found = Some((points, most));
            if is_enough {
                break;
            }
        }
        let (points, most) = found.unwrap_or_default();
        Self {
            is_grouped: looks > most,
            seconds: story.seconds / real(most.max(1)),
            worst: [
                worst(story, index, |interval| interval.canary),
                worst(story, index, |interval| interval.stable),
            ],
            points,
        }
    }

    /// The highest bad share of a point, 0–1.
    pub(super) fn highest(&self) -> f64 {
        self.points
            .iter()
            .flat_map(|point| [point.counted.canary.share(), point.counted.stable.share()])
            .flatten()
            .fold(0.0, f64::max)
    }
}

/// Equal parts of the time; a look belongs to the part in which it ends.
fn grouped(story: &Story<'_>, index: usize, most: usize) -> Vec<Point> {
    let width = (story.seconds / real(most)).max(1e-9);
    let mut points = Vec::new();
    let mut group: Vec<&Seen<'_>> = Vec::new();
    let mut part = 0.0;
    for seen in &story.looks {
        let here = (seen.to / width).ceil();
        if here > part && !group.is_empty() {
            points.push(point(&group, index));
            group.clear();
        }
        part = here;
        group.push(seen);
    }
    if !group.is_empty() {
        points.push(point(&group, index));
    }
    points
}

fn point(looks: &[&Seen<'_>], index: usize) -> Point {
    let mut point = Point {
        from: looks.first().map_or(0.0, |seen| seen.from),
        to: looks.last().map_or(0.0, |seen| seen.to),
        looks: looks.len(),
        ..Point::default()
    };
    for seen in looks {
        let counted = seen.look.units.get(index).copied().unwrap_or_default();
        point.counted.canary = point.counted.canary.plus(counted.canary);
        point.counted.stable = point.counted.stable.plus(counted.stable);
        point.worst.0 = higher(point.worst.0, counted.canary.share());
        point.worst.1 = higher(point.worst.1, counted.stable.share());
        point.missing |= seen.look.missing.is_some();
        point.reset |= seen.look.reset;
        point.warmup |= seen.look.warmup && counted.canary.requests > 0;
    }
    point
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

/// The canary's requests of the median point that has any.
fn median(points: &[Point]) -> Option<u64> {
    let mut requests: Vec<u64> = points
        .iter()
        .map(|point| point.counted.canary.requests)
        .filter(|requests| *requests > 0)
        .collect();
    requests.sort_unstable();
    requests.get(requests.len() / 2).copied()
}

fn worst(story: &Story<'_>, index: usize, arm: impl Fn(&Interval) -> Tally) -> Option<Worst> {
    let mut worst: Option<(f64, Worst)> = None;
    for seen in &story.looks {
        let Some(counted) = seen.look.units.get(index).map(&arm) else {
            continue;
        };
        let Some(share) = counted.share().filter(|share| *share > 0.0) else {
            continue;
        };
        if worst.as_ref().is_none_or(|(highest, _)| share > *highest) {
            let at = seen.to;
            worst = Some((share, Worst { at, counted }));
        }
    }
    worst.map(|(_, worst)| worst)
}

#[expect(clippy::cast_precision_loss, reason = "a number of points")]
fn real(count: usize) -> f64 {
    count as f64
}
