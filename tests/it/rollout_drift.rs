//! Somebody else changes the traffic during a rollout: it is shown and not fought over, and a person decides.

use std::process::Child;

use crate::rollout::{ROLLOUT, Traffic, live, recorded, serves, status, wait_for_phase, weight};
use crate::support::control::{shift_by_somebody_else, wipe_by_somebody_else};
use crate::support::journey::{begin, end};
use crate::support::{Home, wait_for};

/// A rollout in its first step, its driver, and requests.
fn holding(home: &Home, hold: &str) -> (Child, Traffic) {
    let mut service = live(home, "");
    service.version(home, "2");
    let traffic = Traffic::start(home);
    let hold = format!("hold = \"{hold}\"");
    service.toml(home, &ROLLOUT.replace("hold = \"2s\"", &hold));
    let driver = begin(home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(home, "holding");
    (driver, traffic)
}

/// The traffic is changed, and the driver ends because of it.
fn drift(home: &Home, driver: Child) {
    shift_by_somebody_else(home, "payments", ("2", 90), "1");
    let output = end(home, driver);
    assert_eq!(output.code, 1, "{}", output.transcript());
    for words in [
        "rollout-drifted",
        "squad rollout rebase payments",
        "squad stop payments",
    ] {
        assert!(output.stderr.contains(words), "{}", output.transcript());
    }
    let shown = home.squad(["rollout", "status", "payments"]).failure(3);
    assert!(
        shown.stdout.contains("changed outside squad"),
        "{}",
        shown.transcript()
    );
    assert_eq!(status(home)["phase"], "drifted");
    assert_eq!(serves_canary(home), 90, "it is not fought over");
}

/// Percent of the rest that revision 2 gets, as the platform tells it.
fn serves_canary(home: &Home) -> u64 {
    let row = crate::support::journey::row(home, "payments");
    row["traffic"]["2"].as_u64().unwrap_or(0)
}

#[test]
fn a_rebase_puts_the_traffic_back_and_the_rollout_goes_on() {
    let home = Home::new();
    let (driver, traffic) = holding(&home, "4s");
    drift(&home, driver);
    // Nothing goes on by itself, and no driver undoes what somebody else did.
    let outcome = home.squad(["rollout", "drive", "payments"]).failure(1);
    assert!(
        outcome.stderr.contains("rollout-drifted"),
        "{}",
        outcome.transcript()
    );
    assert_eq!(serves_canary(&home), 90);
    let rebase = ["rollout", "rebase", "payments", "--reason", "by mistake"];
    assert_eq!(home.squad(rebase).success().line(), "shifting");
    assert_eq!(weight(&home, "refund"), 20);
    assert_eq!(serves_canary(&home), 0);
    let output = home.squad(["rollout", "drive", "payments"]).success();
    assert_eq!(output.line(), "succeeded", "{}", output.transcript());
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    let kinds = recorded(&home);
    assert!(
        kinds.iter().any(|kind| kind == "squad.rollout.rebased.v1"),
        "{kinds:?}"
    );
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_stop_works_from_there() {
    let home = Home::new();
    let (driver, traffic) = holding(&home, "10m");
    drift(&home, driver);
    home.squad(["stop", "payments"]).success();
    assert_eq!(serves(&home).as_deref(), Some("1"));
    assert_eq!(status(&home)["phase"], "aborted");
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_stop_works_before_anybody_has_seen_it() {
    let home = Home::new();
    let (driver, traffic) = holding(&home, "10m");
    crate::support::journey::signal(driver.id(), nix::sys::signal::Signal::SIGKILL);
    let _killed = end(&home, driver);
    shift_by_somebody_else(&home, "payments", ("2", 90), "1");
    home.squad(["stop", "payments"]).success();
    assert_eq!(serves(&home).as_deref(), Some("1"));
    wait_for("the end", std::time::Duration::from_secs(10), || {
        (status(&home)["phase"] == "aborted").then_some(())
    });
    traffic.stop_without_failures();
}

/// A promotion that is written and not verified, because nobody drives, and whose traffic somebody else changes.
/// `serves`: percent that revision 2 gets from then on.
fn drifted_while_promoting(home: &Home, serves: u8) -> Traffic {
    let (driver, traffic) = holding(home, "10m");
    home.squad(["rollout", "pause", "payments"]).success();
    let _paused = end(home, driver);
    let promote = ["rollout", "promote", "payments", "--full", "--reason", "x"];
    assert_eq!(home.squad(promote).success().line(), "promoting");
    shift_by_somebody_else(home, "payments", ("2", serves), "1");
    let outcome = home.squad(["rollout", "drive", "payments"]).failure(1);
    assert!(
        outcome.stderr.contains("rollout-drifted"),
        "{}",
        outcome.transcript()
    );
    assert_eq!(status(home)["phase"], "drifted");
    assert_eq!(weight(home, "refund"), 100, "what is wanted");
    assert_eq!(serves_canary(home), u64::from(serves), "what is");
    traffic
}

#[test]
fn a_stop_goes_on_to_the_new_revision_when_the_drift_found_it_being_promoted() {
    let home = Home::new();
    let traffic = drifted_while_promoting(&home, 60);
    home.squad(["stop", "payments"]).success();
    assert_eq!(serves(&home).as_deref(), Some("2"));
    assert_eq!(status(&home)["phase"], "aborted");
    let report = home
        .squad(["rollout", "report", "--service", "payments"])
        .success();
    let told = "All requests were moving to revision 2 already, so that is where they stay";
    assert!(report.stdout.contains(told), "{}", report.transcript());
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_stop_stays_on_the_old_revision_where_somebody_has_put_all_traffic_back() {
    let home = Home::new();
    let traffic = drifted_while_promoting(&home, 0);
    home.squad(["stop", "payments"]).success();
    assert_eq!(serves(&home).as_deref(), Some("1"));
    assert_eq!(status(&home)["phase"], "aborted");
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_rebase_goes_on_with_the_promotion_that_the_drift_found() {
    let home = Home::new();
    let traffic = drifted_while_promoting(&home, 60);
    let rebase = ["rollout", "rebase", "payments", "--reason", "by mistake"];
    assert_eq!(home.squad(rebase).success().line(), "promoting");
    assert_eq!(serves(&home).as_deref(), Some("2"));
    let driven = home.squad(["rollout", "drive", "payments"]).success();
    assert_eq!(driven.line(), "succeeded", "{}", driven.transcript());
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_rollout_whose_state_is_gone_is_over_and_told_so() {
    let home = Home::new();
    let (driver, traffic) = holding(&home, "10m");
    wipe_by_somebody_else(&home, "payments", ("2", 90), "1");
    let output = end(&home, driver);
    assert_eq!(output.code, 6, "{}", output.transcript());
    assert!(
        output.stderr.contains("mallory@example.com"),
        "{}",
        output.transcript()
    );
    assert_eq!(serves_canary(&home), 90, "it is not fought over");
    let list = home.squad(["rollout", "list", "payments"]).success();
    assert!(
        list.stdout.contains("changed outside squad"),
        "{}",
        list.transcript()
    );
    home.squad(["rollout", "drive", "payments"]).failure(7);
    let stop = home.squad(["stop", "payments"]);
    assert_eq!(stop.code, 0, "{}", stop.transcript());
    assert_eq!(serves(&home).as_deref(), Some("1"));
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}
