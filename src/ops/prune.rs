//! `squad local prune`: removes what no rollback needs from this machine, and begins a new journal where it is damaged or gone, with a record.
//!
//! Each service is an operation of its own in the audit log. Nothing here decides what is needed: the platform does.

use serde_json::{Value, json};

use super::audit::{Intent, Journal, Kind};
use crate::clock::Clock;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::platform::local::{Local, Prunable, Pruned, Reset};

/// Removes what is not needed of one service. What somebody has begun to need meanwhile stays.
///
/// # Errors
/// `audit-not-writable`, before anything is removed; what keeps the platform from removing it.
pub(crate) async fn prune(
    local: &Local,
    journal: &Journal,
    clock: &dyn Clock,
    prunable: &Prunable,
) -> Result<Pruned> {
    let service = &prunable.service;
    let planned = json!({ "removes": numbers(&prunable.revisions) });
    // It makes room, so it must not need any.
    journal.make_room();
    let operation = journal
        .begin(clock, intent(Kind::Prune, service, planned))
        .await?;
    let pruned = local.prune(service).await;
    let after = pruned.as_ref().map_or(
        Value::Null,
        |pruned| json!({ "removed": numbers(&pruned.revisions), "bytes": pruned.bytes }),
    );
    let pruned = pruned.map_err(Error::from);
    journal.finish_with(clock, operation, after, pruned).await
}

/// Begins a new journal: the revisions and the traffic of all services here are forgotten. None where there never was one.
///
/// # Errors
/// `audit-not-writable`, before anything is done; `journal-good`: what is live would be forgotten for nothing.
pub(crate) async fn reset(
    local: &Local,
    journal: &Journal,
    clock: &dyn Clock,
) -> Result<Option<Reset>> {
    if !local.had_journal()? {
        return Ok(None);
    }
    if local.has_good_journal()? {
        return Err(Error::new(
            ErrorKind::Refused,
            "journal-good",
            "cannot begin a new journal: the one that is there is good, and says what is live",
        )
        .hint("`squad local stop` ends what runs, `squad local prune` removes old revisions"));
    }
    let mut operations = Vec::new();
    for service in local.stored()? {
        let planned = json!({ "forgets": "all revisions, and the traffic" });
        let planned = intent(Kind::Reset, &service, planned);
        operations.push(journal.begin(clock, planned).await?);
    }
    let reset = local.reset_journal(clock.now()).map_err(Error::from);
    let mut ended = Ok(());
    for operation in operations {
        let after = reset.as_ref().map_or(
            Value::Null,
            |reset| json!({ "journal": reset.aside.as_ref().map(|path| path.display().to_string()) }),
        );
        let result = reset.clone().map(drop);
        ended = ended.and(journal.finish_with(clock, operation, after, result).await);
    }
    let reset = reset?;
    ended?;
    Ok(Some(reset))
}

fn intent(kind: Kind, service: &ServiceName, after: Value) -> Intent {
    Intent {
        kind,
        service: service.clone(),
        reason: None,
        before: Value::Null,
        after,
        provenance: None,
        digest: None,
    }
}

fn numbers(revisions: &[RevisionNumber]) -> Vec<String> {
    revisions.iter().map(ToString::to_string).collect()
}
