//! Progressive rollouts as a pure state machine: what a rollout is, which step comes next, and why.
//!
//! Nothing here knows a platform: the driver in `ops` looks, asks [`machine::next`] and commits what it says. The state is
//! stored with the traffic in one compare-and-swap; the plan and the log of looks and decisions are create-only objects,
//! so that whoever takes over replays the same evidence and comes to the same step.

pub(crate) mod gate;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod mistake;
pub(crate) mod observed;
pub(crate) mod plan;
pub(crate) mod state;

#[cfg(test)]
mod tests;

pub(crate) use log::{Entry, Evidence, Replay, What};
pub(crate) use machine::{Command, Move, Next, Refused, Sight, Waiting, Why};
pub(crate) use plan::{Plan, Unit};
pub(crate) use state::{Phase, State};
