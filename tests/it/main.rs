//! The one integration test binary: whole journeys through the real `squad`, each in a hermetic home.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "test code"
)]

mod config;
mod org;
