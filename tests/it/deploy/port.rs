//! `--port`: the port of this machine that a service keeps.

use std::net::TcpListener;

use snapbox::str;

use crate::support::journey::{live, port, results, revisions};
use crate::support::{Home, TestService, get};

/// A port that was free a moment ago.
fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// `squad deploy --port <port>` in the service's directory.
fn to(home: &Home, service: &TestService, port: u16) -> crate::support::Output {
    home.squad_in(&service.directory, ["deploy", "--port", &port.to_string()])
}

#[test]
fn a_port_is_chosen_kept_and_changed() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    let first = free();
    to(&home, &service, first).success();
    assert_eq!(port(&home, "payments"), first);
    assert_eq!(get(first, "/").body, "version 1\n");
    // The same port again is no change.
    to(&home, &service, first).assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    // A deploy without the flag keeps it, also over a restart of the platform.
    home.squad(["local", "stop"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(first, "/").body, "version 2\n");
    // It changes with a new revision,
    let second = free();
    service.version(&home, "3");
    to(&home, &service, second).assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 3  Ana Example
›   its port changes: [..] → [..]
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 3, ready
› ✔ port             [..]
› ✔ live             all traffic on revision 3
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
3
[exit 0]

"#]]);
    assert_eq!(get(second, "/").body, "version 3\n");
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", first)).is_err(),
        "the old port is free"
    );
    // and without one; the dry run says so and exits with 10.
    let third = free();
    let words = [
        "deploy",
        "--dry-run",
        "--exit-code",
        "--port",
        &third.to_string(),
    ];
    home.squad_in(&service.directory, words).assert(str![[r#"
› payments → local (this machine)
›
›   revision 3 stays as it is
›   its port changes: [..] → [..]
›
3
[exit 10]

"#]]);
    let words = ["deploy", "-o", "json", "--port", &third.to_string()];
    let json = home.squad_in(&service.directory, words).success().json();
    assert_eq!(
        (&json["outcome"], &json["revision"], &json["changed"]),
        (
            &"succeeded".into(),
            &"3".into(),
            &serde_json::json!(["port"])
        )
    );
    assert_eq!(json["address"], format!("http://127.0.0.1:{third}"));
    assert_eq!(get(third, "/").body, "version 3\n");
    assert_eq!(revisions(&home, "payments"), ["1", "2", "3"]);
    assert_eq!(results(&home), ["succeeded"; 4]);
    // Who asks what changed sees the port, from both sides.
    let history = home.squad(["history", "payments"]).success();
    for said in [
        format!("deploy payments, port {second} → {third} in local "),
        format!("deploy payments 2 → 3, port {first} → {second} in local "),
    ] {
        assert!(history.stdout.contains(&said), "{said}\n{}", history.stdout);
    }
    let json = home.squad(["history", "payments", "-o", "json"]).success();
    assert_eq!(
        json.json()["operations"][0]["port"],
        serde_json::json!({"before": second, "after": third})
    );
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_port_that_somebody_has_is_refused_and_nothing_changes() {
    let home = Home::new();
    let mut payments = TestService::new(&home, "payments");
    let orders = TestService::new(&home, "orders");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad_in(&orders.directory, ["deploy"]).success();
    let kept = port(&home, "payments");
    // Another service has it,
    to(&home, &payments, port(&home, "orders")).assert(str![[r#"
› payments → local (this machine)
›
›   revision 1 stays as it is
›   its port changes: [..] → [..]
›
› error: cannot deploy `payments`: port [PORT] is taken by the service `orders`
› live: revision 1 serves all traffic
› hint: let the service have another port: `squad deploy --port PORT`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-taken.md
[exit 1]

"#]]);
    // or another program; a new revision then takes no traffic either.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address").port();
    payments.version(&home, "2");
    let error = to(&home, &payments, taken).failure(1);
    assert!(
        error.stderr.contains(&format!("port {taken} is taken by ")),
        "{}",
        error.transcript()
    );
    assert_eq!(
        (port(&home, "payments"), live(&home, "payments").as_deref()),
        (kept, Some("1"))
    );
    assert_eq!(get(kept, "/").body, "version 1\n");
    assert_eq!(
        results(&home),
        ["failed", "failed", "succeeded", "succeeded"]
    );
}

#[test]
fn another_port_is_the_way_out_when_the_kept_one_is_taken() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let kept = port(&home, "payments");
    home.squad(["local", "stop"]).success();
    let listener = TcpListener::bind(("127.0.0.1", kept)).expect("the port is free");
    let new = free();
    to(&home, &service, new).success();
    assert_eq!(get(new, "/").body, "version 1\n");
    home.squad(["local", "stop"]).success();
    let other = TcpListener::bind(("127.0.0.1", new)).expect("the port is free");
    service.version(&home, "2");
    let newer = free();
    to(&home, &service, newer).success();
    assert_eq!(get(newer, "/").body, "version 2\n");
    drop((listener, other));
}

#[test]
fn a_worker_has_no_port() {
    let home = Home::new();
    home.write(
        "squad.toml",
        "schema = 1\n[service]\nname = \"sweeper\"\nkind = \"worker\"\n[run]\ncommand = [\"sleep\", \"600\"]\n",
    );
    home.squad(["deploy", "--port", "8080"])
        .failure(2)
        .assert(str![[r#"
› error: cannot use `--port`: `sweeper` is a worker, which takes no requests
› hint: leave `--port` out, or make it `kind = "http"` in squad.toml
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}

#[test]
fn a_port_is_a_number_of_this_machine() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    for wrong in ["0", "65536", "http", "-1"] {
        let words = ["deploy".to_owned(), format!("--port={wrong}")];
        let error = home.squad_in(&service.directory, words).failure(2);
        assert!(
            error
                .stderr
                .contains(&format!("`--port` cannot be `{wrong}`")),
            "{}",
            error.transcript()
        );
    }
    let error = home
        .squad_in(&service.directory, ["deploy", "--all", "--port", "8080"])
        .failure(2);
    assert!(
        error.stderr.contains("cannot be used with"),
        "{}",
        error.transcript()
    );
}
