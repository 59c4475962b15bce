//! The proxy on real sockets, with real clients and servers.

mod faults;
mod pick;
mod stop;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
use crate::platform::local::metrics::{self, Metrics};
use crate::platform::local::proxy::{Backend, Limits, ServiceProxy, Table, Target};

const WAIT: Duration = Duration::from_secs(10);

/// A process that answers with its name; `/slow` after 0.3 s, `/stream` in three parts, `/die` breaks off in the body,
/// `/echo` with what it got.
async fn upstream(name: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request| answer(name, request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades(),
            );
        }
    });
    address
}

type Answer = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

async fn answer(
    name: &'static str,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let full = |text: String| {
        Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed()
    };
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Response::new(full(name.to_owned()))
        }
        "/stream" | "/die" => {
            let dies = path == "/die";
            let parts = futures_util::stream::iter(0..3).then(move |n| async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if dies && n == 1 {
                    return Err(std::io::Error::other("dies"));
                }
                Ok(Frame::data(Bytes::from(format!("part {n}\n"))))
            });
            Response::new(BodyExt::boxed(StreamBody::new(parts)))
        }
        "/echo" => {
            let headers = format!("{:?}", request.headers());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(full(format!("{} bytes, {headers}", body.len())))
        }
        "/upgrade" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgraded.await.unwrap());
                let mut buffer = [0; 5];
                io.read_exact(&mut buffer).await.unwrap();
                io.write_all(&buffer).await.unwrap();
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(full(String::new()))
                .unwrap()
        }
        "/fail" => Response::builder()
            .status(500)
            .body(full(name.to_owned()))
            .unwrap(),
        _ => Response::new(full(name.to_owned())),
    })
}

struct Ground {
    proxy: Arc<ServiceProxy>,
    metrics: Arc<Metrics>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

fn ground() -> Ground {
    ground_with(Limits::default())
}

fn ground_with(limits: Limits) -> Ground {
    let metrics = Arc::new(Metrics::default());
    let name = "payments".parse().unwrap();
    let proxy = ServiceProxy::new(name, Arc::clone(&metrics), limits);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = Arc::new(tokio::net::TcpListener::from_std(listener).unwrap());
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(Arc::clone(&proxy).serve(listener, stopped));
    Ground {
        proxy,
        metrics,
        address,
        stop,
        served,
    }
}

fn revision(number: u64, address: SocketAddr) -> (RevisionNumber, Arc<Backend>) {
    let number = RevisionNumber(number);
    (number, Backend::new(Target::Http(address)))
}

fn table(split: Split, backends: &[(RevisionNumber, Arc<Backend>)]) -> Table {
    Table {
        split: Some(split),
        backends: backends.iter().cloned().collect(),
        rollout: None,
        slow: None,
    }
}

/// The sums of all series of a service.
#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    client_closed: u64,
}

type TestClient = Client<HttpConnector, Empty<Bytes>>;

fn client() -> TestClient {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(client: &TestClient, to: SocketAddr, path: &str) -> (StatusCode, String) {
    let response = client
        .get(format!("http://{to}{path}").parse().unwrap())
        .await
        .expect("an answer");
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

impl Ground {
    fn counts(&self, forced: bool) -> Counts {
        let counts = self.metrics.counts(self.proxy.service());
        let series = counts.series.iter().filter(|one| one.forced == forced);
        series.fold(
            Counts {
                client_closed: metrics::tests::closed(&self.metrics, self.proxy.service()),
                ..Counts::default()
            },
            |sum, one| Counts {
                requests: sum.requests + one.requests,
                errors: sum.errors + one.errors,
                ..sum
            },
        )
    }

    /// Waits until so many requests were counted: counting follows the last byte of the answer.
    async fn counted(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        tokio::time::timeout(WAIT, async {
            loop {
                let counts = self.counts(false);
                if wanted(&counts) {
                    return counts;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("counted in time")
    }
}

#[tokio::test]
async fn without_a_revision_the_proxy_says_so() {
    let ground = ground();
    let (status, body) = get(&client(), ground.address, "/").await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        "{\"detail\":\"no revision of `payments` serves\",\"service\":\"payments\",\"status\":503,\"title\":\"Service Unavailable\",\"type\":\"about:blank\"}\n"
    );
}

#[tokio::test]
async fn bodies_stream_and_what_breaks_off_is_bad() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    let client = client();
    let uri = |path: &str| format!("http://{}{path}", ground.address).parse().unwrap();
    let mut body = client.get(uri("/stream")).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(
        first, "part 0\n",
        "the first part comes before the others are made"
    );
    assert_eq!(body.collect().await.unwrap().to_bytes(), "part 1\npart 2\n");
    assert_eq!(
        ground.counted(|counts| counts.requests == 1).await.errors,
        0
    );

    assert!(
        client
            .get(uri("/die"))
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .is_err()
    );
    assert_eq!(
        ground.counted(|counts| counts.requests == 2).await.errors,
        1
    );

    get(&client, ground.address, "/fail").await;
    assert_eq!(
        ground.counted(|counts| counts.requests == 3).await.errors,
        2
    );
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_bad_event() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    for path in ["/slow", "/stream"] {
        let mut stream = TcpStream::connect(ground.address).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        if path == "/stream" {
            let mut one = [0; 1];
            stream.read_exact(&mut one).await.unwrap();
        }
        drop(stream);
    }
    let counts = ground.counted(|counts| counts.client_closed == 2).await;
    assert_eq!((counts.requests, counts.errors), (0, 0));
}

#[tokio::test]
async fn headers_say_who_asked() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    let request = Request::post(format!("http://{}/echo", ground.address))
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .header("traceparent", "00-1-2-01")
        .header("x-forwarded-for", "10.0.0.1")
        .body(Full::new(Bytes::from(vec![b'x'; 3_000_000])))
        .unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.starts_with("3000000 bytes"), "{text}");
    assert!(
        text.contains("\"x-forwarded-for\": \"10.0.0.1, 127.0.0.1\""),
        "{text}"
    );
    assert!(text.contains("\"traceparent\": \"00-1-2-01\""), "{text}");
    assert!(!text.contains("x-mine"), "{text}");
}

#[tokio::test]
async fn protocols_can_be_switched() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    stream
        .write_all(
            b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n",
        )
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    let client: TestClient = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    assert_eq!(
        get(&client, ground.address, "/").await,
        (StatusCode::OK, "1".to_owned())
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let ground = ground();
    let mut stream = TcpStream::connect(ground.address).await.unwrap();
    let text = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(70_000)
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer).await);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_revisions_under_load_loses_no_request() {
    let ground = ground();
    let (one, two) = (upstream("1").await, upstream("2").await);
    let first = [revision(1, one)];
    ground
        .proxy
        .set_table(table(Split::all(&[], RevisionNumber(1)), &first));
    let (stop, stopped) = watch::channel(false);
    let (answer, mut answered) = watch::channel(0_u64);
    let mut loads = Vec::new();
    for worker in 0..50 {
        let (stopped, address) = (stopped.clone(), ground.address);
        let answer = answer.clone();
        loads.push(tokio::spawn(async move {
            let client = client();
            while !*stopped.borrow() {
                let path = if worker % 5 == 0 { "/slow" } else { "/" };
                assert_eq!(get(&client, address, path).await.0, 200);
                answer.send_modify(|all| *all += 1);
            }
        }));
    }
    for n in 2..30_u64 {
        let number = RevisionNumber(n);
        let backend = Backend::new(Target::Http(if n % 2 == 0 { two } else { one }));
        ground.proxy.set_table(table(
            Split::all(&[], number),
            &[(number, Arc::clone(&backend))],
        ));
        // Every switch under load, and more than a thousand in all, however slow the machine is.
        tokio::time::timeout(
            Duration::from_mins(1),
            answered.wait_for(|all| *all >= n * 40),
        )
        .await
        .expect("it goes on")
        .unwrap();
    }
    stop.send(true).unwrap();
    for load in loads {
        load.await.expect("no request failed");
    }
    assert!(*answered.borrow() > 1_000);
    tokio::time::timeout(WAIT, first[0].1.drained())
        .await
        .expect("the first one is left");
}

#[tokio::test]
async fn requests_wait_for_a_process_that_is_started_again() {
    let ground = ground();
    let one = revision(1, "127.0.0.1:1".parse().unwrap());
    one.1.set_available(false);
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        std::slice::from_ref(&one),
    ));
    let address = ground.address;
    let waiting = tokio::spawn(async move { get(&client(), address, "/").await });
    tokio::time::timeout(WAIT, async {
        while one.1.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    one.1.set_target(Target::Http(upstream("again").await));
    one.1.set_available(true);
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, "again".to_owned()));
}

#[tokio::test]
async fn a_stale_connection_fails_no_request() {
    // A process that answers once on each connection and then closes it without a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            drop(stream.read(&mut buffer).await);
            drop(
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await,
            );
        }
    });
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, address)],
    ));
    let client = client();
    for _ in 0..200 {
        assert_eq!(
            get(&client, ground.address, "/").await,
            (StatusCode::OK, "ok".to_owned())
        );
    }
    assert_eq!(ground.counts(false).errors, 0);
}

#[tokio::test]
async fn a_process_that_breaks_off_is_a_bad_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, address)],
    ));
    let (status, body) = get(&client(), ground.address, "/").await;
    assert_eq!(status, 502);
    assert_eq!(
        body,
        "{\"detail\":\"revision 1 of `payments` broke off before it answered\",\"revision\":\"1\",\"service\":\"payments\",\"status\":502,\"title\":\"Bad Gateway\",\"type\":\"about:blank\"}\n"
    );
    assert_eq!(
        ground.counted(|counts| counts.requests == 1).await.errors,
        1
    );
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way() {
    let ground = ground();
    ground.proxy.set_table(table(
        Split::all(&[], RevisionNumber(1)),
        &[revision(1, upstream("1").await)],
    ));
    let address = ground.address;
    let slow = tokio::spawn(async move { get(&client(), address, "/slow").await });
    let backend = tokio::time::timeout(WAIT, async {
        while ground
            .proxy
            .table
            .load()
            .as_ref()
            .is_none_or(|table| table.in_flight() == 0)
        {
            tokio::task::yield_now().await;
        }
    });
    backend.await.unwrap();
    ground.stop.send(true).unwrap();
    assert_eq!(slow.await.unwrap().0, 200);
    tokio::time::timeout(WAIT, ground.served)
        .await
        .expect("it ends")
        .unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}
