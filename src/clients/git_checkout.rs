//! A whole repository that is kept on this machine, and put on the newest commit of the remote's main branch.
//!
//! What is kept is nobody's work: whatever is wrong with it, it is put away and made anew. Nothing of the repository is run
//! (no hooks, no templates, no submodules); what a person's settings do to every checkout (`git-lfs`) is done here too.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::git_remote::{self, Remote, check_address, within};
use super::process::{self, Children};
use crate::fs;

/// Where the newest commit of the main branch is kept: one name, so that no branch is in the way of another.
const REFERENCE: &str = "refs/squad/main";
/// The longest that a remote may take to say what its main branch is.
const FIRST_WORD: Duration = Duration::from_mins(1);
/// What a git that was killed leaves behind, and the next one takes for somebody at work.
const LEFT_LOCKS: [&str; 8] = [
    "HEAD.lock",
    "config.lock",
    "gc.pid",
    "index.lock",
    "objects/info/commit-graph.lock",
    "packed-refs.lock",
    "refs/squad/main.lock",
    "shallow.lock",
];

/// Why a repository could not be brought here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The remote, or the way to it.
    #[error(transparent)]
    Remote(#[from] git_remote::Error),
    /// The remote has no commit on its main branch.
    #[error("its main branch has no commit")]
    NoCommit,
    /// The commit that was asked for is not there any more.
    #[error("there is no commit {0}")]
    Gone(String),
    /// What is kept here cannot be made good.
    #[error("{0}")]
    Here(git_remote::Error),
    /// Its place cannot be written.
    #[error(transparent)]
    File(#[from] fs::Error),
}

/// What the work tree is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkout {
    /// The remote's main branch; none where its HEAD is on none.
    pub(crate) branch: Option<String>,
    /// Full commit id.
    pub(crate) commit: String,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work<'a> {
    /// The longest that each step may take.
    pub(crate) timeout: Duration,
    /// Among which git is, so that it can be ended.
    pub(crate) children: &'a Children,
    /// The lock of the place. Every git holds it too: where this process is killed, nobody else begins before git has ended.
    pub(crate) lock: &'a File,
}

/// Fetches the main branch of `url` with its whole history, and puts the work tree `tree` exactly on its newest commit, or on
/// the commit `at`. Ignored files stay. `url` may hold credentials; see [`git_remote::fetch`].
pub(crate) fn update(
    url: &str,
    at: Option<&str>,
    tree: &Path,
    work: Work<'_>,
) -> Result<Checkout, Error> {
    check_address(url)?;
    let remote = Remote::new(url);
    let Head { branch, format } = head(&remote, work)?;
    let kept = Kept {
        remote: &remote,
        format,
        tree,
        work,
    };
    let refspec = branch
        .as_deref()
        .map_or("HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    remove_old(tree);
    let commit = match kept.bring(&refspec, at) {
        Err(Failure::Broken(_)) => {
            put_away(tree)?;
            kept.bring(&refspec, at)
        }
        result => result,
    };
    match commit {
        Ok(commit) => Ok(Checkout { branch, commit }),
        Err(Failure::Gone(commit)) => Err(Error::Gone(commit)),
        Err(Failure::Remote(error)) => Err(Error::Remote(remote.without_secrets(error))),
        Err(Failure::Broken(error) | Failure::Here(error)) => Err(Error::Here(error)),
    }
}

/// What a remote's HEAD is.
struct Head {
    /// None where it is on no branch.
    branch: Option<String>,
    /// What git calls the kind of its ids.
    format: &'static str,
}

/// Asked outside of any repository, so that nothing that is kept here can be the reason of a failure.
fn head(remote: &Remote<'_>, work: Work<'_>) -> Result<Head, Error> {
    let mut command = git(work)?;
    command.args(["--git-dir", "/dev/null"]);
    remote.reach(&mut command);
    command.args(["ls-remote", "--symref", "--", &remote.plain, "HEAD"]);
    let answer = within(command, work.timeout.min(FIRST_WORD), work.children)
        .map_err(|error| remote.without_secrets(error))?;
    let answer = String::from_utf8_lossy(&answer);
    // Other names can end in `HEAD` too.
    let of_head = answer
        .lines()
        .filter_map(|line| line.strip_suffix("\tHEAD"));
    let (names, commits): (Vec<_>, Vec<_>) = of_head.partition(|text| text.starts_with("ref: "));
    let commit = commits.first().ok_or(Error::NoCommit)?;
    let name = names
        .first()
        .and_then(|name| name.strip_prefix("ref: refs/heads/"));
    Ok(Head {
        branch: name.map(str::to_owned),
        // 40 and 64 digits.
        format: if commit.len() > 40 { "sha256" } else { "sha1" },
    })
}

/// Why it could not be brought.
enum Failure {
    /// The remote.
    Remote(git_remote::Error),
    /// There is no such commit.
    Gone(String),
    /// Something on this machine that making it anew may help.
    Broken(git_remote::Error),
    /// Something on this machine that it does not help.
    Here(git_remote::Error),
}

impl Failure {
    /// Of a git that works on what is here alone.
    fn here(error: git_remote::Error) -> Self {
        match &error {
            // One that was ended by somebody says nothing about what is here.
            git_remote::Error::Git(process::Error::Failed { status, .. })
                if status.code().is_some() =>
            {
                Self::Broken(error)
            }
            _ => Self::Here(error),
        }
    }
}

/// What is kept of a remote.
struct Kept<'a> {
    remote: &'a Remote<'a>,
    format: &'static str,
    tree: &'a Path,
    work: Work<'a>,
}

impl Kept<'_> {
    /// The commit `at` or the newest one of `source`, which the work tree is on then.
    fn bring(&self, source: &str, at: Option<&str>) -> Result<String, Failure> {
        self.begin()?;
        self.fetch(source)?;
        // The plan reads the history. A fetch asks for nothing older than what is kept, so it would never mend a gap there.
        drop(self.run(&["rev-list", "--quiet", REFERENCE, "--"])?);
        let name = format!("{}^{{commit}}", at.unwrap_or(REFERENCE));
        let found = self.run(&["rev-parse", "--verify", "--end-of-options", &name]);
        let commit = found.map_err(|failure| match at {
            Some(at) => Failure::Gone(at.to_owned()),
            None => failure,
        })?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        let checkout = ["checkout", "--quiet", "--force", "--detach", &commit, "--"];
        self.run(&checkout)?;
        // Twice `--force`: repositories that lie in it go too.
        self.run(&["clean", "--quiet", "--force", "--force", "-d"])?;
        // Where it fails there is only more on the disk than has to be.
        drop(self.run(&["gc", "--auto", "--quiet"]));
        Ok(commit)
    }

    /// Makes the repository where none is, and takes away what a killed git left.
    fn begin(&self) -> Result<(), Failure> {
        let git_dir = self.tree.join(".git");
        for lock in LEFT_LOCKS {
            drop(std::fs::remove_file(git_dir.join(lock)));
        }
        let packs = std::fs::read_dir(git_dir.join("objects/pack"));
        for file in packs.into_iter().flatten().flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("tmp_") || name.starts_with(".tmp-") {
                drop(std::fs::remove_file(file.path()));
            }
        }
        let is_whole = git_dir.join("HEAD").is_file()
            && self
                .run(&["config", "--get", "remote.origin.url"])
                .is_ok_and(|url| url.trim_ascii() == self.remote.plain.as_bytes());
        if is_whole {
            let format = self.run(&["rev-parse", "--show-object-format"])?;
            if format.trim_ascii() == self.format.as_bytes() {
                return Ok(());
            }
            // The remote is another one now.
            let why = git_remote::Error::Answer("another kind of ids".to_owned());
            return Err(Failure::Broken(why));
        }
        let mut init = git(self.work).map_err(Failure::Here)?;
        init.args([
            "init",
            "--quiet",
            "--template=",
            "--initial-branch=main",
            "--object-format",
            self.format,
            "--",
        ]);
        init.arg(self.tree);
        drop(within(init, self.work.timeout, self.work.children).map_err(Failure::here)?);
        // The last step: where it is not done, all is done again.
        drop(self.run(&["config", "remote.origin.url", &self.remote.plain])?);
        Ok(())
    }

    fn fetch(&self, source: &str) -> Result<(), Failure> {
        let mut command = self.git().map_err(Failure::Here)?;
        self.remote.reach(&mut command);
        command.args([
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-gc",
            "--",
            &self.remote.plain,
        ]);
        command.arg(format!("+{source}:{REFERENCE}"));
        match within(command, self.work.timeout, self.work.children) {
            Ok(_) => Ok(()),
            Err(error) if self.is_sound() => Err(Failure::Remote(error)),
            Err(error) => Err(Failure::here(error)),
        }
    }

    /// Whether all that was fetched before is here.
    fn is_sound(&self) -> bool {
        let was_fetched = self.tree.join(".git").join(REFERENCE).exists()
            || self.tree.join(".git/packed-refs").exists();
        if was_fetched {
            self.run(&["rev-list", "--objects", "--quiet", REFERENCE, "--"])
                .is_ok()
        } else {
            self.run(&["count-objects"]).is_ok()
        }
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let mut command = self.git().map_err(Failure::Here)?;
        command.args(arguments);
        within(command, self.work.timeout, self.work.children).map_err(Failure::here)
    }

    /// git in the work tree, whatever lies around it, and without what a person's settings could run.
    fn git(&self) -> Result<Command, git_remote::Error> {
        let mut command = git(self.work)?;
        command.arg("-C").arg(self.tree);
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            // It would hide that a commit is not there.
            "core.commitGraph=false",
            "advice.detachedHead=false",
            "gc.autoDetach=false",
            "submodule.recurse=false",
        ] {
            command.args(["-c", setting]);
        }
        if let Some(above) = self.tree.parent() {
            command.env("GIT_CEILING_DIRECTORIES", above);
        }
        Ok(command)
    }
}

/// git that holds the lock: it reads nothing, so that its standard input can be the lock's file.
fn git(work: Work<'_>) -> Result<Command, git_remote::Error> {
    let lock = work.lock.try_clone().map_err(|source| process::Error::Io {
        program: "git".to_owned(),
        source,
    })?;
    let mut command = git_remote::git();
    command.stdin(Stdio::from(lock));
    Ok(command)
}

/// What is put away is called so, and goes sooner or later.
const OLD: &str = "old-";

#[expect(
    clippy::disallowed_methods,
    reason = "what is kept need not survive a loss of power"
)]
fn put_away(tree: &Path) -> Result<(), fs::Error> {
    let old = tree.with_file_name(format!("{OLD}{}", ulid::Ulid::generate()));
    std::fs::rename(tree, &old).map_err(fs::at("put away", tree))?;
    remove_old(tree);
    Ok(())
}

/// Removes what was put away beside it, as far as that goes: a build may have left what cannot be removed.
fn remove_old(tree: &Path) {
    let beside = tree.parent().map(std::fs::read_dir);
    for file in beside.into_iter().flatten().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(OLD) {
            drop(std::fs::remove_dir_all(file.path()));
        }
    }
}
