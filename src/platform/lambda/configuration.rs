//! What a version was published with, as `squad.toml` said it: kept as an object of the environment's store, because a
//! function holds only a part of it.
//!
//! The values of variables are not in the object; they are read from the version itself.

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use super::{Lambda, observe};
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, Provenance, Release, RevisionNumber};
use crate::domain::service::{Service, Variable};
use crate::domain::version::VersionNote;
use crate::platform::Result;

/// One object `release/<service>/<digest>`.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The service without the values of its variables.
    service: Service,
    provenance: Provenance,
    actor: Actor,
    operation: String,
}

/// A digest as a part of a path.
fn path(service: &ServiceName, digest: &str) -> String {
    let part: String = digest
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("release/{service}/{part}")
}

impl Lambda {
    /// Keeps what a release is published with. The same digest was published with the same.
    pub(super) async fn keep_configuration(&self, release: &Release) -> Result<()> {
        let mut service = release.service.clone();
        for variable in service.run.env.values_mut() {
            if let Variable::Value(value) = variable {
                value.clear();
            }
        }
        let kept = Kept {
            service,
            provenance: release.provenance.clone(),
            actor: release.actor.clone(),
            operation: release.operation.clone(),
        };
        let bytes = serde_json::to_vec(&kept)
            .map_err(|error| crate::platform::Error::Invalid(error.to_string()))?;
        self.store_object(&path(&release.service.name, &release.digest), &bytes)
            .await?;
        Ok(())
    }

    /// What a version was published with; as far as its function tells where nothing was kept.
    pub(super) async fn configured(
        &self,
        service: &ServiceName,
        seen: &Seen,
        revision: RevisionNumber,
    ) -> Result<Option<Service>> {
        let Some(version) = seen.versions.get(&revision) else {
            return Ok(None);
        };
        let told = observe::configured(service, &seen.target, version);
        let Some(note) = version.description().and_then(VersionNote::parse) else {
            return Ok(Some(told));
        };
        let Some(kept) = self.kept_configuration(service, &note.digest).await? else {
            return Ok(Some(told));
        };
        let mut kept = kept;
        let values = observe::variables(version);
        for (name, variable) in &mut kept.run.env {
            if let (Variable::Value(kept), Some(value)) = (variable, values.get(name)) {
                kept.clone_from(value);
            }
        }
        Ok(Some(kept))
    }

    /// The object of a digest; it never changes, so that it is read once.
    async fn kept_configuration(
        &self,
        service: &ServiceName,
        digest: &str,
    ) -> Result<Option<Service>> {
        let path = path(service, digest);
        if let Some(known) = self.known_configuration(&path) {
            return Ok(Some(known));
        }
        let Some(bytes) = self.read_object(&path).await? else {
            return Ok(None);
        };
        let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) else {
            // A later squad writes another form; what the function tells is still true.
            return Ok(None);
        };
        self.learn_configuration(path, &kept.service);
        Ok(Some(kept.service))
    }
}
