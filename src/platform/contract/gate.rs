//! Routes that only a new revision has: by which header, as which consumer, in which bucket a caller reaches it, and that
//! a platform which cannot tell callers apart says so.

use std::collections::BTreeMap;

use super::{P, all, commit, name, one, publish, shift, two};
use crate::domain::gate::{Admits, Gate, bucket};
use crate::domain::name::ServiceName;
use crate::domain::route::PathTemplate;
use crate::domain::service::Route;
use crate::domain::traffic::{RouteSplit, Split, Weights};
use crate::platform::Error;

/// What the hash of callers is of besides their names.
const SALT: &str = "01K8ZC";

/// How many callers stand before a gate of buckets.
const CALLERS: u32 = 300;

/// Everything to the first revision, and a gate before a route that the second one brings.
fn gated(admits: Admits) -> Split {
    let route = Route {
        name: "dispute".parse().unwrap(),
        method: "GET".to_owned(),
        path: PathTemplate("/disputes".to_owned()),
    };
    Split {
        routes: vec![RouteSplit {
            route,
            weights: Weights::all(one()),
            gate: Some(Gate {
                to: two(),
                identity: "x-consumer".to_owned(),
                admits,
            }),
        }],
        rest: Weights::all(one()),
    }
}

/// A service with two revisions, `a` and `b`, of which the first one serves; its address.
async fn two_revisions(p: P<'_>, service: &ServiceName) -> String {
    let (_, address) = publish(p, service, "a").await;
    shift(p, service, all(one())).await;
    publish(p, service, "b").await;
    address
}

/// Who answers a caller on the new route; none where no caller is named.
async fn answers(p: P<'_>, address: &str, path: &str, caller: Option<&str>) -> String {
    p.get_as(address, path, caller).await.unwrap()
}

/// Named consumers reach the new revision, on that route alone; everybody else what serves. The gate is part of the
/// traffic that is observed, and what it lets through is counted as the new revision's.
pub(super) async fn a_gate_lets_named_consumers_through(p: P<'_>) {
    let service = name("consumers");
    let address = two_revisions(p, &service).await;
    let named = ["mobile".to_owned(), "web".to_owned()];
    let split = gated(Admits::Consumers(named.to_vec()));
    shift(p, &service, split.clone()).await;
    assert_eq!(
        p.platform().observe(&service).await.unwrap().split,
        Some(split)
    );
    for (path, caller, wanted) in [
        ("/disputes", Some("mobile"), "b"),
        ("/disputes", Some("web"), "b"),
        ("/disputes", Some("Mobile"), "a"),
        ("/disputes", Some("batch"), "a"),
        ("/disputes", Some(""), "a"),
        ("/disputes", None, "a"),
        ("/disputes/7", Some("mobile"), "a"),
        ("/", Some("mobile"), "a"),
    ] {
        let answer = answers(p, &address, path, caller).await;
        assert_eq!(answer, wanted, "{path} {caller:?}");
    }
    let counted = super::rollout::read_until(p, &service, |counts| {
        let all: u64 = counts.series.iter().map(|series| series.requests).sum();
        all == 8
    })
    .await;
    let of_gate: BTreeMap<_, _> = counted
        .series
        .iter()
        .filter(|series| series.route == "dispute" && series.requests > 0)
        .map(|series| (series.revision, series.requests))
        .collect();
    assert_eq!(of_gate, BTreeMap::from([(one(), 4), (two(), 2)]));
    // Shut again: nobody is let through any more.
    shift(p, &service, all(one())).await;
    assert_eq!(answers(p, &address, "/disputes", Some("web")).await, "a");
}

/// A caller passes exactly if its bucket is below the number, so that every platform lets the same callers through, and a
/// wider gate shuts nobody out.
pub(super) async fn a_gate_lets_buckets_of_callers_through(p: P<'_>) {
    let service = name("buckets");
    let address = two_revisions(p, &service).await;
    let mut before = 0;
    for below in [0, 5, 50, 100] {
        let salt = SALT.to_owned();
        shift(p, &service, gated(Admits::Buckets { below, salt })).await;
        let mut admitted = 0;
        for n in 0..CALLERS {
            let caller = format!("caller-{n}");
            let passes = bucket(SALT, &caller) < below;
            let answer = answers(p, &address, "/disputes", Some(&caller)).await;
            assert_eq!(
                answer,
                if passes { "b" } else { "a" },
                "{caller} at {below} %"
            );
            admitted += u32::from(passes);
        }
        assert!(admitted >= before);
        before = admitted;
        assert_eq!(answers(p, &address, "/disputes", None).await, "a");
    }
    assert_eq!(before, CALLERS, "all of them at 100 %");
}

/// A tester reaches a new route by the forcing header, whether a gate stands before it, and is let through, or not.
pub(super) async fn a_header_reaches_a_new_route_past_its_gate(p: P<'_>) {
    let service = name("tested");
    let address = two_revisions(p, &service).await;
    let forced = Some("tested=2");
    // Not even listed: no row of the traffic table knows it.
    assert_eq!(p.get(&address, "/disputes", None).await.unwrap(), "a");
    assert_eq!(p.get(&address, "/disputes", forced).await.unwrap(), "b");
    shift(
        p,
        &service,
        gated(Admits::Consumers(vec!["web".to_owned()])),
    )
    .await;
    assert_eq!(p.get(&address, "/disputes", None).await.unwrap(), "a");
    assert_eq!(p.get(&address, "/disputes", forced).await.unwrap(), "b");
}

/// A platform that has no weights for routes, or does not see who calls, refuses such traffic with the reason, and
/// nothing changes.
pub(super) async fn what_a_platform_cannot_do_is_refused_with_the_reason(p: P<'_>) {
    let capabilities = p.platform().capabilities();
    let service = name("unable");
    two_revisions(p, &service).await;
    let before = p.platform().observe(&service).await.unwrap();
    let mut of_a_route = gated(Admits::Consumers(vec!["web".to_owned()]));
    of_a_route.routes[0].gate = None;
    of_a_route.routes[0].weights =
        Weights::new(BTreeMap::from([(one(), 50), (two(), 50)])).unwrap();
    let salt = SALT.to_owned();
    for (is_able, split, reason) in [
        (
            capabilities.routes,
            of_a_route,
            "routes cannot have weights",
        ),
        (
            capabilities.gate,
            gated(Admits::Consumers(vec!["web".to_owned()])),
            "no route can be gated",
        ),
        (
            capabilities.gate,
            gated(Admits::Buckets { below: 5, salt }),
            "no route can be gated",
        ),
    ] {
        if is_able {
            continue;
        }
        let wanted = commit(split, "", "ana");
        let refused = p
            .platform()
            .commit(&service, &before.token, &wanted, &|_| {})
            .await;
        match refused {
            Err(Error::Invalid(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let after = p.platform().observe(&service).await.unwrap();
    assert_eq!((after.split, after.token), (before.split, before.token));
}
