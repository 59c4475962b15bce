//! `squad rollback`: the brake, and where it goes.

use std::time::Duration;

use snapbox::str;

use crate::support::journey::{begin, end, live, port, protected_org, results, revisions};
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
        .assert(str![[""]]);
    load.wait_for_revision("2");
    // From anywhere on this machine, by its name.
    home.squad(["rollback", "payments"])
        .success()
        .assert(str![[""]]);
    load.wait_for_revision("1");
    load.stop_without_failures();
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[""]]);
    home.squad(["history", "payments"])
        .success()
        .assert(str![[""]]);
    home.squad(["audit", "verify"]).success();
    // A left one can be named.
    home.squad(["rollback", "payments", "--to", "3"])
        .success()
        .assert(str![[""]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 3\n");
}

#[test]
fn json_is_one_document() {
    let home = Home::new();
    deployed(&home, 2);
    home.squad(["rollback", "payments", "-o", "json"])
        .success()
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad_in(&service.directory, ["rollback"])
        .failure(7)
        .assert(str![[""]]);
    home.squad(["rollback"]).failure(5).assert(str![[""]]);
}

#[test]
fn a_revision_is_named_with_to() {
    let home = Home::new();
    deployed(&home, 3);
    home.squad(["rollback", "payments", "--to", "9"])
        .failure(2)
        .assert(str![[""]]);
    home.squad(["rollback", "payments", "--to", "3"])
        .success()
        .assert(str![[""]]);
    home.squad(["rollback", "payments", "--to", "last"])
        .failure(2)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad(["rollback", "payments", "--env", "prod", "--to", "3"])
        .failure(2)
        .assert(str![[""]]);
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
            let status = home.squad(["status", "payments"]);
            (status.code == 3).then_some(())
        },
    );
    service.behave(&home, "").version(&home, "3");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["rollback", "payments"])
        .success()
        .assert(str![[""]]);
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad(["rollback", "payments", "--env", "prod"])
        .success()
        .assert(str![[""]]);
    std::fs::remove_file(&log).expect("it is there");
    std::fs::rename(&aside, &log).expect("it is there");
    home.squad_in(&service.directory, deploy).success();
    home.squad(["audit", "verify", "--env", "prod"]).success();
    home.squad(["history", "--all", "--env", "prod"])
        .success()
        .assert(str![[""]]);
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
    end(&home, deploy).failure(6).assert(str![[""]]);
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
