//! `squad rollback`: the brake, and where it goes.

use std::io::{BufRead, Read};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{
    begin, end, live, port, protected_org, results, revisions, row, signal,
};
use crate::support::{Home, Load, TestService, get, request, wait_for};

/// A service with so many revisions, each deployed from a commit of its own.
fn deployed(home: &Home, count: u32) -> TestService {
    let mut service = TestService::new(home, "payments");
    for version in 1..=count {
        if version > 1 {
            service.version(home, &version.to_string());
        }
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    service
}

#[test]
fn a_second_rollback_goes_further_back_and_no_request_is_lost() {
    let home = Home::new();
    let service = deployed(&home, 3);
    let load = Load::start(port(&home, "payments"), "/", 4, Duration::from_millis(2));
    load.wait_for_revision("3");
    home.squad_in(&service.directory, ["rollback", "--reason", "refunds fail"])
        .success()
        .assert(str![[r#"
› payments → local: revision 3 → 2 (ana@example.com, [AGO], Serve version 2)
› ◌ revision         2: 0 of 1 processes ready
› ✔ live             all traffic on revision 2
›   done in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    load.wait_for_revision("2");
    // From anywhere on this machine, by its name.
    home.squad(["rollback", "payments"])
        .success()
        .assert(str![[r#"
› payments → local: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
› ◌ revision         1: 0 of 1 processes ready
› ✔ live             all traffic on revision 1
›   done in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    load.wait_for_revision("1");
    load.stop_without_failures();
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: no other revision served healthily without being left
›   3  Serve version 3, left by a rollback
›   2  Serve version 2, left by a rollback
› live: revision 1 serves all traffic
› hint: choose one: `squad rollback payments --to 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    home.squad(["history", "payments"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                                              RESULT
[AGO]  ana@example.com  rollback payments 2 → 1 in local (Serve version 1)                done
[AGO]  ana@example.com  rollback payments 3 → 2 in local (Serve version 2): refunds fail  done
[AGO]  ana@example.com  deploy payments 2 → 3 in local (Serve version 3)                  done
[AGO]  ana@example.com  deploy payments 1 → 2 in local (Serve version 2)                  done
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)                    done
[exit 0]

"#]]);
    home.squad(["audit", "verify"]).success();
    // A left one can be named.
    home.squad(["rollback", "payments", "--to", "3"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 → 3 (ana@example.com, [AGO], Serve version 3)
› ◌ revision         3: 0 of 1 processes ready
› ✔ live             all traffic on revision 3
›   done in [DURATION]
› on this machine only
3
[exit 0]

"#]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 3\n");
}

#[test]
fn a_release_that_was_left_is_known_when_its_revision_is_gone() {
    let home = Home::new();
    let mut service = deployed(&home, 2);
    home.squad(["rollback", "payments"]).success();
    for version in ["3", "4", "5", "6", "7", "8", "9"] {
        service.version(&home, version);
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    home.squad(["local", "prune"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `payments`: a rollback or an abort left this very release (revision 2)
› live: revision 9 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy payments --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    home.squad_in(
        &service.directory,
        ["deploy", "--again", "--reason", "the cause was elsewhere"],
    )
    .success();
    assert_eq!(get(port(&home, "payments"), "/").body, "version 2\n");
    // It serves: it is not left any more.
    service.version(&home, "10");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "prune"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
}

#[test]
fn a_mistake_in_the_persons_own_file_stops_no_brake() {
    let home = Home::new();
    deployed(&home, 2);
    let file = home.write(home.path().join(".config/squad/config.toml"), "colr = 1\n");
    let output = home.squad(["rollback", "payments"]).success();
    assert!(
        output.stderr.contains("unknown key `colr`") && output.stderr.contains("(left out)"),
        "{}",
        output.transcript()
    );
    for arguments in [
        &["status", "payments"][..],
        &["audit", "verify"],
        &["local", "status"],
    ] {
        home.squad(arguments).success();
    }
    home.squad(["config", "check"]).failure(5);
    std::fs::remove_file(file).expect("it is there");
}

#[test]
fn json_is_one_document() {
    let home = Home::new();
    deployed(&home, 2);
    home.squad(["rollback", "payments", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.rollback/v1","service":"payments","env":"local","operation":"[ID]","outcome":"succeeded","revision":"1","previous":"2"}
[exit 0]

"#]]);
    let output = home
        .squad(["rollback", "payments", "-o", "json"])
        .failure(7);
    assert_eq!(output.stdout, "");
    let error = output.error_json();
    assert_eq!(error["id"], "no-rollback-target");
    assert_eq!(error["retryable"], false);
    assert_eq!(error["live"]["revision"], "1");
}

#[test]
fn with_nothing_to_go_back_to_it_refuses() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["rollback"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: nothing of it is live here
› live: `payments` is not live here, and takes no traffic
› hint: deploy it with `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/nothing-live.md
[exit 7]

"#]]);
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad_in(&service.directory, ["rollback"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: no other revision served healthily without being left
› live: revision 1 serves all traffic
› hint: deploy an older state of the sources instead
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
    home.squad(["rollback"]).failure(5).assert(str![[r#"
› error: cannot find a service: there is no squad.toml in `[WORK]` or above
› hint: make one with `squad new`, or go to a service's directory
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-service.md
[exit 5]

"#]]);
}

#[test]
fn a_revision_is_named_with_to() {
    let home = Home::new();
    deployed(&home, 3);
    home.squad(["rollback", "payments", "--to", "9"])
        .failure(2)
        .assert(str![[r#"
› error: cannot roll back `payments`: there is no revision 9
›   2  Serve version 2
›   1  Serve version 1
› live: revision 3 serves all traffic
› hint: choose one: `squad rollback payments --to 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-revision.md
[exit 2]

"#]]);
    home.squad(["rollback", "payments", "--to", "3"])
        .success()
        .assert(str![[r#"
› payments → local: revision 3 has all traffic already. Nothing to do.
3
[exit 0]

"#]]);
    home.squad(["rollback", "payments", "--to", "last"])
        .failure(2)
        .assert(str![[r#"
› error: `--to` cannot be `last`: `last` is not the number of a revision, such as 41
› hint: `squad rollback --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    let output = home.squad(["rollback", "payments", "--to", "1"]).success();
    assert_eq!(output.line(), "1");
    // 3 was left by that, and 2 is the last that served and was not.
    let output = home.squad(["rollback", "payments"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
}

#[test]
fn a_dry_run_changes_nothing() {
    let home = Home::new();
    deployed(&home, 2);
    home.squad(["rollback", "payments", "--dry-run", "--exit-code"])
        .failure(10)
        .assert(str![[r#"
› payments → local: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
[exit 10]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("2"));
    assert_eq!(results(&home).len(), 2);
    let output = home.squad([
        "rollback",
        "payments",
        "--to",
        "2",
        "--dry-run",
        "--exit-code",
    ]);
    assert_eq!(output.success().line(), "2");
}

#[test]
fn the_safe_direction_never_asks_and_one_of_your_own_choice_does() {
    let mut home = Home::new();
    let mut service = TestService::new(&home, "payments");
    protected_org(&mut home);
    let deploy = ["deploy", "--env", "prod", "--yes"];
    for version in ["1", "2", "3"] {
        service.version(&home, version);
        home.squad_in(&service.directory, deploy).success();
    }
    home.squad(["rollback", "payments", "--env", "prod"])
        .success()
        .assert(str![[r#"
› payments → prod: revision 3 → 2 (ana@example.com, [AGO], Serve version 2)
› ◌ revision         2: 0 of 1 processes ready
› ✔ live             all traffic on revision 2
›   done in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    home.squad(["rollback", "payments", "--env", "prod", "--to", "3"])
        .failure(2)
        .assert(str![[r#"
› payments → prod: revision 2 → 3 (ana@example.com, [AGO], Serve version 3)
› error: cannot ask for confirmation: there is no terminal to ask on
› hint: pass `--yes` to go on without asking, or `--dry-run` to see the plan
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-terminal.md
[exit 2]

"#]]);
    home.squad([
        "rollback", "payments", "--env", "prod", "--to", "3", "--yes",
    ])
    .success();
}

#[test]
fn a_revision_that_failed_while_it_served_is_passed_over() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "crash-after:3");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    wait_for(
        "revision 2 crashes again and again",
        Duration::from_secs(30),
        || {
            // A broken connection is what is to be provoked.
            let _answer = request(port, "GET", "/", &[], b"");
            (row(&home, "payments")["health"] == "failed").then_some(())
        },
    );
    service.behave(&home, "").version(&home, "3");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["rollback", "payments"])
        .success()
        .assert(str![[r#"
› payments → local: revision 3 → 1 (ana@example.com, [AGO], Serve version 1)
› ◌ revision         1: 0 of 1 processes ready
› ✔ live             all traffic on revision 1
›   done in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: no other revision served healthily without being left
›   3  Serve version 3, left by a rollback
›   2  Serve version 1 crash-after:3, did not serve healthily
› live: revision 1 serves all traffic
› hint: choose one: `squad rollback payments --to 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
}

#[test]
fn it_brings_back_a_service_that_fails_now() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "crash-after:3");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    wait_for("revision 2 crashes", Duration::from_secs(30), || {
        let _answer = request(port, "GET", "/", &[], b"");
        (home.squad(["status", "payments"]).code == 3).then_some(())
    });
    let output = home.squad(["rollback", "payments"]).success();
    assert_eq!(output.line(), "1");
    let load = Load::start(port, "/", 2, Duration::from_millis(2));
    load.wait_for_more(50);
    load.stop_without_failures();
    assert_eq!(home.squad(["status", "payments"]).code, 0);
}

#[test]
fn it_does_not_wait_for_the_audit_log_and_a_deploy_does() {
    let mut home = Home::new();
    let mut service = TestService::new(&home, "payments");
    let org = protected_org(&mut home);
    let log = home.root().join("log");
    let file = org.join("org.toml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    home.write(&file, &format!("{text}audit = \"{}\"\n", log.display()));
    home.commit_all(&org, "Keep the log elsewhere");
    let deploy = ["deploy", "--env", "prod", "--yes"];
    for version in ["1", "2"] {
        service.version(&home, version);
        home.squad_in(&service.directory, deploy).success();
    }
    // A file in the place of the log's directory: nothing can be written there.
    let aside = home.root().join("aside");
    std::fs::rename(&log, &aside).expect("the log is there");
    std::fs::write(&log, "").expect("a file");
    service.version(&home, "3");
    home.squad_in(&service.directory, deploy)
        .failure(1)
        .assert(str![[r#"
› payments → prod (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 3  Ana Example
›   undo at any time: `squad rollback payments --env prod`
›
› error: cannot deploy `payments`: cannot record the intent in the audit log `acme/prod`: cannot read `[ROOT]/log/audit/acme/prod/commit/00000000000000000003`: not a directory
› live: revision 2 serves all traffic
› hint: a directory is needed, and this is none: `ls -l [ROOT]/log`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/audit-not-writable.md
[exit 1]

"#]]);
    home.squad(["rollback", "payments", "--env", "prod"])
        .success()
        .assert(str![[r#"
› payments → prod: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
› ◌ revision         1: 0 of 1 processes ready
› ✔ live             all traffic on revision 1
›   done in [DURATION]
› on this machine only
› warning: 4 events are recorded on this machine and pending: cannot read `[ROOT]/log/audit/acme/prod/commit/00000000000000000003`: not a directory
› hint: a directory is needed, and this is none: `ls -l [ROOT]/log`
1
[exit 0]

"#]]);
    // Whoever looks hears of it, until the log takes them.
    let waiting = "warning: 4 events are recorded on this machine and pending";
    let status = || home.squad(["status", "--env", "prod"]).success().stderr;
    assert!(status().contains(waiting), "{}", status());
    std::fs::remove_file(&log).expect("it is there");
    std::fs::rename(&aside, &log).expect("it is there");
    assert_eq!(status(), "");
    home.squad_in(&service.directory, deploy).success();
    home.squad(["audit", "verify", "--env", "prod"]).success();
    home.squad(["history", "--all", "--env", "prod"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                               RESULT
[AGO]  ana@example.com  deploy payments 1 → 3 in prod (Serve version 3)    done
[AGO]  ana@example.com  rollback payments 2 → 1 in prod (Serve version 1)  done
[AGO]  ana@example.com  deploy payments in prod (Serve version 3)          refused (audit-not-writable)
[AGO]  ana@example.com  deploy payments 1 → 2 in prod (Serve version 2)    done
[AGO]  ana@example.com  deploy payments → 1 in prod (Serve version 1)      done
[exit 0]

"#]]);
}

#[test]
fn it_is_not_held_up_by_a_deploy_that_is_under_way() {
    let home = Home::new();
    let mut service = deployed(&home, 2);
    service.behave(&home, "slow-start:3");
    let deploy = begin(&home, &service.directory, ["deploy"]);
    wait_for("revision 3 starts", Duration::from_secs(10), || {
        (revisions(&home, "payments").len() == 3).then_some(())
    });
    let output = home.squad(["rollback", "payments"]).success();
    assert_eq!(output.line(), "1", "{}", output.transcript());
    // Whoever looked at the plan before the brake was pulled does not undo it.
    end(&home, deploy).failure(6).assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 2 slow-start:3  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 3, ready
› error: cannot deploy `payments`: ana@example.com on vm changed the traffic first, at [TIME] UTC (operation [ID])
› live: revision 1 serves all traffic
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
}

#[test]
fn revisions_that_are_kept_can_be_gone_back_to() {
    let home = Home::new();
    deployed(&home, 8);
    assert_eq!(
        revisions(&home, "payments"),
        ["4", "5", "6", "7", "8"],
        "the five newest, with the live one and the one before it among them"
    );
    for wanted in ["7", "6", "5", "4"] {
        let output = home.squad(["rollback", "payments"]).success();
        assert_eq!(output.line(), wanted);
        assert_eq!(
            get(port(&home, "payments"), "/").body,
            format!("version {wanted}\n")
        );
    }
}

#[test]
fn ctrl_c_leaves_what_serves_and_closes_the_record() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "slow-start:4");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "");
    home.squad_in(&service.directory, ["deploy"]).success();
    // The revision of before is no longer ready at once, or the rollback would be done before anybody could stop it.
    home.squad(["local", "stop"]).success();
    home.squad(["local", "start"]).success();
    let mut child = home
        .command(["rollback", "payments"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut reader = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut seen = String::new();
    while !seen.contains("processes ready") {
        assert_ne!(reader.read_line(&mut seen).expect("text"), 0, "{seen}");
    }
    signal(child.id(), Signal::SIGINT);
    reader.read_to_string(&mut seen).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{seen}");
    for said in [
        "error: cannot roll back `payments`: the rollback was stopped",
        "live: revision 2 serves all traffic",
        "hint: to begin again: `squad rollback payments`",
    ] {
        assert!(seen.contains(said), "{seen}");
    }
    assert_eq!(results(&home)[0], "failed", "the record is closed");
    let output = home.squad(["rollback", "payments"]).success();
    assert_eq!(output.line(), "1", "{}", output.transcript());
}

#[test]
fn where_nothing_can_be_recorded_it_says_what_is_live() {
    let home = Home::new();
    deployed(&home, 2);
    // A file in the place of the directory of what is under way.
    let open = home.state().join("audit/local/local/open");
    std::fs::remove_dir(&open).expect("it is empty");
    std::fs::write(&open, "").expect("a file");
    let refused = str![[r#"
› payments → local: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
› error: cannot roll back `payments`: cannot open `[HOME]/.local/state/squad/audit/local/local/open/[ID]`: not a directory
› live: revision 2 serves all traffic
› hint: a directory is needed, and this is none: `ls -l [HOME]/.local/state/squad/audit/local/local/open`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]];
    for verb in ["rollback", "stop"] {
        home.squad([verb, "payments"])
            .failure(1)
            .assert(refused.clone());
    }
    std::fs::remove_file(&open).expect("the file");
    std::fs::create_dir(&open).expect("a directory");
    home.squad(["rollback", "payments"]).success();
}
