//! Routes that only the new revision has, and who is let through to them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use snapbox::str;

use super::{ROLLOUT, Traffic, live, serves, status, wait_for_phase};
use crate::support::journey::port;
use crate::support::{Home, Terminal, request, wait_for};

/// How many callers stand before a gate.
const CALLERS: u64 = 400;

/// The second revision's new route, and the header that says who calls.
fn with_dispute() -> String {
    let more = "\n[[route]]\nname = \"dispute\"\nmethod = \"POST\"\npath = \"/disputes\"\n";
    ROLLOUT.replace("[rollout]\n", "[rollout]\nidentity = \"X-Consumer\"\n") + more
}

/// Which revision answers a caller on the new route.
fn answers(port: u16, caller: &str) -> Option<String> {
    let headers = [("x-consumer", caller)];
    let reply = request(port, "POST", "/disputes", &headers, b"");
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
    let port = port(&home, "payments");
    assert_eq!(answers(port, "mobile").as_deref(), Some("2"));
    assert_eq!(answers(port, "web").as_deref(), Some("2"));
    assert_eq!(answers(port, "batch").as_deref(), Some("1"));
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
    assert_eq!(answers(port, "mobile").as_deref(), Some("1"));
    assert_eq!(serves(&home).as_deref(), Some("1"));
    traffic.stop_without_failures();
}

/// The bucket of a caller, as docs/rollouts.md says it, for an edge that wants to know it as well.
fn bucket(rollout: &str, caller: &str) -> u64 {
    let text = format!("{rollout}:{caller}");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let first: [u8; 8] = hash.as_ref()[..8].try_into().expect("8 bytes");
    u64::from_be_bytes(first) % 100
}

/// Which of many callers the new revision answers. Each of them says only who it is.
fn let_through(port: u16) -> BTreeSet<u64> {
    (0..CALLERS)
        .filter(|n| answers(port, &format!("caller-{n}")).as_deref() == Some("2"))
        .collect()
}

/// Those whose bucket is below `weight`, and so many as there should be: five standard deviations of a binomial count.
#[track_caller]
fn assert_share(admitted: &BTreeSet<u64>, rollout: &str, weight: u64) {
    let of_bucket = |n: &u64| bucket(rollout, &format!("caller-{n}")) < weight;
    let expected: BTreeSet<u64> = (0..CALLERS).filter(of_bucket).collect();
    assert_eq!(*admitted, expected);
    let apart = (admitted.len() as u64 * 100).abs_diff(CALLERS * weight);
    // Squared, in hundredths of callers: 25 · n · p · (1 − p).
    let variance = CALLERS * weight * (100 - weight);
    assert!(
        apart * apart <= 25 * variance,
        "{} of {CALLERS} at {weight} %",
        admitted.len()
    );
}

/// What `rollout status -o json` says of the new route.
fn dispute(home: &Home) -> Value {
    let status = status(home);
    let units = status["units"].as_array().expect("units").clone();
    let found = units.into_iter().find(|one| one["unit"] == "dispute");
    found.expect("the unit")
}

#[test]
fn a_new_route_opens_to_buckets_of_callers_and_is_shown_as_what_it_is() {
    let home = Home::new();
    let mut service = live(&home, "");
    // Looks every 3 s, and so little harm that no step of the gate passes while it is looked at.
    let toml = with_dispute()
        .replace("hold = \"2s\"", "hold = \"30s\"")
        .replace("harm = 5.0", "harm = 0.1");
    service.version(&home, "2").toml(&home, &toml);
    let traffic = Traffic::start(&home);
    let gate = "POST /disputes=bucket:20,60";
    // As a script says it: who drives in the background says `--yes` too.
    let arguments = ["deploy", "--canary", "--gate", gate, "--no-wait", "--yes"];
    let _started = home.squad_in(&service.directory, arguments).success();
    let rollout = wait_for_phase(&home, "holding")["rollout"].clone();
    let rollout = rollout.as_str().expect("an id");
    let port = port(&home, "payments");

    // Nobody has called: that is what is said, and not that it never ends.
    let unit = dispute(&home);
    assert_eq!(
        (&unit["weight"], &unit["eta_seconds"]),
        (&Value::from(20), &Value::Null)
    );
    let text = home
        .squad(["rollout", "status", "payments"])
        .failure(8)
        .stdout;
    assert!(text.contains("no caller counted yet"), "{text}");

    let first = let_through(port);
    assert_share(&first, rollout, 20);
    // A caller without a name is not let through, and a tester who names the revision is.
    let reply = |header| request(port, "POST", "/disputes", &[header], b"");
    let revision = |header| {
        reply(header)
            .expect("an answer")
            .revision()
            .map(ToOwned::to_owned)
    };
    assert_eq!(revision(("accept", "*/*")).as_deref(), Some("1"));
    assert_eq!(
        revision(("x-squad-canary", "payments=2")).as_deref(),
        Some("2")
    );

    // Those who come through tell how long it takes.
    let admitted = format!("caller-{}", first.first().expect("somebody"));
    let told = wait_for("a time", Duration::from_mins(1), || {
        for _ in 0..20 {
            assert_eq!(answers(port, &admitted).as_deref(), Some("2"));
        }
        Some(dispute(&home)).filter(|unit| unit["eta_seconds"].is_number())
    });
    let (held, left) = (&told["held_seconds"], &told["eta_seconds"]);
    let whole = held.as_f64().expect("a number") + left.as_f64().expect("a number");
    assert!(whole >= 30.0, "{told:#}");
    assert_eq!(
        told["stable"]["requests"], 0,
        "what stable answers there is nothing to compare with"
    );
    assert_eq!(told["gate"]["by"], "buckets");

    let text = home
        .squad(["rollout", "status", "payments"])
        .failure(8)
        .stdout;
    assert!(
        text.contains("POST /disputes for 20 % of callers goes to the new version; "),
        "{text}"
    );
    assert!(!text.contains("no end known"), "{text}");
    let watch = ["rollout", "status", "payments", "--watch"];
    let mut terminal = Terminal::start(&home, 140, watch);
    terminal.expect("POST /disputes for 20 % of callers goes to the new version; ");
    terminal.interrupt();
    let (code, seen) = terminal.finish();
    assert_eq!(code, 8, "{seen}");
    let html = ["rollout", "report", "--service", "payments", "--html"];
    let page = home.squad(html).success().stdout;
    for wanted in [
        "POST /disputes goes to the new version for 20\u{a0}% of callers now: ",
        "open to 20\u{a0}% of callers: POST /disputes",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }

    // A wider gate lets more in, and shuts nobody out.
    let _promoted = home.squad(["rollout", "promote", "payments"]).success();
    wait_for("the next step", Duration::from_secs(30), || {
        (dispute(&home)["weight"] == 60 && status(&home)["phase"] == "holding").then_some(())
    });
    let second = let_through(port);
    assert_share(&second, rollout, 60);
    assert!(first.is_subset(&second));

    let _stopped = home.squad(["stop", "payments"]).success();
    assert_eq!(let_through(port), BTreeSet::new());
    assert_eq!(serves(&home).as_deref(), Some("1"));
    let page = home.squad(html).success().stdout;
    let wanted = "POST /disputes went to the new version for 60\u{a0}% of callers";
    assert!(page.contains(wanted), "{page}");
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
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
› error: `--gate` cannot be `POST /disputes=5,25`: `POST /disputes=5,25` lets through neither consumers nor buckets; write it like 'POST /refunds=consumer:mobile,web' or 'POST /refunds=bucket:5,25,50'
› hint: `squad rollout start --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad_in(
        &service.directory,
        ["rollout", "start", "--gate", "POST /disputes"],
    )
    .failure(2)
    .assert(str![[r#"
› error: `--gate` cannot be `POST /disputes`: `POST /disputes` does not say who is let through; write it like 'POST /refunds=consumer:mobile,web' or 'POST /refunds=bucket:5,25,50'
› hint: `squad rollout start --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}
