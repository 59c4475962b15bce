//! What is printed: wire structs (`schema`, snake_case) and text, one file for each noun.

pub(crate) mod deploy;
pub(crate) mod history;
pub(crate) mod invoke;
pub(crate) mod local;
pub(crate) mod status;
