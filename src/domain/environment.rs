//! An environment: where services run, and what is pinned about it.

use serde::{Deserialize, Serialize};

use super::name::{EnvironmentName, OrgName};

/// Which platform runs the services of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlatformKind {
    /// The embedded one: processes on this machine.
    Local,
    /// AWS Lambda.
    Lambda,
    /// EKS through Helm.
    Eks,
}

impl PlatformKind {
    /// The word used in files and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Lambda => "lambda",
            Self::Eks => "eks",
        }
    }
}

/// One environment of an org. All of it comes from the org file alone (DESIGN §13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// The org that defines it; none for the built-in `local` without an org.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) org: Option<OrgName>,
    /// Unique in the org.
    pub(crate) name: EnvironmentName,
    /// What runs the services.
    pub(crate) platform: PlatformKind,
    /// AWS account id, 12 digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) account: Option<String>,
    /// AWS region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) region: Option<String>,
    /// ARN of the EKS cluster.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cluster: Option<String>,
    /// Kubernetes namespace; `{service}` stands for the service's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) namespace: Option<String>,
    /// A protected environment refuses dirty trees and takes changes gradually.
    pub(crate) protected: bool,
    /// Where the audit log lies: a directory or an `s3://` URL; none = this machine's state directory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) audit: Option<String>,
    /// The git commit of the org file that says all this, when it is in git.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) org_commit: Option<String>,
    /// Where its metrics are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) metrics: Option<super::org::Metrics>,
}

impl Environment {
    /// The environment that every machine has, with no org.
    pub(crate) fn builtin_local() -> Self {
        Self {
            org: None,
            name: EnvironmentName::local(),
            platform: PlatformKind::Local,
            account: None,
            region: None,
            cluster: None,
            namespace: None,
            protected: false,
            audit: None,
            org_commit: None,
            metrics: None,
        }
    }

    /// The name of this environment's audit log and state directory, such as `acme/prod`;
    /// `local/local` for the built-in one.
    pub(crate) fn log_name(&self) -> String {
        format!(
            "{}/{}",
            self.org.as_ref().map_or("local", |org| org.as_str()),
            self.name
        )
    }

    /// What a command needs behind it to mean this environment: nothing for the built-in one, else ` --env prod`.
    pub(crate) fn flag(&self) -> String {
        if self.platform == PlatformKind::Local
            && self.name.as_str() == "local"
            && self.org.is_none()
        {
            String::new()
        } else {
            format!(" --env {}", self.name)
        }
    }

    /// The same for people: `acme/prod`; `local` for the built-in one.
    pub(crate) fn spoken(&self) -> String {
        match &self.org {
            Some(org) => format!("{org}/{}", self.name),
            None => self.name.to_string(),
        }
    }
}
