//! A state directory on a disk that is full: nothing is half done, and what stops or makes room works.

use std::ffi::OsStr;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::lambda::Cloud;
use crate::lambda::deploy::sources;
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

/// A file system on which a directory and a name take room too, in a file; none where it cannot be mounted.
struct Disk(PathBuf);

impl Disk {
    fn mounted(home: &Home) -> Option<Self> {
        let image = home.root().join("image");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(4 << 20).expect("a length");
        let place = home.root().join("disk");
        std::fs::create_dir(&place).expect("a directory");
        let done = |program: &str, arguments: &[&OsStr]| {
            let mut command = std::process::Command::new(program);
            let status = command.args(arguments).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let made = done(
            "mkfs.ext4",
            &["-q".as_ref(), "-m".as_ref(), "0".as_ref(), image.as_ref()],
        );
        let mount = [
            "-o".as_ref(),
            "loop".as_ref(),
            image.as_ref(),
            place.as_ref(),
        ];
        (made && done("mount", &mount)).then_some(Self(place))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
        assert!(unmounted.expect("umount runs").success() || std::thread::panicking());
    }
}

/// Takes what is left, to the last byte.
fn fill(disk: &Path) {
    let mut rest = std::fs::File::create(disk.join("rest")).expect("a file");
    for size in [64 << 10, 1024, 1] {
        while rest.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

/// The first thing that this machine records in an environment is a brake: its directories take room as well.
#[test]
fn room_is_made_before_anything_is_prepared_for_a_brake() {
    const NAME: &str = "room_is_made_before_anything_is_prepared_for_a_brake";
    let mut cloud = Cloud::new();
    let Some(disk) = Disk::mounted(&cloud.home) else {
        return skip(NAME, "a file system in a file cannot be mounted here");
    };
    cloud
        .home
        .set("XDG_STATE_HOME", &disk.0.display().to_string());
    for answer in ["one", "two"] {
        let directory = sources(&cloud, answer);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    std::fs::remove_dir_all(disk.0.join("squad/audit/acme")).expect("it is there");
    fill(&disk.0);
    std::fs::create_dir(disk.0.join("squad/more")).expect_err("there is no room for it");
    let back = cloud.squad(&["rollback", "receipts"]).success();
    assert_eq!(back.line(), "1", "{}", back.transcript());
    assert_eq!(cloud.sole(), "1");
    std::fs::remove_file(disk.0.join("rest")).expect("it is there");
    cloud.squad(&["audit", "verify"]).success();
    let history = cloud
        .squad(&["history", "receipts", "-o", "json"])
        .success()
        .json();
    assert_eq!(
        history["operations"][0]["outcome"], "succeeded",
        "{history}"
    );
}
