//! The record on a machine that lacks something: the key, or a state directory that can be written.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use snapbox::str;

use crate::support::journey::{live, results};
use crate::support::mounts::with_mounts;
use crate::support::{Home, TestService};

/// Three revisions, the last of them live, and the file of the machine's key.
fn deployed(home: &Home) -> (TestService, PathBuf) {
    let mut service = TestService::new(home, "payments");
    for version in ["1", "2", "3"] {
        service.version(home, version);
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    (service, home.state().join("keys/device.ed25519"))
}

#[test]
fn brakes_need_no_key_and_what_goes_forward_does() {
    let home = Home::new();
    let (mut service, key) = deployed(&home);
    let whole = std::fs::read(&key).expect("the key");
    std::fs::write(&key, "junk\n").expect("it is ours");
    home.squad_in(&service.directory, ["rollback"])
        .success()
        .assert(str![[r#"
› payments → local: revision 3 → 2 (ana@example.com, [AGO], Serve version 2)
› ◌ revision         2: 0 of 1 processes ready
› ✔ live             all traffic on revision 2
›   done in [DURATION]
› on this machine only
› warning: 2 events are recorded on this machine and pending: cannot use this machine's key: `[HOME]/.local/state/squad/keys/device.[HASH]` does not hold one
› hint: move it away, and a new key is made: `mv [HOME]/.local/state/squad/keys/device.[HASH] [HOME]/.local/state/squad/keys/device.[HASH].damaged`
2
[exit 0]

"#]]);
    std::fs::write(&key, &whole).expect("it is ours");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("a mode");
    home.squad(["stop", "payments"])
        .success()
        .assert(str![[r#"
› payments → local: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
› ◌ revision         1: 0 of 1 processes ready
› ✔ live             all traffic on revision 1
›   done in [DURATION]
› on this machine only
› warning: 4 events are recorded on this machine and pending: cannot use this machine's key: others can read `[HOME]/.local/state/squad/keys/device.[HASH]`
› hint: if nobody else has read it: `chmod 600 [HOME]/.local/state/squad/keys/device.[HASH]`; otherwise have a new one made: `mv [HOME]/.local/state/squad/keys/device.[HASH] [HOME]/.local/state/squad/keys/device.[HASH].exposed`
1
[exit 0]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    // Whoever looks hears of it.
    let status = home.squad(["status"]).success();
    let said = "4 events are recorded on this machine and pending: cannot use this machine's key: others can read";
    assert!(status.stderr.contains(said), "{}", status.transcript());
    service.version(&home, "4");
    home.squad_in(&service.directory, ["deploy"])
        .failure(7)
        .assert(str![[r#"
› payments → local (this machine)
›
›   3 changes since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 4  Ana Example
›     Serve version 3  Ana Example
›     Serve version 2  Ana Example
›   undo at any time: `squad rollback payments`
›
› error: cannot deploy `payments`: cannot use this machine's key: others can read `[HOME]/.local/state/squad/keys/device.[HASH]`
› live: revision 1 serves all traffic
› hint: if nobody else has read it: `chmod 600 [HOME]/.local/state/squad/keys/device.[HASH]`; otherwise have a new one made: `mv [HOME]/.local/state/squad/keys/device.[HASH] [HOME]/.local/state/squad/keys/device.[HASH].exposed`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/audit-key-exposed.md
[exit 7]

"#]]);
    // With the key in order the record is complete.
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("a mode");
    home.squad(["audit", "verify"]).success().assert(str![[r#"
✔ 17 events in 7 commits, root [..]…[..], signed by 1 known key
✔ 10 of them in `squad audit list`, 7 about the commits themselves
✔ the first 17 events are the same as this machine has seen before
ok
[exit 0]

"#]]);
    assert_eq!(results(&home), ["succeeded"; 5]);
}

#[test]
fn the_record_is_read_without_a_key() {
    let home = Home::new();
    let (_, key) = deployed(&home);
    std::fs::write(&key, "junk\n").expect("it is ours");
    home.squad(["audit", "verify"])
        .success()
        .assert(str![[r#"
› warning: cannot use this machine's key: `[HOME]/.local/state/squad/keys/device.[HASH]` does not hold one
› hint: move it away, and a new key is made: `mv [HOME]/.local/state/squad/keys/device.[HASH] [HOME]/.local/state/squad/keys/device.[HASH].damaged`
✔ 12 events in 6 commits, root [..]…[..], signed by 1 key, 0 of them known
✔ 6 of them in `squad audit list`, 6 about the commits themselves
✔ the first 12 events are the same as this machine has seen before
⚠ key [HASH] of `[..]` is new to this machine: 6 commits from commit 0 on
ok
[exit 0]

"#]]);
    let list = home.squad(["audit", "list"]).success();
    assert_eq!(list.stdout.lines().count(), 7, "{}", list.transcript());
    assert_eq!(results(&home), ["succeeded"; 3]);
    // Only what asks for the key itself needs it.
    home.squad(["audit", "key"]).failure(1);
}

#[test]
fn the_record_is_read_where_nothing_can_be_written() {
    let home = Home::new();
    drop(deployed(&home));
    let pin = home.state().join("audit/local/local/pin");
    let script = |then: &str| {
        format!(
            "mount --bind {0} {0}; mount -o remount,ro,bind {0}; {then}",
            home.state().display()
        )
    };
    let name = "audit_machine::the_record_is_read_where_nothing_can_be_written";
    let all = "\"$0\" history && \"$0\" audit list && exec \"$0\" audit verify";
    let Some(output) = with_mounts(&home, name, &script(all)) else {
        return;
    };
    output.success().assert(str![[r#"
WHEN      WHO              WHAT                                              RESULT
[AGO]  ana@example.com  deploy payments 2 → 3 in local (Serve version 3)  done
[AGO]  ana@example.com  deploy payments 1 → 2 in local (Serve version 2)  done
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)    done
WHEN      WHO              EVENT            SERVICE   RESULT     OPERATION
[AGO]  ana@example.com  deploy.finished  payments  succeeded  [ID]
[AGO]  ana@example.com  deploy.planned   payments  –          [ID]
[AGO]  ana@example.com  deploy.finished  payments  succeeded  [ID]
[AGO]  ana@example.com  deploy.planned   payments  –          [ID]
[AGO]  ana@example.com  deploy.finished  payments  succeeded  [ID]
[AGO]  ana@example.com  deploy.planned   payments  –          [ID]
✔ 12 events in 6 commits, root [..]…[..], signed by 1 known key
✔ 6 of them in `squad audit list`, 6 about the commits themselves
✔ the first 12 events are the same as this machine has seen before
ok
[exit 0]

"#]]);
    // A machine that saw less cannot note what it sees now, and says so.
    std::fs::remove_file(pin).expect("it is there");
    for (verb, wanted) in [
        (
            "verify",
            str![[r#"
✔ 12 events in 6 commits, root [..]…[..], signed by 1 known key
✔ 6 of them in `squad audit list`, 6 about the commits themselves
⚠ 12 events are newer than the last checkpoint outside the store
⚠ this machine does not remember the log as it is now: cannot open `[HOME]/.local/state/squad/audit/local/local/pin.lock`: read-only file system
ok, with an unanchored tail of 12
[exit 0]

"#]],
        ),
        (
            "verify -o json",
            str![[r#"
{"schema":"squad.audit-verify/v1","log":"local/local","verdict":"ok-unanchored-tail","commits":6,"events":12,"listed_events":6,"root":"[HASH]","unanchored_events":12,"keys":[{"id":"[HASH]","name":"[..]","key":"[..]","commits":6,"first_commit":0,"known":true}],"open_operations":[],"pending_events":0,"why_pending":"cannot open `[HOME]/.local/state/squad/audit/local/local/flush.lock`: read-only file system","foreign_names":[],"not_remembered":"cannot open `[HOME]/.local/state/squad/audit/local/local/pin.lock`: read-only file system"}
[exit 0]

"#]],
        ),
    ] {
        let output = with_mounts(&home, name, &script(&format!("exec \"$0\" audit {verb}")));
        output.expect("as above").success().assert(wanted);
    }
}

/// A volume that is not mounted, or another thing in its place: no damaged log, and whoever asks how things are is told.
#[test]
fn a_store_that_is_not_there_is_named() {
    let home = Home::new();
    drop(deployed(&home));
    let store = home.state().join("audit-store");
    let moved = home.work().join("moved");
    std::fs::rename(&store, &moved).expect("a store");
    let commands = [&["audit", "list"][..], &["history", "--all"]];
    for command in commands {
        let error = home.squad(command).failure(1);
        assert!(
            error.stderr.contains("no such file or directory")
                && error
                    .stderr
                    .contains("hint: the audit log is kept there: mount it again"),
            "{}",
            error.transcript()
        );
    }
    let doctor = home.squad(["doctor"]).failure(3);
    assert!(
        doctor.stdout.contains("no such file or directory"),
        "{}",
        doctor.transcript()
    );
    std::fs::write(&store, "").expect("a file");
    for command in commands {
        let error = home.squad(command).failure(1);
        assert!(
            error.stderr.contains("not a directory"),
            "{}",
            error.transcript()
        );
    }
    home.squad(["doctor"]).failure(3);
    std::fs::remove_file(&store).expect("a file");
    std::fs::rename(&moved, &store).expect("a store");
    home.squad(["doctor"]).success();
}

#[test]
fn a_type_that_is_never_recorded_is_refused() {
    let home = Home::new();
    home.squad(["audit", "list", "--type", "nope"])
        .failure(2)
        .assert(str![[r#"
› error: `--type` cannot be `nope`: no event has such a type (there are `adoption`, `deploy`, `log`, `prune`, `reset`, `rollback`, `rollout`, each also with its end, such as `deploy.finished`)
› hint: `squad audit list --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["audit", "list", "--type", "deploy.finnished"])
        .failure(2)
        .assert(str![[r#"
› error: `--type` cannot be `deploy.finnished`: no event has such a type; did you mean `deploy.finished`? (there are `adoption`, `deploy`, `log`, `prune`, `reset`, `rollback`, `rollout`, each also with its end, such as `deploy.finished`)
› hint: `squad audit list --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    for known in [
        "deploy",
        "deploy.planned",
        "rollout.taken_over",
        "log.committed",
    ] {
        home.squad(["audit", "list", "--type", known]).success();
    }
}
