//! What the processes of a service write, kept on the disk as JSON lines: 3 files of 10 MB.
//!
//! A disk that is full loses log lines, never requests: a line that cannot be written is still handed to
//! whoever follows.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::clock::{Clock, SystemClock};
use crate::domain::release::RevisionNumber;
use crate::fs::{self, at};
use crate::platform::{LogLine, LogQuery, Result};

/// A file is rotated when it is longer, in bytes.
const LONGEST_FILE: u64 = 10_000_000;
/// How many files there are, the present one included.
const FILES: usize = 3;
/// A line is split when it is longer, in bytes.
pub(super) const LONGEST_LINE: usize = 64 << 10;
/// Lines of each process that are kept in memory to read a cause from.
const TAIL: usize = 60;
/// Lines that a slow follower may be behind.
const BEHIND: usize = 1024;

/// The stream name of what the platform itself says.
pub(super) const OWN: &str = "squad";

/// The log of one service.
#[derive(Debug)]
pub(super) struct ServiceLog {
    directory: PathBuf,
    clock: SystemClock,
    inner: Mutex<Inner>,
    followers: broadcast::Sender<LogLine>,
}

#[derive(Debug, Default)]
struct Inner {
    /// None until the first line, and after a failure.
    file: Option<File>,
    length: u64,
    /// Of each process of each revision: its number among those of the revision is the second part.
    tails: BTreeMap<(RevisionNumber, usize), Tail>,
}

/// What a process wrote last.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    /// It was started again and has written nothing since: what is here is of the attempt before.
    earlier: bool,
}

impl ServiceLog {
    /// In the directory of the service.
    pub(super) fn new(service: &Path, clock: SystemClock) -> Self {
        Self {
            directory: service.join("log"),
            clock,
            inner: Mutex::default(),
            followers: broadcast::Sender::new(BEHIND),
        }
    }

    /// A process is about to be started: what it writes from now on takes the place of what it wrote in the attempt before. One
    /// that dies without a word leaves that.
    pub(super) fn begin(&self, revision: RevisionNumber, slot: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tails.entry((revision, slot)).or_default().earlier = true;
    }

    /// Adds one line of a process: `slot` is its number among those of its revision.
    pub(super) fn write(&self, revision: RevisionNumber, slot: usize, stream: &str, text: &str) {
        let line = LogLine {
            at: self.clock.now(),
            revision,
            stream: stream.to_owned(),
            text: text.to_owned(),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if stream != OWN {
            let tail = inner.tails.entry((revision, slot)).or_default();
            if std::mem::take(&mut tail.earlier) {
                tail.lines.clear();
            }
            if tail.lines.len() == TAIL {
                tail.lines.pop_front();
            }
            tail.lines.push_back(line.text.clone());
        }
        if let Err(error) = self.store(&mut inner, &line) {
            inner.file = None;
            tracing::warn!("a log line is lost: {error}");
        }
        // Within the lock, so that `follow` sees each line once.
        drop(self.followers.send(line));
    }

    fn store(&self, inner: &mut Inner, line: &LogLine) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        if inner.file.is_some() && inner.length + bytes.len() as u64 > LONGEST_FILE {
            inner.file = None;
            self.rotate()?;
        }
        if inner.file.is_none() {
            fs::create_private_dir(&self.directory)?;
            let path = self.path(0);
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)
                .map_err(at("open", &path))?;
            inner.length = file.metadata().map_err(at("read", &path))?.len();
            inner.file = Some(file);
        }
        if let Some(file) = &mut inner.file {
            file.write_all(&bytes).map_err(at("write", &self.path(0)))?;
            inner.length += bytes.len() as u64;
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a log that is rotated needs not survive a loss of power"
    )]
    fn rotate(&self) -> Result<()> {
        for age in (1..FILES).rev() {
            let from = self.path(age - 1);
            match std::fs::rename(&from, self.path(age)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(at("rename", &from)(error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, age: usize) -> PathBuf {
        self.directory.join(file_name(age))
    }

    /// The last lines that a process of a revision wrote in its last attempt, oldest first.
    pub(super) fn tail(&self, revision: RevisionNumber, slot: usize) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .tails
            .get(&(revision, slot))
            .map(|tail| tail.lines.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Forgets what is in memory of a revision: before it is started anew, and when it is removed.
    pub(super) fn forget(&self, revision: RevisionNumber) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tails.retain(|(of, _), _| *of != revision);
    }

    /// The files with their lengths in bytes, oldest first, and everything that is written after that.
    pub(super) fn follow(&self) -> (Vec<(PathBuf, u64)>, broadcast::Receiver<LogLine>) {
        // Within the lock, so that each line is in the files or comes later, and never both.
        let _inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (files(&self.directory), self.followers.subscribe())
    }

    /// Removes all files but the present one, and returns how many bytes that freed.
    pub(super) fn prune(&self) -> Result<u64> {
        let mut bytes = 0;
        for age in 1..FILES {
            let path = self.path(age);
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            match std::fs::remove_file(&path) {
                Ok(()) => bytes += size,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(at("remove", &path)(error).into()),
            }
        }
        Ok(bytes)
    }
}

/// The files of a log that are there, oldest first, with their lengths in bytes.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    (0..FILES)
        .rev()
        .map(|age| directory.join(file_name(age)))
        .filter_map(|path| {
            let length = path.metadata().ok()?.len();
            Some((path, length))
        })
        .collect()
}

/// 0 is the present file.
fn file_name(age: usize) -> String {
    if age == 0 {
        "log.jsonl".to_owned()
    } else {
        format!("log.{age}.jsonl")
    }
}

/// The files of a service's log, for a reader that is not the supervisor.
pub(super) fn files_of(service: &Path) -> Vec<(PathBuf, u64)> {
    files(&service.join("log"))
}

/// Hands over the lines of the files that a query asks for, oldest first, until `on_line` says no; returns
/// whether it never did.
pub(super) fn read(
    files: &[(PathBuf, u64)],
    query: &LogQuery,
    on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
) -> Result<bool> {
    let most = query
        .tail
        .map(|tail| usize::try_from(tail).unwrap_or(usize::MAX));
    let mut newest = VecDeque::new();
    for (path, length) in files {
        let file = match File::open(path) {
            Ok(file) => file,
            // It was rotated away or pruned meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at("open", path)(error).into()),
        };
        for line in BufReader::new(file.take(*length)).lines() {
            let line = line.map_err(at("read", path))?;
            // A line that a full disk cut off is passed over.
            let Ok(line) = serde_json::from_str::<LogLine>(&line) else {
                continue;
            };
            if !matches(query, &line) {
                continue;
            }
            if let Some(most) = most {
                newest.push_back(line);
                if newest.len() > most {
                    newest.pop_front();
                }
            } else if !on_line(line) {
                return Ok(false);
            }
        }
    }
    for line in newest {
        if !on_line(line) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a query asks for a line.
pub(super) fn matches(query: &LogQuery, line: &LogLine) -> bool {
    query
        .revision
        .is_none_or(|revision| revision == line.revision)
        && query.since.is_none_or(|since| line.at >= since)
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands over each line that is complete, or too long to wait for its end.
    pub(super) fn take(&mut self, bytes: &[u8], mut on_line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.last() == Some(&b'\n') {
                self.rest.pop();
                self.end(&mut on_line);
            }
            while self.rest.len() > LONGEST_LINE {
                let after = self.rest.split_off(boundary(&self.rest));
                on_line(&String::from_utf8_lossy(&self.rest));
                self.rest = after;
            }
        }
    }

    /// Hands over what has no line end.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            self.end(&mut on_line);
        }
    }

    fn end(&mut self, on_line: &mut impl FnMut(&str)) {
        if self.rest.last() == Some(&b'\r') {
            self.rest.pop();
        }
        while self.rest.len() > LONGEST_LINE {
            let after = self.rest.split_off(boundary(&self.rest));
            on_line(&String::from_utf8_lossy(&self.rest));
            self.rest = after;
        }
        on_line(&String::from_utf8_lossy(&self.rest));
        self.rest.clear();
    }
}

/// Where to cut a line that is too long: not within a character.
fn boundary(bytes: &[u8]) -> usize {
    (LONGEST_LINE.saturating_sub(3)..=LONGEST_LINE)
        .rev()
        .find(|at| bytes.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in parts {
            lines.take(part, |line| seen.push(line.to_owned()));
        }
        lines.finish(|line| seen.push(line.to_owned()));
        seen
    }

    #[test]
    fn lines_are_cut_at_their_ends_wherever_the_bytes_are_cut() {
        assert_eq!(cut(&[b"a\nb", b"c\r\n\n", b"end"]), ["a", "bc", "", "end"]);
        assert_eq!(cut(&[b"\xff\n"]), ["\u{fffd}"]);
        assert!(cut(&[b""]).is_empty());
        let long = "é".repeat(LONGEST_LINE);
        let seen = cut(&[long.as_bytes(), b"\n"]);
        assert_eq!(seen.concat(), long);
        assert!(seen.iter().all(|line| line.len() <= LONGEST_LINE));
    }

    fn texts(log: &ServiceLog, query: &LogQuery) -> Vec<String> {
        let mut texts = Vec::new();
        let (files, _) = log.follow();
        read(&files, query, &mut |line| {
            texts.push(line.text);
            true
        })
        .unwrap();
        texts
    }

    #[test]
    fn a_query_filters_and_a_follower_sees_each_line_once() {
        let home = tempfile::tempdir().unwrap();
        let log = ServiceLog::new(home.path(), SystemClock::new());
        for n in 1..=4 {
            log.write(RevisionNumber(1 + n % 2), 0, "stdout", &format!("line {n}"));
        }
        assert_eq!(texts(&log, &LogQuery::default()).len(), 4);
        let query = LogQuery {
            revision: Some(RevisionNumber(1)),
            tail: Some(1),
            ..LogQuery::default()
        };
        assert_eq!(texts(&log, &query), ["line 4"]);
        let (before, mut follower) = log.follow();
        log.write(RevisionNumber(1), 0, OWN, "ended");
        let mut seen = 0;
        let go_on = read(&before, &LogQuery::default(), &mut |_| {
            seen += 1;
            seen < 4
        });
        assert!(!go_on.unwrap());
        assert_eq!(seen, 4);
        assert_eq!(follower.try_recv().unwrap().text, "ended");
        assert_eq!(log.tail(RevisionNumber(1), 0), ["line 2", "line 4"]);
    }

    #[test]
    fn the_tail_is_that_of_the_last_attempt_of_one_process() {
        let home = tempfile::tempdir().unwrap();
        let log = ServiceLog::new(home.path(), SystemClock::new());
        let revision = RevisionNumber(1);
        log.begin(revision, 0);
        log.write(revision, 0, "stderr", "first attempt");
        log.write(revision, 1, "stderr", "of another process");
        log.begin(revision, 0);
        assert_eq!(log.tail(revision, 0), ["first attempt"]);
        log.write(revision, 0, OWN, "started");
        log.write(revision, 0, "stderr", "second attempt");
        log.write(revision, 0, "stderr", "its second line");
        assert_eq!(log.tail(revision, 0), ["second attempt", "its second line"]);
        assert_eq!(log.tail(revision, 1), ["of another process"]);
        log.forget(revision);
        assert!(log.tail(revision, 0).is_empty() && log.tail(revision, 1).is_empty());
    }

    #[test]
    fn three_files_of_ten_megabytes_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let log = ServiceLog::new(home.path(), SystemClock::new());
        let text = "x".repeat(LONGEST_LINE);
        for n in 0..700 {
            log.write(RevisionNumber(1), 0, "stdout", &format!("{n} {text}"));
        }
        let sizes: Vec<u64> = (0..=FILES)
            .map(|age| {
                log.path(age)
                    .metadata()
                    .map_or(0, |metadata| metadata.len())
            })
            .collect();
        assert!(
            sizes[..FILES]
                .iter()
                .all(|size| *size > 0 && *size <= LONGEST_FILE),
            "{sizes:?}"
        );
        assert_eq!(sizes[FILES], 0);
        assert!(
            texts(&log, &LogQuery::default())
                .last()
                .unwrap()
                .starts_with("699 ")
        );
        assert_eq!(log.prune().unwrap(), sizes[1] + sizes[2]);
    }
}
