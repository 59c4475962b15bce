//! Which commands work on which service right now, seen from other commands on this machine.
//!
//! A build is not in the audit log, and the platform knows nothing of it: so each command that changes a service
//! leaves a small file that is locked as long as the command lives. The lock goes with the process, however it ends; a
//! file without one is the leaving of a dead command. This must never be asked to decide anything: it is for showing.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::fs;

/// One command that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GoingOn {
    /// The noun: `deploy`, `rollback`.
    pub(crate) kind: String,
    /// Since when.
    pub(crate) since: Timestamp,
    /// The services that it changes.
    pub(crate) services: Vec<ServiceName>,
}

/// The mark of a command; it ends with this value, or with the process.
#[derive(Debug)]
pub(crate) struct Mark {
    /// None once a child has it.
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Mark {
    /// Says that a command is at work. None when that cannot be written: then it is not shown, and goes on.
    pub(crate) fn set(state: &Path, environment: &Environment, going_on: &GoingOn) -> Option<Self> {
        let directory = directory(state, &environment.log_name());
        fs::create_dir_durably(&directory, 0o700).ok()?;
        let name = ulid::Ulid::generate();
        // Locked under a name that nobody reads before it can be seen.
        let hidden = directory.join(format!("{name}.new"));
        let path = directory.join(format!("{name}.json"));
        let mut file = File::create(&hidden).ok()?;
        file.lock().ok()?;
        let text = serde_json::to_vec(going_on).ok()?;
        std::io::Write::write_all(&mut file, &text).ok()?;
        file.sync_all().ok()?;
        fs::rename_durably(&hidden, &path).ok()?;
        Some(Self {
            path: Some(path),
            file: Some(file),
        })
    }

    /// The locked file, for a child that goes on alone: the mark stays as long as the child has it open.
    pub(crate) fn hand_over(mut self) -> Option<File> {
        self.path = None;
        self.file.take()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // A file that stays is found without a lock, and removed by whoever looks.
        if let Some(path) = &self.path {
            drop(std::fs::remove_file(path));
        }
    }
}

fn directory(state: &Path, log_name: &str) -> PathBuf {
    state.join("going-on").join(log_name)
}

/// The commands at work in an environment on this machine, oldest first.
pub(crate) fn list(state: &Path, environment: &Environment) -> Vec<GoingOn> {
    list_of(state, &environment.log_name())
}

/// The same of the environment of this [`Environment::log_name`], which need not be configured any more.
pub(crate) fn list_of(state: &Path, log_name: &str) -> Vec<GoingOn> {
    let Ok(entries) = std::fs::read_dir(directory(state, log_name)) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter_map(|path| read(&path))
        .collect();
    found.sort_by_key(|one| one.since);
    found
}

/// What a mark says while its command lives; the mark of a dead one is removed.
fn read(path: &Path) -> Option<GoingOn> {
    let file = File::open(path).ok()?;
    match file.try_lock() {
        Ok(()) => {
            drop(std::fs::remove_file(path));
            None
        }
        Err(_) => serde_json::from_str(&fs::read_to_string(path).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going_on() -> GoingOn {
        GoingOn {
            kind: "deploy".to_owned(),
            since: "2026-11-24T12:00:00Z".parse().unwrap(),
            services: vec!["payments".parse().unwrap()],
        }
    }

    #[test]
    fn a_mark_is_seen_while_its_command_lives() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::builtin_local();
        assert_eq!(list(home.path(), &environment), []);
        let mark = Mark::set(home.path(), &environment, &going_on()).unwrap();
        assert_eq!(list(home.path(), &environment), [going_on()]);
        drop(mark);
        assert_eq!(list(home.path(), &environment), []);
    }

    #[test]
    fn a_mark_goes_over_to_a_child() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::builtin_local();
        let mark = Mark::set(home.path(), &environment, &going_on()).unwrap();
        let file = mark.hand_over().unwrap();
        assert_eq!(list(home.path(), &environment), [going_on()]);
        drop(file);
        assert_eq!(list(home.path(), &environment), []);
        assert_eq!(
            std::fs::read_dir(directory(home.path(), &environment.log_name()))
                .unwrap()
                .count(),
            0,
            "what a dead command left is removed"
        );
    }
}
