//! Which function a service is in this environment, for machines that have no `squad.toml` of it.
//!
//! Several environments may share an account: then a function that is called like the service, or has its tag, can be the
//! one of another environment. Each publish therefore notes function and alias in the environment's own store, as an object
//! `target/<service>/<function>/<alias>`. Names and tags are guesses: good enough to look at, and nothing that squad
//! published is changed by them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::seen::Seen;
use super::{Lambda, Target};
use crate::domain::alias::Description;
use crate::domain::name::ServiceName;
use crate::domain::version::VersionNote;
use crate::platform::{Error, Result};

/// How long a look may wait for the store: a brake must not.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// Where services were published to.
pub(super) type Noted = BTreeMap<ServiceName, Vec<Target>>;

fn directory(service: &ServiceName) -> String {
    format!("target/{service}/")
}

/// The function and the alias that the path of an object names.
fn target_of(path: &str) -> Option<Target> {
    let mut parts = path.rsplit('/');
    let alias = parts.next()?.to_owned();
    let function = parts.next()?.to_owned();
    Some(Target { function, alias })
}

impl Lambda {
    /// Notes where a service is published to.
    pub(super) async fn keep_target(&self, service: &ServiceName) -> Result<()> {
        let target = self.target(service);
        let path = format!("{}{}/{}", directory(service), target.function, target.alias);
        self.store_object(&path, b"").await?;
        Ok(())
    }

    /// Finds out where a service was published to, unless a file says so; what the store does not tell stays a guess.
    pub(super) async fn locate(&self, service: &ServiceName) {
        if self.targets.is_known(service) {
            return;
        }
        if let Some([sole]) = self.noted(service).await.as_deref() {
            self.targets.insert(service, sole.clone());
        }
    }

    /// Where publishes of all services went; none when the store does not tell in time.
    pub(super) async fn all_noted(&self) -> Option<Noted> {
        let listed = tokio::time::timeout(STORE_WITHIN, self.objects.list("target/")).await;
        let mut places = Noted::new();
        for path in listed.ok()?.ok()? {
            let service = path.split('/').nth(1).map(ServiceName::new);
            if let (Some(Ok(service)), Some(target)) = (service, target_of(&path)) {
                places.entry(service).or_default().push(target);
            }
        }
        Some(places)
    }

    /// Where publishes of a service went; none when the store does not tell in time.
    async fn noted(&self, service: &ServiceName) -> Option<Vec<Target>> {
        let prefix = directory(service);
        let listed = tokio::time::timeout(STORE_WITHIN, self.objects.list(&prefix)).await;
        let paths = listed.ok()?.ok()?;
        Some(paths.iter().filter_map(|path| target_of(path)).collect())
    }

    /// Refuses what a guess must not decide, for who has not looked at the function yet.
    pub(super) async fn ensure_located(&self, service: &ServiceName) -> Result<()> {
        if !self.targets.is_guess(service) {
            return Ok(());
        }
        let seen = match self.last_seen(service) {
            Some(seen) => seen,
            None => self.see(service).await?,
        };
        self.check_located(service, &seen).await
    }

    /// Notes where a guess led to that was nobody else's, once squad changes it; a store that does not answer holds up no
    /// brake.
    pub(super) async fn keep_guess(&self, service: &ServiceName) {
        if self.targets.is_guess(service) {
            drop(tokio::time::timeout(STORE_WITHIN, self.keep_target(service)).await);
        }
    }

    /// Refuses a change by a guess: where squad published to the function, and this environment's store does not say that
    /// it was from here. A function that squad has never published to belongs to no other environment of squad.
    pub(super) async fn check_located(&self, service: &ServiceName, seen: &Seen) -> Result<()> {
        if !self.targets.is_guess(service) {
            return Ok(());
        }
        let is_published = seen
            .versions
            .values()
            .any(|version| version.description().and_then(VersionNote::parse).is_some())
            || seen
                .alias
                .as_ref()
                .is_some_and(|alias| matches!(alias.description, Description::Ours(_)));
        if !is_published {
            return Ok(());
        }
        let found = match self.noted(service).await {
            None => "its store does not answer".to_owned(),
            Some(noted) if noted.is_empty() => "its store knows of no deploy".to_owned(),
            Some(noted) => {
                let names: Vec<_> = noted
                    .iter()
                    .map(|one| format!("`{}:{}`", one.function, one.alias))
                    .collect();
                format!("it was deployed to {}", names.join(" and "))
            }
        };
        Err(Error::UnclearTarget {
            service: service.clone(),
            function: format!("{}:{}", seen.target.function, seen.target.alias),
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_names_a_function_and_an_alias() {
        let target = target_of("target/orders/orders-prod/live").unwrap();
        assert_eq!(
            (target.function.as_str(), target.alias.as_str()),
            ("orders-prod", "live")
        );
        assert_eq!(target_of("orders"), None);
    }
}
