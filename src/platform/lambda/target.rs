//! Which function and which alias a service is.
//!
//! What `squad.toml` says comes first (`[function] name` and `alias`); without it the function is called like the service,
//! and where there is none of that name, the tag `squad.dev/service` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::name::ServiceName;
use crate::domain::service::Service;

/// The alias of services whose `squad.toml` is not at hand; the default of `[function] alias`.
const ALIAS: &str = "live";

/// A function and an alias of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// The function's name at AWS.
    pub(crate) function: String,
    /// The alias that callers use.
    pub(crate) alias: String,
}

/// What files say: service → function and alias.
pub(crate) type Targets = BTreeMap<ServiceName, Target>;

impl Target {
    /// What a service's `squad.toml` says; none where it is no function.
    pub(crate) fn of(service: &Service) -> Option<Self> {
        service.function.as_ref().map(|function| Self {
            function: function.name.clone(),
            alias: function.alias.clone(),
        })
    }

    /// Without a `squad.toml`: a function of this name.
    pub(super) fn named(function: &str) -> Self {
        Self {
            function: function.to_owned(),
            alias: ALIAS.to_owned(),
        }
    }
}

/// What is known so far, and of which services only a tag told; more is learned on the way.
#[derive(Debug)]
pub(super) struct Known(Mutex<Targets>, Mutex<BTreeSet<ServiceName>>);

impl Known {
    pub(super) fn new(targets: Targets) -> Self {
        Self(Mutex::new(targets), Mutex::default())
    }

    /// The service's target; one that nothing is known of is named like the service.
    pub(super) fn of(&self, service: &ServiceName) -> Target {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(service)
            .cloned()
            .unwrap_or_else(|| Target::named(service.as_str()))
    }

    /// All that is known.
    pub(super) fn all(&self) -> Targets {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether a file, the store or a tag said which function it is.
    pub(super) fn is_known(&self, service: &ServiceName) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(service)
    }

    /// Whether only its name or a tag speaks for the function: in an account of several environments it may be another's.
    pub(super) fn is_guess(&self, service: &ServiceName) -> bool {
        let tagged = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        tagged.contains(service) || !self.is_known(service)
    }

    /// Takes what a release says of its service.
    pub(super) fn learn(&self, service: &Service) {
        if let Some(target) = Target::of(service) {
            self.insert(&service.name, target);
        }
    }

    /// Takes what a tag says.
    pub(super) fn learn_function(&self, service: &ServiceName, function: &str) {
        self.insert(service, Target::named(function));
        let mut tagged = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        tagged.insert(service.clone());
    }

    /// Takes what a file or the store says.
    pub(super) fn insert(&self, service: &ServiceName, target: Target) {
        let mut tagged = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        tagged.remove(service);
        drop(tagged);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(service.clone(), target);
    }
}
