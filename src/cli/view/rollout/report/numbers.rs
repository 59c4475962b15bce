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

/// The ratio of bad shares with its bound: `1.1 (at most 2.3)`.
pub(super) fn ratio(judgement: &Judgement) -> String {
    match (judgement.ratio, judgement.ratio_upper) {
        (Some(ratio), Some(upper)) => format!("{ratio:.1} (at most {upper:.1})"),
        (Some(ratio), None) => format!("{ratio:.1}"),
        (None, Some(upper)) => format!("at most {upper:.1}"),
        (None, None) => "–".to_owned(),
    }
}

/// By how many points the bad share can have risen at most, and what is acceptable.
pub(super) fn rise(judgement: &Judgement) -> String {
    let points = |share: f64| format!("{:.2}", share * 100.0);
    let limit = points(judgement.delta);
    match judgement.difference_upper {
        Some(upper) if upper.is_finite() => format!("{} of {limit}", points(upper)),
        _ => format!("unknown, of {limit}"),
    }
}

/// The e-value and what it has to reach: `0.31 of 300`.
pub(super) fn evidence(judgement: &Judgement) -> String {
    format!(
        "{} of {}",
        exponential(judgement.log_e),
        exponential(judgement.log_threshold)
    )
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
