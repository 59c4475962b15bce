//! On a terminal: colour, width, glyphs, Ctrl-C, and what turns them off.

use crate::support::{Home, Terminal};

#[test]
fn colour_is_used_on_a_terminal_and_never_needed() {
    let home = Home::new();
    let terminal = Terminal::start(&home, 80, ["help", "exit-code"]);
    terminal.expect("docs:");
    assert!(
        terminal.raw().contains("\u{1b}[1;31merror:\u{1b}[0m"),
        "{:?}",
        terminal.raw()
    );
    let (code, text) = terminal.finish();
    assert_eq!(code, 2);
    let plain = home.squad(["help", "exit-code"]).failure(2);
    assert_eq!(text, plain.stderr);
}

#[test]
fn colour_can_be_turned_off() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let home = Home::new();
        let mut command = home.program("setsid");
        command.args([
            "--ctty",
            "--wait",
            crate::support::SQUAD,
            "help",
            "exit-code",
        ]);
        command.env("TERM", "xterm").env(name, value);
        let terminal = Terminal::spawn(&home, 80, command);
        terminal.expect("docs:");
        assert!(
            !terminal.raw().contains('\u{1b}'),
            "{name}: {:?}",
            terminal.raw()
        );
        assert_eq!(terminal.finish().0, 2);
    }
    let home = Home::new();
    let terminal = Terminal::start(&home, 80, ["--color", "never", "help", "exit-code"]);
    terminal.expect("docs:");
    assert!(!terminal.raw().contains('\u{1b}'), "{:?}", terminal.raw());
    assert_eq!(terminal.finish().0, 2);
}

#[test]
fn colour_can_be_forced_into_a_pipe() {
    let mut home = Home::new();
    home.set("CLICOLOR_FORCE", "1");
    assert!(
        home.squad(["help", "exit-code"])
            .failure(2)
            .stderr
            .contains("\u{1b}[1;31m")
    );
    home.unset("CLICOLOR_FORCE");
    let output = home
        .squad(["--color", "always", "help", "exit-code"])
        .failure(2);
    assert!(output.stderr.contains("\u{1b}[1;31m"));
}

#[test]
fn help_fits_the_terminal() {
    let home = Home::new();
    for columns in [40, 200] {
        let (code, text) = Terminal::start(&home, columns, ["help", "help"]).finish();
        assert_eq!(code, 0);
        let widest = text
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0);
        // Names, usage lines and examples are never broken.
        let limit = if columns == 40 { 60 } else { 110 };
        assert!(widest <= limit, "{columns} columns, {widest} wide:\n{text}");
    }
}
