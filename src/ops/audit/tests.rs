mod bucket;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::clock::SystemClock;
use crate::domain::audit::verdict::{DamageKind, Verdict};
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::fs::{create_private_dir, read, rename_durably, write_durably};

/// A machine with its own state directory; `store` may be shared.
fn settings(state: &Path, store: &Path) -> Settings {
    Settings {
        store: Store::Directory(store.to_owned()),
        session: None,
        log: "acme/prod".into(),
        state: state.to_owned(),
        actor: Actor {
            name: "ana@acme.example".into(),
            host: "laptop".into(),
            key: None,
        },
        environment: Environment::builtin_local(),
    }
}

fn machine(home: &Path, name: &str) -> Journal {
    Journal::open(settings(&home.join(name), &home.join("store"))).unwrap()
}

fn intent(service: &str) -> Intent {
    Intent {
        kind: Kind::Deploy,
        service: ServiceName::new(service).unwrap(),
        reason: None,
        before: json!({"revision": 1}),
        after: json!({"revision": 2}),
        provenance: None,
        digest: None,
    }
}

fn succeeded() -> Outcome {
    Outcome {
        result: ResultWord::Succeeded,
        after: json!({"revision": 2}),
        message: None,
        error_id: None,
    }
}

async fn deploy(journal: &Journal, service: &str) -> Result<Recorded> {
    let clock = SystemClock::new();
    let operation = journal.begin(&clock, intent(service)).await?;
    journal.finish(&clock, operation, succeeded()).await
}

async fn report(journal: &Journal) -> Report {
    let options = VerifyOptions {
        strict: true,
        ..VerifyOptions::default()
    };
    journal.verify(options, &|_, _| {}).await.unwrap()
}

/// What the log holds, oldest first: type, operation's service and outcome.
async fn told(journal: &Journal) -> Vec<String> {
    let mut events = journal.events(&Query::default()).await.unwrap();
    events.reverse();
    let tell = |recorded: &RecordedEvent| {
        let change = recorded.event.change().unwrap();
        let outcome = change.outcome.map_or("", ResultWord::as_str);
        let pending = if recorded.place.is_none() {
            " pending"
        } else {
            ""
        };
        format!(
            "{} {} {outcome}{pending}",
            recorded.event.short_kind(),
            change.service
        )
    };
    events.iter().map(tell).collect()
}

#[tokio::test]
async fn an_operation_is_two_events_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let journal = machine(home.path(), "a");
    assert_eq!(
        deploy(&journal, "payments").await.unwrap(),
        Recorded::Committed
    );
    assert_eq!(
        told(&journal).await,
        [
            "deploy.planned payments ",
            "deploy.finished payments succeeded"
        ]
    );
    let events = journal.events(&Query::default()).await.unwrap();
    assert_eq!(events[0].event.operation, events[1].event.operation);
    let change = events[1].event.change().unwrap();
    assert_eq!(change.actor, *journal.actor());
    assert_eq!(change.actor.key.unwrap().len(), 8);
    let found = report(&journal).await;
    assert_eq!(found.verdict, Verdict::Ok);
    assert_eq!((found.commits, found.events), (2, 4));
    assert_eq!(found.open, []);
    assert!(journal.abandoned().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_brake_needs_no_key_and_a_machine_that_runs_on_finds_it_again() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("a/keys/device.ed25519");
    create_private_dir(key.parent().unwrap()).unwrap();
    write_durably(&key, b"junk\n", 0o600).unwrap();
    let (journal, clock) = (machine(home.path(), "a"), SystemClock::new());
    assert_eq!(journal.actor().key, None);
    let refused = deploy(&journal, "payments").await.unwrap_err();
    assert_eq!(refused.id, "audit-key-damaged");
    assert_eq!(journal.pending().unwrap(), 0);
    let brake = journal.begin_brake(&clock, intent("orders")).await.unwrap();
    let recorded = journal.finish(&clock, brake, succeeded()).await.unwrap();
    assert_eq!(recorded, Recorded::Pending { events: 2 });
    assert_eq!(journal.why_pending().unwrap().id, "audit-key-damaged");
    // Nothing is signed by looking.
    assert_eq!(report(&journal).await.pending, 2);
    assert!(journal.left_open().unwrap().is_empty());
    std::fs::remove_file(&key).unwrap();
    let recorded = deploy(&journal, "payments").await.unwrap();
    assert_eq!(recorded, Recorded::Committed);
    assert_eq!(journal.why_pending(), None);
    assert_eq!(told(&journal).await.len(), 4);
    assert_eq!(report(&journal).await.verdict, Verdict::Ok);
}

#[tokio::test]
async fn a_shared_log_wants_a_trusted_key_and_a_log_of_its_own_takes_the_machines() {
    let home = tempfile::tempdir().unwrap();
    let another = VerifierKey::new("another", [1; 32]).unwrap();
    for (audit, shared) in [(None, false), (Some("/log".to_owned()), true)] {
        let state = home.path().join(shared.to_string());
        let mut settings = settings(&state, &state.join("store"));
        settings.environment.audit = audit;
        let journal = Journal::open(settings).unwrap();
        deploy(&journal, "payments").await.unwrap();
        let options = VerifyOptions {
            strict: true,
            trusted: std::slice::from_ref(&another),
        };
        let report = journal.verify(options, &|_, _| {}).await.unwrap();
        assert_eq!(report.keys[0].trusted, Some(!shared));
        let untrusted = matches!(report.verdict, Verdict::Untrusted { first: 0, .. });
        assert_eq!(untrusted, shared, "{:?}", report.verdict);
    }
}

#[tokio::test]
async fn writers_on_several_machines_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let runtime_home = Arc::new(home.path().to_owned());
    // Four machines, two processes on each; every process has its own journal.
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let home = Arc::clone(&runtime_home);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                let journal = machine(&home, &format!("m{}", writer / 2));
                runtime.block_on(async {
                    for n in 0..25 {
                        deploy(&journal, &format!("w{writer}-{n}")).await.unwrap();
                    }
                });
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let journal = machine(home.path(), "reader");
    let mut told = told(&journal).await;
    told.sort();
    let mut wanted: Vec<String> = (0..8)
        .flat_map(|writer| (0..25).map(move |n| format!("w{writer}-{n}")))
        .flat_map(|service| {
            [
                format!("deploy.planned {service} "),
                format!("deploy.finished {service} succeeded"),
            ]
        })
        .collect();
    wanted.sort();
    assert_eq!(told, wanted);
    let found = report(&journal).await;
    assert_eq!(found.verdict, Verdict::UnanchoredTail(found.events));
    assert_eq!(found.events, found.commits + 400);
    assert_eq!(found.keys.len(), 4);
    assert!(found.keys.iter().all(|one| !one.known));
    assert_eq!(found.open, []);
    let again = report(&journal).await;
    assert_eq!(again.verdict, Verdict::Ok);
    assert!(again.keys.iter().all(|one| one.known));
}

#[tokio::test]
async fn an_operation_whose_process_is_gone_is_closed_as_unknown_once() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let gone = machine(home.path(), "a");
    let operation = gone.begin(&clock, intent("payments")).await.unwrap();
    let id = operation.id().to_owned();
    let next = machine(home.path(), "a");
    assert!(next.abandoned().await.unwrap().is_empty(), "it is alive");
    let open = report(&next).await.open;
    assert_eq!((open.len(), open[0].under_way), (1, true));
    drop(operation);
    let abandoned = next.abandoned().await.unwrap();
    assert_eq!(
        abandoned.iter().map(OpenOperation::id).collect::<Vec<_>>(),
        [&id]
    );
    assert!(
        gone.abandoned().await.unwrap().is_empty(),
        "somebody closes it"
    );
    let open = report(&next).await.open;
    assert_eq!(open[0].intent.operation.as_deref(), Some(id.as_str()));
    for operation in abandoned {
        next.close_unknown(&clock, operation, json!({"revision": 1}), "")
            .await
            .unwrap();
    }
    assert_eq!(
        told(&next).await,
        [
            "deploy.planned payments ",
            "deploy.finished payments unknown"
        ]
    );
    assert!(next.abandoned().await.unwrap().is_empty());
    assert_eq!(report(&next).await.open, []);
}

#[tokio::test]
async fn nothing_goes_forward_while_the_log_cannot_be_written_and_a_brake_does() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    // A file where the store's directory should be: nothing can be created below it, not even by root.
    let store = home.path().join("store");
    std::fs::write(&store, b"").unwrap();
    let journal = machine(home.path(), "a");
    let error = deploy(&journal, "payments").await.unwrap_err();
    assert_eq!(error.id, "audit-not-writable");
    assert!(
        error
            .message
            .starts_with("cannot record the intent in the audit log `acme/prod`: "),
        "{error:?}"
    );
    let brake = journal.begin_brake(&clock, intent("orders")).await.unwrap();
    let recorded = journal.finish(&clock, brake, succeeded()).await.unwrap();
    assert_eq!(recorded, Recorded::Pending { events: 4 });
    assert!(journal.flush(&clock).await.is_err());
    std::fs::remove_file(&store).unwrap();
    assert_eq!(journal.flush(&clock).await.unwrap(), 4);
    assert_eq!(journal.flush(&clock).await.unwrap(), 0);
    assert_eq!(
        told(&journal).await,
        [
            "deploy.planned payments ",
            "deploy.finished payments refused",
            "deploy.planned orders ",
            "deploy.finished orders succeeded"
        ]
    );
    assert_eq!(report(&journal).await.verdict, Verdict::Ok);
}

#[tokio::test]
async fn an_event_that_was_appended_before_the_kill_is_not_appended_again() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let journal = machine(home.path(), "a");
    deploy(&journal, "first").await.unwrap();
    let directory = home.path().join("a/audit/acme/prod");
    let files = ["outbox.jsonl", "pin"];
    let operation = journal.record(&clock, intent("payments"), false).unwrap();
    let before = files.map(|name| read(&directory.join(name)).unwrap());
    journal.flush(&clock).await.unwrap();
    let wanted = told(&journal).await;
    // Killed after the commit was created and before anything was noted, with and without the pin; other
    // machines may have gone on meanwhile.
    for (round, kept) in [&files[..], &files[..1], &files[..]]
        .into_iter()
        .enumerate()
    {
        if round == 2 {
            deploy(&machine(home.path(), "b"), "other").await.unwrap();
        }
        for (name, bytes) in files.iter().zip(&before) {
            if kept.contains(name) {
                std::fs::write(directory.join(name), bytes).unwrap();
            }
        }
        assert_eq!(journal.flush(&clock).await.unwrap(), 0);
        assert_eq!(journal.pending().unwrap(), 0);
        assert_eq!(told(&journal).await[..3], wanted);
    }
    journal
        .finish(&clock, operation, succeeded())
        .await
        .unwrap();
    assert_eq!(told(&journal).await.len(), 6);
    assert_eq!(report(&journal).await.verdict, Verdict::Ok);
}

/// Whoever waits for the log is gone while the store still reads, and what reads goes on: the operation is closed by the next
/// command, and each event is in the log once.
#[test]
fn of_an_append_whose_caller_gave_up_nothing_is_lost_doubled_or_left_open() {
    let home = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let journal = machine(home.path(), "a");
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    runtime().block_on(deploy(&journal, "first")).unwrap();
    // Whoever reads the last commit waits until somebody writes it.
    let commits = home.path().join("store/audit/acme/prod/commit");
    let (last, aside) = (commits.join(format!("{:020}", 1)), home.path().join("last"));
    std::fs::rename(&last, &aside).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &last,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let abandoned = runtime();
    let mut writer = abandoned.block_on(async {
        let to = last.clone();
        // Opened for writing once it is opened for reading.
        let open = move || std::fs::OpenOptions::new().write(true).open(to);
        tokio::select! {
            begun = journal.begin(&clock, intent("payments")) => panic!("{begun:?}"),
            opened = tokio::task::spawn_blocking(open) => opened.unwrap().unwrap(),
        }
    });
    let bytes = std::fs::read(&aside).unwrap();
    std::fs::rename(&aside, &last).unwrap();
    std::io::Write::write_all(&mut writer, &bytes).unwrap();
    drop(writer);
    // Waits for the threads that have begun.
    drop(abandoned);
    assert_eq!(std::fs::read_dir(&commits).unwrap().count(), 2);
    runtime().block_on(async {
        let next = machine(home.path(), "a");
        for operation in next.abandoned().await.unwrap() {
            let seen = json!({"revision": 1});
            next.close_unknown(&clock, operation, seen, "")
                .await
                .unwrap();
        }
        deploy(&next, "second").await.unwrap();
        assert_eq!(
            told(&next).await,
            [
                "deploy.planned first ",
                "deploy.finished first succeeded",
                "deploy.planned payments ",
                "deploy.finished payments unknown",
                "deploy.planned second ",
                "deploy.finished second succeeded",
            ]
        );
        let found = report(&next).await;
        assert_eq!((found.verdict, found.open), (Verdict::Ok, Vec::new()));
        assert_eq!(next.pending().unwrap(), 0);
    });
}

#[tokio::test]
async fn a_log_that_was_changed_takes_nothing_more() {
    let home = tempfile::tempdir().unwrap();
    let journal = machine(home.path(), "a");
    for service in ["one", "two"] {
        deploy(&journal, service).await.unwrap();
    }
    let commit = |n: u64| {
        home.path()
            .join(format!("store/audit/acme/prod/commit/{n:020}"))
    };
    let last = read(&commit(3)).unwrap();
    std::fs::remove_file(commit(3)).unwrap();
    let error = deploy(&journal, "three").await.unwrap_err();
    assert_eq!(
        (error.id, error.message.as_str()),
        (
            "audit-log-damaged",
            "cannot use the audit log `acme/prod`: commit 3, which this machine has seen, is gone"
        )
    );
    let truncated = report(&journal).await.verdict;
    assert!(
        matches!(&truncated, Verdict::Tampered(damage) if damage.kind == DamageKind::Truncated && damage.commit == 3),
        "{truncated:?}"
    );
    std::fs::write(commit(3), &last[1..]).unwrap();
    let error = deploy(&journal, "three").await.unwrap_err();
    assert!(
        error
            .message
            .ends_with("commit 3 is another one than this machine has seen")
    );
    std::fs::write(commit(3), &last).unwrap();
    std::fs::write(commit(5), &last).unwrap();
    let error = deploy(&journal, "three").await.unwrap_err();
    assert!(
        error
            .message
            .ends_with("commit 4 is missing, and there is one behind it")
    );
    std::fs::remove_file(commit(5)).unwrap();
    deploy(&journal, "three").await.unwrap();
}

#[tokio::test]
async fn another_history_of_the_same_log_is_a_fork() {
    let home = tempfile::tempdir().unwrap();
    let journal = machine(home.path(), "a");
    deploy(&journal, "one").await.unwrap();
    let other =
        Journal::open(settings(&home.path().join("b"), &home.path().join("other"))).unwrap();
    deploy(&other, "two").await.unwrap();
    deploy(&other, "three").await.unwrap();
    std::fs::remove_dir_all(home.path().join("store")).unwrap();
    rename_durably(&home.path().join("other"), &home.path().join("store")).unwrap();
    let Verdict::Forked { kept, found } = report(&journal).await.verdict else {
        panic!("not a fork");
    };
    for note in [kept, found] {
        assert!(note.starts_with("squad.dev/acme/prod\n4\n"), "{note}");
    }
    let error = deploy(&journal, "four").await.unwrap_err();
    assert_eq!(error.id, "audit-log-damaged");
}

#[tokio::test]
async fn events_are_found_by_time_service_type_and_id() {
    let home = tempfile::tempdir().unwrap();
    let journal = machine(home.path(), "a");
    for service in ["one", "two", "one"] {
        deploy(&journal, service).await.unwrap();
    }
    let count = async |query: Query| journal.events(&query).await.unwrap().len();
    let one = Some(ServiceName::new("one").unwrap());
    let query = Query::default();
    assert_eq!(
        count(Query {
            service: one,
            ..query.clone()
        })
        .await,
        4
    );
    assert_eq!(
        count(Query {
            types: vec!["deploy.finished".into()],
            ..query.clone()
        })
        .await,
        3
    );
    assert_eq!(
        count(Query {
            types: vec!["deploy".into()],
            ..query.clone()
        })
        .await,
        6
    );
    assert_eq!(
        count(Query {
            types: vec!["dep".into()],
            ..query.clone()
        })
        .await,
        0
    );
    assert_eq!(
        count(Query {
            types: vec!["log".into()],
            ..query.clone()
        })
        .await,
        6
    );
    assert_eq!(
        count(Query {
            limit: Some(2),
            ..query.clone()
        })
        .await,
        2
    );
    let later = SystemClock::new().now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(
        count(Query {
            since: Some(later),
            ..query.clone()
        })
        .await,
        0
    );
    let events = journal.events(&query).await.unwrap();
    let operation = events[3].event.operation.clone().unwrap();
    let found = journal.find(&operation.to_lowercase()).await.unwrap();
    let wanted: Vec<_> = [&events[3], &events[2]].into_iter().cloned().collect();
    assert_eq!(found, wanted);
    assert_eq!(
        journal.find(&events[0].event.id).await.unwrap(),
        events[..1]
    );
    assert_eq!(journal.find("no").await.unwrap(), []);
    assert_eq!(journal.find("!").await.unwrap(), []);
}
