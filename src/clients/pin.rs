//! What this machine remembers of an audit log: the newest checkpoint it has seen (the pin) and the keys.
//!
//! A log that is shorter than its pin, or another one, was changed. The pin is kept in two slots that are written
//! in turn, so that a torn write leaves the one before it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock;
use crate::domain::audit::check::Position;
use crate::domain::audit::tree::CompactRange;
use crate::domain::audit::{Hash, hex, sha256};
use crate::fs;

/// Bytes of one of the two slots.
const SLOT: usize = 4096;

/// Why the pin cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// Neither slot holds a pin.
    #[error("`{}` holds no pin", .0.display())]
    Damaged(PathBuf),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Commits that the log had when this machine saw it first: its own come after them.
    pub(crate) first: u64,
    /// The log as it was seen last.
    pub(crate) position: Position,
    /// The signed note of the last commit seen; empty when there was none.
    pub(crate) checkpoint: String,
}

/// A pin in its file; hashes are hexadecimal.
#[derive(Serialize, Deserialize)]
struct Stored {
    first: u64,
    commits: u64,
    size: u64,
    peaks: Vec<String>,
    last: Option<String>,
    checkpoint: String,
}

/// The directory of one log in squad's state directory.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    directory: PathBuf,
}

impl Memory {
    /// What is remembered in this directory, which must be there.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("pin")
    }

    /// The pin; none when this machine has not seen the log.
    pub(crate) fn pin(&self) -> Result<Option<Pin>, Error> {
        match fs::read(&self.path()) {
            Ok(bytes) => newest(&bytes)
                .map(|(_, pin)| Some(pin))
                .ok_or_else(|| Error::Damaged(self.path())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers `pin`, unless something newer is remembered. The first one is durable on return; a later one that
    /// a loss of power takes away only leaves the one before it.
    pub(crate) fn advance(&self, pin: &Pin) -> Result<(), Error> {
        self.replace(pin).or_else(|error| match self.pin() {
            // Where nothing can be written, nothing needs to be when it is remembered already.
            Ok(Some(current)) if pin.position.commits <= current.position.commits => Ok(()),
            _ => Err(error),
        })
    }

    fn replace(&self, pin: &Pin) -> Result<(), Error> {
        let _lock = self.lock()?;
        let path = self.path();
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = slot(pin);
                bytes.resize(2 * SLOT, b'\n');
                return Ok(fs::write_durably(&path, &bytes, 0o600)?);
            }
            Err(error) => return Err(fs::at("open", &path)(error).into()),
        };
        let mut bytes = Vec::with_capacity(2 * SLOT + 1);
        (&file)
            .read_to_end(&mut bytes)
            .map_err(fs::at("read", &path))?;
        let (slot_of_current, current) =
            newest(&bytes).ok_or_else(|| Error::Damaged(path.clone()))?;
        if pin.position.commits <= current.position.commits {
            return Ok(());
        }
        let at = 1 - slot_of_current;
        let pin = Pin {
            first: current.first,
            ..pin.clone()
        };
        file.write_all_at(&slot(&pin), (at * SLOT) as u64)
            .map_err(fs::at("write", &path))?;
        Ok(())
    }

    /// The keys seen in this log, as C2SP verifier keys.
    pub(crate) fn known_keys(&self) -> Result<BTreeSet<String>, Error> {
        let text = fs::read_if_there(&self.directory.join("known-keys"))?.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Remembers keys. Those that are known already need no writing.
    pub(crate) fn remember_keys(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        let keys: BTreeSet<String> = keys.into_iter().collect();
        if keys.is_subset(&self.known_keys()?) {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut known = self.known_keys()?;
        let before = known.len();
        known.extend(keys);
        if known.len() > before {
            let text = known
                .into_iter()
                .fold(String::new(), |text, key| text + &key + "\n");
            fs::write_durably(&self.directory.join("known-keys"), text.as_bytes(), 0o600)?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, Error> {
        Ok(lock::wait(&self.directory.join("pin.lock"))?)
    }
}

/// `<sha256 of the rest> <JSON>`, filled up with newlines.
fn slot(pin: &Pin) -> Vec<u8> {
    let stored = Stored {
        first: pin.first,
        commits: pin.position.commits,
        size: pin.position.tree.size(),
        peaks: pin
            .position
            .tree
            .peaks()
            .iter()
            .map(|peak| hex(peak))
            .collect(),
        last: pin.position.last.as_ref().map(|hash| hex(hash)),
        checkpoint: pin.checkpoint.clone(),
    };
    let json = serde_json::to_string(&stored).unwrap_or_default();
    let mut bytes = format!("{} {json}", hex(&sha256(json.as_bytes()))).into_bytes();
    bytes.resize(SLOT.max(bytes.len()), b'\n');
    bytes
}

/// Which slot holds the newer pin, and the pin.
fn newest(bytes: &[u8]) -> Option<(usize, Pin)> {
    bytes
        .chunks(SLOT)
        .take(2)
        .enumerate()
        .filter_map(|(index, bytes)| Some((index, read_slot(bytes)?)))
        .max_by_key(|(_, pin)| pin.position.commits)
}

fn read_slot(bytes: &[u8]) -> Option<Pin> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\n');
    let (hash, json) = text.split_once(' ')?;
    if hash != hex(&sha256(json.as_bytes())) {
        return None;
    }
    let stored: Stored = serde_json::from_str(json).ok()?;
    let peaks = stored
        .peaks
        .iter()
        .map(|peak| unhex(peak))
        .collect::<Option<_>>()?;
    Some(Pin {
        first: stored.first,
        position: Position {
            commits: stored.commits,
            tree: CompactRange::new(stored.size, peaks)?,
            last: match stored.last {
                Some(hash) => Some(unhex(&hash)?),
                None => None,
            },
        },
        checkpoint: stored.checkpoint,
    })
}

/// 64 hexadecimal digits as a hash.
fn unhex(text: &str) -> Option<Hash> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(commits: u64) -> Pin {
        let mut tree = CompactRange::default();
        for n in 0..commits {
            tree.append(sha256(&n.to_be_bytes()));
        }
        Pin {
            first: 0,
            position: Position {
                commits,
                tree,
                last: (commits > 0).then(|| sha256(b"x")),
            },
            checkpoint: "o\n1\n\n— k s\n".into(),
        }
    }

    #[test]
    fn only_something_newer_replaces_a_pin() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::new(home.path());
        assert_eq!(memory.pin().unwrap(), None);
        for (given, wanted) in [(0, 0), (5, 5), (3, 5), (6, 6), (1000, 1000), (999, 1000)] {
            memory.advance(&pin(given)).unwrap();
            assert_eq!(memory.pin().unwrap(), Some(pin(wanted)));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_pin_before_it() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::new(home.path());
        for commits in 1..=4 {
            memory.advance(&pin(commits)).unwrap();
        }
        let mut bytes = fs::read(&memory.path()).unwrap();
        let (newer, _) = newest(&bytes).unwrap();
        bytes[newer * SLOT + 100] ^= 1;
        std::fs::write(memory.path(), &bytes).unwrap();
        assert_eq!(memory.pin().unwrap(), Some(pin(3)));
        memory.advance(&pin(7)).unwrap();
        assert_eq!(memory.pin().unwrap(), Some(pin(7)));
        std::fs::write(memory.path(), b"").unwrap();
        assert!(matches!(memory.pin(), Err(Error::Damaged(_))));
    }

    #[test]
    fn keys_are_remembered_once() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::new(home.path());
        for keys in [["b", "a"], ["a", "c"]] {
            memory.remember_keys(keys.map(str::to_owned)).unwrap();
        }
        let known: Vec<_> = memory.known_keys().unwrap().into_iter().collect();
        assert_eq!(known, ["a", "b", "c"]);
    }
}
