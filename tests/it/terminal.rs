//! On a terminal: colour, width, glyphs, Ctrl-C, and what turns them off.

use snapbox::{assert_data_eq, str};

use crate::support::{Home, Terminal, TestService};

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

/// Errors, plans and pages about topics are folded between words; a command or an address stays whole, for copying.
#[test]
fn prose_fits_a_narrow_terminal() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let commands: [&[&str]; 5] = [
        &["help", "exit-codes"],
        &["help", "environment"],
        &["status", "payment"],
        &["deploy", "--dry-run", "--rebuild"],
        &["rollback"],
    ];
    for arguments in commands {
        let (_, text) = Terminal::start_in(&home, &service.directory, 40, arguments).finish();
        for line in text.lines() {
            let is_whole = line.contains('`') || line.contains("://");
            assert!(
                is_whole || line.chars().count() <= 40,
                "{arguments:?} `{line}`:\n{text}"
            );
        }
        // The same words as a program gets them, where no line is broken.
        let plain = home.squad_in(&service.directory, arguments);
        let words = |text: &str| -> Vec<String> {
            let text = text.replace("just now", "[AGO]");
            text.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(
            words(&text),
            words(&format!("{}{}", plain.stderr, plain.stdout)),
            "{arguments:?}"
        );
    }
    // Behind its bar, which is drawn in the place of the first line.
    let (_, text) = Terminal::start_in(&home, &service.directory, 40, ["audit", "verify"]).finish();
    let folded = "the first 4 events are the same as\n  this machine has seen before\nok\n";
    assert!(text.ends_with(folded), "{text}");
    let (_, text) = Terminal::start_in(&home, &service.directory, 40, ["rollback"]).finish();
    assert_data_eq!(
        text,
        str![[r#"
error: cannot roll back `payments`: no
  other revision served healthily
  without being left
live: revision 1 serves all traffic
hint: deploy an older state of the
  sources instead
docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md

"#]]
    );
}

#[test]
fn without_utf8_every_word_of_squads_own_is_ascii() {
    let mut home = Home::new();
    home.set("LC_ALL", "C");
    let mut service = TestService::new(&home, "payments");
    let mut said = Vec::new();
    said.push(home.squad_in(&service.directory, ["deploy"]).success());
    service.version(&home, "2");
    said.push(home.squad_in(&service.directory, ["deploy"]).success());
    for words in [
        "status",
        "history",
        "audit list",
        "audit verify",
        "local status",
        "doctor",
        "env list",
        "rollback",
        "rollback --dry-run --to 2",
        "help",
        "help exit-codes",
        "help environment",
        "template list",
    ] {
        said.push(home.squad_in(&service.directory, words.split(' ')));
    }
    for output in &said {
        assert!(
            output.stdout.is_ascii() && output.stderr.is_ascii(),
            "{}",
            output.transcript()
        );
    }
    // The columns stay below their names.
    home.squad(["history", "payments"]).assert(str![[r#"
WHEN      WHO              WHAT                                                RESULT
[AGO]  ana@example.com  rollback payments 2 -> 1 in local (Serve version 1) done
[AGO]  ana@example.com  deploy payments 1 -> 2 in local (Serve version 2)   done
[AGO]  ana@example.com  deploy payments -> 1 in local (Serve version 1)     done
[exit 0]

"#]]);
    // For programs nothing changes, and a person's name keeps its letters.
    service.version(&home, "3");
    home.commit_all(&service.directory, "Serve → José");
    home.squad_in(&service.directory, ["deploy"]).success();
    let json = home.squad(["history", "payments", "-o", "json"]).success();
    assert!(json.stdout.contains("Serve → José"), "{}", json.stdout);
    let text = home.squad(["history", "payments"]).success();
    assert!(text.stdout.contains("(Serve -> José)"), "{}", text.stdout);
}

/// `squad` on a terminal that cannot move its cursor.
fn dumb(home: &Home, directory: &std::path::Path, arguments: &[&str]) -> Terminal {
    dumb_with(home, 80, directory, arguments)
}

/// The same with so many columns.
fn dumb_with(
    home: &Home,
    columns: u16,
    directory: &std::path::Path,
    arguments: &[&str],
) -> Terminal {
    let mut command = home.program("setsid");
    command
        .args(["--ctty", "--wait", crate::support::SQUAD])
        .args(arguments)
        .env("TERM", "dumb")
        .current_dir(directory);
    Terminal::spawn(home, columns, command)
}

#[test]
fn questions_and_what_is_wrong_with_an_answer_are_folded_between_words() {
    let home = Home::new();
    let ways = [
        Terminal::start(&home, 40, ["new", "python-http"]),
        dumb_with(&home, 40, &home.work(), &["new", "python-http"]),
    ];
    for mut terminal in ways {
        terminal
            .expect("Template         python-http   HTTP\n                 service in Python\n");
        terminal.expect("Name: ");
        terminal.send("9x\r");
        terminal.expect(
            "lower-case letters, digits and dashes, 2\n  to 40 characters, starting with a\n  letter\n",
        );
        terminal
            .send("pay\r")
            .expect("Squad: the squad that owns it\n");
        terminal.send("ledger\r").expect(
            "Tier: how much depends on it, from 1\n  (customers notice at once) to 3\n  (nobody is woken)\n",
        );
        terminal.interrupt();
        assert_eq!(terminal.finish().0, 130);
    }
    let mut terminal = dumb_with(&home, 40, &home.work(), &["new"]);
    terminal.expect(
        "Template:\n  1 python-function   Lambda function in\n    Python, called directly or over\n    HTTP; runs on this machine too\n",
    );
    terminal.interrupt();
    assert_eq!(terminal.finish().0, 130);
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_is_asked_with_plain_lines() {
    let home = Home::new();
    let mut terminal = dumb(&home, &home.work(), &["new"]);
    terminal.expect("Template:\n  1 ").expect("[1]:");
    terminal
        .send("python\r")
        .expect("the number of one of the lines above");
    terminal.send("2\r").expect("Name: the name of");
    terminal
        .send("Pay\r")
        .expect("lower-case letters, digits and dashes");
    terminal.interrupt();
    terminal.expect("nothing was changed");
    let raw = terminal.raw();
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("error: stopped at the question"), "{text}");
    // Nobody is there any more: the input ends.
    let mut terminal = dumb(&home, &home.work(), &["new"]);
    terminal.expect("[1]:");
    terminal.send("\u{4}");
    let (code, text) = terminal.finish();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("cannot ask: the input ended"), "{text}");
}

#[test]
fn a_plain_line_says_yes_or_no() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    crate::support::journey::protected_org(&mut home);
    let arguments = ["deploy", "--env", "prod"];
    let mut terminal = dumb(&home, &service.directory, &arguments);
    terminal.expect("Deploy? [y/N]");
    terminal.send("maybe\r").expect("`y` or `n`, then Enter");
    terminal.send("n\r").expect("nothing was changed");
    assert!(!terminal.raw().contains('\u{1b}'), "{:?}", terminal.raw());
    assert_eq!(terminal.finish().0, 130);
    let mut terminal = dumb(&home, &service.directory, &arguments);
    terminal.expect("Deploy? [y/N]");
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(
        text.contains("stopped at the question; nothing was changed"),
        "{text}"
    );
    let mut terminal = dumb(&home, &service.directory, &arguments);
    terminal.expect("Deploy? [y/N]");
    terminal.send("yes\r");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
}

/// What the terminal would wrap would be drawn anew below itself with each key.
#[test]
fn a_question_that_does_not_fit_stands_above_its_answer() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    crate::support::journey::protected_org(&mut home);
    let arguments = ["deploy", "--all", "--env", "prod"];
    let mut terminal = Terminal::start_in(&home, &service.directory, 24, arguments);
    terminal.expect("Deploy 1 service?\n[y/N] ");
    terminal.send("maybe\r").expect("`y` or `n`, then Enter\n");
    terminal.send("n\r").expect("nothing was\n  changed");
    assert_eq!(terminal.finish().0, 130);
}
