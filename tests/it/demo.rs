//! `squad demo`: what is left of one that was killed, and that it can be removed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::signal;
use crate::support::{Home, Output};

/// A demo that plays, and what it tells, line by line.
fn begun(home: &Home, place: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut demo = home
        .command(["demo", "--directory", place])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("squad");
    let told = BufReader::new(demo.stderr.take().expect("a pipe"));
    (demo, told.lines().map_while(Result::ok))
}

/// The demo is killed while a rollout of it is being driven: its driver lives on, and would start again what is stopped
/// below it.
#[test]
fn a_demo_that_is_killed_in_the_middle_of_a_rollout_is_removed_whole() {
    let home = Home::new().with_packages();
    let directory = home.work().join("demo");
    let place = directory.display().to_string();
    let (mut demo, mut lines) = begun(&home, &place);
    let live = lines.find(|line| line.contains("shifting"));
    assert!(live.is_some(), "the demo ended before its first rollout");
    demo.kill().expect("it runs");
    demo.wait().expect("it ended");
    // Two people at once: one removes it, and the other waits for that and finds nothing.
    let cleaned: Vec<Output> = std::thread::scope(|scope| {
        let clean = || home.squad(["demo", "--clean", "--directory", &place]);
        let both = [scope.spawn(clean), scope.spawn(clean)];
        both.map(|one| one.join().expect("it ends").success())
            .into()
    });
    let mut said: Vec<&str> = cleaned
        .iter()
        .filter_map(|output| output.stderr.split_whitespace().next())
        .collect();
    said.sort_unstable();
    assert_eq!(said, ["removed", "there"]);
    assert!(!directory.exists());
    home.wait_until_quiet(Duration::from_secs(20));
}

/// All of it, as a newcomer sees it.
#[test]
fn the_whole_demo_ends_well_and_is_removed() {
    let home = Home::new().with_packages();
    let place = home.work().join("demo").display().to_string();
    let mut demo = home.command(["demo", "--directory", &place]);
    let output = home
        .run_within(demo.stdin(Stdio::null()), Duration::from_mins(8))
        .expect("it ends")
        .success();
    assert_eq!(output.stdout.lines().last(), Some(place.as_str()));
    let told =
        |line: &&str| line.starts_with("$ squad ") || line.contains(" requests were answered");
    let lines: Vec<&str> = output.stderr.lines().filter(told).collect();
    let (load, commands): (Vec<&str>, Vec<&str>) =
        lines.into_iter().partition(|line| !line.starts_with('$'));
    assert_eq!(
        commands,
        [
            "$ squad org add org",
            "$ squad org use acme",
            "$ squad new python-http payments --set squad=ledger --set telemetry=both",
            "$ squad deploy",
            "$ squad deploy",
            "$ squad deploy",
            "$ squad deploy",
            "$ squad rollback --reason 'showing how'",
            "$ squad deploy --canary --route 'GET /charges/{id}=20,50' --steps 20,50 --hold 2s &",
            "$ squad rollout status",
            "$ squad rollout drive",
            "$ squad deploy --canary --route 'POST /charges=20,50' --steps 20,50 --hold 2s",
            "$ squad rollout list",
            "$ squad stop",
            "$ squad new python-function receipts --set squad=ledger",
            "$ squad deploy",
            r#"$ squad invoke --payload '{"charge": "demo", "amount": 1200}'"#,
            "$ squad status --all",
            "$ squad history --all",
            "$ squad audit verify",
        ],
        "{}",
        output.transcript()
    );
    // Only the change that is bad on one verb fails requests, and only of that verb.
    let harmed: Vec<&&str> = load
        .iter()
        .filter(|line| !line.ends_with(", 0 failed"))
        .collect();
    let expected = |line: &&&str| line.contains(" POST: ");
    assert!(load.len() >= 6 && harmed.iter().all(expected), "{load:#?}");
    let clean = || home.squad(["demo", "--clean", "--directory", &place, "-o", "json"]);
    for outcome in ["removed", "absent"] {
        let output = clean().success();
        let wanted =
            format!(r#"{{"schema":"squad.demo/v1","directory":"{place}","outcome":"{outcome}"}}"#);
        assert_eq!(
            (output.line(), output.stderr.as_str()),
            (wanted.as_str(), "")
        );
    }
    home.wait_until_quiet(Duration::from_secs(20));
}

#[test]
fn cleaning_where_no_demo_is_says_so_to_programs_too() {
    let home = Home::new();
    let place = home.work().join("demo").display().to_string();
    home.squad(["demo", "--clean", "--directory", &place, "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.demo/v1","directory":"[WORK]/demo","outcome":"absent"}
[exit 0]

"#]]);
}

#[test]
fn a_demo_that_is_stopped_says_what_is_left() {
    let home = Home::new().with_packages();
    let place = home.work().join("demo").display().to_string();
    for asked in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut demo, mut lines) = begun(&home, &place);
        let deploys = lines.find(|line| line == "$ squad deploy");
        assert!(deploys.is_some(), "the demo ended before its first deploy");
        signal(demo.id(), asked);
        let rest: Vec<String> = lines.collect();
        let status = demo.wait().expect("it ended");
        assert_eq!(status.code(), Some(130), "{asked}: {rest:#?}");
        let error =
            format!("error: the demo was stopped; what it started still runs, below {place}");
        assert!(rest.contains(&error), "{asked}: {rest:#?}");
        let hint = format!("hint: remove all of it: `squad demo --clean --directory {place}`");
        assert!(rest.contains(&hint), "{asked}: {rest:#?}");
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
