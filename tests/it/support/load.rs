//! A load generator that counts: every answer by status and by the revision that gave it.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::request::{connect, receive, send};
use super::wait::wait_for;

/// What came back so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Answers with a status below 500.
    pub(crate) ok: u64,
    /// Answers of 500 and above, refused and broken connections.
    pub(crate) failed: u64,
    /// Connections that the server closed between two answers: the request went out again on a new one, as
    /// every client does, and is not counted as failed.
    pub(crate) reopened: u64,
    /// Answers by `x-squad-revision`.
    pub(crate) by_revision: BTreeMap<String, u64>,
    /// Failed answers by `x-squad-revision`.
    pub(crate) failed_by_revision: BTreeMap<String, u64>,
    /// The first few failures, in words.
    pub(crate) failures: Vec<String>,
}

/// Threads that send requests, one after the other, until they are told to stop.
#[must_use = "a load that is not stopped proves nothing"]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Mutex<Counts>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `threads` clients, each with one kept-alive connection, that wait `pause` between two requests.
    pub(crate) fn start(port: u16, path: &str, threads: usize, pause: Duration) -> Self {
        Self::start_with(port, "GET", path, threads, pause)
    }

    /// The same with another method.
    pub(crate) fn start_with(
        port: u16,
        method: &'static str,
        path: &str,
        threads: usize,
        pause: Duration,
    ) -> Self {
        Self::run(port, (method, path), threads, pause, true)
    }

    /// The same with a connection of its own for each request, so that a connection that is not taken is a failure.
    pub(crate) fn start_anew(port: u16, path: &str, threads: usize, pause: Duration) -> Self {
        Self::run(port, ("GET", path), threads, pause, false)
    }

    fn run(
        port: u16,
        (method, path): (&'static str, &str),
        threads: usize,
        pause: Duration,
        keeps: bool,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(Counts::default()));
        let threads = (0..threads)
            .map(|_| {
                let (stop, counts, path) = (stop.clone(), counts.clone(), path.to_owned());
                std::thread::spawn(move || {
                    client(port, (method, &path), (pause, keeps), &stop, &counts);
                })
            })
            .collect();
        Self {
            stop,
            counts,
            threads,
        }
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().expect("the counts").clone()
    }

    /// Waits until `more` further answers have arrived, whoever gave them.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, more: u64) {
        let before = self.counts();
        wait_for("further answers", Duration::from_secs(30), || {
            let now = self.counts();
            (now.ok + now.failed >= before.ok + before.failed + more).then_some(())
        });
    }

    /// Waits until a revision has answered.
    #[track_caller]
    pub(crate) fn wait_for_revision(&self, revision: &str) {
        let before = self.counts().by_revision.get(revision).copied();
        wait_for(
            &format!("an answer of revision {revision}"),
            Duration::from_secs(30),
            || (self.counts().by_revision.get(revision).copied() > before).then_some(()),
        );
    }

    /// Ends after the requests that are under way.
    pub(crate) fn stop(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client ends");
        }
        let counts = self.counts.lock().expect("the counts").clone();
        assert!(counts.ok + counts.failed > 0, "the load sent nothing");
        counts
    }

    /// Ends, and asserts that no request failed.
    #[track_caller]
    pub(crate) fn stop_without_failures(self) -> Counts {
        let counts = self.stop();
        assert_eq!(counts.failed, 0, "requests failed: {counts:#?}");
        counts
    }

    /// Ends, and asserts that no request failed but those that this revision answered so.
    #[track_caller]
    pub(crate) fn stop_without_failures_but_of(self, revision: &str) -> Counts {
        let counts = self.stop();
        let its = counts.failed_by_revision.get(revision).copied();
        assert_eq!(
            counts.failed,
            its.unwrap_or(0),
            "requests failed: {counts:#?}"
        );
        counts
    }
}

fn client(
    port: u16,
    (method, path): (&str, &str),
    (pause, keeps): (Duration, bool),
    stop: &AtomicBool,
    counts: &Mutex<Counts>,
) {
    let mut connection: Option<BufReader<std::net::TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) {
        let kept = connection.is_some();
        let result = exchange(port, method, path, &mut connection);
        let mut counts = counts.lock().expect("the counts");
        match result {
            Ok(reply) => {
                if reply.status < 500 {
                    counts.ok += 1;
                } else {
                    counts.failed += 1;
                    note(&mut counts, format!("{} {}", reply.status, reply.body));
                }
                if let Some(revision) = reply.revision() {
                    *counts.by_revision.entry(revision.to_owned()).or_default() += 1;
                    if reply.status >= 500 {
                        let failed = counts.failed_by_revision.entry(revision.to_owned());
                        *failed.or_default() += 1;
                    }
                }
                let closes = reply
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                if closes || !keeps {
                    connection = None;
                }
            }
            Err(error) => {
                connection = None;
                // Nothing came back on a kept connection: it was closed while it was idle.
                if kept && error.0 {
                    counts.reopened += 1;
                    continue;
                }
                counts.failed += 1;
                note(&mut counts, error.1.to_string());
            }
        }
        drop(counts);
        std::thread::sleep(pause);
    }
}

fn note(counts: &mut Counts, failure: String) {
    if counts.failures.len() < 5 {
        counts.failures.push(failure);
    }
}

/// The error says whether the connection ended before the first byte of an answer.
fn exchange(
    port: u16,
    method: &str,
    path: &str,
    connection: &mut Option<BufReader<std::net::TcpStream>>,
) -> Result<super::Reply, (bool, std::io::Error)> {
    if connection.is_none() {
        *connection = Some(BufReader::new(
            connect(port).map_err(|error| (false, error))?,
        ));
    }
    let stream = connection.as_mut().expect("it was just opened");
    send(stream.get_mut(), method, path, &[], b"").map_err(|error| (true, error))?;
    let first = std::io::BufRead::fill_buf(stream).map(<[u8]>::is_empty);
    match first {
        Ok(true) => return Err((true, std::io::ErrorKind::UnexpectedEof.into())),
        Err(error) => {
            let closed = error.kind() == std::io::ErrorKind::ConnectionReset;
            return Err((closed, error));
        }
        Ok(false) => {}
    }
    receive(stream, false).map_err(|error| (false, error))
}
