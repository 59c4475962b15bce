//! The bytes of a commit object, `squad-commit/v1`. There is one way to write each commit; anything else is refused.
//!
//! ```text
//! squad-commit/v1
//! start <index of the first event>
//! n <number of events>
//! <length> <bytes>            once for each event
//! peaks <base64> …            the compact range of the tree after this commit, the largest subtree first
//!
//! <signed note: the checkpoint after this commit>
//! ```

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Hash;
use super::event;

/// The first line.
const MAGIC: &str = "squad-commit/v1";
/// Events that a commit may have.
pub(crate) const MOST_EVENTS: usize = 4096;

/// Where the parts of a commit are in its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The index of the first event in the log.
    pub(crate) start: u64,
    /// The events.
    pub(crate) events: Vec<Range<usize>>,
    /// The peaks of the tree after this commit.
    pub(crate) peaks: Vec<Hash>,
    /// The signed note.
    pub(crate) note: Range<usize>,
}

/// Why bytes are not a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// A later format.
    #[error("it has the format `{0}`, which this version of squad does not know")]
    Version(String),
    /// Not as it must be.
    #[error("byte {offset}: {expected} is expected")]
    Malformed {
        /// From the start of the object.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
}

/// Writes a commit.
pub(crate) fn encode(start: u64, events: &[Vec<u8>], peaks: &[Hash], note: &str) -> Vec<u8> {
    let mut out = format!("{MAGIC}\nstart {start}\nn {}\n", events.len()).into_bytes();
    for event in events {
        out.extend_from_slice(format!("{} ", event.len()).as_bytes());
        out.extend_from_slice(event);
        out.push(b'\n');
    }
    out.extend_from_slice(b"peaks");
    for peak in peaks {
        out.push(b' ');
        out.extend_from_slice(STANDARD.encode(peak).as_bytes());
    }
    out.extend_from_slice(b"\n\n");
    out.extend_from_slice(note.as_bytes());
    out
}

/// Reads a commit.
pub(crate) fn parse(bytes: &[u8]) -> Result<Frame, FrameError> {
    let mut reader = Reader { bytes, at: 0 };
    let magic = reader.until(b'\n', "a first line")?;
    if magic != MAGIC.as_bytes() {
        let text = String::from_utf8_lossy(magic);
        return Err(match text.strip_prefix("squad-commit/v") {
            Some(version) if version.parse::<u32>().is_ok() => FrameError::Version(text.into()),
            _ => reader.malformed(0, "`squad-commit/v1`"),
        });
    }
    reader.literal(b"start ", "`start`")?;
    let start = reader.number(b'\n', u64::MAX, "the index of the first event")?;
    reader.literal(b"n ", "`n`")?;
    let count = reader.number(b'\n', MOST_EVENTS as u64, "the number of events")?;
    let mut events = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let length = reader.number(b' ', event::LARGEST as u64, "the length of an event")?;
        let from = reader.at;
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if bytes.get(to) != Some(&b'\n') {
            return Err(reader.malformed(from, "an event of the length given"));
        }
        events.push(from..to);
        reader.at = to + 1;
    }
    reader.literal(b"peaks", "`peaks`")?;
    let from = reader.at;
    let peaks = peaks(reader.until(b'\n', "the peaks")?)
        .ok_or_else(|| reader.malformed(from, "peaks in base64"))?;
    reader.literal(b"\n", "an empty line")?;
    if events.is_empty() {
        return Err(reader.malformed(0, "at least one event"));
    }
    let note = reader.at..bytes.len();
    if bytes.get(note.clone()).is_none_or(<[u8]>::is_empty) {
        return Err(reader.malformed(reader.at, "a signed note"));
    }
    Ok(Frame {
        start,
        events,
        peaks,
        note,
    })
}

/// ` <base64>` as often as there are peaks.
fn peaks(line: &[u8]) -> Option<Vec<Hash>> {
    std::str::from_utf8(line)
        .ok()?
        .split(' ')
        .skip(1)
        .map(|text| STANDARD.decode(text).ok()?.try_into().ok())
        .collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[expect(clippy::unused_self, reason = "reads as the reader's own complaint")]
    fn malformed(&self, offset: usize, expected: &'static str) -> FrameError {
        FrameError::Malformed { offset, expected }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn until(&mut self, end: u8, expected: &'static str) -> Result<&'a [u8], FrameError> {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| *byte == end)
            .ok_or_else(|| self.malformed(self.at, expected))?;
        self.at += length + 1;
        Ok(rest.get(..length).unwrap_or_default())
    }

    fn literal(&mut self, text: &[u8], expected: &'static str) -> Result<(), FrameError> {
        if !self.rest().starts_with(text) {
            return Err(self.malformed(self.at, expected));
        }
        self.at += text.len();
        Ok(())
    }

    /// A decimal number without leading zeros.
    fn number(&mut self, end: u8, most: u64, expected: &'static str) -> Result<u64, FrameError> {
        let from = self.at;
        let text = self.until(end, expected)?;
        std::str::from_utf8(text)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|text| text.len() == 1 || !text.starts_with('0'))
            .and_then(|text| text.parse().ok())
            .filter(|number| *number <= most)
            .ok_or_else(|| self.malformed(from, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::sha256;

    fn example() -> Vec<u8> {
        encode(
            7,
            &[b"{}".to_vec(), b"with\nnewline".to_vec()],
            &[sha256(b"a"), sha256(b"b")],
            "o\n9\nx\n\n— k s\n",
        )
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = example();
        let frame = parse(&bytes).unwrap();
        let events: Vec<&[u8]> = frame.events.iter().map(|at| &bytes[at.clone()]).collect();
        assert_eq!(frame.start, 7);
        assert_eq!(events, [b"{}".as_slice(), b"with\nnewline"]);
        assert_eq!(frame.peaks, [sha256(b"a"), sha256(b"b")]);
        assert_eq!(&bytes[frame.note], "o\n9\nx\n\n— k s\n".as_bytes());
    }

    #[test]
    fn there_is_one_way_to_write_a_commit() {
        let text = String::from_utf8(example()).unwrap();
        for (from, to) in [
            ("start 7", "start 07"),
            ("start 7", "start +7"),
            ("start 7", "start  7"),
            ("n 2", "n 1"),
            ("n 2", "n 3"),
            ("n 2", "n 0"),
            ("n 2", "n 99999"),
            ("2 {}", "3 {}"),
            ("2 {}", "1 {}"),
            ("2 {}", "99999 {}"),
            ("peaks ", "peaks  "),
            ("peaks", "peak"),
            ("=\n\no", "=\no"),
            ("squad-commit/v1", "squad-commit/x"),
        ] {
            assert!(text.contains(from), "{from}");
            let bad = text.replacen(from, to, 1);
            assert!(
                matches!(parse(bad.as_bytes()), Err(FrameError::Malformed { .. })),
                "{bad}"
            );
        }
        assert_eq!(
            parse(text.replacen("/v1", "/v2", 1).as_bytes()),
            Err(FrameError::Version("squad-commit/v2".into()))
        );
        for end in 0..text.find("o\n9").unwrap() {
            assert!(parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }
}
