//! HTTP requests through the gateway to a real Python function.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::super::gateway::{Caller, call};
use super::super::*;
use super::supervisor::{Running, start};
use crate::domain::name::RouteName;
use crate::domain::route::PathTemplate;
use crate::domain::service::Route;
use crate::domain::traffic::Split;
use crate::platform::local::metrics::Metrics;
use crate::platform::local::proxy::{Backend, Invoke, Limits, ServiceProxy, Table, Target};

const CODE: &str = r#"
import base64, os, time

def handler(event, context):
    path = event["rawPath"]
    if path == "/raise":
        raise ValueError("no")
    if path == "/exit":
        os._exit(1)
    if path == "/malformed":
        return {"statusCode": "nonsense"}
    if path == "/slow":
        time.sleep(60)
    if path == "/image":
        return {"statusCode": 201, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                "body": base64.b64encode(b"\xff\x00").decode(), "cookies": ["a=1", "b=2"]}
    return {"key": event["routeKey"], "parameters": event.get("pathParameters"),
            "body": event.get("body"), "base64": event["isBase64Encoded"],
            "ip": event["requestContext"]["http"]["sourceIp"],
            "trace": event["headers"]["x-amzn-trace-id"] == os.environ.get("_X_AMZN_TRACE_ID")}
"#;

async fn ask(running: &Running, request: Request<Full<Bytes>>) -> (u16, String, Bytes) {
    let route = Route {
        name: RouteName::new("receipt").unwrap(),
        method: "POST".into(),
        path: PathTemplate("/receipts/{id}".into()),
    };
    let caller = Caller {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        route: request
            .uri()
            .path()
            .starts_with("/receipts/")
            .then_some(&route),
    };
    let response = call(&running.pool, request, caller).await;
    let headers = response.headers();
    let shown = |name: &str| {
        let all = headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap());
        all.collect::<Vec<_>>().join(",")
    };
    let head = ["content-type", "set-cookie", "x-squad-error"]
        .map(shown)
        .join("|");
    (response.status().as_u16(), head, response.into_body())
}

async fn get(running: &Running, path: &str) -> (u16, String, Bytes) {
    ask(running, Request::get(path).body(Full::default()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_become_events_and_answers() {
    let limit = Duration::from_secs(2);
    let Some(running) = start("requests_become_events_and_answers", CODE, 1, limit).await else {
        return;
    };
    let request = Request::post("/receipts/a%2Fb?x=1")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(b"{\"a\":1}")))
        .unwrap();
    let (status, head, body) = ask(&running, request).await;
    assert_eq!((status, head.as_str()), (200, "application/json||"));
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"key": "POST /receipts/{id}", "parameters": {"id": "a/b"}, "body": "{\"a\":1}",
            "base64": false, "ip": "127.0.0.1", "trace": true})
    );
    let (status, head, body) = get(&running, "/image").await;
    assert_eq!((status, head.as_str()), (201, "image/png|a=1,b=2|"));
    assert_eq!(body, Bytes::from_static(b"\xff\x00"));

    for (path, wanted) in [
        ("/raise", "function-error"),
        ("/exit", "function-error"),
        ("/malformed", "malformed-answer"),
        ("/slow", "function-timeout"),
    ] {
        let (status, head, body) = get(&running, path).await;
        assert_eq!(
            (status, head),
            (500, format!("application/json||{wanted}")),
            "{path}"
        );
        assert_eq!(
            body,
            Bytes::from_static(b"{\"message\":\"Internal Server Error\"}")
        );
    }
    // After all that it still answers.
    assert_eq!(get(&running, "/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests() {
    let Some(running) = start("large_requests", CODE, 1, Duration::from_secs(30)).await else {
        return;
    };
    let post = |size: usize| {
        Request::post("/")
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from(vec![b'x'; size])))
            .unwrap()
    };
    // 2 MiB fit into an event; 7 fit into a request, not into an event; 11 not into a request.
    for (mebibytes, wanted) in [(2, 200), (7, 413), (11, 413)] {
        let (status, _, body) = ask(&running, post(mebibytes << 20)).await;
        assert_eq!(status, wanted, "{mebibytes} MiB");
        if status == 413 {
            assert_eq!(
                body,
                Bytes::from_static(b"{\"message\":\"Request Entity Too Large\"}")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_hands_requests_over() {
    let Some(running) = start(
        "the_proxy_hands_requests_over",
        CODE,
        1,
        Duration::from_secs(30),
    )
    .await
    else {
        return;
    };
    let service = ServiceName::new("receipts").unwrap();
    let revision = RevisionNumber(3);
    let proxy = ServiceProxy::new(service, Arc::new(Metrics::default()), Limits::default());
    let pool: Arc<dyn Invoke> = running.pool.clone();
    let routes = [Route {
        name: RouteName::new("receipt").unwrap(),
        method: "POST".into(),
        path: PathTemplate("/receipts/{id}".into()),
    }];
    proxy.set_table(Table {
        split: Some(Split::all(&routes, revision)),
        backends: BTreeMap::from([(revision, Backend::new(Target::Function(pool)))]),
        rollout: None,
        slow: None,
    });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(proxy.serve(Arc::new(listener), stopped));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"POST /receipts/12 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("x-squad-revision: 3"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["key"], &body["parameters"], &body["body"]),
        (
            &json!("POST /receipts/{id}"),
            &json!({"id": "12"}),
            &json!("hi")
        )
    );
    stop.send_replace(true);
    serving.await.unwrap();
}
