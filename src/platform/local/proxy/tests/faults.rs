//! What goes wrong between a client, the proxy and a process: each of these lost or held up a request once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TestClient, WAIT, client, get, ground, ground_with, revision, table, upstream};
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
use crate::platform::local::proxy::{Backend, Limits, Target};

/// A process that does the same with every connection, written by hand.
async fn by_hand<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(each(stream));
        }
    });
    address
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn exchange(to: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(WAIT, stream.read_to_string(&mut answer))
        .await
        .expect("the connection is closed")
        .unwrap();
    answer
}

pub(super) fn all(revision: u64) -> Split {
    Split::all(&[], RevisionNumber(revision))
}

/// Between the table that a request read and its entry into a backend, the backend may have been drained: its
/// process may be gone by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_enters_a_backend_that_was_drained() {
    let ground = ground();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let ended: Arc<BTreeMap<_, _>> = Arc::new(
        (1..=2_000)
            .map(|n| (RevisionNumber(n), AtomicBool::new(false)))
            .collect(),
    );
    let first = revision(1, nowhere);
    ground
        .proxy
        .set_table(table(all(1), std::slice::from_ref(&first)));
    let done = Arc::new(AtomicBool::new(false));
    let entering: Vec<_> = (0..3)
        .map(|_| {
            let (proxy, ended) = (Arc::clone(&ground.proxy), Arc::clone(&ended));
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut late = 0;
                while !done.load(Ordering::Relaxed) {
                    let entered = proxy.enter("GET", "/", &HeaderMap::new()).ok().unwrap();
                    late += u32::from(ended[&entered.pick.revision].load(Ordering::SeqCst));
                }
                late
            })
        })
        .collect();
    let mut before = first;
    for n in 2..=2_000 {
        let next = revision(n, nowhere);
        ground
            .proxy
            .set_table(table(all(n), std::slice::from_ref(&next)));
        before.1.drained().await;
        ended[&before.0].store(true, Ordering::SeqCst);
        before = next;
    }
    done.store(true, Ordering::Relaxed);
    let late: u32 = entering.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!(late, 0);
}

#[tokio::test]
async fn waiting_requests_follow_a_rollback() {
    let ground = ground();
    let stuck = revision(2, "127.0.0.1:1".parse().unwrap());
    stuck.1.set_available(false);
    ground
        .proxy
        .set_table(table(all(2), std::slice::from_ref(&stuck)));
    let address = ground.address;
    let waiting = tokio::spawn(async move { get(&client(), address, "/").await });
    tokio::time::timeout(WAIT, async {
        while stuck.1.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let good = revision(1, upstream("good").await);
    ground
        .proxy
        .set_table(table(all(1), &[good, stuck.clone()]));
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, "good".to_owned()));
    tokio::time::timeout(WAIT, stuck.1.drained()).await.unwrap();
    assert_eq!(ground.counts(false).errors, 0);
}

#[tokio::test]
async fn an_answer_before_the_end_of_its_request_holds_up_nobody() {
    let address = by_hand(|mut stream| async move {
        let head = head_of(&mut stream).await;
        let answer: &[u8] = if head.starts_with("POST") {
            b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
        };
        stream.write_all(answer).await.unwrap();
        if head.starts_with("POST") {
            // It reads no more, and does not close either.
            std::future::pending::<()>().await;
        }
    })
    .await;
    let ground = ground();
    ground
        .proxy
        .set_table(table(all(1), &[revision(1, address)]));
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nfirst")
        .await
        .unwrap();
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let next = tokio::time::timeout(WAIT, get(&client(), ground.address, "/")).await;
    assert_eq!(next.unwrap(), (StatusCode::OK, "ok".to_owned()));
}

#[tokio::test]
async fn trailers_reach_the_client() {
    let address = by_hand(|mut stream| async move {
        let head = head_of(&mut stream).await;
        assert!(head.contains("te: trailers\r\n"), "{head}");
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n\
                  5\r\nhello\r\n0\r\nx-check: good\r\n\r\n",
            )
            .await
            .unwrap();
        head_of(&mut stream).await;
    })
    .await;
    let ground = ground();
    ground
        .proxy
        .set_table(table(all(1), &[revision(1, address)]));
    let answer = exchange(
        ground.address,
        "GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close, te\r\n\r\n",
    )
    .await;
    assert!(answer.contains("\r\ntrailer: x-check\r\n"), "{answer}");
    assert!(answer.ends_with("0\r\nx-check: good\r\n\r\n"), "{answer}");

    let client: TestClient = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = http::Request::get(format!("http://{}/", ground.address))
        .header("te", "trailers")
        .body(http_body_util::Empty::new())
        .unwrap();
    let body = client.request(request).await.unwrap().into_body();
    let collected = body.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-check"], "good");
    let counts = ground.counted(|counts| counts.requests == 2).await;
    assert_eq!((counts.errors, counts.client_closed), (0, 0));
}

#[tokio::test]
async fn a_process_that_says_nothing_is_a_gateway_timeout() {
    let address =
        by_hand(|mut stream| async move { while stream.read_u8().await.is_ok() {} }).await;
    let ground = ground_with(Limits {
        answer: Duration::from_millis(200),
        ..Limits::default()
    });
    ground
        .proxy
        .set_table(table(all(1), &[revision(1, address)]));
    let (status, body) = get(&client(), ground.address, "/").await;
    assert_eq!(status, 504);
    assert_eq!(
        body,
        "{\"detail\":\"revision 1 of `payments` gave no answer for 0.2 s\",\"revision\":\"1\",\"service\":\"payments\",\"status\":504,\"title\":\"Gateway Timeout\",\"type\":\"about:blank\"}\n"
    );
    assert_eq!(
        ground.counted(|counts| counts.requests == 1).await.errors,
        1
    );
}

/// The limit is for silence after the request, not for the request.
#[tokio::test]
async fn a_long_upload_is_no_gateway_timeout() {
    let ground = ground_with(Limits {
        answer: Duration::from_millis(400),
        ..Limits::default()
    });
    let backends = [revision(1, upstream("1").await)];
    ground.proxy.set_table(table(all(1), &backends));
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..10 {
        // The client's own slowness is what is tested.
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let head = head_of(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_told_so() {
    let ground = ground_with(Limits {
        head: Duration::from_millis(200),
        ..Limits::default()
    });
    let backends = [revision(1, upstream("1").await)];
    ground.proxy.set_table(table(all(1), &backends));
    let answer = exchange(ground.address, "GET / HTTP/1.1\r\nhost: x\r\nx-slo").await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("\"status\":408"), "{answer}");
    // Who says nothing at all hears nothing; neither does who is idle after an answer.
    assert_eq!(exchange(ground.address, "").await, "");
    let idle = exchange(ground.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        idle.starts_with("HTTP/1.1 200 ") && idle.ends_with("\r\n\r\n1"),
        "{idle}"
    );
}

#[tokio::test]
async fn a_tunnel_to_somewhere_else_is_refused() {
    let address = by_hand(|_| async { panic!("it was passed on") }).await;
    let ground = ground();
    ground
        .proxy
        .set_table(table(all(1), &[revision(1, address)]));
    let answer = exchange(
        ground.address,
        "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 501 Not Implemented\r\n"),
        "{answer}"
    );
    assert!(answer.contains("application/problem+json"), "{answer}");
}

/// A page in a browser whose name was made to mean this machine must learn nothing (DNS rebinding).
#[tokio::test]
async fn the_metrics_are_for_this_machine_alone() {
    use crate::platform::local::metrics::Metrics;
    use crate::platform::local::proxy::EnvironmentProxy;

    let ground = ground();
    let backends = [revision(1, upstream("1").await)];
    ground.proxy.set_table(table(all(1), &backends));
    let environment = EnvironmentProxy::new(Arc::new(Metrics::default()));
    environment.add(Arc::clone(&ground.proxy));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(environment.serve(Arc::new(listener), ground.stop.subscribe()));
    for (host, path, status) in [
        ("localhost", "/metrics", 200),
        ("LOCALHOST:20000", "/metrics", 200),
        ("127.0.0.1:20000", "/metrics", 200),
        ("[::1]", "/metrics", 200),
        ("[::1]:20000", "/metrics", 200),
        ("localhost.", "/metrics", 200),
        ("localhost", "/", 404),
        ("payments.localhost:20000", "/", 200),
        ("payments.localhost.", "/", 200),
        ("unknown.localhost", "/metrics", 404),
        ("evil.example", "/metrics", 421),
        ("evil.example:20000", "/", 421),
        ("localhost.evil.example", "/metrics", 421),
        ("evil.example@localhost", "/metrics", 421),
        ("", "/metrics", 421),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = exchange(address, &request).await;
        let wanted = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&wanted), "{host} {path}: {answer}");
        if status == 421 {
            assert!(!answer.contains("payments"), "{host}: {answer}");
        }
    }
}

/// A target that another process has taken over is never used through an old connection.
#[tokio::test]
async fn a_started_again_process_gets_new_connections() {
    let ground = ground();
    let one = Backend::new(Target::Http(upstream("before").await));
    let backends = [(RevisionNumber(1), Arc::clone(&one))];
    ground.proxy.set_table(table(all(1), &backends));
    let client = client();
    assert_eq!(get(&client, ground.address, "/").await.1, "before");
    one.set_target(Target::Http(upstream("after").await));
    assert_eq!(get(&client, ground.address, "/").await.1, "after");
}
