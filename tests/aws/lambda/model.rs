//! Functions, their versions and aliases, and how time moves them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Failure, conflict, in_progress, missing};
use crate::clock;
use crate::random::Random;
use crate::settings::Failing;
use crate::world::Region;

/// The functions of one region.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    pub(crate) by_name: BTreeMap<String, Function>,
    pub(crate) mappings: BTreeMap<String, Mapping>,
}

/// What a version runs.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    Zip(Arc<Vec<u8>>),
    Image { uri: String, resolved: String },
}

/// `$LATEST`, or a published version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Members of `FunctionConfiguration`, without names, states and times.
    pub(crate) configuration: Map<String, Value>,
    /// What `$LATEST` had when this was published; empty for `$LATEST`.
    pub(crate) source: Map<String, Value>,
    pub(crate) code: Code,
    pub(crate) sha256: String,
    pub(crate) revision: String,
    pub(crate) modified: u64,
    /// `Pending`, `Active`, `Inactive` or `Failed`.
    pub(crate) state: &'static str,
    pub(crate) state_reason: Option<Failing>,
    /// `Successful`, `InProgress`, `Failed`; none until the function is active for the first time.
    pub(crate) update: Option<&'static str>,
    pub(crate) update_reason: Option<Failing>,
    /// When what is under way ends, and whether badly.
    pub(crate) settles: Option<(u64, Option<Failing>)>,
    /// What goes on running while an update is under way and after it has failed.
    pub(crate) served: Option<Box<Self>>,
}

/// An alias.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) revision: String,
}

/// Provisioned concurrency of an alias or a version.
#[derive(Debug, Clone)]
pub(crate) struct Provisioned {
    pub(crate) requested: u64,
    pub(crate) modified: u64,
    /// `IN_PROGRESS`, `READY` or `FAILED`.
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) settles: Option<(u64, Option<String>)>,
    /// The version that still has it while the alias moves.
    pub(crate) moving_from: Option<String>,
}

/// An event source mapping.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) members: Map<String, Value>,
    pub(crate) state: &'static str,
    /// When, and into which state; none for one that is deleted then.
    pub(crate) settles: Option<(u64, Option<&'static str>)>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) latest: Version,
    pub(crate) versions: BTreeMap<u64, Version>,
    pub(crate) last_version: u64,
    pub(crate) aliases: BTreeMap<String, Alias>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Statements by qualifier; `$LATEST` is what has none.
    pub(crate) policies: BTreeMap<String, Vec<Value>>,
    pub(crate) reserved: Option<u64>,
    pub(crate) provisioned: BTreeMap<String, Provisioned>,
    pub(crate) urls: BTreeMap<String, Map<String, Value>>,
    /// Settings for asynchronous invocations by qualifier; `$LATEST` is what has none.
    pub(crate) event_invoke: BTreeMap<String, Map<String, Value>>,
}

/// As Lambda writes `CodeSha256`: Base64 of the digest of the package.
pub(crate) fn sha256_of(data: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, data).as_ref())
}

pub(crate) fn to_marker(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

pub(crate) fn from_marker(marker: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}

impl Region {
    pub(crate) fn function_arn(&self, name: &str) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{name}",
            self.name, self.account
        )
    }
}

impl Functions {
    /// Lets everything happen whose time has come.
    pub(crate) fn settle(&mut self, now: u64, random: &mut Random) {
        for function in self.by_name.values_mut() {
            function.settle(now, random);
        }
        let due = |mapping: &Mapping| mapping.settles.is_some_and(|(at, _)| at <= now);
        self.mappings
            .retain(|_, mapping| !(due(mapping) && matches!(mapping.settles, Some((_, None)))));
        for mapping in self.mappings.values_mut() {
            if let Some((at, Some(state))) = mapping.settles
                && at <= now
            {
                mapping.state = state;
                mapping.settles = None;
            }
        }
    }
}

impl Version {
    /// aws-sdk#377: the `RevisionId` that an update answers with is not the one after it has settled.
    fn settle(&mut self, now: u64, random: &mut Random) {
        let Some((_, badly)) = self.settles.take_if(|(at, _)| *at <= now) else {
            return;
        };
        self.revision = random.uuid();
        if self.state == "Pending" {
            // functions-states.html, "Function states while creating": Pending, then Active or Failed.
            self.state = if badly.is_some() { "Failed" } else { "Active" };
            self.update = Some(if badly.is_some() {
                "Failed"
            } else {
                "Successful"
            });
            self.state_reason = badly;
            if let Some(snap_start) = self.configuration.get_mut("SnapStart")
                && snap_start["ApplyOn"] == "PublishedVersions"
                && !self.source.is_empty()
            {
                // SnapStart, "Function states": the snapshot is made while the version is Pending.
                snap_start["OptimizationStatus"] = json!("On");
            }
        } else {
            // "Function states during updates": when it fails, the previous code and settings go on serving.
            self.update = Some(if badly.is_some() {
                "Failed"
            } else {
                "Successful"
            });
            if badly.is_none() {
                self.served = None;
                if self.state == "Failed" {
                    self.state = "Active";
                    self.state_reason = None;
                }
            }
            self.update_reason = badly;
        }
    }

    /// What invocations run.
    pub(crate) fn serving(&self) -> &Self {
        self.served.as_deref().unwrap_or(self)
    }

    pub(crate) fn role(&self) -> Value {
        self.configuration.get("Role").cloned().unwrap_or_default()
    }

    pub(crate) fn dead_letters(&self) -> Value {
        self.configuration
            .get("DeadLetterConfig")
            .cloned()
            .unwrap_or_default()
    }
}

impl Provisioned {
    pub(crate) fn settle(&mut self, now: u64) -> bool {
        let Some((_, badly)) = self.settles.take_if(|(at, _)| *at <= now) else {
            return false;
        };
        self.status = if badly.is_some() { "FAILED" } else { "READY" };
        self.reason = badly;
        // gradientedge/cdk-utils, ProvisionedConcurrencyProps.onVersion: "If the new version's init fails
        // (FUNCTION_ERROR_INIT_FAILURE), the routing weights persist at 100% on old".
        self.reason.is_none() && self.moving_from.take().is_some()
    }
}

impl Function {
    pub(crate) fn settle(&mut self, now: u64, random: &mut Random) {
        self.latest.settle(now, random);
        for version in self.versions.values_mut() {
            version.settle(now, random);
        }
        for (qualifier, provisioned) in &mut self.provisioned {
            if provisioned.settle(now)
                && let Some(alias) = self.aliases.get_mut(qualifier)
            {
                // The weights that Lambda put there are gone, and the alias has changed once more.
                alias.revision = random.uuid();
            }
        }
    }

    /// What was inactive is brought back by then.
    pub(crate) fn wake(&mut self, name: &str, until: u64) {
        if let Some(version) = self.version_mut(name) {
            version.state = "Pending";
            version.settles = Some((until, None));
        }
    }

    /// 409 while something is under way (functions-states.html: while Pending, "invoke, update and publish fail").
    pub(crate) fn must_be_idle(&self) -> Result<(), Failure> {
        if self.latest.state == "Pending" {
            return Err(conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: Pending",
            ));
        }
        if self.latest.update == Some("InProgress") {
            return Err(in_progress(&self.arn));
        }
        Ok(())
    }

    /// The same, and not Failed, unless that may be.
    pub(crate) fn must_be_sound(&self, may_have_failed: bool) -> Result<(), Failure> {
        if self.latest.state == "Failed" && !may_have_failed {
            return Err(conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: Failed",
            ));
        }
        self.must_be_idle()
    }

    /// A version by its name, to be changed.
    pub(crate) fn version_mut(&mut self, name: &str) -> Option<&mut Version> {
        match name {
            "$LATEST" => Some(&mut self.latest),
            number => number
                .parse()
                .ok()
                .and_then(|number: u64| self.versions.get_mut(&number)),
        }
    }

    /// A version by its name, `$LATEST` or a number.
    pub(crate) fn version(&self, name: &str) -> Result<&Version, Failure> {
        let found = match name {
            "$LATEST" => Some(&self.latest),
            number => number
                .parse()
                .ok()
                .and_then(|number: u64| self.versions.get(&number)),
        };
        found.ok_or_else(|| missing(format!("Function not found: {}:{name}", self.arn)))
    }

    /// The version that a qualifier means, by name: that of an alias is its main one.
    pub(crate) fn resolve(&self, qualifier: Option<&str>) -> Result<String, Failure> {
        let qualifier = qualifier.unwrap_or("$LATEST");
        let name = self
            .aliases
            .get(qualifier)
            .map_or(qualifier, |alias| alias.version.as_str())
            .to_owned();
        if qualifier != "$LATEST" && !self.aliases.contains_key(qualifier) {
            self.version(qualifier)?;
        }
        Ok(name)
    }

    /// `FunctionConfiguration` (API reference, data types).
    pub(crate) fn show(
        &self,
        version_name: &str,
        qualifier: Option<&str>,
    ) -> Result<Map<String, Value>, Failure> {
        let version = self.version(version_name)?;
        let mut shown = version.configuration.clone();
        let arn = match qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn),
            None => self.arn.clone(),
        };
        let mut set = |name: &str, value: Value| {
            shown.insert(name.to_owned(), value);
        };
        set("FunctionName", json!(self.name));
        set("FunctionArn", json!(arn));
        set("Version", json!(version_name));
        set("RevisionId", json!(version.revision));
        set("LastModified", json!(clock::lambda_time(version.modified)));
        set("CodeSha256", json!(version.sha256));
        let (kind, size) = match &version.code {
            Code::Zip(data) => ("Zip", data.len()),
            Code::Image { .. } => ("Image", 0),
        };
        set("PackageType", json!(kind));
        set("CodeSize", json!(size));
        set("State", json!(version.state));
        if version.state == "Pending" {
            set("StateReason", json!("The function is being created."));
            set("StateReasonCode", json!("Creating"));
        }
        if version.state == "Inactive" {
            set("StateReason", json!("The function is inactive."));
            set("StateReasonCode", json!("Idle"));
        }
        if let Some(failing) = &version.state_reason {
            set("StateReason", json!(failing.reason));
            set("StateReasonCode", json!(failing.code));
        }
        if let Some(update) = version.update {
            set("LastUpdateStatus", json!(update));
        }
        if version.update == Some("InProgress") {
            // The words of the service for updates too.
            set(
                "LastUpdateStatusReason",
                json!("The function is being created."),
            );
            set("LastUpdateStatusReasonCode", json!("Creating"));
        }
        if let Some(failing) = &version.update_reason {
            set("LastUpdateStatusReason", json!(failing.reason));
            set("LastUpdateStatusReasonCode", json!(failing.code));
        }
        Ok(shown)
    }

    /// The weights by which an alias routes. While provisioned concurrency moves to another version, Lambda itself keeps the
    /// traffic on the old one by a weight: hashicorp/terraform-provider-aws#48116 ("AWS temporarily injects routing weights on
    /// the alias during the version transition", `{"1" = 1}`).
    pub(crate) fn weights_of(&self, name: &str) -> BTreeMap<String, f64> {
        let moving = self
            .provisioned
            .get(name)
            .and_then(|provisioned| provisioned.moving_from.as_ref());
        match (moving, self.aliases.get(name)) {
            (Some(from), _) => BTreeMap::from([(from.clone(), 1.0)]),
            (None, Some(alias)) => alias.weights.clone(),
            (None, None) => BTreeMap::new(),
        }
    }

    /// `AliasConfiguration`, with the weights by which it routes.
    pub(crate) fn show_alias(&self, name: &str) -> Value {
        let Some(alias) = self.aliases.get(name) else {
            return Value::Null;
        };
        let weights = self.weights_of(name);
        let mut shown = json!({
            "AliasArn": format!("{}:{name}", self.arn),
            "Name": name,
            "FunctionVersion": alias.version,
            "Description": alias.description,
            "RevisionId": alias.revision,
        });
        if !weights.is_empty() {
            shown["RoutingConfig"] = json!({ "AdditionalVersionWeights": weights });
        }
        shown
    }

    /// The revision of what a policy hangs on.
    pub(crate) fn revision_of(&self, qualifier: &str) -> Result<String, Failure> {
        match self.aliases.get(qualifier) {
            Some(alias) => Ok(alias.revision.clone()),
            None => Ok(self.version(qualifier)?.revision.clone()),
        }
    }

    /// Gives it another revision.
    pub(crate) fn touch(&mut self, qualifier: &str, revision: String) {
        if let Some(alias) = self.aliases.get_mut(qualifier) {
            alias.revision = revision;
        } else if qualifier == "$LATEST" {
            self.latest.revision = revision;
        } else if let Some(version) = qualifier
            .parse()
            .ok()
            .and_then(|number: u64| self.versions.get_mut(&number))
        {
            version.revision = revision;
        }
    }
}

impl Version {
    /// An update of `$LATEST` begins: what served before goes on until it has settled.
    pub(crate) fn begin_update(
        &mut self,
        before: Self,
        revision: String,
        now: u64,
        settles: (u64, Option<Failing>),
    ) {
        self.served = Some(Box::new(before));
        self.revision = revision;
        self.modified = now;
        self.update = Some("InProgress");
        self.update_reason = None;
        self.settles = Some(settles);
    }
}
