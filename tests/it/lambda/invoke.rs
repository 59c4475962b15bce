//! `squad invoke` on Lambda: the answer, the log tail, the function's own error, and events from everywhere.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use snapbox::str;

use super::Cloud;
use crate::support::Output;

const HANDLER: &str = r#"
import json
def handler(event, context):
    if event.get("do") == "fail":
        print("about to fail")
        print(json.dumps({"level": "ERROR", "message": "no such receipt", "stackTrace": ["  one", "  two"]}))
        raise ValueError("no such receipt")
    print("called")
    return {"event": event}
"#;

fn cloud() -> Cloud {
    let cloud = Cloud::new();
    cloud.aws.functions(json!({
        "name": "receipts", "versions": 2, "alias": "live", "source": HANDLER,
        "configuration": { "Runtime": "python3.13", "Handler": "handler.handler", "Timeout": 5 },
    }));
    cloud.aws.forget_calls();
    cloud
}

/// How often the function was really called.
fn invocations(cloud: &Cloud) -> usize {
    let names = cloud.calls();
    names.iter().filter(|name| *name == "lambda.Invoke").count()
}

/// `squad invoke receipts` with an event on standard input.
fn with_input(cloud: &Cloud, arguments: &[&str], input: &[u8]) -> Output {
    let arguments = [&["invoke", "receipts"], arguments].concat();
    let mut child = cloud
        .aws
        .squad(&cloud.home, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read to the end closes the pipe.
    drop(child.stdin.take().unwrap().write_all(input));
    Output::of(&child.wait_with_output().unwrap(), cloud.home.root())
}

#[test]
fn the_answer_is_printed_and_the_log_beside_it() {
    let cloud = cloud();
    cloud
        .squad(&["invoke", "receipts", "--payload", r#"{"id": 12}"#])
        .success()
        .assert(str![[r#"
›   called
› revision 2 answered in [DURATION], request [ID]
{"event": {"id": 12}}
[exit 0]

"#]]);
    assert_eq!(invocations(&cloud), 1);
    let file = cloud.home.write("event.json", r#"{"from": "file"}"#);
    let file = file.to_str().unwrap();
    for output in [
        cloud.squad(&["invoke", "receipts", "--payload-file", file]),
        with_input(&cloud, &["--payload", "-"], br#"{"from": "file"}"#),
        with_input(&cloud, &["--payload-file", "-"], br#"{"from": "file"}"#),
    ] {
        assert_eq!(
            output.success().stdout.trim(),
            r#"{"event": {"from": "file"}}"#
        );
    }
}

#[test]
fn a_function_that_fails_is_exit_code_1_with_its_error_and_its_log() {
    let cloud = cloud();
    cloud
        .squad(&["invoke", "receipts", "--payload", r#"{"do": "fail"}"#])
        .failure(1)
        .assert(str![[r#"
›   about to fail
›   ERROR no such receipt
›     one
›     two
› error: cannot invoke `receipts`: it failed with ValueError (revision 2)
›   no such receipt
...
› hint: read its log: `squad logs receipts --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    let fail = r#"{"do": "fail"}"#;
    let output = cloud
        .squad(&["invoke", "receipts", "--payload", fail])
        .failure(1);
    let told = output.stderr.matches("ValueError: no such receipt").count();
    let raised = output.stderr.matches("raise ValueError").count();
    assert_eq!((told, raised), (0, 1), "{}", output.transcript());
    let json = cloud
        .squad(&["invoke", "receipts", "--payload", fail, "-o", "json"])
        .failure(1);
    assert_eq!(json.error_json()["exit_code"], 1);
    let log = json.json()["log_tail"].to_string();
    assert!(log.contains("Traceback"), "a program gets all of it: {log}");
    assert_eq!(invocations(&cloud), 3, "one call each, and none again");
}

#[test]
fn what_lambda_would_refuse_is_refused_before_the_call() {
    let cloud = cloud();
    let large = format!("\"{}\"", "x".repeat(6 * 1024 * 1024));
    let file = cloud.home.write("large.json", &large);
    let file = file.to_str().unwrap();
    cloud
        .squad(&["invoke", "receipts", "--payload-file", file])
        .failure(2)
        .assert(str![[r#"
› error: cannot invoke `receipts`: the payload has [HASH] bytes, and Lambda takes at most [HASH]
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/payload-too-large.md
[exit 2]

"#]]);
    with_input(&cloud, &["--payload", "-"], large.as_bytes()).failure(2);
    cloud
        .squad(&["invoke", "receipts", "--payload", "hello"])
        .failure(2)
        .assert(str![[r#"
› error: cannot invoke `receipts`: the payload is not JSON: expected value at line 1 column 1
› hint: a text needs double quotes of its own: `--payload '"text"'`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/payload-not-json.md
[exit 2]

"#]]);
    with_input(&cloud, &["--payload", "-"], b"\xff\xfe")
        .failure(2)
        .assert(str![[r#"
› error: cannot read the payload from standard input: stream did not contain valid UTF-8
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/payload-not-json.md
[exit 2]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--payload-file", "no-such-file"])
        .failure(2)
        .assert(str![[r#"
› error: cannot read the payload: cannot read `no-such-file`: no such file or directory
› hint: `--payload-file -` reads it from standard input
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/payload-unreadable.md
[exit 2]

"#]]);
    cloud.squad(&["invoke", "nope"]).failure(5).assert(str![[r#"
› error: cannot find the service `nope`: it was never deployed to acme/cloud, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    cloud
        .squad(&["invoke", "receipts", "--revision", "9"])
        .failure(2)
        .assert(str![[r#"
› error: cannot invoke `receipts`: there is no revision 9
›   there are: 1, 2
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-revision.md
[exit 2]

"#]]);
    assert_eq!(invocations(&cloud), 0);
}

#[test]
fn calls_that_lambda_does_not_take_are_not_made_again() {
    let cloud = cloud();
    cloud.aws.rule(json!({
        "service": "lambda", "operation": "Invoke", "times": 0, "do": "answer",
        "answer": {"status": 429, "code": "TooManyRequestsException", "message": "Rate Exceeded."},
    }));
    cloud.squad(&["invoke", "receipts"]).failure(6).assert(str![[r#"
› error: cannot invoke `receipts`: cannot call the function `receipts`: AWS takes no more calls at this moment
›   caused by: Rate Exceeded (TooManyRequestsException, request [ID])
› hint: others use up the account's quota; run the same command again in a minute
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-throttled.md
[exit 6]

"#]]);
    assert_eq!(invocations(&cloud), 1);
}

/// Which limit it was decides what to do: nobody's quota is used up where a function is switched off.
#[test]
fn each_limit_that_stops_a_call_has_words_of_its_own() {
    let cloud = cloud();
    super::callers::by_others(
        &cloud,
        "PUT",
        "/2017-10-31/functions/receipts/concurrency",
        &json!({ "ReservedConcurrentExecutions": 0 }),
    );
    cloud
        .squad(&["invoke", "receipts"])
        .failure(6)
        .assert(str![[r#"
› error: cannot invoke `receipts`: cannot call the function `receipts`: the function's reserved concurrency is 0 or all in use
›   caused by: Rate Exceeded (TooManyRequestsException, request [ID])
› hint: how much it is: `aws lambda get-function-concurrency --function-name receipts`; at 0 it is switched off, and `aws lambda delete-function-concurrency --function-name receipts` lets it run again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-throttled.md
[exit 6]

"#]]);
}
