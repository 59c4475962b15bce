//! The Runtime API over plain sockets: what AWS documents about each path, and what no runtime of AWS sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::*;
use super::supervisor::settings;

/// Counts the restarts that the pool asks for.
#[derive(Debug, Default)]
struct Restarts(std::sync::Mutex<Vec<String>>);

impl ProcessControl for Restarts {
    fn restart(&self, slot: usize, why: &str) {
        self.0.lock().unwrap().push(format!("{slot}: {why}"));
    }
}

async fn pool(timeout: Duration) -> (Arc<FunctionPool>, Arc<Restarts>) {
    let restarts = Arc::new(Restarts::default());
    let pool = FunctionPool::bind(settings(1, timeout), Arc::<Restarts>::clone(&restarts)).await;
    (pool.unwrap(), restarts)
}

/// One exchange on a connection of its own: status, head and body.
async fn send(
    pool: &FunctionPool,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let address = pool.slots()[0].runtime_api;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let request = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

fn invoke(pool: &Arc<FunctionPool>, event: &'static str) -> tokio::task::JoinHandle<InvokeResult> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        pool.invoke(
            Bytes::from_static(event.as_bytes()),
            InvokeOptions::default(),
        )
        .await
    })
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// Takes the next event and returns its request id.
async fn next(pool: &FunctionPool) -> String {
    let (status, head, _) = send(pool, "GET", "invocation/next", "", "").await;
    assert_eq!(status, 200);
    header(&head, "lambda-runtime-aws-request-id").to_owned()
}

#[tokio::test]
async fn next_has_the_documented_headers() {
    let (pool, _) = pool(Duration::from_secs(3)).await;
    let invoked = invoke(&pool, "{\"a\":1}");
    let (status, head, body) = send(&pool, "GET", "invocation/next", "", "").await;
    assert_eq!((status, body.as_str()), (200, "{\"a\":1}"));
    let id = header(&head, "lambda-runtime-aws-request-id");
    let deadline: i64 = header(&head, "lambda-runtime-deadline-ms").parse().unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!(
        (now + 2000..=now + 3000).contains(&deadline),
        "{deadline} at {now}"
    );
    assert_eq!(
        header(&head, "lambda-runtime-invoked-function-arn"),
        "arn:aws:lambda:local:000000000000:function:acme-receipts:3"
    );
    assert!(header(&head, "lambda-runtime-trace-id").starts_with("Root=1-"));

    let path = format!("invocation/{id}/response");
    let (status, _, body) = send(&pool, "POST", &path, "", "[1,2]").await;
    assert_eq!((status, body.as_str()), (202, "{\"status\":\"OK\"}"));
    let answer = invoked.await.unwrap().unwrap();
    assert_eq!(
        (answer.payload, answer.failure),
        (Bytes::from_static(b"[1,2]"), None)
    );
    assert_eq!(answer.request_id, id);
}

#[tokio::test]
async fn what_is_refused() {
    let (pool, _) = pool(Duration::from_secs(30)).await;
    let kind = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["errorType"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (method, path, headers, wanted) in [
        (
            "POST",
            "invocation/x/response",
            "",
            (403, "InvalidStateTransition"),
        ),
        (
            "POST",
            "invocation/x/error",
            "",
            (403, "InvalidStateTransition"),
        ),
        ("POST", "invocation/next", "", (404, "NotFound")),
        ("GET", "elsewhere", "", (404, "NotFound")),
        (
            "GET",
            "invocation/next",
            "Origin: http://evil.example\r\n",
            (403, "Forbidden"),
        ),
        (
            "GET",
            "invocation/next",
            "Sec-Fetch-Site: cross-site\r\n",
            (403, "Forbidden"),
        ),
        (
            "GET",
            "invocation/next",
            "Host: evil.example\r\n",
            (403, "Forbidden"),
        ),
    ] {
        let (status, _, body) = send(&pool, method, path, headers, "").await;
        assert_eq!(
            (status, kind(&body).as_str()),
            wanted,
            "{method} {path} {headers}"
        );
    }
    // In the middle of an invocation: another one's id, and a second event, are refused; so is a late init error.
    let invoked = invoke(&pool, "{}");
    let id = next(&pool).await;
    for (method, path, wanted) in [
        ("POST", "invocation/x/response", (400, "InvalidRequestID")),
        ("POST", "invocation/x/error", (400, "InvalidRequestID")),
        ("GET", "invocation/next", (403, "InvalidStateTransition")),
        ("POST", "init/error", (403, "InvalidStateTransition")),
    ] {
        let (status, _, body) = send(&pool, method, path, "", "{}").await;
        assert_eq!((status, kind(&body).as_str()), wanted, "{method} {path}");
    }
    let path = format!("invocation/{id}/response");
    let (status, _, body) = send(
        &pool,
        "POST",
        &path,
        "Lambda-Runtime-Function-Response-Mode: streaming\r\n",
        "x",
    )
    .await;
    assert_eq!(
        (status, kind(&body).as_str()),
        (400, "InvalidFunctionResponseMode")
    );
    let answer = invoked.await.unwrap().unwrap();
    assert_eq!(answer.failure, Some(Failure::Response));
    let payload: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(
        payload["errorMessage"]
            .as_str()
            .unwrap()
            .contains("does not support response streaming")
    );
    // Answered once, never twice.
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 403);
}

#[tokio::test]
async fn errors_are_handed_on_as_they_are() {
    let (pool, _) = pool(Duration::from_secs(30)).await;
    let kind = "Lambda-Runtime-Function-Error-Type: Unhandled\r\n";
    for (body, wanted) in [
        (
            "{\"errorMessage\":\"m\",\"errorType\":\"T\"}",
            json!({"errorMessage": "m", "errorType": "T"}),
        ),
        (
            "",
            json!({"errorMessage": "", "errorType": "Unhandled", "stackTrace": []}),
        ),
    ] {
        let invoked = invoke(&pool, "{}");
        let path = format!("invocation/{}/error", next(&pool).await);
        assert_eq!(send(&pool, "POST", &path, kind, body).await.0, 202);
        let answer = invoked.await.unwrap().unwrap();
        assert_eq!(answer.failure, Some(Failure::Function));
        assert_eq!(
            serde_json::from_slice::<Value>(&answer.payload).unwrap(),
            wanted
        );
    }
}

#[tokio::test]
async fn an_initialisation_error_can_be_overcome() {
    let (pool, _) = pool(Duration::from_secs(30)).await;
    let kind = "Lambda-Runtime-Function-Error-Type: Runtime.NoSuchHandler\r\n";
    let body = "{\"errorMessage\":\"m\",\"stackTrace\":[\"one\",[\"two\",1]]}";
    assert_eq!(send(&pool, "POST", "init/error", kind, body).await.0, 202);
    let failure = pool.ready().await.unwrap_err();
    assert_eq!(
        failure,
        InitFailure {
            error_type: "Runtime.NoSuchHandler".into(),
            error_message: "m".into(),
            stack_trace: vec!["one".into(), "[\"two\",1]".into()],
        }
    );
    pool.process_ended(0, "exit status 1".into());
    assert_eq!(
        pool.ready().await.unwrap_err(),
        failure,
        "the runtime's reason is better than its exit status"
    );
    pool.process_starting(0);
    let invoked = invoke(&pool, "{}");
    let path = format!("invocation/{}/response", next(&pool).await);
    pool.ready().await.unwrap();
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 202);
    assert_eq!(invoked.await.unwrap().unwrap().failure, None);
}

#[tokio::test]
async fn after_a_timeout_the_old_process_gets_nothing() {
    let (pool, restarts) = pool(Duration::from_millis(50)).await;
    let invoked = invoke(&pool, "{}");
    let id = next(&pool).await;
    assert_eq!(
        invoked.await.unwrap().unwrap().failure,
        Some(Failure::Timeout)
    );
    assert_eq!(
        *restarts.0.lock().unwrap(),
        ["0: Task timed out after 0.05 seconds"]
    );
    let path = format!("invocation/{id}/response");
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 403);
    assert_eq!(send(&pool, "GET", "invocation/next", "", "").await.0, 403);

    pool.process_ended(0, "signal: killed".into());
    pool.process_starting(0);
    let invoked = invoke(&pool, "{}");
    let path = format!("invocation/{}/response", next(&pool).await);
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 202);
    assert_eq!(invoked.await.unwrap().unwrap().failure, None);
}

#[tokio::test]
async fn an_event_that_nobody_takes_is_refused_and_withdrawn() {
    let (pool, _) = pool(Duration::from_secs(30)).await;
    let wait = Duration::from_millis(20);
    let options = InvokeOptions {
        wait,
        ..InvokeOptions::default()
    };
    assert_eq!(
        pool.invoke(Bytes::from_static(b"\"old\""), options).await,
        Err(Refused::Busy(wait))
    );
    // A caller that goes away takes its event with it.
    let gone = invoke(&pool, "\"gone\"");
    tokio::task::yield_now().await;
    gone.abort();
    drop(gone.await);
    let invoked = invoke(&pool, "\"new\"");
    let (_, head, body) = send(&pool, "GET", "invocation/next", "", "").await;
    assert_eq!(body, "\"new\"");
    let path = format!(
        "invocation/{}/response",
        header(&head, "lambda-runtime-aws-request-id")
    );
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 202);
    assert_eq!(invoked.await.unwrap().unwrap().failure, None);
}

#[tokio::test]
async fn a_process_that_died_while_it_waited_takes_no_event_with_it() {
    let (pool, _) = pool(Duration::from_secs(30)).await;
    // Two connections that wait: one of a process that then ends, one of its successor.
    let waiting = |pool: &Arc<FunctionPool>| {
        let pool = Arc::clone(pool);
        tokio::spawn(async move { send(&pool, "GET", "invocation/next", "", "").await })
    };
    let old = waiting(&pool);
    pool.ready().await.unwrap();
    pool.process_ended(0, "signal: killed".into());
    pool.process_starting(0);
    let new = waiting(&pool);
    assert_eq!(old.await.unwrap().0, 403);
    let invoked = invoke(&pool, "{}");
    let (status, head, _) = new.await.unwrap();
    assert_eq!(status, 200);
    let path = format!(
        "invocation/{}/response",
        header(&head, "lambda-runtime-aws-request-id")
    );
    assert_eq!(send(&pool, "POST", &path, "", "1").await.0, 202);
    assert_eq!(invoked.await.unwrap().unwrap().failure, None);
}

#[tokio::test]
async fn the_environment_of_a_process() {
    let (pool, _) = pool(Duration::from_secs(3)).await;
    let address = pool.slots()[0].runtime_api;
    let lines: Vec<_> = pool
        .process_environment(0)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        lines,
        [
            &format!("AWS_LAMBDA_RUNTIME_API={address}"),
            "_HANDLER=app.handler",
            "AWS_LAMBDA_FUNCTION_NAME=acme-receipts",
            "AWS_LAMBDA_FUNCTION_VERSION=3",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
            "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/acme-receipts",
            "AWS_LAMBDA_LOG_STREAM_NAME=local/[3]/0",
            "AWS_REGION=local",
            "AWS_DEFAULT_REGION=local",
            "TZ=:UTC",
        ]
    );
    assert!(pool.process_environment(1).is_empty());
}

#[tokio::test]
async fn a_slot_is_ready_by_itself_and_the_pool_with_its_first() {
    let control = Arc::new(Restarts::default());
    let pool = FunctionPool::bind(settings(2, Duration::from_secs(30)), control)
        .await
        .unwrap();
    let body = "{\"errorType\":\"T\"}";
    assert_eq!(send(&pool, "POST", "init/error", "", body).await.0, 202);
    assert_eq!(pool.slot_ready(0).await.unwrap_err().error_type, "T");
    assert_eq!(pool.ready().await.unwrap_err().error_type, "T");
    let address = pool.slots()[1].runtime_api;
    let request =
        format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    pool.slot_ready(1).await.unwrap();
    pool.ready().await.unwrap();
    assert_eq!(pool.slot_ready(0).await.unwrap_err().error_type, "T");
}
