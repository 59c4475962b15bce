//! The error of a driver whose rollout is not what the traffic tells of any more.

use crate::domain::live::{Foreign, Live};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind};
use crate::ops::live_state;

/// What became of the rollout to `canary`, as far as what is live tells.
pub(super) fn lost(
    service: &ServiceName,
    flag: &str,
    canary: RevisionNumber,
    live: &Live,
) -> Error {
    let error = if live.revisions.is_empty() {
        Error::new(
            Kind::Conflict,
            "conflict",
            "it was deleted, and nothing of it is there any more",
        )
        .hint("look at what is there with `squad status`")
    } else if let Some(foreign) = &live.foreign {
        overwritten(service, flag, canary, live, foreign)
    } else {
        Error::overtaken(service, live.last_commit.as_ref(), live)
    };
    error
        .context(&format!("cannot drive the rollout of `{service}`"))
        .live(live_state(service, Some(live)))
}

/// Others were ahead of every one of so many writes: who was the last one, or what is there by now, and what to do.
pub(super) fn each_time(service: &ServiceName, times: u32, live: &Live) -> Error {
    let error = Error::overtaken(service, live.last_commit.as_ref(), live);
    Error {
        message: format!(
            "others changed the traffic {times} times meanwhile: {}",
            error.message
        ),
        ..error
    }
}

/// Somebody wrote over the rollout's state: the traffic stays as it is, and nobody can say what it is for.
fn overwritten(
    service: &ServiceName,
    flag: &str,
    canary: RevisionNumber,
    live: &Live,
    foreign: &Foreign,
) -> Error {
    // There was a rollout.
    let foreign = Foreign {
        was_ours: true,
        ..foreign.clone()
    };
    let error = Error::new(Kind::Conflict, "conflict", foreign.told());
    let split = live.split.as_ref().filter(|split| split.sole().is_none());
    let weight = split.and_then(|split| {
        let mut rows = split.rest.iter();
        rows.find(|(number, _)| *number == canary)
            .map(|(_, weight)| weight)
    });
    match weight {
        Some(weight) => error
            .detail(format!(
                "revision {canary} keeps {weight} % of the requests, and nobody watches it any more"
            ))
            .hint(stop(service, flag)),
        None => error.hint(format!(
            "look at what is live now: `squad status {service}{flag}`"
        )),
    }
}

/// The same of who asks for a rollout that nothing tells of: whose words are there, and what to do with traffic that is still
/// shared.
pub(super) fn with_foreign(
    mut error: Error,
    service: &ServiceName,
    flag: &str,
    live: &Live,
) -> Error {
    let Some(foreign) = &live.foreign else {
        return error;
    };
    let is_shared = live
        .split
        .as_ref()
        .is_some_and(|split| split.sole().is_none());
    if is_shared {
        error.hints = vec![stop(service, flag)];
    }
    error.detail(foreign.told())
}

fn stop(service: &ServiceName, flag: &str) -> String {
    format!("put all traffic back: `squad stop {service}{flag}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::live::LastCommit;
    use crate::domain::release::Actor;
    use crate::domain::traffic::Split;

    #[test]
    fn who_loses_every_write_is_told_who_was_last_and_what_serves() {
        let mut live = Live {
            split: Some(Split::all(&[], RevisionNumber(3))),
            ..Live::nothing()
        };
        let error = each_time(&"payments".parse().unwrap(), 50, &live);
        assert_eq!(
            error.message,
            "others changed the traffic 50 times meanwhile: something else changed what is live first: by now revision 3 has all traffic"
        );
        assert_eq!((error.kind.exit_code(), error.id), (6, "conflict"));
        live.last_commit = Some(LastCommit {
            actor: Actor {
                name: "bob".to_owned(),
                host: "laptop".to_owned(),
                key: None,
            },
            at: "2026-11-26T12:00:00Z".parse().unwrap(),
            operation: "01K8ZC".to_owned(),
        });
        let error = each_time(&"payments".parse().unwrap(), 50, &live);
        assert_eq!(
            error.message,
            "others changed the traffic 50 times meanwhile: bob on laptop changed the traffic first, at 12:00:00 UTC (operation 01K8ZC)"
        );
        assert_eq!(
            error.hints,
            ["look at what is live now with `squad status`, then run the same command again"]
        );
    }
}
