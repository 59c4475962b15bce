//! What the golden paths promise to a squad that begins with them: `make test lint build` pass on the service as it was
//! made, and leave nothing behind that git would see.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::support::home::test_cache;
use crate::support::{Home, tool};

#[test]
fn the_checks_of_a_new_python_http_service_pass() {
    passes("python-http", "payments", "app.tar.gz");
}

#[test]
fn the_checks_of_a_new_python_function_pass() {
    passes("python-function", "receipts", "function.zip");
}

fn passes(template: &str, name: &str, built: &str) {
    let Some(make) = tool(&format!("golden_paths::{template}"), "make") else {
        return;
    };
    let home = Home::new().with_packages();
    let answers = ["--set", "squad=ledger", "--set", "telemetry=both"];
    home.squad([&["new", template, name][..], &answers[..]].concat())
        .success();
    let directory = home.work().join(name);
    let packages = Packages::of(&directory);
    packages.take();
    let output = home
        .run(
            home.program(make)
                .args(["test", "lint", "build"])
                .current_dir(&directory),
        )
        .success();
    let text = output.transcript();
    assert!(text.contains(" passed in "), "{text}");
    assert!(text.contains("All checks passed!"), "{text}");
    assert!(text.contains("Success: no issues found in "), "{text}");
    assert!(text.contains(&format!("dist/{built} is good")), "{text}");
    assert_eq!(home.git(&directory, ["status", "--porcelain"]), "");
    packages.keep();
}

/// The name of an environment says nothing about where it is: `preview` is on this machine too.
#[test]
fn a_new_python_http_service_listens_on_loopback_in_every_environment_of_this_machine() {
    let mut home = Home::new().with_packages();
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.preview]\nplatform = \"local\"\n",
    );
    home.set("SQUAD_ORG", &home.work().join("org").display().to_string());
    home.squad(["new", "python-http", "payments", "--set", "squad=ledger"])
        .success();
    let deployed = home
        .squad_in(home.work().join("payments"), ["deploy", "--env", "preview"])
        .success();
    let text = deployed.transcript();
    assert!(!text.contains("warning: "), "{text}");
    assert!(text.contains("on this machine only"), "{text}");
}

/// The development packages of one lock file, kept from run to run: to install them takes longer than the checks.
struct Packages {
    here: PathBuf,
    kept: PathBuf,
}

impl Packages {
    fn of(directory: &Path) -> Self {
        let lock = std::fs::read(directory.join("requirements-dev.lock")).expect("a lock file");
        let version = std::process::Command::new("python3")
            .arg("--version")
            .output()
            .expect("python3");
        let mut hasher = DefaultHasher::new();
        (lock, version.stdout).hash(&mut hasher);
        Self {
            here: directory.join(".venv"),
            kept: test_cache()
                .join("golden-paths")
                .join(format!("{:016x}", hasher.finish())),
        }
    }

    /// Takes them, so that no other run has them meanwhile; where there are none, make installs them.
    fn take(&self) {
        if std::fs::rename(&self.kept, &self.here).is_ok() {
            // The lock file was written just now, and make goes by that.
            std::fs::File::options()
                .write(true)
                .open(self.here.join(".made"))
                .and_then(|made| made.set_modified(std::time::SystemTime::now()))
                .expect("a time");
        }
    }

    /// Runs go by `python -m` only, so the environment works where it was not made.
    fn keep(&self) {
        std::fs::create_dir_all(self.kept.parent().expect("a parent")).expect("a directory");
        // On another file system, or when another run was quicker, the next run installs them again.
        drop(std::fs::rename(&self.here, &self.kept));
    }
}
