//! The JSON Schemas of `squad.toml` and `org.toml`, for editors: `docs/schemas/`.
//!
//! The files themselves are read by [`manifest`](super::manifest) and [`org`](super::org), which say more than a
//! schema can; a test compares the keys of both.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};

use crate::domain::environment::PlatformKind;
use crate::domain::name::{EnvironmentName, OrgName, RouteName, ServiceName, SquadName};
use crate::domain::service::Kind;

/// A time such as `20s`, `5m`, `1h30m` or `500ms`.
struct Duration;

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A time such as `20s`, `5m`, `1h30m` or `500ms`.",
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "minLength": 2,
        })
    }
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its shape is read")]
        struct $name { $($(#[$attribute])* $key: $type,)* }
    };
}

table! {
    /// What a service is, where it may run, its routes, its rollout and its checks.
    SquadToml {
        /// The version of this format.
        #[schemars(range(min = 1, max = 1))]
        schema: u8,
        /// What the service is.
        service: Option<ServiceTable>,
        /// How its artifact is made.
        build: Option<BuildTable>,
        /// What one process of it is.
        run: Option<RunTable>,
        /// For kind = "function": what AWS Lambda needs to know.
        function: Option<FunctionTable>,
        /// The routes that get their own weight in a rollout.
        route: Option<Vec<RouteTable>>,
        /// The gradual rollout.
        rollout: Option<RolloutTable>,
        /// How a rollout is judged.
        analysis: Option<AnalysisTable>,
        /// Any key above, for one environment: tables merge, lists replace.
        env: Option<BTreeMap<EnvironmentName, Override>>,
        /// Other services of this repository.
        workspace: Option<WorkspaceTable>,
    }
}

table! {
    /// What the service is.
    ServiceTable {
        /// Unique in the org.
        name: ServiceName,
        /// The org it belongs to; another selected org is refused.
        org: Option<OrgName>,
        /// The squad that owns it.
        squad: Option<SquadName>,
        /// 1 is most critical.
        #[schemars(range(min = 1, max = 3))]
        tier: Option<u8>,
        /// What kind of process it is.
        kind: Kind,
    }
}

table! {
    /// What of the service can differ or be shared.
    ServiceOverride {
        /// The org it belongs to (only in `[workspace.defaults]`).
        org: Option<OrgName>,
        /// The squad that owns it.
        squad: Option<SquadName>,
        /// 1 is most critical.
        #[schemars(range(min = 1, max = 3))]
        tier: Option<u8>,
    }
}

table! {
    /// How the artifact is made.
    BuildTable {
        /// Program and arguments; no shell.
        #[schemars(length(min = 1))]
        command: Option<Vec<String>>,
        /// Directory, zip or image reference. Default `.`.
        artifact: Option<String>,
        /// Paths outside the service's directory that the build reads.
        inputs: Option<Vec<String>>,
        /// A pip lock file with hashes, for the Python environment that build and processes run in.
        python_lock: Option<String>,
    }
}

table! {
    /// What one process is.
    RunTable {
        /// Program and arguments; no shell. Needed for http and worker.
        #[schemars(length(min = 1))]
        command: Option<Vec<String>>,
        /// The port in a container; locally the process gets PORT. Default 8080.
        #[schemars(range(min = 1, max = 65535))]
        port: Option<u16>,
        /// The path that answers 2xx when requests can come. Default `/readyz`.
        ready: Option<String>,
        /// From SIGTERM to SIGKILL. Default 20s.
        grace: Option<Duration>,
        /// How long a start may take. Default 60s.
        start: Option<Duration>,
        /// Variables of the process.
        env: Option<BTreeMap<String, Variable>>,
    }
}

/// A value, or where a secret is.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its shape is read")]
enum Variable {
    /// The value itself; never a secret.
    Plain(String),
    /// Where the secret is.
    Secret(Secret),
    /// A value that looks like a secret and is none.
    Explicit(Explicit),
}

table! {
    /// Where a secret is.
    Secret {
        /// Scheme and name.
        #[schemars(regex(pattern = r"^(file|ssm|secretsmanager|k8s):.+$"))]
        secret: String,
    }
}

table! {
    /// A value that looks like a secret and is none.
    Explicit {
        /// The value itself.
        value: String,
    }
}

table! {
    /// What AWS Lambda needs to know.
    FunctionTable {
        /// Its name at AWS. Default: the service's.
        name: Option<String>,
        /// As AWS names it, such as `python3.13`. Needed for a function.
        runtime: Option<String>,
        /// As AWS writes it, such as `app.handler`. Needed for a function.
        handler: Option<String>,
        /// ARN of the execution role.
        role: Option<String>,
        /// MiB. Default 512.
        #[schemars(range(min = 128, max = 10240))]
        memory_mb: Option<u32>,
        /// How long one invocation may take. Default 30s.
        timeout: Option<Duration>,
        /// Default arm64.
        architecture: Option<Architecture>,
        /// The alias that callers use. Default `live`.
        alias: Option<String>,
        /// Processes that the local platform runs at most at once. Default 2.
        #[schemars(range(min = 1, max = 100))]
        concurrency: Option<u32>,
        /// ARNs of layer versions, in their order. Default: as they are at AWS.
        #[schemars(length(max = 5))]
        layers: Option<Vec<String>>,
        /// Variables to delete at AWS; others that are not in `[run.env]` stay.
        env_remove: Option<Vec<String>>,
        /// A file with an event: a new version is called with it before it takes traffic.
        smoke: Option<String>,
        /// Execution environments that the alias keeps ready; 0 = none. Default: as it is at AWS.
        #[schemars(range(max = 100_000))]
        provisioned_concurrency: Option<u32>,
    }
}

/// The processor.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its shape is read")]
enum Architecture {
    #[schemars(rename = "arm64")]
    Arm64,
    #[schemars(rename = "x86_64")]
    X86,
}

table! {
    /// A route.
    RouteTable {
        /// Unique in the service; not `rest`.
        name: RouteName,
        /// The method.
        method: Method,
        /// A path template such as `/charges/{id}` or `/files/{path*}`.
        #[schemars(regex(pattern = "^/[^? #]*$"))]
        path: String,
    }
}

/// An HTTP method.
#[derive(JsonSchema)]
#[schemars(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "only its shape is read")]
enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

table! {
    /// The gradual rollout.
    RolloutTable {
        /// In order; weights rise.
        #[schemars(length(min = 1))]
        steps: Vec<StepTable>,
        /// The request header that says who calls; the gates of new routes go by it. Whatever stands before the service
        /// has to set it.
        #[schemars(length(min = 1, max = 128))]
        identity: Option<String>,
    }
}

table! {
    /// One step of a rollout.
    StepTable {
        /// Percent of the requests.
        #[schemars(range(min = 1, max = 99))]
        weight: u8,
        /// How long to stay at least.
        hold: Duration,
    }
}

table! {
    /// How a rollout is judged.
    AnalysisTable {
        /// Slower than this is a bad event.
        slow: Option<Duration>,
        /// Highest acceptable ratio of bad shares, canary to stable. Default 1.25.
        #[schemars(range(min = 1.0, max = 100.0))]
        tolerance: Option<f64>,
        /// Percentage points of all requests that may turn bad by going on. Default 1.0.
        #[schemars(range(min = 0.01, max = 100.0))]
        harm: Option<f64>,
        /// How long to go on judging after the promotion.
        watch: Option<Duration>,
        /// When a step without a verdict pauses the rollout.
        max_hold: Option<Duration>,
    }
}

table! {
    /// Values for one environment, or shared by a workspace.
    Override {
        /// What of the service can differ or be shared.
        service: Option<ServiceOverride>,
        /// How its artifact is made.
        build: Option<BuildTable>,
        /// What one process of it is.
        run: Option<RunTable>,
        /// What AWS Lambda needs to know.
        function: Option<FunctionTable>,
        /// All routes.
        route: Option<Vec<RouteTable>>,
        /// The gradual rollout.
        rollout: Option<RolloutTable>,
        /// How a rollout is judged.
        analysis: Option<AnalysisTable>,
    }
}

table! {
    /// Other services of this repository.
    WorkspaceTable {
        /// Their directories; `*` stands for one level.
        members: Vec<String>,
        /// What they share.
        defaults: Option<WorkspaceDefaults>,
    }
}

table! {
    /// What the services of a workspace share.
    WorkspaceDefaults {
        /// What of the service can be shared.
        service: Option<ServiceOverride>,
        /// How artifacts are made.
        build: Option<BuildTable>,
        /// What one process is.
        run: Option<RunTable>,
        /// What AWS Lambda needs to know.
        function: Option<FunctionTable>,
        /// All routes.
        route: Option<Vec<RouteTable>>,
        /// The gradual rollout.
        rollout: Option<RolloutTable>,
        /// How a rollout is judged.
        analysis: Option<AnalysisTable>,
        /// Values for one environment.
        env: Option<BTreeMap<EnvironmentName, Override>>,
    }
}

table! {
    /// What all services of a company share.
    OrgToml {
        /// The version of this format.
        #[schemars(range(min = 1, max = 1))]
        schema: u8,
        /// The org.
        org: OrgTable,
        /// Its squads.
        squad: Option<BTreeMap<SquadName, SquadTable>>,
        /// Its services.
        service: Option<BTreeMap<ServiceName, OrgServiceTable>>,
        /// Its environments; `local` is always there.
        env: Option<BTreeMap<EnvironmentName, EnvironmentTable>>,
        /// Public keys whose signatures in the audit log count, by the name of the device.
        trusted: Option<BTreeMap<String, VerifierKey>>,
        /// What services have that do not say otherwise.
        defaults: Option<OrgDefaults>,
    }
}

/// A C2SP verifier key.
#[expect(dead_code, reason = "only its shape is read")]
struct VerifierKey(String);

impl JsonSchema for VerifierKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VerifierKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A public key: `<name>+<8 hex digits>+<base64>`.",
            "pattern": "^[^+]+\\+[0-9a-fA-F]{8}\\+[A-Za-z0-9+/=]+$",
        })
    }
}

table! {
    /// The org.
    OrgTable {
        /// Its name.
        name: OrgName,
    }
}

table! {
    /// A squad.
    SquadTable {
        /// `<organisation>/<team>` at GitHub.
        github_team: Option<String>,
        /// The id of its service at `PagerDuty`.
        pagerduty_service: Option<String>,
        /// Mail addresses of its people.
        members: Option<Vec<String>>,
    }
}

table! {
    /// A service that the org knows.
    OrgServiceTable {
        /// `<owner>/<name>` at GitHub, an address, or an absolute directory.
        repository: Option<String>,
        /// The squad that owns it.
        squad: Option<SquadName>,
    }
}

table! {
    /// An environment.
    EnvironmentTable {
        /// What runs the services. Only `[env.local]` can leave it out.
        platform: Option<PlatformKind>,
        /// AWS account id, for lambda and eks.
        #[schemars(regex(pattern = "^[0-9]{12}$"))]
        account: Option<String>,
        /// AWS region, for lambda and eks.
        region: Option<String>,
        /// ARN of the cluster, for eks.
        cluster: Option<String>,
        /// Kubernetes namespace, for eks. Default `{service}`.
        namespace: Option<String>,
        /// Refuses dirty trees and takes changes gradually. Default false.
        protected: Option<bool>,
        /// Where metrics are.
        metrics: Option<MetricsTable>,
        /// Where the audit log lies: a directory or an `s3://` URL.
        audit: Option<String>,
    }
}

table! {
    /// Where metrics are.
    MetricsTable {
        /// The provider.
        provider: Provider,
        /// Where it answers.
        #[schemars(regex(pattern = "^https?://"))]
        url: String,
    }
}

/// A provider of metrics.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its shape is read")]
enum Provider {
    Prometheus,
    Datadog,
}

table! {
    /// What services have that do not say otherwise.
    OrgDefaults {
        /// How artifacts are made.
        build: Option<BuildTable>,
        /// What one process is.
        run: Option<RunTable>,
        /// What AWS Lambda needs to know.
        function: Option<FunctionTable>,
        /// The gradual rollout.
        rollout: Option<RolloutTable>,
        /// How a rollout is judged.
        analysis: Option<AnalysisTable>,
    }
}

/// The schema of `squad.toml`.
pub(crate) fn squad() -> serde_json::Value {
    schema_for!(SquadToml).to_value()
}

/// The schema of `org.toml`.
pub(crate) fn org() -> serde_json::Value {
    schema_for!(OrgToml).to_value()
}

mod tests;
