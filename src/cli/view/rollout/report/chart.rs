//! What all charts share: the frame with its words for people who do not see it, the axis of time, and the legend.
//!
//! Colours are classes of the style sheet, so that one chart is readable in light, in dark and on paper. No colour is needed:
//! lines differ by dashes and by their names, areas by the legend.

use super::markup::Markup;
use super::scale::{LEFT, RIGHT, Time, WIDTH};

/// A chart's own name, and what it shows in words.
pub(super) struct Words<'a> {
    /// Unique in the page, letters and digits.
    pub(super) id: &'a str,
    /// What it is.
    pub(super) title: &'a str,
    /// What is to be seen.
    pub(super) description: &'a str,
}

/// How an entry of a legend is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A line.
    Line,
    /// A box.
    Area,
    /// A diamond.
    Diamond,
    /// A vertical line.
    Upright,
}

/// An SVG of a height, with its title and description.
pub(super) fn frame(
    page: &mut Markup,
    words: &Words<'_>,
    height: f64,
    inside: impl FnOnce(&mut Markup),
) {
    let (title, description) = (format!("{}-title", words.id), format!("{}-words", words.id));
    let names = format!("{title} {description}");
    let view = format!("0 0 {WIDTH} {height}");
    page.element("div", &[("class", "chart")], |page| {
        let attributes = [
            ("viewBox", view.as_str()),
            ("role", "img"),
            ("aria-labelledby", names.as_str()),
        ];
        page.element("svg", &attributes, |svg| {
            svg.leaf("title", &[("id", &title)], words.title);
            svg.leaf("desc", &[("id", &description)], words.description);
            inside(svg);
        });
    });
}

/// The axis of time below everything, with a faint line up to `top` at each tick.
pub(super) fn time_axis(svg: &mut Markup, time: Time, top: f64, bottom: f64) {
    for (seconds, label) in time.ticks() {
        let x = at(time.x(seconds));
        line(
            svg,
            "grid",
            (time.x(seconds), top),
            (time.x(seconds), bottom),
        );
        let y = at(bottom + 17.0);
        svg.leaf(
            "text",
            &[("x", &x), ("y", &y), ("class", "tick middle")],
            &label,
        );
    }
    line(svg, "axis", (LEFT, bottom), (WIDTH - RIGHT, bottom));
}

/// A straight line of a class.
pub(super) fn line(svg: &mut Markup, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (at(from.0), at(from.1), at(to.0), at(to.1));
    svg.shape(
        "line",
        &[
            ("class", class),
            ("x1", &x1),
            ("y1", &y1),
            ("x2", &x2),
            ("y2", &y2),
        ],
    );
}

/// A path of a class.
pub(super) fn path(svg: &mut Markup, class: &str, d: &str) {
    if !d.is_empty() {
        svg.shape("path", &[("class", class), ("d", d)]);
    }
}

/// Text with its lower left corner somewhere, of a class.
pub(super) fn label(svg: &mut Markup, class: &str, x: f64, y: f64, text: &str) {
    svg.leaf(
        "text",
        &[("class", class), ("x", &at(x)), ("y", &at(y))],
        text,
    );
}

/// A rectangle of a class, at least three units wide so that it is seen.
pub(super) fn band(svg: &mut Markup, class: &str, x: (f64, f64), y: (f64, f64)) {
    let width = at((x.1 - x.0).max(3.0));
    let (left, top, height) = (at(x.0), at(y.0), at(y.1 - y.0));
    svg.shape(
        "rect",
        &[
            ("class", class),
            ("x", &left),
            ("y", &top),
            ("width", &width),
            ("height", &height),
        ],
    );
}

/// A diamond with its middle somewhere.
pub(super) fn diamond(x: f64, y: f64) -> String {
    format!("M{} {}l5 5l-5 5l-5-5z", at(x), at(y - 5.0))
}

/// What the signs mean, in one row at a height.
pub(super) fn legend(svg: &mut Markup, y: f64, entries: &[(Sign, &str, String)]) {
    let mut x = LEFT;
    for (sign, class, text) in entries {
        match sign {
            Sign::Line => line(svg, class, (x, y - 4.0), (x + 24.0, y - 4.0)),
            Sign::Area => band(svg, class, (x + 4.0, x + 24.0), (y - 10.0, y + 2.0)),
            Sign::Diamond => path(svg, class, &diamond(x + 16.0, y - 4.0)),
            Sign::Upright => line(svg, class, (x + 16.0, y - 11.0), (x + 16.0, y + 3.0)),
        }
        label(svg, "key", x + 30.0, y, text);
        // The width of the letters is not known here: 6.6 units each are enough for every usual font of this size.
        x += 30.0 + letters(text) * 6.6 + 16.0;
    }
}

/// A coordinate with one digit after the point.
pub(super) fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Text cut to what fits beside a chart.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn letters(text: &str) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(0))
}
