//! Many services in one repository: `squad deploy --all` and `--changed-since`, and names that meet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{begin, end, live, port, results, revisions, signal};
use crate::support::{Home, TestService, get, wait_for};

/// A repository with a workspace of these services, each answering `version 1`.
fn workspace(home: &Home, names: &[&str]) -> PathBuf {
    let program = {
        let one = TestService::new(home, "pattern");
        std::fs::read_to_string(one.directory.join("serve.py")).expect("it is there")
    };
    home.write(
        "shop/squad.toml",
        "schema = 1\n\n[workspace]\nmembers = [\"services/*\"]\n\n[workspace.defaults.run]\n\
         command = [\"python3\", \"serve.py\"]\ngrace = \"2s\"\n",
    );
    for name in names {
        member(home, name, name, "");
        home.write(format!("shop/services/{name}/serve.py"), &program);
    }
    let shop = home.work().join("shop");
    home.commit_all(&shop, "A shop");
    shop
}

fn member(home: &Home, directory: &str, name: &str, more: &str) {
    home.write(
        format!("shop/services/{directory}/squad.toml"),
        &format!("schema = 1\n\n[service]\nname = \"{name}\"\nkind = \"http\"\n{more}"),
    );
}

/// Puts another text into a member's program.
fn edit(shop: &Path, name: &str, from: &str, to: &str) {
    let path = shop.join("services").join(name).join("serve.py");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.contains(from));
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a file");
}

#[test]
fn all_are_planned_at_once_and_only_what_changed_is_deployed() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders", "stock"]);
    home.squad_in(&shop, ["deploy", "--all"])
        .success()
        .assert(str![[""]]);
    edit(&shop, "orders", "VERSION = \"1\"", "VERSION = \"2\"");
    home.commit_all(&shop, "Order faster");
    home.squad_in(&shop, ["deploy", "--all"])
        .success()
        .assert(str![[""]]);
    assert_eq!(get(port(&home, "orders"), "/").body, "version 2\n");
    home.squad_in(&shop, ["deploy", "--all", "-o", "json"])
        .success()
        .assert(str![[""]]);
    home.squad_in(&shop, ["deploy"])
        .failure(2)
        .assert(str![[""]]);
    let member = home.squad_in(shop.join("services/cart"), ["deploy"]);
    assert_eq!(member.success().line(), "1");
    let named = home.squad_in(&shop, ["deploy", "stock"]);
    assert_eq!(named.success().line(), "1");
    home.squad_in(&shop, ["status"])
        .success()
        .assert(str![[""]]);
}

#[test]
fn one_that_fails_does_not_hold_up_the_others() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders", "stock"]);
    edit(
        &shop,
        "orders",
        ", \"\").partition",
        ", \"exit:1\").partition",
    );
    home.squad_in(&shop, ["deploy", "--all"])
        .failure(1)
        .assert(str![[""]]);
    assert_eq!(live(&home, "cart").as_deref(), Some("1"));
    assert_eq!(live(&home, "orders"), None);
    assert_eq!(live(&home, "stock").as_deref(), Some("1"));
    let output = home
        .squad_in(&shop, ["deploy", "--all", "-o", "json"])
        .failure(1);
    let document = output.json();
    assert_eq!(document["outcome"], "failed");
    let outcomes: Vec<_> = document["services"]
        .as_array()
        .expect("services")
        .iter()
        .map(|one| (one["service"].as_str(), one["outcome"].as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Some("cart"), Some("unchanged")),
            (Some("orders"), Some("failed")),
            (Some("stock"), Some("unchanged"))
        ]
    );
}

#[test]
fn a_dry_run_of_all_changes_nothing() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders"]);
    home.squad_in(&shop, ["deploy", "--all", "--dry-run", "--exit-code"])
        .failure(10)
        .assert(str![[""]]);
    assert_eq!(live(&home, "cart"), None);
}

#[test]
fn twenty_at_once_killed_in_the_middle_converge() {
    let home = Home::new();
    let names: Vec<_> = (1..=20).map(|number| format!("s{number:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let shop = workspace(&home, &names);
    let child = begin(&home, &shop, ["deploy", "--all"]);
    let there = || {
        let status = home.squad(["status", "--all", "-o", "json"]).json();
        let rows = status["services"].as_array().expect("services").clone();
        let live = |row: &&serde_json::Value| row["traffic"]["1"] == 100;
        rows.iter().filter(live).count()
    };
    wait_for("some of them are live", Duration::from_mins(1), || {
        (there() >= 5).then_some(())
    });
    signal(child.id(), Signal::SIGKILL);
    let killed = end(&home, child);
    assert_eq!(
        killed.code,
        137,
        "it was in the middle: {}",
        killed.transcript()
    );
    assert!(there() < 20);
    let output = home.squad_in(&shop, ["deploy", "--all"]).success();
    assert_eq!(output.stdout.lines().count(), 20, "{}", output.transcript());
    for name in &names {
        assert_eq!(revisions(&home, name), ["1"], "{name}");
        assert_eq!(get(port(&home, name), "/").body, "version 1\n");
    }
    let results = results(&home);
    assert!(
        results
            .iter()
            .all(|word| word == "succeeded" || word == "unknown"),
        "no record is left open: {results:?}"
    );
    home.squad(["audit", "verify"]).success();
    let again = home.squad_in(&shop, ["deploy", "--all"]).success();
    assert!(
        again
            .stderr
            .ends_with("0 deployed, 0 failed, 20 unchanged\n"),
        "{}",
        again.transcript()
    );
}

#[test]
fn ctrl_c_stops_all_of_them() {
    let home = Home::new();
    let names = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];
    let shop = workspace(&home, &names);
    for name in names {
        edit(
            &shop,
            name,
            ", \"\").partition",
            ", \"slow-start:3\").partition",
        );
    }
    home.commit_all(&shop, "Start slowly");
    let child = begin(&home, &shop, ["deploy", "--all"]);
    wait_for("the first ones start", Duration::from_secs(20), || {
        let status = home.squad(["status", "--all", "-o", "json"]).json();
        let rows = status["services"].as_array().map_or(0, Vec::len);
        (rows >= 4).then_some(())
    });
    signal(child.id(), Signal::SIGINT);
    let output = end(&home, child).failure(130);
    assert_eq!(
        output.stderr.matches("stopping").count(),
        1,
        "said once: {}",
        output.transcript()
    );
    for name in names {
        assert_eq!(live(&home, name), None, "{name}: {}", output.transcript());
    }
}

#[test]
fn what_changed_since_a_commit_is_the_directory_and_the_declared_inputs() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders", "stock"]);
    member(
        &home,
        "stock",
        "stock",
        "\n[build]\ninputs = [\"../../shared\"]\n",
    );
    home.write("shop/shared/tax.toml", "rate = 21\n");
    let base = home.commit_all(&shop, "Share the tax rate");
    home.squad_in(&shop, ["deploy", "--all"]).success();
    home.write("shop/shared/tax.toml", "rate = 23\n");
    home.write("shop/README", "A shop\n");
    home.commit_all(&shop, "Raise the tax rate");
    edit(&shop, "cart", "VERSION = \"1\"", "VERSION = \"2\"");
    home.squad_in(&shop, ["deploy", "--changed-since", &base])
        .success()
        .assert(str![[""]]);
    assert_eq!(revisions(&home, "orders"), ["1"]);
    assert_eq!(revisions(&home, "stock"), ["1", "2"]);
    home.squad_in(&shop, ["deploy", "--changed-since", "no-such-branch"])
        .failure(1)
        .assert(str![[""]]);
    home.commit_all(&shop, "A faster cart");
    home.squad_in(&shop, ["deploy", "--changed-since", "HEAD"])
        .success()
        .assert(str![[""]]);
}

#[test]
fn what_changed_needs_a_repository() {
    let home = Home::new();
    let shop = workspace(&home, &["cart"]);
    std::fs::remove_dir_all(shop.join(".git")).expect("it is there");
    home.squad_in(&shop, ["deploy", "--changed-since", "main"])
        .failure(2)
        .assert(str![[""]]);
}

#[test]
fn two_services_of_one_name_are_a_mistake() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders"]);
    member(&home, "orders", "cart", "");
    home.squad_in(&shop, ["deploy", "--all"])
        .failure(5)
        .assert(str![[""]]);
}

#[test]
fn a_second_repository_cannot_take_a_name() {
    let home = Home::new();
    let first = TestService::new(&home, "payments");
    home.squad_in(&first.directory, ["deploy"]).success();
    let copy = |to: &str| {
        let to = home.work().join(to);
        let mut command = home.program("cp");
        home.run(command.arg("-r").arg(&first.directory).arg(&to))
            .success();
        to
    };
    let second = copy("elsewhere");
    home.squad_in(&second, ["deploy"])
        .failure(7)
        .assert(str![[""]]);
    // A clone of the same repository is the same service.
    let origin = [
        "remote",
        "add",
        "origin",
        "https://git.example/payments.git",
    ];
    home.git(&first.directory, origin);
    home.squad_in(&first.directory, ["deploy"]).success();
    let clone = copy("clone");
    let output = home.squad_in(&clone, ["deploy"]).success();
    assert_eq!(output.line(), "1", "{}", output.transcript());
    // A directory that is gone has no say.
    std::fs::remove_dir_all(&clone).expect("it is there");
    home.squad_in(&second, ["deploy"]).success();
}

#[test]
fn a_service_is_deployed_by_its_name_from_elsewhere() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad(["deploy", "payments"])
        .failure(5)
        .assert(str![[""]]);
    home.squad(["deploy"]).failure(5).assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    let output = home.squad(["deploy", "payments"]).success();
    assert_eq!(output.line(), "2");
    std::fs::remove_dir_all(&service.directory).expect("it is there");
    home.squad(["deploy", "payments"])
        .failure(5)
        .assert(str![[""]]);
    // What runs does not need its sources.
    assert_eq!(get(port(&home, "payments"), "/").body, "version 2\n");
    home.squad(["rollback", "payments"]).success();
}

#[test]
fn mistakes_in_the_file_are_all_named_and_nothing_is_deployed() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.write(
        service.directory.join("squad.toml"),
        "schema = 1\n\n[service]\nname = \"Payments\"\nkind = \"htp\"\n\n[run]\ncomand = [\"python3\", \"serve.py\"]\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(5)
        .assert(str![[""]]);
    home.write(
        service.directory.join("squad.toml"),
        "schema = 1\n[service\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(5)
        .assert(str![[""]]);
}
