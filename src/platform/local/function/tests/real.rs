//! Journeys with `awslambdaric`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::*;
use super::supervisor::{Running, start};

const LONG: Duration = Duration::from_secs(30);

const CODE: &str = r#"
import json, os, sys, time

def handler(event, context):
    do = event.get("do")
    if do == "hello":
        print("a line of the log")
        return {"hello": event["name"], "id": context.aws_request_id,
                "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis(),
                "memory": context.memory_limit_in_mb, "version": context.function_version,
                "pid": os.getpid()}
    if do == "raise":
        raise ValueError("no such receipt")
    if do == "sleep":
        time.sleep(event["seconds"])
        return os.getpid()
    if do == "exit":
        os._exit(event["status"])
    if do == "meet":
        # Writes a file of its own, and waits for the one of the other invocation.
        open(event["mine"], "w").close()
        while not os.path.exists(event["other"]):
            time.sleep(0.002)
        return os.getpid()
    if do == "size":
        return "x" * event["size"]
    if do == "length":
        return len(event["text"])
    return event
"#;

async fn call(running: &Running, event: Value) -> Answer {
    let options = InvokeOptions {
        log_tail: true,
        ..InvokeOptions::default()
    };
    running
        .pool
        .invoke(Bytes::from(event.to_string()), options)
        .await
        .unwrap()
}

fn value(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_answered() {
    let Some(running) = start("an_event_is_answered", CODE, 1, LONG).await else {
        return;
    };
    running.pool.ready().await.unwrap();
    let answer = call(&running, json!({"do": "hello", "name": "Ada"})).await;
    assert_eq!(answer.failure, None);
    let got = value(&answer);
    assert_eq!(got["hello"], "Ada");
    assert_eq!(got["id"], answer.request_id.as_str());
    assert_eq!(
        got["arn"],
        "arn:aws:lambda:local:000000000000:function:acme-receipts:3"
    );
    assert_eq!(
        (&got["memory"], &got["version"]),
        (&json!("512"), &json!("3"))
    );
    // The deadline header, as the function sees it.
    let left = got["left"].as_i64().unwrap();
    assert!((29_000..=30_000).contains(&left), "{left} ms left of 30 s");
    assert_eq!(answer.log_tail, ["a line of the log"]);
    assert!(answer.duration < LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_comes_with_its_stack_trace() {
    let Some(running) = start("an_error_comes_with_its_stack_trace", CODE, 1, LONG).await else {
        return;
    };
    let answer = call(&running, json!({"do": "raise"})).await;
    assert_eq!(answer.failure, Some(Failure::Function));
    let got = value(&answer);
    assert_eq!(got["errorType"], "ValueError");
    assert_eq!(got["errorMessage"], "no such receipt");
    assert!(
        got["stackTrace"][0]
            .as_str()
            .unwrap()
            .contains("raise ValueError"),
        "{got}"
    );
    assert!(
        answer
            .log_tail
            .iter()
            .any(|line| line.contains("[ERROR] ValueError: no such receipt"))
    );
    // The process lives on.
    assert_eq!(
        value(&call(&running, json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_restarts_the_process_and_the_next_call_works() {
    let limit = Duration::from_millis(1500);
    let name = "a_timeout_restarts_the_process_and_the_next_call_works";
    let Some(running) = start(name, CODE, 1, limit).await else {
        return;
    };
    let before = value(&call(&running, json!({"do": "sleep", "seconds": 0})).await);
    let answer = call(&running, json!({"do": "sleep", "seconds": 60})).await;
    assert_eq!(answer.failure, Some(Failure::Timeout));
    assert_eq!(
        value(&answer),
        json!({
            "errorType": "Sandbox.Timedout",
            "errorMessage":
                format!("RequestId: {} Error: Task timed out after 1.50 seconds", answer.request_id),
        })
    );
    assert!(
        (limit..limit * 3).contains(&answer.duration),
        "{:?}",
        answer.duration
    );
    let after = call(&running, json!({"do": "sleep", "seconds": 0})).await;
    assert_eq!(after.failure, None);
    assert_ne!(value(&after), before, "a new process");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initialisation_error_is_reported_and_answers_invocations() {
    let name = "an_initialisation_error_is_reported_and_answers_invocations";
    let Some(running) = start(name, "import nowhere", 1, LONG).await else {
        return;
    };
    let failure = running.pool.ready().await.unwrap_err();
    assert_eq!(failure.error_type, "Runtime.ImportModuleError");
    assert_eq!(
        failure.error_message,
        "Unable to import module 'app': No module named 'nowhere'"
    );
    // While the process is being tried again, the answer may have to wait for it.
    let answer = call(&running, json!({})).await;
    assert_eq!(answer.failure, Some(Failure::Function));
    assert_eq!(value(&answer)["errorType"], "Runtime.ImportModuleError");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_while_it_starts_is_an_initialisation_error() {
    let name = "a_process_that_ends_while_it_starts_is_an_initialisation_error";
    let Some(running) = start(name, "import os; os._exit(7)", 1, LONG).await else {
        return;
    };
    let failure = running.pool.ready().await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Runtime.ExitError: Runtime exited with error: exit status 7"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_slots_work_at_once() {
    let Some(running) = start("two_slots_work_at_once", CODE, 2, LONG).await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let event = |mine, other| json!({"do": "meet", "mine": path(mine), "other": path(other)});
    // Each waits for the other: one after the other, both would run into their time limit.
    let (one, two) = tokio::join!(
        call(&running, event("a", "b")),
        call(&running, event("b", "a"))
    );
    assert_eq!((one.failure, two.failure), (None, None));
    assert_ne!(value(&one), value(&two), "two processes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_in_the_middle_is_an_exit_error() {
    let name = "a_process_that_ends_in_the_middle_is_an_exit_error";
    let Some(running) = start(name, CODE, 1, LONG).await else {
        return;
    };
    for (status, words) in [
        (3, "Runtime exited with error: exit status 3"),
        (0, "Runtime exited without providing a reason"),
    ] {
        let answer = call(&running, json!({"do": "exit", "status": status})).await;
        assert_eq!(answer.failure, Some(Failure::Function));
        assert_eq!(
            value(&answer),
            json!({
                "errorType": "Runtime.ExitError",
                "errorMessage": format!("RequestId: {} Error: {words}", answer.request_id),
            })
        );
    }
    assert_eq!(
        value(&call(&running, json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_pass_and_larger_ones_do_not() {
    let Some(running) = start("large_payloads_pass_and_larger_ones_do_not", CODE, 1, LONG).await
    else {
        return;
    };
    let size = PAYLOAD_LIMIT - 2;
    let answer = call(&running, json!({"do": "size", "size": size})).await;
    assert_eq!(
        (answer.failure, answer.payload.len()),
        (None, PAYLOAD_LIMIT)
    );
    let text = "x".repeat(PAYLOAD_LIMIT - 64);
    let answer = call(&running, json!({"do": "length", "text": text})).await;
    assert_eq!(value(&answer), json!(text.len()));

    let answer = call(&running, json!({"do": "size", "size": size + 200})).await;
    assert_eq!(answer.failure, Some(Failure::Response));
    assert_eq!(value(&answer)["errorType"], "Function.ResponseSizeTooLarge");
    let event = Bytes::from(vec![b'x'; PAYLOAD_LIMIT + 1]);
    assert_eq!(
        running.pool.invoke(event, InvokeOptions::default()).await,
        Err(Refused::TooLarge {
            size: PAYLOAD_LIMIT + 1
        })
    );
    assert_eq!(
        value(&call(&running, json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_the_invocation_under_way_finish() {
    let name = "stopping_lets_the_invocation_under_way_finish";
    let Some(running) = start(name, CODE, 1, LONG).await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let event = json!({"do": "meet", "mine": path("mine"), "other": path("other")});
    let pool = Arc::clone(&running.pool);
    let under_way = tokio::spawn(async move {
        pool.invoke(Bytes::from(event.to_string()), InvokeOptions::default())
            .await
    });
    while !path("mine").exists() {
        tokio::task::yield_now().await;
    }
    let pool = Arc::clone(&running.pool);
    let stopping = tokio::spawn(async move { pool.stop().await });
    while running
        .pool
        .invoke(
            Bytes::new(),
            InvokeOptions {
                wait: Duration::ZERO,
                ..InvokeOptions::default()
            },
        )
        .await
        != Err(Refused::Stopped)
    {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    crate::fs::write_durably(&path("other"), b"", 0o600).unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().failure, None);
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_processes_that_sometimes_end() {
    let name = "many_callers_share_few_processes_that_sometimes_end";
    let Some(running) = start(name, CODE, 3, LONG).await else {
        return;
    };
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..12 {
        let pool = Arc::clone(&running.pool);
        callers.spawn(async move {
            for number in 0..50 {
                let ends = (caller + number) % 40 == 0;
                let event = if ends {
                    json!({"do": "exit", "status": 1})
                } else {
                    json!({"caller": caller, "number": number})
                };
                let payload = Bytes::from(event.to_string());
                let answer = pool
                    .invoke(payload, InvokeOptions::default())
                    .await
                    .unwrap();
                assert_eq!(
                    answer.failure.is_some(),
                    ends,
                    "{event}: {:?}",
                    answer.payload
                );
                if !ends {
                    assert_eq!(value(&answer), event, "everybody gets the own answer");
                }
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
}

/// Not a test: `cargo test --release --lib function::tests::real::figures -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn figures() {
    let running = start("figures", CODE, 1, LONG).await.unwrap();
    let event = Bytes::from_static(b"{\"do\":\"echo\"}");
    let mut times = Vec::new();
    for _ in 0..2200 {
        let start = tokio::time::Instant::now();
        running
            .pool
            .invoke(event.clone(), InvokeOptions::default())
            .await
            .unwrap();
        times.push(start.elapsed());
    }
    let mut times = times.split_off(200);
    times.sort();
    println!("warm invoke: p50 {:?}, p99 {:?}", times[1000], times[1980]);
}
