//! What does not start, and what happens to requests meanwhile.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{begin, end, live, port, results, signal};
use crate::support::{Home, Load, TestService, get, wait_for};

#[test]
fn requests_under_way_end_on_the_revision_where_they_began() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    service.version(&home, "2");
    let slow = std::thread::spawn(move || get(port, "/slow?seconds=3"));
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(port, "/").body, "version 2\n");
    let reply = slow.join().expect("a thread");
    assert_eq!((reply.status, reply.body.as_str()), (200, "version 1\n"));
}

#[test]
fn a_revision_that_cannot_start_never_gets_a_request() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let load = Load::start(port(&home, "payments"), "/", 4, Duration::from_millis(2));
    load.wait_for_more(20);
    service.behave(&home, "exit:1");
    let began = Instant::now();
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 exit:1  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ◌ revision         exit code 1; try 2
› ◌ revision         exit code 1; try 3
› ✖ revision         2: process ended with exit code 1, [DURATION] after it started, 3 times
› error: cannot deploy `payments`: revision 2 does not start
›   version 1 starts, exit
›   app/config.py:12  KeyError: 'ACQUIRER_URL'
›   caused by: it needs the variable ACQUIRER_URL, which `squad.toml` does not set
› live: revision 1 serves all traffic; of [..] requests meanwhile 0 failed
› hint: set it under [run.env] in squad.toml, or look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/process-exited.md
[exit 1]

"#]]);
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "the cause comes within seconds, not at the time limit: {:?}",
        began.elapsed()
    );
    // The very same again: it is tried again, because the cause may have been elsewhere.
    let output = home
        .squad_in(&service.directory, ["deploy", "-o", "json"])
        .failure(1);
    assert_eq!(output.stdout, "", "{}", output.transcript());
    let error = output.error_json();
    assert_eq!(error["schema"], "squad.error/v1");
    assert_eq!(error["exit_code"], 1);
    assert_eq!(error["live"]["revision"], "1");
    assert_eq!(error["live"]["traffic"], 100);
    assert!(error["live"]["requests"].as_u64() > Some(0), "{error}");
    assert_eq!(error["live"]["failed_requests"], 0);
    load.wait_for_more(20);
    let counts = load.stop_without_failures();
    assert_eq!(
        counts.by_revision.keys().collect::<Vec<_>>(),
        ["1"],
        "{counts:?}"
    );
    assert_eq!(results(&home), ["failed", "failed", "succeeded"]);
    home.squad(["history", "payments"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                                     RESULT
[AGO]  ana@example.com  deploy payments 1 → 2 in local (Serve version 1 exit:1)  failed (process-exited), 1 serves
[AGO]  ana@example.com  deploy payments 1 → 2 in local (Serve version 1 exit:1)  failed (process-exited), 1 serves
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)           done
[exit 0]

"#]]);
    service.behave(&home, "");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}

#[test]
fn each_way_not_to_start_has_its_cause() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "no-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         1: process runs, and does not listen on port [PORT], after [DURATION]
› error: cannot deploy `payments`: revision 1 does not start
›   version 1 starts, no-port
›   caused by: it has to listen on 127.0.0.1, on the port in the variable PORT, here [PORT]
› live: `payments` is not live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-not-opened.md
[exit 1]

"#]]);
    service.behave(&home, "other-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         2: process runs, and does not listen on port [PORT], but on [PORT], after [DURATION]
› error: cannot deploy `payments`: revision 2 does not start
›   version 1 starts, other-port
›   stopping
›   caused by: it listens on port [PORT], and has to listen on the port in the variable PORT, here [PORT]
› live: `payments` is not live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-not-opened.md
[exit 1]

"#]]);
    service.behave(&home, "never-ready");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         3: `GET /readyz` still answers 503 after [DURATION]
› error: cannot deploy `payments`: revision 3 does not start
›   version 1 starts, never-ready
›   stopping
›   caused by: `GET /readyz` answered 503, and has to answer 200 once it can take requests
› live: `payments` is not live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/never-ready.md
[exit 1]

"#]]);
    assert_eq!(live(&home, "payments"), None);
}

#[test]
fn a_command_that_is_not_there_has_its_cause() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let path = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(&path, &text.replace("\"python3\"", "\"bin/serve\""));
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›   the work tree has changes that are not committed
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         1: `bin/serve` is not in the artifact
› error: cannot deploy `payments`: revision 1 does not start
›   caused by: `bin/serve` is not in the artifact
› live: `payments` is not live here, and takes no traffic
› hint: correct `command` under [run] in squad.toml, or the build
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/command-not-found.md
[exit 1]

"#]]);
}

#[test]
fn an_answer_of_somebody_else_on_its_port_is_not_its_own() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    // It runs before the service, and takes the port that is meant for it; it says that it is ready.
    let (take, taken) = std::sync::mpsc::channel::<u16>();
    let stranger = std::thread::spawn(move || {
        let port = taken.recv().expect("a port");
        std::net::TcpListener::bind(("127.0.0.1", port)).expect("the service does not listen on it")
    });
    service.behave(&home, "no-port");
    home.squad_in(&service.directory, ["deploy", "--no-wait"])
        .success();
    let given = wait_for("it is started", Duration::from_secs(10), || {
        let log = home.squad(["logs", "payments", "--revision", "1"]).stdout;
        let (_, rest) = log.split_once(" on port ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    take.send(given).expect("a stranger");
    let listener = stranger.join().expect("a thread");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut start = [0; 512];
            let _read = stream.read(&mut start);
            let _written = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    // The deploy has ended when the log says how.
    let end = wait_for("the deploy ends", Duration::from_secs(20), || {
        let log = home.squad(["logs", "payments", "--revision", "1"]).stdout;
        let end = log.lines().last()?.to_owned();
        (end.contains("failed: ") || end.contains("ready after")).then_some(end)
    });
    assert!(
        end.contains("failed: process runs, and does not listen on port"),
        "{end}"
    );
    assert_eq!(live(&home, "payments"), None);
}

#[test]
fn time_in_which_the_machine_stands_still_is_not_the_services() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "slow-start:1");
    service.toml(&home, "start = \"3s\"\n");
    let deploy = begin(&home, &service.directory, ["deploy"]);
    let given: u16 = wait_for("it is started", Duration::from_secs(10), || {
        let log = home.squad(["logs", "payments", "--revision", "1"]).stdout;
        let (_, rest) = log.split_once(" on port ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    let status = home.squad(["local", "status", "-o", "json"]).json();
    let id = u32::try_from(status["pid"].as_u64().expect("a process")).expect("a process");
    signal(id, Signal::SIGSTOP);
    let stopped = Instant::now();
    wait_for("it listens", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", given)).ok()
    });
    // Nobody asks it until its time is over by the clock.
    std::thread::sleep(Duration::from_secs(4).saturating_sub(stopped.elapsed()));
    signal(id, Signal::SIGCONT);
    let output = end(&home, deploy).success();
    assert_eq!(output.line(), "1");
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
}

/// As it is said when the time for the start is over first.
#[test]
fn a_time_limit_that_ends_before_the_start_says_what_was_waited_for() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "never-ready");
    home.squad_in(&service.directory, ["deploy", "--timeout", "4s"])
        .failure(124)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 never-ready  Ana Example
›   run.start 60s → 5s
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         2: `GET /readyz` still answers 503 after [DURATION]
› error: cannot deploy `payments`: the deploy was not finished after [DURATION]
›   version 1 starts, never-ready
›   caused by: `GET /readyz` answered 503, and has to answer 200 once it can take requests
› live: revision 1 serves all traffic
› hint: give it longer: `squad deploy payments --timeout 20m`
› hint: look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    assert_eq!(results(&home)[0], "failed");
}

#[test]
fn progress_that_a_process_draws_over_is_shown_as_it_was_drawn_last() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let path = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let command =
        r#"["sh", "-c", "printf 'loading 1%%\\rloading 99%%\\rloading 100%%\\r\\n' >&2; exit 3"]"#;
    home.write(&path, &text.replace(r#"["python3", "serve.py"]"#, command));
    home.squad_in(&service.directory, ["deploy", "--quiet"])
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: revision 1 does not start
›   loading 100%
›   caused by: process ended with exit code 3, [DURATION] after it started, 3 times
› live: `payments` is not live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/process-exited.md
[exit 1]

"#]]);
}
