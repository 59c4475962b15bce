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
        /// `<owner>/<name>` at GitHub, or an address.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::super::place::{Role, SourceFile};
    use super::super::reader::Findings;
    use super::super::{manifest, org as org_file, tree};

    /// Whether a value fits a schema: the part of JSON Schema 2020-12 that ours use.
    fn fits(schema: &Value, root: &Value, value: &Value) -> Result<(), String> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = root
                .pointer(name.trim_start_matches('#'))
                .ok_or("no such $ref")?;
            return fits(target, root, value);
        }
        if let Some(choices) = schema.get("anyOf").or(schema.get("oneOf")) {
            let choices = choices.as_array().ok_or("anyOf")?;
            return if choices
                .iter()
                .any(|choice| fits(choice, root, value).is_ok())
            {
                Ok(())
            } else {
                Err(format!("{value} fits none of {choices:?}"))
            };
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array)
            && !words.contains(value)
        {
            return Err(format!("{value} is not one of {words:?}"));
        }
        if let Some(constant) = schema.get("const")
            && constant != value
        {
            return Err(format!("{value} is not {constant}"));
        }
        let is = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => false,
        };
        let good = match schema.get("type") {
            Some(Value::String(kind)) => is(kind),
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is),
            _ => true,
        };
        if !good {
            return Err(format!("{value} is no {}", schema["type"]));
        }
        if let (Some(pattern), Some(text)) = (
            schema.get("pattern").and_then(Value::as_str),
            value.as_str(),
        ) && !regex_lite::Regex::new(pattern).unwrap().is_match(text)
        {
            return Err(format!("{text} is not like {pattern}"));
        }
        if let Some(number) = value.as_f64() {
            let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
            if bound("minimum").is_some_and(|least| number < least)
                || bound("maximum").is_some_and(|most| number > most)
            {
                return Err(format!("{number} is out of range"));
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(items) = schema.get("items") {
                fits(items, root, item).map_err(|error| format!("[{index}]: {error}"))?;
            }
        }
        let Some(object) = value.as_object() else {
            return Ok(());
        };
        for key in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !object.contains_key(key.as_str().unwrap_or_default()) {
                return Err(format!("{key} is missing"));
            }
        }
        for (key, inner) in object {
            let known = schema.get("properties").and_then(|known| known.get(key));
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let by_pattern = patterns
                .into_iter()
                .flatten()
                .find_map(|(pattern, schema)| {
                    regex_lite::Regex::new(pattern)
                        .unwrap()
                        .is_match(key)
                        .then_some(schema)
                });
            let other = schema.get("additionalProperties");
            match known.or(by_pattern).or(other) {
                Some(Value::Bool(false)) => return Err(format!("{key} is unknown")),
                Some(schema) => {
                    fits(schema, root, inner).map_err(|error| format!("{key}: {error}"))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn json(toml: &str) -> Value {
        serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
    }

    /// Every key of a schema, `*` for a name that people choose, as the reader notes them.
    fn keys(schema: &Value, root: &Value, path: &str, found: &mut BTreeSet<String>) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(name.trim_start_matches('#')).unwrap();
            return keys(target, root, path, found);
        }
        for choice in schema
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            keys(choice, root, path, found);
        }
        if let Some(items) = schema.get("items") {
            keys(items, root, path, found);
        }
        let join = |key: &str| {
            if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            }
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            found.insert(join(key));
            // What is below these two is the same as what is at the top.
            if !(path.is_empty() && key == "env" && root["title"] == "SquadToml")
                && join(key) != "workspace.defaults"
                && key != "defaults"
                && join(key) != "run.env"
            {
                keys(inner, root, &join(key), found);
            }
        }
        let maps = schema.get("patternProperties").and_then(Value::as_object);
        for inner in maps
            .into_iter()
            .flat_map(|map| map.values())
            .chain(schema.get("additionalProperties"))
            .filter(|inner| !inner.is_boolean())
        {
            found.insert(join("*"));
            keys(inner, root, &join("*"), found);
        }
    }

    fn tree_of(text: &str) -> tree::Node {
        let path = Path::new("/squad.toml");
        let file = SourceFile::new(path, path, text.to_owned(), Role::Service);
        let (tree, mistakes) = tree::parse(&file);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        tree
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys_of_squad_toml() {
        let findings = Findings::default();
        for kind in ["http", "function"] {
            let text = format!(
                "[service]\nkind = \"{kind}\"\nname = \"a\"\n[function]\n[[route]]\n[rollout]\nsteps = [{{}}]"
            );
            manifest::service(&tree_of(&text), &findings);
        }
        let mut known = findings.known();
        known.remove("run.env.*");
        known.insert("workspace.members".to_owned());
        known.insert("workspace.defaults".to_owned());
        let schema = super::squad();
        let mut found = BTreeSet::new();
        keys(&schema, &schema, "", &mut found);
        assert_eq!(known, found);
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys_of_org_toml() {
        let findings = Findings::default();
        let text = "[squad.a]\n[service.a]\n[env.a]\nplatform = \"eks\"\nmetrics = {}\n[trusted]";
        org_file::org(&tree_of(text), None, &findings);
        let schema = super::org();
        let mut found = BTreeSet::new();
        keys(&schema, &schema, "", &mut found);
        assert_eq!(findings.known(), found);
    }

    #[test]
    fn the_schemas_in_the_docs_are_fresh() {
        for (name, schema) in [("squad", super::squad()), ("org", super::org())] {
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(format!("docs/schemas/{name}.schema.json"));
            if crate::env::Env::read().get("SNAPSHOTS") == Some("overwrite") {
                crate::fs::write_durably(&path, text.as_bytes(), 0o644).unwrap();
            }
            let there = crate::fs::read_to_string(&path).unwrap();
            assert!(
                there == text,
                "docs/schemas/{name}.schema.json is stale: run this test with SNAPSHOTS=overwrite"
            );
        }
    }

    #[test]
    fn the_examples_of_the_docs_fit_the_schemas() {
        let squad = super::squad();
        let org = super::org();
        let mut count = 0;
        for (is_org, text) in super::super::tests::examples_of_the_docs() {
            let schema = if is_org { &org } else { &squad };
            fits(schema, schema, &json(&text)).unwrap_or_else(|error| panic!("{error}\n{text}"));
            count += 1;
        }
        assert!(count >= 4, "only {count} examples");
    }

    #[test]
    fn the_schemas_refuse_what_is_wrong() {
        let squad = super::squad();
        let start = "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\n";
        for (text, part) in [
            ("schema = 2", "out of range"),
            (
                "[service]\nname = \"a\"\nkind = \"http\"",
                "\"schema\" is missing",
            ),
            (&format!("{start}teir = 1"), "teir is unknown"),
            (&format!("{start}[run]\ngrace = \"20\""), "is not like"),
            (&format!("{start}[run]\nport = 0"), "fits none of"),
            (
                &format!("{start}[[route]]\nname = \"a\"\npath = \"/\"\nmethod = \"get\""),
                "route",
            ),
            (
                &format!("{start}[run.env]\nA = {{ secret = \"vault:x\" }}"),
                "run",
            ),
        ] {
            let found = fits(&squad, &squad, &json(text));
            assert!(found.is_err(), "{text} ({part})");
        }
    }
}
