//! `squad deploy --port`: the port that a service keeps on this machine, changed with or without a new revision.

use serde_json::{Value, json};

use super::apply::{Tools, millis};
use super::{Options, Outcome, Plan, described};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::live::Live;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, Recorded, ResultWord};
use crate::ops::{Event, live_state};

/// A change of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortChange {
    /// The one that is kept now; none before the first deploy.
    pub(crate) from: Option<u16>,
    /// The one that was asked for.
    pub(crate) to: u16,
}

/// What `--port` changes; none when it was not given or the service has that port.
pub(super) fn change(options: &Options, live: &Live) -> Result<Option<PortChange>> {
    let Some(to) = options.port else {
        return Ok(None);
    };
    if options.environment.platform != PlatformKind::Local {
        return Err(elsewhere(&options.environment));
    }
    let from = of(live);
    Ok((from != Some(to)).then_some(PortChange { from, to }))
}

/// The port that a service has now.
fn of(live: &Live) -> Option<u16> {
    let address = live.address.as_deref()?;
    address.rsplit(':').next()?.parse().ok()
}

/// A state of the service for the record, with its port: a change of the port is to be seen from both sides.
pub(super) fn with(mut state: Value, port: Option<u16>) -> Value {
    if let (Some(members), Some(port)) = (state.as_object_mut(), port) {
        members.insert("port".to_owned(), port.into());
    }
    state
}

/// The same after a deploy that was to change the port: the one that is there, whatever became of it.
pub(super) fn after(state: Value, change: Option<PortChange>, live: Option<&Live>) -> Value {
    with(state, change.and(live).and_then(of))
}

fn elsewhere(environment: &Environment) -> Error {
    Error::new(
        Kind::Usage,
        "unsupported",
        format!(
            "`--port` chooses a port of this machine, and `{}` does not run here",
            environment.name
        ),
    )
}

/// Makes the change, and says so.
pub(super) async fn set(tools: &Tools<'_>, options: &Options, change: PortChange) -> Result<()> {
    let started = tools.clock.monotonic();
    tools
        .platform
        .set_port(&options.service.name, change.to)
        .await?;
    tools.reporter.report(Event::Done {
        what: "port",
        detail: change.to.to_string(),
        milliseconds: millis(tools.clock, started),
    });
    Ok(())
}

/// The change alone, where no revision changes; recorded as a deploy. `outcome` is that of a deploy without it.
pub(super) async fn apply(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: PortChange,
    outcome: Outcome,
) -> Result<Outcome> {
    let name = &options.service.name;
    let started = tools.clock.monotonic();
    let intent = Intent {
        kind: audit::Kind::Deploy,
        service: name.clone(),
        reason: options.reason.clone(),
        before: with(described(&plan.live), change.from),
        after: json!({ "port": change.to }),
        provenance: None,
        digest: None,
    };
    let before = |error: Error| error.live(live_state(name, Some(&plan.live)));
    let operation = tools
        .journal
        .begin(tools.clock, intent)
        .await
        .map_err(before)?;
    let id = operation.id().to_owned();
    let result = set(tools, options, change).await;
    let live = tools.platform.observe(name).await.ok();
    let recorded = audit::Outcome {
        result: match result {
            Ok(()) => ResultWord::Succeeded,
            Err(_) => ResultWord::Failed,
        },
        after: after(
            live.as_ref().map(described).unwrap_or_default(),
            Some(change),
            live.as_ref(),
        ),
        message: result.as_ref().err().map(|error| error.message.clone()),
        error_id: result.as_ref().err().map(|error| error.id.to_owned()),
    };
    let recorded = tools.journal.finish(tools.clock, operation, recorded).await;
    result.map_err(|error| error.live(live_state(name, live.as_ref())))?;
    Ok(Outcome {
        operation: Some(id),
        address: live.and_then(|live| live.address),
        milliseconds: millis(tools.clock, started),
        pending_events: match recorded? {
            Recorded::Committed => 0,
            Recorded::Pending { events } => events,
        },
        ..outcome
    })
}
