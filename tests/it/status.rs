//! `squad status`, `squad history` and `squad logs`: what is live, what changed, what was written.

use std::io::BufRead;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{
    appears, begin, end, live, port, protected_org, results, row, signal,
};
use crate::support::{Home, SQUAD, Terminal, TestService, request, wait_for};

#[test]
fn where_nothing_was_deployed_it_says_so() {
    let home = Home::new();
    home.squad(["status"]).success().assert(str![[r#"
› nothing was deployed to local yet
[exit 0]

"#]]);
    home.squad(["status", "--all", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.status/v1","services":[]}
[exit 0]

"#]]);
    home.squad(["status", "payments"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `payments`: it was never deployed to local, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad(["history"]).success().assert(str![[r#"
› nothing was recorded in local
[exit 0]

"#]]);
    home.squad(["history", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.history/v1","operations":[]}
[exit 0]

"#]]);
    home.squad(["logs", "payments"]).failure(5).assert(str![[r#"
› error: cannot find the service `payments`: it was never deployed to local, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
}

#[test]
fn what_is_live_in_a_table_and_in_json() {
    let home = Home::new();
    let mut payments = TestService::new(&home, "payments");
    let receipts = TestService::new(&home, "receipts");
    home.squad_in(&payments.directory, ["deploy"]).success();
    payments.version(&home, "2");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad_in(&receipts.directory, ["deploy"]).success();
    home.squad(["status"]).success().assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH  ADDRESS
payments  local  2     [AGO]  ok      http://127.0.0.1:[PORT]
receipts  local  1     [AGO]  ok      http://127.0.0.1:[PORT]
[exit 0]

"#]]);
    home.squad_in(&receipts.directory, ["status"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH  ADDRESS
receipts  local  1     [AGO]  ok      http://127.0.0.1:[PORT]
[exit 0]

"#]]);
    let all = home.squad_in(&receipts.directory, ["status", "--all"]);
    assert_eq!(all.success().stdout.lines().count(), 3);
    let output = home
        .squad(["status", "payments", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.status/v1","services":[{"service":"payments","env":"local","kind":"http","traffic":{"2":100},"since":"[TIME]","by":"ana@example.com on vm","health":"ok","address":"http://127.0.0.1:[PORT]","commit":"[HASH]","revisions":[{"revision":"1","digest":"[HASH]","published_at":"[TIME]","health":"stopped","left":false},{"revision":"2","digest":"[HASH]","published_at":"[TIME]","health":"ok","left":false}]}]}
[exit 0]

"#]]);
    let row = &output.json()["services"][0];
    assert_eq!(row["revisions"].as_array().map(Vec::len), Some(2));
    home.squad(["status", "payments", "--all"])
        .failure(2)
        .assert(str![[r#"
› error: `[service]` cannot be used with `--all`
› hint: `squad status --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}

#[test]
fn a_service_that_fails_is_degraded_and_the_exit_code_says_so() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "crash-after:3");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    wait_for(
        "it crashes again and again",
        Duration::from_secs(30),
        || {
            let _answer = request(port, "GET", "/", &[], b"");
            let row = home.squad(["status", "payments", "-o", "json"]);
            (row.json()["services"][0]["health"] == "failed").then_some(())
        },
    );
    // Ready again for a moment, it is still in its crash loop.
    wait_for("it answers", Duration::from_secs(30), || {
        let reply = request(port, "GET", "/", &[], b"");
        reply.is_ok_and(|reply| reply.status == 200).then_some(())
    });
    let output = home.squad(["status", "payments"]);
    assert_eq!(output.code, 3, "{}", output.transcript());
    assert!(
        output.stderr.contains("`squad logs payments`"),
        "{}",
        output.transcript()
    );
    // The same again is nothing to do, and not well.
    let again = home.squad_in(&service.directory, ["deploy"]).failure(3);
    assert!(
        again.stderr.contains("Nothing to do.\n")
            && again
                .stderr
                .contains("warning: revision 1 is live and failed: process ended with exit code 9")
            && again.stderr.contains("`squad deploy payments --rebuild`\n"),
        "{}",
        again.transcript()
    );
    let row = home.squad(["status", "payments", "-o", "json"]);
    let row = &row.json()["services"][0];
    assert_eq!(row["health"], "failed", "{row}");
    assert_eq!(row["next"], "squad logs payments", "{row}");
    assert!(
        row["problem"]
            .as_str()
            .is_some_and(|text| text.contains("exit code 9")),
        "{row}"
    );
}

#[test]
fn a_live_revision_whose_artifact_is_gone_says_which_and_what_to_do() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let revision = home
        .state()
        .join("local/local/local/services/payments/revisions/1");
    std::fs::remove_dir_all(&revision).expect("the artifact");
    // It is tried again and again, and failed from the first time on.
    let status = wait_for("it has failed", Duration::from_secs(20), || {
        let status = home.squad(["status"]);
        (status.code == 3).then_some(status)
    });
    status.assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH                                                                                                                                                                                    ADDRESS
payments  local  1     [AGO]  failed  its artifact `[HOME]/.local/state/squad/local/local/local/services/payments/revisions/1` is gone; deploy the sources as they are now: `squad deploy payments --rebuild`  http://127.0.0.1:[PORT]
[exit 3]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--rebuild"])
        .success();
    home.squad(["status"]).success();
}

#[test]
fn the_table_fits_the_terminal() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    for columns in [40, 200] {
        for arguments in [["status", "--all"], ["history", "--all"]] {
            let (code, text) = Terminal::start(&home, columns, arguments).finish();
            assert_eq!(code, 0, "{text}");
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(columns)), "{columns}:\n{text}");
            assert!(text.contains("payments"), "{columns}:\n{text}");
        }
    }
}

#[test]
fn a_wrong_environment_is_named_with_what_there_is() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["status", "--env", "prod"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the environment `prod`
›   caused by: no org is in use, so there is only `local`
› hint: add your org with `squad org add DIRECTORY_OR_URL`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-unknown.md
[exit 5]

"#]]);
    protected_org(&mut home);
    home.squad_in(&service.directory, ["status", "--env", "prd"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the environment `prd`; did you mean `prod`?
›   caused by: the org `acme` has `prod`, `local`
› hint: list them with `squad env list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-unknown.md
[exit 5]

"#]]);
    home.squad_in(&service.directory, ["status"])
        .success()
        .assert(str![[r#"
› `payments` was not deployed to local, prod yet
[exit 0]

"#]]);
}

#[test]
fn what_is_going_on_is_shown_and_is_not_finished() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    // A build: neither the platform nor the audit log knows of it.
    home.write(service.directory.join(".gitignore"), "building\ngo\n");
    home.write(
        service.directory.join("build.sh"),
        "touch building\nuntil [ -e go ]; do sleep 0.05; done\n",
    );
    service.toml(&home, "\n[build]\ncommand = [\"sh\", \"build.sh\"]\n");
    let output = home
        .squad_in(&service.directory, ["deploy", "--no-wait", "-o", "json"])
        .success();
    assert_eq!(output.json()["outcome"], "going-on");
    assert_eq!(output.stderr, "");
    home.squad(["status", "payments"])
        .failure(8)
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE     HEALTH  ADDRESS                 GOING ON
payments  local  1     [AGO]  ok      http://127.0.0.1:[PORT]  deploy, began [AGO]
[exit 8]

"#]]);
    let row = row(&home, "payments");
    assert_eq!(row["going_on"]["kind"], "deploy");
    assert_eq!(row["traffic"]["1"], 100);
    appears(&service.directory.join("building"));
    // A first deploy has a row as well.
    let receipts = TestService::new(&home, "receipts");
    home.write(
        receipts.directory.join("squad.toml"),
        &format!(
            "{}\n[build]\ncommand = [\"sh\", \"build.sh\"]\n",
            std::fs::read_to_string(receipts.directory.join("squad.toml")).expect("it is there"),
        ),
    );
    home.write(
        receipts.directory.join("build.sh"),
        "touch ../building2\nuntil [ -e ../payments/go ]; do sleep 0.05; done\n",
    );
    home.squad_in(&receipts.directory, ["deploy", "--no-wait"])
        .success();
    home.squad_in(&receipts.directory, ["status"])
        .failure(8)
        .assert(str![[r#"
SERVICE   ENV    LIVE  SINCE  HEALTH  GOING ON
receipts  local  -     -      -       deploy, began [AGO]
[exit 8]

"#]]);
    home.write(service.directory.join("go"), "");
    wait_for("both are live", Duration::from_secs(30), || {
        let status = home.squad(["status", "--all"]);
        (status.code == 0).then_some(())
    });
    assert_eq!(live(&home, "payments").as_deref(), Some("2"));
    assert_eq!(live(&home, "receipts").as_deref(), Some("1"));
}

#[test]
fn history_tells_what_goes_on_from_what_died() {
    let mut home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "slow-start:3");
    let deploy = begin(&home, &service.directory, ["deploy"]);
    wait_for("the intent is recorded", Duration::from_secs(10), || {
        (results(&home).len() == 2).then_some(())
    });
    home.squad(["history", "payments"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                                     RESULT
[AGO]  ana@example.com  deploy payments in local (Serve version 1 slow-start:3)  going on
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)           done
[exit 0]

"#]]);
    assert_eq!(results(&home), ["going-on", "succeeded"]);
    signal(deploy.id(), Signal::SIGKILL);
    assert_eq!(end(&home, deploy).code, 137);
    home.squad(["history", "payments"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                                     RESULT
[AGO]  ana@example.com  deploy payments in local (Serve version 1 slow-start:3)  its process ended; `squad status` closes it
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)           done
[exit 0]

"#]]);
    assert_eq!(results(&home), ["unfinished", "succeeded"]);
    let open = home.squad(["audit", "verify"]).success();
    assert!(
        open.stderr.ends_with("hint: what was begun on this machine is closed, with what live state shows of it, by `squad status --all`\n"),
        "{}",
        open.transcript()
    );
    // The next command closes it with what it finds, also one that only looks.
    let status = home.squad(["status", "payments"]);
    assert!(
        status.stderr.contains("warning: 1 earlier operation had no outcome: recorded as unknown, with what is live now; live state does not show that it was applied\n"),
        "{}",
        status.transcript()
    );
    assert_eq!(results(&home), ["unknown", "succeeded"]);
    home.squad(["audit", "verify"]).success();
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(results(&home), ["succeeded", "unknown", "succeeded"]);
    home.allow_leftovers();
}

#[test]
fn quiet_and_json_leave_standard_error_alone() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    for (version, flags) in [("1", ["-q", "--yes"]), ("2", ["-o", "json"])] {
        service.version(&home, version);
        let deploy = ["deploy"].into_iter().chain(flags);
        let output = home.squad_in(&service.directory, deploy).success();
        assert_eq!(output.stderr, "", "{}", output.transcript());
        assert_eq!(output.stdout.lines().count(), 1);
        for command in ["status", "history", "logs", "rollback"] {
            let arguments = [command, "payments"].into_iter().chain(flags);
            let output = home.squad(arguments);
            if output.code == 0 {
                assert_eq!(output.stderr, "", "{}", output.transcript());
                assert_ne!(output.stdout, "");
            } else {
                assert!(command == "rollback" && version == "1");
            }
        }
    }
}

#[test]
fn what_changed_over_all_services() {
    let home = Home::new();
    let mut payments = TestService::new(&home, "payments");
    let receipts = TestService::new(&home, "receipts");
    let run = |directory: &std::path::Path, number: &str, arguments: &[&str]| {
        home.run(
            home.command(arguments)
                .current_dir(directory)
                .env("GITHUB_REPOSITORY", "acme/payments")
                .env("GITHUB_RUN_ID", "991")
                .env("GITHUB_REF", format!("refs/pull/{number}/merge")),
        )
    };
    run(&payments.directory, "12", &["deploy"]).success();
    home.squad_in(&receipts.directory, ["deploy"]).success();
    payments.behave(&home, "exit:1");
    run(&payments.directory, "13", &["deploy"]).failure(1);
    payments.behave(&home, "").version(&home, "2");
    home.squad_in(
        &payments.directory,
        ["deploy", "--reason", "the fix of INC-311"],
    )
    .success();
    home.squad(["rollback", "payments", "--reason", "refunds fail"])
        .success();
    home.squad(["history", "--all", "--since", "1h"])
        .success()
        .assert(str![[r#"
WHEN      WHO                     WHAT                                                                  RESULT
[AGO]  ana@example.com         rollback payments 3 → 1 in local (#12 Serve version 1): refunds fail  done
[AGO]  ana@example.com         deploy payments 1 → 3 in local (Serve version 2): the fix of INC-311  done
[AGO]  github-actions run 991  deploy payments 1 → 2 in local (#13 Serve version 1 exit:1)           failed (process-exited), 1 serves
[AGO]  ana@example.com         deploy receipts → 1 in local (Serve version 1)                        done
[AGO]  github-actions run 991  deploy payments → 1 in local (#12 Serve version 1)                    done
[exit 0]

"#]]);
    home.squad_in(&receipts.directory, ["history"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                            RESULT
[AGO]  ana@example.com  deploy receipts → 1 in local (Serve version 1)  done
[exit 0]

"#]]);
    let output = home.squad(["history", "payments", "-o", "json"]).success();
    let operations = output.json()["operations"].clone();
    let operations = operations.as_array().expect("operations");
    assert_eq!(operations.len(), 4, "{}", output.transcript());
    assert_eq!(operations[0]["reason"], "refunds fail");
    assert_eq!(operations[1]["reason"], "the fix of INC-311");
    assert_eq!(operations[2]["pull_request"], "13");
    assert_eq!(operations[3]["pull_request"], "12");
    let limited = home.squad(["history", "--all", "--limit", "1"]);
    assert_eq!(limited.success().stdout.lines().count(), 2);
    let none = home.squad(["history", "no-such-service"]);
    none.failure(5).assert(str![[r#"
› error: cannot find the service `no-such-service`: it was never deployed to local, and there is no squad.toml here or above
› hint: what was recorded of all services: `squad history --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    let near = home.squad(["history", "paymants"]);
    near.failure(5).assert(str![[r#"
› error: cannot find the service `paymants`: it was never deployed to local, and there is no squad.toml here or above; did you mean `payments`?
› hint: what was recorded of all services: `squad history --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
}

#[test]
fn what_a_service_wrote() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    let of = |revision: &str| {
        home.squad(["logs", "payments", "--revision", revision])
            .success()
    };
    wait_for("revision 1 has stopped", Duration::from_secs(15), || {
        of("1").stdout.contains("stopped").then_some(())
    });
    of("1").assert(str![[r#"
[TIME]   1 started as process [PID] on port [PORT]
[TIME]   1 version 1 starts, well
[TIME]   1 ready after [DURATION]
[TIME]   1 stopping
[TIME]   1 stopped
[exit 0]

"#]]);
    of("2").assert(str![[r#"
[TIME]   2 started as process [PID] on port [PORT]
[TIME]   2 version 2 starts, well
[TIME]   2 ready after [DURATION]
[exit 0]

"#]]);
    let last = home.squad(["logs", "payments", "--tail", "1"]).success();
    assert_eq!(last.stdout.lines().count(), 1);
    let json = home
        .squad([
            "logs",
            "payments",
            "--revision",
            "2",
            "--tail",
            "1",
            "-o",
            "json",
        ])
        .success()
        .json();
    assert_eq!(json["schema"], "squad.log/v1");
    assert_eq!(json["revision"], "2");
    home.squad(["logs", "payments", "--revision", "9"])
        .failure(2)
        .assert(str![[r#"
› error: cannot read the log of `payments`: there is no revision 9
›   caused by: kept are 1, 2
› hint: of all that are kept: `squad logs payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-revision.md
[exit 2]

"#]]);
    let pipe = "set -o pipefail; \"$0\" logs payments --tail 0 | head -n 1";
    let output = home.run(home.program("bash").args(["-c", pipe, SQUAD]));
    assert_eq!(output.success().stdout.lines().count(), 1);
}

#[test]
fn a_log_is_followed_until_ctrl_c() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let mut follow = home
        .command(["logs", "payments", "--follow", "--tail", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let reader = std::io::BufReader::new(follow.stdout.take().expect("a pipe"));
    let mut lines = reader.lines().map(|line| line.expect("a line"));
    lines.next().expect("the newest line");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert!(lines.any(|line| line.contains("version 2 starts")));
    signal(follow.id(), Signal::SIGINT);
    assert_eq!(follow.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_log_line_cannot_move_the_cursor() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let path = service.directory.join("serve.py");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(
        &path,
        &text.replace(
            "behave, _, value",
            "print('evil \\x1b[2J\\u202eline', flush=True)\nbehave, _, value",
        ),
    );
    home.squad_in(&service.directory, ["deploy"]).success();
    let output = home.squad(["logs", "payments"]).success();
    assert!(output.stdout.contains("evil"), "{}", output.transcript());
    assert!(
        !output.stdout.contains(['\u{1b}', '\u{202e}']),
        "{:?}",
        output.stdout
    );
}

#[test]
fn what_is_live_is_shown_and_stopped_also_with_a_broken_file() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.write(service.directory.join("squad.toml"), "[broken\n");
    let run = |words: &[&str]| home.squad_in(&service.directory, words);
    for verb in ["status", "history", "logs", "rollback"] {
        run(&[verb, "payments"]).success();
        let error = run(&[verb]).failure(5);
        let hint = format!(
            "hint: no file of a service is needed when it is named: `squad {verb} SERVICE`"
        );
        assert!(error.stderr.contains(&hint), "{}", error.transcript());
    }
    for noun_verb in ["status", "wait", "drive", "lint", "list", "pause"] {
        let error = run(&["rollout", noun_verb]).failure(5);
        let hint = format!("when it is named: `squad rollout {noun_verb} SERVICE`");
        assert!(error.stderr.contains(&hint), "{}", error.transcript());
    }
    let error = run(&["rollout", "report"]).failure(5);
    let hint = "when it is named: `squad rollout report --service SERVICE`";
    assert!(error.stderr.contains(hint), "{}", error.transcript());
    run(&["status", "--all"]).success();
    run(&["history", "--all"]).success();
    let row = row(&home, "payments");
    assert_eq!(row["traffic"], serde_json::json!({"1": 100}));
}
