//! Packages: what is accepted, where it comes from, and its update.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::model::sha256_of;
use super::{Answer, Code, Context, invalid, stale, version};
use crate::bucket::Buckets;
use crate::failure::Failure;
use crate::request::Reply;

/// The size of a request that carries code; its Base64 is of 50 MB (gettingstarted-limits.html, "Deployment package
/// (.zip file archive) size": 50 MB zipped for direct upload). The figure is in the service's message.
const LARGEST_REQUEST: usize = 70_167_211;

/// "250 MB — the maximum size of the contents of a deployment package, including layers" (same table).
const LARGEST_UNZIPPED: u64 = 262_144_000;

/// 413, whole request.
pub(crate) fn must_fit(context: &Context) -> Result<(), Failure> {
    if context.request.body.len() > LARGEST_REQUEST {
        return Err(Failure::new(
            413,
            "RequestEntityTooLargeException",
            format!(
                "Request must be smaller than {LARGEST_REQUEST} bytes for the {} operation",
                context.operation.name
            ),
        ));
    }
    Ok(())
}

fn archive(data: Vec<u8>) -> Result<Code, Failure> {
    let unusable = || {
        invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    };
    let mut zip =
        zip::ZipArchive::new(std::io::Cursor::new(data.as_slice())).map_err(|_| unusable())?;
    if zip.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip"));
    }
    let mut unzipped = 0;
    for index in 0..zip.len() {
        unzipped += zip.by_index_raw(index).map_err(|_| unusable())?.size();
    }
    if unzipped > LARGEST_UNZIPPED {
        return Err(invalid(format!(
            "Unzipped size must be smaller than {LARGEST_UNZIPPED} bytes"
        )));
    }
    Ok(Code::Zip(Arc::new(data)))
}

/// A tag is resolved to a digest when the call is made, and never again (images-create.html: "Lambda resolves the tag
/// to a specific image digest").
fn image(uri: &str, images: &BTreeMap<String, String>) -> Code {
    let repository = uri.split('@').next().unwrap_or(uri);
    let repository = match repository.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    let digest = match (uri.split_once('@'), images.get(uri)) {
        (Some((_, digest)), _) => digest.to_owned(),
        (None, Some(digest)) => digest.clone(),
        (None, None) => {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, uri.as_bytes());
            let hex: String = hash
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("sha256:{hex}")
        }
    };
    Code::Image {
        uri: uri.to_owned(),
        resolved: format!("{repository}@{digest}"),
    }
}

/// The code that a request names: `ZipFile`, `S3Bucket` and `S3Key`, or `ImageUri`.
pub(crate) fn taken(
    members: &Map<String, Value>,
    buckets: &Buckets,
    images: &BTreeMap<String, String>,
) -> Result<Code, Failure> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(zip) = text("ZipFile") {
        let data = STANDARD.decode(zip).map_err(|_| {
            invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            )
        })?;
        return archive(data);
    }
    if let Some(uri) = text("ImageUri") {
        return Ok(image(uri, images));
    }
    let (Some(bucket), Some(key)) = (text("S3Bucket"), text("S3Key")) else {
        return Err(invalid("Please provide a source for function code."));
    };
    archive(buckets.object(bucket, key, text("S3ObjectVersion")).map(|data| data.to_vec()).map_err(|code| {
        let message = match code {
            "NoSuchBucket" => "The specified bucket does not exist",
            "NoSuchVersion" => "The specified version does not exist.",
            _ => "The specified key does not exist.",
        };
        invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        ))
    })?)
}

/// `CodeSha256` of it.
pub(crate) fn digest_of(code: &Code) -> String {
    match code {
        Code::Zip(data) => sha256_of(data),
        Code::Image { resolved, .. } => resolved
            .rsplit_once("sha256:")
            .map_or(resolved.as_str(), |(_, hex)| hex)
            .to_owned(),
    }
}

/// API reference, UpdateFunctionCode.
pub(crate) fn update(context: &mut Context) -> Answer {
    must_fit(context)?;
    let (now, settle) = (context.now, context.settings.settle_ms);
    let given = context.text("RevisionId");
    let may_have_failed = context.settings.failed_can_be_updated;
    let function = context.function()?;
    function.must_be_sound(may_have_failed)?;
    if given.is_some_and(|given| given != function.latest.revision) {
        return Err(stale());
    }
    let is_image = matches!(function.latest.code, Code::Image { .. });
    let wants_image = context.body.contains_key("ImageUri");
    if is_image && !wants_image {
        return Err(invalid(
            "Please provide ImageUri when updating a function with packageType Image.",
        ));
    }
    if !is_image && wants_image {
        return Err(invalid(
            "Please don't provide ImageUri when updating a function with packageType Zip.",
        ));
    }
    let code = taken(&context.body, context.buckets, &context.settings.images)?;
    let architectures = context.body.get("Architectures").cloned();
    let mut changed = context.function()?.latest.clone();
    changed.sha256 = digest_of(&code);
    changed.code = code;
    if let Some(architectures) = architectures {
        changed
            .configuration
            .insert("Architectures".to_owned(), architectures);
    }
    if context.flag("DryRun") {
        // "Set to true to validate the request parameters and access permissions without modifying the function code."
        let function = context.function()?;
        let real = std::mem::replace(&mut function.latest, changed);
        let shown = function.show("$LATEST", None);
        function.latest = real;
        return Ok(Reply::json(200, &Value::Object(shown?)));
    }
    let revision = context.random.uuid();
    let failing = context.settings.fail_next.take();
    let function = context.function()?;
    let before = function.latest.serving().clone();
    changed.begin_update(before, revision, now, (now + settle, failing));
    function.latest = changed;
    if context.flag("Publish") {
        return version::publish_now(context, 200, None);
    }
    let shown = context.function()?.show("$LATEST", None)?;
    Ok(Reply::json(200, &Value::Object(shown)))
}
