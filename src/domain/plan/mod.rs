//! What a deploy or a rollback will do, computed from what is live and what is wanted. Pure: the same live
//! state and the same wishes give the same plan.

pub(crate) mod served;

use std::collections::BTreeMap;

use serde_json::Value;

use super::environment::{Environment, PlatformKind};
use super::live::Live;
use super::release::{Provenance, RevisionNumber};
use super::rollout::State;
use super::service::Service;
use super::traffic::Split;

/// What is to be live.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// The service, effective for the environment.
    pub(crate) service: Service,
    /// `sha256:<64 hex>` over all that decides what the revision is; `+<ULID>` behind it asks for another build of
    /// the same (`--rebuild`).
    pub(crate) digest: String,
    /// Where the sources come from.
    pub(crate) provenance: Provenance,
    /// The sources are an older state of what is live: its commit is a strict ancestor of the live one, and
    /// the work tree adds nothing to it.
    pub(crate) is_older: bool,
}

/// What the person allowed explicitly, each with a reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// `--again`: a release that was rolled back from.
    pub(crate) again: bool,
    /// `--allow-older`: an ancestor of what is live.
    pub(crate) older: bool,
    /// `--allow-dirty`: a dirty tree in a protected environment.
    pub(crate) dirty: bool,
    /// `--all-at-once`: no gradual rollout in a protected environment.
    pub(crate) all_at_once: bool,
    /// `--canary`: gradually, where nothing asks for it.
    pub(crate) canary: bool,
    /// `--reason` was given.
    pub(crate) has_reason: bool,
}

/// What a deploy will do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deploy {
    /// The live revision is exactly this.
    UpToDate {
        /// The live one.
        revision: RevisionNumber,
    },
    /// What is live is newer.
    Superseded {
        /// The live one.
        revision: RevisionNumber,
    },
    /// Something changes.
    Change(Change),
}

/// The change that a deploy makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The revision that takes all traffic now, if there is one.
    pub(crate) previous: Option<RevisionNumber>,
    /// A revision with the same digest is there already: nothing is built.
    pub(crate) existing: Option<RevisionNumber>,
    /// What changes in the configuration, one line each, sorted by key.
    pub(crate) configuration: Vec<Difference>,
    /// It is only published; a rollout brings the traffic step by step.
    pub(crate) gradual: bool,
}

/// One difference between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Dotted key, such as `run.env.LOG_LEVEL`.
    pub(crate) key: String,
    /// None when it is new; `…` for values of variables, which are not shown.
    pub(crate) before: Option<String>,
    /// None when it is gone.
    pub(crate) after: Option<String>,
}

/// What comes before the key of a setting that somebody else changed at AWS: the service's file does not say it.
pub(crate) const OF_OTHERS: &str = "at AWS: ";

/// Why a deploy or a rollback is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A rollback left this very release.
    LeftBefore {
        /// The revision it was.
        revision: RevisionNumber,
    },
    /// A protected environment takes no dirty tree.
    Dirty,
    /// A rollout is live: its traffic is not to be changed beside it.
    RolloutLive {
        /// The rollout.
        state: Box<State>,
    },
    /// Several revisions share the traffic, and no rollout of squad brought them there: whoever did may be at work.
    Shared {
        /// Where a rollback would take all traffic by itself.
        back: Option<RevisionNumber>,
    },
    /// An exception was asked for without a reason.
    ReasonMissing {
        /// The flag that needs it.
        flag: &'static str,
    },
    /// There is no revision that a rollback could choose by itself.
    NoTarget {
        /// Those that `--to` could name, newest first.
        candidates: Vec<RevisionNumber>,
    },
    /// Nothing was ever deployed.
    NothingLive,
    /// `--to` names a revision that is not there.
    UnknownRevision {
        /// What was named.
        revision: RevisionNumber,
        /// Those that are there, newest first.
        candidates: Vec<RevisionNumber>,
    },
}

/// Decides what deploying `wanted` does.
pub(crate) fn deploy(
    live: &Live,
    environment: &Environment,
    wanted: &Wanted,
    allowed: Allowed,
) -> Result<Deploy, Refusal> {
    if let Some(state) = State::live(&live.state) {
        let state = Box::new(state);
        return Err(Refusal::RolloutLive { state });
    }
    if live
        .split
        .as_ref()
        .is_some_and(|split| split.sole().is_none())
    {
        let back = match rollback(live, None) {
            Ok(Rollback::Change { to, .. }) => Some(to),
            _ => None,
        };
        return Err(Refusal::Shared { back });
    }
    let current = live.sole();
    if let Some(current) = current
        && is_same(&current.digest, &wanted.digest)
    {
        return Ok(Deploy::UpToDate {
            revision: current.number,
        });
    }
    for (used, flag) in [
        (allowed.again, "--again"),
        (allowed.older, "--allow-older"),
        (allowed.dirty, "--allow-dirty"),
        (allowed.all_at_once, "--all-at-once"),
    ] {
        if used && !allowed.has_reason {
            return Err(Refusal::ReasonMissing { flag });
        }
    }
    if wanted.is_older
        && !allowed.older
        && let Some(current) = current
    {
        return Ok(Deploy::Superseded {
            revision: current.number,
        });
    }
    let existing = live
        .revisions
        .iter()
        .rev()
        .find(|revision| is_same(&revision.digest, &wanted.digest));
    if let Some(existing) = existing
        && existing.left
        && !allowed.again
    {
        return Err(Refusal::LeftBefore {
            revision: existing.number,
        });
    }
    let forgotten = live
        .left_releases
        .iter()
        .find(|release| is_same(&release.digest, &wanted.digest))
        .filter(|_| existing.is_none() && !allowed.again);
    if let Some(release) = forgotten {
        return Err(Refusal::LeftBefore {
            revision: release.revision,
        });
    }
    // One that never served may have failed its smoke test: only a publish runs that test again.
    let existing = existing
        .filter(|one| one.last_served_at.is_some() || !is_tested_first(environment, wanted));
    if environment.protected && wanted.provenance.dirty && !allowed.dirty {
        return Err(Refusal::Dirty);
    }
    let asks = environment.protected && wanted.service.rollout.is_some() && !allowed.all_at_once;
    let gradual = (current.is_some() || live.unpublished.is_some()) && (asks || allowed.canary);
    let before = current.and_then(|revision| revision.service.as_ref());
    Ok(Deploy::Change(Change {
        previous: current.map(|revision| revision.number),
        existing: existing.map(|revision| revision.number),
        configuration: before
            .map(|before| differences(before, &wanted.service))
            .unwrap_or_default(),
        gradual,
    }))
}

/// Whether a publish calls the revision before it may serve.
fn is_tested_first(environment: &Environment, wanted: &Wanted) -> bool {
    let function = wanted.service.function.as_ref();
    environment.platform == PlatformKind::Lambda
        && function.is_some_and(|function| function.smoke.is_some())
}

/// Whether a known digest is what is wanted. A rebuild of a release is that release; a rebuild that is asked for is
/// only itself.
pub(crate) fn is_same(known: &str, wanted: &str) -> bool {
    let base = known.split('+').next().unwrap_or(known);
    known == wanted || base == wanted
}

/// What a rollback will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollback {
    /// The revision asked for has all traffic already.
    Already {
        /// That revision.
        revision: RevisionNumber,
    },
    /// All traffic moves.
    Change {
        /// The revision that is left, and marked so; none where the newest of several that share the traffic takes all of it.
        from: Option<RevisionNumber>,
        /// The revision that takes all traffic.
        to: RevisionNumber,
    },
}

/// Decides where a rollback goes: to the last revision that served healthily and that no rollback left
/// (DESIGN §13), or to the one named.
pub(crate) fn rollback(live: &Live, to: Option<RevisionNumber>) -> Result<Rollback, Refusal> {
    if live.split.is_none() && live.unpublished.is_none() {
        return Err(Refusal::NothingLive);
    }
    let sole = live.split.as_ref().and_then(Split::sole);
    // Where several share the traffic and no rollout says which one was first, the newest of them is the one to leave.
    let newest = |split: &Split| split.revisions().last().copied();
    // Nobody leaves the one that was chosen.
    let from = sole
        .or_else(|| live.split.as_ref().and_then(newest))
        .filter(|from| sole.is_some() || to != Some(*from));
    let newest_first = || {
        live.revisions
            .iter()
            .rev()
            .filter(|one| Some(one.number) != from)
    };
    let candidates = || {
        newest_first()
            .filter(|one| one.last_served_at.is_some())
            .map(|one| one.number)
            .collect()
    };
    let target = match to {
        Some(number) => match live.revision(number) {
            Some(_) if sole == Some(number) => {
                return Ok(Rollback::Already { revision: number });
            }
            Some(revision) => revision,
            None => {
                return Err(Refusal::UnknownRevision {
                    revision: number,
                    candidates: newest_first().map(|one| one.number).collect(),
                });
            }
        },
        None => newest_first()
            .filter(|one| one.served_healthily && !one.left)
            .filter(|one| one.last_served_at.is_some())
            .max_by_key(|one| (one.last_served_at, one.number))
            .ok_or_else(|| Refusal::NoTarget {
                candidates: candidates(),
            })?,
    };
    Ok(Rollback::Change {
        from,
        to: target.number,
    })
}

/// The differences of two configurations, key by key. Values of the process's variables are not shown.
pub(crate) fn differences(before: &Service, after: &Service) -> Vec<Difference> {
    let (before, after) = (flat(before), flat(after));
    let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            before: before.get(key).map(|value| shown(key, value)),
            after: after.get(key).map(|value| shown(key, value)),
        })
        .collect()
}

fn shown(key: &str, value: &str) -> String {
    if key.starts_with("run.env.") {
        "…".to_owned()
    } else {
        value.to_owned()
    }
}

fn flat(service: &Service) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let value = serde_json::to_value(service).unwrap_or(Value::Null);
    flatten("", &as_in_the_file(value), &mut flat);
    flat
}

/// The configuration with the keys and values of `squad.toml`, which says `grace = "20s"` and `[[route]]`.
fn as_in_the_file(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| match value {
                // Names of variables are a person's own.
                variables if key == "env" => (key, variables),
                Value::Number(number) => {
                    let of = |end, unit| Some((key.strip_suffix(end)?, format!("{number}{unit}")));
                    let timed = of("_seconds", "s").or_else(|| of("_milliseconds", "ms"));
                    match timed {
                        Some((name, text)) => (name.to_owned(), Value::String(text)),
                        None => (key, Value::Number(number)),
                    }
                }
                routes if key == "routes" => ("route".to_owned(), as_in_the_file(routes)),
                other => (key, as_in_the_file(other)),
            })
            .collect(),
        Value::Array(entries) => entries.into_iter().map(as_in_the_file).collect(),
        other => other,
    }
}

fn flatten(prefix: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        // A variable is one thing, whatever kind of value it has.
        Value::Object(object) if !prefix.starts_with("run.env.") => {
            // The name of an entry is in its key.
            let is_entry = |key: &str| key == "name" && prefix.starts_with("route.");
            for (key, value) in object.iter().filter(|(key, _)| !is_entry(key)) {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, flat);
            }
        }
        // Entries with names (routes) are compared by name: their order means nothing.
        Value::Array(entries)
            if !entries.is_empty() && entries.iter().all(|one| name_of(one).is_some()) =>
        {
            for entry in entries {
                let name = name_of(entry).unwrap_or_default();
                flatten(&format!("{prefix}.{name}"), entry, flat);
            }
        }
        Value::String(text) => drop(flat.insert(prefix.to_owned(), text.clone())),
        other => drop(flat.insert(prefix.to_owned(), other.to_string())),
    }
}

fn name_of(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
