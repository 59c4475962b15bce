//! How many requests fail together.

use super::{Tally, real};

/// The largest design effect that is believed; above it, nothing can be told from counts anyway.
const MOST: f64 = 1000.0;

/// Below this it is the noise of the estimate: the history of a day tells a design effect to a few percent.
const LEAST: f64 = 1.1;

/// The design effect of stable's history, minute by minute (at least 1): retries and batches make bad events arrive in
/// clumps, and a clump must count as one event.
///
/// It is the variance of the bad share between neighbouring minutes over what independent requests would have
/// (Σ h·(p − p′)² over Σ p̄, with h = n·n′/(n + n′)). Neighbours, because what changes slowly, as traffic and load do over a day
/// and an outage does but at its ends, hits both arms alike and cancels in the tests. Minutes without requests are
/// left out. Without any bad event there is nothing to correct: 1.
pub(crate) fn design_effect(per_minute: &[Tally]) -> f64 {
    let (mut seen, mut expected) = (0.0, 0.0);
    let busy = || {
        per_minute
            .iter()
            .filter(|minute| minute.requests > 0)
            .map(|minute| minute.sane())
    };
    for (one, next) in busy().zip(busy().skip(1)) {
        let (requests, later) = (real(one.requests), real(next.requests));
        let pooled = (real(one.bad) + real(next.bad)) / (requests + later);
        let apart = real(one.bad) / requests - real(next.bad) / later;
        seen += requests * later / (requests + later) * apart * apart;
        expected += pooled * (1.0 - pooled);
    }
    let effect = if expected > 0.0 { seen / expected } else { 1.0 };
    if effect < LEAST {
        1.0
    } else {
        effect.min(MOST)
    }
}
