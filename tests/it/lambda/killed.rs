//! Killed with SIGKILL before each call of a deploy, a start of a rollout and a rollback, and after each that changes
//! something: the same command again converges, without a second version of the same release. Stops and steps are killed in
//! `stop.rs`.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::deploy::sources;
use super::faults::{answer, digests, is_each_once, until_first_step};
use super::stop::points;
use super::{Cloud, some};
use crate::support::wait_for;

/// Runs beside each other: they mostly wait.
const RUNS: usize = 4;

/// Tries every point, several beside each other.
fn at_each(points: &[(&'static str, usize)], run: impl Fn(&'static str, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..RUNS {
            scope.spawn(|| {
                while let Some((point, nth)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::panic::AssertUnwindSafe(|| run(point, *nth));
                    if let Err(panic) = std::panic::catch_unwind(run) {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.unwrap_or_else(|| "a panic".to_owned());
                        wrong.lock().unwrap().push(format!("{point} {nth}: {text}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Deploys `one`, and where `word` is another one it is what comes next.
fn prepared(word: &str) -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    if word != "one" {
        cloud.squad_in(&directory, &["deploy"]).success();
        let _directory = sources(&cloud, word);
    }
    cloud.aws.forget_calls();
    (cloud, directory)
}

/// Kills a command at its n-th call; what was on its way arrives.
fn kill(cloud: &Cloud, directory: &Path, arguments: &[&str], point: &str, nth: usize) {
    cloud.aws.rule(json!({ "nth": nth, "do": point }));
    let mut command = cloud.aws.squad(&cloud.home, arguments);
    command
        .arg("--yes")
        .current_dir(directory)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("its call, or its end", Duration::from_mins(2), || {
        let is_held = !cloud.aws.wait_held(Duration::from_millis(100)).is_empty();
        (is_held || child.try_wait().unwrap().is_some()).then_some(())
    });
    child.kill().ok();
    child.wait().unwrap();
    cloud.aws.release(crate::support::aws::Release::Apply);
    cloud.aws.forget_rules();
}

fn deploys_converge(word: &str, versions: usize) {
    let (cloud, directory) = prepared(word);
    cloud.squad_in(&directory, &["deploy"]).success();
    let points = points(&cloud.calls());
    eprintln!("a deploy of `{word}`: {} points", points.len());
    assert!(points.len() >= 12, "{points:?}");
    at_each(&some(points), |point, nth| {
        let (cloud, directory) = prepared(word);
        kill(&cloud, &directory, &["deploy"], point, nth);
        let at = format!("{point} {nth}");
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(answer(&cloud), format!("\"{word}\""), "{at}");
        assert_eq!(cloud.sole(), versions.to_string(), "{at}");
        is_each_once(&cloud, &at);
        assert_eq!(digests(&cloud).len(), versions, "{at}");
        cloud.squad(&["audit", "verify"]).success();
        cloud.is_quiet();
    });
}

#[test]
fn a_first_deploy_that_is_killed_at_any_call_is_done_by_the_next_one() {
    deploys_converge("one", 1);
}

#[test]
fn a_deploy_that_is_killed_at_any_call_is_done_by_the_next_one() {
    deploys_converge("two", 2);
}

/// A deploy after which a version is old, and is deleted.
fn tidying() -> (Cloud, std::path::PathBuf) {
    let (cloud, directory) = prepared("one");
    for word in ["two", "three", "four", "five", "six"] {
        cloud.squad_in(&directory, &["deploy"]).success();
        let _directory = sources(&cloud, word);
    }
    cloud.aws.forget_calls();
    (cloud, directory)
}

/// The published versions that are there.
fn versions(cloud: &Cloud) -> Vec<String> {
    let function = cloud.aws.function("receipts");
    let versions = function["versions"].as_array().unwrap();
    let names = versions.iter().map(|one| one["Version"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// What serves is never harmed, and what was not deleted is by the next deploy that has something to do.
#[test]
fn a_deploy_that_is_killed_while_it_deletes_old_versions_is_done_by_the_next_one() {
    let (cloud, directory) = tidying();
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(versions(&cloud), ["2", "3", "4", "5", "6"]);
    let calls = cloud.calls();
    let switched = calls.iter().rposition(|call| call.contains("UpdateAlias"));
    let switched = switched.unwrap() + 1;
    let mut points = points(&calls);
    points.retain(|(_, nth)| *nth > switched);
    eprintln!(
        "tidying: {} points of {:?}",
        points.len(),
        &calls[switched..]
    );
    assert!(
        calls[switched..]
            .iter()
            .any(|call| call == "lambda.DeleteFunction")
    );
    at_each(&some(points), |point, nth| {
        let (cloud, directory) = tidying();
        kill(&cloud, &directory, &["deploy"], point, nth);
        let at = format!("{point} {nth}");
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(answer(&cloud), "\"six\"", "{at}");
        assert_eq!(cloud.sole(), "6", "{at}");
        is_each_once(&cloud, &at);
        let _directory = sources(&cloud, "seven");
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(versions(&cloud), ["3", "4", "5", "6", "7"], "{at}");
        cloud.squad(&["audit", "verify"]).success();
    });
}

/// Up to the first step: what comes after it is the driver's, which is killed in `stop.rs`.
#[test]
fn a_start_of_a_rollout_that_is_killed_at_any_call_comes_to_its_first_step() {
    const START: [&str; 12] = [
        "rollout",
        "start",
        "receipts",
        "--revision",
        "3",
        "--again",
        "--reason",
        "it was the partner",
        "--steps",
        "10,50",
        "--hold",
        "1m",
    ];
    let cloud = Cloud::with_history();
    cloud.aws.forget_calls();
    let home = cloud.home.work();
    assert!(until_first_step(&cloud, &home, &START).is_none());
    let calls = cloud.calls();
    let steps = calls.iter().filter(|call| call.contains("UpdateAlias"));
    assert_eq!(
        steps.count(),
        3,
        "its plan, its driver, its first step: {calls:?}"
    );
    let last = calls.iter().rposition(|call| call.contains("UpdateAlias"));
    let points = points(&calls[..=last.unwrap()]);
    eprintln!("a start of a rollout: {} points", points.len());
    assert!(points.len() >= 12, "{points:?}");
    at_each(&some(points), |point, nth| {
        let cloud = Cloud::with_history();
        cloud.aws.forget_calls();
        cloud.kill_at(&START, point, nth);
        let at = format!("{point} {nth}");
        if cloud.is_rolling() {
            cloud.drive().success();
        } else {
            let again = until_first_step(&cloud, &cloud.home.work(), &START);
            assert!(again.is_none(), "{at}: {again:?}");
        }
        assert_eq!(cloud.weights(), json!({ "3": 0.1 }), "{at}");
        cloud.squad(&["stop", "receipts"]).success();
        assert_eq!(cloud.sole(), "2", "{at}");
        cloud.squad(&["audit", "verify"]).success();
        cloud.is_quiet();
    });
}
