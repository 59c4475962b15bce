//! Wheels → one directory, as pip would lay them out below `--target`, and nothing that is of this machine.
//!
//! Of `<name>.data/`, `purelib`, `platlib` and `data` go to the root; `scripts` and `headers` are left out: nothing runs
//! them on Lambda. Where two wheels have the same file, the later one in the order of the names counts, as the last
//! one does for pip.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zip::read::ZipArchive;

use super::Error;
use crate::fs;

/// Unpacks every wheel of a directory.
pub(super) fn all(wheels: &Path, to: &Path) -> Result<(), Error> {
    let listing = std::fs::read_dir(wheels).map_err(fs::at("list", wheels))?;
    let mut paths: Vec<PathBuf> = listing
        .map(|item| item.map(|item| item.path()))
        .collect::<Result<_, _>>()
        .map_err(fs::at("list", wheels))?;
    paths.sort_unstable();
    paths.iter().try_for_each(|path| wheel(path, to))
}

fn wheel(path: &Path, to: &Path) -> Result<(), Error> {
    let wheel = path.file_name().unwrap_or_default().to_string_lossy();
    let refuse = |reason: String| Error::Wheel {
        wheel: wheel.clone().into_owned(),
        reason,
    };
    let file = File::open(path).map_err(fs::at("read", path))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| refuse(error.to_string()))?;
    for index in 0..archive.len() {
        let mut file = archive
            .by_index(index)
            .map_err(|error| refuse(error.to_string()))?;
        let name = file.name().map_err(|error| refuse(error.to_string()))?;
        if name.ends_with('/') {
            continue;
        }
        let target = match place(&name) {
            Place::At(place) => to.join(place),
            Place::LeftOut => continue,
            Place::Outside => {
                return Err(refuse(format!("`{name}` is not a name inside of it")));
            }
        };
        if let Some(parent) = target.parent() {
            fs::create_private_dir(parent)?;
        }
        drop(std::fs::remove_file(&target));
        let mode = match file.unix_mode() {
            Some(mode) if mode & 0o111 != 0 => 0o755,
            _ => 0o644,
        };
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)
            .map_err(fs::at("create", &target))?;
        std::io::copy(&mut file, &mut out).map_err(fs::at("write", &target))?;
    }
    Ok(())
}

/// Where a file of a wheel goes.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    At(String),
    LeftOut,
    /// The name leads out of the wheel.
    Outside,
}

fn place(name: &str) -> Place {
    let parts: Vec<&str> = name.split('/').collect();
    let good = parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
    if !good || name.contains(['\\', '\0']) {
        return Place::Outside;
    }
    match parts.as_slice() {
        [first, kind, rest @ ..] if first.strip_suffix(".data").is_some() => match *kind {
            "purelib" | "platlib" | "data" if !rest.is_empty() => Place::At(rest.join("/")),
            _ => Place::LeftOut,
        },
        _ => Place::At(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_wheel_have_their_places() {
        for (name, wanted) in [
            ("a/b.py", Place::At("a/b.py".to_owned())),
            ("a-1.data/purelib/a/c.py", Place::At("a/c.py".to_owned())),
            ("a-1.data/platlib/a.so", Place::At("a.so".to_owned())),
            ("a-1.data/data/share/x", Place::At("share/x".to_owned())),
            ("a-1.data/scripts/tool", Place::LeftOut),
            ("a-1.data/headers/a.h", Place::LeftOut),
            (
                "a-1.dist-info/METADATA",
                Place::At("a-1.dist-info/METADATA".to_owned()),
            ),
            ("../a", Place::Outside),
            ("/a", Place::Outside),
            ("a//b", Place::Outside),
            ("a-1.data/purelib/../../b", Place::Outside),
        ] {
            assert_eq!(place(name), wanted, "{name}");
        }
    }
}
