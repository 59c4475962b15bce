//! What is printed: wire structs (`schema`, `snake_case`) and text, one file for each noun.

pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod deploy;
mod difference;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod fetched;
pub(crate) mod help;
pub(crate) mod history;
pub(crate) mod invoke;
pub(crate) mod local;
pub(crate) mod new;
pub(crate) mod number;
pub(crate) mod org;
pub(crate) mod rollout;
pub(crate) mod status;
pub(crate) mod template;
pub(crate) mod unkept;
pub(crate) mod whoami;
