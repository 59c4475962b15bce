//! A service as its `squad.toml` describes it, with the overrides of one environment applied.
//!
//! Secret values never appear here: a [`Variable`] is either a plain value or a reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{RouteName, ServiceName, SquadName};
use super::route::PathTemplate;

/// What kind of process a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Listens on `PORT` and answers HTTP.
    Http,
    /// Called through the AWS Lambda Runtime API.
    Function,
    /// Runs and takes no requests.
    Worker,
}

impl Kind {
    /// The word used in files and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Function => "function",
            Self::Worker => "worker",
        }
    }
}

/// One service, effective for one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// Unique in its org.
    pub(crate) name: ServiceName,
    /// The squad that owns it; none when it was never said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) squad: Option<SquadName>,
    /// 1 (most critical) to 3.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) tier: Option<u8>,
    /// What kind of process it is.
    pub(crate) kind: Kind,
    /// How its artifact is made.
    pub(crate) build: Build,
    /// How one process of it runs.
    pub(crate) run: Run,
    /// Only for [`Kind::Function`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) function: Option<Function>,
    /// In the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) routes: Vec<Route>,
    /// The gradual rollout, when the service has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rollout: Option<Rollout>,
    /// How the rollout is judged.
    pub(crate) analysis: Analysis,
}

/// How the artifact is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Build {
    /// argv, no shell; empty = nothing to run.
    pub(crate) command: Vec<String>,
    /// Directory, zip or image reference; a path is relative to the `squad.toml`. Default `.`.
    pub(crate) artifact: String,
    /// Paths outside the service's directory that its build reads, relative to the `squad.toml`.
    pub(crate) inputs: Vec<String>,
    /// A pip lock file with hashes, relative to the `squad.toml`: the Python environment that the
    /// build and the processes run in, made once for each digest of this file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) python_lock: Option<String>,
}

/// How one process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// argv, no shell, started in the artifact's directory. Empty only for functions.
    pub(crate) command: Vec<String>,
    /// The port in a container; locally the process gets another one in `PORT`.
    pub(crate) port: u16,
    /// The path that answers 2xx when the process can take requests. Default `/readyz`.
    pub(crate) ready: String,
    /// Seconds between SIGTERM and SIGKILL. Default 20.
    pub(crate) grace_seconds: u32,
    /// Seconds that a start may take until it is ready. Default 60.
    pub(crate) start_seconds: u32,
    /// Variables of the process.
    pub(crate) env: BTreeMap<String, Variable>,
}

impl Run {
    /// Names of the variables that are references to secrets, in order.
    pub(crate) fn secret_names(&self) -> Vec<&str> {
        self.env
            .iter()
            .filter(|(_, variable)| matches!(variable, Variable::Secret(_)))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The value of a variable of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variable {
    /// The value itself; never a secret.
    Value(String),
    /// Where the secret is: `file:`, `ssm:`, `secretsmanager:` or `k8s:` and a name.
    Secret(String),
}

/// What AWS Lambda needs to know; the local platform uses runtime, handler, timeout and memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Function {
    /// The function's name at AWS; the service's name when not said.
    pub(crate) name: String,
    /// As AWS names it, such as `python3.13` or `provided.al2023`; empty for a function that is an image.
    pub(crate) runtime: String,
    /// As AWS writes it, such as `app.handler`; empty for a function that is an image.
    pub(crate) handler: String,
    /// The execution role's ARN.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) role: Option<String>,
    /// Which of `memory_mb`, `timeout` and `architecture` nobody named: a function that is there keeps its own, and one that is
    /// made gets what is here. No part of what a release is.
    #[serde(skip)]
    pub(crate) unsaid: Vec<&'static str>,
    /// MiB. Default 512.
    pub(crate) memory_mb: u32,
    /// Seconds one invocation may take. Default 30.
    pub(crate) timeout_seconds: u32,
    /// `arm64` or `x86_64`. Default `arm64`.
    pub(crate) architecture: String,
    /// The alias that callers use. Default `live`.
    pub(crate) alias: String,
    /// Processes that the local platform runs at most at once. Default 2.
    pub(crate) concurrency: u32,
    /// ARNs of layer versions, in their order; none = those that AWS has stay as they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) layers: Option<Vec<String>>,
    /// Variables to delete at AWS, also where `[run.env]` has them; all others that are not in it stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) env_remove: Vec<String>,
    /// A file with an event, relative to the `squad.toml`: a new version is called with it before it takes traffic.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) smoke: Option<String>,
    /// Execution environments that the alias keeps ready; 0 = none, not said = as it is at AWS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) provisioned_concurrency: Option<u32>,
}

/// One route of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Route {
    /// Unique in the service.
    pub(crate) name: RouteName,
    /// An upper-case HTTP method.
    pub(crate) method: String,
    /// Such as `/charges/{id}`.
    pub(crate) path: PathTemplate,
}

/// The gradual rollout of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollout {
    /// In order; weights rise.
    pub(crate) steps: Vec<RolloutStep>,
    /// The request header that says who calls; the gates of new routes go by it. Whatever stands before the service has
    /// to set it, and must not let a caller choose it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) identity: Option<String>,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RolloutStep {
    /// Percent of requests, 1–99.
    pub(crate) weight: u8,
    /// Seconds to stay at least.
    pub(crate) hold_seconds: u64,
}

/// How a rollout is judged (DESIGN §6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Analysis {
    /// Milliseconds; a slower request is a bad event. None = slowness is not judged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) slow_milliseconds: Option<u64>,
    /// Highest acceptable ratio of bad shares canary/stable. Default 1.25.
    pub(crate) tolerance: f64,
    /// Percentage points of all requests of a route that may turn bad by going on. Default 1.0.
    pub(crate) harm: f64,
    /// Seconds after the promotion for which the judge goes on and can still roll back. None = the default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) watch_seconds: Option<u64>,
    /// Seconds after which a step without a verdict pauses the rollout. None = the default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) max_hold_seconds: Option<u64>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            slow_milliseconds: None,
            tolerance: 1.25,
            harm: 1.0,
            watch_seconds: None,
            max_hold_seconds: None,
        }
    }
}
