//! `squad doctor` on this machine: what is wrong is found, and what it did not look at is not called fine.

use std::os::unix::fs::chown;
use std::time::Duration;

use serde_json::Value;
use snapbox::str;

use crate::support::journey::{port, row};
use crate::support::{Home, TestService, get, skip, wait_for};

fn checks(home: &Home, service: &TestService, code: i32) -> Vec<Value> {
    let output = home.squad_in(&service.directory, ["doctor", "-o", "json"]);
    assert_eq!(output.code, code, "{}", output.transcript());
    let wire = output.json();
    assert_eq!(wire["healthy"], code == 0, "{wire}");
    wire["checks"].as_array().expect("checks").clone()
}

fn check<'a>(checks: &'a [Value], what: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["what"] == what);
    found.unwrap_or_else(|| panic!("no check of {what}: {checks:?}"))
}

#[test]
fn a_service_that_is_live_and_well_is_looked_at() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let found = checks(&home, &service, 0);
    assert_eq!(
        check(&found, "payments")["detail"],
        "revision 1 is live and ok"
    );
    home.squad(["local", "stop"]).success();
    // A look starts nothing, and says what it did not see.
    let found = checks(&home, &service, 0);
    assert_eq!(check(&found, "services")["outcome"], "unknown");
    assert_eq!(home.squad(["local", "status"]).success().line(), "stopped");
}

#[test]
fn a_live_service_in_a_crash_loop_is_wrong() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "crash-after:3");
    home.squad_in(&service.directory, ["deploy"]).success();
    wait_for(
        "it crashes again and again",
        Duration::from_secs(30),
        || {
            let port = port(&home, "payments");
            drop(std::panic::catch_unwind(|| get(port, "/")));
            (row(&home, "payments")["health"] == "failed").then_some(())
        },
    );
    let found = checks(&home, &service, 3);
    let finding = &check(&found, "payments")["findings"][0];
    let what = finding["what"].as_str().expect("a text");
    assert!(
        what.starts_with("revision 1 is live and failed: process ended with exit code 9"),
        "{finding}"
    );
    assert_eq!(
        finding["next"],
        "look at the log with `squad logs payments`, or go back with `squad rollback payments`"
    );
}

#[test]
fn a_damaged_journal_is_wrong() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let journal = home.state().join("local/local/local/journal");
    let mut bytes = std::fs::read(&journal).expect("the journal");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, &bytes).expect("damage");
    home.squad_in(&service.directory, ["doctor"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✖ access: the journal `[HOME]/.local/state/squad/local/local/local/journal` is damaged at byte [..]: a record does not match its checksum
    squad cannot reach local
    next: restore the file from a backup, or start anew with `squad local prune --reset-journal`
✔ audit log: every event is in the store
[exit 3]

"#]]);
    assert_eq!(std::fs::read(&journal).expect("the journal"), bytes);
}

#[test]
fn a_state_directory_of_another_user_is_wrong_and_nothing_is_written() {
    const NAME: &str = "a_state_directory_of_another_user_is_wrong_and_nothing_is_written";
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    std::fs::create_dir_all(home.state()).expect("a directory");
    if chown(home.state(), Some(12_345), None).is_err() {
        return skip(NAME, "only root can give a directory away");
    }
    let found = checks(&home, &service, 3);
    let finding = &check(&found, "state directory")["findings"][0];
    assert!(
        finding["what"]
            .as_str()
            .is_some_and(|what| what.ends_with("belongs to another user")),
        "{finding}"
    );
    assert_eq!(check(&found, "audit log")["outcome"], "unknown");
    let kept = std::fs::read_dir(home.state()).expect("a directory");
    assert_eq!(kept.count(), 0, "nothing is written");
}

#[test]
fn a_record_that_cannot_be_looked_at_is_not_fine() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.write(home.state().join("audit/local"), "no directory");
    let found = checks(&home, &service, 3);
    let finding = &check(&found, "audit log")["findings"][0];
    assert!(
        finding["next"]
            .as_str()
            .is_some_and(|next| next.starts_with("a directory is needed, and this is none")),
        "{finding}"
    );
}

/// Everything that needs no cache is looked at all the same, and nothing is put there.
#[test]
fn a_cache_directory_of_another_user_is_one_thing_that_is_wrong() {
    const NAME: &str = "a_cache_directory_of_another_user_is_one_thing_that_is_wrong";
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let cache = home.path().join(".cache/squad");
    std::fs::remove_dir_all(&cache).ok();
    std::fs::create_dir_all(&cache).expect("a directory");
    if chown(&cache, Some(12_345), None).is_err() {
        return skip(NAME, "only root can give a directory away");
    }
    home.squad_in(&service.directory, ["doctor"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✖ cache directory: `[HOME]/.cache/squad` belongs to another user
    squad would leave there what they cannot use any more, so every command but a brake refuses it
    next: use squad as that user, give it back with `sudo chown -R "$USER" [HOME]/.cache/squad`, or set XDG_CACHE_HOME
✔ supervisor: runs as process [PID]
✔ audit log: every event is in the store
✔ payments: revision 1 is live and ok
[exit 3]

"#]]);
    // An org that would have to be fetched into it is not known.
    home.squad(["doctor", "--org", "https://127.0.0.1:1/org.git"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong; 3 things could not be looked at
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✖ cache directory: `[HOME]/.cache/squad` belongs to another user
    squad would leave there what they cannot use any more, so every command but a brake refuses it
    next: use squad as that user, give it back with `sudo chown -R "$USER" [HOME]/.cache/squad`, or set XDG_CACHE_HOME
? configuration: cannot tell: the org's file would be fetched into the cache directory
? audit log: cannot tell: the org's file would be fetched into the cache directory
? services: cannot tell: the org's file would be fetched into the cache directory
[exit 3]

"#]]);
    let kept = std::fs::read_dir(&cache).expect("a directory");
    assert_eq!(kept.count(), 0, "nothing is written");
    std::fs::remove_dir(cache).expect("it is empty");
}
