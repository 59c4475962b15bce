//! The name of a container image, as `artifact` or `--image` give it.
//!
//! A tag can be moved; what is deployed is a digest. Nothing here resolves one.

use std::fmt;
use std::str::FromStr;

/// `<repository>@sha256:<64 hex>`, `<repository>:<tag>`, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageReference {
    /// The registry's host and the path, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/receipts`.
    pub(crate) repository: String,
    /// The tag, where one is written.
    pub(crate) tag: Option<String>,
    /// `sha256:` and 64 lower-case hex digits, where they are written. It counts more than the tag.
    pub(crate) digest: Option<String>,
}

/// Text that is no image with a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidImage(pub(crate) String);

impl fmt::Display for InvalidImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no image; write `<registry>/<repository>@sha256:<64 hex digits>` or `<registry>/<repository>:<tag>`",
            self.0
        )
    }
}

impl ImageReference {
    /// The reference that can never mean another image; none before the tag is resolved.
    pub(crate) fn pinned(&self) -> Option<String> {
        let digest = self.digest.as_ref()?;
        Some(format!("{}@{digest}", self.repository))
    }

    /// As a plan shows it: the last part of the repository's name, and the tag or the digest's first 12 digits, such as
    /// `receipts@sha256:ab12cd34ef56`.
    pub(crate) fn short(&self) -> String {
        let name = self.repository.rsplit('/').next().unwrap_or_default();
        match (&self.digest, &self.tag) {
            (Some(digest), _) => {
                let shown: String = digest.chars().take("sha256:".len() + 12).collect();
                format!("{name}@{shown}")
            }
            (None, Some(tag)) => format!("{name}:{tag}"),
            (None, None) => name.to_owned(),
        }
    }

    /// The same with a digest that the registry gave for the tag.
    pub(crate) fn with_digest(mut self, digest: String) -> Self {
        self.digest = Some(digest);
        self
    }
}

/// The OCI distribution specification's grammar of names, tags and digests, for SHA-256, with a registry's host first:
/// so that a path such as `dist/app.zip` is never taken for an image.
impl FromStr for ImageReference {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let invalid = || InvalidImage(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(invalid)?;
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        let good = (tag.is_some() || digest.is_some())
            && is_host(host)
            && path.split('/').all(is_part)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !good {
            return Err(invalid());
        }
        Ok(Self {
            repository: format!("{host}/{path}"),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let parts = || name.split('.');
    (parts().count() > 1 || name == "localhost")
        && parts().all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_part(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_what_is_none() {
        let digest = format!("sha256:{}", "0af9".repeat(16));
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ledger/receipts";
        for (text, wanted) in [
            (format!("{ecr}@{digest}"), Some((ecr, None, Some(&digest)))),
            (format!("{ecr}:v1.2_3"), Some((ecr, Some("v1.2_3"), None))),
            (
                format!("{ecr}:v1@{digest}"),
                Some((ecr, Some("v1"), Some(&digest))),
            ),
            (
                "localhost:5000/a:b".to_owned(),
                Some(("localhost:5000/a", Some("b"), None)),
            ),
            (ecr.to_owned(), None),
            (format!("{ecr}:"), None),
            (format!("{ecr}@sha256:12"), None),
            (format!("{ecr}@{}", digest.to_uppercase()), None),
            ("dist".to_owned(), None),
            ("dist/app.zip".to_owned(), None),
            ("../build/app:1".to_owned(), None),
            ("receipts:v1".to_owned(), None),
            ("example.com/Upper:v1".to_owned(), None),
            (String::new(), None),
        ] {
            let parsed: Option<ImageReference> = text.parse().ok();
            let found = parsed.as_ref().map(|image| {
                (
                    image.repository.as_str(),
                    image.tag.as_deref(),
                    image.digest.as_ref(),
                )
            });
            assert_eq!(found, wanted, "{text}");
        }
        let image: ImageReference = format!("{ecr}:v1").parse().unwrap();
        assert_eq!(image.pinned(), None);
        let pinned = image.with_digest(digest.clone()).pinned();
        assert_eq!(pinned, Some(format!("{ecr}@{digest}")));
    }
}
