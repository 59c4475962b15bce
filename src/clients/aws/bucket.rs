//! One bucket, or a prefix in it: objects that are created once, read and listed.
//!
//! Signs with the session's credentials. An answer that was lost is looked up: an object that holds this writer's mark
//! was made by it. Never overwrites, never deletes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::HeaderValue;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, CredentialProvider, ObjectStore,
    ObjectStoreExt, PutMode, PutOptions, RetryConfig, WriteMultipart,
};
use tokio::sync::OnceCell;

use super::credentials::Chain;
use super::error::{Error, Result};
use super::patience::{CONNECT, sending};
use super::session::Session;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How long after its beginning a request is tried again.
const RETRY: Duration = Duration::from_secs(25);
/// Times that a creation is tried whose answer was lost or that met another one.
const TRIES: u32 = 5;
/// The key of the metadata that says whose write it was.
const MARK: &str = "squad-write";

/// Bytes of one part of a large object.
const PART: usize = 8 * 1024 * 1024;
/// Parts that are sent at once: enough for a fast line, and few enough that each gets on with a slow one.
const AT_ONCE: usize = 4;

/// An object that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The bucket.
    pub(crate) bucket: String,
    /// The whole key.
    pub(crate) key: String,
    /// Its version, where the bucket keeps versions.
    pub(crate) version: Option<String>,
}

/// A bucket, and what every key in it begins with. Cheap to clone; reaches nothing before the first call.
#[derive(Debug, Clone)]
pub(crate) struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    prefix: String,
    session: Session,
    store: OnceCell<AmazonS3>,
}

impl Bucket {
    /// A bucket by its name; `prefix` has no slash at either end, and may be empty.
    pub(crate) fn new(name: &str, prefix: &str, session: Session) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            session,
            store: OnceCell::new(),
        }))
    }

    fn key(&self, path: &str) -> String {
        match self.0.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        }
    }

    /// `s3://bucket/key`.
    fn address(&self, path: &str) -> String {
        format!("s3://{}/{}", self.0.name, self.key(path))
    }

    async fn store(&self) -> Result<&AmazonS3> {
        self.0
            .store
            .get_or_try_init(|| Box::pin(self.connect(Duration::ZERO)))
            .await
    }

    /// Of which each request may take so much longer.
    async fn connect(&self, more: Duration) -> Result<AmazonS3> {
        let session = &self.0.session;
        let endpoint = session.endpoint_of_s3();
        let mut options = ClientOptions::new()
            .with_allow_http(endpoint.is_some_and(|url| url.starts_with("http://")))
            .with_timeout(REQUEST + more)
            .with_connect_timeout(CONNECT);
        if let Ok(agent) = HeaderValue::from_str(concat!("squad/", env!("CARGO_PKG_VERSION"))) {
            options = options.with_user_agent(agent);
        }
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.0.name)
            .with_region(session.region_in_use().await.unwrap_or_default())
            .with_credentials(Arc::new(Bridge(session.chain().await)))
            .with_virtual_hosted_style_request(endpoint.is_none())
            .with_client_options(options)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(50),
                    max_backoff: Duration::from_secs(4),
                    base: 2.0,
                },
                max_retries: 8,
                retry_timeout: RETRY + more,
            });
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        builder
            .build()
            .map_err(|error| self.failed("s3:GetObject", "", error))
    }

    /// Creates an object; false when somebody else has one of this path, whatever it holds.
    pub(crate) async fn create(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        // Nothing is written with credentials of another account, wherever they may write.
        if self.0.session.account().is_some() {
            self.0.session.guard().await?;
        }
        let location = Path::from(self.key(path));
        let mark = ulid::Ulid::generate().to_string();
        let options = || PutOptions {
            mode: PutMode::Create,
            attributes: Attributes::from_iter([(Attribute::Metadata(MARK.into()), mark.clone())]),
            ..PutOptions::default()
        };
        let (mut tries, mut unsure) = (0, false);
        loop {
            tries += 1;
            let put = self
                .store()
                .await?
                .put_opts(&location, bytes.to_vec().into(), options())
                .await;
            let Err(error) = put else { return Ok(true) };
            let exists = matches!(error, object_store::Error::AlreadyExists { .. });
            let error = self.failed("s3:PutObject", path, error);
            if !exists && !error.why.is_ambiguous() {
                return Err(error);
            }
            unsure |= !exists;
            // Somebody else's, or this one's whose answer was lost; or (409) somebody is writing it just now.
            match self.found(&location, path).await? {
                // A store that keeps no marks is asked for the bytes, where an answer was lost.
                Some((found, held)) if found.is_empty() => return Ok(unsure && held == bytes),
                Some((found, _)) => return Ok(found == mark),
                None if tries == TRIES => return Err(error),
                None => tokio::time::sleep(Duration::from_millis(20 << tries)).await,
            }
        }
    }

    /// The mark and the bytes of the object that is there; none when there is none.
    async fn found(&self, location: &Path, path: &str) -> Result<Option<(String, Vec<u8>)>> {
        let failed = |error| self.failed("s3:GetObject", path, error);
        let found = match self.store().await?.get(location).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mark = found
            .attributes
            .get(&Attribute::Metadata(MARK.into()))
            .map(|mark| mark.as_ref().to_owned())
            .unwrap_or_default();
        let bytes = found.bytes().await.map_err(failed)?.to_vec();
        Ok(Some((mark, bytes)))
    }

    /// Keeps an object whose path names its content, so that one of the same size is it: sent in parts, and only when
    /// it is not there; `on_send` is called before that. Answers with where it lies.
    pub(crate) async fn keep(
        &self,
        path: &str,
        bytes: Bytes,
        on_send: &(dyn Fn() + Send + Sync),
    ) -> Result<Kept> {
        let location = Path::from(self.key(path));
        let kept = |version: Option<String>| Kept {
            bucket: self.0.name.clone(),
            key: location.to_string(),
            // `null` is what a bucket says that keeps no versions any more.
            version: version.filter(|version| version != "null"),
        };
        let parts = bytes.len().div_ceil(PART).min(AT_ONCE) as u64;
        let store = self.connect(sending(parts * PART as u64)).await?;
        match store.head(&location).await {
            Ok(found) if found.size == bytes.len() as u64 => return Ok(kept(found.version)),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.failed("s3:GetObject", path, error)),
        }
        on_send();
        let failed = |error| self.failed("s3:PutObject", path, error);
        let upload = store.put_multipart(&location).await.map_err(failed)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut left = bytes;
        while !left.is_empty() {
            if let Err(error) = writer.wait_for_capacity(AT_ONCE).await {
                drop(writer.abort().await);
                return Err(failed(error));
            }
            writer.put(left.split_to(PART.min(left.len())));
        }
        let put = writer.finish().await.map_err(failed)?;
        Ok(kept(put.version))
    }

    /// What an object holds; none when there is none.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let failed = |error| self.failed("s3:GetObject", path, error);
        match self.store().await?.get(&Path::from(self.key(path))).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?.to_vec())),
            Err(error @ object_store::Error::NotFound { .. }) => self.missing(path, error),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether there is an object.
    pub(crate) async fn exists(&self, path: &str) -> Result<bool> {
        match self.store().await?.head(&Path::from(self.key(path))).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("s3:GetObject", path, error)),
        }
    }

    /// The paths below a directory (no slash at its end), sorted.
    pub(crate) async fn list(&self, directory: &str) -> Result<Vec<String>> {
        let below = Path::from(self.key(directory));
        let listed = self.store().await?.list(Some(&below));
        let listed: std::result::Result<Vec<_>, _> = listed.try_collect().await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return Err(self.failed("s3:ListBucket", directory, error)),
        };
        let prefix = self.key("");
        let mut paths: Vec<String> = listed
            .iter()
            .filter_map(|object| object.location.as_ref().strip_prefix(prefix.as_str()))
            .map(str::to_owned)
            .collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// An object that is not there; a bucket that is not there is a mistake.
    fn missing<T>(&self, path: &str, error: object_store::Error) -> Result<Option<T>> {
        let error = self.failed("s3:GetObject", path, error);
        match error.code.as_deref() {
            Some("NoSuchBucket") => Err(error),
            _ => Ok(None),
        }
    }

    fn failed(&self, action: &'static str, path: &str, error: object_store::Error) -> Error {
        Error::of_answer(action, &self.address(path), &error)
    }
}

/// The session's credentials for `object_store`, which has a chain of its own without profiles and logins.
#[derive(Debug)]
struct Bridge(Chain);

#[async_trait]
impl CredentialProvider for Bridge {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials =
            self.0
                .credentials()
                .await
                .map_err(|source| object_store::Error::Generic {
                    store: "S3",
                    source: Box::new(source),
                })?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}
