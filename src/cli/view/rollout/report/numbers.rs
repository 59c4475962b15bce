//! Numbers the way people read them.

use super::super::{grouped, span};
use crate::domain::analysis::{Judgement, Tally, Verdict};

/// A share of 0–1 in percent, with as many digits as matter: `0.25 %`, `3.1 %`, `42 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = if !percent.is_finite() {
        return "–".to_owned();
    } else if percent <= 0.0 {
        "0".to_owned()
    } else if percent < 0.01 {
        "under 0.01".to_owned()
    } else if percent < 1.0 {
        format!("{percent:.2}")
    } else if percent < 10.0 {
        format!("{percent:.1}")
    } else {
        format!("{percent:.0}")
    };
    format!("{text} %")
}

/// The bad share of requests; a dash where there are none.
pub(super) fn share(tally: Tally) -> String {
    tally.share().map_or_else(|| "–".to_owned(), percent)
}

/// `3 of 1,204`.
pub(super) fn bad_of(tally: Tally) -> String {
    if tally.requests == 0 {
        "no requests".to_owned()
    } else {
        format!("{} of {}", grouped(tally.bad), grouped(tally.requests))
    }
}

/// A number and, smaller, what belongs to it.
#[derive(Debug)]
pub(super) struct Pair {
    /// The number.
    pub(super) main: String,
    /// Its bound, its limit, its share; may be empty.
    pub(super) small: String,
}

impl Pair {
    /// Both in one text: `1.1 (at most 2.3)`.
    pub(super) fn in_line(&self) -> String {
        if self.small.is_empty() {
            self.main.clone()
        } else {
            format!("{} ({})", self.main, self.small)
        }
    }
}

/// Bad requests with their share: `3 of 1,204`, `0.25 %`.
pub(super) fn counted(tally: Tally) -> Pair {
    Pair {
        main: bad_of(tally),
        small: tally.share().map_or_else(String::new, percent),
    }
}

/// The ratio of bad shares with its bound: `1.1`, `at most 2.3`.
pub(super) fn ratio(judgement: &Judgement) -> Pair {
    let upper = judgement.ratio_upper;
    Pair {
        main: judgement
            .ratio
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1}")),
        small: upper.map_or_else(
            || "no bound yet".to_owned(),
            |upper| format!("at most {upper:.1}"),
        ),
    }
}

/// By how many points the bad share can have risen at most, and what is acceptable: `0.92`, `limit 2.00`.
pub(super) fn rise(judgement: &Judgement) -> Pair {
    let points = |share: f64| format!("{:.2}", share * 100.0);
    let upper = judgement.difference_upper.filter(|upper| upper.is_finite());
    Pair {
        main: upper.map_or_else(|| "unknown".to_owned(), points),
        small: format!("limit {}", points(judgement.delta)),
    }
}

/// The e-value and what it has to reach: `0.31`, `of 300`.
pub(super) fn evidence(judgement: &Judgement) -> Pair {
    Pair {
        main: exponential(judgement.log_e),
        small: format!("of {}", exponential(judgement.log_threshold)),
    }
}

/// How far the evidence is, 0–1, on a logarithmic scale.
pub(super) fn progress(judgement: &Judgement) -> f64 {
    let share = judgement.log_e / judgement.log_threshold;
    if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A number of which the logarithm is known, however large.
fn exponential(logarithm: f64) -> String {
    let value = logarithm.exp();
    if logarithm.is_nan() {
        "–".to_owned()
    } else if value < 0.01 {
        "under 0.01".to_owned()
    } else if value < 10.0 {
        format!("{value:.2}")
    } else if value < 1e6 {
        grouped(whole(value))
    } else {
        format!("10^{:.0}", logarithm / std::f64::consts::LN_10)
    }
}

/// A verdict for people, in a table.
pub(super) fn verdict(judgement: &Judgement) -> String {
    match &judgement.verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail(_) => "fail".to_owned(),
        Verdict::Inconclusive(_) => "cannot be told".to_owned(),
    }
}

/// Seconds since the start: `+12 min`.
pub(super) fn since_start(seconds: f64) -> String {
    format!("+{}", span(seconds))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and it is a number for people"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}
