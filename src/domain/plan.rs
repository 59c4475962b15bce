//! What a deploy or a rollback will do, computed from what is live and what is wanted. Pure: the same live
//! state and the same wishes give the same plan.

use std::collections::BTreeMap;

use serde_json::Value;

use super::environment::Environment;
use super::live::Live;
use super::release::{Provenance, RevisionNumber};
use super::service::Service;

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
    /// A protected environment takes this service gradually only.
    Gradual,
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
    if environment.protected {
        if wanted.provenance.dirty && !allowed.dirty {
            return Err(Refusal::Dirty);
        }
        if wanted.service.rollout.is_some() && current.is_some() && !allowed.all_at_once {
            return Err(Refusal::Gradual);
        }
    }
    let before = current.and_then(|revision| revision.service.as_ref());
    Ok(Deploy::Change(Change {
        previous: current.map(|revision| revision.number),
        existing: existing.map(|revision| revision.number),
        configuration: before
            .map(|before| differences(before, &wanted.service))
            .unwrap_or_default(),
    }))
}

/// Whether a known digest is what is wanted. A rebuild of a release is that release; a rebuild that is asked for is
/// only itself.
fn is_same(known: &str, wanted: &str) -> bool {
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
        /// The revision that is left, and marked so.
        from: Option<RevisionNumber>,
        /// The revision that takes all traffic.
        to: RevisionNumber,
    },
}

/// Decides where a rollback goes: to the last revision that served healthily and that no rollback left
/// (DESIGN §13), or to the one named.
pub(crate) fn rollback(live: &Live, to: Option<RevisionNumber>) -> Result<Rollback, Refusal> {
    let Some(split) = &live.split else {
        return Err(Refusal::NothingLive);
    };
    let serving = split.revisions();
    let newest_first = || {
        live.revisions
            .iter()
            .rev()
            .filter(|one| !serving.contains(&one.number))
    };
    let candidates = || {
        newest_first()
            .filter(|one| one.last_served_at.is_some())
            .map(|one| one.number)
            .collect()
    };
    let from = split.sole().or_else(|| serving.last().copied());
    let target = match to {
        Some(number) => match live.revision(number) {
            Some(_) if split.sole() == Some(number) => {
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
    flatten(
        "",
        &serde_json::to_value(service).unwrap_or(Value::Null),
        &mut flat,
    );
    flat
}

fn flatten(prefix: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        // A variable is one thing, whatever kind of value it has.
        Value::Object(object) if !prefix.starts_with("run.env.") => {
            for (key, value) in object {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, flat);
            }
        }
        Value::String(text) => drop(flat.insert(prefix.to_owned(), text.clone())),
        other => drop(flat.insert(prefix.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::live::{Health, LastCommit, Revision, Token};
    use crate::domain::release::Actor;
    use crate::domain::service::{Analysis, Build, Kind, Rollout, Run, Variable};
    use crate::domain::traffic::Split;

    fn actor() -> Actor {
        Actor {
            name: "ana".into(),
            host: "laptop".into(),
            key: None,
        }
    }

    fn service() -> Service {
        Service {
            name: "payments".parse().unwrap(),
            squad: None,
            tier: None,
            kind: Kind::Http,
            build: Build {
                command: Vec::new(),
                artifact: ".".into(),
                inputs: Vec::new(),
                python_lock: None,
            },
            run: Run {
                command: vec!["bin/serve".into()],
                port: 8080,
                ready: "/readyz".into(),
                grace_seconds: 20,
                start_seconds: 60,
                env: BTreeMap::from([("A".to_owned(), Variable::Value("1".to_owned()))]),
            },
            function: None,
            routes: Vec::new(),
            rollout: None,
            analysis: Analysis {
                slow_milliseconds: None,
                watch_seconds: None,
                max_hold_seconds: None,
                tolerance: 1.25,
                harm: 1.0,
            },
        }
    }

    /// (number, digest, hour it last served, healthily, left)
    type Row = (u64, &'static str, Option<u8>, bool, bool);

    fn live(rows: &[Row], serving: Option<u64>) -> Live {
        let revisions = rows
            .iter()
            .map(|(number, digest, hour, healthily, left)| Revision {
                number: RevisionNumber(*number),
                digest: (*digest).to_owned(),
                published_at: "2026-11-24T00:00:00Z".parse().unwrap(),
                actor: actor(),
                provenance: Provenance::default(),
                service: Some(Box::new(service())),
                last_served_at: hour
                    .map(|hour| format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap()),
                served_healthily: *healthily,
                left: *left,
                health: Health::Ok,
                problem: None,
            })
            .collect();
        Live {
            token: Token("7".into()),
            kind: Some(Kind::Http),
            revisions,
            split: serving.map(|number| Split::all(&[], RevisionNumber(number))),
            state: String::new(),
            last_commit: serving.map(|_| LastCommit {
                actor: actor(),
                at: "2026-11-24T00:00:00Z".parse().unwrap(),
                operation: "01".into(),
            }),
            address: None,
        }
    }

    fn wanted(digest: &str) -> Wanted {
        Wanted {
            service: service(),
            digest: digest.to_owned(),
            provenance: Provenance::default(),
            is_older: false,
        }
    }

    fn environment(protected: bool) -> Environment {
        Environment {
            protected,
            ..Environment::builtin_local()
        }
    }

    fn with_reason(allowed: Allowed) -> Allowed {
        Allowed {
            has_reason: true,
            ..allowed
        }
    }

    #[test]
    fn a_first_deploy_builds() {
        let plan = deploy(
            &live(&[], None),
            &environment(true),
            &wanted("a"),
            Allowed::default(),
        );
        let change = Change {
            previous: None,
            existing: None,
            configuration: Vec::new(),
        };
        assert_eq!(plan, Ok(Deploy::Change(change)));
    }

    #[test]
    fn the_same_digest_is_never_deployed_twice() {
        let live = live(&[(1, "a", Some(1), true, false)], Some(1));
        let plan = deploy(&live, &environment(false), &wanted("a"), Allowed::default());
        assert_eq!(
            plan,
            Ok(Deploy::UpToDate {
                revision: RevisionNumber(1)
            })
        );
    }

    #[test]
    fn a_rebuild_is_the_same_release_afterwards() {
        let before = live(&[(1, "a", Some(1), true, false)], Some(1));
        let plan = deploy(
            &before,
            &environment(false),
            &wanted("a+01"),
            Allowed::default(),
        );
        assert!(matches!(
            plan,
            Ok(Deploy::Change(Change { existing: None, .. }))
        ));
        let rows: &[Row] = &[
            (1, "a", Some(1), true, false),
            (2, "a+01", Some(2), true, false),
        ];
        let after = live(rows, Some(2));
        let plan = deploy(
            &after,
            &environment(false),
            &wanted("a"),
            Allowed::default(),
        );
        assert_eq!(
            plan,
            Ok(Deploy::UpToDate {
                revision: RevisionNumber(2)
            })
        );
    }

    #[test]
    fn a_known_digest_is_not_built_again() {
        let live = live(
            &[
                (1, "a", Some(1), true, false),
                (2, "b", Some(2), true, false),
            ],
            Some(2),
        );
        let plan = deploy(&live, &environment(false), &wanted("a"), Allowed::default());
        let change = Change {
            previous: Some(RevisionNumber(2)),
            existing: Some(RevisionNumber(1)),
            configuration: Vec::new(),
        };
        assert_eq!(plan, Ok(Deploy::Change(change)));
    }

    #[test]
    fn an_ancestor_of_what_is_live_changes_nothing() {
        let live = live(&[(1, "a", Some(1), true, false)], Some(1));
        let older = Wanted {
            is_older: true,
            ..wanted("b")
        };
        let superseded = Ok(Deploy::Superseded {
            revision: RevisionNumber(1),
        });
        assert_eq!(
            deploy(&live, &environment(false), &older, Allowed::default()),
            superseded
        );
        let allowed = Allowed {
            older: true,
            ..Allowed::default()
        };
        assert_eq!(
            deploy(&live, &environment(false), &older, allowed),
            Err(Refusal::ReasonMissing {
                flag: "--allow-older"
            })
        );
        let plan = deploy(&live, &environment(false), &older, with_reason(allowed));
        assert!(matches!(plan, Ok(Deploy::Change(_))));
    }

    #[test]
    fn a_release_that_was_left_needs_again_and_a_reason() {
        let live = live(
            &[
                (1, "a", Some(1), true, false),
                (2, "b", Some(2), true, true),
            ],
            Some(1),
        );
        let refused = Err(Refusal::LeftBefore {
            revision: RevisionNumber(2),
        });
        assert_eq!(
            deploy(&live, &environment(false), &wanted("b"), Allowed::default()),
            refused
        );
        let allowed = with_reason(Allowed {
            again: true,
            ..Allowed::default()
        });
        let plan = deploy(&live, &environment(false), &wanted("b"), allowed);
        assert!(matches!(
            plan,
            Ok(Deploy::Change(Change {
                existing: Some(RevisionNumber(2)),
                ..
            }))
        ));
    }

    #[test]
    fn a_protected_environment_refuses_dirty_trees_and_jumps() {
        let live = live(&[(1, "a", Some(1), true, false)], Some(1));
        let mut dirty = wanted("b");
        dirty.provenance.dirty = true;
        assert_eq!(
            deploy(&live, &environment(true), &dirty, Allowed::default()),
            Err(Refusal::Dirty)
        );
        assert!(deploy(&live, &environment(false), &dirty, Allowed::default()).is_ok());
        let mut gradual = wanted("b");
        gradual.service.rollout = Some(Rollout { steps: Vec::new() });
        assert_eq!(
            deploy(&live, &environment(true), &gradual, Allowed::default()),
            Err(Refusal::Gradual)
        );
        let allowed = with_reason(Allowed {
            all_at_once: true,
            ..Allowed::default()
        });
        assert!(deploy(&live, &environment(true), &gradual, allowed).is_ok());
    }

    #[test]
    fn a_rollback_goes_to_the_last_that_served_healthily_and_was_not_left() {
        let go = |rows: &[Row], serving, to: Option<u64>| {
            rollback(&live(rows, serving), to.map(RevisionNumber))
        };
        let change = |from, to| {
            Ok(Rollback::Change {
                from: Some(RevisionNumber(from)),
                to: RevisionNumber(to),
            })
        };
        let three: &[Row] = &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(2), true, false),
            (3, "c", Some(3), true, false),
        ];
        assert_eq!(go(three, Some(3), None), change(3, 2));
        assert_eq!(go(three, Some(3), Some(1)), change(3, 1));
        assert_eq!(
            go(three, Some(3), Some(3)),
            Ok(Rollback::Already {
                revision: RevisionNumber(3)
            })
        );
        // A second rollback goes further back: 3 was left, and 2 serves.
        let left: &[Row] = &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(4), true, false),
            (3, "c", Some(3), true, true),
        ];
        assert_eq!(go(left, Some(2), None), change(2, 1));
        // One that failed while it served, and one that never served, are passed over.
        let sick: &[Row] = &[
            (1, "a", Some(1), true, false),
            (2, "b", Some(2), false, false),
            (3, "c", None, true, false),
            (4, "d", Some(4), true, false),
        ];
        assert_eq!(go(sick, Some(4), None), change(4, 1));
        // The last that served, not the last that was published.
        let again: &[Row] = &[
            (1, "a", Some(3), true, false),
            (2, "b", Some(2), true, false),
            (3, "c", Some(4), true, false),
        ];
        assert_eq!(go(again, Some(3), None), change(3, 1));
    }

    #[test]
    fn a_rollback_without_a_target_names_the_candidates() {
        let rows: &[Row] = &[
            (1, "a", Some(1), true, true),
            (2, "b", Some(2), true, false),
        ];
        assert_eq!(
            rollback(&live(rows, Some(2)), None),
            Err(Refusal::NoTarget {
                candidates: vec![RevisionNumber(1)]
            })
        );
        assert_eq!(rollback(&live(&[], None), None), Err(Refusal::NothingLive));
        assert_eq!(
            rollback(&live(rows, Some(2)), Some(RevisionNumber(9))),
            Err(Refusal::UnknownRevision {
                revision: RevisionNumber(9),
                candidates: vec![RevisionNumber(1)]
            })
        );
    }

    #[test]
    fn differences_name_keys_and_never_values_of_variables() {
        let mut after = service();
        after.run.port = 9090;
        after
            .run
            .env
            .insert("A".into(), Variable::Value("2".into()));
        after
            .run
            .env
            .insert("B".into(), Variable::Secret("ssm:/b".into()));
        let shown: Vec<_> = differences(&service(), &after)
            .into_iter()
            .map(|one| (one.key, one.before, one.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            shown,
            [
                ("run.env.A".to_owned(), text("…"), text("…")),
                ("run.env.B".to_owned(), None, text("…")),
                ("run.port".to_owned(), text("8080"), text("9090")),
            ]
        );
    }
}
