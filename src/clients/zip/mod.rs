//! The zip of a tree: the same bytes from every checkout, user, time zone and umask, made over all cores, kept in
//! squad's cache.
//!
//! What is in the tree is [`tree`]'s to say. Nothing here knows of Lambda beyond its limit on the size, and nothing
//! reads the clock, the user or the host.

mod archive;
mod before;
mod listed;
mod noise;
mod store;
mod tree;
mod unpack;
mod write;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;

pub(crate) use listed::Listed;
pub(crate) use tree::Tree;
pub(crate) use unpack::unpack;

use crate::fs;

/// The most bytes that a function and its layers may have unpacked: Lambda's quota "Deployment package (.zip file
/// archive) size", 250 MB unzipped.
pub(crate) const UNPACKED_LIMIT: u64 = 262_144_000;
/// How many files an error about the size names.
const LARGEST: usize = 10;

/// Why a tree cannot be packed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A symlink that leads out of the artifact, nowhere, or round in a circle.
    #[error("`{name}` is a symlink {how}")]
    Link {
        /// The name in the tree.
        name: String,
        /// The rest of the sentence.
        how: String,
    },
    /// Neither a file, a directory nor a symlink; or a name that no zip can hold.
    #[error("`{name}` {reason}")]
    Unfit {
        /// The name in the tree, for people.
        name: String,
        /// The rest of the sentence.
        reason: &'static str,
    },
    /// Two parts of the package have the same file.
    #[error("`{name}` is both in `{}` and in `{}`", first.display(), second.display())]
    Collision {
        /// The name in the package.
        name: String,
        /// The part that has it.
        first: PathBuf,
        /// The part that has it too.
        second: PathBuf,
    },
    /// It is larger than AWS takes.
    #[error("the package has {bytes} bytes unpacked, and Lambda takes {UNPACKED_LIMIT}")]
    TooLarge {
        /// Bytes of all files.
        bytes: u64,
        /// The largest files, largest first.
        largest: Vec<Large>,
    },
    /// A zip that cannot be read.
    #[error("cannot read the archive `{}`: {reason}", path.display())]
    Archive {
        /// The zip.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no file in it.
    #[error("there is no file in `{}`", path.display())]
    Empty {
        /// The first part of the package.
        path: PathBuf,
    },
    /// A file was written to between the digest and the zip.
    #[error("`{name}` was changed while it was packed")]
    Changed {
        /// The name in the tree.
        name: String,
    },
    /// The zip could not be made, for a reason other than a file.
    #[error("cannot make the zip: {0}")]
    Write(String),
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
}

/// A file and its size, for an error about the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Large {
    /// The name in the package.
    pub(crate) name: String,
    /// Unpacked.
    pub(crate) bytes: u64,
}

/// The digest of an uncompressed tree; [`tree`] defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeDigest([u8; 32]);

impl TreeDigest {
    /// 64 lower-case hex digits.
    pub(crate) fn hex(&self) -> String {
        super::source::hex(&self.0)
    }

    /// 43 characters, as the description of a version holds it.
    pub(crate) fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// A zip that is ready to be uploaded.
#[derive(Debug)]
pub(crate) struct Package {
    /// The zip in squad's cache; kept open, so that it can be read even after the cache dropped it.
    file: File,
    /// Where it lies.
    path: PathBuf,
    /// All of it, where it was made just now.
    bytes: Option<Bytes>,
    sha256: [u8; 32],
    size: u64,
    tree: TreeDigest,
    unpacked: u64,
    largest: Vec<Large>,
}

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the platform lambda is what uploads packages")
)]
impl Package {
    /// Makes the zip of a tree, or takes it from `<cache>/packages`.
    pub(crate) fn of(tree: &Tree, cache: &Path) -> Result<Self, Error> {
        let directory = cache.join("packages");
        let zip = match store::find(&directory, tree.digest())? {
            Some(zip) => zip,
            None => store::keep(&directory, tree)?,
        };
        Ok(Self {
            file: zip.file,
            path: zip.path,
            bytes: zip.bytes,
            sha256: zip.sha256,
            size: zip.size,
            tree: *tree.digest(),
            unpacked: tree.size(),
            largest: tree.largest(),
        })
    }

    /// `CodeSha256` as AWS reports it: the SHA-256 of the zip, in base64.
    pub(crate) fn code_sha256(&self) -> String {
        STANDARD.encode(self.sha256)
    }

    /// The SHA-256 of the zip in hex, for a content-addressed key.
    pub(crate) fn sha256_hex(&self) -> String {
        super::source::hex(&self.sha256)
    }

    /// Bytes of the zip.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the uncompressed tree: what says that nothing changed.
    pub(crate) fn tree(&self) -> &TreeDigest {
        &self.tree
    }

    /// Bytes of all files, unpacked.
    pub(crate) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// The ten largest files, largest first.
    pub(crate) fn largest(&self) -> &[Large] {
        &self.largest
    }

    /// Where the zip lies. Another process may remove it from the cache: read through this value.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole zip, for a direct upload.
    pub(crate) fn bytes(&self) -> Result<Bytes, Error> {
        match &self.bytes {
            Some(bytes) => Ok(bytes.clone()),
            None => Ok(self.part(0, self.size)?.into()),
        }
    }

    /// Up to `length` bytes of the zip from `offset`, for an upload in parts.
    pub(crate) fn part(&self, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        let length = length.min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(fs::at("read", &self.path))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
