//! What is acknowledged is on the disk: asserted from a trace, because a kill keeps what the kernel has cached.
//!
//! For each file that is renamed or linked into place below the state directory: the file was synced after it was
//! last written and before it got its name, and its directory is synced before anything is acknowledged (a write
//! to standard output or to a Unix socket). For each journal, and for each outbox of an audit log until the log has what is
//! in it: what was appended is synced before that too. For each new directory below which anything was synced: so is its
//! parent.

mod rules;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use rules::{LOG, OUTBOX, acknowledges, violations};

use crate::rollout::{self, Traffic, wait_for_phase};
use crate::support::journey::{begin, end, signal};
use crate::support::tracer::{self, Event, traced};
use crate::support::{Home, TestService, skip, wait_for};

/// The calls of a command that does not fail.
#[track_caller]
fn calls<const N: usize>(home: &Home, directory: &Path, arguments: [&str; N]) -> Vec<Event> {
    let file = home.root().join("trace");
    let mut command = traced(home, &file, None, &arguments);
    home.run(command.current_dir(directory)).success();
    tracer::read(&file).events
}

/// What a command has made durable of its record, and when it asks others: once what it does several times in a row.
fn steps(events: &[Event], wanted: &[&'static str]) -> Vec<&'static str> {
    let step = |event: &Event| match event.call.as_str() {
        "fdatasync" if event.path.ends_with(OUTBOX) => Some(OUTBOX_SYNCED),
        "fsync" if event.path.ends_with(LOG) => Some(LOG_SYNCED),
        _ => (acknowledges(event) && event.path.starts_with("unix:")).then_some(ASKED),
    };
    let mut steps: Vec<_> = events.iter().filter_map(step).collect();
    steps.retain(|step| wanted.contains(step));
    steps.dedup();
    steps
}

const OUTBOX_SYNCED: &str = "syncs the outbox";
const LOG_SYNCED: &str = "syncs the log";
const ASKED: &str = "asks the supervisor";

/// What is done of the record when nothing waits in the outbox.
const NOTHING_WAITS: [&str; 1] = ["openat flush.lock"];

/// What an intent needs: three syncs, two of them for its commit.
const INTENT: [&str; 18] = [
    "rename spare.lock → [ID]",
    "openat [ID]",
    "openat outbox.lock",
    "openat outbox.jsonl",
    "write outbox.jsonl",
    "fdatasync outbox.jsonl",
    "openat flush.lock",
    "openat 00000000000000000002#1",
    "write 00000000000000000002#1",
    "fsync 00000000000000000002#1",
    "linkat 00000000000000000002#1 → 00000000000000000002",
    "fsync commit",
    "unlink 00000000000000000002#1",
    "openat pin.lock",
    "pwrite64 pin",
    "openat outbox.lock",
    "openat outbox.jsonl",
    "write outbox.jsonl",
];

/// What an outcome needs: the two syncs of its commit.
const OUTCOME: [&str; 16] = [
    "openat outbox.lock",
    "openat outbox.jsonl",
    "write outbox.jsonl",
    "openat flush.lock",
    "openat 00000000000000000003#1",
    "write 00000000000000000003#1",
    "fsync 00000000000000000003#1",
    "linkat 00000000000000000003#1 → 00000000000000000003",
    "fsync commit",
    "unlink 00000000000000000003#1",
    "openat pin.lock",
    "pwrite64 pin",
    "openat outbox.lock",
    "openat outbox.jsonl",
    "ftruncate outbox.jsonl",
    "rename [ID] → spare.lock",
];

/// Each call that changes a file of the record, or may make it: its name and the file's.
fn calls_of_the_record(events: &[Event], home: &Home) -> Vec<String> {
    let places = ["audit", "audit-store"].map(|name| home.state().join(name));
    let name = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_id = name.len() == 26 && !name.contains('.');
        if is_id { "[ID]" } else { name }.to_owned()
    };
    let of_record = |event: &&Event| {
        let path = Path::new(&event.path);
        places.iter().any(|place| path.starts_with(place))
    };
    let call = |event: &Event| {
        let to = event.to.as_deref().map(name);
        let to = to.map_or(String::new(), |to| format!(" → {to}"));
        format!("{} {}{to}", event.call, name(&event.path))
    };
    events.iter().filter(of_record).map(call).collect()
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
    let mut service = TestService::new(&home, "payments");
    let events = calls(&home, &service.directory, ["deploy"]);
    assert_eq!(violations(&events, &home.state()), Vec::<String>::new());
    assert_eq!(
        steps(&events, &[OUTBOX_SYNCED, LOG_SYNCED, ASKED]),
        [OUTBOX_SYNCED, LOG_SYNCED, ASKED, LOG_SYNCED]
    );
    // Where everything is there already, an intent and its outcome need this and no more.
    service.version(&home, "2");
    let events = calls(&home, &service.directory, ["deploy"]);
    assert_eq!(violations(&events, &home.state()), Vec::<String>::new());
    let record: Vec<String> = calls_of_the_record(&events, &home);
    let record: Vec<&str> = record.iter().map(String::as_str).collect();
    assert_eq!(record, [&NOTHING_WAITS[..], &INTENT, &OUTCOME].concat());
}

/// A brake is recorded before it is asked for, and so is how it ended before anybody is told; neither waits for the log.
#[track_caller]
fn is_recorded_as_a_brake(events: &[Event], home: &Home) {
    assert_eq!(violations(events, &home.state()), Vec::<String>::new());
    assert_eq!(
        steps(events, &[OUTBOX_SYNCED, ASKED]),
        [ASKED, OUTBOX_SYNCED, ASKED, OUTBOX_SYNCED]
    );
}

#[test]
fn what_a_brake_acknowledges_is_on_the_disk() {
    if let Err(reason) = tracer::tracer() {
        return skip(
            "sync_order::what_a_brake_acknowledges_is_on_the_disk",
            reason,
        );
    }
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    for version in ["1", "2", "3"] {
        service.version(&home, version);
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    for brake in ["rollback", "stop"] {
        is_recorded_as_a_brake(&calls(&home, &service.directory, [brake]), &home);
    }
}

#[test]
fn what_the_stop_of_a_rollout_acknowledges_is_on_the_disk() {
    if let Err(reason) = tracer::tracer() {
        return skip(
            "sync_order::what_the_stop_of_a_rollout_acknowledges_is_on_the_disk",
            reason,
        );
    }
    let home = Home::new();
    let mut service = rollout::live(&home, "");
    service.version(&home, "2");
    let toml = rollout::ROLLOUT.replace("hold = \"2s\"", "hold = \"10m\"");
    service.toml(&home, &toml);
    let traffic = Traffic::start(&home);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    signal(driver.id(), Signal::SIGKILL);
    let _killed = end(&home, driver);
    is_recorded_as_a_brake(&calls(&home, &service.directory, ["stop"]), &home);
    traffic.stop_without_failures();
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
    artifact_is_synced_before_it_gets_its_name(&trace.events);
}

/// Each file and directory of an artifact is on the disk before the artifact gets the name of its revision.
#[track_caller]
fn artifact_is_synced_before_it_gets_its_name(events: &[Event]) {
    let place = |event: &Event| {
        let to = event.to.as_deref().map(Path::new)?;
        (event.call.starts_with("rename") && to.ends_with("revisions/1")).then(|| to.to_owned())
    };
    let (index, artifact) = events
        .iter()
        .enumerate()
        .find_map(|(index, event)| Some((index, place(event)?)))
        .expect("the artifact gets its name");
    let (before, named) = events.split_at(index);
    let staged = Path::new(&named[0].path);
    let mut wanted = vec![artifact.clone()];
    let mut files = 0;
    while let Some(path) = wanted.pop() {
        let metadata = path.symlink_metadata().expect("it is there");
        if metadata.is_symlink() {
            continue;
        }
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory");
            wanted.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        files += usize::from(metadata.is_file());
        let copy = match path.strip_prefix(&artifact).expect("below it") {
            rest if rest == Path::new("") => staged.to_owned(),
            rest => staged.join(rest),
        };
        let is_synced = |event: &Event| event.call == "fsync" && Path::new(&event.path) == copy;
        assert!(before.iter().any(is_synced), "{} is synced", copy.display());
    }
    assert!(files > 1, "the artifact has files");
}
