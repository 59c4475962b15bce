//! What rollouts need of a platform: counters, objects, and two revisions that stay up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{P, all, commit, name, one, publish, shift, two};
use crate::domain::counts::{Counts, since};
use crate::domain::live::{Health, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::{Split, Weights};
use crate::platform::Error;

/// A platform may count a little later than it answers.
pub(super) async fn read_until(
    p: P<'_>,
    service: &ServiceName,
    enough: impl Fn(&Counts) -> bool,
) -> Counts {
    for _ in 0..400 {
        let counts = p.platform().counts(service).await.unwrap();
        if enough(&counts) {
            return counts;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!(
        "not counted within 10 s: {:?}",
        p.platform().counts(service).await
    );
}

/// Requests and bad events of a revision.
fn of(counts: &Counts, revision: RevisionNumber, forced: bool) -> (u64, u64) {
    counts
        .series
        .iter()
        .filter(|one| one.revision == revision && one.forced == forced)
        .fold((0, 0), |(requests, bad), one| {
            assert_eq!(one.bad, one.errors + one.slow);
            (requests + one.requests, bad + one.bad)
        })
}

async fn commit_with(p: P<'_>, service: &ServiceName, split: Split, state: &str) -> Token {
    let token = p.platform().observe(service).await.unwrap().token;
    p.platform()
        .commit(service, &token, &commit(split, state, "somebody"), &|_| {})
        .await
        .unwrap()
}

/// Requests are counted for each revision, those of testers apart, and the last one is known.
pub(super) async fn requests_are_counted_by_revision(p: P<'_>) {
    let service = name("counted");
    let nothing = p.platform().counts(&service).await.unwrap();
    assert!(nothing.series.is_empty() && nothing.last_request.is_empty());
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    for _ in 0..3 {
        p.get(&address, "/", None).await.unwrap();
    }
    let first = read_until(p, &service, |counts| of(counts, one(), false).0 == 3).await;
    assert_eq!(first.last_request_to(two()), None);
    assert!(
        first
            .series
            .iter()
            .all(|one| one.route == "rest" && one.method.is_empty())
    );

    shift(p, &service, all(two())).await;
    p.get(&address, "/", None).await.unwrap();
    let before = p.platform().counts(&service).await.unwrap();
    let second = read_until(p, &service, |counts| of(counts, two(), false).0 == 1).await;
    assert_eq!(of(&second, one(), false), (3, 0));
    assert_eq!(second.epoch, first.epoch);
    let last = second.last_request_to(two()).unwrap();
    assert!(last <= before.at && first.last_request_to(one()).unwrap() <= last);

    let interval = since(&first, &second);
    assert!(!interval.reset);
    let added: u64 = interval.series.iter().map(|one| one.requests).sum();
    assert_eq!(added, 1);
    if p.platform().capabilities().forced_header {
        p.get(&address, "/", Some("counted=2")).await.unwrap();
        let third = read_until(p, &service, |counts| of(counts, two(), true).0 == 1).await;
        assert_eq!(of(&third, two(), false), (1, 0));
        let apart = third.last_request_to(two()).unwrap() - last;
        // The same request: a forced one moves nothing but the clock's own rounding.
        assert!(apart.abs().get_seconds() == 0 && apart.get_milliseconds().abs() < 50);
    }
}

/// The running minute is part of the history, and a service without requests has minutes without any.
pub(super) async fn the_history_has_the_running_minute(p: P<'_>) {
    let service = name("remembered");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    p.get(&address, "/", None).await.unwrap();
    read_until(p, &service, |counts| of(counts, one(), false).0 == 1).await;
    let hour = Duration::from_hours(1);
    let history = p.platform().history(&service, hour).await.unwrap();
    let counted: u64 = history
        .iter()
        .flat_map(|minute| &minute.series)
        .map(|one| one.requests)
        .sum();
    assert_eq!(counted, 1, "{history:?}");
    assert!(history.is_sorted_by_key(|minute| minute.at));
    assert!(history.len() <= 61);
    let none = p.platform().history(&name("nobody"), hour).await.unwrap();
    assert!(none.iter().all(|minute| minute.series.is_empty()));
}

/// An object is made once, by one of those who try, and never changes.
pub(super) async fn an_object_is_made_once(p: P<'_>) {
    let platform = p.platform();
    let path = "rollout/objects/01K8ZC/plan";
    assert_eq!(platform.object(path).await.unwrap(), None);
    let racing = (0..8).map(|n| {
        let platform = p.platform();
        async move {
            platform
                .create_object(path, format!("{n}").as_bytes())
                .await
        }
    });
    let made: Vec<bool> = futures_util::future::join_all(racing)
        .await
        .into_iter()
        .map(|made| made.unwrap())
        .collect();
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    let winner = made.iter().position(|made| *made).unwrap();
    assert_eq!(
        platform.object(path).await.unwrap(),
        Some(winner.to_string().into_bytes())
    );
    assert!(!platform.create_object(path, b"another").await.unwrap());

    for more in [
        "rollout/objects/01K8ZC/counts/10",
        "rollout/objects/01K8ZC/counts/9",
    ] {
        assert!(platform.create_object(more, b"").await.unwrap());
    }
    assert_eq!(
        platform.objects("rollout/objects/").await.unwrap(),
        [
            "rollout/objects/01K8ZC/counts/10",
            "rollout/objects/01K8ZC/counts/9",
            path
        ]
    );
    for (prefix, found) in [
        ("rollout/objects/01K8ZC/counts/1", 1),
        ("rollout/objects/01K8ZC/counts", 2),
        ("rollout/objects/01K8ZC/pla", 1),
        ("rollout/object", 3),
        ("rollout/objects/01K8ZD/", 0),
    ] {
        let paths = platform.objects(prefix).await.unwrap();
        assert_eq!(paths.len(), found, "{prefix}: {paths:?}");
    }
    assert_eq!(platform.object("rollout/objects").await.unwrap(), None);
    let refused = platform.create_object("../outside", b"x").await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

/// What a live rollout names stays up without traffic, so that going back is one commit; later it ends.
pub(super) async fn what_a_live_rollout_names_stays_up(p: P<'_>) {
    let service = name("kept");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    let state = |phase: &str| format!("squad/1 id=01K8ZC g=1 ph={phase} s=1 c=2 p=ab12cd34");
    // Nothing for the canary yet, then everything: neither ends the other.
    for (split, phase) in [
        (all(one()), "preparing"),
        (all(two()), "watching"),
        (all(one()), "aborting"),
        (all(two()), "watching"),
    ] {
        commit_with(p, &service, split, &state(phase)).await;
        let live = p.platform().observe(&service).await.unwrap();
        assert!(
            live.revisions.iter().all(|one| one.health == Health::Ok),
            "{phase}: {:?}",
            live.revisions
        );
    }
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "b");
    let refused = p.platform().retire(&service, one()).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");

    commit_with(p, &service, all(one()), &state("aborted")).await;
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "a");
    for _ in 0..400 {
        let live = p.platform().observe(&service).await.unwrap();
        if live.revision(two()).unwrap().health == Health::Stopped {
            return p.platform().retire(&service, two()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it goes on running");
}

/// A tester reaches the canary by the rollout's id, for as long as the rollout is live; and any revision before
/// the first commit.
pub(super) async fn a_header_names_the_rollout(p: P<'_>) {
    let service = name("named");
    let (_, address) = publish(p, &service, "a").await;
    assert!(p.get(&address, "/", None).await.is_err(), "nobody serves");
    assert_eq!(p.get(&address, "/", Some("named=1")).await.unwrap(), "a");
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    let split = Split {
        routes: Vec::new(),
        rest: Weights::new(BTreeMap::from([(one(), 99), (two(), 1)])).unwrap(),
    };
    commit_with(p, &service, split, "squad/1 id=01K8ZC ph=holding s=1 c=2").await;
    for _ in 0..3 {
        let forced = p.get(&address, "/", Some("named=01K8ZC")).await;
        assert_eq!(forced.unwrap(), "b");
    }
    let other = p.get(&address, "/", Some("named=01K8ZD")).await;
    assert!(other.is_err(), "{other:?}");
    commit_with(
        p,
        &service,
        all(two()),
        "squad/1 id=01K8ZC ph=succeeded s=1 c=2",
    )
    .await;
    let over = p.get(&address, "/", Some("named=01K8ZC")).await;
    assert!(over.is_err(), "{over:?}");
}
