//! A supervisor is replaced by one of a newer binary while clients send requests: none is lost, whatever dies meanwhile.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::control::{receive_if_any, send};
use crate::support::journey::{newer_binary, port, row, signal};
use crate::support::load::{Counts, Load};
use crate::support::request::{self, connect};
use crate::support::{Home, Output, TestService, files_below, get, wait_for};

/// The process of the supervisor, as `binary` sees it.
fn pid(home: &Home, binary: &Path) -> u32 {
    let status = run(home, binary, &["local", "status", "-o", "json"]).json();
    let pid = status["pid"].as_u64().expect("it runs");
    u32::try_from(pid).expect("a process id")
}

fn run(home: &Home, binary: &Path, arguments: &[&str]) -> Output {
    home.run(home.program(binary).args(arguments)).success()
}

/// Starts `squad local start`, which replaces the supervisor, and does not wait for it.
fn begin(home: &Home, binary: &Path) -> Child {
    // By now nobody has the copy open for writing.
    run(home, binary, &["whoami"]);
    home.program(binary)
        .args(["local", "start"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Starts a supervisor as a command does, which is not there any more.
fn supervise(home: &Home, binary: &Path) -> Child {
    let mut command = home.program(binary);
    command.args(["local", "supervise", "--name", "local", "--directory"]);
    command.arg(home.state().join("local/local/local"));
    command.arg("--runtime").arg(home.runtime());
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// The processes of all supervisors, also of one that waits for its turn.
fn supervisors(home: &Home) -> Vec<u32> {
    let processes = home.processes().into_iter();
    processes
        .filter(|process| process.command.contains("local supervise --name local "))
        .map(|process| process.id)
        .collect()
}

/// Waits until a supervisor other than the `first` one is there, and that one is gone.
fn successor(home: &Home, first: u32) -> u32 {
    wait_for(
        "the next supervisor alone",
        Duration::from_secs(30),
        || match supervisors(home).as_slice() {
            [one] if *one != first => Some(*one),
            _ => None,
        },
    )
}

/// A service that is live, and a newer binary.
fn begun(behave: &str) -> (Home, TestService, u16, PathBuf) {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    if !behave.is_empty() {
        service.behave(&home, behave);
    }
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    let newer = newer_binary(&home, 1);
    (home, service, port, newer)
}

/// The revisions that answered.
fn revisions(counts: &Counts) -> Vec<&str> {
    counts.by_revision.keys().map(String::as_str).collect()
}

#[test]
fn an_upgrade_loses_no_request() {
    let (home, mut service, port, newer) = begun("");
    let kept = Load::start(port, "/", 3, Duration::from_millis(3));
    let posted = Load::start_with(port, "POST", "/", 2, Duration::from_millis(3));
    let anew = Load::start_anew(port, "/", 3, Duration::from_millis(3));
    anew.wait_for_more(20);
    let first = pid(&home, &newer);

    run(&home, &newer, &["status", "payments"]);
    run(&home, &newer, &["history", "payments"]);
    run(&home, &newer, &["logs", "payments"]);
    assert_eq!(pid(&home, &newer), first, "who only looks replaces nothing");

    run(&home, &newer, &["local", "start"]);
    let second = pid(&home, &newer);
    assert_ne!(second, first, "it was replaced");
    for load in [&kept, &posted, &anew] {
        load.wait_for_more(100);
        assert_eq!(revisions(&load.counts()), ["1"]);
    }

    let newest = newer_binary(&home, 2);
    service.version(&home, "2");
    let mut deploy = home.program(&newest);
    home.run(deploy.arg("deploy").current_dir(&service.directory))
        .success();
    assert_ne!(pid(&home, &newest), second, "it was replaced again");
    for load in [kept, posted, anew] {
        load.wait_for_revision("2");
        let counts = load.stop_without_failures();
        assert_eq!(revisions(&counts), ["1", "2"]);
        println!("{counts:?}");
    }
}

#[test]
fn a_request_that_is_under_way_ends_on_the_old_supervisor() {
    let (home, _service, port, newer) = begun("");
    let first = pid(&home, &newer);
    // Taken by the time at which the one behind it is answered.
    let mut held = connect(port).expect("a connection");
    request::send(&mut held, "GET", "/slow?seconds=4", &[], b"").expect("it is sent");
    assert_eq!(get(port, "/").status, 200);
    let load = Load::start_anew(port, "/", 2, Duration::from_millis(3));
    let command = begin(&home, &newer);
    let reply = request::receive(&mut BufReader::new(held), false).expect("an answer");
    assert_eq!((reply.status, reply.revision()), (200, Some("1")));
    assert_eq!(
        reply.header("connection"),
        Some("close"),
        "the old one says that it ends"
    );
    let output = command.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    successor(&home, first);
    load.wait_for_more(20);
    load.stop_without_failures();
    // One process of the service and one supervisor: the old ones are gone.
    snapbox::assert_data_eq!(
        home.steady_processes().join("\n"),
        snapbox::str![[r#"
python3 serve.py
squad local supervise --name local --directory [HOME]/.local/state/squad/local/local/local --runtime [RUN]/squad
"#]]
    );
}

#[test]
fn what_serves_does_not_end_for_a_supervisor_that_could_not_go_on() {
    let (home, _service, port, newer) = begun("");
    let load = Load::start_anew(port, "/", 2, Duration::from_millis(3));
    let first = pid(&home, &newer);
    let journal = home.state().join("local/local/local/journal");
    let good = std::fs::read(&journal).expect("a journal");
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    std::fs::write(&journal, damaged).expect("it is written");
    let output = home.run(home.program(&newer).args(["local", "start"]));
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("journal-damaged"), "{output:?}");
    assert_eq!(supervisors(&home), [first]);
    load.wait_for_more(20);
    std::fs::write(&journal, good).expect("it is written");
    run(&home, &newer, &["local", "start"]);
    successor(&home, first);
    load.wait_for_more(20);
    load.stop_without_failures();
}

#[test]
fn two_new_supervisors_at_once_and_one_of_them_serves() {
    let (home, _service, port, newer) = begun("slow-start:1");
    let load = Load::start_anew(port, "/", 3, Duration::from_millis(3));
    load.wait_for_more(20);
    let first = pid(&home, &newer);
    // As two commands start them of which the first one was killed right after it had.
    let both = [supervise(&home, &newer), supervise(&home, &newer)];
    // `null` from both: the environment serves.
    for mut one in both.map(|child| child.stdout.expect("its output")) {
        let mut said = String::new();
        BufReader::new(&mut one)
            .read_line(&mut said)
            .expect("a line");
        assert_eq!(said, "null\n");
    }
    let second = successor(&home, first);
    assert_eq!(pid(&home, &newer), second);
    load.wait_for_more(100);
    let counts = load.stop_without_failures();
    assert_eq!(revisions(&counts), ["1"]);
}

#[test]
fn commands_of_two_newer_binaries_at_once_end_with_the_newest() {
    let (home, _service, port, newer) = begun("");
    let newest = newer_binary(&home, 2);
    let load = Load::start_anew(port, "/", 3, Duration::from_millis(3));
    load.wait_for_more(20);
    let commands = [&newer, &newest, &newer, &newest].map(|binary| begin(&home, binary));
    for command in commands {
        let output = command.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
    }
    let [last] = supervisors(&home)[..] else {
        panic!("{:?}", supervisors(&home));
    };
    run(&home, &newest, &["local", "start"]);
    assert_eq!(supervisors(&home), [last], "it is the newest one already");
    load.wait_for_more(100);
    load.stop_without_failures();
}

#[test]
fn who_comes_while_nobody_serves_waits_for_the_revision_that_served_before() {
    // Longer than a request waits for a revision when nothing is handed over.
    let (home, _service, port, newer) = begun("slow-start:11");
    let status = run(&home, &newer, &["local", "status", "-o", "json"]).json();
    let address = status["address"].as_str().expect("an address");
    let shared: u16 = address.rsplit(':').next().unwrap().parse().expect("a port");
    let first = pid(&home, &newer);
    let command = begin(&home, &newer);
    successor(&home, first);
    std::thread::scope(|scope| {
        let own = scope.spawn(|| request::request(port, "GET", "/", &[], b""));
        let host = &[("host", "payments.localhost")];
        let by_name = scope.spawn(|| request::request(shared, "GET", "/", host, b""));
        for reply in [own, by_name] {
            let reply = reply.join().expect("it ends").expect("an answer");
            assert_eq!((reply.status, reply.revision()), (200, Some("1")));
        }
    });
    let output = command.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_command_may_be_killed_in_the_middle_and_nothing_is_lost() {
    let (home, _service, port, newer) = begun("slow-start:2");
    let load = Load::start_anew(port, "/", 3, Duration::from_millis(3));
    load.wait_for_more(20);
    let first = pid(&home, &newer);
    let mut command = begin(&home, &newer);
    wait_for("the next supervisor", Duration::from_secs(30), || {
        supervisors(&home)
            .iter()
            .any(|one| *one != first)
            .then_some(())
    });
    signal(command.id(), Signal::SIGKILL);
    command.wait().expect("it ends");
    // Whoever comes now uses the one that is on its way, and starts no other.
    assert_eq!(row(&home, "payments")["health"], "ok");
    let second = successor(&home, first);
    assert_eq!(pid(&home, &newer), second);
    load.wait_for_more(100);
    let counts = load.stop_without_failures();
    assert_eq!(revisions(&counts), ["1"]);
}

#[test]
fn the_new_supervisor_may_be_killed_in_the_middle_and_the_next_command_converges() {
    let (home, _service, port, newer) = begun("slow-start:2");
    let first = pid(&home, &newer);
    let command = begin(&home, &newer);
    let second = successor(&home, first);
    signal(second, Signal::SIGKILL);
    let output = command.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(row(&home, "payments")["health"], "ok");
    let reply = get(port, "/");
    assert_eq!((reply.status, reply.revision()), (200, Some("1")));
}

#[test]
fn the_old_supervisor_may_be_killed_in_the_middle_and_the_new_one_goes_on() {
    let (home, _service, port, newer) = begun("");
    let first = pid(&home, &newer);
    // A request that holds the old one up for long; the one behind it shows that it was taken.
    let mut held = connect(port).expect("a connection");
    request::send(&mut held, "GET", "/slow?seconds=15", &[], b"").expect("it is sent");
    assert_eq!(get(port, "/").status, 200);
    let command = begin(&home, &newer);
    wait_for(
        "the control socket is gone",
        Duration::from_secs(30),
        || {
            files_below(&home.runtime(), "sock")
                .is_empty()
                .then_some(())
        },
    );
    let waits = std::thread::spawn(move || get(port, "/"));
    signal(first, Signal::SIGKILL);
    let output = command.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let reply = waits.join().expect("an answer");
    assert_eq!((reply.status, reply.revision()), (200, Some("1")));
    let mut rest = Vec::new();
    assert_eq!(held.read_to_end(&mut rest).expect("an end"), 0);
}

/// What a supervisor of a release that hands nothing over was asked, while `command` ran: it answers everything with an
/// answer that nobody understands, and ends when it is told to.
fn asked_of_an_old_one(home: &Home, protocol: u32, command: impl FnOnce()) -> Vec<Value> {
    let socket = files_below(&home.runtime(), "sock").remove(0);
    home.squad(["local", "stop"]).success();
    let lock = home.state().join("local/local/local/lock");
    let lock = File::options().write(true).open(lock).expect("a lock");
    lock.try_lock().expect("nobody has it");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let old = std::thread::spawn(move || {
        let mut asked = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().expect("a client");
            if receive_if_any(&mut stream).is_none() {
                continue;
            }
            let build = json!({"modified": 0, "size": 0});
            let hello = json!({"protocol": protocol, "version": "0.0.0", "build": build, "pid": 1});
            // A client that only looks whether anybody is there does not wait for the answer.
            let _gone = send(&mut stream, &hello);
            let Some(request) = receive_if_any(&mut stream) else {
                continue;
            };
            asked.push(request);
            if asked.last() == Some(&json!("stop")) {
                std::fs::remove_file(&socket).expect("its socket");
                drop((listener, lock));
                return asked;
            }
            send(&mut stream, &json!({"done": "what nobody understands"})).expect("it reads");
        }
    });
    command();
    old.join().expect("it was told to end")
}

#[test]
fn a_supervisor_that_hands_nothing_over_is_ended_as_ever_and_the_log_says_so() {
    let (home, _service, port, newer) = begun("");
    let asked = asked_of_an_old_one(&home, 2, || drop(run(&home, &newer, &["local", "start"])));
    assert_eq!(asked, [json!("stop")]);
    let reply = get(port, "/");
    assert_eq!((reply.status, reply.revision()), (200, Some("1")));
    let log = home.state().join("local/local/local/supervisor.log");
    let log = std::fs::read_to_string(log).expect("a log");
    let said = "squad 0.0.0, which ran it, hands no sockets over: connections are refused until the services are up";
    assert!(log.contains(said), "{log}");
}

#[test]
fn an_old_supervisor_whose_answers_are_not_understood_is_replaced_also_by_who_only_looks() {
    let (home, _service, _port, newer) = begun("");
    let asked = asked_of_an_old_one(&home, 2, || {
        let status = run(&home, &newer, &["local", "status", "-o", "json"]).json();
        assert_eq!(status["services"][0]["live"], json!(["1"]));
    });
    assert_eq!(asked, [json!("status"), json!("stop")]);
}

#[test]
fn an_old_supervisor_of_another_protocol_is_asked_nothing_but_to_end() {
    let (home, _service, _port, newer) = begun("");
    let asked = asked_of_an_old_one(&home, 1, || {
        let status = run(&home, &newer, &["local", "status", "-o", "json"]).json();
        assert_eq!(status["services"][0]["live"], json!(["1"]));
    });
    assert_eq!(asked, [json!("stop")]);
}
