//! The platform is silent for a whole hold: no data is never success, and no failure either.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rollout::{ROLLOUT, Traffic, live, serves, wait_for_phase};
use crate::support::journey::{begin, end, signal};
use crate::support::{Home, Output, files_below, wait_for};

/// Holds of 2 s, and silence for much longer.
const SILENCE: Duration = Duration::from_secs(14);

/// The decisions of the one rollout, read from the objects on the disk: no supervisor is needed for that.
fn decisions(home: &Home) -> Vec<Value> {
    let logs: Vec<PathBuf> = files_below(&home.state(), "json")
        .into_iter()
        .filter(|path| {
            path.to_string_lossy()
                .contains("/objects/rollout/payments/")
        })
        .filter(|path| path.to_string_lossy().contains("/log/"))
        .collect();
    assert!(!logs.is_empty(), "no log");
    logs.iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(path).expect("an object");
            let entry: Value = serde_json::from_str(&text).expect("JSON");
            entry["what"].get("decision").cloned()
        })
        .collect()
}

/// The process of the platform.
pub(crate) fn supervisor(home: &Home) -> u32 {
    let status = home.squad(["local", "status", "-o", "json"]).success();
    let supervisor = status.json()["pid"].as_u64().expect("a process id");
    u32::try_from(supervisor).expect("a process id")
}

/// A rollout whose supervisor is stopped during its first hold and goes on after it: how its driver ended.
fn silenced(home: &Home, more: &str) -> (Output, Traffic) {
    let mut service = live(home, "");
    service.version(home, "2");
    service.toml(home, &ROLLOUT.replace("watch", &format!("{more}watch")));
    let traffic = Traffic::start(home);
    let driver = begin(home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(home, "holding");
    let supervisor = supervisor(home);
    signal(supervisor, Signal::SIGSTOP);
    let since = Instant::now();
    let before = decisions(home);
    wait_for("the hold is over", SILENCE * 2, || {
        (since.elapsed() > SILENCE).then_some(())
    });
    let after = decisions(home);
    signal(supervisor, Signal::SIGCONT);
    // One that was being written when the silence began may be there in addition, but none for want of answers.
    let new: Vec<&Value> = after.iter().skip(before.len()).collect();
    assert!(new.len() <= 1, "{new:#?}");
    let forwards = |decision: &&Value| {
        let phase = decision["to"][0].as_str().expect("a phase");
        [
            "promoting",
            "aborting",
            "aborted",
            "finalising",
            "succeeded",
        ]
        .contains(&phase)
    };
    assert!(!new.iter().any(forwards), "{new:#?}");
    (end(home, driver), traffic)
}

/// No verdict was ever for going back.
fn assert_never_aborted(home: &Home) {
    let all = decisions(home);
    let aborted = all.iter().any(|decision| decision["to"][0] == "aborting");
    assert!(!aborted, "{all:#?}");
}

#[test]
fn a_driver_waits_and_goes_on_when_there_are_answers_again() {
    let home = Home::new();
    let (output, traffic) = silenced(&home, "");
    assert_never_aborted(&home);
    assert_eq!(
        (output.code, output.line()),
        (0, "succeeded"),
        "{}",
        output.transcript()
    );
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    home.squad(["audit", "verify"]).success();
}

#[test]
fn a_silence_longer_than_the_longest_hold_pauses_at_most() {
    let home = Home::new();
    let (output, traffic) = silenced(&home, "max_hold = \"4s\"\n");
    assert_never_aborted(&home);
    if output.code != 0 {
        assert_eq!(output.code, 1, "{}", output.transcript());
        assert!(
            output.stderr.contains("rollout-paused"),
            "{}",
            output.transcript()
        );
        // On a slow machine it may take more than one longest hold until there is enough to tell.
        wait_for("the promotion", Duration::from_mins(2), || {
            home.squad(["rollout", "resume", "payments"]).success();
            let driven = home.squad(["rollout", "drive", "payments"]);
            (driven.code == 0).then_some(())
        });
    }
    assert_never_aborted(&home);
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
}

/// Starts a command whose output is kept.
fn spoken(home: &Home, arguments: &[&str]) -> Child {
    let mut command = home.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

#[test]
fn whoever_waits_or_watches_rides_a_silence_out_and_keeps_to_the_time() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(&home, &ROLLOUT.replace("hold = \"2s\"", "hold = \"10m\""));
    let arguments = ["deploy", "--canary", "--no-wait"];
    let _started = home.squad_in(&service.directory, arguments).success();
    let _phase = wait_for_phase(&home, "holding");
    let waiting = begin(&home, &home.work(), ["rollout", "wait", "payments"]);
    let watching = begin(
        &home,
        &home.work(),
        ["rollout", "status", "payments", "--watch"],
    );
    let supervisor = supervisor(&home);
    signal(supervisor, Signal::SIGSTOP);
    let since = Instant::now();
    // Whoever comes now has no answer from the very first question on.
    let late = [
        &["rollout", "wait", "payments"][..],
        &["rollout", "status", "payments", "--watch"],
    ]
    .map(|arguments| spoken(&home, arguments));
    let wait = ["rollout", "wait", "payments", "--timeout", "3s"];
    let output = home.squad(wait).failure(124);
    let waited = since.elapsed();
    assert!(
        waited >= Duration::from_secs(3) && waited < Duration::from_secs(8),
        "{waited:?}"
    );
    assert!(
        output.stderr.contains("rollout-unanswered"),
        "{}",
        output.transcript()
    );
    // Longer than the longest that one question waits for its answer.
    wait_for("a long silence", SILENCE * 2, || {
        (since.elapsed() > Duration::from_secs(18)).then_some(())
    });
    signal(supervisor, Signal::SIGCONT);
    home.squad(["stop", "payments"]).success();
    let [late_wait, late_watch] = late;
    for (what, child) in [
        ("wait", waiting),
        ("watch", watching),
        ("late wait", late_wait),
        ("late watch", late_watch),
    ] {
        let output = end(&home, child);
        assert_eq!(output.code, 1, "{what}: {}", output.transcript());
        assert!(
            output.stdout.contains("aborted"),
            "{what}: {}",
            output.transcript()
        );
        assert!(
            output.stderr.contains("no answer of the platform since "),
            "{what}: {}",
            output.transcript()
        );
        assert!(
            !output.stderr.contains("error:"),
            "{what}: {}",
            output.transcript()
        );
    }
    traffic.stop_without_failures();
}
