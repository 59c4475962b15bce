//! `squad local`: the supervisor's life as people see it, and what it refuses.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{newer_binary, port, protected_org, signal};
use crate::support::{Home, TestService, get, skip, wait_for};

/// The state directory of the built-in environment.
fn state(home: &Home) -> std::path::PathBuf {
    home.state().join("local/local/local")
}

fn pid(home: &Home) -> u64 {
    let status = home.squad(["local", "status", "-o", "json"]).success();
    status.json()["pid"].as_u64().expect("it runs")
}

#[test]
fn it_starts_once_shows_itself_and_stops() {
    let home = Home::new();
    home.squad(["local", "status"]).success().assert(str![[r#"
› hint: `squad local start` starts it, as does every command that needs it
stopped
[exit 0]

"#]]);
    assert!(!state(&home).exists(), "looking starts nothing");
    home.squad(["local", "start"]).success();
    let first = pid(&home);
    home.squad(["local", "start"]).success();
    assert_eq!(pid(&home), first);
    let status = home
        .squad(["local", "status", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["schema"], "squad.local/v1");
    assert_eq!(status["running"], true);
    assert_eq!(status["services"].as_array().map(Vec::len), Some(0));
    home.squad(["local", "stop"]).success().assert(str![[r#"
stopped
[exit 0]

"#]]);
    home.squad(["local", "stop"]).success().assert(str![[r#"
› nothing to stop: the local platform does not run
stopped
[exit 0]

"#]]);
    let stopped = home
        .squad(["local", "status", "-o", "json"])
        .success()
        .json();
    assert_eq!(
        stopped,
        serde_json::json!({"schema": "squad.local/v1", "running": false})
    );
}

#[test]
fn only_its_user_can_reach_it() {
    let home = Home::new();
    home.squad(["local", "start"]).success();
    let runtime = home.runtime().join("squad");
    let mode = |path: &Path| path.symlink_metadata().expect("it is there").mode() & 0o777;
    assert_eq!(mode(&runtime), 0o700);
    assert_eq!(mode(&state(&home)), 0o700);
    assert_eq!(mode(&state(&home).join("journal")), 0o600);
    let sockets: Vec<_> = std::fs::read_dir(&runtime)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    assert_eq!(mode(&sockets[0]), 0o600);
}

#[test]
fn in_the_foreground_it_ends_with_a_signal_and_takes_everything_along() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let mut supervisor = home
        .command(["local", "start", "--foreground"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("the supervisor", Duration::from_secs(20), || {
        let status = home
            .squad(["local", "status", "-o", "json"])
            .success()
            .json();
        (status["pid"].as_u64() == Some(u64::from(supervisor.id()))).then_some(())
    });
    let status = home.squad(["status", "payments", "-o", "json"]).success();
    assert_eq!(status.json()["services"][0]["health"], "ok");
    signal(supervisor.id(), Signal::SIGTERM);
    assert!(supervisor.wait().expect("it ends").success());
    assert!(home.processes().is_empty(), "{:?}", home.processes());
}

#[test]
fn a_newer_binary_replaces_the_supervisor_and_everything_goes_on() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    let before = home
        .squad(["status", "payments", "-o", "json"])
        .success()
        .json();
    let first = pid(&home);

    let newer = newer_binary(&home, 1);
    let with_newer = |arguments: &[&str]| {
        let output = home.run(home.program(&newer).args(arguments));
        output.success()
    };
    let after = with_newer(&["status", "payments", "-o", "json"]).json();
    assert_eq!(
        after["services"][0]["address"],
        before["services"][0]["address"]
    );
    assert_eq!(
        after["services"][0]["traffic"],
        before["services"][0]["traffic"]
    );
    let same = with_newer(&["local", "status", "-o", "json"]).json()["pid"].as_u64();
    assert_eq!(same, Some(first), "who only looks replaces nothing");
    with_newer(&["local", "start"]);
    let second = with_newer(&["local", "status", "-o", "json"]).json()["pid"].as_u64();
    assert_ne!(second, Some(first), "it was replaced");
    let replaced = with_newer(&["status", "payments", "-o", "json"]).json();
    assert_eq!(
        replaced["services"][0]["address"],
        before["services"][0]["address"]
    );
    assert_eq!(
        replaced["services"][0]["traffic"],
        before["services"][0]["traffic"]
    );
    assert_eq!(get(port(&home, "payments"), "/").status, 200);
    assert_eq!(
        Some(pid(&home)),
        second,
        "an older binary uses the newer supervisor"
    );
    with_newer(&["local", "stop"]);
}

#[test]
fn a_damaged_journal_is_named_with_its_place_and_the_way_out_works() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let journal = state(&home).join("journal");
    let mut bytes = std::fs::read(&journal).expect("the journal");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, &bytes).expect("damage");
    let error = home
        .squad(["status", "payments", "-o", "json"])
        .failure(1)
        .error_json();
    assert_eq!(error["id"], "journal-damaged");
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.contains("/journal` is damaged at byte "),
        "{message}"
    );
    assert_eq!(
        error["hints"][0],
        "restore the file from a backup, or start anew with `squad local prune --reset-journal`"
    );
    assert_eq!(
        std::fs::read(&journal).expect("the journal"),
        bytes,
        "it is left alone"
    );
    home.squad(["local", "prune", "--reset-journal"]).success();
    let recorded = recorded(&home, "reset");
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    assert_eq!(recorded[0]["subject"], "service/payments");
    assert_eq!(recorded[0]["data"]["outcome"], "succeeded");
    let deployed = home.squad_in(&payments.directory, ["deploy"]).success();
    assert_eq!(deployed.line(), "2", "a number is never used again");
    // What is good is not set aside, whether it is in use or not.
    for _ in 0..2 {
        home.squad(["local", "prune", "--reset-journal"])
            .failure(7)
            .assert(str![[r#"
› error: cannot begin a new journal: the one that is there is good, and says what is live
› hint: `squad local stop` ends what runs, `squad local prune` removes old revisions
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/journal-good.md
[exit 7]

"#]]);
        home.squad(["local", "stop"]).success();
    }
}

/// As `rm` leaves it: never a machine on which nothing was deployed.
#[test]
fn a_journal_that_is_gone_is_named_and_the_way_out_works() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    std::fs::remove_file(state(&home).join("journal")).expect("a journal");
    home.squad(["status", "payments"]).failure(1).assert(str![[r#"
› error: the journal `[HOME]/.local/state/squad/local/local/local/journal` is gone, and revisions of `payments` are there: what is live cannot be told
› hint: restore the file from a backup, or start anew with `squad local prune --reset-journal`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/journal-missing.md
[exit 1]

"#]]);
    for arguments in [
        &["deploy"][..],
        &["rollback"],
        &["status", "--all"],
        &["local", "start"],
        &["local", "prune"],
    ] {
        let error = home.squad_in(&payments.directory, arguments).failure(1);
        assert!(
            error.stderr.contains("errors/journal-missing.md"),
            "{arguments:?} {}",
            error.transcript()
        );
    }
    let doctor = home.squad(["doctor"]);
    assert!(
        doctor.stdout.contains("local/journal` is gone")
            && doctor.stdout.contains("squad local prune --reset-journal"),
        "{}",
        doctor.transcript()
    );
    // Whether it runs can be said, and stopping it is done.
    home.squad(["local", "status"]).success();
    home.squad(["local", "stop"]).success();
    home.squad(["local", "prune", "--reset-journal"])
        .success()
        .assert(str![[r#"
› ✔ a new journal is begun; deploy each service again
[HOME]/.local/state/squad/local/local/local/journal
[exit 0]

"#]]);
    let deployed = home.squad_in(&payments.directory, ["deploy"]).success();
    assert_eq!(deployed.line(), "2", "a number is never used again");
}

#[test]
fn a_last_record_that_was_cut_off_is_repaired_and_said_in_the_log() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let journal = state(&home).join("journal");
    let whole = std::fs::read(&journal).expect("the journal");
    let mut torn = whole.clone();
    // The start of a record: what a loss of power leaves of one that was never acknowledged.
    torn.extend_from_slice(&whole[16..28]);
    std::fs::write(&journal, &torn).expect("a torn journal");
    let status = home
        .squad(["status", "payments", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["services"][0]["traffic"]["1"], 100);
    let log = std::fs::read_to_string(state(&home).join("supervisor.log")).expect("a log");
    assert!(
        log.contains(&format!("12 bytes at byte {}, was cut off", whole.len())),
        "{log}"
    );
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named() {
    const NAME: &str = "a_state_directory_that_cannot_be_written_is_named";
    let home = Home::new();
    let parent = home.state().join("local");
    std::fs::create_dir_all(&parent).expect("a directory");
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o500)).expect("read-only");
    if std::fs::create_dir(parent.join("probe")).is_ok() {
        return skip(NAME, "this user may write everywhere (root)");
    }
    let error = home
        .squad(["local", "start", "-o", "json"])
        .failure(1)
        .error_json();
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o700)).expect("writable");
    assert_eq!(error["id"], "not-writable");
    assert!(
        error["message"]
            .as_str()
            .expect("a message")
            .contains("local/local")
    );
}

#[test]
fn a_state_directory_of_another_user_is_refused() {
    const NAME: &str = "a_state_directory_of_another_user_is_refused";
    let home = Home::new();
    std::fs::create_dir_all(state(&home)).expect("a directory");
    if std::os::unix::fs::chown(state(&home), Some(12_345), None).is_err() {
        return skip(NAME, "only root can give a directory away");
    }
    let error = home
        .squad(["local", "start", "-o", "json"])
        .failure(7)
        .error_json();
    assert_eq!(error["id"], "foreign-owner");
    assert_eq!(error["retryable"], false);
}

#[test]
fn a_supervisor_that_is_stuck_is_named() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let status = home.squad(["local", "status", "-o", "json"]).json();
    let process = status["pid"].as_u64().expect("a process");
    let id = u32::try_from(process).expect("a process");
    signal(id, Signal::SIGSTOP);
    let output = home.squad(["status", "payments"]);
    signal(id, Signal::SIGCONT);
    let output = output.failure(1);
    assert!(
        output.stderr.contains(&format!(
            "its process {process} does not answer within 15 s: it is stopped or stuck"
        )) && output.stderr.contains("errors/local-unreachable.md"),
        "{}",
        output.transcript()
    );
    home.squad(["status", "payments"]).success();
}

#[test]
fn a_supervisor_that_runs_and_cannot_be_reached_is_named() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let id = u32::try_from(pid(&home)).expect("a process");
    signal(id, Signal::SIGSTOP);
    std::fs::remove_dir_all(home.runtime()).expect("it is there");
    let output = home.squad(["local", "status"]);
    signal(id, Signal::SIGCONT);
    let output = output.failure(1);
    assert!(
        output
            .stderr
            .contains(&format!("a supervisor, process {id}, holds `"))
            && output.stderr.contains("and does not listen; its log is `"),
        "{}",
        output.transcript()
    );
    // It goes on, and listens again.
    home.squad(["status", "payments"]).success();
    assert_eq!(pid(&home), u64::from(id));
}

/// SIGTERM, the requests that are under way, then SIGKILL: a process that does not hear it is gone after its grace.
#[test]
fn what_does_not_end_within_its_grace_is_killed() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "ignore-term");
    home.squad_in(&service.directory, ["deploy"]).success();
    let serving = |home: &Home| {
        let processes = home.processes();
        let served = processes
            .iter()
            .filter(|one| one.command == "python3 serve.py");
        served.count()
    };
    assert_eq!(serving(&home), 1);
    service.behave(&home, "");
    home.squad_in(&service.directory, ["deploy"]).success();
    wait_for("revision 1 is gone", Duration::from_secs(30), || {
        (serving(&home) == 1).then_some(())
    });
    let log = home.squad(["logs", "payments"]).success();
    assert!(
        log.stdout
            .contains("killed: it did not end within its grace"),
        "{}",
        log.transcript()
    );
    // The whole platform as well.
    service.behave(&home, "ignore-term");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    assert!(home.processes().is_empty());
}

/// All later commands are of a session with a runtime directory of its own; the directory.
fn another_session(home: &mut Home) -> std::path::PathBuf {
    let other = home.root().join("other");
    std::fs::create_dir(&other).expect("a directory");
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o700)).expect("mode");
    home.set("XDG_RUNTIME_DIR", &other.display().to_string());
    other
}

/// One person with two sessions: a login has a runtime directory of its own, cron and a CI runner have none. And it ends with
/// the login, while the platform runs on.
#[test]
fn a_supervisor_is_found_from_sessions_with_another_runtime_directory() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let process = pid(&home);
    let of_the_login = home.runtime();
    another_session(&mut home);
    assert_eq!(pid(&home), process);
    home.squad(["status", "payments"]).success();
    // The login ends.
    std::fs::remove_dir_all(&of_the_login).expect("it is there");
    wait_for("it listens again", Duration::from_secs(20), || {
        let status = home.squad(["local", "status", "-o", "json"]).json();
        (status["pid"].as_u64() == Some(process)).then_some(())
    });
    home.squad(["local", "stop"]).success();
    assert!(home.processes().is_empty());
}

/// Its note alone tells another session of it where there is no journal: somebody took it away.
#[test]
fn a_supervisor_without_a_journal_is_stopped_from_another_session() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let process = pid(&home);
    let journal = home.state().join("local/local/local/journal");
    let of_the_login = home.runtime();
    let other = another_session(&mut home);
    std::fs::rename(&journal, journal.with_extension("gone")).expect("it is there");
    assert_ne!(of_the_login, other);
    assert_eq!(pid(&home), process);
    home.squad(["local", "stop"]).success();
    assert!(home.processes().is_empty());
}

/// From its first moment on, whatever it waits for: here for a supervisor that does not answer.
#[test]
fn a_command_that_waits_is_stopped_with_words() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let status = home.squad(["local", "status", "-o", "json"]).json();
    let supervisor = u32::try_from(status["pid"].as_u64().expect("a process")).expect("a process");
    signal(supervisor, Signal::SIGSTOP);
    let stopped = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].map(|one| {
        let waits = home
            .command(["status", "payments", "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("squad");
        // Bit n - 1 of `SigCgt` in proc(5): there is a handler for signal n.
        wait_for("it listens", Duration::from_secs(20), || {
            let file = format!("/proc/{}/status", waits.id());
            let status = std::fs::read_to_string(file).ok()?;
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
            (mask >> (one as u32 - 1) & 1 == 1).then_some(())
        });
        signal(waits.id(), one);
        waits.wait_with_output().expect("it ends")
    });
    signal(supervisor, Signal::SIGCONT);
    for output in stopped {
        assert_eq!(output.status.code(), Some(130));
        assert_eq!(output.stdout, b"");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(error["id"], "interrupted");
        assert_eq!(
            error["message"],
            "stopped before it was done; nothing is left half way"
        );
    }
}

/// The events of a kind in the record, newest first.
pub(crate) fn recorded(home: &Home, kind: &str) -> Vec<serde_json::Value> {
    let list = home
        .squad(["audit", "list", "--type", kind, "-o", "json"])
        .success()
        .json();
    let events = list["events"].as_array().expect("events").clone();
    events
        .into_iter()
        .map(|one| one.get("event").cloned().unwrap_or(one))
        .collect()
}

#[test]
fn prune_removes_what_neither_serves_nor_is_needed_to_go_back() {
    let home = Home::new();
    let mut payments = TestService::new(&home, "payments");
    for version in ["1", "2", "3", "4"] {
        payments.version(&home, version);
        home.squad_in(&payments.directory, ["deploy"]).success();
    }
    let pruned = home
        .squad(["local", "prune", "-o", "json"])
        .success()
        .json();
    assert_eq!(pruned["schema"], "squad.local-prune/v1");
    assert_eq!(pruned["revisions"], 2);
    let revisions = state(&home).join("services/payments/revisions");
    let mut left: Vec<_> = std::fs::read_dir(revisions)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["3", "4"]);
    let recorded = recorded(&home, "prune");
    assert_eq!(
        recorded[0]["data"]["after"]["removed"],
        serde_json::json!(["1", "2"])
    );
    assert_eq!(recorded[0]["data"]["outcome"], "succeeded");
    assert_eq!(
        recorded[1]["data"]["after"]["removes"],
        serde_json::json!(["1", "2"])
    );
    // There is nothing left to remove, and so nothing to record.
    let none = home.squad(["local", "prune"]).success();
    assert_eq!(none.line(), "0 revisions, 0 B freed");
    assert_eq!(self::recorded(&home, "prune").len(), 2);
    let rolled_back = home
        .squad_in(&payments.directory, ["rollback", "--yes"])
        .success();
    assert_eq!(rolled_back.line(), "3");
}

#[test]
fn the_commands_that_only_squad_itself_runs_are_not_shown() {
    let home = Home::new();
    let help = home.squad(["local", "--help"]).success().stdout;
    for hidden in ["supervise", "watch", "exec"] {
        assert!(!help.contains(hidden), "{help}");
    }
}

#[test]
fn all_environments_of_this_machine_can_be_stopped_at_once() {
    let mut home = Home::new();
    home.squad(["local", "start"]).success();
    protected_org(&mut home);
    home.squad(["local", "start", "--env", "prod"]).success();
    let supervisors = |home: &Home| {
        let processes = home.processes();
        processes
            .iter()
            .filter(|one| one.command.contains("supervise"))
            .count()
    };
    assert_eq!(supervisors(&home), 2);
    home.squad(["local", "stop", "--all"]).success();
    assert_eq!(supervisors(&home), 0);
}
