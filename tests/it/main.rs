//! The one integration test binary: whole journeys through the real `squad`, each in a hermetic home.
//!
//! One file for each noun; `support/` is the harness. `layers.rs` asserts that no file here is forgotten.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    clippy::format_push_string,
    clippy::needless_raw_string_hashes,
    reason = "test code"
)]

mod asked_to_end;
mod audit;
mod audit_machine;
mod audit_trust;
mod aws_credentials;
mod aws_stand_in;
mod brakes_without_org;
mod config;
mod demo;
mod deploy;
mod docs;
mod doctor;
mod errors;
mod fetched;
mod fetched_kept;
mod fetched_refusals;
mod foreign_owner;
mod full_disk;
mod generated;
mod golden_paths;
mod gone;
mod handover;
mod harness;
mod history;
mod install;
mod invoke;
mod kill;
mod kill_rollout;
mod lambda;
mod layers;
mod local;
mod local_waits;
mod new;
mod new_refusals;
mod org;
mod org_place;
mod outbox;
mod permissions;
mod refusals;
mod renders;
mod rollback;
mod rollout;
mod rollout_clock;
mod rollout_drift;
mod rollout_silence;
mod rollout_watch;
mod status;
mod status_watch;
mod stream;
mod support;
mod sync_order;
mod template;
mod terminal;
mod tour;
mod unreadable;
mod whoami;
mod workspace;
mod workspace_missing;
