//! Routes that only the new revision has, and who is let through to them.

use snapbox::str;

use super::{ROLLOUT, Traffic, live, serves, status, wait_for_phase};
use crate::support::journey::port;
use crate::support::{Home, request};

/// The second revision's new route, and the header that says who calls.
fn with_dispute() -> String {
    let more = "\n[[route]]\nname = \"dispute\"\nmethod = \"POST\"\npath = \"/disputes\"\n";
    ROLLOUT.replace("[rollout]\n", "[rollout]\nidentity = \"X-Consumer\"\n") + more
}

/// Which revision answers a caller on the new route.
fn answers(home: &Home, caller: &str) -> Option<String> {
    let headers = [("x-consumer", caller)];
    let reply = request(port(home, "payments"), "POST", "/disputes", &headers, b"");
    reply.ok()?.revision().map(ToOwned::to_owned)
}

#[test]
fn a_new_route_opens_to_named_consumers_and_an_abort_shuts_it() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2").toml(&home, &with_dispute());
    let traffic = Traffic::start(&home);
    let gate = "POST /disputes=consumer:mobile,web";
    let _started = home
        .squad_in(
            &service.directory,
            ["deploy", "--canary", "--gate", gate, "--no-wait"],
        )
        .success();
    wait_for_phase(&home, "holding");
    assert_eq!(answers(&home, "mobile").as_deref(), Some("2"));
    assert_eq!(answers(&home, "web").as_deref(), Some("2"));
    assert_eq!(answers(&home, "batch").as_deref(), Some("1"));
    let status = status(&home);
    let units = status["units"].as_array().expect("units").clone();
    let dispute = units.iter().find(|one| one["unit"] == "dispute");
    let gate = &dispute.expect("the unit")["gate"];
    assert_eq!(gate["identity"], "x-consumer");
    assert_eq!(
        gate["by"]["consumers"],
        serde_json::json!(["mobile", "web"])
    );
    let _stopped = home.squad(["stop", "payments"]).success();
    assert_eq!(answers(&home, "mobile").as_deref(), Some("1"));
    assert_eq!(serves(&home).as_deref(), Some("1"));
    traffic.stop_without_failures();
}

#[test]
fn what_no_gate_can_be_is_refused_before_anything_starts() {
    let home = Home::new();
    let service = live(&home, "");
    home.squad_in(
        &service.directory,
        ["rollout", "start", "--gate", "POST /disputes=5,25"],
    )
    .failure(2)
    .assert(str![[r#"
› error: invalid value 'POST /disputes=5,25' for '--gate <method path=who>': `POST /disputes=5,25` lets through neither consumers nor buckets; write it like 'POST /refunds=consumer:mobile,web' or 'POST /refunds=bucket:5,25,50'
›
› For more information, try '--help'.
[exit 2]

"#]]);
    home.squad_in(
        &service.directory,
        ["rollout", "start", "--gate", "POST /disputes"],
    )
    .failure(2)
    .assert(str![[r#"
› error: invalid value 'POST /disputes' for '--gate <method path=who>': `POST /disputes` does not say who is let through; write it like 'POST /refunds=consumer:mobile,web' or 'POST /refunds=bucket:5,25,50'
›
› For more information, try '--help'.
[exit 2]

"#]]);
}
