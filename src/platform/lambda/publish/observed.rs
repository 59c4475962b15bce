//! A function or a version as AWS describes it, in our words.
//!
//! Reads only: nothing here calls AWS or decides anything.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    FunctionConfiguration, LastUpdateStatus, LastUpdateStatusReasonCode, PackageType,
    SnapStartApplyOn, State, StateReasonCode,
};

use super::reason::{self, Cause};
use super::unmanaged;
use super::values::Values;
use crate::domain::plan::Difference;

/// A function (`$LATEST`) or one of its versions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    /// Its ARN; that of a version ends with its number.
    pub(super) arn: String,
    /// Names this very state: a write that names another one is refused.
    pub(super) revision_id: Option<String>,
    /// What kind of code it has.
    pub(super) package: Package,
    /// AWS's digest of the code: base64 for zips, hexadecimal for images.
    pub(super) code_sha256: String,
    /// The image with its digest, `repository@sha256:…`.
    pub(super) image: Option<String>,
    /// What squad manages, and what it only keeps.
    pub(super) configuration: Configuration,
    /// The settings that squad has no key for, each as a text.
    pub(super) unmanaged: Vec<(&'static str, String)>,
    /// Free text.
    pub(super) description: String,
    /// When `$LATEST` was last changed, as AWS writes it.
    pub(super) last_modified: Option<String>,
    /// Whether it can be changed, published or invoked now.
    pub(super) condition: Condition,
    /// The function's tags; none when they could not be read.
    pub(super) tags: Option<BTreeMap<String, String>>,
    /// A snapshot is taken of every published version, which takes minutes.
    pub(super) takes_snapshots: bool,
}

/// Zip or image; a function never changes from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    /// A zip archive.
    Zip,
    /// A container image.
    Image,
}

impl Package {
    /// In words.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "a zip archive",
            Self::Image => "a container image",
        }
    }
}

/// The parts of a configuration that squad can manage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Such as `python3.13`; none for an image.
    pub(super) runtime: Option<String>,
    /// Such as `app.handler`; none for an image.
    pub(super) handler: Option<String>,
    /// The execution role's ARN.
    pub(super) role: String,
    /// MiB.
    pub(super) memory: i32,
    /// Seconds.
    pub(super) timeout: i32,
    /// `arm64` or `x86_64`; it changes with the code.
    pub(super) architecture: String,
    /// ARNs of layer versions, in order.
    pub(super) layers: Vec<String>,
    /// The variables; an error when AWS cannot decrypt them for us, in its words.
    pub(super) environment: Result<Values, String>,
}

impl Configuration {
    /// What changes from these to `after`, for people: keys, and for variables short hashes.
    pub(super) fn differences(&self, after: &Self) -> Vec<Difference> {
        let text = |text: &Option<String>| text.clone();
        let layers = |one: &Self| Some(one.layers.join(" ")).filter(|layers| !layers.is_empty());
        let rows = [
            (
                "architecture",
                Some(self.architecture.clone()),
                Some(after.architecture.clone()),
            ),
            ("handler", text(&self.handler), text(&after.handler)),
            ("layers", layers(self), layers(after)),
            (
                "memory_mb",
                Some(self.memory.to_string()),
                Some(after.memory.to_string()),
            ),
            ("role", Some(self.role.clone()), Some(after.role.clone())),
            ("runtime", text(&self.runtime), text(&after.runtime)),
            (
                "timeout_seconds",
                Some(self.timeout.to_string()),
                Some(after.timeout.to_string()),
            ),
        ];
        let mut differences: Vec<_> = rows
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .map(|(key, before, after)| Difference {
                key: format!("function.{key}"),
                before,
                after,
            })
            .collect();
        if let (Ok(before), Ok(after)) = (&self.environment, &after.environment) {
            differences.extend(before.differences(after));
        }
        differences
    }
}

/// How far along a function or a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It can be invoked and changed.
    Ready,
    /// AWS took its resources away because nobody called it; the next call brings them back.
    Inactive,
    /// It is being created or brought back: nothing can be done with it. Why, in words.
    Pending(String),
    /// A change is being applied; the state before serves. Why it takes time, in words.
    Updating(String),
    /// The last change was not applied; the state before serves.
    UpdateFailed(Cause),
    /// It could not be created, or its image is gone (Lambda guide, "Function lifecycle" of container images): it does not run.
    Failed(Cause),
}

impl Observed {
    /// From the answer of `GetFunction`.
    pub(super) fn of_function(output: &GetFunctionOutput) -> Option<Self> {
        let configuration = output.configuration()?;
        let image = output.code().and_then(|code| code.resolved_image_uri());
        Some(Self {
            image: image.map(str::to_owned),
            tags: output.tags_error().is_none().then(|| {
                output
                    .tags()
                    .cloned()
                    .unwrap_or_default()
                    .into_iter()
                    .collect()
            }),
            ..Self::of_configuration(configuration)
        })
    }

    /// From a configuration, as a list has it: without tags and image.
    pub(super) fn of_configuration(found: &FunctionConfiguration) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            arn: text(found.function_arn()),
            revision_id: found.revision_id().map(str::to_owned),
            package: match found.package_type() {
                Some(PackageType::Image) => Package::Image,
                _ => Package::Zip,
            },
            code_sha256: text(found.code_sha256()),
            image: None,
            configuration: configuration(found),
            unmanaged: unmanaged::rows(found).into(),
            description: text(found.description()),
            last_modified: found.last_modified().map(str::to_owned),
            condition: condition(found),
            tags: None,
            takes_snapshots: found
                .snap_start()
                .is_some_and(|snap| snap.apply_on() == Some(&SnapStartApplyOn::PublishedVersions)),
        }
    }
}

fn configuration(found: &FunctionConfiguration) -> Configuration {
    let environment = match found.environment() {
        None => Ok(Values::default()),
        Some(environment) => match environment.error() {
            Some(error) => Err(error
                .message()
                .or(error.error_code())
                .unwrap_or("AWS does not say why")
                .to_owned()),
            None => Ok(environment
                .variables()
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .collect()),
        },
    };
    Configuration {
        runtime: found.runtime().map(|runtime| runtime.as_str().to_owned()),
        handler: found.handler().map(str::to_owned),
        role: found.role().unwrap_or_default().to_owned(),
        // Lambda API, `FunctionConfiguration`: 128 MB and 3 s when nothing else was said.
        memory: found.memory_size().unwrap_or(128),
        timeout: found.timeout().unwrap_or(3),
        architecture: found
            .architectures()
            .first()
            .map_or("x86_64", |architecture| architecture.as_str())
            .to_owned(),
        layers: found
            .layers()
            .iter()
            .filter_map(|layer| layer.arn().map(str::to_owned))
            .collect(),
        environment,
    }
}

/// Lambda guide, "Lambda function states": `State` for the function, `LastUpdateStatus` for the last change.
fn condition(found: &FunctionConfiguration) -> Condition {
    let state = || {
        let code = found.state_reason_code().map(StateReasonCode::as_str);
        (code, found.state_reason())
    };
    let why = |(code, text)| reason::of(code, text);
    match found.state() {
        Some(State::Pending) => return Condition::Pending(why(state())),
        // While it is being repaired it is not known yet what it comes to.
        Some(State::Failed)
            if found.last_update_status() != Some(&LastUpdateStatus::InProgress) =>
        {
            let (code, text) = state();
            return Condition::Failed(Cause::of(code, text));
        }
        _ => {}
    }
    let code = found.last_update_status_reason_code();
    let code = code.map(LastUpdateStatusReasonCode::as_str);
    let text = found.last_update_status_reason();
    match found.last_update_status() {
        Some(LastUpdateStatus::InProgress) => Condition::Updating(why((code, text))),
        Some(LastUpdateStatus::Failed) => Condition::UpdateFailed(Cause::of(code, text)),
        _ if found.state() == Some(&State::Inactive) => Condition::Inactive,
        _ => Condition::Ready,
    }
}

/// A published version, as the list of versions has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Version {
    /// Its number.
    pub(crate) number: u64,
    /// Free text; a version's description when squad wrote it.
    pub(crate) description: String,
    /// AWS's digest of its code.
    pub(crate) code_sha256: String,
    /// When it was made, as AWS writes it.
    pub(crate) last_modified: Option<String>,
}

impl Version {
    /// None for `$LATEST`.
    pub(super) fn of(found: &FunctionConfiguration) -> Option<Self> {
        Some(Self {
            number: found.version()?.parse().ok()?,
            description: found.description().unwrap_or_default().to_owned(),
            code_sha256: found.code_sha256().unwrap_or_default().to_owned(),
            last_modified: found.last_modified().map(str::to_owned),
        })
    }
}
