//! After the promotion: what looked well as a canary and turns bad with all the traffic goes back by itself.

use super::{Traffic, live, recorded, serves, status, wait_for_drivers, wait_for_phase};
use crate::support::journey::{begin, end, port};
use crate::support::{Home, get};

#[test]
fn what_turns_bad_once_it_is_promoted_goes_back_by_itself() {
    let home = Home::new();
    let mut service = live(&home, "");
    let bad = home.root().join("turns-bad");
    service
        .version(&home, "2")
        .behave(&home, &format!("fail-once-there:{}", bad.display()));
    let toml = super::ROLLOUT.replace("watch = \"2s\"", "watch = \"5m\"");
    service.toml(&home, &toml);
    let traffic = Traffic::start(&home);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "finalising");
    assert_eq!(serves(&home).as_deref(), Some("2"));
    // Well until now: not one request has failed.
    let failed = || traffic.get.counts().failed + traffic.post.counts().failed;
    assert_eq!(failed(), 0);
    home.write(&bad, "");
    let outcome = end(&home, driver);
    assert_eq!(
        (outcome.code, outcome.line()),
        (3, "aborted"),
        "{}",
        outcome.transcript()
    );
    assert!(
        outcome.stderr.contains("after the promotion"),
        "{}",
        outcome.transcript()
    );
    assert!(failed() > 0, "real requests were bad");
    // Stable was kept whole, and answers at once.
    assert_eq!(serves(&home).as_deref(), Some("1"));
    assert_eq!(
        get(port(&home, "payments"), "/charges/1").body,
        "version 1\n"
    );
    let _get = traffic.get.stop();
    let _post = traffic.post.stop();
    wait_for_drivers(&home);
    let now = status(&home);
    assert_eq!(now["phase"], "aborted");
    home.squad(["rollout", "wait", "payments"]).failure(3);
    home.squad(["rollout", "status", "payments"]).failure(3);
    let kinds = recorded(&home);
    let rollout: Vec<&str> = kinds
        .iter()
        .filter_map(|kind| kind.strip_prefix("squad.rollout."))
        .collect();
    assert!(
        rollout.ends_with(&["planned.v1", "promoted.v1", "planned.v1", "aborted.v1"]),
        "{rollout:?}"
    );
    home.squad(["audit", "verify"]).success();
    let report = home
        .squad(["rollout", "report", "--service", "payments"])
        .success();
    for part in [
        "watching after the promotion",
        "Revision 1 serves all requests again",
        "Why: after the promotion: ",
    ] {
        assert!(report.stdout.contains(part), "{}", report.transcript());
    }
    // What was left by a verdict is not brought back by accident.
    home.squad_in(&service.directory, ["deploy"]).failure(7);
}
