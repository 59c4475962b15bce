//! What squad writes into the description of a published Lambda version: which release it is, and where it comes from.
//!
//! `squad/1 d=<release digest> t=<tree> g=<commit> by=<who>`, at most 256 characters of ASCII. `d` is what a deploy
//! compares; the code's own SHA-256 only guards.

use super::alias::{LONGEST, actor, spoken};
use super::release::{Actor, Release};

/// The first word; another one belongs to a later squad or to somebody else.
const FORM: &str = "squad/1";

/// What a version's description tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionNote {
    /// The release's digest: `sha256:<64 hex>`, and `+<ULID>` for a rebuild.
    pub(crate) digest: String,
    /// SHA-256 of the uncompressed tree, base64url without padding; "" where it is not known (images).
    pub(crate) tree: String,
    /// The first 12 hex digits of the git commit; "" where there is none.
    pub(crate) commit: String,
    /// Who published it: `ana on laptop`.
    pub(crate) by: String,
}

impl VersionNote {
    /// Of a release, with the digest of its uncompressed tree.
    pub(crate) fn of(release: &Release, tree: &str) -> Self {
        let commit = release.provenance.commit.as_deref().unwrap_or_default();
        Self {
            digest: release.digest.clone(),
            tree: tree.to_owned(),
            commit: commit.get(..12).unwrap_or(commit).to_owned(),
            by: spoken(&release.actor),
        }
    }

    /// The description; who published it is cut to fit.
    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{FORM} d={}", self.digest);
        for (key, value) in [("t", &self.tree), ("g", &self.commit)] {
            if !value.is_empty() {
                text.push_str(&format!(" {key}={value}"));
            }
        }
        let room = LONGEST.saturating_sub(text.len() + " by=".len());
        let by: String = self.by.chars().filter(char::is_ascii).take(room).collect();
        if !by.is_empty() {
            text.push_str(" by=");
            text.push_str(&by);
        }
        text
    }

    /// Reads a description; none where it is somebody else's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(FORM)?.strip_prefix(' ')?;
        let (rest, by) = rest.split_once(" by=").unwrap_or((rest, ""));
        let field = |key: &str| {
            rest.split(' ')
                .filter_map(|word| word.split_once('='))
                .find(|(name, _)| *name == key)
                .map_or("", |(_, value)| value)
                .to_owned()
        };
        let digest = field("d");
        (!digest.is_empty()).then(|| Self {
            digest,
            tree: field("t"),
            commit: field("g"),
            by: by.to_owned(),
        })
    }

    /// Who published it.
    pub(crate) fn actor(&self) -> Actor {
        actor(&self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_which_release_it_is() {
        let note = VersionNote {
            digest: format!("sha256:{}+01K8ZCXQ3V5R8M2T6W9Y0A1B2C", "a".repeat(64)),
            tree: "t".repeat(43),
            commit: "0123456789ab".into(),
            by: format!("{} on laptop", "x".repeat(200)),
        };
        let text = note.encode();
        assert_eq!(text.len(), LONGEST);
        let read = VersionNote::parse(&text).unwrap();
        assert_eq!(
            (&read.digest, &read.tree, &read.commit),
            (&note.digest, &note.tree, &note.commit)
        );
        assert!(note.by.starts_with(&read.by) && read.by.len() > 50);
        let short = VersionNote {
            tree: String::new(),
            commit: String::new(),
            by: "ana on laptop".into(),
            ..note
        };
        assert_eq!(VersionNote::parse(&short.encode()), Some(short.clone()));
        assert_eq!(short.actor().host, "laptop");
    }

    #[test]
    fn what_others_wrote_is_not_read() {
        for text in [
            "",
            "v1.2.3",
            "squad/2 d=sha256:ab",
            "squad/1 t=ab",
            "squad/1",
        ] {
            assert_eq!(VersionNote::parse(text), None, "{text}");
        }
    }
}
