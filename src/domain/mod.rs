//! The rules of the product as pure functions of their arguments.
//!
//! Nothing here reads a file, a clock, the environment or a network, and nothing here is
//! asynchronous: what time it is, what is live and what a file says come in as values.

pub(crate) mod alias;
pub(crate) mod analysis;
pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod doctor;
pub(crate) mod environment;
pub(crate) mod fleet;
pub(crate) mod gate;
pub(crate) mod image;
pub(crate) mod live;
pub(crate) mod meant;
pub(crate) mod name;
pub(crate) mod org;
pub(crate) mod plan;
pub(crate) mod release;
pub(crate) mod repository;
pub(crate) mod rollout;
pub(crate) mod route;
pub(crate) mod service;
pub(crate) mod traffic;
pub(crate) mod version;
