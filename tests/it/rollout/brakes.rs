//! Backwards: stop, abort, rollback; and what is refused meanwhile.

use std::time::Duration;

use snapbox::str;

use super::{Traffic, live, quiet, recorded, serves, wait_for_drivers, wait_for_phase};
use crate::support::journey::{begin, end, port};
use crate::support::{Home, TestService, get, wait_for};

/// A rollout of revision 2 that holds for a minute, driven in the background.
fn holding(home: &Home) -> (TestService, Traffic) {
    let mut service = live(home, "");
    service.version(home, "2");
    let traffic = Traffic::start(home);
    let toml = super::ROLLOUT.replace("hold = \"2s\"", "hold = \"1m\"");
    service.toml(home, &toml);
    let arguments = ["deploy", "--canary", "--no-wait"];
    let _started = home.squad_in(&service.directory, arguments).success();
    let _phase = wait_for_phase(home, "holding");
    // The canary has answered somebody: only then is there a last request to it.
    let port = port(home, "payments");
    wait_for("an answer of the canary", Duration::from_secs(20), || {
        (get(port, "/charges/7").revision() == Some("2")).then_some(())
    });
    (service, traffic)
}

#[test]
fn stop_puts_all_traffic_back_at_once_and_twice_is_once() {
    let home = Home::new();
    let (_service, traffic) = holding(&home);
    let output = home.squad(["stop", "payments", "--reason", "refunds fail"]);
    output.success().assert(str![[r#"
› ✔ aborted          all traffic on revision 1
›   verified: the last request to 2 was [AGO]
aborted
[exit 0]

"#]]);
    assert_eq!(serves(&home).as_deref(), Some("1"));
    home.squad(["stop", "payments"]).success().assert(str![[r#"
› nothing to stop: revision 1 serves all traffic, no rollout of `payments` is live
[exit 0]

"#]]);
    home.squad(["rollout", "abort", "payments", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.rollout.abort/v1","service":"payments","env":"local","outcome":"unchanged","revision":"1","pending_events":0}
[exit 0]

"#]]);
    traffic.stop_without_failures();
    let kinds = recorded(&home);
    let aborted = kinds.iter().filter(|kind| kind.ends_with("aborted.v1"));
    assert_eq!(aborted.count(), 1);
    wait_for_drivers(&home);
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_rollback_is_the_abort_and_a_deploy_is_refused() {
    let home = Home::new();
    let (service, traffic) = holding(&home);
    home.squad_in(&service.directory, ["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `payments`: a rollout is live, 1 → 2 (holding)
› live: revisions 1 and 2 share the traffic
› hint: stop it first: `squad stop payments`
› hint: or see where it is: `squad rollout status payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-live.md
[exit 7]

"#]]);
    home.squad(["rollback", "payments", "--to", "1"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: a rollout is live, 1 → 2 (holding)
› live: revisions 1 and 2 share the traffic
› hint: stop it first: `squad stop payments`
› hint: or see where it is: `squad rollout status payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-live.md
[exit 7]

"#]]);
    home.squad(["rollout", "start", "payments", "--revision", "2"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: a rollout is live, 1 → 2 (holding)
› live: revisions 1 and 2 share the traffic
› hint: stop it first: `squad stop payments`
› hint: or see where it is: `squad rollout status payments`
› hint: or take its place: `squad rollout start payments --supersede`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-live.md
[exit 7]

"#]]);
    let refused = home.squad(["rollout", "start", "payments", "-o", "json"]);
    assert_eq!(
        refused.failure(7).error_json()["live"]["split"]["rest"],
        serde_json::json!({ "1": 100 }),
        "the listed routes go first"
    );
    let output = home.squad(["rollback", "payments", "--reason", "refunds fail"]);
    quiet(&output.success()).assert(str![[r#"
› a rollout of `payments` is live (1 → 2): going back aborts it
› ✔ aborted          all traffic on revision 1
›   verified: the last request to 2 was [AGO]
aborted
[exit 0]

"#]]);
    assert_eq!(serves(&home).as_deref(), Some("1"));
    wait_for_drivers(&home);
    traffic.stop_without_failures();
}

#[test]
fn whoever_drives_sees_the_abort_and_ends() {
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
    home.squad(["rollout", "abort", "payments"]).success();
    let output = end(&home, driver);
    assert_eq!(
        (output.code, output.line()),
        (1, "aborted"),
        "{}",
        output.transcript()
    );
    traffic.stop_without_failures();
}

#[test]
fn the_brakes_work_without_the_audit_store_and_nothing_goes_forward() {
    let home = Home::new();
    let (_service, traffic) = holding(&home);
    let store = home.state().join("audit-store");
    let away = home.state().join("audit-store.away");
    std::fs::rename(&store, &away).expect("the store goes away");
    // In its place a file: nothing can be created below it.
    std::fs::write(&store, "").expect("a file");
    let refused = home.squad(["rollout", "promote", "payments", "--reason", "x"]);
    assert_eq!(refused.code, 1, "{}", refused.transcript());
    assert!(
        refused.stderr.contains("audit-not-writable"),
        "{}",
        refused.transcript()
    );
    assert_eq!(super::weight(&home, "refund"), 20);
    let output = home.squad(["stop", "payments"]).success();
    assert!(
        output
            .stderr
            .contains("recorded on this machine and pending"),
        "{}",
        output.transcript()
    );
    assert_eq!(serves(&home).as_deref(), Some("1"));
    std::fs::remove_file(&store).expect("the file goes");
    std::fs::rename(&away, &store).expect("the store comes back");
    wait_for_drivers(&home);
    home.squad(["status", "payments"]).success();
    home.squad(["audit", "verify"]).success();
    let kinds = recorded(&home);
    assert!(
        kinds.iter().any(|kind| kind == "squad.rollout.aborted.v1"),
        "{kinds:?}"
    );
    traffic.stop_without_failures();
}

#[test]
fn a_driver_goes_no_further_while_nothing_can_be_recorded_and_on_when_it_can() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let toml = super::ROLLOUT.replace("hold = \"2s\"", "hold = \"5s\"");
    service.toml(&home, &toml);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    let store = home.state().join("audit-store");
    let away = home.state().join("audit-store.away");
    std::fs::rename(&store, &away).expect("the store goes away");
    std::fs::write(&store, "").expect("a file");
    // Each route has passed long ago: it is the record alone that is missing.
    let told = wait_for("a pass", Duration::from_mins(1), || {
        let told = super::status(&home);
        let units = told["units"].as_array()?;
        let mut listed = units.iter().filter(|unit| unit["unit"] != "rest");
        let has_passed = listed.all(|unit| unit["judgement"]["verdict"] == "pass");
        (has_passed && told["phase_seconds"].as_f64()? > 12.0).then_some(told)
    });
    assert_eq!(told["phase"], "holding");
    assert_eq!(told["unattended"], false, "it goes on looking");
    for unit in ["get-charge", "refund"] {
        assert_eq!(super::weight(&home, unit), 20);
    }
    std::fs::remove_file(&store).expect("the file goes");
    std::fs::rename(&away, &store).expect("the store comes back");
    let output = end(&home, driver);
    assert_eq!(
        (output.code, output.line()),
        (0, "succeeded"),
        "{}",
        output.transcript()
    );
    assert!(
        output
            .stderr
            .contains("nothing goes forward while it cannot be recorded: "),
        "{}",
        output.transcript()
    );
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn another_rollout_takes_its_place_when_it_is_asked_to() {
    let home = Home::new();
    let (mut service, traffic) = holding(&home);
    service.version(&home, "3");
    // Published beside the live one by its own number, without traffic.
    let refused = home
        .squad_in(&service.directory, ["deploy", "--canary"])
        .failure(7);
    assert!(
        refused.stderr.contains("rollout-live"),
        "{}",
        refused.transcript()
    );
    home.squad([
        "rollout",
        "start",
        "payments",
        "--revision",
        "2",
        "--supersede",
        "--no-wait",
        "--steps",
        "30",
        "--hold",
        "1m",
    ])
    .success();
    let status = wait_for_phase(&home, "holding");
    assert_eq!(super::weight(&home, "refund"), 30);
    let list = home
        .squad(["rollout", "list", "payments", "-o", "json"])
        .success()
        .json();
    assert_eq!(list["rollouts"][0]["rollout"], status["rollout"]);
    assert_eq!(list["rollouts"][1]["phase"], "superseded");
    home.squad(["stop", "payments"]).success();
    wait_for_drivers(&home);
    traffic.stop_without_failures();
}

#[test]
fn an_abort_during_the_promotion_stays_with_the_canary() {
    let home = Home::new();
    let (mut service, traffic) = holding(&home);
    // Without a driver the promotion is written and nobody verifies it.
    home.squad(["rollout", "pause", "payments"]).success();
    wait_for_drivers(&home);
    home.squad(["rollout", "promote", "payments", "--full", "--reason", "x"])
        .success()
        .assert(str![[r#"
› payments 1 → 2: now promoting
promoting
[exit 0]

"#]]);
    let stop = ["stop", "payments", "--reason", "refunds fail"];
    home.squad(stop).success().assert(str![[r#"
› ✔ aborted          all traffic on revision 2
›   the promotion had begun, so all traffic goes to 2
› hint: to go back to what served before: `squad rollback payments`
aborted
[exit 0]

"#]]);
    assert_eq!(serves(&home).as_deref(), Some("2"));
    let status = super::status(&home);
    assert_eq!(
        (&status["phase"], &status["units"][0]["weight"]),
        (&"aborted".into(), &100.into())
    );
    // Nothing was left, so the way back and the way on are both open.
    home.squad(["rollback", "payments"]).success();
    assert_eq!(serves(&home).as_deref(), Some("1"));
    service.version(&home, "3");
    home.squad_in(&service.directory, ["deploy"]).success();
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn the_platform_is_not_stopped_below_a_driver() {
    let home = Home::new();
    let (_service, traffic) = holding(&home);
    for all in [&["local", "stop"][..], &["local", "stop", "--all"]] {
        home.squad(all).failure(7).assert(str![[r#"
› error: cannot stop the local platform: a rollout of `payments` is being driven on this machine, and its driver would start the platform again
› hint: end the rollout: `squad stop payments`
› hint: or leave it where it is, for later: `squad rollout pause payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/local-driven.md
[exit 7]

"#]]);
    }
    traffic.stop_without_failures();
    // Right behind it: the driver is given the time to leave.
    home.squad(["rollout", "pause", "payments"]).success();
    home.squad(["local", "stop"]).success();
    assert_eq!(super::status(&home)["phase"], "paused");
}
