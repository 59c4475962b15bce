//! The harness: a hermetic home, the real binary, whole outputs, real requests, real terminals.
//!
//! ```no_run
//! let home = Home::new();
//! home.squad(["status"]).success().assert(str![[r#"…"#]]);
//! ```
//! It may not reach into the library: what a test needs, a person can do too.
#![allow(
    dead_code,
    unused_imports,
    reason = "a harness offers more than the tests of one day use"
)]

pub(crate) mod audit_log;
pub(crate) mod aws;
pub(crate) mod control;
pub(crate) mod home;
pub(crate) mod journey;
pub(crate) mod load;
pub(crate) mod mounts;
pub(crate) mod output;
pub(crate) mod processes;
pub(crate) mod request;
pub(crate) mod service;
pub(crate) mod skip;
pub(crate) mod terminal;
pub(crate) mod tracer;
pub(crate) mod wait;

pub(crate) use aws::Aws;
pub(crate) use home::Home;
pub(crate) use load::Load;
pub(crate) use output::Output;
pub(crate) use request::{Reply, get, request};
pub(crate) use service::TestService;
pub(crate) use skip::{skip, tool};
pub(crate) use terminal::Terminal;
pub(crate) use wait::wait_for;

use std::path::{Path, PathBuf};

/// The binary under test.
pub(crate) const SQUAD: &str = env!("CARGO_BIN_EXE_squad");

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a directory with this extension, in order of their paths.
pub(crate) fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = all_files_below(directory);
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found
}

/// Everything below a directory that is no directory, whatever it is called: also sockets and links, which are not
/// followed.
pub(crate) fn all_files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() && !path.is_symlink() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
