//! Files: every error names its path, every write that must survive is synced together with its directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What could not be done to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`: {source}", path.display())]
pub(crate) struct Error {
    /// A verb, such as `read`.
    pub(crate) action: &'static str,
    /// The path as it was given.
    pub(crate) path: PathBuf,
    /// The system's reason.
    pub(crate) source: io::Error,
}

impl Error {
    /// The reason in words, without the system's number.
    pub(crate) fn why(&self) -> String {
        match self.source.get_ref() {
            Some(own) => own.to_string(),
            None => self.source.kind().to_string(),
        }
    }

    /// Whether the path is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Turns an [`io::Error`] into one that names the action and the path.
pub(crate) fn at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |source| Error {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Reads a whole file.
#[expect(clippy::disallowed_methods, reason = "the wrapper that names the path")]
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(at("read", path))
}

/// Reads a whole UTF-8 file.
#[expect(clippy::disallowed_methods, reason = "the wrapper that names the path")]
pub(crate) fn read_to_string(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(at("read", path))
}

/// Reads a whole UTF-8 file; none when it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is something of this name. What cannot be looked at is an error: it must not read as nothing.
pub(crate) fn is_there(path: &Path) -> Result<bool, Error> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at("look at", path)(error)),
    }
}

/// What is in the place of a file: a text such as `a directory`; none where there is a file, or nothing at all. A pipe must not
/// be opened to find out, for that waits for somebody who writes.
pub(crate) fn instead_of_file(path: &Path) -> Option<String> {
    let link = path.symlink_metadata().ok()?.is_symlink();
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => None,
        Ok(metadata) if metadata.is_dir() => Some("a directory".to_owned()),
        Ok(metadata) => no_file(metadata.file_type()).map(str::to_owned),
        Err(error) if link && error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path).unwrap_or_default();
            Some(format!(
                "a link to `{}`, which is not there",
                target.display()
            ))
        }
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Some("a link that leads in a circle".to_owned())
        }
        Err(_) => None,
    }
}

/// What something is that is neither file, directory nor link.
pub(crate) fn no_file(kind: fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kinds = [
        (kind.is_fifo(), "a named pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    kinds.into_iter().find_map(|(is, what)| is.then_some(what))
}

/// Whether a directory is there that belongs to another user than the one that runs this.
pub(crate) fn is_of_another_user(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::getuid().as_raw();
    path.metadata().is_ok_and(|metadata| metadata.uid() != own)
}

/// Whether there is a directory of this name, also through a link. What cannot be looked at is an error.
pub(crate) fn is_dir(path: &Path) -> Result<bool, Error> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(at("look at", path)(error)),
    }
}

/// The same where nothing else may be in its place: whatever is there and no directory is an error, and so is a parent that
/// is none.
pub(crate) fn holds_directory(path: &Path) -> Result<bool, Error> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => Err(at("read", path)(rustix::io::Errno::NOTDIR.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at("read", path)(error)),
    }
}

/// Makes a directory and its parents, readable by the owner alone (0700) where they are new.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at("create", path))
}

/// Makes a directory and its parents so that they survive a loss of power; where they are new they have this mode, less
/// what the person's umask takes away. Nothing happens when it is there.
pub(crate) fn create_dir_durably(path: &Path, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let mut new = Vec::new();
    for part in path.ancestors() {
        if part.as_os_str().is_empty() || is_dir(part)? {
            break;
        }
        new.push(part);
    }
    if new.is_empty() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(at("create", path))?;
    new.into_iter()
        .filter_map(Path::parent)
        .try_for_each(sync_dir)
}

/// Writes a file so that after return it is on the disk as a whole, and before it is there as it was:
/// a temporary file beside it, synced, renamed over it, and the directory synced.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper that syncs the directory"
)]
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = directory.join(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)
            .map_err(at("create", &temporary))?;
        file.write_all(bytes).map_err(at("write", &temporary))?;
        file.sync_all().map_err(at("sync", &temporary))?;
        fs::rename(&temporary, path).map_err(at("replace", path))
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written?;
    sync_dir(directory)
}

/// Renames, and syncs both directories.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper that syncs the directory"
)]
pub(crate) fn rename_durably(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(at("rename", from))?;
    let parent = |path: &Path| path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
    sync_dir(&parent(to))?;
    if parent(from) != parent(to) {
        sync_dir(&parent(from))?;
    }
    Ok(())
}

/// Makes what happened to the entries of a directory survive a loss of power.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at("sync", path))
}
