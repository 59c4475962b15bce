//! What an alias can share between versions: one weight for all requests, two versions at most, and only two that AWS lets
//! share an alias.
//!
//! Pure: nothing here calls AWS.

use aws_sdk_lambda::types::FunctionConfiguration;

use super::observe;
use super::seen::Seen;
use crate::domain::alias::Traffic;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::domain::rollout::state::LONGEST;
use crate::domain::traffic::{Split, Weights};
use crate::platform::{Error, Result};

/// The versions that a traffic names.
pub(super) fn numbers(traffic: Traffic) -> Vec<RevisionNumber> {
    match traffic {
        Traffic::All(sole) => vec![sole],
        Traffic::Shared { primary, other, .. } => vec![primary, other],
    }
}

/// A split as an alias can express it: one weight for all requests, two versions at most.
pub(super) fn expressible(split: &Split, state: &str) -> Result<Traffic> {
    if !state.bytes().all(|byte| matches!(byte, b' '..=b'~')) || state.contains("|o=") {
        return Err(Error::Invalid(
            "the state of a rollout is printable ASCII".to_owned(),
        ));
    }
    if state.len() > LONGEST {
        return Err(Error::Invalid(format!(
            "the state of a rollout has at most {LONGEST} bytes"
        )));
    }
    if split.routes.iter().any(|row| row.weights != split.rest) {
        return Err(Error::Invalid(
            "a Lambda alias has one weight for all requests, so routes cannot have weights of their own"
                .to_owned(),
        ));
    }
    if split.gates().next().is_some() {
        return Err(Error::Invalid(
            "a Lambda alias does not see who calls, so no route can be gated".to_owned(),
        ));
    }
    let stable = State::parse(state).map(|state| state.stable);
    shared(&split.rest, stable)
}

/// The stable one is the alias's own version until the promotion, whatever its weight (`api/API_AliasRoutingConfiguration`: 0.0
/// to 1.0 for the additional one): provisioned concurrency follows the alias's own version, so that no step and no abort
/// moves it. Without a rollout that names one it is the older one.
fn shared(weights: &Weights, stable: Option<RevisionNumber>) -> Result<Traffic> {
    let mut rows: Vec<_> = weights.iter().collect();
    rows.sort_by_key(|(number, _)| (Some(*number) != stable, *number));
    match rows.as_slice() {
        [(sole, _)] => Ok(Traffic::All(*sole)),
        [(primary, _), (other, weight)] => Ok(Traffic::Shared {
            primary: *primary,
            other: *other,
            weight: *weight,
        }),
        rows => Err(Error::Invalid(format!(
            "a Lambda alias can share its traffic between two versions, and {} were named",
            rows.len()
        ))),
    }
}

/// Refuses what AWS would refuse later and in worse words: versions that are not there, and two that do not fit.
pub(super) fn check_versions(seen: &Seen, traffic: Traffic) -> Result<()> {
    for number in numbers(traffic) {
        let Some(version) = seen.versions.get(&number) else {
            // It may have been published since: then AWS says whether it is there.
            continue;
        };
        let state = seen.states.get(&number).unwrap_or(version);
        if observe::health(state).0 == crate::domain::live::Health::Failed {
            return Err(Error::Invalid(format!(
                "revision {number} cannot run: {}",
                super::words::of_state(state)
            )));
        }
    }
    if let Traffic::Shared { primary, other, .. } = traffic
        && let (Some(one), Some(two)) = (seen.versions.get(&primary), seen.versions.get(&other))
    {
        check_pair(primary, one, other, two)?;
    }
    Ok(())
}

/// The same before a rollout begins, for the two that it will share the traffic between.
pub(super) fn check_sharing(
    seen: &Seen,
    stable: RevisionNumber,
    canary: RevisionNumber,
) -> Result<()> {
    let weight = 50;
    check_versions(
        seen,
        Traffic::Shared {
            primary: stable,
            other: canary,
            weight,
        },
    )
}

/// The same before the canary is published: `next` is what a publish would make.
pub(super) fn check_next(
    seen: &Seen,
    stable: RevisionNumber,
    next: &FunctionConfiguration,
) -> Result<()> {
    let Some(serving) = seen.states.get(&stable).or(seen.versions.get(&stable)) else {
        return Ok(());
    };
    let newest = seen.versions.keys().last().copied().unwrap_or(stable);
    check_pair(stable, serving, RevisionNumber(newest.0 + 1), next)
}

/// AWS Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias": both versions have the same
/// execution role, and the same dead-letter queue or none.
fn check_pair(
    primary: RevisionNumber,
    one: &FunctionConfiguration,
    other: RevisionNumber,
    two: &FunctionConfiguration,
) -> Result<()> {
    let queue = |version: &FunctionConfiguration| {
        version
            .dead_letter_config()
            .and_then(|config| config.target_arn())
            .filter(|arn| !arn.is_empty())
            .map(str::to_owned)
    };
    let differs = if one.role() != two.role() {
        "execution roles"
    } else if queue(one) != queue(two) {
        "dead-letter queues"
    } else {
        return Ok(());
    };
    Err(Error::Unsplittable(format!(
        "revisions {primary} and {other} have different {differs}, and a Lambda alias shares its traffic only between versions that have the same"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::traffic::RouteSplit;

    fn weights(rows: &[(u64, u8)]) -> Weights {
        Weights::new(
            rows.iter()
                .map(|(number, weight)| (RevisionNumber(*number), *weight))
                .collect(),
        )
        .unwrap()
    }

    fn split(rows: &[(u64, u8)]) -> Split {
        Split {
            routes: Vec::new(),
            rest: weights(rows),
        }
    }

    #[test]
    fn a_split_is_what_an_alias_can_express() {
        let traffic = |primary, other, weight| Traffic::Shared {
            primary: RevisionNumber(primary),
            other: RevisionNumber(other),
            weight,
        };
        for (rows, wanted) in [
            (vec![(41, 100)], Traffic::All(RevisionNumber(41))),
            (vec![(41, 95), (42, 5)], traffic(41, 42, 5)),
            (vec![(41, 25), (42, 75)], traffic(41, 42, 75)),
            (vec![(41, 50), (42, 50)], traffic(41, 42, 50)),
        ] {
            assert_eq!(expressible(&split(&rows), "").unwrap(), wanted);
        }
        // An older release as the canary.
        let state = "squad/1 id=01K8 g=1 ph=holding u=1 s=42 c=41 p=ab12cd34";
        assert_eq!(
            expressible(&split(&[(41, 75), (42, 25)]), state).unwrap(),
            traffic(42, 41, 75)
        );
        assert_eq!(
            expressible(&split(&[(1, 90), (2, 5), (3, 5)]), "")
                .unwrap_err()
                .to_string(),
            "a Lambda alias can share its traffic between two versions, and 3 were named"
        );
        for state in ["ä", "a\nb", &"x".repeat(201), "a |o=b"] {
            assert!(expressible(&split(&[(1, 100)]), state).is_err(), "{state}");
        }
    }

    #[test]
    fn routes_may_be_listed_and_move_only_together() {
        let row = |rows: &[(u64, u8)]| RouteSplit {
            route: crate::domain::service::Route {
                name: "get-item".parse().unwrap(),
                method: "GET".into(),
                path: crate::domain::route::PathTemplate("/items/{id}".into()),
            },
            weights: weights(rows),
            gate: None,
        };
        let together = Split {
            routes: vec![row(&[(1, 100)])],
            ..split(&[(1, 100)])
        };
        assert_eq!(
            expressible(&together, "").unwrap(),
            Traffic::All(RevisionNumber(1))
        );
        let apart = Split {
            routes: vec![row(&[(1, 90), (2, 10)])],
            ..split(&[(1, 100)])
        };
        assert!(
            expressible(&apart, "")
                .unwrap_err()
                .to_string()
                .contains("routes")
        );
    }

    #[test]
    fn versions_that_differ_in_role_or_queue_share_no_traffic() {
        use aws_sdk_lambda::types::DeadLetterConfig;
        let version = |role: &str, queue: Option<&str>| {
            FunctionConfiguration::builder()
                .role(role)
                .set_dead_letter_config(
                    queue.map(|arn| DeadLetterConfig::builder().target_arn(arn).build()),
                )
                .build()
        };
        let check = |one, two| {
            check_pair(RevisionNumber(1), &one, RevisionNumber(2), &two)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(version("r", None), version("r", Some(""))), Ok(()));
        assert_eq!(
            check(version("r", Some("q")), version("r", Some("q"))),
            Ok(())
        );
        assert_eq!(
            check(version("r", None), version("s", None)).unwrap_err(),
            "revisions 1 and 2 have different execution roles, and a Lambda alias shares its traffic only between versions that have the same"
        );
        assert!(
            check(version("r", Some("q")), version("r", None))
                .unwrap_err()
                .contains("dead-letter queues")
        );
    }
}
