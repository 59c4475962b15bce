//! Building: the service's own command, its output shown and kept, and the artifact that comes out of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncRead;

use super::changed::{self, Builder};
use super::printed::{self, Printed};
use super::{Options, Plan, leavings};
use crate::clients::zip::{self, Listed};
use crate::clients::{process, python, source};
use crate::clock::Clock;
use crate::domain::environment::PlatformKind;
use crate::domain::image::ImageReference;
use crate::domain::release::Package;
use crate::domain::service::Kind as ServiceKind;
use crate::error::{Error, Kind, Result};
use crate::fs;
use crate::ops::{Cancel, Event, Reporter};
use crate::platform::Platform;

/// Builds whose output is kept, for each service.
const KEPT_LOGS: usize = 10;
/// The artifact in its staging directory.
const STAGED: &str = "artifact";
/// Why a file is no artifact on this machine.
const RUNS_FROM: &str =
    "what runs on this machine runs from a directory, or from a `.zip` that is laid out as one";

/// What a build made.
#[derive(Debug)]
pub(crate) struct Built {
    /// The directory to publish; for Lambda it can be a zip.
    pub(crate) artifact: PathBuf,
    /// The files of the artifact that count, where it is a directory of the work tree; without it all do.
    pub(crate) listed: Option<Arc<Listed>>,
    /// Where its processes find their Python.
    pub(crate) python_environment: Option<PathBuf>,
    /// The code of a revision that is there: nothing was built.
    pub(crate) kept: Option<Package>,
    /// A copy made for this deploy; removed when it is dropped.
    _staging: Option<tempfile::TempDir>,
}

/// What is not built, because the platform has it.
pub(super) fn kept(options: &Options, code: Package) -> Built {
    Built {
        artifact: options.directory.clone(),
        listed: None,
        python_environment: None,
        kept: Some(code),
        _staging: None,
    }
}

/// Makes the artifact of the sources that the plan was made for; refuses where they change meanwhile.
pub(crate) async fn build(
    options: &Options,
    plan: &Plan,
    operation: &str,
    clock: &dyn Clock,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Built> {
    let is_run = options.artifact.is_none() && !options.service.build.command.is_empty();
    if is_run {
        // Before what may take long: a person read the plan meanwhile.
        changed::check(options, plan, Builder::Nobody).await?;
    }
    let built = make(options, plan, operation, clock, reporter, cancel).await?;
    let builder = if is_run {
        Builder::Command
    } else {
        Builder::Nobody
    };
    changed::check(options, plan, builder).await?;
    Ok(built)
}

/// Makes the Python environment, runs the build command, and finds the artifact.
async fn make(
    options: &Options,
    plan: &Plan,
    operation: &str,
    clock: &dyn Clock,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Built> {
    let python_environment = tokio::select! {
        environment = python_environment(options, clock, reporter) => environment?,
        () = cancel.cancelled() => return Err(interrupted(options, "the build was stopped")),
    };
    if let Some(built) = as_it_is(options, plan)? {
        return Ok(Built {
            python_environment,
            ..built
        });
    }
    let build = &options.service.build;
    let artifact = options.directory.join(&build.artifact);
    let is_image = image(options).is_some();
    if build.command.is_empty() {
        let staging = stage(options, plan, &artifact)?;
        return Ok(Built {
            artifact: staging.path().join(STAGED),
            listed: None,
            python_environment,
            kept: None,
            _staging: Some(staging),
        });
    }
    let started = clock.monotonic();
    reporter.report(Event::Began {
        what: "build",
        detail: build.command.join(" "),
    });
    run(
        options,
        operation,
        python_environment.as_deref(),
        reporter,
        cancel,
    )
    .await?;
    let wrote = leavings::note(options, plan).await;
    reporter.report(Event::Done {
        what: "built",
        detail: String::new(),
        milliseconds: millis(clock, started),
    });
    if !wrote.is_empty() {
        reporter.report(Event::Wrote(wrote));
    }
    let staging = is_laid_out(options, &artifact)
        .then(|| lay_out(options, &artifact))
        .transpose()?;
    let there = is_image || artifact.is_dir() || is_taken(options, &artifact);
    if !there && staging.is_none() {
        let why = if artifact.is_file() {
            format!("the build left a file, and {RUNS_FROM}")
        } else {
            "the build left no such directory".to_owned()
        };
        return Err(missing(&artifact, &why));
    }
    Ok(Built {
        artifact: laid_out(staging.as_ref()).unwrap_or(artifact),
        listed: None,
        python_environment,
        kept: None,
        _staging: staging,
    })
}

/// The artifact where it lies, without its Python environment; none where something has to be made or copied first.
pub(super) fn as_it_is(options: &Options, plan: &Plan) -> Result<Option<Built>> {
    let there = |artifact, listed| {
        Ok(Some(Built {
            artifact,
            listed,
            python_environment: None,
            kept: None,
            _staging: None,
        }))
    };
    if let Some(artifact) = &options.artifact {
        return there(artifact.clone(), None);
    }
    let build = &options.service.build;
    let artifact = options.directory.join(&build.artifact);
    if !build.command.is_empty() || options.environment.platform != PlatformKind::Lambda {
        return Ok(None);
    }
    if image(options).is_some() || is_taken(options, &artifact) {
        return there(artifact, None);
    }
    // Packed from where it lies: what is not tracked is left out there.
    let artifact = directory(&artifact)?;
    let listed = Listed::below(&artifact, &plan.files.paths).ok_or_else(|| untracked(&artifact))?;
    there(artifact, Some(Arc::new(listed)))
}

/// The image that the service's file names as its artifact, where the platform takes one.
pub(super) fn image(options: &Options) -> Option<ImageReference> {
    (options.environment.platform == PlatformKind::Lambda)
        .then(|| options.service.build.artifact.parse().ok())
        .flatten()
}

/// What is asked for with the digest of its image in place of the tag, so that from here on a tag means what it meant
/// when the plan was made; none when that changes nothing.
pub(super) async fn pinned(platform: &dyn Platform, options: &Options) -> Result<Option<Options>> {
    let Some(image) = image(options).filter(|_| options.artifact.is_none()) else {
        return Ok(None);
    };
    let pinned = platform.pinned(&image).await?.pinned();
    Ok(pinned
        .filter(|pinned| *pinned != options.service.build.artifact)
        .map(|pinned| {
            let mut options = options.clone();
            options.service.build.artifact = pinned;
            options
        }))
}

/// Whether the artifact is a file, and the platform takes one.
fn is_taken(options: &Options, artifact: &Path) -> bool {
    options.environment.platform == PlatformKind::Lambda && artifact.is_file()
}

/// Whether the artifact is a file that is laid out as a directory for the processes of this platform: a zip, and of a
/// function any file, because that is what Lambda does with its package (a jar is a zip too). A service that is run
/// with its jar wants the jar.
fn is_laid_out(options: &Options, artifact: &Path) -> bool {
    let is_zip = artifact.extension().is_some_and(|ending| ending == "zip");
    let is_function = options.service.kind == ServiceKind::Function;
    options.environment.platform != PlatformKind::Lambda
        && artifact.is_file()
        && (is_zip || is_function)
}

/// A directory of its own for what a deploy makes of the artifact.
fn staging(options: &Options) -> Result<tempfile::TempDir> {
    let parent = options.state.join("staging");
    fs::create_private_dir(&parent)?;
    let staging = tempfile::Builder::new()
        .prefix("deploy-")
        .tempdir_in(&parent)
        .map_err(fs::at("create", &parent))?;
    Ok(staging)
}

fn lay_out(options: &Options, artifact: &Path) -> Result<tempfile::TempDir> {
    let staging = staging(options)?;
    zip::unpack(artifact, &staging.path().join(STAGED))?;
    Ok(staging)
}

/// The artifact in its staging directory.
fn laid_out(staging: Option<&tempfile::TempDir>) -> Option<PathBuf> {
    Some(staging?.path().join(STAGED))
}

fn millis(clock: &dyn Clock, since: std::time::Duration) -> u64 {
    u64::try_from((clock.monotonic().saturating_sub(since)).as_millis()).unwrap_or(u64::MAX)
}

fn missing(artifact: &Path, why: &str) -> Error {
    Error::new(
        Kind::Failed,
        "artifact-missing",
        format!("there is no artifact at `{}`: {why}", artifact.display()),
    )
    .hint("set `artifact` under [build] in squad.toml to the directory that holds what is to run")
}

/// Copies the tracked and unignored files below the artifact's directory, so that caches and other leavings of
/// the work tree never become part of a revision. Of a zip they are what is in it; it has to be such a file itself,
/// because another one with the same sources would be nothing new.
fn stage(options: &Options, plan: &Plan, artifact: &Path) -> Result<tempfile::TempDir> {
    let artifact = artifact.components().collect::<PathBuf>();
    if is_laid_out(options, &artifact) {
        let is_listed = plan.files.paths.contains(&artifact);
        return if is_listed {
            lay_out(options, &artifact)
        } else {
            Err(missing(
                &artifact,
                "it is no file that git tracks or would track",
            ))
        };
    }
    let artifact = directory(&artifact)?;
    let staging = staging(options)?;
    let copied = source::copy_below(&plan.files, &artifact, &staging.path().join(STAGED))?;
    if copied == 0 {
        return Err(untracked(&artifact));
    }
    Ok(staging)
}

/// The artifact's directory, without `.`.
fn directory(artifact: &Path) -> Result<PathBuf> {
    let artifact = artifact.components().collect::<PathBuf>();
    if artifact.is_dir() {
        Ok(artifact)
    } else {
        let why = if artifact.is_file() {
            format!("it is a file, and {RUNS_FROM}")
        } else {
            "there is no such directory".to_owned()
        };
        Err(missing(&artifact, &why))
    }
}

fn untracked(artifact: &Path) -> Error {
    missing(artifact, "it holds no file that git tracks or would track")
}

/// Makes the environment on a thread of its own, so that Ctrl-C and the time limit are heard meanwhile.
async fn python_environment(
    options: &Options,
    clock: &dyn Clock,
    reporter: &dyn Reporter,
) -> Result<Option<PathBuf>> {
    let Some(lock) = &options.service.build.python_lock else {
        return Ok(None);
    };
    // Lambda runs on the packages in the zip; this environment is only for a build on this machine.
    let is_built = options.artifact.is_none() && !options.service.build.command.is_empty();
    if options.environment.platform == PlatformKind::Lambda && !is_built {
        return Ok(None);
    }
    let lock = options.directory.join(lock);
    let function = options.service.kind == ServiceKind::Function;
    let cache = options.cache.clone();
    let started = clock.monotonic();
    let (sender, making) = tokio::sync::oneshot::channel();
    // pip would go on when nobody waits for it any more (Ctrl-C, the time limit): it ends with this call.
    let children = process::Children::guarded(&options.guard);
    let _end = children.end_on_drop();
    let mut work = tokio::task::spawn_blocking(move || {
        let sender = std::cell::Cell::new(Some(sender));
        python::environment(
            &cache,
            &python::Wanted {
                lock: &lock,
                function,
                children: &children,
            },
            &|| {
                if let Some(sender) = sender.take() {
                    _ = sender.send(());
                }
            },
        )
    });
    tokio::select! {
        biased;
        Ok(()) = making => {}
        result = &mut work => return Ok(Some(result.map_err(Error::internal)??)),
    }
    reporter.report(Event::Began {
        what: "environment",
        detail: "installing the Python packages, once for each lock file".to_owned(),
    });
    let environment = work.await.map_err(Error::internal)??;
    reporter.report(Event::Done {
        what: "environment",
        detail: "Python packages installed".to_owned(),
        milliseconds: millis(clock, started),
    });
    Ok(Some(environment))
}

/// Runs the build command; its output goes to the reporter line by line and to a file that is kept.
async fn run(
    options: &Options,
    operation: &str,
    python_environment: Option<&Path>,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<()> {
    let service = &options.service;
    let Some((program, arguments)) = service.build.command.split_first() else {
        return Ok(());
    };
    let directory = options.state.join("builds").join(service.name.as_str());
    fs::create_private_dir(&directory)?;
    let log_path = directory.join(format!("{operation}.log"));
    let mut printed = Printed::new(&log_path)?;
    // A relative program is meant as seen from the service, as make and CI would run it.
    let program_path = options.directory.join(program);
    let mut command = if program.contains('/') {
        process::command_async(program_path)
    } else {
        process::command_async(program)
    };
    command
        .args(arguments)
        .current_dir(&options.directory)
        .env("SQUAD_SERVICE", service.name.as_str())
        .env("SQUAD_ENV", options.environment.name.as_str())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(environment) = python_environment {
        command.env("VIRTUAL_ENV", environment);
    }
    options.guard.begin();
    let mut child = command.spawn().map_err(|source| {
        let why = if source.kind() == std::io::ErrorKind::NotFound && program.contains('/') {
            format!(
                "there is no `{}`",
                options.directory.join(program).display()
            )
        } else if source.kind() == std::io::ErrorKind::NotFound {
            format!("`{program}` is not installed, or not on PATH")
        } else {
            format!("`{program}`: {source}")
        };
        Error::new(
            Kind::Failed,
            "build-failed",
            format!("the build does not start: {why}"),
        )
        .hint("correct `command` under [build] in squad.toml, or install what it names")
    })?;
    let mut group = process::Group::of(&child, &options.guard);
    let (sender, mut lines) = tokio::sync::mpsc::channel::<Vec<u8>>(64);
    for stream in [
        child
            .stdout
            .take()
            .map(|out| Box::new(out) as Box<dyn AsyncRead + Unpin + Send>),
        child
            .stderr
            .take()
            .map(|err| Box::new(err) as Box<dyn AsyncRead + Unpin + Send>),
    ]
    .into_iter()
    .flatten()
    {
        drop(tokio::spawn(printed::read(stream, sender.clone())));
    }
    drop(sender);
    loop {
        let lines = tokio::select! {
            lines = lines.recv() => lines,
            () = cancel.cancelled() => {
                return Err(interrupted(options, "the build was stopped"));
            }
        };
        let Some(lines) = lines else { break };
        reporter.report(Event::Output(printed.take(lines)?));
    }
    let (last, is_whole) = printed.end()?;
    let status = child
        .wait()
        .await
        .map_err(fs::at("wait for", Path::new(program)))?;
    group.release();
    prune(&directory);
    if status.success() {
        return Ok(());
    }
    let mut error = Error::new(
        Kind::Failed,
        "build-failed",
        format!(
            "the build failed: `{}` ended with {}",
            service.build.command.join(" "),
            ending(status)
        ),
    );
    error.details.extend(last);
    let what = if is_whole {
        "all of its output"
    } else {
        "its output, without a part in the middle"
    };
    Err(error.hint(format!("{what}: `less {}`", log_path.display())))
}

/// Ctrl-C, in words, with the command that begins again.
pub(crate) fn interrupted(options: &Options, what: &str) -> Error {
    stopped(what).hint(format!("to begin again: `{}`", options.command()))
}

/// Ctrl-C, in words.
pub(crate) fn stopped(what: &str) -> Error {
    Error::new(Kind::Interrupted, "interrupted", what.to_owned())
}

/// `exit code 3`, `signal 9`.
fn ending(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Keeps the newest logs; names are ULIDs, so their order is that of time.
fn prune(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort_unstable();
    for old in names.iter().rev().skip(KEPT_LOGS) {
        drop(std::fs::remove_file(old));
    }
}
