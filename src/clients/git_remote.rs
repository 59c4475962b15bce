//! One file out of a git repository: of a remote's newest commit, or of a work tree's.
//!
//! The `git` program does it, so that credential helpers, SSH and `insteadOf` work as people know them. It is
//! never asked anything through a shell, never prompts for a password, and never runs a remote helper that a
//! address could name (`ext::…`).

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::git::REPOSITORY_VARIABLES;
use super::process::{self, Children};
use crate::domain::org::Committed;
use crate::domain::repository::without_secrets;

/// Where the remote's newest commit is kept in the clone.
const REFERENCE: &str = "refs/squad/org";
/// For what happens on this machine alone.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The address is not one that is fetched from.
    #[error("{0}")]
    Address(String),
    /// git is not there or failed.
    #[error(transparent)]
    Git(#[from] process::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The answer of git makes no sense.
    #[error("git answered something unexpected: {0}")]
    Answer(String),
}

/// Fetches the newest commit of a remote's main branch into a bare repository of ours, and returns the commit
/// and the file in it. `url` may hold credentials, also behind a `?`; they are handed to git through its environment, where other
/// people of this machine cannot see them, and nothing of them is stored.
/// The child is one of `children`, through which it can be ended.
pub(crate) fn fetch(
    url: &str,
    repository: &Path,
    file: &str,
    (timeout, children): (Duration, &Children),
) -> Result<Committed, Error> {
    check_address(url)?;
    if !repository.join("HEAD").is_file() {
        let mut init = git();
        init.args(["init", "--bare", "--quiet", "--template=", "--"])
            .arg(repository);
        run(&mut init, b"", LOCAL_TIMEOUT)?;
    }
    let remote = Remote::new(url);
    let mut fetch = git_in(repository);
    remote.reach(&mut fetch);
    fetch.args([
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--",
        &remote.plain,
        &format!("+HEAD:{REFERENCE}"),
    ]);
    let fetched = within(fetch, timeout, children);
    drop(fetched.map_err(|error| remote.without_secrets(error))?);
    read(git_in(repository), REFERENCE, file)
}

/// A remote, with what of its address nobody may see.
#[derive(Debug)]
pub(super) struct Remote<'a> {
    url: &'a str,
    /// Its address without secrets: what git is told.
    pub(super) plain: String,
    secrets: Vec<String>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(url: &'a str) -> Self {
        Self {
            url,
            plain: without_secrets(url),
            secrets: secrets_of(url),
        }
    }

    /// Prepares a git, before its verb, that is to reach the remote by its plain address.
    pub(super) fn reach(&self, command: &mut Command) {
        for setting in [
            "protocol.ext.allow=never",
            "http.lowSpeedLimit=100",
            "http.lowSpeedTime=10",
        ] {
            command.args(["-c", setting]);
        }
        if !self.secrets.is_empty() {
            // git-config(1), GIT_CONFIG_COUNT: the same as `-c`, but not in the list of processes.
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("url.{}.insteadOf", self.url))
                .env("GIT_CONFIG_VALUE_0", &self.plain);
        }
    }

    /// An error whose text does not show a secret of the address.
    pub(super) fn without_secrets(&self, error: Error) -> Error {
        without(error, &self.secrets)
    }
}

/// Runs a git that may ask on the terminal to its end, but no longer than `timeout`; then all `children` are ended.
pub(super) fn within(
    mut command: Command,
    timeout: Duration,
    children: &Children,
) -> Result<Vec<u8>, Error> {
    let (sender, ended) = mpsc::channel();
    let own = children.clone();
    std::thread::spawn(move || drop(sender.send(own.output_on_terminal(&mut command))));
    if let Ok(result) = ended.recv_timeout(timeout) {
        return Ok(result?);
    }
    drop(children.end_on_drop());
    Err(Error::Timeout(timeout))
}

/// git for a bare repository of ours. Named outright, so that `safe.bareRepository` does not forbid it.
fn git_in(repository: &Path) -> Command {
    let mut command = git();
    command.arg("--git-dir").arg(repository);
    command
}

/// The file in the newest commit (HEAD) of the work tree that holds `directory`.
pub(crate) fn committed(directory: &Path, file: &str) -> Result<Committed, Error> {
    // `./`: relative to the directory, which need not be the top of the work tree (gitrevisions(7)).
    let mut command = git();
    command.arg("-C").arg(directory);
    read(command, "HEAD", &format!("./{file}"))
}

fn read(mut command: Command, reference: &str, file: &str) -> Result<Committed, Error> {
    command.args(["cat-file", "--batch"]);
    let input = format!("{reference}\n{reference}:{file}\n");
    let output = run(&mut command, input.as_bytes(), LOCAL_TIMEOUT)?;
    let mut rest = output.as_slice();
    let commit = object(&mut rest)?.map(|(id, _)| id);
    let text = match object(&mut rest)? {
        Some((_, bytes)) => Some(
            String::from_utf8(bytes.to_vec())
                .map_err(|_| Error::Answer(format!("`{file}` is not UTF-8")))?,
        ),
        None => None,
    };
    Ok(Committed { commit, text })
}

/// One answer of `git cat-file --batch`: `<id> <type> <size>`, the bytes and a line end, or `<name> missing`.
fn object<'a>(rest: &mut &'a [u8]) -> Result<Option<(String, &'a [u8])>, Error> {
    let unexpected = |line: &str| Error::Answer(line.to_owned());
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(|| unexpected("nothing"))?;
    let (line, after) = rest.split_at(end);
    let after = after.get(1..).unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    if line.ends_with(" missing") {
        *rest = after;
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (Some(id), Some(_), Some(size)) = (words.next(), words.next(), words.next()) else {
        return Err(unexpected(&line));
    };
    let size: usize = size.parse().map_err(|_| unexpected(&line))?;
    let (bytes, after) = after
        .split_at_checked(size)
        .ok_or_else(|| unexpected(&line))?;
    *rest = after.get(1..).unwrap_or_default();
    Ok(Some((id.to_owned(), bytes)))
}

/// Only what git fetches by itself, and nothing that a reader on the way could change: an org's file says
/// what is protected and whose keys count.
pub(super) fn check_address(url: &str) -> Result<(), Error> {
    let refuse = |why: &str| {
        Err(Error::Address(format!(
            "`{}` cannot be fetched: {why}",
            without_secrets(url)
        )))
    };
    if url.starts_with('-') || url.chars().any(|c| c.is_control() || c == ' ') {
        return refuse("it is not an address");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        if url.contains("::") {
            return refuse("remote helpers are not used");
        }
        return Ok(());
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    match scheme {
        "https" | "ssh" | "file" => Ok(()),
        "http" | "git" if ["127.0.0.1", "localhost", "[::1]"].contains(&host) => Ok(()),
        "http" | "git" => refuse("anybody on the way could change it; use https or ssh"),
        _ => refuse("use https, ssh or a directory"),
    }
}

/// What an address holds beyond the one that is shown: a user and a password, and what is behind the path. The longest first.
fn secrets_of(url: &str) -> Vec<String> {
    let shown = without_secrets(url);
    if shown == url {
        return Vec::new();
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let is_http = url.to_lowercase().starts_with("http");
    let (address, query) = match (is_http, rest.find(['?', '#'])) {
        (true, Some(at)) => rest.split_at_checked(at).unwrap_or((rest, "")),
        _ => (rest, ""),
    };
    let authority = address.split('/').next().unwrap_or(address);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':').map(|(_, password)| password));
    let values = query
        .split(['?', '#', '&'])
        .map(|part| part.split_once('=').map_or(part, |(_, value)| value))
        // Shorter ones guard nothing, and would be found in any word.
        .filter(|value| value.len() >= 4);
    let mut secrets: Vec<String> = [user, password]
        .into_iter()
        .flatten()
        .chain([query])
        .chain(values)
        .filter(|secret| !secret.is_empty())
        .map(str::to_owned)
        .collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// An error whose text does not show a secret.
fn without(error: Error, secrets: &[String]) -> Error {
    match error {
        Error::Git(process::Error::Failed {
            program,
            status,
            stderr,
        }) => Error::Git(process::Error::Failed {
            program,
            status,
            stderr: secrets
                .iter()
                .fold(stderr, |text, secret| text.replace(secret.as_str(), "…")),
        }),
        error => error,
    }
}

pub(super) fn git() -> Command {
    let mut command = process::command("git");
    // A git that started this process (a hook) names its repository: not ours.
    for name in REPOSITORY_VARIABLES {
        command.env_remove(name);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        // The answers are read by this program.
        .env("LC_ALL", "C");
    command
}

/// Runs a program to its end, but no longer than `timeout`.
fn run(command: &mut Command, input: &[u8], timeout: Duration) -> Result<Vec<u8>, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source: std::io::Error| {
        Error::Git(match source.kind() {
            std::io::ErrorKind::NotFound => process::Error::NotFound("git".to_owned()),
            _ => process::Error::Io {
                program: "git".to_owned(),
                source,
            },
        })
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that ends before it has read all says why on its standard error.
        drop(stdin.write_all(input));
    }
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn({
        let sender = sender.clone();
        move || drop(sender.send((true, read_all(stdout))))
    });
    let stderr = child.stderr.take();
    std::thread::spawn(move || drop(sender.send((false, read_all(stderr)))));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match receiver.recv_timeout(timeout) {
            Ok((true, bytes)) => out = bytes,
            Ok((false, bytes)) => err = bytes,
            Err(_) => {
                end(&mut child);
                return Err(Error::Timeout(timeout));
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(out);
    }
    let verb = command
        .get_args()
        .filter_map(|argument| argument.to_str())
        .find(|argument| ["init", "fetch", "cat-file"].contains(argument))
        .unwrap_or_default();
    Err(Error::Git(process::Error::Failed {
        program: format!("{program} {verb}"),
        status,
        stderr: String::from_utf8_lossy(&err).trim().to_owned(),
    }))
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read before an error still says something.
        drop(stream.read_to_end(&mut bytes));
    }
    bytes
}

/// Kills a child and takes its exit status, so that it does not stay as a zombie.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_addresses() {
        for (url, good) in [
            ("https://github.com/acme/org", true),
            ("https://token@github.com/acme/org", true),
            ("ssh://git@github.com/acme/org", true),
            ("git@github.com:acme/org.git", true),
            ("/srv/org.git", true),
            ("file:///srv/org.git", true),
            ("http://127.0.0.1:8000/org.git", true),
            ("http://example.com/org.git", false),
            ("git://example.com/org.git", false),
            ("ext::sh -c id", false),
            ("ext::sh", false),
            ("--upload-pack=x", false),
            ("ftp://example.com/x", false),
        ] {
            assert_eq!(check_address(url).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_what_git_says() {
        for (url, secrets) in [
            ("https://u:pass@h/a", vec!["u:pass", "pass"]),
            ("https://token@h/a", vec!["token"]),
            (
                "https://h/a?access_token=t0ken&x=1",
                vec!["?access_token=t0ken&x=1", "t0ken"],
            ),
            ("ssh://git@h/a", vec![]),
            ("ssh://git:p@h/a", vec!["git:p", "p"]),
            ("git@h:a", vec![]),
            ("https://h/a@b", vec![]),
        ] {
            assert_eq!(secrets_of(url), secrets, "{url}");
        }
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut command = process::command("sleep");
        command.arg("60");
        let error = run(&mut command, b"", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Timeout(_)), "{error}");
    }

    #[test]
    fn reads_the_answers_of_git() {
        let mut rest: &[u8] = b"abc blob 3\nx\ny\nHEAD:./org.toml missing\n";
        assert_eq!(
            object(&mut rest).unwrap(),
            Some(("abc".to_owned(), b"x\ny".as_slice()))
        );
        assert_eq!(object(&mut rest).unwrap(), None);
        assert!(object(&mut rest).is_err());
    }
}
