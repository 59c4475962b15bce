//! The state and its journal together: what is decided on the state is written before it is true.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::platform::{Error, Result};

use super::journal::{Journal, Repaired};
use super::state::{Record, ServiceState, State};
use super::store::Store;

/// The one writer of the journal.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    journal: Journal,
    state: State,
}

impl Ledger {
    /// Opens the journal at `path`, or makes it where there never was one: revisions in the store are made with a journal alone,
    /// which is on the disk before them.
    pub(super) fn open(path: &Path, store: &Store) -> Result<(Self, Option<Repaired>)> {
        let mut state = State::default();
        let (journal, repaired) = if Journal::exists(path)? {
            Journal::open(path, |record: Record| state.apply(record))?
        } else {
            check_never_was(path, store)?;
            let journal;
            (journal, state) = begin(path, state)?;
            (journal, None)
        };
        let inner = Arc::new(Mutex::new(Inner { journal, state }));
        Ok((Self { inner }, repaired))
    }

    /// Whether [`Self::open`] would find the journal good; one that is not there is. Changes nothing.
    pub(super) fn check(path: &Path) -> Result<()> {
        if !Journal::exists(path)? {
            return Ok(());
        }
        let mut state = State::default();
        Journal::check(path, |record: Record| state.apply(record))
    }

    /// Looks at the state.
    pub(super) async fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.inner.lock().await.state)
    }

    /// Decides on the present state what is to become true; returns when that is on the disk. Nothing is
    /// changed when `decide` or the write fails. It goes on when the caller goes away.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Option<Record>, T)> + Send + 'static,
    ) -> Result<T> {
        let mut inner = Arc::clone(&self.inner).lock_owned().await;
        // Syncing blocks for milliseconds, so it must not hold up the proxy's threads.
        let done = tokio::task::spawn_blocking(move || {
            let (record, answer) = decide(&inner.state)?;
            if let Some(record) = record {
                inner.write(record)?;
            }
            Ok(answer)
        });
        done.await
            .unwrap_or_else(|error| Err(Error::Unreachable(error.to_string())))
    }

    /// Makes one record true.
    pub(super) async fn write(&self, record: Record) -> Result<()> {
        self.change(|_| Ok((Some(record), ()))).await
    }
}

/// Refuses where the journal is gone.
pub(super) fn check_never_was(path: &Path, store: &Store) -> Result<()> {
    match store.highest()?.into_iter().next() {
        None => Ok(()),
        Some((service, _)) => Err(Error::LostJournal {
            path: path.to_owned(),
            service,
        }),
    }
}

/// Begins a new journal in place of one that cannot be used: nothing is live, and no number of a revision is used again.
pub(super) fn begin_anew(path: &Path, store: &Store) -> Result<()> {
    let services = store.highest()?.into_iter().map(|(name, highest)| {
        let service = ServiceState {
            highest,
            ..ServiceState::default()
        };
        (name, service)
    });
    let state = State {
        services: services.collect(),
        ..State::default()
    };
    begin(path, state).map(drop)
}

fn begin(path: &Path, mut state: State) -> Result<(Journal, State)> {
    state.id = ulid::Ulid::generate().to_string();
    let snapshot = Record::Snapshot {
        state: Box::new(state.clone()),
    };
    Ok((Journal::create(path, &snapshot)?, state))
}

impl Inner {
    fn write(&mut self, record: Record) -> Result<()> {
        // On a copy first: a record that cannot follow must never reach the disk.
        let mut next = self.state.clone();
        next.apply(record.clone()).map_err(Error::Invalid)?;
        self.journal.append(&record)?;
        self.state = next;
        if self.journal.is_long() {
            let snapshot = Record::Snapshot {
                state: Box::new(self.state.clone()),
            };
            if let Err(error) = self.journal.compact(&snapshot) {
                tracing::warn!("the journal was not compacted: {error}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_true_again_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let (ledger, _) = Ledger::open(&path, &Store::new(directory.path())).unwrap();
        ledger
            .write(Record::EnvironmentPort { port: 20_001 })
            .await
            .unwrap();
        let before = ledger.read(Clone::clone).await;
        drop(ledger);
        let (ledger, repaired) = Ledger::open(&path, &Store::new(directory.path())).unwrap();
        assert_eq!(repaired, None);
        assert_eq!(ledger.read(Clone::clone).await, before);
        assert_eq!(before.environment_port, Some(20_001));
    }

    #[tokio::test]
    async fn a_journal_that_is_gone_is_not_one_that_never_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let store = Store::new(directory.path());
        // A first deploy that was killed while it copied has begun its journal already.
        std::fs::create_dir_all(directory.path().join("services/shop/staging/01A")).unwrap();
        Ledger::open(&path, &store).unwrap();
        std::fs::create_dir_all(directory.path().join("services/shop/revisions/7")).unwrap();
        Ledger::open(&path, &store).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lost = Ledger::open(&path, &store).map(drop).unwrap_err();
        assert!(
            matches!(&lost, Error::LostJournal { service, .. } if service.as_str() == "shop"),
            "{lost}"
        );
        begin_anew(&path, &store).unwrap();
        let (ledger, _) = Ledger::open(&path, &store).unwrap();
        let highest = ledger.read(|state| state.services.values().next().map(|one| one.highest));
        assert_eq!(highest.await, Some(7));
    }
}
