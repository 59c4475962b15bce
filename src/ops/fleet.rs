//! What the last look at a fleet found, kept on this machine: so that the next one has something to show at once.
//!
//! It is a cache: it may be deleted at any time, it is never taken for the present without being told its age, and nothing
//! is decided by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::fleet::{Found, Seen};
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::fs;

/// The form of the file; another one is not read.
const FORM: &str = "squad.fleet/v1";

/// A look of before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    form: String,
    /// When the look began: nothing in it is newer.
    pub(crate) taken_at: Timestamp,
    /// Every service that it found.
    pub(crate) seen: Vec<Seen>,
}

impl Remembered {
    /// How old it is; a clock that was set back makes nothing newer than now.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.duration_since(self.taken_at)
            .try_into()
            .unwrap_or_default()
    }

    /// The services that it could read, each as it was.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&ServiceName, &Live)> {
        self.seen.iter().filter_map(|one| match &one.found {
            Found::Live(live) => Some((&one.service, &**live)),
            Found::Unreadable(_) => None,
        })
    }

    /// What it found of these services; none = of all.
    pub(crate) fn of(&self, only: Option<&[ServiceName]>) -> Vec<Seen> {
        self.seen
            .iter()
            .filter(|one| only.is_none_or(|only| only.contains(&one.service)))
            .cloned()
            .collect()
    }
}

/// The look that was kept under this name, or none: a file that cannot be read is as good as none.
pub(crate) fn recall(cache: &Path, name: &str) -> Option<Remembered> {
    let text = fs::read_to_string(&path(cache, name)).ok()?;
    let remembered: Remembered = serde_json::from_str(&text).ok()?;
    (remembered.form == FORM).then_some(remembered)
}

/// Keeps a whole look, without the configuration of revisions: that may hold values.
pub(crate) fn remember(
    cache: &Path,
    name: &str,
    taken_at: Timestamp,
    seen: Vec<Seen>,
) -> Result<(), fs::Error> {
    let remembered = Remembered {
        form: FORM.to_owned(),
        taken_at,
        seen: seen.into_iter().map(Seen::without_configuration).collect(),
    };
    let path = path(cache, name);
    if let Some(directory) = path.parent() {
        fs::create_private_dir(directory)?;
    }
    let bytes = serde_json::to_vec(&remembered).unwrap_or_default();
    fs::write_durably(&path, &bytes, 0o600)
}

fn path(cache: &Path, name: &str) -> PathBuf {
    cache.join("fleet").join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fleet::Unreadable;

    fn seen(name: &str) -> Seen {
        Seen {
            unknown: None,
            service: name.parse().unwrap(),
            found: Found::Unreadable(Unreadable {
                why: "there is no alias `live`".into(),
            }),
        }
    }

    #[test]
    fn a_look_is_kept_and_read_again() {
        let cache = tempfile::tempdir().unwrap();
        let name = "acme/prod-123456789012-eu-west-1";
        assert_eq!(recall(cache.path(), name), None);
        let at: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        remember(
            cache.path(),
            name,
            at,
            vec![seen("payments"), seen("receipts")],
        )
        .unwrap();
        let kept = recall(cache.path(), name).unwrap();
        assert_eq!(
            kept.age("2026-11-26T12:03:00Z".parse().unwrap()).as_secs(),
            180
        );
        assert_eq!(
            kept.age("2026-11-26T11:00:00Z".parse().unwrap()).as_secs(),
            0
        );
        assert_eq!(kept.of(None).len(), 2);
        let only = ["receipts".parse().unwrap()];
        assert_eq!(kept.of(Some(&only)), [seen("receipts")]);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let cache = tempfile::tempdir().unwrap();
        let at: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        remember(cache.path(), "x", at, vec![]).unwrap();
        let file = path(cache.path(), "x");
        for text in [
            "",
            "{}",
            r#"{"form":"squad.fleet/v2","taken_at":"2026-11-26T12:00:00Z","seen":[]}"#,
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(recall(cache.path(), "x"), None, "{text}");
        }
    }
}
