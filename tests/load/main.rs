//! The bench's own HTTP/1.1 load generator and the backend that it measures against.
//!
//! ```text
//! load serve                                 answers every request on PORT with 200 and a short body
//! load rate <port> <path> <per second> <s>   sends at a fixed rate; latencies from the moment each was due
//! load most <port> <path> <connections> <s>  sends as fast as answers come
//! ```
//! The last two print one line of JSON. Latency is measured from when a request was due, not from when it could
//! be sent, so that a stall counts for every request that it delayed.
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

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

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
        _ => {
            eprintln!("load: serve, rate or most");
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

impl Client {
    fn new(port: u64, path: &str) -> Self {
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
        Self {
            stream,
            request,
            buffer: vec![0; 4096],
        }
    }

    /// Sends one request and reads its whole answer; whether it was a 200.
    fn exchange(&mut self) -> bool {
        if self.stream.write_all(&self.request).is_err() {
            return false;
        }
        let mut length = 0;
        loop {
            let Ok(more @ 1..) = self.stream.read(&mut self.buffer[length..]) else {
                return false;
            };
            length += more;
            let text = &self.buffer[..length];
            let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
            let body = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|value| value.trim().parse::<usize>().ok())
                .expect("a content-length");
            if length >= end + 4 + body {
                return head.starts_with("http/1.1 200");
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
