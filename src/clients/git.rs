//! The `git` program: what a work tree is made from, and how a new repository begins.
//!
//! The program and not a library, so that people's credential helpers, hooks and settings work.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{self, Error};
use crate::domain::repository::without_secrets;

/// A work tree.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// Absolute path of its top level.
    pub(crate) root: PathBuf,
}

/// What is checked out, and whether the work tree differs from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Full commit id; none in a repository without commits.
    pub(crate) commit: Option<String>,
    /// Branch; none when detached.
    pub(crate) branch: Option<String>,
    /// Something below the paths asked for is changed, staged or untracked.
    pub(crate) dirty: bool,
}

/// One commit of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Full id.
    pub(crate) id: String,
    /// The author's name.
    pub(crate) author: String,
    /// First line of the message.
    pub(crate) subject: String,
}

impl Repository {
    /// The repository whose work tree holds `directory`, found without starting git.
    pub(crate) fn discover(directory: &Path) -> Option<Self> {
        directory
            .ancestors()
            .find(|ancestor| ancestor.join(".git").exists())
            .map(|root| Self {
                root: root.to_owned(),
            })
    }

    /// The top of the work tree.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether two directories are the same place in two work trees of one repository (`git worktree`).
    pub(crate) fn are_one(one: &Path, other: &Path) -> bool {
        let place = |directory: &Path| {
            let repository = Self::discover(directory)?;
            let within = directory.strip_prefix(&repository.root).ok()?.to_owned();
            let mut command = repository.git();
            command.args(["rev-parse", "--path-format=absolute", "--git-common-dir"]);
            Some((process::output(&mut command).ok()?, within))
        };
        place(one).is_some_and(|one| place(other) == Some(one))
    }

    /// The repository of exactly this directory; none where git, asked there, finds another one or none: a `.git` that is no
    /// repository does not count.
    pub(crate) fn at(root: &Path) -> Option<Self> {
        if !root.join(".git").exists() {
            return None;
        }
        let repository = Self {
            root: root.to_owned(),
        };
        let mut command = repository.git();
        command.args(["rev-parse", "--show-prefix"]);
        // Empty at the top of a work tree.
        let prefix = process::output(&mut command).ok()?;
        prefix.trim_ascii().is_empty().then_some(repository)
    }

    /// Whether a directory is a submodule whose files are not here and are wanted: one with `update = none` in
    /// `.gitmodules` is left out on purpose (gitmodules(5)).
    pub(crate) fn misses_submodule(&self, path: &Path) -> Result<bool, Error> {
        let mut command = self.git();
        command.args(["ls-files", "-z", "--stage", "--"]).arg(path);
        // Mode 160000 is a commit of another repository (gitformat-index(5)).
        if !process::output(&mut command)?.starts_with(b"160000 ") {
            return Ok(false);
        }
        let mut command = self.git();
        command.args(["config", "--file", ".gitmodules", "--get-regexp"]);
        command.arg(r"^submodule\..*\.(path|update)$");
        let Ok(text) = process::output(&mut command) else {
            return Ok(true);
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let name = text.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            let name = key.strip_suffix(".path")?;
            (Path::new(value) == relative).then_some(name)
        });
        let left_out = name.map(|name| format!("{name}.update none"));
        Ok(!left_out.is_some_and(|left_out| text.lines().any(|line| line == left_out)))
    }

    fn git(&self) -> Command {
        let mut command = process::command("git");
        command
            .arg("-C")
            .arg(&self.root)
            .env("GIT_OPTIONAL_LOCKS", "0");
        command
    }

    /// HEAD, and whether anything below `paths` (relative to the root or absolute) differs from it.
    pub(crate) fn head(&self, paths: &[PathBuf]) -> Result<Head, Error> {
        let mut command = self.git();
        command.args([
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--no-renames",
            "--",
        ]);
        command.args(paths);
        let text = process::output(&mut command)?;
        let mut head = Head::default();
        for line in text
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
        {
            let line = String::from_utf8_lossy(line);
            if let Some(oid) = line.strip_prefix("# branch.oid ") {
                head.commit = (oid != "(initial)").then(|| oid.to_owned());
            } else if let Some(name) = line.strip_prefix("# branch.head ") {
                head.branch = (name != "(detached)").then(|| name.to_owned());
            } else if !line.starts_with('#') {
                head.dirty = true;
            }
        }
        Ok(head)
    }

    /// Tracked and unignored files below `paths` (relative to the root or absolute), relative to the root.
    /// Files that are deleted in the work tree are among them.
    pub(crate) fn files(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        use std::os::unix::ffi::OsStrExt;
        let mut command = self.git();
        command.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
            "--",
        ]);
        command.args(paths);
        let text = process::output(&mut command)?;
        Ok(text
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name)))
            .collect())
    }

    /// Those of the files (absolute) that are in the index.
    pub(crate) fn tracked(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
        use std::os::unix::ffi::OsStrExt;
        let mut command = self.git();
        command.args([
            "--literal-pathspecs",
            "ls-files",
            "-z",
            "--cached",
            "--full-name",
            "--",
        ]);
        command.args(files);
        let text = process::output(&mut command)?;
        Ok(text
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| self.root.join(std::ffi::OsStr::from_bytes(name)))
            .collect())
    }

    /// Whether `ancestor` is an ancestor of `descendant` or the same; none when either is not known here.
    pub(crate) fn is_ancestor(&self, ancestor: &str, descendant: &str) -> Option<bool> {
        let mut command = self.git();
        command.args(["merge-base", "--is-ancestor", ancestor, descendant]);
        match process::output(&mut command) {
            Ok(_) => Some(true),
            Err(Error::Failed { status, .. }) if status.code() == Some(1) => Some(false),
            Err(_) => None,
        }
    }

    /// Commits in `to` and not in `from` that touch `paths`, newest first, at most `most`.
    pub(crate) fn log(
        &self,
        from: Option<&str>,
        to: &str,
        paths: &[PathBuf],
        most: usize,
    ) -> Result<Vec<Commit>, Error> {
        let range = from.map_or_else(|| to.to_owned(), |from| format!("{from}..{to}"));
        self.listed(&[&range], paths, most)
    }

    /// The same without those whose change is in `from` too, as another commit: what was picked or rebased is not missing
    /// there.
    pub(crate) fn missing(
        &self,
        from: &str,
        to: &str,
        paths: &[PathBuf],
        most: usize,
    ) -> Result<Vec<Commit>, Error> {
        let range = format!("{from}...{to}");
        self.listed(&["--cherry-pick", "--right-only", &range], paths, most)
    }

    fn listed(&self, which: &[&str], paths: &[PathBuf], most: usize) -> Result<Vec<Commit>, Error> {
        let mut command = self.git();
        command.args(["log", "-z", "--format=%H%x1f%an%x1f%s", &format!("-{most}")]);
        command.args(which).arg("--").args(paths);
        let text = process::output(&mut command)?;
        Ok(String::from_utf8_lossy(&text)
            .split('\0')
            .filter_map(|line| {
                let mut fields = line.splitn(3, '\u{1f}');
                Some(Commit {
                    id: fields.next().filter(|id| !id.is_empty())?.to_owned(),
                    author: fields.next()?.to_owned(),
                    subject: fields.next()?.to_owned(),
                })
            })
            .collect())
    }

    /// Files that differ between `reference` and the work tree, untracked ones included, relative to the root.
    pub(crate) fn changed_since(&self, reference: &str) -> Result<Vec<PathBuf>, Error> {
        let mut differing = self.git();
        differing.args(["diff", "--name-only", "-z", "--no-renames", reference, "--"]);
        let mut untracked = self.git();
        untracked.args(["ls-files", "-z", "--others", "--exclude-standard"]);
        let mut paths = Vec::new();
        for command in [&mut differing, &mut untracked] {
            let text = process::output(command)?;
            paths.extend(
                String::from_utf8_lossy(&text)
                    .split('\0')
                    .filter(|name| !name.is_empty())
                    .map(PathBuf::from),
            );
        }
        Ok(paths)
    }

    /// A file below `path` (relative to the root) that is kept in Git LFS, where git here does not know how to bring it: it is
    /// only a pointer then.
    pub(crate) fn misses_large_file(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        let mut command = self.git();
        command.args(["ls-files", "-z", "--"]);
        let mut magic = std::ffi::OsString::from(if path.as_os_str().is_empty() {
            ":(attr:filter=lfs)"
        } else {
            ":(attr:filter=lfs,literal)"
        });
        magic.push(path);
        let listed = process::output(command.arg(magic))?;
        let listed = String::from_utf8_lossy(&listed);
        let Some(first) = listed.split('\0').find(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let knows = |key: &str| {
            let mut command = self.git();
            process::output(command.args(["config", "--get", key])).is_ok()
        };
        let is_set_up = knows("filter.lfs.process") || knows("filter.lfs.smudge");
        Ok((!is_set_up).then(|| PathBuf::from(first)))
    }

    /// Whether this names a commit here.
    pub(crate) fn resolves(&self, reference: &str) -> bool {
        let mut command = self.git();
        command.args(["rev-parse", "--quiet", "--verify", "--end-of-options"]);
        command.arg(format!("{reference}^{{commit}}"));
        process::output(&mut command).is_ok()
    }

    /// The address of `origin`, without credentials.
    pub(crate) fn origin(&self) -> Option<String> {
        let mut command = self.git();
        command.args(["config", "--get", "remote.origin.url"]);
        let text = process::output(&mut command).ok()?;
        Some(without_secrets(String::from_utf8_lossy(&text).trim()))
    }
}

/// `user.email`, as git would use it in `directory`.
pub(crate) fn user(directory: Option<&Path>) -> Option<String> {
    let mut command = process::command("git");
    if let Some(directory) = directory {
        command.arg("-C").arg(directory);
    }
    command.args(["config", "--get", "user.email"]);
    let text = process::output(&mut command).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Variables that would make git work on another repository than the one of the directory.
pub(super) const REPOSITORY_VARIABLES: [&str; 9] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];

/// The first commit of a new repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstCommit {
    /// Its full id.
    pub(crate) id: String,
    /// git knew no name or address here, so that the author is the one that was handed in.
    pub(crate) anonymous: bool,
}

/// One file of the first commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewFile<'a> {
    /// Relative to the repository, with `/`; no line end and no `"` at its start.
    pub(crate) path: &'a str,
    /// It is a program.
    pub(crate) executable: bool,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
}

/// Makes a repository in `directory` whose first commit holds exactly `files`, which are already written there:
/// whatever the person's filters, hooks and ignore lists say. The commit is not signed.
///
/// `author` (name and address) is used where git knows none. `git fast-import` writes one pack instead of an object
/// for each file: faster, and few files to sync.
pub(crate) fn init_with_commit(
    directory: &Path,
    message: &str,
    author: (&str, &str),
    files: &[NewFile<'_>],
) -> Result<FirstCommit, Error> {
    let identity = std::thread::scope(|scope| {
        let identity = scope.spawn(|| identity(directory, author));
        let made =
            process::output(fresh(directory).args(["init", "--quiet", "--initial-branch=main"]));
        let identity = identity.join();
        made.and_then(|_| identity.unwrap_or_else(|_| Err(Error::NotFound("git".to_owned()))))
    });
    let (identity, anonymous) = identity?;
    let stream = fast_import_stream(&identity, message, files);
    let mut import = fresh(directory);
    import.args(["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]);
    let id = process::output_of_input(&mut import, &stream)?;
    process::output(fresh(directory).args(["reset", "--quiet", "--mixed"]))?;
    Ok(FirstCommit {
        id: String::from_utf8_lossy(&id).trim().to_owned(),
        anonymous,
    })
}

/// git in a directory that is or becomes a repository of its own, without what a person's settings could add.
fn fresh(directory: &Path) -> Command {
    let mut command = process::command("git");
    command.arg("-C").arg(directory).env("LC_ALL", "C");
    for setting in [
        "init.templateDir=",
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "user.useConfigOnly=true",
    ] {
        command.args(["-c", setting]);
    }
    for variable in REPOSITORY_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// `Name <address> <seconds> <zone>` of the person, or of `nobody` where git knows neither name nor address;
/// `true` = nobody.
fn identity(directory: &Path, nobody: (&str, &str)) -> Result<(String, bool), Error> {
    let ask = |settings: &[String]| {
        let mut command = fresh(directory);
        // Below a broken repository git would look at that one's settings.
        command.env("GIT_CEILING_DIRECTORIES", directory);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let text = process::output(command.args(["var", "GIT_AUTHOR_IDENT"]))?;
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    };
    match ask(&[]) {
        Ok(identity) => Ok((identity, false)),
        // Whatever is wrong with the person's identity, a failure with one that is right is about git.
        Err(Error::Failed { .. }) => {
            let (name, email) = nobody;
            let settings = [format!("user.name={name}"), format!("user.email={email}")];
            Ok((ask(&settings)?, true))
        }
        Err(error) => Err(error),
    }
}

/// The commit as `git fast-import` reads it (its manual page); it answers with the commit's id.
fn fast_import_stream(identity: &str, message: &str, files: &[NewFile<'_>]) -> Vec<u8> {
    let mut stream = format!(
        "commit refs/heads/main\nmark :1\nauthor {identity}\ncommitter {identity}\ndata {}\n{message}\n",
        message.len()
    )
    .into_bytes();
    for file in files {
        let mode = if file.executable { "100755" } else { "100644" };
        let head = format!("M {mode} inline {}\ndata {}\n", file.path, file.bytes.len());
        stream.extend_from_slice(head.as_bytes());
        stream.extend_from_slice(file.bytes);
        stream.push(b'\n');
    }
    stream.extend_from_slice(b"\nget-mark :1\ndone\n");
    stream
}
