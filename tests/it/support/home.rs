//! A hermetic home: nothing of the person who runs the tests is read, and nothing is left behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use super::output::Output;
use super::{SQUAD, processes, wait};

/// A home directory of its own below `/tmp` (short: a Unix socket's path has at most 108 bytes).
///
/// When it is dropped, its supervisor is stopped, and a process that is left over fails the test.
pub(crate) struct Home {
    root: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    leftovers_allowed: bool,
}

impl Home {
    /// A new, empty home with a git identity.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("sq")
            .tempdir_in("/tmp")
            .expect("a temporary directory");
        let path = |name: &str| root.path().join(name);
        for name in ["h/w", "r", "t"] {
            std::fs::create_dir_all(path(name)).expect("a directory");
        }
        std::fs::set_permissions(path("r"), PermissionsExt::from_mode(0o700)).expect("mode");
        std::fs::write(
            path("h/.gitconfig"),
            "[user]\n\tname = Ana Example\n\temail = ana@example.com\n\
             [init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
        )
        .expect("a git identity");
        let text = |path: PathBuf| path.display().to_string();
        let variables = [
            ("HOME", text(path("h"))),
            ("XDG_CONFIG_HOME", text(path("h/.config"))),
            ("XDG_STATE_HOME", text(path("h/.local/state"))),
            ("XDG_CACHE_HOME", text(path("h/.cache"))),
            ("XDG_DATA_HOME", text(path("h/.local/share"))),
            ("XDG_RUNTIME_DIR", text(path("r"))),
            ("TMPDIR", text(path("t"))),
            ("PATH", search_path()),
            ("LANG", "C.UTF-8".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("USER", "ana".to_owned()),
        ];
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            root,
            leftovers_allowed: false,
        }
    }

    /// Sets a variable for all later runs.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a variable for all later runs.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.remove(name);
        self
    }

    /// Hands the way to the package index on (`PIP_*`, proxies, certificates), with one package cache for all
    /// tests: for what installs Python packages.
    pub(crate) fn with_packages(mut self) -> Self {
        let wanted = |name: &str| {
            name.starts_with("PIP_")
                || name.starts_with("UV_")
                || name.starts_with("SSL_CERT_")
                || name.starts_with("REQUESTS_CA_")
                || ["http_proxy", "https_proxy", "no_proxy"]
                    .contains(&name.to_ascii_lowercase().as_str())
        };
        for (name, value) in std::env::vars().filter(|(name, _)| wanted(name)) {
            self.set(&name, &value);
        }
        let cache = test_cache();
        self.set("PIP_CACHE_DIR", &cache.join("pip").display().to_string());
        self.set("UV_CACHE_DIR", &cache.join("uv").display().to_string());
        for (file, place) in [
            ("/.config/pip/pip.conf", ".config/pip"),
            ("/.pip/pip.conf", ".pip"),
        ] {
            let Ok(person) = std::env::var("HOME") else {
                continue;
            };
            if let Ok(text) = std::fs::read(format!("{person}{file}")) {
                let directory = self.path().join(place);
                std::fs::create_dir_all(&directory).expect("a directory");
                std::fs::write(directory.join("pip.conf"), text).expect("pip's settings");
            }
        }
        self
    }

    /// Everything of this home is below it.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// `HOME`.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join("h")
    }

    /// Where commands run unless said otherwise: `~/w`.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("h/w")
    }

    /// `XDG_STATE_HOME/squad`: journals, logs, the audit log.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("h/.local/state/squad")
    }

    /// `XDG_RUNTIME_DIR`: sockets.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.path().join("r")
    }

    /// Writes a file below the work directory, with its parents.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Any program in this home's environment, started in the work directory, with nothing to read.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// The real binary, ready to be changed further.
    pub(crate) fn command<I, S>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = self.program(SQUAD);
        command.args(arguments);
        command
    }

    /// Runs the real binary in the work directory.
    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    pub(crate) fn squad<I, S>(&self, arguments: I) -> Output
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.run(&mut self.command(arguments))
    }

    /// Runs the real binary in another directory.
    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    pub(crate) fn squad_in<I, S>(&self, directory: impl AsRef<Path>, arguments: I) -> Output
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.run(self.command(arguments).current_dir(directory))
    }

    /// Runs a prepared command to its end.
    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    pub(crate) fn run(&self, command: &mut Command) -> Output {
        match self.run_within(command, LONGEST) {
            Some(output) => output,
            None => panic!("not ended after {LONGEST:?}, so it was killed: {command:?}"),
        }
    }

    /// Runs a prepared command to its end; none when it did not end in time, and then it is dead.
    pub(crate) fn run_within(&self, command: &mut Command, limit: Duration) -> Option<Output> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A binary that was copied just now may still be open for writing in a child that another test's thread is
        // about to start: that child closes it as soon as it runs its own program.
        let mut child = loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("cannot run `{}`: {error}", command.get_program().display()),
            }
        };
        let streams = (read_all(child.stdout.take()), read_all(child.stderr.take()));
        let deadline = std::time::Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break status;
            }
            if std::time::Instant::now() > deadline {
                drop(child.kill());
                drop(child.wait());
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // A process that it left behind and that holds its streams would make every pipeline hang.
        let held = "a process that was left behind holds the standard streams";
        let limit = Duration::from_secs(30);
        let output = std::process::Output {
            status,
            stdout: streams.0.recv_timeout(limit).expect(held),
            stderr: streams.1.recv_timeout(limit).expect(held),
        };
        Some(Output::of(&output, self.root()))
    }

    /// Runs git and returns what it wrote, trimmed; panics when it fails.
    #[track_caller]
    pub(crate) fn git<I, S>(&self, directory: impl AsRef<Path>, arguments: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut git = self.program("git");
        let output = self
            .run(git.args(arguments).current_dir(directory))
            .success();
        output.stdout.trim().to_owned()
    }

    /// Makes a directory a repository (if it is none) and commits everything in it; the hash.
    #[track_caller]
    pub(crate) fn commit_all(&self, directory: impl AsRef<Path>, message: &str) -> String {
        let directory = directory.as_ref();
        if !directory.join(".git").exists() {
            self.git(directory, ["init", "--quiet"]);
        }
        self.git(directory, ["add", "--all"]);
        self.git(
            directory,
            ["commit", "--quiet", "--allow-empty", "-m", message],
        );
        self.git(directory, ["rev-parse", "HEAD"])
    }

    /// The processes that belong to this home right now.
    pub(crate) fn processes(&self) -> Vec<processes::Process> {
        processes::below(self.root())
    }

    /// Whether the local platform's supervisor answers.
    pub(crate) fn supervisor_answers(&self) -> bool {
        let status = self.squad(["local", "status", "-o", "json"]);
        status.code == 0 && status.json()["running"] == true
    }

    /// The processes once none has come or gone for half a second, as their redacted command lines in order.
    #[track_caller]
    pub(crate) fn steady_processes(&self) -> Vec<String> {
        let mut before = self.processes();
        let mut since = std::time::Instant::now();
        wait::wait_for(
            "processes stop coming and going",
            Duration::from_secs(30),
            || {
                // Each look reads all of `/proc`: a few are enough, and the machine has other things to do.
                std::thread::sleep(Duration::from_millis(80));
                let now = self.processes();
                if now != before {
                    before = now;
                    since = std::time::Instant::now();
                }
                (since.elapsed() > Duration::from_millis(500)).then_some(())
            },
        );
        let mut commands: Vec<String> = before
            .iter()
            .map(|process| super::output::redact(&process.command, self.root()))
            .collect();
        commands.sort();
        commands
    }

    /// Stops the supervisor and waits until no process of this home is left; what is left is killed and
    /// returned.
    pub(crate) fn shut_down(&self) -> Vec<processes::Process> {
        if self.processes().is_empty() {
            return Vec::new();
        }
        let _ended = self.run_within(
            &mut self.command(["local", "stop", "--all"]),
            Duration::from_secs(30),
        );
        // That was the supervisor of one environment; those of an org's environments hear what a service manager sends.
        for process in self.processes() {
            if process.command.contains("local supervise --name ")
                && !process.command.contains("local supervise --name local ")
            {
                processes::terminate(process.id);
            }
        }
        let deadline = std::time::Instant::now() + wait::PATIENCE;
        loop {
            let left = self.processes();
            if left.is_empty() {
                return left;
            }
            if std::time::Instant::now() > deadline {
                for process in &left {
                    processes::kill(process.id);
                }
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// For a test that ends processes itself: leftovers at the end are killed and are no failure.
    pub(crate) fn allow_leftovers(&mut self) {
        self.leftovers_allowed = true;
    }

    /// Waits until no process of this home is left.
    #[track_caller]
    pub(crate) fn wait_until_quiet(&self, timeout: Duration) {
        wait::wait_for("no process of the home is left", timeout, || {
            self.processes().is_empty().then_some(())
        });
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let left = self.shut_down();
        let fine = left.is_empty() || self.leftovers_allowed || std::thread::panicking();
        assert!(
            fine,
            "processes were left after `squad local stop`: {left:#?}"
        );
    }
}

/// Longer than anything that a test runs; a command that hangs must not hang the tests.
const LONGEST: Duration = Duration::from_mins(5);

/// Reads a stream to its end beside the caller.
fn read_all(
    stream: Option<impl std::io::Read + Send + 'static>,
) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            drop(stream.read_to_end(&mut bytes));
        }
        drop(sender.send(bytes));
    });
    receiver
}

/// Where the tests keep what they may use again: outside the checkout.
pub(crate) fn test_cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || {
            let home = std::env::var_os("HOME").expect("HOME");
            PathBuf::from(home).join(".cache")
        },
        PathBuf::from,
    );
    cache.join("squad-tests")
}

/// `/usr/bin:/bin`, and where Python 3 and git are if they are elsewhere.
fn search_path() -> String {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let mut path = "/usr/bin:/bin".to_owned();
        let there = |program: &str| Path::new("/usr/bin").join(program).exists();
        if !there("python3") {
            let output = Command::new("python3")
                .args(["-c", "import sys; print(sys.executable)"])
                .output()
                .expect("the tests need Python 3");
            let executable = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if let Some(directory) = Path::new(&executable).parent() {
                path.push_str(&format!(":{}", directory.display()));
            }
        }
        path
    });
    PATH.clone()
}
