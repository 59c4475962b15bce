//! Which processes belong to a home: read from `/proc`, so Linux only; elsewhere nothing is found.

use std::path::Path;

/// One process of a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) id: u32,
    /// Its arguments, joined by spaces.
    pub(crate) command: String,
}

/// The processes whose environment, arguments or working directory name something below `root`. Zombies are
/// not counted: they only wait for a parent that reads their exit code.
pub(crate) fn below(root: &Path) -> Vec<Process> {
    let needle = format!("{}/", root.display());
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return found;
    };
    for entry in entries.flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if id == std::process::id() {
            continue;
        }
        let read = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let command = read("cmdline");
        let directory = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let belongs = command.contains(&needle)
            || directory.starts_with(root)
            || read("environ").contains(&needle);
        // After the name in parentheses comes the state; Z is a zombie, X is dead.
        let gone = read("stat")
            .rsplit(") ")
            .next()
            .is_none_or(|rest| rest.starts_with(['Z', 'X']));
        if belongs && !gone {
            found.push(Process {
                id,
                command: command.trim_end().to_owned(),
            });
        }
    }
    found.sort_by_key(|process| process.id);
    found
}

/// Ends one process at once.
pub(crate) fn kill(id: u32) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(id).expect("a process id"));
    // It may have ended by itself meanwhile.
    let _gone = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
}
