//! `squad logs` from CloudWatch Logs: all pages, each line once, also one that comes late.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::json;
use snapbox::str;

use super::Cloud;
use crate::support::aws::Release;
use crate::support::journey::signal;
use crate::support::wait_for;

/// The name of a stream of one version.
fn stream(version: u64) -> String {
    format!("2026/11/26/[{version}]0123456789abcdef0123456789abcdef")
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// One event of version 2, so many seconds ago.
fn wrote(cloud: &Cloud, seconds_ago: u64, message: &str) {
    cloud.aws.logs(json!({
        "function": "receipts", "stream": stream(2), "timestamp": now() - seconds_ago * 1000, "message": message,
    }));
}

#[test]
fn a_reader_that_goes_away_ends_the_following_of_a_function_that_is_quiet() {
    let cloud = Cloud::with_function(2);
    wrote(&cloud, 50, "first");
    let follow = ["logs", "receipts", "--follow", "--since", "5m"];
    let mut child = cloud
        .aws
        .squad(&cloud.home, &follow)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    assert!(line.ends_with("first\n"), "{line}");
    drop(reader);
    let ended = wait_for("it ends", Duration::from_secs(20), || {
        child.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(0));
}

/// `squad logs --follow`, and the texts of its lines so far.
struct Follower {
    child: Child,
    texts: Arc<Mutex<Vec<String>>>,
}

impl Follower {
    fn start(cloud: &Cloud, more: &[&str]) -> Self {
        let arguments = [&["logs", "receipts", "--follow", "-o", "json"], more].concat();
        let mut child = cloud
            .aws
            .squad(&cloud.home, &arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let texts = Arc::new(Mutex::new(Vec::new()));
        let (stdout, lines) = (child.stdout.take().unwrap(), Arc::clone(&texts));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
                let text = line["text"].as_str().unwrap().to_owned();
                lines.lock().unwrap().push(text);
            }
        });
        Self { child, texts }
    }

    fn shows(&self, text: &str) {
        wait_for(text, Duration::from_secs(30), || {
            let texts = self.texts.lock().unwrap();
            texts.iter().any(|one| one == text).then_some(())
        });
    }

    /// Ctrl-C; its exit code and everything it showed.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        signal(self.child.id(), Signal::SIGINT);
        let code = self.child.wait().unwrap().code();
        let texts = self.texts.lock().unwrap().clone();
        (code, texts)
    }
}

#[test]
fn all_pages_are_read_and_an_empty_one_is_not_the_last() {
    let cloud = Cloud::with_function(2);
    cloud
        .aws
        .settings(json!({ "log_page": 7, "log_empty_page": true }));
    for number in 0..40 {
        wrote(&cloud, 50, &format!("line {number}"));
    }
    for arguments in [
        &["logs", "receipts", "-o", "json"][..],
        &[
            "logs", "receipts", "-o", "json", "--since", "5m", "--tail", "0",
        ],
    ] {
        let output = cloud.squad(arguments).success();
        let texts: Vec<_> = output
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].clone())
            .collect();
        let wanted: Vec<_> = (0..40)
            .map(|number| json!(format!("line {number}")))
            .collect();
        assert_eq!(texts, wanted);
    }
    let output = cloud
        .squad(&["logs", "receipts", "--since", "5m", "--tail", "2"])
        .success();
    assert_eq!(output.stdout.lines().count(), 2);
    assert!(output.stdout.ends_with("line 39\n"), "{}", output.stdout);
}

#[test]
fn what_comes_late_is_shown_once_and_ctrl_c_is_the_end() {
    let cloud = Cloud::with_function(2);
    cloud.aws.settings(json!({ "log_page": 3 }));
    wrote(&cloud, 400, "before the beginning");
    wrote(&cloud, 20, "first");
    let follower = Follower::start(&cloud, &["--since", "5m"]);
    follower.shows("first");
    wrote(&cloud, 0, "newest");
    follower.shows("newest");
    // CloudWatch had it not when that time was read.
    wrote(&cloud, 2, "late");
    wrote(&cloud, 200, "very late");
    wrote(&cloud, 330, "late, and older than was asked for");
    follower.shows("late");
    follower.shows("very late");
    wrote(&cloud, 0, "last");
    follower.shows("last");
    let (code, mut texts) = follower.end();
    assert_eq!(code, Some(0));
    texts.sort();
    assert_eq!(texts, ["first", "last", "late", "newest", "very late"]);
}

#[test]
fn a_log_that_begins_while_it_is_followed_is_shown() {
    let cloud = Cloud::with_function(2);
    let follower = Follower::start(&cloud, &[]);
    wait_for("a question", Duration::from_secs(30), || {
        let names = cloud.aws.names();
        let asked = names.iter().filter(|name| *name == "logs.FilterLogEvents");
        (asked.count() > 6).then_some(())
    });
    wrote(&cloud, 1, "the first of all");
    follower.shows("the first of all");
    assert_eq!(
        follower.end(),
        (Some(0), vec!["the first of all".to_owned()])
    );
}

#[test]
fn ctrl_c_before_the_first_answer_asks_nothing_more() {
    let cloud = Cloud::with_function(2);
    cloud.aws.rule(json!({
        "service": "logs", "operation": "FilterLogEvents", "times": 0, "do": "hold-before",
    }));
    let follower = Follower::start(&cloud, &[]);
    assert_eq!(cloud.aws.wait_held(Duration::from_secs(30)).len(), 1);
    let before = cloud.aws.names();
    assert_eq!(follower.end(), (Some(0), Vec::new()));
    assert_eq!(cloud.aws.names(), before);
    cloud.aws.release(Release::Drop);
}

/// Each fault as this service answers it: a throttle is 400, and its name is in the body alone.
#[test]
fn a_log_is_asked_for_again_where_aws_throttles_fails_or_hangs_up() {
    for fault in [
        "throttled",
        "throttled-retry-after",
        "broken",
        "unavailable",
        "reset-before",
    ] {
        let cloud = Cloud::with_function(2);
        wrote(&cloud, 1, "paid");
        cloud.aws.settings(json!({
            "faults": { "rate": 1.0, "seed": 7, "kinds": [fault], "services": ["logs"], "in_a_row": 2 },
        }));
        let output = cloud
            .squad(&["logs", "receipts", "--since", "1m"])
            .success();
        assert!(
            output.stdout.ends_with("paid\n"),
            "{fault}: {}",
            output.stdout
        );
        let calls = cloud.aws.calls();
        let faults = calls.iter().filter(|call| call.fault.is_some());
        assert!(faults.count() >= 2, "{fault}");
    }
}

#[test]
fn a_function_that_is_not_there_is_not_followed() {
    let cloud = Cloud::with_function(2);
    cloud
        .squad(&["logs", "nope", "--follow"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `nope`: it was never deployed to acme/cloud, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
}

#[test]
fn lines_of_json_are_shown_as_text_and_a_stack_in_lines() {
    let cloud = Cloud::with_function(2);
    for line in [
        json!({"timestamp": "2026-11-26T15:00:00Z", "level": "INFO", "message": "paid", "logger": "root", "requestId": "1", "order": 12}),
        json!({"level": "ERROR", "message": "no", "errorType": "KeyError", "errorMessage": "'X'", "stackTrace": ["  File \"app.py\", line 3\n    x\n"]}),
    ] {
        wrote(&cloud, 1, &line.to_string());
    }
    // Python, an exception that nobody caught.
    wrote(
        &cloud,
        1,
        &json!({"timestamp": "2026-11-26T15:00:00Z", "level": "ERROR", "requestId": "1", "errorMessage": "no such receipt",
            "errorType": "ValueError", "stackTrace": ["  File \"app.py\", line 4\n    raise\n"]})
        .to_string(),
    );
    wrote(
        &cloud,
        0,
        "[ERROR] KeyError: 'X'\nTraceback (most recent call last):\n  File \"app.py\"\u{1b}[2J",
    );
    cloud
        .squad(&["logs", "receipts"])
        .success()
        .assert(str![[r#"
[TIME]   2 INFO paid order=12
[TIME]   2 ERROR no KeyError 'X'
                   File "app.py", line 3
                     x
[TIME]   2 ERROR ValueError: no such receipt
                   File "app.py", line 4
                     raise
[TIME]   2 [ERROR] KeyError: 'X'
                 Traceback (most recent call last):
                   File "app.py"�[2J
[exit 0]

"#]]);
}

/// Several functions may share a group; then the name of the function stands in that of the stream.
#[test]
fn in_a_group_that_is_shared_only_the_functions_own_lines_are_shown() {
    let cloud = Cloud::new();
    cloud.aws.functions(json!({
        "name": "receipts", "versions": 2, "alias": "live",
        "configuration": { "LoggingConfig": { "LogGroup": "/acme/all", "LogFormat": "Text" } },
    }));
    for (whose, message) in [
        ("receipts[2]", "mine"),
        ("invoices[2]", "another's"),
        ("receipts[1]", "mine before"),
    ] {
        cloud.aws.logs(json!({
            "group": "/acme/all", "stream": format!("2026/11/26/{whose}0123"), "timestamp": now(), "message": message,
        }));
    }
    cloud
        .squad(&["logs", "receipts"])
        .success()
        .assert(str![[r#"
[TIME]   2 mine
[TIME]   1 mine before
[exit 0]

"#]]);
    cloud
        .squad(&["logs", "receipts", "--revision", "1"])
        .success()
        .assert(str![[r#"
[TIME]   1 mine before
[exit 0]

"#]]);
}
