//! The chart of the traffic: for each unit the canary's weight over time, all on one axis of time, with the decisions above.

use super::chart::{self, Sign, Words};
use super::markup::Markup;
use super::scale::{LEFT, RIGHT, Time, WIDTH};
use super::story::{Shift, Story, UnitStory};
use crate::domain::rollout::gate::By;
use crate::domain::rollout::{Phase, Why};
use crate::output::sanitize;

/// Heights of one unit's row: its name, its steps, the room below.
struct Row {
    name: f64,
    steps: f64,
    below: f64,
}

const ROOMY: Row = Row {
    name: 17.0,
    steps: 34.0,
    below: 11.0,
};
const DENSE: Row = Row {
    name: 15.0,
    steps: 16.0,
    below: 7.0,
};
/// Above the first row: the legend and the numbers of the decisions.
const HEAD: f64 = 44.0;
/// The shortest way between two numbers of decisions, so that they can be read.
const APART: f64 = 17.0;

/// The most letters about who passes a gate.
const CALLERS: usize = 24;

/// Draws it.
pub(super) fn chart(page: &mut Markup, story: &Story<'_>) {
    let row = if story.units.len() > 8 {
        &DENSE
    } else {
        &ROOMY
    };
    let height = row.name + row.steps + row.below;
    let count = f64::from(u32::try_from(story.units.len()).unwrap_or(0));
    let bottom = HEAD + height * count;
    let time = Time::new(story.seconds);
    let words = Words {
        id: "traffic",
        title: "Share of the requests that went to the new revision, over time",
        description: &description(story),
    };
    chart::frame(page, &words, bottom + 28.0, |svg| {
        let mut signs = vec![(
            Sign::Area,
            "weight",
            format!("share of revision {}", story.plan.canary),
        )];
        if has_missing(story) {
            signs.push((Sign::Area, "missing", "no data".to_owned()));
        }
        if story.looks.iter().any(|seen| seen.look.reset) {
            signs.push((Sign::Diamond, "reset", "counters began anew".to_owned()));
        }
        if story
            .shifts
            .iter()
            .any(|shift| shift.weights.contains(&None))
        {
            signs.push((Sign::Area, "unknown", "changed outside squad".to_owned()));
        }
        signs.push((
            Sign::Upright,
            "mark",
            "decision, numbered as below".to_owned(),
        ));
        chart::legend(svg, 14.0, &signs);
        missing(svg, story, time, bottom);
        chart::time_axis(svg, time, HEAD, bottom);
        decisions(svg, story, time, bottom);
        let mut top = HEAD;
        for (index, one) in story.units.iter().enumerate() {
            let name = chart::cut(&one.unit.spoken(), 110);
            chart::label(svg, "name", LEFT + 4.0, top + row.name - 5.0, &name);
            let base = top + row.name + row.steps;
            steps(svg, story, index, time, (base, row.steps));
            top += height;
        }
    });
}

/// The weights of one unit as an area above `base`.
fn steps(
    svg: &mut Markup,
    story: &Story<'_>,
    index: usize,
    time: Time,
    (base, height): (f64, f64),
) {
    let top_of = |weight: u8| base - height * f64::from(weight) / 100.0;
    let weight_of = |shift: &Shift| shift.weights.get(index).copied().flatten();
    let one = story.units.get(index);
    chart::line(svg, "axis faint", (LEFT, base), (WIDTH - RIGHT, base));
    let mut area = String::new();
    let mut outline = String::new();
    let mut labels = Vec::new();
    let mut before = None;
    for (from, to, shift) in story.spans() {
        let (left, right) = (time.x(from), time.x(to));
        let Some(weight) = weight_of(shift) else {
            chart::band(svg, "unknown", (left, right), (base - height, base));
            before = None;
            continue;
        };
        let y = top_of(weight);
        let (l, r, y_text) = (chart::at(left), chart::at(right), chart::at(y));
        if weight > 0 {
            area.push_str(&format!(
                "M{l} {}V{y_text}H{r}V{}z",
                chart::at(base),
                chart::at(base)
            ));
        }
        outline.push_str(&match before {
            None => format!("M{l} {y_text}H{r}"),
            Some(_) => format!("V{y_text}H{r}"),
        });
        if before != Some(weight) && (weight > 0 || before.is_some()) {
            labels.push((left, right, y, weight));
        }
        before = Some(weight);
    }
    chart::path(svg, "weight", &area);
    chart::path(svg, "outline", &outline);
    let mut free = 0.0;
    for (left, right, y, weight) in labels {
        let x = if right - left < 30.0 && left > WIDTH - RIGHT - 40.0 {
            // At the right end the label goes where the names of lines go.
            WIDTH - RIGHT + 4.0
        } else {
            left + 4.0
        };
        if x < free {
            continue;
        }
        let y = if weight >= 45 { y + 12.0 } else { y - 3.0 };
        let text = match one {
            Some(one) => label(one, weight),
            None => format!("{weight} %"),
        };
        chart::label(svg, "value", x, y, &text);
        free = x + room(one);
    }
}

/// A weight as it stands in a chart: of a gated route, who is let through.
pub(super) fn label(one: &UnitStory<'_>, weight: u8) -> String {
    match &one.unit.gate {
        _ if weight == 0 => "0".to_owned(),
        Some(gate) if weight < 100 || matches!(gate.by, By::Consumers(_)) => {
            chart::cut(&sanitize(&gate.spoken(weight)), CALLERS)
        }
        _ => format!("{weight} %"),
    }
}

/// How much room a label needs.
pub(super) fn room(one: Option<&UnitStory<'_>>) -> f64 {
    if one.is_some_and(|one| one.unit.gate.is_some()) {
        130.0
    } else {
        34.0
    }
}

/// Bands where the counters could not be read, and diamonds where they began anew.
fn missing(svg: &mut Markup, story: &Story<'_>, time: Time, bottom: f64) {
    for (from, to) in missing_spans(story, time) {
        chart::band(svg, "missing", (from, to), (HEAD, bottom));
    }
    let mut resets = String::new();
    let mut last = f64::NEG_INFINITY;
    for seen in story.looks.iter().filter(|seen| seen.look.reset) {
        let x = time.x(seen.to);
        if x - last >= 3.0 {
            resets.push_str(&chart::diamond(x, bottom));
            last = x;
        }
    }
    chart::path(svg, "reset", &resets);
}

/// Whether a look could not read the counters.
pub(super) fn has_missing(story: &Story<'_>) -> bool {
    story.looks.iter().any(|seen| seen.look.missing.is_some())
}

/// From where to where on the axis nothing could be read, neighbours joined.
pub(super) fn missing_spans(story: &Story<'_>, time: Time) -> Vec<(f64, f64)> {
    let mut spans: Vec<(f64, f64)> = Vec::new();
    for seen in story
        .looks
        .iter()
        .filter(|seen| seen.look.missing.is_some())
    {
        let (from, to) = (time.x(seen.from), time.x(seen.to));
        match spans.last_mut() {
            Some(last) if from <= last.1 + 1.0 => last.1 = to.max(last.1),
            _ => spans.push((from, to)),
        }
    }
    spans
}

/// A line for each decision that is more than a confirmation, and its number where there is room.
fn decisions(svg: &mut Markup, story: &Story<'_>, time: Time, bottom: f64) {
    let mut free = f64::NEG_INFINITY;
    for decided in story.decisions() {
        let is_news = !matches!(decided.decision.why, Why::Verified | Why::Started);
        if !is_news || !decided.is_in_force {
            continue;
        }
        let x = time.x(decided.seconds);
        let class = if decided.decision.to.0 == Phase::Aborting {
            "mark alarm"
        } else {
            "mark"
        };
        chart::line(svg, class, (x, HEAD - 8.0), (x, bottom));
        if x >= free {
            chart::label(
                svg,
                "number middle",
                x,
                HEAD - 12.0,
                &decided.number.to_string(),
            );
            free = x + APART;
        }
    }
}

fn description(story: &Story<'_>) -> String {
    let parts: Vec<String> = story
        .units
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let weights: Vec<String> = story
                .shifts
                .iter()
                .map(|shift| {
                    let weight = shift.weights.get(index).copied().flatten();
                    weight.map_or_else(|| "unknown".to_owned(), |weight| format!("{weight} %"))
                })
                .collect();
            let mut weights = weights;
            weights.dedup();
            format!("{}: {}", one.unit.spoken(), weights.join(", "))
        })
        .collect();
    parts.join("; ")
}
