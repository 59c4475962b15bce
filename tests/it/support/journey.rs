//! What the journeys ask between two commands: which revision is live, on which port, what was recorded.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::home::Home;
use super::output::Output;
use super::wait::wait_for;

/// `squad status <service> -o json`, the one row of it.
#[track_caller]
pub(crate) fn row(home: &Home, service: &str) -> Value {
    let output = home.squad(["status", service, "-o", "json"]);
    output.json()["services"][0].clone()
}

/// The port on which a service takes requests.
#[track_caller]
pub(crate) fn port(home: &Home, service: &str) -> u16 {
    let row = row(home, service);
    let address = row["address"].as_str().expect("an address");
    let port = address.trim_end_matches('/').rsplit(':').next();
    port.and_then(|port| port.parse().ok()).expect("a port")
}

/// The revision that takes all requests; none when there is none, or several share them.
pub(crate) fn live(home: &Home, service: &str) -> Option<String> {
    let output = home.squad(["status", service, "-o", "json"]);
    if output.stdout.is_empty() {
        return None;
    }
    let row = &output.json()["services"][0];
    let traffic = row["traffic"].as_object()?;
    traffic
        .iter()
        .find(|(_, weight)| **weight == 100)
        .map(|(revision, _)| revision.clone())
}

/// Every revision that is kept, in order.
#[track_caller]
pub(crate) fn revisions(home: &Home, service: &str) -> Vec<String> {
    let row = row(home, service);
    let revisions = row["revisions"].as_array().expect("revisions");
    revisions
        .iter()
        .map(|one| one["revision"].as_str().expect("a number").to_owned())
        .collect()
}

/// How the recorded operations ended, newest first: the word of each, `going-on` for an intent without an outcome.
#[track_caller]
pub(crate) fn results(home: &Home) -> Vec<String> {
    let history = home.squad(["history", "--all", "-o", "json"]).success();
    let history = history.json();
    let operations = history["operations"].as_array().expect("operations");
    operations
        .iter()
        .map(|one| one["outcome"].as_str().expect("a word").to_owned())
        .collect()
}

/// Starts a command whose output is kept, and does not wait.
pub(crate) fn begin<const N: usize>(home: &Home, directory: &Path, arguments: [&str; N]) -> Child {
    home.command(arguments)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Waits for a command that was begun.
pub(crate) fn end(home: &Home, child: Child) -> Output {
    let output = child.wait_with_output().expect("it ends");
    Output::of(&output, home.root())
}

/// A copy of the binary under test that was written later, by so many minutes: another, newer build of it.
pub(crate) fn newer_binary(home: &Home, minutes: u64) -> PathBuf {
    let newer = home.root().join(format!("squad-{minutes}"));
    std::fs::copy(super::SQUAD, &newer).expect("a copy");
    let written = SystemTime::now() + Duration::from_mins(minutes);
    std::fs::File::options()
        .write(true)
        .open(&newer)
        .and_then(|copy| copy.set_modified(written))
        .expect("a newer one");
    newer
}

/// Sends a signal to one process, and to no other.
pub(crate) fn signal(id: u32, signal: nix::sys::signal::Signal) {
    let id = nix::unistd::Pid::from_raw(i32::try_from(id).expect("a process id"));
    nix::sys::signal::kill(id, signal).expect("it lives");
}

/// Waits until a file is there.
#[track_caller]
pub(crate) fn appears(path: &Path) {
    let what = format!("{} appears", path.display());
    wait_for(&what, Duration::from_secs(30), || {
        path.exists().then_some(())
    });
}

/// An org in a directory that is a repository, with one protected environment on this machine, in use for all
/// later commands of the home.
pub(crate) fn protected_org(home: &mut Home) -> PathBuf {
    let file = home.write(
        "org/org.toml",
        "schema = 1\n\n[org]\nname = \"acme\"\n\n[squad.ledger]\n\n[env.prod]\nplatform = \"local\"\nprotected = true\n",
    );
    let directory = file.parent().expect("a directory").to_owned();
    home.commit_all(&directory, "An org");
    home.set("SQUAD_ORG", &directory.display().to_string());
    directory
}
