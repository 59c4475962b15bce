//! Every rule of deploy and rollback, by table.

use super::*;
use crate::domain::live::{Health, LastCommit, LeftRelease, Revision, Token};
use crate::domain::release::Actor;
use crate::domain::service::{Analysis, Build, Function, Kind, Rollout, Run, Variable};
use crate::domain::traffic::{Split, Weights};

fn actor() -> Actor {
    Actor {
        name: "ana".into(),
        host: "laptop".into(),
        key: None,
    }
}

fn service() -> Service {
    Service {
        name: "payments".parse().unwrap(),
        squad: None,
        tier: None,
        kind: Kind::Http,
        build: Build {
            command: Vec::new(),
            artifact: ".".into(),
            inputs: Vec::new(),
            python_lock: None,
        },
        run: Run {
            command: vec!["bin/serve".into()],
            port: 8080,
            ready: "/readyz".into(),
            grace_seconds: 20,
            start_seconds: 60,
            env: BTreeMap::from([("A".to_owned(), Variable::Value("1".to_owned()))]),
        },
        function: None,
        routes: Vec::new(),
        rollout: None,
        analysis: Analysis {
            slow_milliseconds: None,
            watch_seconds: None,
            max_hold_seconds: None,
            tolerance: 1.25,
            harm: 1.0,
        },
    }
}

/// (number, digest, hour it last served, healthily, left)
type Row = (u64, &'static str, Option<u8>, bool, bool);

fn live(rows: &[Row], serving: Option<u64>) -> Live {
    let revisions = rows
        .iter()
        .map(|(number, digest, hour, healthily, left)| Revision {
            number: RevisionNumber(*number),
            digest: (*digest).to_owned(),
            published_at: "2026-11-24T00:00:00Z".parse().unwrap(),
            actor: actor(),
            provenance: Provenance::default(),
            service: Some(Box::new(service())),
            last_served_at: hour
                .map(|hour| format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap()),
            served_healthily: *healthily,
            left: *left,
            health: Health::Ok,
            problem: None,
        })
        .collect();
    Live {
        token: Token("7".into()),
        kind: Some(Kind::Http),
        revisions,
        left_releases: Vec::new(),
        served: Vec::new(),
        split: serving.map(|number| Split::all(&[], RevisionNumber(number))),
        unpublished: None,
        unkept: None,
        foreign: None,
        lag: None,
        state: String::new(),
        last_commit: serving.map(|_| LastCommit {
            actor: actor(),
            at: "2026-11-24T00:00:00Z".parse().unwrap(),
            operation: "01".into(),
        }),
        address: None,
    }
}

fn wanted(digest: &str) -> Wanted {
    Wanted {
        service: service(),
        digest: digest.to_owned(),
        provenance: Provenance::default(),
        is_older: false,
    }
}

fn environment(protected: bool) -> Environment {
    Environment {
        protected,
        ..Environment::builtin_local()
    }
}

fn with_reason(allowed: Allowed) -> Allowed {
    Allowed {
        has_reason: true,
        ..allowed
    }
}

#[test]
fn a_first_deploy_builds() {
    let plan = deploy(
        &live(&[], None),
        &environment(true),
        &wanted("a"),
        Allowed::default(),
    );
    let change = Change {
        previous: None,
        existing: None,
        configuration: Vec::new(),
        gradual: false,
    };
    assert_eq!(plan, Ok(Deploy::Change(change)));
}

#[test]
fn the_same_digest_is_never_deployed_twice() {
    let live = live(&[(1, "a", Some(1), true, false)], Some(1));
    let plan = deploy(&live, &environment(false), &wanted("a"), Allowed::default());
    assert_eq!(
        plan,
        Ok(Deploy::UpToDate {
            revision: RevisionNumber(1)
        })
    );
}

#[test]
fn a_rebuild_is_the_same_release_afterwards() {
    let before = live(&[(1, "a", Some(1), true, false)], Some(1));
    let plan = deploy(
        &before,
        &environment(false),
        &wanted("a+01"),
        Allowed::default(),
    );
    assert!(matches!(
        plan,
        Ok(Deploy::Change(Change { existing: None, .. }))
    ));
    let rows: &[Row] = &[
        (1, "a", Some(1), true, false),
        (2, "a+01", Some(2), true, false),
    ];
    let after = live(rows, Some(2));
    let plan = deploy(
        &after,
        &environment(false),
        &wanted("a"),
        Allowed::default(),
    );
    assert_eq!(
        plan,
        Ok(Deploy::UpToDate {
            revision: RevisionNumber(2)
        })
    );
}

#[test]
fn a_known_digest_is_not_built_again() {
    let live = live(
        &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(2), true, false),
        ],
        Some(2),
    );
    let plan = deploy(&live, &environment(false), &wanted("a"), Allowed::default());
    let change = Change {
        previous: Some(RevisionNumber(2)),
        existing: Some(RevisionNumber(1)),
        configuration: Vec::new(),
        gradual: false,
    };
    assert_eq!(plan, Ok(Deploy::Change(change)));
}

#[test]
fn a_version_that_never_served_proves_itself_again() {
    let rows = [(1, "a", None, true, false), (2, "b", Some(2), true, false)];
    let live = live(&rows, Some(2));
    let cloud = Environment {
        platform: PlatformKind::Lambda,
        ..environment(false)
    };
    let existing = |smoke: Option<&str>| {
        let mut wanted = wanted("a");
        wanted.service.function = Some(Function {
            name: "payments".into(),
            runtime: "python3.13".into(),
            handler: "app.handler".into(),
            role: None,
            unsaid: Vec::new(),
            memory_mb: 512,
            timeout_seconds: 30,
            architecture: "arm64".into(),
            alias: "live".into(),
            concurrency: 2,
            layers: None,
            env_remove: Vec::new(),
            smoke: smoke.map(str::to_owned),
            provisioned_concurrency: None,
        });
        match deploy(&live, &cloud, &wanted, Allowed::default()) {
            Ok(Deploy::Change(change)) => change.existing,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(existing(None), Some(RevisionNumber(1)));
    assert_eq!(existing(Some("events/direct.json")), None);
}

#[test]
fn an_ancestor_of_what_is_live_changes_nothing() {
    let live = live(&[(1, "a", Some(1), true, false)], Some(1));
    let older = Wanted {
        is_older: true,
        ..wanted("b")
    };
    let superseded = Ok(Deploy::Superseded {
        revision: RevisionNumber(1),
    });
    assert_eq!(
        deploy(&live, &environment(false), &older, Allowed::default()),
        superseded
    );
    let allowed = Allowed {
        older: true,
        ..Allowed::default()
    };
    assert_eq!(
        deploy(&live, &environment(false), &older, allowed),
        Err(Refusal::ReasonMissing {
            flag: "--allow-older"
        })
    );
    let plan = deploy(&live, &environment(false), &older, with_reason(allowed));
    assert!(matches!(plan, Ok(Deploy::Change(_))));
}

#[test]
fn a_release_that_was_left_needs_again_and_a_reason() {
    let live = live(
        &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(2), true, true),
        ],
        Some(1),
    );
    let refused = Err(Refusal::LeftBefore {
        revision: RevisionNumber(2),
    });
    assert_eq!(
        deploy(&live, &environment(false), &wanted("b"), Allowed::default()),
        refused
    );
    let mut pruned = live.clone();
    pruned.revisions.retain(|one| one.number.0 == 1);
    pruned.left_releases.push(LeftRelease {
        digest: "b".into(),
        revision: RevisionNumber(2),
    });
    let without = deploy(
        &pruned,
        &environment(false),
        &wanted("b"),
        Allowed::default(),
    );
    assert_eq!(without, refused, "its revision is not there any more");
    let allowed = with_reason(Allowed {
        again: true,
        ..Allowed::default()
    });
    let plan = deploy(&live, &environment(false), &wanted("b"), allowed);
    assert!(matches!(
        plan,
        Ok(Deploy::Change(Change {
            existing: Some(RevisionNumber(2)),
            ..
        }))
    ));
}

#[test]
fn a_protected_environment_refuses_dirty_trees_and_jumps() {
    let live = live(&[(1, "a", Some(1), true, false)], Some(1));
    let mut dirty = wanted("b");
    dirty.provenance.dirty = true;
    assert_eq!(
        deploy(&live, &environment(true), &dirty, Allowed::default()),
        Err(Refusal::Dirty)
    );
    assert!(deploy(&live, &environment(false), &dirty, Allowed::default()).is_ok());
    let mut gradual = wanted("b");
    gradual.service.rollout = Some(Rollout {
        steps: Vec::new(),
        identity: None,
    });
    let goes_gradually = |decision| match decision {
        Ok(Deploy::Change(change)) => Some(change.gradual),
        _ => None,
    };
    assert_eq!(
        goes_gradually(deploy(
            &live,
            &environment(true),
            &gradual,
            Allowed::default()
        )),
        Some(true)
    );
    let allowed = with_reason(Allowed {
        all_at_once: true,
        ..Allowed::default()
    });
    assert!(deploy(&live, &environment(true), &gradual, allowed).is_ok());
}

#[test]
fn a_rollback_goes_to_the_last_that_served_healthily_and_was_not_left() {
    let go = |rows: &[Row], serving, to: Option<u64>| {
        rollback(&live(rows, serving), to.map(RevisionNumber))
    };
    let change = |from, to| {
        Ok(Rollback::Change {
            from: Some(RevisionNumber(from)),
            to: RevisionNumber(to),
        })
    };
    let three: &[Row] = &[
        (1, "a", Some(1), true, false),
        (2, "b", Some(2), true, false),
        (3, "c", Some(3), true, false),
    ];
    assert_eq!(go(three, Some(3), None), change(3, 2));
    assert_eq!(go(three, Some(3), Some(1)), change(3, 1));
    assert_eq!(
        go(three, Some(3), Some(3)),
        Ok(Rollback::Already {
            revision: RevisionNumber(3)
        })
    );
    // A second rollback goes further back: 3 was left, and 2 serves.
    let left: &[Row] = &[
        (1, "a", Some(1), true, false),
        (2, "b", Some(4), true, false),
        (3, "c", Some(3), true, true),
    ];
    assert_eq!(go(left, Some(2), None), change(2, 1));
    // One that failed while it served, and one that never served, are passed over.
    let sick: &[Row] = &[
        (1, "a", Some(1), true, false),
        (2, "b", Some(2), false, false),
        (3, "c", None, true, false),
        (4, "d", Some(4), true, false),
    ];
    assert_eq!(go(sick, Some(4), None), change(4, 1));
    // The last that served, not the last that was published.
    let again: &[Row] = &[
        (1, "a", Some(3), true, false),
        (2, "b", Some(2), true, false),
        (3, "c", Some(4), true, false),
    ];
    assert_eq!(go(again, Some(3), None), change(3, 1));
}

#[test]
fn a_rollback_out_of_a_shared_traffic_leaves_the_newest() {
    let mut shared = live(
        &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(2), true, false),
            (3, "c", Some(2), true, false),
        ],
        None,
    );
    let weights = [(RevisionNumber(2), 10), (RevisionNumber(3), 90)];
    shared.split = Some(Split {
        routes: Vec::new(),
        rest: Weights::new(weights.into()).unwrap(),
    });
    assert_eq!(
        rollback(&shared, None),
        Ok(Rollback::Change {
            from: Some(RevisionNumber(3)),
            to: RevisionNumber(2),
        })
    );
}

/// Traffic that several share without a rollout of squad, by (stable, canary, weight of the canary).
fn shared(rows: &[Row], (stable, canary, weight): (u64, u64, u8)) -> Live {
    let weights = [(stable, 100 - weight), (canary, weight)];
    let weights = weights.map(|(number, weight)| (RevisionNumber(number), weight));
    Live {
        split: Some(Split {
            routes: Vec::new(),
            rest: Weights::new(BTreeMap::from(weights)).unwrap(),
        }),
        last_commit: None,
        ..live(rows, None)
    }
}

#[test]
fn traffic_that_others_share_is_not_deployed_over() {
    let rows: &[Row] = &[
        (1, "a", Some(1), true, false),
        (2, "b", Some(2), true, false),
        (3, "c", Some(3), true, false),
    ];
    let left: &[Row] = &[
        (2, "b", Some(2), true, true),
        (3, "c", Some(3), true, false),
    ];
    let everything = with_reason(Allowed {
        again: true,
        older: true,
        dirty: true,
        all_at_once: true,
        canary: false,
        has_reason: true,
    });
    let canary = Allowed {
        canary: true,
        ..Allowed::default()
    };
    for (rows, back) in [(rows, Some(RevisionNumber(2))), (left, None)] {
        let live = shared(rows, (3, 2, 20));
        for protected in [false, true] {
            for allowed in [Allowed::default(), canary, everything] {
                // What is new, what takes most of it, and what takes less.
                for digest in ["d", "c", "b"] {
                    let wanted = wanted(digest);
                    assert_eq!(
                        deploy(&live, &environment(protected), &wanted, allowed),
                        Err(Refusal::Shared { back }),
                        "{digest} {protected} {allowed:?}"
                    );
                }
            }
        }
    }
    // A rollout of squad that is live is that.
    let state = "squad/1 id=01K8 g=2 ph=holding u=1 s=3 c=2 p=ab12cd34";
    let rollout = Live {
        state: state.to_owned(),
        ..shared(rows, (3, 2, 20))
    };
    let plan = deploy(
        &rollout,
        &environment(false),
        &wanted("d"),
        Allowed::default(),
    );
    assert!(matches!(plan, Err(Refusal::RolloutLive { .. })), "{plan:?}");
}

#[test]
fn who_takes_all_of_what_others_shared_is_not_left() {
    let rows: &[Row] = &[
        (1, "a", None, true, false),
        (2, "b", Some(2), true, false),
        (3, "c", Some(3), true, false),
    ];
    let live = shared(rows, (2, 3, 20));
    for (to, from) in [(1, Some(3)), (2, Some(3)), (3, None)] {
        assert_eq!(
            rollback(&live, Some(RevisionNumber(to))),
            Ok(Rollback::Change {
                from: from.map(RevisionNumber),
                to: RevisionNumber(to),
            })
        );
    }
}

#[test]
fn a_rollback_without_a_target_names_the_candidates() {
    let rows: &[Row] = &[
        (1, "a", Some(1), true, true),
        (2, "b", Some(2), true, false),
    ];
    assert_eq!(
        rollback(&live(rows, Some(2)), None),
        Err(Refusal::NoTarget {
            candidates: vec![RevisionNumber(1)]
        })
    );
    assert_eq!(rollback(&live(&[], None), None), Err(Refusal::NothingLive));
    assert_eq!(
        rollback(&live(rows, Some(2)), Some(RevisionNumber(9))),
        Err(Refusal::UnknownRevision {
            revision: RevisionNumber(9),
            candidates: vec![RevisionNumber(1)]
        })
    );
}

#[test]
fn differences_name_keys_and_never_values_of_variables() {
    let text = |text: &str| Some(text.to_owned());
    let mut after = service();
    after.run.port = 9090;
    after.run.grace_seconds += 1;
    after.analysis.watch_seconds = Some(3);
    after.analysis.slow_milliseconds = Some(250);
    let grace = |service: &Service| text(&format!("{}s", service.run.grace_seconds));
    after
        .run
        .env
        .insert("A".into(), Variable::Value("2".into()));
    after
        .run
        .env
        .insert("B".into(), Variable::Secret("ssm:/b".into()));
    let shown: Vec<_> = differences(&service(), &after)
        .into_iter()
        .map(|one| (one.key, one.before, one.after))
        .collect();
    assert_eq!(
        shown,
        [
            ("analysis.slow".to_owned(), None, text("250ms")),
            ("analysis.watch".to_owned(), None, text("3s")),
            ("run.env.A".to_owned(), text("…"), text("…")),
            ("run.env.B".to_owned(), None, text("…")),
            ("run.grace".to_owned(), grace(&service()), grace(&after)),
            ("run.port".to_owned(), text("8080"), text("9090")),
        ]
    );
}
