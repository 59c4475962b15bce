//! The whole story of a rollout: as lines, and as one HTML page that needs nothing else.
//!
//! Both are functions of the plan and the log alone: no clock is read, so the same log yields the same bytes on every
//! machine, and a live rollout is told as of its newest entry.

mod chart;
mod decisions;
mod markup;
mod numbers;
mod page;
mod plain;
mod plan;
mod scale;
mod series;
mod shares;
mod story;
mod text;
mod totals;
mod traffic;

use crate::domain::environment::Environment;
use crate::domain::rollout::Entry;
use crate::ops::rollout::list::Row;
use story::Story;

/// The page: UTF-8, one file, no script, and nothing from elsewhere.
pub(crate) fn html(row: &Row, entries: &[Entry], environment: &Environment) -> String {
    page::page(&Story::of(row, entries), environment)
}

/// The same for a terminal of so many columns; `None` = not a terminal.
pub(crate) fn report_lines(row: &Row, entries: &[Entry], width: Option<usize>) -> Vec<String> {
    text::lines(&Story::of(row, entries), width)
}
