//! Which processes belong to a home: read from `/proc`, so Linux only; elsewhere nothing is found.

use std::collections::BTreeMap;
use std::path::Path;

/// One process of a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) id: u32,
    /// Its arguments, joined by spaces.
    pub(crate) command: String,
}

/// The processes whose environment, arguments or working directory name something below `root`, and squad's own
/// processes directly above or below them (a watcher names nothing). Zombies are not counted: they only wait for
/// a parent that reads their exit code.
pub(crate) fn below(root: &Path) -> Vec<Process> {
    let needle = format!("{}/", root.display());
    let mut found = Vec::new();
    // squad's processes that name nothing: parent and process.
    let mut silent = Vec::new();
    let mut parents: BTreeMap<u32, u32> = BTreeMap::new();
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
        // After the name in parentheses come the state (Z is a zombie, X is dead) and the parent.
        let stat = read("stat");
        let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let state = rest.next().unwrap_or_default();
        if state.is_empty() || state.starts_with(['Z', 'X']) {
            continue;
        }
        let parent = rest.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        parents.insert(id, parent);
        let process = Process {
            id,
            command: command.trim_end().to_owned(),
        };
        let executable = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
        if belongs {
            found.push(process);
        } else if executable == Path::new(super::SQUAD) {
            silent.push(process);
        }
    }
    let belongs = |id: u32| found.iter().any(|process| process.id == id);
    silent.retain(|process| {
        let above = parents
            .get(&process.id)
            .is_some_and(|parent| belongs(*parent));
        above
            || parents
                .iter()
                .any(|(child, parent)| *parent == process.id && belongs(*child))
    });
    found.extend(silent);
    found.sort_by_key(|process| process.id);
    found
}

/// Ends one process at once.
pub(crate) fn kill(id: u32) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(id).expect("a process id"));
    // It may have ended by itself meanwhile.
    let _gone = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
}

/// Asks one process to end, as a service manager does.
pub(crate) fn terminate(id: u32) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(id).expect("a process id"));
    // It may have ended by itself meanwhile.
    let _gone = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
}
