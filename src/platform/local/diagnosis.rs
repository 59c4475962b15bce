//! Why a revision does not serve, in words: a pure function of what was seen.
//!
//! The id of each [`Diagnosis`] is that of its page in `docs/errors/`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::service::Variable;
use crate::platform::Diagnosis;

use super::cause;

/// Lines of the log that a diagnosis shows.
const EVIDENCE: usize = 10;
/// Characters of a line that a diagnosis shows.
const LONGEST_LINE: usize = 2000;

/// How one process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By itself.
    Code(i32),
    /// A signal that did not come from squad.
    Signal(i32),
    /// Its watcher was killed, and squad ended it.
    Lost,
}

/// One end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    /// How.
    pub(super) how: How,
    /// How long after it was started.
    pub(super) after: Duration,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The command cannot be run; the reason in words.
    NoCommand(String),
    /// What the revision was published as is not on the disk any more; the directory.
    NoArtifact(String),
    /// A secret cannot be read; the reason in words.
    NoSecret(String),
    /// It ended before it was ready, each time.
    Exited(Vec<Exit>),
    /// It was ready, and ended again and again.
    Crashed(Vec<Exit>),
    /// It runs, and nothing listens on its port.
    NoPort {
        /// The port that it was given.
        port: u16,
        /// The ports on which it listens.
        others: Vec<u16>,
        /// How long it was waited for.
        after: Duration,
    },
    /// It listens, and is not ready.
    NotReady {
        /// The path that was asked.
        path: String,
        /// What it answered last: a status, or none when it did not answer in time.
        status: Option<u16>,
        /// How long it was waited for.
        after: Duration,
    },
    /// A function said why it cannot start.
    Init(String),
}

impl Exit {
    /// Such as `exit code 1` or `signal 11 (SIGSEGV)`.
    pub(super) fn words(self) -> String {
        match self.how {
            How::Code(code) => format!("exit code {code}"),
            How::Signal(signal) => format!("signal {signal}{}", signal_name(signal)),
            How::Lost => "the end of its watcher".to_owned(),
        }
    }

    fn verb(self) -> &'static str {
        match self.how {
            How::Code(_) | How::Lost => "ended with",
            How::Signal(_) => "was killed by",
        }
    }
}

/// A line of a log as an error shows it: of progress that is drawn over, what is drawn last; and one of megabytes would be all
/// that is seen of it. The log has it whole.
fn shortened(line: &str) -> String {
    let line = line.trim_end();
    let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
    match line.char_indices().nth(LONGEST_LINE) {
        None => line.to_owned(),
        Some((at, _)) => format!(
            "{}… ({} characters in all)",
            line.get(..at).unwrap_or_default(),
            line.chars().count()
        ),
    }
}

/// Puts what was seen into words. `log` is what the process wrote in its last attempt, oldest first; `set` is what the service's
/// file sets of its environment.
pub(super) fn diagnose(
    seen: &Seen,
    (service, revision): (&ServiceName, RevisionNumber),
    set: &BTreeMap<String, Variable>,
    log: &[String],
) -> Diagnosis {
    let found = cause::of(log, set);
    let look = format!("look at the log with `squad logs {service} --revision {revision}`");
    let hint = found
        .as_ref()
        .and_then(|found| found.remedy.as_ref())
        .map_or_else(|| look.clone(), |remedy| format!("{remedy}, or {look}"));
    let evidence = log.iter().skip(log.len().saturating_sub(EVIDENCE));
    let mut diagnosis = Diagnosis {
        id: id(seen).to_owned(),
        summary: summary(seen),
        cause: found.map(|found| found.text),
        evidence: evidence.map(|line| shortened(line)).collect(),
        hint: Some(hint),
    };
    match seen {
        Seen::NoCommand(_) => {
            diagnosis.cause = None;
            diagnosis.evidence.clear();
            diagnosis.hint =
                Some("correct `command` under [run] in squad.toml, or the build".to_owned());
        }
        Seen::NoArtifact(directory) => {
            diagnosis.cause = Some(format!("its artifact `{directory}` is gone"));
            diagnosis.evidence.clear();
            diagnosis.hint = Some(way_out(service, None));
        }
        Seen::Init(_) => {
            diagnosis.evidence = report_of(log).iter().map(|line| shortened(line)).collect();
        }
        Seen::NoSecret(_) => {
            diagnosis.cause = None;
            diagnosis.evidence.clear();
            diagnosis.hint = Some(
                "write the secret into that file, or correct [run.env] in squad.toml".to_owned(),
            );
        }
        Seen::NoPort { port, others, .. } if diagnosis.cause.is_none() => {
            diagnosis.cause = Some(match others.as_slice() {
                [] => format!(
                    "it has to listen on 127.0.0.1, on the port in the variable PORT, here {port}"
                ),
                [other] => format!(
                    "it listens on port {other}, and has to listen on the port in the variable PORT, here {port}"
                ),
                _ => format!(
                    "it listens on other ports, and not on the one in the variable PORT, here {port}"
                ),
            });
        }
        Seen::NotReady { path, status, .. } if diagnosis.cause.is_none() => {
            diagnosis.cause = Some(match status {
                Some(404) => {
                    format!("it has no `{path}`; `ready` under [run] in squad.toml names the path")
                }
                Some(status) => format!(
                    "`GET {path}` answered {status}, and has to answer 200 once it can take requests"
                ),
                None => format!("`GET {path}` was accepted and not answered"),
            });
        }
        Seen::Exited(exits) | Seen::Crashed(exits) if diagnosis.cause.is_none() => {
            if let Some(How::Signal(9)) = exits.last().map(|exit| exit.how) {
                diagnosis.cause = Some(
                    "most likely the machine ran out of memory: nothing in squad sent that signal"
                        .to_owned(),
                );
            } else if let Some(How::Code(0)) = exits.last().map(|exit| exit.how) {
                diagnosis.cause = Some(
                    "it ended as if its work was done; a service has to stay in the foreground"
                        .to_owned(),
                );
            }
        }
        _ => {}
    }
    diagnosis
}

/// What to do where the files of a revision are gone; `there` is another one that served healthily and has its files.
pub(super) fn way_out(service: &ServiceName, there: Option<RevisionNumber>) -> String {
    let anew = format!("deploy the sources as they are now: `squad deploy {service} --rebuild`");
    match there {
        Some(there) => {
            format!(
                "go back to one that is there: `squad rollback {service} --to {there}`, or {anew}"
            )
        }
        None => anew,
    }
}

/// What a function's runtime reported last: its error, and as much of the end of the traceback as is shown. The
/// advice that Lambda's clients print with every error is the same each time.
fn report_of(log: &[String]) -> Vec<String> {
    let begin = log.iter().rposition(|line| line.starts_with("[ERROR] "));
    let report: Vec<&String> = log
        .iter()
        .skip(begin.unwrap_or(0))
        .filter(|line| !line.starts_with("LAMBDA_WARNING: "))
        .collect();
    let left_out = report.len().saturating_sub(EVIDENCE);
    let (head, tail) = report.split_at(usize::from(begin.is_some()).min(report.len()));
    let tail = tail.iter().skip(left_out);
    head.iter().chain(tail).copied().cloned().collect()
}

fn id(seen: &Seen) -> &'static str {
    match seen {
        Seen::NoCommand(_) => "command-not-found",
        Seen::NoArtifact(_) => "artifact-gone",
        Seen::NoSecret(_) => "secret-unreadable",
        Seen::Exited(exits) => match exits.last().map(|exit| exit.how) {
            Some(How::Signal(_)) => "killed-by-signal",
            _ => "process-exited",
        },
        Seen::Crashed(_) => "crash-loop",
        Seen::NoPort { .. } => "port-not-opened",
        Seen::NotReady { .. } => "never-ready",
        Seen::Init(_) => "init-error",
    }
}

fn summary(seen: &Seen) -> String {
    match seen {
        Seen::NoCommand(reason) | Seen::NoSecret(reason) => reason.clone(),
        Seen::NoArtifact(_) => "there is nothing to run".to_owned(),
        Seen::Exited(exits) => exits_in_words(exits, "it started"),
        Seen::Crashed(exits) => format!(
            "{}, after it had been ready",
            exits_in_words(exits, "its last start")
        ),
        Seen::NoPort {
            port,
            others,
            after,
        } => {
            let others = match others.as_slice() {
                [] => String::new(),
                list => format!(
                    ", but on {}",
                    list.iter()
                        .map(u16::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            format!(
                "process runs, and does not listen on port {port}{others}, after {}",
                seconds(*after)
            )
        }
        Seen::NotReady {
            path,
            status,
            after,
        } => match status {
            Some(status) => format!(
                "`GET {path}` still answers {status} after {}",
                seconds(*after)
            ),
            None => format!("`GET {path}` does not answer within {}", seconds(*after)),
        },
        Seen::Init(reason) => format!("function cannot be loaded: {reason}"),
    }
}

fn exits_in_words(exits: &[Exit], since: &str) -> String {
    let Some(last) = exits.last() else {
        return "process ended".to_owned();
    };
    let times = match exits.len() {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    format!(
        "process {} {}, {} after {since}{times}",
        last.verb(),
        last.words(),
        seconds(last.after)
    )
}

/// Such as `0.4 s` or `12 s`.
pub(super) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

/// ` (SIGSEGV)` and the like for the signals that kill services.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(how: How) -> Exit {
        Exit {
            how,
            after: Duration::from_millis(412),
        }
    }

    fn of(seen: &Seen, log: &[&str]) -> Diagnosis {
        let log: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
        let service = ServiceName::new("payments").unwrap();
        diagnose(seen, (&service, RevisionNumber(43)), &BTreeMap::new(), &log)
    }

    #[test]
    fn a_line_of_megabytes_is_cut() {
        let seen = Seen::Exited(vec![exit(How::Code(3))]);
        let long = "ü".repeat(3_000_000);
        let found = of(&seen, &["short", &long]);
        let cut = format!("{}… (3000000 characters in all)", "ü".repeat(LONGEST_LINE));
        assert_eq!(found.evidence, ["short".to_owned(), cut]);
    }

    #[test]
    fn each_thing_that_was_seen_has_its_id_and_its_line() {
        let after = Duration::from_secs(20);
        for (seen, id, summary) in [
            (
                Seen::Exited(vec![exit(How::Code(1)); 3]),
                "process-exited",
                "process ended with exit code 1, 0.4 s after it started, 3 times",
            ),
            (
                Seen::Exited(vec![exit(How::Signal(11))]),
                "killed-by-signal",
                "process was killed by signal 11 (SIGSEGV), 0.4 s after it started",
            ),
            (
                Seen::Crashed(vec![exit(How::Code(2)); 3]),
                "crash-loop",
                "process ended with exit code 2, 0.4 s after its last start, 3 times, after it had been ready",
            ),
            (
                Seen::NoPort {
                    port: 4711,
                    others: vec![8080],
                    after,
                },
                "port-not-opened",
                "process runs, and does not listen on port 4711, but on 8080, after 20 s",
            ),
            (
                Seen::NotReady {
                    path: "/readyz".into(),
                    status: Some(503),
                    after,
                },
                "never-ready",
                "`GET /readyz` still answers 503 after 20 s",
            ),
            (
                Seen::NotReady {
                    path: "/readyz".into(),
                    status: None,
                    after,
                },
                "never-ready",
                "`GET /readyz` does not answer within 20 s",
            ),
            (
                Seen::NoCommand("`bin/serve` is not in the artifact".into()),
                "command-not-found",
                "`bin/serve` is not in the artifact",
            ),
            (
                Seen::NoArtifact("/state/revisions/4/artifact".into()),
                "artifact-gone",
                "there is nothing to run",
            ),
            (
                Seen::Init("ModuleNotFoundError".into()),
                "init-error",
                "function cannot be loaded: ModuleNotFoundError",
            ),
        ] {
            let diagnosis = of(&seen, &[]);
            assert_eq!(
                (diagnosis.id.as_str(), diagnosis.summary.as_str()),
                (id, summary)
            );
            assert!(diagnosis.hint.is_some(), "{id}");
        }
    }

    #[test]
    fn a_function_that_does_not_load_shows_the_end_of_its_last_traceback() {
        let one = [
            "LAMBDA_WARNING: Unhandled exception.",
            "[ERROR] KeyError: 'X'",
        ];
        let frames: Vec<String> = (0..12).map(|n| format!("  frame {n}")).collect();
        let frames = frames.iter().map(String::as_str);
        let log: Vec<&str> = one.into_iter().chain(one).chain(frames).collect();
        let evidence = of(&Seen::Init("KeyError".into()), &log).evidence;
        assert_eq!(evidence.len(), EVIDENCE);
        assert_eq!(evidence[..2], ["[ERROR] KeyError: 'X'", "  frame 3"]);
        assert_eq!(evidence[9], "  frame 11");
        assert_eq!(of(&Seen::Init("x".into()), &["a"]).evidence, ["a"]);
    }

    #[test]
    fn sigkill_that_squad_did_not_send_points_at_the_memory() {
        let diagnosis = of(&Seen::Exited(vec![exit(How::Signal(9))]), &[]);
        assert!(diagnosis.cause.unwrap().contains("memory"));
    }

    #[test]
    fn the_evidence_is_the_last_ten_lines() {
        let lines: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let diagnosis = of(&Seen::Exited(vec![exit(How::Code(1))]), &lines);
        assert_eq!(diagnosis.evidence, lines[2..]);
    }

    #[test]
    fn a_missing_variable_is_named_with_what_to_do() {
        let diagnosis = of(
            &Seen::Exited(vec![exit(How::Code(1)); 3]),
            &[
                "  File \"<frozen os>\", line 679, in __getitem__",
                "KeyError: 'ACQUIRER_URL'",
            ],
        );
        assert_eq!(
            diagnosis.cause.as_deref(),
            Some("it needs the variable ACQUIRER_URL, which `squad.toml` does not set")
        );
        assert_eq!(
            diagnosis.hint.as_deref(),
            Some(
                "set it under [run.env] in squad.toml, or look at the log with `squad logs payments --revision 43`"
            )
        );
    }
}
