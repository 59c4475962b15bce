//! What only looks or waits ends in the same way whoever asks it to: Ctrl-C, a CI job that is cancelled (SIGTERM), a terminal
//! that is closed (SIGHUP).

use nix::sys::signal::Signal;
use snapbox::str;

use crate::rollout::{ROLLOUT, Traffic, live, status, wait_for_drivers, wait_for_phase};
use crate::support::journey::{begin, end, signal};
use crate::support::{Home, Output, Terminal, TestService};

const ALL: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Starts a command, waits until it has written this to standard output or error, asks it to end, and returns how it did.
#[track_caller]
fn ended(home: &Home, arguments: &[&str], written: &str, asked: Signal) -> (i32, String, String) {
    let terminal = Terminal::start(home, 120, arguments);
    terminal.expect(written);
    signal(terminal.id(), asked);
    let (code, text) = terminal.finish();
    (code, text, format!("{arguments:?} {asked}"))
}

#[test]
fn a_rollout_is_left_as_it_is_by_whoever_watched_it_or_waited_for_it() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(&home, &ROLLOUT.replace("hold = \"2s\"", "hold = \"60s\""));
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    for asked in ALL {
        let watch = ["rollout", "status", "payments", "--watch"];
        let (code, text, what) = ended(&home, &watch, "POST /charges/{id}/refund", asked);
        assert_eq!(code, 8, "{what}: {text}");
        assert!(!text.contains("error:"), "{what}: {text}");
        // It is not finished, so that whoever watched the service is told the same.
        let watch = ["status", "payments", "--watch"];
        let (code, text, what) = ended(&home, &watch, "payments  local", asked);
        assert_eq!(code, 8, "{what}: {text}");
        assert!(!text.contains("error:"), "{what}: {text}");
        let child = begin(&home, &home.work(), ["rollout", "wait", "payments"]);
        let output = interrupted(&home, child, asked);
        output.assert(str![[r#"
› payments 1 → 2 · local · holding at 20 %, step 1 of 2 · driven by ana@example.com on [..]
› error: stopped waiting for the rollout of `payments`; nothing about it was changed
› hint: wait again: `squad rollout wait payments`
› hint: see where it is: `squad rollout status payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md
[exit 130]

"#]]);
    }
    let now = status(&home);
    assert_eq!(
        (&now["phase"], &now["unattended"]),
        (&"holding".into(), &false.into())
    );
    home.squad(["stop", "payments"]).success();
    let outcome = end(&home, driver);
    assert_eq!(outcome.line(), "aborted", "{}", outcome.transcript());
    wait_for_drivers(&home);
    traffic.stop_without_failures();
}

/// Asks a command to end as soon as it has written a line to standard error.
#[track_caller]
fn interrupted(home: &Home, mut child: std::process::Child, asked: Signal) -> Output {
    let mut reader = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut seen = String::new();
    std::io::BufRead::read_line(&mut reader, &mut seen).expect("text");
    signal(child.id(), asked);
    std::io::Read::read_to_string(&mut reader, &mut seen).expect("text");
    let output = end(home, child);
    Output {
        stderr: crate::support::output::redact(&seen, home.root()),
        ..output
    }
}

#[test]
fn a_log_that_is_followed_ends_well() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    for asked in ALL {
        let follow = ["logs", "payments", "--follow"];
        let (code, text, what) = ended(&home, &follow, "version 1 starts", asked);
        assert_eq!(code, 0, "{what}: {text}");
        assert!(!text.contains("error:"), "{what}: {text}");
    }
}
