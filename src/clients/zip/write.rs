//! Packing: entries are compressed on several threads and written in their order, so that the bytes do not depend on
//! which thread was faster.
//!
//! Every header is a constant: 1980-01-01 00:00, Unix, 0644 or 0755. What is large is compressed straight into the
//! file by the thread that writes; what waits for it in memory is bounded.

use std::io::{BufWriter, Seek, Write};
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, PoisonError};

use zip::write::{PreparedZipFile, SimpleFileOptions, ZipFileBuilder};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::Error;
use super::before::Before;
use super::tree::{Contents, Entry, Kind, Tree, threads};
use crate::fs;

/// Bytes, unpacked, from which an entry is never held in memory.
const LARGE: u64 = 8 * 1024 * 1024;
/// Bytes, unpacked, that wait in memory to be written at most.
const WAITING: u64 = 48 * 1024 * 1024;
/// Level of deflate: of 5 MB it makes 3 % more than level 6, in two thirds of the time.
const LEVEL: i64 = 3;
/// Endings of files that are compressed already.
const COMPRESSED: [&str; 14] = [
    "7z", "br", "bz2", "gif", "gz", "jar", "jpeg", "jpg", "png", "webp", "whl", "xz", "zip", "zst",
];

type Prepared = (usize, Result<PreparedZipFile, Error>);

/// Writes the zip of a tree; what the zip of before has already is taken from there.
pub(super) fn zip<W: Write + Seek>(
    tree: &Tree,
    before: Option<&mut Before>,
    to: W,
    path: &Path,
) -> Result<(), Error> {
    let entries = tree.entries();
    let place = |entry| before.as_ref().and_then(|before| before.place(entry));
    let places: Vec<_> = entries.iter().map(place).collect();
    let queue = Queue {
        entries,
        places: &places,
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    let mut writer = ZipWriter::new(BufWriter::with_capacity(256 * 1024, to));
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads() {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || compress(tree, queue, &sender));
        }
        drop(sender);
        // However it ends, no thread may wait for ever for room.
        let _end = End(&queue);
        write_all(tree, &queue, (&receiver, before), &mut writer, path)
    })?;
    let mut rest = writer.finish().map_err(|error| failed(path, error))?;
    rest.flush().map_err(fs::at("write", path))?;
    Ok(())
}

/// The thread that writes: takes entries in their order.
fn write_all<W: Write + Seek>(
    tree: &Tree,
    queue: &Queue<'_>,
    (receiver, mut before): (&mpsc::Receiver<Prepared>, Option<&mut Before>),
    writer: &mut ZipWriter<W>,
    path: &Path,
) -> Result<(), Error> {
    let mut early = std::collections::BTreeMap::new();
    let mut contents = tree.reader();
    for (index, entry) in tree.entries().iter().enumerate() {
        let place = queue.places.get(index).copied().flatten();
        if let (Some(place), Some(before)) = (place, before.as_mut()) {
            let file = before.archive().by_index_raw(place);
            file.and_then(|file| writer.raw_copy_file(file))
                .map_err(|error| failed(path, error))?;
        } else if is_prepared(entry) {
            let prepared = loop {
                if let Some(prepared) = early.remove(&index) {
                    break prepared;
                }
                let Ok((done, prepared)) = receiver.recv() else {
                    return Err(Error::Write("a thread ended".to_owned()));
                };
                early.insert(done, prepared);
            };
            writer
                .add_prepared_file(prepared?)
                .map_err(|error| failed(path, error))?;
        } else {
            write_here(entry, &mut contents, writer, path)?;
        }
        queue.written(index, entry);
    }
    Ok(())
}

/// What is not compressed ahead: large files, directories, symlinks.
fn write_here<W: Write + Seek>(
    entry: &Entry,
    contents: &mut Contents<'_>,
    writer: &mut ZipWriter<W>,
    path: &Path,
) -> Result<(), Error> {
    let options = options(entry);
    let failed = |error| failed(path, error);
    match entry.kind {
        Kind::EmptyDirectory => writer
            .add_directory(entry.name.as_str(), options)
            .map_err(failed),
        Kind::Link => {
            let mut target = Vec::new();
            copy(entry, contents, &mut target)?;
            let target = String::from_utf8_lossy(&target).into_owned();
            writer
                .add_symlink(entry.name.as_str(), target, options)
                .map_err(failed)
        }
        Kind::File | Kind::Executable => {
            writer
                .start_file(entry.name.as_str(), options)
                .map_err(failed)?;
            copy(entry, contents, writer)
        }
    }
}

/// A thread that compresses.
fn compress(tree: &Tree, queue: &Queue<'_>, sender: &mpsc::Sender<Prepared>) {
    let mut contents = tree.reader();
    while let Some((index, entry)) = queue.take() {
        if sender.send((index, prepare(entry, &mut contents))).is_err() {
            return;
        }
    }
}

fn prepare(entry: &Entry, contents: &mut Contents<'_>) -> Result<PreparedZipFile, Error> {
    let failed = |error: zip::result::ZipError| Error::Write(error.to_string());
    let mut builder = ZipFileBuilder::new(entry.name.as_str(), options(entry)).map_err(failed)?;
    copy(entry, contents, &mut builder)?;
    builder.finish().map_err(failed)
}

/// Copies the contents, which must still be those that the tree's digest was taken over.
fn copy(entry: &Entry, contents: &mut Contents<'_>, to: &mut dyn Write) -> Result<(), Error> {
    if contents.copy(entry, to)? == entry.sha256 {
        Ok(())
    } else {
        Err(Error::Changed {
            name: entry.name.clone(),
        })
    }
}

fn options(entry: &Entry) -> SimpleFileOptions {
    let mode = match entry.kind {
        Kind::File => 0o644,
        Kind::Executable | Kind::EmptyDirectory => 0o755,
        Kind::Link => 0o777,
    };
    let ending = Path::new(&entry.name)
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let is_stored = entry.size == 0 || entry.is_noise || COMPRESSED.contains(&ending);
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(mode);
    if is_stored || entry.kind == Kind::Link {
        options.compression_method(CompressionMethod::Stored)
    } else {
        options
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
    }
}

fn is_prepared(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File | Kind::Executable) && entry.size < LARGE
}

fn failed(path: &Path, error: zip::result::ZipError) -> Error {
    match error {
        zip::result::ZipError::Io(error) => fs::at("write", path)(error).into(),
        other => Error::Write(other.to_string()),
    }
}

/// Who compresses what next, and how much waits to be written.
struct Queue<'a> {
    entries: &'a [Entry],
    /// Where the zip of before has them.
    places: &'a [Option<usize>],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: usize,
    written: usize,
    waiting: u64,
    ended: bool,
}

impl<'a> Queue<'a> {
    /// The next entry to compress, as soon as there is room; none at the end.
    fn take(&self) -> Option<(usize, &'a Entry)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.ended {
                return None;
            }
            let index = state.next;
            let entry = self.entries.get(index)?;
            if !self.is_queued(index, entry) {
                state.next += 1;
            } else if state.waiting + entry.size <= WAITING || index <= state.written {
                state.next += 1;
                state.waiting += entry.size;
                return Some((index, entry));
            } else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Whether a thread compresses it.
    fn is_queued(&self, index: usize, entry: &Entry) -> bool {
        is_prepared(entry) && self.places.get(index).copied().flatten().is_none()
    }

    fn written(&self, index: usize, entry: &Entry) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written = index + 1;
        if self.is_queued(index, entry) {
            state.waiting = state.waiting.saturating_sub(entry.size);
        }
        self.changed.notify_all();
    }
}

/// Ends the threads that compress.
struct End<'a, 'b>(&'a Queue<'b>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        self.0.changed.notify_all();
    }
}
