//! Requests in the background of the demo: a steady stream to one service, every answer counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Answers 2xx–4xx.
    pub(crate) answered: u64,
    /// Answers 5xx, and requests without an answer.
    pub(crate) failed: u64,
    /// By the revision that answered.
    pub(crate) revisions: BTreeMap<String, u64>,
}

impl Counts {
    /// How many were answered, as a person says it.
    pub(crate) fn answered_in_words(&self) -> String {
        match self.answered {
            1 => "1 request was answered".to_owned(),
            answered => format!("{answered} requests were answered"),
        }
    }
}

/// A running stream of requests.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Mutex<Counts>>,
    thread: Option<JoinHandle<()>>,
}

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);

impl Load {
    /// Sends `GET path` to `address` (`host:port`) about 100 times a second until it is stopped.
    pub(crate) fn start(address: &str, path: &str) -> Self {
        Self::send(
            address,
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n"),
        )
    }

    /// The same with `POST path` and a JSON body.
    pub(crate) fn post(address: &str, path: &str, body: &str) -> Self {
        let length = body.len();
        Self::send(
            address,
            format!(
                "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    }

    fn send(address: &str, request: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(Counts::default()));
        let thread = {
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            let address = address.to_owned();
            std::thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    let answer = one(&mut connection, &address, &request);
                    count(&counts, answer);
                    std::thread::park_timeout(PAUSE);
                }
            })
        };
        Self {
            stop,
            counts,
            thread: Some(thread),
        }
    }

    /// Returns once so many requests have ended, however they did.
    pub(crate) fn wait_for(&self, requests: u64) {
        loop {
            let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            if counts.answered + counts.failed >= requests {
                return;
            }
            drop(counts);
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Stops and returns what was counted.
    pub(crate) fn stop(mut self) -> Counts {
        self.end();
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

/// Status and revision of one answer.
struct Answer {
    status: u16,
    revision: Option<String>,
}

fn count(counts: &Mutex<Counts>, answer: std::io::Result<Answer>) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Ok(answer) if answer.status < 500 => {
            counts.answered += 1;
            if let Some(revision) = answer.revision {
                *counts.revisions.entry(revision).or_default() += 1;
            }
        }
        _ => counts.failed += 1,
    }
}

/// One request on a kept-alive connection; an error closes it.
fn one(
    connection: &mut Option<BufReader<TcpStream>>,
    address: &str,
    request: &str,
) -> std::io::Result<Answer> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(15)))?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        }
    };
    stream.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(std::io::ErrorKind::InvalidData)?;
    let (mut length, mut close, mut revision) = (None, false, None);
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().ok(),
            "connection" => close = value.eq_ignore_ascii_case("close"),
            "x-squad-revision" => revision = Some(value.to_owned()),
            _ => {}
        }
    }
    // Without a length the end of the answer is that of the connection.
    let Some(length) = length else {
        return Ok(Answer { status, revision });
    };
    std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
    if !close {
        *connection = Some(stream);
    }
    Ok(Answer { status, revision })
}

/// One `GET`, and the body of its answer as text.
pub(crate) fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default())
}
