//! One module for each outside system: no policy, no words for people.

pub(crate) mod audit_store;
pub(crate) mod aws;
pub(crate) mod device_key;
pub(crate) mod git;
pub(crate) mod git_checkout;
pub(crate) mod git_remote;
pub(crate) mod guard;
pub(crate) mod lock;
pub(crate) mod outbox;
pub(crate) mod package;
pub(crate) mod pin;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod reserve;
pub(crate) mod source;
pub(crate) mod store;
pub(crate) mod wheels;
pub(crate) mod zip;
