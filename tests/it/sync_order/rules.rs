//! The rules, and what breaks them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::tracer::Event;

/// The outbox of an audit log.
pub(super) const OUTBOX: &str = "/outbox.jsonl";
/// The directory of a log's commits.
pub(super) const LOG: &str = "/commit";

/// What a process has done that a loss of power may still undo.
#[derive(Debug, Default)]
struct Disk {
    /// Files that were written and not synced since.
    unsynced: BTreeSet<String>,
    /// Directories with a new name in them that were not synced since, and the name.
    unnamed: BTreeMap<String, String>,
    /// Directories that were made, and whose parent was not synced since.
    new: BTreeSet<String>,
    /// What was synced: somebody relies on it.
    kept: BTreeSet<String>,
    /// A commit got its place in the log, which is not synced yet.
    committing: bool,
    /// The log has what is in the outbox, so what is written there next only notes that.
    noting: bool,
    wrong: BTreeSet<String>,
}

impl Disk {
    fn see(&mut self, event: &Event) {
        let path = event.path.as_str();
        match event.call.as_str() {
            "fsync" | "fdatasync" => self.sync(path),
            "write" | "pwrite64" | "writev" | "pwritev" | "ftruncate" => {
                let is_note = path.ends_with(OUTBOX) && std::mem::take(&mut self.noting);
                if !is_note {
                    self.unsynced.insert(path.to_owned());
                }
            }
            "mkdir" | "mkdirat" => drop(self.new.insert(path.to_owned())),
            "rmdir" | "unlink" | "unlinkat" => self.forget(path),
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let to = event.to.as_deref().unwrap_or_default();
                if self.unsynced.remove(path) {
                    let why = format!("{path} gets its name `{to}` before it is synced");
                    self.wrong.insert(why);
                }
                self.committing |= parent(to).ends_with(LOG);
                self.unnamed.insert(parent(to).to_owned(), to.to_owned());
                if event.call.starts_with("rename") {
                    self.forget(to);
                    for set in [&mut self.new, &mut self.kept] {
                        *set = std::mem::take(set)
                            .into_iter()
                            .map(|known| match Path::new(&known).strip_prefix(path) {
                                Ok(rest) if rest == Path::new("") => to.to_owned(),
                                Ok(rest) => format!("{to}/{}", rest.display()),
                                Err(_) => known,
                            })
                            .collect();
                    }
                    // Its name is that of a rename now.
                    self.new.remove(to);
                }
                self.kept.insert(to.to_owned());
            }
            _ => {}
        }
    }

    fn sync(&mut self, path: &str) {
        self.unsynced.remove(path);
        self.unnamed.remove(path);
        self.new.retain(|new| parent(new) != path);
        self.kept.insert(path.to_owned());
        if path.ends_with(LOG) && std::mem::take(&mut self.committing) {
            self.unsynced.retain(|file| !file.ends_with(OUTBOX));
            self.noting = true;
        }
    }

    /// It is gone, with what is below it.
    fn forget(&mut self, path: &str) {
        for set in [&mut self.new, &mut self.kept, &mut self.unsynced] {
            set.retain(|known| !Path::new(known).starts_with(path));
        }
    }

    fn acknowledge(&mut self) {
        for (directory, name) in std::mem::take(&mut self.unnamed) {
            self.wrong.insert(format!(
                "acknowledged before `{directory}` is synced, which names {name}"
            ));
        }
        for directory in &self.new {
            let mut kept = self.kept.iter();
            if let Some(kept) = kept.find(|kept| Path::new(kept).starts_with(directory)) {
                self.wrong.insert(format!(
                    "acknowledged before the parent of `{directory}` is synced, which holds {kept}"
                ));
            }
        }
        for file in &self.unsynced {
            if file.contains("journal") || file.ends_with(OUTBOX) {
                self.wrong
                    .insert(format!("acknowledged before `{file}` is synced"));
            }
        }
    }
}

fn parent(path: &str) -> &str {
    Path::new(path)
        .parent()
        .and_then(Path::to_str)
        .unwrap_or_default()
}

/// What a trace breaks of the rules.
pub(super) fn violations(events: &[Event], below: &Path) -> Vec<String> {
    let mut disk = Disk::default();
    for event in events {
        if event.result.is_some_and(|result| result < 0) {
            continue;
        }
        let place = event.to.as_ref().unwrap_or(&event.path);
        // Locks end with the processes that hold them.
        if parent(place).ends_with("/open") || Path::new(place).extension() == Some("lock".as_ref())
        {
            continue;
        }
        // A sync of what is above matters to the names of what is below.
        if event.call.contains("sync") || Path::new(place).starts_with(below) {
            disk.see(event);
        }
        if acknowledges(event) {
            disk.acknowledge();
        }
    }
    disk.wrong.into_iter().collect()
}

/// Whether somebody is told, or asked, something: a person on standard output, or another process of squad.
pub(super) fn acknowledges(event: &Event) -> bool {
    let to_person = event.number.is_none() && event.call == "write" && !event.path.starts_with('/');
    let sends = ["write", "writev", "sendto", "sendmsg"].contains(&event.call.as_str());
    to_person || (sends && event.path.starts_with("unix:"))
}

fn event(call: &str, path: &str, to: Option<&str>) -> Event {
    Event {
        number: Some(1),
        call: call.to_owned(),
        path: path.to_owned(),
        to: to.map(str::to_owned),
        result: Some(0),
    }
}

/// How many rules the calls break.
fn broken(events: &[&Event]) -> usize {
    let events: Vec<Event> = events.iter().map(|event| (*event).clone()).collect();
    violations(&events, Path::new("/s")).len()
}

#[test]
fn the_rules_are_broken_by_what_breaks_them() {
    let write = event("write", "/s/.a", None);
    let sync = event("fsync", "/s/.a", None);
    let rename = event("rename", "/s/.a", Some("/s/a"));
    let directory = event("fsync", "/s", None);
    let answer = event("sendto", "unix:[7]", None);
    assert_eq!(broken(&[&write, &sync, &rename, &directory, &answer]), 0);
    assert_eq!(broken(&[&write, &rename, &directory, &answer]), 1);
    assert_eq!(broken(&[&write, &sync, &rename, &answer, &directory]), 1);
    assert_eq!(broken(&[&write, &rename, &answer]), 2);
    let append = event("write", "/s/journal", None);
    let synced = event("fdatasync", "/s/journal", None);
    assert_eq!(broken(&[&append, &synced, &answer]), 0);
    assert_eq!(broken(&[&append, &answer, &synced]), 1);
}

#[test]
fn an_outbox_that_nobody_synced_is_found_unless_the_log_has_what_is_in_it() {
    let append = event("write", "/s/outbox.jsonl", None);
    let synced = event("fdatasync", "/s/outbox.jsonl", None);
    let shorten = event("ftruncate", "/s/outbox.jsonl", None);
    let named = event("link", "/s/commit/1#1", Some("/s/commit/1"));
    let directory = event("fsync", "/s/commit", None);
    let answer = event("sendto", "unix:[7]", None);
    assert_eq!(broken(&[&append, &synced, &answer]), 0);
    assert_eq!(broken(&[&append, &answer, &synced]), 1);
    assert_eq!(broken(&[&append, &named, &directory, &answer]), 0);
    // The log is durable, and what is written into the outbox then says only that.
    let committed = [&append, &named, &directory];
    for note in [&append, &shorten] {
        assert_eq!(broken(&[&committed[..], &[note, &answer]].concat()), 0);
        let more = [&committed[..], &[note, &append, &answer]].concat();
        assert_eq!(broken(&more), 1);
    }
    assert_eq!(broken(&[&named, &append, &directory, &answer]), 0);
    assert_eq!(broken(&[&append, &directory, &answer]), 1);
}

#[test]
fn a_new_directory_that_nobody_synced_is_found_when_somebody_relies_on_what_is_in_it() {
    let new = event("mkdir", "/s/a", None);
    let within = event("mkdir", "/s/a/b", None);
    let kept = event("fsync", "/s/a/b/file", None);
    let (above, inner) = (event("fsync", "/s", None), event("fsync", "/s/a", None));
    let answer = event("sendto", "unix:[7]", None);
    assert_eq!(broken(&[&new, &within, &answer]), 0);
    assert_eq!(broken(&[&new, &within, &kept, &answer]), 2);
    assert_eq!(broken(&[&new, &within, &kept, &inner, &answer]), 1);
    assert_eq!(broken(&[&new, &within, &kept, &inner, &above, &answer]), 0);
    assert_eq!(broken(&[&above, &new, &kept, &answer]), 1);
    // It is moved as a whole, or gone.
    let moved = event("rename", "/s/a/b", Some("/s/c"));
    assert_eq!(broken(&[&new, &within, &kept, &moved, &above, &answer]), 0);
    assert_eq!(broken(&[&new, &within, &kept, &moved, &answer]), 1);
    let gone = event("rmdir", "/s/a", None);
    assert_eq!(broken(&[&new, &within, &kept, &gone, &answer]), 0);
}
