//! Several at work on one alias, and answers that get lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{There, block_on, calls, control, function};
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::traffic::{Split, Weights};
use crate::platform::lambda::Lambda;
use crate::platform::{Commit, Error, Platform};

/// Races of two; each is a commit on the same state.
const RACES: usize = 1000;

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn all(revision: u64) -> Split {
    Split::all(&[], RevisionNumber(revision))
}

fn shared(one: u64, other: u64, weight: u8) -> Split {
    Split {
        routes: Vec::new(),
        rest: Weights::new(BTreeMap::from([
            (RevisionNumber(one), 100 - weight),
            (RevisionNumber(other), weight),
        ]))
        .unwrap(),
    }
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

async fn write(platform: &Lambda, service: &ServiceName, commit: &Commit) -> Token {
    let token = platform.observe(service).await.unwrap().token;
    platform.commit(service, &token, commit).await.unwrap()
}

macro_rules! in_a_process {
    ($outer:ident, $inner:ident, $work:expr) => {
        #[test]
        fn $outer() {
            super::run(concat!(
                "platform::lambda::tests::race::",
                stringify!($inner)
            ));
        }

        #[test]
        #[ignore = "its neighbour runs it beside a stand-in"]
        fn $inner() {
            block_on($work);
        }
    };
}

in_a_process!(of_two_at_once_one_wins_each_time, races, async {
    let there = There::new();
    let (ana, bob) = (there.platform(), there.platform());
    let service = name("raced");
    function("raced", 3);
    let mut token = write(&ana, &service, &commit(all(1), "", "setup")).await;
    bob.observe(&service).await.unwrap();
    for race in 0..RACES {
        let (one, two) = (commit(all(2), "", "ana"), commit(all(3), "", "bob"));
        let (first, second) = tokio::join!(
            ana.commit(&service, &token, &one),
            bob.commit(&service, &token, &two)
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
        let alias = control("GET", "functions/raced", &json!({}))["aliases"]["live"].clone();
        assert_eq!(alias["RevisionId"], json!(won.0), "race {race}");
        let expected = if winner == "ana" { "2" } else { "3" };
        assert_eq!(alias["FunctionVersion"], json!(expected), "race {race}");
        token = won;
    }
});

in_a_process!(an_answer_that_got_lost_is_no_lost_race, lost, async {
    let there = There::new();
    let platform = there.platform();
    for (index, how) in ["reset-before", "reset-after", "broken-after", "unavailable"]
        .iter()
        .enumerate()
    {
        for operation in ["CreateAlias", "UpdateAlias"] {
            let text = format!("lost-{index}-{}", operation.to_lowercase());
            let service = name(&text);
            function(&text, 2);
            if operation == "UpdateAlias" {
                write(&platform, &service, &commit(all(1), "", "setup")).await;
            }
            control(
                "PUT",
                "settings",
                &json!({ "faults": {
                    "rate": 1.0,
                    "kinds": [how],
                    "services": ["lambda"],
                    "in_a_row": 1,
                } }),
            );
            let token = Token(String::new());
            let token = if operation == "UpdateAlias" {
                platform.observe(&service).await.unwrap().token
            } else {
                token
            };
            let wanted = commit(all(2), "", "ana");
            let after = platform.commit(&service, &token, &wanted).await;
            control("PUT", "settings", &json!({ "faults": { "rate": 0.0 } }));
            let live = platform.observe(&service).await.unwrap();
            assert_eq!(after.unwrap(), live.token, "{how} {operation}");
            assert_eq!(live.split, Some(all(2)));
            assert_eq!(live.last_commit.unwrap().operation, wanted.operation);
        }
    }
});

in_a_process!(each_operation_makes_the_calls_that_it_needs, exact, async {
    let there = There::new();
    let platform = there.platform();
    let service = name("counted");
    function("counted", 2);
    let all_calls = |what: &str, expected: &[&str]| {
        let mut found = calls();
        found.sort_unstable();
        assert_eq!(found, expected, "{what}");
        control("DELETE", "calls", &json!({}));
    };
    control("DELETE", "calls", &json!({}));
    let before = platform.observe(&service).await.unwrap();
    all_calls(
        "a first look",
        &[
            "lambda:GetAlias",
            "lambda:GetFunction",
            "lambda:ListVersionsByFunction",
            "sts:GetCallerIdentity",
        ],
    );
    let mut wanted = commit(all(1), "", "ana");
    let token = platform
        .commit(&service, &before.token, &wanted)
        .await
        .unwrap();
    all_calls(
        "the first commit",
        &[
            "lambda:CreateAlias",
            "lambda:GetProvisionedConcurrencyConfig",
        ],
    );
    wanted = Commit {
        leaves: Some(RevisionNumber(1)),
        ..commit(all(2), "", "ana")
    };
    platform.commit(&service, &token, &wanted).await.unwrap();
    all_calls("a commit that goes back", &["lambda:UpdateAlias"]);
});

in_a_process!(
    what_others_did_to_the_alias_is_seen_and_kept,
    foreign,
    async {
        let there = There::new();
        let platform = there.platform();
        let service = name("foreign");
        control(
            "POST",
            "functions",
            &json!({ "name": "foreign", "versions": 3, "alias": "live", "alias_description": "made by hand" }),
        );
        let live = platform.observe(&service).await.unwrap();
        assert_eq!(live.split, Some(all(3)));
        assert_eq!(live.last_commit, None);
        let problem = live.revision(RevisionNumber(3)).unwrap().problem.clone();
        assert!(problem.unwrap().ends_with("made by hand"));
        let wanted = commit(all(2), "", "ana");
        platform
            .commit(&service, &live.token, &wanted)
            .await
            .unwrap();
        let kept = format!("alias/foreign/{}", wanted.operation);
        assert_eq!(
            platform.object(&kept).await.unwrap(),
            Some(b"made by hand".to_vec())
        );
        // Weights that somebody else sets are seen, and nobody's commit.
        write(&platform, &service, &commit(shared(2, 3, 10), "", "ana")).await;
        control(
            "POST",
            "change",
            &json!({ "kind": "alias", "function": "foreign", "alias": "live", "version": "2", "weights": { "3": 0.5 } }),
        );
        let live = platform.observe(&service).await.unwrap();
        assert_eq!(live.split, Some(shared(2, 3, 50)));
        assert_eq!(live.last_commit, None);
    }
);

in_a_process!(versions_with_other_roles_are_not_split, roles, async {
    let there = There::new();
    let platform: Arc<Lambda> = there.platform();
    let service = name("gone");
    function("gone", 2);
    write(&platform, &service, &commit(all(1), "", "ana")).await;
    let live = platform.observe(&service).await.unwrap();
    let refused = platform
        .commit(&service, &live.token, &commit(all(9), "", "ana"))
        .await;
    assert!(
        matches!(refused, Err(Error::NoRevision(RevisionNumber(9)))),
        "{refused:?}"
    );
    control(
        "POST",
        "change",
        &json!({ "kind": "delete-function", "function": "gone" }),
    );
    let refused = platform
        .commit(&service, &live.token, &commit(all(2), "", "ana"))
        .await;
    assert!(
        matches!(refused, Err(Error::Conflict { winner: None })),
        "{refused:?}"
    );
    let live = platform.observe(&service).await.unwrap();
    assert_eq!((live.revisions.len(), live.split), (0, None));
});
