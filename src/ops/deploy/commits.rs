//! What git says of a plan: which commits go out, and which that are live go away. Where it cannot tell, that is no reason to
//! fail.

use std::path::PathBuf;

use crate::clients::git::{Commit, Repository};
use crate::domain::release::Provenance;

/// How many commits a plan lists before it says that there are more.
const MOST: usize = 20;

/// Commits, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// At most [`MOST`] of them.
    pub(crate) commits: Vec<Commit>,
    /// There are more.
    pub(crate) more: bool,
}

impl From<Vec<Commit>> for Listed {
    fn from(mut commits: Vec<Commit>) -> Self {
        let more = commits.len() > MOST;
        commits.truncate(MOST);
        Self { commits, more }
    }
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// The subject of the newest commit that touches what goes out: in a workspace HEAD may be about another service.
    pub(super) subject: Option<String>,
    /// Commits that go out.
    pub(super) changes: Listed,
    /// Commits that are live, and are not in what goes out.
    pub(super) going_away: Listed,
    /// The commit that is live, where it is not in this clone.
    pub(super) unknown_live: Option<String>,
}

/// Whether the sources are an older state of what is live.
pub(super) fn is_older(
    repository: Option<&Repository>,
    live_commit: Option<&str>,
    provenance: &Provenance,
) -> bool {
    match (repository, live_commit, provenance.commit.as_deref()) {
        (Some(repository), Some(live), Some(wanted)) if live != wanted && !provenance.dirty => {
            repository.is_ancestor(wanted, live) == Some(true)
        }
        _ => false,
    }
}

/// Asks git beside the platform: about the commit that goes out, and what lies between it and the one that is live.
pub(super) fn ask(
    repository: Option<Repository>,
    commit: Option<String>,
    live: Option<String>,
    paths: Vec<PathBuf>,
) -> tokio::task::JoinHandle<Commits> {
    tokio::task::spawn_blocking(move || {
        let (Some(repository), Some(commit)) = (repository, commit) else {
            return Commits::default();
        };
        std::thread::scope(|scope| {
            // Of what is the whole repository every commit is, also one that changes no file.
            let is_all = paths.iter().any(|path| path == repository.root());
            let about: &[PathBuf] = if is_all { &[] } else { &paths };
            let head = scope.spawn(|| repository.log(None, &commit, about, 1));
            // Where both are the same commit, nothing lies between them.
            let live = live.as_deref().filter(|live| *live != commit);
            let gone = live
                .map(|live| scope.spawn(|| repository.missing(&commit, live, &paths, MOST + 1)));
            let changes = live.map(|live| repository.log(Some(live), &commit, &paths, MOST + 1));
            let gone = gone.and_then(|gone| gone.join().ok());
            let unknown_live = live
                .filter(|live| !matches!(gone, Some(Ok(_))) && !repository.resolves(live))
                .map(str::to_owned);
            let head = head.join().ok().and_then(Result::ok);
            Commits {
                subject: head
                    .and_then(|head| head.into_iter().next())
                    .map(|commit| commit.subject),
                changes: changes.and_then(Result::ok).unwrap_or_default().into(),
                going_away: gone.and_then(Result::ok).unwrap_or_default().into(),
                unknown_live,
            }
        })
    })
}
