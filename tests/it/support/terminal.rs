//! The real binary on a real terminal: a pseudo-terminal of a given width.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::home::Home;
use super::wait::wait_for;
use super::{SQUAD, output};

/// A running `squad` whose three streams are one terminal, which is its controlling terminal.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    seen: Arc<Mutex<Vec<u8>>>,
    /// Ends with the terminal.
    reads: std::thread::JoinHandle<()>,
    root: std::path::PathBuf,
}

impl Terminal {
    /// Starts `squad` in the home's work directory on a terminal of so many columns.
    pub(crate) fn start<I, S>(home: &Home, columns: u16, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::start_in(home, &home.work(), columns, arguments)
    }

    /// The same in another directory.
    pub(crate) fn start_in<I, S>(
        home: &Home,
        directory: &std::path::Path,
        columns: u16,
        arguments: I,
    ) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        // `setsid --ctty` makes the terminal the controlling one, so that Ctrl-C becomes a signal.
        let mut command = home.program("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(SQUAD)
            .args(arguments);
        command.env("TERM", "xterm-256color").current_dir(directory);
        Self::spawn(home, columns, command)
    }

    /// Any prepared command; its streams are replaced.
    pub(crate) fn spawn(home: &Home, columns: u16, mut command: Command) -> Self {
        let size = Winsize {
            ws_row: 40,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).expect("a pseudo-terminal");
        let slave = File::from(pair.slave);
        let child = command
            .stdin(slave.try_clone().expect("a copy"))
            .stdout(slave.try_clone().expect("a copy"))
            .stderr(Stdio::from(slave))
            .spawn()
            .expect("it starts");
        // The copies in `command` would keep the terminal open for ever.
        drop(command);
        let master = File::from(pair.master);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (master.try_clone().expect("a copy"), seen.clone());
        let reads = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux ends a terminal that nobody holds open with EIO.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                sink.lock()
                    .expect("the screen")
                    .extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            child,
            master,
            seen,
            reads,
            root: home.root().to_owned(),
        }
    }

    /// Everything that was written, escape sequences included.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("the screen")).into_owned()
    }

    /// Everything that was written without escape sequences, with plain line ends and redactions.
    pub(crate) fn text(&self) -> String {
        let raw = self.raw();
        let plain = console::strip_ansi_codes(&raw).replace("\r\n", "\n");
        output::redact(&plain, &self.root)
    }

    /// Waits until this text was written.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) -> &Self {
        let deadline = Instant::now() + super::wait::PATIENCE;
        while !self.text().contains(text) {
            assert!(
                Instant::now() < deadline,
                "`{text}` did not appear:\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Types.
    pub(crate) fn send(&mut self, text: &str) -> &mut Self {
        self.master.write_all(text.as_bytes()).expect("it reads");
        self
    }

    /// Presses keys once a menu reads them: the terminal itself shows what comes earlier.
    #[track_caller]
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        wait_for("a menu reads keys", super::wait::PATIENCE, || {
            let settings = tcgetattr(&self.master).expect("a terminal");
            let is_reading = !settings.local_flags.contains(LocalFlags::ECHO);
            is_reading.then_some(())
        });
        self.send(keys)
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&mut self) -> &mut Self {
        self.send("\u{3}")
    }

    /// The process id of `squad` itself.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end: exit code and text.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (i32, String) {
        use std::os::unix::process::ExitStatusExt;
        let what = "the command on the terminal ends";
        let status = wait_for(what, Duration::from_mins(2), || {
            self.child.try_wait().expect("it is ours")
        });
        // What it wrote last may still be on its way through the terminal. Where something that it started holds the terminal
        // open, there is no end of it: then it is enough that nothing comes for a while.
        let (mut before, mut since) = (usize::MAX, Instant::now());
        wait_for("the terminal is read", Duration::from_secs(5), || {
            let now = self.seen.lock().expect("the screen").len();
            if now != before {
                (before, since) = (now, Instant::now());
            }
            let is_quiet = since.elapsed() > Duration::from_secs(1);
            (is_quiet || self.reads.is_finished()).then_some(())
        });
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        (code, self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
