//! Killed in the middle: the command line and the supervisor end with SIGKILL at one of their writes, the same
//! command is run again, and everything is as if nothing had happened.
//!
//! `tests/run` takes 20 points of each operation with a seed that is printed (`SQUAD_TEST_SEED` sets it),
//! `tests/run --full` takes all. A kill keeps what the kernel has cached, so the order of syncs is asserted from a
//! trace in `sync_order.rs`.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use regex_lite::Regex;

use crate::support::tracer::{self, traced};
use crate::support::{Home, Load, Output, TestService, skip, wait_for};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    CommandLine,
    Supervisor,
}

/// What it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Deploy,
    Rollback,
    New,
}

impl Operation {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Deploy => &["deploy", "--env", "local", "--yes"],
            Self::Rollback => &["rollback", "--env", "local", "--yes"],
            Self::New => &[
                "new",
                "python-function",
                "receipts",
                "--set",
                "squad=ledger",
            ],
        }
    }

    /// Brings a home to the point where the operation starts; the directory to run it in.
    fn prepare(self, home: &Home) -> std::path::PathBuf {
        if self == Self::New {
            return home.work();
        }
        let mut service = TestService::new(home, "payments");
        let deploy = || home.squad_in(home.work().join("payments"), Self::Deploy.arguments());
        let _first = deploy().success();
        service.version(home, "2");
        if self == Self::Rollback {
            let _second = deploy().success();
        }
        service.directory
    }
}

/// The state that two runs must agree on.
#[derive(Debug, PartialEq, Eq)]
struct End {
    status: String,
    processes: Vec<String>,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nprocesses: {:#?}", self.status, self.processes)
    }
}

impl End {
    fn of(home: &Home, operation: Operation) -> Self {
        if operation == Operation::New {
            return Self {
                status: tree(home, &home.work()),
                processes: Vec::new(),
            };
        }
        let status = home.squad(["status", "payments", "--env", "local", "-o", "json"]);
        let verified = home.squad(["audit", "verify", "--env", "local"]);
        let _intact = verified.success();
        Self {
            status: without_what_differs(&status.success(), home.root()),
            processes: roles(&home.steady_processes()),
        }
    }
}

/// What the processes of a home are: the supervisor may run in the foreground below the tracer, or detached.
pub(crate) fn roles(commands: &[String]) -> Vec<String> {
    let mut roles: Vec<String> = commands
        .iter()
        .filter(|command| !command.contains("examples/tracer"))
        .map(|command| {
            let supervises = ["local start --foreground", "local supervise"];
            if supervises.iter().any(|words| command.contains(words)) {
                "the supervisor".to_owned()
            } else {
                command.clone()
            }
        })
        .collect();
    roles.sort();
    roles
}

/// The status without ids, times, counts of requests and restarts.
pub(crate) fn without_what_differs(status: &Output, root: &Path) -> String {
    fn clean(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.retain(|key, _| {
                    ![
                        "requests",
                        "restarts",
                        "operation",
                        "token",
                        "metrics",
                        "port",
                        "address",
                        "pid",
                    ]
                    .iter()
                    .any(|word| key.contains(word))
                });
                map.values_mut().for_each(clean);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(clean),
            _ => {}
        }
    }
    let mut value = status.json();
    clean(&mut value);
    let text = serde_json::to_string_pretty(&value).expect("JSON");
    crate::support::output::redact(&text, root)
}

/// Every file below the work directory with its content's hash, what git has, and whether it is clean.
fn tree(home: &Home, work: &Path) -> String {
    let mut script = home.program("sh");
    script.current_dir(work).args([
        "-c",
        "find . -path '*/.git' -prune -o -type f -print | LC_ALL=C sort | xargs -r sha256sum; \
         for git in */.git; do (cd \"${git%/.git}\" && git log --format=%s && git status --porcelain && git ls-files -s); done",
    ]);
    home.run(&mut script).success().stdout
}

/// The port on which the service answers, out of its status.
fn port(home: &Home) -> u16 {
    let status = home
        .squad(["status", "payments", "--env", "local", "-o", "json"])
        .success();
    let address = Regex::new(r"(?:127\.0\.0\.1|localhost):(\d+)").expect("a pattern");
    let found = address
        .captures(&status.stdout)
        .unwrap_or_else(|| panic!("no address:\n{}", status.stdout));
    found[1].parse().expect("a port")
}

/// One run, killed at a write (or not at all): what it ended with and how many writes there were.
fn run(operation: Operation, victim: Victim, kill_at: Option<u64>) -> (End, u64) {
    let home = Home::new();
    let directory = operation.prepare(&home);
    let file = home.root().join("trace");
    let arguments = operation.arguments();
    match victim {
        Victim::CommandLine => {
            let load = (operation != Operation::New)
                .then(|| Load::start(port(&home), "/", 2, Duration::from_millis(5)));
            let mut command = traced(&home, &file, kill_at, arguments);
            let first = home.run(command.current_dir(&directory));
            let trace = tracer::read(&file);
            assert_eq!(trace.killed, first.code == 137, "{}", first.transcript());
            if !trace.killed {
                assert_eq!(first.code, 0, "{}", first.transcript());
            }
            again(&home, &directory, operation, trace.killed);
            if let Some(load) = load {
                load.wait_for_more(5);
                let _counts = load.stop_without_failures();
            }
            (End::of(&home, operation), trace.counted)
        }
        Victim::Supervisor => {
            let _stopped = home.squad(["local", "stop"]).success();
            let mut supervisor = supervise(&home, &file, kill_at);
            // It may have been killed while it started: then this very command has to start another one.
            let first = home.squad_in(&directory, arguments);
            let trace = tracer::read(&file);
            if !trace.killed {
                assert_eq!(first.code, 0, "{}", first.transcript());
            }
            if kill_at.is_some() {
                // A run in which the point is not reached ends right behind the operation.
                end_by_force(&home, &mut supervisor);
                again(&home, &directory, operation, true);
            }
            let load = Load::start(port(&home), "/", 2, Duration::from_millis(5));
            load.wait_for_more(20);
            let _counts = load.stop_without_failures();
            let end = End::of(&home, operation);
            let _stopped = home.squad(["local", "stop"]);
            finish(&mut supervisor);
            (end, trace.counted)
        }
    }
}

/// Kills the traced supervisor if it is still there, and waits for the end of its tracer.
pub(crate) fn end_by_force(home: &Home, supervisor: &mut Child) {
    if supervisor.try_wait().expect("ours").is_none() {
        let status = home.squad(["local", "status", "-o", "json"]);
        if let Some(id) = (status.code == 0)
            .then(|| status.json()["pid"].as_u64())
            .flatten()
        {
            crate::support::processes::kill(u32::try_from(id).expect("a process id"));
        }
    }
    finish(supervisor);
}

/// Runs the same command once more: it finishes what was begun, or has nothing to do.
fn again(home: &Home, directory: &Path, operation: Operation, killed: bool) {
    if !killed {
        return;
    }
    let output = home.squad_in(directory, operation.arguments());
    match operation {
        // What is finished is never overwritten; `End` shows whether it is whole.
        Operation::New => assert!([0, 1, 7].contains(&output.code), "{}", output.transcript()),
        // A finished rollback refuses to go further back than the first revision.
        Operation::Rollback => assert!([0, 7].contains(&output.code), "{}", output.transcript()),
        Operation::Deploy => assert_eq!(output.code, 0, "{}", output.transcript()),
    }
}

/// Starts the supervisor in the foreground under the tracer, and returns when it answers or is dead.
pub(crate) fn supervise(home: &Home, file: &Path, kill_at: Option<u64>) -> Child {
    let mut command = traced(home, file, kill_at, &["local", "start", "--foreground"]);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("the tracer");
    wait_for("the supervisor answers", Duration::from_secs(30), || {
        if child.try_wait().expect("ours").is_some() {
            return Some(());
        }
        home.supervisor_answers().then_some(())
    });
    child
}

pub(crate) fn finish(supervisor: &mut Child) {
    wait_for(
        "the traced supervisor ends",
        Duration::from_secs(30),
        || supervisor.try_wait().expect("ours"),
    );
}

/// A small generator (xorshift64*), so that a seed gives the same points everywhere.
pub(crate) fn points(seed: u64, among: u64, how_many: u64) -> Vec<u64> {
    let mut state = seed | 1;
    let mut chosen = std::collections::BTreeSet::new();
    while (chosen.len() as u64) < how_many.min(among) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        chosen.insert(state.wrapping_mul(0x2545_F491_4F6C_DD1D) % among + 1);
    }
    chosen.into_iter().collect()
}

pub(crate) fn seed() -> u64 {
    std::env::var("SQUAD_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("after 1970").as_secs()
        })
}

/// The whole test of one operation and one victim.
fn converges(name: &str, operation: Operation, victim: Victim) {
    converge(&format!("kill::{name}"), &ROOM, |kill_at| {
        run(operation, victim, kill_at)
    });
}

/// For the tests of this file together, however many threads the harness has.
static ROOM: Room = Room::new(4);

/// How many runs there may be beside each other.
pub(crate) struct Room {
    /// How many there are, and how many there may be.
    runs: Mutex<usize>,
    most: usize,
    left: Condvar,
}

impl Room {
    /// For so many.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            runs: Mutex::new(0),
            most,
            left: Condvar::new(),
        }
    }

    /// Runs as soon as there is room.
    fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |runs: &mut usize| *runs >= self.most;
        let mut runs = self
            .left
            .wait_while(runs, full)
            .unwrap_or_else(PoisonError::into_inner);
        *runs += 1;
        drop(runs);
        let result = std::panic::catch_unwind(AssertUnwindSafe(run));
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.left.notify_one();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A whole kill test: one undisturbed run, then one for each point, as many beside each other as there is room for.
/// `run` kills at a point (or not at all), runs what has to be run again, and returns the end state and how many points
/// there were.
pub(crate) fn converge<E>(name: &str, room: &Room, run: impl Fn(Option<u64>) -> (E, u64) + Sync)
where
    E: PartialEq + std::fmt::Display + Sync,
{
    if let Err(reason) = tracer::tracer() {
        skip(name, reason);
        return;
    }
    let run = |kill_at| room.within(|| run(kill_at));
    let (wanted, counted) = run(None);
    assert!(counted > 3, "{counted} writes: the tracer sees nothing");
    let full = std::env::var("SQUAD_TEST_FULL").is_ok_and(|value| value == "1");
    let seed = seed();
    let points = if full {
        (1..=counted).collect()
    } else {
        points(seed, counted, 20)
    };
    eprintln!("{name}: {} of {counted} points, seed {seed}", points.len());

    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..room.most {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = std::panic::catch_unwind(AssertUnwindSafe(|| run(Some(*point)).0));
                    let complaint = match result {
                        Ok(end) if end == wanted => continue,
                        Ok(end) => format!("another end: {end}\nwanted: {wanted}"),
                        Err(panic) => panic
                            .downcast_ref::<String>()
                            .map_or("a panic", String::as_str)
                            .to_owned(),
                    };
                    wrong
                        .lock()
                        .expect("the list")
                        .push(format!("point {point}: {complaint}"));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("the list");
    record(name, points.len(), counted, wrong.len());
    assert!(
        wrong.is_empty(),
        "{name}, seed {seed}:\n{}",
        wrong.join("\n\n")
    );
}

/// For `tests/run --full`, which makes a table of it.
fn record(name: &str, points: usize, counted: u64, wrong: usize) {
    if let Some(directory) = std::env::var_os("SQUAD_TEST_KILLS") {
        let line = format!(
            "| {name} | {points} of {counted} | {} | {wrong} |\n",
            points - wrong
        );
        let file = Path::new(&directory).join(name.replace("::", "-"));
        std::fs::write(file, line).expect("the result can be written");
    }
}

#[test]
fn deploy_survives_the_end_of_the_command_line() {
    converges(
        "deploy_survives_the_end_of_the_command_line",
        Operation::Deploy,
        Victim::CommandLine,
    );
}

#[test]
fn deploy_survives_the_end_of_the_supervisor() {
    converges(
        "deploy_survives_the_end_of_the_supervisor",
        Operation::Deploy,
        Victim::Supervisor,
    );
}

#[test]
fn rollback_survives_the_end_of_the_command_line() {
    converges(
        "rollback_survives_the_end_of_the_command_line",
        Operation::Rollback,
        Victim::CommandLine,
    );
}

#[test]
fn rollback_survives_the_end_of_the_supervisor() {
    converges(
        "rollback_survives_the_end_of_the_supervisor",
        Operation::Rollback,
        Victim::Supervisor,
    );
}

#[test]
fn new_survives_its_end() {
    converges("new_survives_its_end", Operation::New, Victim::CommandLine);
}

#[test]
fn the_points_are_the_same_for_the_same_seed() {
    assert_eq!(points(7, 1000, 20), points(7, 1000, 20));
    assert_ne!(points(7, 1000, 20), points(9, 1000, 20));
    assert_eq!(points(7, 5, 20), [1, 2, 3, 4, 5]);
}
