//! What can be wrong with the wish for a plan.

use super::state::{MOST_STEPS, MOST_UNITS};
use crate::domain::release::RevisionNumber;

/// What is wrong with a wish; each is one line for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    /// No step at all.
    #[error("{of}: there is no step; write weights such as 5,25,50")]
    NoSteps {
        /// The route, or `steps`.
        of: String,
    },
    /// A weight of 0, of 100 or more.
    #[error("{of}: {weight} % is no step: a weight is 1 to 99, and 100 comes with the promotion")]
    Weight {
        /// The route, or `steps`.
        of: String,
        /// The weight.
        weight: i64,
    },
    /// Weights that do not rise.
    #[error(
        "{of}: {after} comes after {before}, and each step must be higher than the one before it"
    )]
    NotRising {
        /// The route, or `steps`.
        of: String,
        /// The earlier one.
        before: i64,
        /// The later one.
        after: i64,
    },
    /// Too many steps.
    #[error("{of}: {count} steps are more than the {MOST_STEPS} that a rollout can keep")]
    TooManySteps {
        /// The route, or `steps`.
        of: String,
        /// How many.
        count: usize,
    },
    /// Too many routes.
    #[error(
        "{count} routes are more than the {MOST_UNITS} that one rollout can move; name those that changed with `--route`"
    )]
    TooManyUnits {
        /// How many.
        count: usize,
    },
    /// Two plans match the same request.
    #[error("`{first}` and `{second}` match the same requests; plan one of them at a time")]
    Overlap {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A route that only the new revision has.
    #[error(
        "`{route}` is new in revision {canary}: revision {stable} would answer 404 to its share, so it cannot be split; it opens with the promotion, and until then the forcing header reaches it, or whom a gate lets through: `--gate '{route}=bucket:5,25,50'`"
    )]
    New {
        /// The route.
        route: String,
        /// What serves.
        stable: RevisionNumber,
        /// What is rolled out.
        canary: RevisionNumber,
    },
    /// A gate for a route that the canary does not have.
    #[error("`{route}`: revision {canary} has no such route to let anybody through to")]
    NoSuchRoute {
        /// The route.
        route: String,
        /// What is rolled out.
        canary: RevisionNumber,
    },
    /// A gate for a route that stable has as well.
    #[error(
        "`{route}`: revision {stable} has it too, so it is split and needs no gate: `--route '{route}=5,25,50'`"
    )]
    NotNew {
        /// The route.
        route: String,
        /// What serves.
        stable: RevisionNumber,
    },
    /// Two gates for one route.
    #[error("`{0}` has two gates")]
    TwoGates(String),
    /// A gate that nobody could pass by a name.
    #[error(
        "`{0}`: a gate needs the header that says who calls; name it in squad.toml, for example `rollout.identity = \"x-consumer-id\"`"
    )]
    NoIdentity(String),
    /// A gate for named consumers without a name.
    #[error("`{0}`: there is no consumer; write names such as consumer:mobile,web")]
    NoConsumers(String),
    /// A method that no request has.
    #[error("`{0}` is not an HTTP method")]
    Method(String),
}
