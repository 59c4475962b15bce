//! Brakes where the org's file cannot be read: they go by what squad remembers of the environment since the last deploy. What
//! goes forwards, and what only looks, says what is wrong.

use std::path::Path;

use snapbox::str;

use crate::rollout::{self, Traffic};
use crate::support::{Home, Output, TestService};

const ORG: &str =
    "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n";

/// Two revisions in `staging` of the org `acme`, which lies in `directory` and is in use.
fn two_revisions(home: &Home, directory: &str, more: &str) -> TestService {
    home.write(format!("{directory}/org.toml"), &format!("{ORG}{more}"));
    home.squad(["org", "add", directory]).success();
    let mut service = TestService::new(home, "payments");
    deploy(home, &service.directory).success();
    service.version(home, "2");
    deploy(home, &service.directory).success();
    service
}

fn deploy(home: &Home, directory: &Path) -> Output {
    home.squad_in(directory, ["deploy", "--env", "staging"])
}

#[test]
fn rollback_and_stop_need_no_org_file_and_are_recorded_in_its_log() {
    let home = Home::new();
    let service = two_revisions(&home, "acme", "");
    let org = home.work().join("acme");
    std::fs::rename(&org, home.work().join("moved")).expect("it is there");
    deploy(&home, &service.directory).failure(5);
    home.squad(["status", "payments", "--env", "staging"])
        .failure(5);
    home.squad(["rollback", "payments", "--env", "staging"])
        .success()
        .assert(str![[r#"
› warning: there is no `[WORK]/acme/org.toml`; the environments count as they were when something was last deployed to them from here
› payments → staging: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
› ◌ revision         1: 0 of 1 processes ready
› ✔ live             all traffic on revision 1
›   done in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    // In the service's directory its name is known, too.
    home.squad_in(&service.directory, ["stop", "--env", "staging"])
        .success()
        .assert(str![[r#"
› warning: there is no `[WORK]/acme/org.toml`; the environments count as they were when something was last deployed to them from here
› nothing to stop: revision 1 serves all traffic, no rollout of `payments` is live
[exit 0]

"#]]);
    // Which environments there are is known, and only those.
    home.squad(["stop", "payments", "--env", "prod"]).failure(5);
    std::fs::rename(home.work().join("moved"), &org).expect("it is there");
    let history = home
        .squad(["history", "payments", "--env", "staging", "-o", "json"])
        .success()
        .json();
    assert_eq!(history["operations"][0]["kind"], "rollback");
    home.squad(["audit", "verify", "--env", "staging"])
        .success();
}

#[test]
fn an_org_file_with_mistakes_or_without_its_log_keeps_nobody_from_braking() {
    let home = Home::new();
    let service = two_revisions(&home, "acme", "audit = \"log\"\n");
    home.write("acme/org.toml", "schema = 1\n[org\n");
    let said = home
        .squad(["rollback", "payments", "--env", "staging"])
        .success();
    assert_eq!(said.line(), "1");
    assert!(
        said.stderr.starts_with("warning: acme/org.toml:2:"),
        "{}",
        said.transcript()
    );
    home.write("acme/org.toml", &format!("{ORG}audit = \"log\"\n"));
    let mut service = service;
    service.version(&home, "3");
    deploy(&home, &service.directory).success();
    // With the org its log is gone: the record waits on this machine, and no other log is begun.
    let org = home.work().join("acme");
    std::fs::rename(&org, home.work().join("moved")).expect("it is there");
    let said = home
        .squad([
            "stop",
            "payments",
            "--env",
            "staging",
            "--reason",
            "refunds fail",
        ])
        .success();
    assert!(
        said.stderr.contains("recorded on this machine and pending"),
        "{}",
        said.transcript()
    );
    assert!(!org.exists());
    std::fs::rename(home.work().join("moved"), &org).expect("it is there");
    home.squad(["audit", "verify", "--env", "staging"])
        .success();
}

#[test]
fn a_rollout_is_aborted_without_the_org_file() {
    let mut home = Home::new();
    let mut service = two_revisions(&home, "acme", "");
    home.set("SQUAD_ENV", "staging");
    service.toml(&home, &rollout::ROLLOUT.replace("\"2s\" }", "\"10m\" }"));
    let traffic = Traffic::start(&home);
    service.version(&home, "3");
    home.squad_in(&service.directory, ["deploy", "--canary", "--no-wait"])
        .success();
    rollout::wait_for_phase(&home, "holding");
    let (org, moved) = (home.work().join("acme"), home.work().join("moved"));
    std::fs::rename(&org, &moved).expect("it is there");
    let abort = ["rollout", "abort", "payments"];
    assert_eq!(home.squad(abort).success().line(), "aborted");
    traffic.stop_without_failures();
    std::fs::rename(&moved, &org).expect("it is there");
    rollout::wait_for_drivers(&home);
}

#[test]
fn a_repository_that_was_fetched_and_is_gone_with_its_copy_keeps_nobody_from_braking() {
    let home = Home::new();
    home.write("source/org.toml", ORG);
    home.commit_all(home.work().join("source"), "An org");
    let url = format!("file://{}", home.work().join("source").display());
    home.squad(["org", "add", &url]).success();
    let mut service = TestService::new(&home, "payments");
    deploy(&home, &service.directory).success();
    service.version(&home, "2");
    deploy(&home, &service.directory).success();
    std::fs::remove_dir_all(home.work().join("source")).expect("it is there");
    std::fs::remove_dir_all(home.path().join(".cache/squad/orgs")).expect("it is there");
    let said = home
        .squad(["rollback", "payments", "--env", "staging"])
        .success();
    assert_eq!(said.line(), "1");
    assert!(
        said.stderr
            .contains("was never fetched to this machine; the environments count"),
        "{}",
        said.transcript()
    );
}
