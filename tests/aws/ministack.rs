//! For tests: starts ministack (PyPI), a second implementation of the API that nobody here wrote. Functions really run there.
//!
//! Included with `#[path]` by `tests/it/lambda/ministack.rs` and by tests in `src/`; it uses only the standard library, and
//! nothing of whoever includes it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The versions whose behaviour the tests rely on. Without the second one its CloudWatch cannot read what the SDK for Rust
/// sends, which is CBOR.
const PACKAGES: [&str; 2] = ["ministack==1.5.33", "cbor2==6.3.0"];

/// An access key of twelve digits is that account there.
pub(crate) const ACCOUNT: &str = "123456789012";

/// A running ministack; it ends with this value.
#[derive(Debug)]
pub(crate) struct Ministack {
    child: Child,
    /// Where it listens on this machine.
    pub(crate) port: u16,
    /// `http://127.0.0.1:<port>`.
    pub(crate) address: String,
    home: PathBuf,
}

/// The program, installed once below the cache of the tests; none where it cannot be had.
fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = PROGRAM.get_or_init(|| {
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
        };
        let venv = cache
            .join("squad-tests")
            .join(PACKAGES.join("-").replace("==", "-"));
        // Made as a whole, or made again.
        let (program, whole) = (venv.join("bin/ministack"), venv.join("whole"));
        if whole.is_file() {
            return Some(program);
        }
        let succeeds = |command: &mut Command| command.status().is_ok_and(|made| made.success());
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let python = venv.join("bin/python");
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let installed = made && succeeds(Command::new(python).args(pip).args(PACKAGES));
        (installed && std::fs::write(whole, "").is_ok()).then_some(program)
    });
    made.as_ref()
}

impl Ministack {
    /// Why there is none where it cannot be had: then the test is named as skipped.
    pub(crate) fn start() -> Result<Self, String> {
        let Some(program) = program() else {
            return Err(format!("{} cannot be installed", PACKAGES.join(" with ")));
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        let home = std::env::temp_dir().join(format!("ministack-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&home).expect("a directory of its own");
        let mut child = Command::new(program)
            .env("GATEWAY_PORT", port.to_string())
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        assert!(
            lines
                .by_ref()
                .any(|line| line.is_ok_and(|line| line.contains("Running on http"))),
            "ministack did not start"
        );
        // Its log is read to the end, so that it never waits for a reader.
        drop(std::thread::spawn(move || lines.for_each(drop)));
        Ok(Self {
            child,
            port,
            address: format!("http://127.0.0.1:{port}"),
            home,
        })
    }

    /// What a client has in its environment that speaks to this one and no other.
    pub(crate) fn environment(&self, region: &str) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.address.as_str()),
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", region),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.home));
    }
}
