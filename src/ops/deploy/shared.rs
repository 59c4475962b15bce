//! Traffic that several revisions share without a rollout of squad: who they are, and what a person can do.

use super::Options;
use crate::domain::live::{Live, Revision};
use crate::domain::release::RevisionNumber;
use crate::error::{Error, Kind};

/// The refusal to deploy over it: the weights would be lost on whoever shifts them. `back` is where a rollback goes by
/// itself.
pub(super) fn refused(
    asked: &str,
    options: &Options,
    live: &Live,
    back: Option<RevisionNumber>,
) -> Error {
    let (name, flag) = (&options.service.name, options.environment.flag());
    let command = options.command();
    let rest: Vec<_> = live
        .split
        .iter()
        .flat_map(|split| split.rest.iter())
        .collect();
    let mut error = Error::new(
        Kind::Refused,
        "traffic-shared",
        format!(
            "{asked}: somebody shifts its traffic outside squad, and a deploy would end that unseen"
        ),
    );
    for (number, weight) in &rest {
        error = error.detail(taker(live.revision(*number), *number, *weight));
    }
    if let Some(why) = who(live) {
        error = error.detail(why);
    }
    // Most of the traffic goes there, or it is not where a rollback goes.
    let chosen = rest
        .iter()
        .filter(|(number, _)| Some(*number) != back)
        .max_by_key(|(_, weight)| *weight)
        .map(|(number, _)| *number);
    let choose = |to: RevisionNumber| format!("`squad rollback {name}{flag} --to {to}`");
    let end = match (back, chosen) {
        (Some(back), Some(chosen)) => format!(
            "`squad stop {name}{flag}` takes all traffic to revision {back}, and {} to {chosen}",
            choose(chosen)
        ),
        (Some(back), None) => format!("{} takes all traffic there", choose(back)),
        (None, Some(chosen)) => format!("{} takes all traffic there", choose(chosen)),
        (None, None) => format!("`squad stop {name}{flag}`"),
    };
    error
        .hint(format!(
            "let the tool that began it finish or go back, then run it again: `{command}`"
        ))
        .hint(format!("or end it here: {end}"))
}

/// `3  80 %, published by ana@acme.example`; from which machine tells nothing here.
fn taker(revision: Option<&Revision>, number: RevisionNumber, weight: u8) -> String {
    let by = revision.map_or_else(String::new, |revision| {
        format!(", published by {}", revision.actor.name)
    });
    format!("{number}  {weight} %{by}")
}

/// Who changed it, as far as that is known.
fn who(live: &Live) -> Option<String> {
    if let Some(foreign) = &live.foreign {
        return Some(foreign.told());
    }
    live.last_commit
        .as_ref()
        .map(|last| format!("last changed by {} at {}", last.actor.name, last.at))
}
