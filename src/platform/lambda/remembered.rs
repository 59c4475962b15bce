//! What this process has read already, so that a commit on that very state needs no second look.
//!
//! Calls nothing.

use std::sync::PoisonError;

use super::alias::Alias;
use super::seen::Seen;
use super::{Lambda, Target};
use crate::domain::live::Token;
use crate::domain::name::ServiceName;
use crate::domain::service::Service;

impl Lambda {
    /// Keeps what was read of a service.
    pub(super) fn remember(&self, service: &ServiceName, seen: &Seen) {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(service.clone(), seen.clone());
    }

    /// Takes a newer state of an alias, so that a commit on it needs no look of its own.
    pub(super) fn remember_alias(&self, target: &Target, alias: &Alias) {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in known.values_mut().filter(|seen| seen.target == *target) {
            seen.alias = Some(alias.clone());
        }
    }

    /// The next look begins afresh.
    pub(super) fn forget(&self, service: &ServiceName) {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(service);
    }

    /// What was read of a service last.
    pub(super) fn last_seen(&self, service: &ServiceName) -> Option<Seen> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(service).cloned()
    }

    /// What was read of a service, if that is the state that a token names.
    pub(super) fn remembered(&self, service: &ServiceName, token: &Token) -> Option<Seen> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known.get(service)?;
        let alias = seen.alias.as_ref();
        (alias.map_or("", |alias| alias.revision_id.as_str()) == token.0).then(|| seen.clone())
    }

    /// What a version was published with, if it was read before, by the path of the object.
    pub(super) fn known_configuration(&self, path: &str) -> Option<Service> {
        let known = self
            .configurations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(path).cloned()
    }

    /// Keeps what a version was published with.
    pub(super) fn learn_configuration(&self, path: String, service: &Service) {
        let mut known = self
            .configurations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(path, service.clone());
    }
}
