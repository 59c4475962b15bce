//! Calls a function once: who is called, and whether it can be called at all.

use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::service::Kind as ServiceKind;
use crate::error::{Error, Kind, Result};
use crate::platform::{Invocation, Platform};

/// The largest event: AWS Lambda quotas, "Invocation payload (request and response)", 6 MB when synchronous.
pub(crate) const EVENT_LIMIT: usize = 6 * 1024 * 1024;

/// What to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// The function.
    pub(crate) service: ServiceName,
    /// None = the one that has the traffic.
    pub(crate) revision: Option<RevisionNumber>,
    /// The event: JSON.
    pub(crate) payload: String,
    /// What a hint's command needs to mean the same environment, such as ` --env prod`; may be empty.
    pub(crate) flag: String,
}

/// Calls the function and returns what it answered, its own errors included.
pub(crate) async fn invoke(platform: &dyn Platform, options: &Options) -> Result<Invocation> {
    let asked = format!("cannot invoke `{}`", options.service);
    let fail = |error| Error::from(error).context(&asked);
    check_payload(&asked, &options.payload)?;
    let live = platform.observe(&options.service).await.map_err(fail)?;
    check_target(&asked, options, &live)?;
    platform
        .invoke(&options.service, options.revision, &options.payload)
        .await
        .map_err(fail)
}

/// Lambda takes JSON only, and says so late; here it is said before anything is called.
fn check_payload(asked: &str, payload: &str) -> Result<()> {
    if payload.len() > EVENT_LIMIT {
        return Err(Error::new(
            Kind::Usage,
            "payload-too-large",
            format!(
                "{asked}: the payload has {} bytes, and Lambda takes at most {EVENT_LIMIT}",
                payload.len()
            ),
        ));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(
            Kind::Usage,
            "payload-not-json",
            format!("{asked}: the payload is not JSON: {error}"),
        )
        .hint("a text needs double quotes of its own: `--payload '\"text\"'`")),
    }
}

fn check_target(asked: &str, options: &Options, live: &Live) -> Result<()> {
    let name = &options.service;
    match live.kind {
        Some(ServiceKind::Function) => {}
        Some(ServiceKind::Http) => {
            let address = live.address.as_deref().unwrap_or("http://127.0.0.1");
            return Err(Error::new(
                Kind::Usage,
                "not-a-function",
                format!("{asked}: it is an HTTP service"),
            )
            .hint(format!("send it a request: `curl {address}/`")));
        }
        Some(ServiceKind::Worker) => {
            return Err(Error::new(
                Kind::Usage,
                "not-a-function",
                format!("{asked}: it is a worker, which takes no requests"),
            )
            .hint(format!("see what it does: `squad logs {name}`")));
        }
        None => return Err(not_live(asked, options)),
    }
    match options.revision {
        None if live.split.is_none() && live.unpublished.is_none() => Err(not_live(asked, options)),
        Some(number) if live.revision(number).is_none() => {
            let known = live.revisions.iter().map(|one| one.number.to_string());
            Err(Error::new(
                Kind::Usage,
                "no-such-revision",
                format!("{asked}: there is no revision {number}"),
            )
            .detail(format!(
                "there are: {}",
                known.collect::<Vec<_>>().join(", ")
            )))
        }
        _ => Ok(()),
    }
}

fn not_live(asked: &str, options: &Options) -> Error {
    let (name, flag) = (&options.service, &options.flag);
    Error::new(
        Kind::Refused,
        "nothing-live",
        format!("{asked}: it is not deployed here"),
    )
    .hint(format!("deploy it with `squad deploy {name}{flag}`"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::live::{Health, Revision, Token};
    use crate::domain::release::{Actor, Provenance};
    use crate::domain::traffic::Split;

    fn options(revision: Option<u64>) -> Options {
        Options {
            service: ServiceName::new("receipts").unwrap(),
            revision: revision.map(RevisionNumber),
            payload: "{}".into(),
            flag: " --env dev".into(),
        }
    }

    fn live(kind: Option<ServiceKind>, committed: bool) -> Live {
        let number = RevisionNumber(3);
        Live {
            left_releases: Vec::new(),
            served: Vec::new(),
            token: Token("t".into()),
            kind,
            revisions: vec![Revision {
                number,
                digest: "sha256:0".into(),
                published_at: Timestamp::UNIX_EPOCH,
                actor: Actor {
                    name: "ana".into(),
                    host: "laptop".into(),
                    key: None,
                },
                provenance: Provenance::default(),
                last_served_at: None,
                served_healthily: true,
                left: false,
                health: Health::Ok,
                problem: None,
                service: None,
            }],
            split: committed.then(|| Split::all(&[], number)),
            unpublished: None,
            unkept: None,
            foreign: None,
            lag: None,
            state: String::new(),
            last_commit: None,
            address: Some("http://127.0.0.1:34011".into()),
        }
    }

    #[test]
    fn only_functions_that_are_there_can_be_called() {
        let function = Some(ServiceKind::Function);
        for (live, revision, wanted) in [
            (live(function, true), None, "ok"),
            (live(function, false), Some(3), "ok"),
            (
                live(function, false),
                None,
                "nothing-live | it is not deployed here | deploy it with `squad deploy receipts --env dev`",
            ),
            (
                live(None, false),
                Some(3),
                "nothing-live | it is not deployed here | deploy it with `squad deploy receipts --env dev`",
            ),
            (
                live(function, true),
                Some(4),
                "no-such-revision | there is no revision 4 | there are: 3",
            ),
            (
                live(Some(ServiceKind::Http), true),
                None,
                "not-a-function | it is an HTTP service | send it a request: `curl http://127.0.0.1:34011/`",
            ),
            (
                live(Some(ServiceKind::Worker), true),
                None,
                "not-a-function | it is a worker, which takes no requests | see what it does: `squad logs receipts`",
            ),
        ] {
            let got = match check_target("x", &options(revision), &live) {
                Ok(()) => "ok".to_owned(),
                Err(error) => {
                    let message = error.message.strip_prefix("x: ").unwrap();
                    let next = error.hints.iter().chain(&error.details).next().unwrap();
                    format!("{} | {message} | {next}", error.id)
                }
            };
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn payloads_are_json_of_a_bearable_size() {
        for good in ["{}", "1", "\"a\"", "null", " [1] "] {
            assert!(check_payload("x", good).is_ok(), "{good}");
        }
        for (bad, wanted) in [
            (
                "",
                "x: the payload is not JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "hello",
                "x: the payload is not JSON: expected value at line 1 column 1",
            ),
            (
                "{} {}",
                "x: the payload is not JSON: trailing characters at line 1 column 4",
            ),
        ] {
            let error = check_payload("x", bad).unwrap_err();
            assert_eq!(
                (error.id, error.message.as_str()),
                ("payload-not-json", wanted)
            );
        }
        let long = "1".repeat(EVENT_LIMIT + 1);
        let error = check_payload("x", &long).unwrap_err();
        assert_eq!(error.id, "payload-too-large");
        assert_eq!(
            error.message,
            "x: the payload has 6291457 bytes, and Lambda takes at most 6291456"
        );
    }
}
