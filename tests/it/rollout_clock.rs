//! Clocks that jump: time is what the looks cover, so a hold neither ends early nor stretches.

use std::time::{Duration, Instant};

use crate::rollout::{ROLLOUT, Traffic, live, status};
use crate::support::journey::end;
use crate::support::{Home, Output, tool, wait_for};

/// How long each step is waited.
const HOLD: Duration = Duration::from_secs(6);

/// Percent of the first route that the canary gets; 0 while there is no rollout.
fn weight(home: &Home) -> u64 {
    status(home)["units"][0]["weight"].as_u64().unwrap_or(0)
}

/// A rollout whose driver's clock jumps by `jump` in the middle of the first hold: how long the first step stood.
fn held_across(test: &str, jump: &str) -> Option<Duration> {
    let faketime = tool(test, "faketime")?;
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let hold = format!("hold = \"{}s\"", HOLD.as_secs());
    service.toml(&home, &ROLLOUT.replace("hold = \"2s\"", &hold));
    let _second = home.squad_in(&service.directory, ["deploy"]).success();
    let traffic = Traffic::start(&home);
    // Not through the program itself, which sets one time for good: the library reads this file at each look at the clock.
    let clock = home.write("clock", "+0\n");
    let mut printenv = home.program(faketime);
    printenv.args(["-f", "+0", "printenv", "LD_PRELOAD"]);
    let library = home.run(&mut printenv).success();
    let driver = home
        .command(["rollout", "start", "payments", "--revision", "1"])
        .current_dir(&service.directory)
        .env("LD_PRELOAD", library.line())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        // The clock that only counts never jumps.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for("the first step", Duration::from_mins(1), || {
        (weight(&home) == 20).then_some(())
    });
    let since = Instant::now();
    wait_for("the middle of the hold", HOLD, || {
        (since.elapsed() > HOLD / 3).then_some(())
    });
    home.write("clock", &format!("{jump}\n"));
    wait_for("the second step", Duration::from_mins(1), || {
        (weight(&home) == 50).then_some(())
    });
    let waited = since.elapsed();
    let output: Output = end(&home, driver);
    assert_eq!(
        (output.code, output.line()),
        (0, "succeeded"),
        "{}",
        output.transcript()
    );
    traffic.stop_without_failures();
    // The driver's looks say when they were made, as its clock claimed: the jump did happen.
    let report = ["rollout", "report", "--service", "payments", "-o", "json"];
    let report = home.squad(report).success().json();
    let times: Vec<jiff::Timestamp> = report["log"]
        .as_array()
        .expect("the log")
        .iter()
        .map(|entry| {
            entry["at"]
                .as_str()
                .expect("a time")
                .parse()
                .expect("a time")
        })
        .collect();
    let longest = times
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).as_secs().abs())
        .max();
    assert!(longest > Some(3000), "the clock did not jump: {times:?}");
    home.squad(["audit", "verify"]).success();
    Some(waited)
}

/// Between two polls of this test and two looks of the driver, a hold is seen as a little shorter or longer.
fn assert_held(waited: Option<Duration>) {
    if let Some(waited) = waited {
        assert!(waited + Duration::from_secs(2) >= HOLD, "{waited:?}");
        assert!(waited <= HOLD + Duration::from_secs(30), "{waited:?}");
    }
}

#[test]
fn an_hour_forwards_ends_no_hold() {
    let test = "rollout_clock::an_hour_forwards_ends_no_hold";
    assert_held(held_across(test, "+1h"));
}

#[test]
fn an_hour_backwards_stretches_no_hold() {
    let test = "rollout_clock::an_hour_backwards_stretches_no_hold";
    assert_held(held_across(test, "-1h"));
}
