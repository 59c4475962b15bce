//! The tracer (`tests/tracer/`): numbers the writes of one process, and kills it at one of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

use super::{Home, SQUAD, repository};

/// One call of the traced process, in the order in which the calls ended.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    /// None for what only acknowledges: writes to sockets and to the standard streams.
    pub(crate) number: Option<u64>,
    /// As in the manual, such as `renameat2`.
    pub(crate) call: String,
    /// The file that it concerns.
    pub(crate) path: String,
    /// Where it goes, for a rename or a link.
    pub(crate) to: Option<String>,
    /// What came back; none when the process was killed there.
    pub(crate) result: Option<i64>,
}

/// What a traced run left behind.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// The calls.
    pub(crate) events: Vec<Event>,
    /// How many have a number.
    pub(crate) counted: u64,
    /// Whether the tracer killed it.
    pub(crate) killed: bool,
}

/// The tracer's binary, or why there is none on this machine.
pub(crate) fn tracer() -> Result<&'static Path, &'static str> {
    static TRACER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = TRACER.get_or_init(|| {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            return Err("the tracer needs Linux with glibc".to_owned());
        }
        let path = Path::new(SQUAD).with_file_name("examples").join("tracer");
        let modified = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
        let sources = ["main.rs", "trace.rs", "syscalls.rs"];
        let newest = sources
            .iter()
            .filter_map(|file| modified(&repository().join("tests/tracer").join(file)))
            .max();
        if modified(&path) < newest {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--example", "tracer"])
                .current_dir(repository())
                .status();
            if !built.is_ok_and(|status| status.success()) {
                return Err("the tracer does not build".to_owned());
            }
        }
        let works = Command::new(&path).args(["--", "true"]).output();
        match works {
            Ok(output) if output.status.success() => Ok(path),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    found.as_deref().map_err(String::as_str)
}

/// `squad` under the tracer, ready to be run or spawned; the trace goes to `file`.
pub(crate) fn traced(
    home: &Home,
    file: &Path,
    kill_at: Option<u64>,
    arguments: &[&str],
) -> Command {
    let mut command = home.program(tracer().expect("asked for before"));
    command.arg("--ignore-stdio").arg("--trace").arg(file);
    if let Some(number) = kill_at {
        command.args(["--kill-at", &number.to_string()]);
    }
    command.arg("--").arg(SQUAD).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads what the tracer wrote; the process may still be running.
pub(crate) fn read(file: &Path) -> Trace {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut trace = Trace {
        events: Vec::new(),
        counted: 0,
        killed: false,
    };
    for line in text.lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if let Some(counted) = value["counted"].as_u64() {
            trace.counted = counted;
            trace.killed = value["killed"] == true;
        } else if let Ok(event) = serde_json::from_value::<Event>(value) {
            trace.counted = trace.counted.max(event.number.unwrap_or(0));
            trace.events.push(event);
        }
    }
    trace
}
