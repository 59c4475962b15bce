//! Writes a large audit log for the figure `verify`: `audit_log <store> <events> <events in a commit>`.
//! Each event has 600 bytes; the log is `local/local`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    missing_docs,
    dead_code,
    reason = "test code"
)]

#[path = "../it/support/audit_log.rs"]
mod audit_log;

use audit_log::{Key, Log, event};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<u64>().expect("a number");
    let (events, batch) = (number(2), number(3));
    let key = Key::new("bench", 7);
    let mut log = Log::new(std::path::Path::new(&arguments[1]), "local/local");
    let plain = event(true, 0, "payments", 1).len();
    let mut n = 0;
    while log.size < events {
        let few = batch.min(events - log.size).max(2) - 1;
        let leaves: Vec<String> = (n..n + few)
            .map(|n| {
                let planned = n % 2 == 0;
                let outcome = if planned {
                    0
                } else {
                    r#""outcome":"succeeded","#.len() + 1
                };
                // The number of the revision grows, the event does not.
                let digits = (n / 2).to_string().len() - 1;
                event(planned, n / 2, "payments", 601 - plain - outcome - digits)
            })
            .collect();
        log.commit(&key, &leaves);
        n += few;
    }
}
