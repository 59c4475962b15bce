//! The chart of one unit's bad requests: the bad share of both revisions over time, beside each other.

use super::super::span;
use super::chart::{self, Sign, Words};
use super::markup::Markup;
use super::numbers::{bad_of, percent, share, since_start};
use super::scale::{LEFT, RIGHT, Shares, Time, WIDTH};
use super::series::{Point, Series};
use super::story::{Story, UnitStory};
use super::traffic::{has_missing, label, missing_spans, room};

/// Where the lines are: from the highest share to none.
const TOP: f64 = 44.0;
const BOTTOM: f64 = 178.0;
const HEIGHT: f64 = 206.0;
/// A worst look may be so many times the highest point before it is cut off at the top.
const ROOM: f64 = 3.0;

/// The two arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Canary,
    Stable,
}

impl Arm {
    fn class(self) -> &'static str {
        match self {
            Self::Canary => "new",
            Self::Stable => "old",
        }
    }

    fn share(self, point: &Point) -> Option<f64> {
        match self {
            Self::Canary => point.counted.canary.share(),
            Self::Stable => point.counted.stable.share(),
        }
    }

    fn worst(self, point: &Point) -> Option<f64> {
        match self {
            Self::Canary => point.worst.0,
            Self::Stable => point.worst.1,
        }
    }
}

/// Draws it, with the sentences that belong to it; nothing for a unit without a single request.
pub(super) fn chart(page: &mut Markup, story: &Story<'_>, one: &UnitStory<'_>, index: usize) {
    let series = Series::of(story, index);
    let has_requests = series
        .points
        .iter()
        .any(|point| point.counted.canary.requests > 0 || point.counted.stable.requests > 0);
    page.leaf("h3", &[], &one.unit.spoken());
    if !has_requests {
        page.leaf("p", &[("class", "note")], "No requests were counted here.");
        return;
    }
    let highest = series.highest();
    let worst = series
        .points
        .iter()
        .flat_map(|point| [point.worst.0, point.worst.1])
        .flatten()
        .fold(0.0, f64::max);
    let shares = Shares::new(worst.min(highest * ROOM).max(highest), TOP, BOTTOM);
    let is_cut = worst > shares.highest();
    let id = format!("shares{index}");
    let title = format!(
        "Bad share of both revisions over time: {}",
        one.unit.spoken()
    );
    let words = Words {
        id: &id,
        title: &title,
        description: &description(story, one),
    };
    chart::frame(page, &words, HEIGHT, |svg| {
        draw(svg, story, index, &series, shares);
    });
    page.leaf("p", &[("class", "note")], &note(&series, is_cut));
}

fn draw(svg: &mut Markup, story: &Story<'_>, index: usize, series: &Series, shares: Shares) {
    let time = Time::new(story.seconds);
    chart::legend(svg, 14.0, &signs(story, series));
    for (from, to) in missing_spans(story, time) {
        chart::band(svg, "missing", (from, to), (TOP, BOTTOM));
    }
    for (from, to) in warm_up(series) {
        chart::band(svg, "warmup", (time.x(from), time.x(to)), (TOP, BOTTOM));
    }
    chart::time_axis(svg, time, TOP, BOTTOM);
    for (share, text) in shares.ticks() {
        let y = shares.y(share);
        if share > 0.0 {
            chart::line(svg, "grid", (LEFT, y), (WIDTH - RIGHT, y));
        }
        chart::label(svg, "tick end", LEFT - 7.0, y + 4.0, &text);
    }
    weights(svg, story, index, time);
    for arm in [Arm::Stable, Arm::Canary] {
        if series.is_grouped {
            let class = format!("{} worst", arm.class());
            chart::path(svg, &class, &shade(&series.points, arm, time, shares));
        }
    }
    for arm in [Arm::Stable, Arm::Canary] {
        let class = format!("{} line", arm.class());
        chart::path(svg, &class, &curve(&series.points, arm, time, shares));
    }
    names(svg, story, series, time, shares);
    let mut resets = String::new();
    for point in series.points.iter().filter(|point| point.reset) {
        resets.push_str(&chart::diamond(time.x(point.to), BOTTOM));
    }
    chart::path(svg, "reset", &resets);
}

fn signs(story: &Story<'_>, series: &Series) -> Vec<(Sign, &'static str, String)> {
    let (stable, canary) = (story.plan.stable, story.plan.canary);
    let mut signs = vec![
        (Sign::Line, "new line", format!("new, {canary}")),
        (Sign::Line, "old line", format!("old, {stable}")),
    ];
    if series.is_grouped {
        signs.push((Sign::Area, "new worst", "up to the worst look".to_owned()));
    }
    if has_missing(story) {
        signs.push((Sign::Area, "missing", "no data".to_owned()));
    }
    if series.points.iter().any(|point| point.reset) {
        signs.push((Sign::Diamond, "reset", "counters began anew".to_owned()));
    }
    if series.points.iter().any(|point| point.warmup) {
        signs.push((Sign::Area, "warmup", "warm-up, not judged".to_owned()));
    }
    signs
}

/// Where this unit's weight changed, and to what.
fn weights(svg: &mut Markup, story: &Story<'_>, index: usize, time: Time) {
    let one = story.units.get(index);
    let mut before = Some(0);
    let (mut free, mut drawn) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (from, _, shift) in story.spans() {
        let weight = shift.weights.get(index).copied().flatten();
        if weight == before {
            continue;
        }
        before = weight;
        let x = time.x(from);
        if x >= drawn + 2.0 {
            chart::line(svg, "mark", (x, TOP - 6.0), (x, BOTTOM));
            drawn = x;
        }
        if x >= free {
            let text = match (weight, one) {
                (None, _) => "?".to_owned(),
                (Some(weight), Some(one)) if weight > 0 => label(one, weight),
                (Some(weight), _) => format!("{weight} %"),
            };
            chart::label(svg, "value middle", x, TOP - 9.0, &text);
            free = x + room(one);
        }
    }
}

/// A line through the points of one arm; it breaks where the arm had no request, and a single point is a dot.
fn curve(points: &[Point], arm: Arm, time: Time, shares: Shares) -> String {
    let mut path = String::new();
    let mut is_open = false;
    for point in points {
        let Some(share) = arm.share(point) else {
            is_open = false;
            continue;
        };
        let x = time.x(f64::midpoint(point.from, point.to));
        let command = if is_open { 'L' } else { 'M' };
        path.push_str(&format!(
            "{command}{} {}",
            chart::at(x),
            chart::at(shares.y(share))
        ));
        if !is_open {
            // With round ends a line of no length is a dot.
            path.push_str("h0");
        }
        is_open = true;
    }
    path
}

/// From the line up to the worst look of each point.
fn shade(points: &[Point], arm: Arm, time: Time, shares: Shares) -> String {
    let mut path = String::new();
    for point in points {
        let (Some(share), Some(worst)) = (arm.share(point), arm.worst(point)) else {
            continue;
        };
        let (low, high) = (shares.y(share), shares.y(worst));
        if low - high < 0.5 {
            continue;
        }
        let (left, right) = (time.x(point.from), time.x(point.to));
        path.push_str(&format!(
            "M{} {}V{}H{}V{}z",
            chart::at(left),
            chart::at(low),
            chart::at(high),
            chart::at(right.max(left + 1.0)),
            chart::at(low)
        ));
    }
    path
}

/// The revisions' numbers at the ends of their lines; moved apart where they would cover each other.
fn names(svg: &mut Markup, story: &Story<'_>, series: &Series, time: Time, shares: Shares) {
    let end = |arm: Arm| {
        series.points.iter().rev().find_map(|point| {
            let x = time.x(f64::midpoint(point.from, point.to));
            arm.share(point).map(|share| (x, shares.y(share)))
        })
    };
    let (new, old) = (end(Arm::Canary), end(Arm::Stable));
    let shift = match (new, old) {
        (Some((x1, y1)), Some((x2, y2))) if (x1 - x2).abs() < 30.0 && (y1 - y2).abs() < 13.0 => {
            if y1 <= y2 {
                7.0
            } else {
                -7.0
            }
        }
        _ => 0.0,
    };
    if let Some((x, y)) = new {
        let text = story.plan.canary.to_string();
        chart::label(svg, "new name", x + 7.0, y + 4.0 - shift, &text);
    }
    if let Some((x, y)) = old {
        let text = story.plan.stable.to_string();
        chart::label(svg, "old name", x + 7.0, y + 4.0 + shift, &text);
    }
}

/// Neighbouring points with warm-up, joined.
fn warm_up(series: &Series) -> Vec<(f64, f64)> {
    let mut spans: Vec<(f64, f64)> = Vec::new();
    for point in series.points.iter().filter(|point| point.warmup) {
        match spans.last_mut() {
            Some(last) if point.from <= last.1 => last.1 = point.to,
            _ => spans.push((point.from, point.to)),
        }
    }
    spans
}

fn description(story: &Story<'_>, one: &UnitStory<'_>) -> String {
    format!(
        "Judged in all: revision {} {} bad ({}), revision {} {} bad ({}).",
        story.plan.canary,
        bad_of(one.judged.canary),
        share(one.judged.canary),
        story.plan.stable,
        bad_of(one.judged.stable),
        share(one.judged.stable),
    )
}

/// What a point is, and the worst single looks, so that nothing is hidden by drawing several of them together.
fn note(series: &Series, is_cut: bool) -> String {
    let looks = series
        .points
        .iter()
        .map(|point| point.looks)
        .max()
        .unwrap_or(1);
    let mut parts = vec![if series.is_grouped {
        format!(
            "A point is about {}, at most {looks} looks.",
            span(series.seconds)
        )
    } else {
        "A point is one look.".to_owned()
    }];
    if is_cut && series.is_grouped {
        parts.push("The shade is cut off at the top.".to_owned());
    }
    let [new, old] = series.worst;
    let worst: Vec<String> = [("new", new), ("old", old)]
        .into_iter()
        .filter_map(|(name, worst)| {
            let worst = worst?;
            let share = percent(worst.counted.share()?);
            let counted = bad_of(worst.counted);
            Some(format!(
                "{name} {share} ({counted}) at {}",
                since_start(worst.at)
            ))
        })
        .collect();
    if !worst.is_empty() {
        parts.push(format!("Worst single look: {}.", worst.join("; ")));
    }
    parts.join(" ")
}
