//! `squad deploy --adopt-alias`: moves those who call past a service's traffic, one by one, and takes that back again.
//!
//! Each move is an operation of its own in the audit log, with all that taking it back needs, in its intent already: a move
//! whose process died after AWS had made it can be taken back too. A move that was made before is not made again: killed anywhere and run again, it goes on with the callers that are left.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::audit::{self, Intent, Journal, Query, ResultWord};
use crate::clock::Clock;
use crate::domain::audit::event::Event;
use crate::domain::doctor::{Caller, Callers, Moved};
use crate::domain::environment::Environment;
use crate::domain::live::Unkept;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind, Result};
use crate::platform::{Platform, Search};

/// What moving and taking back needs.
pub(crate) struct Tools<'a> {
    /// Where it is.
    pub(crate) platform: &'a dyn Platform,
    /// Where it is recorded.
    pub(crate) journal: &'a Journal,
    /// What time it is.
    pub(crate) clock: &'a dyn Clock,
    /// Why, in the person's words.
    pub(crate) reason: Option<String>,
}

/// A move that the audit log holds, and that can be taken back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    /// The operation that made it.
    pub(crate) operation: String,
    /// In words.
    pub(crate) who: String,
    /// What taking it back needs.
    pub(crate) moved: Moved,
}

/// Who calls the service, where its alias is there to be moved to, or can be made without changing anything for anybody: then
/// with what is to be kept first.
pub(crate) async fn callers(
    platform: &dyn Platform,
    environment: &Environment,
    service: &ServiceName,
) -> Result<(Callers, Option<Unkept>)> {
    let flag = environment.flag();
    let asked = format!("cannot move the callers of `{service}`");
    let found = platform
        .callers(service, Search::Everywhere)
        .await
        .map_err(|error| Error::from(error).context(&asked))?;
    match found {
        Some(callers) if callers.address.is_some() => Ok((callers, None)),
        Some(callers) => {
            let live = platform.observe(service).await;
            let live = live.map_err(|error| Error::from(error).context(&asked))?;
            if live.unkept.is_some() {
                return Ok((callers, live.unkept));
            }
            Err(Error::new(
                Kind::Failed,
                "no-alias",
                format!("{asked}: there is no alias yet that they could call"),
            )
            .hint(format!("`squad deploy {service}{flag}` makes it")))
        }
        None => Err(Error::new(
            Kind::Failed,
            "never-deployed",
            format!("{asked}: it is not deployed to {}", environment.name),
        )
        .hint(format!("to deploy it: `squad deploy {service}{flag}`"))),
    }
}

/// Keeps what answers the callers now, and makes the alias there; the revision that it is. Nobody gets anything else by it.
pub(crate) async fn keep(
    tools: &Tools<'_>,
    service: &ServiceName,
    unkept: &Unkept,
) -> Result<RevisionNumber> {
    let mut after = json!({ "keeps": unkept.what, "alias": unkept.alias });
    let operation = tools
        .journal
        .begin(tools.clock, planned(tools, service, after.clone()))
        .await?;
    let Tools { journal, clock, .. } = tools;
    let kept = tools.platform.keep(service, journal.actor()).await;
    let kept = kept.map_err(Error::from);
    if let (Ok(revision), Some(members)) = (&kept, after.as_object_mut()) {
        members.insert("revision".to_owned(), revision.to_string().into());
    }
    journal.finish_with(*clock, operation, after, kept).await
}

/// Moves one caller; none when somebody did it meanwhile.
pub(crate) async fn adopt(
    tools: &Tools<'_>,
    service: &ServiceName,
    caller: &Caller,
) -> Result<Option<Moved>> {
    // With what taking it back needs: whoever dies right after the move leaves it known.
    let intent = json!({ "caller": caller.id, "who": caller.who, "undo": caller.undo });
    let operation = tools
        .journal
        .begin(tools.clock, planned(tools, service, intent))
        .await?;
    let moved = tools
        .platform
        .adopt(service, &caller.id)
        .await
        .map_err(Error::from);
    let after = match &moved {
        Ok(Some(moved)) => json!({ "caller": caller.id, "who": caller.who, "moved": moved }),
        Ok(None) | Err(_) => json!({ "caller": caller.id, "who": caller.who }),
    };
    let Tools { journal, clock, .. } = tools;
    journal.finish_with(*clock, operation, after, moved).await
}

/// The moves that are still made, newest first. The audit log tells those that came to their end; of one that did not (the
/// process died, or the answer got lost) it tells what was about to be done, and who calls now tells whether it was.
pub(crate) async fn made(
    platform: &dyn Platform,
    journal: &Journal,
    service: &ServiceName,
) -> Result<Vec<Made>> {
    let query = Query {
        service: Some(service.clone()),
        types: vec!["adoption".to_owned()],
        ..Query::default()
    };
    let events = journal.events(&query).await?;
    let moves = recorded(events.into_iter().map(|recorded| recorded.event));
    let callers = if moves.iter().all(|one| one.is_certain) {
        None
    } else {
        platform.callers(service, Search::Everywhere).await?
    };
    let found = callers.map(|callers| callers.found).unwrap_or_default();
    let is_moved = |id: &str| {
        let mut same = found.iter().filter(|caller| caller.id == id).peekable();
        same.peek().is_some() && same.all(|caller| !caller.can_be_moved())
    };
    Ok(moves
        .into_iter()
        .filter(|one| one.is_certain || is_moved(&one.caller))
        .map(|one| one.made)
        .collect())
}

/// A move that the log tells of, and that was not taken back.
#[derive(Debug, PartialEq)]
struct Recorded {
    caller: String,
    made: Made,
    /// It came to its end.
    is_certain: bool,
}

/// The newest move of each caller, of events that come newest first.
fn recorded(events: impl Iterator<Item = Event>) -> Vec<Recorded> {
    let (mut taken_back, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut callers = BTreeSet::new();
    let mut rows = Vec::new();
    for event in events {
        let (Some(change), Some(operation)) = (event.change(), event.operation.clone()) else {
            continue;
        };
        let text = |key: &str| {
            let text = change.after.get(key).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let is_done = change.outcome == Some(ResultWord::Succeeded);
        if let Some(of) = text("taken_back") {
            if is_done {
                taken_back.insert(of);
            }
            continue;
        }
        let moved = if is_done {
            ended.insert(operation.clone());
            change.after.get("moved")
        } else if ended.contains(&operation) {
            None
        } else {
            change.after.get("undo")
        };
        let Some(moved) = moved
            .cloned()
            .and_then(|moved| serde_json::from_value(moved).ok())
        else {
            continue;
        };
        let who = text("who").unwrap_or_default();
        // The log of before knew moves by their words alone.
        let caller = text("caller").unwrap_or_else(|| who.clone());
        if callers.insert(caller.clone()) && !taken_back.contains(&operation) {
            rows.push(Recorded {
                caller,
                made: Made {
                    operation,
                    who,
                    moved,
                },
                is_certain: is_done,
            });
        }
    }
    rows
}

/// Takes one move back.
pub(crate) async fn take_back(tools: &Tools<'_>, service: &ServiceName, made: &Made) -> Result<()> {
    let after = json!({ "who": made.who, "taken_back": made.operation });
    let operation = tools
        .journal
        .begin(tools.clock, planned(tools, service, after.clone()))
        .await?;
    let result = tools
        .platform
        .unadopt(service, &made.moved)
        .await
        .map_err(Error::from);
    let Tools { journal, clock, .. } = tools;
    journal.finish_with(*clock, operation, after, result).await
}

fn planned(tools: &Tools<'_>, service: &ServiceName, after: Value) -> Intent {
    Intent {
        kind: audit::Kind::Adoption,
        service: service.clone(),
        reason: tools.reason.clone(),
        before: Value::Null,
        after,
        provenance: None,
        digest: None,
    }
}
