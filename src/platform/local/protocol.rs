//! What the client and the supervisor say to each other over the control socket.
//!
//! Each message is a frame: four bytes of length, big endian, then JSON. A connection begins with a
//! [`Hello`] from each side and carries one request. Nothing here decides anything.
//!
//! It only grows: a field that is added has a default, and what may not be understood is asked for only where the other
//! side's [`Hello`] says that it is.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};
use crate::platform::{Commit, LogLine, LogQuery, Progress};

use super::wire::Failure;

/// The version of this protocol. A supervisor with a lower one is replaced, with a higher one it is refused. One with the
/// same is asked by a newer binary as it is, by requests that change nothing ([`Request::changes_nothing`]).
pub(super) const PROTOCOL: u32 = 2;

/// The longest frame in bytes: an invocation's payload (6 MiB at AWS Lambda) with all its quotes escaped.
const LONGEST: u32 = 32 << 20;

/// The first frame in each direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`PROTOCOL`].
    pub(super) protocol: u32,
    /// The version of squad.
    pub(super) version: String,
    /// Which executable it is.
    pub(super) build: Build,
    /// The process.
    pub(super) pid: u32,
    /// Whether it knows [`Request::HandOver`].
    #[serde(default)]
    pub(super) hands_over: bool,
}

/// Which executable it is, cheaply: its size and when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Build {
    /// Nanoseconds since 1970 at which the file was last written.
    modified: i64,
    /// Its size in bytes.
    size: u64,
}

impl Build {
    /// Of an executable; the zero build when it cannot be read any more.
    pub(super) fn of(executable: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(executable).map_or(
            Self {
                modified: 0,
                size: 0,
            },
            |metadata| Self {
                modified: metadata
                    .mtime()
                    .saturating_mul(1_000_000_000)
                    .saturating_add(metadata.mtime_nsec()),
                size: metadata.size(),
            },
        )
    }
}

impl Hello {
    /// Of this process, which runs `executable`.
    pub(super) fn of(build: Build) -> Self {
        Self {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build,
            pid: std::process::id(),
            hands_over: true,
        }
    }

    /// Whether a client with this hello replaces a supervisor with that one: it is another, newer executable.
    pub(super) fn replaces(&self, supervisor: &Self) -> bool {
        self.protocol > supervisor.protocol
            || (self.protocol == supervisor.protocol
                && self.build != supervisor.build
                && self.build > supervisor.build)
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Everything about a service.
    Observe {
        /// Which one.
        service: ServiceName,
    },
    /// The names of all services.
    Services,
    /// Make a revision and start it.
    Publish {
        /// What.
        release: Box<Release>,
    },
    /// Start a revision that was stopped.
    Prepare {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
    },
    /// Change the traffic.
    Commit {
        /// Of which service.
        service: ServiceName,
        /// The state that was observed.
        token: Token,
        /// The change.
        commit: Box<Commit>,
    },
    /// Remove a revision.
    Retire {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
    },
    /// Why a revision does not serve.
    Diagnose {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
    },
    /// Log lines from now on.
    Follow {
        /// Of which service.
        service: ServiceName,
        /// Which lines.
        query: LogQuery,
    },
    /// Call a function.
    Invoke {
        /// Which one.
        service: ServiceName,
        /// One revision of it, or what the traffic says.
        revision: Option<RevisionNumber>,
        /// JSON.
        payload: String,
    },
    /// All counters of a service.
    Counts {
        /// Which one.
        service: ServiceName,
    },
    /// What a service counted by the minute.
    History {
        /// Which one.
        service: ServiceName,
        /// How far back.
        seconds: u64,
    },
    /// Give a service another port.
    SetPort {
        /// Which one.
        service: ServiceName,
        /// The port.
        port: u16,
    },
    /// How the supervisor itself is.
    Status,
    /// Remove the old log files of all services.
    PruneLogs,
    /// Which revisions could be removed, of each service that has such.
    Prunable,
    /// Remove what is not needed of a service.
    Prune {
        /// Which one.
        service: ServiceName,
    },
    /// Hand over the listening sockets, and go on: [`Frame::Sockets`], then each of them. Whoever asks is about to send
    /// [`Request::Stop`].
    HandOver,
    /// Drain and end.
    Stop,
}

impl Request {
    /// Whether it only looks, and is as old as [`PROTOCOL`]: a supervisor of an older binary can answer it as well.
    pub(super) fn changes_nothing(&self) -> bool {
        matches!(
            self,
            Self::Observe { .. }
                | Self::Services
                | Self::Diagnose { .. }
                | Self::Follow { .. }
                | Self::Counts { .. }
                | Self::History { .. }
                | Self::Status
        )
    }
}

/// What the supervisor answers: any number of signs of life, then one `Done` or `Failed`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Frame {
    /// A sign of life.
    Progress(Progress),
    /// The files of a log and their lengths: what was written before the first [`Frame::Line`].
    Files(Vec<(PathBuf, u64)>),
    /// A log line.
    Line(LogLine),
    /// The answer to [`Request::HandOver`]: so many bytes follow, each with a socket beside it, and no frame any more.
    Sockets(u32),
    /// It is done; the answer.
    Done(serde_json::Value),
    /// It failed.
    Failed(Failure),
}

/// How the supervisor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SupervisorStatus {
    /// Its process.
    pub(crate) pid: u32,
    /// The version of squad that it runs.
    pub(crate) version: String,
    /// When it was started.
    pub(crate) started_at: jiff::Timestamp,
    /// Where every service is reachable by its host name, such as `http://localhost:20000`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) address: Option<String>,
    /// Where its state lies.
    pub(crate) state: PathBuf,
    /// Bytes that it holds in memory; none where the system does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) resident_bytes: Option<u64>,
    /// Its services in order of their names.
    pub(crate) services: Vec<ServiceStatus>,
}

/// How one service of the supervisor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    /// Its name.
    pub(crate) service: ServiceName,
    /// Where it is reachable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) address: Option<String>,
    /// The revisions with traffic.
    pub(crate) live: Vec<RevisionNumber>,
    /// How many revisions have running processes.
    pub(crate) running: u32,
}

/// What a `prune` could remove of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prunable {
    /// The service.
    pub(crate) service: ServiceName,
    /// The revisions that nothing needs, lowest first.
    pub(crate) revisions: Vec<RevisionNumber>,
}

/// What a `prune` removed of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pruned {
    /// The revisions that are gone, lowest first.
    pub(crate) revisions: Vec<RevisionNumber>,
    /// Bytes that are free again.
    pub(crate) bytes: u64,
}

/// Writes one frame.
pub(super) async fn send<T: Serialize + Sync>(
    stream: &mut (impl AsyncWrite + Unpin + Send),
    message: &T,
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the message is too long"))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads one frame; none when the other side has closed.
pub(super) async fn receive<T: for<'de> Deserialize<'de>>(
    stream: &mut (impl AsyncRead + Unpin + Send),
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the message is too long",
        ));
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    stream.read_exact(&mut body).await?;
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(protocol: u32, modified: i64, size: u64) -> Hello {
        Hello {
            protocol,
            version: "1".into(),
            build: Build { modified, size },
            pid: 1,
            hands_over: true,
        }
    }

    #[test]
    fn only_a_newer_executable_replaces_a_supervisor() {
        let running = hello(1, 100, 10);
        assert!(!hello(1, 100, 10).replaces(&running), "the same one");
        assert!(hello(1, 101, 10).replaces(&running), "written later");
        assert!(!hello(1, 99, 10).replaces(&running), "an older one");
        assert!(hello(2, 99, 10).replaces(&running), "a newer protocol");
        assert!(!hello(0, 101, 10).replaces(&running), "an older protocol");
    }

    #[test]
    fn the_hello_of_a_release_that_hands_nothing_over_says_so() {
        let text = r#"{"protocol":2,"version":"0.1.0","build":{"modified":1,"size":2},"pid":3}"#;
        let hello: Hello = serde_json::from_str(text).unwrap();
        assert!(!hello.hands_over);
    }

    #[tokio::test]
    async fn a_frame_comes_back_as_it_was_and_a_closed_stream_is_no_error() {
        let (mut left, mut right) = tokio::io::duplex(64);
        let sent = hello(1, 2, 3);
        let writing = async {
            send(&mut left, &sent).await.unwrap();
            drop(left);
        };
        let reading = async {
            let first: Option<Hello> = receive(&mut right).await.unwrap();
            let second: Option<Hello> = receive(&mut right).await.unwrap();
            (first, second)
        };
        let ((), (first, second)) = tokio::join!(writing, reading);
        assert_eq!(first, Some(sent));
        assert_eq!(second, None);
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_before_anything_is_allocated() {
        let mut bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff, b'{'];
        let received: io::Result<Option<Hello>> = receive(&mut bytes).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
