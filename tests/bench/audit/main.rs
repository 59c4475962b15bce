//! What the bench of the audit log runs inside the process: appends, and raw syncs beside them.
//!
//! ```text
//! audit-bench append <state> <store> <operations>      two appends for each operation, one commit each: the median of the
//!                                                       two together, and of intents and outcomes
//! audit-bench sync <directory> <rounds> <syncs>         raw writes of an event's size with as many syncs
//! ```
//! It is made of the library's own files and is built only with `--features bench`, so nothing of it is shipped.
#![allow(
    warnings,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "the library's files are linted with the library; this is a measurement"
)]

#[path = "../../../src/clients/mod.rs"]
mod clients;
#[path = "../../../src/clock.rs"]
mod clock;
#[path = "../../../src/config/mod.rs"]
mod config;
#[path = "../../../src/domain/mod.rs"]
mod domain;
#[path = "../../../src/env.rs"]
mod env;
#[path = "../../../src/error/mod.rs"]
mod error;
#[path = "../../../src/fs.rs"]
mod fs;
#[path = "../../../src/ops/mod.rs"]
mod ops;
#[path = "../../../src/output/mod.rs"]
mod output;
#[path = "../../../src/platform/mod.rs"]
mod platform;
#[path = "../../../src/template/mod.rs"]
mod template;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::SystemClock;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::domain::release::Actor;
use crate::ops::audit::{Intent, Journal, Kind, Outcome, ResultWord, Settings, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |index: usize| arguments[index].as_str();
    let number = |index: usize| -> u64 { arguments[index].parse().expect("a number") };
    match text(0) {
        "append" => append(Path::new(text(1)), Path::new(text(2)), number(3)).await,
        "sync" => sync(Path::new(text(1)), number(2), number(3)),
        other => panic!("append or sync, not {other}"),
    }
}

fn actor() -> Actor {
    Actor {
        name: "ana@example.com".into(),
        host: "bench".into(),
        key: None,
    }
}

fn intent(service: &str, reason: Option<String>) -> Intent {
    Intent {
        kind: Kind::Deploy,
        service: ServiceName::new(service).expect("a name"),
        reason,
        before: json!({"revision": 1}),
        after: json!({"revision": 2}),
        provenance: None,
        digest: None,
    }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

async fn append(state: &Path, store: &Path, operations: u64) {
    let environment = Environment::builtin_local();
    let journal = Journal::open(Settings {
        store: Store::Directory(store.to_owned()),
        session: None,
        log: environment.log_name(),
        state: state.to_owned(),
        actor: actor(),
        environment,
    })
    .unwrap_or_else(|error| panic!("{error:?}"));
    let clock = SystemClock::new();
    let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
    for _ in 0..operations {
        let start = Instant::now();
        let operation = journal
            .begin(&clock, intent("payments", None))
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        intents.push(start.elapsed());
        let outcome = Outcome {
            result: ResultWord::Succeeded,
            after: json!({"revision": 2}),
            message: None,
            error_id: None,
        };
        let start = Instant::now();
        journal
            .finish(&clock, operation, outcome)
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        outcomes.push(start.elapsed());
    }
    let both = intents
        .iter()
        .zip(&outcomes)
        .map(|(intent, outcome)| *intent + *outcome);
    let both = median_ms(both.collect());
    let (intent, outcome) = (median_ms(intents), median_ms(outcomes));
    println!(
        "{}",
        json!({"median_ms": both, "intent_ms": intent, "outcome_ms": outcome})
    );
}

/// The same kinds of writes as an append, and nothing else: files of an event's size that are created, synced
/// and named with their directory synced, and appends to one file that are synced.
fn sync(directory: &Path, rounds: u64, syncs: u64) {
    std::fs::create_dir_all(directory).expect("a directory");
    let bytes = [b'x'; 700];
    let mut log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("appended"))
        .expect("a file");
    let mut times = Vec::new();
    for round in 0..rounds {
        let start = Instant::now();
        let mut left = syncs;
        while left > 0 {
            // A file of its own with its directory takes two, an append to a file one.
            if left >= 2 {
                let path = directory.join(format!("{round}-{left}"));
                let mut file = std::fs::File::create(path.with_extension("new")).expect("a file");
                file.write_all(&bytes).expect("room");
                file.sync_all().expect("a sync");
                std::fs::rename(path.with_extension("new"), &path).expect("a name");
                std::fs::File::open(directory)
                    .expect("open")
                    .sync_all()
                    .expect("a sync");
                left -= 2;
            }
            if left >= 1 {
                log.write_all(&bytes).expect("room");
                log.sync_data().expect("a sync");
                left -= 1;
            }
        }
        times.push(start.elapsed());
    }
    println!("{}", json!({"median_ms": median_ms(times)}));
}
