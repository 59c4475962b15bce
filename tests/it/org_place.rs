//! Which org a command means: what is proposed to a person stays in the org that was named, and a damaged list of orgs.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{end, signal};
use crate::support::{Home, TestService, wait_for};

/// Two orgs with a service of one name each: whoever named an org and copies the next command stays in it.
#[test]
fn what_is_proposed_means_the_org_that_was_named() {
    let home = Home::new();
    for name in ["acme", "beta"] {
        home.write(
            format!("{name}/org.toml"),
            &format!("schema = 1\n[org]\nname = \"{name}\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n"),
        );
        home.squad(["org", "add", name]).success();
    }
    home.squad(["org", "use", "acme"]).success();
    let place = ["--org", "beta", "--env", "staging"];
    let status = [&["status", "payments"][..], &place].concat();
    home.squad(&status).failure(5).assert(str![[r#"
› error: cannot find the service `payments`: it was never deployed to beta/staging, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all --env staging --org beta`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    let json = [&status[..], &["-o", "json"]].concat();
    let error = home.squad(json).failure(5).error_json();
    assert_eq!(
        error["hints"][0],
        "see what was deployed: `squad status --all --env staging --org beta`"
    );
    let mut service = TestService::new(&home, "payments");
    let deploy = [&["deploy"][..], &place].concat();
    home.squad_in(&service.directory, &deploy).success();
    service.version(&home, "2");
    let planned = [&deploy[..], &["--dry-run"]].concat();
    let planned = home.squad_in(&service.directory, planned).success();
    assert!(
        planned
            .stderr
            .contains("undo at any time: `squad rollback payments --env staging --org beta`"),
        "{}",
        planned.transcript()
    );
}

/// The list of orgs is squad's own file: where it is damaged, the way out is said, and an org that is named by its place
/// can still be stopped.
#[test]
fn a_damaged_list_of_orgs_says_the_way_out_and_stops_no_brake_of_an_org_named_by_its_place() {
    let home = Home::new();
    home.write(
        "acme/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n",
    );
    let mut service = TestService::new(&home, "payments");
    let deploy = ["deploy", "--org", "../acme", "--env", "staging"];
    home.squad_in(&service.directory, deploy).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, deploy).success();
    home.write("../.config/squad/orgs.toml", "current\n");
    home.squad(["org", "use", "acme"])
        .failure(5)
        .assert(str![[r#"
› error: `../.config/squad/orgs.toml` has a mistake
›   ../.config/squad/orgs.toml:1:8: key with no value, expected `=`; `squad org` writes this file: to begin anew, move it away and add each org again, `squad org add DIRECTORY_OR_URL`
›       1 | current
›         |        ^
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

"#]]);
    let rollback = ["rollback", "payments", "--env", "staging"];
    home.squad(rollback).failure(5);
    let rollback = [
        "rollback", "payments", "--org", "./acme", "--env", "staging",
    ];
    assert_eq!(home.squad(rollback).success().line(), "1");
}

/// SIGKILL gives squad no time to end anything: its guard ends git, and what git has started.
#[test]
fn a_fetch_that_is_killed_takes_git_along() {
    let home = Home::new();
    // Takes a connection and never answers.
    let remote = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/org.git",
        remote.local_addr().expect("an address")
    );
    let commands: [&[&str]; 2] = [&["org", "add", &url], &["status", "--org", &url]];
    for arguments in commands {
        let child = home
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (_held, _) = remote.accept().expect("git asks");
        assert!(
            home.processes()
                .iter()
                .any(|one| one.command.contains("fetch"))
        );
        signal(child.id(), Signal::SIGKILL);
        assert_eq!(end(&home, child).code, 137, "{arguments:?}");
        // Sooner than git gives up by itself.
        wait_for("git ends", Duration::from_secs(5), || {
            home.processes().is_empty().then_some(())
        });
    }
}

/// The first org hides what was deployed without one, which goes on serving: both are reached again, and an org whose
/// directory is gone is taken from the list.
#[test]
fn from_the_first_org_there_is_a_way_back() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.write(
        "acme/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n",
    );
    home.squad(["org", "add", "acme"]).success().assert(str![[r#"
› ✔ added: acme, 2 environments, 1 squad, in use
› hint: deployed here without an org, and as it was: `payments`; to look at it or stop it, `squad org use --none`
acme
[exit 0]

"#]]);
    home.squad(["org", "use", "--none"])
        .success()
        .assert(str![[r#"
› ✔ using no org
[exit 0]

"#]]);
    home.squad(["status", "payments"]).success();
    home.squad(["org", "use", "acme"]).success();
    let deploy = ["deploy", "--env", "staging"];
    home.squad_in(&service.directory, deploy).success();
    std::fs::remove_dir_all(home.work().join("acme")).expect("it is there");
    home.squad(["status", "payments", "--env", "staging"])
        .failure(5)
        .assert(str![[r#"
› error: cannot read the file of the org `acme`: there is no `[WORK]/acme/org.toml`
› hint: say where it is now: `squad org add DIRECTORY_OR_URL --name acme`
› hint: or take it from the list, `squad org remove acme`; `squad local stop --all --env staging` ends what runs on this machine
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/org-file-missing.md
[exit 5]

"#]]);
    home.squad(["org", "remove", "acme"])
        .success()
        .assert(str![[r#"
› ✔ removed from the list: acme
› hint: deployed from here in it, and as it was: `payments`; to reach it again, `squad org add [WORK]/acme --name acme`
acme
[exit 0]

"#]]);
    home.squad(["org", "remove", "acme", "-o", "json"])
        .failure(5);
    home.squad(["org", "list"]).success().assert(str![[r#"
› no org is known to this machine
› hint: add one with `squad org add DIRECTORY_OR_URL`
[exit 0]

"#]]);
    home.squad(["rollback", "payments"]).failure(7);
    home.squad(["org", "use"]).failure(2);
    home.squad(["org", "use", "--none", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.org_used/v1"}
[exit 0]

"#]]);
}
