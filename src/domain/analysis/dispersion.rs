//! How many requests fail together.

use super::{Tally, real};

/// The largest design effect that is believed; above it, nothing can be told from counts anyway.
const MOST: f64 = 1000.0;

/// Below this it is the noise of the estimate: the history of a day tells a design effect to a few percent.
const LEAST: f64 = 1.1;

/// A jump so many times larger than usual may be the beginning or the end of an outage.
const JUMP: f64 = 9.0;

/// The design effect of stable's history, minute by minute (at least 1): retries and batches make bad events arrive in
/// clumps, and a clump must count as one event.
///
/// It is the variance of the bad share between neighbouring minutes over what independent requests would have
/// (Σ h·(p − p′)² over Σ p̄(1 − p̄), with h = n·n′/(n + n′)). Neighbours, because what changes slowly, as traffic and load do over
/// a day, hits both arms alike and cancels in the tests. For the same reason a large jump between two levels that
/// both last, the edge of an outage, is left out; and minutes without requests are. Without any bad event there is
/// nothing to correct: 1.
pub(crate) fn design_effect(per_minute: &[Tally]) -> f64 {
    let busy: Vec<Tally> = per_minute
        .iter()
        .filter(|minute| minute.requests > 0)
        .map(|minute| minute.sane())
        .collect();
    let raw = effect(busy.iter().zip(busy.iter().skip(1)));
    let lasting =
        |one: Tally, next: Tally, jump: f64| (share(one) - share(next)).abs() < jump / 3.0;
    // Each pair with the minutes before and after it.
    let calm = busy.windows(4).filter_map(|minutes| match minutes {
        [before, one, next, after] => {
            let jump = (share(*one) - share(*next)).abs();
            let (seen, expected) = terms(*one, *next);
            let edge = seen > JUMP * raw * expected
                && lasting(*before, *one, jump)
                && lasting(*next, *after, jump);
            (!edge).then_some((one, next))
        }
        _ => None,
    });
    let effect = if busy.len() < 4 { raw } else { effect(calm) };
    if effect < LEAST {
        1.0
    } else {
        effect.min(MOST)
    }
}

/// Seen over expected variance of the pairs, at least 1.
fn effect<'a>(pairs: impl Iterator<Item = (&'a Tally, &'a Tally)>) -> f64 {
    let (seen, expected) = pairs.fold((0.0, 0.0), |(seen, expected), (one, next)| {
        let (more, usual) = terms(*one, *next);
        (seen + more, expected + usual)
    });
    if expected > 0.0 {
        (seen / expected).max(1.0)
    } else {
        1.0
    }
}

/// The squared difference of two minutes, scaled to have the second number as its expectation for independent requests.
fn terms(one: Tally, next: Tally) -> (f64, f64) {
    let (requests, later) = (real(one.requests), real(next.requests));
    let pooled = (real(one.bad) + real(next.bad)) / (requests + later);
    let apart = share(one) - share(next);
    (
        requests * (later / (requests + later)) * apart * apart,
        pooled * (1.0 - pooled),
    )
}

fn share(minute: Tally) -> f64 {
    minute.share().unwrap_or_default()
}
