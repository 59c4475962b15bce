//! Runs one program, watches what it writes to the disk, and kills it in the middle.
//!
//! ```text
//! tracer [--kill-at <n>] [--trace <file>] [--count] [--ignore-stdio] -- <program> [<argument>…]
//! ```
//! Every system call that changes a file (the list is in `syscalls.rs`) is numbered over all threads of the one
//! process. `--kill-at` ends the process with SIGKILL when it enters the n-th, so that this one does not happen.
//! Other processes that it starts are let go. `--trace` writes the calls as JSON Lines, in order, with what came
//! back; calls that only acknowledge (writes to sockets and standard output) have no number there. `--count`
//! prints them on standard error. `--ignore-stdio` leaves writes to descriptors 0–2 out.
//!
//! strace cannot do this: it counts for each thread and holds detached children. Linux on x86-64 and arm64.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "test code"
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod syscalls;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod trace;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn main() {
    let options =
        trace::Options::from_arguments(std::env::args_os().skip(1)).unwrap_or_else(|message| {
            eprintln!("tracer: {message}");
            std::process::exit(2)
        });
    match trace::run(&options) {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("tracer: {error}");
            std::process::exit(99)
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() {
    eprintln!("tracer: only on Linux with glibc");
    std::process::exit(99)
}
