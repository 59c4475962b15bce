//! `squad.toml` as a tree → [`Service`], with every mistake noted.
//!
//! The tree is complete: the defaults of the org and of the workspace lie below it, the overrides of an
//! environment above it.

use std::collections::BTreeMap;

use super::check;
use super::path::{shape, template};
use super::reader::{Converted, Findings, Reader, must_be};
use super::secret;
use super::tree::{Entry, Node, Value};
use crate::domain::image::ImageReference;
use crate::domain::meant::nearest;
use crate::domain::name::{RouteName, ServiceName, SquadName};
use crate::domain::route::PathTemplate;
use crate::domain::service::{
    Analysis, Build, Function, Kind, Rollout, RolloutStep, Route, Run, Service, Variable,
};

/// The methods a route can have.
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Keys of `[service]` that are what the service is: no environment and no default can set them.
pub(crate) const IDENTITY: [&str; 3] = ["name", "org", "kind"];

const DAY: u64 = 24 * 3600;

/// A mistake was noted, so there is no value.
struct Noted;

/// Reads a whole tree. None only when a mistake was noted.
pub(crate) fn service(tree: &Node, findings: &Findings) -> Option<Service> {
    let mut root = Reader::root(tree, findings);
    schema(&mut root);
    root.entry("workspace");
    root.entry("env");
    let head = head(&mut root);
    let build = build(&mut root);
    let kind = head.as_ref().and_then(|head| head.kind);
    let run = run(&mut root, kind);
    let name = head.as_ref().and_then(|head| head.name.as_ref());
    let is_image = build
        .as_ref()
        .is_some_and(|build| build.artifact.parse::<ImageReference>().is_ok());
    let function = function(&mut root, kind, name, is_image);
    let routes = routes(&mut root, kind);
    let rollout = rollout(&mut root);
    let analysis = analysis(&mut root);
    root.finish();
    let head = head?;
    Some(Service {
        name: head.name?,
        squad: head.squad,
        tier: head.tier,
        kind: head.kind?,
        build: build?,
        run: run?,
        function: function.ok()?,
        routes: routes?,
        rollout: rollout.ok()?,
        analysis: analysis?,
    })
}

/// `schema = 1`, in every file.
pub(crate) fn schema(root: &mut Reader<'_>) {
    root.need("schema", "schema = 1", is_one);
}

/// The same where it can be left out, in a person's own file.
pub(super) fn schema_if_there(root: &mut Reader<'_>) {
    root.value("schema", is_one);
}

fn is_one(value: &Value) -> Result<(), String> {
    match value {
        Value::Integer(1) => Ok(()),
        Value::Integer(_) => Err(format!(
            "is {}; this version of squad reads 1",
            value.shown()
        )),
        other => Err(must_be("1", other)),
    }
}

/// What `[service]` says.
struct Head {
    name: Option<ServiceName>,
    squad: Option<SquadName>,
    tier: Option<u8>,
    kind: Option<Kind>,
}

fn head(root: &mut Reader<'_>) -> Option<Head> {
    let mut table = root.table("service");
    if !table.is_there() {
        root.lacks("`[service]` is missing; it names the service, its squad and its kind");
        return None;
    }
    let name = table.need("name", "name = \"payments\"", check::name);
    table.value("org", check::name::<crate::domain::name::OrgName>);
    let squad = table.value("squad", check::name);
    let tier = table.value("tier", check::integer(1..=3));
    let kind = table.need("kind", "kind = \"http\"", kind);
    table.finish();
    Some(Head {
        name,
        squad,
        tier,
        kind,
    })
}

fn kind(value: &Value) -> Converted<Kind> {
    check::one_of(&["http", "function", "worker"])(value).map(|word| match word {
        "function" => Kind::Function,
        "worker" => Kind::Worker,
        _ => Kind::Http,
    })
}

fn build(root: &mut Reader<'_>) -> Option<Build> {
    let mut table = root.table("build");
    let command = table.value("command", check::command).unwrap_or_default();
    let artifact = table.value_or("artifact", Value::text("."), check::filled);
    let inputs = table.value("inputs", check::texts).unwrap_or_default();
    let python_lock = table.value("python_lock", check::relative_path);
    table.finish();
    Some(Build {
        command,
        artifact: artifact?,
        inputs,
        python_lock,
    })
}

fn run(root: &mut Reader<'_>, kind: Option<Kind>) -> Option<Run> {
    let mut table = root.table("run");
    let needs_command = matches!(kind, Some(Kind::Http | Kind::Worker));
    let command = if needs_command {
        table.need("command", "command = [\"bin/serve\"]", check::command)
    } else {
        Some(table.value("command", check::command).unwrap_or_default())
    };
    let port = table.value_or("port", Value::Integer(8080), check::integer(1..=65535));
    let ready = table.value_or("ready", Value::text("/readyz"), url_path);
    let grace = table.value_or("grace", Value::text("20s"), check::seconds(0..=3600));
    let start = table.value_or("start", Value::text("60s"), check::seconds(1..=3600));
    let env = variables(&mut table);
    table.finish();
    Some(Run {
        command: command?,
        port: port?,
        ready: ready?,
        grace_seconds: u32::try_from(grace?).ok()?,
        start_seconds: u32::try_from(start?).ok()?,
        env: env?,
    })
}

fn url_path(value: &Value) -> Converted<String> {
    let text = check::text(value)?;
    if text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c == '#') {
        Ok(text)
    } else {
        Err(format!(
            "is `{text}`; it must be a path such as \"/readyz\""
        ))
    }
}

/// Variables that the platform itself sets.
const OURS: [&str; 2] = ["PORT", "AWS_LAMBDA_RUNTIME_API"];

fn variables(run: &mut Reader<'_>) -> Option<BTreeMap<String, Variable>> {
    let mut table = run.table("env");
    let mut variables = BTreeMap::new();
    let mut good = true;
    for (name, entry) in table.named_entries() {
        if matches!(entry.node.value, Value::Broken) {
            good = false;
            continue;
        }
        let variable = variable_name(name).and_then(|()| variable(name, &entry.node.value));
        match variable {
            Ok(variable) => {
                let shown = match &variable {
                    Variable::Value(text) => Value::text(text),
                    Variable::Secret(_) => entry.node.value.clone(),
                };
                let findings = table.findings();
                findings.record(table.key(name), shown, entry.node.place.clone());
                variables.insert(name.to_owned(), variable);
            }
            Err(rest) => {
                good = false;
                point_at_key(&table, name, entry, &rest);
            }
        }
    }
    table.finish();
    good.then_some(variables)
}

/// Notes a mistake at the key, so that the value (which may be a secret) is not what is pointed at.
fn point_at_key(table: &Reader<'_>, name: &str, entry: &Entry, rest: &str) {
    if let Some(place) = &entry.key {
        table
            .findings()
            .mistake(place, format!("`{}` {rest}", table.key(name)));
    }
}

/// Whether a process can have a variable of this name.
pub(super) fn variable_name(name: &str) -> Converted<()> {
    let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if !good {
        return Err("is not a name of a variable: use letters, digits and `_`".to_owned());
    }
    if OURS.contains(&name) {
        return Err("is set by squad; remove it".to_owned());
    }
    Ok(())
}

fn variable(name: &str, value: &Value) -> Converted<Variable> {
    match value {
        Value::Text(text) => {
            if secret::is_secret_name(name) && !text.is_empty() {
                return Err(
                    "looks like a secret; write `{ secret = \"ssm:/…\" }`, or `{ value = \"…\" }` if it is none"
                        .to_owned(),
                );
            }
            plain(text)
        }
        Value::Table(table) => {
            let mut keys = table.iter();
            let (Some((key, entry)), None) = (keys.next(), keys.next()) else {
                return Err("must be `{ secret = \"<scheme>:<name>\" }`".to_owned());
            };
            match (key.as_str(), &entry.node.value) {
                ("secret", Value::Text(text)) => reference(text),
                ("value", Value::Text(text)) => plain(text),
                ("secret" | "value", other) => {
                    Err(format!("has a `{key}` that {}", must_be("text", other)))
                }
                _ => Err(format!(
                    "has the unknown key `{key}`; it must be `{{ secret = \"<scheme>:<name>\" }}`"
                )),
            }
        }
        other => check::text(other).map(Variable::Value),
    }
}

fn plain(text: &str) -> Converted<Variable> {
    if text.contains('\0') {
        return Err("contains a NUL, which no variable can".to_owned());
    }
    match secret::kind_of_value(text) {
        Some(kind) => Err(format!(
            "holds {kind}; keep it in a secret store and write `{{ secret = \"ssm:/…\" }}`"
        )),
        None => Ok(Variable::Value(text.to_owned())),
    }
}

fn reference(text: &str) -> Converted<Variable> {
    let known = secret::SCHEMES.map(|scheme| format!("{scheme}:"));
    let Some((scheme, name)) = text.split_once(':') else {
        return Err(format!(
            "has a secret without a scheme; it must begin with one of {}",
            check::listed(&known)
        ));
    };
    if !secret::SCHEMES.contains(&scheme) {
        return Err(match nearest(scheme, secret::SCHEMES) {
            Some(meant) => format!(
                "has a secret with the unknown scheme `{scheme}:`; did you mean `{meant}:`?"
            ),
            None => format!(
                "has a secret with an unknown scheme; it must begin with one of {}",
                check::listed(&known)
            ),
        });
    }
    if name.trim().is_empty() {
        return Err(format!("has a secret with nothing after `{scheme}:`"));
    }
    if scheme == "file" && !name.starts_with('/') && !name.starts_with("~/") {
        return Err(
            "has a secret in a file whose path is neither absolute nor below `~/`".to_owned(),
        );
    }
    Ok(Variable::Secret(text.to_owned()))
}

/// None for a service that is no function; `is_image` when its artifact is a container image.
fn function(
    root: &mut Reader<'_>,
    kind: Option<Kind>,
    name: Option<&ServiceName>,
    is_image: bool,
) -> Result<Option<Function>, Noted> {
    if kind == Some(Kind::Function) {
        let mut table = root.table("function");
        let function = function_table(&mut table, name, is_image);
        table.finish();
        return function.map(Some).ok_or(Noted);
    }
    // The table of a service that is no function is read for its mistakes, and has no effect. A default for
    // the functions of a workspace or an org need not be complete.
    let own_file = root.place().map(|place| place.file.path.clone());
    let written = root.entry("function").and_then(|entry| entry.key.as_ref());
    if written.map(|place| &place.file.path) == own_file.as_ref() {
        let aside = Findings::default();
        let mut table = root.table("function").with_findings(&aside);
        function_table(&mut table, name, is_image);
        table.finish();
        for mistake in aside.take_mistakes() {
            root.findings().mistake(&mistake.place, mistake.message);
        }
    }
    Ok(None)
}

fn function_table(
    table: &mut Reader<'_>,
    name: Option<&ServiceName>,
    is_image: bool,
) -> Option<Function> {
    let own_name = name.map_or(Value::text("unnamed"), |name| Value::text(name.as_str()));
    let name = table.value_or("name", own_name, super::function::name);
    // An image brings its own (API reference, CreateFunction: "required if the deployment package is a .zip file").
    let mut own = |key, example| {
        if is_image {
            Some(table.value(key, check::filled).unwrap_or_default())
        } else {
            table.need(key, example, check::filled)
        }
    };
    let runtime = own("runtime", "runtime = \"python3.13\"");
    let handler = own("handler", "handler = \"app.handler\"");
    let role = check::arn(
        "iam",
        "role/",
        "arn:aws:iam::123456789012:role/payments-receipts",
    );
    let role = table.value("role", role).map(|arn| arn.text);
    let unsaid = ["memory_mb", "timeout", "architecture"]
        .into_iter()
        .filter(|key| !table.has(key))
        .collect();
    let memory = table.value_or(
        "memory_mb",
        Value::Integer(512),
        check::integer(128..=10_240),
    );
    let timeout = table.value_or("timeout", Value::text("30s"), check::seconds(1..=900));
    let architectures = check::one_of(&["arm64", "x86_64"]);
    let architecture = table.value_or("architecture", Value::text("arm64"), architectures);
    let alias = table.value_or("alias", Value::text("live"), super::function::alias);
    let concurrency = table.value_or("concurrency", Value::Integer(2), check::integer(1..=100));
    let layers = table.value("layers", super::function::layers);
    let env_remove = table.value("env_remove", super::function::removed);
    let smoke = table.value("smoke", check::relative_path);
    let ready = check::integer(0..=100_000);
    let provisioned_concurrency = table.value("provisioned_concurrency", ready);
    Some(Function {
        name: name?,
        runtime: runtime?,
        handler: handler?,
        role,
        unsaid,
        memory_mb: memory?,
        timeout_seconds: u32::try_from(timeout?).ok()?,
        architecture: architecture?.to_owned(),
        alias: alias?,
        concurrency: concurrency?,
        layers,
        env_remove: env_remove.unwrap_or_default(),
        smoke,
        provisioned_concurrency,
    })
}

fn routes(root: &mut Reader<'_>, kind: Option<Kind>) -> Option<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    let mut names: Vec<RouteName> = Vec::new();
    let mut good = true;
    for mut table in root.tables("route") {
        let place = table.place().cloned();
        let findings = table.findings();
        let name = table.need("name", "name = \"get-charge\"", route_name);
        let method = table.need("method", "method = \"GET\"", method);
        let path = table.need("path", "path = \"/charges/{id}\"", template);
        table.finish();
        let Some(place) = place else { continue };
        if kind == Some(Kind::Worker) {
            good = false;
            findings.mistake(&place, "a worker takes no requests, so it has no routes");
        }
        if let Some(name) = &name {
            if names.contains(name) {
                good = false;
                findings.mistake(&place, format!("a second route is named `{name}`"));
            }
            names.push(name.clone());
        }
        let (Some(name), Some(method), Some(path)) = (name, method, path) else {
            good = false;
            continue;
        };
        let same = routes
            .iter()
            .find(|route| route.method == method && shape(&route.path.0) == shape(&path));
        if let Some(same) = same {
            good = false;
            let message = format!(
                "route `{name}` is the same as `{}`: {method} {}",
                same.name, same.path.0
            );
            findings.mistake(&place, message);
        }
        routes.push(Route {
            name,
            method: method.to_owned(),
            path: PathTemplate(path),
        });
    }
    good.then_some(routes)
}

fn route_name(value: &Value) -> Converted<RouteName> {
    let name: RouteName = check::name(value)?;
    if name.as_str() == "rest" {
        return Err("is `rest`, which means everything that no route matches".to_owned());
    }
    Ok(name)
}

fn method(value: &Value) -> Converted<&'static str> {
    check::one_of(&METHODS)(value)
}

/// None for a service without a rollout.
fn rollout(root: &mut Reader<'_>) -> Result<Option<Rollout>, Noted> {
    let mut table = root.table("rollout");
    if !table.is_there() {
        return Ok(None);
    }
    let Some(whole) = table.entry("steps") else {
        table.lacks(
            "`rollout.steps` is missing; write something like `steps = [{ weight = 5, hold = \"5m\" }]`",
        );
        table.finish();
        return Err(Noted);
    };
    let (steps, good) = steps(&mut table);
    let identity = table.value("identity", check::header);
    if let Value::List(items) = &whole.node.value
        && items.is_empty()
    {
        table.wrong(
            &whole.node,
            "steps",
            "is empty; there must be one step at least",
        );
    }
    table.finish();
    if good && !steps.is_empty() {
        Ok(Some(Rollout { steps, identity }))
    } else {
        Err(Noted)
    }
}

/// The steps that are right, and whether all are.
fn steps(table: &mut Reader<'_>) -> (Vec<RolloutStep>, bool) {
    let mut steps = Vec::new();
    let mut good = true;
    let mut last = 0;
    for mut step in table.tables("steps") {
        let findings = step.findings();
        let key = step.key("weight");
        let place = step.place().cloned();
        let weight_place = step
            .entry("weight")
            .and_then(|entry| entry.node.place.clone())
            .or(place);
        let weight: Option<u8> = step.need("weight", "weight = 5", check::integer(1..=99));
        let hold = step.need("hold", "hold = \"5m\"", check::seconds(0..=7 * DAY));
        step.finish();
        if let (Some(weight), Some(place)) = (weight, &weight_place) {
            if weight <= last {
                good = false;
                findings.mistake(
                    place,
                    format!("`{key}` is {weight}; it must be more than the {last} before it"),
                );
            }
            last = weight;
        }
        match (weight, hold) {
            (Some(weight), Some(hold_seconds)) => steps.push(RolloutStep {
                weight,
                hold_seconds,
            }),
            _ => good = false,
        }
    }
    (steps, good)
}

fn analysis(root: &mut Reader<'_>) -> Option<Analysis> {
    let mut table = root.table("analysis");
    let slow = table.value("slow", check::milliseconds(1..=900_000));
    let tolerance = table.value_or("tolerance", Value::Float(1.25), check::number(1.0..=100.0));
    let harm = table.value_or("harm", Value::Float(1.0), check::number(0.01..=100.0));
    let watch = table.value("watch", check::seconds(0..=7 * DAY));
    let max_hold = table.value("max_hold", check::seconds(1..=30 * DAY));
    table.finish();
    Some(Analysis {
        slow_milliseconds: slow,
        tolerance: tolerance?,
        harm: harm?,
        watch_seconds: watch,
        max_hold_seconds: max_hold,
    })
}
