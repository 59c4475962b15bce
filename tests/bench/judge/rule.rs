//! The threshold rules of Argo Rollouts and Flagger, on the same streams.
//!
//! Argo: each minute the canary's error rate over five minutes is compared with a threshold (`successCondition`); more
//! than `failureLimit: 3` failed measurements abort, counted in all or (a stricter reading) in a row. Flagger: each minute
//! the error rate of that minute is compared; `threshold: 5` failed checks roll back. A window without a request is no failed
//! measurement.

use std::collections::VecDeque;

use crate::analysis::Tally;

/// The rules that are compared.
pub(crate) const NAMES: [&str; 3] = [
    "Argo, 4 failed in all",
    "Argo, 4 failed in a row",
    "Flagger, 5 failed",
];

/// All three rules with one threshold.
pub(crate) struct Rules {
    threshold: f64,
    window: VecDeque<Tally>,
    failed: u32,
    row: u32,
    checks: u32,
}

impl Rules {
    pub(crate) fn new(threshold: f64) -> Self {
        Self {
            threshold,
            window: VecDeque::new(),
            failed: 0,
            row: 0,
            checks: 0,
        }
    }

    /// Which of them have aborted after this minute.
    pub(crate) fn observe(&mut self, canary: Tally) -> [bool; 3] {
        self.window.push_back(canary);
        if self.window.len() > 5 {
            self.window.pop_front();
        }
        let sum = self
            .window
            .iter()
            .fold(Tally::default(), |sum, minute| sum.plus(*minute));
        if sum.share().is_some_and(|share| share >= self.threshold) {
            self.failed += 1;
            self.row += 1;
        } else {
            self.row = 0;
        }
        if canary.share().is_some_and(|share| share >= self.threshold) {
            self.checks += 1;
        }
        [self.failed > 3, self.row > 3, self.checks >= 5]
    }
}
