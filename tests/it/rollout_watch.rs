//! `squad rollout status --watch`: on a terminal, as JSON Lines, and into a pipe that closes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;

use crate::rollout::{ROLLOUT, Traffic, live, status, wait_for_drivers, wait_for_phase};
use crate::rollout_silence::supervisor;
use crate::support::journey::{begin, end, signal};
use crate::support::{Home, SQUAD, Terminal};

/// A rollout with a look every 3 s, a tenth of its hold; its driver, and requests.
fn holding(home: &Home) -> (Child, Traffic) {
    let mut service = live(home, "");
    service.version(home, "2");
    let traffic = Traffic::start(home);
    service.toml(home, &ROLLOUT.replace("hold = \"2s\"", "hold = \"30s\""));
    let driver = begin(home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(home, "holding");
    (driver, traffic)
}

/// Nobody who watched changed anything: it is still driven, and a stop ends it.
fn stop(home: &Home, driver: Child, traffic: Traffic) {
    assert_eq!(status(home)["unattended"], false);
    home.squad(["stop", "payments"]).success();
    let outcome = end(home, driver);
    assert_eq!(outcome.line(), "aborted", "{}", outcome.transcript());
    wait_for_drivers(home);
    traffic.stop_without_failures();
}

#[test]
fn control_c_leaves_the_live_view_and_the_rollout_goes_on() {
    let home = Home::new();
    let (driver, traffic) = holding(&home);
    let mut terminal = Terminal::start(&home, 100, ["rollout", "status", "payments", "--watch"]);
    terminal
        .expect("holding")
        .expect("POST /charges/{id}/refund");
    // It is alive: it is drawn again and again.
    let drawn = |terminal: &Terminal| terminal.raw().matches("holding").count();
    let before = drawn(&terminal);
    crate::support::wait_for(
        "the view changes",
        std::time::Duration::from_secs(20),
        || (drawn(&terminal) > before + 1).then_some(()),
    );
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 8, "not finished: {text}");
    assert!(!text.contains("error:"), "{text}");
    stop(&home, driver, traffic);
}

#[test]
fn the_live_view_says_since_when_the_platform_is_silent_and_stays() {
    let home = Home::new();
    let (driver, traffic) = holding(&home);
    let supervisor = supervisor(&home);
    let mut terminal = Terminal::start(&home, 100, ["rollout", "status", "payments", "--watch"]);
    terminal.expect("holding");
    signal(supervisor, Signal::SIGSTOP);
    terminal.expect("no answer of the platform since ");
    signal(supervisor, Signal::SIGCONT);
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 8, "{text}");
    assert!(!text.contains("error:"), "{text}");
    stop(&home, driver, traffic);
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let home = Home::new();
    let (driver, traffic) = holding(&home);
    let mut command = home.program("setsid");
    command.args(["--ctty", "--wait"]).arg(SQUAD);
    command.args(["rollout", "status", "payments", "--watch"]);
    command.env("TERM", "dumb").current_dir(home.work());
    let mut terminal = Terminal::spawn(&home, 100, command);
    let line = "payments 1 → 2 · local · holding at 20 %, step 1 of 2";
    terminal.expect(line);
    let lines = |terminal: &Terminal| terminal.raw().matches(line).count();
    crate::support::wait_for("more lines", std::time::Duration::from_secs(20), || {
        (lines(&terminal) > 1).then_some(())
    });
    let raw = terminal.raw();
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 8, "{text}");
    stop(&home, driver, traffic);
}

#[test]
fn as_json_it_is_one_document_in_each_line() {
    let home = Home::new();
    let (driver, traffic) = holding(&home);
    let mut watch = home
        .command(["rollout", "status", "payments", "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let mut next = || {
        let line = lines.next()?.expect("text");
        let value: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        assert_eq!(value["schema"], "squad.rollout/v1", "{line}");
        Some(value)
    };
    let first = next().expect("a line");
    for _ in 0..3 {
        assert_ne!(next().expect("a line"), first, "a line for each change");
    }
    signal(watch.id(), Signal::SIGINT);
    while next().is_some() {}
    let output = end(&home, watch);
    assert_eq!((output.code, output.stderr.as_str()), (8, ""));
    stop(&home, driver, traffic);
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let home = Home::new();
    let (driver, traffic) = holding(&home);
    for format in ["text", "json"] {
        let pipe =
            "\"$0\" rollout status payments --watch -o \"$1\" | head -n 1; exit ${PIPESTATUS[0]}";
        let output = home.run(home.program("bash").args(["-c", pipe, SQUAD, format]));
        assert_eq!(output.code, 8, "{}", output.transcript());
        assert_eq!(output.stderr, "");
        assert_eq!(output.stdout.lines().count(), 1, "{}", output.transcript());
    }
    stop(&home, driver, traffic);
}
