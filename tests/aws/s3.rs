//! S3, path style (REST XML): as much as `object_store` uses, and object versions.
//!
//! S3 API reference and User Guide, "Add preconditions to S3 operations" (conditional-requests.html), "Using versioning
//! in S3 buckets". An ETag is a digest of the content, but not MD5: clients must not care.

use bytes::Bytes;
use http::Method;

use crate::bucket::{Bucket, Object};
use crate::clock;
use crate::dispatch::Operation;
use crate::failure::Failure;
use crate::random::Random;
use crate::request::{Reply, Request, decode, escaped};
use crate::world::World;

/// Bucket and key.
fn place(request: &Request) -> (String, String) {
    let path = request.raw_path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (decode(bucket), decode(key))
}

pub(crate) fn operation(request: &Request) -> Option<Operation> {
    let (bucket, key) = place(request);
    let has = |name: &str| request.query.contains_key(name);
    let name = match (&request.method, key.is_empty()) {
        (&Method::PUT, true) if has("versioning") => "PutBucketVersioning",
        (&Method::PUT, true) => "CreateBucket",
        (&Method::HEAD, true) => "HeadBucket",
        (&Method::GET, true) => "ListObjectsV2",
        (&Method::POST, true) if has("delete") => "DeleteObjects",
        (&Method::PUT, false) if has("uploadId") => "UploadPart",
        (&Method::PUT, false) => "PutObject",
        (&Method::GET, false) => "GetObject",
        (&Method::HEAD, false) => "HeadObject",
        (&Method::DELETE, false) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, false) => "DeleteObject",
        (&Method::POST, false) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, false) if has("uploadId") => "CompleteMultipartUpload",
        _ => return None,
    };
    let mut operation = Operation::new(name).with("Bucket", bucket);
    if !key.is_empty() {
        operation = operation.with("Key", key);
    }
    for header in ["if-match", "if-none-match", "range"] {
        if let Some(value) = request.header(header) {
            operation = operation.with(header, value);
        }
    }
    for (name, value) in &request.query {
        operation = operation.with(name, value.clone());
    }
    Some(operation)
}

fn etag_of(data: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
    let hex: String = hash
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

fn failed() -> Failure {
    Failure::new(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
}

fn no_key() -> Failure {
    Failure::new(404, "NoSuchKey", "The specified key does not exist.")
}

pub(crate) fn handle(
    request: &Request,
    operation: &Operation,
    world: &mut World,
) -> Result<Reply, Failure> {
    let (name, key) = place(request);
    if operation.name == "CreateBucket" {
        world.buckets.0.entry(name).or_default();
        return Ok(Reply::empty(200));
    }
    let World {
        buckets, random, ..
    } = world;
    let bucket = buckets
        .0
        .get_mut(&name)
        .ok_or_else(|| Failure::new(404, "NoSuchBucket", "The specified bucket does not exist"))?;
    match operation.name {
        "PutBucketVersioning" => {
            bucket.versioned = request.text().contains("<Status>Enabled</Status>");
            Ok(Reply::empty(200))
        }
        "HeadBucket" => Ok(Reply::empty(200)),
        "ListObjectsV2" => Ok(list(request, &name, bucket)),
        "PutObject" => put(request, bucket, &key, request.body.clone(), random),
        "GetObject" | "HeadObject" => get(request, bucket, &key),
        "DeleteObject" => {
            let version = request.query.get("versionId").map(String::as_str);
            Ok(delete(bucket, &key, version, random))
        }
        "DeleteObjects" => Ok(delete_many(&request.text(), bucket, random)),
        _ => multipart(request, operation, (name.as_str(), &key), bucket, random),
    }
}

/// "If-None-Match: *: Uploads the object only if the object key name does not already exist"; "If-Match: Uploads the
/// object only if the ETag value provided … matches"; 404 when there is none (API reference, PutObject).
fn put(
    request: &Request,
    bucket: &mut Bucket,
    key: &str,
    data: Bytes,
    random: &mut Random,
) -> Result<Reply, Failure> {
    let current = bucket.current(key);
    if request.header("if-none-match") == Some("*") && current.is_some() {
        return Err(failed());
    }
    if let Some(wanted) = request.header("if-match") {
        let current = current.ok_or_else(no_key)?;
        if current.etag != wanted {
            return Err(failed());
        }
    }
    let object = Object {
        version: version_id(bucket, random),
        etag: etag_of(&data),
        data: Some(data),
        modified: clock::now(),
        kind: request
            .header("content-type")
            .unwrap_or("binary/octet-stream")
            .to_owned(),
        metadata: metadata(request),
    };
    let reply = Reply::empty(200).with("ETag", object.etag.clone());
    Ok(stored(bucket, key, object, reply))
}

/// "Working with object metadata" (`UsingMetadata.html`): what a PUT gives as `x-amz-meta-…` each GET and HEAD returns.
fn metadata(request: &Request) -> Vec<(String, String)> {
    let own = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let is_own = name.as_str().starts_with("x-amz-meta-");
        is_own.then(|| Some((name.to_string(), value.to_str().ok()?.to_owned())))?
    };
    request.headers.iter().filter_map(own).collect()
}

fn version_id(bucket: &Bucket, random: &mut Random) -> String {
    if bucket.versioned {
        format!("{:016x}{:016x}", random.next(), random.next())
    } else {
        "null".to_owned()
    }
}

fn stored(bucket: &mut Bucket, key: &str, object: Object, reply: Reply) -> Reply {
    let reply = if bucket.versioned {
        reply.with("x-amz-version-id", object.version.clone())
    } else {
        reply
    };
    let versions = bucket.objects.entry(key.to_owned()).or_default();
    if !bucket.versioned {
        versions.clear();
    }
    versions.push(object);
    reply
}

fn get(request: &Request, bucket: &Bucket, key: &str) -> Result<Reply, Failure> {
    let object = match request.query.get("versionId") {
        None => bucket.current(key).ok_or_else(no_key)?,
        Some(version) => bucket
            .objects
            .get(key)
            .and_then(|versions| versions.iter().find(|object| object.version == *version))
            .ok_or_else(|| {
                Failure::new(
                    404,
                    "NoSuchVersion",
                    "The specified version does not exist.",
                )
            })?,
    };
    let Some(data) = &object.data else {
        return Err(Failure::new(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        ));
    };
    if request
        .header("if-match")
        .is_some_and(|wanted| wanted != object.etag && wanted != "*")
    {
        return Err(failed());
    }
    if request
        .header("if-none-match")
        .is_some_and(|known| known == object.etag || known == "*")
    {
        return Err(Failure::new(304, "NotModified", "Not Modified"));
    }
    let range = request
        .header("range")
        .map(|range| range_of(range, data.len()));
    let (status, slice, content_range) = match range {
        None => (200, data.clone(), None),
        Some(None) => {
            return Err(Failure::new(
                416,
                "InvalidRange",
                "The requested range is not satisfiable",
            ));
        }
        Some(Some((from, to))) => (
            206,
            data.slice(from..to),
            Some(format!("bytes {from}-{}/{}", to - 1, data.len())),
        ),
    };
    let mut reply = Reply::empty(status)
        .with("ETag", object.etag.clone())
        .with("Last-Modified", clock::http_time(object.modified))
        .with("Content-Length", slice.len().to_string())
        .with("Accept-Ranges", "bytes");
    for (name, value) in &object.metadata {
        reply = reply.with(name, value.clone());
    }
    if let Some(content_range) = content_range {
        reply = reply.with("Content-Range", content_range);
    }
    if bucket.versioned {
        reply = reply.with("x-amz-version-id", object.version.clone());
    }
    let body = if request.method == Method::HEAD {
        Bytes::new()
    } else {
        slice
    };
    Ok(reply.with_body(&object.kind, body))
}

/// `bytes=a-b`, `bytes=a-`, `bytes=-n`; the end is exclusive here.
fn range_of(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from, to.saturating_add(1).min(length)),
        (Ok(from), Err(_)) => (from, length),
        (Err(_), Ok(last)) => (length.saturating_sub(last), length),
        _ => return None,
    };
    (from < to).then_some((from, to))
}

/// With versioning a delete adds a marker; deleting what is not there is no error.
fn delete(bucket: &mut Bucket, key: &str, version: Option<&str>, random: &mut Random) -> Reply {
    if let Some(version) = version {
        if let Some(versions) = bucket.objects.get_mut(key) {
            versions.retain(|object| object.version != *version);
        }
    } else if bucket.versioned {
        let marker = Object {
            version: version_id(bucket, random),
            etag: String::new(),
            data: None,
            modified: clock::now(),
            kind: String::new(),
            metadata: Vec::new(),
        };
        let reply = Reply::empty(204).with("x-amz-delete-marker", "true");
        return stored(bucket, key, marker, reply);
    } else {
        bucket.objects.remove(key);
    }
    Reply::empty(204)
}

/// API reference, DeleteObjects: each key is deleted as on its own.
fn delete_many(body: &str, bucket: &mut Bucket, random: &mut Random) -> Reply {
    let mut deleted = String::new();
    for object in body.split("<Object>").skip(1) {
        let within = |name: &str| {
            let (_, rest) = object.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
        };
        let key = within("Key").unwrap_or("");
        delete(bucket, &unescaped(key), within("VersionId"), random);
        deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    Reply::empty(200).with_body(
        "application/xml",
        format!("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{deleted}</DeleteResult>"),
    )
}

fn unescaped(text: &str) -> String {
    let names = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    names
        .into_iter()
        .fold(text.to_owned(), |text, (name, letter)| {
            text.replace(name, letter)
        })
}

/// API reference, ListObjectsV2: keys in binary order, up to 1,000, `CommonPrefixes` with a delimiter.
fn list(request: &Request, name: &str, bucket: &Bucket) -> Reply {
    let query = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter) = (query("prefix"), query("delimiter"));
    let most = query("max-keys").parse::<usize>().unwrap_or(1000).min(1000);
    let token = query("continuation-token");
    let after = if token.is_empty() {
        query("start-after")
    } else {
        token
    };
    let (mut contents, mut prefixes): (String, Vec<String>) = (String::new(), Vec::new());
    let (mut count, mut last, mut truncated) = (0, String::new(), false);
    for key in bucket
        .objects
        .keys()
        .filter(|key| key.starts_with(&prefix) && **key > after)
    {
        let Some(object) = bucket.current(key) else {
            continue;
        };
        let rest = &key[prefix.len()..];
        let folder = (!delimiter.is_empty())
            .then(|| rest.find(&delimiter))
            .flatten()
            .map(|end| format!("{prefix}{}", &rest[..end + delimiter.len()]));
        if let Some(folder) = &folder
            && (prefixes.last() == Some(folder) || after.starts_with(folder))
        {
            continue;
        }
        if count == most {
            truncated = true;
            break;
        }
        count += 1;
        if let Some(folder) = folder {
            last.clone_from(&folder);
            // Everything below the folder sorts before this.
            last.push(char::MAX);
            prefixes.push(folder);
        } else {
            last.clone_from(key);
            contents += &format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                escaped(key),
                clock::iso_time(object.modified),
                escaped(&object.etag),
                object.data.as_ref().map_or(0, Bytes::len)
            );
        }
    }
    let folders: String = prefixes
        .iter()
        .map(|folder| {
            format!(
                "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                escaped(folder)
            )
        })
        .collect();
    let next = if truncated {
        format!(
            "<NextContinuationToken>{}</NextContinuationToken>",
            escaped(&last)
        )
    } else {
        String::new()
    };
    Reply::empty(200).with_body(
        "application/xml",
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{name}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>{contents}{folders}{next}</ListBucketResult>",
            escaped(&prefix)
        ),
    )
}

/// "Uploading and copying objects using multipart upload": nothing is there until the upload is completed.
fn multipart(
    request: &Request,
    operation: &Operation,
    (name, key): (&str, &str),
    bucket: &mut Bucket,
    random: &mut Random,
) -> Result<Reply, Failure> {
    let id = request.query.get("uploadId").cloned().unwrap_or_default();
    if operation.name == "CreateMultipartUpload" {
        let id = random.uuid();
        bucket.uploads.insert(
            id.clone(),
            (key.to_owned(), std::collections::BTreeMap::new()),
        );
        return Ok(Reply::xml(
            200,
            format!(
                "<InitiateMultipartUploadResult><Bucket>{name}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
                escaped(key)
            ),
        ));
    }
    let Some((_, parts)) = bucket.uploads.get_mut(&id) else {
        return Err(Failure::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist.",
        ));
    };
    match operation.name {
        "UploadPart" => {
            let number = request
                .query
                .get("partNumber")
                .and_then(|number| number.parse().ok())
                .unwrap_or(1);
            parts.insert(number, request.body.clone());
            Ok(Reply::empty(200).with("ETag", etag_of(&request.body)))
        }
        "AbortMultipartUpload" => {
            bucket.uploads.remove(&id);
            Ok(Reply::empty(204))
        }
        _ => {
            let whole: Vec<u8> = parts
                .values()
                .flat_map(|part| part.iter().copied())
                .collect();
            let reply = put(request, bucket, key, whole.into(), random)?;
            bucket.uploads.remove(&id);
            let etag = reply
                .headers
                .iter()
                .find(|(name, _)| name == "ETag")
                .map(|(_, etag)| etag.clone());
            Ok(reply.with_body(
                "text/xml",
                format!(
                    "<CompleteMultipartUploadResult><Bucket>{name}</Bucket><Key>{}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>",
                    escaped(key),
                    escaped(&etag.unwrap_or_default())
                ),
            ))
        }
    }
}
