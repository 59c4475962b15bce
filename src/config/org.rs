//! `org.toml` as a tree → [`OrgFile`], with every mistake noted.

use std::collections::BTreeMap;
use std::path::Path;

use super::check;
use super::manifest;
use super::place::Place;
use super::reader::{Converted, Findings, Reader};
use super::tree::{Node, Value, with_defaults};
use crate::domain::audit::note::VerifierKey;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::meant::nearest;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName, SquadName};
use crate::domain::org::Metrics;

/// Everything that an org's file says.
#[derive(Debug, Clone)]
pub(crate) struct OrgFile {
    /// `[org] name`.
    pub(crate) name: OrgName,
    /// `[squad.<name>]`.
    pub(crate) squads: BTreeMap<SquadName, Squad>,
    /// `[service.<name>]`.
    pub(crate) services: BTreeMap<ServiceName, OrgService>,
    /// Every name of an environment, also of those whose definition has mistakes.
    pub(crate) names: Vec<EnvironmentName>,
    /// `[env.<name>]`; always with `local`.
    pub(crate) environments: BTreeMap<EnvironmentName, Environment>,
    /// `[trusted]`: public keys whose signatures in the audit log count, by the name of the device.
    pub(crate) trusted: BTreeMap<String, VerifierKey>,
    /// `[defaults]`: what services have that do not say otherwise.
    pub(crate) defaults: Option<Node>,
}

/// A squad of an org.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Squad {
    /// `<organisation>/<team>` at GitHub.
    pub(crate) github_team: Option<String>,
    /// The id of its service at `PagerDuty`.
    pub(crate) pagerduty_service: Option<String>,
    /// Mail addresses of its people.
    pub(crate) members: Vec<String>,
}

/// A service that the org knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrgService {
    /// `<owner>/<name>` at GitHub, an address, or an absolute directory.
    pub(crate) repository: Option<String>,
    /// The squad that owns it.
    pub(crate) squad: Option<SquadName>,
}

/// Tables that `[defaults]` can have.
const DEFAULTS: [&str; 5] = ["build", "run", "function", "rollout", "analysis"];

/// Reads a whole file. `directory` is where a relative audit directory counts from; none for a file that came
/// out of a repository. None only when a mistake was noted.
pub(crate) fn org(tree: &Node, directory: Option<&Path>, findings: &Findings) -> Option<OrgFile> {
    let mut root = Reader::root(tree, findings);
    manifest::schema(&mut root);
    let name = {
        let mut table = root.table("org");
        let name = table.need("name", "name = \"acme\"", check::name::<OrgName>);
        table.finish();
        name
    };
    let squads = squads(&mut root);
    let services = services(&mut root, &squads);
    let (names, environments) = environments(&mut root, name.as_ref(), directory);
    let trusted = trusted(&mut root);
    let defaults = defaults(&mut root);
    root.finish();
    Some(OrgFile {
        name: name?,
        squads,
        services,
        names,
        environments,
        trusted,
        defaults,
    })
}

/// A name that is a key, such as that of `[env.<name>]`.
pub(crate) fn key_name<T>(text: &str, place: Option<&Place>, findings: &Findings) -> Option<T>
where
    T: std::str::FromStr<Err = crate::domain::name::InvalidName>,
{
    match text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            if let Some(place) = place {
                findings.mistake(place, error.to_string());
            }
            None
        }
    }
}

fn squads(root: &mut Reader<'_>) -> BTreeMap<SquadName, Squad> {
    let mut all = root.table("squad");
    let mut squads = BTreeMap::new();
    for (name, place, mut table) in all.named_tables() {
        let squad = Squad {
            github_team: table.value("github_team", github_name("acme/ledger")),
            pagerduty_service: table.value("pagerduty_service", check::filled),
            members: table.value("members", check::texts).unwrap_or_default(),
        };
        table.finish();
        if let Some(name) = key_name(name, place, all.findings()) {
            squads.insert(name, squad);
        }
    }
    squads
}

/// `<owner>/<name>`.
fn github_name(example: &'static str) -> impl Fn(&Value) -> Converted<String> {
    move |value| {
        let text = check::filled(value)?;
        let good = text.split('/').count() == 2
            && text.split('/').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            });
        if good {
            Ok(text)
        } else {
            Err(format!("is `{text}`; it must be like \"{example}\""))
        }
    }
}

fn repository(value: &Value) -> Converted<String> {
    let text = check::filled(value)?;
    if text.contains("://") || text.contains('@') {
        return match super::secret::kind_of_value(&text) {
            Some(_) => Err("holds a password; git asks its credential helper instead".to_owned()),
            None => Ok(text),
        };
    }
    if Path::new(&text).is_absolute() {
        return Ok(text);
    }
    github_name("acme/payments")(value)
}

fn services(
    root: &mut Reader<'_>,
    squads: &BTreeMap<SquadName, Squad>,
) -> BTreeMap<ServiceName, OrgService> {
    let mut all = root.table("service");
    let mut services = BTreeMap::new();
    for (name, place, mut table) in all.named_tables() {
        let repository = table.value("repository", repository);
        let squad = table.value("squad", |value| {
            let squad: SquadName = check::name(value)?;
            if squads.contains_key(&squad) {
                return Ok(squad);
            }
            let known = squads.keys().map(SquadName::as_str);
            Err(match nearest(squad.as_str(), known) {
                Some(meant) => format!("is `{squad}`; did you mean `{meant}`?"),
                None => format!("is `{squad}`, but there is no `[squad.{squad}]`"),
            })
        });
        table.finish();
        if let Some(name) = key_name(name, place, all.findings()) {
            services.insert(name, OrgService { repository, squad });
        }
    }
    services
}

fn environments(
    root: &mut Reader<'_>,
    org: Option<&OrgName>,
    directory: Option<&Path>,
) -> (Vec<EnvironmentName>, BTreeMap<EnvironmentName, Environment>) {
    let mut all = root.table("env");
    let mut environments = BTreeMap::new();
    let mut names = vec![EnvironmentName::local()];
    for (name, place, mut table) in all.named_tables() {
        let name: Option<EnvironmentName> = key_name(name, place, all.findings());
        names.extend(name.clone());
        let environment = environment(&mut table, name.as_ref(), directory);
        table.finish();
        if let (Some(name), Some(mut environment)) = (name, environment) {
            environment.org = org.cloned();
            environment.name = name.clone();
            environments.insert(name, environment);
        }
    }
    let local = EnvironmentName::local();
    environments.entry(local).or_insert_with(|| Environment {
        org: org.cloned(),
        ..Environment::builtin_local()
    });
    (names, environments)
}

fn platform(value: &Value) -> Converted<PlatformKind> {
    check::one_of(&["local", "lambda", "eks"])(value).map(|word| match word {
        "lambda" => PlatformKind::Lambda,
        "eks" => PlatformKind::Eks,
        _ => PlatformKind::Local,
    })
}

fn environment(
    table: &mut Reader<'_>,
    name: Option<&EnvironmentName>,
    directory: Option<&Path>,
) -> Option<Environment> {
    let is_local = name == Some(&EnvironmentName::local());
    let kind = if is_local {
        table.value_or("platform", Value::text("local"), |value| match platform(value)? {
            PlatformKind::Local => Ok(PlatformKind::Local),
            other => Err(format!(
                "is \"{}\"; the environment `local` is always this machine, so give it another name",
                other.as_str()
            )),
        })
    } else {
        table.need("platform", "platform = \"eks\"", platform)
    };
    let aws = matches!(kind, Some(PlatformKind::Lambda | PlatformKind::Eks));
    let eks = kind == Some(PlatformKind::Eks);
    let account = when(
        table,
        "account",
        "\"123456789012\"",
        aws,
        kind,
        check::account,
    );
    let region = when(table, "region", "\"eu-west-1\"", aws, kind, check::region);
    let in_place = |value: &Value| cluster(value, account.as_deref(), region.as_deref());
    let quoted = format!("\"{CLUSTER}\"");
    let cluster = when(table, "cluster", &quoted, eks, kind, in_place);
    let namespace = if eks {
        table.value_or("namespace", Value::text("{service}"), namespace)
    } else {
        when(table, "namespace", "", false, kind, namespace)
    };
    let protected = table.value_or("protected", Value::Boolean(false), check::boolean);
    let metrics = metrics(table);
    let audit = table.value("audit", |value| audit(value, directory));
    let complete = !aws || (account.is_some() && region.is_some() && (!eks || cluster.is_some()));
    complete.then_some(())?;
    Some(Environment {
        org: None,
        name: EnvironmentName::local(),
        platform: kind?,
        account,
        region,
        cluster,
        namespace,
        protected: protected?,
        audit,
        org_commit: None,
        metrics,
    })
}

/// What the ARN of a cluster looks like.
const CLUSTER: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/main";

/// The ARN of a cluster that lies in the environment's account and region.
fn cluster(value: &Value, account: Option<&str>, region: Option<&str>) -> Converted<String> {
    let arn = check::arn("eks", "cluster/", CLUSTER)(value)?;
    if let Some(account) = account.filter(|account| *account != arn.account) {
        return Err(format!(
            "is in the account {}, not in {account}",
            arn.account
        ));
    }
    if let Some(region) = region.filter(|region| *region != arn.region) {
        return Err(format!("is in the region {}, not in {region}", arn.region));
    }
    Ok(arn.text)
}

/// A key that a platform needs, and that has no meaning for the others.
fn when<T>(
    table: &mut Reader<'_>,
    key: &str,
    example: &str,
    needed: bool,
    kind: Option<PlatformKind>,
    convert: impl Fn(&Value) -> Converted<T>,
) -> Option<T> {
    match kind {
        Some(_) if needed => table.need(key, &format!("{key} = {example}"), convert),
        Some(kind) => {
            let entry = table.entry(key)?;
            let rest = format!("has no meaning with platform = \"{}\"", kind.as_str());
            table.wrong(&entry.node, key, &rest);
            None
        }
        None => table.value(key, convert),
    }
}

/// A Kubernetes namespace (a DNS label), in which `{service}` stands for the service's name.
fn namespace(value: &Value) -> Converted<String> {
    let text = check::filled(value)?;
    let probe = text.replace("{service}", "x");
    match OrgName::new(probe) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "is `{text}`; only `{{service}}` can stand in it, and otherwise: {}",
            error.rule
        )),
    }
}

fn metrics(environment: &mut Reader<'_>) -> Option<Metrics> {
    let mut table = environment.table("metrics");
    if !table.is_there() {
        return None;
    }
    let provider = check::one_of(&["prometheus", "datadog"]);
    let provider = table.need("provider", "provider = \"prometheus\"", provider);
    let url = table.need("url", "url = \"https://prometheus.example.com\"", |value| {
        let text = check::filled(value)?;
        if super::secret::kind_of_value(&text).is_some() {
            return Err("holds a password; leave it out".to_owned());
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            Ok(text)
        } else {
            Err(format!(
                "is `{text}`; it must begin with https:// or http://"
            ))
        }
    });
    table.finish();
    Some(Metrics {
        provider: provider?.to_owned(),
        url: url?,
    })
}

fn audit(value: &Value, directory: Option<&Path>) -> Converted<String> {
    let text = check::filled(value)?;
    if let Some(rest) = text.strip_prefix("s3://") {
        let bucket = rest.split('/').next().unwrap_or(rest);
        // Amazon S3 User Guide, "General purpose bucket naming rules".
        let good = (3..=63).contains(&bucket.len())
            && bucket
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
        return if good {
            Ok(text)
        } else {
            Err(format!(
                "is `{text}`, and `{bucket}` is not the name of a bucket"
            ))
        };
    }
    if text.contains("://") {
        return Err(format!(
            "is `{text}`; it must be a directory or begin with s3://"
        ));
    }
    if Path::new(&text).is_absolute() {
        return Ok(text);
    }
    match directory {
        Some(directory) => Ok(directory.join(&text).display().to_string()),
        None => Err(format!(
            "is `{text}`; in an org that lies in git it must be an absolute directory or begin with s3://"
        )),
    }
}

fn trusted(root: &mut Reader<'_>) -> BTreeMap<String, VerifierKey> {
    let mut table = root.table("trusted");
    let mut keys = BTreeMap::new();
    for (name, entry) in table.named_entries() {
        match verifier_key(name, &entry.node.value) {
            Ok(key) => {
                let place = entry.node.place.clone();
                let findings = table.findings();
                findings.record(table.key(name), entry.node.value.clone(), place);
                keys.insert(name.to_owned(), key);
            }
            Err(rest) => table.wrong(&entry.node, name, &rest),
        }
    }
    keys
}

/// C2SP signed-note, "Verifier keys": `<name>+<8 hex digits>+<base64>`. The digits are derived from the rest, so a key
/// that was copied wrongly is found here and not when a log is verified.
fn verifier_key(name: &str, value: &Value) -> Converted<VerifierKey> {
    let text = check::filled(value)?;
    VerifierKey::parse(&text).ok_or_else(|| {
        format!(
            "is `{text}`; it must be a whole key as `squad audit key` prints it: {name}+<8 hex digits>+<base64>"
        )
    })
}

fn defaults(root: &mut Reader<'_>) -> Option<Node> {
    let entry = root.entry("defaults")?;
    check_defaults(&entry.node, &DEFAULTS, "defaults", root.findings());
    Some(entry.node.clone())
}

/// Notes the mistakes in defaults by trying them on two services, an HTTP service and a function.
pub(crate) fn check_defaults(defaults: &Node, tables: &[&str], shown: &str, findings: &Findings) {
    let Some(place) = &defaults.place else { return };
    let Some(table) = defaults.table() else {
        let what = defaults.value.what();
        findings.mistake(place, format!("`{shown}` is {what}; it must be a table"));
        return;
    };
    for (key, entry) in table {
        if !tables.contains(&key.as_str())
            && let Some(place) = &entry.key
        {
            let message = nearest(key, tables.iter().copied()).map_or_else(
                || {
                    let known = check::listed(tables);
                    format!("unknown key `{key}` in `{shown}`; there can be {known}")
                },
                |meant| format!("unknown key `{key}` in `{shown}`; did you mean `{meant}`?"),
            );
            findings.mistake(place, message);
        }
    }
    let samples = [
        "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\n[run]\ncommand = [\"a\"]",
        "schema = 1\n[service]\nname = \"a\"\nkind = \"function\"\n[function]\nruntime = \"a\"\nhandler = \"a\"",
    ];
    for sample in samples {
        let path = Path::new("/");
        let file = super::place::SourceFile::new(
            path,
            path,
            sample.to_owned(),
            super::place::Role::Service,
        );
        let (sample, _) = super::tree::parse(&file);
        let (defaults, _) = defaults.clone().without("env");
        let tried = Findings::default();
        manifest::service(&with_defaults(&sample, &defaults), &tried);
        for mistake in tried.take_mistakes() {
            let unknown_table = mistake.message.starts_with("unknown key")
                && table.values().any(|entry| {
                    entry
                        .key
                        .as_ref()
                        .is_some_and(|key| key.start == mistake.place.start)
                });
            if mistake.place.file.path == place.file.path && !unknown_table {
                // In full, as it stands in this file.
                let message =
                    mistake
                        .message
                        .replacen("unknown key `", &format!("unknown key `{shown}."), 1);
                findings.mistake(&mistake.place, message);
            }
        }
    }
}

/// A whole org file to begin with: these squads, and two environments on this machine.
#[cfg(test)]
pub(crate) fn example(name: &OrgName, squads: &[SquadName]) -> String {
    let mut text = format!(
        "# org.toml: what all services of the org share. The keys are in docs/configuration.md.\n\
         schema = 1\n\n[org]\nname = \"{name}\"\n"
    );
    for squad in squads {
        for part in ["\n[squad.", squad.as_str(), "]\n"] {
            text.push_str(part);
        }
    }
    text.push_str(
        "\n# Runs on this machine beside the built-in `local`, so that a change can be tried in two places.\n\
         [env.staging]\nplatform = \"local\"\n",
    );
    text
}
