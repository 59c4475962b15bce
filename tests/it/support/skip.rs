//! Skipping by name and reason, never silently.

use std::io::Write;
use std::path::PathBuf;

/// Names what cannot be tested here and why; the caller returns after it. `tests/run` lists it at the end and
/// counts it as skipped instead of passed.
pub(crate) fn skip(name: &str, reason: &str) {
    eprintln!("skipped: {name}: {reason}");
    if let Some(path) = std::env::var_os("SQUAD_TEST_SKIPS") {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "skipped: {name}: {reason}"))
            .expect("the list of skipped tests can be written");
    }
}

/// A program that this machine may not have; where it is not, the test is skipped by name.
pub(crate) fn tool(test: &str, program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skip(test, &format!("`{program}` is not installed"));
    }
    found
}
