//! Buckets and their objects, apart from S3's protocol.

use std::collections::BTreeMap;

use bytes::Bytes;

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) version: String,
    pub(crate) etag: String,
    /// None: a delete marker.
    pub(crate) data: Option<Bytes>,
    pub(crate) modified: u64,
    pub(crate) kind: String,
    /// `x-amz-meta-…`.
    pub(crate) metadata: Vec<(String, String)>,
}

/// One bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) versioned: bool,
    /// The versions of each key, oldest first.
    pub(crate) objects: BTreeMap<String, Vec<Object>>,
    /// Parts by upload id.
    pub(crate) uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Buckets(pub(crate) BTreeMap<String, Bucket>);

impl Bucket {
    /// The object as it is now.
    pub(crate) fn current(&self, key: &str) -> Option<&Object> {
        let last = self.objects.get(key)?.last()?;
        last.data.is_some().then_some(last)
    }
}

impl Buckets {
    /// The bytes, or S3's error code.
    pub(crate) fn object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Bytes, &'static str> {
        let bucket = self.0.get(bucket).ok_or("NoSuchBucket")?;
        let found = match version {
            None => bucket.current(key).ok_or("NoSuchKey")?,
            Some(version) => bucket
                .objects
                .get(key)
                .ok_or("NoSuchKey")?
                .iter()
                .find(|object| object.version == version)
                .ok_or("NoSuchVersion")?,
        };
        found.data.clone().ok_or("NoSuchKey")
    }
}
