//! A stop answers what its clients have just sent, and closes nothing below it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::faults::all;
use super::{Ground, WAIT, ground, revision, table, upstream};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn serving() -> Ground {
    let ground = ground();
    let backends = [revision(1, upstream("1").await)];
    ground.proxy.set_table(table(all(1), &backends));
    ground
}

/// A connection that was taken and on which one request was answered.
async fn kept(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n1") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "{answer:?}");
        answer.extend_from_slice(&part[..read]);
    }
    assert!(!has_close(&answer));
    stream
}

fn has_close(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).to_ascii_lowercase();
    answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn a_request_that_comes_at_the_stop_is_answered_and_the_connection_ends() {
    let ground = serving().await;
    let fresh = TcpStream::connect(ground.address).await.unwrap();
    // The one behind it shows that it was taken.
    let kept = kept(ground.address).await;
    ground.stop.send(true).unwrap();
    for mut stream in [fresh, kept] {
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
        assert!(has_close(&answer), "{answer:?}");
    }
    tokio::time::timeout(WAIT, ground.served)
        .await
        .expect("it ends")
        .unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let ground = serving().await;
    let fresh = TcpStream::connect(ground.address).await.unwrap();
    let kept = kept(ground.address).await;
    let started = tokio::time::Instant::now();
    ground.stop.send(true).unwrap();
    tokio::time::timeout(WAIT, ground.served)
        .await
        .expect("it ends")
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    for mut stream in [fresh, kept] {
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing).await.unwrap();
        assert_eq!(nothing, b"");
    }
}

#[tokio::test]
async fn while_services_are_brought_up_requests_wait_longer_than_their_patience() {
    let ground = super::ground_with(super::Limits {
        patience: Duration::from_millis(10),
        ..super::Limits::default()
    });
    ground.proxy.set_restored(false);
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let answered = tokio::spawn(async move {
        let mut part = [0; 12];
        stream.read_exact(&mut part).await.unwrap();
        part
    });
    let backend = revision(1, upstream("1").await);
    backend.1.set_available(false);
    // The first table comes once it is known what had traffic; the revision takes its time after that.
    let backends = std::slice::from_ref(&backend);
    ground.proxy.set_table(table(all(1), backends));
    while backend.1.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!answered.is_finished());
    backend.1.set_available(true);
    assert_eq!(&answered.await.unwrap(), b"HTTP/1.1 200");
}

#[tokio::test]
async fn what_does_not_start_is_said_when_that_is_known() {
    let ground = super::ground_with(super::Limits {
        patience: Duration::from_millis(10),
        ..super::Limits::default()
    });
    ground.proxy.set_restored(false);
    let backend = revision(1, upstream("1").await);
    backend.1.set_available(false);
    ground.proxy.set_table(table(all(1), &[backend]));
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    ground.proxy.set_restored(true);
    let mut part = [0; 12];
    stream.read_exact(&mut part).await.unwrap();
    assert_eq!(&part, b"HTTP/1.1 503");
}
