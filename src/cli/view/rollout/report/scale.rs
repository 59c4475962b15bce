//! The two axes of a chart: where a time or a share lies, and which ticks are drawn.

use super::super::grouped;

/// Width of every chart in units of its view box, which are pixels where there is room for it.
pub(super) const WIDTH: f64 = 920.0;
/// Room at the left for the labels of shares.
pub(super) const LEFT: f64 = 54.0;
/// Room at the right for the names of lines.
pub(super) const RIGHT: f64 = 46.0;
/// The most ticks of time.
const TIMES: f64 = 9.0;

/// Steps between ticks in seconds, all of which people can say.
const STEPS: [u32; 25] = [
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
    1_209_600,
    2_592_000,
    7_776_000,
    31_536_000,
    315_360_000,
];

/// Highest shares of an axis in percent, each with its ticks.
const HIGHEST: [(f64, [f64; 3]); 10] = [
    (0.1, [0.0, 0.05, 0.1]),
    (0.2, [0.0, 0.1, 0.2]),
    (0.5, [0.0, 0.25, 0.5]),
    (1.0, [0.0, 0.5, 1.0]),
    (2.0, [0.0, 1.0, 2.0]),
    (5.0, [0.0, 2.5, 5.0]),
    (10.0, [0.0, 5.0, 10.0]),
    (20.0, [0.0, 10.0, 20.0]),
    (50.0, [0.0, 25.0, 50.0]),
    (100.0, [0.0, 50.0, 100.0]),
];

/// The axis of time: seconds that the looks cover.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    seconds: f64,
}

impl Time {
    /// From 0 to so many seconds.
    pub(super) fn new(seconds: f64) -> Self {
        Self {
            seconds: seconds.max(1.0),
        }
    }

    /// Where a moment lies.
    pub(super) fn x(self, seconds: f64) -> f64 {
        let share = (seconds / self.seconds).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Moments with a tick, and their labels.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        let step = STEPS
            .iter()
            .copied()
            .find(|step| self.seconds / f64::from(*step) <= TIMES)
            .unwrap_or(315_360_000);
        (0..=10)
            .map(|index| index * step)
            .filter(|seconds| f64::from(*seconds) <= self.seconds)
            .map(|seconds| (f64::from(seconds), moment(seconds)))
            .collect()
    }
}

/// Seconds since the start as one whole number: `45 s`, `10 min`, `3 h`, `2 d`; with `30 s` and the like as `1 min 30 s`.
fn moment(seconds: u32) -> String {
    if seconds == 0 {
        return "start".to_owned();
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut parts = Vec::new();
    let mut left = seconds;
    for (size, name) in units {
        if left >= size {
            parts.push(format!("{} {name}", grouped(u64::from(left / size))));
            left %= size;
        }
    }
    parts.join(" ")
}

/// The axis of shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    highest: f64,
    ticks: [f64; 3],
    top: f64,
    bottom: f64,
}

impl Shares {
    /// From 0 at `bottom` to at least the highest share of 0–1 at `top`.
    pub(super) fn new(highest: f64, top: f64, bottom: f64) -> Self {
        // Where nothing was bad, an axis up to 1 % shows that best.
        let highest = if highest > 0.0 { highest } else { 0.01 };
        let fits = |(limit, _): &&(f64, [f64; 3])| *limit >= highest * 100.0;
        let (limit, ticks) = HIGHEST
            .iter()
            .find(fits)
            .copied()
            .unwrap_or((100.0, [0.0, 50.0, 100.0]));
        Self {
            highest: limit / 100.0,
            ticks,
            top,
            bottom,
        }
    }

    /// The highest share that fits, 0–1.
    pub(super) fn highest(self) -> f64 {
        self.highest
    }

    /// Where a share of 0–1 lies; what is above the axis lies at its top.
    pub(super) fn y(self, share: f64) -> f64 {
        self.bottom - (share / self.highest).clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Shares with a tick, and their labels.
    pub(super) fn ticks(self) -> [(f64, String); 3] {
        self.ticks
            .map(|percent| (percent / 100.0, format!("{percent} %")))
    }
}
