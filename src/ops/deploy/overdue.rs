//! A deploy whose time is over: what it was waiting for.

use std::time::Duration;

use super::apply::Tools;
use super::{Options, Plan};
use crate::domain::plan::{Change, is_same};
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind};
use crate::ops::Event;
use crate::platform::Diagnosis;

/// The longest that finding it out may take, after the time that was given.
const LOOK: Duration = Duration::from_secs(2);

/// The time for one thing is over.
pub(super) fn timed_out(options: &Options, timeout: Duration, what: &str) -> Error {
    Error::new(
        Kind::Timeout,
        "timeout",
        format!("{what} was not finished after {} s", timeout.as_secs()),
    )
    .retryable()
    .hint(format!(
        "give it longer: `{} --timeout {}m`",
        options.command(),
        (timeout.as_secs() / 60 * 2).max(20)
    ))
}

/// The time for the deploy is over; with why its revision is not ready yet, if it waits for that, and its number. To be asked
/// while the publish still stands: without it the platform ends what nobody needs.
pub(super) async fn told(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
) -> (Error, Option<RevisionNumber>) {
    let error = timed_out(options, tools.timeout, "the deploy");
    let found = tokio::time::timeout(LOOK, not_ready(tools, options, plan, change)).await;
    let Ok(Some((revision, diagnosis))) = found else {
        return (error, None);
    };
    tools.reporter.report(Event::Failed {
        what: "revision",
        detail: format!("{revision}: {}", diagnosis.summary),
    });
    (error.diagnosed(&diagnosis), Some(revision))
}

async fn not_ready(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    change: &Change,
) -> Option<(RevisionNumber, Diagnosis)> {
    let name = &options.service.name;
    let revision = match change.existing {
        Some(existing) => existing,
        None => {
            let live = tools.platform.observe(name).await.ok()?;
            let mut revisions = live.revisions.iter().rev();
            revisions
                .find(|one| is_same(&one.digest, &plan.wanted.digest))?
                .number
        }
    };
    let diagnosis = tools.platform.diagnose(name, revision).await.ok()??;
    Some((revision, diagnosis))
}
