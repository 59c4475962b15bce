//! The bench's own HTTP/1.1 load generator and the backend that it measures against.
//!
//! ```text
//! load serve                                 answers every request on PORT with 200 and a short body
//! load rate <port> <path> <per second> <s>   sends at a fixed rate; latencies from the moment each was due
//! load most <port> <path> <connections> <s>  sends as fast as answers come
//! load count <port> <path> <connections> <n> sends n requests as fast as answers come, and more until standard
//!                                            input is closed; repeats none, and says who answered
//! ```
//! The last three print one line of JSON. Latency is measured from when a request was due, not from when it could
//! be sent, so that a stall counts for every request that it delayed. `count` prints a number before that line each
//! time that another hundredth of its requests was sent, so that whoever started it can do things in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::allow_attributes,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 14\r\n\r\nHello, bench!\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| -> u64 {
        arguments
            .get(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("argument {index} is no number"))
    };
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(),
        Some("rate") => rate(number(1), &arguments[2], number(3), number(4)),
        Some("most") => most(number(1), &arguments[2], number(3), number(4)),
        Some("count") => count(number(1), &arguments[2], number(3), number(4)),
        _ => {
            eprintln!("load: serve, rate, most or count");
            std::process::exit(2);
        }
    }
}

/// One thread for each connection: enough for a backend that does nothing.
fn serve() {
    let port = std::env::var("PORT").expect("PORT");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        std::thread::spawn(move || {
            stream.set_nodelay(true).expect("a socket");
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                seen.extend_from_slice(&buffer[..length]);
                // Requests have no body here: each ends with an empty line.
                while let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    seen.drain(..end + 4);
                    if stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// A kept-alive connection.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// A whole answer.
struct Answer {
    /// It was a 200.
    good: bool,
    /// What its `x-squad-revision` says.
    revision: Option<String>,
    /// The server closes the connection after it.
    closes: bool,
}

impl Client {
    fn new(port: u64, path: &str) -> Self {
        Self::connect(port, path).expect("it listens")
    }

    /// None where nobody listens.
    fn connect(port: u64, path: &str) -> Option<Self> {
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
        stream.set_nodelay(true).expect("a socket");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
        Some(Self {
            stream,
            request,
            buffer: vec![0; 4096],
        })
    }

    /// Sends one request and reads its whole answer; whether it was a 200.
    fn exchange(&mut self) -> bool {
        self.ask().is_some_and(|answer| answer.good)
    }

    /// Sends one request and reads its whole answer; none where the connection ends before.
    fn ask(&mut self) -> Option<Answer> {
        self.stream.write_all(&self.request).ok()?;
        let mut length = 0;
        loop {
            let Ok(more @ 1..) = self.stream.read(&mut self.buffer[length..]) else {
                return None;
            };
            length += more;
            let text = &self.buffer[..length];
            let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
            let field = |name: &str| {
                head.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .map(str::trim)
            };
            let body: usize = field("content-length")
                .and_then(|value| value.parse().ok())
                .expect("a content-length");
            if length >= end + 4 + body {
                return Some(Answer {
                    good: head.starts_with("http/1.1 200"),
                    revision: field("x-squad-revision").map(str::to_owned),
                    closes: field("connection") == Some("close"),
                });
            }
        }
    }
}

/// Eight connections share the schedule, so that one slow answer does not hold up the next request.
fn rate(port: u64, path: &str, per_second: u64, seconds: u64) {
    const CLIENTS: u64 = 8;
    let start = Instant::now() + Duration::from_millis(50);
    let total = per_second * seconds;
    let threads: Vec<_> = (0..CLIENTS)
        .map(|which| {
            let mut client = Client::new(port, path);
            std::thread::spawn(move || {
                let mut latencies = Vec::new();
                let mut failed = 0;
                for request in (which..total).step_by(usize::try_from(CLIENTS).expect("small")) {
                    let due = start + Duration::from_nanos(request * 1_000_000_000 / per_second);
                    let late = Instant::now() > due;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    // What the machine's timer overslept is not the server's doing; a request that waited
                    // for the one before it is.
                    let sent = if late { due } else { Instant::now() };
                    if client.exchange() {
                        latencies.push(sent.elapsed());
                    } else {
                        failed += 1;
                    }
                }
                (latencies, failed)
            })
        })
        .collect();
    report(threads, start);
}

fn most(port: u64, path: &str, connections: u64, seconds: u64) {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let mut client = Client::new(port, path);
            std::thread::spawn(move || {
                let mut latencies = Vec::new();
                let mut failed = 0;
                while Instant::now() < end {
                    let sent = Instant::now();
                    if client.exchange() {
                        latencies.push(sent.elapsed());
                    } else {
                        failed += 1;
                        break;
                    }
                }
                (latencies, failed)
            })
        })
        .collect();
    report(threads, start);
}

/// What the clients of [`count`] share.
struct Progress {
    /// How many requests at least.
    wanted: u64,
    /// How many were begun.
    begun: AtomicU64,
    /// Standard input is closed.
    closed: AtomicBool,
}

impl Progress {
    /// Whether another request is to be sent; says so at each hundredth.
    fn goes_on(&self) -> bool {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        if begun >= self.wanted && self.closed.load(Ordering::Relaxed) {
            return false;
        }
        if begun.is_multiple_of((self.wanted / 100).max(1)) && begun <= self.wanted {
            println!("{begun}");
        }
        true
    }
}

/// Who answered how often, and the last time, in seconds since 1970.
type Answered = BTreeMap<String, (u64, f64)>;

fn count(port: u64, path: &str, connections: u64, wanted: u64) {
    let progress = Progress {
        wanted,
        begun: AtomicU64::new(0),
        closed: AtomicBool::new(false),
    };
    let start = Instant::now();
    let (mut answered, mut unanswered, mut refused) = (Answered::new(), 0, 0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| count_one(port, path, &progress)))
            .collect();
        // Whoever started this closes it when nothing more is to be seen.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        progress.closed.store(true, Ordering::Relaxed);
        for thread in threads {
            let (own, more_unanswered, more_refused) = thread.join().expect("a client");
            unanswered += more_unanswered;
            refused += more_refused;
            for (revision, (times, last)) in own {
                let all = answered.entry(revision).or_insert((0, last));
                *all = (all.0 + times, all.1.max(last));
            }
        }
    });
    let good: u64 = answered.values().map(|(times, _)| times).sum();
    let requests = good + unanswered + refused;
    let revisions: Vec<_> = answered
        .iter()
        .map(|(name, (times, last))| {
            format!("\"{name}\":{{\"answers\":{times},\"last\":{last:.6}}}")
        })
        .collect();
    println!(
        "{{\"requests\":{requests},\"failed\":{},\"unanswered\":{unanswered},\"per_second\":{:.0},\"revisions\":{{{}}}}}",
        unanswered + refused,
        requests as f64 / start.elapsed().as_secs_f64(),
        revisions.join(","),
    );
}

/// One client: what it was answered, how many requests got no whole answer, and how many another answer than 200.
fn count_one(port: u64, path: &str, progress: &Progress) -> (Answered, u64, u64) {
    let (mut answered, mut unanswered, mut refused) = (Answered::new(), 0, 0);
    let mut client = Client::connect(port, path);
    while progress.goes_on() {
        match client.as_mut().and_then(Client::ask) {
            Some(answer) => {
                if answer.good {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH);
                    let now = now.expect("after 1970").as_secs_f64();
                    let entry = answered.entry(answer.revision.unwrap_or_default());
                    let one = entry.or_insert((0, now));
                    *one = (one.0 + 1, now);
                } else {
                    refused += 1;
                }
                if answer.closes {
                    client = Client::connect(port, path);
                }
            }
            None => {
                unanswered += 1;
                client = Client::connect(port, path);
            }
        }
    }
    (answered, unanswered, refused)
}

fn report(threads: Vec<std::thread::JoinHandle<(Vec<Duration>, u64)>>, start: Instant) {
    let (mut all, mut failed) = (Vec::new(), 0);
    for thread in threads {
        let (latencies, failures) = thread.join().expect("a client");
        all.extend(latencies);
        failed += failures;
    }
    let seconds = start.elapsed().as_secs_f64();
    all.sort();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = ((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1));
        all.get(index)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "{{\"requests\":{},\"failed\":{failed},\"per_second\":{:.0},\"p50_ms\":{:.4},\"p99_ms\":{:.4},\"max_ms\":{:.4}}}",
        all.len(),
        all.len() as f64 / seconds,
        at(0.50),
        at(0.99),
        at(1.0),
    );
}
