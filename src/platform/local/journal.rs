//! The journal: an append-only file of records, each on the disk before anything is acknowledged.
//!
//! ```text
//! magic    "squad-journal 1\n"
//! record   length u32 LE · check of the length u32 LE · checksum 8 bytes · JSON
//! ```
//! The checksum is the start of SHA-256 over the checksum of the record before and the JSON, so that a record
//! that is lost, doubled or moved shows as well as a flipped bit. JSON holds no NUL byte: a last record with
//! NULs in it is one whose pages the system had not written when the power went, and was never acknowledged.
//!
//! Nothing here knows what a record means: the caller applies each one and may refuse it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fs;
use crate::platform::Error;

/// What every journal of this version starts with.
const MAGIC: &[u8] = b"squad-journal 1\n";
/// Bytes before the JSON of a record.
const HEADER: usize = 16;
/// A record longer than this was never written.
const LONGEST: usize = 64 << 20;

/// The start of a SHA-256.
type Checksum = [u8; 8];

/// The open journal, positioned at its end.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next record begins.
    end: u64,
    last: Checksum,
    /// Length of the file when it was last compacted: that of its first record.
    compacted: u64,
    /// A failed write could not be taken back: what is on the disk is not known, so nothing is written any more.
    broken: bool,
}

/// A record that was cut off and has been removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repaired {
    /// Where it began.
    pub(super) offset: u64,
    /// How many bytes of it there were.
    pub(super) bytes: u64,
}

impl Journal {
    /// Whether there is a journal at `path`.
    pub(super) fn exists(path: &Path) -> Result<bool, fs::Error> {
        fs::is_there(path)
    }

    /// Makes a journal that holds `first` alone, replacing what is there as a whole.
    pub(super) fn create(path: &Path, first: &impl Serialize) -> Result<Self, Error> {
        let json = encode(first)?;
        let (record, last) = frame([0; 8], &json);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&record);
        fs::write_durably(path, &bytes, 0o600)?;
        let file = open(path)?;
        let end = bytes.len() as u64;
        Ok(Self {
            path: path.to_owned(),
            file,
            end,
            last,
            compacted: end,
            broken: false,
        })
    }

    /// Opens the journal and hands every record to `apply`, in order. A last record that was cut off is
    /// removed; anything else that is wrong, or that `apply` refuses, is [`Error::CorruptJournal`].
    pub(super) fn open<R: DeserializeOwned>(
        path: &Path,
        mut apply: impl FnMut(R) -> Result<(), String>,
    ) -> Result<(Self, Option<Repaired>), Error> {
        let mut file = open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fs::at("read", path))?;
        let whole = replay(path, &bytes, &mut apply)?;
        let repaired = bytes.len().checked_sub(whole.end).filter(|rest| *rest > 0);
        let end = whole.end as u64;
        if repaired.is_some() {
            file.set_len(end)
                .and_then(|()| file.sync_all())
                .map_err(fs::at("repair", path))?;
        }
        let journal = Self {
            path: path.to_owned(),
            file,
            end,
            last: whole.last,
            compacted: whole.first as u64,
            broken: false,
        };
        let repaired = repaired.map(|bytes| Repaired {
            offset: end,
            bytes: bytes as u64,
        });
        Ok((journal, repaired))
    }

    /// Whether [`Self::open`] would find it good. Changes nothing.
    pub(super) fn check<R: DeserializeOwned>(
        path: &Path,
        mut apply: impl FnMut(R) -> Result<(), String>,
    ) -> Result<(), Error> {
        replay(path, &fs::read(path)?, &mut apply).map(drop)
    }

    /// Writes one record; after return it survives a loss of power. After an error the file is as it was before.
    pub(super) fn append(&mut self, record: &impl Serialize) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Unreachable(format!(
                "an earlier write to `{}` failed and could not be taken back; run `squad local stop`",
                self.path.display()
            )));
        }
        let json = encode(record)?;
        let (bytes, last) = frame(self.last, &json);
        let written = (&self.file)
            .write_all(&bytes)
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            let undone = self
                .file
                .set_len(self.end)
                .and_then(|()| self.file.sync_all());
            self.broken = undone.is_err();
            return Err(fs::at("append to", &self.path)(source).into());
        }
        self.end += bytes.len() as u64;
        self.last = last;
        Ok(())
    }

    /// Whether most of the file is history that a snapshot would make superfluous.
    pub(super) fn is_long(&self) -> bool {
        self.end > (1 << 20) && self.end > self.compacted.saturating_mul(4)
    }

    /// Replaces the whole file by one that holds `snapshot` alone. After an error the old one is still in use.
    pub(super) fn compact(&mut self, snapshot: &impl Serialize) -> Result<(), Error> {
        *self = Self::create(&self.path, snapshot)?;
        Ok(())
    }
}

/// Opens for reading and appending.
fn open(path: &Path) -> Result<File, Error> {
    Ok(OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
        .open(path)
        .map_err(fs::at("open", path))?)
}

fn encode(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record)
        .map_err(|error| Error::Invalid(format!("the journal cannot hold it: {error}")))
}

fn checksum(before: Checksum, json: &[u8]) -> Checksum {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&before);
    context.update(json);
    start_of(context.finish().as_ref())
}

fn start_of<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut start = [0; N];
    for (to, from) in start.iter_mut().zip(bytes) {
        *to = *from;
    }
    start
}

/// The bytes of a record, and its checksum.
fn frame(before: Checksum, json: &[u8]) -> (Vec<u8>, Checksum) {
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes();
    let own = checksum(before, json);
    let mut bytes = Vec::with_capacity(HEADER + json.len());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&check_of_length(length));
    bytes.extend_from_slice(&own);
    bytes.extend_from_slice(json);
    (bytes, own)
}

/// Says whether a length is the one that was written: without it a damaged length in the middle would look
/// like a last record that was cut off, and everything after it would be thrown away.
fn check_of_length(length: [u8; 4]) -> [u8; 4] {
    start_of(digest::digest(&digest::SHA256, &length).as_ref())
}

/// What is at the start of `rest`.
enum Scanned<'a> {
    /// A good record.
    Record {
        /// Its content.
        json: &'a [u8],
        /// Its checksum.
        checksum: Checksum,
    },
    /// The last record, not wholly written.
    Torn,
    /// Something that no interrupted write leaves behind.
    Damaged(&'static str),
}

/// What of a journal is whole.
struct Whole {
    /// After the first record.
    first: usize,
    /// After the last one.
    end: usize,
    /// The checksum of the last one.
    last: Checksum,
}

/// Hands every record to `apply`, in order. A last one that was cut off does not count.
fn replay<R: DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
    apply: &mut impl FnMut(R) -> Result<(), String>,
) -> Result<Whole, Error> {
    let corrupt = |offset: usize, reason: String| Error::CorruptJournal {
        path: path.to_owned(),
        offset: offset as u64,
        reason,
    };
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(corrupt(0, "it does not begin as a journal does".to_owned()));
    }
    let mut end = MAGIC.len();
    let mut last = [0; 8];
    let mut first = None;
    while let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
        match read_record(rest, last) {
            Scanned::Record { json, checksum } => {
                let record = serde_json::from_slice(json)
                    .map_err(|error| corrupt(end, format!("it cannot be read: {error}")))?;
                apply(record).map_err(|reason| corrupt(end, reason))?;
                end += HEADER + json.len();
                first = first.or(Some(end));
                last = checksum;
            }
            Scanned::Torn if first.is_some() => break,
            Scanned::Torn => {
                return Err(corrupt(end, "its first record is not whole".to_owned()));
            }
            Scanned::Damaged(reason) => return Err(corrupt(end, reason.to_owned())),
        }
    }
    let Some(first) = first else {
        return Err(corrupt(end, "it holds no record".to_owned()));
    };
    Ok(Whole { first, end, last })
}

fn read_record(rest: &[u8], before: Checksum) -> Scanned<'_> {
    if rest.iter().all(|byte| *byte == 0) {
        return Scanned::Torn;
    }
    let Some((header, body)) = rest.split_at_checked(HEADER) else {
        return Scanned::Torn;
    };
    let length: [u8; 4] = start_of(header);
    let check: [u8; 4] = start_of(header.get(4..).unwrap_or_default());
    let expected: Checksum = start_of(header.get(8..).unwrap_or_default());
    if check != check_of_length(length) {
        return Scanned::Damaged("the length of a record is damaged");
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Scanned::Damaged("a record is longer than any that was ever written");
    }
    let Some(json) = body.get(..length) else {
        return Scanned::Torn;
    };
    let own = checksum(before, json);
    if own == expected {
        return Scanned::Record {
            json,
            checksum: own,
        };
    }
    if body.len() == length && json.contains(&0) {
        return Scanned::Torn;
    }
    Scanned::Damaged("a record does not match its checksum")
}

/// Moves a journal that cannot be used out of the way, and returns where to; none when there is none.
pub(super) fn set_aside(path: &Path, now: jiff::Timestamp) -> Result<Option<PathBuf>, Error> {
    if !Journal::exists(path)? {
        return Ok(None);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let aside = path.with_file_name(name);
    if aside.symlink_metadata().is_ok() {
        return Err(fs::at("rename", path)(io::Error::from(io::ErrorKind::AlreadyExists)).into());
    }
    fs::rename_durably(path, &aside)?;
    Ok(Some(aside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_of(directory: &Path, records: &[&str]) -> PathBuf {
        let path = directory.join("journal");
        let mut journal = Journal::create(&path, &records[0]).unwrap();
        for record in &records[1..] {
            journal.append(record).unwrap();
        }
        path
    }

    fn replay(path: &Path) -> Result<(Vec<String>, Option<Repaired>), Error> {
        let mut seen = Vec::new();
        let (_, repaired) = Journal::open(path, |record: String| {
            seen.push(record);
            Ok(())
        })?;
        Ok((seen, repaired))
    }

    /// Where each record begins, and the end of the file.
    fn offsets(records: &[&str]) -> Vec<usize> {
        let mut offsets = vec![MAGIC.len()];
        for record in records {
            offsets.push(offsets.last().unwrap() + HEADER + record.len() + 2);
        }
        offsets
    }

    const RECORDS: [&str; 3] = ["first", "second one", "third"];

    #[test]
    fn what_was_appended_comes_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        assert_eq!(
            replay(&path).unwrap(),
            (RECORDS.map(String::from).into(), None)
        );
    }

    #[test]
    fn a_last_record_cut_off_anywhere_is_removed_and_the_journal_goes_on() {
        let all = offsets(&RECORDS);
        for length in all[2] + 1..all[3] {
            let directory = tempfile::tempdir().unwrap();
            let path = journal_of(directory.path(), &RECORDS);
            OpenOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length as u64)
                .unwrap();
            let (seen, repaired) = replay(&path).unwrap();
            assert_eq!(seen, RECORDS[..2], "cut at {length}");
            assert_eq!(
                repaired,
                Some(Repaired {
                    offset: all[2] as u64,
                    bytes: (length - all[2]) as u64
                })
            );
            let (mut journal, repaired) = Journal::open(&path, |_: String| Ok(())).unwrap();
            assert_eq!(repaired, None);
            journal.append(&"again").unwrap();
            assert_eq!(replay(&path).unwrap().0, ["first", "second one", "again"]);
        }
    }

    #[test]
    fn pages_that_never_reached_the_disk_are_a_record_cut_off() {
        let all = offsets(&RECORDS);
        for from in [all[2], all[2] + HEADER, all[2] + HEADER + 3] {
            let directory = tempfile::tempdir().unwrap();
            let path = journal_of(directory.path(), &RECORDS);
            let mut bytes = fs::read(&path).unwrap();
            bytes[from..].fill(0);
            fs::write_durably(&path, &bytes, 0o600).unwrap();
            assert_eq!(replay(&path).unwrap().0, RECORDS[..2], "zeros from {from}");
        }
    }

    #[test]
    fn any_flipped_bit_is_refused_with_the_offset_of_its_record() {
        let all = offsets(&RECORDS);
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        let good = fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x10;
            fs::write_durably(&path, &bytes, 0o600).unwrap();
            let record = all.iter().rposition(|start| *start <= position);
            let wanted = record.map_or(0, |record| all[record]) as u64;
            match replay(&path) {
                Err(Error::CorruptJournal { offset, .. }) => {
                    assert_eq!(offset, wanted, "flipped at {position}");
                }
                other => panic!("flipped at {position}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_record_that_is_lost_doubled_or_moved_is_refused() {
        let all = offsets(&RECORDS);
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        let good = fs::read(&path).unwrap();
        let part = |n: usize| good[all[n]..all[n + 1]].to_vec();
        for (what, order) in [
            ("lost", vec![0, 2]),
            ("doubled", vec![0, 1, 1, 2]),
            ("moved", vec![0, 2, 1]),
        ] {
            let mut bytes = MAGIC.to_vec();
            for n in order {
                bytes.extend(part(n));
            }
            fs::write_durably(&path, &bytes, 0o600).unwrap();
            assert!(
                matches!(replay(&path), Err(Error::CorruptJournal { .. })),
                "{what}"
            );
        }
    }

    #[test]
    fn a_journal_without_a_record_or_with_a_refused_one_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        for bytes in [&b""[..], b"squad-jour", MAGIC, b"something else altogether"] {
            fs::write_durably(&path, bytes, 0o600).unwrap();
            assert!(
                matches!(replay(&path), Err(Error::CorruptJournal { .. })),
                "{bytes:?}"
            );
        }
        let path = journal_of(directory.path(), &RECORDS);
        let refused = Journal::open(&path, |record: String| {
            if record == "third" {
                Err("no".to_owned())
            } else {
                Ok(())
            }
        });
        let Err(Error::CorruptJournal { offset, reason, .. }) = refused else {
            panic!("accepted");
        };
        assert_eq!(usize::try_from(offset), Ok(offsets(&RECORDS)[2]));
        assert_eq!(reason, "no");
    }

    #[test]
    fn a_write_that_fails_leaves_the_journal_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        let (mut journal, _) = Journal::open(&path, |_: String| Ok(())).unwrap();
        journal.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = journal.append(&"more").unwrap_err();
        let Error::File(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(replay(&path).unwrap().0, RECORDS);
    }

    #[test]
    fn compacting_keeps_one_record_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        let (mut journal, _) = Journal::open(&path, |_: String| Ok(())).unwrap();
        journal.compact(&"all of it").unwrap();
        journal.append(&"more").unwrap();
        assert_eq!(replay(&path).unwrap().0, ["all of it", "more"]);
    }

    #[test]
    fn a_damaged_journal_can_be_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = journal_of(directory.path(), &RECORDS);
        let now = "2025-01-02T03:04:05Z".parse().unwrap();
        let aside = set_aside(&path, now).unwrap().unwrap();
        assert_eq!(
            aside.file_name().unwrap(),
            "journal.damaged-20250102T030405Z"
        );
        assert!(aside.exists());
        assert!(!path.exists());
        assert_eq!(set_aside(&path, now).unwrap(), None);
    }
}
