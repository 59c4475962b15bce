//! Many services in one repository: `squad deploy --all` and `--changed-since`, and names that meet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{begin, end, live, port, results, revisions, signal};
use crate::support::{Home, Output, TestService, get, wait_for};

/// A repository with a workspace of these services, each answering `version 1`.
pub(crate) fn workspace(home: &Home, names: &[&str]) -> PathBuf {
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

/// The same output with the progress of each service together: beside each other, they come in any order.
fn by_service(mut output: Output) -> Output {
    let is_progress = |line: &&str| {
        line.split_once(": ")
            .is_some_and(|(_, rest)| rest.starts_with(['✔', '✖']))
    };
    let mut progress: Vec<_> = output.stderr.lines().filter(is_progress).collect();
    progress.sort_by_key(|line| line.split(": ").next());
    let mut ordered = progress.into_iter();
    let lines: Vec<_> = output
        .stderr
        .lines()
        .map(|line| {
            if is_progress(&line) {
                ordered.next().unwrap_or_default()
            } else {
                line
            }
        })
        .collect();
    output.stderr = lines.join("\n") + "\n";
    output
}

/// Puts another text into a member's program.
pub(crate) fn edit(shop: &Path, name: &str, from: &str, to: &str) {
    let path = shop.join("services").join(name).join("serve.py");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.contains(from));
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a file");
}

#[test]
fn all_are_planned_at_once_and_only_what_changed_is_deployed() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders", "stock"]);
    by_service(home.squad_in(&shop, ["deploy", "--all"]))
        .success()
        .assert(str![[r#"
› cart → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› orders → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› stock → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› cart: ✔ recorded         operation [ID], local
› cart: ✔ published        revision 1, ready
› cart: ✔ live             all traffic on revision 1
› orders: ✔ recorded         operation [ID], local
› orders: ✔ published        revision 1, ready
› orders: ✔ live             all traffic on revision 1
› stock: ✔ recorded         operation [ID], local
› stock: ✔ published        revision 1, ready
› stock: ✔ live             all traffic on revision 1
› 3 deployed, 0 failed, 0 unchanged
› on this machine only
cart 1
orders 1
stock 1
[exit 0]

"#]]);
    edit(&shop, "orders", "VERSION = \"1\"", "VERSION = \"2\"");
    home.commit_all(&shop, "Order faster");
    by_service(home.squad_in(&shop, ["deploy", "--all"]))
        .success()
        .assert(str![[r#"
› cart → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
› orders → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Order faster  Ana Example
›   undo at any time: `squad rollback orders`
›
› stock → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
› orders: ✔ recorded         operation [ID], local
› orders: ✔ published        revision 2, ready
› orders: ✔ live             all traffic on revision 2
› 1 deployed, 0 failed, 2 unchanged
› on this machine only
cart 1
orders 2
stock 1
[exit 0]

"#]]);
    assert_eq!(get(port(&home, "orders"), "/").body, "version 2\n");
    home.squad_in(&shop, ["deploy", "--all", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.deploy-many/v1","env":"local","outcome":"unchanged","services":[{"address":"http://127.0.0.1:[PORT]","changed":[],"digest":"[HASH]","env":"local","outcome":"unchanged","previous":"1","revision":"1","schema":"squad.deploy/v1","service":"cart"},{"address":"http://127.0.0.1:[PORT]","changed":[],"digest":"[HASH]","env":"local","outcome":"unchanged","previous":"2","revision":"2","schema":"squad.deploy/v1","service":"orders"},{"address":"http://127.0.0.1:[PORT]","changed":[],"digest":"[HASH]","env":"local","outcome":"unchanged","previous":"1","revision":"1","schema":"squad.deploy/v1","service":"stock"}]}
[exit 0]

"#]]);
    home.squad_in(&shop, ["deploy"]).failure(2).assert(str![[r#"
› error: cannot tell which service is meant: this workspace has `cart`, `orders`, `stock`
› hint: name one, or go to its directory
› hint: or deploy all of them: `squad deploy --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-ambiguous.md
[exit 2]

"#]]);
    let member = home.squad_in(shop.join("services/cart"), ["deploy"]);
    assert_eq!(member.success().line(), "1");
    let named = home.squad_in(&shop, ["deploy", "stock"]);
    assert_eq!(named.success().line(), "1");
    home.squad_in(&shop, ["status"]).success().assert(str![[r#"
SERVICE  ENV    LIVE  SINCE     HEALTH  ADDRESS
cart     local  1     [AGO]  ok      http://127.0.0.1:[PORT]
orders   local  2     [AGO]  ok      http://127.0.0.1:[PORT]
stock    local  1     [AGO]  ok      http://127.0.0.1:[PORT]
[exit 0]

"#]]);
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
    by_service(home.squad_in(&shop, ["deploy", "--all"]))
        .failure(1)
        .assert(str![[r#"
› cart → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› orders → local (this machine)
›
›   the first deploy here: nothing is live yet
›   the work tree has changes that are not committed
›
› stock → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› cart: ✔ recorded         operation [ID], local
› cart: ✔ published        revision 1, ready
› cart: ✔ live             all traffic on revision 1
› orders: ✔ recorded         operation [ID], local
› orders: ✖ revision         1: process ended with exit code 1, [DURATION] after it started, 3 times
› stock: ✔ recorded         operation [ID], local
› stock: ✔ published        revision 1, ready
› stock: ✔ live             all traffic on revision 1
› error: cannot deploy `orders`: revision 1 does not start
›   version 1 starts, exit
›   app/config.py:12  KeyError: 'ACQUIRER_URL'
›   caused by: it needs the variable ACQUIRER_URL, which `squad.toml` does not set
› live: `orders` is not live here, and takes no traffic
› hint: set it under [run.env] in squad.toml, or look at the log with `squad logs orders --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/process-exited.md
› 2 deployed, 1 failed, 0 unchanged
› on this machine only
cart 1
orders failed: cannot deploy `orders`: revision 1 does not start
stock 1
[exit 1]

"#]]);
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
        .assert(str![[r#"
› cart → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› orders → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› 2 to deploy, 0 failed, 0 unchanged
[exit 10]

"#]]);
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
            .ends_with("\n0 deployed, 0 failed, 20 unchanged\non this machine only\n"),
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
        let rows = status["services"].as_array().expect("services").clone();
        let published = |row: &&serde_json::Value| row["revisions"][0].is_object();
        (rows.iter().filter(published).count() >= 4).then_some(())
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
    by_service(home.squad_in(&shop, ["deploy", "--changed-since", &base]))
        .success()
        .assert(str![[r#"
› 2 of the workspace's services changed since [HASH]
› cart → local (this machine)
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   the work tree has changes that are not committed
›   undo at any time: `squad rollback cart`
›
› stock → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Raise the tax rate  Ana Example
›   undo at any time: `squad rollback stock`
›
› cart: ✔ recorded         operation [ID], local
› cart: ✔ published        revision 2, ready
› cart: ✔ live             all traffic on revision 2
› stock: ✔ recorded         operation [ID], local
› stock: ✔ published        revision 2, ready
› stock: ✔ live             all traffic on revision 2
› 2 deployed, 0 failed, 0 unchanged
› on this machine only
cart 2
stock 2
[exit 0]

"#]]);
    assert_eq!(revisions(&home, "orders"), ["1"]);
    assert_eq!(revisions(&home, "stock"), ["1", "2"]);
    home.squad_in(&shop, ["deploy", "--changed-since", "no-such-branch"])
        .failure(2)
        .assert(str![[r#"
› error: cannot tell what changed since `no-such-branch`: git knows no such commit here
› hint: if it is on the remote only, or the clone is shallow: `git fetch --unshallow`, or `git fetch`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-such-commit.md
[exit 2]

"#]]);
    home.commit_all(&shop, "A faster cart");
    home.squad_in(&shop, ["deploy", "--changed-since", "HEAD"])
        .success()
        .assert(str![[r#"
› 0 of the workspace's services changed since HEAD
› 0 deployed, 0 failed, 0 unchanged
› on this machine only
[exit 0]

"#]]);
}

#[test]
fn what_changed_needs_a_repository() {
    let home = Home::new();
    let shop = workspace(&home, &["cart"]);
    std::fs::remove_dir_all(shop.join(".git")).expect("it is there");
    home.squad_in(&shop, ["deploy", "--changed-since", "main"])
        .failure(2)
        .assert(str![[r#"
› error: cannot tell what changed since `main`: `[WORK]/shop` is not in a git repository
› hint: deploy all of them with `squad deploy --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/not-in-git.md
[exit 2]

"#]]);
}

#[test]
fn two_services_of_one_name_are_a_mistake() {
    let home = Home::new();
    let shop = workspace(&home, &["cart", "orders"]);
    member(&home, "orders", "cart", "");
    home.squad_in(&shop, ["deploy", "--all"])
        .failure(5)
        .assert(str![[r#"
› error: `services/orders/squad.toml` has a mistake
›   services/orders/squad.toml:4:8: two services are named `cart`: the other one is in services/cart/squad.toml:4
›       4 | name = "cart"
›         |        ^^^^^^
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

"#]]);
}

#[test]
fn a_mistake_in_one_members_file_holds_up_no_other() {
    let home = Home::new();
    let shop = workspace(&home, &["a", "b"]);
    let file = shop.join("services/b/squad.toml");
    let good = std::fs::read_to_string(&file).expect("a file");
    home.write(&file, &format!("{good}\nx = [\n"));
    let own = shop.join("services/a");
    for command in [["deploy"], ["status"], ["logs"]] {
        let output = home.squad_in(&own, command).success();
        assert!(
            output.stderr.contains(
                "warning: ../b/squad.toml has mistakes, so squad goes on without its service where it can; `squad config check` shows them\n"
            ),
            "{}",
            output.transcript()
        );
    }
    // What is about all of them, or about that one, is refused.
    for arguments in [&["deploy", "--all"][..], &["deploy", "b"]] {
        let output = home.squad_in(&shop, arguments).failure(5);
        assert!(
            output.stderr.contains("services/b/squad.toml"),
            "{}",
            output.transcript()
        );
    }
    home.squad_in(&own, ["config", "check"]).failure(5);
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
        .assert(str![[r#"
› error: cannot deploy `payments`: the name `payments` belongs to the service in `[WORK]/payments`
› hint: if they are two services, give this one another name in its squad.toml
› hint: if the service has moved here, put the old place away: `mv [WORK]/payments [WORK]/payments.old`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-name-taken.md
[exit 7]

"#]]);
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
    // Also where it is cloned in another way; but not one that only looks like it.
    let of_origin = |directory: &Path, address: &str| {
        home.git(directory, ["remote", "set-url", "origin", address]);
        home.squad_in(directory, ["deploy"])
    };
    let over_ssh = copy("over-ssh");
    of_origin(&over_ssh, "git@Git.example:payments.git").success();
    of_origin(&clone, "https://ana:secret@git.example/payments/").success();
    of_origin(&over_ssh, "git@git.example:other/payments.git").failure(7);
    // A directory that is gone has no say.
    std::fs::remove_dir_all(&first.directory).expect("it is there");
    home.squad_in(&second, ["deploy"]).success();
}

#[test]
fn a_service_is_deployed_by_its_name_from_elsewhere() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad(["deploy", "payments"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `payments`: there is no squad.toml here or above
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad(["deploy"]).failure(5).assert(str![[r#"
› error: cannot find a service: there is no squad.toml in `[WORK]` or above
› hint: make one with `squad new`, or go to a service's directory
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-service.md
[exit 5]

"#]]);
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    let output = home.squad(["deploy", "payments"]).success();
    assert_eq!(output.line(), "2");
    std::fs::remove_dir_all(&service.directory).expect("it is there");
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
        .assert(str![[r#"
› error: `squad.toml` has 3 mistakes
›   squad.toml:4:8: `service.name` is `Payments`, which is not a name: use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end; did you mean `payments`?
›       4 | name = "Payments"
›         |        ^^^^^^^^^^
›   squad.toml:5:8: `service.kind` is `htp`; did you mean `http`?
›       5 | kind = "htp"
›         |        ^^^^^
›   squad.toml:8:1: unknown key `run.comand`; did you mean `command`?
›       8 | comand = ["python3", "serve.py"]
›         | ^^^^^^
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

"#]]);
    home.write(
        service.directory.join("squad.toml"),
        "schema = 1\n[service\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(5)
        .assert(str![[r#"
› error: `squad.toml` has a mistake
›   squad.toml:2:9: this is not TOML: unclosed table, expected `]`
›       2 | [service
›         |         ^
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

"#]]);
}
