//! Standard output is the answer, standard error everything else; a reader that goes away is no error.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use snapbox::str;

use crate::support::{Home, SQUAD, TestService, wait_for};

#[test]
fn the_answer_goes_to_standard_output_alone() {
    let home = Home::new();
    home.squad(["--version"]).success().assert(str![[r#"
squad 0.1.0
[exit 0]

"#]]);
    home.squad(["help"]).success().assert(str![[r#"
Topics:
...
[exit 0]

"#]]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut child = home
        .command(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));

    let pipe = "set -o pipefail; \"$0\" completions bash | head -n 1";
    let output = home.run(home.program("bash").args(["-c", pipe, SQUAD]));
    let output = output.success();
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.transcript());
    assert_eq!(output.stderr, "");
}

#[test]
fn a_reader_that_goes_away_ends_what_waits_for_a_service_that_is_quiet() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    for arguments in [
        "logs payments --follow",
        "logs payments --follow --tail 1 -o json",
        "status payments --watch",
        "status payments --watch -o json",
    ] {
        let pipe = format!("\"$0\" {arguments} | head -n 1; exit ${{PIPESTATUS[0]}}");
        let mut command = home.program("bash");
        command.args(["-c", &pipe, SQUAD]);
        let output = home.run_within(&mut command, Duration::from_secs(20));
        let output = output.unwrap_or_else(|| panic!("it goes on: {arguments}"));
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (0, ""),
            "{arguments}"
        );
        assert_eq!(output.stdout.lines().count(), 1, "{}", output.transcript());
    }
    // Somebody who reads nothing yet has not gone away.
    let mut follow = home.command(["logs", "payments", "--follow"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut first = [0];
    let mut pipe = follow.stdout.take().expect("a pipe");
    pipe.read_exact(&mut first).expect("a byte");
    assert_eq!(follow.try_wait().expect("it is ours"), None);
    drop(pipe);
    let ended = wait_for("it ends", Duration::from_secs(20), || {
        follow.try_wait().expect("it is ours")
    });
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn an_answer_that_is_lost_is_an_error() {
    let home = Home::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else {
        return crate::support::skip(
            "stream::an_answer_that_is_lost_is_an_error",
            "there is no /dev/full",
        );
    };
    let mut child = home
        .command(["help", "exit-codes"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().expect("a pipe");
    pipe.read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: cannot write the answer to standard output: No space left"),
        "{stderr}"
    );
}

#[test]
fn a_usage_error_in_json_is_one_line() {
    let home = Home::new();
    for arguments in [
        &["deplo", "-o", "json"][..],
        &["deploy", "--no-such-flag", "--output=json"],
        &["-ojson", "completions"],
    ] {
        let output = home.squad(arguments).failure(2);
        assert_eq!(output.stdout, "");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.transcript());
        let error = output.error_json();
        assert_eq!(error["schema"], "squad.error/v1");
        assert_eq!(error["id"], "usage");
        assert_eq!(error["exit_code"], 2);
    }
}

#[test]
fn standard_error_can_be_closed() {
    let home = Home::new();
    let script = "\"$0\" help exit-codes 2>&-";
    let output = home.run(home.program("sh").args(["-c", script, SQUAD]));
    assert!(output.success().stdout.contains("130  interrupted"));
    let script = "\"$0\" help no-such-thing 2>&-";
    let output = home.run(home.program("sh").args(["-c", script, SQUAD]));
    assert_eq!(output.failure(2).stdout, "");
}

#[test]
fn a_mistyped_command_or_flag_is_a_usage_error_that_says_what_is_meant() {
    let home = Home::new();
    home.squad(["deplo"]).failure(2).assert(str![[r#"
› error: there is no command `squad deplo`; did you mean `deploy`?
› hint: `squad --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["--orgg", "x", "status"])
        .failure(2)
        .assert(str![[r#"
› error: `squad status` has no flag `--orgg`; did you mean `--org`?
› hint: `squad status --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["status", "--quite"])
        .failure(2)
        .assert(str![[r#"
› error: `squad status` has no flag `--quite`; did you mean `--quiet`?
› hint: `squad status --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    let error = home
        .squad(["status", "--quite", "-o", "json"])
        .failure(2)
        .error_json();
    assert_eq!(error["id"], "usage");
    assert_eq!(
        error["message"],
        "`squad status` has no flag `--quite`; did you mean `--quiet`?"
    );
    // Nothing was mistyped: the help is the answer.
    let help = home.squad(["org"]).failure(2);
    assert!(help.stderr.contains("Commands:"), "{}", help.transcript());
}

#[test]
fn an_error_has_a_line_a_hint_and_a_page() {
    let home = Home::new();
    home.squad(["help", "exit-code"])
        .failure(2)
        .assert(str![[r#"
› error: cannot show help about `exit-code`: there is no such command or topic
› hint: did you mean `squad help exit-codes`?
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-topic.md
[exit 2]

"#]]);
}

#[test]
fn an_error_in_json_is_one_line_on_standard_error() {
    let home = Home::new();
    let output = home.squad(["help", "exit-code", "-o", "json"]).failure(2);
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr.lines().count(), 1);
    let error = output.error_json();
    assert_eq!(error["schema"], "squad.error/v1");
    assert_eq!(error["id"], "no-such-topic");
    assert_eq!(error["exit_code"], 2);
    assert_eq!(error["retryable"], false);
}

#[test]
fn every_topic_has_a_text_and_json_names_its_schema() {
    let home = Home::new();
    let topics = home.squad(["help", "-o", "json"]).success().json();
    assert_eq!(topics["schema"], "squad.topics/v1");
    for topic in topics["topics"].as_array().expect("topics") {
        let name = topic["name"].as_str().expect("a name");
        let output = home.squad(["help", name]).success();
        assert!(output.stdout.lines().count() > 5, "{}", output.transcript());
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn nothing_is_read_from_standard_input() {
    let home = Home::new();
    let mut child = home
        .command(["help"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut text = String::new();
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut text)
        .expect("text");
    assert!(text.starts_with("Topics:"));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
