//! Which revision a request goes to.

use std::collections::BTreeMap;

use http::Request;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Ground, TestClient, client, get, ground, revision, table, upstream};
use crate::domain::gate::{Admits, Gate, bucket};
use crate::domain::release::RevisionNumber;
use crate::domain::route::{PathTemplate, cases};
use crate::domain::service::Route;
use crate::domain::traffic::{RouteSplit, Split, Weights};

#[tokio::test]
async fn requests_go_by_the_table_of_route_cases() {
    let ground = ground();
    let (listed, rest) = (
        revision(1, upstream("listed").await),
        revision(2, upstream("rest").await),
    );
    for table_of_cases in cases::read().table {
        let split = Split {
            routes: table_of_cases
                .routes
                .iter()
                .map(|route: &Route| RouteSplit {
                    route: route.clone(),
                    weights: Weights::all(RevisionNumber(1)),
                    gate: None,
                })
                .collect(),
            rest: Weights::all(RevisionNumber(2)),
        };
        ground
            .proxy
            .set_table(table(split, &[listed.clone(), rest.clone()]));
        for request in &table_of_cases.requests {
            // Written by hand: a client would normalise the path.
            let mut stream = TcpStream::connect(ground.address).await.unwrap();
            let text = format!(
                "{} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                request.method, request.path
            );
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let wanted = if request.route == "rest" { "2" } else { "1" };
            assert!(
                answer.contains(&format!("x-squad-revision: {wanted}\r\n")),
                "{}: {} {}\n{answer}",
                table_of_cases.name,
                request.method,
                request.path
            );
        }
    }
}

/// Answers of a number of requests, one after the other, that are those of revision 2.
async fn seconds(client: &TestClient, ground: &Ground, path: &str, requests: u32) -> u32 {
    let mut second = 0;
    for _ in 0..requests {
        second += u32::from(get(client, ground.address, path).await.1 == "2");
    }
    second
}

fn weighted(second: u8) -> Weights {
    Weights::new(BTreeMap::from([
        (RevisionNumber(1), 100 - second),
        (RevisionNumber(2), second),
    ]))
    .unwrap()
}

#[tokio::test]
async fn of_a_hundred_requests_each_revision_gets_its_weight() {
    let ground = ground();
    let backends = [
        revision(1, upstream("1").await),
        revision(2, upstream("2").await),
    ];
    let client = client();
    let route = Route {
        name: "item".parse().unwrap(),
        method: "GET".to_owned(),
        path: PathTemplate("/item".to_owned()),
    };
    for weight in [1, 5, 25, 50, 99] {
        let split = |rest| Split {
            routes: vec![RouteSplit {
                route: route.clone(),
                weights: weighted(weight),
                gate: None,
            }],
            rest,
        };
        ground
            .proxy
            .set_table(table(split(Weights::all(RevisionNumber(1))), &backends));
        assert_eq!(seconds(&client, &ground, "/", 10).await, 0);
        let before = seconds(&client, &ground, "/item", 40).await;
        // Somebody else's commit: this route's weights are as before, so it goes on where it was.
        ground
            .proxy
            .set_table(table(split(weighted(50)), &backends));
        let after = seconds(&client, &ground, "/item", 60).await;
        assert_eq!(before + after, u32::from(weight));
        assert_eq!(
            seconds(&client, &ground, "/item", 100).await,
            u32::from(weight)
        );
    }
}

#[tokio::test]
async fn the_header_forces_a_revision_and_is_counted_apart() {
    let ground = ground();
    let backends = [
        revision(1, upstream("1").await),
        revision(2, upstream("2").await),
    ];
    ground
        .proxy
        .set_table(table(Split::all(&[], RevisionNumber(1)), &backends));
    let client = client();
    for (header, status, body) in [
        ("payments=2", 200, "2"),
        ("orders=2", 200, "1"),
        (
            "payments=9",
            404,
            "{\"detail\":\"`payments` has no revision `9` that runs\",\"revision\":\"9\",\"service\":\"payments\",\"status\":404,\"title\":\"Not Found\",\"type\":\"about:blank\"}\n",
        ),
    ] {
        let request = Request::get(format!("http://{}/", ground.address))
            .header("x-squad-canary", header)
            .body(Empty::new())
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), status);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, body);
    }
    assert_eq!(ground.counts(false).requests, 1);
    assert_eq!(ground.counts(true).requests, 1);
}

#[tokio::test]
async fn a_gate_lets_admitted_callers_through_and_nobody_else() {
    let ground = ground();
    let backends = [
        revision(1, upstream("1").await),
        revision(2, upstream("2").await),
    ];
    let route = Route {
        name: "dispute".parse().unwrap(),
        method: "GET".to_owned(),
        path: PathTemplate("/dispute".to_owned()),
    };
    let split = |admits| Split {
        routes: vec![RouteSplit {
            route: route.clone(),
            weights: Weights::all(RevisionNumber(1)),
            gate: Some(Gate {
                to: RevisionNumber(2),
                identity: "x-consumer".to_owned(),
                admits,
            }),
        }],
        rest: Weights::all(RevisionNumber(1)),
    };
    let (salt, within) = ("7f3a".to_owned(), bucket("7f3a", "mobile"));
    let buckets = |below| Admits::Buckets {
        below,
        salt: salt.clone(),
    };
    let named = || Admits::Consumers(vec!["mobile".to_owned()]);
    for (admits, path, headers, wanted) in [
        (named(), "/dispute", "x-consumer: mobile\r\n", "2"),
        (named(), "/dispute?x=1", "X-Consumer:  mobile \r\n", "2"),
        (named(), "/dispute", "x-consumer: web\r\n", "1"),
        (named(), "/dispute", "", "1"),
        (named(), "/other", "x-consumer: mobile\r\n", "1"),
        // Said twice it says nothing: one of the two was not set by what stands before the service.
        (
            named(),
            "/dispute",
            "x-consumer: mobile\r\nx-consumer: web\r\n",
            "1",
        ),
        (named(), "/dispute", "x-squad-canary: payments=2\r\n", "2"),
        (
            named(),
            "/dispute",
            "x-consumer: mobile\r\nx-squad-canary: payments=1\r\n",
            "1",
        ),
        (
            buckets(within + 1),
            "/dispute",
            "x-consumer: mobile\r\n",
            "2",
        ),
        (buckets(within), "/dispute", "x-consumer: mobile\r\n", "1"),
        (buckets(100), "/dispute", "", "1"),
    ] {
        ground
            .proxy
            .set_table(table(split(admits.clone()), &backends));
        let mut stream = TcpStream::connect(ground.address).await.unwrap();
        let text = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.contains(&format!("x-squad-revision: {wanted}\r\n")),
            "{admits:?} {path} {headers:?}\n{answer}"
        );
    }
}
