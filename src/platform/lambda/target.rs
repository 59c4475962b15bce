//! Which function and which alias a service is.
//!
//! What `squad.toml` says comes first (`[function] name` and `alias`); without it the function is called like the service,
//! and where there is none of that name, the tag `squad.dev/service` tells.

use std::collections::BTreeMap;
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

/// What is known so far; more is learned on the way.
#[derive(Debug)]
pub(super) struct Known(Mutex<Targets>);

impl Known {
    pub(super) fn new(targets: Targets) -> Self {
        Self(Mutex::new(targets))
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

    /// Whether a file or a tag said which function it is.
    pub(super) fn is_known(&self, service: &ServiceName) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains_key(service)
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
    }

    fn insert(&self, service: &ServiceName, target: Target) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(service.clone(), target);
    }
}
