//! Who served before, by the record of what squad did: where somebody else took away what the platform keeps with the
//! traffic. Beside [`super::rollback`], which goes by what the platform keeps.
//!
//! The record tells what squad did, and nothing of what others did. So it is believed only as far as it agrees with what is
//! there: its newest operation has to have an end, and that has to be what serves now.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::audit::event::ResultWord;
use crate::domain::live::{Health, Live};
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;

/// An operation that may have changed who takes the traffic, as the record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its id (ULID).
    pub(crate) id: String,
    /// When it began.
    pub(crate) at: Timestamp,
    /// It was a rollback: where it succeeded, it left the revision that was before it.
    pub(crate) is_rollback: bool,
    /// How it ended; none while nothing of that is recorded.
    pub(crate) outcome: Option<ResultWord>,
    /// The revision that had all traffic before it, if one had and it is known.
    pub(crate) before: Option<RevisionNumber>,
    /// The one that had all traffic when it was over.
    pub(crate) after: Option<RevisionNumber>,
}

/// Who served before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Before {
    /// Which one.
    pub(crate) revision: RevisionNumber,
    /// The operation that says so.
    pub(crate) operation: String,
    /// When that began.
    pub(crate) at: Timestamp,
}

/// Why a record does not tell who served before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untold {
    /// No revision has all traffic now.
    #[error("several revisions share the traffic")]
    Shared,
    /// It knows of no operation.
    #[error("the record knows of no change of the traffic")]
    Nothing,
    /// The newest operation has no end.
    #[error("the record does not say how operation {operation} ended")]
    Open {
        /// Its id.
        operation: String,
    },
    /// Somebody else changed the traffic since.
    #[error("what serves is not what the record says, where operation {operation} is the last one")]
    Disagrees {
        /// The newest operation.
        operation: String,
    },
    /// Nothing that is there had all traffic, was not left and can serve.
    #[error("the record knows of no other revision that served and was not left")]
    NoOther,
}

/// The last revision that had all traffic before the one that has it now, was not left by a rollback since, and can serve;
/// by `operations`, newest first.
pub(crate) fn served_before(operations: &[Operation], live: &Live) -> Result<Before, Untold> {
    let serving = live
        .split
        .as_ref()
        .and_then(Split::sole)
        .ok_or(Untold::Shared)?;
    check_newest(operations.first(), serving)?;
    let mut left = BTreeSet::new();
    for operation in operations {
        if operation.is_rollback && operation.outcome == Some(ResultWord::Succeeded) {
            left.extend(operation.before);
        }
        let found = operation
            .after
            .into_iter()
            .chain(operation.before)
            .find(|number| {
                *number != serving && !left.contains(number) && can_serve(live, *number)
            });
        if let Some(revision) = found {
            return Ok(Before {
                revision,
                operation: operation.id.clone(),
                at: operation.at,
            });
        }
    }
    Err(Untold::NoOther)
}

/// Refuses a record whose newest operation does not end in what serves.
fn check_newest(newest: Option<&Operation>, serving: RevisionNumber) -> Result<(), Untold> {
    let newest = newest.ok_or(Untold::Nothing)?;
    let operation = newest.id.clone();
    if newest.outcome.is_none() {
        Err(Untold::Open { operation })
    } else if newest.after != Some(serving) {
        Err(Untold::Disagrees { operation })
    } else {
        Ok(())
    }
}

fn can_serve(live: &Live, number: RevisionNumber) -> bool {
    live.revision(number)
        .is_some_and(|one| !one.left && one.health != Health::Failed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::live::Revision;

    /// Revisions 1 to 4 are there.
    const THERE: u64 = 4;

    fn revision(number: u64) -> Revision {
        serde_json::from_value(json!({
            "number": number, "digest": "sha256:00", "published_at": "2026-11-26T12:00:00Z",
            "actor": { "name": "ana", "host": "laptop" }, "provenance": {},
            "served_healthily": false, "left": false, "health": "ok",
        }))
        .unwrap()
    }

    fn live(serving: u64) -> Live {
        Live {
            revisions: (1..=THERE).map(revision).collect(),
            split: Some(Split::all(&[], RevisionNumber(serving))),
            ..Live::nothing()
        }
    }

    fn deploy(from: u64, to: u64) -> Operation {
        Operation {
            id: format!("{from} to {to}"),
            at: "2026-11-26T12:00:00Z".parse().unwrap(),
            is_rollback: false,
            outcome: Some(ResultWord::Succeeded),
            before: Some(RevisionNumber(from)),
            after: Some(RevisionNumber(to)),
        }
    }

    fn rollback(from: u64, to: u64) -> Operation {
        Operation {
            is_rollback: true,
            ..deploy(from, to)
        }
    }

    fn told(operations: &[Operation], serving: u64) -> Result<u64, Untold> {
        served_before(operations, &live(serving)).map(|before| before.revision.0)
    }

    #[test]
    fn what_had_all_traffic_before_is_found_unless_it_was_left() {
        for (operations, serving, expected) in [
            (vec![deploy(2, 3), deploy(1, 2)], 3, 2),
            // 3 was left for 2: back to 1.
            (vec![rollback(3, 2), deploy(2, 3), deploy(1, 2)], 2, 1),
            // Left, and deployed again since.
            (
                vec![deploy(3, 4), deploy(2, 3), rollback(3, 2), deploy(2, 3)],
                4,
                3,
            ),
            // What is not there any more is passed over.
            (vec![deploy(9, 3), deploy(2, 9)], 3, 2),
            // What others had put there before the first deploy.
            (vec![deploy(1, 3)], 3, 1),
        ] {
            assert_eq!(told(&operations, serving), Ok(expected), "{operations:?}");
        }
    }

    #[test]
    fn a_record_that_does_not_agree_with_what_serves_tells_nothing() {
        let ended = |outcome| Operation {
            outcome,
            after: None,
            ..deploy(3, 4)
        };
        let operation = || "3 to 4".to_owned();
        for (operations, expected) in [
            (vec![], Untold::Nothing),
            (
                vec![deploy(3, 4)],
                Untold::Disagrees {
                    operation: operation(),
                },
            ),
            (
                vec![ended(None), deploy(2, 3)],
                Untold::Open {
                    operation: operation(),
                },
            ),
            (
                vec![ended(Some(ResultWord::Unknown)), deploy(2, 3)],
                Untold::Disagrees {
                    operation: operation(),
                },
            ),
            (vec![deploy(9, 3)], Untold::NoOther),
        ] {
            assert_eq!(told(&operations, 3), Err(expected), "{operations:?}");
        }
        let shared = Live {
            split: None,
            ..live(3)
        };
        assert_eq!(served_before(&[deploy(2, 3)], &shared), Err(Untold::Shared));
    }

    #[test]
    fn what_failed_or_is_marked_as_left_is_passed_over() {
        let operations = [deploy(2, 3), deploy(1, 2)];
        for change in [
            |one: &mut Revision| one.left = true,
            |one: &mut Revision| one.health = Health::Failed,
        ] {
            let mut live = live(3);
            change(&mut live.revisions[1]);
            let before = served_before(&operations, &live).unwrap();
            assert_eq!(before.revision, RevisionNumber(1));
        }
    }

    proptest! {
        /// Whatever the record says: it is there, it does not serve now, the operation named has it, and no rollback that came
        /// after that operation left it.
        #[test]
        fn nothing_is_gone_back_to_that_was_left_since_or_is_not_there(
            serving in 1..=THERE,
            rows in proptest::collection::vec((1_u64..=6, 1_u64..=6, any::<bool>(), any::<bool>()), 0..12),
        ) {
            let operations: Vec<_> = rows
                .iter()
                .enumerate()
                .map(|(index, (from, to, is_rollback, is_done))| Operation {
                    id: index.to_string(),
                    is_rollback: *is_rollback,
                    outcome: Some(if *is_done { ResultWord::Succeeded } else { ResultWord::Failed }),
                    ..deploy(*from, *to)
                })
                .collect();
            let Ok(before) = served_before(&operations, &live(serving)) else {
                return Ok(());
            };
            let index: usize = before.operation.parse().unwrap();
            let named = &operations[index];
            prop_assert!([named.before, named.after].contains(&Some(before.revision)));
            prop_assert!((1..=THERE).contains(&before.revision.0) && before.revision.0 != serving);
            prop_assert_eq!(operations[0].after, Some(RevisionNumber(serving)));
            let left_since = operations[..=index].iter().any(|one| {
                one.is_rollback
                    && one.outcome == Some(ResultWord::Succeeded)
                    && one.before == Some(before.revision)
            });
            prop_assert!(!left_since, "{:?}", operations);
        }
    }
}
