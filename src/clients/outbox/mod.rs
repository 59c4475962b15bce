//! The local outbox of an audit log: events are written here before anything else happens, and leave when the log
//! has them.
//!
//! `outbox.jsonl` is appended to with one write for each line and synced before anyone relies on it. A torn last line was never relied
//! on and is cut off; anything else that cannot be read is refused. `outbox.lock` is held while the file is read or
//! written, never while something is waited for.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock;
use crate::domain::audit::event::Event;
use crate::fs;

/// Bytes of dead lines that are kept before the file is written anew.
const SLACK: usize = 256 * 1024;

/// What the file begins with once everything in it was settled, and all that it holds then: it notes nothing. A file that
/// is cut down to nothing gives its room on the disk back, which takes as long as a sync where the disk is told of it.
const HEAD: &str = "{\"committed\":[],\"commit\":0}\n";

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// A line that is not the last cannot be read.
    #[error("`{}` cannot be read at byte {offset}: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the line begins.
        offset: usize,
        /// Why, in words.
        why: String,
    },
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Members")]
enum Line {
    /// An event, to be appended to the log.
    Event {
        event: Box<Event>,
        /// Commits that this machine had seen when the event was made: it is in none of them. None when it had
        /// never seen the log.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Events that the log has.
    Committed { committed: Vec<String>, commit: u64 },
}

/// The members of a line, whatever it is: what serde does to tell enums without a tag apart takes several times as long.
#[derive(Deserialize)]
struct Members {
    event: Option<Box<Event>>,
    after: Option<u64>,
    committed: Option<Vec<String>>,
    commit: Option<u64>,
}

impl TryFrom<Members> for Line {
    type Error = &'static str;

    fn try_from(members: Members) -> Result<Self, Self::Error> {
        let Members {
            event,
            after,
            committed,
            commit,
        } = members;
        match (event, committed, commit) {
            (Some(event), ..) => Ok(Self::Event { event, after }),
            (None, Some(committed), Some(commit)) => Ok(Self::Committed { committed, commit }),
            (None, ..) => Err("it is neither an event nor a note of what the log has"),
        }
    }
}

/// An event that the log may not have yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pending {
    /// The event.
    pub(crate) event: Event,
    /// The log has it in none of this many first commits.
    pub(crate) after: Option<u64>,
}

/// What the outbox holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    /// Not known to be in the log, in the order in which they were made.
    pub(crate) pending: Vec<Pending>,
    /// Intents without an outcome.
    pub(crate) open: Vec<Event>,
}

/// The outbox of one log on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    directory: PathBuf,
}

impl Outbox {
    /// The outbox in this directory, which must be there.
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Makes the directory, with `open/` for lock files and an empty outbox, so that they survive a loss of power;
    /// `above` is the directory that is there already. Only looks at one file when that has been done.
    pub(crate) fn prepare(&self, above: &Path) -> Result<(), Error> {
        let marker = self.directory.join("ready");
        if marker.exists() {
            return Ok(());
        }
        fs::create_private_dir(&self.directory.join("open"))?;
        let create = |path: &Path| {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map_err(fs::at("create", path))
        };
        let path = self.path();
        let mut file = create(&path)?;
        if file.metadata().map_err(fs::at("look at", &path))?.len() == 0 {
            // Without it the first change takes longer, and nothing else.
            drop(file.write_all(HEAD.as_bytes()));
        }
        for directory in self.directory.ancestors() {
            fs::sync_dir(directory)?;
            if directory == above {
                break;
            }
        }
        // Whoever made `above` may have been killed right then. Not everybody may open what is over it.
        if let Some(top) = above.parent() {
            drop(fs::sync_dir(top));
        }
        // Whoever finds it knows that all of the above has been synced.
        create(&marker)?;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join("outbox.jsonl")
    }

    /// Puts a file that cannot be read aside, whole and under a name that says so, and goes on with the lines of it that can
    /// be read; where it is then. None when there is nothing wrong with it.
    /// What is no file is moved as it is.
    pub(crate) fn put_aside(&self) -> Result<Option<PathBuf>, Error> {
        let _guard = self.guard()?;
        if self.path().is_dir() {
            return Ok(Some(self.moved_aside()?));
        }
        match self.lines() {
            Ok(_) => return Ok(None),
            Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let path = self.path();
        let aside = linked_aside(&path)?;
        let bytes = fs::read(&path)?;
        let readable: Vec<u8> = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| {
                line.strip_suffix(b"\n")
                    .is_some_and(|text| serde_json::from_slice::<Line>(text).is_ok())
            })
            .flatten()
            .copied()
            .collect();
        // In the place of the damaged file, which has its second name by now.
        fs::write_durably(&path, &readable, 0o600)?;
        Ok(Some(aside))
    }

    /// Moves a directory that is in the place of the file to a name that is free, and begins an empty file.
    fn moved_aside(&self) -> Result<PathBuf, Error> {
        let path = self.path();
        let mut number = 1;
        while fs::is_there(&aside_name(&path, number))? {
            number += 1;
        }
        let aside = aside_name(&path, number);
        fs::rename_durably(&path, &aside)?;
        fs::write_durably(&path, b"", 0o600)?;
        Ok(aside)
    }

    fn guard(&self) -> Result<File, Error> {
        Ok(lock::wait(&self.directory.join("outbox.lock"))?)
    }

    /// Adds an event; it is durable on return. `after`: see [`Pending::after`].
    pub(crate) fn add(&self, event: &Event, after: Option<u64>) -> Result<(), Error> {
        let _guard = self.guard()?;
        self.append(&event_line(event, after), true)
    }

    /// Adds an event that survives the end of this process, and a loss of power only after [`Self::sync`]: for
    /// what is brought into the log at once.
    pub(crate) fn add_unsynced(&self, event: &Event, after: Option<u64>) -> Result<(), Error> {
        let _guard = self.guard()?;
        self.append(&event_line(event, after), false)
    }

    /// Makes everything that was added durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let path = self.path();
        Ok(File::open(&path)
            .and_then(|file| file.sync_data())
            .map_err(fs::at("sync", &path))?)
    }

    /// Adds the outcome of an operation, unless it has one or is not known here; says whether it was added.
    pub(crate) fn add_outcome(&self, event: &Event, after: Option<u64>) -> Result<bool, Error> {
        let _guard = self.guard()?;
        let open = contents(&self.lines()?).open;
        let is_open = open.iter().any(|open| open.operation == event.operation);
        if is_open {
            self.append(&event_line(event, after), true)?;
        }
        Ok(is_open)
    }

    /// Whether there is anything in the file; without a lock, so it may be gone in the next moment.
    pub(crate) fn holds_something(&self) -> Result<bool, fs::Error> {
        let path = self.path();
        match path.metadata() {
            Ok(file) if file.len() == HEAD.len() as u64 => Ok(fs::read(&path)? != HEAD.as_bytes()),
            Ok(file) => Ok(file.len() > 0),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(fs::at("look at", &path)(error)),
        }
    }

    /// What is in it. Writes nothing, also no lock file.
    pub(crate) fn contents(&self) -> Result<Contents, Error> {
        let _guard = lock::shared(&self.directory.join("outbox.lock"))?;
        Ok(contents(&self.lines()?))
    }

    /// Notes that the log has these events, and returns what is left. Need not survive a loss of power: whoever
    /// appends looks into the log first for events that may be there.
    pub(crate) fn settle(&self, ids: &[String], commit: u64) -> Result<Contents, Error> {
        let _guard = self.guard()?;
        let path = self.path();
        let file = self.open()?;
        let mut bytes = Vec::new();
        (&file)
            .read_to_end(&mut bytes)
            .map_err(fs::at("read", &path))?;
        let mut lines = self.parse(&bytes)?;
        let mark = Line::Committed {
            committed: ids.to_vec(),
            commit,
        };
        let line = text(&mark);
        lines.push(mark);
        let left = contents(&lines);
        if left.pending.is_empty() && left.open.is_empty() {
            // Nobody needs any of it any more.
            let has_head = bytes.starts_with(HEAD.as_bytes());
            let length = if has_head { HEAD.len() as u64 } else { 0 };
            file.set_len(length).map_err(fs::at("shorten", &path))?;
            if !has_head {
                // Without it the next one takes longer, and nothing else.
                drop(self.write(&file, HEAD, 0, false));
            }
            return Ok(left);
        }
        let length = whole(&bytes);
        if length < bytes.len() {
            self.cut(&file, length as u64)?;
        }
        self.write(&file, &line, length as u64, false)?;
        self.shrink(length + line.len(), &left)?;
        Ok(left)
    }

    /// Appends one line with one write.
    fn append(&self, line: &str, durable: bool) -> Result<(), Error> {
        let file = self.open()?;
        let length = self.repair(&file)?;
        self.write(&file, line, length, durable)
    }

    /// The file, to be read and appended to.
    fn open(&self) -> Result<File, Error> {
        let path = self.path();
        Ok(OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(fs::at("open", &path))?)
    }

    /// Writes a line behind the `length` bytes that are there.
    fn write(&self, mut file: &File, line: &str, length: u64, durable: bool) -> Result<(), Error> {
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // Nobody may find half a line, or one that its writer was told is not there.
            drop(file.set_len(length));
            return Err(fs::at("write", &self.path())(error).into());
        }
        Ok(())
    }

    /// Cuts off a torn last line; returns the length then. Reads the file only where there is one.
    fn repair(&self, mut file: &File) -> Result<u64, Error> {
        let path = self.path();
        let length = file.metadata().map_err(fs::at("look at", &path))?.len();
        let mut last = [b'\n'];
        if let Some(before) = length.checked_sub(1) {
            file.read_exact_at(&mut last, before)
                .map_err(fs::at("read", &path))?;
        }
        if last == [b'\n'] {
            return Ok(length);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(fs::at("read", &path))?;
        let length = whole(&bytes) as u64;
        self.cut(file, length)?;
        Ok(length)
    }

    fn cut(&self, file: &File, length: u64) -> Result<(), Error> {
        Ok(file
            .set_len(length)
            .map_err(fs::at("repair", &self.path()))?)
    }

    /// The whole lines.
    fn lines(&self) -> Result<Vec<Line>, Error> {
        match fs::read(&self.path()) {
            Ok(bytes) => self.parse(&bytes),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The whole lines of the file's bytes.
    fn parse(&self, bytes: &[u8]) -> Result<Vec<Line>, Error> {
        let mut offset = 0;
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Without its newline it is the last one, and torn.
            if let Some(text) = line.strip_suffix(b"\n") {
                lines.push(
                    serde_json::from_slice(text).map_err(|error| Error::Corrupt {
                        path: self.path(),
                        offset,
                        why: error.to_string(),
                    })?,
                );
            }
            offset += line.len();
        }
        Ok(lines)
    }

    /// Writes the file anew when most of its bytes are not needed.
    fn shrink(&self, length: usize, needed: &Contents) -> Result<(), Error> {
        if length < SLACK {
            return Ok(());
        }
        let mut kept = String::new();
        let mut committed = Vec::new();
        for open in &needed.open {
            if needed
                .pending
                .iter()
                .all(|pending| pending.event.id != open.id)
            {
                kept += &event_line(open, None);
                committed.push(open.id.clone());
            }
        }
        kept += &text(&Line::Committed {
            committed,
            commit: 0,
        });
        for pending in &needed.pending {
            kept += &event_line(&pending.event, pending.after);
        }
        if kept.len() * 2 < length {
            fs::write_durably(&self.path(), kept.as_bytes(), 0o600)?;
        }
        Ok(())
    }
}

/// How many bytes are whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// `outbox.jsonl.corrupt`, `outbox.jsonl.corrupt.2`, …
fn aside_name(path: &Path, number: u32) -> PathBuf {
    path.with_extension(match number {
        1 => "jsonl.corrupt".to_owned(),
        more => format!("jsonl.corrupt.{more}"),
    })
}

/// Gives a file a second name that nothing has yet.
fn linked_aside(path: &Path) -> Result<PathBuf, Error> {
    let mut number = 1;
    loop {
        let aside = aside_name(path, number);
        match std::fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(fs::at("create", &aside)(error).into()),
        }
    }
}

fn text(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

fn event_line(event: &Event, after: Option<u64>) -> String {
    text(&Line::Event {
        event: Box::new(event.clone()),
        after,
    })
}

/// What lines amount to.
fn contents(lines: &[Line]) -> Contents {
    use std::collections::HashSet;
    let mut committed = HashSet::new();
    let mut finished = HashSet::new();
    for line in lines {
        match line {
            Line::Committed { committed: ids, .. } => committed.extend(ids.iter()),
            Line::Event { event, .. } if event.is_finished() => {
                finished.insert(&event.operation);
            }
            Line::Event { .. } => {}
        }
    }
    let mut seen = HashSet::new();
    let mut contents = Contents::default();
    for line in lines {
        let Line::Event { event, after } = line else {
            continue;
        };
        if !seen.insert(&event.id) {
            continue;
        }
        if !committed.contains(&event.id) {
            contents.pending.push(Pending {
                event: (**event).clone(),
                after: *after,
            });
        }
        if event.is_planned() && !finished.contains(&event.operation) {
            contents.open.push((**event).clone());
        }
    }
    contents
}
