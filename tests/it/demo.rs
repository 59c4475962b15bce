//! `squad demo`: what is left of one that was killed, and that it can be removed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::Home;
use crate::support::journey::signal;

/// The demo is killed while a rollout of it is being driven: its driver lives on, and would start again what is stopped
/// below it.
#[test]
fn a_demo_that_is_killed_in_the_middle_of_a_rollout_is_removed_whole() {
    let home = Home::new().with_packages();
    let directory = home.work().join("demo");
    let place = directory.display().to_string();
    let mut demo = home
        .command(["demo", "--directory", &place])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("squad");
    let told = BufReader::new(demo.stderr.take().expect("a pipe"));
    let mut lines = told.lines().map_while(Result::ok);
    let live = lines.find(|line| line.contains("shifting"));
    assert!(live.is_some(), "the demo ended before its first rollout");
    demo.kill().expect("it runs");
    demo.wait().expect("it ended");
    home.squad(["demo", "--clean", "--directory", &place])
        .success();
    assert!(!directory.exists());
    home.wait_until_quiet(Duration::from_secs(20));
}

#[test]
fn a_demo_that_is_stopped_says_what_is_left() {
    let home = Home::new().with_packages();
    let place = home.work().join("demo").display().to_string();
    for asked in [Signal::SIGINT, Signal::SIGTERM] {
        let mut demo = home
            .command(["demo", "--directory", &place])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("squad");
        let told = BufReader::new(demo.stderr.take().expect("a pipe"));
        let mut lines = told.lines().map_while(Result::ok);
        let deploys = lines.find(|line| line == "$ squad deploy");
        assert!(deploys.is_some(), "the demo ended before its first deploy");
        signal(demo.id(), asked);
        let rest: Vec<String> = lines.collect();
        let status = demo.wait().expect("it ended");
        assert_eq!(status.code(), Some(130), "{asked}: {rest:#?}");
        let error =
            format!("error: the demo was stopped; what it started still runs, below {place}");
        assert!(rest.contains(&error), "{asked}: {rest:#?}");
        home.squad(["demo", "--clean", "--directory", &place])
            .success();
        home.wait_until_quiet(Duration::from_secs(20));
    }
}

#[test]
fn a_directory_that_no_demo_made_is_left_alone_and_an_empty_one_is_not_in_the_way() {
    let home = Home::new();
    let own = home.write("mine/notes.txt", "mine");
    let place = home.work().join("mine").display().to_string();
    let output = home
        .squad(["demo", "--clean", "--directory", &place])
        .failure(7);
    assert!(output.stderr.contains("no demo made it"));
    assert!(own.exists());
    std::fs::remove_file(own).expect("it is there");
    home.squad(["demo", "--clean", "--directory", &place])
        .success();
}
