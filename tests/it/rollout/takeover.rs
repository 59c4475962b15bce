//! Drivers that die, sleep and race.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Traffic, live, recorded, serves, status, wait_for_phase};
use crate::support::journey::{begin, end, port, row, signal};
use crate::support::{Home, Load, TestService, files_below, wait_for};

#[test]
fn a_killed_driver_is_taken_over_and_the_rollout_ends_as_it_would_have() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let told = row(&home, "payments")["rollout"].clone();
    assert_eq!(told["unattended"], false);
    assert_eq!(told["driver"], status(&home)["driver"]);
    signal(driver.id(), Signal::SIGKILL);
    let _killed = end(&home, driver);
    assert_eq!(status(&home)["unattended"], true);
    // Nobody needs to ask for the rollout to see that nobody drives it.
    assert_eq!(row(&home, "payments")["rollout"]["unattended"], true);
    let table = home.squad(["status"]).stdout;
    assert!(table.contains(", unattended"), "{table}");
    let before = status(&home)["generation"].as_u64();
    let output = home.squad(["rollout", "drive", "payments"]).success();
    assert_eq!(output.line(), "succeeded", "{}", output.transcript());
    assert_eq!(
        status(&home)["generation"].as_u64(),
        before.map(|one| one + 1)
    );
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_driver_that_slept_while_another_took_over_writes_nothing() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(
        &home,
        &super::ROLLOUT.replace("hold = \"2s\"", "hold = \"10m\""),
    );
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    signal(driver.id(), Signal::SIGSTOP);
    let other = begin(
        &home,
        &service.directory,
        ["rollout", "drive", "payments", "--take-over"],
    );
    wait_for("the takeover", Duration::from_secs(30), || {
        (status(&home)["generation"] == 2).then_some(())
    });
    let before = recorded(&home);
    signal(driver.id(), Signal::SIGCONT);
    let slept = end(&home, driver);
    assert_eq!(recorded(&home), before, "nor into the audit log");
    assert_eq!(slept.code, 6, "{}", slept.transcript());
    assert!(
        slept.stderr.contains("rollout-taken-over"),
        "{}",
        slept.transcript()
    );
    let report = home
        .squad(["rollout", "report", "--service", "payments", "-o", "json"])
        .success()
        .json();
    let log = report["log"].as_array().expect("the log");
    let generations: Vec<u64> = log
        .iter()
        .filter_map(|entry| entry["generation"].as_u64())
        .collect();
    assert!(generations.is_sorted(), "{generations:?}");
    home.squad(["stop", "payments"]).success();
    let ended = end(&home, other);
    assert_eq!(ended.line(), "aborted", "{}", ended.transcript());
    traffic.stop_without_failures();
}

/// A driver in its first hold, which is too short for a test to wait for the end of a lease of minutes.
fn stopped_driver(home: &Home, directory: &std::path::Path) -> std::process::Child {
    let driver = begin(home, directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(home, "holding");
    signal(driver.id(), Signal::SIGSTOP);
    assert_eq!(status(home)["unattended"], false, "its lease has not ended");
    wait_for("the end of its lease", Duration::from_mins(1), || {
        (status(home)["unattended"] == true).then_some(())
    });
    driver
}

#[test]
fn a_driver_that_is_stopped_does_not_drive_and_is_taken_over_as_one_that_is_gone() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let toml = super::ROLLOUT.replace("hold = \"2s\"", "hold = \"4s\"");
    service.toml(&home, &toml);
    let stopped = stopped_driver(&home, &service.directory);
    let told = status(&home);
    assert_eq!(told["driver"], serde_json::Value::Null);
    let asleep = told["asleep"].as_str().expect("who").to_owned();
    assert!(told["unattended_since"].is_string(), "{told}");
    assert_eq!(row(&home, "payments")["rollout"]["unattended"], true);
    let shown = home.squad(["rollout", "status", "payments"]).failure(8);
    for part in [
        format!("unattended: {asleep} has not looked since "),
        "its driver is stopped or stuck, so it stays as it is; take it up: `squad rollout drive payments`"
            .to_owned(),
    ] {
        let words: Vec<&str> = shown.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains(&part), "{}", shown.transcript());
    }
    // Nothing has to be said for that: it does not drive.
    let output = home.squad(["rollout", "drive", "--all"]).success();
    assert_eq!(output.line(), "succeeded", "{}", output.transcript());
    let before = recorded(&home);
    signal(stopped.id(), Signal::SIGCONT);
    let slept = end(&home, stopped);
    assert_eq!(slept.line(), "succeeded", "{}", slept.transcript());
    assert_eq!(recorded(&home), before, "it writes nothing");
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn of_all_rollouts_those_that_nobody_drives_are_driven_whatever_the_others_are() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let toml = super::ROLLOUT.replace("hold = \"2s\"", "hold = \"10m\"");
    service.toml(&home, &toml);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let mut other = TestService::new(&home, "refunds");
    other.toml(&home, super::ROLLOUT);
    let _first = home.squad_in(&other.directory, ["deploy"]).success();
    let port = port(&home, "refunds");
    let pause = Duration::from_millis(10);
    let loads = [
        Load::start(port, "/charges/7", 2, pause),
        Load::start_with(port, "POST", "/charges/7/refund", 2, pause),
    ];
    for load in &loads {
        load.wait_for_more(100);
    }
    other.version(&home, "2");
    let killed = begin(&home, &other.directory, ["deploy", "--canary"]);
    let is_live = || {
        let told = row(&home, "refunds");
        (told["rollout"]["phase"] == "holding").then_some(())
    };
    wait_for("its first step", Duration::from_mins(1), is_live);
    signal(killed.id(), Signal::SIGKILL);
    let _killed = end(&home, killed);
    // One has a driver, which is left alone; that is no failure.
    let output = home
        .squad(["rollout", "drive", "--all", "--once"])
        .success();
    let is_left = |line: &str| {
        line.contains("payments: ana@example.com on ")
            && line.ends_with(" drives it, so it is left alone")
    };
    assert!(
        output.stderr.lines().any(is_left),
        "{}",
        output.transcript()
    );
    // What cannot be read is said, and the others are driven all the same.
    let id = status(&home)["rollout"].as_str().expect("an id").to_owned();
    let plan = files_below(&home.state(), "json")
        .into_iter()
        .find(|path| {
            let path = path.to_string_lossy();
            path.contains(&id) && path.ends_with("plan.json")
        })
        .expect("its plan");
    let kept = std::fs::read(&plan).expect("the plan");
    std::fs::write(&plan, "{").expect("damaged");
    let output = home.squad(["rollout", "drive", "--all"]);
    std::fs::write(&plan, kept).expect("mended");
    assert_eq!(output.line(), "succeeded", "{}", output.transcript());
    assert_eq!(output.code, 1, "{}", output.transcript());
    assert!(
        output
            .stderr
            .contains("error: cannot read the rollout of `payments`: "),
        "{}",
        output.transcript()
    );
    for load in loads {
        let _counts = load.stop_without_failures();
    }
    home.squad(["stop", "payments"]).success();
    let _aborted = end(&home, driver);
    traffic.stop_without_failures();
}

#[test]
fn a_supervisor_that_is_killed_is_started_again_and_nothing_is_counted_twice() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let pid = home
        .squad(["local", "status", "-o", "json"])
        .success()
        .json()["pid"]
        .as_u64();
    signal(
        u32::try_from(pid.expect("a pid")).expect("a pid"),
        Signal::SIGKILL,
    );
    let output = end(&home, driver);
    assert_eq!(
        (output.code, output.line()),
        (0, "succeeded"),
        "{}",
        output.transcript()
    );
    // Requests may fail while no supervisor is there.
    let _get = traffic.get.stop();
    let _post = traffic.post.stop();
    let report = home
        .squad(["rollout", "report", "--service", "payments", "-o", "json"])
        .success()
        .json();
    let log = report["log"].as_array().expect("the log");
    let resets = log
        .iter()
        .filter(|entry| entry["what"]["look"]["reset"] == true);
    assert_eq!(resets.count(), 1);
}
