//! `squad invoke`, on functions with a runtime of their own: a `bootstrap` in Python that needs no package.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use snapbox::str;

use crate::support::journey::{begin, end, signal};
use crate::support::{Home, TestService, get, request, wait_for};

/// A runtime for `provided.al2023`: what a `bootstrap` has to do, in 30 lines.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, json, os, time

connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def send(method, path, body=None):
    connection.request(method, "/2018-06-01/runtime/" + path, body)
    answer = connection.getresponse()
    return answer.headers, json.loads(answer.read())


BROKEN = False
if BROKEN:
    report = {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module `nowhere`"}
    send("POST", "init/error", json.dumps(report))
    raise SystemExit(1)

while True:
    headers, event = send("GET", "invocation/next")
    invocation = "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
    print("got an event", flush=True)
    do = event.get("do") if isinstance(event, dict) else None
    if do == "sleep":
        time.sleep(60)
    while do == "wait" and not os.path.exists(event["until"]):
        time.sleep(0.05)
    if do == "exit":
        os._exit(3)
    if do == "fail":
        report = {"errorType": "ValueError", "errorMessage": "no such receipt", "stackTrace": ["  app.py line 3"]}
        send("POST", invocation + "/error", json.dumps(report))
        continue
    send("POST", invocation + "/response", json.dumps({"version": "one", "event": event}))
"#;

/// A function `receipts`, committed, in `~/w/receipts`.
fn function(home: &Home) -> PathBuf {
    let directory = home.work().join("receipts");
    home.write(
        directory.join("squad.toml"),
        r#"schema = 1
[service]
name = "receipts"
kind = "function"
[function]
runtime = "provided.al2023"
handler = "app.handler"
role = "arn:aws:iam::123456789012:role/receipts"
timeout = "1s"
[[route]]
name = "get-receipt"
method = "GET"
path = "/receipts/{id}"
"#,
    );
    bootstrap(home, BOOTSTRAP);
    home.commit_all(&directory, "a function");
    directory
}

fn bootstrap(home: &Home, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = home.write(home.work().join("receipts/bootstrap"), text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

fn deploy(home: &Home, directory: &PathBuf) {
    home.squad_in(directory, ["deploy", "--yes"]).success();
}

#[test]
fn a_function_is_called_in_all_its_moods() {
    let home = Home::new();
    let directory = function(&home);
    deploy(&home, &directory);
    let invoke = |payload: &str| home.squad_in(&directory, ["invoke", "--payload", payload]);

    // To a program, standard output is what the function returned, byte for byte.
    let answer = invoke(r#"{"b":1,"a":2.50}"#).success();
    assert_eq!(
        answer.stdout,
        "{\"version\": \"one\", \"event\": {\"b\": 1, \"a\": 2.5}}\n"
    );
    let mut lines = answer.stderr.lines();
    assert_eq!(lines.next(), Some("  got an event"));
    assert!(
        lines
            .next()
            .expect("a line")
            .starts_with("revision 1 answered in ")
    );
    assert_eq!(lines.next(), None);

    let failed = invoke(r#"{"do":"fail"}"#).failure(1);
    assert_eq!(failed.stdout, "");
    failed.assert(str![[r#"
›   got an event
› error: cannot invoke `receipts`: it failed with ValueError (revision 1)
›   no such receipt
›     app.py line 3
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);

    for (payload, wanted) in [
        (
            r#"{"do":"sleep"}"#,
            "Error: Task timed out after 1.00 seconds",
        ),
        (
            r#"{"do":"exit"}"#,
            "Error: Runtime exited with error: exit status 3",
        ),
    ] {
        let failed = home
            .squad_in(&directory, ["invoke", "-o", "json", "--payload", payload])
            .failure(1);
        let document = failed.json();
        assert_eq!(document["schema"], "squad.invoke/v1");
        assert_eq!(document["error"], "Unhandled");
        let message = document["payload"]["errorMessage"]
            .as_str()
            .expect("a text");
        assert!(message.ends_with(wanted), "{message}");
        let error = failed.error_json();
        assert_eq!(
            (&error["id"], &error["exit_code"]),
            (&json!("function-error"), &json!(1))
        );
        // The process is started again: the next call works, and from standard input too.
        let mut command = home.command(["invoke", "--payload-file", "-", "-q"]);
        command
            .current_dir(&directory)
            .stdin(std::process::Stdio::from(
                std::fs::File::open(home.write(home.work().join("event.json"), "[1]"))
                    .expect("a file"),
            ));
        let answer = home.run(&mut command).success();
        assert_eq!(answer.stdout, "{\"version\": \"one\", \"event\": [1]}\n");
        assert_eq!(answer.stderr, "");
    }
}

#[test]
fn what_cannot_be_called_says_what_to_do_instead() {
    let home = Home::new();
    let directory = function(&home);
    home.squad_in(&directory, ["invoke"]).assert(str![[r#"
› error: cannot invoke `receipts`: it is not deployed here
› hint: deploy it with `squad deploy receipts`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/nothing-live.md
[exit 7]

"#]]);
    deploy(&home, &directory);
    home.squad_in(&directory, ["invoke", "--payload", "hello"])
        .assert(str![[r#"
› error: cannot invoke `receipts`: the payload is not JSON: expected value at line 1 column 1
› hint: a text needs double quotes of its own: `--payload '"text"'`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/payload-not-json.md
[exit 2]

"#]]);
    home.squad_in(&directory, ["invoke", "--revision", "9"])
        .assert(str![[r#"
› error: cannot invoke `receipts`: there is no revision 9
›   there are: 1
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-revision.md
[exit 2]

"#]]);
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy", "--yes"])
        .success();
    let refused = home.squad_in(&service.directory, ["invoke"]).failure(2);
    let mut lines = refused.stderr.lines();
    assert_eq!(
        lines.next(),
        Some("error: cannot invoke `payments`: it is an HTTP service")
    );
    let hint = lines.next().expect("a hint");
    assert!(
        hint.starts_with("hint: send it a request: `curl http://127.0.0.1:"),
        "{hint}"
    );
}

#[test]
fn a_function_answers_http_and_a_broken_one_never_gets_traffic() {
    let home = Home::new();
    let directory = function(&home);
    deploy(&home, &directory);
    let status = home
        .squad_in(&directory, ["status", "-o", "json"])
        .success()
        .json();
    let address = status["services"][0]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    let port: u16 = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");

    let answer = get(port, "/receipts/a%2Fb?x=1");
    assert_eq!(answer.status, 200);
    let event: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let event = &event["event"];
    assert_eq!(event["routeKey"], "GET /receipts/{id}");
    assert_eq!(event["rawPath"], "/receipts/a%2Fb");
    assert_eq!(event["pathParameters"], json!({"id": "a/b"}));
    assert_eq!(event["queryStringParameters"], json!({"x": "1"}));
    let answer = request(
        port,
        "PUT",
        "/else",
        &[("content-type", "text/plain")],
        b"hi",
    )
    .expect("an answer");
    let event: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        (&event["event"]["routeKey"], &event["event"]["body"]),
        (&json!("$default"), &json!("hi"))
    );

    bootstrap(&home, &BOOTSTRAP.replace("BROKEN = False", "BROKEN = True"));
    home.commit_all(&directory, "break it");
    let failed = home.squad_in(&directory, ["deploy", "--yes"]).failure(1);
    assert!(
        failed
            .stderr
            .contains("Runtime.ImportModuleError: no module `nowhere`"),
        "{}",
        failed.stderr
    );
    assert_eq!(get(port, "/receipts/1").status, 200);
    // Nor can it be called by its number.
    let failed = home
        .squad_in(&directory, ["invoke", "--revision", "2"])
        .failure(1);
    let first = failed.stderr.lines().next();
    assert_eq!(
        first,
        Some("error: cannot invoke `receipts`: revision 2 does not start")
    );
}

#[test]
fn what_a_runtime_client_joins_with_carriage_returns_is_read_as_lines() {
    let home = Home::new();
    let directory = function(&home);
    let joined = r#"print("[ERROR] KeyError: 'X'\rTraceback (most recent call last):\r  File \"app.py\", line 3\r", flush=True)"#;
    // A function that ran, and whose answer cannot be written.
    let marshal = format!(
        "{joined}\n        report = {{\"errorType\": \"Runtime.MarshalError\", \"errorMessage\": \"Unable to marshal response\"}}"
    );
    let fails = r#"report = {"errorType": "ValueError", "errorMessage": "no such receipt", "stackTrace": ["  app.py line 3"]}"#;
    let text = BOOTSTRAP.replace(fails, &marshal);
    bootstrap(&home, &text);
    home.commit_all(&directory, "join lines");
    deploy(&home, &directory);
    home.squad_in(&directory, ["invoke", "--payload", r#"{"do":"fail"}"#])
        .failure(1)
        .assert(str![[r#"
›   got an event
›   [ERROR] KeyError: 'X'
›   Traceback (most recent call last):
›     File "app.py", line 3
› error: cannot invoke `receipts`: what it returned cannot be written as JSON (Runtime.MarshalError) (revision 1)
›   Unable to marshal response
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    let logs = home
        .squad_in(&directory, ["logs", "-o", "json"])
        .success()
        .stdout;
    assert!(
        !logs.contains("\\r") && logs.contains("\"text\":\"Traceback (most recent call last):\""),
        "{logs}"
    );
    // One that cannot be loaded: the evidence is its traceback, once.
    let broken = text.replace("BROKEN = False", "BROKEN = True");
    let broken = broken.replace(
        "    send(\"POST\", \"init/error\"",
        &format!("    {joined}\n    send(\"POST\", \"init/error\""),
    );
    bootstrap(&home, &broken);
    home.commit_all(&directory, "break it");
    home.squad_in(&directory, ["deploy", "--yes"])
        .failure(1)
        .assert(str![[r#"
› receipts → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     break it  Ana Example
›   undo at any time: `squad rollback receipts`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 2 processes ready
› ◌ revision         exit code 1; try 2
› ◌ revision         exit code 1; try 3
› ✖ revision         2: function cannot be loaded: Runtime.ImportModuleError: no module `nowhere`
› error: cannot deploy `receipts`: revision 2 does not start
›   [ERROR] KeyError: 'X'
›   Traceback (most recent call last):
›     File "app.py", line 3
›   caused by: function cannot be loaded: Runtime.ImportModuleError: no module `nowhere`
› live: revision 1 serves all traffic
› hint: look at the log with `squad logs receipts --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/init-error.md
[exit 1]

"#]]);
}

#[test]
fn whoever_waits_for_a_function_can_be_asked_to_end() {
    let home = Home::new();
    let directory = function(&home);
    let path = directory.join("squad.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(&path, &text.replace("timeout = \"1s\"", "timeout = \"2m\""));
    home.commit_all(&directory, "more time");
    deploy(&home, &directory);
    for (calls, asked) in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .enumerate()
    {
        let until = home.root().join(format!("go-on-{calls}"));
        let payload = json!({ "do": "wait", "until": until }).to_string();
        let arguments = ["invoke", "receipts", "--payload", payload.as_str()];
        let child = begin(&home, &directory, arguments);
        wait_for("the call", Duration::from_secs(20), || {
            let log = home.squad(["logs", "receipts"]).stdout;
            (log.matches("got an event").count() > calls).then_some(())
        });
        signal(child.id(), asked);
        end(&home, child).failure(130).assert(str![[r#"
› error: stopped waiting for `receipts`; what it does goes on
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md
[exit 130]

"#]]);
        home.write(&until, "");
    }
}

#[test]
fn a_call_of_a_revision_without_traffic_keeps_it_for_as_long_as_it_takes() {
    let home = Home::new();
    let directory = function(&home);
    let path = directory.join("squad.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(&path, &text.replace("timeout = \"1s\"", "timeout = \"2m\""));
    deploy(&home, &directory);
    bootstrap(&home, &BOOTSTRAP.replace("\"one\"", "\"two\""));
    deploy(&home, &directory);
    let go = home.root().join("go");
    let event = json!({"do": "wait", "until": go}).to_string();
    let call = begin(
        &home,
        &directory,
        ["invoke", "receipts", "--revision", "1", "--payload", &event],
    );
    wait_for("it is under way", Duration::from_secs(30), || {
        let log = home.squad(["logs", "receipts", "--revision", "1"]).stdout;
        log.contains("got an event").then_some(())
    });
    // Longer than a revision that nobody uses is kept.
    std::thread::sleep(Duration::from_secs(17));
    home.write(&go, "");
    let output = end(&home, call).success();
    assert_eq!(output.json()["version"], "one");
}
