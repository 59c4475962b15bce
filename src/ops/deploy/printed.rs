//! What a build prints: kept in a file, told as it comes, and its end repeated where the build fails.
//!
//! A build that prints without end fills neither the memory nor the disk, and is not slowed down line by line.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use crate::fs;

/// Bytes of a build's output that are kept from its beginning.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that are kept from its end, where there are more.
const KEPT_AT_THE_END: usize = 256 * 1024;
/// Lines that a failed build's error shows.
const SHOWN_LINES: usize = 10;
/// Characters of each of them.
const LONGEST_REPEATED: usize = 500;
/// Characters of a line that is told as it comes; the file has it whole.
const LONGEST_TOLD: usize = 2000;
/// Bytes that are read at once; a longer line is broken.
const CHUNK: usize = 64 * 1024;

/// The output of one build.
#[derive(Debug)]
pub(super) struct Printed {
    path: PathBuf,
    log: File,
    kept: usize,
    /// What came behind what is kept of the beginning: its newest part, and how much there was.
    end: VecDeque<Vec<u8>>,
    end_bytes: usize,
    beyond: usize,
    last: VecDeque<String>,
}

impl Printed {
    /// Kept in a new file.
    pub(super) fn new(path: &Path) -> Result<Self, fs::Error> {
        Ok(Self {
            path: path.to_owned(),
            log: File::create(path).map_err(fs::at("create", path))?,
            kept: 0,
            end: VecDeque::new(),
            end_bytes: 0,
            beyond: 0,
            last: VecDeque::new(),
        })
    }

    /// Takes whole lines, and returns them as a terminal would show them, without the line end of the last one.
    pub(super) fn take(&mut self, lines: Vec<u8>) -> Result<String, fs::Error> {
        let text = String::from_utf8_lossy(&lines);
        let text = text.trim_end();
        let newest: Vec<_> = text.lines().rev().take(SHOWN_LINES).collect();
        for line in newest.into_iter().rev() {
            if self.last.len() == SHOWN_LINES {
                drop(self.last.pop_front());
            }
            let line = shortened(last_drawn(line), LONGEST_REPEATED);
            self.last.push_back(line.into_owned());
        }
        let text = told(text);
        if self.kept < KEPT_BYTES {
            self.write(&lines)?;
            self.kept += lines.len();
            return Ok(text);
        }
        self.beyond += lines.len();
        self.end_bytes += lines.len();
        self.end.push_back(lines);
        while let Some(oldest) = self.end.front()
            && self.end_bytes - oldest.len() >= KEPT_AT_THE_END
        {
            self.end_bytes -= oldest.len();
            drop(self.end.pop_front());
        }
        Ok(text)
    }

    /// Writes the end of what was too much to be kept whole, and says what of it is missing in between. Returns the last
    /// lines, and whether all is kept.
    pub(super) fn end(mut self) -> Result<(VecDeque<String>, bool), fs::Error> {
        let left_out = self.beyond - self.end_bytes;
        if left_out > 0 {
            let note = format!("… squad: {left_out} bytes of the output are left out here …\n");
            self.write(note.as_bytes())?;
        }
        for lines in std::mem::take(&mut self.end) {
            self.write(&lines)?;
        }
        Ok((self.last, left_out == 0))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), fs::Error> {
        self.log
            .write_all(bytes)
            .map_err(fs::at("write", &self.path))
    }
}

/// Sends what comes, many lines at once where many come at once; each message ends with a line end.
pub(super) async fn read(
    mut stream: Box<dyn AsyncRead + Unpin + Send>,
    sender: mpsc::Sender<Vec<u8>>,
) {
    let mut lines = Vec::with_capacity(CHUNK);
    loop {
        let is_over = match stream.read_buf(&mut lines).await {
            Ok(0) | Err(_) => true,
            Ok(_) => false,
        };
        let end = lines.iter().rposition(|byte| *byte == b'\n');
        let rest = match end {
            Some(end) if !is_over => lines.split_off(end + 1),
            None if !is_over && lines.len() < CHUNK => continue,
            _ => Vec::new(),
        };
        let mut whole = std::mem::replace(&mut lines, rest);
        if whole.last().is_some_and(|byte| *byte != b'\n') {
            whole.push(b'\n');
        }
        if (!whole.is_empty() && sender.send(whole).await.is_err()) || is_over {
            return;
        }
        lines.reserve(CHUNK.saturating_sub(lines.len()).max(1));
    }
}

/// Lines as a terminal shows them in the end, where it makes a difference: most builds print neither of the two.
fn told(text: &str) -> String {
    let is_plain = |line: &str| !line.contains('\r') && line.len() <= LONGEST_TOLD;
    if text.split('\n').all(is_plain) {
        return text.to_owned();
    }
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| shortened(last_drawn(line), LONGEST_TOLD))
        .collect();
    lines.join("\n")
}

/// What is drawn last of a line: progress goes back to its beginning and draws it anew.
fn last_drawn(line: &str) -> &str {
    let line = line.trim_end();
    line.rsplit_once('\r').map_or(line, |(_, last)| last)
}

/// A line of a build, cut where no person could have written it.
fn shortened(line: &str, longest: usize) -> Cow<'_, str> {
    match line.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!(
            "{}… ({} bytes)",
            line.get(..end).unwrap_or(line),
            line.len()
        )),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept_and_the_middle_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let mut printed = Printed::new(&path).unwrap();
        assert_eq!(printed.take(b"first\n".to_vec()).unwrap(), "first");
        let block = format!("{}\n", "x".repeat(CHUNK - 1)).into_bytes();
        let blocks = KEPT_BYTES / CHUNK + 20;
        for _ in 0..blocks {
            drop(printed.take(block.clone()).unwrap());
        }
        drop(printed.take(b"one\ntwo\nlast\n".to_vec()).unwrap());
        let (last, is_whole) = printed.end().unwrap();
        assert!(!is_whole);
        assert_eq!(last.len(), SHOWN_LINES);
        assert_eq!(
            last.iter().rev().take(3).collect::<Vec<_>>(),
            ["last", "two", "one"]
        );
        let log = fs::read_to_string(&path).unwrap();
        assert!(log.starts_with("first\n"));
        assert!(log.ends_with("one\ntwo\nlast\n"));
        let left_out: Vec<_> = log.lines().filter(|line| line.starts_with('…')).collect();
        assert_eq!(
            left_out,
            ["… squad: 1048576 bytes of the output are left out here …"]
        );
    }

    #[test]
    fn a_short_output_is_kept_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let mut printed = Printed::new(&path).unwrap();
        assert_eq!(printed.take(b"a\r\nb\n\n".to_vec()).unwrap(), "a\nb");
        let (last, is_whole) = printed.end().unwrap();
        assert!(is_whole);
        assert_eq!(last, ["a", "b"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\r\nb\n\n");
    }

    #[tokio::test]
    async fn lines_are_never_torn_but_where_they_are_too_long() {
        let (sender, mut receiver) = mpsc::channel(64);
        let mut text = b"one\ntwo\n".to_vec();
        text.extend(vec![b'x'; CHUNK + 5]);
        text.extend(b"\nno end");
        read(Box::new(std::io::Cursor::new(text)), sender).await;
        let mut got = Vec::new();
        while let Some(lines) = receiver.recv().await {
            assert_eq!(lines.last(), Some(&b'\n'));
            got.extend(String::from_utf8(lines).unwrap().lines().map(str::len));
        }
        assert_eq!(got.iter().sum::<usize>(), 3 + 3 + CHUNK + 5 + 6, "{got:?}");
        assert_eq!((got[0], got[1], got.last()), (3, 3, Some(&6)));
    }
}
