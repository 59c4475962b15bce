//! The supervisor's control socket, spoken without squad: for what somebody else does to the traffic.
//!
//! Frames as in `src/platform/local/protocol.rs`: four bytes of length, big endian, then JSON; a hello from each side,
//! one request, its answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::home::Home;

/// Gives a revision this share, in percent, of every route and of the rest, another one what is left, and leaves the
/// rollout's state beside the traffic as it is.
#[track_caller]
pub(crate) fn shift_by_somebody_else(home: &Home, service: &str, shares: (&str, u8), other: &str) {
    commit_by_somebody_else(home, service, shares, other, None);
}

/// The same, and the rollout's state beside the traffic is gone.
#[track_caller]
pub(crate) fn wipe_by_somebody_else(home: &Home, service: &str, shares: (&str, u8), other: &str) {
    commit_by_somebody_else(home, service, shares, other, Some(""));
}

#[track_caller]
fn commit_by_somebody_else(
    home: &Home,
    service: &str,
    (one, share): (&str, u8),
    other: &str,
    state: Option<&str>,
) {
    let left = 100 - share;
    // Whoever writes in between is overwritten.
    for _ in 0..20 {
        let mut live = ask(home, &json!({"observe": {"service": service}})).expect("it is there");
        // A weight of 0 has no place in a split.
        let weights: Value = [(one, share), (other, left)]
            .into_iter()
            .filter(|(_, share)| *share > 0)
            .map(|(revision, share)| (revision.to_owned(), Value::from(share)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let split = &mut live["split"];
        split["rest"] = weights.clone();
        for route in split["routes"].as_array_mut().expect("routes") {
            route["weights"] = weights.clone();
        }
        let commit = json!({
            "split": split,
            "state": state.map_or_else(|| live["state"].clone(), Value::from),
            "leaves": null,
            "actor": {"name": "mallory@example.com", "host": "elsewhere"},
            "operation": "01J00000000000000000000000",
        });
        let request =
            json!({"commit": {"service": service, "token": live["token"], "commit": commit}});
        if ask(home, &request).is_ok() {
            return;
        }
    }
    panic!("the traffic changed 20 times meanwhile");
}

/// One request to the one supervisor of the home: what it answered when it was done, or how it failed.
fn ask(home: &Home, request: &Value) -> Result<Value, Value> {
    let sockets = super::files_below(&home.runtime(), "sock");
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    let mut stream = UnixStream::connect(&sockets[0]).expect("the supervisor listens");
    send(
        &mut stream,
        &json!({"protocol": 2, "version": "0.0.0", "build": {"modified": 0, "size": 0}, "pid": std::process::id()}),
    )
    .expect("it reads");
    let _hello = receive(&mut stream);
    send(&mut stream, request).expect("it reads");
    loop {
        let frame = receive(&mut stream);
        if let Some(done) = frame.get("done") {
            return Ok(done.clone());
        }
        if let Some(failed) = frame.get("failed") {
            return Err(failed.clone());
        }
    }
}

/// Writes one frame.
pub(crate) fn send(stream: &mut UnixStream, message: &Value) -> std::io::Result<()> {
    let body = message.to_string();
    let length = u32::try_from(body.len()).expect("a short message");
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(body.as_bytes())
}

fn receive(stream: &mut UnixStream) -> Value {
    receive_if_any(stream).expect("a frame")
}

/// Reads one frame; none where the other side has closed.
pub(crate) fn receive_if_any(stream: &mut UnixStream) -> Option<Value> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).expect("a frame");
    Some(serde_json::from_slice(&body).expect("JSON"))
}
