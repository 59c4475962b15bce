//! File systems of a test's own: full ones, read-only ones.

use super::{Home, Output, SQUAD, skip, tool};

/// A script that runs in a mount namespace of its own with the binary as `$0`, where this is allowed (root in most containers).
pub(crate) fn with_mounts(home: &Home, test: &str, script: &str) -> Option<Output> {
    tool(test, "unshare")?;
    let probe =
        home.run(
            home.program("unshare")
                .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]),
        );
    if probe.code != 0 {
        skip(test, "a mount namespace is not allowed here");
        return None;
    }
    Some(
        home.run(
            home.program("unshare")
                .args(["--mount", "bash", "-c", script, SQUAD]),
        ),
    )
}
