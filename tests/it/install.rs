//! `install.sh --uninstall`: nothing goes on running that nobody can stop any more, and nothing that was recorded is lost.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rollout::{ROLLOUT, Traffic, live, wait_for_phase};
use crate::support::journey::{begin, end, protected_org, signal};
use crate::support::{Home, Output, SQUAD, TestService};

/// Where the test "installs" to, and the binary there.
fn installed(home: &Home) -> (std::path::PathBuf, std::path::PathBuf) {
    let prefix = home.root().join("prefix");
    let binary = prefix.join("bin/squad");
    std::fs::create_dir_all(prefix.join("bin")).expect("a directory");
    std::fs::copy(SQUAD, &binary).expect("a copy");
    (prefix, binary)
}

fn uninstall(home: &Home, prefix: &std::path::Path) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
    let mut command = home.program("sh");
    home.run(
        command
            .args([script, "--uninstall"])
            .env("SQUAD_PREFIX", prefix),
    )
}

#[test]
fn it_stops_every_supervisor_and_keeps_what_is_deployed() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    protected_org(&mut home);
    home.squad(["local", "start", "--env", "prod"]).success();
    let (prefix, binary) = installed(&home);
    let output = uninstall(&home, &prefix).success();
    assert!(
        output
            .stderr
            .contains("stopped the local platform of all environments, with its services; what is deployed stays recorded")
            && output.stderr.contains("/prefix/bin/squad\n"),
        "{}",
        output.transcript()
    );
    assert!(!binary.exists());
    // The lock of a supervisor is free a moment before its process is gone.
    home.wait_until_quiet(Duration::from_secs(10));
    // Again there is nothing to stop, and nothing to remove.
    let output = uninstall(&home, &prefix).success();
    assert!(
        output.stderr.starts_with("nothing is installed below"),
        "{}",
        output.transcript()
    );
    home.unset("SQUAD_ORG");
    let status = home
        .squad_in(&service.directory, ["status", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["services"][0]["traffic"]["1"], 100);
}

#[test]
fn what_cannot_be_stopped_keeps_the_binary() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let _traffic = Traffic::start(&home);
    service.toml(&home, &ROLLOUT.replace("hold = \"2s\"", "hold = \"60s\""));
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let (prefix, binary) = installed(&home);
    let output = uninstall(&home, &prefix).failure(1);
    assert!(
        output.stderr.contains("errors/local-driven.md")
            && output
                .stderr
                .contains("so nothing is removed (all the same: rm "),
        "{}",
        output.transcript()
    );
    assert!(binary.exists());
    signal(driver.id(), Signal::SIGKILL);
    assert_eq!(end(&home, driver).code, 137);
}
