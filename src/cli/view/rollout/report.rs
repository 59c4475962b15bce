//! The whole story of a rollout: as lines, and as one HTML page that needs nothing else.

use crate::domain::environment::Environment;
use crate::domain::rollout::{Entry, What};
use crate::ops::rollout::list::Row;
use crate::ops::rollout::words;
use crate::output::sanitize;

/// The decisions in their order, each with when, who and why.
pub(crate) fn report_lines(row: &Row, entries: &[Entry]) -> Vec<String> {
    let plan = &row.plan;
    let mut lines = vec![format!(
        "{} {} → {}, rollout {}, started {} by {}",
        plan.service,
        plan.stable,
        plan.canary,
        plan.id,
        plan.started_at.strftime("%F %T UTC"),
        sanitize(&plan.actor.to_string())
    )];
    for entry in entries {
        if let What::Decision(decision) = &entry.what {
            lines.push(format!(
                "{}  {:<10}  {}",
                entry.at.strftime("%T"),
                decision.to.0.as_str(),
                words::why(plan, &decision.why)
            ));
        }
    }
    lines
}

/// The page.
pub(crate) fn html(_row: &Row, _entries: &[Entry], _environment: &Environment) -> String {
    String::new()
}
