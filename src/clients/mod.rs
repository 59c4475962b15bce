//! One module for each outside system: no policy, no words for people.

pub(crate) mod git;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod source;
