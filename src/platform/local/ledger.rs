//! The state and its journal together: what is decided on the state is written before it is true.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::platform::{Error, Result};

use super::journal::{Journal, Repaired};
use super::state::{Record, State};

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
    /// Opens the journal at `path`, or makes it with what `first` says.
    pub(super) fn open(
        path: &Path,
        first: impl FnOnce() -> Result<State>,
    ) -> Result<(Self, Option<Repaired>)> {
        let mut state = State::default();
        let (journal, repaired) = if Journal::exists(path)? {
            Journal::open(path, |record: Record| state.apply(record))?
        } else {
            state = first()?;
            state.id = ulid::Ulid::generate().to_string();
            let snapshot = Record::Snapshot {
                state: Box::new(state.clone()),
            };
            (Journal::create(path, &snapshot)?, None)
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
        let (ledger, _) = Ledger::open(&path, || Ok(State::default())).unwrap();
        ledger
            .write(Record::EnvironmentPort { port: 20_001 })
            .await
            .unwrap();
        let before = ledger.read(Clone::clone).await;
        drop(ledger);
        let (ledger, repaired) = Ledger::open(&path, || Ok(State::default())).unwrap();
        assert_eq!(repaired, None);
        assert_eq!(ledger.read(Clone::clone).await, before);
        assert_eq!(before.environment_port, Some(20_001));
    }
}
