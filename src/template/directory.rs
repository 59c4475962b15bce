//! A template in a directory of this machine. Symbolic links and special files in it are refused, so that reading it
//! cannot lead elsewhere or wait for ever: also where `template.toml`, `files` or `tests` itself is one.

use std::borrow::Cow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Error, Mistake, Source, SourceFile, Template, manifest};
use crate::fs;

/// Files that a template may have.
const MOST_FILES: usize = 5_000;
/// What is said of a link.
const LINK: &str = "symbolic links are refused";
/// Bytes that a template may have in all.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a template; every mistake that can be found is reported at once.
pub(crate) fn open(directory: &Path) -> Result<Template, Error> {
    let mut walk = Walk::default();
    for name in [manifest::FILE, "files", "tests"] {
        if directory.join(name).is_symlink() {
            walk.mistake(name, LINK);
        }
    }
    if !walk.mistakes.is_empty() {
        return Err(broken(directory, walk.mistakes));
    }
    let Some(text) = fs::read_if_there(&directory.join(manifest::FILE))? else {
        return Err(Error::NotATemplate(directory.to_owned()));
    };
    let absolute = std::fs::canonicalize(directory).map_err(fs::at("read", directory))?;
    let files = absolute.join("files");
    if files.is_dir() {
        walk.below(&files, "")?;
    } else {
        walk.mistake("files", "there is no directory `files`");
    }
    let cases = walk.cases(&absolute)?;
    let mut mistakes = walk.mistakes;
    let manifest = match manifest::parse(&text) {
        Ok(manifest) if mistakes.is_empty() => manifest,
        Ok(_) => return Err(broken(directory, mistakes)),
        Err(others) => {
            mistakes.extend(others);
            mistakes.sort();
            return Err(broken(directory, mistakes));
        }
    };
    let mut files = walk.files;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Template {
        source: Source::Directory(absolute.clone()),
        manifest,
        files,
        cases,
    })
}

fn broken(directory: &Path, mistakes: Vec<Mistake>) -> Error {
    Error::Mistakes {
        template: directory.display().to_string(),
        mistakes,
    }
}

#[derive(Default)]
struct Walk {
    files: Vec<SourceFile>,
    bytes: u64,
    mistakes: Vec<Mistake>,
}

impl Walk {
    fn mistake(&mut self, file: &str, text: &str) {
        self.mistakes.push(Mistake {
            file: file.to_owned(),
            line: None,
            text: text.to_owned(),
        });
    }

    /// The answer sets: `tests/*.toml`.
    fn cases(&mut self, directory: &Path) -> Result<Vec<(String, String)>, Error> {
        let tests = directory.join("tests");
        let mut cases = Vec::new();
        if !tests.is_dir() {
            return Ok(cases);
        }
        for entry in std::fs::read_dir(&tests).map_err(fs::at("read", &tests))? {
            let path = entry.map_err(fs::at("read", &tests))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_symlink() {
                self.mistake(&format!("tests/{name}"), LINK);
            } else if path.is_file() {
                cases.push((name.into_owned(), fs::read_to_string(&path)?));
            }
        }
        cases.sort();
        Ok(cases)
    }

    fn below(&mut self, directory: &Path, prefix: &str) -> Result<(), Error> {
        for entry in std::fs::read_dir(directory).map_err(fs::at("read", directory))? {
            let entry = entry.map_err(fs::at("read", directory))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = name.to_string_lossy();
                self.mistake(&format!("files/{prefix}{shown}"), "its name is not UTF-8");
                continue;
            };
            let path = format!("{prefix}{name}");
            let place = entry.path();
            // Of the entry itself: a link is not followed.
            let metadata = entry.metadata().map_err(fs::at("read", &place))?;
            if metadata.is_dir() {
                self.below(&place, &format!("{path}/"))?;
            } else if metadata.is_file() {
                self.bytes = self.bytes.saturating_add(metadata.len());
                if self.bytes > MOST_BYTES || self.files.len() >= MOST_FILES {
                    let text = "a template has at most 5,000 files and 64 MiB";
                    self.mistakes.retain(|mistake| mistake.text != text);
                    self.mistake("files", text);
                    return Ok(());
                }
                self.files.push(SourceFile {
                    path,
                    bytes: Cow::Owned(fs::read(&place)?),
                    executable: metadata.permissions().mode() & 0o111 != 0,
                });
            } else {
                let what = if metadata.is_symlink() {
                    LINK
                } else {
                    "only files and directories are allowed"
                };
                self.mistake(&format!("files/{path}"), what);
            }
        }
        Ok(())
    }
}
