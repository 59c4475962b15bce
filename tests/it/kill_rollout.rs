//! Rollouts that are killed in the middle: the driver, `squad stop` and the supervisor end with SIGKILL at one of their
//! writes, whoever comes next goes on, and the end is that of an undisturbed run: the same traffic, the same phase, the
//! same decisions for the same reasons. Points, seed and table are those of `kill.rs`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kill::{self, Room, converge};
use crate::rollout::{serves, status, wait_for_phase};
use crate::support::journey::{begin, end, port, signal};
use crate::support::tracer::{self, traced};
use crate::support::{Home, Load, Output, TestService};

/// One route, so that its steps pass in one order, one step, and the shortest times: a run mostly waits.
const SHORT: &str = r#"
[[route]]
name = "get-charge"
method = "GET"
path = "/charges/{id}"

[rollout]
steps = [{ weight = 50, hold = "0s" }]

[analysis]
harm = 5.0
watch = "1s"
"#;

/// How many runs beside each other: most of their time is waiting, and two cores carry so many without a run that takes
/// longer for it.
const RUNS: usize = 4;

/// What two runs must agree on.
#[derive(Debug, PartialEq)]
struct End {
    /// `squad status` without ids, times and counts.
    status: String,
    /// The phase that the traffic tells.
    phase: Value,
    /// Each unit with the canary's weight.
    weights: Vec<(Value, Value)>,
    /// Each decision: from, to, why, the words of whoever decided, and the verdicts that it rests on.
    decisions: Vec<Value>,
    /// What runs.
    processes: Vec<String>,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            phase,
            weights,
            decisions,
            processes,
        } = self;
        writeln!(f, "{phase} {weights:?}")?;
        for decision in decisions {
            writeln!(f, "  {decision}")?;
        }
        write!(f, "{processes:#?}\n{status}")
    }
}

impl End {
    fn of(home: &Home) -> Self {
        let live = home.squad(["status", "payments", "-o", "json"]).success();
        // Also closes what the dead process left open.
        home.squad(["audit", "verify"]).success();
        let rollout = status(home);
        let units = rollout["units"].as_array().expect("units").clone();
        Self {
            status: kill::without_what_differs(&live, home.root()),
            phase: rollout["phase"].clone(),
            weights: units
                .iter()
                .map(|unit| (unit["unit"].clone(), unit["weight"].clone()))
                .collect(),
            decisions: decisions(home),
            processes: kill::roles(&home.steady_processes()),
        }
    }
}

/// The decisions of the newest rollout. Its log has one entry for each sequence, and generations never fall.
fn decisions(home: &Home) -> Vec<Value> {
    let report = ["rollout", "report", "--service", "payments", "-o", "json"];
    let report = home.squad(report).success().json();
    let log = report["log"].as_array().expect("the log").clone();
    let sequences: Vec<u64> = log
        .iter()
        .map(|entry| entry["sequence"].as_u64().expect("a sequence"))
        .collect();
    assert!(
        sequences.iter().copied().eq(0..log.len() as u64),
        "{sequences:?}"
    );
    let generations: Vec<u64> = log
        .iter()
        .map(|entry| entry["generation"].as_u64().expect("a generation"))
        .collect();
    assert!(generations.is_sorted(), "{generations:?}");
    log.iter()
        .map(|entry| &entry["what"]["decision"])
        .filter(|decision| !decision.is_null())
        .map(|one| {
            serde_json::json!({
                "from": one["from"],
                "to": one["to"],
                "why": one["why"],
                "reason": one["reason"],
                "verdicts": verdicts(one),
            })
        })
        .collect()
}

/// The verdicts that a decision rests on; null for one that rests on none: what the judge thinks meanwhile depends on
/// how many requests there were.
fn verdicts(decision: &Value) -> Value {
    let rests = ["passed", "failed"]
        .iter()
        .any(|why| !decision["why"][why].is_null());
    if !rests && decision["why"] != "all_passed" {
        return Value::Null;
    }
    let judgements = decision["judgements"].as_array().expect("judgements");
    judgements
        .iter()
        .map(|judged| serde_json::json!([judged[0], judged[1]["verdict"]]))
        .collect()
}

/// A service whose revision 1 serves, and sources of the next one.
fn prepare(home: &Home) -> TestService {
    let mut service = TestService::new(home, "payments");
    service.toml(home, SHORT);
    let _first = home.squad_in(&service.directory, ["deploy"]).success();
    service.version(home, "2");
    service
}

/// Requests to the one route, and the platform has counted some.
fn load(home: &Home) -> Load {
    let port = port(home, "payments");
    let load = Load::start(port, "/charges/7", 2, Duration::from_millis(5));
    load.wait_for_more(50);
    load
}

/// What starts a rollout and drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Of a revision that is there.
    Rollout,
    /// With its publish.
    Deploy,
    /// The same of a revision that answers nothing but 500.
    Bad,
}

impl Start {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Rollout => &["rollout", "start", "payments", "--revision", "1"],
            Self::Deploy | Self::Bad => &["deploy", "--canary"],
        }
    }

    /// The home, ready for the command, and where it runs.
    fn prepare(self, home: &Home) -> PathBuf {
        let mut service = prepare(home);
        match self {
            Self::Rollout => {
                let _second = home.squad_in(&service.directory, ["deploy"]).success();
            }
            Self::Deploy => {}
            Self::Bad => {
                service.behave(home, "fail");
            }
        }
        service.directory
    }

    /// The exit code of whoever drives to the end, and its answer.
    fn ends(self) -> (i32, &'static str) {
        match self {
            Self::Rollout | Self::Deploy => (0, "succeeded"),
            Self::Bad => (3, "aborted"),
        }
    }

    /// What a person does after the driver has died: the same again while nothing is live, else drive.
    fn again(self, home: &Home, directory: &Path) -> Output {
        if status(home).is_null() {
            home.squad_in(directory, self.arguments())
        } else {
            home.squad(["rollout", "drive", "payments"])
        }
    }
}

fn driver(start: Start, kill_at: Option<u64>) -> (End, u64) {
    let home = Home::new();
    let directory = start.prepare(&home);
    let load = load(&home);
    let file = home.root().join("trace");
    let mut command = traced(&home, &file, kill_at, start.arguments());
    let first = home.run(command.current_dir(&directory));
    let trace = tracer::read(&file);
    assert_eq!(trace.killed, first.code == 137, "{}", first.transcript());
    let last = if trace.killed {
        start.again(&home, &directory)
    } else {
        first
    };
    assert_eq!(
        (last.code, last.line()),
        start.ends(),
        "{}",
        last.transcript()
    );
    load.wait_for_more(5);
    let _counts = match start {
        Start::Bad => {
            assert_eq!(serves(&home).as_deref(), Some("1"));
            load.stop_without_failures_but_of("2")
        }
        _ => load.stop_without_failures(),
    };
    (End::of(&home), trace.counted)
}

fn stop(kill_at: Option<u64>) -> (End, u64) {
    let home = Home::new();
    let mut service = prepare(&home);
    service.toml(&home, &SHORT.replace("hold = \"0s\"", "hold = \"10m\""));
    let load = load(&home);
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    // Nobody else is to finish what is killed.
    signal(driver.id(), Signal::SIGKILL);
    let _killed = end(&home, driver);
    let file = home.root().join("trace");
    let stop = ["stop", "payments", "--reason", "refunds fail"];
    let first = home.run(&mut traced(&home, &file, kill_at, &stop));
    let trace = tracer::read(&file);
    assert_eq!(trace.killed, first.code == 137, "{}", first.transcript());
    if !trace.killed {
        assert_eq!(first.code, 0, "{}", first.transcript());
    }
    home.squad(stop).success();
    assert_eq!(serves(&home).as_deref(), Some("1"));
    load.wait_for_more(5);
    let _counts = load.stop_without_failures();
    (End::of(&home), trace.counted)
}

/// `offset` is how many writes the supervisor of the undisturbed run had behind it when the rollout began: those of
/// its own start and of the requests before are not meant.
fn supervisor(offset: &OnceLock<u64>, kill_at: Option<u64>) -> (End, u64) {
    let home = Home::new();
    let start = Start::Rollout;
    let directory = start.prepare(&home);
    let _stopped = home.squad(["local", "stop"]).success();
    let file = home.root().join("trace");
    let kill_at = kill_at.map(|point| point + offset.get().expect("the undisturbed run was first"));
    let mut supervisor = kill::supervise(&home, &file, kill_at);
    let load = load(&home);
    let before = *offset.get_or_init(|| tracer::read(&file).counted);
    let first = home.squad_in(&directory, start.arguments());
    let trace = tracer::read(&file);
    assert_eq!(
        (first.code, first.line()),
        (0, "succeeded"),
        "killed: {}\n{}",
        trace.killed,
        first.transcript()
    );
    if kill_at.is_some() {
        // A run in which the point is not reached ends right behind the operation.
        kill::end_by_force(&home, &mut supervisor);
        home.squad(["status", "payments"]).success();
    }
    // Requests may fail while no supervisor is there; none after.
    let _counts = load.stop();
    let load = self::load(&home);
    let _counts = load.stop_without_failures();
    let end = End::of(&home);
    let _stopped = home.squad(["local", "stop"]);
    kill::finish(&mut supervisor);
    (end, trace.counted.saturating_sub(before))
}

/// One test, because each of these mostly waits: their runs are beside each other, so many that they keep the machine busy
/// and no more, and only one thread of the harness waits for them.
#[test]
fn a_rollout_survives_the_end_of_whoever_works_on_it() {
    let room = Room::new(RUNS);
    let offset = OnceLock::new();
    let case = |name: &str, run: &(dyn Fn(Option<u64>) -> (End, u64) + Sync)| {
        converge(&format!("kill_rollout::{name}"), &room, run);
    };
    std::thread::scope(|scope| {
        let driver_of = |name: &'static str, start| {
            scope.spawn(move || case(name, &|kill_at| driver(start, kill_at)))
        };
        let cases = [
            driver_of("driver_of_a_started_rollout", Start::Rollout),
            driver_of("driver_of_a_gradual_deploy", Start::Deploy),
            driver_of("driver_of_a_bad_canary", Start::Bad),
            scope.spawn(|| case("stop", &stop)),
            scope.spawn(|| case("supervisor", &|kill_at| supervisor(&offset, kill_at))),
        ];
        let wrong: Vec<String> = cases
            .into_iter()
            .filter_map(|case| case.join().err())
            .map(|panic| match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(_) => "a panic".to_owned(),
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    });
}
