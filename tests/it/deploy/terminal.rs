//! Terminals of every width, colour and locale, and the question that is asked there.

use nix::sys::signal::Signal;

use super::with_build;
use crate::support::journey::{protected_org, signal};
use crate::support::{Home, SQUAD, Terminal, TestService};

/// A deploy on a terminal of so many columns with more variables: what was written, escape sequences included.
fn on_terminal(columns: u16, variables: &[(&str, &str)]) -> (String, String) {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let mut command = home.program("setsid");
    command
        .args(["--ctty", "--wait", SQUAD, "deploy"])
        .current_dir(&service.directory)
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied());
    let terminal = Terminal::spawn(&home, columns, command);
    terminal.expect("on this machine only");
    let raw = terminal.raw();
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    (raw, text)
}

#[test]
fn colour_is_never_needed() {
    let (raw, _) = on_terminal(80, &[]);
    assert!(raw.contains("\u{1b}[32m"), "{raw:?}");
    let (raw, _) = on_terminal(80, &[("NO_COLOR", "1")]);
    let colour = regex_lite::Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern");
    assert!(!colour.is_match(&raw), "{raw:?}");
    let (raw, _) = on_terminal(80, &[("TERM", "dumb")]);
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    let (raw, text) = on_terminal(80, &[("CI", "true")]);
    assert!(!raw.contains('\r') || !raw.contains("\u{1b}[2K"), "{raw:?}");
    assert!(text.contains("published"), "{text}");
}

#[test]
fn narrow_and_wide_terminals_get_the_same_words() {
    for columns in [40, 200] {
        let (_, text) = on_terminal(columns, &[("CI", "1")]);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "the first deploy here: nothing is live yet",
            "✔ published revision 1, ready",
            "✔ live all traffic on revision 1",
        ] {
            assert!(words.contains(said), "{columns} columns, {said}:\n{text}");
        }
    }
}

#[test]
fn progress_fits_a_narrow_terminal() {
    let (raw, text) = on_terminal(40, &[]);
    let plain = console::strip_ansi_codes(&raw);
    for line in plain.split(['\r', '\n']).map(str::trim) {
        if line.starts_with(['◌', '◍', '●']) {
            assert!(line.chars().count() <= 40, "{line}\n{text}");
        }
        if line.starts_with('✔') {
            assert!(
                !line.contains("  "),
                "columns are for wide terminals: {line}"
            );
        }
    }
    assert!(text.contains("✔ published revision 1, ready"), "{text}");
}

#[test]
fn a_locale_without_unicode_gets_ascii_marks() {
    let mut home = Home::new();
    home.set("LANG", "C");
    let service = TestService::new(&home, "payments");
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(
        output.stderr.contains("+ published"),
        "{}",
        output.transcript()
    );
    assert!(!output.stderr.contains('✔'), "{}", output.transcript());
}

#[test]
fn nothing_of_the_repository_moves_the_terminal() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.commit_all(&service.directory, "Evil \u{1b}[2J\u{202e}subject");
    with_build(
        &home,
        &mut service,
        "printf 'line \\033[31mred\\033[0m\\n'\nmkdir -p dist\ncp serve.py dist/\n",
    );
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
    assert!(!output.stderr.contains('\u{202e}'), "{:?}", output.stderr);
    // Nor where an error repeats it.
    with_build(
        &home,
        &mut service,
        "printf '\\033[2J\\033]0;title\\007no such module\\n'\nexit 1\n",
    );
    let output = home.squad_in(&service.directory, ["deploy"]).failure(1);
    assert!(
        output.stderr.contains("no such module"),
        "{:?}",
        output.stderr
    );
    assert!(
        !output.stderr.contains(['\u{1b}', '\u{7}']),
        "{:?}",
        output.stderr
    );
}

#[test]
fn a_person_says_yes_or_no() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    protected_org(&mut home);
    let arguments = ["deploy", "--env", "prod"];
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("Deploy? [y/N]").expect("[y/N]");
    // Neither a `y` in what was typed or pasted, nor one without Enter, is a yes.
    terminal.send("xyz\r");
    terminal.expect("`y` or `n`, then Enter");
    terminal.send("n\r");
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    // The key, and the signal alone: a terminal makes one of the key where it is pressed between two that are read.
    let ways: [fn(&mut Terminal); 2] = [
        |terminal| _ = terminal.interrupt(),
        |terminal| signal(terminal.id(), Signal::SIGINT),
    ];
    for stop in ways {
        let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
        terminal.expect("[y/N]");
        stop(&mut terminal);
        let (code, text) = terminal.finish();
        assert_eq!(code, 130, "{text}");
        assert!(
            text.contains("stopped at the question; nothing was changed"),
            "{text}"
        );
    }
    // Nobody is there to answer, and a CI job is cancelled.
    let terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("[y/N]");
    signal(terminal.id(), Signal::SIGTERM);
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("error: stopped"), "{text}");
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("[y/N]");
    terminal.send("yes\r");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    let status = home.squad(["status", "payments", "--env", "prod", "-o", "json"]);
    assert_eq!(status.json()["services"][0]["traffic"]["1"], 100);
}
