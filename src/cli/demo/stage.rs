//! Where the demo plays: its directory, its own configuration and state, and running commands in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::stop::Stop;

use crate::cli::context::Context;
use crate::clients::process;
use crate::error::{Error, Kind, Result, shell};
use crate::fs;
use crate::output::Style;

/// Says that a directory was made by the demo, and may be removed by it.
const MARKER: &str = ".squad-demo";

/// A running demo.
pub(crate) struct Stage<'a> {
    pub(crate) context: &'a Context,
    pub(crate) root: PathBuf,
    executable: PathBuf,
    stop: Arc<Stop>,
}

impl<'a> Stage<'a> {
    /// Makes the directory; an earlier demo there is removed first.
    pub(crate) fn set(context: &'a Context, root: &Path) -> Result<Self> {
        if root.exists() && clean(context, root)? {
            context.output.status("removed the demo that was here");
        }
        fs::create_private_dir(root)?;
        // First of all: whatever else is there when it is killed can be removed.
        fs::write_durably(&root.join(MARKER), b"", 0o600)?;
        for directory in ["config", "state", "org"] {
            fs::create_private_dir(&root.join(directory))?;
        }
        fs::write_durably(&root.join("env"), variables_file(root).as_bytes(), 0o600)?;
        let executable = std::env::current_exe().map_err(Error::internal)?;
        Ok(Self {
            context,
            root: root.to_owned(),
            executable,
            stop: Stop::listen()?,
        })
    }

    /// Runs `squad <arguments>` in a directory below the root, shows the command and what it prints, and checks
    /// that it ends with `wanted`.
    pub(crate) fn squad(&self, directory: &str, arguments: &[&str], wanted: u8) -> Result<()> {
        self.show(&format!("squad {}", quoted(arguments)));
        let mut command = self.command(directory, arguments);
        let mut child = command.spawn().map_err(Error::internal)?;
        let status = self.stop.wait(&mut child)?;
        self.check(arguments, status.code(), wanted)
    }

    /// Begins `squad <arguments>` in a directory below the root, shows the command, and lets it run beside what follows.
    pub(crate) fn begin(&self, directory: &str, arguments: &[&str]) -> Result<Child> {
        self.show(&format!("squad {} &", quoted(arguments)));
        let mut command = self.command(directory, arguments);
        command.spawn().map_err(Error::internal)
    }

    /// Runs it without showing it; returns its standard output, whatever its exit code says.
    pub(crate) fn look(&self, directory: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(directory, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let output = command.output().map_err(Error::internal)?;
        self.stop.check(&self.root)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, which has to succeed.
    pub(crate) fn quietly(&self, directory: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(directory, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let output = command.output().map_err(Error::internal)?;
        self.check(arguments, output.status.code(), 0)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn check(&self, arguments: &[&str], code: Option<i32>, wanted: u8) -> Result<()> {
        self.stop.check(&self.root)?;
        if code == Some(i32::from(wanted)) {
            return Ok(());
        }
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        Err(Error::new(
            Kind::Failed,
            "demo-failed",
            format!(
                "the demo stops: `squad {}` ended with {code}, not {wanted}",
                quoted(arguments)
            ),
        )
        .hint(format!(
            "look around in `{}`, then `{}`",
            self.root.display(),
            clean_command(&self.root)
        )))
    }

    fn command(&self, directory: &str, arguments: &[&str]) -> Command {
        let mut command = process::command(&self.executable);
        command
            .args(arguments)
            .current_dir(self.root.join(directory));
        for (name, value) in variables(&self.root) {
            command.env(name, value);
        }
        for name in [crate::env::SQUAD_ORG, crate::env::SQUAD_ENV] {
            command.env_remove(name);
        }
        command
    }

    /// Shows a command as a person would type it.
    pub(crate) fn show(&self, command: &str) {
        let line = format!("$ {command}");
        self.context.output.status("");
        self.context
            .output
            .status(&self.context.output.paint(Style::Name, &line));
    }

    /// Says something in between.
    pub(crate) fn say(&self, text: &str) {
        self.context
            .output
            .status(&self.context.output.paint(Style::Dim, &format!("# {text}")));
    }

    /// Replaces a text in a file of the demo, and says so; the text must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str, why: &str) -> Result<()> {
        let file = self.root.join(path);
        let text = fs::read_to_string(&file)?;
        if !text.contains(from) {
            return Err(Error::internal(format!(
                "`{path}` does not hold what the demo edits"
            )));
        }
        fs::write_durably(&file, text.replacen(from, to, 1).as_bytes(), 0o644)?;
        self.context.output.status("");
        self.say(&format!("edit {path}: {why}"));
        Ok(())
    }

    /// Runs git in a directory of the demo.
    pub(crate) fn git(&self, directory: &str, arguments: &[&str]) -> Result<()> {
        let mut command = process::command("git");
        command
            .arg("-C")
            .arg(self.root.join(directory))
            .args(["-c", "user.name=Ana", "-c", "user.email=ana@demo.example"])
            .args(["-c", "commit.gpgsign=false"])
            .args(arguments);
        process::output(&mut command)?;
        Ok(())
    }
}

/// The demo's own configuration and state; the cache stays the person's, so that packages are fetched once.
fn variables(root: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("XDG_CONFIG_HOME", root.join("config")),
        ("XDG_STATE_HOME", root.join("state")),
    ]
}

/// To be read by a shell (`. ./env`), so that a person can go on in the demo.
fn variables_file(root: &Path) -> String {
    variables(root)
        .iter()
        .map(|(name, value)| {
            format!(
                "export {name}='{}'\n",
                value.display().to_string().replace('\'', "'\\''")
            )
        })
        .collect()
}

fn quoted(arguments: &[&str]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| shell::quoted(word)).collect();
    words.join(" ")
}

/// What removes a demo, typed anywhere: also where the demo's own variables are set, in which its state is another one.
pub(super) fn clean_command(root: &Path) -> String {
    let root = root.display().to_string();
    format!("squad demo --clean --directory {}", shell::quoted(&root))
}

/// Stops what a demo started and removes its directory; false when there is none. A directory that no demo made is
/// refused.
pub(crate) fn clean(context: &Context, root: &Path) -> Result<bool> {
    if !root.exists() {
        return Ok(false);
    }
    // Two at once: the second one waits, and then finds nothing.
    let directory = std::fs::File::open(root).map_err(fs::at("open", root))?;
    let locked = flock(&directory, FlockOperation::LockExclusive);
    locked.map_err(|error| fs::at("lock", root)(error.into()))?;
    if !root.exists() {
        return Ok(false);
    }
    if !root.join(MARKER).exists() {
        // Killed before it had made anything, or after it had removed all of it.
        let mut entries = std::fs::read_dir(root).map_err(fs::at("read", root))?;
        if entries.next().is_none() {
            return Ok(false);
        }
        return Err(Error::new(
            Kind::Refused,
            "not-a-demo",
            format!(
                "cannot use `{}`: it is there, and no demo made it",
                root.display()
            ),
        )
        .hint("choose another one with `--directory`"));
    }
    let executable = std::env::current_exe().map_err(Error::internal)?;
    let stage = Stage {
        context,
        root: root.to_owned(),
        executable,
        stop: Arc::default(),
    };
    // Before there is a local platform there is nothing to stop.
    if root.join("state/squad/local").exists() {
        // A driver that outlived the demo would start the platform again; there may be none, and no service yet.
        let place = ["--org", "acme", "--env", "local"];
        let stop = [&["stop", "payments"][..], &place].concat();
        drop(stage.look("", &stop)?);
        stage.quietly("", &[&["local", "stop"][..], &place].concat())?;
    }
    remove(root)?;
    Ok(true)
}

/// Removes the directory, its marker last, so that what is left by a kill is still known as a demo's.
fn remove(root: &Path) -> Result<()> {
    let at = || fs::at("remove", root);
    for entry in std::fs::read_dir(root).map_err(at())? {
        let entry = entry.map_err(at())?;
        if entry.file_name() == MARKER {
            continue;
        }
        let path = entry.path();
        let is_directory = entry.file_type().map_err(at())?.is_dir();
        let removed = if is_directory {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.map_err(fs::at("remove", &path))?;
    }
    Ok(std::fs::remove_dir_all(root).map_err(at())?)
}
