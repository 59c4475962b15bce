//! One process of a revision, seen from the supervisor: started through a watcher, its lines put into the
//! log, its end reported once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::watch;

use crate::clients::process;
use crate::domain::release::RevisionNumber;
use crate::fs;

use super::diagnosis::How;
use super::environment::masked;
use super::function::FunctionPool;
use super::log::{Lines, OWN, ServiceLog};
use super::sockets;
use super::watcher::{Launch, Order, Report};

/// How long the last lines of a process that has ended are waited for: something that left its group can hold
/// the pipe open for ever.
const LAST_LINES: Duration = Duration::from_millis(250);

/// What is the same for all processes of an environment.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    /// The squad binary.
    pub(super) executable: PathBuf,
    /// Where running groups are noted, for the next supervisor.
    pub(super) notes: PathBuf,
}

/// Where the lines of a process go.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    /// The log of its service.
    pub(super) log: Arc<ServiceLog>,
    /// Its revision.
    pub(super) revision: RevisionNumber,
    /// Its number among the processes of its revision.
    pub(super) slot: usize,
    /// What must not show.
    pub(super) secrets: Arc<[String]>,
    /// A function's pool and the place of the process in it: its lines belong to the invocation under way.
    pub(super) pool: Option<(Arc<FunctionPool>, usize)>,
}

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    /// Its number, which is that of its group.
    pub(super) pid: u32,
    control: OwnedWriteHalf,
    ended: watch::Receiver<Option<Ended>>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// How.
    pub(super) how: How,
    /// squad had to kill it.
    pub(super) forced: bool,
}

/// A note about a running group: what a supervisor that starts after a crash of the machine's processes
/// needs to end it without ever hitting another one.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    pid: u32,
    started: u64,
    watcher: u32,
    watcher_started: u64,
}

impl Launcher {
    /// Starts a process. The error is the reason in words.
    pub(super) async fn launch(&self, launch: Launch, sink: Sink) -> Result<Process, String> {
        let (ours, theirs) = BlockingStream::pair().map_err(|error| error.to_string())?;
        let mut command = process::command(&self.executable);
        command
            .arg0("squad")
            .args(["local", "watch"])
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut watcher = tokio::process::Command::from(command)
            .spawn()
            .map_err(|error| error.to_string())?;
        ours.set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let stream = UnixStream::from_std(ours).map_err(|error| error.to_string())?;
        let (reports, mut control) = stream.into_split();
        let mut order =
            serde_json::to_vec(&Order::Run(launch)).map_err(|error| error.to_string())?;
        order.push(b'\n');
        let reader = match (watcher.stdout.take(), watcher.stderr.take()) {
            (Some(stdout), Some(stderr)) => tokio::spawn(read(stdout, stderr, sink)),
            _ => return Err("its output cannot be read".to_owned()),
        };
        let mut reports = BufReader::new(reports);
        let first = match control.write_all(&order).await {
            Ok(()) => next_report(&mut reports).await,
            Err(_) => None,
        };
        let pid = match first {
            Some(Report::Started(pid)) => pid,
            Some(Report::NotStarted(reason)) => {
                drop(watcher.wait().await);
                return Err(reason);
            }
            Some(Report::Ended { .. }) | None => {
                drop(watcher.wait().await);
                return Err("its watcher ended".to_owned());
            }
        };
        let note = self.note(pid, watcher.id());
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let end = match next_report(&mut reports).await {
                Some(Report::Ended {
                    code,
                    signal,
                    forced,
                }) => Ended {
                    how: match (code, signal) {
                        (Some(code), _) => How::Code(code),
                        (None, Some(signal)) => How::Signal(signal),
                        (None, None) => How::Lost,
                    },
                    forced,
                },
                _ => {
                    // Somebody killed the watcher: the group is ours to end.
                    sockets::kill_group(pid);
                    Ended {
                        how: How::Lost,
                        forced: true,
                    }
                }
            };
            drop(watcher.wait().await);
            drop(tokio::time::timeout(LAST_LINES, reader).await);
            if let Some(note) = note {
                drop(std::fs::remove_file(note));
            }
            tell.send_replace(Some(end));
        });
        Ok(Process {
            pid,
            control,
            ended,
        })
    }

    /// Notes a running group; none when that is not possible, which costs nothing but the note.
    fn note(&self, pid: u32, watcher: Option<u32>) -> Option<PathBuf> {
        let watcher = watcher?;
        let note = Note {
            pid,
            started: sockets::started_at(pid)?,
            watcher,
            watcher_started: sockets::started_at(watcher)?,
        };
        let path = self.notes.join(pid.to_string());
        let bytes = serde_json::to_vec(&note).ok()?;
        // Not synced: after a loss of power there are no processes either.
        let mut file = std::fs::File::create(&path).ok()?;
        std::io::Write::write_all(&mut file, &bytes).ok()?;
        Some(path)
    }

    /// Ends the groups that an earlier supervisor left behind. One whose watcher lives ends by itself.
    pub(super) fn end_orphans(&self) {
        let Ok(entries) = std::fs::read_dir(&self.notes) else {
            return;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let note = fs::read(&path)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
            if let Some(note) = note {
                if sockets::started_at(note.watcher) == Some(note.watcher_started) {
                    continue;
                }
                if sockets::started_at(note.pid) == Some(note.started) {
                    tracing::info!("ended the orphaned process group {}", note.pid);
                    sockets::kill_group(note.pid);
                }
            }
            drop(std::fs::remove_file(path));
        }
    }
}

impl Process {
    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.unwrap_or(Ended {
                how: How::Lost,
                forced: true,
            }),
            Err(_) => Ended {
                how: How::Lost,
                forced: true,
            },
        }
    }

    /// SIGTERM, and SIGKILL after its grace; returns when it has ended.
    pub(super) async fn stop(mut self) -> Ended {
        let mut order = serde_json::to_vec(&Order::Stop).unwrap_or_default();
        order.push(b'\n');
        // A watcher that cannot be told is dead, which shows as the end.
        drop(self.control.write_all(&order).await);
        self.ended().await
    }
}

async fn next_report(reports: &mut BufReader<OwnedReadHalf>) -> Option<Report> {
    let mut line = String::new();
    match reports.read_line(&mut line).await {
        Ok(length) if length > 0 => serde_json::from_str(&line).ok(),
        _ => None,
    }
}

/// Puts what comes out of both pipes into the log, line by line. Nothing orders two pipes; of what is there at
/// the same time standard output comes first, so that the error with which a process ends is the last line.
async fn read(mut stdout: ChildStdout, mut stderr: ChildStderr, sink: Sink) {
    let write = |stream: &'static str| {
        let sink = &sink;
        move |line: &str| {
            let line = masked(line, &sink.secrets);
            let Some((pool, slot)) = &sink.pool else {
                return sink.log.write(sink.revision, sink.slot, stream, &line);
            };
            // Lambda's runtime clients write what belongs together as one line of the pipe, joined with carriage returns.
            for line in line.trim_end_matches('\r').split('\r') {
                sink.log.write(sink.revision, sink.slot, stream, line);
                pool.log_line(*slot, line);
            }
        }
    };
    let (mut out, mut err) = (Pipe::default(), Pipe::default());
    while out.open || err.open {
        if out.flooded {
            // A process that writes without end to one must not be stuck on the other.
            tokio::select! {
                read = stdout.read(&mut out.buffer), if out.open => out.take(read, write("stdout")),
                read = stderr.read(&mut err.buffer), if err.open => err.take(read, write("stderr")),
            }
        } else {
            tokio::select! {
                biased;
                read = stdout.read(&mut out.buffer), if out.open => out.take(read, write("stdout")),
                read = stderr.read(&mut err.buffer), if err.open => err.take(read, write("stderr")),
            }
        }
    }
    out.lines.finish(write("stdout"));
    err.lines.finish(write("stderr"));
}

/// One of the two pipes.
struct Pipe {
    buffer: Vec<u8>,
    lines: Lines,
    open: bool,
    /// The last read filled the buffer.
    flooded: bool,
}

impl Default for Pipe {
    fn default() -> Self {
        Self {
            buffer: vec![0; 8 << 10],
            lines: Lines::default(),
            open: true,
            flooded: false,
        }
    }
}

impl Pipe {
    fn take(&mut self, read: std::io::Result<usize>, write: impl FnMut(&str)) {
        let read = read.unwrap_or(0);
        self.open = read > 0;
        self.flooded = read == self.buffer.len();
        self.lines
            .take(self.buffer.get(..read).unwrap_or_default(), write);
    }
}

impl Sink {
    /// Notes what the platform itself did.
    pub(super) fn say(&self, text: &str) {
        self.log.write(self.revision, self.slot, OWN, text);
    }
}

/// The binary to run watchers from: on Linux the very file that this process runs, even when it has been
/// replaced meanwhile.
pub(crate) fn own_executable(given: &Path) -> PathBuf {
    if cfg!(target_os = "linux") {
        PathBuf::from("/proc/self/exe")
    } else {
        given.to_owned()
    }
}
