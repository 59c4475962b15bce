//! What is acknowledged is on the disk: asserted from a trace, because a kill keeps what the kernel has cached.
//!
//! For each file that is renamed or linked into place below the state directory: the file was synced after it was
//! last written and before it got its name, and its directory is synced before anything is acknowledged (a write
//! to standard output or to a Unix socket). For each journal: what was appended is synced before that too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::tracer::{self, Event, traced};
use crate::support::{Home, TestService, skip, wait_for};

/// What a trace breaks of the rules.
fn violations(events: &[Event], below: &Path) -> Vec<String> {
    let counts = |path: &str| Path::new(path).starts_with(below);
    // A file's last write that no sync has followed; a directory's names that no sync has followed.
    let mut unsynced: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unnamed: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (index, event) in events.iter().enumerate() {
        if event.result.is_some_and(|result| result < 0) {
            continue;
        }
        match event.call.as_str() {
            "fsync" | "fdatasync" => {
                unsynced.remove(event.path.as_str());
                unnamed.remove(&event.path);
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "ftruncate" if counts(&event.path) => {
                unsynced.insert(&event.path, index);
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let to = event.to.as_deref().unwrap_or_default();
                if !counts(to) {
                    continue;
                }
                if unsynced.remove(event.path.as_str()).is_some() {
                    wrong.push(format!(
                        "{} gets its name `{to}` before it is synced",
                        event.path
                    ));
                }
                let directory = Path::new(to)
                    .parent()
                    .expect("a parent")
                    .display()
                    .to_string();
                unnamed.insert(directory, to.to_owned());
            }
            _ => {}
        }
        if acknowledges(event) {
            for (directory, name) in std::mem::take(&mut unnamed) {
                wrong.push(format!(
                    "acknowledged before `{directory}` is synced, which names {name}"
                ));
            }
            for (file, _) in unsynced.iter().filter(|(file, _)| file.contains("journal")) {
                wrong.push(format!(
                    "acknowledged before the journal `{file}` is synced"
                ));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn acknowledges(event: &Event) -> bool {
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

#[test]
fn the_rules_are_broken_by_what_breaks_them() {
    let write = event("write", "/s/.a", None);
    let sync = event("fsync", "/s/.a", None);
    let rename = event("rename", "/s/.a", Some("/s/a"));
    let directory = event("fsync", "/s", None);
    let answer = event("sendto", "unix:[7]", None);
    let check = |events: &[&Event]| {
        let events: Vec<Event> = events.iter().map(|event| (*event).clone()).collect();
        violations(&events, Path::new("/s")).len()
    };
    assert_eq!(check(&[&write, &sync, &rename, &directory, &answer]), 0);
    assert_eq!(check(&[&write, &rename, &directory, &answer]), 1);
    assert_eq!(check(&[&write, &sync, &rename, &answer, &directory]), 1);
    assert_eq!(check(&[&write, &rename, &answer]), 2);
    let append = event("write", "/s/journal", None);
    let synced = event("fdatasync", "/s/journal", None);
    assert_eq!(check(&[&append, &synced, &answer]), 0);
    assert_eq!(check(&[&append, &answer, &synced]), 1);
}

#[test]
fn what_the_command_line_acknowledges_is_on_the_disk() {
    if let Err(reason) = tracer::tracer() {
        return skip(
            "sync_order::what_the_command_line_acknowledges_is_on_the_disk",
            reason,
        );
    }
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let file = home.root().join("trace");
    let arguments = ["deploy", "--env", "local", "--yes"];
    let mut command = traced(&home, &file, None, &arguments);
    let _deployed = home.run(command.current_dir(&service.directory)).success();
    let trace = tracer::read(&file);
    let synced = trace.events.iter().any(|event| event.call.contains("sync"));
    assert!(synced, "the audit log is synced: {:#?}", trace.events);
    assert_eq!(
        violations(&trace.events, &home.state()),
        Vec::<String>::new()
    );
}

#[test]
fn what_the_supervisor_acknowledges_is_on_the_disk() {
    if let Err(reason) = tracer::tracer() {
        return skip(
            "sync_order::what_the_supervisor_acknowledges_is_on_the_disk",
            reason,
        );
    }
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let file = home.root().join("trace");
    let mut command = traced(&home, &file, None, &["local", "start", "--foreground"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tracer");
    wait_for("the supervisor answers", Duration::from_secs(30), || {
        home.supervisor_answers().then_some(())
    });
    let deploy = ["deploy", "--env", "local", "--yes"];
    let _deployed = home.squad_in(&service.directory, deploy).success();
    let _stopped = home.squad(["local", "stop"]).success();
    wait_for("the supervisor ends", Duration::from_secs(30), || {
        child.try_wait().expect("ours")
    });
    let trace = tracer::read(&file);
    let synced = trace.events.iter().any(|event| event.call.contains("sync"));
    assert!(synced, "the journal is synced: {:#?}", trace.events);
    assert_eq!(
        violations(&trace.events, &home.state()),
        Vec::<String>::new()
    );
}
