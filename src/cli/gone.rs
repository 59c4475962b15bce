//! A service that its platform has nothing of: another one may be meant, or it was live once as the audit log has it. Then
//! somebody removed it with another tool or began a new journal, and "it is not there" alone would hide that.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::time::relative;
use crate::config::nearest;
use crate::domain::environment::Environment;
use crate::domain::name::ServiceName;
use crate::error::Error;
use crate::ops::history;
use crate::ops::registry::Registry;

/// How long the audit log may take to answer: what is added to an error must not hold it up.
const WITHIN: Duration = Duration::from_secs(5);

/// The error with what the log knows, where it says that nothing of the service is there. A log that cannot be read adds
/// nothing.
pub(super) async fn told(
    context: &Context,
    environment: &Environment,
    service: &ServiceName,
    mut error: Error,
) -> Error {
    if !matches!(error.id, "nothing-live" | "never-deployed") {
        return error;
    }
    if let Some(meant) = meant(context, environment, service) {
        error.hints.insert(0, format!("did you mean `{meant}`?"));
    }
    let Ok(journal) = context.record(environment) else {
        return error;
    };
    let known = tokio::time::timeout(WITHIN, history::last_live(&journal, service)).await;
    let Ok(Ok(Some(last))) = known else {
        return error;
    };
    let what = last.event.short_kind();
    let since = match last.forgotten {
        Some((at, actor)) => format!(
            "the journal of this platform was set aside since (`squad local prune --reset-journal` by {actor}, {}), so it has to be \
             deployed again",
            relative(at, context.now()),
        ),
        None => "it was removed since, and not by squad".to_owned(),
    };
    error.detail(format!(
        "revision {} was live, as the audit log has it ({} by {}, {}): {since}",
        last.revision,
        what.split('.').next().unwrap_or(what),
        last.actor,
        relative(last.event.time, context.now()),
    ))
}

/// The service of this machine that has nearly this name.
fn meant(context: &Context, environment: &Environment, service: &ServiceName) -> Option<String> {
    let state = context.directories().ok()?.state;
    let names = Registry::new(&state, environment.org.as_ref())
        .names()
        .ok()?;
    // One that is known here was not mistyped.
    if names.contains(service) {
        return None;
    }
    nearest(service.as_str(), names.iter().map(ServiceName::as_str)).map(str::to_owned)
}
