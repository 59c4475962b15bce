//! One commit held against the log before it: the rule that appending and verifying share.

use std::collections::HashMap;

use jiff::Timestamp;

use super::event::{COMMITTED, Committed, Event};
use super::frame::{self, Frame, FrameError};
use super::note::{Checkpoint, SignedNote, Verifier, VerifierKey};
use super::tree::{CompactRange, leaf_hash_in};
use super::verdict::{Damage, DamageKind};
use super::{Hash, hex, sha256};

/// The state of a log after some number of commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Commits so far, which is the number of the next one.
    pub(crate) commits: u64,
    /// The tree over the events so far.
    pub(crate) tree: CompactRange,
    /// SHA-256 of the last commit; none when there is none.
    pub(crate) last: Option<Hash>,
}

impl Position {
    /// The log after commit `n` as that commit itself says, without a check; none when it is no commit.
    pub(crate) fn claimed_by(n: u64, bytes: &[u8]) -> Option<Self> {
        let frame = frame::parse(bytes).ok()?;
        let size = frame
            .start
            .checked_add(u64::try_from(frame.events.len()).ok()?)?;
        Some(Self {
            commits: n + 1,
            tree: CompactRange::new(size, frame.peaks)?,
            last: Some(sha256(bytes)),
        })
    }
}

/// Why a commit cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what its writer signed.
    Damaged(Damage),
    /// It cannot be checked; the reason in words.
    Unverifiable(String),
}

/// A commit that fits.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// The log after it.
    pub(crate) position: Position,
    /// Where its parts are.
    pub(crate) frame: Frame,
    /// The key that signed it.
    pub(crate) writer: VerifierKey,
}

/// Checks commits of one log; keeps prepared keys and buffers between them.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    origin: String,
    keys: HashMap<String, Option<Verifier>>,
    buffer: Vec<u8>,
}

/// The name of a log in its checkpoints.
pub(crate) fn origin(log: &str) -> String {
    format!("squad.dev/{log}")
}

impl Checker {
    /// For the log of this name, such as `acme/prod`.
    pub(crate) fn new(log: &str) -> Self {
        Self {
            origin: origin(log),
            ..Self::default()
        }
    }

    /// Checks the commit that follows `before`.
    pub(crate) fn check(&mut self, before: &Position, bytes: &[u8]) -> Result<Accepted, Refusal> {
        let n = before.commits;
        let damage = |kind, detail: String| {
            Refusal::Damaged(Damage {
                kind,
                commit: n,
                event: before.tree.size(),
                detail,
            })
        };
        let frame = frame::parse(bytes).map_err(|error| match error {
            FrameError::Version(_) => Refusal::Unverifiable(format!("commit {n}: {error}")),
            FrameError::Malformed { .. } => {
                damage(DamageKind::Format, format!("it is not a commit: {error}"))
            }
        })?;
        if frame.start != before.tree.size() {
            let detail = match before.tree.size() {
                1 => format!(
                    "its events begin at {}, and 1 event comes before it",
                    frame.start
                ),
                size => format!(
                    "its events begin at {}, and {size} events come before it",
                    frame.start
                ),
            };
            return Err(damage(DamageKind::Order, detail));
        }
        let mut tree = before.tree.clone();
        for at in &frame.events {
            let leaf = bytes.get(at.clone()).unwrap_or_default();
            tree.append(leaf_hash_in(&mut self.buffer, leaf));
        }
        let note = bytes.get(frame.note.clone()).unwrap_or_default();
        let note = std::str::from_utf8(note)
            .ok()
            .and_then(SignedNote::parse)
            .ok_or_else(|| damage(DamageKind::Checkpoint, "it ends with no signed note".into()))?;
        let checkpoint = Checkpoint::parse(note.text).ok_or_else(|| {
            damage(
                DamageKind::Checkpoint,
                "its signed note is no checkpoint".into(),
            )
        })?;
        let first = frame.events.first().cloned().unwrap_or_default();
        let first = first_event(bytes.get(first).unwrap_or_default());
        self.matches(&frame, &tree, &checkpoint)
            .map_err(|found| match &first {
                // What was signed over another beginning cannot fit either; the beginning is to be named.
                Ok((committed, _)) if found.0 == DamageKind::Content => {
                    chained(before, committed).err().unwrap_or(found)
                }
                _ => found,
            })
            .map_err(|(kind, detail)| damage(kind, detail))?;
        let (committed, _) = first.map_err(|detail| damage(DamageKind::Writer, detail))?;
        chained(before, &committed).map_err(|(kind, detail)| damage(kind, detail))?;
        let verifier = self.verifier(&committed)?;
        let writer = &verifier.key;
        let signature = note.by(writer).ok_or_else(|| {
            let signed: Vec<_> = note.signatures.iter().map(|by| by.id.as_str()).collect();
            let detail = format!(
                "it says that key {} wrote it, and is signed by {}",
                writer.id(),
                signed.join(" and ")
            );
            damage(DamageKind::Writer, detail)
        })?;
        if !verifier.verifies(note.text.as_bytes(), &signature) {
            let detail = format!("its signature is not one of key {}", writer.id());
            return Err(damage(DamageKind::Signature, detail));
        }
        Ok(Accepted {
            position: Position {
                commits: n + 1,
                tree,
                last: Some(sha256(bytes)),
            },
            writer: writer.clone(),
            frame,
        })
    }

    /// Whether peaks and checkpoint are those of the tree.
    fn matches(
        &self,
        frame: &Frame,
        tree: &CompactRange,
        checkpoint: &Checkpoint,
    ) -> Result<(), (DamageKind, String)> {
        if checkpoint.origin != self.origin {
            let detail = format!("it belongs to the log `{}`", checkpoint.origin);
            return Err((DamageKind::Checkpoint, detail));
        }
        let root = checkpoint.size == tree.size() && checkpoint.root == tree.root();
        let peaks = frame.peaks == tree.peaks();
        let last = tree.size().saturating_sub(1);
        match (root, peaks) {
            (true, true) => Ok(()),
            (true, false) => Err((
                DamageKind::Format,
                "its peaks are not those of its events".into(),
            )),
            (false, true) => Err((
                DamageKind::Checkpoint,
                "its checkpoint is not that of its events".into(),
            )),
            (false, false) => Err((
                DamageKind::Content,
                format!(
                    "its events, {} to {last}, are not the ones that were signed",
                    frame.start
                ),
            )),
        }
    }

    /// The key that the commit names, prepared.
    fn verifier(&mut self, committed: &Committed) -> Result<&Verifier, Refusal> {
        self.keys
            .entry(committed.key.clone())
            .or_insert_with(|| {
                VerifierKey::parse(&committed.key)
                    .filter(|key| key.id() == committed.writer)
                    .and_then(|key| key.verifier())
            })
            .as_ref()
            .ok_or_else(|| {
                Refusal::Unverifiable(format!(
                    "commit {} is signed with a key that this version of squad does not know: `{}`",
                    committed.n, committed.key
                ))
            })
    }
}

/// The first event of a commit.
pub(crate) fn first_event(bytes: &[u8]) -> Result<(Committed, Timestamp), String> {
    let event = Event::from_bytes(bytes).map_err(|error| format!("its first event: {error}"))?;
    if event.kind != COMMITTED {
        return Err(format!(
            "its first event is `{}` and should be `{COMMITTED}`",
            event.kind
        ));
    }
    let committed =
        serde_json::from_value(event.data).map_err(|error| format!("its first event: {error}"))?;
    Ok((committed, event.time))
}

/// Whether the commit follows the one before it.
fn chained(before: &Position, committed: &Committed) -> Result<(), (DamageKind, String)> {
    if committed.n != before.commits {
        let detail = format!("it was written as commit {}", committed.n);
        return Err((DamageKind::Order, detail));
    }
    if committed.prev != before.last.as_ref().map(|hash| hex(hash)) {
        let detail = "the commit before it is not the one that its writer saw".to_owned();
        return Err((DamageKind::Chain, detail));
    }
    Ok(())
}
