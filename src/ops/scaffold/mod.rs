//! `squad new`: a rendered template becomes a service in a directory of its own, all of it or nothing.
//!
//! Everything is written into a stage beside the target, synced, committed there, and shown with one rename.
//! Nothing that is there is ever overwritten.

mod stage;

use std::path::{Path, PathBuf};

use crate::clients::git::{self, NewFile, Repository};
use crate::error::{Error, Kind, Result, shell};
use crate::fs;
use crate::template::lock;
use crate::template::path::refusal_of_part;
use crate::template::render::render_next;
use crate::template::tree::{Entry, Mode, Tree, hex};
use crate::template::{self, Answer, Answers, Source, Template};
use stage::Stage;

/// Who makes the first commit where git knows nobody.
const NOBODY: (&str, &str) = ("squad", "squad@localhost");

/// What `squad new` is to make.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// What it is made from.
    pub(crate) template: &'a Template,
    /// All of them, checked, with `org`.
    pub(crate) answers: Answers,
    /// The new directory.
    pub(crate) target: Target,
    /// Make a repository with a first commit, unless the target is in a work tree already.
    pub(crate) git: bool,
}

/// A place where nothing is yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it was given, for messages.
    pub(crate) shown: String,
    /// Absolute, without symbolic links.
    pub(crate) parent: PathBuf,
    /// The last part.
    pub(crate) name: String,
}

/// Where the history of the new service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// In a repository of its own, whose first commit has this id.
    Own(String),
    /// In the work tree with this top level; nothing was committed.
    Within(PathBuf),
    /// Nowhere, as it was asked for.
    None,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Files, the lock file included.
    pub(crate) files: usize,
    /// git's id of what the template rendered, without the lock file.
    pub(crate) tree: String,
    /// Where its history is.
    pub(crate) history: History,
    /// What to do next.
    pub(crate) next: Vec<String>,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
    /// Stages that killed runs left behind, now removed.
    pub(crate) removed: Vec<PathBuf>,
}

impl Target {
    /// Checks that nothing is in the way: `directory` is not there or empty, and its parent is there.
    pub(crate) fn new(directory: &Path, current: &Path) -> Result<Self> {
        let shown = directory.display().to_string();
        let refused = |why: &str| {
            Error::new(
                Kind::Usage,
                "directory-refused",
                format!("cannot create `{shown}`: {why}"),
            )
        };
        let absolute = current.join(directory);
        let Some(name) = absolute.file_name() else {
            return Err(refused("it has no name")
                .hint("name the new directory: `squad new python-http DIRECTORY`"));
        };
        let Some(name) = name.to_str() else {
            return Err(refused("its name is not UTF-8"));
        };
        if let Some(reason) = refusal_of_part(name) {
            return Err(refused(&format!("not a good name: {reason}"))
                .hint("take another directory; `--set name=NAME` names the service"));
        }
        let parent = absolute.parent().unwrap_or(current);
        let parent = std::fs::canonicalize(parent).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                if let Some((link, to)) = dangling(parent) {
                    let shown = link.strip_prefix(current).unwrap_or(&link);
                    let error = refused(&format!(
                        "`{}` is a symbolic link that points nowhere: there is no `{}`",
                        shown.display(),
                        to.display()
                    ));
                    return error.hint(format!(
                        "correct the link, or take another directory: `ls -l {}`",
                        shell::quoted(&shown.display().to_string())
                    ));
                }
                let parent = directory.parent().unwrap_or(parent).display().to_string();
                return refused(&format!("there is no directory `{parent}`")).hint(format!(
                    "make it first: `mkdir -p {}`",
                    shell::quoted(&parent)
                ));
            }
            Error::from(fs::at("read", parent)(source)).context(&format!("cannot create `{shown}`"))
        })?;
        let target = Self {
            shown,
            parent,
            name: name.to_owned(),
        };
        target.check(current)?;
        Ok(target)
    }

    /// Absolute.
    pub(crate) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    fn check(&self, current: &Path) -> Result<()> {
        let path = self.path();
        let Ok(metadata) = std::fs::symlink_metadata(&path) else {
            return Ok(());
        };
        if !metadata.is_dir() {
            return Err(self
                .taken("something is there already")
                .hint("name another directory, or move what is there away"));
        }
        let mut entries =
            std::fs::read_dir(&path).map_err(|error| Error::from(fs::at("read", &path)(error)))?;
        if entries.next().is_some() {
            return Err(self
                .taken("the directory is not empty")
                .hint("name another directory, or move what is there away"));
        }
        let is_current = std::fs::canonicalize(current).is_ok_and(|current| current == path);
        if is_current {
            return Err(self
                .taken("it is the current directory")
                .hint("go up one directory and name it there"));
        }
        Ok(())
    }

    /// Something is where the service should be.
    fn taken(&self, why: &str) -> Error {
        Error::new(
            Kind::Refused,
            "directory-exists",
            format!(
                "cannot create `{}`: {why}, and nothing is ever overwritten",
                self.shown
            ),
        )
    }
}

/// The first part of a path that is a symbolic link to something that is not there, and what it points to.
fn dangling(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let link = path
        .ancestors()
        .find(|part| part.is_symlink() && !part.exists())?;
    let to = std::fs::read_link(link).ok()?;
    Some((link.to_owned(), link.parent().unwrap_or(link).join(to)))
}

/// Makes the service. On an error nothing is left behind.
pub(crate) fn create(options: &Options<'_>) -> Result<Outcome> {
    let Options {
        template, answers, ..
    } = options;
    let asked = format!("cannot create `{}`", options.target.shown);
    let wrong = |mistakes| template_error(template, mistakes).context(&asked);
    let pristine = template::render(template, answers, template.manifest.engine).map_err(wrong)?;
    let next = render_next(template, answers).map_err(wrong)?;
    let work_tree = Repository::discover(&options.target.parent);
    let place = way_to_template(template, &options.target, work_tree.as_ref());
    let mut whole = pristine.clone();
    let entry = lock::entry(template, answers, &pristine, place.as_deref());
    whole.entries.push(entry);
    let removed = stage::remove_dead(&options.target.parent);
    let mut outcome = Outcome {
        files: whole.entries.len(),
        tree: hex(pristine.oid()),
        history: History::None,
        next,
        warnings: Vec::new(),
        removed,
    };
    write(options, &whole, work_tree, &mut outcome).map_err(|error| in_context(error, &asked))?;
    Ok(outcome)
}

/// Writes, commits, syncs, and shows the result.
fn write(
    options: &Options<'_>,
    tree: &Tree,
    work_tree: Option<Repository>,
    outcome: &mut Outcome,
) -> Result<()> {
    let target = &options.target;
    let stage = Stage::begin(&target.parent, &target.name)?;
    stage.write(tree)?;
    match work_tree {
        Some(repository) => outcome.history = History::Within(repository.root),
        None if options.git => {
            let message = message(options);
            let files: Vec<NewFile<'_>> = tree.entries.iter().map(committed).collect();
            let commit = git::init_with_commit(stage.path(), &message, NOBODY, &files)?;
            if commit.anonymous {
                let (name, email) = NOBODY;
                outcome.warnings.push(format!(
                    "git has no user.name and user.email here, so the first commit is by {name} <{email}>"
                ));
            }
            outcome.history = History::Own(commit.id);
        }
        None => {}
    }
    stage.sync()?;
    let shown = stage.show(&target.path())?;
    if shown {
        Ok(())
    } else {
        Err(target.taken("another program made it at the same moment"))
    }
}

/// A file of the tree as the commit takes it.
fn committed(entry: &Entry) -> NewFile<'_> {
    NewFile {
        path: &entry.path,
        executable: entry.mode == Mode::Executable,
        bytes: &entry.bytes,
    }
}

/// Says first what was asked for. What the system said about a path becomes the reason, and the path a cause.
fn in_context(mut error: Error, asked: &str) -> Error {
    if error.message.starts_with(asked) {
        return error;
    }
    match error.message.split_once("`: ") {
        Some((what, why)) if ["file", "disk-full", "not-writable"].contains(&error.id) => {
            error.causes.insert(0, format!("{what}`"));
            error.message = format!("{asked}: {why}");
            error
        }
        // git, too, writes into the stage.
        _ if error.id == "program-failed"
            && error
                .causes
                .iter()
                .any(|cause| cause.contains("No space left")) =>
        {
            let mut full = Error::new(
                Kind::Failed,
                "disk-full",
                format!("{asked}: the disk is full"),
            )
            .hint("free some space and run the same command again")
            .retryable();
            full.causes = error.causes;
            full
        }
        _ if error.id == "program-missing" => error
            .context(asked)
            .hint("install git, or add `--no-git` to go without a repository"),
        _ => error.context(asked),
    }
}

/// The first commit's message.
fn message(options: &Options<'_>) -> String {
    let manifest = &options.template.manifest;
    let name = match options.answers.get("name") {
        Some(Answer::Text(name)) => name,
        _ => &options.target.name,
    };
    format!("Start {name} from {} {}\n", manifest.name, manifest.version)
}

/// How the service finds a template directory again: only within one work tree, so that nothing about this
/// machine gets into the lock file.
fn way_to_template(
    template: &Template,
    target: &Target,
    work_tree: Option<&Repository>,
) -> Option<PathBuf> {
    let Source::Directory(directory) = &template.source else {
        return None;
    };
    let root = std::fs::canonicalize(&work_tree?.root).ok()?;
    let to = directory.strip_prefix(&root).ok()?;
    let path = target.path();
    let from = path.strip_prefix(&root).ok()?;
    let up = from.components().map(|_| "..");
    Some(up.collect::<PathBuf>().join(to))
}

/// What is wrong with a template that was read without a mistake, and could not be rendered.
fn template_error(template: &Template, mistakes: Vec<template::Mistake>) -> Error {
    Error::from(template::Error::Mistakes {
        template: template.id(),
        mistakes,
    })
}
