//! Releases that a rollback or an abort left, beyond the life of their version.
//!
//! The alias's description tells which versions were left, in the write that leaves them. A version that is deleted takes its
//! digest along, so before that an object says what became of it: `left/<service>/<digest>/<revision>-left`, or
//! `…-served` where the same release was left before and served again since. Objects are created once, and before the
//! deletion: whoever dies in between has deleted nothing, and does both the next time. A tag of the function could not hold
//! it: tags are hints that anybody may change, and 50 at most.

use super::Lambda;
use super::seen::Seen;
use crate::domain::live::LeftRelease;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::version::VersionNote;
use crate::platform::Result;

/// What the name of an object ends with where the version was left.
const LEFT: &str = "left";
/// The same where it was not.
const SERVED: &str = "served";

/// A digest as a part of a path; a rebuild is the release that it rebuilds.
fn path(service: &ServiceName, digest: &str) -> String {
    let base = digest.split('+').next().unwrap_or(digest);
    let part: String = base
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("left/{service}/{part}")
}

/// The digest that a version was published with, where squad published it.
fn digest(seen: &Seen, number: RevisionNumber) -> Option<String> {
    let description = seen.versions.get(&number)?.description()?;
    VersionNote::parse(description).map(|note| note.digest)
}

impl Lambda {
    /// The paths of all objects of a service, to be handed to [`Self::note_gone`].
    pub(super) async fn left_objects(&self, service: &ServiceName) -> Result<Vec<String>> {
        let directory = format!("left/{service}");
        self.objects.list(&directory).await.map_err(super::stored)
    }

    /// Notes what became of a version that is about to be deleted. `known` are the objects that are there.
    pub(super) async fn note_gone(
        &self,
        service: &ServiceName,
        seen: &Seen,
        number: RevisionNumber,
        known: &[String],
    ) -> Result<()> {
        let Some(digest) = digest(seen, number) else {
            return Ok(());
        };
        let note = seen.alias.as_ref().map(super::seen::Alias::note);
        let directory = path(service, &digest);
        let below = format!("{directory}/");
        let word = if note.is_some_and(|note| note.left.contains(&number)) {
            LEFT
        } else if known.iter().any(|path| path.starts_with(&below)) {
            SERVED
        } else {
            // Nobody ever left it.
            return Ok(());
        };
        self.store_object(&format!("{directory}/{number}-{word}"), digest.as_bytes())
            .await?;
        Ok(())
    }

    /// Whether a release of which no version is there was left by the last one that there was.
    pub(super) async fn left_release(
        &self,
        service: &ServiceName,
        digest: &str,
    ) -> Result<Option<LeftRelease>> {
        let directory = path(service, digest);
        let paths = self.objects.list(&directory).await.map_err(super::stored)?;
        Ok(last_left(&paths).map(|revision| LeftRelease {
            digest: digest.to_owned(),
            revision,
        }))
    }
}

/// The version that was left, if it was the last one of its release. Where an object says both of the same version, it served
/// again after it was left: the other one is of somebody who meant to delete it before that, and could not.
fn last_left(paths: &[String]) -> Option<RevisionNumber> {
    let rows = paths.iter().filter_map(|path| {
        let (number, word) = path.rsplit('/').next()?.split_once('-')?;
        Some((RevisionNumber(number.parse().ok()?), word == SERVED))
    });
    rows.max()
        .filter(|(_, has_served)| !has_served)
        .map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_version_of_a_release_says_whether_it_was_left() {
        let last = |words: &[&str]| {
            let paths: Vec<_> = words
                .iter()
                .map(|word| format!("left/receipts/sha256-ab/{word}"))
                .collect();
            last_left(&paths).map(|number| number.0)
        };
        assert_eq!(last(&[]), None);
        assert_eq!(last(&["9-left"]), Some(9));
        assert_eq!(last(&["9-left", "10-served"]), None);
        assert_eq!(last(&["10-served", "11-left", "9-left"]), Some(11));
        assert_eq!(last(&["9-left", "9-served"]), None);
        assert_eq!(last(&["something else"]), None);
    }
}
