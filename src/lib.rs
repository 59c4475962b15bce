#![doc = include_str!("../docs/architecture.md")]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::allow_attributes,
        reason = "tests write files and start programs"
    )
)]

mod cli;
mod clients;
mod clock;
mod config;
mod domain;
mod env;
mod error;
mod fs;
mod ops;
mod output;
mod platform;
mod template;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line and returns the process's exit code (the table is `docs/exit-codes.md`).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli::run(arguments)
}

/// The command line as clap knows it: what completions, man pages and the CLI reference are generated from.
pub fn command() -> clap::Command {
    cli::command()
}
