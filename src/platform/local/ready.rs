//! The readiness gate: asks a process until it says that it can take requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// The first pause between two questions; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The part of a wait that counts at most, whatever its clock says.
const STEP: Duration = Duration::from_millis(250);

/// Returns when so much time has gone by in which this machine did something: one that stands still (a virtual
/// machine that is moved or starved, a disk that keeps everybody waiting) lets no process start meanwhile either.
pub(super) async fn patience(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(STEP);
        sleep(step).await;
        left = left.saturating_sub(step);
    }
}

/// What a process said when it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing listens on its port.
    Closed,
    /// It accepted, and gave no answer in time or none that is HTTP.
    Silent,
    /// The HTTP status.
    Status(u16),
}

/// Asks once: `GET <path>` of the process on `port`.
pub(super) async fn ask(port: u16, path: &str) -> Answer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(Ok(mut stream)) = timeout(ANSWER, TcpStream::connect(address)).await else {
        return Answer::Closed;
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: squad-ready\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    let asked = timeout(ANSWER, async {
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut start = Vec::new();
        let mut buffer = [0; 512];
        while !start.contains(&b'\n') && start.len() < 4096 {
            let read = stream.read(&mut buffer).await.ok()?;
            if read == 0 {
                break;
            }
            start.extend_from_slice(buffer.get(..read)?);
        }
        status_of(&start)
    });
    asked
        .await
        .ok()
        .flatten()
        .map_or(Answer::Silent, Answer::Status)
}

/// The status of `HTTP/1.1 200 OK` (RFC 9112 §4).
fn status_of(start: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(start.split(|byte| *byte == b'\n').next()?).ok()?;
    let mut words = line.split(' ');
    words
        .next()
        .filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.trim().parse().ok()
}

/// Asks until the answer is 2xx and the one who answers is who was meant: `stranger` tells after an answer
/// whether somebody else listens there. `last` is told every answer, that of a stranger as [`Answer::Closed`]; the
/// caller ends the waiting.
pub(super) async fn wait(
    port: u16,
    path: &str,
    mut last: impl FnMut(Answer),
    stranger: impl Fn() -> bool + Clone + Send + 'static,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut answer = ask(port, path).await;
        // It reads the files of all processes, which must not hold up the requests of the proxy.
        if answer != Answer::Closed && spawn_blocking(stranger.clone()).await.unwrap_or(false) {
            answer = Answer::Closed;
        }
        last(answer);
        if matches!(answer, Answer::Status(200..=299)) {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_status_line_is_read_and_anything_else_is_not_http() {
        for (start, status) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503 Service Unavailable\r\n", Some(503)),
            ("HTTP/1.1 204\r\n", Some(204)),
            ("SSH-2.0-OpenSSH\r\n", None),
            ("", None),
            ("HTTP/1.1 x\r\n", None),
        ] {
            assert_eq!(status_of(start.as_bytes()), status, "{start}");
        }
    }

    #[tokio::test]
    async fn it_waits_through_refusals_and_errors_until_the_first_2xx() {
        let port = super::super::sockets::free_port().unwrap();
        assert_eq!(ask(port, "/readyz").await, Answer::Closed);
        let serving = async {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            for answer in ["HTTP/1.1 503 No\r\n\r\n", "", "HTTP/1.1 200 OK\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(buffer[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let mut answers = Vec::new();
        let waiting = wait(port, "/readyz", |answer| answers.push(answer), || false);
        tokio::join!(serving, waiting);
        answers.retain(|answer| *answer != Answer::Closed);
        assert_eq!(
            answers,
            [Answer::Status(503), Answer::Silent, Answer::Status(200)]
        );
    }
}
