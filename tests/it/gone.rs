//! What was there and is not any more: files of revisions, and the journal.

use std::time::Duration;

use snapbox::str;

use crate::support::{Home, TestService, wait_for};

/// Each next command is one that works.
#[test]
fn from_a_revision_whose_files_are_gone_the_way_leads_out() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    for version in ["1", "2", "3"] {
        service.version(&home, version);
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    let revisions = home
        .state()
        .join("local/local/local/services/payments/revisions");
    std::fs::remove_dir_all(revisions.join("2")).expect("it is there");
    home.squad_in(&service.directory, ["rollback"])
        .failure(1)
        .assert(str![[r#"
› payments → local: revision 3 → 2 (ana@example.com, [AGO], Serve version 2)
› ◌ revision         2: 0 of 1 processes ready
› error: cannot roll back `payments`: revision 2 does not start
›   caused by: its artifact `[HOME]/.local/state/squad/local/local/local/services/payments/revisions/2` is gone
› live: revision 3 serves all traffic
› hint: go back to one that is there: `squad rollback payments --to 1`, or deploy the sources as they are now: `squad deploy payments --rebuild`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-gone.md
[exit 1]

"#]]);
    let back = ["rollback", "payments", "--to", "1"];
    assert_eq!(home.squad(back).success().line(), "1");
    std::fs::remove_dir_all(revisions.join("3")).expect("it is there");
    let to = ["rollback", "payments", "--to", "3"];
    home.squad(to).failure(1).assert(str![[r#"
› payments → local: revision 1 → 3 (ana@example.com, [AGO], Serve version 3)
› ◌ revision         3: 0 of 1 processes ready
› error: cannot roll back `payments`: revision 3 does not start
›   caused by: its artifact `[HOME]/.local/state/squad/local/local/local/services/payments/revisions/3` is gone
› live: revision 1 serves all traffic
› hint: deploy the sources as they are now: `squad deploy payments --rebuild`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-gone.md
[exit 1]

"#]]);
    home.squad(["local", "stop"]).success();
    std::fs::remove_dir_all(revisions.join("1")).expect("it is there");
    home.squad(["local", "start"]).success();
    wait_for("it is seen", Duration::from_secs(10), || {
        let status = home.squad(["status", "payments"]);
        (status.code == 3).then_some(())
    });
    let status = home.squad(["status", "payments", "-o", "json"]).failure(3);
    let problem = status.json()["services"][0]["problem"].clone();
    let way_out = "is gone; deploy the sources as they are now: `squad deploy payments --rebuild`";
    let problem = problem.as_str().expect("a problem");
    assert!(problem.ends_with(way_out), "{problem}");
    let anew = ["deploy", "payments", "--rebuild"];
    let deployed = home.squad_in(&service.directory, anew).success();
    assert_eq!(deployed.line(), "4");
}

#[test]
fn after_a_new_journal_a_service_is_told_as_forgotten_and_not_as_removed_by_somebody() {
    let home = Home::new();
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    std::fs::remove_file(home.state().join("local/local/local/journal")).expect("a journal");
    home.squad(["local", "prune", "--reset-journal"]).success();
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: nothing of it is live here
›   revision 1 was live, as the audit log has it (deploy by ana@example.com, [AGO]): the journal of this platform was set aside since (`squad local prune --reset-journal` by ana@example.com, [AGO]), so it has to be deployed again
› live: `payments` is not live here, and takes no traffic
› hint: deploy it with `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/nothing-live.md
[exit 7]

"#]]);
    home.squad(["status", "payments"]).failure(1).assert(str![[r#"
› error: `payments` is not deployed to local
›   revision 1 was live, as the audit log has it (deploy by ana@example.com, [AGO]): the journal of this platform was set aside since (`squad local prune --reset-journal` by ana@example.com, [AGO]), so it has to be deployed again
› hint: `squad status --all` shows what is there, `squad deploy payments` deploys it
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/never-deployed.md
[exit 1]

"#]]);
    let again = ["deploy", "payments"];
    home.squad_in(&payments.directory, again).success();
    home.squad(["rollback", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `payments`: no other revision served healthily without being left
› live: revision 2 serves all traffic
› hint: deploy an older state of the sources instead
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
}

/// Also where another one is in its old place now.
#[test]
fn a_service_whose_directory_was_moved_is_the_same_service() {
    let home = Home::new();
    let shop = crate::workspace::workspace(&home, &["payments"]);
    home.squad_in(&shop, ["deploy", "--all"]).success();
    home.git(&shop, ["mv", "services/payments", "services/pay"]);
    home.commit_all(&shop, "Move the payments");
    home.squad_in(shop.join("services/pay"), ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    home.git(&shop, ["mv", "services/pay", "services/payments"]);
    home.squad_in(&shop, ["deploy", "--all", "--rebuild"])
        .success();
    home.git(&shop, ["mv", "services/payments", "services/pay"]);
    let other = "schema = 1\n\n[service]\nname = \"receipts\"\nkind = \"http\"\n";
    home.write("shop/services/payments/squad.toml", other);
    home.commit_all(&shop, "Another one in its place");
    home.squad_in(shop.join("services/pay"), ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 2 already is exactly this (same sources, same configuration). Nothing to do. It was deployed before these changes were committed; `squad deploy payments --rebuild` records the commit.
2
[exit 0]

"#]]);
}

/// Who names a service is told where it was; what runs does not need its sources.
#[test]
fn a_service_whose_directory_was_moved_is_named_with_where_it_was() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let moved = home.work().join("moved");
    std::fs::rename(&service.directory, &moved).expect("it is there");
    // Without a directory, and with another one in its place.
    for _ in 0..2 {
        home.squad(["deploy", "payments"])
            .failure(5)
            .assert(str![[r#"
› error: cannot find the service `payments`: it was last deployed from `[WORK]/payments`, and is not there any more
› hint: go to the directory where its squad.toml is now, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
        std::fs::create_dir_all(&service.directory).expect("it can be made");
    }
    home.squad_in(&moved, ["deploy"]).success();
    let again = home.squad(["deploy", "payments"]).success();
    assert!(
        again.stderr.contains("Nothing to do"),
        "{}",
        again.transcript()
    );
}

#[test]
fn a_current_directory_that_was_removed_is_an_error_with_a_way_out() {
    let home = Home::new();
    let mut command = home.program("sh");
    command
        .args(["-c", "rmdir ../here && exec \"$0\" status"])
        .arg(crate::support::SQUAD);
    let here = home.work().join("here");
    std::fs::create_dir_all(&here).expect("it can be made");
    home.run(command.current_dir(here))
        .failure(1)
        .assert(str![[r#"
› error: cannot find the current directory: it was removed
› hint: go to a directory that is there, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]]);
}
