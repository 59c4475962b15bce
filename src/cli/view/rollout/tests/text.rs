//! The report as lines.
