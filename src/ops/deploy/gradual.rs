//! Whether what a deploy would publish can share the traffic with what serves: asked before anything is sent, because a rollout
//! that is refused only at its start leaves a changed function and a revision that nobody asked for.
//!
//! Reads only. The start of the rollout asks once more: others may have changed something since.

use super::{Options, Plan};
use crate::domain::plan::{Change, Deploy, Difference, OF_OTHERS};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// The settings that revisions must have in common to share the traffic, as a difference names them.
const SHARED: [&str; 2] = ["function.role", "dead-letter queue"];

/// Refuses a gradual deploy whose rollout could not start.
pub(crate) async fn check(platform: &dyn Platform, options: &Options, plan: &Plan) -> Result<()> {
    let Deploy::Change(change) = &plan.decision else {
        return Ok(());
    };
    let Some(stable) = plan.live.sole().filter(|_| change.gradual) else {
        return Ok(());
    };
    let checked = platform
        .check_next(&plan.wanted.service, stable.number, change.existing)
        .await;
    let Err(refused) = checked else { return Ok(()) };
    let mut error = Error::from(refused);
    if error.id == "rollout-unsupported" {
        error.hints = hints(options, change);
    }
    Err(plan.not_begun(options, error))
}

fn hints(options: &Options, change: &Change) -> Vec<String> {
    let mut command = options.command();
    if options.environment.protected {
        command.push_str(" --all-at-once");
    }
    if options.allowed.again {
        command.push_str(" --again");
    }
    if options.environment.protected || options.allowed.again {
        command.push_str(" --reason \"…\"");
    }
    let mut hints = vec![format!("deploy all at once instead: `{command}`")];
    hints.extend(change.configuration.iter().find_map(kept));
    hints
}

/// How the setting stays as it is.
fn kept(difference: &Difference) -> Option<String> {
    let own = difference.key.strip_prefix(OF_OTHERS);
    let name = own.unwrap_or(&difference.key);
    let name = SHARED.into_iter().find(|shared| *shared == name)?;
    let before = difference.before.as_deref();
    Some(match (own, before) {
        (None, before) => format!(
            "or keep the role: `role = \"{}\"` under [function] in squad.toml",
            before.unwrap_or_default()
        ),
        (Some(_), Some(before)) => {
            format!("or have whoever changed it at AWS set it back: {name} was `{before}`")
        }
        (Some(_), None) => format!("or have whoever set it at AWS take it away: {name}"),
    })
}
