//! The contract as a test: one suite for every implementation of [`Platform`].
//!
//! An implementation brings a [`Proving`]: releases that behave as asked, and a way to send requests. What its
//! capabilities do not have is skipped by name. Every case has a service of its own, so that all run at once.

mod gate;
mod rollout;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::live::{Health, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, Release, RevisionNumber};
use crate::domain::route::PathTemplate;
use crate::domain::service::Route;
use crate::domain::traffic::{RouteSplit, Split, Weights};
use crate::platform::{Commit, Error, LogQuery, Platform};

/// How a release behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers every request with this text; `/slow` after a second.
    Answers(&'static str),
    /// Ends with exit code 1 because the variable `MISSING` is not set.
    NeedsVariable,
}

/// What an implementation brings.
#[async_trait]
pub(crate) trait Proving: Send + Sync {
    /// The platform.
    fn platform(&self) -> Arc<dyn Platform>;

    /// A release of an HTTP service; the digest decides what is the same.
    fn release(&self, service: &ServiceName, digest: &str, behaviour: Behaviour) -> Release;

    /// Sends one request and returns the body of a 2xx answer.
    async fn get(&self, address: &str, path: &str, forced: Option<&str>) -> Result<String, String>;

    /// The same from a caller who says its name in the header `x-consumer`; none says nothing. Only asked for where a
    /// platform can gate routes.
    async fn get_as(
        &self,
        _address: &str,
        _path: &str,
        _caller: Option<&str>,
    ) -> Result<String, String> {
        Err("nobody sees who calls here".to_owned())
    }

    /// Makes sure that a revision has run: on some platforms one runs only when it is called.
    async fn wake(&self, _service: &ServiceName, _revision: RevisionNumber) {}

    /// The cases that cannot be true there, by name, each with the reason.
    fn differs(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

/// Adds a line to those that `tests/run` shows at its end: `skipped: <test>: <why>` for a test that could not run here,
/// `differs: <server>: <case>: <why>` for a case that cannot be true there.
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
    let Some(path) = std::env::var_os("SQUAD_TEST_SKIPS") else {
        return;
    };
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    // In one write: other tests add lines too.
    std::io::Write::write_all(&mut opened.unwrap(), format!("{line}\n").as_bytes()).unwrap();
}

type P<'a> = &'a dyn Proving;

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn one() -> RevisionNumber {
    RevisionNumber(1)
}

fn two() -> RevisionNumber {
    RevisionNumber(2)
}

fn commit(split: Split, state: &str, who: &str) -> Commit {
    Commit {
        split,
        state: state.to_owned(),
        leaves: None,
        actor: Actor {
            name: who.to_owned(),
            host: "test".to_owned(),
            key: None,
        },
        operation: ulid::Ulid::generate().to_string(),
    }
}

fn all(revision: RevisionNumber) -> Split {
    Split::all(&[], revision)
}

async fn publish(
    p: P<'_>,
    service: &ServiceName,
    answers: &'static str,
) -> (RevisionNumber, String) {
    let release = p.release(service, answers, Behaviour::Answers(answers));
    let published = p.platform().publish(&release, &|_| {}).await.unwrap();
    (published.revision, published.address.unwrap())
}

async fn shift(p: P<'_>, service: &ServiceName, split: Split) -> Token {
    let token = p.platform().observe(service).await.unwrap().token;
    p.platform()
        .commit(service, &token, &commit(split, "", "somebody"), &|_| {})
        .await
        .unwrap()
}

/// A service that was never published is empty, and nothing comes into being by looking.
async fn nothing_is_there_before_the_first_publish(p: P<'_>) {
    let service = name("never");
    let live = p.platform().observe(&service).await.unwrap();
    assert_eq!(
        (live.revisions.len(), live.split, live.kind),
        (0, None, None)
    );
    assert!(!p.platform().services().await.unwrap().contains(&service));
    let nobody = p.platform().prepare(&service, one(), &|_| {}).await;
    assert!(matches!(nobody, Err(Error::NoRevision(_))), "{nobody:?}");
}

/// Publishing gives no traffic, and the same digest is the same revision.
async fn a_publish_takes_no_traffic_and_the_same_digest_is_the_same_revision(p: P<'_>) {
    let service = name("publish");
    let release = p.release(&service, "a", Behaviour::Answers("a"));
    let first = p.platform().publish(&release, &|_| {}).await.unwrap();
    let again = p.platform().publish(&release, &|_| {}).await.unwrap();
    assert_eq!((first.revision, first.existed), (one(), false));
    assert_eq!((again.revision, again.existed), (one(), true));
    let live = p.platform().observe(&service).await.unwrap();
    assert_eq!(live.split, None);
    assert_eq!(live.revisions.len(), 1);
    assert_eq!(live.revisions[0].health, Health::Ok);
    assert_eq!(live.revisions[0].last_served_at, None);
    assert!(p.platform().services().await.unwrap().contains(&service));
    let (second, _) = publish(p, &service, "b").await;
    assert_eq!(second, two());
}

/// Traffic and state change in one compare-and-swap, and a conflict names who won.
async fn a_commit_is_one_compare_and_swap(p: P<'_>) {
    let service = name("commit");
    let (_, address) = publish(p, &service, "a").await;
    publish(p, &service, "b").await;
    let before = p.platform().observe(&service).await.unwrap().token;
    let ana = commit(all(one()), "v1 r1", "ana");
    let after = p
        .platform()
        .commit(&service, &before, &ana, &|_| {})
        .await
        .unwrap();
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "a");
    let bob = commit(all(two()), "v1 r2", "bob");
    match p.platform().commit(&service, &before, &bob, &|_| {}).await {
        Err(Error::Conflict {
            winner: Some(winner),
        }) => assert_eq!(winner.actor.name, "ana"),
        other => panic!("{other:?}"),
    }
    let live = p.platform().observe(&service).await.unwrap();
    assert_eq!(
        (live.split, live.state.as_str()),
        (Some(all(one())), "v1 r1")
    );
    assert_eq!(live.token, after);
    // The same once more, as after an answer that was lost.
    let again = p
        .platform()
        .commit(&service, &before, &ana, &|_| {})
        .await
        .unwrap();
    assert_eq!(again, after);
    // A commit may have stopped what never had traffic.
    p.platform()
        .prepare(&service, two(), &|_| {})
        .await
        .unwrap();
    p.platform()
        .commit(&service, &after, &bob, &|_| {})
        .await
        .unwrap();
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "b");
}

/// Of commits at the same time exactly one wins.
async fn of_commits_at_once_one_wins(p: P<'_>) {
    let service = name("race");
    publish(p, &service, "a").await;
    let token = p.platform().observe(&service).await.unwrap().token;
    let platform = p.platform();
    let racing = (0..8).map(|n| {
        let (platform, service, token) = (Arc::clone(&platform), service.clone(), token.clone());
        async move {
            let commit = commit(all(one()), &format!("n{n}"), &format!("n{n}"));
            platform.commit(&service, &token, &commit, &|_| {}).await
        }
    });
    let results = futures_util::future::join_all(racing).await;
    let live = platform.observe(&service).await.unwrap();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for lost in results.into_iter().filter_map(Result::err) {
        let Error::Conflict {
            winner: Some(winner),
        } = lost
        else {
            panic!("{lost:?}");
        };
        assert_eq!(winner.actor.name, live.state);
    }
}

/// What cannot be true is refused, and nothing changes.
async fn a_wrong_commit_is_refused_and_changes_nothing(p: P<'_>) {
    let service = name("wrong");
    publish(p, &service, "a").await;
    let token = p.platform().observe(&service).await.unwrap().token;
    let long = "x".repeat(201);
    for (split, state) in [
        (all(one()), long.as_str()),
        (all(one()), "ä"),
        (all(RevisionNumber(9)), ""),
    ] {
        let refused = p
            .platform()
            .commit(&service, &token, &commit(split, state, "ana"), &|_| {})
            .await;
        assert!(
            matches!(refused, Err(Error::Invalid(_) | Error::NoRevision(_))),
            "{refused:?}"
        );
    }
    let live = p.platform().observe(&service).await.unwrap();
    assert_eq!((live.split, live.token), (None, token.clone()));
    let longest = "x".repeat(200);
    let good = commit(all(one()), &longest, "ana");
    p.platform()
        .commit(&service, &token, &good, &|_| {})
        .await
        .unwrap();
}

/// A revision that does not start says why, takes no traffic, and leaves what serves alone.
async fn a_release_that_does_not_start_says_why(p: P<'_>) {
    let service = name("failing");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    let release = p.release(&service, "broken", Behaviour::NeedsVariable);
    let Err(Error::DoesNotStart {
        revision,
        diagnosis,
    }) = p.platform().publish(&release, &|_| {}).await
    else {
        panic!("it started");
    };
    assert_eq!(revision, two());
    assert!(diagnosis.summary.contains("exit code 1"), "{diagnosis:?}");
    assert!(
        diagnosis.cause.as_ref().unwrap().contains("MISSING"),
        "{diagnosis:?}"
    );
    assert!(!diagnosis.evidence.is_empty() && diagnosis.evidence.len() <= 10);
    let again = p
        .platform()
        .diagnose(&service, two())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.id, diagnosis.id);
    assert_eq!(p.platform().diagnose(&service, one()).await.unwrap(), None);
    let live = p.platform().observe(&service).await.unwrap();
    assert_eq!(live.revision(two()).unwrap().health, Health::Failed);
    assert_eq!(live.split, Some(all(one())));
    let refused = p
        .platform()
        .commit(
            &service,
            &live.token,
            &commit(all(two()), "", "ana"),
            &|_| {},
        )
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "a");
}

/// What has traffic cannot be retired; what was retired is gone, and its number with it.
async fn only_a_revision_without_traffic_can_be_retired(p: P<'_>) {
    let service = name("retire");
    publish(p, &service, "a").await;
    publish(p, &service, "b").await;
    shift(p, &service, all(one())).await;
    let refused = p.platform().retire(&service, one()).await;
    assert!(matches!(refused, Err(Error::HasTraffic(_))), "{refused:?}");
    p.platform().retire(&service, two()).await.unwrap();
    let gone = p.platform().retire(&service, two()).await;
    assert!(matches!(gone, Err(Error::NoRevision(_))), "{gone:?}");
    let (third, _) = publish(p, &service, "b").await;
    assert_eq!(third, RevisionNumber(3));
}

/// A revision that lost its traffic can be brought back.
async fn a_rollback_prepares_what_was_stopped_and_marks_what_it_leaves(p: P<'_>) {
    let service = name("back");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    let token = shift(p, &service, all(two())).await;
    p.platform()
        .prepare(&service, one(), &|_| {})
        .await
        .unwrap();
    let back = Commit {
        leaves: Some(two()),
        ..commit(all(one()), "", "ana")
    };
    p.platform()
        .commit(&service, &token, &back, &|_| {})
        .await
        .unwrap();
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "a");
    let live = p.platform().observe(&service).await.unwrap();
    let left: Vec<bool> = live
        .revisions
        .iter()
        .map(|revision| revision.left)
        .collect();
    assert_eq!(left, [false, true]);
    assert!(
        live.revisions
            .iter()
            .all(|revision| revision.last_served_at.is_some())
    );
    assert!(
        live.revisions
            .iter()
            .all(|revision| revision.served_healthily)
    );
}

/// A switch loses no request: those under way end where they are.
async fn a_request_under_way_ends_on_the_revision_where_it_began(p: P<'_>) {
    let service = name("drain");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    let slow = p.get(&address, "/slow", None);
    let switching = async {
        // The slow one has to be under way; there is no event for that outside of the service.
        tokio::time::sleep(Duration::from_millis(300)).await;
        shift(p, &service, all(two())).await;
        p.get(&address, "/", None).await
    };
    let (slow, fast) = tokio::join!(slow, switching);
    assert_eq!((slow, fast), (Ok("a".to_owned()), Ok("b".to_owned())));
}

/// Weights for each route.
async fn each_route_has_weights_of_its_own(p: P<'_>) {
    let service = name("routes");
    let (_, address) = publish(p, &service, "a").await;
    publish(p, &service, "b").await;
    let route = Route {
        name: "get-item".parse().unwrap(),
        method: "GET".to_owned(),
        path: PathTemplate("/items/{id}".to_owned()),
    };
    let half = Weights::new(BTreeMap::from([(one(), 50), (two(), 50)])).unwrap();
    let split = Split {
        routes: vec![RouteSplit {
            route,
            weights: half,
            gate: None,
        }],
        rest: Weights::all(one()),
    };
    shift(p, &service, split).await;
    let mut answers = BTreeMap::new();
    for n in 0..100 {
        let answer = p.get(&address, &format!("/items/{n}"), None).await.unwrap();
        *answers.entry(answer).or_insert(0) += 1;
        assert_eq!(p.get(&address, "/other", None).await.unwrap(), "a");
    }
    assert!(answers["a"] >= 20 && answers["b"] >= 20, "{answers:?}");
}

/// A header reaches a revision that has no traffic.
async fn a_header_forces_a_revision(p: P<'_>) {
    let service = name("forced");
    let (_, address) = publish(p, &service, "a").await;
    shift(p, &service, all(one())).await;
    publish(p, &service, "b").await;
    let forced = p.get(&address, "/", Some("forced=2")).await.unwrap();
    assert_eq!(forced, "b");
    assert_eq!(p.get(&address, "/", None).await.unwrap(), "a");
}

/// What a revision writes can be read.
async fn the_log_has_what_a_revision_wrote(p: P<'_>) {
    let service = name("talking");
    publish(p, &service, "a").await;
    publish(p, &service, "b").await;
    let query = LogQuery {
        revision: Some(two()),
        ..LogQuery::default()
    };
    p.wake(&service, two()).await;
    let mut lines = Vec::new();
    p.platform()
        .logs(&service, &query, &mut |line| {
            lines.push(line);
            true
        })
        .await
        .unwrap();
    assert!(lines.iter().all(|line| line.revision == two()));
    assert!(
        lines.iter().any(|line| line.text == "answering b"),
        "{lines:?}"
    );
    assert!(lines.is_sorted_by_key(|line| line.at));
}

/// Different content at once gives different numbers, the same content one revision.
async fn publishes_at_once_get_numbers_of_their_own(p: P<'_>) {
    let service = name("many");
    let platform = p.platform();
    let digests = ["a", "b", "c", "a", "b", "c"];
    let publishing = digests.map(|digest| {
        let release = p.release(&service, digest, Behaviour::Answers("x"));
        let platform = Arc::clone(&platform);
        async move {
            platform
                .publish(&release, &|_| {})
                .await
                .unwrap()
                .revision
                .0
        }
    });
    let numbers = futures_util::future::join_all(publishing).await;
    let mut distinct = numbers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct, [1, 2, 3], "{numbers:?}");
    assert_eq!(numbers[..3], numbers[3..]);
}

/// Runs the cases at once, but for those in which the platform differs; their names are collected.
macro_rules! cases {
    ($p:ident, $skipped:ident; $($($case:ident)::+,)+) => {
        tokio::join!($(async {
            let name = stringify!($($case)::+).rsplit(':').next().unwrap_or_default().trim();
            if !$p.differs().iter().any(|(case, _)| *case == name) {
                $($case)::+($p).await;
            }
        }),+);
        $skipped.extend($p.differs().into_iter().map(|(case, _)| case));
    };
}

/// Runs every case that the platform's capabilities allow, all at once, and returns the names of the others.
pub(crate) async fn run(p: P<'_>) -> Vec<&'static str> {
    let capabilities = p.platform().capabilities();
    let mut skipped = Vec::new();
    cases!(p, skipped;
        nothing_is_there_before_the_first_publish,
        a_publish_takes_no_traffic_and_the_same_digest_is_the_same_revision,
        a_commit_is_one_compare_and_swap,
        of_commits_at_once_one_wins,
        a_wrong_commit_is_refused_and_changes_nothing,
        a_release_that_does_not_start_says_why,
        only_a_revision_without_traffic_can_be_retired,
        a_rollback_prepares_what_was_stopped_and_marks_what_it_leaves,
        a_request_under_way_ends_on_the_revision_where_it_began,
        the_log_has_what_a_revision_wrote,
        publishes_at_once_get_numbers_of_their_own,
        rollout::requests_are_counted_by_revision,
        rollout::the_history_has_the_running_minute,
        rollout::an_object_is_made_once,
        rollout::what_a_live_rollout_names_stays_up,
        gate::what_a_platform_cannot_do_is_refused_with_the_reason,
    );
    if capabilities.routes {
        each_route_has_weights_of_its_own(p).await;
    } else {
        skipped.push("each_route_has_weights_of_its_own");
    }
    if capabilities.forced_header {
        a_header_forces_a_revision(p).await;
        rollout::a_header_names_the_rollout(p).await;
    } else {
        skipped.extend(["a_header_forces_a_revision", "a_header_names_the_rollout"]);
    }
    if capabilities.gate {
        gate::a_gate_lets_named_consumers_through(p).await;
        gate::a_gate_lets_buckets_of_callers_through(p).await;
    } else {
        skipped.extend([
            "a_gate_lets_named_consumers_through",
            "a_gate_lets_buckets_of_callers_through",
        ]);
    }
    if capabilities.gate && capabilities.forced_header {
        gate::a_header_reaches_a_new_route_past_its_gate(p).await;
    } else {
        skipped.push("a_header_reaches_a_new_route_past_its_gate");
    }
    skipped
}
