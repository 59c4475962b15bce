//! What people ask of a live rollout, and what they see.

use std::time::Duration;

use snapbox::str;

use super::{Traffic, live, serves, status, wait_for_phase, weight};
use crate::support::journey::{begin, end};
use crate::support::{Home, wait_for};

#[test]
fn pause_resume_promote() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(
        &home,
        &super::ROLLOUT.replace("hold = \"2s\"", "hold = \"1m\""),
    );
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let waited = home
        .squad(["rollout", "wait", "payments", "--timeout", "1s"])
        .failure(8);
    assert_eq!(waited.line(), "holding");
    assert!(
        waited.stderr.contains("not finished after 1 s; it goes on"),
        "{}",
        waited.transcript()
    );
    home.squad(["rollout", "rebase", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot rebase the rollout of `payments`: the rollout is holding
› live: revisions 1 and 2 share the traffic
› hint: see where it is: `squad rollout status payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-phase.md
[exit 7]

"#]]);
    home.squad(["rollout", "pause", "payments", "--reason", "lunch"])
        .success()
        .assert(str![[r#"
› payments 1 → 2: now paused
paused
[exit 0]

"#]]);
    let _paused = end(&home, driver);
    let waited = home.squad(["rollout", "wait", "payments"]).failure(8);
    assert_eq!(waited.line(), "paused");
    assert_eq!(status(&home)["unattended"], true);
    home.squad(["rollout", "resume", "payments"]).success();
    home.squad(["rollout", "promote", "payments", "--reason", "checked"])
        .success()
        .assert(str![[r#"
› payments 1 → 2: now shifting
shifting
[exit 0]

"#]]);
    assert_eq!(weight(&home, "get-charge"), 50);
    home.squad([
        "rollout", "promote", "payments", "--full", "--reason", "hotfix",
    ])
    .success();
    let driver = begin(&home, &service.directory, ["rollout", "drive", "payments"]);
    let output = end(&home, driver);
    assert_eq!(
        (output.code, output.line()),
        (0, "succeeded"),
        "{}",
        output.transcript()
    );
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn the_list_says_whether_a_service_had_none_or_is_not_known() {
    let home = Home::new();
    let _service = live(&home, "");
    home.squad(["rollout", "list", "payments"])
        .success()
        .assert(str![[r#"
› there was no rollout in local yet
[exit 0]

"#]]);
    home.squad(["rollout", "list", "paymens"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `paymens`: it was never deployed to local, and there is no squad.toml here or above; did you mean `payments`?
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad(["rollout", "list", "nosuch"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `nosuch`: it was never deployed to local, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad(["rollout", "list", "--limit", "0"])
        .failure(2)
        .assert(str![[r#"
› error: `--limit` cannot be `0`: it has to be a whole number, at least 1
› hint: `squad rollout list --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}

#[test]
fn promoted_in_full_by_hand_and_seen_through_by_whoever_drives_all() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let toml = super::ROLLOUT.replace("hold = \"2s\"", "hold = \"10m\"");
    service.toml(&home, &toml);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    crate::support::journey::signal(driver.id(), nix::sys::signal::Signal::SIGKILL);
    let _killed = end(&home, driver);
    let promote = [
        "rollout", "promote", "payments", "--full", "--reason", "hotfix",
    ];
    let _promoted = home.squad(promote).success();
    assert_eq!(weight(&home, "refund"), 100);
    assert_eq!(weight(&home, "rest"), 100);
    // Nobody drives: it stays as it is until somebody does.
    assert_eq!(status(&home)["unattended"], true);
    let ended = home.squad(["rollout", "drive", "--all"]).success();
    assert_eq!(ended.line(), "succeeded", "{}", ended.transcript());
    assert_eq!(serves(&home).as_deref(), Some("2"));
    let idle = home.squad(["rollout", "drive", "--all"]).success();
    assert!(
        idle.stderr.contains("no rollout is live in local"),
        "{}",
        idle.transcript()
    );
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn the_watch_is_ended_by_hand() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let toml = super::ROLLOUT
        .replace("hold = \"2s\"", "hold = \"10m\"")
        .replace("watch = \"2s\"", "watch = \"10m\"");
    service.toml(&home, &toml);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    crate::support::journey::signal(driver.id(), nix::sys::signal::Signal::SIGKILL);
    let _killed = end(&home, driver);
    let promote = ["rollout", "promote", "payments", "--reason", "hotfix"];
    let full = promote.into_iter().chain(["--full"]);
    assert_eq!(home.squad(full.clone()).success().line(), "promoting");
    // It is so already.
    assert_eq!(home.squad(promote).success().line(), "promoting");
    home.squad(["rollout", "drive", "payments", "--once"])
        .success();
    assert_eq!(status(&home)["phase"], "finalising");
    // A step of CI that is run again must not end the watch.
    assert_eq!(home.squad(full).success().line(), "finalising");
    assert_eq!(home.squad(promote).success().line(), "finalising");
    let end = promote.into_iter().chain(["--end-watch"]);
    assert_eq!(home.squad(end).success().line(), "succeeded");
    assert_eq!(serves(&home).as_deref(), Some("2"));
    home.squad(["rollout", "wait", "payments"]).success();
    traffic.stop_without_failures();
    let kinds = super::recorded(&home);
    assert_eq!(
        kinds.last().map(String::as_str),
        Some("squad.rollout.finished.v1"),
        "{kinds:?}"
    );
    home.squad(["audit", "verify"]).success();
}

#[test]
fn without_traffic_it_pauses_and_is_neither_promoted_nor_aborted() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(
        &home,
        &super::ROLLOUT.replace("watch", "max_hold = \"4s\"\nwatch"),
    );
    traffic.stop_without_failures();
    let output = home
        .squad_in(&service.directory, ["deploy", "--canary"])
        .failure(1);
    assert!(
        output.stderr.contains("rollout-paused"),
        "{}",
        output.transcript()
    );
    assert!(
        output
            .stderr
            .contains("no requests, so there is nothing to tell by"),
        "{}",
        output.transcript()
    );
    assert_eq!(status(&home)["phase"], "paused");
    assert_eq!(weight(&home, "refund"), 20);
    home.squad(["stop", "payments"]).success();
}

#[test]
fn a_driver_that_looks_once_does_not_go_beyond_what_nobody_attends() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let slow = super::ROLLOUT
        .replace("weight = 20, hold = \"2s\"", "weight = 10, hold = \"0s\"")
        .replace("weight = 50, hold = \"2s\"", "weight = 50, hold = \"0s\"");
    service.toml(&home, &slow);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    crate::support::journey::signal(driver.id(), nix::sys::signal::Signal::SIGKILL);
    let _killed = end(&home, driver);
    let once = || {
        let output = home.squad(["rollout", "drive", "payments", "--once"]);
        assert_eq!(output.code, 0, "{}", output.transcript());
        output
    };
    wait_for("the evidence", Duration::from_mins(1), || {
        once()
            .stderr
            .contains("50 % is more than nobody may attend")
            .then_some(())
    });
    assert_eq!(weight(&home, "refund"), 10);
    home.squad(["stop", "payments"]).success();
    traffic.stop_without_failures();
}
