//! Tidying up after a deploy.

use std::time::Duration;

use super::Options;
use super::apply::Tools;
use crate::domain::environment::PlatformKind;
use crate::domain::plan::Change;
use crate::error::Error;
use crate::ops::Event;

/// The longest that tidying up may hold up a deploy that is done.
const PRUNE_WITHIN: Duration = Duration::from_secs(20);

/// Removes what is old and unused. That it fails is no failure of the deploy, and the next one tries again; why is returned and
/// said, because a permission that is missing would be missing for ever. What only takes long goes on with the next deploy.
pub(super) async fn prune(tools: &Tools<'_>, options: &Options, change: &Change) -> Option<String> {
    if change.existing.is_some() {
        return None;
    }
    let pruning = tools.platform.prune(&options.service.name);
    let Ok(pruned) = tokio::time::timeout(PRUNE_WITHIN, pruning).await else {
        return None;
    };
    let pruned = match pruned {
        Ok(pruned) => pruned,
        Err(error) => {
            let why = Error::from(error).message;
            let what = match options.environment.platform {
                PlatformKind::Lambda => ", and count towards the account's storage for code",
                PlatformKind::Local | PlatformKind::Eks => "",
            };
            tools.reporter.report(Event::Warning(format!(
                "old revisions are not removed: {why}; until they can be, they pile up{what}"
            )));
            return Some(why);
        }
    };
    if !pruned.is_empty() {
        let numbers: Vec<_> = pruned.iter().map(ToString::to_string).collect();
        tools.reporter.report(Event::Done {
            what: "pruned",
            detail: format!("old revisions {}", numbers.join(", ")),
            milliseconds: 0,
        });
    }
    None
}
