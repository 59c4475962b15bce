//! Verifying a whole log: every commit against the one before it, on all cores, in one pass over the bytes.
//!
//! Each commit says what the tree was after it, so pieces of the log are checked at the same time, each from what
//! the commit before it claims; that claim is checked by the piece that holds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use super::Journal;
use crate::clients::audit_store::{AuditStore, Copy};
use crate::clients::pin::Pin;
use crate::domain::audit::check::{Accepted, Checker, Position, Refusal};
use crate::domain::audit::event::{Event, operation_of};
use crate::domain::audit::note::VerifierKey;
use crate::domain::audit::verdict::{Damage, DamageKind, KeyUse, Verdict};
use crate::domain::audit::{Hash, frame, json};
use crate::error::{Error, Result};

/// Commits that a thread takes at a time.
const PIECE: u64 = 64;
/// Threads at most: more do not help where the bytes come from one disk.
const MOST_THREADS: usize = 4;

/// What is asked of a log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct VerifyOptions<'a> {
    /// Also read every event and refuse what is not canonical JSON.
    pub(crate) strict: bool,
    /// The keys that the org's file trusts; empty where no file says which keys count.
    pub(crate) trusted: &'a [VerifierKey],
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// Commits that were checked and fit.
    pub(crate) commits: u64,
    /// Events in them.
    pub(crate) events: u64,
    /// The root of the tree over them.
    pub(crate) root: Hash,
    /// The keys that signed them, in the order of their first commit.
    pub(crate) keys: Vec<KeyUse>,
    /// Events covered by the checkpoint that this machine had kept; none when it had never seen the log.
    pub(crate) kept: Option<u64>,
    /// Operations without an outcome; only looked for when everything fits.
    pub(crate) open: Vec<OpenSummary>,
    /// Events that wait on this machine.
    pub(crate) pending: usize,
    /// Why they do, where that is known.
    pub(crate) why_pending: Option<Error>,
    /// Names in the log's directory that are no commits.
    pub(crate) foreign: Vec<String>,
    /// Why this machine does not remember the log as it is now, where everything fits and that is so.
    pub(crate) not_remembered: Option<Error>,
}

/// An operation without an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenSummary {
    /// Its intent.
    pub(crate) intent: Event,
    /// Whether its process is alive on this machine.
    pub(crate) under_way: bool,
}

/// What one piece of the log amounts to.
#[derive(Debug, Default)]
struct Piece {
    /// Its first commit.
    from: u64,
    /// The log after its last good commit; none when there is none.
    position: Option<Position>,
    /// For each key its commits and the first of them.
    writers: BTreeMap<VerifierKey, (u64, u64)>,
    /// Whether an operation begins or ends, which one, and in which commit; in order.
    operations: Vec<(bool, ulid::Ulid, u64)>,
    /// Where it ends early, and why.
    problem: Option<(u64, Problem)>,
}

#[derive(Debug)]
enum Problem {
    Refused(Refusal),
    Forked(String),
    Unreadable(String),
}

/// What the threads share.
struct Task<'a> {
    log: &'a str,
    store: &'a AuditStore,
    pin: Option<&'a Pin>,
    strict: bool,
    next: AtomicU64,
    end: u64,
    stop: AtomicBool,
}

impl Journal {
    /// Checks the whole log: signatures, numbers, order, tree, and that it continues what this machine has seen.
    /// Where an org says which keys count, commits of other keys make the log untrusted: keys that are
    /// found only beside the data prove nothing. `on_progress` hears of commits done and of all. When
    /// everything fits, this machine remembers the log as it is now.
    pub(crate) async fn verify(
        &self,
        options: VerifyOptions<'_>,
        on_progress: &dyn Fn(u64, u64),
    ) -> Result<Report> {
        let listing = self.store.list().await?;
        let copy = self.store.copy(&listing.numbers).await?;
        let store = copy.as_ref().map_or(&self.store, Copy::store);
        let pin = self.memory.pin()?;
        let end = (0..)
            .zip(&listing.numbers)
            .take_while(|(n, there)| n == *there)
            .count() as u64;
        let task = Task {
            log: &self.log,
            store,
            pin: pin.as_ref(),
            strict: options.strict,
            next: AtomicU64::new(0),
            end,
            stop: AtomicBool::new(false),
        };
        let pieces = run(&task, on_progress);
        let sum = Sum::of(&pieces);
        let behind = listing.numbers.len() as u64 > end;
        let mut known = self.memory.known_keys()?;
        let own = self.own_key();
        known.extend(own.as_ref().map(ToString::to_string));
        let keys = sum.keys(&known, |key| self.trusts(key, own.as_ref(), &options));
        let verdict = judged(verdict(&sum, &pieces, pin.as_ref(), end, behind), &keys);
        let mut open = Vec::new();
        let mut not_remembered = None;
        if verdict.is_whole() {
            // Who only looks, at a copy or beside its owner, cannot write here, and the verdict stands all the same.
            not_remembered = self
                .remember(store, pin.as_ref(), &sum.position, &keys)
                .err();
            open = self.still_open(store, sum.open)?;
        }
        Ok(Report {
            verdict,
            commits: sum.position.commits,
            events: sum.position.tree.size(),
            root: sum.position.tree.root(),
            keys,
            kept: pin.map(|pin| pin.position.tree.size()),
            open,
            pending: self.outbox.contents()?.pending.len(),
            why_pending: self.why_pending(),
            foreign: listing.foreign,
            not_remembered,
        })
    }

    /// Whether the org trusts a key; none where its file names none. A log that this machine keeps for itself takes
    /// the machine's own key too: nobody else can write there.
    fn trusts(
        &self,
        key: &VerifierKey,
        own: Option<&VerifierKey>,
        options: &VerifyOptions<'_>,
    ) -> Option<bool> {
        let own = self.environment.audit.is_none() && Some(key) == own;
        (!options.trusted.is_empty()).then(|| own || options.trusted.contains(key))
    }

    /// The operations that have no outcome on this machine either.
    fn still_open(
        &self,
        store: &AuditStore,
        open: BTreeMap<u64, BTreeSet<ulid::Ulid>>,
    ) -> Result<Vec<OpenSummary>> {
        let waiting = self.outbox.contents()?.pending;
        let mut found = Vec::new();
        let mut bytes = Vec::new();
        for (n, operations) in open {
            store.read_into(n, &mut bytes)?;
            let Ok(frame) = frame::parse(&bytes) else {
                continue;
            };
            for at in &frame.events {
                let leaf = bytes.get(at.clone()).unwrap_or_default();
                let is_open = operation_of(leaf)
                    .is_some_and(|(planned, id)| planned && operations.contains(&id));
                let Ok(intent) = Event::from_bytes(leaf) else {
                    continue;
                };
                let ends =
                    |event: &Event| event.is_finished() && event.operation == intent.operation;
                if is_open && !waiting.iter().any(|one| ends(&one.event)) {
                    let id = intent.operation.clone().unwrap_or_default();
                    found.push(OpenSummary {
                        under_way: self.is_under_way(&id),
                        intent,
                    });
                }
            }
        }
        Ok(found)
    }

    fn remember(
        &self,
        store: &AuditStore,
        pin: Option<&Pin>,
        position: &Position,
        keys: &[KeyUse],
    ) -> Result<()> {
        let mut bytes = Vec::new();
        let mut checkpoint = String::new();
        if let Some(last) = position.commits.checked_sub(1)
            && store.read_into(last, &mut bytes)?
            && let Ok(frame) = frame::parse(&bytes)
        {
            let note = bytes.get(frame.note).unwrap_or_default();
            checkpoint = String::from_utf8_lossy(note).into_owned();
        }
        self.memory.advance(&Pin {
            first: pin.map_or(position.commits, |pin| pin.first),
            position: position.clone(),
            checkpoint,
        })?;
        let seen = keys.iter().filter(|one| one.trusted != Some(false));
        // A key that could not be noted is shown as new the next time; the pin is what the next verdict hangs on.
        drop(
            self.memory
                .remember_keys(seen.map(|one| one.key.to_string())),
        );
        Ok(())
    }
}

/// Runs the threads until all pieces are done or one does not fit; the pieces in order.
fn run(task: &Task<'_>, on_progress: &dyn Fn(u64, u64)) -> Vec<Piece> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS);
    let mut pieces = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut worker = Worker::new(task);
                while let Some(piece) = worker.next() {
                    if sender.send(piece).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in receiver {
            pieces.push(piece);
            on_progress((pieces.len() as u64 * PIECE).min(task.end), task.end);
        }
        pieces
    });
    pieces.sort_by_key(|piece| piece.from);
    pieces
}

/// One thread's buffers.
struct Worker<'a> {
    task: &'a Task<'a>,
    checker: Checker,
    bytes: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(task: &'a Task<'a>) -> Self {
        Self {
            task,
            checker: Checker::new(task.log),
            bytes: Vec::new(),
        }
    }

    /// Takes and checks the next piece; none when there is no more, or one before it does not fit.
    fn next(&mut self) -> Option<Piece> {
        if self.task.stop.load(Ordering::Relaxed) {
            return None;
        }
        let from = self.task.next.fetch_add(PIECE, Ordering::Relaxed);
        if from >= self.task.end {
            return None;
        }
        let mut piece = Piece {
            from,
            ..Piece::default()
        };
        let mut position = self.before(from)?;
        for n in from..self.task.end.min(from + PIECE) {
            match self.commit(n, &position, &mut piece) {
                Ok(after) => position = after,
                Err(problem) => {
                    piece.problem = Some((n, problem));
                    self.task.stop.store(true, Ordering::Relaxed);
                    return Some(piece);
                }
            }
            piece.position = Some(position.clone());
        }
        Some(piece)
    }

    /// The log before a piece, as the commit before it claims. None when that is no commit: its own piece says so.
    fn before(&mut self, from: u64) -> Option<Position> {
        let Some(n) = from.checked_sub(1) else {
            return Some(Position::default());
        };
        let there = self.task.store.read_into(n, &mut self.bytes).ok()?;
        there
            .then(|| Position::claimed_by(n, &self.bytes))
            .flatten()
    }

    fn commit(
        &mut self,
        n: u64,
        before: &Position,
        piece: &mut Piece,
    ) -> Result<Position, Problem> {
        match self.task.store.read_into(n, &mut self.bytes) {
            Ok(true) => {}
            Ok(false) => return Err(Problem::Unreadable("it was removed meanwhile".into())),
            Err(error) => return Err(Problem::Unreadable(Error::from(error).message)),
        }
        let accepted = self
            .checker
            .check(before, &self.bytes)
            .map_err(Problem::Refused)?;
        if let Some(pin) = self.task.pin
            && pin.position.commits == n + 1
        {
            continues(pin, &accepted, &self.bytes)?;
        }
        let first = before.tree.size();
        for (index, at) in (first..).zip(&accepted.frame.events) {
            let leaf = self.bytes.get(at.clone()).unwrap_or_default();
            if let Some((planned, id)) = operation_of(leaf) {
                piece.operations.push((planned, id, n));
            }
            if self.task.strict {
                canonical(leaf).map_err(|detail| {
                    Problem::Refused(Refusal::Damaged(Damage {
                        kind: DamageKind::NotCanonical,
                        commit: n,
                        event: index,
                        detail: format!("event {index} {detail}"),
                    }))
                })?;
            }
        }
        let (commits, _) = piece.writers.entry(accepted.writer).or_insert((0, n));
        *commits += 1;
        Ok(accepted.position)
    }
}

/// Whether the log is still the one that this machine saw.
fn continues(pin: &Pin, accepted: &Accepted, bytes: &[u8]) -> Result<(), Problem> {
    if pin.position.tree != accepted.position.tree {
        let note = bytes.get(accepted.frame.note.clone()).unwrap_or_default();
        return Err(Problem::Forked(String::from_utf8_lossy(note).into_owned()));
    }
    if pin.position.last != accepted.position.last {
        return Err(Problem::Refused(Refusal::Damaged(Damage {
            kind: DamageKind::Signature,
            commit: pin.position.commits.saturating_sub(1),
            event: accepted.frame.start,
            detail: "its signatures are not those that this machine saw".into(),
        })));
    }
    Ok(())
}

/// Whether an event is the one way to write what it says.
fn canonical(bytes: &[u8]) -> Result<(), String> {
    let value = json::parse(bytes).map_err(|error| format!("is no strict JSON: {error}"))?;
    if json::plain(value.clone()) != value {
        return Err("holds a number that readers of JSON disagree about".into());
    }
    if json::canonical(&value) != bytes {
        return Err("is not canonical JSON".into());
    }
    Ok(())
}

/// All good pieces together.
struct Sum {
    position: Position,
    writers: BTreeMap<VerifierKey, (u64, u64)>,
    /// Operations without an outcome, by the commit of their intent.
    open: BTreeMap<u64, BTreeSet<ulid::Ulid>>,
}

impl Sum {
    /// Up to the first piece that does not fit.
    fn of(pieces: &[Piece]) -> Self {
        let mut sum = Self {
            position: Position::default(),
            writers: BTreeMap::new(),
            open: BTreeMap::new(),
        };
        let mut open: HashMap<ulid::Ulid, u64> = HashMap::new();
        for piece in pieces {
            if let Some(position) = &piece.position {
                sum.position = position.clone();
            }
            for (key, (commits, first)) in &piece.writers {
                let (all, _) = sum.writers.entry(key.clone()).or_insert((0, *first));
                *all += commits;
            }
            for (planned, id, n) in &piece.operations {
                if *planned {
                    open.insert(*id, *n);
                } else {
                    open.remove(id);
                }
            }
            if piece.problem.is_some() {
                break;
            }
        }
        for (id, n) in open {
            sum.open.entry(n).or_default().insert(id);
        }
        sum
    }

    fn keys(
        &self,
        known: &BTreeSet<String>,
        trusts: impl Fn(&VerifierKey) -> Option<bool>,
    ) -> Vec<KeyUse> {
        let mut keys: Vec<KeyUse> = self
            .writers
            .iter()
            .map(|(key, (commits, first))| KeyUse {
                key: key.clone(),
                commits: *commits,
                first_commit: *first,
                known: known.contains(&key.to_string()),
                trusted: trusts(key),
            })
            .collect();
        keys.sort_by_key(|one| one.first_commit);
        keys
    }
}

/// The verdict when the keys count too: they are looked at only where everything fits.
fn judged(verdict: Verdict, keys: &[KeyUse]) -> Verdict {
    let mut others = keys.iter().filter(|one| one.trusted == Some(false));
    match others.next() {
        Some(one) if verdict.is_good() => Verdict::Untrusted {
            commits: one.commits + others.map(|one| one.commits).sum::<u64>(),
            first: one.first_commit,
        },
        _ => verdict,
    }
}

/// The verdict over the log alone: what does not fit comes before what is missing, the earlier before the later.
fn verdict(sum: &Sum, pieces: &[Piece], pin: Option<&Pin>, end: u64, behind: bool) -> Verdict {
    let problem = pieces.iter().find_map(|piece| piece.problem.as_ref());
    match problem {
        Some((_, Problem::Refused(Refusal::Damaged(damage)))) => {
            return Verdict::Tampered(damage.clone());
        }
        Some((n, Problem::Refused(Refusal::Unverifiable(why)) | Problem::Unreadable(why))) => {
            return Verdict::Unverifiable {
                commit: *n,
                why: why.clone(),
            };
        }
        Some((_, Problem::Forked(found))) => {
            return Verdict::Forked {
                kept: pin.map(|pin| pin.checkpoint.clone()).unwrap_or_default(),
                found: found.clone(),
            };
        }
        None => {}
    }
    if behind {
        return Verdict::Incomplete { missing: end };
    }
    match pin {
        Some(pin) if pin.position.commits > end => Verdict::Tampered(Damage {
            kind: DamageKind::Truncated,
            commit: end,
            event: sum.position.tree.size(),
            detail: format!(
                "it and what follows are gone: this machine has seen {} with {}",
                counted(pin.position.commits, "commit"),
                counted(pin.position.tree.size(), "event")
            ),
        }),
        pin => {
            let kept = pin.map_or(0, |pin| pin.position.tree.size());
            match sum.position.tree.size() - kept {
                0 => Verdict::Ok,
                tail => Verdict::UnanchoredTail(tail),
            }
        }
    }
}

/// `1 commit`, `2 commits`.
fn counted(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}
