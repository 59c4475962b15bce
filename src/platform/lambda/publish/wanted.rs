//! What a function is to be, and what of it has to change. Pure.
//!
//! Must not touch what squad does not manage: a key that `squad.toml` does not name is never sent, so that AWS keeps
//! layers, VPC, dead-letter queue, tracing, file systems, storage, `SnapStart` and keys as they are (Lambda API,
//! `UpdateFunctionConfiguration`: "When you update … the settings that you don't specify are not changed").

use std::collections::BTreeMap;

use bytes::Bytes;

use super::observed::{Configuration, Observed, Package};
use super::values::Values;
use crate::domain::plan::Difference;
use crate::domain::service::{Service, Variable};
use crate::platform::{Error, Result};

/// The code of a release, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    /// A zip archive.
    Zip {
        /// Its bytes.
        bytes: Bytes,
        /// SHA-256 of them, base64, as AWS names it.
        sha256: String,
        /// The digest of the uncompressed tree, for the version's description.
        tree: String,
    },
    /// A container image.
    Image {
        /// `repository@sha256:…`, or with a tag, which Lambda resolves once.
        reference: String,
    },
}

impl Code {
    /// What kind of code it is.
    pub(super) fn package(&self) -> Package {
        match self {
            Self::Zip { .. } => Package::Zip,
            Self::Image { .. } => Package::Image,
        }
    }

    /// The digest of the tree for the version's description; an image's is its own.
    pub(super) fn tree(&self) -> &str {
        match self {
            Self::Zip { tree, .. } => tree,
            Self::Image { reference } => digest_of(reference).unwrap_or_default(),
        }
    }

    /// AWS's digest of it; empty for an image with a tag.
    pub(super) fn sha256(&self) -> &str {
        match self {
            Self::Zip { sha256, .. } => sha256,
            Self::Image { reference } => {
                let digest = digest_of(reference).unwrap_or_default();
                digest.strip_prefix("sha256:").unwrap_or(digest)
            }
        }
    }

    /// Whether a function has this code. None for an image with a tag: only AWS knows what it is now.
    pub(super) fn is_in(&self, observed: &Observed) -> Option<bool> {
        if observed.package != self.package() {
            return Some(false);
        }
        match self {
            Self::Zip { sha256, .. } => Some(*sha256 == observed.code_sha256),
            Self::Image { reference } => {
                let digest = digest_of(reference)?;
                // For an image, AWS's digest of the code is that of the image.
                let same = match &observed.image {
                    Some(image) => digest_of(image) == Some(digest),
                    None => digest.ends_with(observed.code_sha256.as_str()),
                };
                Some(same && !observed.code_sha256.is_empty())
            }
        }
    }
}

/// `sha256:…` of an image reference that names one.
fn digest_of(reference: &str) -> Option<&str> {
    reference.rsplit_once('@').map(|(_, digest)| digest)
}

/// What a function is made with where `squad.toml` does not say it; one that is there keeps its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Fresh {
    /// MiB.
    pub(super) memory: i32,
    /// Seconds.
    pub(super) timeout: i32,
    /// `arm64` or `x86_64`.
    pub(super) architecture: String,
}

/// What `squad.toml` says a function is to be. By default: nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// None for an image, which has its own.
    pub(super) runtime: Option<String>,
    /// None for an image, which has its own.
    pub(super) handler: Option<String>,
    /// None when another tool manages it.
    pub(super) role: Option<String>,
    /// MiB; none where nobody says it.
    pub(super) memory: Option<i32>,
    /// Seconds; none where nobody says it.
    pub(super) timeout: Option<i32>,
    /// `arm64` or `x86_64`; none where nobody says it.
    pub(super) architecture: Option<String>,
    /// The same for a function that is made.
    pub(super) fresh: Fresh,
    /// ARNs of layer versions, in order; none when another tool manages them.
    pub(super) layers: Option<Vec<String>>,
    /// Variables that are to have these values.
    pub(super) set: Values,
    /// Variables that are not to be there.
    pub(super) removed: Vec<String>,
}

/// The settings that differ, as one update sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) runtime: Option<String>,
    pub(super) handler: Option<String>,
    pub(super) role: Option<String>,
    pub(super) memory: Option<i32>,
    pub(super) timeout: Option<i32>,
    pub(super) layers: Option<Vec<String>>,
    /// All variables, those of others too: AWS replaces the whole map.
    pub(super) environment: Option<Values>,
}

impl Update {
    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Wanted {
    /// What a service's `squad.toml` says.
    pub(super) fn of(service: &Service, package: Package) -> Result<Self> {
        let function = service.function.as_ref().ok_or_else(|| {
            Error::Unsupported(format!(
                "`{}` is no function (kind `{}`); Lambda runs functions only",
                service.name,
                service.kind.as_str()
            ))
        })?;
        let is_zip = package == Package::Zip;
        let mut set = BTreeMap::new();
        for (name, variable) in &service.run.env {
            match variable {
                Variable::Value(value) => drop(set.insert(name.clone(), value.clone())),
                // Whoever may see the function would read it.
                Variable::Secret(_) => {
                    return Err(Error::Unsupported(format!(
                        "`run.env.{name}` is a secret, and squad puts no secret into the settings of a function"
                    )));
                }
            }
        }
        let fresh = Fresh {
            memory: number(function.memory_mb),
            timeout: number(function.timeout_seconds),
            architecture: function.architecture.clone(),
        };
        let said = |key: &str| !function.unsaid.contains(&key);
        Ok(Self {
            runtime: is_zip.then(|| function.runtime.clone()),
            handler: is_zip.then(|| function.handler.clone()),
            role: function.role.clone(),
            memory: said("memory_mb").then_some(fresh.memory),
            timeout: said("timeout").then_some(fresh.timeout),
            architecture: said("architecture").then(|| fresh.architecture.clone()),
            fresh,
            layers: function.layers.clone(),
            set: set.into_iter().collect(),
            removed: function.env_remove.clone(),
        })
    }

    /// The settings of `found` that have to change. Refuses where a change would lose something.
    pub(super) fn update(&self, found: &Configuration) -> Result<Update> {
        let differs = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .filter(|wanted| Some(*wanted) != found)
                .map(str::to_owned)
        };
        Ok(Update {
            runtime: differs(&self.runtime, found.runtime.as_deref()),
            handler: differs(&self.handler, found.handler.as_deref()),
            role: differs(&self.role, Some(&found.role)),
            memory: self.memory.filter(|memory| *memory != found.memory),
            timeout: self.timeout.filter(|timeout| *timeout != found.timeout),
            layers: self.layers.clone().filter(|layers| *layers != found.layers),
            environment: self.environment(&found.environment)?,
        })
    }

    /// The variables, when they have to change.
    fn environment(&self, found: &Result<Values, String>) -> Result<Option<Values>> {
        let manages = !self.set.is_empty() || !self.removed.is_empty();
        let found = match found {
            Ok(found) => found,
            // Nothing to say about them: they stay as they are.
            Err(_) if !manages => return Ok(None),
            Err(why) => {
                return Err(Error::Unsupported(format!(
                    "the function's variables cannot be read, so that they cannot be merged with [run.env] without \
                     losing some: {why}"
                )));
            }
        };
        let merged = found.merged(&self.set, &self.removed);
        Ok((merged != *found).then_some(merged))
    }

    /// What changes from `found`, for people: keys, and for variables short hashes.
    pub(super) fn differences(&self, found: &Configuration) -> Result<Vec<Difference>> {
        Ok(found.differences(&self.applied(found)?))
    }

    /// What a version of `found` would be with what is wanted.
    pub(super) fn applied(&self, found: &Configuration) -> Result<Configuration> {
        let update = self.update(found)?;
        Ok(Configuration {
            runtime: update.runtime.or_else(|| found.runtime.clone()),
            handler: update.handler.or_else(|| found.handler.clone()),
            role: update.role.unwrap_or_else(|| found.role.clone()),
            memory: update.memory.unwrap_or(found.memory),
            timeout: update.timeout.unwrap_or(found.timeout),
            architecture: self.architecture_of(found).to_owned(),
            layers: update.layers.unwrap_or_else(|| found.layers.clone()),
            environment: match update.environment {
                Some(values) => Ok(values),
                None => found.environment.clone(),
            },
        })
    }

    /// Whether a version has, for all that `squad.toml` says nothing about, what `$LATEST` has now: what others changed since the
    /// version was made is never taken back by bringing it in again. Variables that AWS cannot decrypt are not compared.
    pub(super) fn is_current(&self, version: &Observed, latest: &Observed) -> Result<bool> {
        let differences = version
            .configuration
            .differences(&self.applied(&latest.configuration)?);
        Ok(version.unmanaged == latest.unmanaged
            && !differences.iter().any(|one| self.leaves(&one.key)))
    }

    /// The architecture that code is sent for.
    pub(super) fn architecture_of<'a>(&'a self, found: &'a Configuration) -> &'a str {
        self.architecture.as_deref().unwrap_or(&found.architecture)
    }

    /// Whether `squad.toml` says nothing about the key of a difference: then somebody else does.
    pub(super) fn leaves(&self, key: &str) -> bool {
        match key {
            "function.role" => self.role.is_none(),
            "function.memory_mb" => self.memory.is_none(),
            "function.timeout_seconds" => self.timeout.is_none(),
            "function.architecture" => self.architecture.is_none(),
            "function.layers" => self.layers.is_none(),
            key => match key.strip_prefix("run.env.") {
                Some(name) => !self.set.names(name) && !self.removed.iter().any(|one| one == name),
                None => false,
            },
        }
    }
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            runtime: Some("python3.13".into()),
            handler: Some("app.handler".into()),
            role: None,
            memory: Some(1024),
            timeout: Some(30),
            architecture: Some("arm64".into()),
            fresh: Fresh::default(),
            layers: None,
            set: [("LOG_LEVEL", "debug")].into_iter().collect(),
            removed: Vec::new(),
        }
    }

    fn found() -> Configuration {
        Configuration {
            runtime: Some("python3.13".into()),
            handler: Some("app.handler".into()),
            role: "arn:aws:iam::123456789012:role/receipts".into(),
            memory: 512,
            timeout: 30,
            architecture: "arm64".into(),
            layers: vec!["arn:aws:lambda:eu-west-1:123456789012:layer:agent:3".into()],
            environment: Ok([("LOG_LEVEL", "info"), ("OF_OTHERS", "1")]
                .into_iter()
                .collect()),
        }
    }

    #[test]
    fn only_what_differs_is_sent_and_variables_of_others_are_kept() {
        let update = wanted().update(&found()).unwrap();
        assert_eq!(
            update,
            Update {
                memory: Some(1024),
                environment: Some(
                    [("LOG_LEVEL", "debug"), ("OF_OTHERS", "1")]
                        .into_iter()
                        .collect()
                ),
                ..Update::default()
            }
        );
    }

    #[test]
    fn a_function_that_is_as_wanted_gets_no_update() {
        let mut found = found();
        found.memory = 1024;
        found.environment = Ok([("LOG_LEVEL", "debug"), ("OF_OTHERS", "1")]
            .into_iter()
            .collect());
        assert!(wanted().update(&found).unwrap().is_empty());
        assert_eq!(wanted().differences(&found).unwrap(), []);
    }

    #[test]
    fn differences_are_keys_values_of_settings_and_hashes_of_variables() {
        let mut wanted = wanted();
        wanted.removed = vec!["OF_OTHERS".into()];
        wanted.layers = Some(Vec::new());
        wanted.architecture = Some("x86_64".into());
        let shown: Vec<_> = wanted
            .differences(&found())
            .unwrap()
            .into_iter()
            .map(|one| {
                format!(
                    "{}: {} -> {}",
                    one.key,
                    one.before.as_deref().unwrap_or("none"),
                    one.after.as_deref().unwrap_or("none")
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "function.architecture: arm64 -> x86_64",
                "function.layers: arn:aws:lambda:eu-west-1:123456789012:layer:agent:3 -> none",
                "function.memory_mb: 512 -> 1024",
                "run.env.LOG_LEVEL: #8a6972 -> #f1ef0e",
                "run.env.OF_OTHERS: #1615e5 -> none",
            ]
        );
    }

    /// Others set them, and `squad.toml` does not.
    #[test]
    fn memory_timeout_and_architecture_that_nobody_names_stay() {
        let silent = Wanted {
            memory: None,
            timeout: None,
            architecture: None,
            set: Values::default(),
            ..wanted()
        };
        assert!(silent.update(&found()).unwrap().is_empty());
        assert_eq!(silent.applied(&found()).unwrap(), found());
        assert!(silent.leaves("function.architecture") && !wanted().leaves("function.memory_mb"));
    }

    #[test]
    fn variables_that_cannot_be_read_are_not_overwritten() {
        let mut found = found();
        found.environment = Err("KMS says no".into());
        let error = wanted().update(&found).unwrap_err().to_string();
        assert!(
            error.ends_with("without losing some: KMS says no"),
            "{error}"
        );
        let silent = Wanted {
            set: Values::default(),
            ..wanted()
        };
        assert_eq!(silent.update(&found).unwrap().environment, None);
    }

    #[test]
    fn an_image_is_compared_by_its_digest() {
        let observed = Observed {
            arn: String::new(),
            revision_id: None,
            package: Package::Image,
            code_sha256: "ab12".into(),
            image: Some("123456789012.dkr.ecr.eu-west-1.amazonaws.com/r@sha256:ab12".into()),
            unmanaged: Vec::new(),
            configuration: found(),
            description: String::new(),
            last_modified: None,
            condition: super::super::observed::Condition::Ready,
            tags: None,
            takes_snapshots: false,
        };
        let image = |reference: &str| Code::Image {
            reference: reference.into(),
        };
        assert_eq!(image("r@sha256:ab12").is_in(&observed), Some(true));
        assert_eq!(image("r@sha256:cd34").is_in(&observed), Some(false));
        assert_eq!(image("r:1.4.2").is_in(&observed), None);
    }
}
