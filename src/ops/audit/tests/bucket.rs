//! The same log in a bucket, behind the stand-in for S3 (`tests/aws/`).

#[path = "../../../../tests/aws/client.rs"]
#[allow(
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    unreachable_pub,
    reason = "shared with the tests of the binary, and linted there"
)]
mod client;

use serde_json::json;

use client::{ACCOUNT, Aws, REGION};

use super::*;
use crate::clients::aws::Session;
use crate::clients::store::Objects;
use crate::domain::environment::PlatformKind;

const BUCKET: &str = "acme-audit";

fn environment() -> Environment {
    Environment {
        platform: PlatformKind::Lambda,
        account: Some(ACCOUNT.into()),
        region: Some(REGION.into()),
        audit: Some(format!("s3://{BUCKET}/squad")),
        ..Environment::builtin_local()
    }
}

fn session(aws: &Aws) -> Session {
    Session::with_variables(&environment(), &aws.environment())
}

fn stand_in() -> Aws {
    let aws = Aws::start();
    aws.bucket(BUCKET, false);
    aws
}

fn machine_at(aws: &Aws, home: &Path, name: &str) -> Journal {
    let state = home.join(name);
    Journal::open(Settings {
        store: Store::of(&environment(), &state),
        session: Some(session(aws)),
        environment: environment(),
        ..settings(&state, &state)
    })
    .unwrap()
}

fn threads(count: usize, run: impl Fn(usize) + Send + Sync) {
    std::thread::scope(|scope| {
        for n in 0..count {
            let run = &run;
            scope.spawn(move || run(n));
        }
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Eight writers on four machines; everything that they were told is there must be there, once.
fn write_and_check(aws: &Aws, each: usize) {
    let home = tempfile::tempdir().unwrap();
    threads(8, |writer| {
        let journal = machine_at(aws, home.path(), &format!("m{}", writer / 2));
        block_on(async {
            for n in 0..each {
                deploy(&journal, &format!("w{writer}-{n}")).await.unwrap();
            }
        });
    });
    block_on(async {
        // What was recorded while the store did not answer in time waits on its machine.
        aws.settings(json!({"faults": {"rate": 0.0}}));
        for machine in 0..4 {
            let journal = machine_at(aws, home.path(), &format!("m{machine}"));
            journal.flush(&SystemClock::new()).await.unwrap();
        }
        let reader = machine_at(aws, home.path(), "reader");
        let mut told = told(&reader).await;
        told.sort();
        let mut wanted: Vec<String> = (0..8)
            .flat_map(|writer| (0..each).map(move |n| format!("w{writer}-{n}")))
            .flat_map(|service| {
                [
                    format!("deploy.planned {service} "),
                    format!("deploy.finished {service} succeeded"),
                ]
            })
            .collect();
        wanted.sort();
        assert_eq!(told, wanted);
        let found = report(&reader).await;
        assert_eq!(found.verdict, Verdict::UnanchoredTail(found.events));
        assert_eq!(found.keys.len(), 4);
        assert_eq!(found.open, []);
        assert_eq!(report(&reader).await.verdict, Verdict::Ok);
    });
}

#[test]
fn eight_writers_lose_nothing() {
    write_and_check(&stand_in(), 6);
}

#[test]
fn eight_writers_lose_nothing_while_one_call_in_five_fails() {
    let aws = stand_in();
    aws.settings(json!({"faults": {
        "rate": 0.2,
        "seed": 7,
        "kinds": ["broken", "unavailable", "reset-before", "reset-after"],
        "services": ["s3"],
    }}));
    write_and_check(&aws, 3);
}

#[test]
fn an_object_is_made_once_whatever_becomes_of_the_answer() {
    let aws = stand_in();
    let home = tempfile::tempdir().unwrap();
    let objects = Objects::open(&environment(), home.path(), Some(&session(&aws))).unwrap();
    block_on(async {
        let path = "rollout/pay/1/plan.json";
        assert_eq!(objects.read(path).await.unwrap(), None);
        aws.rule(json!({"service": "s3", "operation": "PutObject", "do": "reset-after"}));
        assert!(objects.create(path, b"one").await.unwrap(), "it made it");
        assert!(!objects.create(path, b"two").await.unwrap());
        assert!(!objects.create(path, b"one").await.unwrap(), "another call");
        assert_eq!(objects.read(path).await.unwrap(), Some(b"one".to_vec()));
        let more = "rollout/pay/1/log/000001.json";
        aws.rule(
            json!({"service": "s3", "operation": "PutObject", "do": "answer-after",
            "answer": {"status": 500, "code": "InternalError"}}),
        );
        assert!(objects.create(more, b"x").await.unwrap());
        assert_eq!(objects.list("rollout/pay/1/").await.unwrap(), [more, path]);
        assert_eq!(objects.list("rollout/pay/1/p").await.unwrap(), [path]);
        assert_eq!(objects.list("rollout/other/").await.unwrap(), [""; 0]);
        assert!(objects.create("../audit/x", b"").await.is_err());
    });
    assert!(
        aws.names().iter().all(|name| name != "s3.DeleteObject"),
        "nothing is ever deleted"
    );
}

#[test]
fn of_writers_at_once_one_makes_the_object() {
    let aws = stand_in();
    let made = Mutex::new(Vec::new());
    threads(8, |n| {
        let home = tempfile::tempdir().unwrap();
        let objects = Objects::open(&environment(), home.path(), Some(&session(&aws))).unwrap();
        let bytes = format!("writer {n}");
        if block_on(objects.create("rollout/pay/1/plan.json", bytes.as_bytes())).unwrap() {
            made.lock().unwrap().push(bytes);
        }
    });
    let made = made.into_inner().unwrap();
    let home = tempfile::tempdir().unwrap();
    let objects = Objects::open(&environment(), home.path(), Some(&session(&aws))).unwrap();
    let holds = block_on(objects.read("rollout/pay/1/plan.json")).unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(holds, Some(made[0].clone().into_bytes()));
}

#[test]
fn nothing_is_recorded_with_credentials_of_another_account() {
    let aws = stand_in();
    let home = tempfile::tempdir().unwrap();
    let mut elsewhere = environment();
    elsewhere.account = Some("210987654321".into());
    let session = Session::with_variables(&elsewhere, &aws.environment());
    let journal = Journal::open(Settings {
        store: Store::of(&elsewhere, home.path()),
        session: Some(session),
        environment: elsewhere,
        ..settings(home.path(), home.path())
    })
    .unwrap();
    let error = block_on(deploy(&journal, "payments")).unwrap_err();
    assert_eq!((error.id, error.kind.exit_code()), ("wrong-account", 7));
    assert!(!aws.names().contains(&"s3.PutObject".to_owned()));
}
