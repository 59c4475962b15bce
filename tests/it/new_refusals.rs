//! `squad new`: wrong answers, things in the way, kills and several at once. Nothing is left half done.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use snapbox::str;

use crate::new::{RIGHT, made, new, org, plain};
use crate::support::mounts::with_mounts;
use crate::support::{Home, Terminal};

#[test]
fn without_a_terminal_every_missing_answer_is_listed() {
    let home = Home::new();
    plain(&home);
    org(&home);
    home.squad(["new", "./plain", "payments"]).assert(str![[r#"
› error: cannot create `payments`: 2 answers are missing
›   squad  the squad that owns it: cards, identity or ledger (choice)
›   size   how large it is: small or large (choice)
› hint: `squad new ./plain payments --set squad=ledger --set size=large`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-missing.md
[exit 2]

"#]]);
    home.squad(["new"]).assert(str![[r#"
› error: cannot create a service: no template was named; there is `python-function` or `python-http`
› hint: name one: `squad new python-http payments --set squad=SQUAD`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-missing.md
[exit 2]

"#]]);
    assert_eq!(made(&home), Vec::<String>::new());
}

#[test]
fn every_wrong_answer_is_listed() {
    let home = Home::new();
    plain(&home);
    home.squad([
        "new",
        "./plain",
        "Pay",
        "--set",
        "sqad=x",
        "--set",
        "size=huge",
        "--set",
        "queue=yes",
        "--set",
        "squad=a",
        "--set",
        "squad=b",
        "--set",
        "org=x",
        "--set",
        "oops",
    ])
    .assert(str![[r#"
› error: cannot create `Pay`: 7 answers are wrong
›   oops   has no value; write `--set QUESTION=ANSWER`
›   squad  given twice: "a" and "b"
›   org    no question; the org is the one in use, or the one of `--org`
›   sqad   the template has no such question; did you mean `squad`?
›   name   "Pay" is not right: lower-case letters and dashes
›   size   "huge" is not right: small or large
›   queue  "yes" is not right: true or false
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-wrong.md
[exit 2]

"#]]);
    for name in ["../x", ".git", "con ", "a/b", "a\nb", "", "x\u{1b}[2J"] {
        let set = format!("name={name}");
        let output = home.squad([
            "new",
            "./plain",
            "dir",
            "--set",
            &set,
            "--set",
            "squad=a",
            "--set",
            "size=small",
        ]);
        let output = output.failure(2);
        assert!(
            output.stderr.contains("is not right"),
            "{}",
            output.transcript()
        );
        assert!(!output.stderr.contains('\u{1b}'), "{}", output.transcript());
    }
    assert_eq!(made(&home), Vec::<String>::new());
}

#[test]
fn an_unknown_template_is_named_with_the_nearest() {
    let home = Home::new();
    plain(&home);
    home.squad(["new", "Python-HTTP", "payments"])
        .assert(str![[r#"
› error: there is no template `Python-HTTP`; did you mean `python-http`?
› hint: see what each one makes with `squad template list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-unknown.md
[exit 2]

"#]]);
    home.squad(["new", "pyhton-http", "payments"])
        .assert(str![[r#"
› error: there is no template `pyhton-http`; did you mean `python-http`?
› hint: see what each one makes with `squad template list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-unknown.md
[exit 2]

"#]]);
    home.squad(["new", "plain", "payments"]).assert(str![[r#"
› error: there is no template `plain`
›   caused by: there is `python-function` or `python-http`
› hint: to use the directory, write `./plain`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-unknown.md
[exit 2]

"#]]);
    let output = home.squad(["new", "./nowhere", "payments"]).failure(2);
    assert!(
        output.stderr.contains("no template.toml"),
        "{}",
        output.transcript()
    );
}

#[test]
fn nothing_is_overwritten() {
    let home = Home::new();
    plain(&home);
    home.write("full/x", "mine");
    home.write("file", "mine");
    symlink("nowhere", home.work().join("link")).unwrap();
    std::fs::create_dir(home.work().join("other")).unwrap();
    symlink("other", home.work().join("link-to-directory")).unwrap();
    for directory in ["full", "file", "link", "link-to-directory"] {
        let output = new(&home, directory).failure(7);
        assert!(
            output.stderr.contains("nothing is ever overwritten"),
            "{}",
            output.transcript()
        );
    }
    let current = home.work().join("other");
    let arguments = ["new", "../plain", "../other"].into_iter().chain(RIGHT);
    let output = home.squad_in(current, arguments).failure(7);
    assert!(
        output.stderr.contains("the current directory"),
        "{}",
        output.transcript()
    );
    for directory in ["con", ".git", "a/../.GIT", "x.", "..", "nul.txt"] {
        let output = new(&home, directory).failure(2);
        assert!(
            output.stderr.contains("directory-refused"),
            "{}",
            output.transcript()
        );
    }
    new(&home, "no/where").assert(str![[r#"
› error: cannot create `no/where`: there is no directory `no`
› hint: make it first: `mkdir -p no`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/directory-refused.md
[exit 2]

"#]]);
    // `mkdir -p` would not make it.
    symlink("gone/place", home.work().join("dangling")).unwrap();
    new(&home, "dangling/here").assert(str![[r#"
› error: cannot create `dangling/here`: `dangling` is a symbolic link that points nowhere: there is no `[WORK]/gone/place`
› hint: correct the link, or take another directory: `ls -l dangling`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/directory-refused.md
[exit 2]

"#]]);
    assert_eq!(
        std::fs::read_to_string(home.work().join("full/x")).unwrap(),
        "mine"
    );
    assert_eq!(
        std::fs::read_to_string(home.work().join("file")).unwrap(),
        "mine"
    );

    // An empty directory is as good as none.
    std::fs::create_dir(home.work().join("empty")).unwrap();
    let _made = new(&home, "empty").success();
    assert!(home.work().join("empty/README.md").is_file());
    assert_eq!(
        made(&home),
        [
            "dangling",
            "empty",
            "file",
            "full",
            "link",
            "link-to-directory",
            "other"
        ]
    );
}

#[test]
fn a_parent_that_cannot_be_written_is_named() {
    let home = Home::new();
    plain(&home);
    // Nobody can make a directory there, not even the superuser.
    let output = new(&home, "/sys/payments").failure(1);
    let first = output
        .stderr
        .lines()
        .find(|line| line.starts_with("error:"));
    assert!(
        first.is_some_and(|line| line.starts_with("error: cannot create `/sys/payments`: ")),
        "{}",
        output.transcript()
    );
    assert!(
        output.stderr.contains("caused by: cannot write to `/sys`"),
        "{}",
        output.transcript()
    );
}

#[test]
fn without_git_only_the_files_are_there() {
    let home = Home::new();
    plain(&home);
    let arguments = ["new", "./plain", "payments", "--no-git"]
        .into_iter()
        .chain(RIGHT);
    // The program is not even needed.
    let mut command = home.command(arguments);
    let _made = home.run(command.env("PATH", "/nowhere")).success();
    assert!(!home.work().join("payments/.git").exists());

    let mut command = home.command(["new", "./plain", "other"].into_iter().chain(RIGHT));
    home.run(command.env("PATH", "/nowhere")).assert(str![[r#"
› Template         plain         A service for tests
› Name             payments
› Squad            ledger
› Size             small
› Queue            false
› error: cannot create `other`: cannot run `git`: it is not installed, or not on PATH
› hint: install git, or add `--no-git` to go without a repository
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/program-missing.md
[exit 1]

"#]]);
    assert_eq!(made(&home), ["payments"]);
}

#[test]
fn one_of_several_at_once_wins() {
    let home = Home::new();
    plain(&home);
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = home.command(["new", "./plain", "payments"].into_iter().chain(RIGHT));
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut codes = Vec::new();
    for child in children {
        let output = crate::support::Output::of(&child.wait_with_output().unwrap(), home.root());
        if output.code != 0 {
            assert!(
                output.stderr.contains("error: cannot create `payments`: "),
                "{}",
                output.transcript()
            );
        }
        codes.push(output.code);
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, 7, 7, 7, 7, 7, 7, 7]);
    assert_eq!(made(&home), ["payments"]);
    let service = home.work().join("payments");
    assert_eq!(home.git(&service, ["status", "--porcelain"]), "");
}

#[test]
fn a_killed_run_leaves_a_stage_that_the_next_one_removes() {
    let home = Home::new();
    plain(&home);
    // A git that kills who started it, at each of its calls in turn.
    for call in ["init", "var", "fast-import", "reset"] {
        let bin = home.path().join(format!("bin-{call}"));
        std::fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\nfor word; do [ \"$word\" = {call} ] && kill -9 $PPID && exit 1; done\n\
             exec /usr/bin/env PATH=\"${{PATH#*:}}\" git \"$@\"\n"
        );
        std::fs::write(bin.join("git"), script).unwrap();
        std::fs::set_permissions(bin.join("git"), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = home.command(["new", "./plain", "payments"].into_iter().chain(RIGHT));
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", bin.display()));
        let killed = home.run(&mut command);
        assert_eq!(killed.code, 137, "{call}: {}", killed.transcript());
        // A git that was started beside it may still be at work, and keep the stage alive.
        home.wait_until_quiet(Duration::from_secs(10));
        let left = made(&home);
        assert!(
            left.len() == 1 && left[0].starts_with(".payments.squad-new-"),
            "{call}: {left:?}"
        );
    }
    let output = new(&home, "payments").success();
    assert!(
        output
            .stderr
            .contains("which a killed `squad new` had left behind"),
        "{}",
        output.transcript()
    );
    assert_eq!(made(&home), ["payments"]);
    assert_eq!(
        home.git(home.work().join("payments"), ["status", "--porcelain"]),
        ""
    );
}

#[test]
fn an_interrupt_at_a_question_leaves_nothing() {
    let home = Home::new();
    plain(&home);
    // At the list of templates, at a text, at a choice.
    let mut first = Terminal::start(&home, 80, ["new"]);
    first.expect("python-http");
    first.send("\u{3}");
    let mut second = Terminal::start(&home, 80, ["new", "./plain"]);
    second.expect("Name: the name");
    second.send("\u{3}");
    let given = ["new", "./plain", "payments", "--set", "squad=ledger"];
    let mut third = Terminal::start(&home, 80, given);
    third.expect("Size: how large");
    third.send("\u{3}");
    for terminal in [first, second, third] {
        let (code, text) = terminal.finish();
        assert_eq!(code, 130, "{text}");
        assert!(
            text.contains("stopped at the question; nothing was changed"),
            "{text}"
        );
    }
    assert_eq!(made(&home), Vec::<String>::new());
}

#[test]
fn a_broken_template_is_reported_whole() {
    let home = Home::new();
    plain(&home);
    home.write("plain/files/a.txt.tmpl", "one\n<%= nmae %>\n");
    home.write("plain/files/b.txt.tmpl", "<% if %>\n");
    home.write("plain/files/<%= squad %>/../x", "");
    symlink("/etc/passwd", home.work().join("plain/files/passwords")).unwrap();
    new(&home, "payments").assert(str![[r#"
› error: the template `./plain` has 1 mistake
›   files/passwords: symbolic links are refused
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/template-invalid.md
[exit 5]

"#]]);
    std::fs::remove_file(home.work().join("plain/files/passwords")).unwrap();
    let output = new(&home, "payments").failure(5);
    for part in [
        "cannot create `payments`: the template `dir/plain` has 2 mistakes",
        "files/a.txt.tmpl:2: `nmae` is undefined",
        "files/b.txt.tmpl:1: ",
    ] {
        assert!(
            output.stderr.contains(part),
            "{part}: {}",
            output.transcript()
        );
    }
    assert_eq!(made(&home), Vec::<String>::new());
}

#[test]
fn a_template_that_is_a_link_itself_is_not_followed() {
    let home = Home::new();
    plain(&home);
    home.write("elsewhere/id_rsa", "secret\n");
    home.write("elsewhere/one.toml", "name = \"x\"\n");
    let template = home.work().join("plain");
    for name in ["files", "tests", "template.toml"] {
        let (place, aside) = (template.join(name), template.join("aside"));
        let was_there = std::fs::rename(&place, &aside).is_ok();
        let target = if name == "template.toml" {
            aside.clone()
        } else {
            home.work().join("elsewhere")
        };
        symlink(target, &place).expect("a link");
        let output = new(&home, "payments").failure(5);
        let said =
            format!("the template `./plain` has 1 mistake\n  {name}: symbolic links are refused\n");
        assert!(output.stderr.contains(&said), "{}", output.transcript());
        std::fs::remove_file(&place).expect("the link");
        if was_there {
            std::fs::rename(&aside, &place).expect("it is there");
        }
    }
    std::fs::create_dir(template.join("tests")).expect("a directory");
    let case = home.work().join("elsewhere/one.toml");
    symlink(case, template.join("tests/one.toml")).expect("a link");
    let output = new(&home, "payments").failure(5);
    let said = "tests/one.toml: symbolic links are refused";
    assert!(output.stderr.contains(said), "{}", output.transcript());
    assert_eq!(made(&home), ["elsewhere"]);
}

#[test]
fn a_full_disk_leaves_nothing_half_made() {
    let home = Home::new();
    let name = "new_refusals::a_full_disk_leaves_nothing_half_made";
    // Too small for the files, then for what git adds, then large enough.
    for (size, code) in [("100k", 1), ("200k", 1), ("8m", 0)] {
        let script = format!(
            "set -e; mount -t tmpfs -o size={size} none {work}; cd {work}; code=0; \
             \"$0\" new python-http payments --set squad=ledger || code=$?; ls -A; exit $code",
            work = home.work().display(),
        );
        let Some(output) = with_mounts(&home, name, &script) else {
            return;
        };
        assert_eq!(output.code, code, "{size}: {}", output.transcript());
        if code == 0 {
            assert_eq!(
                output.stdout,
                "payments\npayments\n",
                "{}",
                output.transcript()
            );
            continue;
        }
        assert_eq!(output.stdout, "", "{size}: {}", output.transcript());
        for said in [
            "error: cannot create `payments`: the disk is full",
            "errors/disk-full.md",
        ] {
            assert!(
                output.stderr.contains(said),
                "{size}: {}",
                output.transcript()
            );
        }
    }
}

/// The hint is the command with what was wrong put right.
#[test]
fn a_command_that_is_wrong_comes_back_put_right() {
    let home = Home::new();
    for (arguments, wrong, hint) in [
        (
            &["new", "python-http", "--set", "squad=ledger", "--", "-dash"][..],
            "  name  \"-dash\" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter",
            "squad new python-http dash --set squad=ledger",
        ),
        (
            &["new", "python-http", "./Pay_Ments", "--set", "squad=ledger"],
            "  name  \"Pay_Ments\" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter",
            "squad new python-http ./pay-ments --set squad=ledger",
        ),
        (
            &["new", "python-http", "Pay", "--set", "squad=Ledger"],
            "  squad  \"Ledger\" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter",
            "squad new python-http pay --set squad=ledger",
        ),
    ] {
        let output = home.squad(arguments).failure(2);
        assert!(output.stderr.contains(wrong), "{}", output.transcript());
        let command = format!("hint: `{hint}`\n");
        assert!(output.stderr.contains(&command), "{}", output.transcript());
        let words: Vec<_> = hint.split(' ').skip(1).collect();
        let _made = home.squad(&words).success();
        let made = home.work().join(words[2]);
        std::fs::remove_dir_all(made).expect("a directory");
    }
    home.squad(["new", "python-http", "pay", "--set", "squad"])
        .failure(2)
        .assert(str![[r#"
› error: cannot create `pay`: 1 answer is wrong
›   squad  has no value; write `--set QUESTION=ANSWER`
› hint: `squad new python-http pay --set squad=SQUAD`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-wrong.md
[exit 2]

"#]]);
    home.squad(["new", "python-http", "pay", "--set", "=ledger"])
        .failure(2)
        .assert(str![[r#"
› error: cannot create `pay`: 1 answer is missing and 1 answer is wrong
›   =ledger  names no question; write `--set QUESTION=ANSWER`
›   squad    the squad that owns it (string)
› hint: `squad new python-http pay --set squad=SQUAD`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-missing.md
[exit 2]

"#]]);
    home.squad(["new", "python-http", "pay", "--set", "squad=a b"])
        .failure(2)
        .assert(str![[r#"
› error: cannot create `pay`: 1 answer is wrong
›   squad  "a b" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter
› hint: `squad new python-http pay --set squad=a-b`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-wrong.md
[exit 2]

"#]]);
    // Spaces around a question do not make its answer a wrong one.
    let spaced = [
        "new",
        "python-http",
        "Pay",
        "--set",
        " name=pay",
        "--set",
        " squad=a b",
    ];
    home.squad(spaced).failure(2).assert(str![[r#"
› error: cannot create `Pay`: 1 answer is wrong
›   squad  "a b" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter
› hint: `squad new python-http Pay --set ' name=pay' --set squad=a-b`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-wrong.md
[exit 2]

"#]]);
    home.squad(["new", "python-http", "--", "-9"])
        .failure(2)
        .assert(str![[r#"
› error: cannot create `-9`: 1 answer is missing and 1 answer is wrong
›   name   "-9" is not right: lower-case letters, digits and dashes, 2 to 40 characters, starting with a letter
›   squad  the squad that owns it (string)
› hint: `squad new python-http ./-9 --set name=NAME --set squad=SQUAD`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/answers-missing.md
[exit 2]

"#]]);
}
