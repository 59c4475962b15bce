//! What rollouts rely on when the supervisor dies or a port moves.

use std::net::TcpListener;

use super::{Home, get, until};
use crate::domain::counts::since;
use crate::domain::live::Health;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::local::state::tests::commit_to;
use crate::platform::{Error, Platform};

async fn publish(home: &Home, digest: &str) -> String {
    let release = home.release("shop", digest);
    let published = home.local.publish(&release, &|_| {}).await.unwrap();
    published.address.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_a_canary_without_traffic_runs_again_and_counting_begins_anew() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    let address = publish(&home, "a").await;
    home.shift("shop", 1).await;
    publish(&home, "b").await;
    let token = home.local.observe(&service).await.unwrap().token;
    let mut commit = commit_to(1, None);
    commit.state = "squad/1 id=01K8ZC g=1 ph=paused s=1 c=2".into();
    home.local
        .commit(&service, &token, &commit, &|_| {})
        .await
        .unwrap();
    for _ in 0..3 {
        get(&address, "/", None).await.unwrap();
    }
    let before = home.local.counts(&service).await.unwrap();

    home.kill_supervisor().await;
    let live = home.local.observe(&service).await.unwrap();
    assert_eq!(live.state, commit.state);
    let health = live.revision(RevisionNumber(2)).unwrap().health;
    assert_eq!(health, Health::Ok, "restored as it was");
    get(&address, "/", Some("shop=01K8ZC")).await.unwrap();
    until(|| home.processes().len() == 2).await;

    let after = home.local.counts(&service).await.unwrap();
    let interval = since(&before, &after);
    assert!(interval.reset, "{interval:?}");
    let plain = interval.series.iter().filter(|one| !one.forced);
    assert_eq!(plain.map(|one| one.requests).sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_moves_only_to_one_that_can_be_had() {
    let home = Home::new();
    let service = ServiceName::new("shop").unwrap();
    let other = ServiceName::new("other").unwrap();
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // Before the first publish, and for a service that never was.
    let first = free();
    home.local.set_port(&service, first).await.unwrap();
    assert!(home.local.services().await.unwrap().is_empty());
    let address = publish(&home, "a").await;
    assert_eq!(address, format!("http://127.0.0.1:{first}"));
    home.shift("shop", 1).await;

    let slow = {
        let address = address.clone();
        tokio::spawn(async move { get(&address, "/slow", None).await })
    };
    let busy = || async {
        home.local
            .counts(&service)
            .await
            .unwrap()
            .last_request
            .len()
            == 1
    };
    while !busy().await {}
    let second = free();
    home.local.set_port(&service, second).await.unwrap();
    home.local.set_port(&service, second).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap(), "a", "it ends where it began");
    let moved = format!("http://127.0.0.1:{second}");
    assert_eq!(get(&moved, "/", None).await.unwrap(), "a");
    let live = home.local.observe(&service).await.unwrap();
    assert_eq!(live.address, Some(moved.clone()));
    assert!(get(&address, "/", None).await.is_err(), "nobody is there");

    let holding = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holding.local_addr().unwrap().port();
    for (port, wanted) in [(taken, "process"), (second, "`shop`")] {
        let refused = home.local.set_port(&other, port).await;
        let Err(Error::PortTaken { owner, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(owner.unwrap().contains(wanted), "{port}");
    }
    let refused = home.local.set_port(&service, taken).await;
    assert!(matches!(refused, Err(Error::PortTaken { .. })));
    assert!(home.local.set_port(&service, 0).await.is_err());
    assert_eq!(get(&moved, "/", None).await.unwrap(), "a", "as it was");

    home.kill_supervisor().await;
    let live = home.local.observe(&service).await.unwrap();
    assert_eq!(live.address, Some(moved), "kept");
}
