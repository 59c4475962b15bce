//! Who counts as driving: whoever gave a sign of life within the lease, and nobody else.

use jiff::ToSpan;

use super::super::drive::lease_seconds;
use super::super::snapshot::{DRIVING, Driver, told_by};
use super::*;
use crate::ops::going_on::GoingOn;

/// A look of a driver on `host`.
fn look(host: &str, generation: u32, at: Timestamp) -> Entry {
    Entry {
        sequence: 0,
        at,
        generation,
        actor: actor(host),
        what: What::Look(Box::new(Look {
            seconds: 1.0,
            units: Vec::new(),
            reset: false,
            warmup: false,
            missing: None,
            counts: None,
        })),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_not_looked_within_its_lease_does_not_drive_also_when_its_process_is_there() {
    let home = Home::new();
    let platform = home.connected();
    let service = ServiceName::new("payments").unwrap();
    for digest in ["a", "b"] {
        let release = home.release(service.as_str(), digest);
        platform.publish(&release, &|_| {}).await.unwrap();
    }
    start(&home, &*platform, &service).await;
    let Rollout { state, plan, .. } = read(&*platform, &service).await.unwrap().unwrap();
    let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    let lease = i64::try_from(lease_seconds(&plan)).unwrap();
    let ago = |seconds: i64| now - seconds.seconds();
    let mark = |since| GoingOn {
        kind: DRIVING.to_owned(),
        since,
        services: vec![service.clone()],
    };
    let (here, there) = (actor("here"), actor("there"));
    let old = || look("here", 1, ago(lease + 1));
    let asleep = |since| Driver::Asleep {
        actor: actor("here"),
        since,
    };
    let nobody = |since| Driver::Nobody { since };
    for (what, last, marks, told) in [
        (
            "it looks",
            Some(look("here", 1, ago(lease))),
            vec![mark(ago(9000))],
            Driver::Alive(here.clone()),
        ),
        (
            "it is stopped",
            Some(old()),
            vec![mark(ago(9000))],
            asleep(ago(lease + 1)),
        ),
        (
            "it was stopped before its first look",
            None,
            vec![mark(ago(lease + 1))],
            asleep(ago(lease + 1)),
        ),
        (
            "it has just begun",
            None,
            vec![mark(ago(1))],
            Driver::Alive(here.clone()),
        ),
        (
            "a second one has just begun",
            Some(old()),
            vec![mark(ago(9000)), mark(ago(1))],
            Driver::Alive(here.clone()),
        ),
        (
            "it has ended",
            Some(look("here", 1, ago(1))),
            vec![],
            nobody(Some(ago(1))),
        ),
        ("it never was", None, vec![], nobody(None)),
        (
            "another machine's looks",
            Some(look("there", 1, ago(lease))),
            vec![],
            Driver::Alive(there.clone()),
        ),
        (
            "another machine's has stopped",
            Some(look("there", 1, ago(lease + 1))),
            vec![],
            nobody(Some(ago(lease + 1))),
        ),
        (
            "another machine's beside a stopped one",
            Some(look("there", 1, ago(1))),
            vec![mark(ago(9000))],
            Driver::Alive(there.clone()),
        ),
        (
            "another machine's of before",
            Some(look("there", 0, ago(1))),
            vec![],
            nobody(Some(ago(1))),
        ),
    ] {
        let found = told_by(&state, &plan, last.as_ref(), &marks, "here", now);
        assert_eq!(found, told, "{what}");
    }
}
