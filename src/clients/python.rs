//! Python environments: one for each digest of a lock file, made once, outside every revision.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{lock, process, source};
use crate::fs;

/// The runtime interface client that the local platform runs Python functions with, as on AWS
/// (`awslambdaric` of `PyPI`).
const LAMBDA_CLIENT: &str = "awslambdaric==4.2.2";

/// Why an environment cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no Python, or it lacks `venv`.
    #[error("cannot make a Python environment: {0}")]
    NoPython(String),
    /// pip failed.
    #[error("pip cannot install `{}`", lock.display())]
    Install {
        /// The lock file.
        lock: PathBuf,
        /// The last lines that pip wrote, oldest first.
        output: Vec<String>,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] fs::Error),
}

/// What an environment is made from.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    /// The lock file, with hashes.
    pub(crate) lock: &'a Path,
    /// It is for a function: the Lambda runtime interface client is added.
    pub(crate) function: bool,
    /// The programs that make it; ending them ends the making.
    pub(crate) children: &'a process::Children,
}

/// Returns the environment's directory, making it first if it is not there; `on_make` is called before the
/// making begins. Two processes that want the same one make it once.
pub(crate) fn environment(
    cache: &Path,
    wanted: &Wanted<'_>,
    on_make: &dyn Fn(),
) -> Result<PathBuf, Error> {
    let lock_text = fs::read(wanted.lock)?;
    let mut context = Context::new(&SHA256);
    context.update(&lock_text);
    context.update(if wanted.function {
        LAMBDA_CLIENT.as_bytes()
    } else {
        b""
    });
    let python = interpreter()?;
    context.update(python.identity.as_bytes());
    let digest = source::hex(context.finish().as_ref());
    let parent = cache.join("python");
    fs::create_private_dir(&parent)?;
    let name = digest.get(..24).unwrap_or(&digest);
    let pointer = parent.join(format!("{name}.current"));
    if let Some(directory) = current(&pointer)? {
        return Ok(directory);
    }
    let _guard = lock::wait(&parent.join(format!("{name}.lock")))?;
    if let Some(directory) = current(&pointer)? {
        return Ok(directory);
    }
    on_make();
    // Each try has a directory of its own: a pip whose squad was killed may still be writing into the last one, and an
    // environment cannot be moved once it is made.
    let directory = parent.join(format!("{name}.{}", ulid::Ulid::generate()));
    if let Err(error) = make(&python.path, &directory, wanted, &lock_text) {
        drop(std::fs::remove_dir_all(&directory));
        return Err(error);
    }
    let made = directory
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    fs::write_durably(&pointer, made.as_bytes(), 0o600)?;
    remove_other_tries(&parent, name, &made);
    Ok(directory)
}

/// The environment that a pointer names, while it is there.
fn current(pointer: &Path) -> Result<Option<PathBuf>, Error> {
    let Some(name) = fs::read_if_there(pointer)? else {
        return Ok(None);
    };
    let directory = pointer.with_file_name(name.trim());
    Ok(directory.join("bin/python").exists().then_some(directory))
}

/// Removes what earlier tries left.
fn remove_other_tries(parent: &Path, name: &str, made: &str) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let rest = file.strip_prefix(name).unwrap_or_default();
        if !matches!(rest, "" | ".lock" | ".current") && file != made {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// The interpreter that environments are made with.
struct Interpreter {
    path: PathBuf,
    /// Version and build: an environment of another interpreter is another environment.
    identity: String,
}

fn interpreter() -> Result<Interpreter, Error> {
    let mut command = process::command("python3");
    command.args([
        "-c",
        "import sys, platform; print(sys.executable); print(sys.version.split()[0], platform.machine(), sys.base_prefix)",
    ]);
    let text = process::output(&mut command).map_err(|error| Error::NoPython(error.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some(path), Some(identity)) => Ok(Interpreter {
            path: path.into(),
            identity: identity.to_owned(),
        }),
        _ => Err(Error::NoPython(
            "`python3` does not say what it is".to_owned(),
        )),
    }
}

fn make(python: &Path, directory: &Path, wanted: &Wanted<'_>, lock: &[u8]) -> Result<(), Error> {
    // A pip that is there already saves the seconds that `ensurepip` takes; it needs `--python` (pip 22.3).
    let mut bare = process::command(python);
    bare.args(["-m", "venv", "--without-pip"]).arg(directory);
    wanted
        .children
        .output(&mut bare)
        .map_err(|error| Error::NoPython(error.to_string()))?;
    let target = directory.join("bin/python");
    let mut probe = process::command(python);
    probe
        .args(["-m", "pip", "--python"])
        .arg(&target)
        .arg("--version");
    let has_pip = wanted.children.output(&mut probe).is_ok();
    if !has_pip {
        let mut full = process::command(python);
        full.args(["-m", "venv"]).arg(directory);
        wanted
            .children
            .output(&mut full)
            .map_err(|error| Error::NoPython(error.to_string()))?;
    }
    let pip = |arguments: &[&std::ffi::OsStr]| {
        let mut command = process::command(if has_pip { python } else { &target });
        command.args(["-m", "pip"]);
        if has_pip {
            command.arg("--python").arg(&target);
        }
        command
            .args([
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
            ])
            .args(arguments)
            .env("PIP_PROGRESS_BAR", "off")
            .env("PIP_ROOT_USER_ACTION", "ignore");
        wanted
            .children
            .output(&mut command)
            .map(drop)
            .map_err(|error| Error::Install {
                lock: wanted.lock.to_owned(),
                output: match error {
                    process::Error::Failed { stderr, .. } => last_lines(&stderr, 10),
                    other => vec![other.to_string()],
                },
            })
    };
    let has_requirements = String::from_utf8_lossy(lock)
        .lines()
        .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    if has_requirements {
        pip(&[
            "--require-hashes".as_ref(),
            "-r".as_ref(),
            wanted.lock.as_os_str(),
        ])?;
    }
    if wanted.function {
        pip(&[LAMBDA_CLIENT.as_ref()])?;
    }
    Ok(())
}

/// The last lines of what a program wrote, oldest first.
pub(super) fn last_lines(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines
        .get(lines.len().saturating_sub(most)..)
        .unwrap_or_default()
        .to_vec()
}
