//! Releases that a rollback or an abort left, also where the alias does not tell of them any more.
//!
//! The alias's description tells which versions were left, in the write that leaves them. Whoever replaces it takes that
//! along, and a version that is deleted takes its digest along. So an object says what became of a version:
//! `left/<service>/<digest>/<revision>-left-<operation>` after the write that left it, `…-served-<operation>` after one that
//! gives it all the traffic again; and before it is deleted `<revision>-left`, or `…-served` where the same release was left
//! before and served again since. Objects are created once. Before a deletion: whoever dies in between has deleted nothing,
//! and does both the next time. After the traffic: a brake does not wait for the store, and what could not be noted is noted
//! by the next change that goes forwards. A tag of the function could not hold it: tags are hints that anybody may change,
//! and 50 at most.

use std::time::Duration;

use super::Lambda;
use super::seen::Seen;
use crate::domain::alias::{Note, Traffic};
use crate::domain::live::LeftRelease;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Result};

/// What the name of an object ends with where the version was left.
const LEFT: &str = "left";
/// The same where it was not.
const SERVED: &str = "served";
/// How long the store may take to keep or to tell what was left: a brake is done before it, and waits no longer.
const WITHIN: Duration = Duration::from_secs(2);

/// A digest as a part of a path; a rebuild is the release that it rebuilds.
fn path(service: &ServiceName, digest: &str) -> String {
    let base = digest.split('+').next().unwrap_or(digest);
    let part: String = base
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("left/{service}/{part}")
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
        let Some(digest) = seen.published(number).map(|note| note.digest) else {
            return Ok(());
        };
        let note = seen.alias.as_ref().map(super::alias::Alias::note);
        let note = note.unwrap_or_default();
        let directory = path(service, &digest);
        let below = format!("{directory}/");
        let is_left = note.left.contains(&number)
            // More were left than a description holds.
            || !note.served.contains(&number) && is_left(known, &directory, number);
        let word = if is_left {
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

    /// Finds out what was left where the alias does not tell. Who looks waits only so long for it: what goes
    /// forwards asks again before it writes.
    pub(super) async fn recall(&self, service: &ServiceName, seen: &mut Seen) {
        if !seen.is_without_note() {
            return;
        }
        let left = self.left_by_objects(service, seen).await.ok();
        if let Some(alias) = &mut seen.alias {
            alias.left = left;
        }
    }

    /// The same before a change that goes forwards: what nobody could know when it was decided on is known, or it is not made.
    pub(super) async fn check_recalled(
        &self,
        service: &ServiceName,
        seen: &Seen,
        traffic: Traffic,
    ) -> Result<()> {
        let is_known = seen
            .alias
            .as_ref()
            .is_some_and(|alias| alias.left.is_some());
        if is_known || !seen.is_without_note() {
            return Ok(());
        }
        let left = self.left_by_objects(service, seen).await?;
        if super::sharing::numbers(traffic)
            .iter()
            .any(|number| left.contains(number))
        {
            return Err(Error::Conflict { winner: None });
        }
        Ok(())
    }

    /// The versions that were left, as objects tell it, newest first.
    async fn left_by_objects(
        &self,
        service: &ServiceName,
        seen: &Seen,
    ) -> Result<Vec<RevisionNumber>> {
        let paths = tokio::time::timeout(WITHIN, self.left_objects(service))
            .await
            .map_err(|_| Error::Timeout(WITHIN))??;
        let is_left = |number: &RevisionNumber| {
            seen.published(*number)
                .is_some_and(|note| is_left(&paths, &path(service, &note.digest), *number))
        };
        let numbers = seen.versions.keys().rev().copied();
        Ok(numbers.filter(is_left).collect())
    }

    /// Notes what a commit left, and what it gave all the traffic again. A brake (`leaves`) notes no
    /// more than that; what goes forwards also notes what could not be noted before. The traffic is what it is by now: that
    /// it cannot be noted stops nobody.
    pub(super) async fn note_left(
        &self,
        service: &ServiceName,
        seen: &Seen,
        notes: [&Note; 2],
        leaves: Option<RevisionNumber>,
    ) {
        let work = self.try_note_left(service, seen, notes, leaves);
        drop(tokio::time::timeout(WITHIN, work).await);
    }

    async fn try_note_left(
        &self,
        service: &ServiceName,
        seen: &Seen,
        notes: [&Note; 2],
        leaves: Option<RevisionNumber>,
    ) -> Result<()> {
        let mut rows = changed(notes, leaves);
        let older = unchanged(notes, leaves);
        if leaves.is_none() && !older.is_empty() {
            let known = self.left_objects(service).await?;
            for number in older {
                let is_noted = seen
                    .published(number)
                    .is_none_or(|note| is_left(&known, &path(service, &note.digest), number));
                if !is_noted {
                    rows.push((number, LEFT));
                }
            }
        }
        let [_, after] = notes;
        let operation: String = after
            .operation
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        for (number, word) in rows {
            let Some(digest) = seen.published(number).map(|note| note.digest) else {
                continue;
            };
            let path = format!("{}/{number}-{word}-{operation}", path(service, &digest));
            self.store_object(&path, digest.as_bytes()).await?;
        }
        Ok(())
    }
}

/// Whether a commit is what left a version.
fn is_new(before: &Note, leaves: Option<RevisionNumber>, number: RevisionNumber) -> bool {
    leaves == Some(number) || !before.left.contains(&number)
}

/// What a commit left, and what it gave all the traffic again although it had been left.
fn changed(
    [before, after]: [&Note; 2],
    leaves: Option<RevisionNumber>,
) -> Vec<(RevisionNumber, &'static str)> {
    let left = after.left.iter().copied();
    let served = after.served.first().copied();
    left.filter(|number| is_new(before, leaves, *number))
        .map(|number| (number, LEFT))
        .chain(
            served
                .filter(|sole| before.left.contains(sole) && !after.left.contains(sole))
                .map(|sole| (sole, SERVED)),
        )
        .collect()
}

/// What had been left before a commit, and still is.
fn unchanged([before, after]: [&Note; 2], leaves: Option<RevisionNumber>) -> Vec<RevisionNumber> {
    let left = after.left.iter().copied();
    left.filter(|number| !is_new(before, leaves, *number))
        .collect()
}

/// What an object says: of which version, after which operation (the deletion comes last), and whether it served.
fn row(path: &str) -> Option<(RevisionNumber, &str, bool)> {
    let (number, rest) = path.rsplit('/').next()?.split_once('-')?;
    let (word, operation) = rest.split_once('-').unwrap_or((rest, "~"));
    Some((
        RevisionNumber(number.parse().ok()?),
        operation,
        word == SERVED,
    ))
}

/// Whether a version was left, by the objects of its release below `directory`.
fn is_left(paths: &[String], directory: &str, number: RevisionNumber) -> bool {
    let rows = paths.iter().filter_map(|path| {
        let name = path.strip_prefix(directory)?.strip_prefix('/')?;
        row(name).filter(|(of, ..)| *of == number)
    });
    rows.max().is_some_and(|(.., has_served)| !has_served)
}

/// The version that was left, if it was the last one of its release. Where an object says both of the same version, it served
/// again after it was left: the other one is of somebody who meant to delete it before that, and could not.
fn last_left(paths: &[String]) -> Option<RevisionNumber> {
    let rows = paths.iter().filter_map(|path| row(path));
    rows.max()
        .filter(|(.., has_served)| !has_served)
        .map(|(number, ..)| number)
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

    #[test]
    fn the_last_operation_says_whether_a_version_was_left() {
        let is_left = |words: &[&str]| {
            let paths: Vec<_> = words
                .iter()
                .map(|word| format!("left/receipts/sha256-ab/{word}"))
                .chain(["left/receipts/sha256-cd/9-left-01Z".to_owned()])
                .collect();
            is_left(&paths, "left/receipts/sha256-ab", RevisionNumber(9))
        };
        assert!(!is_left(&[]));
        assert!(is_left(&["9-left-01A"]));
        assert!(!is_left(&["9-left-01A", "9-served-01B"]));
        assert!(is_left(&["9-left-01A", "9-left-01C", "9-served-01B"]));
        assert!(is_left(&["10-served-01B", "9-left-01A"]));
        assert!(!is_left(&["9-left-01A", "9-served"]));
    }
}
