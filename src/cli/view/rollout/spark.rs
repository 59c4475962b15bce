//! The sparklines in the block of `squad rollout status`.

use super::fold;
use crate::ops::rollout::snapshot::Snapshot;
use crate::output::Output;
use console::measure_text_width;

/// The most looks that one sparkline shows.
const SPARKS: usize = 60;

/// The bad share of both arms over the newest looks, beside each other or below each other.
pub(super) fn sparklines(output: &Output, snapshot: &Snapshot, width: usize) -> Vec<String> {
    let (canary, stable): (Vec<_>, Vec<_>) = snapshot.shares.iter().copied().unzip();
    let most = SPARKS.min(width.saturating_sub(6)).max(8);
    let newest = |shares: &[Option<f64>]| -> Vec<Option<f64>> {
        let from = shares.len().saturating_sub(most);
        shares.iter().skip(from).copied().collect()
    };
    let (canary, stable) = (newest(&canary), newest(&stable));
    let shares = || canary.iter().chain(&stable).flatten();
    if shares().next().is_none() {
        return Vec::new();
    }
    let highest = shares().fold(0.0_f64, |a, b| a.max(*b));
    let mut parts = vec![format!(
        "bad share, last {} looks, up to {:.1} %",
        canary.len(),
        highest * 100.0
    )];
    for (name, shares) in [("new", &canary), ("old", &stable)] {
        // After a promotion the old one has no requests any more.
        if shares.iter().any(Option::is_some) {
            parts.push(format!("{name} {}", sparkline(output, shares, highest)));
        }
    }
    let one = format!("  {}", parts.join("   "));
    if measure_text_width(&one) <= width {
        return vec![one];
    }
    let mut lines = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index == 0 {
            lines.extend(fold(part, 2, Some(width)));
        } else {
            // The gaps of a sparkline are spaces: it fits, and is not folded.
            lines.push(format!("  {part}"));
        }
    }
    lines
}

/// Shares, each as one of eight heights; a gap where there was no request.
fn sparkline(output: &Output, shares: &[Option<f64>], highest: f64) -> String {
    let heights: [char; 8] = if output.unicode() {
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        ['_', '.', ':', '-', '=', '+', '*', '#']
    };
    shares
        .iter()
        .map(|share| match share {
            None => ' ',
            Some(share) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "one of eight heights"
                )]
                let height = if highest > 0.0 {
                    (share / highest * 7.0).round() as usize
                } else {
                    0
                };
                heights.get(height).copied().unwrap_or(' ')
            }
        })
        .collect()
}
