//! A state directory on a disk that is full: nothing is half done, and what stops or makes room works.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Stdio;

use crate::local::recorded;
use crate::support::journey::port;
use crate::support::{Home, TestService, get, skip};

/// Runs `test` with a state directory of 1 MB; skips it where none can be mounted.
fn on_a_small_disk(name: &str, test: impl Fn(&Home, &Path)) {
    let mut home = Home::new();
    let small = home.root().join("small");
    std::fs::create_dir_all(small.join("squad")).expect("a directory");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "squad-test"])
        .arg(&small)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip(name, "a small file system cannot be mounted here");
    }
    home.set("XDG_STATE_HOME", &small.display().to_string());
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| test(&home, &small)));
    home.shut_down();
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(&small)
        .status();
    assert!(unmounted.expect("umount runs").success());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_full_disk_changes_nothing_and_is_said() {
    const NAME: &str = "a_full_disk_changes_nothing_and_is_said";
    on_a_small_disk(NAME, |home, _| {
        let mut payments = TestService::new(home, "payments");
        home.squad_in(&payments.directory, ["deploy"]).success();
        std::fs::write(payments.directory.join("big"), vec![b'x'; 2 << 20]).expect("a big file");
        payments.version(home, "2");
        let error = home
            .squad_in(&payments.directory, ["deploy", "-o", "json"])
            .failure(1)
            .error_json();
        assert_eq!(error["id"], "disk-full", "{error}");
        let status = home
            .squad(["status", "payments", "-o", "json"])
            .success()
            .json();
        assert_eq!(status["services"][0]["traffic"]["1"], 100);
        assert_eq!(
            status["services"][0]["revisions"].as_array().map(Vec::len),
            Some(1)
        );
        std::fs::remove_file(payments.directory.join("big")).expect("less");
        payments.version(home, "3");
        let deployed = home.squad_in(&payments.directory, ["deploy"]).success();
        assert_eq!(deployed.line(), "2");
    });
}

#[test]
fn a_full_disk_stops_no_brake_and_can_be_pruned() {
    const NAME: &str = "a_full_disk_stops_no_brake_and_can_be_pruned";
    on_a_small_disk(NAME, |home, small| {
        let mut payments = TestService::new(home, "payments");
        std::fs::write(payments.directory.join("big"), vec![b'x'; 64 << 10]).expect("a file");
        for version in ["1", "2", "3", "4"] {
            payments.version(home, version);
            home.squad_in(&payments.directory, ["deploy"]).success();
        }
        // Somebody else takes what is left, to the last byte.
        let mut rest = std::fs::File::create(small.join("rest")).expect("a file");
        while rest.write_all(&[b'x'; 64]).is_ok() {}
        let refused = home.squad_in(&payments.directory, ["deploy", "--rebuild", "-o", "json"]);
        let error = refused.failure(1).error_json();
        assert_eq!(error["id"], "disk-full", "{error}");
        // What cannot begin in the background says so now.
        let words = ["deploy", "--rebuild", "--no-wait", "-o", "json"];
        let refused = home.squad_in(&payments.directory, words).failure(1);
        assert_eq!(refused.error_json()["id"], "disk-full");
        let back = home.squad(["rollback", "payments"]).success();
        assert_eq!(back.line(), "3", "{}", back.transcript());
        assert_eq!(get(port(home, "payments"), "/").body, "version 3\n");
        let pruned = home.squad(["local", "prune", "-o", "json"]).success();
        assert_eq!(pruned.json()["revisions"], 2, "{}", pruned.transcript());
        assert_eq!(get(port(home, "payments"), "/").body, "version 3\n");
        payments.version(home, "5");
        home.squad_in(&payments.directory, ["deploy"]).success();
        home.squad(["audit", "verify"]).success();
        assert_eq!(recorded(home, "prune").len(), 2);
    });
}
