//! The harness itself: the service, the load and the terminal do what the other tests rely on.

use std::time::Duration;

use snapbox::str;

use crate::support::{Home, Load, Terminal, TestService, get, request, wait_for};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn the_test_service_answers_and_stops_without_losing_a_request() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let port = free_port();
    let mut child = home
        .program("python3")
        .arg("serve.py")
        .current_dir(&service.directory)
        .env("PORT", port.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("python3");
    wait_for("the service listens", Duration::from_secs(10), || {
        request(port, "GET", "/readyz", &[], b"").ok()
    });
    assert_eq!(get(port, "/version").body, "version 1\n");
    let echoed = request(port, "POST", "/echo?a=%2F", &[("x-a", "1")], b"hi").expect("an answer");
    let echoed: serde_json::Value = serde_json::from_str(&echoed.body).expect("JSON");
    assert_eq!(echoed["path"], "/echo?a=%2F");
    assert_eq!(echoed["body"], "hi");

    let load = Load::start(port, "/", 4, Duration::from_millis(1));
    load.wait_for_more(200);
    let counts = load.stop_without_failures();
    assert!(counts.ok >= 200, "{counts:?}");

    let slow = std::thread::spawn(move || request(port, "GET", "/slow?seconds=0.5", &[], b""));
    wait_for(
        "the slow request is under way",
        Duration::from_secs(5),
        || (home.processes().len() == 1).then_some(()),
    );
    std::thread::sleep(Duration::from_millis(200));
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("an id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it lives");
    assert_eq!(
        slow.join().expect("a thread").expect("an answer").status,
        200
    );
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_home_sees_nothing_of_the_person_who_tests() {
    let home = Home::new();
    let output = home.run(
        home.program("sh")
            .args(["-c", "env | cut -d= -f1 | sort | tr '\\n' ' '"]),
    );
    output.success().assert(str![[r#"
GIT_CONFIG_NOSYSTEM HOME LANG PATH PWD TMPDIR TZ USER XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME [no line end]
[exit 0]

"#]]);
}

#[test]
fn a_terminal_has_the_width_that_was_asked_for() {
    let home = Home::new();
    for columns in [40, 200] {
        let mut command = home.program("setsid");
        command.args(["--ctty", "--wait", "sh", "-c", "stty size; tty >/dev/tty"]);
        let terminal = Terminal::spawn(&home, columns, command);
        let (code, text) = terminal.finish();
        assert_eq!(code, 0, "{text}");
        assert!(
            text.starts_with(&format!("40 {columns}\n/dev/pts/")),
            "{text}"
        );
    }
}

#[test]
fn ctrl_c_reaches_the_program_on_the_terminal() {
    let home = Home::new();
    let mut command = home.program("setsid");
    command.args([
        "--ctty",
        "--wait",
        "sh",
        "-c",
        "trap 'echo caught; exit 7' INT; echo there; while :; do sleep 0.1; done",
    ]);
    let mut terminal = Terminal::spawn(&home, 80, command);
    terminal.expect("there").expect("there");
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 7, "{text}");
    assert!(text.contains("caught"), "{text}");
}

#[test]
fn a_process_that_is_left_over_is_found() {
    let mut home = Home::new();
    home.allow_leftovers();
    let mut child = home.program("sleep").arg("600").spawn().expect("sleep");
    wait_for("it is seen", Duration::from_secs(5), || {
        (home.processes().len() == 1).then_some(())
    });
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    home.wait_until_quiet(Duration::from_secs(5));
}
