//! A zip laid out as the directory that it stands for, for platforms whose processes run from one.
//!
//! Names, contents, symlinks and executable bits are what is taken over, as everywhere here.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use super::tree::{self, Kind};
use super::{Error, archive};
use crate::fs;

/// Makes the directory `to`, which must not be there yet, of the zip `path`. What fails in the middle leaves what was
/// laid out until then. An [`Error::Archive`], [`Error::Unfit`], [`Error::Link`] or [`Error::Empty`] of a zip that
/// cannot be laid out comes before anything is written.
pub(crate) fn unpack(path: &Path, to: &Path) -> Result<(), Error> {
    let mut entries = Vec::new();
    archive::list(path, &mut entries)?;
    tree::check_names(&mut entries, &[path])?;
    if entries
        .iter()
        .all(|entry| entry.kind == Kind::EmptyDirectory)
    {
        return Err(Error::Empty {
            path: path.to_owned(),
        });
    }
    directory(to)?;
    let mut contents = tree::Contents::of(Some(path));
    // Links last: nothing is ever written through one.
    let (links, others): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry.kind == Kind::Link);
    for entry in others {
        let target = to.join(&entry.name);
        if entry.kind == Kind::EmptyDirectory {
            directory(&target)?;
            continue;
        }
        directory(target.parent().unwrap_or(to))?;
        let mode = if entry.kind == Kind::Executable {
            0o755
        } else {
            0o644
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)
            .map_err(fs::at("create", &target))?;
        let mut file = Target { file, failed: None };
        let copied = contents.copy(entry, &mut file);
        if let Some(error) = file.failed {
            return Err(fs::at("write", &target)(error).into());
        }
        let _sha256 = copied?;
    }
    for entry in links {
        let target = to.join(&entry.name);
        directory(target.parent().unwrap_or(to))?;
        let mut leads_to = Vec::new();
        let _sha256 = contents.copy(entry, &mut leads_to)?;
        let leads_to = String::from_utf8_lossy(&leads_to).into_owned();
        symlink(leads_to, &target).map_err(fs::at("create", &target))?;
    }
    Ok(())
}

/// A file, and why it could not be written: what copies knows neither its path nor that it is no zip.
struct Target {
    file: File,
    failed: Option<io::Error>,
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(error.kind().into());
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| fs::at("create", path)(error).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// Makes a zip; none of the options that matter are those of a tree that squad packed.
    fn zip(home: &Path, fill: impl FnOnce(&mut ZipWriter<File>)) -> PathBuf {
        let path = home.join("made.zip");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        fill(&mut writer);
        let _file = writer.finish().unwrap();
        path
    }

    fn file(writer: &mut ZipWriter<File>, name: &str, mode: u32, contents: &str) {
        let options = SimpleFileOptions::default().unix_permissions(mode);
        writer.start_file(name, options).unwrap();
        writer.write_all(contents.as_bytes()).unwrap();
    }

    #[test]
    fn a_zip_becomes_its_directory() {
        let home = tempfile::tempdir().unwrap();
        let options = SimpleFileOptions::default();
        let path = zip(home.path(), |writer| {
            writer.add_symlink("run", "bin/serve", options).unwrap();
            file(writer, "bin/serve", 0o700, "#!/bin/sh\n");
            file(writer, "data/deep/words", 0o666, "words\n");
            writer.add_directory("empty", options).unwrap();
        });
        let to = home.path().join("to");
        unpack(&path, &to).unwrap();
        let read = |name: &str| fs::read_to_string(&to.join(name)).unwrap();
        let mode = |name: &str| {
            std::fs::metadata(to.join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(read("run"), "#!/bin/sh\n");
        assert_eq!(read("data/deep/words"), "words\n");
        assert!(to.join("run").is_symlink());
        assert!(to.join("empty").is_dir());
        // What the umask takes away is the person's to say.
        assert_eq!(mode("bin/serve") & 0o100, 0o100);
        assert_eq!(mode("data/deep/words") & 0o133, 0);
    }

    #[test]
    fn nothing_is_written_through_a_link_and_nothing_beside_the_directory() {
        let home = tempfile::tempdir().unwrap();
        let options = SimpleFileOptions::default();
        let refused = |fill: &dyn Fn(&mut ZipWriter<File>)| {
            let path = zip(home.path(), fill);
            let to = home.path().join("to");
            let error = unpack(&path, &to).unwrap_err().to_string();
            assert!(!to.exists(), "{error}");
            error.replace(home.path().to_str().unwrap(), "…")
        };
        assert_eq!(
            refused(&|writer| {
                writer.add_symlink("a", "b", options).unwrap();
                file(writer, "a/x", 0o644, "through the link");
            }),
            "`a` is there twice"
        );
        assert_eq!(
            refused(&|writer| file(writer, "../x", 0o644, "beside it")),
            "cannot read the archive `…/made.zip`: `../x` is not a name inside of it"
        );
        assert_eq!(
            refused(&|writer| writer.add_directory("only", options).unwrap()),
            "there is no file in `…/made.zip`"
        );
    }

    #[test]
    fn a_full_disk_names_the_file() {
        let mut target = Target {
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            failed: None,
        };
        target.write_all(b"x").unwrap_err();
        assert_eq!(target.failed.unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
