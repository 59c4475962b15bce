//! Several at work on one alias, and answers that get lost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::client::{Aws, Release};
use super::{There, alias, all, calls, commit, function, name, shared, write};
use crate::domain::live::Token;
use crate::domain::release::RevisionNumber;
use crate::platform::{Commit, Error, Platform, Progress};

/// Races of two; each is a commit on the same state.
const RACES: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_one_wins_each_time() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (ana, bob) = (there.platform(), there.platform());
    let service = name("raced");
    function(&aws, "raced", 3);
    let mut token = write(&ana, &service, &commit(all(1), "", "setup")).await;
    bob.observe(&service).await.unwrap();
    aws.forget_calls();
    let mut won_by = BTreeMap::from([("ana", 0), ("bob", 0)]);
    for race in 0..RACES {
        let (one, two) = (commit(all(2), "", "ana"), commit(all(3), "", "bob"));
        let (first, second) = tokio::join!(
            ana.commit(&service, &token, &one, &|_| {}),
            bob.commit(&service, &token, &two, &|_| {})
        );
        let (winner, lost, won) = match (first, second) {
            (Ok(won), Err(lost)) => ("ana", lost, won),
            (Err(lost), Ok(won)) => ("bob", lost, won),
            other => panic!("race {race}: {other:?}"),
        };
        let Error::Conflict {
            winner: Some(named),
        } = lost
        else {
            panic!("race {race}: {lost:?}");
        };
        assert_eq!(named.actor.name, winner, "race {race}");
        // What AWS has, asked beside the pace that squad keeps.
        let alias = alias(&aws, "raced");
        assert_eq!(alias["RevisionId"], json!(won.0), "race {race}");
        let expected = if winner == "ana" { "2" } else { "3" };
        assert_eq!(alias["FunctionVersion"], json!(expected), "race {race}");
        token = won;
        *won_by.entry(winner).or_insert(0) += 1;
    }
    assert_eq!(won_by.values().sum::<usize>(), RACES, "{won_by:?}");
    let made = aws.calls();
    let writes = made.iter().filter(|call| call.operation == "UpdateAlias");
    let (through, refused): (Vec<_>, Vec<_>) = writes
        .filter_map(|call| call.status)
        .partition(|status| *status == 200);
    assert_eq!((through.len(), refused.len()), (RACES, RACES));
    assert!(refused.iter().all(|status| *status == 412), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_got_lost_is_no_lost_race() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let platform = there.platform();
    for (index, how) in ["reset-before", "reset-after", "broken-after", "unavailable"]
        .iter()
        .enumerate()
    {
        for operation in ["CreateAlias", "UpdateAlias"] {
            let text = format!("lost-{index}-{}", operation.to_lowercase());
            let service = name(&text);
            function(&aws, &text, 2);
            if operation == "UpdateAlias" {
                write(&platform, &service, &commit(all(1), "", "setup")).await;
            }
            aws.settings(json!({ "faults": {
                    "rate": 1.0,
                    "kinds": [how],
                    "services": ["lambda"],
                    "in_a_row": 1,
                } }));
            let token = Token(String::new());
            let token = if operation == "UpdateAlias" {
                platform.observe(&service).await.unwrap().token
            } else {
                token
            };
            let wanted = commit(all(2), "", "ana");
            let after = platform.commit(&service, &token, &wanted, &|_| {}).await;
            aws.settings(json!({ "faults": { "rate": 0.0 } }));
            let live = platform.observe(&service).await.unwrap();
            assert_eq!(after.unwrap(), live.token, "{how} {operation}");
            assert_eq!(live.split, Some(all(2)));
            assert_eq!(live.last_commit.unwrap().operation, wanted.operation);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_makes_the_calls_that_it_needs() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let platform = there.platform();
    let service = name("counted");
    function(&aws, "counted", 2);
    let all_calls = |what: &str, expected: &[&str]| {
        let mut found = calls(&aws);
        found.sort_unstable();
        assert_eq!(found, expected, "{what}");
        aws.forget_calls();
    };
    aws.forget_calls();
    let before = platform.observe(&service).await.unwrap();
    all_calls(
        "a first look",
        &[
            "lambda:GetAlias",
            // Of the traffic, and of what would be overwritten where there is no alias.
            "lambda:GetFunction",
            "lambda:GetFunction",
            "lambda:ListVersionsByFunction",
            "sts:GetCallerIdentity",
        ],
    );
    let mut wanted = commit(all(1), "", "ana");
    let token = platform
        .commit(&service, &before.token, &wanted, &|_| {})
        .await
        .unwrap();
    all_calls(
        "the first commit",
        &[
            "lambda:CreateAlias",
            "lambda:ListProvisionedConcurrencyConfigs",
        ],
    );
    wanted = Commit {
        leaves: Some(RevisionNumber(1)),
        ..commit(all(2), "", "ana")
    };
    platform
        .commit(&service, &token, &wanted, &|_| {})
        .await
        .unwrap();
    all_calls("a commit that goes back", &["lambda:UpdateAlias"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_did_to_the_alias_is_seen_and_kept() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let platform = there.platform();
    let service = name("foreign");
    aws.functions(json!({ "name": "foreign", "versions": 3, "alias": "live", "alias_description": "made by hand" }));
    let live = platform.observe(&service).await.unwrap();
    assert_eq!(live.split, Some(all(3)));
    assert_eq!(live.last_commit, None);
    let problem = live.revision(RevisionNumber(3)).unwrap().problem.clone();
    assert!(problem.unwrap().ends_with("made by hand`"));
    let wanted = commit(all(2), "", "ana");
    platform
        .commit(&service, &live.token, &wanted, &|_| {})
        .await
        .unwrap();
    let kept = format!("alias/foreign/{}", wanted.operation);
    assert_eq!(
        platform.object(&kept).await.unwrap(),
        Some(b"made by hand".to_vec())
    );
    // Weights that somebody else sets are seen, and nobody's commit.
    write(&platform, &service, &commit(shared(2, 3, 10), "", "ana")).await;
    aws.change(json!({ "kind": "alias", "function": "foreign", "alias": "live", "version": "2", "weights": { "3": 0.5 } }));
    let live = platform.observe(&service).await.unwrap();
    assert_eq!(live.split, Some(shared(2, 3, 50)));
    assert_eq!(live.last_commit, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_told_from_a_lost_race() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let platform = there.platform();
    let service = name("gone");
    function(&aws, "gone", 2);
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    let live = platform.observe(&service).await.unwrap();
    let refused = platform
        .commit(&service, &live.token, &commit(all(9), "", "ana"), &|_| {})
        .await;
    assert!(
        matches!(refused, Err(Error::NoRevision(RevisionNumber(9)))),
        "{refused:?}"
    );
    aws.change(json!({ "kind": "delete-function", "function": "gone" }));
    let refused = platform
        .commit(&service, &live.token, &commit(all(2), "", "ana"), &|_| {})
        .await;
    assert!(
        matches!(refused, Err(Error::Conflict { winner: None })),
        "{refused:?}"
    );
    let live = platform.observe(&service).await.unwrap();
    assert_eq!((live.revisions.len(), live.split), (0, None));
}

/// Its answer is lost, and before it can ask again somebody else has gone on from there: that one is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_went_on_after_a_lost_answer_is_named() {
    let aws = Aws::start();
    let there = There::new(&aws);
    let (ana, bob) = (there.platform(), there.platform());
    let service = name("overtaken");
    function(&aws, "overtaken", 3);
    let token = write(&ana, &service, &commit(all(1), "", "setup")).await;
    aws.rule(json!({ "operation": "UpdateAlias", "do": "hold-after" }));
    let writing = {
        let (service, wanted) = (service.clone(), commit(all(2), "", "ana"));
        tokio::spawn(async move { ana.commit(&service, &token, &wanted, &|_| {}).await })
    };
    assert_eq!(aws.wait_held(Duration::from_secs(30)).len(), 1);
    let live = bob.observe(&service).await.unwrap();
    assert_eq!(live.last_commit.unwrap().actor.name, "ana");
    bob.commit(&service, &live.token, &commit(all(3), "", "bob"), &|_| {})
        .await
        .unwrap();
    aws.release(Release::Drop);
    match writing.await.unwrap() {
        Err(Error::Conflict {
            winner: Some(winner),
        }) => assert_eq!(winner.actor.name, "bob"),
        other => panic!("{other:?}"),
    }
    assert_eq!(alias(&aws, "overtaken")["FunctionVersion"], json!("3"));
}

/// What a rollback goes back to may sleep: it is woken before it takes traffic.
#[tokio::test]
async fn a_version_that_nobody_called_for_weeks_is_woken_before_it_takes_traffic() {
    let aws = Aws::start();
    let platform = There::new(&aws).platform();
    function(&aws, "asleep", 2);
    let service = name("asleep");
    write(&platform, &service, &commit(all(2), "", "ana")).await;
    aws.change(json!({ "kind": "inactive", "function": "asleep", "version": "1" }));
    aws.forget_calls();
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |progress| {
        if let Progress::Waiting { what } = progress {
            told.lock().unwrap().push(what);
        }
    };
    platform
        .prepare(&service, RevisionNumber(1), &progress)
        .await
        .unwrap();
    assert_eq!(
        calls(&aws),
        ["lambda:GetFunction", "lambda:Invoke", "lambda:GetFunction"]
    );
    assert_eq!(
        told.into_inner().unwrap(),
        ["nobody called this version for a long time: AWS brings it back"]
    );
    // Awake: nothing is called.
    aws.forget_calls();
    platform
        .prepare(&service, RevisionNumber(1), &|_| {})
        .await
        .unwrap();
    assert_eq!(calls(&aws), ["lambda:GetFunction"]);
}
