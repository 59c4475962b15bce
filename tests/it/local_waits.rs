//! What a command says, and how it ends, while the local platform is not there yet.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use nix::sys::signal::Signal;

use crate::support::journey::signal;
use crate::support::{Home, TestService};

/// A platform that is held by somebody who does not answer, and a command that waits for it: the command, and its standard
/// error behind the line that says so.
fn waiting(home: &Home, arguments: &[&str]) -> (Child, File, BufReader<ChildStderr>) {
    let service = TestService::new(home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let lock = home.state().join("local/local/local/lock");
    let lock = File::options().write(true).open(lock).expect("a lock");
    lock.try_lock().expect("nobody has it");
    let mut child = home
        .command(arguments)
        .current_dir(&service.directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    let _bytes = told.read_line(&mut line).expect("a line");
    assert_eq!(
        line,
        "waiting for the local platform, which brings up its services\n"
    );
    (child, lock, told)
}

#[test]
fn what_is_waited_for_is_said_and_the_command_goes_on_by_itself() {
    let home = Home::new();
    let (child, lock, _told) = waiting(&home, &["status", "payments"]);
    drop(lock);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("payments  local  1"));
}

#[test]
fn who_is_asked_to_end_before_anything_began_says_so() {
    let home = Home::new();
    let (mut child, lock, mut told) = waiting(&home, &["deploy", "--rebuild"]);
    signal(child.id(), Signal::SIGINT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let mut text = String::new();
    let _bytes = std::io::Read::read_to_string(&mut told, &mut text).expect("text");
    assert_eq!(
        text,
        "error: stopped before anything was begun: nothing was changed\n\
         hint: nothing has to be cleaned up: run the same command again\n\
         docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md\n"
    );
    drop(lock);
}

/// A socket's path has at most 108 bytes (unix(7)), and a runtime directory can be longer than that.
#[test]
fn a_runtime_directory_too_deep_for_a_socket_is_done_without() {
    let mut home = Home::new();
    let deep = home.root().join("deep".repeat(40));
    std::fs::create_dir(&deep).expect("a directory");
    home.set("XDG_RUNTIME_DIR", &deep.display().to_string());
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(home.squad(["rollback", "payments"]).success().line(), "1");
    assert_eq!(std::fs::read_dir(&deep).expect("it is there").count(), 0);
    let short = format!("/tmp/squad-{}", rustix::process::getuid().as_raw());
    let mode = std::fs::metadata(short).expect("it is made").permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o700
    );
    home.squad(["local", "stop"]).success();
}
