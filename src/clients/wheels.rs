//! The Python packages of a lock file for a Lambda function: made for its runtime and architecture, not for this
//! machine, once for each digest of the lock file, in squad's cache.
//!
//! Every wheel is fetched by pip against the hashes of the lock file and unpacked here, so that the tree is a function
//! of the lock file, the runtime and the architecture alone: no script with a path of this machine, no compiled
//! bytecode, nothing that is built from source. What the lock file names is in the package, also where the runtime has
//! the same (`boto3`): its version is the service's own. What it does not name is not: the runtime brings its
//! interface client.

mod unpack;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{lock, process, source};
use crate::fs;

/// Part of the digest: another one when the same lock file gives another tree.
const FORMAT: &str = "squad-wheels/1";
/// The newest C library of Amazon Linux 2023 (`python3.12` and newer) is glibc 2.34, of Amazon Linux 2 2.26: Lambda's
/// documentation, "Supported runtimes".
const NEWEST_GLIBC: (u32, u32) = (34, 26);
/// The oldest C library that wheels are made for under the name `manylinux_2_…` (PEP 600: manylinux2014).
const OLDEST_GLIBC: u32 = 17;
/// Which lines of a lock file count for the target; `-I`, with pip's own rules.
const SELECT: &str = include_str!("wheels/select.py");
/// What the packages need and the lock file does not have.
const MISSING: &str = include_str!("wheels/missing.py");

/// Why the packages cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no Python with pip.
    #[error("cannot fetch Python packages: {0}")]
    NoPython(String),
    /// `runtime` is no Python of Lambda's.
    #[error("`{0}` is no Python runtime")]
    Runtime(String),
    /// The lock file cannot be used.
    #[error("cannot use `{}`: {reason}", lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// Why.
        reason: String,
    },
    /// pip failed.
    #[error("pip cannot fetch `{}` for {runtime} on {architecture}", lock.display())]
    Fetch {
        /// The lock file.
        lock: PathBuf,
        /// Such as `python3.13`.
        runtime: String,
        /// `arm64` or `x86_64`.
        architecture: String,
        /// The last lines that pip wrote, oldest first.
        output: Vec<String>,
    },
    /// Packages need others that the lock file does not have.
    #[error("`{}` is not complete", lock.display())]
    Incomplete {
        /// The lock file.
        lock: PathBuf,
        /// One line for each.
        missing: Vec<String>,
    },
    /// A wheel that is none.
    #[error("cannot unpack `{wheel}`: {reason}")]
    Wheel {
        /// Its file name.
        wheel: String,
        /// Why.
        reason: String,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The lock file, with hashes.
    pub(crate) lock: &'a Path,
    /// Such as `python3.13`.
    pub(crate) runtime: &'a str,
    /// `arm64` or `x86_64`.
    pub(crate) architecture: &'a str,
    /// The programs that fetch; ending them ends the fetching.
    pub(crate) children: &'a process::Children,
}

/// Returns the directory of the packages, making it first if it is not there; none when the lock file names none.
/// `on_make` is called before the making begins. Two processes that want the same one make it once.
pub(crate) fn directory(
    cache: &Path,
    wanted: &Wanted<'_>,
    on_make: &dyn Fn(),
) -> Result<Option<PathBuf>, Error> {
    let lock = fs::read(wanted.lock)?;
    let text = String::from_utf8_lossy(&lock);
    let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(is_empty) {
        return Ok(None);
    }
    let target = Target::of(wanted)?;
    let mut context = Context::new(&SHA256);
    for part in [
        FORMAT.as_bytes(),
        wanted.runtime.as_bytes(),
        wanted.architecture.as_bytes(),
        &lock,
    ] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = source::hex(context.finish().as_ref());
    let name = digest.get(..24).unwrap_or(&digest);
    let parent = cache.join("lambda-python");
    let made = parent.join(name);
    if made.is_dir() {
        return Ok(Some(made));
    }
    fs::create_private_dir(&parent)?;
    let _guard = lock::wait(&parent.join(format!("{name}.lock")))?;
    if made.is_dir() {
        return Ok(Some(made));
    }
    remove_tries(&parent, name);
    on_make();
    let work = parent.join(format!("{name}.{}", ulid::Ulid::generate()));
    let result = make(&target, &work, wanted, &text).and_then(|packages| {
        // Whole before it has its name, also after a loss of power.
        rustix::fs::sync();
        Ok(fs::rename_durably(&packages, &made)?)
    });
    drop(std::fs::remove_dir_all(&work));
    result.map(|()| Some(made))
}

/// Removes what killed processes left.
fn remove_tries(parent: &Path, name: &str) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    let prefix = format!("{name}.");
    for entry in entries.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file
            .strip_prefix(&prefix)
            .is_some_and(|rest| rest != "lock")
        {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// What pip has to know of the target.
struct Target {
    /// Such as `3.13`.
    version: String,
    /// Such as `cp313`.
    abi: String,
    /// As `uname -m` says it.
    machine: &'static str,
    /// Newest first.
    platforms: Vec<String>,
}

impl Target {
    fn of(wanted: &Wanted<'_>) -> Result<Self, Error> {
        let version = wanted.runtime.strip_prefix("python").unwrap_or_default();
        let minor = version
            .strip_prefix("3.")
            .and_then(|minor| minor.parse::<u32>().ok());
        let Some(minor) = minor else {
            return Err(Error::Runtime(wanted.runtime.to_owned()));
        };
        let (machine, old) = if wanted.architecture == "x86_64" {
            ("x86_64", &["2014", "2010", "1"][..])
        } else {
            ("aarch64", &["2014"][..])
        };
        let newest = if minor >= 12 {
            NEWEST_GLIBC.0
        } else {
            NEWEST_GLIBC.1
        };
        let mut platforms: Vec<String> = (OLDEST_GLIBC..=newest)
            .rev()
            .map(|glibc| format!("manylinux_2_{glibc}_{machine}"))
            .collect();
        platforms.extend(old.iter().map(|name| format!("manylinux{name}_{machine}")));
        Ok(Self {
            version: version.to_owned(),
            abi: format!("cp3{minor}"),
            machine,
            platforms,
        })
    }
}

/// Fetches and unpacks; returns the directory of the packages, below `work`.
fn make(target: &Target, work: &Path, wanted: &Wanted<'_>, lock: &str) -> Result<PathBuf, Error> {
    let (wheels, packages) = (work.join("wheels"), work.join("packages"));
    fs::create_private_dir(&wheels)?;
    fs::create_private_dir(&packages)?;
    let (whole, selected) = (work.join("lock.txt"), work.join("selected.txt"));
    fs::write_durably(&whole, lock.as_bytes(), 0o600)?;
    let refused = |error| refused(wanted.lock, error);
    let chosen = wanted
        .children
        .output(&mut script(SELECT, target, &whole))
        .map_err(refused)?;
    fs::write_durably(&selected, &chosen, 0o600)?;
    if chosen.is_empty() {
        return Ok(packages);
    }
    fetch(target, &selected, &wheels, wanted)?;
    unpack::all(&wheels, &packages)?;
    let missing = wanted
        .children
        .output(script(MISSING, target, &selected).arg(&packages))
        .map_err(refused)?;
    let missing = String::from_utf8_lossy(&missing);
    if missing.is_empty() {
        Ok(packages)
    } else {
        Err(Error::Incomplete {
            lock: wanted.lock.to_owned(),
            missing: missing.lines().map(str::to_owned).collect(),
        })
    }
}

fn script(text: &str, target: &Target, lock: &Path) -> std::process::Command {
    let mut command = process::command("python3");
    command
        .args([
            "-I",
            "-X",
            "utf8",
            "-c",
            text,
            &target.version,
            target.machine,
        ])
        .arg(lock);
    command
}

/// A script ends with 3 and one line when the lock file is at fault.
fn refused(lock: &Path, error: process::Error) -> Error {
    match error {
        process::Error::Failed { status, stderr, .. } if status.code() == Some(3) => Error::Lock {
            lock: lock.to_owned(),
            reason: stderr,
        },
        other => Error::NoPython(other.to_string()),
    }
}

fn fetch(target: &Target, lock: &Path, wheels: &Path, wanted: &Wanted<'_>) -> Result<(), Error> {
    let mut command = process::command("python3");
    command
        .args(["-m", "pip", "download", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--require-hashes"])
        // Complete by itself, and markers inside of packages would be read for this machine.
        .arg("--no-deps")
        .args(["--only-binary", ":all:", "--implementation", "cp"])
        .args(["--python-version", &target.version, "--abi", &target.abi]);
    for platform in &target.platforms {
        command.args(["--platform", platform]);
    }
    command
        .arg("--dest")
        .arg(wheels)
        .arg("-r")
        .arg(lock)
        .env("PIP_PROGRESS_BAR", "off");
    // Paths in the lock file are as seen from it.
    if let Some(directory) = wanted.lock.parent().filter(|path| path.is_absolute()) {
        command.current_dir(directory);
    }
    let output = wanted.children.output(&mut command);
    output.map(drop).map_err(|error| match error {
        process::Error::Failed { stderr, .. } => Error::Fetch {
            lock: wanted.lock.to_owned(),
            runtime: wanted.runtime.to_owned(),
            architecture: wanted.architecture.to_owned(),
            output: super::python::last_lines(&stderr, 10),
        },
        other => Error::NoPython(other.to_string()),
    })
}

#[cfg(test)]
mod tests;
