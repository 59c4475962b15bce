//! Appending: from the outbox into the log, with other machines doing the same at any moment.
//!
//! One process of a machine appends at a time (`flush.lock`) and takes along what the others have put into the
//! outbox. Machines meet at the store: commit `n` is created once, whoever comes second reads it, checks it and
//! goes on behind it. What was created without an acknowledgement is found by reading.

use std::collections::HashSet;
use std::time::Duration;

use super::{Journal, stamp};
use crate::clients::audit_store::{Appended, Around, Created, End};
use crate::clients::lock;
use crate::clients::outbox::Pending;
use crate::clients::pin::Pin;
use crate::clock::Clock;
use crate::domain::audit::check::{Checker, Position, Refusal, origin};
use crate::domain::audit::event::{Committed, Event};
use crate::domain::audit::note::Checkpoint;
use crate::domain::audit::{frame, hex, sha256};
use crate::error::{Error, Kind, Result};

/// Events that one commit takes from the outbox; `log.committed` is one more.
const BATCH: usize = 63;
/// Times that a creation is tried when the store neither has the commit nor takes it.
const ATTEMPTS: u32 = 5;

/// The end of the log while this process appends.
struct Tail {
    checker: Checker,
    position: Position,
    /// The commits that the log had when this machine saw it first.
    first: u64,
    /// The signed note of the last commit.
    checkpoint: String,
    /// The ids of the events in the commits that were read.
    ids: HashSet<String>,
}

impl Tail {
    /// Where the log ends, as this machine knows it.
    fn end(&self) -> End {
        End {
            next: self.position.commits,
            last: self.position.last,
        }
    }

    /// Whether one of the events may be in a commit that this machine has seen: it was made before that.
    fn may_hold(&self, pending: &[Pending]) -> bool {
        let seen = |pending: &Pending| pending.after.unwrap_or(self.first);
        pending
            .iter()
            .any(|pending| seen(pending) < self.position.commits)
    }
}

impl Journal {
    /// [`Self::flush_until`] with an end.
    pub(super) async fn flush_within(
        &self,
        clock: &dyn Clock,
        limit: Duration,
        wanted: Option<&str>,
    ) -> Result<usize> {
        let flushed = match tokio::time::timeout(limit, self.flush_until(clock, wanted)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                Kind::Timeout,
                "audit-store-slow",
                format!(
                    "the audit store did not answer within {} ms",
                    limit.as_millis()
                ),
            )
            .retryable()),
        };
        *self.late() = flushed.as_ref().err().cloned();
        flushed
    }

    /// Appends what is pending: all of it, or at least the event `wanted`.
    async fn flush_until(&self, clock: &dyn Clock, wanted: Option<&str>) -> Result<usize> {
        let Some((_lock, mut pending)) = self.turn(wanted).await? else {
            return Ok(0);
        };
        self.key()?;
        let mut tail = self.tail().await?;
        // An event that may be in the log already is looked for there first. Otherwise the look at the end of the log and
        // the creation of the commit behind it are one turn at the store.
        let mut is_followed = false;
        if tail.may_hold(&pending) {
            let end = self.store.around(tail.position.commits).await?;
            self.follow(&mut tail, end).await?;
            self.look_back(&mut tail, &pending).await?;
            is_followed = true;
        }
        let mut appended = 0;
        let mut attempts = 0;
        loop {
            pending = self.without_known(&tail, pending)?;
            if !is_waiting(&pending, wanted) {
                return Ok(appended);
            }
            let batch: Vec<&Event> = pending.iter().take(BATCH).map(|one| &one.event).collect();
            let (bytes, next, checkpoint) = self.commit(clock, &tail.position, &batch)?;
            let n = tail.position.commits;
            let created = if is_followed {
                self.store.create(n, bytes.clone()).await
            } else {
                match self.store.append(tail.end(), bytes.clone()).await? {
                    Appended::Tried(created) => created,
                    Appended::Elsewhere(end) => {
                        self.follow(&mut tail, end).await?;
                        is_followed = true;
                        continue;
                    }
                }
            };
            is_followed = true;
            if !matches!(created, Ok(Created::Done)) {
                match self.store.read(n).await? {
                    Some(found) if found == bytes => self.store.settle()?,
                    Some(found) => {
                        self.accept(&mut tail, &found)?;
                        let end = self.store.around(tail.position.commits).await?;
                        self.follow(&mut tail, end).await?;
                        continue;
                    }
                    None => {
                        attempts += 1;
                        if attempts == ATTEMPTS || is_final(&created) {
                            created?;
                            return Err(busy(n));
                        }
                        tokio::time::sleep(pause(attempts)).await;
                        continue;
                    }
                }
            }
            attempts = 0;
            tail.position = next;
            tail.checkpoint = checkpoint;
            self.pin(&tail)?;
            let ids: Vec<String> = batch.iter().map(|event| event.id.clone()).collect();
            appended += ids.len();
            pending = self.outbox.settle(&ids, n)?.pending;
        }
    }

    /// Waits until this process may append; none when meanwhile another one has done what was wanted.
    async fn turn(&self, wanted: Option<&str>) -> Result<Option<(std::fs::File, Vec<Pending>)>> {
        let path = self.directory.join("flush.lock");
        let mut attempt = 0;
        loop {
            let lock = lock::now(&path)?;
            let pending = self.outbox.contents()?.pending;
            if !is_waiting(&pending, wanted) {
                return Ok(None);
            }
            if let Some(lock) = lock {
                return Ok(Some((lock, pending)));
            }
            attempt += 1;
            tokio::time::sleep(pause(attempt.min(3))).await;
        }
    }

    /// The end of the log as this machine saw it last; on a machine that has never seen it, as it is now.
    async fn tail(&self) -> Result<Tail> {
        let pin = match self.memory.pin()? {
            Some(pin) => pin,
            None => self.first_sight().await?,
        };
        Ok(Tail {
            checker: Checker::new(&self.log),
            position: pin.position,
            first: pin.first,
            checkpoint: pin.checkpoint,
            ids: HashSet::new(),
        })
    }

    /// Trusts the log as it is and remembers it: from here on it may only grow.
    async fn first_sight(&self) -> Result<Pin> {
        let numbers = self.store.list().await?.numbers;
        let mut pin = Pin {
            first: 0,
            position: Position::default(),
            checkpoint: String::new(),
        };
        if let Some(last) = numbers.last() {
            let before = match last.checked_sub(1) {
                Some(n) => {
                    let bytes = self.store.read(n).await?.ok_or_else(|| self.missing(n))?;
                    Position::claimed_by(n, &bytes)
                        .ok_or_else(|| self.damaged(&format!("commit {n}: it is not a commit")))?
                }
                None => Position::default(),
            };
            let bytes = self.store.read(*last).await?.unwrap_or_default();
            let accepted = Checker::new(&self.log)
                .check(&before, &bytes)
                .map_err(|refusal| self.refused(refusal))?;
            pin.first = last + 1;
            pin.position = accepted.position;
            pin.checkpoint = note(&bytes, accepted.frame.note);
        }
        self.memory.advance(&pin)?;
        Ok(pin)
    }

    /// Goes to the end of the log, checking each commit; `end` is what is there where the tail ends.
    async fn follow(&self, tail: &mut Tail, end: Around) -> Result<()> {
        let from = tail.position.commits;
        let mut next = end.at;
        while let Some(bytes) = next {
            self.accept(tail, &bytes)?;
            next = self.store.read(tail.position.commits).await?;
        }
        let n = tail.position.commits;
        if n > from {
            // Somebody may append both between the two looks, so the second one is decisive.
            let missing = self.store.exists(n + 1).await? && !self.store.exists(n).await?;
            return if missing {
                Err(self.missing(n))
            } else {
                self.pin(tail)
            };
        }
        // Nothing follows that would name it: is the end still the one that this machine saw?
        let Some(last) = n.checked_sub(1) else {
            return Ok(());
        };
        match end.before {
            None => Err(self.damaged(&format!(
                "commit {last}, which this machine has seen, is gone"
            ))),
            Some(bytes) if Some(sha256(&bytes)) != tail.position.last => Err(self.damaged(
                &format!("commit {last} is another one than this machine has seen"),
            )),
            Some(_) if end.behind && !self.store.exists(n).await? => Err(self.missing(n)),
            Some(_) => Ok(()),
        }
    }

    fn accept(&self, tail: &mut Tail, bytes: &[u8]) -> Result<()> {
        let accepted = tail
            .checker
            .check(&tail.position, bytes)
            .map_err(|refusal| self.refused(refusal))?;
        tail.ids.extend(ids(bytes, &accepted.frame));
        tail.position = accepted.position;
        tail.checkpoint = note(bytes, accepted.frame.note);
        Ok(())
    }

    /// Reads the commits that this machine had seen already and that may hold a pending event nevertheless: its
    /// process was killed before it could note that they were appended.
    async fn look_back(&self, tail: &mut Tail, pending: &[Pending]) -> Result<()> {
        let from = pending
            .iter()
            .filter(|pending| !tail.ids.contains(&pending.event.id))
            .map(|pending| pending.after.unwrap_or(tail.first))
            .min();
        for n in from.unwrap_or(u64::MAX)..tail.position.commits {
            if let Some(bytes) = self.store.read(n).await?
                && let Ok(frame) = frame::parse(&bytes)
            {
                tail.ids.extend(ids(&bytes, &frame));
            }
        }
        Ok(())
    }

    /// Takes out the events that were found in the log, and notes them.
    fn without_known(&self, tail: &Tail, pending: Vec<Pending>) -> Result<Vec<Pending>> {
        let (known, waiting): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|pending| tail.ids.contains(&pending.event.id));
        let known: Vec<String> = known.into_iter().map(|pending| pending.event.id).collect();
        if !known.is_empty() {
            self.outbox.settle(&known, tail.position.commits)?;
        }
        Ok(waiting)
    }

    fn pin(&self, tail: &Tail) -> Result<()> {
        Ok(self.memory.advance(&Pin {
            first: tail.first,
            position: tail.position.clone(),
            checkpoint: tail.checkpoint.clone(),
        })?)
    }

    /// The bytes of the next commit, the log after it, and its signed note.
    fn commit(
        &self,
        clock: &dyn Clock,
        before: &Position,
        events: &[&Event],
    ) -> Result<(Vec<u8>, Position, String)> {
        let key = self.key()?;
        let committed = Committed {
            n: before.commits,
            prev: before.last.as_ref().map(|hash| hex(hash)),
            writer: key.public().id(),
            key: key.public().to_string(),
        };
        let first = Event::committed(stamp(clock), &self.log, &committed);
        let mut leaves = vec![first.to_bytes()];
        leaves.extend(events.iter().map(|event| event.to_bytes()));
        let mut tree = before.tree.clone();
        for leaf in &leaves {
            tree.append(crate::domain::audit::tree::leaf_hash(leaf));
        }
        let note = key.sign(&Checkpoint {
            origin: origin(&self.log),
            size: tree.size(),
            root: tree.root(),
        });
        let bytes = frame::encode(before.tree.size(), &leaves, tree.peaks(), &note);
        let after = Position {
            commits: before.commits + 1,
            tree,
            last: Some(sha256(&bytes)),
        };
        Ok((bytes, after, note))
    }

    fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Damaged(damage) => self.damaged(&damage.to_string()),
            Refusal::Unverifiable(why) => Error::new(
                Kind::Failed,
                "audit-log-unverifiable",
                format!("cannot use the audit log `{}`: {why}", self.log),
            )
            .hint("install the newest squad"),
        }
    }

    fn missing(&self, n: u64) -> Error {
        self.damaged(&format!(
            "commit {n} is missing, and there is one behind it"
        ))
    }

    /// The log is not what was written to it: nothing is appended any more until a person has looked.
    fn damaged(&self, why: &str) -> Error {
        Error::new(
            Kind::Unhealthy,
            "audit-log-damaged",
            format!("cannot use the audit log `{}`: {why}", self.log),
        )
        .hint(format!(
            "see all of it with `squad audit verify --env {}`",
            self.environment.name
        ))
    }
}

/// Nobody else has written the commit, and it does not get written.
fn busy(n: u64) -> Error {
    Error::new(
        Kind::Conflict,
        "audit-store-slow",
        format!("the audit store neither has commit {n} nor takes it"),
    )
}

/// Whether something is to be appended for the caller.
fn is_waiting(pending: &[Pending], wanted: Option<&str>) -> bool {
    wanted.map_or(!pending.is_empty(), |id| {
        pending.iter().any(|pending| pending.event.id == id)
    })
}

/// Whether trying again at once is useless: the directory cannot be written.
fn is_final(created: &Result<Created, crate::clients::audit_store::Error>) -> bool {
    use std::error::Error as _;
    let Err(error) = created else {
        return false;
    };
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Io;
            return matches!(
                error.kind(),
                Io::PermissionDenied
                    | Io::StorageFull
                    | Io::QuotaExceeded
                    | Io::ReadOnlyFilesystem
                    | Io::NotADirectory
            );
        }
        source = error.source();
    }
    matches!(created, Err(crate::clients::audit_store::Error::File(_)))
}

/// Longer each time, and not the same for two processes.
fn pause(attempt: u32) -> Duration {
    let spread = u64::from(std::process::id()) % 5;
    Duration::from_millis((1 << attempt.min(8)) + spread)
}

/// The ids of a commit's events.
fn ids<'a>(bytes: &'a [u8], frame: &'a frame::Frame) -> impl Iterator<Item = String> + 'a {
    frame.events.iter().filter_map(|at| {
        let event = Event::from_bytes(bytes.get(at.clone())?).ok()?;
        Some(event.id)
    })
}

fn note(bytes: &[u8], at: std::ops::Range<usize>) -> String {
    String::from_utf8_lossy(bytes.get(at).unwrap_or_default()).into_owned()
}
