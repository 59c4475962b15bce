//! `squad status --watch`: on a terminal, on one that cannot move its cursor, and without one.

use std::io::BufRead;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::journey::signal;
use crate::support::{Home, SQUAD, Terminal, TestService, wait_for};

#[test]
fn on_a_terminal_a_watch_shows_the_newest_state_alone() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let mut watch = Terminal::start(&home, 100, ["status", "payments", "--watch"]);
    watch.expect("payments  local  1");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    // It may be seen with the deploy still at work on it first. Each block ends with what clears the lines below it.
    let end = "\u{1b}[J";
    wait_for("the deploy is done", Duration::from_secs(20), || {
        let raw = watch.raw();
        let (blocks, _) = raw.rsplit_once(end)?;
        let newest = blocks.rsplit(end).next()?;
        let done = newest.contains("http") && !newest.contains("GOING ON");
        // Drawn over the one before: up to its first line, and nothing else moves.
        let over = newest.starts_with("\r\u{1b}[2A");
        (newest.contains("local  2") && done && over).then_some(())
    });
    watch.interrupt();
    let (code, text) = watch.finish();
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let mut command = home.program("setsid");
    command.args(["--ctty", "--wait"]).arg(SQUAD);
    command.args(["status", "payments", "--watch"]);
    command.env("TERM", "dumb").current_dir(home.work());
    let mut watch = Terminal::spawn(&home, 100, command);
    watch.expect("payments  local  1");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    watch.expect("payments  local  2");
    watch.interrupt();
    let raw = watch.raw();
    let (code, text) = watch.finish();
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    assert!(matches!(code, 0 | 8), "{text}");
}

#[test]
fn watching_shows_each_change_and_ends_with_ctrl_c_or_the_time() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let mut watch = home
        .command(["status", "payments", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let reader = std::io::BufReader::new(watch.stdout.take().expect("a pipe"));
    let mut lines = reader.lines().map(|line| line.expect("a line"));
    let is_live = |revision: &'static str| {
        move |line: &String| line.split_whitespace().nth(2) == Some(revision)
    };
    assert!(lines.any(|line| is_live("1")(&line)));
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    // While the deploy was at work, its row said so; the exit code tells how the newest row was.
    assert!(lines.any(|line| is_live("2")(&line) && !line.contains("began")));
    signal(watch.id(), Signal::SIGINT);
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
    let output = home.squad(["status", "payments", "--watch", "--timeout", "1s"]);
    assert_eq!(output.code, 124, "{}", output.transcript());
}
