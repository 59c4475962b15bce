//! `squad history` over commits of clocks that disagree, where the order of the log is the truth, and over environments.

use jiff::{SignedDuration, Timestamp};

use snapbox::str;

use crate::support::audit_log::{Key, Log, event};
use crate::support::{Home, TestService};

/// The text of an event with another time: so many minutes ago.
fn minutes_ago(event: &str, minutes: i64) -> String {
    let time = Timestamp::now() - SignedDuration::from_mins(minutes);
    let (before, rest) = event.split_once(r#""time":""#).expect("a time");
    let (_, after) = rest.split_once('"').expect("its end");
    format!(r#"{before}"time":"{time:.0}"{after}"#)
}

/// Appends a whole operation in two commits, as a machine writes it whose clock shows so many minutes ago.
fn operation(log: &mut Log, n: u64, minutes: i64) {
    let key = Key::new("ci-7", 7);
    for planned in [true, false] {
        let first = minutes_ago(&log.first_event(&key), minutes);
        let change = minutes_ago(&event(planned, n, "payments", 0), minutes);
        log.commit_raw(&key, &first, &[change]);
    }
}

/// The revisions that the operations of the last hour made, newest first.
fn of_last_hour(home: &Home) -> Vec<String> {
    let history = ["history", "--all", "--since", "1h", "-o", "json"];
    let history = home.squad(history).success().json();
    let operations = history["operations"].as_array().expect("operations");
    let revision = |one: &serde_json::Value| one["after"].as_str().expect("a revision").to_owned();
    operations.iter().map(revision).collect()
}

#[test]
fn a_clock_that_is_behind_hides_nothing_of_the_last_hour() {
    let home = Home::new();
    let mut log = Log::new(&home.state().join("audit-store"), "local/local");
    for n in 0..100 {
        operation(&mut log, n, 3000 - i64::try_from(n).expect("few"));
    }
    assert_eq!(of_last_hour(&home), Vec::<String>::new());
    operation(&mut log, 100, 40);
    operation(&mut log, 101, 20);
    // A colleague's clock is a day behind: what stands behind something of the last hour is of the last hour.
    for n in 102..105 {
        operation(&mut log, n, 24 * 60);
    }
    assert_eq!(of_last_hour(&home), ["104", "103", "102", "101", "100"]);
    // As a person sees it, and the events one by one.
    let history = home.squad(["history", "--since", "1h"]).success();
    assert_eq!(
        history.stdout.lines().count(),
        6,
        "{}",
        history.transcript()
    );
    let list = home.squad(["audit", "list", "--since", "30m"]).success();
    assert_eq!(list.stdout.lines().count(), 9, "{}", list.transcript());
    // An operation is found by its id also when newer ones bear older times.
    let entry = &home.squad(["history", "-o", "json"]).json()["operations"][4];
    let id = entry["operation"].as_str().expect("an id");
    home.squad(["audit", "show", id]).success();
}

#[test]
fn where_no_environment_is_named_every_one_is_shown() {
    let mut home = Home::new();
    let broken = home.write("not-a-directory", "");
    let org = home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n[env.qa]\nplatform = \"local\"\n",
    );
    let directory = org.parent().expect("a directory").to_owned();
    home.commit_all(&directory, "An org");
    home.set("SQUAD_ORG", &directory.display().to_string());
    let mut service = TestService::new(&home, "payments");
    for (version, environment) in [("1", "staging"), ("1", "qa"), ("2", "staging")] {
        service.version(&home, version);
        home.squad_in(&service.directory, ["deploy", "--env", environment])
            .success();
    }
    home.squad(["history", "--all"]).success().assert(str![[r#"
WHEN      WHO              WHAT                                                RESULT
[AGO]  ana@example.com  deploy payments 1 → 2 in staging (Serve version 2)  done
[AGO]  ana@example.com  deploy payments → 1 in qa (Serve version 1)         done
[AGO]  ana@example.com  deploy payments → 1 in staging (Serve version 1)    done
[exit 0]

"#]]);
    home.squad(["history", "--all", "--env", "qa", "--limit", "5"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                         RESULT
[AGO]  ana@example.com  deploy payments → 1 in qa (Serve version 1)  done
[exit 0]

"#]]);
    // What cannot be read is said, and the rest is shown.
    let text = std::fs::read_to_string(&org).expect("it is there");
    home.write(
        &org,
        &format!(
            "{text}[env.prod]\nplatform = \"local\"\naudit = \"{}\"\n",
            broken.join("log").display()
        ),
    );
    home.commit_all(&directory, "An environment whose log is nowhere");
    home.squad(["history", "--all", "--limit", "1"])
        .assert(str![[r#"
› warning: cannot read the record of `prod`: cannot read `[WORK]/not-a-directory/log/audit/acme/prod/commit`: not a directory
WHEN      WHO              WHAT                                                RESULT
[AGO]  ana@example.com  deploy payments 1 → 2 in staging (Serve version 2)  done
[exit 1]

"#]]);
}

#[test]
fn a_list_of_nothing_is_not_asked_for() {
    let home = Home::new();
    for command in [&["history"][..], &["audit", "list"]] {
        let arguments = [command, &["--limit", "0"]].concat();
        let output = home.squad(arguments).failure(2);
        assert!(
            output
                .stderr
                .starts_with("error: `--limit` cannot be `0`: at least 1\n"),
            "{}",
            output.transcript()
        );
    }
}

#[test]
fn in_a_workspace_a_deploy_is_told_by_the_newest_commit_about_its_service() {
    let home = Home::new();
    let shop = crate::workspace::workspace(&home, &["payments", "receipts"]);
    crate::workspace::edit(&shop, "payments", "VERSION = \"1\"", "VERSION = \"2\"");
    home.commit_all(&shop, "Refund in cents");
    crate::workspace::edit(&shop, "receipts", "VERSION = \"1\"", "VERSION = \"2\"");
    home.commit_all(&shop, "Print the receipts in colour");
    home.squad_in(shop.join("services/payments"), ["deploy"])
        .success();
    home.squad_in(&shop, ["history", "payments"])
        .success()
        .assert(str![[r#"
WHEN      WHO              WHAT                                            RESULT
[AGO]  ana@example.com  deploy payments → 1 in local (Refund in cents)  done
[exit 0]

"#]]);
}
